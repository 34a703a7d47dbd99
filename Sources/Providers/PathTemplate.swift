import JSON

/// A path with places for values: `/crm/objects/{v}/{resource}/batch/read`. A value goes in percent-encoded, so that it
/// stays inside of its place whatever it holds (RFC 3986 section 2.1).
struct PathTemplate: Equatable, Sendable {
    private enum Part: Equatable, Sendable {
        case literal(String)
        case place(String)
    }

    private var parts: [Part] = []

    /// Nil when a brace is not closed, or the path does not begin with a slash.
    init?(_ text: String) {
        guard text.hasPrefix("/"), text.utf8.allSatisfy({ (0x21...0x7E).contains($0) && $0 != UInt8(ascii: "#") })
        else { return nil }
        var rest = Substring(text)
        while let open = rest.firstIndex(of: "{") {
            guard let close = rest[open...].firstIndex(of: "}"), !rest[..<open].contains("}") else { return nil }
            parts.append(.literal(String(rest[..<open])))
            let name = rest[rest.index(after: open)..<close]
            guard !name.isEmpty, !name.contains("{") else { return nil }
            parts.append(.place(String(name)))
            rest = rest[rest.index(after: close)...]
        }
        guard !rest.contains("}") else { return nil }
        parts.append(.literal(String(rest)))
    }

    /// Names of the places, in their order.
    var names: [String] {
        parts.compactMap { part in
            if case .place(let name) = part { name } else { nil }
        }
    }

    /// The same with some of the values put in.
    func filled(_ values: [String: String]) -> PathTemplate {
        var template = self
        template.parts = parts.map { part in
            guard case .place(let name) = part, let value = values[name] else { return part }
            return .literal(Self.encoded(value))
        }
        return template
    }

    /// The path; a place without a value is left empty.
    func text(_ values: [String: String]) -> String {
        var text = ""
        for part in parts {
            switch part {
            case .literal(let literal): text += literal
            case .place(let name): text += Self.encoded(values[name] ?? "")
            }
        }
        return text
    }

    /// The path with values as they are, for people.
    func plain(_ values: [String: String]) -> String {
        parts.map { part in
            switch part {
            case .literal(let literal): literal
            case .place(let name): values[name] ?? ""
            }
        }.joined()
    }

    /// A value of dots alone would be a step up in the path.
    static func encoded(_ value: String) -> String {
        let isDots = value.utf8.allSatisfy { $0 == UInt8(ascii: ".") }
        var text = ""
        for byte in value.utf8 {
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "~"):
                text.unicodeScalars.append(Unicode.Scalar(byte))
            case UInt8(ascii: ".") where !isDots: text += "."
            default:
                let digits = String(byte, radix: 16, uppercase: true)
                text += digits.utf8.count == 1 ? "%0" + digits : "%" + digits
            }
        }
        return text
    }
}
