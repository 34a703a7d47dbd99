/// Watches the wall clock for jumps, because expiry goes by it (K36): a clock that is set forward by mistake must not
/// delete what would have lived for days.
///
/// Time that passes while nobody looks, as between two runs of the gateway, is no jump: both clocks are compared from the
/// first look on.
struct ClockWatch: Sendable {
    /// A step of the wall clock beyond the monotonic one that is more than this is a jump, in milliseconds.
    static let tolerance: Int64 = 3_600_000
    /// So long after a jump nothing expires, in nanoseconds: time to notice and to set the clock right.
    static let pause: UInt64 = 3_600_000_000_000

    private var last: (wall: Int64, monotonic: UInt64)?
    private var pausedUntil: UInt64 = 0

    /// - Parameters:
    ///   - wall: milliseconds since 1970.
    ///   - monotonic: nanoseconds, never running backwards.
    /// - Returns: how far the wall clock has jumped forward since the last look, in milliseconds; nil if it has not.
    mutating func look(wall: Int64, monotonic: UInt64) -> Int64? {
        defer { last = (wall, monotonic) }
        guard let last else { return nil }
        let jump = wall - last.wall - Int64((monotonic - last.monotonic) / 1_000_000)
        guard jump > Self.tolerance else { return nil }
        pausedUntil = monotonic + Self.pause
        return jump
    }

    /// Whether what is over by the wall clock may be deleted.
    func mayExpire(monotonic: UInt64) -> Bool { monotonic >= pausedUntil }
}
