// Theory of operation.
//
// A file opens with the first exchange that needs it and does one exchange at a time, each in one transaction. How a
// failure of SQLite is told depends on what it leaves behind:
//
// - before COMMIT the transaction is taken back, so the exchange had no effect: phase `connect`;
// - at COMMIT nobody knows: frames may be in the log and be found at the next start. Phase `receive`, and the stored
//   answer under the idempotency key settles it when the exchange is repeated.
//
// After a failed read, write or flush at COMMIT or in a checkpoint the account is out of use until the process starts
// again: the kernel has marked the lost pages clean, so later success would prove nothing (see PostgreSQL's handling of
// fsync).

import CSQLite
import Glibc
import JSON
import PushCore

/// The file of one account. Stays on the thread that made it.
final class AccountFile {
    let path: String
    /// To set them begins budget and faults anew.
    var settings: LocalSettings {
        didSet {
            faults = FaultPlan(settings.faults)
            meter = settings.budget.map(BudgetMeter.init)
        }
    }
    private var faults: FaultPlan
    private var meter: BudgetMeter?
    /// Writes that are still to be done though their callers have given up.
    private var late: [(due: Int64, request: WriteRequest)] = []
    /// When an exchange last needed the file, counted in exchanges of all accounts.
    var lastUse: UInt64 = 0

    private let resources: [ResourceDescription]
    private let catalogue: Catalogue
    private let answerCeiling: Int
    private(set) var tables: AccountTables?
    private var lasting: DatabaseFailure?

    /// Bytes of log from which an idle file is checkpointed, and from which a busy one is (K8).
    static let idleCheckpoint = 4 << 20
    static let forcedCheckpoint = 64 << 20

    init(
        path: String, settings: LocalSettings, resources: [ResourceDescription], catalogue: Catalogue,
        answerCeiling: Int = LocalCall.answerCeiling
    ) {
        self.answerCeiling = answerCeiling
        self.path = path
        self.settings = settings
        faults = FaultPlan(settings.faults)
        meter = settings.budget.map(BudgetMeter.init)
        self.resources = resources
        self.catalogue = catalogue
    }

    /// - Parameter time: wall clock, milliseconds since 1970.
    func perform(_ exchange: Exchange, at time: Int64) -> ExchangeOutcome {
        if let token = settings.acceptedToken, !token.accepts(exchange.headers) { return .unauthorized }
        let call: LocalCall
        do { call = try LocalCall(exchange) } catch { return .refusal(error) }
        if let wait = meter?.take(at: time) { return .throttled(milliseconds: wait) }
        catchUp(time)
        let fault = faults.strike(call.resource, call.operation)
        if fault == .lateAnswer, case .write(let request) = call {
            late.append((time + LocalFault.lateness, request))
            return .failed(phase: .receive, reason: "The caller gave up before the answer was made.")
        }
        if let outcome = fault?.outcomeBefore { return outcome }
        if let lasting { return Self.failed(.connect, lasting) }
        do {
            let tables = try open()
            let outcome =
                switch call {
                case .read(let request): try read(request, tables)
                case .write(let request):
                    try write(request, tables, at: time, refusesFirst: fault == .refuseRecord)
                }
            return fault?.outcomeAfter ?? outcome
        } catch {
            if !error.leavesConnectionUsable { close() }
            return Self.failed(.connect, error)
        }
    }

    /// Does the writes whose callers have given up, and whose time has come. The file is seen by exchanges only, so it is
    /// soon enough to do them before the next one; those of a process that ends before are lost on their way.
    private func catchUp(_ time: Int64) {
        while let first = late.first, first.due <= time {
            late.removeFirst()
            do { _ = try write(first.request, try open(), at: time, refusesFirst: false) } catch { close() }
        }
    }

    // MARK: Exchanges

    private func read(_ request: ReadRequest, _ tables: AccountTables) throws(DatabaseFailure) -> ExchangeOutcome {
        let rules: [MatchRule]
        do { rules = try ReadExecution.rules(for: request, catalogue) } catch { return .refusal(error) }
        // One transaction, so that all of the answer is of one moment, whatever foreign programs write.
        try tables.database.execute("BEGIN", "begin transaction")
        defer { tables.rollBack() }
        let execution = ReadExecution(tables: tables, settings: settings)
        guard let body = try execution.run(request, rules, answerCeiling: answerCeiling) else {
            return Self.answerTooLarge
        }
        return .json(200, body)
    }

    private func write(
        _ request: WriteRequest, _ tables: AccountTables, at time: Int64, refusesFirst: Bool
    ) throws(DatabaseFailure) -> ExchangeOutcome {
        if let refusal = request.refusal(settings) { return .refusal(refusal) }
        let answer: AnswerTable.Answer
        try tables.database.execute("BEGIN IMMEDIATE", "begin transaction")
        do throws(DatabaseFailure) {
            switch settings.recognisesRepeats ? try tables.answers.find(request.key, request.mark) : .none {
            case .same(let stored):
                tables.rollBack()
                return .json(stored.status, stored.body, replayed: true)
            case .other:
                tables.rollBack()
                return .refusal(
                    CallRefusal(
                        code: .idempotencyConflict, message: "The idempotency key was used for another request."))
            case .none: break
            }
            var execution = try WriteExecution(
                tables: tables, catalogue: catalogue, settings: settings, request: request, time: time)
            execution.refusesNext = refusesFirst
            guard let done = try execution.run(request.inputs, answerCeiling: answerCeiling) else {
                tables.rollBack()
                return Self.answerTooLarge
            }
            if settings.isAllOrNothing && execution.hasRefused {
                tables.rollBack()
                return .refusal(
                    CallRefusal(code: .refusedTogether, message: "One or more of the inputs cannot be written."))
            }
            answer = done
            if settings.recognisesRepeats {
                try tables.answers.insert(answer, key: request.key, request.mark, at: time)
            }
            try tables.answers.trim(at: time)
            try tables.matchKeys.settle()
        } catch {
            tables.rollBack()
            throw error
        }
        if let outcome = commit(tables) { return outcome }
        if tables.database.walBytes >= Self.forcedCheckpoint { checkpoint() }
        return .json(answer.status, answer.body)
    }

    /// Nil when the commit is on disk, else what the exchange came to.
    private func commit(_ tables: AccountTables) -> ExchangeOutcome? {
        do throws(DatabaseFailure) {
            try tables.database.execute("COMMIT", "commit")
            return nil
        } catch {
            tables.rollBack()
            if error.isIO { lasting = error }
            close()
            return Self.failed(.receive, error)
        }
    }

    private static func failed(_ phase: ExchangeOutcome.Phase, _ failure: DatabaseFailure) -> ExchangeOutcome {
        .failed(phase: phase, reason: failure.description)
    }

    private static var answerTooLarge: ExchangeOutcome {
        .refusal(.tooLarge("The answer would be too large; ask for less at once. Nothing was done."))
    }

    // MARK: The file

    private func open() throws(DatabaseFailure) -> AccountTables {
        if let tables { return tables }
        try Self.make(path)
        let opened = try AccountTables(path: path, resources: resources)
        tables = opened
        return opened
    }

    /// Makes an empty file for the owner only. Not left to SQLite, whose files have the mode that the umask leaves. The
    /// log and its index take over the mode of the file.
    private static func make(_ path: String) throws(DatabaseFailure) {
        var descriptor = create(path)
        if descriptor < 0 && errno == ENOENT {
            AccountFolder.make(above: path)
            descriptor = create(path)
        }
        guard descriptor >= 0 else {
            if errno == EEXIST { return }
            throw DatabaseFailure(code: SQLITE_CANTOPEN, operation: "make file")
        }
        fchmod(descriptor, 0o600)
        Glibc.close(descriptor)
    }

    private static func create(_ path: String) -> Int32 {
        Glibc.open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
    }

    /// The next exchange opens the file again. As the last connection, SQLite copies the log into the file.
    func close() { tables = nil }

    var isOpen: Bool { tables != nil }

    /// True when the file should be checkpointed as soon as nothing else is to be done.
    var wantsCheckpoint: Bool { (tables?.database.walBytes ?? 0) >= nextCheckpoint }

    /// Grows when a foreign reader keeps a checkpoint from getting on, lest it be tried without end.
    private var nextCheckpoint = AccountFile.idleCheckpoint

    func checkpoint(truncating: Bool = false) {
        guard let database = tables?.database else { return }
        do {
            try database.checkpoint(truncating: truncating)
            nextCheckpoint = database.walBytes + Self.idleCheckpoint
        } catch {
            if error.isIO { lasting = error }
            close()
        }
    }
}
