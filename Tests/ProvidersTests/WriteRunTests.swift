import JSON
import PushCore
import Testing

@testable import Providers

@Suite struct WriteRunTests {
    private let scene: EngineScene

    init() throws { scene = try EngineScene() }

    private func creating(_ fields: String..., resource: String = "contacts") throws -> Walk<WriteRun> {
        Walk(try scene.write(try EngineScene.items(fields), resource))
    }

    private static let two = [#"{"email":"a@x.org"}"#, #"{"email":"b@x.org"}"#]

    private func id(_ answer: ItemAnswer?) -> String? {
        if case .written(let id, true, _, _) = answer { id } else { nil }
    }

    // MARK: Out

    @Test func valuesAreWrittenAsTexts() throws {
        let walk = try creating(#"{"a":"x","n":1.10,"t":true,"o":{"k":[1]},"z":null}"#)
        #expect(walk.paths == ["/crm/objects/2026-09/contacts/batch/create"])
        #expect(
            walk.bodies == [
                #"{"inputs":[{"properties":{"a":"x","n":"1.10","t":"true","o":"{\"k\":[1]}","z":""},"#
                    + #""associations":[],"objectWriteTraceId":"7.0"}]}"#
            ])
        #expect(walk.open[0].exchange.idempotencyKey == "7" && walk.open[0].operation == .create)
        #expect(walk.open[0].exchange.headers.contains(Exchange.Header("Content-Type", "application/json")))
    }

    @Test func anUpdateNamesItsRecord() throws {
        let walk = Walk(try scene.write(try EngineScene.items([#"{"city":"B"}"#], targets: ["12"])))
        #expect(walk.paths == ["/crm/objects/2026-09/contacts/batch/update"])
        #expect(
            walk.bodies == [#"{"inputs":[{"id":"12","properties":{"city":"B"},"objectWriteTraceId":"7.0"}]}"#])
    }

    // MARK: Whom a result is about

    @Test func resultsFindTheirItemsByTrace() throws {
        var walk = try creating(Self.two[0], Self.two[1])
        walk.end(
            EngineScene.answer(
                201,
                #"{"results":[\#(EngineScene.record("5", trace: "7.1")),\#(EngineScene.record("4", trace: "7.0"))]}"#))
        #expect(id(walk.answer?[0]) == "4" && id(walk.answer?[1]) == "5")
    }

    @Test func withoutATraceTheyAreFoundByWhatOnlyOneHas() throws {
        var walk = try creating(Self.two[0], Self.two[1], #"{"firstname":"C"}"#)
        walk.end(
            EngineScene.results(
                EngineScene.record("5", #"{"email":"B@x.org"}"#), EngineScene.record("6", #"{"firstname":"C"}"#),
                EngineScene.record("4", #"{"email":"a@x.org"}"#), status: 201))
        #expect(id(walk.answer?[0]) == "4" && id(walk.answer?[1]) == "5")
        #expect(walk.answer?.keys.sorted() == [0, 1], "of the third nobody knows: it is never told by its place")
    }

    @Test func itemsThatAreAlikeAreNotGuessed() throws {
        let twin = #"{"name":"Twin"}"#
        var walk = try creating(twin, twin, #"{"name":"Solo"}"#, resource: "companies")
        walk.end(
            EngineScene.results(
                EngineScene.record("1", twin), EngineScene.record("2", twin),
                EngineScene.record("3", #"{"name":"Solo"}"#), status: 201))
        #expect(walk.answer?.keys.sorted() == [2])
    }

    @Test func foreignAndDoubledResultsCountForNothing() throws {
        var walk = try creating(Self.two[0], Self.two[1])
        walk.end(
            EngineScene.results(
                EngineScene.record("9", trace: "6.0"), EngineScene.record("4", trace: "7.0"),
                EngineScene.record("4", trace: "7.0"), EngineScene.record("5", trace: "7.1"),
                EngineScene.record("6", trace: "7.1"), status: 201))
        #expect(walk.answer?.keys.sorted() == [0], "two records for one item are doubt")
        #expect(id(walk.answer?[0]) == "4")
    }

    // MARK: Refused items

    @Test func eachItemHasItsOwnEnd() throws {
        var walk = try creating(Self.two[0], Self.two[1], #"{"email":"c@x.org"}"#)
        walk.end(
            EngineScene.results(
                EngineScene.record("4", trace: "7.0"),
                errors: [
                    #"{"category":"VALIDATION_ERROR","message":"bad mail","context":{"objectWriteTraceId":["7.1"]}}"#,
                    #"{"message":"about nobody"}"#,
                ]))
        #expect(id(walk.answer?[0]) == "4")
        #expect(walk.answer?[1] == .refused(Failure(.upstream, .refusedUpstream, "bad mail")))
        #expect(walk.answer?.keys.sorted() == [0, 1])
    }

    @Test func aRecordThatIsGoneIsTold() throws {
        var walk = Walk(
            try scene.write(try EngineScene.items([#"{"city":"A"}"#, #"{"city":"B"}"#], targets: ["1", "2"])))
        walk.end(EngineScene.results(EngineScene.record("2", #"{"city":"B"}"#), errors: [EngineScene.missing("1")]))
        walk.end(EngineScene.results(EngineScene.record("2", #"{"city":"B","zip":"9"}"#)))
        #expect(walk.answer?[0] == .notFound("not there"))
        #expect(
            walk.answer?[1]
                == .written(
                    id: "2", isNew: false, data: Array(#"{"id":"2","properties":{"city":"B","zip":"9"}}"#.utf8),
                    refusedLinks: []))
    }

    @Test func aRefusalOfManyIsOfOneOfThemAndThatOfOneIsOfIt() throws {
        let failure = Failure(.upstream, .refusedUpstream, "twice")
        var walk = try creating(Self.two[0], Self.two[1])
        walk.end(EngineScene.answer(400, #"{"message":"twice"}"#))
        #expect(walk.seen == .refusedTogether(failure))
        walk = try creating(Self.two[0])
        walk.end(EngineScene.answer(409, #"{"message":"twice"}"#))
        #expect(walk.seen == .refused(failure))
        walk = try creating(Self.two[0], Self.two[1])
        walk.end(EngineScene.answer(404, #"{"message":"twice"}"#))
        #expect(walk.seen == .refused(failure), "whatever is in it")
    }

    @Test func aLongMessageIsCut() throws {
        var walk = try creating(Self.two[0])
        walk.end(EngineScene.answer(400, #"{"message":"\#(String(repeating: "x", count: 9_000))"}"#))
        guard case .refused(let failure) = walk.seen else { throw Unexpected() }
        #expect(failure.text.count == 501)
    }

    private struct Unexpected: Error {}

    // MARK: Doubt

    @Test(
        arguments: [
            (201, "", "an answer that cannot be read"), (201, "<html></html>", "an answer that cannot be read"),
            (201, #"{"results":[{"id":"4","#, "an answer that cannot be read"),
            (201, "{}", "an answer that says nothing"), (201, "[]", "an answer that says nothing"),
            (201, #"{"results":[],"errors":[]}"#, "an answer that says nothing"),
            (207, #"{"results":[{"properties":{},"objectWriteTraceId":"7.0"}]}"#, "an answer that says nothing"),
            (204, "", "status 204"), (200, #"{"results":[]}"#, "status 200"), (500, "{}", "status 500"),
            (503, "<html>", "status 503"), (302, "", "status 302"),
        ])
    func successThatSaysNothingIsDoubt(status: Int, body: String, reason: String) throws {
        var walk = try creating(Self.two[0], Self.two[1])
        walk.end(EngineScene.answer(status, body))
        #expect(walk.seen == .unknown(reason))
    }

    @Test func whatNeverLeftIsNoDoubt() throws {
        var walk = try creating(Self.two[0])
        walk.end(.failed(phase: .connect, reason: "r"))
        #expect(walk.seen == .notSent("r"))
        walk = try creating(Self.two[0])
        walk.end(.failed(phase: .send, reason: "r"))
        #expect(walk.seen == .unknown("r"))
    }

    @Test func aLockedRecordWaits() throws {
        var walk = try creating(Self.two[0])
        walk.end(EngineScene.answer(423, "{}"))
        #expect(walk.open.map(\.wait) == [2_000])
        walk.end(EngineScene.answer(477, "{}", [("retry-after", "120")]))
        #expect(walk.seen == .throttled(120_000))
    }

    // MARK: Reading again

    @Test func theReadAfterAnUpdateMayFailAndTheUpdateStands() throws {
        for outcome in [EngineScene.answer(500, ""), EngineScene.answer(200, "{"), EngineScene.results()] {
            var walk = Walk(try scene.write(try EngineScene.items([#"{"city":"B"}"#], targets: ["12"])))
            let body = EngineScene.record("12", #"{"city":"B"}"#)
            walk.end(EngineScene.results(body))
            #expect(walk.open.map(\.operation) == [.read] && walk.bodies[0].contains(#""id":"12""#))
            walk.end(outcome)
            #expect(walk.answer?[0] == .written(id: "12", isNew: false, data: Array(body.utf8), refusedLinks: []))
        }
    }

    @Test func anUpdateOfNothingIsOnlyRead() throws {
        var walk = Walk(try scene.write(try EngineScene.items(["{}"], targets: ["12"])))
        #expect(walk.made.map(\.operation) == [.read])
        walk.end(EngineScene.results(EngineScene.record("12")))
        #expect(
            walk.answer?[0]
                == .written(id: "12", isNew: false, data: Array(EngineScene.record("12").utf8), refusedLinks: []))
    }
}

@Suite struct LinkRunTests {
    private let scene: EngineScene
    private let items = [
        LinkRequest.Item(
            trace: 0, id: "1",
            links: [LinkTarget(resource: "companies", id: "5"), LinkTarget(resource: "deals", id: "6")]),
        LinkRequest.Item(trace: 3, id: "2", links: [LinkTarget(resource: "companies", id: "5")]),
    ]

    init() throws { scene = try EngineScene() }

    private static func made(_ from: String, _ to: String) -> String {
        #"{"from":{"id":"\#(from)"},"to":{"id":"\#(to)"}}"#
    }

    @Test func oneRequestAPairOfResources() throws {
        var walk = Walk(try scene.link(items))
        #expect(
            walk.paths == [
                "/crm/associations/2026-09/contacts/companies/batch/associate/default",
                "/crm/associations/2026-09/contacts/deals/batch/associate/default",
            ])
        #expect(
            walk.bodies[0]
                == #"{"inputs":[{"from":{"id":"1"},"to":{"id":"5"}},{"from":{"id":"2"},"to":{"id":"5"}}]}"#)
        walk.end(EngineScene.results(Self.made("1", "5"), Self.made("5", "1"), Self.made("2", "5")))
        walk.end(EngineScene.results(Self.made("1", "6")))
        #expect(walk.answer == [:])
    }

    @Test func aRefusedLinkIsNamedAndASilentOneIsDoubt() throws {
        var walk = Walk(try scene.link([items[1]]))
        walk.end(
            EngineScene.results(
                errors: [#"{"message":"no","context":{"fromObjectId":["2"],"toObjectId":["5"]}}"#]))
        #expect(walk.answer == [3: [LinkTarget(resource: "companies", id: "5")]])
        walk = Walk(try scene.link(items))
        walk.end(EngineScene.results(Self.made("1", "5")))
        walk.end(EngineScene.results(Self.made("1", "6")))
        #expect(walk.seen == .unknown("an answer that does not speak of every link"))
    }

    @Test func whatCannotBeLinkedIsRefusedAtOnce() throws {
        let item = LinkRequest.Item(trace: 1, id: "1", links: [LinkTarget(resource: "notes", id: "5")])
        let walk = Walk(try scene.link([item]))
        #expect(walk.answer == [1: item.links] && walk.made.isEmpty)
    }

    @Test(arguments: [
        (EngineScene.answer(500, ""), Seen.unknown("status 500")),
        (EngineScene.answer(200, "{"), .unknown("an answer that cannot be read")),
        (EngineScene.answer(200, "{}"), .unknown("an answer that cannot be read")),
        (EngineScene.answer(400, #"{"message":"m"}"#), .refused(Failure(.upstream, .refusedUpstream, "m"))),
        (.failed(phase: .resolve, reason: "r"), .notSent("r")),
    ])
    func otherEnds(outcome: ExchangeOutcome, expected: Seen) throws {
        var walk = Walk(try scene.link([items[1]]))
        walk.end(outcome)
        #expect(walk.seen == expected)
    }
}
