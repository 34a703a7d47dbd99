import Testing

@testable import JSON

@Suite struct JSONRoundTripTests {
    @Test(arguments: [
        #"{}"#, #"[]"#, #"{"a":{},"b":[],"c":[{}],"d":"x"}"#, #"[[],[[]],{"a":[1,2,{"b":null}]}]"#, #""a\"b\\""#,
        #"{"n":1.10,"m":-0,"e":1E+400,"s":"é😀","u":"\u0041\ud83d\ude00","t":true,"f":false,"z":null}"#,
    ])
    func compactTextOfCompactTextIsItself(text: String) throws {
        let document = try JSONDocument(parsing: Array(text.utf8))
        #expect(String(decoding: document.root.compactText, as: UTF8.self) == text)
        #expect(String(decoding: JSONValue(document.root).text, as: UTF8.self).contains("\n") == false)
    }

    @Test func whiteSpaceIsDroppedAndLineSeparatorsAreEscaped() throws {
        let text = "{ \"a\" : [ 1 , \"x\u{2028}\\n\u{85}\" ] ,\r\n \"b\":\t{ \"c\" : \"d\" } }"
        let document = try JSONDocument(parsing: Array(text.utf8))
        #expect(
            String(decoding: document.root.compactText, as: UTF8.self)
                == #"{"a":[1,"x\u2028\n\u0085"],"b":{"c":"d"}}"#)
    }
}
