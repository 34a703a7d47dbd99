import CUV
import Glibc

/// Reads and writes of one descriptor on libuv's pool of threads, one at a time, at the descriptor's own position (which it
/// may share with other processes). Owns the descriptor.
final class FileOperation {
    private(set) var isUnderWay = false

    private let loop: Loop
    private let descriptor: Int32
    private let request = UnsafeMutablePointer<uv_fs_t>.allocate(capacity: 1)
    private var finished: ((Int) -> Void)?
    private var isClosing = false
    private var isClosed = false
    private var whenClosed: [() -> Void] = []

    init(loop: Loop, descriptor: Int32) {
        self.loop = loop
        self.descriptor = descriptor
    }

    deinit {
        // An operation under way holds this object, so nothing uses the descriptor here.
        if !isClosed { Glibc.close(descriptor) }
        request.deallocate()
    }

    /// `finished` gets the count of bytes, 0 at the end, or libuv's code. Not called after `close`.
    func read(into buffer: UnsafeMutableRawBufferPointer, _ finished: @escaping (Int) -> Void) {
        start(buffer, finished) { uv_fs_read($0, $1, $2, $3, 1, -1, $4) }
    }

    /// `finished` gets the count of bytes, at least 1, or libuv's code. Not called after `close`.
    func write(_ bytes: UnsafeMutableRawBufferPointer, _ finished: @escaping (Int) -> Void) {
        start(bytes, finished) { uv_fs_write($0, $1, $2, $3, 1, -1, $4) }
    }

    /// Closes the descriptor once the operation under way has ended; that cannot be cut short.
    func close(_ done: (() -> Void)?) {
        if let done { whenClosed.append(done) }
        if isClosed { return loop.soon { self.tellClosed() } }
        guard !isClosing else { return }
        isClosing = true
        if !isUnderWay { closeDescriptor() }
    }

    private typealias Call = (
        UnsafeMutablePointer<uv_loop_t>, UnsafeMutablePointer<uv_fs_t>, uv_file, UnsafePointer<uv_buf_t>, uv_fs_cb
    ) -> Int32

    private func start(_ bytes: UnsafeMutableRawBufferPointer, _ finished: @escaping (Int) -> Void, _ call: Call) {
        precondition(!isUnderWay && !isClosing, "A file stream does one thing at a time.")
        isUnderWay = true
        self.finished = finished
        request.pointee.data = Unmanaged.passRetained(self).toOpaque()
        var part = uv_buf_t(base: bytes.assumingMemoryBound(to: CChar.self).baseAddress, len: bytes.count)
        // libuv copies the buffer's description; a call that is handed to the pool does not fail.
        _ = call(loop.raw, request, descriptor, &part) { request in
            guard let request, let context = request.pointee.data else { return }
            let result = request.pointee.result
            uv_fs_req_cleanup(request)
            Unmanaged<FileOperation>.fromOpaque(context).takeRetainedValue().didFinish(result)
        }
    }

    private func didFinish(_ result: Int) {
        isUnderWay = false
        let work = finished
        finished = nil
        if isClosing { closeDescriptor() } else { work?(result) }
    }

    // Also on the pool: closing a file on a network may take long.
    private func closeDescriptor() {
        request.pointee.data = Unmanaged.passRetained(self).toOpaque()
        uv_fs_close(loop.raw, request, descriptor) { request in
            guard let request, let context = request.pointee.data else { return }
            uv_fs_req_cleanup(request)
            let operation = Unmanaged<FileOperation>.fromOpaque(context).takeRetainedValue()
            operation.isClosed = true
            operation.tellClosed()
        }
    }

    private func tellClosed() {
        let waiting = whenClosed
        whenClosed = []
        for done in waiting { done() }
    }
}
