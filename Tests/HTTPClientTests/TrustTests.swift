import EventLoop
import Foundation
import PushCore
import Testing

@testable import HTTPClient

/// Certificates for one test, made by openssl.
private final class Certificates {
    let path = NSTemporaryDirectory() + "certificates-" + UUID().uuidString

    init() throws {
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        process.arguments = [Server.folder + "/certificates.sh", path]
        try process.run()
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func callAsFunction(_ name: String) -> String { path + "/" + name }

    func server(_ name: String, _ more: String...) throws -> Server {
        try Server(
            ["python3", Server.folder + "/hostile.py", "--tls", self("\(name).pem"), self("\(name).key")] + more)
    }
}

@Suite(.serialized) struct TrustTests {
    @Test func onlyTheRightCertificateIsTrusted() throws {
        let certificates = try Certificates()
        let good = try certificates.server("good")
        for (server, isTrusted) in try [
            (good, true), (certificates.server("other"), false), (certificates.server("expired"), false),
            (certificates.server("self"), false), (certificates.server("good", "--old"), false),
        ] {
            let scene = try Scene(server.origin("https", "localhost")) { $0.certificateFile = certificates("ca.pem") }
            #expect(scene.post("/good").brief == (isTrusted ? "200 good" : "tlsFailed connect"))
            scene.end()
        }
        // Without the operator's file the same server is a stranger.
        let scene = try Scene(good.origin("https", "localhost"))
        #expect(scene.post("/good").brief == "tlsFailed connect")
        scene.end()
        // Something that does not speak TLS at all.
        let plain = try Server.hostile()
        let confused = try Scene(plain.origin("https"))
        #expect(confused.post("/good").failure?.phase == .connect)
        confused.end()
    }

    @Test func certificateFileMustBeReadable() throws {
        let loop = try Loop()
        var policy = PoolPolicy()
        policy.certificateFile = "/nowhere/ca.pem"
        #expect(throws: HTTPPoolFailure.certificateFile(path: "/nowhere/ca.pem")) {
            try HTTPPool(loop: loop, policy: policy)
        }
        #expect(loop.close())
    }

    @Test func secondVersionIsSpokenAndItsFaultsEndWell() throws {
        let certificates = try Certificates()
        let server = try Server(["node", Server.folder + "/h2.js", certificates("good.pem"), certificates("good.key")])
        let scene = try Scene(server.origin("https", "localhost")) {
            $0.certificateFile = certificates("ca.pem")
            $0.connectionsPerHost = 4
        }
        let first = scene.post("/echo", "hello")
        #expect(first.brief == "200 hello")
        #expect((try? first.get())?.version == "2")
        let more = scene.perform((0..<8).map { scene.request("/echo", "POST", "\($0)") })
        #expect(more.map(\.text) == (0..<8).map { "\($0)" })
        #expect(Set(more.map { $0.header("x-session") }) == [first.header("x-session")])
        var hold = scene.request("/hold", "POST", "{}")
        hold.deadlines.firstByte = 500_000_000
        #expect(scene.perform(hold).brief == "firstByteDeadline deadline")
        #expect(scene.post("/bomb").brief == "bodyTooLarge receive")
        #expect(scene.post("/many").brief == "headTooLarge receive")
        #expect(scene.post("/cut").brief == "truncated receive")
        #expect(scene.post("/short").brief == "truncated receive")
        // Each of these makes libcurl send a request again by itself, if it is let.
        for path in ["/refused", "/broken", "/old", "/away", "/gone"] {
            #expect(scene.post("/good").brief == "200 good")
            // When HTTP/1.1 is asked for, libcurl has begun anew before it is stopped, and forgotten how much it had sent.
            #expect(scene.post(path).brief == (path == "/old" ? "sendFailed send" : "noAnswer receive"), "\(path)")
            #expect(scene.get("/count?\(path)").text == "1", "\(path)")
        }
        #expect(scene.post("/good").brief == "200 good")
        scene.end()
    }
}
