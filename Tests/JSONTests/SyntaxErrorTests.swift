import Testing

@testable import JSON

/// A text that must be refused, why, and at which byte.
struct Refused: Sendable, CustomTestStringConvertible {
    let bytes: [UInt8]
    let reason: JSONSyntaxError.Reason
    let offset: Int
    let ceilings: JSONCeilings

    init(
        _ text: String, _ reason: JSONSyntaxError.Reason, at offset: Int, ceilings: JSONCeilings = JSONCeilings()
    ) {
        self.init(bytes: Array(text.utf8), reason, at: offset, ceilings: ceilings)
    }

    init(
        bytes: [UInt8], _ reason: JSONSyntaxError.Reason, at offset: Int, ceilings: JSONCeilings = JSONCeilings()
    ) {
        (self.bytes, self.reason, self.offset, self.ceilings) = (bytes, reason, offset, ceilings)
    }

    var testDescription: String { "\(reason) at \(offset): \(String(decoding: bytes, as: UTF8.self))" }

    static let grammar: [Refused] = [
        Refused("{a}", .unexpectedByte, at: 1), Refused("[1 2]", .unexpectedByte, at: 3),
        Refused("@", .unexpectedByte, at: 0), Refused("{\"a\"}", .unexpectedByte, at: 4),
        Refused("{\"a\" 1}", .unexpectedByte, at: 5), Refused("{\"a\":1 \"b\":2}", .unexpectedByte, at: 7),
        Refused("[1,]", .unexpectedByte, at: 3), Refused("[,1]", .unexpectedByte, at: 1),
        Refused("[,]", .unexpectedByte, at: 1), Refused("[1,,2]", .unexpectedByte, at: 3),
        Refused("{,}", .unexpectedByte, at: 1), Refused("{\"a\":1,}", .unexpectedByte, at: 7),
        Refused("{\"a\":}", .unexpectedByte, at: 5), Refused("{\"a\"::1}", .unexpectedByte, at: 5),
        Refused("{\"a\",\"b\"}", .unexpectedByte, at: 4), Refused("{1:1}", .unexpectedByte, at: 1),
        Refused("{null:1}", .unexpectedByte, at: 1), Refused("{'a':1}", .unexpectedByte, at: 1),
        Refused("['a']", .unexpectedByte, at: 1), Refused("[1}", .unexpectedByte, at: 2),
        Refused("{\"a\":1]", .unexpectedByte, at: 6), Refused("]", .unexpectedByte, at: 0),
        Refused("}", .unexpectedByte, at: 0), Refused("[}", .unexpectedByte, at: 1),
        Refused("{]", .unexpectedByte, at: 1), Refused(",", .unexpectedByte, at: 0),
        Refused(":", .unexpectedByte, at: 0), Refused("[:]", .unexpectedByte, at: 1),
        Refused("// x\n1", .unexpectedByte, at: 0), Refused("[1/**/]", .unexpectedByte, at: 2),
        Refused("#1", .unexpectedByte, at: 0), Refused("\\u0031", .unexpectedByte, at: 0),
        Refused("\u{0C}1", .unexpectedByte, at: 0), Refused("\u{0B}1", .unexpectedByte, at: 0),
        Refused("\u{A0}1", .unexpectedByte, at: 0), Refused("[\u{2060}]", .unexpectedByte, at: 1),
        Refused("\u{0}", .unexpectedByte, at: 0), Refused("[\u{0}]", .unexpectedByte, at: 1),
        Refused("[1\u{FEFF}]", .unexpectedByte, at: 2), Refused("{\"a\":\"b\"\"c\"}", .unexpectedByte, at: 8),
        Refused("[\"a\"b]", .unexpectedByte, at: 4), Refused("[\"a\":1]", .unexpectedByte, at: 4),
        Refused("", .emptyText, at: 0), Refused(" ", .emptyText, at: 1), Refused("\n\t\r ", .emptyText, at: 4),
        Refused("[", .unexpectedEnd, at: 1), Refused("{", .unexpectedEnd, at: 1),
        Refused("[1", .unexpectedEnd, at: 2), Refused("[1,", .unexpectedEnd, at: 3),
        Refused("[[1]", .unexpectedEnd, at: 4), Refused("{\"a\"", .unexpectedEnd, at: 4),
        Refused("{\"a\":", .unexpectedEnd, at: 5), Refused("{\"a\":1", .unexpectedEnd, at: 6),
        Refused("{\"a\":1,", .unexpectedEnd, at: 7), Refused("{\"a\":\"b", .unexpectedEnd, at: 7),
        Refused("\"", .unexpectedEnd, at: 1), Refused("\"abc", .unexpectedEnd, at: 4),
        Refused("\"\\", .unexpectedEnd, at: 2), Refused("\"\\u00", .unexpectedEnd, at: 5),
        Refused("\"\\ud83d", .unexpectedEnd, at: 7), Refused("\"\\ud83d\\", .unexpectedEnd, at: 8),
        Refused("\"\\\"", .unexpectedEnd, at: 3), Refused("[ \n", .unexpectedEnd, at: 3),
        Refused("{} x", .trailingText, at: 3), Refused("1 2", .trailingText, at: 2),
        Refused("[]]", .trailingText, at: 2),
        Refused("{}}", .trailingText, at: 2), Refused("\"a\"\"b\"", .trailingText, at: 3),
        Refused("null,", .trailingText, at: 4), Refused("[][]", .trailingText, at: 2),
        Refused("{}\u{0}", .trailingText, at: 2), Refused("1//", .trailingText, at: 1),
        Refused("\u{FEFF}{}", .byteOrderMark, at: 0), Refused("\u{FEFF}", .byteOrderMark, at: 0),
    ]

    static let literalsAndNumbers: [Refused] = [
        Refused("tru1", .unexpectedByte, at: 3), Refused("True", .unexpectedByte, at: 0),
        Refused("tRue", .unexpectedByte, at: 1), Refused("nan", .unexpectedByte, at: 1),
        Refused("NaN", .unexpectedByte, at: 0), Refused("Infinity", .unexpectedByte, at: 0),
        Refused("nul", .unexpectedEnd, at: 3), Refused("fals", .unexpectedEnd, at: 4),
        Refused("[fals]", .unexpectedByte, at: 5), Refused("truee", .trailingText, at: 4),
        Refused("[nullx]", .unexpectedByte, at: 5), Refused("undefined", .unexpectedByte, at: 0),
        Refused("01", .invalidNumber, at: 1), Refused("-01", .invalidNumber, at: 2),
        Refused("00", .invalidNumber, at: 1),
        Refused("-x", .invalidNumber, at: 1), Refused("-", .unexpectedEnd, at: 1),
        Refused("[-]", .invalidNumber, at: 2),
        Refused("--1", .invalidNumber, at: 1), Refused("+1", .unexpectedByte, at: 0),
        Refused(".5", .unexpectedByte, at: 0),
        Refused("-.5", .invalidNumber, at: 1), Refused("1.", .unexpectedEnd, at: 2),
        Refused("[1.]", .invalidNumber, at: 3),
        Refused("[1.e1]", .invalidNumber, at: 3), Refused("1e", .unexpectedEnd, at: 2),
        Refused("[1e]", .invalidNumber, at: 3),
        Refused("[1e+]", .invalidNumber, at: 4), Refused("[1E-]", .invalidNumber, at: 4),
        Refused("[1e1.5]", .unexpectedByte, at: 4), Refused("[1.2.3]", .unexpectedByte, at: 4),
        Refused("0x1F", .trailingText, at: 1), Refused("1_000", .trailingText, at: 1),
        Refused("1a", .trailingText, at: 1),
        Refused("[1+2]", .unexpectedByte, at: 2), Refused("-Infinity", .invalidNumber, at: 1),
        Refused("[1,000]", .invalidNumber, at: 4), Refused("\u{FF11}", .byteOrderMark, at: 0),
    ]

    static let strings: [Refused] = [
        Refused("\"a\u{1}\"", .controlCharacter, at: 2), Refused("\"\u{0}\"", .controlCharacter, at: 1),
        Refused("\"\t\"", .controlCharacter, at: 1), Refused("\"\n\"", .controlCharacter, at: 1),
        Refused("\"\r\"", .controlCharacter, at: 1), Refused("\"0123456\u{1F}\"", .controlCharacter, at: 8),
        Refused("{\"a\nb\":1}", .controlCharacter, at: 3),
        Refused("\"\\x\"", .invalidEscape, at: 1), Refused("\"\\'\"", .invalidEscape, at: 1),
        Refused("\"\\a\"", .invalidEscape, at: 1), Refused("\"\\U0041\"", .invalidEscape, at: 1),
        Refused("\"\\u12G4\"", .invalidEscape, at: 1), Refused("\"\\u12\"", .invalidEscape, at: 1),
        Refused("\"\\u 041\"", .invalidEscape, at: 1), Refused("\"\\\u{0}\"", .invalidEscape, at: 1),
        Refused("\"\\\n\"", .invalidEscape, at: 1), Refused("\"ab\\é\"", .invalidEscape, at: 3),
        Refused("\"\\udc00\"", .loneSurrogate, at: 1), Refused("\"\\udc00\\udc00\"", .loneSurrogate, at: 1),
        Refused("\"\\uDFFF\"", .loneSurrogate, at: 1),
        Refused("\"\\ud800\"", .loneSurrogate, at: 1), Refused("\"\\ud800x\"", .loneSurrogate, at: 1),
        Refused("\"\\ud800\\n\"", .loneSurrogate, at: 1), Refused("\"\\ud800\\u0041\"", .loneSurrogate, at: 1),
        Refused("\"\\ud83d\\ud83d\"", .loneSurrogate, at: 1), Refused("\"a\\ude00\\ud83d\"", .loneSurrogate, at: 2),
        Refused("{\"\\ud800\":1}", .loneSurrogate, at: 2), Refused("\"\\ud800\\u00G0\"", .invalidEscape, at: 7),
        quoted([0x80], at: 1), quoted([0xBF], at: 1), quoted([0xC0, 0x80], at: 1), quoted([0xC1, 0xBF], at: 1),
        quoted([0xC3], at: 1), quoted([0xC3, 0x28], at: 1), quoted([0xE0, 0x80, 0x80], at: 1),
        quoted([0xE0, 0x9F, 0xBF], at: 1), quoted([0xE2, 0x82], at: 1), quoted([0xE2, 0x28, 0xA1], at: 1),
        quoted([0xED, 0xA0, 0x80], at: 1), quoted([0xED, 0xBF, 0xBF], at: 1), quoted([0xF0, 0x80, 0x80, 0x80], at: 1),
        quoted([0xF0, 0x8F, 0xBF, 0xBF], at: 1), quoted([0xF0, 0x9F, 0x98], at: 1),
        quoted([0xF4, 0x90, 0x80, 0x80], at: 1), quoted([0xF5, 0x80, 0x80, 0x80], at: 1), quoted([0xFE], at: 1),
        quoted([0xFF], at: 1), quoted([0x61, 0xF8, 0x88, 0x80, 0x80, 0x80], at: 2),
        Refused(bytes: [0x5B, 0xFF, 0x5D], .unexpectedByte, at: 1),
        Refused(bytes: [0x22, 0xE2, 0x82], .unexpectedEnd, at: 3),
        Refused(bytes: [0xFF, 0xFE, 0x31, 0x00], .unexpectedByte, at: 0),
        Refused(bytes: [0x5B, 0x00, 0x31, 0x00], .unexpectedByte, at: 1),
    ]

    static let keysAndCeilings: [Refused] = [
        Refused("{\"a\":1,\"a\":2}", .duplicateKey, at: 7), Refused("{\"\":1,\"\":2}", .duplicateKey, at: 6),
        Refused("{\"a\":1,\"\\u0061\":2}", .duplicateKey, at: 7),
        Refused("{\"\\u0061\":1,\"a\":2}", .duplicateKey, at: 12),
        Refused("{\"\\n\":1,\"\\u000A\":2}", .duplicateKey, at: 8),
        Refused("{\"😀\":1,\"\\ud83d\\uDE00\":2}", .duplicateKey, at: 10),
        Refused("{\"b\":{\"c\":[1,{\"x\":1}],\"d\":2,\"c\":3}}", .duplicateKey, at: 28),
        Refused("{\"a\":{\"a\":1},\"b\":[],\"a\":1}", .duplicateKey, at: 20),
        Refused("[[[]]]", .depthCeiling, at: 2, ceilings: JSONCeilings(depth: 2)),
        Refused("{\"a\":[{", .depthCeiling, at: 6, ceilings: JSONCeilings(depth: 2)),
        Refused("[", .depthCeiling, at: 0, ceilings: JSONCeilings(depth: 0)),
        Refused(String(repeating: "[", count: 129), .depthCeiling, at: 128),
        Refused(String(repeating: "{\"a\":", count: 129), .depthCeiling, at: 640),
        Refused("[1,2]", .valueCeiling, at: 3, ceilings: JSONCeilings(values: 2)),
        Refused("{\"a\":1}", .valueCeiling, at: 5, ceilings: JSONCeilings(values: 2)),
        Refused("[[]]", .valueCeiling, at: 1, ceilings: JSONCeilings(values: 1)),
        Refused("{\"a\":1,\"b\":2}", .memberCeiling, at: 7, ceilings: JSONCeilings(members: 1)),
        Refused("[1234]", .numberCeiling, at: 1, ceilings: JSONCeilings(numberLength: 3)),
        Refused("-1.5e7", .numberCeiling, at: 0, ceilings: JSONCeilings(numberLength: 5)),
        Refused(String(repeating: "1", count: 1001), .numberCeiling, at: 0),
    ]

    private static func quoted(_ bytes: [UInt8], at offset: Int) -> Refused {
        Refused(bytes: [0x22] + bytes + [0x22], .invalidUTF8, at: offset)
    }

    static let all = grammar + literalsAndNumbers + strings + keysAndCeilings
}

@Suite struct SyntaxErrorTests {
    @Test(arguments: Refused.all)
    func isRefusedThere(_ refused: Refused) {
        #expect(throws: JSONSyntaxError(refused.reason, at: refused.offset)) {
            _ = try JSONDocument(parsing: refused.bytes, ceilings: refused.ceilings)
        }
    }

    /// Wherever the text is cut, the same reason is found at the same byte.
    @Test(arguments: Refused.all)
    func isRefusedThereInPieces(_ refused: Refused) {
        for split in 0...refused.bytes.count {
            #expect(
                outcome(refused.bytes, ceilings: refused.ceilings, splits: [split])
                    == .refused(JSONSyntaxError(refused.reason, at: refused.offset)), "split at \(split)")
        }
        #expect(
            outcome(refused.bytes, ceilings: refused.ceilings, splits: Array(0...refused.bytes.count))
                == .refused(JSONSyntaxError(refused.reason, at: refused.offset)))
    }

    @Test func everyReasonIsSeen() {
        #expect(Set(Refused.all.map(\.reason)) == Set(JSONSyntaxError.Reason.allCases))
        #expect(JSONSyntaxError.Reason.allCases.count == 15)
        #expect(JSONSyntaxError(.duplicateKey, at: 7).description == "the same key twice in one object at byte 7")
    }

    /// The ceilings themselves are allowed.
    @Test func justAtTheCeiling() throws {
        let deep = String(repeating: "[", count: 128) + String(repeating: "]", count: 128)
        #expect(try JSONDocument(parsing: Array(deep.utf8)).root.count == 1)
        _ = try JSONDocument(parsing: Array("[[]]".utf8), ceilings: JSONCeilings(depth: 2))
        _ = try JSONDocument(parsing: Array("{\"a\":1}".utf8), ceilings: JSONCeilings(values: 3, members: 1))
        _ = try JSONDocument(parsing: Array("-1.5e7".utf8), ceilings: JSONCeilings(numberLength: 6))
        _ = try JSONDocument(parsing: Array(repeating: UInt8(ascii: "7"), count: 1000))
    }
}
