// What the machine knows of a record while it is under way, and for whom its requests are.

/// Where a record stands that has no outcome on disk yet.
package struct RecordStanding: Sendable {
    package enum Stage: String, Sendable, CaseIterable {
        /// Behind the window of its account, or of a transfer whose turn has not come.
        case queued
        /// For its children, for an earlier version of the same record, or for its batch.
        case waiting
        case identifying
        case sending
        /// Its request could not be carried out, and is tried again later.
        case deferred
        /// Its outcome is on its way to disk.
        case settling
    }

    package var stage = Stage.queued
    /// Of `deferred`: nanoseconds of the monotonic clock.
    package var until: UInt64?
    /// The batch's current try.
    package var attempt: Int32 = 0
    package var reason: DecisionReason?
    /// What is being written: nil when nothing is, or not yet.
    package var write: (target: String?, fields: [Int])?
}

extension PushMachine {
    package func standing(of place: RecordPlace, account: AccountKey) -> RecordStanding {
        var standing = RecordStanding()
        guard let entry = lanes[account]?.entries[place] else { return standing }
        switch entry.state {
        case .waiting: standing.stage = .waiting
        case .identifying: standing.stage = .identifying
        case .intending, .exchanging: standing.stage = .sending
        case .settling, .finished: standing.stage = .settling
        }
        for id in batches.keys.sorted() {
            guard let batch = batches[id], batch.account == account,
                let member = batch.members.first(where: { $0.record.place == place })
            else { continue }
            standing.attempt = batch.attempt
            standing.reason = member.decision
            standing.write = member.write.map { ($0.target, $0.fields) }
            if case .waiting(let until, _) = batch.stage { (standing.stage, standing.until) = (.deferred, until) }
        }
        return standing
    }

    /// For whom the look-up of a batch is that was just ordered.
    ///
    /// - Parameter detailed: its exchanges may each concern some of them only.
    package func matter(ofLookUp id: Int64, resource: String, detailed: Bool) -> ExchangeMatter {
        var matter = ExchangeMatter(resource: resource)
        guard let batch = batches[id] else { return matter }
        matter.attempt = batch.attempt
        for (place, member) in batch.members.enumerated()
        where !member.isAnswered && member.record.refusals.isEmpty && member.confirmed == nil {
            var record = ExchangeMatter.Record(place: member.record.place, trace: place)
            if detailed {
                // In doubt it is asked what became of the write.
                record.id =
                    batch.purpose == .doubt
                    ? member.write?.target : member.record.row.givenID ?? (member.hasSearched ? nil : member.remembered)
                if record.id == nil { record.searches = DecisionInput.searches(for: member.record) }
            }
            matter.records.append(record)
        }
        return matter
    }

    /// For whom the write of a batch is, or the links that follow it.
    package func matter(ofWrite id: Int64, resource: String) -> ExchangeMatter {
        var matter = ExchangeMatter(resource: resource)
        guard let batch = batches[id] else { return matter }
        (matter.attempt, matter.intent) = (batch.attempt, batch.intent)
        for (place, member) in batch.members.enumerated() where member.write != nil || member.written != nil {
            matter.records.append(
                ExchangeMatter.Record(
                    place: member.record.place, trace: place, id: member.written?.id ?? member.write?.target))
        }
        return matter
    }
}
