import JSON
import PushCore

// Theory of operation.
//
// What is asked by id, and by a key that is unique at the provider, is asked in batches; each value has to be accounted
// for, as a record or as missing. An answer that leaves one out may be cut short: to take it for "not there" would create
// the record a second time. A record that answers under another value than the one asked for (it was merged into another,
// or has a second address) is told by asking for that value alone.
//
// Other keys are searched for. Conditions may find more than what is meant, and an index may be behind the records, so
// hits are read again by their ids, and only what then has the key counts.

/// Looks records up.
package struct LookupRun: ProviderRun {
    enum Subject: Sendable {
        case ids([String])
        /// Values by a unique key, of a match field.
        case keys(field: String, [LookupRequest.Search])
        /// Values that are searched for, and where the next page begins.
        case search(field: String, [LookupRequest.Search], after: String?, page: Int)
    }

    private let provider: HTTPProvider
    private let resource: HTTPResource
    private let account: AccountKey
    private let request: LookupRequest
    private var answer = LookupAnswer()
    private var calls = CallBook<Subject>()
    private var setback = Setback<LookupAnswer>()
    /// Ids that searches have found, to be read.
    private var hits: [String] = []
    /// What each was found by.
    private var found: [String: LookupRequest.Search] = [:]
    private var known: Set<String> = []

    /// Values that are asked for alone after an answer did not account for them.
    private static let aloneCeiling = 10
    private static let pageCeiling = 50

    /// Nil when the provider has no such resource.
    init?(_ request: LookupRequest, _ account: AccountKey, _ provider: HTTPProvider) {
        guard let resource = provider.resources[request.resource] else { return nil }
        self.provider = provider
        self.resource = resource
        self.account = account
        self.request = request
    }

    package mutating func begin() -> RunStep<LookupAnswer> {
        known = Set(request.ids)
        for search in request.searches { answer.found[search] = [] }
        return step(subjects())
    }

    /// What is asked first.
    private func subjects() -> [Subject] {
        var subjects = parts(of: request.ids, .read).map(Subject.ids)
        for rule in resource.rules {
            let searches = request.searches.filter { $0.field == rule.field }
            guard !searches.isEmpty, let way = resource.ways[rule.field] else { continue }
            if way.operation == .read {
                subjects += parts(of: searches, .read).map { .keys(field: rule.field, $0) }
            } else {
                subjects += searchParts(of: searches, way).map { .search(field: rule.field, $0, after: nil, page: 1) }
            }
        }
        return subjects
    }

    /// The exchanges that it takes to find this, when every search has one page.
    func tally(finding answer: LookupAnswer) -> ExchangeTally {
        var tally = ExchangeTally()
        var hits: Set<String> = []
        for subject in subjects() {
            switch subject {
            case .ids, .keys: tally.reads += 1
            case .search(_, let searches, _, _):
                tally.searches += 1
                guard resource.operations[.search]?.readsAgain == true else { continue }
                for search in searches { hits.formUnion(answer.found[search] ?? []) }
            }
        }
        hits.subtract(request.ids)
        tally.reads += parts(of: hits.sorted(), .read).count
        return tally
    }

    package mutating func take(
        _ outcome: ExchangeOutcome, of number: Int, at moment: Moment
    ) -> RunStep<LookupAnswer> {
        guard let (subject, call) = calls.close(number), let operation = operation(of: subject) else {
            return RunStep()
        }
        switch provider.verdict(outcome, of: operation, at: moment) {
        case .accepted(let root):
            guard let more = read(root, subject, operation) else {
                setback.note(.unknown("an answer that cannot be read"))
                return step([])
            }
            return step(more)
        case .throttled(let milliseconds):
            guard milliseconds <= CallBook<Subject>.longestWait else {
                setback.note(.throttled(milliseconds: milliseconds))
                return step([])
            }
            return RunStep(calls: [calls.repeated(subject, call, after: milliseconds)])
        case .notSent(let reason): setback.note(.notSent(reason))
        case .unknown(let reason): setback.note(.unknown(reason))
        case .missing(let text):
            guard isAboutOne(subject) else {
                setback.note(.refused(Failure(.upstream, .refusedUpstream, text)))
                break
            }
        case .done: setback.note(.unknown("an answer that says nothing"))
        case .badContent(let failure), .refused(let failure): setback.note(.refused(failure))
        }
        return step([])
    }

    // MARK: Out

    private func operation(of subject: Subject) -> Operation? {
        switch subject {
        case .ids, .keys: resource.operations[.read]
        case .search: resource.operations[.search]
        }
    }

    private func isAboutOne(_ subject: Subject) -> Bool {
        switch subject {
        case .ids(let ids): ids.count == 1
        case .keys(_, let searches): searches.count == 1
        case .search: false
        }
    }

    private func parts<Value>(of values: [Value], _ kind: Operation.Kind) -> [[Value]] {
        guard let size = resource.operations[kind]?.batch else { return [] }
        return stride(from: 0, to: values.count, by: size).map { Array(values[$0..<min($0 + size, values.count)]) }
    }

    /// As many values as the body of a search takes.
    private func searchParts(of searches: [LookupRequest.Search], _ way: LookupWay) -> [[LookupRequest.Search]] {
        guard let operation = resource.operations[.search] else { return [] }
        let least = exchange([], way, operation, nil).body.count
        var parts: [[LookupRequest.Search]] = []
        var part: [LookupRequest.Search] = []
        var taken: [Set<String>] = []
        var length = 0
        for search in searches where way.conditions.allSatisfy({ !$0.form.values(of: search.value).isEmpty }) {
            let values = way.conditions.map { $0.form.values(of: search.value) }
            var more = Self.more(values, taken)
            let isFull = zip(taken, more).contains { $0.count + $1.count > operation.batch }
            if !part.isEmpty && (isFull || length + Self.length(more) > operation.bodyCeiling) {
                parts.append(part)
                part = []
            }
            if part.isEmpty {
                (taken, length) = (values.map { _ in [] }, least)
                more = Self.more(values, taken)
            }
            part.append(search)
            length += Self.length(more)
            for place in more.indices { taken[place].formUnion(more[place]) }
        }
        return part.isEmpty ? parts : parts + [part]
    }

    /// Values that are not in a part yet, by condition.
    private static func more(_ values: [[String]], _ taken: [Set<String>]) -> [[String]] {
        values.enumerated().map { place, values in
            var seen = place < taken.count ? taken[place] : []
            return values.filter { seen.insert($0).inserted }
        }
    }

    /// Bytes that values take in a list, with the commas.
    private static func length(_ values: [[String]]) -> Int {
        values.reduce(0) { $1.reduce($0) { $0 + JSONText.quoted($1).count + 1 } }
    }

    private func values(_ searches: [LookupRequest.Search], _ condition: LookupWay.Condition) -> [String] {
        var seen: Set<String> = []
        return searches.flatMap { condition.form.values(of: $0.value) }.filter { seen.insert($0).inserted }
    }

    private func exchange(
        _ searches: [LookupRequest.Search], _ way: LookupWay, _ operation: Operation, _ after: String?
    ) -> Exchange {
        var texts = ["resource": resource.name]
        texts["after"] = after
        let items = way.conditions.map { condition in
            let values = values(searches, condition)
            return [
                "field": JSONText.quoted(condition.field), "values": JSONText.list(values),
                "value": JSONText.quoted(values.first ?? ""),
            ]
        }
        // For providers that search by a parameter of the path.
        if let first = way.conditions.first {
            texts["field"] = first.field
            texts["value"] = values(searches, first).first
        }
        return operation.exchange(
            account, texts: texts, values: ["properties": JSONText.list(matchFields)], items: items)
    }

    /// Fields that a hit is judged by.
    private var matchFields: [String] {
        var names: [String] = []
        for rule in resource.rules {
            for name in rule.parts.isEmpty ? [rule.field] : rule.parts where !names.contains(name) {
                names.append(name)
            }
        }
        return names
    }

    private mutating func step(_ subjects: [Subject]) -> RunStep<LookupAnswer> {
        var made: [ProviderCall] = []
        // After a setback nothing further is asked: the whole request will be repeated, or is refused.
        if setback.reply == nil { for subject in subjects { made += [call(subject)].compactMap { $0 } } }
        guard calls.isEmpty else { return RunStep(calls: made) }
        if let reply = setback.reply { return RunStep(reply: reply) }
        if !hits.isEmpty {
            let ids = hits
            hits = []
            return step(parts(of: ids, .read).map(Subject.ids))
        }
        return RunStep(reply: .answered(finished()))
    }

    private mutating func call(_ subject: Subject) -> ProviderCall? {
        guard let operation = operation(of: subject) else { return nil }
        let exchange: Exchange
        switch subject {
        case .ids(let ids): exchange = resource.read(ids, key: nil, request.fields, operation, account)
        case .keys(let field, let searches):
            exchange = resource.read(
                searches.map(\.value), key: resource.ways[field]?.key, request.fields, operation, account)
        case .search(let field, let searches, let after, _):
            guard let way = resource.ways[field] else { return nil }
            exchange = self.exchange(searches, way, operation, after)
        }
        return calls.add(subject, operation.kind, exchange, about: about(subject))
    }

    private func about(_ subject: Subject) -> ExchangeSubject {
        switch subject {
        case .ids(let ids):
            let searches = ids.compactMap { found[$0] }
            return searches.isEmpty ? .ids(ids) : .searches(searches)
        case .keys(_, let searches), .search(_, let searches, _, _): return .searches(searches)
        }
    }

    // MARK: Back

    /// What is still to be asked; nil when the answer is not understood.
    private mutating func read(_ root: JSONView, _ subject: Subject, _ operation: Operation) -> [Subject]? {
        guard let results = operation.records(in: root) else { return nil }
        switch subject {
        case .ids(let ids):
            return account(for: ids, results, operation, root) {
                $0.at(operation.id)?.idText
            } alone: {
                .ids([$0])
            }
        case .keys(let field, let searches):
            let resource = resource
            guard let rule = resource.rules.first(where: { $0.field == field }) else { return [] }
            return account(for: searches.map(\.value), results, operation, root) { record in
                resource.fields(of: record)?[name: field]?.matchText.flatMap {
                    MatchKeys.normalise($0, as: rule.kind)
                }
            } alone: {
                .keys(field: field, [LookupRequest.Search(field: field, value: $0)])
            }
        case .search(let field, let searches, _, let page):
            return searched(field, searches, page, results, operation, root)
        }
    }

    private mutating func account(
        for values: [String], _ results: [JSONView], _ operation: Operation, _ root: JSONView,
        by value: (JSONView) -> String?, alone: (String) -> Subject
    ) -> [Subject]? {
        var open = Set(values)
        for result in results {
            guard let record = record(result, operation) else { return nil }
            // Asked alone, the record is the answer under whatever value it has now.
            let asked = values.count == 1 ? values[0] : value(result) ?? ""
            guard open.remove(asked) != nil else { continue }
            note(record, asked, alone(asked))
        }
        let missing = operation.missing(in: root)
        if values.count == 1 && results.isEmpty && !missing.isEmpty { return [] }
        for value in missing { open.remove(value) }
        // Where the answer does not say what is missing, whatever is not in it is.
        guard operation.entries?.ids != nil, !open.isEmpty else { return [] }
        guard values.count > 1, open.count <= Self.aloneCeiling else { return nil }
        return values.filter(open.contains).map(alone)
    }

    private mutating func note(_ record: KnownRecord, _ asked: String, _ subject: Subject) {
        switch subject {
        case .ids:
            answer.records[asked] = record
            answer.records[record.id] = record
        case .keys(let field, _):
            answer.records[record.id] = record
            answer.found[LookupRequest.Search(field: field, value: asked), default: []].append(record.id)
        case .search: break
        }
    }

    private mutating func searched(
        _ field: String, _ searches: [LookupRequest.Search], _ page: Int, _ results: [JSONView],
        _ operation: Operation, _ root: JSONView
    ) -> [Subject]? {
        guard let place = resource.rules.firstIndex(where: { $0.field == field }) else { return [] }
        let wanted = Set(searches.map(\.value))
        for result in results {
            guard let record = record(result, operation) else { return nil }
            guard let key = keys(of: record).values[place], wanted.contains(key) else { continue }
            if !operation.readsAgain { answer.records[record.id] = record }
            if operation.readsAgain && known.insert(record.id).inserted {
                hits.append(record.id)
                found[record.id] = LookupRequest.Search(field: field, value: key)
            }
        }
        guard let next = operation.next.flatMap({ root.at($0)?.idText }), page < Self.pageCeiling else { return [] }
        return [.search(field: field, searches, after: next, page: page + 1)]
    }

    private func record(_ result: JSONView, _ operation: Operation) -> KnownRecord? {
        guard let id = result.at(operation.id)?.idText, let fields = resource.fields(of: result) else { return nil }
        return KnownRecord(id: id, fields: fields, source: result, links: [:])
    }

    private func keys(of record: KnownRecord) -> MatchKeys {
        MatchKeys(rules: resource.rules) { record.fields[name: $0]?.matchText }
    }

    /// Every record that has a searched key counts, however it was come upon.
    private func finished() -> LookupAnswer {
        var answer = answer
        for id in answer.records.keys.sorted() {
            guard let record = answer.records[id], record.id == id else { continue }
            for (rule, key) in zip(resource.rules, keys(of: record).values) {
                guard let key else { continue }
                let search = LookupRequest.Search(field: rule.field, value: key)
                guard let found = answer.found[search], !found.contains(id) else { continue }
                answer.found[search]?.append(id)
            }
        }
        return answer
    }
}

extension Operation {
    /// The records of an answer: a list, or one record where the operation answers with one. Nil when there is neither.
    func records(in root: JSONView) -> [JSONView]? {
        guard let view = root.at(results) else { return nil }
        switch view.kind {
        case .array: return view.elements.map { $0 }
        case .object: return [view]
        default: return nil
        }
    }

    /// Values that the answer says are not there.
    func missing(in root: JSONView) -> [String] {
        guard let entries, let ids = entries.ids, let list = root.at(entries.list) else { return [] }
        return list.elements.flatMap { entry -> [String] in
            guard entries.saysNotFound(entry) else { return [] }
            return entry.at(ids)?.texts ?? []
        }
    }
}

extension Operation.ErrorEntries {
    /// True of an entry whose kind says so, and of any where no kinds are known.
    func saysNotFound(_ entry: JSONView) -> Bool {
        guard let kind else { return true }
        return entry.at(kind)?.string.map(notFound.contains) ?? false
    }

    func text(of entry: JSONView) -> String {
        entry.at(message)?.string.map(ErrorRules.shortened) ?? "Refused without a message."
    }
}
