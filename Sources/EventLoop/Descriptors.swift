import CLinux
import CUV
import Glibc

/// System calls on descriptors, repeated when a signal interrupted them.
enum Descriptors {
    /// Opens /dev/null on each of 0, 1, 2 that is closed.
    static func plugStandardHoles() throws(LoopFailure) {
        for descriptor: Int32 in 0...2 where fcntl(descriptor, F_GETFD) < 0 {
            // The lowest free number is taken, and all below are in use.
            guard Glibc.open("/dev/null", O_RDWR) >= 0 else { throw LoopFailure.last("open /dev/null") }
        }
    }

    static func repeating(_ operation: StaticString, _ call: () -> Int32) throws(LoopFailure) -> Int32 {
        while true {
            let result = call()
            if result >= 0 { return result }
            if errno != EINTR { throw LoopFailure.last(operation) }
        }
    }

    /// A second number for `descriptor`, at least 3 and closed on exec.
    static func duplicate(_ descriptor: Int32) throws(LoopFailure) -> Int32 {
        try repeating("duplicate descriptor") { fcntl(descriptor, F_DUPFD_CLOEXEC, 3) }
    }

    static func isPollable(_ descriptor: Int32) throws(LoopFailure) -> Bool {
        try LoopFailure.check(clinux_is_pollable(descriptor), "examine descriptor") == 1
    }

    /// Lets `body` use the address of a Unix socket; nil when the path does not fit (more than 107 bytes) or holds a NUL.
    static func withAddress<Result>(
        of path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result
    ) -> Result? {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        let fits = withUnsafeMutableBytes(of: &address.sun_path) { target in
            guard bytes.count < target.count, !bytes.contains(0) else { return false }
            target.copyBytes(from: bytes)
            return true
        }
        guard fits else { return nil }
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }

    /// A Unix stream socket, not blocking and closed on exec.
    static func unixSocket() throws(LoopFailure) -> Int32 {
        let kind = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        return try repeating("create socket") { socket(AF_UNIX, kind, 0) }
    }
}
