import JSON

// The way of one batch: ledger, look-up, decision, intent, exchange, outcome.

extension PushMachine {
    // MARK: Who is it?

    mutating func identify(_ id: Int64) {
        guard let batch = batches[id] else { return }
        let internalIDs = batch.members.filter { $0.record.refusals.isEmpty }.compactMap(\.record.row.internalID)
        if batch.members.contains(where: \.record.trustsLedger) {
            let ids = batch.members.filter(\.record.trustsLedger).compactMap(\.record.row.givenID)
            if !ids.isEmpty || !internalIDs.isEmpty {
                return readConfirmed(id, internalIDs: internalIDs, ids: ids)
            }
        }
        guard !internalIDs.isEmpty else { return lookUp(id) }
        effects.append(
            .readLedger(
                batch: id, LedgerScope(account: batch.account, namespace: batch.key.namespace),
                resource: batch.key.resource, internalIDs: internalIDs))
    }

    mutating func ledgerRead(_ id: Int64, _ known: [String: String]) {
        batches[id]?.remember(known)
        lookUp(id)
    }

    mutating func lookUp(_ id: Int64) {
        guard batches[id]?.ask() == true, let batch = batches[id], let question = batch.question else {
            return batches[id]?.purpose == .doubt ? decideAnew(id) : decide(id)
        }
        guard mayLeave(id, batch.purpose == .doubt ? .lookAgain : .lookUp) else { return }
        batches[id]?.stage = .lookingUp
        effects.append(.lookUp(batch: id, batch.account, question))
    }

    mutating func lookedUp(_ id: Int64, _ reply: Reply<LookupAnswer>) {
        guard let purpose = batches[id]?.purpose, !hears(id, purpose == .doubt ? .lookAgain : .lookUp, reply),
            let batch = batches[id]
        else { return }
        guard batch.purpose != .doubt else { return lookedAgain(id, reply) }
        switch reply {
        case .answered(let answer):
            batches[id]?.note(answer)
            if batch.readAt == nil { batches[id]?.readAt = now.wall }
            batches[id]?.attempt = 1
            lookUp(id)
        case .refused(let failure), .refusedTogether(let failure):
            release(id)
            lanes[batch.account]?.advance(batch.members.lazy.map(\.record.place), .decidedWithoutWrite)
            settle(
                batch.members.map { member in
                    let failures = member.record.refusals.isEmpty ? [failure] : member.record.refusals
                    return (member, isCancelled(member) ? .unsent : .refused(failures))
                })
            plan(batch.account)
        case .notSent, .unknown, .throttled:
            again(id, .lookUp, reply.wait(attempt: batch.attempt, chance: now.chance)) { _ in
                .refused([Self.unavailable])
            }
        }
    }

    // MARK: What is to be done?

    mutating func decide(_ id: Int64) {
        // Taken out of the table meanwhile, for else its members would be copied with the first change.
        guard var batch = batches.removeValue(forKey: id) else { return }
        lanes[batch.account]?.stepAside(&batch)
        var decisions: [Decision] = []
        decisions.reserveCapacity(batch.members.count)
        var needsSearch = false
        for place in batch.members.indices {
            let record = batch.members[place].record
            if record.row.children > 0 {
                var warnings = record.warnings
                let children = lanes[batch.account]?.entries[record.place]?.children ?? []
                batch.members[place].links = links(of: record, children, warnings: &warnings)
                batch.members[place].warnings = warnings
            }
            let member = batch.members[place]
            if let state = member.confirmed {
                decisions.append(.unchanged(state.known))
                continue
            }
            let decision = DecisionInput(
                record: record, remembered: member.remembered, answer: batch.answer, links: member.links,
                hasSearched: member.hasSearched
            ).decide()
            if case .search = decision {
                batch.search(place)
                needsSearch = true
            }
            decisions.append(refusal(of: decision, record))
        }
        batches[id] = batch
        if needsSearch { return lookUp(id) }
        let held = newlyHeld(batch, decisions)
        if !held.isEmpty { return readHolders(id, held) }
        carryOut(id, batch.asPlanned(decisions))
    }

    private mutating func carryOut(_ id: Int64, _ decisions: [Decision]) {
        guard var batch = batches.removeValue(forKey: id) else { return }
        var targets: Set<String> = []
        var settled: [(Batch.Member, MemberEnd)] = []
        var kept: [Batch.Member] = []
        kept.reserveCapacity(decisions.count)
        let unconfirmed = Unconfirmed(
            account: batch.account, resource: batch.key.resource, ids: batch.observed(decisions))
        let behind = behindWaiting(batch, decisions)
        for (place, decision) in decisions.enumerated() {
            var member = batch.members[place]
            let recordPlace = member.record.place
            if isCancelled(member) {
                lanes[batch.account]?.advance(recordPlace, .cancelled)
                settled.append((member, .unsent))
                continue
            }
            if let known = batch.known(decision), behind.contains(recordPlace),
                lanes[batch.account]?.standBehind(member.record, is: known, batch.holders?[known.id] ?? []) == true
            {
                continue
            }
            if let target = decision.target, !targets.insert(target).inserted {
                // A second version of one provider record: it is compared with what the first one leaves behind.
                lanes[batch.account]?.advance(recordPlace, .putBack)
                continue
            }
            member.asOf = member.confirmed?.confirmed ?? batch.readAt ?? now.wall
            member.warnings += Self.identityWarnings(member, decision, batch)
            member.reason = batch.reason(place, decision)
            switch decision {
            case .create(let fields): member.write = Batch.Member.Write(target: nil, fields: fields)
            case .update(let target, let fields):
                member.write = Batch.Member.Write(target: target, fields: fields)
                if member.record.trustsLedger { member.known = batch.answer.records[target] }
                member.standsUnlinked(fields, batch.answer.records[target])
            case .skip: settled.append((member, .skipped))
            case .unchanged(let known): settled.append((member, .unchanged(known)))
            case .refuse(let failures): settled.append((member, .refused(failures)))
            case .search: preconditionFailure("A record that was searched for must not ask for a search again.")
            }
            if member.write?.target == nil { member.unlinked = Self.unlinked(member, known: nil) }
            let writes = member.write != nil
            lanes[batch.account]?.advance(recordPlace, writes ? .decidedToWrite : .decidedWithoutWrite)
            if writes { kept.append(member) }
        }
        batch.members = kept
        intend(batch, settled, unconfirmed)
    }

    /// What is left in the batch is to be written; `settled` has ended.
    private mutating func intend(
        _ batch: consuming Batch, _ settled: [(Batch.Member, MemberEnd)], _ unconfirmed: Unconfirmed
    ) {
        let account = batch.account
        if batch.members.isEmpty {
            lanes[account]?.settled(batch.key)
            ended(batch.id, of: account)
            settle(settled, unconfirmed: unconfirmed)
        } else {
            lanes[account]?.decided(batch.key, writes: batch.members)
            lastIntent += 1
            batch.intent = lastIntent
            batch.stage = .committingIntent
            let parts = divide(&batch)
            let id = batch.id
            let intents = [(row: intentRow(batch), batch: id)] + parts.map { (row: intentRow($0), batch: $0.id) }
            batches[id] = batch
            for part in parts { batches[part.id] = part }
            settle(settled, intents: intents, unconfirmed: unconfirmed)
        }
        plan(account)
    }

    /// Records that a parent is linked to; what cannot be linked becomes a warning.
    func links(
        of record: PreparedRecord, _ children: [ResultRow.Child], warnings: inout [Warning]
    ) -> [LinkTarget] {
        guard !children.isEmpty else { return [] }
        let provider = record.plan.provider
        guard provider.supportsAssociations else {
            warnings.append(
                Warning(
                    .linkSkipped, "\(provider.displayName) has no associations: the records were written, not linked."))
            return []
        }
        let possible = record.schema.resource.links
        var links: [LinkTarget] = []
        var single: Set<String> = []
        for child in children.sorted(by: { $0.ordinal < $1.ordinal }) {
            let schema = record.plan.schemas[Int(child.schema)]
            guard let id = child.providerID, child.kind?.isWritten == true else {
                warnings.append(
                    Warning(
                        .linkSkipped,
                        "A \(schema.key) was not linked, because it was not written. Its own error says why."))
                continue
            }
            let kind = possible.first { $0.resource == schema.resource.name }
            // What the provider's description does not know is linked with everything, from either end.
            let isCustom = !provider.resources.contains { $0.name == schema.resource.name }
            guard kind != nil || possible.isEmpty || isCustom else {
                warnings.append(
                    Warning(
                        .linkSkipped,
                        "\(provider.displayName) cannot link \(record.schema.resource.name) to \(schema.resource.name)."
                    ))
                continue
            }
            let link = LinkTarget(resource: schema.resource.name, id: id)
            guard !links.contains(link) else { continue }
            if kind?.isSingle == true && !single.insert(schema.resource.name).inserted {
                warnings.append(
                    Warning(.linkSkipped, "Only the first \(schema.key) was linked: the provider holds one."))
                continue
            }
            links.append(link)
        }
        return links
    }

    // MARK: The exchange

    mutating func intentCommitted(_ id: Int64) {
        guard let batch = batches[id] else { return }
        lanes[batch.account]?.advance(batch.members.lazy.map(\.record.place), .intentCommitted)
        switch batch.purpose {
        case .write: send(id, .write)
        case .link: send(id, .link)
        case .doubt: waitToLook(id)
        }
    }

    mutating func written(_ id: Int64, _ reply: Reply<WriteAnswer>) {
        guard !hears(id, .write, reply), let batch = batches[id] else { return }
        switch reply {
        case .answered(let answers): answered(id, answers)
        case .refused(let failure):
            release(id)
            goOn(batch, batch.writing.map { (batch.members[$0], .refused([failure])) }, [])
        case .refusedTogether(let failure): return bisect(id, failure)
        case .notSent, .throttled:
            let mayHaveBeenSent = batch.mayHaveBeenSent
            again(id, .write, reply.wait(attempt: batch.attempt, chance: now.chance)) { _ in
                mayHaveBeenSent ? .uncertain(Self.noAnswer) : .refused([Self.unavailable])
            }
        case .unknown(let reason):
            guard batch.mayRepeat else { return doubt(id, reason) }
            batches[id]?.mayHaveBeenSent = true
            for place in batch.writing {
                lanes[batch.account]?.advance(batch.members[place].record.place, .outcomeUnknown)
            }
            again(id, .write, reply.wait(attempt: batch.attempt, chance: now.chance)) { _ in .uncertain(reason) }
        }
    }

    /// Its request may have had an effect, and to repeat it could have another: nobody but the owner can tell.
    mutating func endInDoubt(_ id: Int64, _ reason: String) {
        guard let batch = batches[id] else { return }
        release(id)
        goOn(batch, batch.writing.map { (batch.members[$0], .uncertain(reason)) }, [])
    }

    private mutating func answered(_ id: Int64, _ answers: WriteAnswer) {
        guard let batch = batches[id] else { return }
        release(id)
        var ends: [(Batch.Member, MemberEnd)] = []
        var unlinked: [Batch.Member] = []
        var unknown: [Batch.Member] = []
        for place in batch.writing {
            var member = batch.members[place]
            switch answers[place] {
            case .written(let providerID, let isNew, let data, let refused):
                for link in refused {
                    member.warnings.append(
                        Warning(.linkSkipped, "The provider refused to link it to \(link.resource) \(link.id)."))
                }
                member.links.removeAll(where: refused.contains)
                member.warnings += Self.notTaken(member, returned: data)
                let written = Batch.Member.Written(id: providerID, isNew: isNew || member.isAdopted, data: data)
                if member.unlinked.isEmpty {
                    ends.append((member, .written(id: written.id, isNew: written.isNew, data: data)))
                } else {
                    member.written = written
                    unlinked.append(member)
                }
            case .notFound(let text):
                if isCancelled(member) {
                    // It was not written, and is not looked for again.
                    ends.append((member, .unsent))
                } else if member.record.row.givenID == nil {
                    // Deleted between look-up and write: it is looked for again.
                    lanes[batch.account]?.advance(member.record.place, .putBack)
                } else {
                    ends.append((member, .refused([Failure(.upstream, .notFoundUpstream, text)])))
                }
            case .refused(let failure): ends.append((member, .refused([failure])))
            case nil where !batch.mayRepeat && member.isSearchable: unknown.append(member)
            case nil: ends.append((member, .uncertain(Self.unmentioned)))
            }
        }
        var parts = unlinked.isEmpty ? [] : [part(of: batch, unlinked, .link)]
        if !unknown.isEmpty { parts.append(partInDoubt(of: batch, unknown, Self.unmentioned)) }
        goOn(batch, ends, parts)
    }

    private static let unmentioned = "the provider's answer does not mention the record"

    /// Records that a create has turned out to be.
    static func adopted(_ ends: [(Batch.Member, MemberEnd)]) -> Set<String> {
        var ids: Set<String> = []
        for (member, end) in ends {
            if case .written(let id, let isNew, _) = end, member.isAdopted || (!isNew && member.write?.target != id) {
                ids.insert(id)
            }
        }
        return ids
    }

    /// The batch is done with its resource; the next one may begin while its outcomes go to disk.
    mutating func release(_ id: Int64) {
        guard let batch = batches.removeValue(forKey: id) else { return }
        ended(id, of: batch.account)
        if batch.intent == 0 { lanes[batch.account]?.settled(batch.key) } else { lanes[batch.account]?.answered(batch) }
    }

    // MARK: Trying again

    /// Repeats a step later, or ends the records that are still open when the retry window is over.
    mutating func again(
        _ id: Int64, _ step: Batch.Step, _ wait: UInt64, givingUp: (Batch.Member) -> MemberEnd
    ) {
        guard !shedCancelled(id, step), let batch = batches[id] else { return }
        if now.monotonic - batch.began > batch.retryWindow {
            release(id)
            if batch.intent != 0 {
                goOn(batch, batch.writing.map { (batch.members[$0], givingUp(batch.members[$0])) }, [])
            } else {
                lanes[batch.account]?.advance(batch.members.lazy.map(\.record.place), .decidedWithoutWrite)
                settle(batch.members.map { ($0, givingUp($0)) })
            }
            return
        }
        batches[id]?.attempt += 1
        guard !isPaused(batch.account) else { return hold(id, step) }
        let until = now.monotonic + wait
        batches[id]?.stage = .waiting(until: until, retrying: step)
        wakeForNext(batch.account)
    }

    /// An account is woken once at a time: for the first of its batches that wait.
    mutating func wakeForNext(_ account: AccountKey) {
        var next: UInt64?
        if let pause = breakers[account]?.pause {
            if let time = wakeOfPause(pause, account) { effects.append(.wake(account, at: time)) }
            return
        }
        for id in batches.keys.sorted() {
            guard let batch = batches[id], batch.account == account, case .waiting(let until, _) = batch.stage else {
                continue
            }
            next = min(next ?? until, until)
        }
        if let next { effects.append(.wake(account, at: next)) }
    }

    mutating func woke(_ account: AccountKey) {
        guard !wokePaused(account) else { return }
        for id in batches.keys.sorted() {
            guard let batch = batches[id], batch.account == account,
                case .waiting(let until, let step) = batch.stage, until <= now.monotonic
            else { continue }
            send(id, step)
        }
        wakeForNext(account)
        plan(account)
    }

    /// Makes the exchange of a step.
    mutating func send(_ id: Int64, _ step: Batch.Step) {
        switch step {
        case .lookUp, .lookAgain: lookUp(id)
        case .link: sendLinks(id)
        case .write:
            guard mayLeave(id, step), let batch = batches[id] else { return }
            batches[id]?.stage = .exchanging
            effects.append(.write(batch: id, batch.account, batch.request()))
        }
    }

    static let noAnswer = "no answer came within the retry window"

    static let unavailable = Failure(
        .upstream, .unavailableUpstream,
        "The provider could not be reached within the retry window. Push the record again.")
}

extension Reply {
    /// Nanoseconds before the next attempt.
    func wait(attempt: Int32, chance: UInt64) -> UInt64 {
        if case .throttled(let milliseconds) = self {
            return UInt64(max(milliseconds, 1)) * 1_000_000
        }
        return Backoff.nanoseconds(attempt: attempt, chance: chance)
    }
}

extension Decision {
    /// The provider's record that it concerns.
    var target: String? {
        switch self {
        case .update(let id, _): id
        case .unchanged(let known): known.id
        case .create, .refuse, .search, .skip: nil
        }
    }
}
