// Theory of operation.
//
// A cancelled transfer is ended record by record like any other: each gets an outcome, pages are published, it completes.
// Its records may be a million, nearly all of them in the store only. So they are ended in sweeps: a bounded stretch of
// those without an outcome is read, ended in one commit, and the next stretch is read when that is on disk. Nothing of
// this is remembered but how far the sweep came: a start finds the mark in the store and sweeps again.
//
// What a sweep meets may also stand in the window of the account. There a waiting record is ended with it; one in a
// batch is left to the batch, which ends it unsent if its request has not left, and with its outcome if it has.

extension PushMachine {
    /// Records of one sweep: the loop is held by the work for one of them at a time.
    static let sweepRecords = 200

    /// The mark is on disk.
    mutating func cancel(_ sequence: Int64, at time: Int64) {
        guard let row = trackers[sequence]?.row, row.life.cancelled == nil, row.completed == nil else { return }
        guard trackers[sequence]?.givenUp == nil else {
            trackers[sequence]?.noteCancelled(at: time)
            return
        }
        trackers[sequence]?.cancel(at: time)
        leaveLane(row)
        endCancelled(sequence)
    }

    /// Ends what has not been sent of a transfer that was cancelled, by its caller or its own rule.
    mutating func endCancelled(_ sequence: Int64) {
        guard let row = trackers[sequence]?.row else { return }
        for id in batches.keys.sorted() {
            if let batch = batches[id], case .waiting(_, let step) = batch.stage { _ = shedCancelled(id, step) }
        }
        sweep(sequence)
        plan(row.account)
    }

    /// A transfer that was cancelled before the start goes on being ended.
    mutating func resumeCancelled(_ row: TransferRow) {
        lanes[row.account, default: Lane()].cancelled.insert(row.sequence)
    }

    func isCancelled(_ member: Batch.Member) -> Bool {
        trackers[member.record.place.transfer]?.isCancelled == true
    }

    mutating func sweep(_ sequence: Int64) {
        guard let tracker = trackers[sequence], let after = tracker.sweptThrough else { return }
        trackers[sequence]?.endedInSweep = []
        effects.append(.sweep(transfer: sequence, after: after, limit: Self.sweepRecords))
    }

    /// What a sweep brought: unfinished records, or such that were so when they were read.
    mutating func swept(_ sequence: Int64, _ rows: [RecordRow], _ schemaKeys: [String], isLast: Bool) {
        guard let tracker = trackers[sequence], !tracker.isDropped, let after = tracker.sweptThrough else { return }
        let account = tracker.row.account
        trackers[sequence]?.sweptThrough = isLast ? nil : rows.last?.place.ordinal ?? after
        var unsent: [RecordRow] = []
        for row in rows where !tracker.endedInSweep.contains(row.place.ordinal) {
            switch lanes[account]?.entries[row.place]?.state {
            case .waiting:
                lanes[account]?.advance(row.place, .cancelled)
                unsent.append(row)
            case nil: unsent.append(row)
            case .identifying, .intending, .exchanging, .settling, .finished: continue
            }
        }
        trackers[sequence]?.endedInSweep = []
        if unsent.isEmpty { return sweep(sequence) }
        settleUnsent(unsent, of: sequence, schemaKeys)
    }

    /// Ends the records of cancelled transfers in a batch that waits for another try of a step. The write of one that was
    /// never sent is given up for all its records: those of other transfers go into another batch, under an intent that
    /// names them only.
    ///
    /// - Returns: true when the batch is gone.
    mutating func shedCancelled(_ id: Int64, _ step: Batch.Step) -> Bool {
        guard let batch = batches[id], batch.members.contains(where: isCancelled) else { return false }
        if batch.purpose != .write || step == .write && batch.mayHaveBeenSent { return false }
        let (ended, kept) = (batch.members.filter(isCancelled), batch.members.filter { !isCancelled($0) })
        for member in ended { lanes[batch.account]?.advance(member.record.place, .cancelled) }
        let ends = ended.map { ($0, MemberEnd.unsent) }
        if step == .write || kept.isEmpty {
            release(id)
            endPart(batch)
            for member in kept { lanes[batch.account]?.advance(member.record.place, .putBack) }
            settle(ends, answered: step == .write ? batch : nil)
            plan(batch.account)
            return true
        }
        batches[id]?.keep(kept)
        settle(ends)
        return false
    }
}
