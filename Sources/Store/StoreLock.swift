import EventLoop
import Glibc

/// The lock file beside a store: one gateway a store. Held by flock(2), so that it ends with the process, however that
/// ends. The file stays: whoever removed it might remove the next one's.
final class StoreLock {
    private var descriptor: Int32

    /// Takes the lock of the store at `path` and writes the process id into it. Throws `held` or `system`.
    init(storePath path: String) throws(StoreFailure) {
        let flags = O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK
        let descriptor = open(path + ".lock", flags, 0o600)
        guard descriptor >= 0 else { throw .last("open lock of store") }
        while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
            if errno == EINTR { continue }
            defer { close(descriptor) }
            if errno == EWOULDBLOCK { throw StoreFailure(.held(pid: Self.holder(descriptor)), operation: "lock store") }
            throw .last("lock store")
        }
        // For the message of the one who comes second. A disk too full for it is no reason not to start.
        let text = Array("\(getpid())\n".utf8)
        if ftruncate(descriptor, 0) == 0 { _ = pwrite(descriptor, text, text.count, 0) }
        self.descriptor = descriptor
    }

    deinit { release() }

    func release() {
        guard descriptor >= 0 else { return }
        // Closing alone is not enough: a process that was forked at this moment and has not reached exec(2) holds the same
        // lock through its copy.
        flock(descriptor, LOCK_UN)
        close(descriptor)
        descriptor = -1
    }

    private static func holder(_ descriptor: Int32) -> Int32? {
        var text = [UInt8](repeating: 0, count: 16)
        let count = pread(descriptor, &text, text.count, 0)
        return count > 0 ? Int32(String(decoding: text[..<count].prefix { $0 != 10 }, as: UTF8.self)) : nil
    }
}

extension StoreFailure {
    /// The failure that `errno` tells about right now.
    static func last(_ operation: StaticString) -> StoreFailure {
        StoreFailure(.system(LoopFailure(code: -errno, operation: operation)), operation: operation)
    }
}
