/// Counts the ends of a transfer's records and says when a page of results is whole (K18) and when all is done.
package struct TransferTracker: Sendable {
    /// Top-level records of one page.
    package static let pageRecords: Int32 = 200
    /// A page whose payload would be larger is published in several parts.
    package static let pageBytes: Int32 = 48 * 1024
    /// What a row of results costs beside its data: ids, keys, punctuation.
    private static let rowBytes: Int32 = 120

    package private(set) var row: TransferRow
    /// Page -> its finished records. Pages that were published are gone.
    private var pages: [Int32: Page] = [:]
    /// Children that ended before their parent was read into the window, by the parent's ordinal.
    var orphans: [Int32: [ResultRow.Child]] = [:]
    /// The session was deleted: what is under way ends, nothing more is reported.
    var isDropped = false
    /// Why it is given up: it has waited for its account for too long.
    private(set) var givenUp: Failure?
    /// Of a transfer that is cancelled or given up: the last ordinal that was swept, -1 before the first; nil when there is nothing to sweep.
    var sweptThrough: Int32?
    /// Ordinals of records that ended since the sweep under way was ordered: it may bring them as unfinished.
    var endedInSweep: Set<Int32> = []

    private struct Page: Sendable {
        var finished: Int32 = 0
        var bytes: [Int32]
        var hasFailure = false

        mutating func note(_ place: Int, _ size: Int32, isFailure: Bool) {
            finished += 1
            bytes[place] = size
            if isFailure { hasFailure = true }
        }
    }

    package init(_ row: TransferRow, finished: [FinishedRecord] = []) {
        self.row = row
        if row.life.cancelled != nil { sweptThrough = -1 }
        for record in finished { note(index: record.index, bytes: record.bytes, kind: record.kind) }
    }

    mutating func cancel(at time: Int64) {
        row.life.cancelled = time
        sweptThrough = -1
    }

    /// The caller cancels what is being given up already: that goes on as it began.
    mutating func noteCancelled(at time: Int64) { row.life.cancelled = time }

    mutating func abort(at time: Int64) {
        cancel(at: time)
        row.life.isAborted = true
    }

    mutating func giveUp(_ failure: Failure) {
        givenUp = failure
        sweptThrough = -1
    }

    /// What has not been sent is not sent, whatever it is called then.
    var isCancelled: Bool { row.life.cancelled != nil || givenUp != nil }

    var mustAbort: Bool {
        guard let rule = row.life.abortIf else { return false }
        return !isCancelled && !isComplete && !isDropped && rule.strikes(row.counts)
    }

    package var isComplete: Bool { row.completed != nil }

    private mutating func note(index: Int32, bytes: Int32, kind: OutcomeKind) {
        let page = index / Self.pageRecords
        let size = min(Self.pageRecords, row.records - page * Self.pageRecords)
        pages[page, default: Page(bytes: Array(repeating: 0, count: Int(size)))].note(
            Int(index % Self.pageRecords), bytes + Self.rowBytes, isFailure: !kind.isWritten)
    }

    /// Takes note of the end of a record of any level.
    mutating func finish(_ record: RecordRow, _ outcome: OutcomeRow, errors: Int) {
        row.counts.finishedAll += 1
        row.counts.errors += Int32(errors)
        guard record.parent < 0 else { return }
        row.counts[outcome.kind] += 1
        note(index: record.index, bytes: Int32(clamping: outcome.data.count), kind: outcome.kind)
    }

    /// Ranges of top-level records that are now whole and follow what was published, in order.
    mutating func publishable() -> [Range<Int32>] {
        var ranges: [Range<Int32>] = []
        while row.published < row.records {
            let page = row.published / Self.pageRecords
            let size = min(Self.pageRecords, row.records - page * Self.pageRecords)
            guard let whole = pages[page], whole.finished == size else { break }
            let first = page * Self.pageRecords
            var start = row.published
            var bytes: Int32 = 0
            for index in start..<first + size {
                let cost = whole.bytes[Int(index - first)]
                if index > start && bytes + cost > Self.pageBytes {
                    ranges.append(start..<index)
                    (start, bytes) = (index, 0)
                }
                bytes += cost
            }
            ranges.append(start..<first + size)
            row.published = first + size
            if whole.hasFailure { row.counts.failedPages += 1 }
            pages[page] = nil
        }
        return ranges
    }

    /// True once, when the last record of any level has ended.
    mutating func completeIfDone(at time: Int64) -> Bool {
        guard row.completed == nil, row.counts.finishedAll == row.allRecords else { return false }
        row.completed = time
        return true
    }
}
