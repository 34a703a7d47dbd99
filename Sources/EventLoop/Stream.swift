// Theory of operation.
//
// Input is libuv's: it reads into the loop's one buffer and hands over what came.
//
// Output is tried at once (uv_try_write); what the kernel does not take is queued here, not in libuv. While bytes wait,
// exactly one small uv_write, the *scout*, is under way: libuv tells when it was accepted, which means that there is room
// again, and the queue follows by uv_try_write until the next refusal. So progress is known to the nearest scout even
// when a reader takes a kilobyte a second (libuv alone would report the end of the whole queue only), a queue costs no
// allocation a write, and `queuedBytes` is exact.

import CUV
import Glibc

/// A byte stream over anything that epoll takes: a Unix socket, a pipe, a terminal. Regular files and /dev/null are the
/// business of `StandardStreams`.
package final class Stream: Handle, ByteStream {
    package var onBytes: ((UnsafeRawBufferPointer) -> Void)?
    package var onDrained: (() -> Void)?
    package var onEnd: ((LoopFailure?) -> Void)?
    package var onWritable: (() -> Void)?
    package var onOutputFailure: ((LoopFailure) -> Void)?
    package var lowWater = 0
    package private(set) var isReading = false
    package private(set) var lastProgress: UInt64

    /// Set when O_NONBLOCK had to be set on an open file description that other processes share.
    var restoresBlocking = false

    /// In bytes: a page, the least for which Linux reports room in a pipe.
    private static let scoutSize = 4096

    private enum Output { case open, ending, shuttingDown, ended, broken }
    private var output = Output.open
    private var inputEnded = false
    private var queue = WriteQueue()
    private var scout: UnsafeMutablePointer<uv_write_t>?
    private var scoutBytes: UnsafeMutableRawBufferPointer?
    private var scoutIsOut = false
    private var owesWritable = false
    private var shutdown: UnsafeMutablePointer<uv_shutdown_t>?
    private var whenOutputEnded: [() -> Void] = []

    /// Takes ownership of `descriptor`, also when it throws: `LoopFailure` EPERM for what epoll refuses (regular files,
    /// directories, /dev/null), EBADF for a closed descriptor. Sets O_NONBLOCK.
    package convenience init(loop: Loop, descriptor: Int32) throws(LoopFailure) {
        do throws(LoopFailure) {
            guard try Descriptors.isPollable(descriptor) else {
                throw LoopFailure(code: -EPERM, operation: "open stream")
            }
        } catch {
            Glibc.close(descriptor)
            throw error
        }
        try self.init(loop: loop, pollable: descriptor)
    }

    /// The same for a descriptor that is known to be pollable.
    init(loop: Loop, pollable descriptor: Int32) throws(LoopFailure) {
        let memory = Handle.allocate(UV_NAMED_PIPE)
        let pipe = memory.assumingMemoryBound(to: uv_pipe_t.self)
        uv_pipe_init(loop.raw, pipe, 0)
        let opened = uv_pipe_open(pipe, descriptor)
        guard opened == 0 else {
            Handle.discard(memory)
            Glibc.close(descriptor)
            throw LoopFailure(code: opened, operation: "open stream")
        }
        lastProgress = loop.now
        super.init(loop: loop, memory: memory)
    }

    /// Connects to the Unix socket at `path`. A connect on a Unix socket does not take time: it succeeds, or throws
    /// `LoopFailure` (ENOENT, ECONNREFUSED, EACCES, EAGAIN when the listener's backlog is full, ENAMETOOLONG over 107
    /// bytes).
    package convenience init(loop: Loop, connectingTo path: String) throws(LoopFailure) {
        let descriptor = try Descriptors.unixSocket()
        let result = Descriptors.withAddress(of: path) { connect(descriptor, $0, $1) == 0 ? 0 : -errno }
        guard let result, result == 0 else {
            Glibc.close(descriptor)
            throw LoopFailure(code: result ?? -ENAMETOOLONG, operation: "connect")
        }
        try self.init(loop: loop, pollable: descriptor)
    }

    /// Two connected streams. Throws `LoopFailure` when out of descriptors.
    package static func pair(loop: Loop) throws(LoopFailure) -> (Stream, Stream) {
        var ends: [Int32] = [-1, -1]
        let kind = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
        guard socketpair(AF_UNIX, kind, 0, &ends) == 0 else { throw LoopFailure.last("create socket pair") }
        return (try Stream(loop: loop, pollable: ends[0]), try Stream(loop: loop, pollable: ends[1]))
    }

    /// Who is at the other end. Throws `LoopFailure` when this is not a Unix socket.
    package func peerCredentials() throws(LoopFailure) -> PeerCredentials {
        try PeerCredentials.of(descriptor)
    }

    // MARK: Input

    package func startReading() {
        guard !isReading, !inputEnded, !isClosing else { return }
        isReading = true
        let started = uv_read_start(
            stream,
            { handle, _, buffer in
                let loop = Handle.object(handle?.pointee.data, as: Stream.self).loop
                buffer?.pointee.base = loop.readBuffer.assumingMemoryBound(to: CChar.self).baseAddress
                buffer?.pointee.len = loop.readBuffer.count
            },
            { handle, count, _ in Handle.object(handle?.pointee.data, as: Stream.self).didRead(count) })
        // A descriptor that is open for writing only.
        if started < 0 { loop.soon { self.inputDidEnd(LoopFailure(code: started, operation: "read")) } }
    }

    package func pauseReading() {
        guard isReading else { return }
        isReading = false
        uv_read_stop(stream)
    }

    private func didRead(_ count: Int) {
        if count > 0 {
            onBytes?(UnsafeRawBufferPointer(rebasing: loop.readBuffer[..<count]))
            if count < loop.readBuffer.count { onDrained?() }
        } else if count == 0 {
            onDrained?()
        } else if count == Int(UV_EOF.rawValue) {
            inputDidEnd(nil)
        } else {
            inputDidEnd(LoopFailure(code: Int32(count), operation: "read"))
        }
    }

    package var isHungUp: Bool {
        guard !isClosing else { return true }
        var state = pollfd(fd: descriptor, events: 0, revents: 0)
        return poll(&state, 1, 0) == 1 && Int32(state.revents) & (POLLHUP | POLLERR) != 0
    }

    private func inputDidEnd(_ failure: LoopFailure?) {
        guard !inputEnded, !isClosing else { return }
        pauseReading()
        inputEnded = true
        onEnd?(failure)
    }

    // MARK: Output

    package var queuedBytes: Int { queue.count + (scoutIsOut ? uv_stream_get_write_queue_size(stream) : 0) }

    package func write(_ bytes: [UInt8]) {
        guard output == .open, !isClosing, !bytes.isEmpty else { return }
        guard queue.isEmpty, !scoutIsOut else { return enqueue(bytes, from: 0) }
        let (written, code) = bytes.withUnsafeBytes(tryWrite)
        if code < 0 { return outputDidBreak(code) }
        if written < bytes.count {
            enqueue(bytes, from: written)
            lastProgress = loop.now
            sendScout()
        }
    }

    package func endOutput(_ done: (() -> Void)?) {
        if let done { whenOutputEnded.append(done) }
        switch output {
        case .open where !isClosing:
            output = .ending
            if queue.isEmpty && !scoutIsOut { shutDown() }
        case .ending, .shuttingDown: break
        case .open, .ended, .broken: loop.soon { self.tellOutputEnded() }
        }
    }

    package func close(_ done: (() -> Void)?) {
        if !isClosing {
            pauseReading()
            queue.removeAll()
            (onBytes, onDrained, onEnd, onWritable, onOutputFailure) = (nil, nil, nil, nil, nil)
            if restoresBlocking {
                let flags = fcntl(descriptor, F_GETFL)
                if flags >= 0 { _ = fcntl(descriptor, F_SETFL, flags & ~O_NONBLOCK) }
            }
        }
        closeHandle(done)
    }

    override func didClose() {
        scout?.deallocate()
        scoutBytes?.deallocate()
        shutdown?.deallocate()
        output = .ended
        tellOutputEnded()
    }

    private func enqueue(_ bytes: [UInt8], from start: Int) {
        queue.append(bytes, from: start)
        owesWritable = true
    }

    /// Writes until the kernel takes no more; answers how many bytes it took and libuv's code, negative for a failure.
    private func tryWrite(_ bytes: UnsafeRawBufferPointer) -> (written: Int, code: Int32) {
        var written = 0
        while written < bytes.count {
            let base = UnsafeMutableRawPointer(mutating: bytes.baseAddress)?.advanced(by: written)
            var part = uv_buf_t(base: base?.assumingMemoryBound(to: CChar.self), len: bytes.count - written)
            let result = uv_try_write(stream, &part, 1)
            if result < 0 { return (written, result == UV_EAGAIN.rawValue ? 0 : result) }
            written += Int(result)
            lastProgress = loop.now
        }
        return (written, 0)
    }

    /// Sends the first bytes of the queue, which is not empty, on the way that tells when they were accepted.
    private func sendScout() {
        let request = scout ?? .allocate(capacity: 1)
        let bytes = scoutBytes ?? .allocate(byteCount: Self.scoutSize, alignment: 16)
        (scout, scoutBytes) = (request, bytes)
        let count = queue.move(to: bytes)
        var part = uv_buf_t(base: bytes.assumingMemoryBound(to: CChar.self).baseAddress, len: count)
        let result = uv_write(request, stream, &part, 1) { request, status in
            Handle.object(request?.pointee.handle.pointee.data, as: Stream.self).scoutDidReturn(status)
        }
        if result < 0 { outputDidBreak(result) } else { scoutIsOut = true }
    }

    private func scoutDidReturn(_ status: Int32) {
        scoutIsOut = false
        guard !isClosing else { return }
        guard status == 0 else { return outputDidBreak(status) }
        lastProgress = loop.now
        while output != .broken, !scoutIsOut, !queue.isEmpty {
            let (offered, tried) = queue.withFront { ($0.count, tryWrite($0)) }
            queue.drop(tried.written)
            if tried.code < 0 { return outputDidBreak(tried.code) }
            if tried.written < offered { sendScout() }
        }
        guard output != .broken else { return }
        if output == .ending && queue.isEmpty && !scoutIsOut { shutDown() }
        if owesWritable && queuedBytes <= lowWater {
            owesWritable = false
            onWritable?()
        }
    }

    private func outputDidBreak(_ code: Int32) {
        output = .broken
        queue.removeAll()
        // Never from inside `write`: its caller is in the middle of something.
        loop.soon {
            self.onOutputFailure?(LoopFailure(code: code, operation: "write"))
            self.tellOutputEnded()
        }
    }

    private func shutDown() {
        output = .shuttingDown
        let request = UnsafeMutablePointer<uv_shutdown_t>.allocate(capacity: 1)
        shutdown = request
        let result = uv_shutdown(request, stream) { request, _ in
            // A pipe cannot be shut down (ENOTSOCK), only closed; its queue is empty, and that is what was waited for.
            let stream = Handle.object(request?.pointee.handle.pointee.data, as: Stream.self)
            stream.output = .ended
            stream.tellOutputEnded()
        }
        if result < 0 {
            output = .ended
            loop.soon { self.tellOutputEnded() }
        }
    }

    private func tellOutputEnded() {
        let waiting = whenOutputEnded
        whenOutputEnded = []
        for done in waiting { done() }
    }

    // MARK: Parts

    private var stream: UnsafeMutablePointer<uv_stream_t> { memory.assumingMemoryBound(to: uv_stream_t.self) }

    private var descriptor: Int32 {
        var number: uv_os_fd_t = -1
        uv_fileno(memory.assumingMemoryBound(to: uv_handle_t.self), &number)
        return number
    }
}
