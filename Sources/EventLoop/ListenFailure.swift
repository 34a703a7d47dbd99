/// Why a gateway cannot listen. Each description says what to do.
package enum ListenFailure: Error, Equatable, Sendable, CustomStringConvertible {
    /// Longer than the 107 bytes that the address of a Unix socket holds (unix(7)).
    case pathTooLong(bytes: Int)
    /// The lock beside the socket is held; `pid` is what its holder wrote into it.
    case held(pid: Int32?)
    /// Something else is at the path, or the path names a directory.
    case notASocket(path: String)
    /// Someone answers at the path, without holding our lock.
    case alive(path: String)
    /// A dead socket of another user is at the path.
    case foreign(path: String, uid: UInt32)
    /// Every user may replace files in the directory (writable by all, no sticky bit).
    case unsafeDirectory(path: String)
    /// A name starting with `@` or NUL: such sockets have no permissions and cross mount namespaces.
    case abstractRefused
    /// A descriptor that was handed over is not a listening Unix stream socket.
    case notListening(descriptor: Int32)
    case system(LoopFailure)

    /// Bytes of a path that fit into the address of a Unix socket beside its terminator.
    package static let longestPath = 107

    package var description: String {
        switch self {
        case .pathTooLong(let bytes):
            "The socket path has \(bytes) bytes, at most \(Self.longestPath) are possible; choose a shorter directory."
        case .held(let pid):
            "Another gateway\(pid.map { ", pid \($0)," } ?? "") holds this socket path; stop it or choose another path."
        case .notASocket(let path):
            "\(path) exists and is not a socket; it was left alone. Remove it or choose another path."
        case .alive(let path):
            "A program already answers at \(path); stop it or choose another path."
        case .foreign(let path, let uid):
            "\(path) is a dead socket of the user with uid \(uid); remove it or choose another path."
        case .unsafeDirectory(let path):
            "Every user may replace files in \(path); use a directory of your own, for example with mode 0700."
        case .abstractRefused:
            "Abstract sockets have no permissions and are refused; give the path of a file."
        case .notListening(let descriptor):
            "Descriptor \(descriptor) is not a listening Unix stream socket; check ListenStream= of the socket unit."
        case .system(let failure):
            "Cannot listen: \(failure)."
        }
    }
}
