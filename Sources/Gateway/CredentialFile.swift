import EventLoop
import Glibc

/// Why the file of a credential gives none. The text names the path: it is for the operator's log, not for callers.
struct CredentialFileProblem: Error, Equatable {
    var text: String
}

/// Reads the files of the operator's credentials.
enum CredentialFile {
    /// Bytes of a file; a larger one is not looked at.
    static let ceiling = 64 << 10

    /// The first line of the file. Links are followed, because that is how secrets are rotated where they are mounted. The
    /// group may read it, others may not: a token is worth as much as the customer's account.
    ///
    /// - Throws: what is wrong with the file. Waits for the disk: never to be called on the loop's thread.
    static func read(_ path: String) throws(CredentialFileProblem) -> Secret {
        // Without O_NONBLOCK to open a pipe would wait for a writer.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
        guard descriptor >= 0 else {
            throw CredentialFileProblem(text: "\(path) cannot be read: \(String(cString: strerror(errno)))")
        }
        defer { close(descriptor) }
        var facts = stat()
        guard fstat(descriptor, &facts) == 0, facts.st_mode & S_IFMT == S_IFREG else {
            throw CredentialFileProblem(text: "\(path) is not a regular file")
        }
        guard facts.st_mode & 0o027 == 0 else {
            throw CredentialFileProblem(
                text: "\(path) may be read by everybody, or written by others than its owner; chmod 0640 makes it good")
        }
        guard facts.st_size <= ceiling else {
            throw CredentialFileProblem(text: "\(path) has more than \(ceiling) bytes")
        }
        var bytes = [UInt8](repeating: 0, count: ceiling + 1)
        var count = 0
        while count < bytes.count {
            let read = bytes[count...].withUnsafeMutableBytes { Glibc.read(descriptor, $0.baseAddress, $0.count) }
            guard read >= 0 || errno == EINTR else {
                throw CredentialFileProblem(text: "\(path) cannot be read: \(String(cString: strerror(errno)))")
            }
            if read == 0 { break }
            count += max(0, read)
        }
        var line = bytes[..<count]
        if line.last == UInt8(ascii: "\n") { line.removeLast() }
        if line.last == UInt8(ascii: "\r") { line.removeLast() }
        guard let secret = Secret(line) else {
            throw CredentialFileProblem(
                text: "\(path) must hold one line of 1 to \(Secret.ceiling) visible ASCII characters")
        }
        return secret
    }
}

/// The thread that reads them: a file on a network that hangs makes nobody wait but who needs that file.
final class CredentialReader {
    struct Report: Sendable {
        var path: String
        var result: Result<Secret, CredentialFileProblem>
    }

    private let worker: Worker<String, Report>

    /// - Throws: `LoopFailure` when the process is out of threads or descriptors.
    init(loop: Loop, _ onReport: @escaping (Report) -> Void) throws(LoopFailure) {
        worker = try Worker(loop: loop, name: "credentials") { inbox in
            while let paths = inbox.take() {
                for path in paths {
                    let result = Result { () throws(CredentialFileProblem) in try CredentialFile.read(path) }
                    inbox.report(Report(path: path, result: result))
                }
            }
        } onReports: {
            for report in $0 { onReport(report) }
        }
        worker.keepsLoopAlive = false
    }

    func read(_ path: String) { worker.send(path) }

    func close(_ done: @escaping () -> Void) { worker.close(done) }
}
