import JSON
import Testing

@testable import Providers
@testable import PushCore

@Suite struct LocalCodecTests {
    private let codec = LocalCodec()
    private let account = AccountKey(provider: "local", name: "main")

    private func answer(_ status: Int, _ body: String) -> ExchangeOutcome {
        .answered(status: status, headers: [], body: Array(body.utf8))
    }

    private func lookup(_ body: String, status: Int = 200) throws -> LookupAnswer {
        guard case .answered(let value) = codec.decodeLookup(answer(status, body)) else {
            throw Refused(body: body)
        }
        return value
    }

    private func write(_ body: String, status: Int = 200) throws -> WriteAnswer {
        guard case .answered(let value) = codec.decodeWrite(answer(status, body)) else { throw Refused(body: body) }
        return value
    }

    private struct Refused: Error { var body: String }

    // MARK: Out

    @Test func aLookUpNamesIDsAndSearches() {
        let request = LookupRequest(
            resource: "contacts", ids: ["1", "a\"b"],
            searches: [LookupRequest.Search(field: "email", value: "zoë@example.org")])
        let exchange = codec.encode(request, account: account)
        #expect(
            String(decoding: exchange.body, as: UTF8.self)
                == #"{"ids":["1","a\"b"],"search":[{"field":"email","value":"zoë@example.org"}]}"#)
        #expect(exchange.method == "POST" && exchange.path == "/contacts/read" && exchange.account == account)
        #expect(exchange.idempotencyKey == nil, "a read may be repeated as it is")
    }

    @Test func anEmptyLookUpHasEmptyLists() {
        let exchange = codec.encode(LookupRequest(resource: "deals", ids: [], searches: []), account: account)
        #expect(String(decoding: exchange.body, as: UTF8.self) == #"{"ids":[],"search":[]}"#)
    }

    @Test func aWriteCarriesNullsNumbersAsSpelledAndLinks() throws {
        let data = try JSONDocument(parsing: Array(#"{"a":null,"n":1.10,"o":{"k":[1]}}"#.utf8)).root
        let fields = try ["a", "n", "o"].map {
            PreparedField(name: $0, value: try #require(data[name: $0]), mode: .overwrite)
        }
        let request = WriteRequest(
            resource: "contacts", key: "17",
            items: [
                WriteItem(trace: 0, target: nil, fields: fields, links: []),
                WriteItem(trace: 3, target: "9", fields: [], links: [LinkTarget(resource: "companies", id: "4")]),
            ])
        let exchange = codec.encode(request, account: account)
        #expect(
            String(decoding: exchange.body, as: UTF8.self)
                == #"{"inputs":[{"trace":0,"op":"create","fields":{"a":null,"n":1.10,"o":{"k":[1]}}},"#
                + #"{"trace":3,"op":"update","id":"9","fields":{},"links":[{"resource":"companies","id":"4"}]}]}"#)
        #expect(exchange.path == "/contacts/write" && exchange.method == "POST")
        #expect(exchange.idempotencyKey == "17", "every attempt of one intent bears the same key")
    }

    @Test func linksApartFromRecordsAreUpdatesWithoutFields() throws {
        let request = LinkRequest(
            resource: "contacts", key: "17-links",
            items: [LinkRequest.Item(trace: 2, id: "9", links: [LinkTarget(resource: "companies", id: "4")])])
        let exchange = codec.encode(request, account: account)
        #expect(
            String(decoding: exchange.body, as: UTF8.self)
                == #"{"inputs":[{"trace":2,"op":"update","id":"9","fields":{},"#
                + #""links":[{"resource":"companies","id":"4"}]}]}"#)
        #expect(exchange.path == "/contacts/write" && exchange.idempotencyKey == "17-links")
        let refused = #"[{"resource":"companies","id":"4","code":"CONFLICT"}]"#
        let reply = codec.decodeLinks(
            answer(207, #"{"results":[{"trace":2,"id":"9","status":"updated","links_refused":\#(refused)}]}"#))
        guard case .answered(let links) = reply else { throw Unread() }
        #expect(links == [2: [LinkTarget(resource: "companies", id: "4")]])
        #expect(Seen(codec.decodeLinks(answer(200, "{}"))) == .unknown("an answer that cannot be read"))
    }

    private struct Unread: Error {}

    // MARK: Back

    @Test func recordsComeBackByIDWithTheirLinks() throws {
        let found = try lookup(
            #"""
            {"records":[{"id":"1","fields":{"email":"a"},"associations":{"companies":["4","5",6],"deals":[]}},
            {"id":"2","fields":{}}],"found":[{"field":"email","value":"a","ids":["1","2"]},
            {"field":"email","value":"b","ids":[]}]}
            """#)
        #expect(found.records.keys.sorted() == ["1", "2"])
        #expect(found.records["1"]?.links == ["companies": ["4", "5"], "deals": []])
        #expect(found.records["1"]?.fields["email"]?.string == "a")
        #expect(found.records["1"]?.source["id"]?.string == "1")
        #expect(found.records["2"]?.links == [:])
        #expect(found.found[LookupRequest.Search(field: "email", value: "a")] == ["1", "2"])
        #expect(
            found.found[LookupRequest.Search(field: "email", value: "b")] == nil,
            "a search that found nothing is left out")
    }

    @Test(arguments: [
        "", "{", "[]", "{}", #"{"records":[]}"#, #"{"found":[]}"#, #"{"records":[{"fields":{}}],"found":[]}"#,
        #"{"records":[{"id":"1"}],"found":[]}"#, #"{"records":[{"id":1,"fields":{}}],"found":[]}"#,
        #"{"records":[],"found":[{"value":"a","ids":[]}]}"#, #"{"records":[],"found":[{"field":"a","ids":[]}]}"#,
        #"{"records":[],"found":[{"field":"a","value":"b"}]}"#,
    ])
    func aReadAnswerThatIsNotUnderstoodIsUnknown(body: String) {
        let reply = codec.decodeLookup(answer(200, body))
        #expect(Seen(reply) == .unknown("an answer that cannot be read"))
    }

    @Test func eachWrittenRecordHasItsOwnOutcome() throws {
        let answers = try write(
            #"""
            {"results":[{"trace":0,"id":"1","status":"created","record":{"id":"1", "fields":{"n":1.10}}},
            {"trace":1,"id":"2","status":"updated"},
            {"trace":2,"error":{"code":"NOT_FOUND","message":"gone"}},
            {"trace":3,"error":{"code":"CONFLICT","message":"taken"}},
            {"trace":4,"error":{"code":"NOT_FOUND"}},
            {"trace":5,"error":{}},
            {"trace":6,"status":"created"}]}
            """#, status: 207)
        #expect(
            answers[0]
                == .written(
                    id: "1", isNew: true, data: Array(#"{"id":"1","fields":{"n":1.10}}"#.utf8), refusedLinks: []))
        #expect(answers[1] == .written(id: "2", isNew: false, data: [], refusedLinks: []))
        #expect(answers[2] == .notFound("gone"))
        #expect(answers[3] == .refused(Failure(.upstream, .refusedUpstream, "taken")))
        #expect(answers[4] == .notFound("Refused without a message."))
        #expect(answers[5] == .refused(Failure(.upstream, .refusedUpstream, "Refused without a message.")))
        #expect(answers[6] == nil, "a success without an id says nothing of the record")
        #expect(answers.count == 6)
    }

    @Test(arguments: ["{}", "null", "[]", #""x""#])
    func aRecordThatSaysNothingIsNoData(record: String) throws {
        let answers = try write(#"{"results":[{"trace":0,"id":"1","record":\#(record)}]}"#)
        #expect(answers[0] == .written(id: "1", isNew: false, data: [], refusedLinks: []))
    }

    @Test func linksThatWereRefusedAreNamed() throws {
        let answers = try write(
            #"{"results":[{"trace":0,"id":"1","links_refused":[{"resource":"deals","id":"8"},{"resource":"x"},7]}]}"#)
        #expect(
            answers[0]
                == .written(
                    id: "1", isNew: false, data: [], refusedLinks: [LinkTarget(resource: "deals", id: "8")]))
    }

    @Test(arguments: ["", "{", "{}", "[]", #"{"results":[{"id":"1"}]}"#, #"{"results":[{"trace":"0","id":"1"}]}"#])
    func aWriteAnswerThatIsNotUnderstoodIsUnknown(body: String) {
        #expect(Seen(codec.decodeWrite(answer(207, body))) == .unknown("an answer that cannot be read"))
    }

    @Test(arguments: [
        (400, #"{"error":{"message":"bad field"}}"#, "bad field"),
        (404, #"{"message":"no such path"}"#, "no such path"),
        (409, "{}", "status 409"), (499, "no JSON", "status 499"), (422, #"{"error":{"message":7}}"#, "status 422"),
    ])
    func aClientFaultRefusesTheWholeRequest(status: Int, body: String, text: String) {
        let refused = Seen.refused(Failure(.upstream, .refusedUpstream, text))
        #expect(Seen(codec.decodeWrite(answer(status, body))) == refused)
        #expect(Seen(codec.decodeLookup(answer(status, body))) == refused)
    }

    @Test(
        arguments: [
            ([], 1_000), ([("retry-after", "7")], 7_000), ([("retry-after", "7"), ("retry-after-ms", "250")], 250),
            ([("retry-after", "soon")], 1_000), ([("retry-after", "-3")], 0),
            ([("retry-after", "99999999")], 3_600_000),
        ] as [([(String, String)], Int64)])
    func aThrottledRequestWaitsAsTold(headers: [(String, String)], milliseconds: Int64) {
        let outcome = ExchangeOutcome.answered(
            status: 429, headers: headers.map { Exchange.Header($0, $1) }, body: Array("{}".utf8))
        #expect(Seen(codec.decodeWrite(outcome)) == .throttled(milliseconds))
        #expect(Seen(codec.decodeLookup(outcome)) == .throttled(milliseconds))
    }

    @Test func refusedCredentialsAreNoFaultOfTheRecord() {
        let refused = Seen.refused(Failure(.authentication, .unauthorizedUpstream, "who?"))
        #expect(Seen(codec.decodeWrite(answer(401, #"{"error":{"message":"who?"}}"#))) == refused)
        #expect(Seen(codec.decodeLookup(answer(401, #"{"error":{"message":"who?"}}"#))) == refused)
    }

    @Test(arguments: [100, 201, 204, 302, 500, 503, 599])
    func anyOtherStatusMayHaveHadAnEffect(status: Int) {
        let whole = #"{"results":[],"records":[],"found":[],"error":{"message":"x"}}"#
        #expect(Seen(codec.decodeWrite(answer(status, whole))) == .unknown("status \(status)"))
        #expect(Seen(codec.decodeLookup(answer(status, whole))) == .unknown("status \(status)"))
    }

    @Test func onlyWhatNeverLeftIsNotSent() {
        for phase in ExchangeOutcome.Phase.allCases {
            let outcome = ExchangeOutcome.failed(phase: phase, reason: "r")
            let expected: Seen = [.resolve, .connect].contains(phase) ? .notSent("r") : .unknown("r")
            #expect(Seen(codec.decodeWrite(outcome)) == expected)
            #expect(Seen(codec.decodeLookup(outcome)) == expected)
        }
    }
}
