/// A JSON value as a tree: for what is built or merged. What is only read stays a `JSONView`.
///
/// Keys and strings are compared by their bytes, as RFC 8259 section 8.3 has it. `String` alone would take two spellings
/// of one accented letter for the same, and so miss that a record was changed.
package enum JSONValue: Sendable {
    case null
    case bool(Bool)
    /// As it was spelled.
    case number(String)
    case string(String)
    case array([JSONValue])
    /// In the order in which they were written; keys are unique.
    case object([Member])

    package struct Member: Sendable {
        package var key: String
        package var value: JSONValue

        package init(_ key: String, _ value: JSONValue) {
            self.key = key
            self.value = value
        }
    }

    package init(_ view: JSONView) {
        switch view.kind {
        case .null: self = .null
        case .bool: self = .bool(view.bool ?? false)
        case .number: self = .number(view.numberText ?? "0")
        case .string: self = .string(view.string ?? "")
        case .array: self = .array(view.elements.map { JSONValue($0) })
        case .object: self = .object(view.members.map { Member($0.key.string ?? "", JSONValue($0.value)) })
        }
    }

    /// - Throws: `JSONSyntaxError` when `bytes` is not one whole text.
    package init(parsing bytes: [UInt8]) throws(JSONSyntaxError) {
        self.init(try JSONDocument(parsing: bytes).root)
    }

    package subscript(key: String) -> JSONValue? {
        get {
            guard case .object(let members) = self else { return nil }
            return members.first { $0.key.hasSameBytes(as: key) }?.value
        }
        set {
            guard case .object(var members) = self else { return }
            if let place = members.firstIndex(where: { $0.key.hasSameBytes(as: key) }) {
                if let newValue { members[place].value = newValue } else { members.remove(at: place) }
            } else if let newValue {
                members.append(Member(key, newValue))
            }
            self = .object(members)
        }
    }

    package var string: String? { if case .string(let text) = self { text } else { nil } }
    package var bool: Bool? { if case .bool(let flag) = self { flag } else { nil } }
    package var integer: Int64? { if case .number(let text) = self { Int64(text) } else { nil } }
    package var elements: [JSONValue]? { if case .array(let elements) = self { elements } else { nil } }
    package var members: [Member]? { if case .object(let members) = self { members } else { nil } }
    package var isNull: Bool { if case .null = self { true } else { false } }

    /// Compact text.
    package var text: [UInt8] {
        var writer = JSONWriter()
        writer.value(self)
        return writer.bytes
    }

    /// Equality of values: members in any order, numbers by value and not by spelling.
    package func isEqual(to other: JSONValue) -> Bool {
        switch (self, other) {
        case (.number(let a), .number(let b)): return a == b || JSONDecimal(a) == JSONDecimal(b)
        case (.array(let a), .array(let b)):
            return a.count == b.count && zip(a, b).allSatisfy { $0.isEqual(to: $1) }
        case (.object(let a), .object(let b)):
            // Most pairs have their keys in the same order. The others are sorted: looking each key up in turn would
            // take a caller's 10,000 members ten million comparisons.
            guard a.count == b.count else { return false }
            if zip(a, b).allSatisfy({ $0.key.hasSameBytes(as: $1.key) }) {
                return zip(a, b).allSatisfy { $0.value.isEqual(to: $1.value) }
            }
            return zip(Self.sorted(a), Self.sorted(b)).allSatisfy {
                $0.key.hasSameBytes(as: $1.key) && $0.value.isEqual(to: $1.value)
            }
        default: return self == other
        }
    }

    private static func sorted(_ members: [Member]) -> [Member] {
        members.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
    }
}

/// Same kinds, same spellings, same order.
extension JSONValue: Equatable {
    package static func == (a: JSONValue, b: JSONValue) -> Bool {
        switch (a, b) {
        case (.null, .null): true
        case (.bool(let a), .bool(let b)): a == b
        case (.number(let a), .number(let b)): a == b
        case (.string(let a), .string(let b)): a.hasSameBytes(as: b)
        case (.array(let a), .array(let b)): a == b
        case (.object(let a), .object(let b)): a == b
        default: false
        }
    }
}

extension JSONValue.Member: Equatable {
    package static func == (a: JSONValue.Member, b: JSONValue.Member) -> Bool {
        a.key.hasSameBytes(as: b.key) && a.value == b.value
    }
}

extension String {
    /// True when both have the same UTF-8, not only the same characters in some spelling.
    fileprivate func hasSameBytes(as other: String) -> Bool {
        utf8.count == other.utf8.count && utf8.elementsEqual(other.utf8)
    }
}

extension JSONValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral,
    ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
    package init(stringLiteral text: String) { self = .string(text) }
    package init(integerLiteral value: Int64) { self = .number(String(value)) }
    package init(booleanLiteral flag: Bool) { self = .bool(flag) }
    package init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
    package init(dictionaryLiteral members: (String, JSONValue)...) {
        self = .object(members.map { Member($0.0, $0.1) })
    }
}

/// A number by its decimal value, whatever its spelling: sign, digits without zeros at either end, exponent of ten.
/// No binary floating point, so `1e400` and 30 digits compare as exactly as `1` does.
package struct JSONDecimal: Equatable, Sendable {
    package let isNegative: Bool
    /// Significant digits, first and last not 0; empty for zero.
    package let digits: [UInt8]
    /// The value is 0.d1d2d3… times ten to this power. Saturates, so absurd exponents compare but do not overflow.
    package let exponent: Int

    /// - Parameter text: a number that the scanner has accepted.
    package init(_ text: String) {
        var negative = false
        var digits: [UInt8] = []
        var point: Int?
        var power = 0
        var powerNegative = false
        var inPower = false
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "-"): if inPower { powerNegative = true } else { negative = true }
            case UInt8(ascii: "."): point = digits.count
            case UInt8(ascii: "e"), UInt8(ascii: "E"): inPower = true
            case UInt8(ascii: "0")...UInt8(ascii: "9"):
                if inPower { power = min(power * 10 + Int(byte - 0x30), 1 << 40) } else { digits.append(byte - 0x30) }
            default: break
            }
        }
        var exponent = (point ?? digits.count) + (powerNegative ? -power : power)
        let zeros = digits.prefix { $0 == 0 }.count
        digits.removeFirst(zeros)
        exponent -= zeros
        while digits.last == 0 { digits.removeLast() }
        self.isNegative = negative && !digits.isEmpty
        self.exponent = digits.isEmpty ? 0 : exponent
        self.digits = digits
    }

    /// True when nothing stands behind the decimal point.
    package var isInteger: Bool { digits.count <= exponent }

    package static func < (a: JSONDecimal, b: JSONDecimal) -> Bool {
        if a.isNegative != b.isNegative { return a.isNegative }
        return a.isNegative ? b.magnitudeIsLess(than: a) : a.magnitudeIsLess(than: b)
    }

    private func magnitudeIsLess(than other: JSONDecimal) -> Bool {
        if digits.isEmpty || other.digits.isEmpty { return digits.isEmpty && !other.digits.isEmpty }
        if exponent != other.exponent { return exponent < other.exponent }
        return digits.lexicographicallyPrecedes(other.digits)
    }
}
