import Testing

@testable import JSON

private func parse(_ text: String) throws -> JSONView { try JSONDocument(parsing: Array(text.utf8)).root }

@Suite struct DocumentTests {
    @Test func viewsOfEveryKind() throws {
        let view = try parse(
            #"{"z":null,"t":true,"f":false,"n":-1.50,"s":"a\nb","a":[1,[2,3],{"x":4}],"o":{"k\u0065y":5}}"#)
        #expect(view.kind == .object && view.count == 7)
        #expect(view.members.map { $0.key.string } == ["z", "t", "f", "n", "s", "a", "o"])
        #expect(view["z"]?.isNull == true && view["z"]?.bool == nil)
        #expect(view["t"]?.bool == true && view["f"]?.bool == false && view["t"]?.string == nil)
        #expect(view["n"]?.numberText == "-1.50" && view["n"]?.integer == nil && view["s"]?.numberText == nil)
        #expect(view["s"]?.string == "a\nb" && view["s"]?.isString("a\nb") == true && view["n"]?.isString("") == false)
        let array = try #require(view["a"])
        #expect(array.elements.map(\.kind) == [.number, .array, .object])
        #expect(array[0]?.integer == 1 && array[1]?[1]?.integer == 3 && array[2]?["x"]?.integer == 4)
        #expect(array[3] == nil && array[-1] == nil && view[0] == nil && array["x"] == nil)
        #expect(view["o"]?["key"]?.integer == 5 && view["o"]?[name: "key"]?.integer == 5)
        let (empty, number, text) = (try parse("{}"), try parse("7"), try parse("\"a\""))
        #expect(view["nope"] == nil && view[name: "k"] == nil && empty["a"] == nil)
        #expect(number.count == 0 && text.elements.map(\.kind).isEmpty && text.members.map(\.key.kind).isEmpty)
        #expect(view["a"]?.withSource { String(decoding: $0, as: UTF8.self) } == #"[1,[2,3],{"x":4}]"#)
        #expect(view["s"]?.withSource { String(decoding: $0, as: UTF8.self) } == #""a\nb""#)
        #expect(view.sourceRange == 0..<view.document.bytes.count && view["z"]?.sourceRange == 5..<9)
    }

    @Test(
        arguments: [
            ("0", 0), ("-0", 0), ("7", 7), ("-12", -12), ("9223372036854775807", Int64.max),
            ("-9223372036854775808", Int64.min), ("9223372036854775808", nil), ("-9223372036854775809", nil),
            ("92233720368547758070", nil), ("1.0", nil), ("1e2", nil), ("\"1\"", nil), ("true", nil),
        ] as [(String, Int64?)])
    func integers(text: String, value: Int64?) throws {
        #expect(try parse(text).integer == value)
    }

    /// 10,000 members are found apart by hash and order, not by comparing each with each.
    @Test func largeObjectsTakeNoQuadraticTime() throws {
        let members = (0..<10_000).map { "\"member\($0)\":\($0)" }
        let clock = ContinuousClock()
        let took = try clock.measure {
            let view = try parse("{" + members.joined(separator: ",") + "}")
            #expect(view.count == 10_000 && view["member9999"]?.integer == 9999)
            #expect(view.isEqual(to: try parse("{" + members.reversed().joined(separator: ",") + "}")))
        }
        #expect(took < .seconds(10), "unoptimised it takes a fraction of a second: \(took)")
        for text in [
            "{" + members.joined(separator: ",") + ",\"member0\":1}"
        ] {
            #expect(throws: JSONSyntaxError(.duplicateKey, at: text.utf8.count - 12)) {
                _ = try JSONDocument(parsing: Array(text.utf8), ceilings: JSONCeilings(members: 10_001))
            }
            #expect(throws: JSONSyntaxError(.memberCeiling, at: text.utf8.count - 12)) { _ = try parse(text) }
        }
    }

    /// A double among many is found at the later place, for keys with and without escapes.
    @Test(arguments: [2, 12, 13, 14, 200])
    func doublesAmongMany(count: Int) throws {
        for place in [0, 1, count - 1] {
            for spelling in ["k\(place)", "\\u006b\(place)"] {
                let head = "{" + (0..<count).map { "\"k\($0)\":{\"k\":[]}" }.joined(separator: ",") + ","
                let text = head + "\"\(spelling)\":1}"
                #expect(throws: JSONSyntaxError(.duplicateKey, at: head.utf8.count)) { _ = try parse(text) }
            }
        }
    }

    /// Keys made to have one hash are told apart by their bytes, few of them and many.
    @Test func equalHashesAreNotEqualKeys() throws {
        let keys = Self.forged(40)
        #expect(Set(keys.map { key in Array(key.utf8).withUnsafeBytes { JSONKeys.hash($0) } }).count == 1)
        for count in [2, 12, 13, 40] {
            let members = keys.prefix(count).enumerated().map { "\"\($0.element)\":\($0.offset)" }
            let view = try parse("{" + members.joined(separator: ",") + "}")
            for (place, key) in keys.prefix(count).enumerated() { #expect(view[name: key]?.integer == Int64(place)) }
            #expect(throws: JSONSyntaxError.self) {
                _ = try parse("{" + members.joined(separator: ",") + ",\"\(keys[count - 1])\":1}")
            }
        }
    }

    /// Keys of eight printable bytes with the same hash, by walking its one multiplication backwards.
    private static func forged(_ count: Int) -> [String] {
        let factor: UInt64 = 0x9E37_79B9_7F4A_7C15
        var inverse = factor
        for _ in 0..<6 { inverse = inverse &* (2 &- factor &* inverse) }
        var keys: [String] = []
        var low: UInt64 = 0
        while keys.count < count {
            low += 1
            let word = (0x1234_5678_0000_0000 | low) &* inverse ^ (8 &* factor)
            let bytes = (0..<8).map { UInt8(truncatingIfNeeded: word >> (8 * $0)) }
            if bytes.allSatisfy({ $0 >= 0x30 && $0 < 0x7F && $0 != 0x5C }) {
                keys.append(String(decoding: bytes, as: UTF8.self))
            }
        }
        return keys
    }

    @Test func deepTextsCostNoStack() throws {
        let depth = 200_000
        let text = String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
        let document = try JSONDocument(parsing: Array(text.utf8), ceilings: JSONCeilings(depth: depth))
        #expect(document.root.compactText.count == 2 * depth)
        let objects = String(repeating: "{\"a\":", count: depth) + "1" + String(repeating: "}", count: depth)
        _ = try JSONDocument(parsing: Array(objects.utf8), ceilings: JSONCeilings(depth: depth))
    }
}

@Suite struct EqualityTests {
    @Test(arguments: [
        ("1", "1.0"), ("1", "10e-1"), ("0", "-0"), ("0", "0.000e99"), ("1e400", "10e399"), ("-1.50", "-15e-1"),
        ("100000000000000000000000000001", "1.00000000000000000000000000001e29"),
        (#"{"a":1,"b":[1,2]}"#, #"{"b":[1.0,2],"a":1}"#), (#""\u0041""#, "\"A\""), ("{}", "{ }"), ("null", "null"),
        (#"{"a":{"x":1,"y":2}}"#, #"{"\u0061":{"y":2,"x":1}}"#),
    ])
    func equal(a: String, b: String) throws {
        let (one, two) = (try parse(a), try parse(b))
        #expect(one.isEqual(to: two) && two.isEqual(to: one))
    }

    @Test(arguments: [
        ("1", "-1"), ("1", "10"), ("1", "\"1\""), ("0", "false"), ("null", "0"), ("[]", "{}"), ("[1,2]", "[2,1]"),
        ("[1]", "[1,1]"), (#"{"a":1}"#, #"{"a":2}"#), (#"{"a":1}"#, #"{"b":1}"#), (#"{"a":1}"#, #"{"a":1,"b":1}"#),
        ("9007199254740993", "9007199254740992"), ("\"a\"", "\"A\""), ("\"\"", "null"), ("1e400", "1e401"),
        // The same letter in two spellings is not the same text: a provider would store another one.
        ("\"é\"", "\"e\u{301}\""), ("{\"é\":1}", "{\"e\u{301}\":1}"),
        ("{\"é\":1,\"e\u{301}\":2}", "{\"é\":2,\"e\u{301}\":1}"),
    ])
    func different(a: String, b: String) throws {
        let (one, two) = (try parse(a), try parse(b))
        #expect(!one.isEqual(to: two) && !two.isEqual(to: one))
        #expect(JSONValue(one) != JSONValue(two))
    }

    @Test func decimals() {
        let ordered = [
            "-1e400", "-1000", "-10.5", "-10", "-1.01", "-1", "-0.1", "-1e-9", "0", "1e-400", "0.001", "0.01", "0.1",
            "0.11", "0.2", "1", "1.000000000000000000000000000001", "1.1", "2", "9.99", "10", "11", "1e2", "1e400",
        ]
        for (i, a) in ordered.enumerated() {
            for (j, b) in ordered.enumerated() {
                #expect((JSONDecimal(a) < JSONDecimal(b)) == (i < j), "\(a) < \(b)")
                #expect((JSONDecimal(a) == JSONDecimal(b)) == (i == j))
            }
        }
        for text in ["0", "-0.0", "7", "1e3", "1.5e1", "120e-1", "-3.000", "0e-7"] {
            #expect(JSONDecimal(text).isInteger)
        }
        for text in ["0.5", "1e-1", "1.5", "-10.01", "1e-400"] { #expect(!JSONDecimal(text).isInteger) }
        let absurd = JSONDecimal("1e" + String(repeating: "9", count: 500))
        #expect(JSONDecimal("1e400") < absurd && !absurd.isNegative && absurd.isInteger)
        #expect(JSONDecimal("-12.50").digits == [1, 2, 5] && JSONDecimal("-12.50").exponent == 2)
        #expect(JSONDecimal("0.00125").exponent == -2 && JSONDecimal("-0").isNegative == false)
    }

    @Test func treesAreBuiltReadAndChanged() throws {
        var value: JSONValue = ["a": 1, "b": [true, "x", -5], "c": ["d": "e"]]
        #expect(String(decoding: value.text, as: UTF8.self) == #"{"a":1,"b":[true,"x",-5],"c":{"d":"e"}}"#)
        #expect(value["a"]?.integer == 1 && value["b"]?.elements?.count == 3 && value["c"]?["d"]?.string == "e")
        #expect(value["b"]?.elements?[0].bool == true && value["x"] == nil && value["a"]?["b"] == nil)
        value["a"] = .null
        value["c"] = nil
        value["z"] = .number("1.10")
        #expect(String(decoding: value.text, as: UTF8.self) == #"{"a":null,"b":[true,"x",-5],"z":1.10}"#)
        #expect(value["a"]?.isNull == true && value.members?.map(\.key) == ["a", "b", "z"])
        var text: JSONValue = "no object"
        text["a"] = 1
        #expect(text == "no object" && text.members == nil && text.elements == nil && text.bool == nil)
        #expect(text.integer == nil && JSONValue.bool(true).string == nil && !text.isNull)
        var accents: JSONValue = .object([.init("é", 1), .init("e\u{301}", 2)])
        #expect(accents["e\u{301}"] == 2)
        accents["e\u{301}"] = nil
        #expect(accents == .object([.init("é", 1)]))
        #expect(throws: JSONSyntaxError(.trailingText, at: 1)) { _ = try JSONValue(parsing: Array("1x".utf8)) }
    }
}

@Suite struct WriterTests {
    @Test func everyControlIsEscaped() throws {
        let short: [UInt8: String] = [8: "\\b", 9: "\\t", 10: "\\n", 12: "\\f", 13: "\\r"]
        for byte in UInt8(0)..<0x20 {
            var writer = JSONWriter()
            writer.string("a" + String(Unicode.Scalar(byte)) + "b")
            let digits = String(byte, radix: 16)
            let escape = short[byte] ?? "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            #expect(String(decoding: writer.bytes, as: UTF8.self) == "\"a\(escape)b\"")
        }
    }

    /// At every place of a word of eight bytes, and beside letters that begin with the same bytes.
    @Test func lineSeparatorsAreEscapedEverywhere() {
        for lead in 0...17 {
            let letters = String(repeating: "x", count: lead)
            var writer = JSONWriter()
            writer.string(letters + "\u{2028}\u{2029}\u{85}\u{2027}\u{202A}\u{84}\u{86}\"\\/\u{7F}" + letters)
            #expect(
                String(decoding: writer.bytes, as: UTF8.self)
                    == "\"" + letters + "\\u2028\\u2029\\u0085\u{2027}\u{202A}\u{84}\u{86}\\\"\\\\/\u{7F}" + letters
                    + "\"")
            #expect(
                !String(decoding: writer.bytes, as: UTF8.self).unicodeScalars.contains {
                    $0 == "\u{2028}" || $0 == "\n"
                })
        }
    }

    @Test func commasComeByThemselves() throws {
        var writer = JSONWriter(reserving: 10)
        writer.beginArray()
        writer.beginObject()
        writer.endObject()
        writer.beginObject()
        writer.key("a")
        writer.beginArray()
        writer.endArray()
        writer.key(text: "b\"")
        writer.integer(-3)
        writer.key("c")
        writer.plain("d")
        writer.key("e")
        writer.value(["f": [.null, false]] as JSONValue)
        writer.endObject()
        writer.null()
        writer.bool(true)
        writer.string(",")
        writer.string("[")
        writer.raw("{}".utf8)
        writer.value(try parse("[1 , { \"x\" : 2 }]"))
        writer.integer(UInt64.max)
        writer.endArray()
        writer.endLine()
        var next = JSONWriter(continuing: writer.bytes)
        next.bool(false)
        #expect(
            String(decoding: next.bytes, as: UTF8.self)
                == #"[{},{"a":[],"b\"":-3,"c":"d","e":{"f":[null,false]}},null,true,",","[",{},[1,{"x":2}],"#
                + "18446744073709551615]\nfalse")
    }

    /// A view is copied with its own spelling, escapes and all, but for line separators.
    @Test func viewsKeepTheirSpelling() throws {
        let text = "{\"k\\u0065y\":[1.10,\"\\u00e9\\/\u{2029}\\\\\u{85}\",-0,\"é\"],\"b\":{\"c\":[[],{}]}}"
        let view = try parse(text)
        let expected = text.replacing("\u{2029}", with: "\\u2029").replacing("\u{85}", with: "\\u0085")
        #expect(String(decoding: view.compactText, as: UTF8.self) == expected)
        #expect(view["b"].map { String(decoding: $0.compactText, as: UTF8.self) } == #"{"c":[[],{}]}"#)
        #expect(try parse(expected).isEqual(to: view))
    }
}
