import JSON
import Testing

@testable import Gateway

@Suite struct CursorTests {
    @Test func aCursorSurvivesItsText() {
        for (store, sequence, check) in [
            (0 as UInt64, 0 as Int64, 0 as UInt16), (1, 1, 1), (.max, (1 << 48) - 1, .max),
            (0x0123_4567_89AB_CDEF, 0x1234, 0xBEEF),
        ] {
            let cursor = Cursor(store: store, sequence: sequence, check: check)
            #expect(Cursor(text: cursor.text) == cursor)
            #expect(cursor.text.utf8.count == 32)
        }
        #expect(
            Cursor(store: 0x0123_4567_89AB_CDEF, sequence: 0x1234, check: 0xBEEF).text
                == "0123456789abcdef000000001234beef")
        #expect(Cursor.start(of: 7) == Cursor(store: 7, sequence: 0, check: 0))
    }

    @Test func aTransferKeepsItInOneNumber() {
        for sequence in [0, 1, (1 << 47) - 1] as [Int64] {
            for check in [0, 1, .max] as [UInt16] {
                let cursor = Cursor(store: 9, sequence: sequence, check: check)
                #expect(Cursor(store: 9, packed: cursor.packed) == cursor)
            }
        }
    }

    @Test(arguments: [
        "", "0", "0123456789abcdef000000001234bee", "0123456789abcdef000000001234beef0",
        "g123456789abcdef000000001234beef", "0123456789abcdef00000000123gbeef", "0123456789abcdef000000001234beeg",
        "+123456789abcdef000000001234beef", "0123456789abcdef+00000001234beef", "0123456789abcdef-00000001234beef",
        "0123456789abcdef000000001234+eef", " 123456789abcdef000000001234beef", "é23456789abcdef000000001234beef",
        "0123456789abcdef00000000123\u{0}beef",
    ])
    func whatIsNoCursorIsRefused(text: String) {
        #expect(Cursor(text: text) == nil)
    }
}

@Suite struct PageTests {
    private func meta(
        _ params: String, total: Int, shown: Int, _ arguments: [(String, String)] = [("session_id", "s")]
    ) throws -> JSONValue {
        var writer = JSONWriter()
        writer.beginObject()
        Page(try JSONDocument(parsing: Array(params.utf8)).root)
            .meta("getData", arguments, total: total, shown: shown, into: &writer)
        writer.endObject()
        return try #require(try JSONValue(parsing: writer.bytes)["meta"])
    }

    private func link(_ place: Int, limit: Int = 10) -> JSONValue {
        [
            "offset": .number(String(place)), "link": .string("getData?session_id=s&limit=\(limit)&offset=\(place)"),
        ]
    }

    @Test func linksLeadToThePagesAroundThisOne() throws {
        #expect(try meta(#"{"limit":10}"#, total: 7, shown: 7) == ["count": 7])
        #expect(try meta(#"{"limit":10}"#, total: 10, shown: 10) == ["count": 10])
        #expect(try meta(#"{"limit":10}"#, total: 25, shown: 10) == ["count": 25, "next": link(10)])
        #expect(
            try meta(#"{"limit":10,"offset":10}"#, total: 25, shown: 10)
                == ["count": 25, "previous": link(0), "next": link(20)])
        #expect(
            try meta(#"{"limit":10,"offset":20}"#, total: 25, shown: 5) == ["count": 25, "previous": link(10)])
    }

    @Test func anAnswerThatWasCutGoesOnWhereItWasCut() throws {
        #expect(try meta(#"{"limit":10}"#, total: 10, shown: 3) == ["count": 10, "next": link(3)])
    }

    @Test func anOffsetOutsideLeadsBackInside() throws {
        #expect(try meta(#"{"limit":10,"offset":3}"#, total: 5, shown: 2) == ["count": 5, "previous": link(0)])
        #expect(try meta(#"{"limit":10,"offset":99}"#, total: 25, shown: 0) == ["count": 25, "previous": link(15)])
        #expect(try meta(#"{"limit":10,"offset":99}"#, total: 0, shown: 0) == ["count": 0, "previous": link(0)])
        #expect(try meta(#"{"limit":10}"#, total: 25, shown: 0) == ["count": 25], "no link leads to itself")
    }

    @Test func aPageHas250RowsUnlessAskedOtherwise() throws {
        let page = Page(try JSONDocument(parsing: Array("{}".utf8)).root)
        #expect(page.limit == 250 && page.offset == 0)
    }

    @Test func linksAreEscaped() throws {
        let meta = try meta(#"{"limit":1}"#, total: 2, shown: 1, [("name", "a b&é/\u{7}-._~Z9")])
        #expect(
            meta["next"]?["link"] == "getData?name=a%20b%26%C3%A9%2F%07-._~Z9&limit=1&offset=1")
    }
}

@Suite struct BodyHashTests {
    private func hash(_ params: String, without excluded: Set<String> = [], slices: Bool = false) throws -> [UInt8] {
        let hash = BodyHash(try JSONDocument(parsing: Array(params.utf8)).root, without: excluded)
        var count = 1
        // A deadline in the past ends each slice as soon as it may end.
        while !hash.advance(until: slices ? 0 : .max) { count += 1 }
        if slices { #expect(count > 1, "it was sliced") }
        return hash.finish()
    }

    @Test func theOrderOfTopLevelMembersDoesNotCount() throws {
        let one = try hash(#"{"session_id":"s","transfer_data":[{"data":{"a":1,"b":2}}],"synchronous":true}"#)
        #expect(
            try hash(#"{ "synchronous":true, "transfer_data" : [ {"data":{"a":1, "b":2}} ],"session_id":"s"}"#) == one)
        #expect(one.count == 32)
    }

    @Test(arguments: [
        #"{"a":"1","b":[1,2]}"#, #"{"a":1,"b":[2,1]}"#, #"{"a":1,"b":[1,2,3]}"#, #"{"a":1,"b":[12]}"#,
        #"{"a":1,"b":["1","2"]}"#, #"{"a":1}"#, #"{"a":1,"b":[]}"#, #"{"a":1,"b":null}"#, #"{"b":1,"a":[1,2]}"#,
        #"{"a":1,"b":[1,2],"c":0}"#, #"{"a":1.0,"b":[1,2]}"#, #"{"a":1,"b":[[1,2]]}"#, "{}",
    ])
    func valuesCount(other: String) throws {
        #expect(try hash(other) != hash(#"{"a":1,"b":[1,2]}"#))
    }

    @Test func whatIsExcludedDoesNotCount() throws {
        let bare = try hash(#"{"a":1}"#)
        #expect(try hash(#"{"idempotency_key":"k","a":1}"#, without: ["idempotency_key"]) == bare)
        #expect(try hash(#"{"idempotency_key":"k","a":1}"#) != bare)
    }

    @Test func slicesGiveTheSameHash() throws {
        let list = (0..<100).map { #"{"data":{"n":\#($0)}}"# }.joined(separator: ",")
        let params = #"{"transfer_data":[\#(list)],"session_id":"s"}"#
        #expect(try hash(params, slices: true) == hash(params))
    }
}
