import EventLoop
import Glibc
import PushCore

/// Finding, making and checking the file of a store, before anything is read from it.
struct StoreFile {
    /// Without symbolic links, so that every way to the file meets the same lock.
    let path: String
    let directory: String

    /// The directory is made with mode 0700 if missing, with those above it; each is flushed into the one that holds it.
    /// Throws `system`.
    init(path given: String) throws(StoreFailure) {
        let parent = Self.parent(of: given)
        try Self.makeDirectory(parent)
        guard let directory = Self.resolved(parent) else { throw .last("find directory of store") }
        let name = given.split(separator: "/", omittingEmptySubsequences: false).last ?? ""
        // Before a lock is made beside it.
        var status = stat()
        let isOther = stat(given, &status) == 0 && status.st_mode & S_IFMT != S_IFREG
        guard !isOther, !name.isEmpty, name != ".", name != ".." else {
            let isDirectory = !isOther || status.st_mode & S_IFMT == S_IFDIR
            let failure = LoopFailure(code: isDirectory ? -EISDIR : -EINVAL, operation: "open store file")
            throw StoreFailure(.system(failure), operation: failure.operation)
        }
        if let path = Self.resolved(given) {
            self.path = path
            self.directory = Self.parent(of: path)
        } else {
            path = directory == "/" ? "/\(name)" : "\(directory)/\(name)"
            self.directory = directory
        }
    }

    /// Makes an empty file with mode 0600 if there is none. Throws `system`.
    func makeIfMissing() throws(StoreFailure) {
        let descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        if descriptor < 0 && errno == EEXIST { return }
        guard descriptor >= 0 else { throw .last("make store file") }
        defer { close(descriptor) }
        // Whatever the umask took away.
        guard fchmod(descriptor, 0o600) == 0 else { throw .last("set mode of store file") }
    }

    /// Flushes the directory, without which a power cut may take the file with all that was flushed into it.
    func flushDirectory() throws(StoreFailure) { try Self.flush(directory) }

    /// The version of the schema, 0 in an empty file. Changes nothing. Throws `newerSchema`, `foreign`, `damaged` and what
    /// SQLite reports.
    func schemaVersion(lockMilliseconds: Int32) throws(StoreFailure) -> Int32 {
        let database = try Database(path: path, access: .look(hasLog: logBytes > 0), lockMilliseconds: lockMilliseconds)
        let version = Int32(truncatingIfNeeded: try database.integer("PRAGMA user_version", "ask for schema version"))
        let application = try database.integer("PRAGMA application_id", "ask for application")
        let tables = try database.integer("SELECT count(*) FROM sqlite_schema", "ask for tables")
        guard application == Int64(Migrations.applicationID) else {
            if application == 0 && version == 0 && tables == 0 { return 0 }
            throw StoreFailure(.foreign, operation: "ask for application")
        }
        guard version <= Migrations.newest else {
            throw StoreFailure(
                .newerSchema(found: version, known: Migrations.newest), operation: "ask for schema version")
        }
        guard version > 0 else { throw .damaged("ask for schema version") }
        return version
    }

    /// Bytes that the file system still has for us. Nil when it does not say.
    var freeBytes: Int64? {
        var status = statvfs()
        guard statvfs(directory, &status) == 0 else { return nil }
        return Int64(clamping: UInt64(status.f_bavail).multipliedReportingOverflow(by: UInt64(status.f_frsize)).0)
    }

    /// Bytes of write-ahead log beside the file.
    var logBytes: Int {
        var status = stat()
        return stat("\(path)-wal", &status) == 0 ? Int(status.st_size) : 0
    }

    // MARK: Directories

    private static func parent(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    private static func resolved(_ path: String) -> String? {
        guard let found = realpath(path, nil) else { return nil }
        defer { free(found) }
        return String(cString: found)
    }

    private static func makeDirectory(_ path: String) throws(StoreFailure) {
        if mkdir(path, 0o700) == 0 { return try flush(parent(of: path)) }
        switch errno {
        case EEXIST, EISDIR: return
        case ENOENT:
            let above = parent(of: path)
            guard above != path else { throw .last("make directory of store") }
            try makeDirectory(above)
            guard mkdir(path, 0o700) == 0 || errno == EEXIST else { throw .last("make directory of store") }
            try flush(above)
        default: throw .last("make directory of store")
        }
    }

    private static func flush(_ directory: String) throws(StoreFailure) {
        let descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .last("open directory of store") }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw .last("flush directory of store") }
    }
}
