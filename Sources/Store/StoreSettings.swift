/// Ceilings of a store. The defaults are those of the product; tests choose smaller ones.
package struct StoreSettings: Equatable, Sendable {
    /// Rows after which the writer commits what it has and goes on with the next group. A single commit is never split.
    package var groupRows = 4_000
    /// The same in bytes of values.
    package var groupBytes = 4 << 20
    /// Bytes of write-ahead log that are copied into the file when the writer is idle (K8).
    package var idleCheckpointBytes = 4 << 20
    /// Bytes of write-ahead log at which it is copied even under load (K8); the log is cut then.
    package var forcedCheckpointBytes = 64 << 20
    /// Idle time before the log is copied, in nanoseconds.
    package var idleNanoseconds: UInt64 = 50_000_000
    /// Bytes of event log beyond which the oldest events go, whatever their age (K35).
    package var eventLogBytes = 256 << 20
    /// Pending deliveries of one endpoint that a start reads at once.
    package var endpointDeliveries = 1_000
    /// Bytes of exchange log beyond which the oldest exchanges go, whatever their age.
    package var exchangeLogBytes = 64 << 20
    /// Rows that a slice of a removal may take: the writer is away from the next group for that long.
    package var sliceRows = 1_000
    /// The same in bytes of data: removed data is overwritten, page by page (K1).
    package var sliceBytes = 1 << 20
    /// Milliseconds that a call waits for a lock of a foreign program, such as `sqlite3` looking at the file.
    package var lockMilliseconds: Int32 = 5_000

    package init() {}
}
