// Theory of operation.
//
// The machine is the whole gateway's judgement about pushing: what may be sent now, as what, and what follows from an
// answer. Facts go in, effects come out, and nothing else happens: no clock, no socket, no disk. Whoever drives it
// carries the effects out in order and reports back with facts.
//
// The one rule that everything hangs on: an effect that the world can see (`write`) is ordered only after the fact that
// its intent is on disk, and what is told to callers (`published`, `completed`) only after the fact that its outcome is.

/// What happened.
package enum Fact: Sendable {
    /// A transfer found unfinished at start; `finished` as asked by `Query.finishedFrom`.
    case resumed(TransferRow, finished: [FinishedRecord])
    /// An open intent found at start, with the prepared records of its plan, in the order of the plan.
    case recovered(IntentRow, StoredPlan, [PreparedRecord])
    /// Creates of earlier runs whose outcome is unknown, and that nobody has dealt with.
    case inDoubt([IdentityDoubt])
    /// It is on disk that these records are dealt with.
    case resolved([RecordPlace])
    /// All that a start has to tell has been told.
    case started
    /// A transfer is on disk. `records` if they are at hand and `hasRoom` said so, else nil: they are read when due.
    case accepted(TransferRow, records: [PreparedRecord]?)
    /// The answer to `admit`, or a part of it that more parts follow; `isLast`: the transfer has no record after these.
    case admitted(AccountKey, transfer: Int64, [PreparedRecord], isLast: Bool, moreFollow: Bool)
    case ledgerRead(batch: Int64, [String: String])
    case confirmedRead(batch: Int64, ConfirmedAnswer)
    /// Internal ids that are remembered for provider records, by the latter.
    case holdersRead(batch: Int64, [String: [String]])
    case lookedUp(batch: Int64, Reply<LookupAnswer>)
    case written(batch: Int64, Reply<WriteAnswer>)
    case linked(batch: Int64, Reply<LinkAnswer>)
    /// A commit that was ordered is on disk.
    case committed(CommitToken)
    /// The time of `wake` has come.
    case woke(AccountKey)
    /// The session is gone: what was not sent is not sent.
    case sessionDeleted(Identifier)
    /// It is on disk that this transfer was cancelled.
    case cancelled(transfer: Int64, at: Int64)
    /// The answer to `sweep`, with the schema keys of the transfer's session in their order; `isLast`: the transfer has no
    /// unfinished record after these.
    case swept(transfer: Int64, [RecordRow], schemaKeys: [String] = [], isLast: Bool)
    /// Accounts that were paused when the gateway went down; told before everything else.
    case foundPaused([PauseRow])
    /// The account has other credentials, or its sessions other settings.
    case accountChanged(AccountKey)
}

/// What is to be done.
package enum Effect: Sendable {
    /// Read unfinished records, prepare them and report `admitted`.
    case admit(AccountKey, transfer: Int64, after: Int32, limit: Int)
    /// Read unfinished records of a cancelled transfer and report `swept`.
    case sweep(transfer: Int64, after: Int32, limit: Int)
    case readLedger(batch: Int64, LedgerScope, resource: String, internalIDs: [String])
    /// As `readLedger`, with the confirmed states of the records found and of those in `ids`.
    case readConfirmed(batch: Int64, LedgerScope, resource: String, internalIDs: [String], ids: [String])
    case readHolders(batch: Int64, LedgerScope, resource: String, ids: [String])
    case lookUp(batch: Int64, AccountKey, LookupRequest)
    case write(batch: Int64, AccountKey, WriteRequest)
    /// Only for providers that take links after records (`ProviderDescription.linksAfter`).
    case link(batch: Int64, AccountKey, LinkRequest)
    case commit([Change], CommitToken)
    /// Report `woke` at this time of the monotonic clock.
    case wake(AccountKey, at: UInt64)
    /// These events are on disk.
    case published([EventRow])
    /// Some of a transfer's records have ended, not all.
    case progressed(TransferRow)
    /// The last outcome of the transfer is on disk.
    case completed(TransferRow)
}

package struct CommitToken: Hashable, Sendable {
    let value: Int64
}

/// Judgement about all transfers of all accounts.
package struct PushMachine: Sendable {
    var trackers: [Int64: TransferTracker] = [:]
    var lanes: [AccountKey: Lane] = [:]
    var batches: [Int64: Batch] = [:]
    var commits: [Int64: PendingCommit] = [:]
    var errorIDs = IdentifierSource()
    var lastIntent: Int64
    var lastError: Int64
    var lastEvent: Int64
    var lastBatch: Int64 = 0
    private var lastCommit: Int64 = 0
    private var hasStarted = false
    /// Of accounts that have failed lately, are paused, or have had other credentials.
    var breakers: [AccountKey: Breaker] = [:]
    /// Nanoseconds between two probes of an account that is paused (K32).
    let probeWait: UInt64
    /// Batches of intents that were open at start and are not simply sent again: what they do depends on what else is told.
    var recoveredInDoubt: [Int64] = []
    var bisections: [Int64: Bisection] = [:]
    /// Creates that end as uncertain and that nobody has dealt with.
    package internal(set) var doubts: [IdentityDoubt.Key: IdentityDoubt] = [:]
    var effects: [Effect] = []
    /// Ends that were decided since they were last taken, for whoever plans; nil: nobody does.
    var observedEnds: [(Batch.Member, MemberEnd)]?
    /// The lanes of a plan gather (`Lane.gathersBatches`).
    var gathersBatches = false
    var now = Moment(wall: 0, monotonic: 0, chance: 0)
    /// The wall clock, but for the times that it was set back: since the start it has gone on at least as fast as the
    /// monotonic one (K36). Milliseconds since 1970.
    private(set) var steadyWall: Int64 = 0

    /// What follows when a commit is on disk.
    struct PendingCommit: Sendable {
        var intentsOf: [Int64] = []
        /// The batch whose write these outcomes come from.
        var answered: Batch?
        var finished: [(record: PreparedRecord, outcome: OutcomeRow)] = []
        /// Records of a cancelled transfer that were ended in a sweep.
        var swept: [RecordRow] = []
        var events: [EventRow] = []
        /// Transfers as they stand with this commit; the trackers may be further already.
        var advanced: [TransferRow] = []
        var unconfirmed: Unconfirmed?
        /// Transfers that their own rule has ended.
        var aborted: [Int64] = []
    }

    package init(
        lastIntent: Int64 = 0, lastError: Int64 = 0, lastEvent: Int64 = 0, probeWait: UInt64 = 10_000_000_000
    ) {
        self.probeWait = probeWait
        self.lastIntent = lastIntent
        self.lastError = lastError
        self.lastEvent = lastEvent
    }

    package mutating func handle(_ fact: Fact, at moment: Moment) -> [Effect] {
        let passed = moment.monotonic > now.monotonic ? (moment.monotonic - now.monotonic) / 1_000_000 : 0
        steadyWall = max(moment.wall, now.monotonic == 0 ? moment.wall : steadyWall + Int64(clamping: passed))
        now = moment
        take(fact)
        defer { effects = [] }
        return effects
    }

    private mutating func take(_ fact: Fact) {
        switch fact {
        case .resumed(let row, let finished):
            trackers[row.sequence] = TransferTracker(row, finished: finished)
            if row.life.cancelled != nil { return resumeCancelled(row) }
            lanes[row.account, default: Lane()].unread.append(Lane.Unread(transfer: row.sequence, after: -1))
        case .recovered(let intent, let plan, let records): recover(intent, plan, records)
        case .inDoubt(let found): takeUp(found)
        case .resolved(let places): forgetDoubts { places.contains($0.place) }
        case .started:
            hasStarted = true
            goOnAfterStart()
            for sequence in trackers.keys.sorted() {
                sweep(sequence)
                // It had no records, and went down between being accepted and completed.
                if trackers[sequence]?.row.allRecords == 0 { settle([], emptyTransfer: sequence) }
            }
            for account in lanes.keys.sorted() { plan(account) }
            startPaused()
        case .accepted(let row, let records): accept(row, records)
        case .admitted(let account, let transfer, let records, let isLast, let moreFollow):
            admit(account, transfer, records, isLast: isLast, moreFollow: moreFollow)
        case .ledgerRead(let batch, let known): ledgerRead(batch, known)
        case .confirmedRead(let batch, let answer): confirmedRead(batch, answer)
        case .holdersRead(let batch, let holders): holdersRead(batch, holders)
        case .lookedUp(let batch, let reply): lookedUp(batch, reply)
        case .written(let batch, let reply): written(batch, reply)
        case .linked(let batch, let reply): linked(batch, reply)
        case .committed(let token): committed(token)
        case .woke(let account): woke(account)
        case .sessionDeleted(let session): drop(session)
        case .cancelled(let transfer, let time): cancel(transfer, at: time)
        case .swept(let transfer, let rows, let keys, let isLast): swept(transfer, rows, keys, isLast: isLast)
        case .foundPaused(let rows): foundPaused(rows)
        case .accountChanged(let account): accountChanged(account)
        }
    }

    /// True when so many records of an account may be handed over with `accepted` instead of being read later.
    package func hasRoom(for account: AccountKey, records: Int) -> Bool {
        guard let lane = lanes[account] else { return records <= Lane.capacity }
        return lane.unread.isEmpty && lane.entries.count + records <= Lane.capacity
    }

    /// Transfers that have not completed.
    package var running: Int { trackers.count }
    /// The transfer as it stands now, ahead of the store by what is being committed; nil once completed and committed.
    package func transfer(_ sequence: Int64) -> TransferRow? { trackers[sequence]?.row }
    /// Open transfers of a session.
    package func hasOpenTransfers(session: Identifier) -> Bool {
        trackers.values.contains { $0.row.session == session }
    }
    /// Records that have not ended, of all accounts.
    package var queuedRecords: Int {
        trackers.values.reduce(0) { $0 + Int($1.row.allRecords - $1.row.counts.finishedAll) }
    }
    /// Sequence of the last event that was given out; it may not be on disk yet.
    package var latestEvent: Int64 { lastEvent }
    /// The sequence of an event that is committed by somebody else, before the next fact is handled.
    package mutating func takeEvent() -> Int64 {
        lastEvent += 1
        return lastEvent
    }

    // MARK: Accepting

    private mutating func accept(_ row: TransferRow, _ records: [PreparedRecord]?) {
        trackers[row.sequence] = TransferTracker(row)
        guard row.allRecords > 0 else {
            settle([], emptyTransfer: row.sequence)
            return
        }
        if let records {
            for record in records { lanes[row.account, default: Lane()].admit(record, orphans: []) }
        } else {
            lanes[row.account, default: Lane()].unread.append(Lane.Unread(transfer: row.sequence, after: -1))
        }
        acceptedPaused(row)
        plan(row.account)
    }

    private mutating func admit(
        _ account: AccountKey, _ transfer: Int64, _ records: [PreparedRecord], isLast: Bool, moreFollow: Bool
    ) {
        lanes[account]?.isReading = moreFollow
        guard let place = lanes[account]?.unread.firstIndex(where: { $0.transfer == transfer }) else {
            plan(account)
            return
        }
        for record in records {
            let orphans = trackers[transfer]?.orphans.removeValue(forKey: record.place.ordinal) ?? []
            lanes[account]?.admit(record, orphans: orphans)
        }
        if isLast {
            lanes[account]?.unread.remove(at: place)
        } else if let last = records.last {
            lanes[account]?.unread[place].after = last.place.ordinal
        }
        plan(account)
    }

    /// Fills the window and starts what can be started.
    mutating func plan(_ account: AccountKey) {
        guard hasStarted, lanes[account] != nil else { return }
        if gathersBatches { lanes[account]?.gathersBatches = true }
        guard let lane = lanes[account] else { return }
        if let next = lane.unread.first, !lane.isReading, lane.entries.count <= Lane.capacity / 2 {
            lanes[account]?.isReading = true
            effects.append(
                .admit(account, transfer: next.transfer, after: next.after, limit: Lane.capacity - lane.entries.count))
        }
        while mayBegin(account), let (key, taken) = lanes[account]?.takeBatch() {
            let records = leavingOutDropped(taken, account)
            guard !records.isEmpty else { continue }
            lastBatch += 1
            let batch = Batch(
                id: lastBatch, account: account, key: key, began: now.monotonic,
                members: records.map { Batch.Member(record: $0, links: [], warnings: $0.warnings, batch: lastBatch) })
            batches[batch.id] = batch
            lanes[account]?.begin(key, records)
            begun(batch.id, of: account)
            identify(batch.id)
        }
    }

    /// A record that was under way when its session went may have come back to wait: it is dropped now.
    private mutating func leavingOutDropped(_ records: [PreparedRecord], _ account: AccountKey) -> [PreparedRecord] {
        func isDropped(_ record: PreparedRecord) -> Bool { trackers[record.place.transfer]?.isDropped ?? true }
        guard records.contains(where: isDropped) else { return records }
        lanes[account]?.end(records.filter(isDropped).map(\.place), .dropped)
        return records.filter { !isDropped($0) }
    }

    // MARK: Commits

    mutating func commit(_ changes: [Change], _ pending: PendingCommit) {
        lastCommit += 1
        commits[lastCommit] = pending
        effects.append(.commit(changes, CommitToken(value: lastCommit)))
    }

    private mutating func committed(_ token: CommitToken) {
        guard let pending = commits.removeValue(forKey: token.value) else { return }
        if !pending.events.isEmpty { effects.append(.published(pending.events)) }
        var accounts: Set<AccountKey> = []
        finish(pending.finished, &accounts)
        if let batch = pending.answered {
            accounts.insert(batch.account)
            lanes[batch.account]?.letGo(batch)
        }
        finishSwept(pending.swept)
        for row in pending.advanced where trackers[row.sequence] != nil {
            accounts.insert(row.account)
            if row.completed != nil {
                forget(row)
                // All that was left of it at a start may have been in open intents: then it was never read.
                lanes[row.account]?.unread.removeAll { $0.transfer == row.sequence }
                effects.append(.completed(row))
            } else {
                effects.append(.progressed(row))
            }
        }
        if let swept = pending.swept.first { sweep(swept.place.transfer) }
        for sequence in pending.aborted { endCancelled(sequence) }
        for batch in pending.intentsOf { intentCommitted(batch) }
        for account in accounts.sorted() { plan(account) }
    }

    /// Records whose outcomes are durable. Those of one account follow one another: its lane is looked up once for them.
    mutating func finish(_ ended: [(record: PreparedRecord, outcome: OutcomeRow)], _ accounts: inout Set<AccountKey>) {
        var next = 0
        while next < ended.count {
            let account = ended[next].record.plan.account
            let first = next
            while next < ended.count, ended[next].record.plan.account == account { next += 1 }
            accounts.insert(account)
            lanes[account]?.end(ended[first..<next].lazy.map(\.record.place), .outcomeCommitted)
            for (record, outcome) in ended[first..<next] { tellParent(record, outcome) }
        }
    }

    private mutating func tellParent(_ record: PreparedRecord, _ outcome: OutcomeRow) {
        let isCancelled = trackers[record.place.transfer]?.isCancelled == true
        if isCancelled { trackers[record.place.transfer]?.endedInSweep.insert(record.place.ordinal) }
        guard record.row.parent >= 0 else { return }
        let account = record.plan.account
        let child = ResultRow.Child(
            ordinal: record.place.ordinal, schema: record.row.schema, kind: outcome.kind, providerID: outcome.providerID
        )
        let parent = RecordPlace(transfer: record.place.transfer, ordinal: record.row.parent)
        let isAwaited = lanes[account]?.childEnded(parent: parent, child) == true
        if !isAwaited && !isCancelled {
            trackers[record.place.transfer]?.orphans[record.row.parent, default: []].append(child)
        }
    }

    /// Nothing of the transfer is under way any more.
    mutating func forget(_ row: TransferRow) {
        trackers[row.sequence] = nil
        lanes[row.account]?.cancelled.remove(row.sequence)
    }

    // MARK: Ending a session

    private mutating func drop(_ session: Identifier) {
        forgetDoubts { $0.session == session }
        var accounts: Set<AccountKey> = []
        forgetInPauses(session)
        for sequence in trackers.keys.sorted() {
            guard let row = trackers[sequence]?.row, row.session == session else { continue }
            accounts.insert(row.account)
            trackers[sequence]?.isDropped = true
            lanes[row.account]?.unread.removeAll { $0.transfer == sequence }
            for place in lanes[row.account]?.waiting(ofTransfer: sequence) ?? [] {
                lanes[row.account]?.end([place], .dropped)
            }
            if !batches.values.contains(where: { $0.members.contains { $0.record.place.transfer == sequence } }) {
                forget(row)
            }
        }
        for account in accounts.sorted() { plan(account) }
    }
}
