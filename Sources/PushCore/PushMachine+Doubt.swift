import JSON

// Theory of operation.
//
// A request was sent and its answer is lost. Where the provider recognises a repeat, the request is repeated under its
// key. Else it is found out by looking: an update by the id of its record, a create by the match keys that were searched
// for before it, and found nothing. The look-up waits until the write has had its effect or will have none
// (`settleMilliseconds`). Then
// - a create that is found was made, and is adopted; one that is not is created anew, under a new intent;
// - what an update finds is held against what it was to write; what is missing is written anew.
// All the while the record keeps its place in the lane, so that no later version of it overtakes. A create without
// anything to search for is blind: nobody but the owner can tell what became of it.
//
// After a restart the wait begins anew with the start: when the request left is known no nearer than that.

extension Batch.Member {
    /// What a lost answer leaves can be found out by looking.
    var isSearchable: Bool {
        guard write?.target == nil else { return true }
        return record.plan.provider.recoveryClass != .blind && !DecisionInput.searches(for: record).isEmpty
    }
}

extension PushMachine {
    /// The answer to a write is lost, or does not mention these records.
    mutating func doubt(_ id: Int64, _ reason: String) {
        guard let batch = batches[id] else { return }
        let places = batch.writing
        let searchable = places.map { batch.members[$0] }.filter(\.isSearchable)
        let isOld = now.monotonic - batch.began > batch.retryWindow
        guard !searchable.isEmpty, !isOld else { return endInDoubt(id, reason) }
        guard searchable.count == batch.members.count else {
            release(id)
            let blind = places.map { batch.members[$0] }.filter { !$0.isSearchable }
            return goOn(
                batch, blind.map { ($0, .uncertain(reason)) }, [partInDoubt(of: batch, searchable, reason)])
        }
        lanes[batch.account]?.advance(searchable.lazy.map(\.record.place), .outcomeUnknown)
        let until = lookAgainAt(batch)
        batches[id]?.purpose = .doubt
        batches[id]?.doubt = (reason, until)
        batches[id]?.attempt += 1
        waitToLook(id)
    }

    mutating func partInDoubt(of batch: Batch, _ members: [Batch.Member], _ reason: String) -> Batch {
        var part = part(of: batch, members, .doubt)
        part.doubt = (reason, lookAgainAt(batch))
        part.attempt += 1
        return part
    }

    /// After the settle time, and not at once where a provider fails again and again.
    private func lookAgainAt(_ batch: Batch) -> UInt64 {
        let settle = batch.members.first?.record.plan.provider.settleMilliseconds ?? 0
        let pause = Backoff.nanoseconds(attempt: batch.attempt, chance: now.chance)
        return now.monotonic + max(UInt64(max(0, settle)) * 1_000_000, batch.attempt > 1 ? pause : 0)
    }

    /// The batch looks for what became of it when its time has come.
    mutating func waitToLook(_ id: Int64) {
        guard let batch = batches[id] else { return }
        batches[id]?.forgetAnswers()
        batches[id]?.stage = .waiting(until: batch.doubt?.until ?? now.monotonic, retrying: .lookAgain)
        wakeForNext(batch.account)
    }

    /// The reply to a look-up of a batch in doubt.
    mutating func lookedAgain(_ id: Int64, _ reply: Reply<LookupAnswer>) {
        guard let batch = batches[id] else { return }
        let reason = batch.doubt?.reason ?? ""
        switch reply {
        case .answered(let answer):
            batches[id]?.note(answer)
            batches[id]?.readAt = now.wall
            lookUp(id)
        case .refused(let failure), .refusedTogether(let failure):
            release(id)
            goOn(
                batch,
                batch.members.map { ($0, .uncertain("\(reason); it could not be looked for: \(failure.text)")) }, [])
        case .notSent, .unknown, .throttled:
            again(id, .lookAgain, reply.wait(attempt: batch.attempt, chance: now.chance)) { _ in .uncertain(reason) }
        }
    }

    /// All that can be seen of a batch in doubt was seen.
    mutating func decideAnew(_ id: Int64) {
        guard let batch = batches[id] else { return }
        release(id)
        var ends: [(Batch.Member, MemberEnd)] = []
        var anew: [Batch.Member] = []
        for member in batch.members {
            switch verdict(on: member, batch) {
            case .ended(let member, let end): ends.append((member, end))
            case .anew(let member): anew.append(member)
            case .putBack(let member): lanes[batch.account]?.advance(member.record.place, .putBack)
            }
        }
        let groups = groups(anew)
        goOn(batch, ends, groups.filter { !$0.members.isEmpty }.map { part(of: batch, $0.members, $0.purpose) })
    }

    private enum Verdict {
        case ended(Batch.Member, MemberEnd)
        /// It is to be written, or linked, under a new intent.
        case anew(Batch.Member)
        case putBack(Batch.Member)
    }

    private func verdict(on member: Batch.Member, _ batch: Batch) -> Verdict {
        let input = DecisionInput(
            record: member.record, remembered: nil, answer: batch.answer, links: member.links, hasSearched: true)
        guard let target = member.write?.target else {
            switch input.match() {
            case .none: return isOver(member) ? .ended(member, .unsent) : .anew(member)
            case .one(let known, _):
                var member = member
                member.isAdopted = true
                member.write?.target = known.id
                member.warnings.append(
                    Warning(
                        .adopted,
                        "The answer to its create was lost (\(batch.doubt?.reason ?? "")). It was found by its match keys "
                            + "as \(known.id)."))
                return verdict(on: member, found: known, batch)
            case .several(let ids):
                return .ended(
                    member,
                    .uncertain(
                        "\(batch.doubt?.reason ?? ""); its match keys fit several records by now: "
                            + ids.joined(separator: ", ")))
            }
        }
        guard let known = batch.answer.records[target] else {
            if isOver(member) { return .ended(member, .unsent) }
            guard member.record.row.givenID == nil else {
                return .ended(
                    member,
                    .refused([
                        Failure(
                            .upstream, .notFoundUpstream,
                            "The record was deleted while it was updated. Leave id out to create one.")
                    ]))
            }
            return .putBack(member)
        }
        return verdict(on: member, found: known, batch)
    }

    /// What is missing of it is written anew; when nothing is, its write was done.
    private func verdict(on member: Batch.Member, found known: KnownRecord, _ batch: Batch) -> Verdict {
        var member = member
        member.asOf = batch.readAt ?? now.wall
        if member.record.trustsLedger { member.known = known }
        member.unlinked = Self.unlinked(member, known: known)
        let data = member.record.plan.provider.returnsData ? known.source.compactText : []
        let fields = DecisionInput.missing(member, at: known)
        let isLinked = member.links.allSatisfy { known.links[$0.resource]?.contains($0.id) == true }
        let written = Batch.Member.Written(id: known.id, isNew: member.isAdopted, data: data)
        if fields.isEmpty && (isLinked || !member.unlinked.isEmpty) {
            if isLinked || isOver(member) {
                return .ended(member, .written(id: written.id, isNew: written.isNew, data: written.data))
            }
            member.written = written
            return .anew(member)
        }
        guard !isOver(member) else {
            // What is there is not what was to be written, and nothing more is sent.
            return member.isAdopted
                ? .ended(member, .written(id: written.id, isNew: true, data: written.data)) : .ended(member, .unsent)
        }
        member.write?.fields = fields
        return .anew(member)
    }
}

extension DecisionInput {
    /// Fields that a write was to set, and that are not so at the provider.
    static func missing(_ member: Batch.Member, at known: KnownRecord) -> [Int] {
        (member.write?.fields ?? []).filter { place in
            let field = member.record.fields[place]
            let current = known.fields[name: field.name]
            switch field.mode {
            case .doNotUpdate: return false
            case .setIfNotSet: return !field.value.isNull && isUnset(current)
            case .overwrite: return differs(field.value, current)
            }
        }
    }
}
