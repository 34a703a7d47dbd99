import EventLoop
import Glibc

/// The file with the gateway's key: 64 hexadecimal digits and a line feed, readable by its owner only.
enum KeyFile {
    static let keyBytes = 32
    private static let digits = 2 * keyBytes

    /// The key in a file that has to be there.
    ///
    /// - Throws: `StartFailure` with exit code 78 if the file cannot be read, others may read it, or it holds no key.
    static func read(_ path: String) throws(StartFailure) -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else {
            throw refused("The key file \(path) cannot be read: \(String(cString: strerror(errno))).")
        }
        defer { close(descriptor) }
        var facts = stat()
        guard fstat(descriptor, &facts) == 0, facts.st_mode & S_IFMT == S_IFREG else {
            throw refused("The key file \(path) is not a file.")
        }
        guard facts.st_mode & 0o077 == 0 else {
            throw refused("The key file \(path) may be read or written by others. chmod 600 makes it good.")
        }
        var bytes = [UInt8](repeating: 0, count: digits + 2)
        let count = bytes.withUnsafeMutableBytes { Glibc.read(descriptor, $0.baseAddress, $0.count) }
        let isWhole = count == digits || (count == digits + 1 && bytes[digits] == UInt8(ascii: "\n"))
        guard isWhole, let key = parse(bytes.prefix(digits)) else {
            throw refused("The key file \(path) does not hold a key: \(digits) hexadecimal digits and a line feed.")
        }
        return key
    }

    /// The key in a file that is made if it is not there; `isNew` then. The caller holds the lock of the store, so nobody
    /// else makes it meanwhile.
    ///
    /// - Throws: as `read`, and `StartFailure` with exit code 74 if the file cannot be made.
    static func readOrMake(_ path: String) throws(StartFailure) -> (key: [UInt8], isNew: Bool) {
        if access(path, F_OK) == 0 || errno != ENOENT { return (try read(path), false) }
        let key: [UInt8]
        do {
            key = try Randomness.bytes(keyBytes)
        } catch {
            throw StartFailure(description: "There is no randomness for a key: \(error)", exitCode: 74)
        }
        let hex = Array("0123456789abcdef".utf8)
        let text = key.flatMap { [hex[Int($0 >> 4)], hex[Int($0 & 15)]] } + [UInt8(ascii: "\n")]
        // Under another name first: a file of this name is whole, or it is not there.
        let draft = path + ".new"
        unlink(draft)
        let descriptor = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw unmade(path) }
        let written = text.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
        let isWritten = written == text.count && fchmod(descriptor, 0o600) == 0 && fsync(descriptor) == 0
        close(descriptor)
        guard isWritten, rename(draft, path) == 0, syncFolder(of: path) else { throw unmade(path) }
        return (key, true)
    }

    private static func syncFolder(of path: String) -> Bool {
        let folder = path.lastIndex(of: "/").map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
        let descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        return fsync(descriptor) == 0
    }

    private static func parse(_ digits: ArraySlice<UInt8>) -> [UInt8]? {
        let values = digits.compactMap { digit in Character(UnicodeScalar(digit)).hexDigitValue.map(UInt8.init) }
        guard values.count == digits.count else { return nil }
        return stride(from: 0, to: values.count, by: 2).map { values[$0] << 4 | values[$0 + 1] }
    }

    private static func refused(_ text: String) -> StartFailure { StartFailure(description: text, exitCode: 78) }

    private static func unmade(_ path: String) -> StartFailure {
        StartFailure(
            description: "The key file \(path) cannot be made: \(String(cString: strerror(errno))).", exitCode: 74)
    }
}
