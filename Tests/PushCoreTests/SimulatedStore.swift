import PushCore

/// A store in memory: what was committed survives a crash of the house, nothing else does.
struct SimulatedStore {
    private(set) var transfers: [Int64: TransferRow] = [:]
    private(set) var accepted: Set<Int64> = []
    private(set) var records: [RecordPlace: RecordRow] = [:]
    private(set) var outcomes: [RecordPlace: OutcomeRow] = [:]
    private(set) var intents: [Int64: IntentRow] = [:]
    private(set) var ledger: [String: String] = [:]
    private(set) var confirmed: [String: ConfirmedRow] = [:]
    private(set) var errors: [ErrorRow] = []
    private(set) var events: [EventRow] = []
    private(set) var pauses: [AccountKey: PauseRow] = [:]
    /// Violations of what a store may be asked to keep.
    private(set) var complaints: [String] = []

    mutating func apply(_ changes: [Change]) {
        for change in changes { apply(change) }
    }

    private mutating func apply(_ change: Change) {
        switch change {
        case .transferBegun(let row): transfers[row.sequence] = row
        case .records(let rows): for row in rows { records[row.place] = row }
        case .transferAccepted(let sequence): accepted.insert(sequence)
        case .transferCancelled(let sequence, let time):
            if let row = transfers[sequence], row.completed == nil, row.life.cancelled == nil {
                transfers[sequence]?.life.cancelled = time
            }
        case .transferAdvanced(let sequence, let counts, let published, let completed):
            transfers[sequence]?.counts = counts
            transfers[sequence]?.published = published
            if transfers[sequence]?.completed != nil { complaints.append("transfer \(sequence) completed twice") }
            transfers[sequence]?.completed = completed
        case .intent(let row): intents[row.id] = row
        case .intentSettled(let id, let time):
            if intents[id] == nil { complaints.append("intent \(id) settled but never stored") }
            intents[id]?.settled = time
        case .outcomes(let rows):
            for row in rows {
                if outcomes[row.place] != nil { complaints.append("two outcomes of \(row.place)") }
                outcomes[row.place] = row
            }
        case .ledger(let rows):
            for row in rows { ledger[Self.key(row.namespace, row.resource, row.internalID)] = row.providerID }
        case .errors(let rows): errors += rows
        case .events(let rows): events += rows
        case .confirmed(let rows):
            for row in rows { confirmed[Self.key("", row.resource, row.providerID)] = row }
        case .unconfirmed(_, let resource, let ids):
            for id in ids { confirmed[Self.key("", resource, id)] = nil }
        case .identities(let rows, let replaces):
            for row in rows {
                let key = Self.key(row.namespace, row.resource, row.internalID)
                if replaces || ledger[key] == nil { ledger[key] = row.providerID }
            }
        case .part, .partsDropped, .partsExpired, .transferSized, .retryShifts, .retriesWritten, .errorsResolved,
            .outcomesReplaced, .examples:
            complaints.append("the machine does not order \(change)")
        case .session, .sessionDeleted, .consumer, .trim, .credential, .credentialRemoved, .authenticationResolved:
            break
        case .paused(let row): pauses[row.account] = row
        case .resumed(let account): pauses[account] = nil
        case .transferAborted(let sequence, let time):
            transfers[sequence]?.life.cancelled = time
            transfers[sequence]?.life.isAborted = true
        case .exchanges, .trimExchanges: break
        case .planBegun, .planned, .planReady, .planApplied, .planDropped: break
        case .deliveries, .deliveryProgressed, .deliveriesReplayed, .webhookSecrets: break
        }
    }

    static func key(_ namespace: String, _ resource: String, _ id: String) -> String {
        "\(namespace)|\(resource)|\(id)"
    }

    func known(_ scope: LedgerScope, _ resource: String, _ ids: [String]) -> [String: String] {
        var known: [String: String] = [:]
        for id in ids { known[id] = ledger[Self.key(scope.namespace, resource, id)] }
        return known
    }

    func confirmed(_ resource: String, _ ids: [String]) -> [ConfirmedRow] {
        ids.compactMap { confirmed[Self.key("", resource, $0)] }
    }

    func holders(_ scope: LedgerScope, _ resource: String, _ ids: [String]) -> [String: [String]] {
        var holders: [String: [String]] = [:]
        let before = Self.key(scope.namespace, resource, "")
        for (key, id) in ledger.sorted(by: { $0.key < $1.key }) where key.hasPrefix(before) && ids.contains(id) {
            holders[id, default: []].append(String(key.dropFirst(before.count)))
        }
        return holders
    }

    var openTransfers: [TransferRow] {
        accepted.sorted().compactMap { transfers[$0] }.filter { $0.completed == nil }
    }

    var openIntents: [IntentRow] { intents.values.filter { $0.settled == nil }.sorted { $0.id < $1.id } }

    func unfinished(_ transfer: Int64, after: Int32, limit: Int) -> (rows: [ResultRow], isLast: Bool) {
        let all = records.values.filter {
            $0.place.transfer == transfer && $0.place.ordinal > after && outcomes[$0.place] == nil
        }.sorted { $0.place < $1.place }
        let rows = all.prefix(limit).map { ResultRow(record: $0, outcome: nil, children: children(of: $0)) }
        return (rows, all.count <= limit)
    }

    func children(of row: RecordRow) -> [ResultRow.Child] {
        records.values.filter { $0.place.transfer == row.place.transfer && $0.parent == row.place.ordinal }
            .sorted { $0.place < $1.place }
            .map {
                let outcome = outcomes[$0.place]
                return ResultRow.Child(
                    ordinal: $0.place.ordinal, schema: $0.schema, kind: outcome?.kind, providerID: outcome?.providerID)
            }
    }

    /// As the gateway finds them at a start.
    func doubts(_ plan: SessionPlan) -> [IdentityDoubt] {
        errors.compactMap { error in
            guard error.code == "outcome_unknown", let internalID = error.internalID,
                let schema = plan.schemas.first(where: { $0.key == error.schemaKey })
            else { return nil }
            return IdentityDoubt(
                key: IdentityDoubt.Key(
                    account: plan.account, namespace: plan.namespace, resource: schema.resource.name,
                    internalID: internalID),
                place: RecordPlace(transfer: error.transfer, ordinal: error.ordinal), transferID: error.transferID,
                session: error.session)
        }
    }

    func finished(_ transfer: Int64, from index: Int32) -> [FinishedRecord] {
        outcomes.values.compactMap { outcome in
            guard outcome.place.transfer == transfer, let row = records[outcome.place], row.parent < 0,
                row.index >= index
            else { return nil }
            return FinishedRecord(index: row.index, bytes: Int32(outcome.data.count), kind: outcome.kind)
        }
    }
}
