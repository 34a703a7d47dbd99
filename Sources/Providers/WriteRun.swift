import JSON
import PushCore

// Theory of operation.
//
// A write is one request with an effect: creates, or updates, never both (`ProviderDescription.splitsWrites`). The answer
// is taken apart record by record. What it says is believed only where it can be told whom it is about: by the trace that was sent along, by the
// record's id, by values that only one item has. An item that nothing is said of is in doubt, and so are all when nothing
// is said at all.
//
// Where an update is answered with what was sent only, the records are read afterwards; if that fails, what the update
// answered is still true.

/// Writes records.
package struct WriteRun: ProviderRun {
    enum Subject: Sendable {
        case write([WriteItem])
        case read([String])
    }

    private let provider: HTTPProvider
    private let resource: HTTPResource
    private let account: AccountKey
    private let request: WriteRequest
    private var answers: WriteAnswer = [:]
    private var calls = CallBook<Subject>()
    private var setback = Setback<WriteAnswer>()
    /// Updated records that are to be read, by id.
    private var readers: [String: [Int]] = [:]
    private var isReading = false

    init?(_ request: WriteRequest, _ account: AccountKey, _ provider: HTTPProvider) {
        guard let resource = provider.resources[request.resource] else { return nil }
        self.provider = provider
        self.resource = resource
        self.account = account
        self.request = request
    }

    /// An update of no field only stands for its links.
    private static func isWritten(_ item: WriteItem) -> Bool { item.target == nil || !item.fields.isEmpty }

    /// The exchanges that it takes when all goes well.
    var tally: ExchangeTally {
        var tally = ExchangeTally(writes: request.items.contains(where: Self.isWritten) ? 1 : 0)
        let update = resource.operations[.update]
        let isRead = update?.readsAgain == true || update?.done.isEmpty == false
        let read = Set(request.items.filter { isRead || !Self.isWritten($0) }.compactMap(\.target))
        let batch = resource.operations[.read]?.batch ?? 1
        tally.reads = (read.count + batch - 1) / batch
        return tally
    }

    package mutating func begin() -> RunStep<WriteAnswer> {
        var made: [ProviderCall] = []
        let items = request.items.filter(Self.isWritten)
        if let first = items.first {
            guard let operation = resource.operations[first.target == nil ? .create : .update] else {
                return RunStep(reply: .refused(Self.unsupported))
            }
            made.append(
                calls.add(
                    .write(items), operation.kind, exchange(items, operation), about: .traces(items.map(\.trace))))
        }
        for item in request.items where !Self.isWritten(item) {
            guard let id = item.target else { continue }
            answers[item.trace] = .written(id: id, isNew: false, data: [], refusedLinks: [])
            readers[id, default: []].append(item.trace)
        }
        return made.isEmpty ? readOrFinish() : RunStep(calls: made)
    }

    private static let unsupported = Failure(
        .upstream, .refusedUpstream, "The provider's manifest has no operation for this kind of write.")

    package mutating func take(_ outcome: ExchangeOutcome, of number: Int, at moment: Moment) -> RunStep<WriteAnswer> {
        guard let (subject, call) = calls.close(number) else { return RunStep() }
        switch subject {
        case .write(let items): return written(items, call, outcome, moment)
        case .read(let ids): return returned(ids, call, outcome, moment)
        }
    }

    // MARK: The write

    private func exchange(_ items: [WriteItem], _ operation: Operation) -> Exchange {
        var texts = ["resource": resource.name]
        if items.count == 1 { texts["id"] = items[0].target }
        return operation.exchange(
            account, texts: texts,
            items: items.map { item in
                var values = [
                    "fields": provider.values.object(item.fields), "trace": JSONText.quoted(trace(item)),
                ]
                values["id"] = item.target.map(JSONText.quoted)
                return values
            }, key: request.key)
    }

    /// Unique in the account, and the same for every attempt.
    private func trace(_ item: WriteItem) -> String { "\(request.key).\(item.trace)" }

    private mutating func written(
        _ items: [WriteItem], _ call: ProviderCall, _ outcome: ExchangeOutcome, _ moment: Moment
    ) -> RunStep<WriteAnswer> {
        guard let operation = resource.operations[call.operation] else { return RunStep() }
        switch provider.verdict(outcome, of: operation, at: moment) {
        case .accepted(let root): accept(root, items, operation)
        case .throttled(let milliseconds):
            guard milliseconds <= CallBook<Subject>.longestWait else {
                setback.note(.throttled(milliseconds: milliseconds))
                break
            }
            return RunStep(calls: [calls.repeated(.write(items), call, after: milliseconds)])
        case .notSent(let reason): setback.note(.notSent(reason))
        case .unknown(let reason): setback.note(.unknown(reason))
        case .missing(let text):
            guard items.count == 1, items[0].target != nil else {
                setback.note(.refused(Failure(.upstream, .refusedUpstream, text)))
                break
            }
            answers[items[0].trace] = .notFound(text)
        case .done:
            guard let item = items.first, let id = item.target else { break }
            answers[item.trace] = .written(id: id, isNew: false, data: [], refusedLinks: [])
            readers[id, default: []].append(item.trace)
        case .badContent(let failure):
            setback.note(items.count > 1 ? .refusedTogether(failure) : .refused(failure))
        case .refused(let failure): setback.note(.refused(failure))
        }
        guard calls.isEmpty else { return RunStep() }
        return readOrFinish()
    }

    private mutating func accept(_ root: JSONView, _ items: [WriteItem], _ operation: Operation) {
        let results = operation.records(in: root) ?? []
        let correlator = Correlator(resource, operation, items) { trace($0) }
        var claims: [Int: Set<String>] = [:]
        for (place, result) in results.enumerated() {
            guard let id = result.at(operation.id)?.idText,
                let item = correlator.item(of: result, id: id, place: place, of: results.count)
            else { continue }
            claims[item.trace, default: []].insert(id)
            if item.target == nil {
                answers[item.trace] = .written(id: id, isNew: true, data: result.compactText, refusedLinks: [])
            } else {
                answers[item.trace] = .written(id: id, isNew: false, data: result.compactText, refusedLinks: [])
                if operation.readsAgain { readers[id, default: []].append(item.trace) }
            }
        }
        // Two records for one item: whichever is meant, the other exists as well.
        for trace in claims.keys.sorted() where claims[trace]?.count != 1 { answers[trace] = nil }
        for (item, answer) in correlator.refusals(in: root) where answers[item.trace] == nil {
            answers[item.trace] = answer
        }
        if items.allSatisfy({ answers[$0.trace] == nil }) { setback.note(.unknown("an answer that says nothing")) }
    }

    // MARK: Reading again

    private mutating func readOrFinish() -> RunStep<WriteAnswer> {
        if setback.reply == nil, !isReading, let operation = resource.operations[.read], !readers.isEmpty {
            isReading = true
            let ids = readers.keys.sorted()
            let written = Set(request.items.flatMap { $0.fields.map(\.name) }).sorted()
            let made = stride(from: 0, to: ids.count, by: operation.batch).map { start in
                let part = Array(ids[start..<min(start + operation.batch, ids.count)])
                return calls.add(
                    .read(part), .read, resource.read(part, key: nil, written, operation, account),
                    about: .traces(part.flatMap { readers[$0] ?? [] }))
            }
            return RunStep(calls: made)
        }
        if let reply = setback.reply {
            // What is in doubt beside answers is simply not among them.
            if case .unknown = reply, !answers.isEmpty { return RunStep(reply: .answered(answers)) }
            return RunStep(reply: reply)
        }
        return RunStep(reply: .answered(answers))
    }

    private mutating func returned(
        _ ids: [String], _ call: ProviderCall, _ outcome: ExchangeOutcome, _ moment: Moment
    ) -> RunStep<WriteAnswer> {
        guard let operation = resource.operations[.read] else { return RunStep() }
        switch provider.verdict(outcome, of: operation, at: moment) {
        case .accepted(let root):
            for result in operation.records(in: root) ?? [] {
                guard let id = result.at(operation.id)?.idText else { continue }
                for trace in readers[id] ?? [] {
                    guard case .written(let id, let isNew, _, let refused) = answers[trace] else { continue }
                    answers[trace] = .written(id: id, isNew: isNew, data: result.compactText, refusedLinks: refused)
                }
            }
        case .throttled(let milliseconds) where milliseconds <= CallBook<Subject>.longestWait:
            return RunStep(calls: [calls.repeated(.read(ids), call, after: milliseconds)])
        default: break
        }
        return calls.isEmpty ? readOrFinish() : RunStep()
    }
}

extension HTTPResource {
    /// A request for whole records.
    ///
    /// - Parameter further: fields beside those that are always asked for.
    func read(
        _ values: [String], key: String?, _ further: [String], _ operation: Operation, _ account: AccountKey
    ) -> Exchange {
        var texts = ["resource": name]
        texts["key"] = key
        if values.count == 1 { texts["id"] = values[0] }
        return operation.exchange(
            account, texts: texts,
            values: [
                "properties": JSONText.list(returned + further.filter { !returned.contains($0) }),
                "ids": JSONText.list(values),
            ],
            items: values.map { ["id": JSONText.quoted($0)] })
    }
}
