import JSON
import Testing

@testable import JSONSchema

@Suite struct ExactnessTests {
    @Test(arguments: [
        ("0.1", "0.3", true), ("0.01", "19.99", true), ("0.01", "19.999", false), ("0.0001", "0.0075", true),
        ("3", "999999999999999999999999999999", true), ("3", "999999999999999999999999999998", false),
        ("7", "7e300", true), ("3", "1e300", false), ("1e-8", "12391239123", true), ("100", "1e2", true),
        ("100", "50", false), ("2.5", "-7.5", true), ("0.5", "0", true), ("1e5", "123456789012345678901e5", true),
        ("4", "1234567890123456789012345.5", false), ("1024", "1e10", true), ("1024", "1e9", false),
        ("2", "1e999999999", true),
    ])
    func multiplesAreExact(divisor: String, value: String, isMultiple: Bool) throws {
        #expect(try faults(try schema("{\"multipleOf\": \(divisor)}"), value).isEmpty == isMultiple)
    }

    @Test(arguments: [
        ("1", "1.0", 0), ("1", "1.0000000000000000000000000000001", -1), ("9007199254740993", "9007199254740992", 1),
        ("-1e400", "1e-400", -1), ("1e400", "1e399", 1), ("-0", "0.00", 0), ("0.1", "1e-1", 0), ("-2", "-10", 1),
        ("123456789012345678901234567890", "123456789012345678901234567891", -1), ("1e30", "1", 1), ("-1e30", "-1", -1),
        ("1e99999999999", "2", 1), ("1000000000000000000000000", "1e24", 0), ("12", "1.2e1", 0),
    ])
    func comparisonsAreExact(value: String, bound: String, order: Int) throws {
        #expect(try faults(try schema("{\"minimum\": \(bound)}"), value).isEmpty == (order >= 0))
        #expect(try faults(try schema("{\"maximum\": \(bound)}"), value).isEmpty == (order <= 0))
        #expect(try faults(try schema("{\"exclusiveMinimum\": \(bound)}"), value).isEmpty == (order > 0))
        #expect(try faults(try schema("{\"exclusiveMaximum\": \(bound)}"), value).isEmpty == (order < 0))
        #expect(try faults(try schema("{\"const\": \(bound)}"), value).isEmpty == (order == 0))
        #expect(try faults(try schema(#"{"uniqueItems": true}"#), "[\(value), \(bound)]").isEmpty == (order != 0))
    }

    /// The quick numbers against the slow ones, on numbers made by chance with a fixed seed.
    @Test func quickNumbersAgreeWithSlowOnes() throws {
        var state: UInt64 = 42
        func next(_ bound: UInt64) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int((state >> 33) % bound)
        }
        func number() -> String {
            var text = next(2) == 0 ? "-" : ""
            text +=
                next(3) == 0
                ? "0" : String(1 + next(9)) + (0..<next(22)).map { _ in String(next(3) == 0 ? next(10) : 0) }.joined()
            if next(2) == 0 { text += "." + (0...next(8)).map { _ in String(next(3)) }.joined() }
            if next(3) == 0 { text += "e\(next(2) == 0 ? "-" : "")\(next(25))" }
            return text
        }
        var quick = 0
        for _ in 0..<20_000 {
            let (one, two) = (number(), number())
            var (left, right) = (one, two)
            let (a, b) = left.withUTF8 { l in
                right.withUTF8 { r in
                    (ExactNumber(UnsafeRawBufferPointer(l)), ExactNumber(UnsafeRawBufferPointer(r)))
                }
            }
            guard let a, let b else { continue }
            quick += 1
            let (slowA, slowB) = (JSONDecimal(one), JSONDecimal(two))
            #expect(a.compare(b) == (slowA < slowB ? -1 : slowA == slowB ? 0 : 1), "\(one) \(two)")
            #expect(a.isInteger == slowA.isInteger, "\(one)")
        }
        #expect(quick > 10_000)
    }

    @Test(arguments: [
        ("1", true), ("1.0", true), ("10e-1", true), ("-0", true), ("1e3", true), ("1.5", false), ("1e-1", false),
        ("123456789012345678901234567890", true), ("123456789012345678901234567890.5", false),
        ("1e-99999999999", false),
    ])
    func wholeNumbersAreIntegersHoweverTheyAreSpelled(value: String, isInteger: Bool) throws {
        #expect(try faults(try schema(#"{"type": "integer"}"#), value).isEmpty == isInteger)
    }

    @Test(arguments: [
        ("[1, 1.0]", false), (#"[{"a": 1, "b": 2}, {"b": 2.0, "a": 1}]"#, false), (#"["a", "\u0061"]"#, false),
        ("[1, true, [1], null, [null]]", true), ("[0, false, null, \"\", [], {}]", true),
        (#"[{"a": 1}, {"a": 1, "b": 1}]"#, true),
        (#"[{"a": {"b": [1, 2]}}, {"a": {"b": [2, 1]}}]"#, true), ("[[1, 2], [1, 2]]", false), ("[true, true]", false),
    ])
    func equalityIsThatOfValues(value: String, isUnique: Bool) throws {
        #expect(try faults(try schema(#"{"uniqueItems": true}"#), value).isEmpty == isUnique)
    }

    @Test func enumAndConstTogetherAllowWhatBothAllow() throws {
        let both = try schema(#"{"enum": ["a", "b", {"x": 1}], "const": "b"}"#)
        #expect(try faults(both, #""b""#) == [])
        #expect(try faults(both, #""a""#) == [" const"])
        #expect(try faults(try schema(#"{"enum": []}"#), "1") == [" enum"])
        let long = try schema(
            #"{"enum": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff"]}"#
        )
        #expect(
            long.violations(of: try view("0"))[0].message == "Must be one of 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 or 3 more.")
    }

    @Test func namesThatAreNear() {
        let names = ["email", "first_name", "last_name", "phone", "id"]
        let cases: [(String, String?)] = [
            ("emial", "email"), ("Email", "email"), ("firstName", "first_name"), ("frist-name", "first_name"),
            ("lastname", "last_name"),
            ("phon", "phone"), ("phones", "phone"), ("di", "id"), ("x", nil), ("", nil), ("address", nil), ("___", nil),
            (String(repeating: "email", count: 30), nil), ("ID", "id"),
        ]
        for (name, near) in cases { #expect(DidYouMean.nearest(name, among: names) == near, "\(name)") }
        #expect(DidYouMean.nearest("nane", among: ["name", "nan"]) == "name")
        #expect(DidYouMean.nearest("email", among: []) == nil)
        #expect(DidYouMean.distance(Array("abcd".unicodeScalars), Array("acbde".unicodeScalars)) == 2)
        #expect(DidYouMean.distance([], Array("abc".unicodeScalars)) == 3)
    }

    @Test(arguments: [
        ("email", #""a\"b"@c"#, true), ("email", #""a"b"@c"#, false),
        ("email", #""a\\"b"@c"#, false), ("email", #""a\"@c"#, false), ("email", #""a\\\"b"@c"#, true),
        ("email", "a@", false), ("email", "@a", false),
        ("email", "a@b@c", false), ("email", "a@[IPv6:1::2]", true), ("email", "a@[ipv6:1::g]", false),
        ("email", "a@[x]", false),
        ("email", "a@-b", false), ("email", "ä@b.de", false), ("hostname", "a.b.", false), ("hostname", "a..b", false),
        ("ipv4", "1.2.3", false), ("ipv4", "01.2.3.4", false), ("ipv4", "1.2.3.4444", false),
        ("ipv4", "255.255.255.255", true),
        ("ipv6", "::", true), ("ipv6", "1::", true), ("ipv6", ":1", false), ("ipv6", "1:", false),
        ("ipv6", "1::2::3", false),
        ("ipv6", "1:2:3:4:5:6:7::", true), ("ipv6", "1:2:3:4:5:6:7:8::", false), ("ipv6", "::1.2.3.4", true),
        ("ipv6", "::1.2.3", false),
        ("ipv6", "12345::", false), ("ipv6", "1:2:3:4:5:6:1.2.3.4", true), ("uri", "a://[v1.x:y]:80/p", true),
        ("uri", "a://[v.x]", false),
        ("uri", "a://[::1]x", false), ("uri", "a://h:8x/", false), ("uri", "a:%4", false), ("uri", "a:b#c#d", false),
        ("uri", "1a:b", false),
        ("uri-reference", "", true), ("uri-reference", "a b", false), ("uri-reference", "//h/p?q#f", true),
        ("uri-reference", "a:b", true),
        ("uuid", "2eb8aa08-aa98-11ea-b4aa-73b441d16380", true), ("uuid", "2eb8aa08aa9811eab4aa73b441d16380", false),
        ("date", "2024-02-29", true), ("date", "2023-02-29", false), ("date", "1900-02-29", false),
        ("date", "2000-02-29", true),
        ("date", "2023-13-01", false), ("date", "2023-04-31", false), ("date", "2023-00-10", false),
        ("date", "2023-10-00", false),
        ("time", "09:30:00", false), ("time", "09:30:00.Z", false), ("time", "09:30:00.5z", true),
        ("regex", "(", false), ("regex", "a+", true),
        ("unknown", "anything", true),
    ])
    func formats(format: String, text: String, isGood: Bool) throws {
        let value = String(decoding: JSONValue.string(text).text, as: UTF8.self)
        #expect(try faults(try schema("{\"format\": \"\(format)\"}"), value).isEmpty == isGood)
    }
}
