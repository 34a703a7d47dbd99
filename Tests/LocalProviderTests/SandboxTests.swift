import PushCore
import Testing

@testable import LocalProvider

/// What a bad day looks like from the caller's side, and what really happened.
@Suite struct SandboxTests {
    private func settings(_ faults: LocalFault..., recognises: Bool = true) -> LocalSettings {
        LocalSettings(recognisesRepeats: recognises, faults: faults)
    }

    private let create = #"[{"trace":0,"op":"create","fields":{"email":"a@b.example"}}]"#

    @Test(
        arguments: [
            (.refuseConnection, 0, .connect, 0),
            (.loseRequest, 0, .receive, 0), (.loseAnswer, 0, .receive, 1), (.unavailable, 503, nil, 0),
            (.throttle, 429, nil, 0), (.badAnswer, 200, nil, 1), (.unauthorized, 401, nil, 0),
            (.refuseRecord, 207, nil, 0),
        ] as [(LocalFault.Kind, Int, ExchangeOutcome.Phase?, Int)])
    func aFaultIsSeenAsItWouldBeAndStrikesOnce(
        kind: LocalFault.Kind, status: Int, phase: ExchangeOutcome.Phase?, effects: Int
    ) throws {
        let scene = try Scene(settings(LocalFault(kind)))
        let reply = scene.write(create, key: "k")
        #expect(reply.status == status && reply.failure == phase)
        if status == 0 || effects == 0 {
            #expect(scene.write(create, key: "other").status == 200, "it strikes once")
            #expect(try scene.count("op = 'create'") == effects + 1)
        }
        let again = scene.write(create, key: "k")
        #expect(again.isReplayed == (effects == 1 || kind == .refuseRecord))
        scene.end()
    }

    @Test func aSpoiltAnswerIsNoJSON() throws {
        let scene = try Scene(settings(LocalFault(.badAnswer)))
        #expect(scene.write(create).body == .null)
        #expect(try scene.count("op = 'create'") == 1)
        scene.end()
    }

    @Test func onlyTheFirstInputIsRefused() throws {
        let scene = try Scene(settings(LocalFault(.refuseRecord)))
        #expect(scene.read(#"{"ids":["1"]}"#).status == 200, "a read has no record to refuse")
        let reply = scene.write(#"[{"trace":0,"op":"create"},{"trace":1,"op":"create"}]"#)
        #expect(reply.result(0)?["error"]?["code"]?.string == "VALIDATION")
        #expect(reply.result(1)?["id"]?.string == "101")
        scene.end()
    }

    @Test func aFaultWaitsForItsTurnAndItsKind() throws {
        let scene = try Scene(
            settings(
                LocalFault(.unavailable, resource: "companies", skip: 1, times: 2),
                LocalFault(.throttle, operation: .read)))
        #expect(scene.write(create).status == 200, "another resource, and a write")
        #expect(scene.write("[]", to: "companies").status == 200, "skipped")
        #expect(scene.read("{}", of: "companies").status == 503, "the first entry strikes")
        #expect(scene.write("[]", to: "companies").status == 503)
        #expect(scene.read("{}", of: "companies").status == 429, "the first one is used up")
        #expect(scene.read("{}").status == 200)
        scene.end()
    }

    @Test func newSettingsBeginAnewAndTheSameOnesDoNot() throws {
        let scene = try Scene(settings(LocalFault(.unavailable)))
        #expect(scene.read("{}").status == 503)
        scene.provider.open(account: "a", settings: settings(LocalFault(.unavailable)))
        #expect(scene.read("{}").status == 200)
        scene.provider.open(account: "a", settings: settings(LocalFault(.unavailable), recognises: false))
        #expect(scene.read("{}").status == 503)
        scene.end()
    }

    @Test func anAccountThatKnowsNoRepeatsDoesThemAgain() throws {
        let scene = try Scene(settings(recognises: false))
        #expect(!scene.write(create, key: "k").isReplayed)
        #expect(!scene.write(create, key: "k").isReplayed)
        #expect(try scene.count("op = 'create'") == 2)
        scene.end()
    }

    @Test func aBudgetIsABucketThatFills() throws {
        let scene = try Scene(LocalSettings(budget: LocalBudget(perSecond: 4, burst: 2)))
        #expect(scene.read("{}").status == 200)
        #expect(scene.read("{}").status == 200)
        let over = scene.read("{}")
        #expect(over.status == 429)
        #expect(over.headers.contains(Exchange.Header("retry-after", "1")))
        #expect(over.headers.contains(Exchange.Header("retry-after-ms", "250")))
        scene.time += 249
        #expect(scene.read("{}").status == 429)
        scene.time += 1
        #expect(scene.read("{}").status == 200)
        scene.time += 60_000
        #expect([scene.read("{}").status, scene.read("{}").status] == [200, 200])
        #expect(scene.read("{}").status == 429, "no more than a burst is saved up")
        scene.time -= 3_600_000
        #expect(scene.read("{}").status == 429, "a clock that was set back gives nothing")
        scene.time += 250
        #expect(scene.read("{}").status == 200, "and takes nothing")
        scene.end()
    }
}
