import EventLoop
import Foundation
import PushCore
import Testing

@testable import HTTPClient

@Suite struct RequestTests {
    private struct Seen: Decodable {
        var method: String
        var path: String
        var lines: [String]
        var body: Int
        var peer: Int
    }

    private func seen(_ scene: Scene) throws -> [Seen] {
        try JSONDecoder().decode([Seen].self, from: Data((scene.get("/requests").text ?? "[]").utf8))
    }

    @Test func headHoldsWhatWasAskedForAndNoMore() throws {
        let server = try Server.hostile()
        let scene = try Scene(server.origin())
        let headers = [
            Exchange.Header("Content-Type", "application/json"), Exchange.Header("X-Empty", ""),
            Exchange.Header("X-Two", " a: b "),
        ]
        #expect(scene.perform(scene.request("/echo?a=/../b", "PATCH", "{}", headers: headers)).text == "{}")
        _ = scene.post("/echo", "")
        _ = scene.get("/good?plain")
        _ = scene.perform(scene.request("/good", "DELETE"))
        #expect(scene.perform(scene.request("/good", "HEAD")).brief == "200 ")
        let requests = try seen(scene)
        let host = "Host: 127.0.0.1:\(server.port)"
        let usual = [host, "User-Agent: pushgate", "Accept-Encoding: gzip"]
        #expect(
            requests.map { Set($0.lines) } == [
                Set(
                    usual + [
                        "PATCH /echo?a=/../b HTTP/1.1", "Content-Type: application/json", "X-Empty:", "X-Two: a: b ",
                        "Content-Length: 2",
                    ]),
                Set(usual + ["POST /echo HTTP/1.1", "Content-Length: 0"]),
                Set(usual + ["GET /good?plain HTTP/1.1"]),
                Set(usual + ["DELETE /good HTTP/1.1", "Content-Length: 0"]),
                Set(usual + ["HEAD /good HTTP/1.1"]),
            ])
        scene.end()
    }

    @Test func bodyOfMegabytesArrivesWholeWithoutExpect() throws {
        let server = try Server.hostile()
        let scene = try Scene(server.origin()) { $0.bodyBytes = 8 << 20 }
        let body = String(repeating: "0123456789abcdef", count: 3 << 16)
        #expect(scene.post("/echo", body).text == body)
        #expect(try seen(scene).allSatisfy { !$0.lines.contains { $0.lowercased().hasPrefix("expect") } })
        scene.end()
    }

    @Test func everyByteThatCouldSplitAHeadIsRefused() throws {
        let origin = try #require(HTTPOrigin("https://example.com"))
        func problem(_ header: Exchange.Header, method: String = "POST", path: String = "/") -> String? {
            RequestHeaders.problem(HTTPRequest(method: method, origin: origin, path: path, headers: [header]))
        }
        for byte in UInt8(0)...255 {
            let text = "a" + String(UnicodeScalar(byte)) + "b"
            #expect(
                (problem(Exchange.Header("X", text)) == nil) == ((0x20...0x7E).contains(byte) || byte == 9), "\(byte)")
            let isToken =
                byte < 128
                && (UnicodeScalar(byte).properties.isAlphabetic || "0123456789!#$%&'*+-.^_`|~".utf8.contains(byte))
            #expect((problem(Exchange.Header(text, "v")) == nil) == isToken, "\(byte)")
            let isPath = (0x21...0x7E).contains(byte) && byte != UInt8(ascii: "#")
            #expect((problem(Exchange.Header("X", "v"), path: "/" + text) == nil) == isPath, "\(byte)")
        }
        for name in RequestHeaders.reserved { #expect(problem(Exchange.Header(name.uppercased(), "v")) != nil) }
        for method in ["", "get", "POST ", "P\r\n"] {
            #expect(problem(Exchange.Header("X", "v"), method: method) != nil)
        }
        for path in ["", "x", "http://x/"] { #expect(problem(Exchange.Header("X", "v"), path: path) != nil) }
        #expect(
            RequestHeaders.problem(HTTPRequest(method: "GET", origin: origin, path: "/", body: [1])) != nil)
    }

    @Test func badRequestsNeverLeave() throws {
        let server = try Server.hostile()
        let scene = try Scene(server.origin())
        let bad = scene.perform(scene.request("/good?bad", "POST", "", headers: [Exchange.Header("X", "a\r\nY: b")]))
        #expect(bad.brief == "badRequest connect")
        #expect(scene.seen("/good?bad") == 0)
        var elsewhere = scene.request("/good")
        elsewhere.origin = try server.origin("http", "localhost")
        #expect(scene.perform(elsewhere).brief == "badRequest connect")
        scene.end()
    }

    @Test func originsAreReadStrictly() {
        for (text, again) in [
            ("https://api.example.com", "https://api.example.com"),
            ("HTTPS://API.Example.com:443", "https://api.example.com"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("https://[2001:DB8::1]:444", "https://[2001:db8::1]:444"),
            ("http://a_b-c.d:80", "http://a_b-c.d"),
        ] { #expect(HTTPOrigin(text)?.description == again) }
        for text in [
            "", "https://", "ftp://a", "https:/a", "a.b", "https://a/", "https://a?b", "https://u@a", "https://u:p@a",
            "https://a:0",
            "https://a:65536", "https://a:", "https://a:b", "https://a b", "https://a%20", "https://[1.2.3.4]",
            "https://[::1",
            "https://::1", "https://a\r\n", "https://ä.de", "https://[::1]x",
            "https://" + String(repeating: "a", count: 254),
        ] { #expect(HTTPOrigin(text) == nil, "\(text)") }
        #expect(HTTPOrigin.target("https://a.b/c?d")?.path == "/c?d")
        #expect(HTTPOrigin.target("https://a.b?d")?.path == "/?d")
        #expect(HTTPOrigin.target("https://a.b")?.path == "/")
        for text in ["https://a.b/c#d", "https://a.b/c d", "https://a.b/\u{7F}", "//a.b"] {
            #expect(HTTPOrigin.target(text) == nil)
        }
    }

    /// In a process of its own: the environment belongs to all threads.
    @Test func environmentsProxiesAreNotUsed() async throws {
        await #expect(processExitsWith: .success) {
            for name in ["http_proxy", "https_proxy", "ALL_PROXY", "all_proxy"] {
                setenv(name, "http://127.0.0.1:1", 1)
            }
            let server = try Server.hostile()
            let scene = try Scene(server.origin())
            #expect(scene.get("/good").brief == "200 good")
            scene.end()
        }
    }

    @Test func configuredProxyIsAskedInstead() throws {
        let server = try Server.hostile()
        let origin = try #require(HTTPOrigin("http://nowhere.invalid"))
        let scene = try Scene(origin) { $0.proxy = "http://127.0.0.1:\(server.port)" }
        #expect(scene.get("/good").brief == "200 good")
        scene.end()
    }

    @Test func cookiesAreNotGivenBack() throws {
        let server = try Server.hostile()
        let scene = try Scene(server.origin())
        #expect(scene.get("/cookie").status == 200)
        #expect(scene.get("/good?after").status == 200)
        #expect(try seen(scene).allSatisfy { !$0.lines.contains { $0.lowercased().hasPrefix("cookie") } })
        scene.end()
    }

    // MARK: Connections

    @Test func connectionsAreKeptAndNotForTooLong() throws {
        let server = try Server.hostile()
        let scene = try Scene(server.origin()) { $0.idleSeconds = 1 }
        for _ in 0..<3 { #expect(scene.post("/good").status == 200) }
        scene.pause(2.5)
        #expect(scene.post("/good").status == 200)
        let peers = try seen(scene).map(\.peer)
        #expect(Set(peers.prefix(3)).count == 1 && peers[3] != peers[0], "\(peers)")
        scene.end()
    }

    @Test func neverMoreConnectionsThanAllowed() throws {
        let server = try Server.hostile()
        let other = try Server.hostile()
        let scene = try Scene(server.origin()) {
            $0.connectionsPerHost = 3
            $0.connections = 4
            $0.waiting = 30
            if let origin = try? other.origin() { $0.plainOrigins.insert(origin) }
        }
        var requests = (0..<12).map { _ in scene.request("/slow", "POST", "{}") }
        requests += try requests.map {
            var request = $0
            request.origin = try other.origin()
            return request
        }
        let began = scene.loop.now
        #expect(scene.perform(requests).allSatisfy { $0.brief == "200 slow" })
        // 24 requests of 0.3 s on four connections.
        #expect(scene.loop.now - began >= 6 * 300_000_000)
        #expect(Set(try seen(scene).map(\.peer)).count <= 3)
        let crowd = scene.perform((0..<60).map { _ in scene.request("/good", "POST", "{}") })
        #expect(crowd.filter { $0.failure?.kind == .noPlace }.count == 60 - 30 - 3)
        scene.end()
    }

    /// libcurl would send the request again by itself; the server, who did the work before it closed, would do it twice.
    @Test func requestOnADyingConnectionIsNotSentAgain() throws {
        let server = try Server.hostile()
        let scene = try Scene(server.origin())
        for path in ["/no_answer?post", "/reset?post"] {
            #expect(scene.post("/good").status == 200)
            #expect(scene.post(path).brief == "noAnswer receive")
            #expect(scene.seen(path) == 1)
        }
        // What has no effect may go twice, but no more.
        #expect(scene.get("/good").status == 200)
        #expect(scene.get("/no_answer?get").brief == "noAnswer receive")
        #expect(scene.seen("/no_answer?get") == 2)
        scene.end()
    }

    // MARK: Phases

    @Test func failureSaysHowFarItCame() throws {
        let server = try Server.hostile()
        let scene = try Scene(server.origin())
        let big = String(repeating: "x", count: 16 << 20)
        #expect(scene.post("/deaf", big).brief == "sendFailed send")
        #expect(["413 too large", "sendFailed send"].contains(scene.post("/early", big).brief))
        var nowhere = scene.request("/")
        nowhere.origin = try #require(HTTPOrigin("https://nowhere.invalid"))
        nowhere.deadlines.total = 20_000_000_000
        #expect(["nameNotFound resolve", "connectDeadline resolve"].contains(scene.perform(nowhere).brief))
        nowhere.origin = try #require(HTTPOrigin("https://127.0.0.1:1"))
        #expect(scene.perform(nowhere).brief == "connectFailed connect")
        scene.end()
    }

    @Test func deadlinesAreByPhase() throws {
        let server = try Server.hostile()
        let scene = try Scene(server.origin()) { $0.connectionsPerHost = 1 }
        // A listener that nobody accepts from: TCP stands, TLS does not.
        let mute = try Server([
            "python3", "-c",
            "import socket,sys; s=socket.create_server(('127.0.0.1',0)); print(s.getsockname()[1],flush=True); sys.stdin.read()",
        ])
        var request = scene.request("/")
        request.origin = try mute.origin("https")
        request.deadlines = HTTPDeadlines(connect: 300_000_000, firstByte: 60_000_000_000, total: 60_000_000_000)
        #expect(scene.perform(request).brief == "connectDeadline connect")
        request.deadlines = HTTPDeadlines(connect: 60_000_000_000, firstByte: 60_000_000_000, total: 300_000_000)
        #expect(scene.perform(request).brief == "totalDeadline connect")
        var holding = scene.request("/hold", "POST", "{}")
        holding.deadlines = HTTPDeadlines(connect: 60_000_000_000, firstByte: 2_000_000_000, total: 60_000_000_000)
        var queued = scene.request("/good?queued", "POST", "{}")
        queued.deadlines.total = 500_000_000
        #expect(
            scene.perform([holding, queued]).map(\.brief) == ["firstByteDeadline deadline", "totalDeadline connect"])
        #expect(scene.seen("/good?queued") == 0)
        scene.end()
    }

    // MARK: Closing

    @Test func closingAnswersEverything() throws {
        let server = try Server.hostile()
        let scene = try Scene(server.origin()) { $0.connectionsPerHost = 1 }
        var seen: [String] = []
        scene.pool.perform(scene.request("/hold", "POST", "{}")) { seen.append($0.brief) }
        scene.pool.perform(scene.request("/good", "POST", "{}")) { seen.append($0.brief) }
        scene.pause(0.5)
        scene.end()
        #expect(seen == ["noPlace connect", "noPlace deadline"])
    }

    @Test func answerMayCloseThePool() throws {
        let server = try Server.hostile()
        let scene = try Scene(server.origin())
        var isClosed = false
        var late: String?
        scene.pool.perform(scene.request("/good")) { _ in
            scene.pool.close { isClosed = true }
            scene.pool.perform(scene.request("/good")) { late = $0.brief }
        }
        scene.loop.run()
        #expect(isClosed && late == "noPlace connect")
        #expect(scene.loop.close())
    }

    @Test func idlePoolDoesNotKeepTheLoopRunning() throws {
        let server = try Server.hostile()
        let scene = try Scene(server.origin())
        var status: Int?
        scene.pool.perform(scene.request("/good")) { status = $0.status }
        scene.loop.run()
        #expect(status == 200)
        scene.end()
    }

    @Test func executorTranslates() throws {
        let server = try Server.hostile()
        let scene = try Scene(server.origin())
        let executor = HTTPExecutor(pool: scene.pool)
        let account = AccountKey(provider: "hubspot", name: "1001")
        for base in ["", "ftp://a", "https://a/b?c", "https://u@a"] {
            #expect(!executor.open(account: account, base: base))
        }
        func perform(_ exchange: Exchange) -> ExchangeOutcome? {
            var outcome: ExchangeOutcome?
            executor.perform(exchange) {
                outcome = $0
                scene.loop.stop()
            }
            #expect(outcome == nil)
            while outcome == nil { scene.loop.run() }
            return outcome
        }
        var exchange = Exchange(account: account, method: "POST", path: "/echo", headers: [], body: Array("{}".utf8))
        guard case .failed(.connect, _) = perform(exchange) else {
            return #expect(Bool(false), "an account that is not open")
        }
        #expect(executor.open(account: account, base: scene.origin.description + "/"))
        guard case .answered(200, _, let body) = perform(exchange) else {
            return #expect(Bool(false), "an open account")
        }
        #expect(body == exchange.body)
        exchange.path = "/no_answer"
        guard case .failed(.receive, _) = perform(exchange) else { return #expect(Bool(false), "no answer") }
        scene.end()
    }
}
