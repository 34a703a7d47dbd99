// What is done with the intents that were open at a start.

extension PushMachine {
    mutating func recover(_ intent: IntentRow, _ plan: StoredPlan, _ records: [PreparedRecord]) {
        lastBatch += 1
        var batch = Batch(
            id: lastBatch, account: intent.account,
            key: Lane.BatchKey(resource: intent.resource, namespace: plan.namespace), began: now.monotonic, members: [])
        let items = plan.items.sorted { $0.trace < $1.trace }
        for item in items {
            guard let record = records.first(where: { $0.place == item.place }) else { continue }
            // A batch keeps traces as places: records that were settled without a write leave gaps, which are filled.
            while plan.purpose == .write && batch.members.count < item.trace {
                batch.members.append(Batch.Member(record: record))
            }
            var member = Batch.Member(record: record, hasSearched: true, warnings: item.warnings)
            (member.written, member.unlinked, member.isAdopted) = (item.written, item.unlinked, item.isAdopted)
            member.write = Batch.Member.Write(target: item.target, fields: item.fields)
            member.reason = item.reason
            member.links = links(of: record, record.children, warnings: &member.warnings)
            member.warnings = item.warnings
            // The provider may give the answer that it gave to the first attempt.
            member.asOf = intent.created
            batch.members.append(member)
            lanes[intent.account, default: Lane()].admitRecovered(record)
            lanes[intent.account]?.advance(record.place, .recovered)
        }
        batch.intent = intent.id
        batch.isRecovered = true
        batch.purpose = plan.purpose
        batch.attempt = intent.attempt + 1
        batch.stage = .exchanging
        batch.mayHaveBeenSent = true
        batches[batch.id] = batch
        lanes[intent.account, default: Lane()].beginRecovering(batch.key)
        guard batch.mayRepeat && plan.purpose == .write else {
            recoveredInDoubt.append(batch.id)
            return
        }
        send(batch.id, .write)
    }

    /// At start, when all transfers are known: what was under way is looked for, or ends as uncertain; what is only to be
    /// linked is linked.
    mutating func goOnAfterStart() {
        for id in recoveredInDoubt {
            if batches[id]?.purpose == .link {
                sendLinks(id)
            } else {
                batches[id]?.members.removeAll { $0.write == nil }
                doubt(id, "the gateway was stopped before an answer came")
            }
        }
        recoveredInDoubt = []
    }
}
