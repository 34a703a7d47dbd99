import JSON
import PushCore

/// Links written records, one request a pair of resources and batch of links. It may be repeated, so doubt about one of
/// them is doubt about all.
package struct LinkRun: ProviderRun {
    struct Pair: Hashable, Sendable {
        var trace: Int
        var id: String
        var target: LinkTarget
    }

    private let provider: HTTPProvider
    private let resource: HTTPResource
    private let account: AccountKey
    private let request: LinkRequest
    private var refused: LinkAnswer = [:]
    private var calls = CallBook<[Pair]>()
    private var setback = Setback<LinkAnswer>()

    init?(_ request: LinkRequest, _ account: AccountKey, _ provider: HTTPProvider) {
        guard let resource = provider.resources[request.resource] else { return nil }
        self.provider = provider
        self.resource = resource
        self.account = account
        self.request = request
    }

    package mutating func begin() -> RunStep<LinkAnswer> {
        for pair in pairs where !resource.links.contains(pair.target.resource) {
            refused[pair.trace, default: []].append(pair.target)
        }
        var made: [ProviderCall] = []
        for part in parts {
            guard let operation = resource.operations[.link] else { continue }
            made.append(
                calls.add(
                    part, .link, exchange(part, part[0].target.resource, operation),
                    about: .traces(part.map(\.trace))))
        }
        return made.isEmpty ? RunStep(reply: .answered(refused)) : RunStep(calls: made)
    }

    private var pairs: [Pair] {
        request.items.flatMap { item in item.links.map { Pair(trace: item.trace, id: item.id, target: $0) } }
    }

    /// What goes together into one request each.
    var parts: [[Pair]] {
        guard let batch = resource.operations[.link]?.batch else { return [] }
        let possible = pairs.filter { resource.links.contains($0.target.resource) }
        return Set(possible.map(\.target.resource)).sorted().flatMap { to in
            let ofOne = possible.filter { $0.target.resource == to }
            return stride(from: 0, to: ofOne.count, by: batch).map {
                Array(ofOne[$0..<min($0 + batch, ofOne.count)])
            }
        }
    }

    private func exchange(_ pairs: [Pair], _ to: String, _ operation: Operation) -> Exchange {
        var texts = ["resource": resource.name, "to": to]
        if pairs.count == 1 { (texts["id"], texts["target"]) = (pairs[0].id, pairs[0].target.id) }
        return operation.exchange(
            account, texts: texts,
            items: pairs.map { ["id": JSONText.quoted($0.id), "target": JSONText.quoted($0.target.id)] })
    }

    package mutating func take(_ outcome: ExchangeOutcome, of number: Int, at moment: Moment) -> RunStep<LinkAnswer> {
        guard let (pairs, call) = calls.close(number), let operation = resource.operations[.link] else {
            return RunStep()
        }
        switch provider.verdict(outcome, of: operation, at: moment) {
        case .accepted(let root): accept(root, pairs, operation)
        case .throttled(let milliseconds):
            guard milliseconds <= CallBook<[Pair]>.longestWait else {
                setback.note(.throttled(milliseconds: milliseconds))
                break
            }
            return RunStep(calls: [calls.repeated(pairs, call, after: milliseconds)])
        case .notSent(let reason): setback.note(.notSent(reason))
        case .unknown(let reason): setback.note(.unknown(reason))
        case .badContent(let failure): refuse(pairs, failure)
        case .missing(let text): refuse(pairs, Failure(.upstream, .refusedUpstream, text))
        case .done: break
        case .refused(let failure): setback.note(.refused(failure))
        }
        guard calls.isEmpty else { return RunStep() }
        return RunStep(reply: setback.reply ?? .answered(refused))
    }

    /// Nothing of a request was done. With several links in it nobody says which is at fault; one of several requests is
    /// at fault for its own.
    private mutating func refuse(_ pairs: [Pair], _ failure: Failure) {
        if pairs.count > 1 {
            setback.note(.refusedTogether(failure))
        } else if self.pairs.count > 1 {
            refused[pairs[0].trace, default: []].append(pairs[0].target)
        } else {
            setback.note(.refused(failure))
        }
    }

    private mutating func accept(_ root: JSONView, _ pairs: [Pair], _ operation: Operation) {
        guard let results = operation.records(in: root) else {
            return setback.note(.unknown("an answer that cannot be read"))
        }
        var open = Set(pairs)
        for entry in operation.entries.flatMap({ root.at($0.list)?.elements.map { $0 } }) ?? [] {
            let sources = operation.entries?.ids.flatMap { entry.at($0)?.texts } ?? []
            let targets = operation.entries?.target.flatMap { entry.at($0)?.texts } ?? []
            for pair in pairs where sources.contains(pair.id) && targets.contains(pair.target.id) {
                if open.remove(pair) != nil { refused[pair.trace, default: []].append(pair.target) }
            }
        }
        guard let from = operation.linkEnds?.from, let to = operation.linkEnds?.to else { return }
        var made: Set<[String]> = []
        for result in results {
            guard let from = result.at(from)?.idText, let to = result.at(to)?.idText else { continue }
            made.insert([from, to])
        }
        // Links that the answer does not speak of may not have been made.
        let isWhole = open.allSatisfy { made.contains([$0.id, $0.target.id]) }
        if !isWhole { setback.note(.unknown("an answer that does not speak of every link")) }
    }
}
