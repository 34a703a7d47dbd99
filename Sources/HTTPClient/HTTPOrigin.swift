/// Scheme, host and port: whom a request goes to.
package struct HTTPOrigin: Hashable, Sendable, CustomStringConvertible {
    package let isSecure: Bool
    /// Lower case; an IPv6 address is in brackets.
    package let host: String
    package let port: UInt16

    /// Reads `https://api.example.com`, `http://127.0.0.1:8080`, `https://[2001:db8::1]`. The host is ASCII: letters, digits,
    /// dot, hyphen, underscore, at most 253 bytes (RFC 1035). Nil for anything else, also when a user, a path or a query
    /// follows.
    package init?(_ text: String) {
        guard let (origin, rest) = Self.split(text), rest.isEmpty else { return nil }
        self = origin
    }

    /// Splits an absolute URL into its origin and the path with query. The path is "/" if the URL has none; a fragment is
    /// refused, and so is a byte that is not visible ASCII.
    package static func target(_ url: String) -> (origin: HTTPOrigin, path: String)? {
        guard let (origin, rest) = split(url) else { return nil }
        let path = rest.hasPrefix("/") ? rest : "/" + rest
        return isValid(path: path) ? (origin, path) : nil
    }

    /// True for what may stand in a request line: begins with a slash, visible ASCII, no fragment.
    package static func isValid(path: String) -> Bool {
        path.utf8.first == UInt8(ascii: "/")
            && path.utf8.allSatisfy { (0x21...0x7E).contains($0) && $0 != UInt8(ascii: "#") }
    }

    package var description: String {
        let isUsual = port == (isSecure ? 443 : 80)
        return (isSecure ? "https://" : "http://") + host + (isUsual ? "" : ":\(port)")
    }

    private init(isSecure: Bool, host: String, port: UInt16) {
        self.isSecure = isSecure
        self.host = host
        self.port = port
    }

    private static func split(_ text: String) -> (HTTPOrigin, String)? {
        let bytes = Array(text.utf8)
        guard let start = scheme(bytes) else { return nil }
        let authorityEnd =
            bytes[start.length...].firstIndex {
                $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "?") || $0 == UInt8(ascii: "#")
            }
            ?? bytes.count
        let authority = bytes[start.length..<authorityEnd]
        let hostEnd: Int
        if authority.first == UInt8(ascii: "[") {
            guard let bracket = authority.firstIndex(of: UInt8(ascii: "]")),
                case .v6? = IPAddress(String(decoding: authority[(authority.startIndex + 1)..<bracket], as: UTF8.self))
            else { return nil }
            hostEnd = bracket + 1
        } else {
            hostEnd = authority.firstIndex(of: UInt8(ascii: ":")) ?? authorityEnd
            guard isValid(host: authority[..<hostEnd]) else { return nil }
        }
        guard let port = port(authority[hostEnd...], usual: start.isSecure ? 443 : 80) else { return nil }
        let host = String(decoding: authority[..<hostEnd].map(lowercased), as: UTF8.self)
        let origin = HTTPOrigin(isSecure: start.isSecure, host: host, port: port)
        return (origin, String(decoding: bytes[authorityEnd...], as: UTF8.self))
    }

    private static func scheme(_ bytes: [UInt8]) -> (isSecure: Bool, length: Int)? {
        for (name, isSecure) in [("https://", true), ("http://", false)]
        where bytes.prefix(name.utf8.count).map(lowercased).elementsEqual(name.utf8) {
            return (isSecure, name.utf8.count)
        }
        return nil
    }

    private static func isValid(host: ArraySlice<UInt8>) -> Bool {
        (1...253).contains(host.count)
            && host.allSatisfy {
                switch $0 {
                case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_"):
                    true
                default: false
                }
            }
    }

    private static func port(_ bytes: ArraySlice<UInt8>, usual: UInt16) -> UInt16? {
        guard let first = bytes.first else { return usual }
        let digits = bytes.dropFirst()
        guard first == UInt8(ascii: ":"), (1...5).contains(digits.count),
            digits.allSatisfy({ (0x30...0x39).contains($0) }),
            let port = UInt16(String(decoding: digits, as: UTF8.self)), port > 0
        else { return nil }
        return port
    }

    private static func lowercased(_ byte: UInt8) -> UInt8 { (0x41...0x5A).contains(byte) ? byte | 0x20 : byte }
}
