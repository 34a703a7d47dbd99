// Theory of operation.
//
// The writer has a thread and a connection of its own. It takes all orders that wait, applies as many as fit into a
// group, commits the group, reports how many orders are on disk, and goes on; while it flushes, the next orders gather.
// Between groups it takes one slice of what is to be removed, and copies the log into the file when that is due (K8).
// Without orders and without such work it sleeps.
//
// The first failure of any kind ends it (K7). What follows a failed flush cannot be known: the kernel has marked the
// pages clean, and SQLite would happily commit the next group on top. So the transaction is taken back, the log is left
// as it is, and nothing more is written by this process.

import CSQLite
import EventLoop
import Glibc
import PushCore

enum WriterOrder: Sendable {
    case commit([Change], bytes: Int)
    /// Report `free`.
    case measure
}

enum WriterReport: Sendable {
    /// The connection stands.
    case ready
    /// So many further orders are on disk, in the order in which they were sent.
    case committed(orders: Int, bytes: Int)
    /// Bytes that the file system still has.
    case free(Int64)
    /// Nothing more will be committed.
    case failed(StoreFailure)
}

/// The writer's thread.
final class Writer {
    typealias Inbox = WorkerInbox<WriterOrder, WriterReport>

    let database: Database
    let settings: StoreSettings
    private let file: StoreFile
    private let inbox: Inbox

    // Numbers of this file for what the changes name by key.
    var accounts: [AccountKey: Int64] = [:]
    var sessions: [Identifier: Int64] = [:]
    var scopes: [LedgerScope: Int64] = [:]
    /// Sessions that were deleted.
    var endedSessions: Set<Identifier> = []
    /// Transfers that are still arriving, with the number of their session.
    var arriving: [Int64: Int64] = [:]
    /// The last place in the order of acceptance that was given out; 0 before it was looked up.
    var arrivals: Int64 = 0
    /// Transfers that had not arrived when their session was deleted: the rest of them is dropped.
    var endedArrivals: Set<Int64> = []
    /// Whether an account, by its number, has confirmed states.
    var confirmedAccounts: [Int64: Bool] = [:]
    /// Rows that the group under way has touched.
    var rows = 0

    var removal: Removal
    /// Log that still has to be copied when the writer is idle.
    private var logIsCopied = false
    /// Size of the log from which the next forced checkpoint is tried; grows while a reader is in its way.
    private var forcedAt: Int
    /// Second of the monotonic clock.
    private var lastMeasured = 0
    private var initialLogBytes: Int

    static func run(_ inbox: Inbox, file: StoreFile, settings: StoreSettings) {
        do throws(StoreFailure) {
            let writer = try Writer(inbox, file: file, settings: settings)
            inbox.report(.ready)
            do throws(StoreFailure) {
                try writer.work()
            } catch {
                writer.abandon()
                throw error
            }
        } catch {
            inbox.report(.failed(error))
        }
    }

    private init(_ inbox: Inbox, file: StoreFile, settings: StoreSettings) throws(StoreFailure) {
        self.inbox = inbox
        self.file = file
        self.settings = settings
        database = try Database(path: file.path, access: .write, lockMilliseconds: settings.lockMilliseconds)
        try database.makeDurable()
        removal = try Removal(database, settings)
        // Those in parts go on arriving.
        for (sequence, session) in try Self.open(database) { arriving[sequence] = session }
        forcedAt = settings.forcedCheckpointBytes
        initialLogBytes = file.logBytes
    }

    private func work() throws(StoreFailure) {
        while let orders = try take() {
            try handle(orders)
            if removal.isPending && (!removal.isBlocked || orders.isEmpty) { try removal.slice() }
            try relieveLog(isIdle: orders.isEmpty)
        }
        // Copied here, where an error is seen, and not by closing the connection, where it is not.
        _ = try database.checkpoint(cutting: true)
    }

    private func abandon() {
        database.rollBack()
        // If the switch is refused, closing copies the log: no more than any next start would do.
        try? database.closeWithoutCheckpoint()
    }

    /// All orders that wait. None when there is other work to do meanwhile.
    private func take() throws(StoreFailure) -> [WriterOrder]? {
        if removal.isPending && !removal.isBlocked { return inbox.take(waitingAtMost: 0) }
        if removal.isBlocked || needsIdleCheckpoint { return inbox.take(waitingAtMost: settings.idleNanoseconds) }
        return inbox.take()
    }

    // MARK: Groups

    private func handle(_ orders: [WriterOrder]) throws(StoreFailure) {
        var next = 0
        while next < orders.count {
            let first = next
            var bytes = 0
            rows = 0
            var isOpen = false
            while next < orders.count && rows < settings.groupRows && bytes < settings.groupBytes {
                if case .commit(let changes, let size) = orders[next] {
                    if !isOpen { try database.begin() }
                    isOpen = true
                    bytes += size
                    try apply(changes)
                } else {
                    lastMeasured = 0
                }
                next += 1
            }
            if isOpen {
                try database.commit()
                initialLogBytes = 0
                logIsCopied = false
                let commits = orders[first..<next].count { if case .commit = $0 { true } else { false } }
                inbox.report(.committed(orders: commits, bytes: bytes))
            }
            measure()
            try relieveLog(isIdle: false)
        }
    }

    /// Reports free space, at most once a second unless it was asked for.
    private func measure() {
        var clock = timespec()
        clock_gettime(CLOCK_MONOTONIC, &clock)
        guard clock.tv_sec > lastMeasured || lastMeasured == 0, let free = file.freeBytes else { return }
        lastMeasured = clock.tv_sec
        inbox.report(.free(free))
    }

    // MARK: The log

    /// Bytes of the log; what a former process left counts until the first commit says how long it is now.
    private var logBytes: Int { max(database.logBytes, initialLogBytes) }

    private var needsIdleCheckpoint: Bool { !logIsCopied && logBytes >= settings.idleCheckpointBytes }

    private func relieveLog(isIdle: Bool) throws(StoreFailure) {
        if logBytes >= forcedAt {
            let isDone = try database.checkpoint(cutting: true)
            forcedAt = isDone ? settings.forcedCheckpointBytes : logBytes + settings.forcedCheckpointBytes / 8
            if isDone { (initialLogBytes, logIsCopied) = (0, true) }
        } else if isIdle && needsIdleCheckpoint {
            logIsCopied = try database.checkpoint(cutting: false)
        }
    }
}
