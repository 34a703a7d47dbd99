// Theory of operation.
//
// A socket file can be taken over by accident (a second gateway), by malice (a link put in the way) or be left behind by
// a crash. The order below leaves no moment in which two gateways listen, in which the socket is open to more users than
// asked for, or in which a client finds a path that refuses:
//
//  1. lock PATH.lock, for the life of the gateway. The file stays: removing it would let two starters lock two files.
//  2. what is at PATH must be a socket of ours at which nobody answers.
//  3. bind to a temporary name beside it. bind(2) gives the file the socket's mode less the umask, so the mode is made
//     narrow before and exact after; until listen(2) nobody can connect in between.
//  4. listen, then rename to PATH, which replaces a dead socket at one stroke.
//
// libuv's own bind cuts long paths, widens modes and unlinks whatever is at the path when it closes; it is not used.

import CLinux
import CUV
import Glibc

/// A listening Unix socket and its place in the file system.
struct SocketPlace {
    let descriptor: Int32
    private let path: String
    private let lock: Int32
    private let device: dev_t
    private let inode: ino_t

    /// Throws what `ListenFailure` lists; nothing is left behind then but the lock file.
    static func take(
        path: String, mode: UInt32, group: UInt32?, backlog: Int32
    ) throws(ListenFailure) -> SocketPlace {
        let bytes = Array(path.utf8)
        if bytes.first == UInt8(ascii: "@") || bytes.contains(0) { throw .abstractRefused }
        if bytes.count > ListenFailure.longestPath { throw .pathTooLong(bytes: bytes.count) }
        if bytes.isEmpty || bytes.last == UInt8(ascii: "/") { throw .notASocket(path: path) }
        let (parent, name) = split(path)
        let directory = try openDirectory(parent)
        defer { close(directory) }
        let lock = try takeLock(path + ".lock")
        do throws(ListenFailure) {
            try checkPath(path)
            return try bind(path, name, directory, lock, mode: mode, group: group, backlog: backlog)
        } catch {
            close(lock)
            throw error
        }
    }

    /// Removes the socket file if it is still ours, stops listening and gives the lock back.
    func release() {
        var status = stat()
        if lstat(path, &status) == 0, status.st_dev == device, status.st_ino == inode { unlink(path) }
        close(descriptor)
        close(lock)
    }

    // MARK: Steps

    private static func split(_ path: String) -> (parent: String, name: String) {
        guard let slash = path.lastIndex(of: "/") else { return (".", path) }
        let name = String(path[path.index(after: slash)...])
        return (slash == path.startIndex ? "/" : String(path[..<slash]), name)
    }

    private static func openDirectory(_ parent: String) throws(ListenFailure) -> Int32 {
        let directory = try system { () throws(LoopFailure) in
            try LoopFailure.check(clinux_open_directory(parent), "open directory of socket")
        }
        var status = stat()
        let isOpenToAll = fstat(directory, &status) == 0 && status.st_mode & S_IWOTH != 0
        if isOpenToAll && status.st_mode & S_ISVTX == 0 {
            close(directory)
            throw .unsafeDirectory(path: parent)
        }
        return directory
    }

    private static func takeLock(_ path: String) throws(ListenFailure) -> Int32 {
        let flags = O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK
        let lock = try system("open lock file") { open(path, flags, 0o600) }
        guard flock(lock, LOCK_EX | LOCK_NB) == 0 else {
            defer { close(lock) }
            if errno == EWOULDBLOCK { throw .held(pid: readPid(lock)) }
            throw .system(.last("lock"))
        }
        // For the message of the one who comes second. A disk too full for it is no reason not to start.
        let pid = Array("\(getpid())\n".utf8)
        if ftruncate(lock, 0) == 0 { _ = pwrite(lock, pid, pid.count, 0) }
        return lock
    }

    private static func readPid(_ lock: Int32) -> Int32? {
        var text = [UInt8](repeating: 0, count: 16)
        let count = pread(lock, &text, text.count, 0)
        return count > 0 ? Int32(String(decoding: text[..<count].prefix { $0 != 10 }, as: UTF8.self)) : nil
    }

    private static func checkPath(_ path: String) throws(ListenFailure) {
        var status = stat()
        guard lstat(path, &status) == 0 else {
            if errno == ENOENT { return }
            throw .system(.last("examine socket path"))
        }
        guard status.st_mode & S_IFMT == S_IFSOCK else { throw .notASocket(path: path) }
        let probe = try system { () throws(LoopFailure) in try Descriptors.unixSocket() }
        defer { close(probe) }
        let answer = Descriptors.withAddress(of: path) { connect(probe, $0, $1) == 0 ? 0 : errno }
        switch answer {
        case ECONNREFUSED: break
        // A full backlog: someone listens.
        case 0, EAGAIN: throw .alive(path: path)
        // Bound as another kind of socket (datagram, packets).
        case EPROTOTYPE: throw .alive(path: path)
        // It went away in the meantime.
        case ENOENT: return
        default: throw .system(LoopFailure(code: -(answer ?? ENAMETOOLONG), operation: "probe socket"))
        }
        if status.st_uid != geteuid() { throw .foreign(path: path, uid: status.st_uid) }
    }

    private static func bind(
        _ path: String, _ name: String, _ directory: Int32, _ lock: Int32, mode: UInt32, group: UInt32?, backlog: Int32
    ) throws(ListenFailure) -> SocketPlace {
        let descriptor = try system { () throws(LoopFailure) in try Descriptors.unixSocket() }
        let temporary = temporaryName(for: name)
        var isBound = false
        do throws(ListenFailure) {
            try system("set mode of socket") { fchmod(descriptor, mode & 0o600) }
            // Left by a gateway that was killed at this point; the lock says that it is nobody else's.
            unlinkat(directory, temporary, 0)
            // The name may be longer than PATH itself; through /proc it always fits.
            let whole = path.utf8.count - name.utf8.count + temporary.utf8.count
            let fits = whole <= ListenFailure.longestPath
            let place = fits ? path.dropLast(name.count) + temporary : "/proc/self/fd/\(directory)/\(temporary)"
            try system("bind socket") {
                Descriptors.withAddress(of: String(place)) { Glibc.bind(descriptor, $0, $1) } ?? -1
            }
            isBound = true
            if let group {
                try system("set group of socket") {
                    fchownat(directory, temporary, uid_t.max, group, AT_SYMLINK_NOFOLLOW)
                }
            }
            try system("set mode of socket") { fchmodat(directory, temporary, mode, 0) }
            var status = stat()
            try system("examine socket") { fstatat(directory, temporary, &status, AT_SYMLINK_NOFOLLOW) }
            try system("listen") { listen(descriptor, backlog) }
            try system("move socket into place") { renameat(directory, temporary, directory, name) }
            return SocketPlace(
                descriptor: descriptor, path: path, lock: lock, device: status.st_dev, inode: status.st_ino)
        } catch {
            if isBound { unlinkat(directory, temporary, 0) }
            close(descriptor)
            throw error
        }
    }

    /// The same for the same socket each time, so that what a killed gateway left is found (FNV-1a).
    private static func temporaryName(for name: String) -> String {
        let hash = name.utf8.reduce(into: UInt32(0x811c_9dc5)) { hash, byte in
            hash = (hash ^ UInt32(byte)) &* 0x0100_0193
        }
        return ".pg" + String(hash, radix: 36)
    }

    @discardableResult
    private static func system(_ operation: StaticString, _ call: () -> Int32) throws(ListenFailure) -> Int32 {
        try system { () throws(LoopFailure) in try Descriptors.repeating(operation, call) }
    }

    private static func system(_ body: () throws(LoopFailure) -> Int32) throws(ListenFailure) -> Int32 {
        do throws(LoopFailure) {
            return try body()
        } catch {
            throw .system(error)
        }
    }
}
