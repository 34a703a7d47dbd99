import Foundation
import JSON
import PushCore
import Testing

@testable import Providers

/// A provider that takes one record a request: the manifest that the page about manifests shows.
@Suite struct SingleRecordTests {
    private static let account = AccountKey(provider: "example-crm", name: "1")
    private let provider: HTTPProvider

    init() throws {
        let page = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appending(path: "protocol/providers/README.md")
        let text = String(decoding: try Data(contentsOf: page), as: UTF8.self)
        let manifest = try #require(text.split(separator: "```json\n").last?.split(separator: "```").first)
        provider = try #require(try HTTPManifest.read(try JSONDocument(parsing: Array(manifest.utf8)).root))
    }

    private func lookUp(ids: [String] = [], email: [String] = []) throws -> Walk<LookupRun> {
        let request = LookupRequest(
            resource: "people", ids: ids, searches: email.map { LookupRequest.Search(field: "email", value: $0) })
        return Walk(try #require(LookupRun(request, Self.account, provider)))
    }

    private func write(_ target: String?) throws -> Walk<WriteRun> {
        let items = try EngineScene.items([#"{"city":"Rome"}"#], targets: [target])
        let request = WriteRequest(resource: "people", key: "7", items: items)
        return Walk(try #require(WriteRun(request, Self.account, provider)))
    }

    private func link(_ targets: [String]) throws -> Walk<LinkRun> {
        let item = LinkRequest.Item(trace: 0, id: "1", links: targets.map { LinkTarget(resource: "firms", id: $0) })
        let request = LinkRequest(resource: "people", key: "7", items: [item])
        return Walk(try #require(LinkRun(request, Self.account, provider)))
    }

    @Test func aSearchPutsItsValueIntoThePath() throws {
        var walk = try lookUp(email: ["a&b@example.org"])
        #expect(walk.paths == ["/people?email=a%26b%40example%2Eorg".replacing("%2E", with: ".")])
        walk.end(
            EngineScene.answer(200, #"{"data":[{"id":5,"email":"A&B@example.org"},{"id":6,"email":"b@example.org"}]}"#))
        let search = LookupRequest.Search(field: "email", value: "a&b@example.org")
        #expect(walk.answer?.found[search] == ["5"] && walk.answer?.records.count == 1)
    }

    @Test func theOneRecordThatIsNotThereIsNotThere() throws {
        var walk = try lookUp(ids: ["1", "2"])
        #expect(walk.paths == ["/people/1", "/people/2"])
        walk.end(EngineScene.answer(404, #"{"error":{"text":"gone"}}"#))
        walk.end(EngineScene.answer(200, #"{"id":2,"email":"x@example.org"}"#))
        #expect(walk.answer?.records.keys.sorted() == ["2"])
    }

    @Test func aSearchThatIsNotFoundIsNoAnswer() throws {
        var walk = try lookUp(email: ["a@example.org"])
        walk.end(EngineScene.answer(404, #"{"error":{"text":"no such path"}}"#))
        #expect(walk.seen == .refused(Failure(.upstream, .refusedUpstream, "no such path")))
    }

    @Test func aStatusThatSaysEnoughIsBelievedAndTheRecordRead() throws {
        var walk = try write("5")
        walk.end(EngineScene.answer(204, ""))
        #expect(walk.paths == ["/people/5"])
        walk.end(EngineScene.answer(200, #"{"id":5,"city":"Rome"}"#))
        let data = Array(#"{"id":5,"city":"Rome"}"#.utf8)
        #expect(walk.answer == [0: .written(id: "5", isNew: false, data: data, refusedLinks: [])])
    }

    @Test func aCreateThatSaysNothingIsDoubt() throws {
        var walk = try write(nil)
        walk.end(EngineScene.answer(204, ""))
        #expect(walk.seen == .unknown("status 204"))
        walk = try write(nil)
        walk.end(EngineScene.answer(201, "{}"))
        #expect(walk.seen == .unknown("an answer that says nothing"))
        walk = try write(nil)
        walk.end(EngineScene.answer(404, #"{"error":{"text":"no such path"}}"#))
        #expect(walk.seen == .refused(Failure(.upstream, .refusedUpstream, "no such path")))
    }

    @Test func anUpdateOfARecordThatIsGoneIsTold() throws {
        var walk = try write("5")
        walk.end(EngineScene.answer(404, #"{"error":{"text":"gone"}}"#))
        #expect(walk.answer == [0: .notFound("gone")])
    }

    @Test func oneLinkThatIsRefusedIsOneLink() throws {
        var walk = try link(["1", "2", "3"])
        #expect(walk.paths == ["/people/1/firms/1", "/people/1/firms/2", "/people/1/firms/3"])
        walk.end(EngineScene.answer(204, ""))
        walk.end(EngineScene.answer(404, "{}"))
        walk.end(EngineScene.answer(422, "{}"))
        let refused = ["2", "3"].map { LinkTarget(resource: "firms", id: $0) }
        #expect(walk.answer == [0: refused])
    }

    // MARK: Who it is

    private func ask() throws -> Walk<AccountRun> {
        Walk(try #require(AccountRun(EngineScene.account, try EngineScene().provider)))
    }

    @Test func anAccountIsNamedByItsProvider() throws {
        #expect(AccountRun(Self.account, provider) == nil, "there is no such operation")
        var walk = try ask()
        walk.end(EngineScene.answer(429, "{}", [("retry-after", "1")]))
        #expect(walk.open.count == 1 && walk.open[0].wait == 1_000)
        walk.end(EngineScene.answer(200, #"{"portalId":4711}"#))
        #expect(walk.answer == "4711")
    }

    @Test(arguments: [#"{"portalId":null}"#, #"{"portalId":"?x"}"#, "{}", "[]", "<html>", ""])
    func anAnswerWithoutANameIsNone(body: String) throws {
        var walk = try ask()
        walk.end(EngineScene.answer(200, body))
        guard case .unknown? = walk.seen else { throw Failure(.internal, .fault, "\(String(describing: walk.seen))") }
    }

    @Test func aCredentialThatIsRefusedIsTold() throws {
        var walk = try ask()
        walk.end(EngineScene.answer(401, #"{"message":"who?"}"#))
        #expect(walk.seen == .refused(Failure(.authentication, .unauthorizedUpstream, "who?")))
    }
}
