import JSON

/// How a member of a batch ended.
enum MemberEnd: Sendable {
    case written(id: String, isNew: Bool, data: [UInt8])
    case unchanged(KnownRecord)
    case refused([Failure])
    case uncertain(String)
    /// Its transfer was cancelled before it was sent.
    case unsent
    /// Left alone, as was asked for.
    case skipped
}

// Outcome, ledger, errors, counts and events of a batch: one commit, so that a crash leaves all of it or nothing.

extension PushMachine {
    /// - Parameters:
    ///   - intents: intents of what is still to be done, which share the commit (K6), and their batches.
    ///   - answered: the batch whose write has come to these ends; its intent is settled with them.
    ///   - emptyTransfer: a transfer without records, which completes by being accepted.
    ///   - unconfirmed: provider records whose confirmed state goes, unless an end says what it is now.
    mutating func settle(
        _ ends: [(Batch.Member, MemberEnd)], intents: [(row: IntentRow, batch: Int64)] = [], answered: Batch? = nil,
        emptyTransfer: Int64? = nil, unconfirmed: Unconfirmed? = nil
    ) {
        var rows = SettledRows()
        var pending = PendingCommit(intentsOf: intents.map(\.batch), answered: answered, unconfirmed: unconfirmed)
        observedEnds?.append(contentsOf: ends)
        rows.reserve(ends.count)
        pending.finished.reserveCapacity(ends.count)
        // Records of one transfer follow one another: its tracker is out of the table for as long as they do, for else
        // it would be copied with each of them.
        var tracker: TransferTracker?
        for (member, decided) in ends {
            let record = member.record
            let sequence = record.place.transfer
            if tracker?.row.sequence != sequence {
                if let tracker { trackers[tracker.row.sequence] = tracker }
                tracker = trackers.removeValue(forKey: sequence)
                if tracker?.isDropped == false { rows.touched.insert(sequence) }
            }
            let end = Self.asGivenUp(decided, tracker)
            let outcome = outcome(of: member, end)
            pending.finished.append((record, outcome))
            if let row = confirmedRow(member, end) { rows.confirmed.append(row) }
            // What is only known from the ledger tells it nothing new.
            let isTold = member.confirmed != nil && member.remembered == outcome.providerID
            if let id = record.row.internalID, let providerID = outcome.providerID, outcome.kind.isWritten, !isTold {
                rows.ledger.append(
                    LedgerRow(
                        account: record.plan.account, namespace: record.plan.namespace,
                        resource: record.schema.resource.name, internalID: id, providerID: providerID,
                        confirmed: now.wall))
            }
            guard tracker?.isDropped == false else { continue }
            if let row = tracker?.row { noteDoubt(member, end, of: row) }
            let failure = Self.failure(of: end)
            tracker?.finish(record.row, outcome, errors: failure == nil ? 0 : 1)
            rows.outcomes.append(outcome)
            if outcome.kind.isWritten && tracker?.row.life.retryOf != nil { rows.retried.append(record.place) }
            if let failure, let row = tracker?.row {
                note(failure, record.row, schemaKey: record.schema.key, row, &rows)
            }
        }
        if let tracker { trackers[tracker.row.sequence] = tracker }
        if let emptyTransfer { rows.touched.insert(emptyTransfer) }
        for sequence in rows.touched.sorted() { advance(sequence, &rows) }
        pending.events = rows.events
        pending.advanced = rows.touched.sorted().compactMap { trackers[$0]?.row }
        var changes = rows.unconfirming(unconfirmed) + rows.changes
        if let answered { changes.append(.intentSettled(id: answered.intent, at: now.wall)) }
        for intent in intents { changes.append(.intent(intent.row)) }
        pending.aborted = abortDue(rows.touched.sorted(), &changes)
        forgetDropped(ends)
        if changes.isEmpty {
            var accounts: Set<AccountKey> = []
            finish(pending.finished, &accounts)
        } else {
            commit(changes, pending)
        }
    }

    /// What was not sent of a transfer that is given up is refused.
    private static func asGivenUp(_ end: MemberEnd, _ tracker: TransferTracker?) -> MemberEnd {
        guard case .unsent = end, let failure = tracker?.givenUp else { return end }
        return .refused([failure])
    }

    /// Ends records of a transfer that is cancelled or given up, and that no batch has.
    mutating func settleUnsent(_ records: [RecordRow], of sequence: Int64, _ schemaKeys: [String]) {
        var rows = SettledRows()
        var pending = PendingCommit()
        let failure = trackers[sequence]?.givenUp
        for record in records {
            let outcome = OutcomeRow(
                place: record.place, kind: failure == nil ? .unsent : .refused, providerID: nil, data: [],
                finished: now.wall)
            trackers[sequence]?.finish(record, outcome, errors: failure == nil ? 0 : 1)
            rows.outcomes.append(outcome)
            guard let failure, let row = trackers[sequence]?.row else { continue }
            let key = schemaKeys.indices.contains(Int(record.schema)) ? schemaKeys[Int(record.schema)] : row.schemaKey
            note(failure, record, schemaKey: key, row, &rows)
        }
        advance(sequence, &rows)
        pending.swept = records
        pending.events = rows.events
        pending.advanced = [trackers[sequence]?.row].compactMap { $0 }
        commit(rows.changes, pending)
    }

    /// The ends of these records are on disk.
    mutating func finishSwept(_ records: [RecordRow]) {
        guard let sequence = records.first?.place.transfer, let account = trackers[sequence]?.row.account else {
            return
        }
        lanes[account]?.end(records.lazy.map(\.place), .outcomeCommitted)
    }

    private struct SettledRows {
        var outcomes: [OutcomeRow] = []
        var ledger: [LedgerRow] = []
        var confirmed: [ConfirmedRow] = []
        var errors: [ErrorRow] = []
        var events: [EventRow] = []
        var advanced: [Change] = []
        var touched: Set<Int64> = []
        /// Records of retries that stand at the provider now.
        var retried: [RecordPlace] = []

        mutating func reserve(_ count: Int) {
            outcomes.reserveCapacity(count)
            ledger.reserveCapacity(count)
        }

        var changes: [Change] {
            var changes: [Change] = []
            if !outcomes.isEmpty { changes.append(.outcomes(outcomes)) }
            if !ledger.isEmpty { changes.append(.ledger(ledger)) }
            if !confirmed.isEmpty { changes.append(.confirmed(confirmed)) }
            if !errors.isEmpty { changes.append(.errors(errors)) }
            if !retried.isEmpty { changes.append(.retriesWritten(retried)) }
            changes += advanced
            if !events.isEmpty { changes.append(.events(events)) }
            return changes
        }

        func unconfirming(_ unconfirmed: Unconfirmed?) -> [Change] {
            guard let unconfirmed else { return [] }
            let ids = unconfirmed.ids.subtracting(confirmed.map(\.providerID)).sorted()
            return ids.isEmpty ? [] : [.unconfirmed(unconfirmed.account, resource: unconfirmed.resource, ids: ids)]
        }
    }

    /// The state that a record of a transfer that goes by the ledger is known to be in now.
    private func confirmedRow(_ member: Batch.Member, _ end: MemberEnd) -> ConfirmedRow? {
        let record = member.record
        guard record.trustsLedger, member.confirmed == nil else { return nil }
        let (id, state): (String, [UInt8]?)
        switch end {
        case .unchanged(let known): (id, state) = (known.id, ConfirmedState.text(read: known, record))
        case .written(let written, _, let data): (id, state) = (written, ConfirmedState.text(written: data, member))
        case .refused, .uncertain, .unsent, .skipped: return nil
        }
        return state.map {
            ConfirmedRow(
                account: record.plan.account, resource: record.schema.resource.name, providerID: id,
                confirmed: member.asOf, state: $0)
        }
    }

    private func outcome(of member: Batch.Member, _ end: MemberEnd) -> OutcomeRow {
        let provider = member.record.plan.provider
        var kind = OutcomeKind.refused
        var providerID: String?
        var data: [UInt8] = []
        var basis: OutcomeRow.Basis?
        switch end {
        case .written(let id, let isNew, let returned):
            (kind, providerID, data) = (isNew ? .created : .updated, id, returned)
        case .unchanged(let known):
            (kind, providerID) = (.unchanged, known.id)
            basis = OutcomeRow.Basis(member.confirmed == nil ? .verify : .ledger, asOf: member.asOf)
            data = provider.returnsData ? known.source.compactText : []
        case .refused: kind = .refused
        case .uncertain: kind = .uncertain
        case .unsent, .skipped: kind = .unsent
        }
        return OutcomeRow(
            place: member.record.place, kind: kind, providerID: providerID, data: data, basis: basis,
            warnings: Warning.text(member.warnings), finished: now.wall, decision: member.decision)
    }

    /// One entry a record: all that is wrong with it in one text.
    private static func failure(of end: MemberEnd) -> Failure? {
        switch end {
        case .written, .unchanged, .unsent, .skipped: return nil
        case .refused(let failures):
            guard var first = failures.first else { return Failure(.internal, .fault, "Refused without a reason.") }
            first.text = failures.map(\.text).joined(separator: "\n")
            return first
        case .uncertain(let reason):
            return Failure(
                .upstream, .outcomeUnknown,
                "The request was sent, but its outcome is unknown (\(reason)). Look at the provider before pushing again."
            )
        }
    }

    private mutating func note(
        _ failure: Failure, _ record: RecordRow, schemaKey: String, _ transfer: TransferRow, _ rows: inout SettledRows
    ) {
        lastError += 1
        let error = ErrorRow(
            sequence: lastError,
            id: errorIDs.next(milliseconds: now.wall, chance: UInt32(truncatingIfNeeded: now.chance)),
            session: transfer.session, transfer: transfer.sequence, transferID: transfer.id,
            ordinal: record.place.ordinal, index: record.index, internalID: record.internalID, schemaKey: schemaKey,
            failure: failure, time: now.wall)
        rows.errors.append(error)
        rows.events.append(event(.error, transfer, hasErrors: true, error: error.sequence))
    }

    /// Pages that are whole, and completion.
    private mutating func advance(_ sequence: Int64, _ rows: inout SettledRows) {
        guard var tracker = trackers[sequence] else { return }
        var ranges = tracker.publishable()
        let isCompleted = tracker.completeIfDone(at: now.wall)
        if isCompleted && tracker.row.records == 0 && !tracker.row.life.isSample { ranges = [0..<0] }
        let row = tracker.row
        let hasErrors = row.counts.errors > 0
        for (place, range) in ranges.enumerated() {
            rows.events.append(
                event(
                    .data, row, range: range, isCompleted: isCompleted && place == ranges.count - 1,
                    hasErrors: hasErrors))
        }
        if isCompleted {
            rows.events.append(
                event(.completed, row, isCompleted: true, hasErrors: hasErrors, counts: row.counts))
        }
        trackers[sequence] = tracker
        rows.advanced.append(
            .transferAdvanced(
                sequence: sequence, counts: row.counts, published: row.published, completed: row.completed))
    }

    private mutating func event(
        _ kind: EventRow.Kind, _ transfer: TransferRow, range: Range<Int32> = 0..<0, isCompleted: Bool = false,
        hasErrors: Bool, error: Int64? = nil, counts: TransferCounts? = nil
    ) -> EventRow {
        lastEvent += 1
        return EventRow(
            sequence: lastEvent, time: now.wall, kind: kind, session: transfer.session, transfer: transfer.sequence,
            transferID: transfer.id, schemaKey: transfer.schemaKey, first: range.lowerBound, end: range.upperBound,
            isCompleted: isCompleted, hasErrors: hasErrors, error: error, counts: counts)
    }

    /// A dropped transfer is forgotten when nothing of it is under way any more.
    private mutating func forgetDropped(_ ends: [(Batch.Member, MemberEnd)]) {
        for sequence in Set(ends.map(\.0.record.place.transfer)).sorted() where trackers[sequence]?.isDropped == true {
            let isUnderWay = batches.values.contains { $0.members.contains { $0.record.place.transfer == sequence } }
            if !isUnderWay { trackers[sequence] = nil }
        }
    }
}
