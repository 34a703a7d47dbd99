// Theory of operation.
//
// One request may leave several things to be done: a write that creates and updates at a provider that takes one of these
// at a time, links that are made after the records, records whose answer was lost, halves of a write that was refused
// because of somebody in it. Each of these is a part: a batch of its own with an intent of its own. The intent of what was
// answered is settled, what has ended is told, and the intents of all parts are stored in one commit. So a restart finds
// for each record exactly one open intent, or its outcome, and the intent says what its request was for.

extension PushMachine {
    /// A batch of some of another's members, for the next request about them. Its intent goes to disk with `goOn`.
    mutating func part(of batch: Batch, _ members: [Batch.Member], _ purpose: Batch.Purpose) -> Batch {
        lastBatch += 1
        lastIntent += 1
        var part = Batch(id: lastBatch, account: batch.account, key: batch.key, began: batch.began, members: members)
        part.intent = lastIntent
        part.purpose = purpose
        part.stage = .committingIntent
        part.isRecovered = batch.isRecovered
        part.readAt = batch.readAt
        part.answer = batch.answer
        part.doubt = batch.doubt
        // One that was asked and is asked again counts its attempts on.
        part.attempt = purpose == .link ? 1 : batch.attempt
        return part
    }

    func intentRow(_ batch: Batch) -> IntentRow {
        IntentRow(
            id: batch.intent, account: batch.account, resource: batch.key.resource, created: now.wall, attempt: 1,
            plan: batch.planText())
    }

    /// An exchange is over: outcomes, the end of its intent and the intents of what is still to be done, in one commit.
    /// The batch has been released.
    mutating func goOn(_ batch: Batch, _ ends: [(Batch.Member, MemberEnd)], _ parts: [Batch]) {
        let account = batch.account
        endPart(batch)
        lanes[account]?.advance(ends.lazy.map(\.0.record.place), .answered)
        var left: Set<RecordPlace> = []
        for part in parts {
            let places = part.members.map(\.record.place)
            lanes[account]?.advance(places, .decidedAnew)
            lanes[account]?.goesOn(part)
            left.formUnion(places)
            batches[part.id] = part
        }
        // What is still to be written stays a target.
        var over = batch
        over.members.removeAll { left.contains($0.record.place) }
        settle(
            ends, intents: parts.map { (intentRow($0), $0.id) }, answered: over,
            unconfirmed: Unconfirmed(account: account, resource: batch.key.resource, ids: Self.adopted(ends)))
        plan(account)
    }

    /// Leaves in a batch what its first request is for, and gives the parts for the others.
    mutating func divide(_ batch: inout Batch) -> [Batch] {
        guard let provider = batch.members.first?.record.plan.provider, provider.splitsWrites || provider.linksAfter
        else { return [] }
        let groups = groups(batch.members)
        var parts: [Batch] = []
        for group in groups.dropFirst() {
            let part = part(of: batch, group.members, group.purpose)
            lanes[batch.account]?.goesOn(part)
            parts.append(part)
        }
        (batch.members, batch.purpose) = groups[0]
        return parts
    }

    /// The members to be written, as the provider takes them: in one write, or creates and updates apart, and those apart
    /// that are only to be linked.
    func groups(_ members: [Batch.Member]) -> [(members: [Batch.Member], purpose: Batch.Purpose)] {
        guard let provider = members.first?.record.plan.provider, provider.splitsWrites || provider.linksAfter else {
            return [(members, .write)]
        }
        var (creates, updates, linked): ([Batch.Member], [Batch.Member], [Batch.Member]) = ([], [], [])
        for member in members {
            if member.written != nil {
                linked.append(member)
            } else if provider.splitsWrites && member.write?.target == nil {
                creates.append(member)
            } else {
                updates.append(member)
            }
        }
        return [(creates, .write), (updates, .write), (linked, .link)].filter { !$0.0.isEmpty }
    }

    /// True when nothing more is to be sent for it: its transfer was cancelled, or its session is gone.
    func isOver(_ member: Batch.Member) -> Bool {
        guard let tracker = trackers[member.record.place.transfer] else { return true }
        return tracker.isDropped || tracker.isCancelled
    }
}

extension Lane {
    /// A part of a batch goes on.
    mutating func goesOn(_ part: Batch) {
        guard !part.isRecovered else { return beginRecovering(part.key) }
        flows[part.key.resource, default: Flow()].writing += 1
        guard !gathersBatches else { return }
        for member in part.members {
            guard let target = member.write?.target, flows[part.key.resource]?.targets[target] == nil else { continue }
            flows[part.key.resource]?.targets[target] = []
        }
    }
}
