// Theory of operation.
//
// The embedded provider `local`: a small CRM in a SQLite file an account, on a thread of its own (K2, K19). It is
// spoken to as if it were far away. Exchanges go in, outcomes come out, in any order; bodies are JSON:
//
// POST /{resource}/read
//     {"ids": ["17"], "search": [{"field": "email", "value": "bob@acme.com"}]}
//     200 {"records": [RECORD …], "found": [{"field", "value", "ids": ["17"]} …]}
//     `records` holds each record that was named or found once; unknown ids are missing. A search compares match keys
//     (`MatchKeys`) and gives at most 10 ids a value, in ascending order: several mean that the value is ambiguous.
//
// POST /{resource}/write, with an idempotency key of 1 to 255 bytes
//     {"inputs": [{"trace": 0, "op": "create", "fields": {…}, "links": [{"resource": "companies", "id": "9"}]},
//                 {"trace": 1, "op": "update", "id": "17", "fields": {…}}]}
//     200 when all went well, else 207 {"results": [
//         {"trace": 0, "id": "101", "status": "created" or "updated", "record": RECORD, and if any were:
//          "links_refused": [{"resource", "id", "code": NOT_FOUND, CONFLICT or UNSUPPORTED} …]},
//         {"trace": 1, "error": {"code": NOT_FOUND, CONFLICT or VALIDATION, "message", "id": the other record}} …]}
//     A value replaces, null removes, absent stays. Links are added, never removed, seen from both ends, and may be
//     repeated; CONFLICT says that an end holds one link of the kind and has another. One bad input does not sink the
//     others. One transaction a call, flushed before it is answered, holds records, links, effects and the answer under
//     its key: a repeat gives that answer (header `idempotent-replayed: true`) and does nothing, for seven days at
//     least, also after a restart and while the first answer is held back.
//
// RECORD: {"id": "101", "created_at": "2026-03-01T12:00:00.000Z", "updated_at", "fields": {…}, "associations":
// {"companies": ["9"]}}. Ids are one sequence a file, from 101. Fields keep the spelling of numbers and the order of
// members.
//
// Refused as a whole: 400 BAD_REQUEST, 404 NOT_FOUND (path), 405 METHOD_NOT_ALLOWED, 413 TOO_LARGE (over 1,000 inputs
// or ids, 10,000 links, 32 MiB), 422 IDEMPOTENCY_CONFLICT (same key, other request), all as {"error": {"code",
// "message", "where": JSON Pointer into the body}}. Over the account's budget: 429 TOO_MANY_REQUESTS with `retry-after`
// in seconds and `retry-after-ms`. What else can go wrong on a bad day is in `FaultPlan`.
//
// The table `effect` of the file is the log of what really happened, for tests that do not trust the answers.

import EventLoop
import PushCore

/// Executes exchanges of the provider `local`. Used on the loop thread; one worker thread serves all accounts.
package final class LocalExecutor {
    private struct Waiting {
        /// On the loop's clock, in nanoseconds: no answer before.
        var due: UInt64
        var answer: (ExchangeOutcome) -> Void
    }

    private struct Held {
        var due: UInt64
        var deliver: () -> Void
    }

    private let loop: Loop
    private let worker: Worker<LocalOrder, LocalReport>
    private let timer: Timer
    private let wallClock: () -> Int64
    private var settings: [String: LocalSettings] = [:]
    private var waiting: [Int: Waiting] = [:]
    /// By due time; the timer runs for the first.
    private var held: [Held] = []
    private var nextTicket = 0
    private var isClosing = false
    private let inbox: ReportBox

    /// Reports find their way to the provider without the worker's owning it.
    private final class ReportBox { weak var provider: LocalExecutor? }

    /// - Parameters:
    ///   - directory: where the accounts' files are; made with the first of them.
    ///   - resources: what the manifest describes; any other resource is a custom one.
    /// - Throws: `LocalFailure` when the process is out of threads or descriptors.
    package convenience init(loop: Loop, directory: String, resources: [ResourceDescription]) throws(LocalFailure) {
        try self.init(loop: loop, directory: directory, resources: resources, wallClock: loop.wallClockMilliseconds)
    }

    /// - Parameter wallClock: milliseconds since 1970.
    init(
        loop: Loop, directory: String, resources: [ResourceDescription], wallClock: @escaping () -> Int64
    ) throws(LocalFailure) {
        Database.prepareLibrary()
        let inbox = ReportBox()
        do {
            worker = try Worker(loop: loop, name: "local") {
                AccountShelf.serve($0, directory: directory, resources)
            } onReports: {
                for report in $0 { inbox.provider?.receive(report) }
            }
        } catch {
            throw LocalFailure(cause: error)
        }
        self.loop = loop
        self.wallClock = wallClock
        self.inbox = inbox
        timer = Timer(loop: loop)
        inbox.provider = self
    }

    /// True when `account` can be the name of an account, and so of a file: 1 to 64 of `A-Z a-z 0-9 . _ -`, no dot
    /// first.
    package static func isValid(account: String) -> Bool {
        let name = account.utf8
        return (1...64).contains(name.count) && name.first != UInt8(ascii: ".")
            && name.allSatisfy { byte in
                switch byte {
                case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
                    true
                default: false
                }
            }
    }

    /// Makes the account known, or changes its settings. Its file `DIRECTORY/ACCOUNT.db` (mode 0600) is made with the
    /// first exchange. A name that is not valid is not opened, and each of its exchanges fails.
    package func open(account: String, settings: LocalSettings) {
        guard Self.isValid(account: account), self.settings[account] != settings else { return }
        self.settings[account] = settings
        worker.send(.open(account: account, settings))
    }

    /// Executes an exchange. `answer` is called once, on the loop thread, never before this returns. Only the name of
    /// the exchange's account is looked at.
    package func perform(_ exchange: Exchange, _ answer: @escaping (ExchangeOutcome) -> Void) {
        guard !isClosing else {
            return loop.soon { answer(.failed(phase: .connect, reason: "The provider is closed.")) }
        }
        let latency = UInt64(max(0, settings[exchange.account.name]?.latencyMilliseconds ?? 0))
        nextTicket += 1
        waiting[nextTicket] = Waiting(due: loop.now + min(latency, 1 << 40) * 1_000_000, answer: answer)
        worker.send(.perform(ticket: nextTicket, exchange, time: wallClock()))
    }

    /// Takes no more exchanges. Those handed over are done and answered, latency or not, then the files are closed and
    /// `done` is called. To be called once.
    package func close(_ done: @escaping () -> Void) {
        precondition(!isClosing, "The embedded provider is closed once.")
        isClosing = true
        worker.close {
            self.deliver(upTo: .max)
            self.timer.close()
            done()
        }
    }

    // MARK: Answers

    private func receive(_ report: LocalReport) {
        guard let call = waiting.removeValue(forKey: report.ticket) else { return }
        guard !isClosing, call.due > loop.now else { return call.answer(report.outcome) }
        var place = held.count
        while place > 0, held[place - 1].due > call.due { place -= 1 }
        held.insert(Held(due: call.due) { call.answer(report.outcome) }, at: place)
        if place == 0 { startTimer() }
    }

    private func startTimer() {
        guard let first = held.first else { return }
        timer.start(after: first.due - min(first.due, loop.now)) { [weak self] in
            guard let self else { return }
            self.deliver(upTo: self.loop.now)
            self.startTimer()
        }
    }

    private func deliver(upTo time: UInt64) {
        let count = held.prefix { $0.due <= time }.count
        let ready = held.prefix(count)
        held.removeFirst(count)
        for answer in ready { answer.deliver() }
    }
}
