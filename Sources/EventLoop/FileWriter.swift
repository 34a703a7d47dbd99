import CUV

/// Writes to what epoll refuses, a regular file or a device such as /dev/null, on libuv's pool of threads. One write is
/// under way at a time.
final class FileWriter: ByteSink {
    var onWritable: (() -> Void)?
    var onOutputFailure: ((LoopFailure) -> Void)?
    var lowWater = 0
    private(set) var lastProgress: UInt64

    private let loop: Loop
    private let operation: FileOperation
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Loop.readSize, alignment: 64)
    /// The part of `buffer` that is still to be written.
    private var pending = 0..<0
    private var queue = WriteQueue()
    private var owesWritable = false
    private var isEnding = false
    private var isClosed = false
    private var whenEnded: [() -> Void] = []

    /// Takes ownership of `descriptor`.
    init(loop: Loop, descriptor: Int32) {
        self.loop = loop
        operation = FileOperation(loop: loop, descriptor: descriptor)
        lastProgress = loop.now
    }

    deinit { buffer.deallocate() }

    var queuedBytes: Int { queue.count + pending.count }

    func write(_ bytes: [UInt8]) {
        guard !isEnding, !isClosed, !bytes.isEmpty else { return }
        if queuedBytes == 0 { lastProgress = loop.now }
        queue.append(bytes)
        owesWritable = true
        writeMore()
    }

    func endOutput(_ done: (() -> Void)?) {
        if let done { whenEnded.append(done) }
        isEnding = true
        if queuedBytes == 0 { loop.soon { self.tellEnded() } }
    }

    func close(_ done: (() -> Void)?) {
        isClosed = true
        queue.removeAll()
        pending = 0..<0
        (onWritable, onOutputFailure) = (nil, nil)
        operation.close {
            self.tellEnded()
            done?()
        }
    }

    private func writeMore() {
        guard !operation.isUnderWay else { return }
        if pending.isEmpty { pending = 0..<queue.move(to: buffer) }
        guard !pending.isEmpty else { return }
        operation.write(UnsafeMutableRawBufferPointer(rebasing: buffer[pending])) { self.didWrite($0) }
    }

    private func didWrite(_ count: Int) {
        guard count > 0 else {
            queue.removeAll()
            pending = 0..<0
            isEnding = true
            onOutputFailure?(LoopFailure(code: count < 0 ? Int32(count) : UV_EIO.rawValue, operation: "write"))
            return tellEnded()
        }
        lastProgress = loop.now
        pending = pending.dropFirst(count)
        writeMore()
        if isEnding && queuedBytes == 0 { tellEnded() }
        if owesWritable && queuedBytes <= lowWater {
            owesWritable = false
            onWritable?()
        }
    }

    private func tellEnded() {
        let waiting = whenEnded
        whenEnded = []
        for done in waiting { done() }
    }
}
