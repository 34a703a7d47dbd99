// Which batches of a resource may be under way together; see the theory of operation in Lane.swift.

/// What is under way for one resource.
struct Flow: Sendable {
    /// Batches that were decided and wait for their intent, their answer or another try.
    static let writingCeiling = 3

    /// A batch finds out who its records are.
    var isIdentifying = false
    var writing = 0
    /// Batches of open intents found at start. What they change is not known in full, so nothing begins beside them.
    var recovering = 0
    /// Provider records that are about to change, until the outcome is on disk, with the records that wait for that.
    var targets: [String: [RecordPlace]] = [:]
    /// Provider records that were changed since the batch that identifies was planned: what it was told of them may be
    /// of before or of after.
    var changed: Set<String> = []
    /// Records earlier than those of the batch that identifies may be in no batch, and wait for nobody (`Lane+Order`).
    var isOutOfLine = false

    /// - Parameter isFull: as many records are ready as a batch can take. With fewer, waiting for the batches under way
    ///   makes a larger batch, and fewer flushes, of what arrives meanwhile.
    func mayBegin(isFull: Bool) -> Bool {
        guard !isIdentifying, recovering == 0 else { return false }
        return writing == 0 || (isFull && writing < Self.writingCeiling)
    }
}

extension Lane {
    /// A batch was planned.
    mutating func begin(_ key: BatchKey, _ records: [PreparedRecord]) {
        flows[key.resource, default: Flow()].isIdentifying = true
        flows[key.resource]?.changed = []
        let isOutOfLine = held[key.resource] ?? 0 > 0 || isShared(key)
        flows[key.resource]?.isOutOfLine = isOutOfLine
        advance(records.lazy.map(\.place), .planned)
    }

    /// A batch of an open intent is sent again.
    mutating func beginRecovering(_ key: BatchKey) { flows[key.resource, default: Flow()].recovering += 1 }

    /// A batch knows what it writes: the next one may begin.
    mutating func decided(_ key: BatchKey, writes members: [Batch.Member]) {
        flows[key.resource]?.isIdentifying = false
        flows[key.resource]?.writing += 1
        // Where batches go one after the other, a later one sees the answer of an earlier one.
        guard !gathersBatches else { return }
        for member in members {
            if let target = member.write?.target { flows[key.resource]?.targets[target] = [] }
        }
    }

    /// A batch has nothing to write.
    mutating func settled(_ key: BatchKey) { flows[key.resource]?.isIdentifying = false }

    /// A batch was answered, or given up.
    mutating func answered(_ batch: Batch) {
        if batch.isRecovered {
            flows[batch.key.resource]?.recovering -= 1
        } else {
            flows[batch.key.resource]?.writing -= 1
        }
    }

    /// The outcomes of a batch are on disk: what it changed can be looked at again. Not sooner, because the next version
    /// of each of its records becomes ready at the same moment, and of all that lead to one provider record the one that
    /// was pushed first is to be written first.
    mutating func letGo(_ batch: Batch) {
        guard !batch.isRecovered else { return }
        let resource = batch.key.resource
        for member in batch.members {
            guard let target = member.write?.target else { continue }
            if flows[resource]?.isIdentifying == true { flows[resource]?.changed.insert(target) }
            for place in flows[resource]?.targets.removeValue(forKey: target) ?? [] { unblock(place) }
        }
    }

    /// Puts those members of a batch back that have come upon a provider record which an earlier batch is changing, or
    /// has changed meanwhile. Not those of a cancelled transfer: the sweep may have passed them, and they are ended where
    /// the batch is decided.
    mutating func stepAside(_ batch: inout Batch) {
        guard let flow = flows[batch.key.resource], !flow.targets.isEmpty || !flow.changed.isEmpty else { return }
        let answer = batch.answer
        var members = batch.members
        members.removeAll { member in
            guard !cancelled.contains(member.record.place.transfer) else { return false }
            let ids = member.mayConcern(answer)
            if let target = ids.first(where: { flow.targets[$0] != nil }) {
                flows[batch.key.resource]?.targets[target]?.append(member.record.place)
                block(member.record.place)
            } else if !ids.contains(where: flow.changed.contains) {
                return false
            }
            advance(member.record.place, .putBack)
            return true
        }
        batch.keep(members)
    }
}

extension Batch.Member {
    /// Provider records that it may turn out to be, as far as was asked.
    fileprivate func mayConcern(_ answer: LookupAnswer) -> [String] {
        var ids = [record.row.givenID, remembered].compactMap { $0 }
        guard record.row.givenID == nil else { return ids }
        for search in DecisionInput.searches(for: record) { ids += answer.found[search] ?? [] }
        return ids
    }
}
