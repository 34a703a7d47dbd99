import JSON
import Testing

@testable import Providers
@testable import PushCore

@Suite struct ExchangeMeaningTests {
    private let scene: EngineScene

    init() throws { scene = try EngineScene() }

    private func summary(
        _ outcome: ExchangeOutcome, _ kind: Providers.Operation.Kind = .create, isLocal: Bool = false,
        isDoubted: Bool = false
    ) -> ExchangeSummary {
        let call = ProviderCall(
            number: 1, operation: kind,
            exchange: Exchange(account: EngineScene.account, method: "POST", path: "/x", body: []))
        return ExchangeSummary(
            outcome, call, resource: "contacts", isLocal ? nil : scene.provider, isDoubted: isDoubted,
            at: EngineScene.moment)
    }

    @Test func eachOutcomeMeansOneThing() {
        #expect(summary(EngineScene.answer(201, "{}")).meaning == .answered)
        #expect(summary(EngineScene.answer(201, "<html>")).meaning == .unknown)
        #expect(summary(EngineScene.answer(429, #"{"policyName":"SECONDLY"}"#)).meaning == .throttled)
        #expect(summary(EngineScene.answer(503, "")).meaning == .unknown)
        #expect(summary(EngineScene.answer(401, "{}")).meaning == .refused)
        #expect(summary(.failed(phase: .connect, reason: "no")).meaning == .notSent)
        #expect(summary(.failed(phase: .receive, reason: "cut")).meaning == .unknown)
        #expect(summary(.failed(phase: .receive, reason: "cut")).reason == "cut")
        for (status, meaning) in [
            (200, ExchangeRow.Meaning.answered), (429, .throttled), (404, .refused), (503, .unknown),
        ] {
            #expect(summary(EngineScene.answer(status, "{}"), isLocal: true).meaning == meaning)
        }
    }

    /// A provider's message quotes what was sent to it.
    @Test func noWordOfTheProviderIsKept() {
        let body = #"{"message":"ann@example.org exists already","category":"CONFLICT"}"#
        let refused = summary(EngineScene.answer(409, body))
        #expect(refused == summary(EngineScene.answer(409, "{}")))
        #expect(refused.meaning == .refused && refused.status == 409 && refused.reason == "")
    }

    @Test func anAnswerThatTheRunDoubtsIsNone() {
        let doubted = summary(EngineScene.answer(201, "{}"), isDoubted: true)
        #expect(doubted.meaning == .unknown && doubted.status == 201 && !doubted.reason.isEmpty)
        #expect(summary(EngineScene.answer(429, "{}"), isDoubted: true).meaning == .throttled)
    }

    @Test func aPathIsKeptWithoutTheValuesInIt() throws {
        let sent = "/contacts/search?q=ann%40example.org"
        let query = try #require(PathTemplate("/{resource}/search?q={value}"))
        #expect(query.shown(keeping: sent, resource: "contacts") == "/contacts/search")
        let inside = try #require(PathTemplate("/{resource}/by-mail/{value}/all"))
        #expect(
            inside.shown(keeping: "/contacts/by-mail/a/all", resource: "contacts") == "/contacts/by-mail/{value}/all")
        let plain = try #require(PathTemplate("/{resource}/{to}/batch?x=1"))
        #expect(plain.shown(keeping: "/contacts/deals/batch?x=1", resource: "contacts") == "/contacts/deals/batch")
    }

    // MARK: What an exchange is about

    @Test func exchangesOfALookUpAreToldApart() throws {
        var walk = Walk(try scene.lookUp(ids: ["9"], email: ["a@x.org"], phone: ["4930123456"]))
        let phone = LookupRequest.Search(field: "phone", value: "4930123456")
        #expect(
            walk.open.map(\.about) == [
                .ids(["9"]), .searches([LookupRequest.Search(field: "email", value: "a@x.org")]), .searches([phone]),
            ])
        walk.end(EngineScene.results(EngineScene.record("9")))
        walk.end(EngineScene.results(EngineScene.record("8", #"{"email":"a@x.org"}"#)))
        walk.end(EngineScene.results(EngineScene.record("7", #"{"phone":"+49 30 123456"}"#)))
        #expect(walk.open.map(\.about) == [.searches([phone])], "hits are read for whom they were sought")
    }

    @Test func exchangesOfAWriteAreToldApart() throws {
        let items = try EngineScene.items(
            [#"{"city":"A"}"#, #"{"city":"B"}"#, #"{"city":"C"}"#], targets: ["4", "5", "6"])
        var walk = Walk(try scene.write(items))
        #expect(walk.open.map(\.about) == [.traces([0, 1, 2])])
        walk.end(EngineScene.answer(429, "{}", [("retry-after", "1")]))
        #expect(walk.open.map(\.attempt) == [2])
        #expect(walk.open[0].about == .traces([0, 1, 2]))
        walk.end(EngineScene.results(EngineScene.record("4"), EngineScene.record("6")))
        #expect(walk.open.map(\.operation) == [.read])
        #expect(walk.open.map(\.about) == [.traces([0, 2])], "read again are those that were answered")
    }
}
