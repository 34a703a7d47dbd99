import JSON
import PushCore
import Testing

@testable import Providers

/// What requests cost is what their runs send.
@Suite struct PriceTests {
    private let scene: EngineScene

    init() throws { scene = try EngineScene() }

    private func record(_ id: String) throws -> KnownRecord {
        let view = try JSONDocument(parsing: Array("{}".utf8)).root
        return KnownRecord(id: id, fields: view, source: view, links: [:])
    }

    @Test func aLookUpCostsItsBatchesAndTheReadingOfWhatSearchesFound() throws {
        var request = LookupRequest(resource: "contacts", ids: (0..<101).map(String.init), searches: [])
        #expect(scene.provider.tally(of: request, finding: LookupAnswer()) == ExchangeTally(reads: 2))
        request.searches = (0..<100).map { LookupRequest.Search(field: "email", value: "\($0)@example.org") }
        #expect(scene.provider.tally(of: request, finding: LookupAnswer()) == ExchangeTally(reads: 3))
        let phones = (0..<10).map { LookupRequest.Search(field: "phone", value: "49301234\($0)") }
        request.searches = phones
        #expect(scene.provider.tally(of: request, finding: LookupAnswer()) == ExchangeTally(reads: 2, searches: 1))
        var found = LookupAnswer(records: ["7": try record("7")], found: [phones[0]: ["7"]])
        // It is among the ids.
        #expect(scene.provider.tally(of: request, finding: found) == ExchangeTally(reads: 2, searches: 1))
        found.found[phones[1]] = ["999"]
        #expect(scene.provider.tally(of: request, finding: found) == ExchangeTally(reads: 3, searches: 1))
    }

    @Test func manySearchesCostWhatTheirRunSends() throws {
        let names = (0..<400).map { "someone\($0) with\($0) a long\($0) name" }
        let searches = names.map { LookupRequest.Search(field: "full_name", value: $0) }
        let request = LookupRequest(resource: "contacts", ids: [], searches: searches)
        var run = try #require(LookupRun(request, EngineScene.account, scene.provider))
        let calls = run.begin().calls
        #expect(calls.count > 10 && calls.allSatisfy { $0.exchange.body.count <= 3_000 })
        // No body is so small that the next value would have gone into it.
        #expect(calls.dropLast().allSatisfy { $0.exchange.body.count > 2_700 })
        let tally = scene.provider.tally(of: request, finding: LookupAnswer())
        #expect(tally == ExchangeTally(searches: calls.count))
    }

    @Test func aWriteCostsOneRequestAndTheReadingOfUpdates() throws {
        let items = try EngineScene.items([#"{"email":"a@x"}"#, #"{"city":"B"}"#], targets: [nil, "5"])
        func tally(_ items: [WriteItem]) -> ExchangeTally {
            scene.provider.tally(of: WriteRequest(resource: "contacts", key: "1", items: items))
        }
        #expect(tally([items[0]]) == ExchangeTally(writes: 1))
        #expect(tally([items[1]]) == ExchangeTally(reads: 1, writes: 1))
        var bare = items[1]
        bare.fields = []
        #expect(tally([bare]) == ExchangeTally(reads: 1))
    }

    @Test func linksCostARequestForEachPairOfResources() throws {
        let links = (0..<1_001).map { LinkTarget(resource: "companies", id: String($0)) }
        let item = LinkRequest.Item(trace: 0, id: "1", links: links + [LinkTarget(resource: "deals", id: "1")])
        let request = LinkRequest(resource: "contacts", key: "1", items: [item])
        #expect(scene.provider.tally(of: request) == ExchangeTally(writes: 3))
        let unknown = LinkRequest.Item(trace: 0, id: "1", links: [LinkTarget(resource: "nothing", id: "1")])
        #expect(
            scene.provider.tally(of: LinkRequest(resource: "contacts", key: "1", items: [unknown])) == ExchangeTally())
    }

    @Test func ratesMakeMilliseconds() {
        #expect(scene.provider.milliseconds(for: ExchangeTally(reads: 50, searches: 5, writes: 50)) == 0)
        #expect(scene.provider.milliseconds(for: ExchangeTally(searches: 15)) == 2_000)
        #expect(scene.provider.milliseconds(for: ExchangeTally(reads: 100, writes: 50)) == 5_000)
    }
}
