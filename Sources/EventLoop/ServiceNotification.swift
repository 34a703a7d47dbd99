import CUV
import Glibc

/// Tells the service manager about our state, by the protocol of sd_notify(3).
package enum ServiceNotification {
    /// Sends assignments such as `READY=1`, several on lines of their own. Answers whether a manager took them: false
    /// without NOTIFY_SOCKET, and when its socket is missing or full, which is no reason to stop.
    @discardableResult
    package static func send(_ state: String) -> Bool {
        guard let variable = getenv("NOTIFY_SOCKET") else { return false }
        return send(state, to: String(cString: variable))
    }

    static func send(_ state: String, to path: String) -> Bool {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        var name = Array(path.utf8)
        // "@name" is the abstract socket "\0name".
        guard let first = name.first, first == UInt8(ascii: "@") || first == UInt8(ascii: "/") else { return false }
        if first == UInt8(ascii: "@") { name[0] = 0 }
        let fits = withUnsafeMutableBytes(of: &address.sun_path) { target in
            guard name.count < target.count else { return false }
            target.copyBytes(from: name)
            return true
        }
        guard fits else { return false }
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        // An abstract name is as long as it is said to be; it has no terminator.
        let size = socklen_t(MemoryLayout<sa_family_t>.size + name.count + (first == UInt8(ascii: "@") ? 0 : 1))
        let message = Array(state.utf8)
        let flags = Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT)
        let sent = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                sendto(descriptor, message, message.count, flags, $0, size)
            }
        }
        return sent == message.count
    }
}
