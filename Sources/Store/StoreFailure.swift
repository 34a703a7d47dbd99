import CSQLite
import EventLoop

/// Why the store cannot be opened, or can no longer be used. Never holds SQL, arguments or contents of rows.
package struct StoreFailure: Error, Equatable, Sendable, CustomStringConvertible {
    package enum Kind: Equatable, Sendable {
        /// Another gateway holds the store; its process id, if it could be read.
        case held(pid: Int32?)
        /// The store was written by a newer version: the number of its schema, and the newest that this one knows.
        case newerSchema(found: Int32, known: Int32)
        /// The file is an SQLite database of another program.
        case foreign
        /// The file or a row of it is not what was written.
        case damaged
        /// No space left for a write.
        case full
        /// A read, write or flush failed. What the page cache shows may not be on disk.
        case io
        /// A row that contradicts another: a bug of the gateway.
        case constraint
        /// SQLite did not take a setting that durability or safety rests on.
        case notDurable(setting: String)
        /// A foreign program kept the database locked for longer than the store waits.
        case locked
        /// A system call outside SQLite failed.
        case system(LoopFailure)
        /// SQLite reported something else: out of memory, misuse, a ceiling.
        case other
    }

    /// SQLite's extended result code; 0 when SQLite was not asked.
    package let code: Int32
    /// What was being done, in words for a log line: "commit group".
    package let operation: StaticString
    package let kind: Kind

    package init(_ kind: Kind, code: Int32 = 0, operation: StaticString) {
        self.kind = kind
        self.code = code
        self.operation = operation
    }

    /// The failure that an extended result code of SQLite stands for (https://sqlite.org/rescode.html).
    init(code: Int32, operation: StaticString) {
        let kind: Kind =
            switch code & 0xFF {
            case SQLITE_CORRUPT, SQLITE_NOTADB, SQLITE_MISMATCH: .damaged
            case SQLITE_FULL: .full
            case SQLITE_IOERR, SQLITE_CANTOPEN, SQLITE_READONLY, SQLITE_PERM: .io
            case SQLITE_CONSTRAINT: .constraint
            case SQLITE_BUSY, SQLITE_LOCKED: .locked
            default: .other
            }
        self.init(kind, code: code, operation: operation)
    }

    /// A row whose values do not fit its checksum (K12) or its type.
    static func damaged(_ operation: StaticString) -> StoreFailure {
        StoreFailure(.damaged, code: SQLITE_CORRUPT, operation: operation)
    }

    /// Status with which the process ends (sysexits.h):
    ///
    /// | status | why |
    /// |---|---|
    /// | 65 | the file is damaged, or belongs to another program |
    /// | 70 | a constraint was violated, a setting was refused, SQLite was misused: a bug of the gateway |
    /// | 74 | a read, write, flush or system call failed, or the disk is full |
    /// | 75 | another gateway or program holds the store: try again later |
    /// | 78 | the store was written by a newer version |
    package var exitCode: Int32 {
        switch kind {
        case .damaged, .foreign: 65
        case .constraint, .notDurable, .other: 70
        case .full, .io, .system: 74
        case .held, .locked: 75
        case .newerSchema: 78
        }
    }

    package var description: String {
        switch kind {
        case .held(let pid):
            "Another gateway\(pid.map { ", pid \($0)," } ?? "") holds this store; stop it or choose another store."
        case .newerSchema(let found, let known):
            "The store has schema \(found), written by a newer version; this one knows up to \(known) and left it as it is."
        case .foreign:
            "The file is a database of another program; it was left as it is. Choose another path for the store."
        case .damaged: "The store is damaged (\(detail)). Run `pushgate doctor` on it or restore a backup."
        case .full:
            "No space is left for the store (\(detail)). Nothing unconfirmed was kept; free some space and restart."
        case .io: "The disk refused the store (\(detail)). Nothing unconfirmed was kept; check the disk and restart."
        case .constraint: "The store refused a contradictory row (\(detail)). This is a bug of the gateway."
        case .notDurable(let setting):
            "SQLite did not take \(setting), which durability or safety rests on (\(operation))."
        case .locked: "Another program keeps the store locked (\(detail)); end it and restart."
        case .system(let failure): "Cannot use the store: \(failure)."
        case .other: "SQLite failed (\(detail))."
        }
    }

    private var detail: String {
        "\(operation): \(String(cString: sqlite3_errstr(code))), SQLite \(code)"
    }

    package static func == (left: StoreFailure, right: StoreFailure) -> Bool {
        left.code == right.code && left.kind == right.kind
            && left.operation.description == right.operation.description
    }
}
