import EventLoop
import Foundation
import PushCore
import Testing

@testable import HTTPClient

private let plain = #"{"plain":true}"#

/// What becomes of each bad answer in `Servers/hostile.py`: the status with the beginning of the body, or kind and phase.
private let expected: [String: String] = [
    "asks_for_password": "401 ",
    "asks_proxy_password": "407 ",
    "body_with_204": "204 ",
    "brotli": "badEncoding receive",
    "chunk_cut": "truncated receive",
    "chunk_extension": "200 hello",
    "chunk_extension_endless": "totalDeadline deadline",
    "chunk_hold": "totalDeadline deadline",
    "chunk_negative": "malformed receive",
    "chunk_no_last": "truncated receive",
    "chunk_not_a_number": "malformed receive",
    "chunk_too_large": "malformed receive",
    "chunk_without_end": "malformed receive",
    "chunks_endless": "bodyTooLarge receive",
    "cookie": "200 \(plain)",
    "cut_after_line": "truncated receive",
    "cut_head": "malformed receive",
    "cut_status": "noAnswer receive",
    "deflate": "badEncoding receive",
    "drip_body": "totalDeadline deadline",
    "drip_head": "firstByteDeadline deadline",
    "empty_204": "204 ",
    "endless_header": "headTooLarge receive",
    "endless_headers": "headTooLarge receive",
    "expectation_failed": "417 ",
    "garbage": "malformed receive",
    "giant_header": "headTooLarge receive",
    "gzip": "200 \(plain)",
    "gzip_bomb": "bodyTooLarge receive",
    "gzip_bomb_nested": "200 gzip",
    "gzip_bomb_unnamed": "bodyTooLarge receive",
    "gzip_checksum": "badEncoding receive",
    "gzip_cut": "badEncoding receive",
    "gzip_empty_members": "200 ",
    "gzip_members": "200 \(plain)",
    "gzip_named_plain": "200 \(plain)",
    "gzip_tail": "badEncoding receive",
    "gzip_unnamed": "200 \(plain)",
    "header_folded": "200 x",
    "header_nul": "malformed receive",
    "header_space_in_name": "malformed receive",
    "header_without_colon": "malformed receive",
    "hold": "firstByteDeadline deadline",
    "hold_in_head": "totalDeadline deadline",
    "http_09": "malformed receive",
    "huge_header": "headTooLarge receive",
    "interim_few": "200 \(plain)",
    "interim_flood": "headTooLarge receive",
    "interim_only": "truncated receive",
    "length_and_chunks": "malformed receive",
    "length_negative": "malformed receive",
    "length_overflow": "bodyTooLarge receive",
    "length_terabyte": "bodyTooLarge receive",
    "length_text": "malformed receive",
    "lengths_differ": "malformed receive",
    "line_feeds": "200 x",
    "long_body": "200 12345",
    "many_headers": "headTooLarge receive",
    "no_answer": "noAnswer receive",
    "no_length": "200 \(plain)",
    "no_length_endless": "bodyTooLarge receive",
    "other_protocol": "malformed receive",
    "redirect": "302 ",
    "redirect_file": "307 ",
    "reset": "noAnswer receive",
    "reset_in_head": "truncated receive",
    "short_body": "truncated receive",
    "short_body_hold": "totalDeadline deadline",
    "short_body_reset": "truncated receive",
    "status_1000": "malformed receive",
    "status_99": "malformed receive",
    "status_999": "999 x",
    "status_alone": "200 x",
    "status_negative": "malformed receive",
    "status_text": "malformed receive",
    "switch": "malformed receive",
    "tls_alert": "malformed receive",
    "trailer": "200 hello",
    "trailers_endless": "headTooLarge receive",
    "transfer_gzip": "malformed receive",
    "transfer_unknown": "malformed receive",
    "try_later": "503 ",
    "unasked_second": "200 \(plain)",
    "version_9": "malformed receive",
]

@Suite struct HostileTests {
    /// Also that the pool is none the worse for it: after each bad answer a good one comes through.
    @Test func eachBadAnswerEndsAsDocumented() throws {
        let server = try Server.hostile()
        let scene = try Scene(server.origin())
        let names = try JSONDecoder().decode([String].self, from: Data((scene.get("/cases").text ?? "").utf8))
        #expect(names == expected.keys.sorted())
        for name in names {
            var request = scene.request("/\(name)", "POST", "{}")
            if ["hold", "drip", "extension_endless"].contains(where: name.contains) {
                request.deadlines = HTTPDeadlines(connect: 30_000_000_000, firstByte: 700_000_000, total: 1_500_000_000)
            }
            let began = scene.loop.now
            let outcome = scene.perform(request)
            let isGzip = GzipDecoder.looksLikeGzip((try? outcome.get())?.body ?? [])
            #expect(
                isGzip ? "200 gzip" == expected[name] : outcome.brief == expected[name], "\(name): \(outcome.brief)")
            #expect(scene.loop.now - began < 30_000_000_000, "\(name)")
            // An answer that nobody asked for spoils its connection, if it is there when the next request is to be sent.
            if name == "unasked_second" { scene.pause(0.2) }
            #expect(scene.post("/good").brief == "200 good", "after \(name)")
        }
        #expect(scene.seen("/good?from=redirect") == 0)
        scene.end()
    }

    @Test func statusIsToldOnceTheHeadCame() throws {
        let server = try Server.hostile()
        let scene = try Scene(server.origin())
        #expect(scene.post("/short_body").failure?.status == 200)
        #expect(scene.post("/gzip_bomb").failure?.status == 200)
        #expect(scene.post("/brotli").failure?.status == 200)
        #expect(scene.post("/cut_head").failure?.status == nil)
        scene.end()
    }

    /// The other half of the gate's `addresses`: nothing listens to nobody.
    @Test func memoryGrowsByTheCeilingOnly() throws {
        let server = try Server.hostile()
        let scene = try Scene(server.origin())
        _ = scene.post("/gzip_bomb")
        let before = residentBytes()
        for _ in 0..<20 { #expect(scene.post("/gzip_bomb").failure?.kind == .bodyTooLarge) }
        #expect(residentBytes() - before < 8 << 20)
        scene.end()
    }

    private func residentBytes() -> Int {
        let text = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8)) ?? ""
        return (text.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0) * 4096
    }
}
