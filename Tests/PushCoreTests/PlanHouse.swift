import JSON
import PushCore

@testable import PushCore

/// A plan machine and a push machine over one simulated provider, in one thread from one seed.
struct PlanHouse {
    struct Item {
        var internalID: String?
        var givenID: String?
        var data: String
        var children: [Item] = []
    }

    var provider = SimulatedProvider()
    private(set) var ledger: [String: String] = [:]
    private(set) var confirmed: [String: ConfirmedRow] = [:]
    private var random: Seeded
    private var time: UInt64 = 1_000_000_000
    private var sequence: Int64 = 0
    private var pushes: Int64 = 0
    let plan: SessionPlan
    /// Exchanges that were made.
    private(set) var exchanges = 0
    /// The next look-ups are put off.
    var throttled = 0
    /// Nanoseconds of a look-up.
    var lookUpTime: UInt64 = 0
    /// At most so many records come with one read of the store.
    var window = Int.max

    struct Made {
        var row: PlanRow
        var records: [RecordRow]
        var planned: [RecordPlace: PlannedRow] = [:]

        subscript(ordinal: Int32) -> PlannedRow? { planned[RecordPlace(transfer: row.sequence, ordinal: ordinal)] }
    }

    init(seed: UInt64 = 1, plan: SessionPlan) {
        random = Seeded(seed)
        self.plan = plan
    }

    mutating func chance(_ bound: UInt64) -> UInt64 { random.next() % bound }

    private mutating func moment() -> Moment {
        time += 1_000
        return Moment(wall: Int64(time / 1_000_000), monotonic: time, chance: random.next())
    }

    private func key(_ resource: String, _ id: String) -> String { resource + "\0" + id }

    private func known(_ resource: String, _ ids: [String]) -> [String: String] {
        var known: [String: String] = [:]
        for id in ids { known[id] = ledger[key(resource, id)] }
        return known
    }

    private func confirmed(_ resource: String, _ internalIDs: [String], _ ids: [String]) -> ConfirmedAnswer {
        let known = known(resource, internalIDs)
        let wanted = ids + known.values.sorted()
        return ConfirmedAnswer(known: known, rows: wanted.compactMap { confirmed[key(resource, $0)] })
    }

    private func holders(_ resource: String, _ ids: [String]) -> [String: [String]] {
        var found: [String: [String]] = [:]
        for (name, id) in ledger where ids.contains(id) && name.hasPrefix(resource + "\0") {
            found[id, default: []].append(String(name.dropFirst(resource.count + 1)))
        }
        return found
    }

    private mutating func look(_ request: LookupRequest) -> Reply<LookupAnswer> {
        if throttled > 0 {
            throttled -= 1
            return .throttled(milliseconds: 5)
        }
        exchanges += 1
        time += lookUpTime
        let rules = plan.schemas.first { $0.resource.name == request.resource }?.resource.matchRules ?? []
        return .answered(provider.read(request, rules))
    }

    // MARK: Records

    mutating func rows(_ items: [Item]) -> [RecordRow] {
        sequence += 1
        var rows: [RecordRow] = []
        for (index, item) in items.enumerated() { append(item, Int32(index), schema: 0, to: &rows) }
        return rows
    }

    @discardableResult
    private func append(_ item: Item, _ index: Int32, schema: Int16, to rows: inout [RecordRow]) -> Int32 {
        let first = Int32(rows.count)
        let children = item.children.map { append($0, index, schema: 1, to: &rows) }
        let ordinal = Int32(rows.count)
        for child in children { rows[Int(child)].parent = ordinal }
        rows.append(
            RecordRow(
                place: RecordPlace(transfer: sequence, ordinal: ordinal), index: index, parent: -1,
                children: Int32(children.count), descendants: ordinal - first, schema: schema,
                givenID: item.givenID, internalID: item.internalID, data: Array(item.data.utf8)))
        return ordinal
    }

    private func window(_ rows: [RecordRow], after: Int32, limit: Int) -> (rows: [RecordRow], isLast: Bool) {
        let rest = rows.filter { $0.place.ordinal > after }
        let part = rest.prefix(min(limit, window))
        return (Array(part), part.count == rest.count)
    }

    // MARK: Planning

    mutating func makePlan(_ items: [Item], disableUpsert: Bool = false) -> Made {
        let rows = rows(items)
        let row = PlanRow(
            sequence: sequence, id: Identifier(high: 9, low: 9), session: plan.session, revision: 1,
            schemaKey: "crm-contact", records: Int32(items.count), allRecords: Int32(rows.count),
            disableUpsert: disableUpsert, created: 0)
        var made = Made(row: row, records: rows)
        var machine = PlanMachine(row, plan: plan)
        var effects = machine.begin(at: moment())
        var hasFinished = false
        var alarm: (AccountKey, UInt64)?
        while !hasFinished {
            guard !effects.isEmpty else {
                guard let due = alarm else { return made }
                alarm = nil
                time = max(time, due.1)
                effects = machine.handle(.woke(due.0), at: moment())
                continue
            }
            let place = Int(chance(UInt64(effects.count)))
            switch effects.remove(at: place) {
            case .admit(let after, let limit):
                let part = window(rows, after: after, limit: limit)
                let records = part.rows.map { PreparedRecord($0, plan: plan, disablesUpsert: disableUpsert) }
                effects += machine.handle(
                    .admitted(
                        plan.account, transfer: row.sequence, records, isLast: part.isLast, moreFollow: false),
                    at: moment())
            case .readLedger(let batch, _, let resource, let ids):
                effects += machine.handle(.ledgerRead(batch: batch, known(resource, ids)), at: moment())
            case .readConfirmed(let batch, _, let resource, let internalIDs, let ids):
                effects += machine.handle(
                    .confirmedRead(batch: batch, confirmed(resource, internalIDs, ids)), at: moment())
            case .readHolders(let batch, _, let resource, let ids):
                effects += machine.handle(.holdersRead(batch: batch, holders(resource, ids)), at: moment())
            case .lookUp(let batch, _, let request):
                let reply = look(request)
                effects += machine.handle(.lookedUp(batch: batch, reply), at: moment())
            case .keep(let planned, let token):
                for row in planned { made.planned[row.place] = row }
                effects += machine.handle(.committed(token), at: moment())
            case .wake(let account, let at): alarm = (account, at)
            case .tell(let fact): effects += machine.handle(fact, at: moment())
            case .finished: hasFinished = true
            }
        }
        made.row = machine.result
        return made
    }

    // MARK: Pushing

    private mutating func keep(_ change: Change) {
        switch change {
        case .ledger(let rows):
            for row in rows { ledger[key(row.resource, row.internalID)] = row.providerID }
        case .confirmed(let rows): for row in rows { confirmed[key(row.resource, row.providerID)] = row }
        case .unconfirmed(_, let resource, let ids): for id in ids { confirmed[key(resource, id)] = nil }
        default: break
        }
    }

    /// Applies a plan; gives what became of each record.
    mutating func apply(_ made: Made) -> [RecordPlace: OutcomeRow] { push(made.records, made.planned) }

    mutating func push(_ items: [Item]) -> [RecordPlace: OutcomeRow] { push(rows(items), [:]) }

    private mutating func push(
        _ rows: [RecordRow], _ planned: [RecordPlace: PlannedRow]
    ) -> [RecordPlace: OutcomeRow] {
        // The provider would take the keys of another push for its own.
        pushes += 1
        var machine = PushMachine(lastIntent: pushes * 100_000)
        var outcomes: [RecordPlace: OutcomeRow] = [:]
        guard let first = rows.first else { return outcomes }
        let transfer = Scene.transfer(
            first.place.transfer, records: Int32(rows.count { $0.parent < 0 }), all: Int32(rows.count))
        var effects = machine.handle(.started, at: moment())
        effects += machine.handle(.accepted(transfer, records: nil), at: moment())
        var alarms: [(AccountKey, UInt64)] = []
        while true {
            guard !effects.isEmpty else {
                guard let due = alarms.map(\.1).min() else { return outcomes }
                time = max(time, due)
                let account = alarms[0].0
                alarms = []
                effects = machine.handle(.woke(account), at: moment())
                continue
            }
            var place = Int(chance(UInt64(effects.count)))
            // Commits end in the order in which they were ordered.
            if case .commit = effects[place] {
                place = effects.firstIndex { if case .commit = $0 { true } else { false } } ?? place
            }
            switch effects.remove(at: place) {
            case .admit(let account, let sequence, let after, let limit):
                let part = window(rows, after: after, limit: limit)
                let records = part.rows.map { row in
                    let done = rows.filter { $0.parent == row.place.ordinal }.compactMap { child in
                        outcomes[child.place].map {
                            ResultRow.Child(
                                ordinal: child.place.ordinal, schema: child.schema, kind: $0.kind,
                                providerID: $0.providerID)
                        }
                    }
                    return PreparedRecord(
                        row, plan: plan, disablesUpsert: false, children: done, planned: planned[row.place]?.mark)
                }
                effects += machine.handle(
                    .admitted(account, transfer: sequence, records, isLast: part.isLast, moreFollow: false),
                    at: moment())
            // Nobody cancels anything here, and links go with their records.
            case .sweep, .link: break
            case .readLedger(let batch, _, let resource, let ids):
                effects += machine.handle(.ledgerRead(batch: batch, known(resource, ids)), at: moment())
            case .readConfirmed(let batch, _, let resource, let internalIDs, let ids):
                effects += machine.handle(
                    .confirmedRead(batch: batch, confirmed(resource, internalIDs, ids)), at: moment())
            case .readHolders(let batch, _, let resource, let ids):
                effects += machine.handle(.holdersRead(batch: batch, holders(resource, ids)), at: moment())
            case .lookUp(let batch, _, let request):
                let reply = look(request)
                effects += machine.handle(.lookedUp(batch: batch, reply), at: moment())
            case .write(let batch, _, let request):
                exchanges += 1
                effects += machine.handle(.written(batch: batch, .answered(provider.write(request))), at: moment())
            case .commit(let changes, let token):
                for case .outcomes(let rows) in changes { for row in rows { outcomes[row.place] = row } }
                for change in changes { keep(change) }
                effects += machine.handle(.committed(token), at: moment())
            case .wake(let account, let at): alarms.append((account, at))
            case .published, .progressed, .completed: break
            }
        }
    }
}
