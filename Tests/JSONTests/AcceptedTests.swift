import Testing

@testable import JSON

/// Texts that RFC 8259 allows, in compact form unless the white space is what they are about.
enum Accepted {
    static let values: [String] = [
        "null", "true", "false", "0", "-0", "1", "-1", "10", "123456789", "0.0", "-0.0", "0.5", "-0.5", "1.10", "1.000",
        "1e0", "1E0", "1e5", "1E5", "1e+5", "1E+5", "1e-5", "1E-5", "0e0", "0e+1", "0E-1", "1.5e300", "1e400",
        "-1e-400",
        "1e00005", "9007199254740993", "123456789012345678901234567890", "0.1234567890123456789012345678901234567890",
        "9223372036854775807", "-9223372036854775808", "9223372036854775808", "[0]", "[-1.5e-7,2]", "[1,1.0,10e-1]",
        "[]", "[[]]", "[[],[]]", "[[[[[[]]]]]]", "[null]", "[1,null,true,\"\"]", "[\"\"]", "[{}]", "[{},{}]",
        "{}", "{\"\":0}", "{\"a\":{}}", "{\"a\":[]}", "{\"a\":{\"a\":{\"a\":1}}}", "{\"a\":1,\"b\":2}",
        "{\"a\":1,\"A\":2}", "{\"a\":{\"b\":1},\"b\":{\"b\":1}}", "[{\"a\":1},{\"a\":1}]", "{\"a b\":1,\"a\\tb\":2}",
        "{\"é\":1,\"e\u{301}\":2}", "{\"\\u0000\":1}", "{\"a\":\"a\",\"b\":\"a\"}",
    ]

    static let strings: [String] = [
        "\"\"", "\"a\"", "\" \"", "\"1234567\"", "\"12345678\"", "\"123456789\"", "\"\\\"\"", "\"\\\\\"", "\"\\/\"",
        "\"\\b\\f\\n\\r\\t\"", "\"\\u0000\"", "\"\\u001f\"", "\"\\u0022\"", "\"\\u005C\"", "\"\\u00e9\"", "\"\\u00E9\"",
        "\"\\uD83D\\uDE00\"", "\"\\ud83d\\ude00x\"", "\"\\uD800\\uDC00\"", "\"\\uDBFF\\uDFFF\"", "\"\\uFFFF\"",
        "\"\\uFDD0\"",
        "\"\\uD7FF\\uE000\"", "\"\u{7F}\"", "\"\u{80}\"", "\"\u{7FF}\"", "\"\u{800}\"", "\"\u{D7FF}\"", "\"\u{E000}\"",
        "\"\u{FFFF}\"", "\"\u{10000}\"", "\"\u{10FFFF}\"", "\"\u{FEFF}\"", "\"\u{2028}\u{2029}\u{85}\"", "\"é漢😀\"",
        "\"'\"", "\"/*\"", "\"{}[]:,\"", "\"\\\\\\\"\\\\\"", "\"1234567\\n\"", "\"1234567é\"", "\"\\\\u0041\"",
        "\"\\\\\\u0041\"",
        "\"aéb漢c😀d\"", "\"👨‍👩‍👧\"",
    ]

    static let spaced: [String] = [
        " 1", "1 ", "\t1\n", "\r\n[]\r\n", "[ ]", "{ }", "[ 1 , 2 ]", "{ \"a\" : 1 }", "{\n\t\"a\":\r\n1\n}",
        "[\n1\n,\n2\n]",
        " \"a\" ", " null ", "[1 ]", "[1\t,2]", "{\"a\":true }", "[\"a\" ]",
    ]

    static let all = values + strings + spaced
}

@Suite struct AcceptedTests {
    @Test(arguments: Accepted.values + Accepted.strings)
    func isAcceptedAndComesBackAsItWas(text: String) throws {
        let view = try JSONDocument(parsing: Array(text.utf8)).root
        let separators = text.replacing("\u{2028}", with: "\\u2028").replacing("\u{2029}", with: "\\u2029")
            .replacing("\u{85}", with: "\\u0085")
        #expect(String(decoding: view.compactText, as: UTF8.self) == separators)
        #expect(view.withSource { Array($0) } == Array(text.utf8))
        #expect(try JSONValue(parsing: JSONValue(view).text) == JSONValue(view))
    }

    @Test(arguments: Accepted.spaced)
    func whiteSpaceIsAllowedBetweenTokens(text: String) throws {
        let view = try JSONDocument(parsing: Array(text.utf8)).root
        #expect(view.compactText == Array(text.utf8).filter { $0 > 0x20 })
    }

    @Test func theTablesAreLargeEnough() {
        #expect(Accepted.all.count + Refused.all.count >= 240)
        #expect(Set(Accepted.all).count > 115)
    }

    @Test(arguments: [
        (#""\"\\\/\b\f\n\r\t""#, "\"\\/\u{8}\u{c}\n\r\t"), (#""\u0041\u00e9\u6f22\ud83d\ude00""#, "Aé漢😀"),
        (#""\u0000x""#, "\u{0}x"), (#""a\u0062c""#, "abc"), ("\"é\\né\"", "é\né"), (#""\uDBFF\uDFFF""#, "\u{10FFFF}"),
        (#""\u007f\u0080\u07ff\u0800\uffff""#, "\u{7f}\u{80}\u{7ff}\u{800}\u{ffff}"), (#""\\u0041""#, "\\u0041"),
    ])
    func escapesAreDecoded(text: String, decoded: String) throws {
        let view = try JSONDocument(parsing: Array(text.utf8)).root
        #expect(view.string.map { Array($0.utf8) } == Array(decoded.utf8))
        #expect(view.withContents { Array($0) } == Array(decoded.utf8))
    }

    /// Each of the 1,112,064 scalars, raw and escaped, comes back as itself.
    @Test func everyScalar() throws {
        for block in stride(from: UInt32(0), through: 0x10FFFF, by: 0x1000) {
            var raw: [UInt8] = [0x22]
            var escaped: [UInt8] = [0x22]
            var text = ""
            for value in block..<block + 0x1000 {
                guard let scalar = Unicode.Scalar(value) else { continue }
                text.unicodeScalars.append(scalar)
                if value >= 0x20 && value != 0x22 && value != 0x5C { raw += Array(String(scalar).utf8) }
                for unit in String(scalar).utf16 {
                    let digits = String(unit, radix: 16)
                    escaped += Array("\\u".utf8) + Array(repeating: 0x30, count: 4 - digits.count) + Array(digits.utf8)
                }
            }
            let source = Array(text.utf8)
            raw.append(0x22)
            escaped.append(0x22)
            #expect(try JSONDocument(parsing: escaped).root.withContents { Array($0) } == source)
            let plain = source.filter { $0 >= 0x20 && $0 != 0x22 && $0 != 0x5C }
            #expect(try JSONDocument(parsing: raw).root.withContents { Array($0) } == plain)
            var writer = JSONWriter()
            writer.string(text)
            #expect(try JSONDocument(parsing: writer.bytes).root.withContents { Array($0) } == source)
        }
    }
}
