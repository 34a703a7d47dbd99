/// The side of a stream that bytes come out of. Callbacks run on the loop thread, never from inside one of these methods.
package protocol ByteSource: AnyObject {
    /// The bytes of one read, at most `Loop.readSize`; valid during the call only.
    var onBytes: ((UnsafeRawBufferPointer) -> Void)? { get set }
    /// All that the kernel had was read. Follows the `onBytes` that emptied it.
    var onDrained: (() -> Void)? { get set }
    /// The input ended: nil when orderly (a half close, writing is still possible). Exactly once, unless closed before.
    var onEnd: ((LoopFailure?) -> Void)? { get set }
    var isReading: Bool { get }
    func startReading()
    func pauseReading()
    /// Closes at once. `done` runs in a later callback, when the descriptor is free.
    func close(_ done: (() -> Void)?)
}

/// The side of a stream that takes bytes. Callbacks run on the loop thread, never from inside one of these methods.
package protocol ByteSink: AnyObject {
    /// `queuedBytes` fell to or below `lowWater` after a write that left some queued.
    var onWritable: (() -> Void)? { get set }
    /// The output broke (the peer is gone, the disk is full): queued bytes were dropped, later writes are ignored. Once.
    /// Input already received is still delivered.
    var onOutputFailure: ((LoopFailure) -> Void)? { get set }
    /// In bytes. 0 unless set: `onWritable` then comes when all is written.
    var lowWater: Int { get set }
    /// Writes what the kernel takes now and queues the rest without a ceiling: watching `queuedBytes` is the caller's.
    /// Ignored after `endOutput`, `close` or a failure of the output.
    func write(_ bytes: [UInt8])
    /// Bytes handed over and not yet accepted by the kernel.
    var queuedBytes: Int { get }
    /// Loop time at which the kernel last accepted a byte, or at which bytes began to queue, if that is later.
    var lastProgress: UInt64 { get }
    /// Ends the output after all that is queued was written. `done` runs in a later callback, exactly once, also when the
    /// output breaks or the stream is closed meanwhile.
    func endOutput(_ done: (() -> Void)?)
    /// Closes at once and drops what is queued. `done` runs in a later callback, when the descriptor is free.
    func close(_ done: (() -> Void)?)
}

/// A duplex stream of bytes, whatever it is made of.
package protocol ByteStream: ByteSource, ByteSink {
    /// The peer has closed both directions, so nothing that is written can arrive. Asks the kernel (poll(2), POLLHUP);
    /// after the input ended it tells a peer that is gone from one that only has no more to say.
    var isHungUp: Bool { get }
}

extension ByteSource {
    package func close() { close(nil) }
}

extension ByteSink {
    package func close() { close(nil) }
    package func endOutput() { endOutput(nil) }
}

extension ByteStream {
    package func close() { close(nil) }
}
