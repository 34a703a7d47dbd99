import Glibc
import JSON

/// A blocking conversation with a gateway, for the shell. One call at a time.
struct Caller {
    private let descriptor: Int32
    private var buffer: [UInt8] = []
    private var number = 0

    /// - Throws: `Exit.unreachable` when nobody listens there.
    init(socket path: String) throws {
        guard path.utf8.count <= 107 else {
            throw Exit.usage("The path of a socket may have 107 bytes; \(path) has \(path.utf8.count).")
        }
        descriptor = Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard result == 0 else {
            let reason = String(cString: strerror(errno))
            Glibc.close(descriptor)
            throw Exit.unreachable("No gateway answers at \(path): \(reason). Start one with pushgate serve.")
        }
    }

    /// A conversation that may begin, with the options `socket` and `token-file`.
    ///
    /// - Throws: `Exit`.
    init(_ options: Options) throws {
        try self.init(socket: options["socket"] ?? Paths.socket)
        guard let path = options["token-file"] else { return }
        let token = String(decoding: try Paths.token(at: path), as: UTF8.self)
        let answer = try call("hello", ["client": ["name": "pushgate call"], "token": .string(token)])
        if let error = answer["error"] { throw Call.refused(error) }
    }

    func close() { Glibc.close(descriptor) }

    /// Sends one call and waits for its answer; notifications that come before it go to `notice`.
    mutating func call(
        _ method: String, _ params: JSONValue?, timeout milliseconds: Int32 = -1, notice: (JSONView) -> Void = { _ in }
    ) throws -> JSONView {
        number += 1
        var members: [JSONValue.Member] = [
            .init("jsonrpc", "2.0"), .init("id", .number(String(number))), .init("method", .string(method)),
        ]
        if let params { members.append(.init("params", params)) }
        try send(JSONValue.object(members).text + [UInt8(ascii: "\n")])
        while true {
            let message = try receive(timeout: milliseconds)
            if message["method"] != nil {
                notice(message)
            } else {
                return message
            }
        }
    }

    /// The next message of the gateway.
    mutating func receive(timeout milliseconds: Int32 = -1) throws -> JSONView {
        while true {
            if let end = buffer.firstIndex(of: UInt8(ascii: "\n")) {
                let line = Array(buffer[..<end])
                buffer.removeSubrange(...end)
                return try JSONDocument(parsing: line).root
            }
            var poll = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            guard Glibc.poll(&poll, 1, milliseconds) > 0 else {
                throw Exit(code: 75, message: "No answer within \(milliseconds) ms. The call may have had its effect.")
            }
            var bytes = [UInt8](repeating: 0, count: 65_536)
            let count = read(descriptor, &bytes, bytes.count)
            guard count > 0 else { throw Exit.unreachable("The gateway closed the connection.") }
            buffer += bytes[..<count]
        }
    }

    private func send(_ bytes: [UInt8]) throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            guard count > 0 else { throw Exit.unreachable("The gateway closed the connection.") }
            rest = rest.dropFirst(count)
        }
    }
}
