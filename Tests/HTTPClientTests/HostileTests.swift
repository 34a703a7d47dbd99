import Foundation
import PushCore
import Testing

@testable import HTTPClient

/// What becomes of each bad answer in `Servers/hostile.py`: the status with the beginning of the body, or kind and phase.
private let expected: [String: String] = [:]

@Suite struct HostileTests {
    /// Also that the pool is none the worse for it: after each bad answer a good one comes through.
    @Test func eachBadAnswerEndsAsDocumented() throws {
        let server = try Server.hostile()
        let scene = try Scene(server.origin())
        let names = try JSONDecoder().decode([String].self, from: Data((scene.get("/cases").text ?? "").utf8))
        let late = ["hold", "drip", "endless"]
        for name in names {
            var request = scene.request("/\(name)", "POST", "{}")
            if late.contains(where: name.contains) {
                request.deadlines = HTTPDeadlines(connect: 5_000_000_000, firstByte: 700_000_000, total: 1_500_000_000)
            }
            let outcome = scene.perform(request)
            print("    \"\(name)\": \"\(outcome.brief)\",")
            #expect(scene.post("/good").brief == "200 good")
        }
        scene.end()
    }
}
