import JSON

// Theory of operation.
//
// A plan is a push that is not made. The very machine that pushes goes over the staged records, with lanes, batches,
// look-ups, decisions and links as they are, only that nothing it orders to be written leaves: what a write would do is
// laid over what is read (`PlanOverlay`), and the machine is told that it was done. So a plan cannot decide otherwise
// than a push would, and the exchanges that it counts are those that a push makes.
//
// When a plan is applied, its records are sent in the batches in which they were planned. Otherwise the number of
// exchanges would depend on which answers happen to come first.

/// What is to be done for a plan.
package enum PlanEffect: Sendable {
    /// Read staged records, prepare them and tell `admitted`.
    case admit(after: Int32, limit: Int)
    case readLedger(batch: Int64, LedgerScope, resource: String, internalIDs: [String])
    case readConfirmed(batch: Int64, LedgerScope, resource: String, internalIDs: [String], ids: [String])
    case readHolders(batch: Int64, LedgerScope, resource: String, ids: [String])
    case lookUp(batch: Int64, AccountKey, LookupRequest)
    /// Keep the rows, then tell `committed`.
    case keep([PlannedRow], CommitToken)
    /// Tell `woke` at this time of the monotonic clock.
    case wake(AccountKey, at: UInt64)
    /// Tell this next: what follows needs nobody, and long work can be cut here.
    case tell(Fact)
    /// All rows are kept.
    case finished
}

/// Makes one plan. Facts go in, effects come out, as with `PushMachine`.
package struct PlanMachine: Sendable {
    private var machine = PushMachine()
    private var overlay = PlanOverlay()
    private let plan: SessionPlan
    private var row: PlanRow
    /// What is to be kept of records that would be written, until their end is committed.
    private var drafts: [RecordPlace: (row: PlannedRow, batch: Int64)] = [:]
    private var ends: [RecordPlace: (Batch.Member, MemberEnd)] = [:]
    /// Records of each batch that has begun to end.
    private var sizes: [Int64: Int32] = [:]
    /// Batches whose look-up the provider refused.
    private var refused: Set<Int64> = []
    private var calls: [String: PlannedCalls] = [:]
    private let prices: any ExchangePrices
    private var tally = ExchangeTally()
    /// What batches that are not decided yet have found.
    private var findings: [Int64: LookupAnswer] = [:]
    /// Look-ups that the provider answered, and the nanoseconds that they took together.
    private var answered: UInt64 = 0
    private var lookUpTime: UInt64 = 0
    private var asked: [Int64: UInt64] = [:]
    /// Records whose holders are asked for, by batch.
    private var held: [Int64: [String]] = [:]

    /// - Parameter row: as it is before it is made.
    /// - Parameter doubts: those of the machine that pushes (`PushMachine.doubts`).
    package init(
        _ row: PlanRow, plan: SessionPlan, prices: any ExchangePrices = OneExchangeEach(),
        doubts: [IdentityDoubt.Key: IdentityDoubt] = [:]
    ) {
        self.prices = prices
        machine.doubts = doubts
        self.row = row
        self.plan = plan
        machine.observedEnds = []
        machine.gathersBatches = true
    }

    /// The plan as it stands; with its figures once it has finished.
    package var result: PlanRow {
        var result = row
        result.isReady = true
        result.calls = calls.keys.sorted().compactMap { calls[$0] }
        result.duration = duration(Int64(clamping: result.callCount))
        return result
    }

    /// Milliseconds: calls one after the other, and no faster than the budget lets them.
    private func duration(_ count: Int64) -> Int64 {
        let measured = answered == 0 ? 0 : Int64(clamping: lookUpTime / answered)
        let latency = max(measured, plan.provider.latencyMilliseconds * 1_000_000)
        let apart = latency.multipliedReportingOverflow(by: count).partialValue / 1_000_000
        let oneByOne = max(apart, prices.milliseconds(for: tally))
        guard let budget = plan.provider.budget else { return oneByOne }
        let waiting = Double(count - Int64(budget.burst)) / budget.perSecond * 1_000
        return max(oneByOne, waiting > 0 ? Int64(waiting) : 0)
    }

    /// Begins, when all records are staged.
    package mutating func begin(at moment: Moment) -> [PlanEffect] {
        let transfer = TransferRow(
            sequence: row.sequence, id: row.id, session: row.session, account: plan.account, revision: row.revision,
            schemaKey: row.schemaKey, records: row.records, allRecords: row.allRecords,
            disableUpsert: row.disableUpsert, idempotencyKey: nil, bodyHash: [], created: row.created)
        return handle(.started, at: moment) + handle(.accepted(transfer, records: nil), at: moment)
    }

    package mutating func handle(_ fact: Fact, at moment: Moment) -> [PlanEffect] {
        var fact = fact
        switch fact {
        case .ledgerRead(let batch, let known): fact = .ledgerRead(batch: batch, recall(batch, known))
        case .confirmedRead(let batch, let answer): fact = .confirmedRead(batch: batch, confirm(batch, answer))
        case .holdersRead(let batch, let found):
            guard let resource = machine.batches[batch]?.key.resource else { break }
            let ids = held.removeValue(forKey: batch) ?? []
            fact = .holdersRead(batch: batch, overlay.lay(over: found, resource, ids))
        case .lookedUp(let batch, let reply): fact = .lookedUp(batch: batch, note(batch, reply, moment))
        default: break
        }
        let effects = machine.handle(fact, at: moment)
        for (member, end) in machine.observedEnds ?? [] { ends[member.record.place] = (member, end) }
        machine.observedEnds = []
        return effects.compactMap { translate($0, moment) }
    }

    private mutating func translate(_ effect: Effect, _ moment: Moment) -> PlanEffect? {
        switch effect {
        case .admit(_, _, let after, let limit): return .admit(after: after, limit: limit)
        case .readLedger(let batch, let scope, let resource, let ids):
            return .readLedger(batch: batch, scope, resource: resource, internalIDs: ids)
        case .readConfirmed(let batch, let scope, let resource, let internalIDs, let ids):
            return .readConfirmed(batch: batch, scope, resource: resource, internalIDs: internalIDs, ids: ids)
        case .readHolders(let batch, let scope, let resource, let ids):
            held[batch] = ids
            let real = ids.filter { !PlanOverlay.isNew($0) }
            guard !real.isEmpty else { return .tell(.holdersRead(batch: batch, [:])) }
            return .readHolders(batch: batch, scope, resource: resource, ids: real)
        case .lookUp(let batch, let account, let request):
            let real = overlay.real(request)
            // It would be asked by then, and is known now.
            if real.ids.isEmpty && real.searches.isEmpty {
                return .tell(.lookedUp(batch: batch, .answered(LookupAnswer())))
            }
            asked[batch] = moment.monotonic
            return .lookUp(batch: batch, account, real)
        case .write(let batch, _, let request): return .tell(.written(batch: batch, .answered(draft(batch, request))))
        case .link(let batch, _, let request):
            draftLinks(batch, request)
            return .tell(.linked(batch: batch, .answered([:])))
        case .commit(let changes, let token):
            for change in changes { overlay.take(change) }
            return keep(token)
        case .wake(let account, let time): return .wake(account, at: time)
        case .completed: return .finished
        // Nobody cancels what is only planned: there is nothing to sweep.
        case .published, .progressed, .sweep: return nil
        }
    }

    // MARK: What is known by then

    private func recall(_ batch: Int64, _ known: [String: String]) -> [String: String] {
        guard let batch = machine.batches[batch] else { return known }
        var result = known
        for member in batch.members {
            guard let id = member.record.row.internalID else { continue }
            if let planned = overlay.recall(batch.key.resource, internalID: id) { result[id] = planned }
        }
        return result
    }

    /// Confirmed states as they would be: what the provider returned, unless the plan takes it back or knows it newer.
    private func confirm(_ id: Int64, _ answer: ConfirmedAnswer) -> ConfirmedAnswer {
        guard let batch = machine.batches[id] else { return answer }
        let known = recall(id, answer.known)
        let ids = batch.members.compactMap { member in
            member.record.row.givenID ?? member.record.row.internalID.flatMap { known[$0] }
        }
        return ConfirmedAnswer(known: known, rows: overlay.lay(over: answer.rows, batch.key.resource, ids))
    }

    private mutating func note(
        _ id: Int64, _ reply: Reply<LookupAnswer>, _ moment: Moment
    ) -> Reply<LookupAnswer> {
        guard let batch = machine.batches[id], let question = batch.question,
            let resource = batch.members.first?.record.schema.resource
        else { return reply }
        let begun = asked.removeValue(forKey: id)
        switch reply {
        case .answered(let answer):
            if let begun {
                answered += 1
                lookUpTime += moment.monotonic - begun
            }
            let laid = overlay.lay(over: answer, question, resource)
            findings[id, default: LookupAnswer()].merge(laid)
            return .answered(laid)
        case .refused, .refusedTogether:
            refused.insert(id)
            return reply
        case .notSent, .unknown, .throttled: return reply
        }
    }

    // MARK: What would be written

    /// The answer that a write would have, after it was laid over what is known.
    private mutating func draft(_ id: Int64, _ request: WriteRequest) -> WriteAnswer {
        guard let batch = machine.batches[id] else { return [:] }
        count(prices.tally(of: request), request.resource)
        var answer: WriteAnswer = [:]
        for item in request.items {
            let member = batch.members[item.trace]
            let target = item.target ?? PlanOverlay.id(ofNew: member.record.place)
            let fields = draft(member, batch, request.resource, target: item.target, item.fields)
            answer[item.trace] = .written(
                id: target, isNew: item.target == nil, data: plan.provider.returnsData ? body(fields) : [],
                refusedLinks: [])
        }
        return answer
    }

    /// Links that are made apart. Records that are only linked were not drafted before.
    private mutating func draftLinks(_ id: Int64, _ request: LinkRequest) {
        guard let batch = machine.batches[id] else { return }
        count(prices.tally(of: request), request.resource)
        for item in request.items where drafts[batch.members[item.trace].record.place] == nil {
            _ = draft(batch.members[item.trace], batch, request.resource, target: item.id, [])
        }
    }

    /// - Returns: the record as it would stand.
    private mutating func draft(
        _ member: Batch.Member, _ batch: Batch, _ resource: String, target given: String?, _ fields: [PreparedField]
    ) -> [UInt8] {
        let record = member.record
        let target = given ?? PlanOverlay.id(ofNew: record.place)
        let known = given.flatMap { batch.answer.records[$0] }
        let decision: Decision =
            given == nil ? .create(fields: []) : .update(id: target, fields: member.write?.fields ?? [])
        let follows = overlay.earlier(resource, target)
        let rendering = PlanRendering(
            member: member, known: known, fields: given == nil ? [] : fields, failures: [], follows: follows)
        drafts[record.place] = (
            PlannedRow(
                place: record.place,
                mark: PlannedMark(
                    batch: Int32(truncatingIfNeeded: member.batch), batchSize: 0, action: decision.action ?? .invalid,
                    follows: follows != nil, state: decision.state(follows: follows != nil, batch.answer, record)),
                providerID: PlanOverlay.isNew(target) ? nil : target, content: rendering.content), member.batch
        )
        if let internalID = record.row.internalID {
            overlay.remember(resource, internalID: internalID, id: target)
        }
        return overlay.write(
            record.schema.resource, id: target, index: record.row.index, fields: fields, links: member.links,
            over: known)
    }

    /// A record as the provider would return it, as far as it is known.
    private func body(_ fields: [UInt8]) -> [UInt8] {
        guard let member = plan.provider.fieldsMember else { return fields }
        var writer = JSONWriter(reserving: fields.count + 16)
        writer.beginObject()
        writer.key(text: member)
        writer.raw(fields)
        writer.endObject()
        return writer.bytes
    }

    // MARK: What is kept

    private mutating func keep(_ token: CommitToken) -> PlanEffect {
        guard let pending = machine.commits[token.value] else { return .tell(.committed(token)) }
        measure(pending)
        var rows: [PlannedRow] = []
        for (record, _) in pending.finished {
            guard let (member, end) = ends.removeValue(forKey: record.place) else { continue }
            var planned = drafts.removeValue(forKey: record.place)?.row ?? decided(member, end)
            planned.mark.batchSize = sizes[member.batch] ?? 1
            row.counts[Int(planned.mark.action.rawValue) - 1] += 1
            rows.append(planned)
        }
        return rows.isEmpty ? .tell(.committed(token)) : .keep(rows, token)
    }

    /// How many records a batch decided about is known with the first commit about it: those that end with it, and those
    /// that the intent in it leaves to be written.
    private mutating func measure(_ pending: PushMachine.PendingCommit) {
        var decided: [Int64: [Batch.Member]] = [:]
        for (record, _) in pending.finished {
            if let member = ends[record.place]?.0, sizes[member.batch] == nil {
                decided[member.batch, default: []].append(member)
            }
        }
        for id in pending.intentsOf {
            for member in machine.batches[id]?.members ?? [] where sizes[member.batch] == nil {
                decided[member.batch, default: []].append(member)
            }
        }
        for (batch, members) in decided.sorted(by: { $0.key < $1.key }) {
            sizes[batch] = Int32(members.count)
            guard let resource = members.first?.record.schema.resource.name else { continue }
            let found = findings.removeValue(forKey: batch) ?? LookupAnswer()
            count(refused.contains(batch) ? ExchangeTally(reads: 1) : reads(of: members, resource, found), resource)
        }
    }

    private mutating func count(_ more: ExchangeTally, _ resource: String) {
        tally += more
        calls[resource, default: PlannedCalls(resource: resource)].reads += Int32(clamping: more.reads + more.searches)
        calls[resource, default: PlannedCalls(resource: resource)].writes += Int32(clamping: more.writes)
    }

    /// Look-ups that a batch of these makes. Those that were made may be more: a record that was put back, because it was
    /// the same as another, is sent with a later batch alone.
    private func reads(of members: [Batch.Member], _ resource: String, _ found: LookupAnswer) -> ExchangeTally {
        let key = Lane.BatchKey(resource: resource, namespace: plan.namespace)
        var batch = Batch(id: 0, account: plan.account, key: key, began: 0, members: members)
        var reads = ExchangeTally()
        for searches in [false, true] {
            for place in members.indices {
                let isSearched = searches && members[place].hasSearched
                batch.members[place].hasSearched = isSearched
                batch.members[place].isAnswered = searches && !isSearched
            }
            while batch.ask(), let question = batch.question {
                let answer = found.part(for: question)
                reads += prices.tally(of: question, finding: answer)
                batch.note(answer)
            }
        }
        return reads
    }

    /// A record that needs no write.
    private mutating func decided(_ member: Batch.Member, _ end: MemberEnd) -> PlannedRow {
        let resource = member.record.schema.resource.name
        var mark = PlannedMark(
            batch: Int32(truncatingIfNeeded: member.batch), batchSize: 0, action: .invalid, follows: false, state: 0)
        var failures: [Failure] = []
        var providerID: String?
        var known: KnownRecord?
        var follows: Int32?
        switch end {
        case .unchanged(let record):
            follows = overlay.earlier(resource, record.id)
            let decision = Decision.unchanged(record)
            mark.action = .unchanged
            mark.follows = follows != nil
            mark.state = decision.state(follows: mark.follows, LookupAnswer(), member.record)
            providerID = PlanOverlay.isNew(record.id) ? nil : record.id
            known = record
            overlay.note(resource, id: record.id, index: member.record.row.index)
            if let internalID = member.record.row.internalID {
                overlay.remember(resource, internalID: internalID, id: record.id)
            }
        case .refused(let given):
            failures = given
            mark.action = Decision.refuse(given).action ?? .invalid
        case .skipped: mark.action = .unchanged
        case .uncertain(let reason): failures = [Failure(.upstream, .outcomeUnknown, reason)]
        case .written: failures = [Failure(.internal, .fault, "A planned write was not drafted.")]
        case .unsent: failures = [Failure(.internal, .fault, "A planned record was cancelled.")]
        }
        let rendering = PlanRendering(
            member: member, known: known, fields: [], failures: failures, follows: follows)
        return PlannedRow(
            place: member.record.place, mark: mark, providerID: providerID, content: rendering.content)
    }
}
