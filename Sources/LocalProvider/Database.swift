import CSQLite

/// A call of SQLite that failed. Holds no SQL, no argument and no contents.
struct DatabaseFailure: Error, Equatable, CustomStringConvertible {
    /// SQLite's extended result code; or `notDurable`, `foreignFile`, `newerFile`, which SQLite does not use.
    let code: Int32
    let operation: StaticString

    /// A setting that durability rests on was not taken.
    static let notDurable: Int32 = -1
    /// The file was made by another program.
    static let foreignFile: Int32 = -2
    /// The file was made by a newer version of this program.
    static let newerFile: Int32 = -3

    /// True when the operating system refused to read, write or flush: what the page cache says may not be on disk.
    var isIO: Bool { code & 0xFF == SQLITE_IOERR }

    /// True when the transaction under way is unharmed and can be taken back and tried again on this connection.
    var leavesConnectionUsable: Bool {
        code & 0xFF == SQLITE_BUSY || code & 0xFF == SQLITE_FULL
    }

    var description: String {
        switch code {
        case Self.notDurable: "\(operation): SQLite did not take a setting that durability needs"
        case Self.foreignFile: "\(operation): the file belongs to another program"
        case Self.newerFile: "\(operation): the file was made by a newer version of pushgate"
        default: "\(operation): \(String(cString: sqlite3_errstr(code))) (SQLite \(code))"
        }
    }

    static func == (left: DatabaseFailure, right: DatabaseFailure) -> Bool {
        left.code == right.code && left.operation.description == right.operation.description
    }
}

/// One connection to an existing SQLite file. Stays on the thread that made it.
final class Database {
    private let handle: OpaquePointer
    /// Pages in the write-ahead log after the last commit of this connection; written by the hook.
    private let walPageCount: UnsafeMutablePointer<Int32>

    /// Before the provider's thread is started.
    static func prepareLibrary() { csqlite_count_no_memory() }

    init(path: String) throws(DatabaseFailure) {
        var opened: OpaquePointer?
        let flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE
        let code = sqlite3_open_v2(path, &opened, flags, nil)
        guard code == SQLITE_OK, let opened else {
            sqlite3_close_v2(opened)
            throw DatabaseFailure(code: code, operation: "open file")
        }
        handle = opened
        walPageCount = .allocate(capacity: 1)
        walPageCount.initialize(to: 0)
        sqlite3_extended_result_codes(handle, 1)
        sqlite3_limit(handle, SQLITE_LIMIT_ATTACHED, 0)
        sqlite3_limit(handle, SQLITE_LIMIT_LENGTH, Database.valueCeiling)
        sqlite3_busy_timeout(handle, Database.busyMilliseconds)
        // The hook takes the place of automatic checkpoints, which would run inside COMMIT.
        sqlite3_wal_hook(
            handle,
            { context, _, _, pages in
                context?.assumingMemoryBound(to: Int32.self).pointee = pages
                return SQLITE_OK
            }, walPageCount)
    }

    deinit {
        // Statements that outlive the connection keep it half open; the last one closes it.
        sqlite3_close_v2(handle)
        walPageCount.deallocate()
    }

    /// How long a call waits for a foreign program's lock. Short, because all accounts share the thread.
    static let busyMilliseconds: Int32 = 250

    /// Bytes of one value in a row, above anything that the ceilings of requests and answers let through.
    static let valueCeiling: Int32 = 128 << 20

    /// Bytes in the write-ahead log that were not yet seen to be copied into the file.
    var walBytes: Int { Int(walPageCount.pointee) * Database.pageSize }

    static let pageSize = 4096

    func execute(_ sql: String, _ operation: StaticString) throws(DatabaseFailure) {
        let code = sqlite3_exec(handle, sql, nil, nil, nil)
        if code != SQLITE_OK { throw DatabaseFailure(code: code, operation: operation) }
    }

    func prepare(_ sql: String) throws(DatabaseFailure) -> Statement {
        var statement: OpaquePointer?
        let code = sqlite3_prepare_v3(handle, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &statement, nil)
        guard code == SQLITE_OK, let statement else {
            throw DatabaseFailure(code: code, operation: "prepare statement")
        }
        return Statement(statement)
    }

    /// The first column of the first row; nil when there is no row.
    func integer(_ sql: String) throws(DatabaseFailure) -> Int64? {
        let statement = try prepare(sql)
        return try statement.step() ? statement.integer(0) : nil
    }

    func text(_ sql: String) throws(DatabaseFailure) -> String? {
        let statement = try prepare(sql)
        return try statement.step() ? statement.text(0) : nil
    }

    /// True while no transaction is open.
    var isOutsideTransaction: Bool { sqlite3_get_autocommit(handle) != 0 }

    /// Copies the log into the file. A foreign reader or writer may leave a part for the next time; that is no failure.
    func checkpoint(truncating: Bool) throws(DatabaseFailure) {
        var inLog: Int32 = 0
        var copied: Int32 = 0
        let mode = truncating ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE
        let code = sqlite3_wal_checkpoint_v2(handle, nil, mode, &inLog, &copied)
        guard code == SQLITE_OK || code & 0xFF == SQLITE_BUSY else {
            throw DatabaseFailure(code: code, operation: "checkpoint")
        }
        if code == SQLITE_OK { walPageCount.pointee = max(0, inLog - copied) }
    }
}

/// A prepared statement. Places of parameters count from 1, of columns from 0, as SQLite has it.
final class Statement {
    private let handle: OpaquePointer
    /// The first parameter that was not taken, told by the next `step`.
    private var bindCode = SQLITE_OK

    fileprivate init(_ handle: OpaquePointer) { self.handle = handle }

    deinit { sqlite3_finalize(handle) }

    // SQLite copies what it is given: no pointer of ours is kept beyond the call.
    private static var copied: sqlite3_destructor_type { unsafeBitCast(-1, to: sqlite3_destructor_type.self) }

    func bind(_ value: Int64, at place: Int32) { note(sqlite3_bind_int64(handle, place, value)) }

    func bindNull(at place: Int32) { note(sqlite3_bind_null(handle, place)) }

    func bind(_ value: String, at place: Int32) {
        var value = value
        value.withUTF8 { bind(UnsafeRawBufferPointer($0), at: place) }
    }

    /// Binds UTF-8 as text.
    func bind(_ text: UnsafeRawBufferPointer, at place: Int32) {
        // The address of an empty buffer may be nil, which SQLite would take for NULL.
        let start = text.baseAddress ?? UnsafeRawPointer(StaticString("").utf8Start)
        note(
            sqlite3_bind_text64(
                handle, place, start.assumingMemoryBound(to: CChar.self), UInt64(text.count), Statement.copied,
                UInt8(SQLITE_UTF8)))
    }

    func bind(_ text: [UInt8], at place: Int32) { text.withUnsafeBytes { bind($0, at: place) } }

    private func note(_ code: Int32) { if bindCode == SQLITE_OK { bindCode = code } }

    /// True when there is a row; false at the end. A failure resets the statement.
    func step() throws(DatabaseFailure) -> Bool {
        let code = bindCode == SQLITE_OK ? sqlite3_step(handle) : bindCode
        if code == SQLITE_ROW { return true }
        if code == SQLITE_DONE { return false }
        reset()
        throw DatabaseFailure(code: code, operation: "run statement")
    }

    /// Runs a statement that gives no rows, and makes it ready for the next time.
    func run() throws(DatabaseFailure) {
        _ = try step()
        reset()
    }

    /// Makes the statement ready for the next time; a read that is left standing would hold the log.
    func reset() {
        sqlite3_reset(handle)
        bindCode = SQLITE_OK
    }

    func integer(_ column: Int32) -> Int64 { sqlite3_column_int64(handle, column) }

    func text(_ column: Int32) -> String { bytes(column) { String(decoding: $0, as: UTF8.self) } }

    /// The UTF-8 of a text column; valid during the call only.
    func bytes<Result>(_ column: Int32, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        // The text must be asked for before its length.
        let start = sqlite3_column_text(handle, column)
        return body(UnsafeRawBufferPointer(start: start, count: Int(sqlite3_column_bytes(handle, column))))
    }
}
