import Glibc

/// Where things are when nobody says otherwise (K35).
enum Paths {
    private static func variable(_ name: String) -> String? {
        guard let value = getenv(name), value.pointee != 0 else { return nil }
        return String(cString: value)
    }

    private static var home: String { variable("HOME") ?? "/" }

    static var state: String {
        variable("XDG_STATE_HOME").map { $0 + "/pushgate" } ?? home + "/.local/state/pushgate"
    }

    static var store: String { state + "/store.db" }

    static var socket: String {
        variable("PUSHGATE_SOCKET") ?? variable("XDG_RUNTIME_DIR").map { $0 + "/pushgate.sock" } ?? state
            + "/pushgate.sock"
    }

    static func folder(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    /// Makes a folder, and those above it, for this user alone.
    static func make(folder: String) {
        var made = ""
        for part in folder.split(separator: "/", omittingEmptySubsequences: false) {
            made += (made.isEmpty && part.isEmpty ? "" : part)
            if !made.isEmpty { mkdir(made, 0o700) }
            made += "/"
        }
    }

    /// The token in a file that only its owner can read.
    static func token(at path: String) throws -> [UInt8] {
        var status = stat()
        guard stat(path, &status) == 0 else {
            throw Exit(code: 78, message: "\(path): \(String(cString: strerror(errno))).")
        }
        guard status.st_mode & 0o077 == 0 else {
            throw Exit(code: 78, message: "\(path) can be read by others. chmod 0600 it.")
        }
        guard let text = read(path)?.split(separator: UInt8(ascii: "\n")).first, text.count >= 16 else {
            throw Exit(code: 78, message: "\(path) must hold a token of at least 16 characters.")
        }
        return Array(text)
    }

    static func read(_ path: String) -> [UInt8]? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = Glibc.read(descriptor, &buffer, buffer.count)
            guard count > 0 else { return count == 0 ? bytes : nil }
            bytes += buffer[..<count]
        }
    }
}
