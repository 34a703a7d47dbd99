import JSON
import PushCore
import Testing

@testable import Providers

@Suite struct LookupRunTests {
    private let scene: EngineScene

    init() throws { scene = try EngineScene() }

    private func search(_ field: String, _ value: String) -> LookupRequest.Search {
        LookupRequest.Search(field: field, value: value)
    }

    @Test func idsAreReadInBatchesAndWhateverTheirOrder() throws {
        var walk = Walk(try scene.lookUp(ids: (1...150).map(String.init)))
        #expect(walk.paths == Array(repeating: "/crm/objects/2026-09/contacts/batch/read", count: 2))
        #expect(walk.bodies[1].contains(#""inputs":[{"id":"101"},{"id":"102"}"#))
        #expect(walk.bodies[0].hasPrefix(#"{"properties":["firstname","lastname","email""#))
        #expect(!walk.bodies[0].contains("idProperty"))
        let first = (1...100).reversed().map { EngineScene.record(String($0)) }.joined(separator: ",")
        walk.end(EngineScene.answer(200, #"{"results":[\#(first)]}"#))
        #expect(walk.step.reply == nil)
        let second = (102...150).map { EngineScene.record(String($0)) }.joined(separator: ",")
        walk.end(EngineScene.answer(207, #"{"results":[\#(second)],"errors":[\#(EngineScene.missing("101"))]}"#))
        #expect(walk.answer?.records.count == 149)
        #expect(walk.answer?.records["101"] == nil && walk.answer?.records["150"]?.id == "150")
    }

    @Test func aRecordThatTheAnswerForgetsIsAskedForAlone() throws {
        var walk = Walk(try scene.lookUp(ids: ["1", "2", "3"]))
        walk.end(EngineScene.results(EngineScene.record("1"), EngineScene.record("9")))
        #expect(walk.open.count == 2, "neither is taken for missing")
        walk.end(EngineScene.results(EngineScene.record("9", #"{"email":"m@x.org"}"#)))
        walk.end(EngineScene.results(errors: [EngineScene.missing("3")]))
        #expect(walk.answer?.records["2"]?.id == "9", "it was merged into another")
        #expect(walk.answer?.records["3"] == nil)
    }

    @Test(arguments: ["[]", "{}", #"{"results":null}"#, #"{"results":[]}"#, #"{"results":[{"id":"1"}]}"#, ""])
    func anAnswerThatSaysNothingIsDoubt(body: String) throws {
        var walk = Walk(try scene.lookUp(ids: ["1"]))
        walk.end(EngineScene.answer(200, body))
        #expect(walk.seen == .unknown("an answer that cannot be read"))
    }

    @Test(arguments: [#"{"results":[{"id":"1","properties":{}"#, "<html><body>Bad gateway</body></html>", "\u{0}"])
    func aBrokenAnswerIsDoubt(body: String) throws {
        var walk = Walk(try scene.lookUp(ids: ["1"]))
        walk.end(EngineScene.answer(200, body))
        #expect(walk.seen == .unknown("an answer that cannot be read"))
    }

    @Test func addressesAreReadByTheirKeyAndADoubledResultIsOne() throws {
        var walk = Walk(try scene.lookUp(email: ["a@x.org", "b@x.org"]))
        #expect(walk.bodies[0].contains(#""idProperty":"email","inputs":[{"id":"a@x.org"},{"id":"b@x.org"}]"#))
        let one = EngineScene.record("1", #"{"email":"A@x.org "}"#)
        walk.end(EngineScene.results(one, one, errors: [EngineScene.missing("b@x.org")]))
        #expect(walk.answer?.found[search("email", "a@x.org")] == ["1"])
        #expect(walk.answer?.found[search("email", "b@x.org")] == [])
    }

    @Test func anAdditionalAddressIsAskedForAlone() throws {
        var walk = Walk(try scene.lookUp(email: ["a@x.org", "second@x.org"]))
        walk.end(
            EngineScene.results(
                EngineScene.record("1", #"{"email":"a@x.org"}"#), EngineScene.record("2", #"{"email":"first@x.org"}"#)))
        #expect(walk.bodies.count == 1 && walk.bodies[0].contains(#""inputs":[{"id":"second@x.org"}]"#))
        walk.end(EngineScene.results(EngineScene.record("2", #"{"email":"first@x.org"}"#)))
        #expect(walk.answer?.found[search("email", "second@x.org")] == ["2"])
    }

    @Test func hitsOfASearchAreReadAgainAndJudgedByWhatTheyAreThen() throws {
        var walk = Walk(try scene.lookUp(phone: ["4930123456"], name: ["anna maria berg", "bo li"]))
        #expect(walk.paths == Array(repeating: "/crm/objects/2026-09/contacts/search", count: 2))
        #expect(walk.bodies[0].contains(#""values":["4930123456","930123456","30123456","0123456"]"#))
        #expect(
            walk.bodies[1].contains(
                #""filters":[{"propertyName":"firstname","operator":"IN","values":["anna","anna maria","bo"]},"#
                    + #"{"propertyName":"lastname","operator":"IN","values":["maria berg","berg","li"]}]"#))
        let phone = EngineScene.record("1", #"{"phone":"+49 30 123456","firstname":"P"}"#)
        walk.end(EngineScene.results(phone))
        let names = [
            EngineScene.record("2", #"{"firstname":"Anna Maria","lastname":"Berg"}"#),
            EngineScene.record("3", #"{"firstname":"Bo","lastname":"Berg"}"#),
            EngineScene.record("4", #"{"firstname":"Bo","lastname":"Li"}"#),
        ].joined(separator: ",")
        walk.end(EngineScene.answer(200, #"{"results":[\#(names)],"paging":{"next":{"after":"200"}}}"#))
        #expect(walk.bodies[0].contains(#""after":"200""#), "the next page")
        walk.end(EngineScene.results())
        #expect(walk.bodies.count == 1 && walk.bodies[0].contains(#""inputs":[{"id":"1"},{"id":"2"},{"id":"4"}]"#))
        let renamed = EngineScene.record("4", #"{"firstname":"Bo","lastname":"Lo"}"#)
        walk.end(
            EngineScene.results(
                renamed, phone, EngineScene.record("2", #"{"firstname":"ANNA","lastname":"maria berg"}"#)))
        let answer = try #require(walk.answer)
        #expect(answer.found[search("phone", "4930123456")] == ["1"])
        #expect(answer.found[search("full_name", "anna maria berg")] == ["2"])
        #expect(answer.found[search("full_name", "bo li")] == [], "the index was behind")
    }

    @Test func aSearchKeepsToTheBodyThatTheProviderTakes() throws {
        let names = (0..<400).map { "someone\($0) with\($0) a\($0) long\($0) name\($0)" }
        let walk = Walk(try scene.lookUp(name: names))
        #expect(walk.open.count > 10)
        #expect(walk.open.allSatisfy { $0.exchange.body.count <= 3_000 && $0.operation == .search })
        let sent = walk.bodies.joined()
        #expect(names.allSatisfy { name in sent.contains("\"\(name.split(separator: " ")[0])\"") })
    }

    @Test func aNameOfOneWordIsNotSearchedFor() throws {
        let walk = Walk(try scene.lookUp(name: ["cher"]))
        #expect(walk.answer?.found[search("full_name", "cher")] == [])
    }

    // MARK: Refusals

    @Test func aShortWaitIsWaitedAndALongOneGoesBack() throws {
        var walk = Walk(try scene.lookUp(ids: ["1"]))
        let before = walk.open[0]
        walk.end(EngineScene.answer(429, #"{"policyName":"TEN_SECONDLY_ROLLING"}"#))
        #expect(walk.open.count == 1 && walk.open[0].exchange == before.exchange)
        #expect(walk.open[0].wait == 10_000 && walk.open[0].number != before.number)
        walk.end(EngineScene.answer(429, #"{"policyName":"DAILY"}"#))
        #expect(walk.seen == .throttled(3_600_000))
    }

    @Test(
        arguments: [
            (
                EngineScene.answer(401, #"{"message":"who?"}"#),
                .refused(Failure(.authentication, .unauthorizedUpstream, "who?"))
            ),
            (EngineScene.answer(403, "{}"), .refused(Failure(.authentication, .unauthorizedUpstream, "status 403"))),
            (
                EngineScene.answer(404, #"{"message":"no path"}"#),
                .refused(Failure(.upstream, .refusedUpstream, "no path"))
            ),
            (EngineScene.answer(400, #"{"message":"bad"}"#), .refused(Failure(.upstream, .refusedUpstream, "bad"))),
            (EngineScene.answer(502, "<html>"), .unknown("status 502")),
            (EngineScene.answer(204, ""), .unknown("status 204")),
            (EngineScene.answer(302, ""), .unknown("status 302")),
            (.failed(phase: .connect, reason: "r"), .notSent("r")),
            (.failed(phase: .receive, reason: "r"), .unknown("r")),
        ] as [(ExchangeOutcome, Seen)])
    func refusalsAreToldApart(outcome: ExchangeOutcome, expected: Seen) throws {
        var walk = Walk(try scene.lookUp(ids: ["1"]))
        walk.end(outcome)
        #expect(walk.seen == expected)
    }

    @Test func theReplyWaitsForAllCallsAndSaysTheWorst() throws {
        var walk = Walk(try scene.lookUp(ids: (1...250).map(String.init)))
        walk.end(.failed(phase: .connect, reason: "c"))
        #expect(walk.step.reply == nil)
        walk.end(EngineScene.answer(401, "{}"))
        #expect(walk.step.reply == nil)
        walk.end(EngineScene.answer(500, "{}"))
        #expect(walk.seen == .refused(Failure(.authentication, .unauthorizedUpstream, "status 401")))
    }

    @Test func anAnswerToNoCallIsPassedOver() throws {
        var run = try scene.lookUp(ids: ["1"])
        _ = run.begin()
        let step = run.take(EngineScene.results(EngineScene.record("1")), of: 99, at: EngineScene.moment)
        #expect(step.calls.isEmpty && step.reply == nil)
    }
}
