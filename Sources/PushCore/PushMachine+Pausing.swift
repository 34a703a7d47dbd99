// Theory of operation.
//
// An account that is paused (`Breaker`) stalls nobody but itself. What of it cannot have reached the provider goes back to
// wait in the lane, its intent settled: it is decided anew when the account answers again, which may be a day later, and
// a start in between finds no doubt about it. What may have reached the provider waits as it is, and is the first to be
// asked about. A probe is nothing but such a batch, or the next one of the lane.
//
// Records are given up when their transfer has waited for its retry window. There may be a million of them, most of them
// in the store only, so they are ended in sweeps as those of a cancelled transfer are, only with another outcome.

extension PushMachine {
    /// Transfers that begin to be given up in one go; the others follow in a moment.
    private static let giveUpStretch = 20
    private static let giveUpPause: UInt64 = 5_000_000
    /// Windows that end within this time are seen to be over together.
    private static let giveUpGrain: UInt64 = 100_000_000

    /// Of the account, as callers see it; nil when it is not paused.
    package func pause(of account: AccountKey, at now: Moment) -> AccountPause? { breakers[account]?.shown(at: now) }

    package var pausedAccounts: Int { breakers.values.count(where: \.isPaused) }

    /// Accounts that are paused until there are credentials, in order.
    package var awaitingCredentials: [AccountKey] {
        breakers.filter { $0.value.pause?.reason == .authentication }.keys.sorted()
    }

    func isPaused(_ account: AccountKey) -> Bool { breakers[account]?.isPaused == true }

    /// True when a batch of the account may begin; when it is paused, the one that is going to be the probe.
    func mayBegin(_ account: AccountKey) -> Bool {
        guard let breaker = breakers[account], breaker.isPaused else { return true }
        return breaker.isProbeDue(at: now.monotonic) && firstToAsk(account) == nil
    }

    mutating func begun(_ batch: Int64, of account: AccountKey) {
        if isPaused(account) { breakers[account]?.beginProbe(batch) }
    }

    /// A batch is over, with or without an exchange.
    mutating func ended(_ batch: Int64, of account: AccountKey) {
        if !breakers.isEmpty { breakers[account]?.ended(batch) }
    }

    // MARK: Before an exchange and after it

    /// True when the exchange of a batch may leave; else the batch is held.
    mutating func mayLeave(_ id: Int64, _ step: Batch.Step) -> Bool {
        guard !breakers.isEmpty, let batch = batches[id], let breaker = breakers[batch.account] else { return true }
        batches[id]?.shown = breaker.credentials
        guard !breaker.admits(id) else { return true }
        hold(id, step)
        return false
    }

    /// What a reply says of the account.
    ///
    /// - Returns: true when that was all: the batch is held, or gone.
    mutating func hears<Answer>(_ id: Int64, _ step: Batch.Step, _ reply: Reply<Answer>) -> Bool {
        let news = reply.news
        // A plan is answered soon or not at all; and nearly always all is well.
        guard !gathersBatches, news != .answered || !breakers.isEmpty, let batch = batches[id] else { return false }
        let account = batch.account
        var breaker = breakers[account] ?? Breaker()
        let verdict = breaker.note(news, of: id, shown: batch.shown, wait: probeWait, at: now)
        breakers[account] = breaker.isOrdinary ? nil : breaker
        switch verdict {
        case .nothing: break
        case .paused(let reason): paused(account, reason)
        case .resumed(let pause): resumed(account, pause)
        }
        if news == .unauthorized {
            hold(id, step)
            plan(account)
        }
        // It is due at once where other credentials came meanwhile.
        if isPaused(account) { probe(account) }
        return news == .unauthorized
    }

    /// Batches that wait for the account as they are, oldest first.
    private func held(_ account: AccountKey) -> [(id: Int64, step: Batch.Step)] {
        batches.keys.sorted().compactMap { id in
            guard let batch = batches[id], batch.account == account, case .waiting(_, let step) = batch.stage else {
                return nil
            }
            return (id, step)
        }
    }

    /// The first of them whose time has come.
    private func firstToAsk(_ account: AccountKey) -> (id: Int64, step: Batch.Step)? {
        held(account).first { id, _ in
            guard case .waiting(let until, _) = batches[id]?.stage else { return false }
            return until == .max || until <= now.monotonic
        }
    }

    /// The exchange of a batch cannot leave now.
    mutating func hold(_ id: Int64, _ step: Batch.Step) {
        guard let batch = batches[id] else { return }
        guard !batch.isUntouched else { return takeBack(id) }
        let due = step == .lookAgain ? batch.doubt?.until ?? now.monotonic : now.monotonic
        let until = isPaused(batch.account) && step != .lookAgain ? UInt64.max : due
        batches[id]?.stage = .waiting(until: until, retrying: step)
        wakeForNext(batch.account)
    }

    /// Nothing of the batch has reached the provider: its records wait in the lane again. Those that are not wanted any more
    /// have been passed by those who end what waits, so they end here.
    private mutating func takeBack(_ id: Int64) {
        guard let batch = batches[id] else { return }
        release(id)
        endPart(batch)
        var ends: [(Batch.Member, MemberEnd)] = []
        for member in batch.members {
            let isOver = isOver(member)
            lanes[batch.account]?.advance(member.record.place, isOver ? .cancelled : .putBack)
            if isOver { ends.append((member, .unsent)) }
        }
        settle(ends, answered: batch.intent == 0 ? nil : batch)
    }

    // MARK: Pausing and resuming

    private mutating func paused(_ account: AccountKey, _ reason: PauseReason) {
        for tracker in trackers.values where tracker.row.account == account && !tracker.isDropped {
            _ = breakers[account]?.tell(tracker.row.session)
        }
        keepPause(account, telling: breakers[account]?.pause?.told.sorted() ?? [])
        for (id, step) in held(account) { hold(id, step) }
        noteGiveUp(account)
        wakeForNext(account)
    }

    /// - Parameter telling: sessions that do not know of it yet.
    private mutating func keepPause(_ account: AccountKey, telling sessions: [Identifier]) {
        guard let breaker = breakers[account], let row = breaker.row(of: account) else { return }
        let until = breaker.shown(at: now)?.until
        tell(sessions, .providerPaused, row.reason, until, .paused(row))
    }

    private mutating func resumed(_ account: AccountKey, _ pause: Breaker.Pause) {
        tell(pause.told.sorted(), .providerResumed, pause.reason, pause.since, .resumed(account))
        for (id, step) in held(account) {
            if step == .lookAgain, let until = batches[id]?.doubt?.until, until > now.monotonic { continue }
            send(id, step)
        }
        wakeForNext(account)
        plan(account)
    }

    private mutating func tell(
        _ sessions: [Identifier], _ kind: EventRow.Kind, _ reason: PauseReason, _ other: Int64?, _ change: Change
    ) {
        var events: [EventRow] = []
        for session in sessions {
            lastEvent += 1
            events.append(
                EventRow(kind, sequence: lastEvent, time: now.wall, session: session, reason: reason, other: other))
        }
        commit(events.isEmpty ? [change] : [change, .events(events)], PendingCommit(events: events))
    }

    /// A transfer of an account that is paused.
    mutating func acceptedPaused(_ row: TransferRow) {
        guard isPaused(row.account) else { return }
        if breakers[row.account]?.tell(row.session) == true { keepPause(row.account, telling: [row.session]) }
        let end = giveUpTime(row)
        let first = breakers[row.account]?.pause?.giveUpAt ?? end
        breakers[row.account]?.giveUp(at: min(first, end))
        wakeForNext(row.account)
    }

    mutating func foundPaused(_ rows: [PauseRow]) {
        for row in rows { breakers[row.account, default: Breaker()].restore(row, at: now) }
    }

    /// All that a start has to tell has been told.
    mutating func startPaused() {
        for account in breakers.keys.sorted() {
            noteGiveUp(account)
            probe(account)
        }
    }

    /// There are other credentials, or other settings: what was not accepted may be now.
    mutating func accountChanged(_ account: AccountKey) {
        // Nobody can have been shown the old ones.
        guard breakers[account] != nil || batches.values.contains(where: { $0.account == account }) else { return }
        breakers[account, default: Breaker()].credentialsGiven(at: now.monotonic)
        probe(account)
    }

    mutating func forgetInPauses(_ session: Identifier) {
        for account in breakers.keys { breakers[account]?.forget(session) }
    }

    /// Sends what finds out whether the account answers again, if it is time to.
    private mutating func probe(_ account: AccountKey) {
        if let breaker = breakers[account], breaker.isProbeDue(at: now.monotonic) {
            if let first = firstToAsk(account) {
                breakers[account]?.beginProbe(first.id)
                send(first.id, first.step)
            } else {
                plan(account)
            }
        }
        wakeForNext(account)
    }

    /// - Returns: false when the account is not paused, and all is as ever.
    mutating func wokePaused(_ account: AccountKey) -> Bool {
        guard isPaused(account) else { return false }
        giveUpDue(account)
        probe(account)
        return true
    }

    /// When an account that is paused is to be woken; nil: by nothing but a fact.
    func wakeOfPause(_ pause: Breaker.Pause, _ account: AccountKey) -> UInt64? {
        var next = pause.giveUpAt
        guard pause.probe == nil, let probe = pause.nextProbe else { return next }
        if probe > now.monotonic { return min(next ?? .max, probe) }
        // It is time to ask, and there was nobody to ask about: perhaps somebody waits for a settle time.
        for (id, _) in held(account) {
            guard case .waiting(let until, _) = batches[id]?.stage, until > now.monotonic, until < .max else {
                continue
            }
            next = min(next ?? .max, until)
        }
        return next
    }

    // MARK: Giving up

    private func waits(_ tracker: TransferTracker, for account: AccountKey) -> Bool {
        tracker.row.account == account && !tracker.isDropped && !tracker.isCancelled && !tracker.isComplete
    }

    /// When the records of a transfer have waited for long enough.
    private func giveUpTime(_ row: TransferRow) -> UInt64 {
        let (window, isOver) = row.retryWindow.multipliedReportingOverflow(by: 1_000_000)
        let left = (isOver ? .max : window) - (breakers[row.account]?.waited(since: row.created, at: now) ?? 0)
        return now.monotonic + UInt64(clamping: min(left, 1 << 61))
    }

    private func giveUpTime(_ batch: Batch) -> UInt64 { batch.began + batch.retryWindow }

    /// Finds out when the first of those that wait has waited for long enough.
    private mutating func noteGiveUp(_ account: AccountKey) {
        guard isPaused(account) else { return }
        var first: UInt64?
        for tracker in trackers.values where waits(tracker, for: account) {
            first = min(first ?? .max, giveUpTime(tracker.row))
        }
        for (id, _) in held(account) { first = min(first ?? .max, batches[id].map(giveUpTime) ?? .max) }
        breakers[account]?.giveUp(at: first)
    }

    private mutating func giveUpDue(_ account: AccountKey) {
        guard let pause = breakers[account]?.pause, let at = pause.giveUpAt, at <= now.monotonic else { return }
        let due = trackers.values.filter { waits($0, for: account) && giveUpTime($0.row) <= now.monotonic }
            .map(\.row.sequence).sorted()
        for sequence in due.prefix(Self.giveUpStretch) { giveUp(sequence, pause.reason) }
        for (id, _) in held(account) where batches[id].map(giveUpTime) ?? .max <= now.monotonic { endHeld(id) }
        noteGiveUp(account)
        if let next = breakers[account]?.pause?.giveUpAt {
            let pause = due.count > Self.giveUpStretch ? Self.giveUpPause : Self.giveUpGrain
            breakers[account]?.giveUp(at: max(next, now.monotonic + pause))
        }
    }

    /// A batch that may have been sent has waited for long enough for its account.
    private mutating func endHeld(_ id: Int64) {
        guard let batch = batches[id] else { return }
        release(id)
        let reason = batch.doubt?.reason ?? Self.noAnswer
        switch batch.purpose {
        case .link: goOn(batch, batch.members.map { Self.unmade($0, Self.noAnswer) }, [])
        case .doubt: goOn(batch, batch.members.map { ($0, .uncertain(reason)) }, [])
        case .write: goOn(batch, batch.writing.map { (batch.members[$0], .uncertain(reason)) }, [])
        }
    }

    private mutating func giveUp(_ sequence: Int64, _ reason: PauseReason) {
        guard let row = trackers[sequence]?.row else { return }
        trackers[sequence]?.giveUp(Self.failure(reason))
        leaveLane(row)
        sweep(sequence)
    }

    /// Nothing more of the transfer is put into a batch.
    mutating func leaveLane(_ row: TransferRow) {
        lanes[row.account]?.cancelled.insert(row.sequence)
        lanes[row.account]?.unread.removeAll { $0.transfer == row.sequence }
    }

    static func failure(_ reason: PauseReason) -> Failure {
        switch reason {
        case .unavailable: unavailable
        case .authentication:
            Failure(
                .authentication, .unauthorizedUpstream,
                "The provider did not accept the account's credentials, and no others came within the retry window. Give "
                    + "new ones with updateSession, then push the record again.")
        }
    }

    // MARK: Transfers that end themselves

    /// Those of these transfers that go wrong so often that their own rule ends them.
    mutating func abortDue(_ sequences: [Int64], _ changes: inout [Change]) -> [Int64] {
        let due = sequences.filter { trackers[$0]?.mustAbort == true }
        for sequence in due {
            changes.append(.transferAborted(sequence: sequence, at: now.wall))
            trackers[sequence]?.abort(at: now.wall)
            if let row = trackers[sequence]?.row { leaveLane(row) }
        }
        return due
    }
}

extension Breaker {
    /// There is nothing that a new one would not know.
    var isOrdinary: Bool { failures == 0 && credentials == 0 && !isPaused }
}

extension Batch {
    /// Nothing of it can have reached the provider, and nothing is known of it that would be lost.
    fileprivate var isUntouched: Bool {
        purpose == .write && !mayHaveBeenSent && !isRecovered && doubt == nil && !members.contains(where: \.isAdopted)
    }

    /// Nanoseconds after which it is given up: as long as the longest of its records waits.
    var retryWindow: UInt64 {
        let window = members.map(\.record.plan.options.retryWindow).max() ?? PushOptions.standardRetryWindow
        let (nanoseconds, isOver) = UInt64(max(0, window)).multipliedReportingOverflow(by: 1_000_000)
        return isOver ? 1 << 61 : min(nanoseconds, 1 << 61)
    }
}
