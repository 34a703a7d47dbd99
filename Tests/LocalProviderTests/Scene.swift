import EventLoop
import Foundation
import JSON
import PushCore
import Testing

@testable import LocalProvider

/// A folder of its own for one test, removed afterwards.
final class Folder {
    let path = NSTemporaryDirectory() + "local-" + UUID().uuidString

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func callAsFunction(_ name: String) -> String { path + "/" + name }
}

/// A loop with a provider, driven until answers are there. `end` closes both and is the proof that nothing was left
/// open.
final class Scene {
    let loop: Loop
    let provider: LocalExecutor
    let folder: Folder
    /// Wall clock of the provider, in milliseconds since 1970.
    var time: Int64 {
        get { clock.time }
        set { clock.time = newValue }
    }
    private let clock = Clock()
    private var keys = 0

    private final class Clock { var time: Int64 = 1_780_000_000_123 }

    init(
        _ settings: LocalSettings = LocalSettings(), in folder: Folder = Folder(),
        _ resources: [ResourceDescription] = crm
    )
        throws
    {
        self.folder = folder
        let clock = clock
        loop = try Loop()
        provider = try LocalExecutor(loop: loop, directory: folder("accounts/of/local"), resources: resources) {
            clock.time
        }
        provider.open(account: "a", settings: settings)
    }

    func file(_ account: String = "a") -> String { folder("accounts/of/local/\(account).db") }

    func end() {
        var isClosed = false
        provider.close { isClosed = true }
        loop.run()
        #expect(isClosed)
        #expect(loop.close())
    }

    func exchange(
        _ path: String, _ body: String, key: String? = nil, account: String = "a", method: String = "POST"
    ) -> Exchange {
        Exchange(
            account: AccountKey(provider: "local", name: account), method: method, path: path, body: Array(body.utf8),
            idempotencyKey: key)
    }

    /// Runs the loop until the answer is there.
    func perform(_ exchange: Exchange) -> ExchangeOutcome {
        var outcome: ExchangeOutcome?
        provider.perform(exchange) {
            outcome = $0
            self.loop.stop()
        }
        while outcome == nil { loop.run() }
        return outcome ?? .failed(phase: .deadline, reason: "")
    }

    /// A write under a new key, or under `key`.
    @discardableResult
    func write(
        _ inputs: String, to resource: String = "contacts", key: String? = nil, account: String = "a"
    ) -> Reply {
        keys += 1
        let key = key ?? "key-\(keys)"
        return Reply(perform(exchange("/\(resource)/write", #"{"inputs":\#(inputs)}"#, key: key, account: account)))
    }

    func read(_ body: String, of resource: String = "contacts") -> Reply {
        Reply(perform(exchange("/\(resource)/read", body)))
    }

    /// Creates one record and gives its id.
    @discardableResult
    func create(_ fields: String, in resource: String = "contacts") -> String {
        let reply = write(#"[{"trace":0,"op":"create","fields":\#(fields)}]"#, to: resource)
        #expect(reply.status == 200)
        return reply["results"]?.elements?.first?["id"]?.string ?? "none"
    }

    func record(_ id: String, of resource: String = "contacts") -> JSONValue? {
        read(#"{"ids":["\#(id)"]}"#, of: resource)["records"]?.elements?.first
    }

    /// The ids found by one value.
    func find(_ field: String, _ value: String, in resource: String = "contacts") -> [String] {
        let reply = read(#"{"search":[{"field":"\#(field)","value":"\#(value)"}]}"#, of: resource)
        return reply["found"]?.elements?.first?["ids"]?.elements?.compactMap(\.string) ?? []
    }

    /// Counted through a connection of our own, past the provider.
    func count(_ condition: String, in table: String = "effect", account: String = "a") throws -> Int {
        Int(try Database(path: file(account)).integer("SELECT count(*) FROM \(table) WHERE \(condition)") ?? -1)
    }
}

struct Reply: Equatable {
    var status = 0
    var body: JSONValue = .null
    var text = ""
    var headers: [Exchange.Header] = []
    var failure: ExchangeOutcome.Phase?

    init(_ outcome: ExchangeOutcome) {
        switch outcome {
        case .answered(let status, let headers, let body):
            self.status = status
            self.headers = headers
            text = String(decoding: body, as: UTF8.self)
            self.body = (try? JSONValue(parsing: body)) ?? .null
        case .failed(let phase, _): failure = phase
        }
    }

    subscript(key: String) -> JSONValue? { body[key] }

    func result(_ place: Int) -> JSONValue? { body["results"]?.elements?[place] }

    var isReplayed: Bool { headers.contains(Exchange.Header("idempotent-replayed", "true")) }
}

let crm = [
    ResourceDescription(
        name: "contacts", endgrateType: "crm-contact", displayName: "Contacts",
        matchRules: [
            MatchRule(field: "email", kind: .email), MatchRule(field: "phone", kind: .phone),
            MatchRule(field: "full_name", kind: .name, parts: ["first_name", "last_name"]),
        ],
        links: [ResourceDescription.Link(endgrateType: "crm-company", resource: "companies")]),
    ResourceDescription(
        name: "companies", endgrateType: "crm-company", displayName: "Companies",
        matchRules: [MatchRule(field: "domain", kind: .domain), MatchRule(field: "name", kind: .name)]),
    ResourceDescription(
        name: "deals", endgrateType: "crm-deal", displayName: "Deals",
        fields: [ResourceDescription.Field(name: "amount", type: .number)], hasOpenFields: false,
        links: [ResourceDescription.Link(endgrateType: "crm-company", resource: "companies", isSingle: true)]),
]
