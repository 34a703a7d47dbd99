import EventLoop
import Foundation
import PushCore
import Testing

@testable import HTTPClient

/// A process that prints its port and ends with its standard input.
final class Server {
    let port: Int
    private let process = Process()
    private let input = Pipe()

    init(_ command: [String]) throws {
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = command
        process.standardInput = input
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        var line = Data()
        while line.last != 0x0A {
            let piece = output.fileHandleForReading.availableData
            if piece.isEmpty { break }
            line += piece
        }
        port = Int(String(decoding: line.dropLast(), as: UTF8.self)) ?? 0
        #expect(port > 0, "The server did not start: \(command)")
    }

    static func hostile(_ arguments: String...) throws -> Server {
        try Server(["python3", Server.folder + "/hostile.py"] + arguments)
    }

    static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/Servers"

    func origin(_ scheme: String = "http", _ host: String = "127.0.0.1") throws -> HTTPOrigin {
        try #require(HTTPOrigin("\(scheme)://\(host):\(port)"))
    }

    deinit {
        try? input.fileHandleForWriting.close()
        process.waitUntilExit()
    }
}

/// A loop with a pool. `end` closes both and is the proof that nothing was left open.
final class Scene {
    let loop: Loop
    let pool: HTTPPool
    let origin: HTTPOrigin

    /// Loopback is allowed, plain HTTP to `origin` too, unless `change` says otherwise.
    init(_ origin: HTTPOrigin, _ change: (inout PoolPolicy) -> Void = { _ in }) throws {
        self.origin = origin
        var policy = PoolPolicy(filter: AddressFilter(allowed: ["127.0.0.0/8", "::1"].compactMap(AddressRange.init)))
        policy.plainOrigins = [origin]
        policy.bodyBytes = 1 << 20
        change(&policy)
        loop = try Loop()
        pool = try HTTPPool(loop: loop, policy: policy)
    }

    func end() {
        var isClosed = false
        pool.close { isClosed = true }
        loop.run()
        #expect(isClosed)
        #expect(loop.close())
    }

    func request(_ path: String, _ method: String = "GET", _ body: String = "", headers: [Exchange.Header] = [])
        -> HTTPRequest
    {
        HTTPRequest(method: method, origin: origin, path: path, headers: headers, body: Array(body.utf8))
    }

    /// Runs the loop until all are answered.
    func perform(_ requests: [HTTPRequest]) -> [HTTPOutcome] {
        var outcomes = [HTTPOutcome?](repeating: nil, count: requests.count)
        var left = requests.count
        for (place, request) in requests.enumerated() {
            pool.perform(request) { [loop] in
                outcomes[place] = $0
                left -= 1
                if left == 0 { loop.stop() }
            }
        }
        while left > 0 { loop.run() }
        return outcomes.compactMap { $0 }
    }

    func perform(_ request: HTTPRequest) -> HTTPOutcome { perform([request])[0] }

    func get(_ path: String) -> HTTPOutcome { perform(request(path)) }

    func post(_ path: String, _ body: String = "{}") -> HTTPOutcome { perform(request(path, "POST", body)) }

    /// How many requests came in for a path, as the server counts.
    func seen(_ path: String) -> Int? { get("/seen?path=\(path)").text.flatMap { Int($0) } }

    func pause(_ seconds: Double) {
        let timer = Timer(loop: loop)
        timer.start(after: UInt64(seconds * 1e9)) { [loop] in loop.stop() }
        loop.run()
        timer.close()
    }
}

extension HTTPOutcome {
    var status: Int? { (try? get())?.status }
    var text: String? { (try? get()).map { String(decoding: $0.body, as: UTF8.self) } }

    var failure: HTTPFailure? {
        if case .failure(let failure) = self { return failure }
        return nil
    }

    func header(_ name: String) -> String? { (try? get())?.headers.first { $0.name == name }?.value }

    /// "200 text", "tlsFailed connect", for comparisons.
    var brief: String {
        switch self {
        case .success(let answer): "\(answer.status) \(String(decoding: answer.body, as: UTF8.self).prefix(40))"
        case .failure(let failure): "\(failure.kind) \(failure.phase)"
        }
    }
}
