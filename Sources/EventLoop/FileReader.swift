import CUV
import Glibc

/// Reads what epoll refuses, a regular file or a device such as /dev/null, on libuv's pool of threads. One read is under
/// way at a time.
final class FileReader: ByteSource {
    var onBytes: ((UnsafeRawBufferPointer) -> Void)?
    var onDrained: (() -> Void)?
    var onEnd: ((LoopFailure?) -> Void)?
    private(set) var isReading = false

    private let loop: Loop
    private let operation: FileOperation
    /// Its own: the loop's buffer is free again as soon as a callback returns.
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Loop.readSize, alignment: 64)
    /// The result of a read that ended while reading was paused.
    private var held: Int?
    private var hasEnded = false
    private var isClosed = false

    /// Takes ownership of `descriptor`.
    init(loop: Loop, descriptor: Int32) {
        self.loop = loop
        operation = FileOperation(loop: loop, descriptor: descriptor)
    }

    deinit { buffer.deallocate() }

    func startReading() {
        guard !isReading, !hasEnded, !isClosed else { return }
        isReading = true
        if held != nil { loop.soon { self.deliverHeld() } } else { readMore() }
    }

    func pauseReading() { isReading = false }

    func close(_ done: (() -> Void)?) {
        isReading = false
        isClosed = true
        (onBytes, onDrained, onEnd) = (nil, nil, nil)
        operation.close(done)
    }

    private func readMore() {
        // After a pause the earlier read may still be under way.
        guard !operation.isUnderWay else { return }
        operation.read(into: buffer) { count in
            self.held = count
            self.deliverHeld()
        }
    }

    private func deliverHeld() {
        guard isReading, let count = held else { return }
        held = nil
        if count > 0 {
            onBytes?(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            if isReading { readMore() }
        } else {
            isReading = false
            hasEnded = true
            if count == 0 { onDrained?() }
            onEnd?(count == 0 ? nil : LoopFailure(code: Int32(count), operation: "read"))
        }
    }
}
