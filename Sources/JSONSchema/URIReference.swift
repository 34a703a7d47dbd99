/// A URI or relative reference in its five parts (RFC 3986, section 3), as far as `$id` and `$ref` need it.
struct URIReference: Equatable, Sendable {
    var scheme: String?
    var authority: String?
    var path: String
    var query: String?
    var fragment: String?

    /// Splits as the expression of RFC 3986, appendix B does; every text has such parts.
    init(_ text: String) {
        var rest = Substring(text)
        if let hash = rest.firstIndex(of: "#") {
            fragment = String(rest[rest.index(after: hash)...])
            rest = rest[..<hash]
        }
        if let mark = rest.firstIndex(of: "?") {
            query = String(rest[rest.index(after: mark)...])
            rest = rest[..<mark]
        }
        if let colon = rest.firstIndex(of: ":"), colon != rest.startIndex,
            !rest[..<colon].contains("/")
        {
            scheme = String(rest[..<colon]).lowercased()
            rest = rest[rest.index(after: colon)...]
        }
        if rest.hasPrefix("//") {
            let host = rest.dropFirst(2)
            let end = host.firstIndex(of: "/") ?? host.endIndex
            authority = String(host[..<end])
            rest = host[end...]
        }
        path = String(rest)
    }

    /// RFC 3986, section 5.2.2.
    func resolved(against base: URIReference) -> URIReference {
        var target = self
        if scheme != nil {
            target.path = Self.withoutDots(path)
            return target
        }
        target.scheme = base.scheme
        if authority != nil {
            target.path = Self.withoutDots(path)
            return target
        }
        target.authority = base.authority
        if path.isEmpty {
            target.path = base.path
            target.query = query ?? base.query
        } else if path.hasPrefix("/") {
            target.path = Self.withoutDots(path)
        } else {
            let folder = base.path.lastIndex(of: "/").map { String(base.path[...$0]) }
            target.path = Self.withoutDots((folder ?? (base.authority == nil ? "" : "/")) + path)
        }
        return target
    }

    /// RFC 3986, section 5.2.4, by segments. A relative path stays relative.
    private static func withoutDots(_ path: String) -> String {
        guard path.contains(".") else { return path }
        let segments = path.split(separator: "/", omittingEmptySubsequences: false)
        var kept: [Substring] = []
        let floor = path.hasPrefix("/") ? 1 : 0
        for (place, segment) in segments.enumerated() {
            let isLast = place == segments.count - 1
            switch segment {
            case ".":
                if isLast { kept.append("") }
            case "..":
                if kept.count > floor { kept.removeLast() }
                if isLast { kept.append("") }
            default: kept.append(segment)
            }
        }
        return kept.joined(separator: "/")
    }

    /// Everything but the fragment: what names a resource.
    var resource: String {
        (scheme.map { $0 + ":" } ?? "") + (authority.map { "//" + $0 } ?? "") + path + (query.map { "?" + $0 } ?? "")
    }

    /// The fragment with `%XX` decoded; nil if an escape is malformed or the result is not UTF-8.
    static func decoded(fragment: String) -> String? {
        guard fragment.utf8.contains(UInt8(ascii: "%")) else { return fragment }
        var bytes: [UInt8] = []
        let source = Array(fragment.utf8)
        var at = 0
        while at < source.count {
            if source[at] == UInt8(ascii: "%") {
                guard at + 2 < source.count, let high = hex(source[at + 1]), let low = hex(source[at + 2]) else {
                    return nil
                }
                bytes.append(high << 4 | low)
                at += 3
            } else {
                bytes.append(source[at])
                at += 1
            }
        }
        return String(validating: bytes, as: UTF8.self)
    }

    private static func hex(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - 0x30
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - 0x57
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - 0x37
        default: nil
        }
    }
}

/// JSON Pointers, RFC 6901.
package enum JSONPointer {
    /// One reference token, escaped.
    static func escaped(_ token: String) -> String {
        guard token.utf8.contains(where: { $0 == UInt8(ascii: "~") || $0 == UInt8(ascii: "/") }) else { return token }
        var text = ""
        for scalar in token.unicodeScalars {
            switch scalar {
            case "~": text += "~0"
            case "/": text += "~1"
            default: text.unicodeScalars.append(scalar)
            }
        }
        return text
    }

    /// The tokens of a pointer, unescaped; nil if it is not one.
    package static func tokens(_ pointer: String) -> [String]? {
        if pointer.isEmpty { return [] }
        guard pointer.utf8.first == UInt8(ascii: "/") else { return nil }
        // By scalars: a slash and a combining mark behind it are one character, but still a slash.
        return pointer.unicodeScalars.dropFirst().split(separator: "/", omittingEmptySubsequences: false).map { token in
            var text = ""
            var tilde = false
            for scalar in token {
                if tilde {
                    text += scalar == "1" ? "/" : scalar == "0" ? "~" : "~\(scalar)"
                    tilde = false
                } else if scalar == "~" {
                    tilde = true
                } else {
                    text.unicodeScalars.append(scalar)
                }
            }
            return tilde ? text + "~" : text
        }
    }
}
