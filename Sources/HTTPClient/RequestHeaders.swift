import CCurl
import PushCore

/// Checks what goes into a request's head byte by byte, because libcurl sends what it is given.
enum RequestHeaders {
    /// Made by the client itself; in a request they would contradict what is really sent.
    static let reserved: Set<String> = [
        "accept-encoding", "connection", "content-length", "expect", "host", "http2-settings", "keep-alive",
        "proxy-authorization", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "user-agent",
    ]

    /// What is wrong with the request, or nil.
    static func problem(_ request: HTTPRequest) -> String? {
        guard (1...32).contains(request.method.utf8.count),
            request.method.utf8.allSatisfy({ (0x41...0x5A).contains($0) })
        else { return "The method is not a word of capital letters." }
        if request.isSafe, !request.body.isEmpty { return "GET and HEAD have no body." }
        guard HTTPOrigin.isValid(path: request.path) else { return "The path holds a byte that may not stand in it." }
        for header in request.headers {
            guard !header.name.isEmpty, header.name.utf8.allSatisfy(isToken) else {
                return "A header's name is not a token."
            }
            guard !reserved.contains(header.name.lowercased()) else {
                return "A header belongs to the client: \(header.name)."
            }
            guard header.value.utf8.allSatisfy({ (0x20...0x7E).contains($0) || $0 == 0x09 }) else {
                return "The value of the header \(header.name) holds a byte that may not stand in it."
            }
        }
        return nil
    }

    /// As libcurl wants them: `Name: value`, `Name;` for an empty value, `Name:` for one that it shall not make itself.
    static func list(_ request: HTTPRequest) -> UnsafeMutablePointer<curl_slist>? {
        var lines = request.headers.map { header in
            let value = header.value.drop { $0 == " " || $0 == "\t" }
            return value.isEmpty ? "\(header.name);" : "\(header.name): \(value)"
        }
        lines += ["Expect:", "Accept-Encoding: gzip"]
        for name in ["content-type", "accept"] where !request.headers.contains(where: { $0.name.lowercased() == name })
        {
            lines.append("\(name):")
        }
        var list: UnsafeMutablePointer<curl_slist>?
        for line in lines {
            guard let longer = curl_slist_append(list, line) else {
                curl_slist_free_all(list)
                return nil
            }
            list = longer
        }
        return list
    }

    /// RFC 9110 section 5.6.2.
    static func isToken(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
        default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
        }
    }
}
