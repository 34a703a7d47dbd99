import JSON
import JSONSchema
import PushCore

struct NoPatterns: PatternCompiler {
    func compile(_ pattern: String) throws(PatternRefused) -> any PatternMatching {
        throw PatternRefused(reason: "no patterns here")
    }
}

/// The push machine with everything around it simulated in one thread from one seed: store, provider, time, crashes.
struct SimulatedHouse {
    private(set) var store = SimulatedStore()
    private(set) var provider = SimulatedProvider()
    private(set) var machine = PushMachine()
    private var random: Seeded
    private var time: UInt64 = 1_000_000_000
    /// What is under way and may end in any order.
    private var answers: [Fact] = []
    /// Commits end in the order in which they were ordered.
    private var commits: [([Change], CommitToken?)] = []
    private var wakes: [(AccountKey, UInt64)] = []
    private var sequence: Int64 = 0
    private var ids = IdentifierSource()
    let plan: SessionPlan
    let account = AccountKey(provider: "sim", name: "one")
    private(set) var published: [EventRow] = []
    private(set) var crashes = 0
    /// Requests that the provider would have refused.
    private(set) var complaints: [String] = []
    private(set) var trace: [String] = []
    private(set) var mostWritesUnderWay = 0
    private(set) var writes = 0
    /// Of all requests: these many in a hundred are lost before or after their effect.
    let lossPercent: UInt64
    /// How the account fares.
    var weather = Weather.fair
    /// Nanoseconds that are waited for something to happen by itself.
    var patience: UInt64 = .max
    /// Batches with an exchange under way that left while the account was paused.
    private var probes: Set<Int64> = []

    enum Weather {
        case fair
        /// Every request comes to nothing, as far as can be seen.
        case down
        case unauthorized
    }

    static let rules = [
        MatchRule(field: "email", kind: .email), MatchRule(field: "phone", kind: .phone),
        MatchRule(field: "full_name", kind: .name),
    ]

    private let description: ProviderDescription
    /// How long after the gateway gave up a write may still be done.
    private let latenessMilliseconds: UInt64

    /// - Parameter adjust: how the provider differs from a keyed one that takes all in one write.
    init(
        seed: UInt64, lossPercent: UInt64, adoptsCreates: Bool = false, latenessMilliseconds: UInt64 = 0,
        adjust: (inout ProviderDescription) -> Void = { _ in }
    ) throws {
        random = Seeded(seed)
        self.lossPercent = lossPercent
        self.latenessMilliseconds = latenessMilliseconds
        let fields = ["email", "phone", "full_name", "version", "bad"].map { ResourceDescription.Field(name: $0) }
        var provider = ProviderDescription(
            name: "sim", displayName: "Simulated", recoveryClass: .keyed,
            resources: [
                ResourceDescription(
                    name: "contacts", endgrateType: "crm-contact", displayName: "Contacts", fields: fields,
                    matchRules: Self.rules),
                ResourceDescription(
                    name: "companies", endgrateType: "crm-company", displayName: "Companies",
                    fields: [ResourceDescription.Field(name: "name"), ResourceDescription.Field(name: "version")]),
            ], readBatch: 5, writeBatch: 5)
        provider.adoptsCreates = adoptsCreates
        adjust(&provider)
        description = provider
        self.provider.recognisesRepeats = provider.recoveryClass == .keyed
        let definition = #"""
            {"schema":[{"endgrate_type":"crm-contact","type":"object","properties":{"email":{"type":"string"},
            "phone":{"type":"string"},"full_name":{"type":"string"},"version":{"type":"number"},"bad":{"type":"boolean"}}},
            {"endgrate_type":"crm-company","type":"object","properties":{"name":{"type":"string"},"version":{"type":"number"}}}]}
            """#
        plan = try SessionPlan(
            session: Identifier(high: 1, low: 1), revision: 1, account: account,
            definition: JSONDocument(parsing: Array(definition.utf8)).root, provider: provider,
            defaultSchema: { _ in nil }, patterns: NoPatterns())
        tell(.started)
    }

    mutating func chance(_ bound: UInt64) -> UInt64 { random.next() % bound }

    // MARK: Driving

    mutating func tell(_ fact: Fact) {
        time += 1_000
        let moment = Moment(wall: Int64(time / 1_000_000), monotonic: time, chance: random.next())
        switch fact {
        case .lookedUp(let batch, _), .written(let batch, _), .linked(let batch, _): probes.remove(batch)
        default: break
        }
        let effects = machine.handle(fact, at: moment)
        if machine.pausedAccounts == 0 { probes = [] }
        for effect in effects { carryOut(effect) }
    }

    /// Nothing leaves for an account that is paused but one probe at a time.
    private mutating func noteExchange(_ batch: Int64) {
        guard machine.pausedAccounts > 0 else { return }
        probes.insert(batch)
        if probes.count > 1 { complaints.append("two probes at a time") }
    }

    private mutating func carryOut(_ effect: Effect) {
        switch effect {
        case .admit(let account, let transfer, let after, let limit):
            let (rows, isLast) = store.unfinished(transfer, after: after, limit: min(limit, 7))
            answers.append(
                .admitted(account, transfer: transfer, prepare(rows, transfer), isLast: isLast, moreFollow: false))
        case .sweep(let transfer, let after, let limit):
            let (rows, isLast) = store.unfinished(transfer, after: after, limit: min(limit, 3))
            answers.append(
                .swept(
                    transfer: transfer, rows.map(\.record), schemaKeys: plan.schemas.map(\.key), isLast: isLast))
        case .readLedger(let batch, let scope, let resource, let ids):
            answers.append(.ledgerRead(batch: batch, store.known(scope, resource, ids)))
        case .readConfirmed(let batch, let scope, let resource, let internalIDs, let ids):
            let known = store.known(scope, resource, internalIDs)
            let rows = store.confirmed(resource, Set(ids + known.values).sorted())
            answers.append(.confirmedRead(batch: batch, ConfirmedAnswer(known: known, rows: rows)))
        case .readHolders(let batch, let scope, let resource, let ids):
            answers.append(.holdersRead(batch: batch, store.holders(scope, resource, ids)))
        case .lookUp(let batch, _, let request):
            if request.ids.count + request.searches.count > description.readBatch {
                complaints.append("a read of more than it takes")
            }
            let rules = plan.schemas.first { $0.resource.name == request.resource }?.resource.matchRules ?? []
            noteExchange(batch)
            if weather == .unauthorized {
                return answers.append(.lookedUp(batch: batch, .refused(Self.unauthorized)))
            }
            let isLost = weather == .down || chance(100) < lossPercent
            answers.append(
                .lookedUp(
                    batch: batch, isLost ? .notSent("lost") : .answered(provider.read(request, rules, at: time))))
        case .write(let batch, _, let request): write(batch, request)
        case .link(let batch, _, let request): link(batch, request)
        case .commit(let changes, let token): commits.append((changes, token))
        case .wake(let account, let at): wakes.append((account, at))
        case .published(let rows): published += rows
        case .progressed, .completed: break
        }
    }

    private mutating func write(_ batch: Int64, _ request: WriteRequest) {
        trace.append("write \(request.key) \(request.items.map { $0.target ?? "new" })")
        let underWay = answers.count { if case .written = $0 { true } else { false } }
        mostWritesUnderWay = max(mostWritesUnderWay, underWay + 1)
        noteExchange(batch)
        if weather == .unauthorized { return answers.append(.written(batch: batch, .refused(Self.unauthorized))) }
        if description.splitsWrites && Set(request.items.map { $0.target == nil }).count > 1 {
            complaints.append("creates and updates in one write")
        }
        if description.linksAfter && request.items.contains(where: { !$0.links.isEmpty }) {
            complaints.append("links in a write")
        }
        writes += 1
        if description.partial == .allOrNothing, request.items.contains(where: \.isBad) {
            let failure = Failure(.upstream, .refusedUpstream, "somebody is bad")
            answers.append(
                .written(batch: batch, request.items.count > 1 ? .refusedTogether(failure) : .refused(failure)))
            return
        }
        guard weather == .down || chance(100) < lossPercent else {
            answers.append(.written(batch: batch, .answered(provider.write(request, at: time))))
            return
        }
        switch chance(latenessMilliseconds > 0 ? 4 : 3) {
        case 0: answers.append(.written(batch: batch, .notSent("refused")))
        case 1: answers.append(.written(batch: batch, .unknown("lost request")))
        case 2:
            _ = provider.write(request, at: time)
            answers.append(.written(batch: batch, .unknown("lost answer")))
        default:
            let due = time + chance(latenessMilliseconds) * 1_000_000
            provider.writeLate(request, at: due)
            answers.append(.written(batch: batch, .unknown("done after we gave up")))
        }
    }

    private static let unauthorized = Failure(.authentication, .unauthorizedUpstream, "no")

    private mutating func link(_ batch: Int64, _ request: LinkRequest) {
        trace.append("link \(request.key) \(request.items.map(\.id))")
        if !description.linksAfter { complaints.append("links apart from a record") }
        if request.items.contains(where: { $0.links.isEmpty }) { complaints.append("a request for no link") }
        noteExchange(batch)
        if weather == .unauthorized { return answers.append(.linked(batch: batch, .refused(Self.unauthorized))) }
        let isLost = weather == .down || chance(100) < lossPercent
        if !isLost || chance(2) == 0 { provider.link(request) }
        answers.append(.linked(batch: batch, isLost ? .unknown("lost") : .answered([:])))
    }

    private func prepare(_ rows: [ResultRow], _ transfer: Int64) -> [PreparedRecord] {
        let disables = store.transfers[transfer]?.disableUpsert ?? false
        let plan = plan.overridden(by: store.transfers[transfer]?.options ?? [])
        return rows.map { PreparedRecord($0.record, plan: plan, disablesUpsert: disables, children: $0.children) }
    }

    /// One thing that is under way ends; false when nothing is.
    mutating func step() -> Bool {
        let choices = answers.count + (commits.isEmpty ? 0 : 1)
        if choices == 0 {
            guard let next = wakes.map(\.1).min(), next < time || next - time <= patience else { return false }
            time = max(time, next)
            let due = wakes.filter { $0.1 <= time }
            wakes.removeAll { $0.1 <= time }
            for (account, _) in due { tell(.woke(account)) }
            return true
        }
        let choice = Int(chance(UInt64(choices)))
        if choice < answers.count {
            tell(answers.remove(at: choice))
        } else {
            let (changes, token) = commits.removeFirst()
            store.apply(changes)
            if let token { tell(.committed(token)) }
        }
        return true
    }

    /// The house goes down and comes up again on what was committed.
    mutating func crash() {
        crashes += 1
        trace.append("crash")
        // The writer may have been anywhere in its queue.
        for _ in 0..<chance(UInt64(commits.count + 1)) { store.apply(commits.removeFirst().0) }
        commits = []
        answers = []
        wakes = []
        published = store.events
        machine = PushMachine(
            lastIntent: store.intents.keys.max() ?? 0, lastError: store.errors.last?.sequence ?? 0,
            lastEvent: store.events.last?.sequence ?? 0)
        probes = []
        tell(.foundPaused(store.pauses.sorted { $0.key < $1.key }.map(\.value)))
        tell(.inDoubt(store.doubts(plan)))
        for row in store.openTransfers {
            tell(.resumed(row, finished: store.finished(row.sequence, from: row.published)))
        }
        for intent in store.openIntents {
            guard let stored = StoredPlan(intent.plan) else { continue }
            let rows = stored.items.compactMap { item in
                store.records[item.place].map { ResultRow(record: $0, outcome: nil, children: store.children(of: $0)) }
            }
            let records = rows.map {
                PreparedRecord(
                    $0.record, plan: plan.overridden(by: store.transfers[$0.record.place.transfer]?.options ?? []),
                    disablesUpsert: store.transfers[$0.record.place.transfer]?.disableUpsert ?? false,
                    children: $0.children)
            }
            tell(.recovered(intent, stored, records))
        }
        tell(.started)
    }

    // MARK: Pushing

    /// As `cancelTransfer` does: the mark goes to disk behind what was ordered before, then the machine hears of it.
    mutating func cancel(_ sequence: Int64) {
        trace.append("cancel \(sequence)")
        let time = Int64(time / 1_000_000)
        commits.append(([.transferCancelled(sequence: sequence, at: time)], nil))
        while !commits.isEmpty {
            let (changes, token) = commits.removeFirst()
            store.apply(changes)
            if let token { tell(.committed(token)) }
        }
        tell(.cancelled(transfer: sequence, at: time))
    }

    struct Item {
        var internalID: String?
        var id: String?
        var data: JSONValue
        var children: [Item] = []
    }

    /// A push whose records are on disk when this returns; gives its sequence.
    mutating func push(_ items: [Item], direct: Bool, disableUpsert: Bool = false, options: String = "") -> Int64 {
        sequence += 1
        var rows: [RecordRow] = []
        for (index, item) in items.enumerated() { add(item, Int32(index), schema: 0, to: &rows) }
        var row = TransferRow(
            sequence: sequence, id: ids.next(milliseconds: Int64(sequence), chance: 7), session: plan.session,
            account: account, revision: 1, schemaKey: "crm-contact", records: Int32(items.count),
            allRecords: Int32(rows.count), disableUpsert: disableUpsert, idempotencyKey: nil, bodyHash: [],
            created: Int64(time / 1_000_000))
        row.options = Array(options.utf8)
        row.keepLimits(of: plan.overridden(by: row.options).options)
        // The writer takes orders in turn: what was ordered before is on disk before.
        while !commits.isEmpty {
            let (changes, token) = commits.removeFirst()
            store.apply(changes)
            if let token { tell(.committed(token)) }
        }
        store.apply([.transferBegun(row), .records(rows), .transferAccepted(sequence: sequence)])
        let fits = direct && machine.hasRoom(for: account, records: rows.count)
        let plan = plan.overridden(by: row.options)
        let records = rows.map { PreparedRecord($0, plan: plan, disablesUpsert: disableUpsert) }
        tell(.accepted(row, records: fits ? records : nil))
        return sequence
    }

    @discardableResult
    private func add(_ item: Item, _ index: Int32, schema: Int16, to rows: inout [RecordRow]) -> Int32 {
        let first = Int32(rows.count)
        let children = item.children.map { add($0, index, schema: 1, to: &rows) }
        let ordinal = Int32(rows.count)
        for child in children { rows[Int(child)].parent = ordinal }
        rows.append(
            RecordRow(
                place: RecordPlace(transfer: sequence, ordinal: ordinal), index: index, parent: -1,
                children: Int32(children.count), descendants: ordinal - first, schema: schema, givenID: item.id,
                internalID: item.internalID, data: item.data.text))
        return ordinal
    }
}
