import CLinux
import CUV
import Glibc
import Testing

@testable import EventLoop

/// A folder of its own for one test, removed afterwards.
final class Folder {
    let path: String

    init() {
        var template = Array("/tmp/elXXXXXX".utf8CString)
        precondition(mkdtemp(&template) != nil, "The test needs a temporary folder.")
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit {
        removeAll(path)
    }

    func callAsFunction(_ name: String) -> String { path + "/" + name }

    /// What lies in the folder, sorted.
    var names: [String] { list(path) }

    private func list(_ path: String) -> [String] {
        guard let directory = opendir(path) else { return [] }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    private func removeAll(_ path: String) {
        for name in list(path) {
            let child = path + "/" + name
            if unlink(child) != 0 { removeAll(child) }
        }
        rmdir(path)
    }
}

/// A blocking client that knows nothing of the loop: what a foreign program would be.
struct RawSocket {
    let descriptor: Int32

    init?(connectingTo path: String) {
        descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        guard Descriptors.withAddress(of: path, { connect(descriptor, $0, $1) }) == 0 else {
            close(descriptor)
            return nil
        }
    }

    func write(_ text: String) { _ = text.withCString { send(descriptor, $0, strlen($0), Int32(MSG_NOSIGNAL)) } }

    func read(_ most: Int = 65536) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: most)
        let count = recv(descriptor, &bytes, most, 0)
        return Array(bytes[..<max(count, 0)])
    }

    func end() { shutdown(descriptor, Int32(SHUT_WR)) }
    func close() { Glibc.close(descriptor) }
    private func close(_ descriptor: Int32) { Glibc.close(descriptor) }
}

func seconds(_ count: Double) -> UInt64 { UInt64(count * 1e9) }

extension Loop {
    /// Runs until `condition` holds, asked at the end of each turn; false when that takes longer than five seconds.
    func run(until condition: @escaping () -> Bool) -> Bool {
        let timer = Timer(loop: self)
        var isLate = false
        timer.start(after: seconds(5)) {
            isLate = true
            self.stop()
        }
        let before = endOfTurn
        endOfTurn = {
            before?()
            if condition() { self.stop() }
        }
        run()
        endOfTurn = before
        timer.close()
        return !isLate
    }
}

func string(_ bytes: UnsafeRawBufferPointer) -> String { String(decoding: bytes, as: UTF8.self) }
func string(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

func status(_ path: String) -> stat? {
    var result = stat()
    return lstat(path, &result) == 0 ? result : nil
}

func contents(_ path: String) -> String? {
    let file = open(path, O_RDONLY)
    guard file >= 0 else { return nil }
    defer { close(file) }
    var bytes: [UInt8] = []
    var part = [UInt8](repeating: 0, count: 65536)
    while case let count = read(file, &part, part.count), count > 0 { bytes += part[..<count] }
    return string(bytes)
}

func makeFile(_ path: String, _ text: String) {
    let file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
    _ = text.withCString { write(file, $0, strlen($0)) }
    close(file)
}

/// Lowers the limit to 64 descriptors and uses up all but `free`; answers those taken. For a process of its own.
func occupyDescriptors(leaving free: Int) -> [Int32] {
    var limit = rlimit(rlim_cur: 64, rlim_max: 64)
    getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    limit.rlim_cur = 64
    setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    var taken: [Int32] = []
    while case let next = fcntl(2, F_DUPFD, 3), next >= 0 { taken.append(next) }
    for _ in 0..<free { if let last = taken.popLast() { close(last) } }
    return taken
}
