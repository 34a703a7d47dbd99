import CSQLite
import EventLoop
import Foundation
import PushCore
import Testing

@testable import Store

/// A store in a folder of its own, on a loop of its own. `end` is the last line of every test.
final class Scene {
    let folder: URL
    let path: String
    private(set) var loop: Loop
    private(set) var store: DurableStore
    private(set) var failures: [StoreFailure] = []
    let settings: StoreSettings
    private var isClosing = false

    init(settings: StoreSettings = StoreSettings()) throws {
        folder = URL(fileURLWithPath: NSTemporaryDirectory()).appendingPathComponent("store-\(UUID().uuidString)")
        path = folder.appendingPathComponent("gateway.db").path
        self.settings = settings
        loop = try Loop()
        store = try DurableStore(loop: loop, path: path, settings: settings)
        watch()
    }

    deinit { try? FileManager.default.removeItem(at: folder) }

    private func watch() {
        store.onFailure = { [unowned self] failure in
            failures.append(failure)
            loop.stop()
        }
    }

    /// Runs the loop until `start`'s argument was called, or the store failed; not at all when it failed before.
    func wait(_ start: (@escaping () -> Void) -> Void) {
        guard failures.isEmpty || isClosing else { return }
        let loop = loop
        let watchdog = EventLoop.Timer(loop: loop)
        watchdog.start(after: 60_000_000_000) {
            Issue.record("The store does not answer.")
            loop.stop()
        }
        start { loop.stop() }
        loop.run()
        watchdog.close()
    }

    /// True when the changes came to disk.
    @discardableResult
    func commit(_ changes: Change...) -> Bool { commit(changes) }

    @discardableResult
    func commit(_ changes: [Change]) -> Bool {
        var isDone = false
        wait { done in
            store.commit(changes) {
                isDone = true
                done()
            }
        }
        return isDone
    }

    /// Nil when the store failed instead of answering.
    func ask(_ query: Query) -> Answer? {
        var answer: Answer?
        wait { done in
            store.read(query) {
                answer = $0
                done()
            }
        }
        return answer
    }

    /// Runs the loop until `condition` holds, for at most `seconds`.
    func pass(seconds: Double = 10, until condition: @escaping () -> Bool) {
        let timer = EventLoop.Timer(loop: loop)
        let end = Date(timeIntervalSinceNow: seconds)
        timer.start(after: 0, repeating: 2_000_000) { [unowned self] in
            if condition() || Date() > end { loop.stop() }
        }
        loop.run()
        timer.close()
    }

    func close() {
        isClosing = true
        wait { store.close($0) }
        isClosing = false
        #expect(loop.close())
    }

    func reopen(settings: StoreSettings? = nil) throws {
        close()
        try reopenClosed(settings: settings)
    }

    func reopenClosed(settings: StoreSettings? = nil) throws {
        loop = try Loop()
        store = try DurableStore(loop: loop, path: path, settings: settings ?? self.settings)
        watch()
    }

    func end() {
        close()
        #expect(failures == [])
    }

    /// The end of a test in which the store was meant to fail.
    func end(failedWith kind: StoreFailure.Kind) {
        close()
        #expect(failures.map(\.kind) == [kind])
    }

    // MARK: A foreign look at the file

    /// Rows of a statement run by a connection that knows nothing of the store; values as text.
    @discardableResult
    func raw(_ sql: String) -> [[String]] { Scene.raw(path, sql) }

    @discardableResult
    static func raw(_ path: String, _ sql: String) -> [[String]] {
        var handle: OpaquePointer?
        guard sqlite3_open_v2(path, &handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, nil) == SQLITE_OK else {
            return [["cannot open"]]
        }
        defer { sqlite3_close_v2(handle) }
        sqlite3_busy_timeout(handle, 5000)
        var rows: [[String]] = []
        var rest: UnsafePointer<CChar>?
        return sql.withCString { text in
            rest = text
            while let next = rest, next.pointee != 0 {
                var statement: OpaquePointer?
                guard sqlite3_prepare_v2(handle, next, -1, &statement, &rest) == SQLITE_OK else {
                    return [[String(cString: sqlite3_errmsg(handle))]]
                }
                guard let statement else { break }
                var code = sqlite3_step(statement)
                while code == SQLITE_ROW {
                    rows.append(
                        (0..<sqlite3_column_count(statement)).map { column in
                            sqlite3_column_text(statement, column).map { String(cString: $0) } ?? "NULL"
                        })
                    code = sqlite3_step(statement)
                }
                if code != SQLITE_DONE { rows.append([String(cString: sqlite3_errmsg(handle))]) }
                sqlite3_finalize(statement)
            }
            return rows
        }
    }

    func count(_ table: String) -> Int { Int(raw("SELECT count(*) FROM \(table)").first?.first ?? "") ?? -1 }
}

/// Rows for tests; nothing in them is left at its default.
enum Sample {
    static let account = AccountKey(provider: "local", name: "münchen")
    static let scope = LedgerScope(account: account, namespace: "crm")

    static func id(_ number: Int) -> Identifier { Identifier(high: UInt64(number) << 16, low: UInt32(number)) }

    static func session(_ number: Int = 1, revision: Int32 = 1, definition: String = "{\"a\":1.10}") -> SessionRow {
        SessionRow(
            id: id(number), name: "session \(number)", account: account, revision: revision, created: 100, expires: 200,
            definition: Array(definition.utf8))
    }

    static func transfer(
        _ sequence: Int64, session: Int = 1, records: Int32 = 1, all: Int32? = nil, key: String? = nil,
        created: Int64 = 1_000
    ) -> TransferRow {
        var row = TransferRow(
            sequence: sequence, id: id(Int(sequence)), session: id(session), account: account, revision: 1,
            schemaKey: "crm-contact", records: records, allRecords: all ?? records, disableUpsert: true,
            idempotencyKey: key, bodyHash: key == nil ? [] : [1, 2, 255], created: created)
        row.cursor = 7 << 16 | 3
        return row
    }

    static func record(
        _ transfer: Int64, _ ordinal: Int32, index: Int32? = nil, parent: Int32 = -1, children: Int32 = 0,
        descendants: Int32 = 0, schema: Int16 = 0, data: String? = nil
    ) -> RecordRow {
        RecordRow(
            place: RecordPlace(transfer: transfer, ordinal: ordinal), index: index ?? ordinal, parent: parent,
            children: children, descendants: descendants, schema: schema,
            givenID: ordinal % 2 == 0 ? nil : "given-\(ordinal)", internalID: ordinal % 3 == 0 ? nil : "Zoë-\(ordinal)",
            data: Array((data ?? "{\"number\":\(ordinal),\"price\":1.10}").utf8))
    }

    static func outcome(
        _ transfer: Int64, _ ordinal: Int32, kind: OutcomeKind = .created, id: String? = "", data: String = "{\"x\":1}"
    ) -> OutcomeRow {
        OutcomeRow(
            place: RecordPlace(transfer: transfer, ordinal: ordinal), kind: kind,
            providerID: id == "" ? "p\(ordinal)" : id, data: Array(data.utf8),
            basis: kind == .unchanged ? OutcomeRow.Basis(.ledger, asOf: 4_000) : nil,
            warnings: Array("[\"late\"]".utf8), finished: 5_000)
    }

    static func error(_ sequence: Int64, transfer: Int64, session: Int = 1, ordinal: Int32 = 0) -> ErrorRow {
        ErrorRow(
            sequence: sequence, id: id(2_000_000 + Int(sequence)), session: id(session), transfer: transfer,
            transferID: id(Int(transfer)), ordinal: ordinal, index: ordinal, internalID: "Zoë",
            schemaKey: "crm-company", failure: Failure(.upstream, .refusedUpstream, "Refused: \u{1F600}."), time: 7_000,
            resolved: sequence % 2 == 0)
    }

    static func event(
        _ sequence: Int64, transfer: Int64, session: Int = 1, kind: EventRow.Kind = .completed, time: Int64 = 8_000,
        range: Range<Int32> = 0..<0, error: Int64? = nil, counts: TransferCounts? = nil
    ) -> EventRow {
        EventRow(
            sequence: sequence, time: time, kind: kind, session: id(session), transfer: transfer,
            transferID: id(Int(transfer)), schemaKey: "crm-contact", first: range.lowerBound,
            end: range.upperBound, isCompleted: kind == .completed, hasErrors: error != nil, error: error,
            counts: counts)
    }

    static func intent(_ id: Int64, settled: Int64? = nil) -> IntentRow {
        IntentRow(
            id: id, account: account, resource: "contacts", created: 3_000, attempt: 2, plan: Array("{\"p\":1}".utf8),
            settled: settled)
    }

    static func ledger(_ internalID: String, _ providerID: String, namespace: String = "crm") -> LedgerRow {
        LedgerRow(
            account: account, namespace: namespace, resource: "contacts", internalID: internalID,
            providerID: providerID, confirmed: 9_000)
    }

    static var counts: TransferCounts {
        var counts = TransferCounts()
        for kind in OutcomeKind.allCases { counts[kind] = Int32(kind.rawValue) }
        counts.finishedAll = 21
        counts.errors = 4
        return counts
    }

    /// A whole transfer of one level, accepted.
    static func whole(_ sequence: Int64, session: Int = 1, records: Int32 = 1, key: String? = nil) -> [Change] {
        [
            .transferBegun(transfer(sequence, session: session, records: records, key: key)),
            .records((0..<records).map { record(sequence, $0) }),
            .transferAccepted(sequence: sequence),
        ]
    }

    /// Its end: outcomes, ledger and events, with two event sequences from `event` on.
    static func ended(_ sequence: Int64, session: Int = 1, records: Int32 = 1, event: Int64, at time: Int64 = 8_000)
        -> [Change]
    {
        var counts = TransferCounts()
        counts[.created] = records
        counts.finishedAll = records
        return [
            .outcomes((0..<records).map { outcome(sequence, $0) }),
            .transferAdvanced(sequence: sequence, counts: counts, published: records, completed: time),
            .events([
                Sample.event(event, transfer: sequence, session: session, kind: .data, time: time, range: 0..<records),
                Sample.event(event + 1, transfer: sequence, session: session, time: time, counts: counts),
            ]),
        ]
    }
}
