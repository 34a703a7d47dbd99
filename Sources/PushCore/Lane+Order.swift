// Theory of operation.
//
// Conflict keys are made of what was pushed. A record that goes by its internal id and one that goes by an e-mail have
// none in common, and may be one record at the provider all the same. As long as each record is sent as soon as its turn
// comes, the later one finds the earlier one done or under way (`Flow.targets`). But an earlier one may be waiting: for its
// children, or for another record. So whoever has found its record of the provider looks whether somebody waits who goes
// by anything of that record: its id, one of its match keys as the provider holds them, or an internal id that is
// remembered for it. It goes behind the last one of these.

extension Lane {
    /// Place in the order of acceptance of the first record of a resource that is in no batch; nil when it comes after
    /// all that are in one. Searched for only when something may stand out of line: records that have to wait, that came
    /// back, or that go into other batches.
    func firstWaiting(_ resource: String) -> Int? {
        guard held[resource] ?? 0 > 0 || flows[resource]?.isOutOfLine == true else { return nil }
        return entries.values.lazy.filter { $0.state == .waiting && $0.key.resource == resource }.map(\.number).min()
    }

    /// Puts a record that has turned out to be one of the provider's behind an earlier one that may turn out to be the same.
    ///
    /// - Parameter internalIDs: those that are remembered for the provider's record.
    /// - Returns: false when there is none, and nothing was done.
    mutating func standBehind(_ record: PreparedRecord, is known: KnownRecord, _ internalIDs: Set<String>) -> Bool {
        guard let number = entries[record.place]?.number else { return false }
        let keys = ConflictKeys(
            known, record.schema.resource, namespace: record.plan.namespace, internalIDs: internalIDs)
        var earlier: [RecordPlace] = []
        for key in keys.strong { earlier += holders[key]?.places ?? [] }
        if let name = keys.name {
            let others = namesakes[name]?.places ?? []
            earlier += others.filter { entries[$0]?.conflicts.isToldApart(from: keys) == false }
        }
        var last: (number: Int, place: RecordPlace)?
        for place in earlier {
            guard let other = entries[place], other.state == .waiting, other.number < number else { continue }
            if other.number > last?.number ?? 0 { last = (other.number, place) }
        }
        guard let last else { return false }
        follow(record.place, last.place)
        advance(record.place, .putBack)
        return true
    }
}

extension PushMachine {
    /// Members with a record of the provider that come after one which waits.
    func behindWaiting(_ batch: Batch, _ decisions: [Decision]) -> Set<RecordPlace> {
        guard let lane = lanes[batch.account], let first = lane.firstWaiting(batch.key.resource) else { return [] }
        var places: Set<RecordPlace> = []
        for (member, decision) in zip(batch.members, decisions) where decision.target != nil {
            if lane.entries[member.record.place]?.number ?? 0 > first { places.insert(member.record.place) }
        }
        return places
    }
}
