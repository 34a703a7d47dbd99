// Theory of operation.
//
// The loop never steps SQL (K3). What is to be kept goes as an order to the writer's thread, what is asked for as a query
// to the reader's; both report back over their mailbox. Orders and queries are answered in the order in which they were
// sent, so that all that has to be remembered here is who is next.
//
// The file is opened, checked, migrated and read on the calling thread before the loop runs. That connection is kept
// until both threads have theirs: a database without connections gives up its log.

import EventLoop
import PushCore

/// The durable memory of a gateway: one file, one gateway. Used on the loop thread only.
package final class DurableStore {
    /// What a start needs to know; as it was at opening.
    package let state: StoredState

    /// Called once, at the first failure of a commit, a read or a checkpoint. The process must stop with the failure's
    /// `exitCode` (K7): what it knows is ahead of what is kept. Nothing that was sent and not answered is answered any
    /// more. A row that is not what was written (K12) also ends up here: an answer that leaves it out would be a lie.
    package var onFailure: (StoreFailure) -> Void = { _ in }

    /// Bytes of changes that were handed over and are not on disk.
    package private(set) var queuedBytes = 0
    /// Transactions that were committed for orders since opening.
    package private(set) var commits = 0
    /// Pushes are refused below so many free bytes (K7).
    package static let leastFreeBytes: Int64 = 64 << 20

    private let loop: Loop
    private let lock: StoreLock
    private var opening: Database?
    private var ready = 0
    private var writer: Worker<WriterOrder, WriterReport>?
    private var reader: Worker<Query, ReaderReport>?
    private var waitingCommits: [() -> Void] = []
    private var waitingAnswers: [(Answer) -> Void] = []
    private var failure: StoreFailure?
    private var free: Int64
    private var freeAsked: UInt64

    /// Opens the store at `path`, or makes it: file 0600, missing directories 0700. Blocks; to be called before the loop
    /// runs. Throws `held` when another gateway has it, `newerSchema` or `foreign` without having changed the file,
    /// `damaged`, `full`, `io`, `locked`, `notDurable`, and `system` when a path, a file or a thread cannot be had.
    package init(loop: Loop, path: String, settings: StoreSettings = StoreSettings()) throws(StoreFailure) {
        Database.prepareLibrary()
        let file = try StoreFile(path: path)
        lock = try StoreLock(storePath: file.path)
        let opening = try Opening(file, settings)
        self.loop = loop
        self.opening = opening.database
        state = opening.state
        free = file.freeBytes ?? .max
        freeAsked = loop.now
        do throws(LoopFailure) {
            writer = try Worker(
                loop: loop, name: "store-writer", body: { Writer.run($0, file: file, settings: settings) },
                onReports: { [weak self] in self?.written($0) })
            reader = try Worker(
                loop: loop, name: "store-reader", body: { Reader.run($0, file: file, settings: settings) },
                onReports: { [weak self] in self?.answered($0) })
        } catch {
            writer?.close {}
            throw StoreFailure(.system(error), operation: "start threads of store")
        }
    }

    /// Appends changes to the group that gathers; groups are committed in order, and these changes together or not at all.
    /// `done` runs on the loop when they are on disk. After a failure, or after `close`, nothing is committed and `done`
    /// does not run. Rows that contradict what is there fail with `constraint`: a key used twice, a session that never
    /// was, the acceptance of a transfer that did not begin.
    package func commit(_ changes: [Change], done: @escaping () -> Void) {
        guard failure == nil, let writer else { return }
        let bytes = changes.reduce(0) { $0 + $1.bytes }
        queuedBytes += bytes
        waitingCommits.append(done)
        writer.send(.commit(changes, bytes: bytes))
    }

    /// Answers reflect every commit that was reported before the query was sent, and come in the order of the queries.
    package func read(_ query: Query, _ answer: @escaping (Answer) -> Void) {
        guard failure == nil, let reader else { return }
        waitingAnswers.append(answer)
        reader.send(query)
    }

    /// Free bytes of the store's file system, as they were about a second ago; asking never waits.
    package func freeBytes() -> Int64 {
        if loop.now - freeAsked >= 1_000_000_000, failure == nil, let writer {
            freeAsked = loop.now
            writer.send(.measure)
        }
        return free
    }

    /// Commits and answers what was sent, copies the log into the file, ends the threads and releases the lock; then `done`
    /// runs on the loop. To be called once.
    package func close(_ done: @escaping () -> Void) {
        guard let writer, let reader else { return }
        (self.writer, self.reader) = (nil, nil)
        opening = nil
        // The writer last: its connection is the one that takes the log away when nobody else has the file.
        reader.close {
            writer.close { [self] in
                lock.release()
                done()
            }
        }
    }

    // MARK: Reports

    private func written(_ reports: [WriterReport]) {
        var finished = 0
        for report in reports {
            switch report {
            case .ready: becomeReady()
            case .committed(let orders, let bytes):
                finished += orders
                commits += 1
                queuedBytes -= bytes
            case .free(let bytes): free = bytes
            case .failed(let failure): fail(failure)
            }
        }
        // What these call may send orders: the list is in order before the first is called.
        let done = waitingCommits.prefix(finished)
        waitingCommits.removeFirst(finished)
        for done in done { done() }
        tellFailure()
    }

    private func answered(_ reports: [ReaderReport]) {
        var answers: [Answer] = []
        for report in reports {
            switch report {
            case .ready: becomeReady()
            case .answered(let answer): answers.append(answer)
            case .failed(let failure): fail(failure)
            }
        }
        let waiting = waitingAnswers.prefix(answers.count)
        waitingAnswers.removeFirst(answers.count)
        for (receive, answer) in zip(waiting, answers) { receive(answer) }
        tellFailure()
    }

    private func becomeReady() {
        ready += 1
        if ready == 2 { opening = nil }
    }

    private func fail(_ failure: StoreFailure) {
        guard self.failure == nil else { return }
        self.failure = failure
        toTell = failure
    }

    private var toTell: StoreFailure?

    /// After those whose changes are on disk were told so.
    private func tellFailure() {
        guard let failure = toTell else { return }
        toTell = nil
        onFailure(failure)
    }
}

extension Change {
    /// What a row takes beside its texts.
    private static let rowBytes = 64

    /// About how much memory and log the change takes.
    var bytes: Int {
        switch self {
        case .session(let row): row.definition.count + Self.rowBytes
        case .transferBegun, .part: 2 * Self.rowBytes
        case .records(let rows):
            rows.reduce(0) { $0 + $1.data.count + ($1.internalID?.utf8.count ?? 0) + Self.rowBytes }
        case .intent(let row): row.plan.count + Self.rowBytes
        case .examples(_, _, let text): text.count + Self.rowBytes
        case .retryShifts(_, let shifts): shifts.count * Self.rowBytes
        case .retriesWritten(let places), .errorsResolved(let places): places.count * Self.rowBytes
        case .outcomes(let rows), .outcomesReplaced(let rows):
            rows.reduce(0) { $0 + $1.data.count + $1.warnings.count + Self.rowBytes }
        case .ledger(let rows): rows.count * 2 * Self.rowBytes
        case .errors(let rows): rows.reduce(0) { $0 + $1.text.utf8.count + 2 * Self.rowBytes }
        case .events(let rows): rows.count * Self.rowBytes
        case .deliveries(let rows): rows.reduce(0) { $0 + $1.endpoint.utf8.count + 2 * Self.rowBytes }
        case .deliveriesReplayed(let sequences, _): sequences.count * Self.rowBytes
        case .webhookSecrets(_, let sealed): sealed.count + Self.rowBytes
        case .planBegun, .planReady: 2 * Self.rowBytes
        case .planned(let rows): rows.reduce(0) { $0 + $1.content.count + 2 * Self.rowBytes }
        case .confirmed(let rows): rows.reduce(0) { $0 + $1.state.count + Self.rowBytes }
        case .unconfirmed(_, _, let ids): ids.count * Self.rowBytes / 2
        case .identities(let rows, _): rows.count * 2 * Self.rowBytes
        case .exchanges(let rows): rows.count * 3 * Self.rowBytes
        case .credential(let row): row.sealed.count + 2 * Self.rowBytes
        case .paused(let row): (row.told.count + 1) * Self.rowBytes
        case .resumed, .transferAborted, .authenticationResolved, .credentialRemoved, .planApplied, .planDropped,
            .sessionDeleted, .transferAccepted, .transferSized,
            .transferCancelled,
            .partsDropped, .partsExpired, .transferAdvanced, .intentSettled, .consumer, .trim, .trimExchanges,
            .deliveryProgressed:
            Self.rowBytes
        }
    }
}
