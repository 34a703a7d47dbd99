import PushCore

/// A write whose items carry links, at a provider that takes links apart: the records, then their links. Doubt about links
/// is told as a refusal, which their owner sees as a warning: to repeat the write for them could make records twice.
package struct LinkedWriteRun: ProviderRun {
    private let request: WriteRequest
    private let account: AccountKey
    private let provider: HTTPProvider
    private var write: WriteRun
    private var link: LinkRun?
    private var answers: WriteAnswer = [:]

    init?(_ request: WriteRequest, _ account: AccountKey, _ provider: HTTPProvider) {
        guard let write = WriteRun(request, account, provider) else { return nil }
        self.request = request
        self.account = account
        self.provider = provider
        self.write = write
    }

    package mutating func begin() -> RunStep<WriteAnswer> { next(write.begin()) }

    package mutating func take(_ outcome: ExchangeOutcome, of number: Int, at moment: Moment) -> RunStep<WriteAnswer> {
        guard link == nil else { return finish(link?.take(outcome, of: number, at: moment) ?? RunStep()) }
        return next(write.take(outcome, of: number, at: moment))
    }

    private mutating func next(_ step: RunStep<WriteAnswer>) -> RunStep<WriteAnswer> {
        guard case .answered(let answers)? = step.reply else { return step }
        self.answers = answers
        let items = request.items.compactMap { item -> LinkRequest.Item? in
            guard !item.links.isEmpty, case .written(let id, _, _, _)? = answers[item.trace] else { return nil }
            return LinkRequest.Item(trace: item.trace, id: id, links: item.links)
        }
        guard !items.isEmpty else { return step }
        link = LinkRun(LinkRequest(resource: request.resource, key: request.key, items: items), account, provider)
        return finish(link?.begin() ?? RunStep(reply: .answered([:])))
    }

    private mutating func finish(_ step: RunStep<LinkAnswer>) -> RunStep<WriteAnswer> {
        guard let reply = step.reply else { return RunStep(calls: step.calls) }
        for item in request.items where !item.links.isEmpty {
            guard case .written(let id, let isNew, let data, _)? = answers[item.trace] else { continue }
            var refused = item.links
            if case .answered(let answer) = reply { refused = answer[item.trace] ?? [] }
            answers[item.trace] = .written(id: id, isNew: isNew, data: data, refusedLinks: refused)
        }
        return RunStep(reply: .answered(answers))
    }
}
