/// Why a text is not acceptable JSON, and where.
///
/// The message never quotes the text: record contents must not reach a log through an error.
package struct JSONSyntaxError: Error, Equatable, Sendable {
    /// The closed list of reasons. The raw value is the sentence shown to the caller.
    package enum Reason: String, Sendable, CaseIterable {
        case unexpectedByte = "unexpected byte"
        case unexpectedEnd = "the text ends inside a value"
        case trailingText = "text after the end of the value"
        case emptyText = "no value"
        case controlCharacter = "unescaped control character in a string"
        case invalidEscape = "invalid escape sequence"
        case loneSurrogate = "escape of a lone surrogate"
        case invalidUTF8 = "invalid UTF-8"
        case byteOrderMark = "a byte order mark is not allowed"
        case invalidNumber = "invalid number"
        case duplicateKey = "the same key twice in one object"
        case depthCeiling = "nested deeper than the ceiling"
        case valueCeiling = "more values than the ceiling"
        case memberCeiling = "more members in one object than the ceiling"
        case numberCeiling = "a number with more characters than the ceiling"
    }

    package let reason: Reason
    /// Offset in bytes from the start of the text, of the byte that cannot stand there.
    package let offset: Int

    package init(_ reason: Reason, at offset: Int) {
        self.reason = reason
        self.offset = offset
    }
}

extension JSONSyntaxError: CustomStringConvertible {
    package var description: String { "\(reason.rawValue) at byte \(offset)" }
}

/// The ceilings of one text. Each has its own `JSONSyntaxError.Reason`.
package struct JSONCeilings: Equatable, Sendable {
    /// Arrays and objects inside each other.
    package var depth: Int
    /// Values of any kind in the text, keys included.
    package var values: Int
    /// Members of one object.
    package var members: Int
    /// Characters of one number.
    package var numberLength: Int

    package init(depth: Int = 128, values: Int = 2_000_000, members: Int = 10_000, numberLength: Int = 1_000) {
        self.depth = depth
        self.values = values
        self.members = members
        self.numberLength = numberLength
    }
}
