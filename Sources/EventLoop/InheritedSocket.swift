import Glibc

/// A socket that a service manager opened for us, by the protocol of sd_listen_fds(3).
package struct InheritedSocket: Equatable, Sendable {
    /// From FileDescriptorName= of the socket unit; "unknown" when it has none.
    package let name: String
    package let descriptor: Int32

    /// The sockets handed to this process, none when LISTEN_PID names another. The three variables are removed, so that a
    /// child does not take them for its own.
    package static func take() -> [InheritedSocket] {
        defer { for variable in ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"] { unsetenv(variable) } }
        func value(_ variable: String) -> String? { getenv(variable).map { String(cString: $0) } }
        guard let pid = value("LISTEN_PID"), Int32(pid) == getpid(),
            let text = value("LISTEN_FDS"), let count = Int32(text), count > 0, count <= 1024
        else { return [] }
        let names = value("LISTEN_FDNAMES")?.split(separator: ":", omittingEmptySubsequences: false) ?? []
        return (0..<count).map { index in
            // They start at 3 (SD_LISTEN_FDS_START).
            _ = fcntl(index + 3, F_SETFD, FD_CLOEXEC)
            let name = Int(index) < names.count ? String(names[Int(index)]) : "unknown"
            return InheritedSocket(name: name, descriptor: index + 3)
        }
    }
}
