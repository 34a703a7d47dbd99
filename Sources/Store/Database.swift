import CSQLite

/// One connection to the store's file. Stays on the thread that made it.
final class Database {
    enum Access: Equatable {
        /// Looks only: changes neither the file nor the log. Without a log beside the file it makes none either, but then
        /// nobody may write the file meanwhile.
        case look(hasLog: Bool)
        case read
        case write
    }

    /// Size of a page in bytes, and of its frame in the write-ahead log (https://sqlite.org/fileformat2.html section 4).
    static let pageBytes = 4096
    static let frameBytes = pageBytes + 24
    /// Bytes of one value; an inbound line is at most 16 MiB, a plan holds several records.
    private static let longestValue: Int32 = 128 << 20

    private let handle: OpaquePointer
    private var statements: [UInt: Statement] = [:]
    private var composedStatements: [String: Statement] = [:]
    /// Frames in the log after the last commit of this connection; written by the hook.
    private let frames: UnsafeMutablePointer<Int32>
    private let lockMilliseconds: Int32

    /// Once, before the first connection of the process and before its threads.
    static func prepareLibrary() { csqlite_count_no_memory() }

    /// Throws `io`, `damaged` or `locked`, and `notDurable` when a setting was not taken.
    init(path: String, access: Access, lockMilliseconds: Int32) throws(StoreFailure) {
        var opened: OpaquePointer?
        var (name, mode) = (path, SQLITE_OPEN_READWRITE)
        if case .look(let hasLog) = access {
            mode = SQLITE_OPEN_READONLY
            if !hasLog { (name, mode) = (Self.immutable(path), SQLITE_OPEN_READONLY | SQLITE_OPEN_URI) }
        }
        let code = sqlite3_open_v2(name, &opened, mode | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, nil)
        guard code == SQLITE_OK, let opened else {
            sqlite3_close_v2(opened)
            throw StoreFailure(code: code, operation: "open store file")
        }
        handle = opened
        frames = .allocate(capacity: 1)
        frames.initialize(to: 0)
        self.lockMilliseconds = lockMilliseconds
        sqlite3_busy_timeout(handle, lockMilliseconds)
        sqlite3_limit(handle, SQLITE_LIMIT_LENGTH, Self.longestValue)
        sqlite3_limit(handle, SQLITE_LIMIT_SQL_LENGTH, 100_000)
        sqlite3_limit(handle, SQLITE_LIMIT_ATTACHED, 0)
        try harden(access)
    }

    deinit {
        for statement in statements.values { statement.finalize() }
        for statement in composedStatements.values { statement.finalize() }
        sqlite3_close_v2(handle)
        frames.deallocate()
    }

    /// The URI (https://sqlite.org/uri.html) under which SQLite takes the file as it lies there.
    private static func immutable(_ path: String) -> String {
        var uri = "file:"
        for character in path.unicodeScalars {
            switch character {
            case "%": uri += "%25"
            case "?": uri += "%3f"
            case "#": uri += "%23"
            default: uri.unicodeScalars.append(character)
            }
        }
        return uri + "?immutable=1"
    }

    /// The file may have been written by someone else: nothing in its schema is trusted
    /// (https://sqlite.org/security.html).
    private func harden(_ access: Access) throws(StoreFailure) {
        try turn(SQLITE_DBCONFIG_DEFENSIVE, on: true, "defensive")
        try turn(SQLITE_DBCONFIG_TRUSTED_SCHEMA, on: false, "trusted_schema")
        try turn(SQLITE_DBCONFIG_DQS_DDL, on: false, "dqs_ddl")
        try turn(SQLITE_DBCONFIG_DQS_DML, on: false, "dqs_dml")
        // Who reads or looks does not copy the log: an error of that would go unseen.
        if access != .write { try closeWithoutCheckpoint() }
        try execute("PRAGMA cell_size_check=ON; PRAGMA temp_store=MEMORY", "set up connection")
        if access == .read { try execute("PRAGMA query_only=ON", "set up connection") }
        guard access == .write else { return }
        // The hook takes the place of automatic checkpoints, which would run inside COMMIT (K8).
        sqlite3_wal_hook(
            handle,
            { context, _, _, frames in
                context?.assumingMemoryBound(to: Int32.self).pointee = frames
                return SQLITE_OK
            }, frames)
    }

    private func turn(_ option: Int32, on: Bool, _ name: String) throws(StoreFailure) {
        let code = csqlite_switch(handle, option, on ? 1 : 0)
        if code != SQLITE_OK {
            throw StoreFailure(.notDurable(setting: name), code: code, operation: "set up connection")
        }
    }

    /// Leaves the log as it is when the connection closes: what follows a failed flush cannot be known.
    func closeWithoutCheckpoint() throws(StoreFailure) {
        try turn(SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, on: true, "no_ckpt_on_close")
    }

    /// Sets what accepted-means-kept rests on, and reads it back. Throws `notDurable`.
    func makeDurable() throws(StoreFailure) {
        try execute(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA secure_delete=ON; PRAGMA cache_size=-8192",
            "set up connection")
        for (setting, wanted) in [("journal_mode", "wal"), ("synchronous", "2"), ("secure_delete", "1")] {
            guard try text("PRAGMA \(setting)") == wanted else {
                throw StoreFailure(.notDurable(setting: "\(setting)=\(wanted)"), operation: "set up connection")
            }
        }
    }

    func execute(_ sql: String, _ operation: StaticString) throws(StoreFailure) {
        let code = sqlite3_exec(handle, sql, nil, nil, nil)
        if code != SQLITE_OK { throw StoreFailure(code: code, operation: operation) }
    }

    /// The prepared statement for a literal, prepared at its first use and kept; it has no parameters bound and has not
    /// been run. `operation` is for the failure.
    func statement(_ sql: StaticString, _ operation: StaticString) throws(StoreFailure) -> Statement {
        let key = UInt(bitPattern: sql.utf8Start)
        if let known = statements[key] { return known }
        let statement = try prepare(
            UnsafeBufferPointer(start: sql.utf8Start, count: sql.utf8CodeUnitCount), operation)
        statements[key] = statement
        return statement
    }

    /// The same for a text that is put together from literals.
    func composed(_ sql: String, _ operation: StaticString) throws(StoreFailure) -> Statement {
        if let known = composedStatements[sql] { return known }
        let statement = try Array(sql.utf8).withUnsafeBufferPointer { text throws(StoreFailure) in
            try prepare(text, operation)
        }
        composedStatements[sql] = statement
        return statement
    }

    private func prepare(
        _ sql: UnsafeBufferPointer<UInt8>, _ operation: StaticString
    ) throws(StoreFailure) -> Statement {
        var prepared: OpaquePointer?
        let code = sql.withMemoryRebound(to: CChar.self) {
            sqlite3_prepare_v3(
                handle, $0.baseAddress, Int32($0.count), UInt32(SQLITE_PREPARE_PERSISTENT), &prepared, nil)
        }
        // The text is ours and right: when SQLite does not understand it, the schema is not what was written.
        if code == SQLITE_ERROR { throw .damaged(operation) }
        guard code == SQLITE_OK, let prepared else { throw StoreFailure(code: code, operation: operation) }
        return Statement(prepared, operation)
    }

    /// The first column of the first row, as text; nil when there is no row or no value.
    func text(_ sql: String) throws(StoreFailure) -> String? {
        let statement = try composed(sql, "ask for a setting")
        defer { statement.reset() }
        return try statement.step() ? statement.text(0) : nil
    }

    /// The first column of the first row; 0 when there is no row or no value.
    func integer(_ sql: StaticString, _ operation: StaticString) throws(StoreFailure) -> Int64 {
        let statement = try statement(sql, operation)
        defer { statement.reset() }
        return try statement.step() ? statement.integer(0) : 0
    }

    /// All rows of a statement without parameters, read by `read`.
    func rows<Row>(
        _ sql: String, _ operation: StaticString, _ read: (inout RowReader) throws(StoreFailure) -> Row
    ) throws(StoreFailure) -> [Row] {
        try composed(sql, operation).rows(read)
    }

    /// Rows that the last statement inserted, changed or removed.
    var changes: Int { Int(sqlite3_changes64(handle)) }

    // MARK: The log

    /// Bytes of log after the last commit of this connection.
    var logBytes: Int { Int(frames.pointee) * Self.frameBytes }

    /// Copies the log into the file without waiting for anyone. True when all of it was copied. With `cutting`, the log
    /// is then made empty, if no reader is at work at this moment; true when that too was done.
    func checkpoint(cutting: Bool) throws(StoreFailure) -> Bool {
        var (inLog, copied) = (Int32(0), Int32(0))
        let code = sqlite3_wal_checkpoint_v2(handle, nil, SQLITE_CHECKPOINT_PASSIVE, &inLog, &copied)
        if code & 0xFF == SQLITE_BUSY { return false }
        guard code == SQLITE_OK else { throw StoreFailure(code: code, operation: "checkpoint") }
        guard inLog == copied else { return false }
        guard cutting else { return true }
        // Without a time-out of zero the writer would wait for the reader here.
        sqlite3_busy_timeout(handle, 0)
        defer { sqlite3_busy_timeout(handle, lockMilliseconds) }
        let cut = sqlite3_wal_checkpoint_v2(handle, nil, SQLITE_CHECKPOINT_TRUNCATE, &inLog, &copied)
        if cut & 0xFF == SQLITE_BUSY { return false }
        guard cut == SQLITE_OK else { throw StoreFailure(code: cut, operation: "cut log") }
        frames.pointee = 0
        return true
    }

    // MARK: Transactions

    /// Takes the write lock at once, so that a transaction never fails half-way for the want of it.
    func begin() throws(StoreFailure) { try statement("BEGIN IMMEDIATE", "begin group").run() }
    func commit() throws(StoreFailure) { try statement("COMMIT", "commit group").run() }

    /// Takes back what is open. A failure changes nothing: the connection is closed after it.
    func rollBack() { sqlite3_exec(handle, "ROLLBACK", nil, nil, nil) }

    /// Runs `body` in one transaction; takes it back when it throws.
    func transaction<Result>(
        _ body: () throws(StoreFailure) -> Result
    ) throws(StoreFailure) -> Result {
        try begin()
        do throws(StoreFailure) {
            let result = try body()
            try commit()
            return result
        } catch {
            rollBack()
            throw error
        }
    }

    /// Runs `body` on one state of the store. The snapshot is let go of in any case: a log with a reader cannot be reused.
    func snapshot<Result>(_ body: () throws(StoreFailure) -> Result) throws(StoreFailure) -> Result {
        try statement("BEGIN", "begin read").run()
        defer { sqlite3_exec(handle, "COMMIT", nil, nil, nil) }
        return try body()
    }
}
