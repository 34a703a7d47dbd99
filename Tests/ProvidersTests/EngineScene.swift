import Foundation
import JSON
import Testing

@testable import Providers
@testable import PushCore

/// The engine with the manifest of hubspot, and answers by hand.
struct EngineScene {
    static let account = AccountKey(provider: "hubspot", name: "1")
    static let moment = Moment(wall: 1_795_600_000_000, monotonic: 1, chance: 1)

    let provider: HTTPProvider

    init() throws {
        provider = try #require(try HTTPManifest.read(try Self.manifest("hubspot")))
    }

    static func manifest(_ name: String) throws -> JSONView {
        let repository = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let text = try Data(contentsOf: repository.appending(path: "protocol/providers/\(name).json"))
        return try JSONDocument(parsing: [UInt8](text)).root
    }

    // MARK: Requests

    func lookUp(
        _ resource: String = "contacts", ids: [String] = [], email: [String] = [], phone: [String] = [],
        name: [String] = []
    ) throws -> LookupRun {
        let searches =
            email.map { LookupRequest.Search(field: "email", value: $0) }
            + phone.map { LookupRequest.Search(field: "phone", value: $0) }
            + name.map { LookupRequest.Search(field: "full_name", value: $0) }
        let request = LookupRequest(resource: resource, ids: ids, searches: searches)
        return try #require(LookupRun(request, Self.account, provider))
    }

    /// Items with the traces 0, 1 …, from their fields as JSON.
    static func items(_ fields: [String], targets: [String?] = []) throws -> [WriteItem] {
        try fields.enumerated().map { place, text in
            let root = try JSONDocument(parsing: Array(text.utf8)).root
            return WriteItem(
                trace: place, target: place < targets.count ? targets[place] : nil,
                fields: root.members.map {
                    PreparedField(name: $0.key.string ?? "", value: $0.value, mode: .overwrite)
                }, links: [])
        }
    }

    func write(_ items: [WriteItem], _ resource: String = "contacts") throws -> WriteRun {
        try #require(WriteRun(WriteRequest(resource: resource, key: "7", items: items), Self.account, provider))
    }

    func link(_ items: [LinkRequest.Item], _ resource: String = "contacts") throws -> LinkRun {
        try #require(LinkRun(LinkRequest(resource: resource, key: "7", items: items), Self.account, provider))
    }

    // MARK: Answers

    static func answer(_ status: Int, _ body: String, _ headers: [(String, String)] = []) -> ExchangeOutcome {
        .answered(status: status, headers: headers.map { Exchange.Header($0, $1) }, body: Array(body.utf8))
    }

    static func record(_ id: String, _ properties: String = "{}", trace: String? = nil) -> String {
        let trace = trace.map { ",\"objectWriteTraceId\":\"\($0)\"" } ?? ""
        return "{\"id\":\"\(id)\",\"properties\":\(properties)\(trace)}"
    }

    static func results(_ records: String..., errors: [String] = [], status: Int? = nil) -> ExchangeOutcome {
        let errors =
            errors.isEmpty ? "" : ",\"numErrors\":\(errors.count),\"errors\":[\(errors.joined(separator: ","))]"
        return answer(
            status ?? (errors.isEmpty ? 200 : 207),
            "{\"status\":\"COMPLETE\",\"results\":[\(records.joined(separator: ","))]\(errors)}")
    }

    static func missing(_ ids: String...) -> String {
        let list = ids.map { "\"\($0)\"" }.joined(separator: ",")
        return "{\"category\":\"OBJECT_NOT_FOUND\",\"message\":\"not there\",\"context\":{\"ids\":[\(list)]}}"
    }
}

/// Takes a run step by step.
struct Walk<Run: ProviderRun> {
    var run: Run
    var step: RunStep<Run.Answer>
    /// Those that have not ended, in the order in which they came.
    var open: [ProviderCall] = []
    private(set) var made: [ProviderCall] = []

    init(_ run: Run) {
        self.run = run
        step = self.run.begin()
        note()
    }

    private mutating func note() {
        open += step.calls
        made += step.calls
    }

    /// The first call that is open ends so.
    mutating func end(_ outcome: ExchangeOutcome) {
        guard !open.isEmpty else { return }
        step = run.take(outcome, of: open.removeFirst().number, at: EngineScene.moment)
        note()
    }

    /// Bodies of the open calls.
    var bodies: [String] { open.map { String(decoding: $0.exchange.body, as: UTF8.self) } }
    var paths: [String] { open.map(\.exchange.path) }

    var answer: Run.Answer? { if case .answered(let answer) = step.reply { answer } else { nil } }
    var seen: Seen? { step.reply.map(Seen.init) }
}

/// A reply in a form that can be compared.
enum Seen: Equatable {
    case answered
    case notSent(String)
    case unknown(String)
    case throttled(Int64)
    case refused(Failure)
    case refusedTogether(Failure)

    init<Value>(_ reply: Reply<Value>) {
        switch reply {
        case .answered: self = .answered
        case .notSent(let reason): self = .notSent(reason)
        case .unknown(let reason): self = .unknown(reason)
        case .throttled(let milliseconds): self = .throttled(milliseconds)
        case .refused(let failure): self = .refused(failure)
        case .refusedTogether(let failure): self = .refusedTogether(failure)
        }
    }
}
