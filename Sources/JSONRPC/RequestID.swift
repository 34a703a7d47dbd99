import JSON

/// The id of a call, kept so that the answer can repeat it exactly.
///
/// An integer keeps its spelling: 9007199254740993 does not fit a binary64 number and must come back as it came. Fractions
/// and exponents are refused, because clients compare ids and two spellings of one number would not meet again.
package enum RequestID: Sendable {
    case null
    /// Spelled as an integer: an optional minus sign and digits, any number of them.
    case number(String)
    /// Decoded.
    case string(String)

    /// Nil when the value cannot be an id: a fraction, a number with an exponent, a bool, an array, an object.
    init?(_ view: JSONView) {
        switch view.kind {
        case .null: self = .null
        case .string: self = .string(view.string ?? "")
        case .number:
            let isInteger = view.withSource { $0.allSatisfy { $0 == UInt8(ascii: "-") || $0 &- 0x30 < 10 } }
            guard isInteger else { return nil }
            self = .number(view.numberText ?? "0")
        case .bool, .array, .object: return nil
        }
    }

    /// The same of a value that is looked at in place; nil also for a string with an escape.
    init?(_ member: JSONGlance.Member) {
        switch member.kind {
        case .null: self = .null
        case .string where !member.hasEscape: self = .string(String(decoding: member.contents, as: UTF8.self))
        case .number where member.contents.allSatisfy({ $0 == UInt8(ascii: "-") || $0 &- 0x30 < 10 }):
            self = .number(String(decoding: member.contents, as: UTF8.self))
        case .number, .string, .bool, .array, .object: return nil
        }
    }

    func write(to writer: inout JSONWriter) {
        switch self {
        case .null: writer.null()
        case .number(let text): writer.raw(text.utf8)
        case .string(let text): writer.string(text)
        }
    }
}

/// Equal means the same bytes. `String` alone would also join different spellings of one accented letter.
extension RequestID: Hashable {
    package static func == (a: RequestID, b: RequestID) -> Bool {
        switch (a, b) {
        case (.null, .null): true
        case (.number(let a), .number(let b)): a == b
        case (.string(let a), .string(let b)): a.utf8.elementsEqual(b.utf8)
        default: false
        }
    }

    package func hash(into hasher: inout Hasher) {
        switch self {
        case .null: hasher.combine(0)
        case .number(let text), .string(let text):
            for byte in text.utf8 { hasher.combine(byte) }
        }
    }
}
