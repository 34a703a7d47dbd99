import Glibc

/// The sockets of a pool, and which of them may be asked whether something waits to be read. libcurl 7.88 looks at a kept
/// connection before it uses it again, but takes one that holds an answer that nobody asked for: the next request would get
/// that answer as its own. And what it does not see as dead fails only after the request has gone, with an unknown outcome.
final class KeptConnections {
    private var sockets: Set<Int32> = []
    /// Local ports of connections that have carried an exchange in HTTP/1 and are silent until the next request. In HTTP/2
    /// the server may say something at any time.
    private var silent: Set<UInt16> = []

    func opened(_ descriptor: Int32) { sockets.insert(descriptor) }

    func close(_ descriptor: Int32) -> Int32 {
        sockets.remove(descriptor)
        return Glibc.close(descriptor)
    }

    func isNew(port: UInt16) { silent.remove(port) }

    func isSilent(port: UInt16) { silent.insert(port) }

    /// True when there is something to read, be it the end, where there must be nothing.
    func isSpoilt(port: UInt16) -> Bool {
        guard silent.contains(port) else { return false }
        return sockets.contains(where: { descriptor in
            var byte: UInt8 = 0
            guard Self.localPort(descriptor) == port else { return false }
            let flags = Int32(MSG_PEEK) | Int32(MSG_DONTWAIT)
            return recv(descriptor, &byte, 1, flags) >= 0 || errno != EAGAIN
        })
    }

    private static func localPort(_ descriptor: Int32) -> UInt16? {
        var address = sockaddr_in6()
        var size = socklen_t(MemoryLayout<sockaddr_in6>.size)
        let result = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &size) }
        }
        // The port is at the same place for both families.
        return result == 0 ? UInt16(bigEndian: address.sin6_port) : nil
    }
}
