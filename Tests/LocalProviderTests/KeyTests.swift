import JSON
import PushCore
import Testing

@testable import LocalProvider

@Suite struct KeyTests {
    private let inputs =
        #"[{"trace":0,"op":"create","fields":{"email":"bob@acme.com"}},{"trace":1,"op":"update","id":"7"}]"#

    @Test func aRepeatGivesTheStoredAnswerAndDoesNothing() throws {
        let scene = try Scene()
        let first = scene.write(inputs, key: "k")
        #expect(first.status == 207)
        #expect(!first.isReplayed)
        scene.write(#"[{"trace":0,"op":"update","id":"101","fields":{"email":"changed@acme.com"}}]"#)
        scene.time += 5000
        let second = scene.write(inputs, key: "k")
        #expect(second.isReplayed)
        #expect(second.status == 207)
        #expect(second.text == first.text)
        #expect(try scene.count("key = 'k'") == 1)
        #expect(try scene.count("1", in: "record") == 1)
        scene.end()
    }

    @Test func aRepeatIsKnownAfterARestart() throws {
        let folder = Folder()
        let before = try Scene(in: folder)
        let first = before.write(inputs, key: "k")
        before.end()
        let after = try Scene(in: folder)
        let second = after.write(inputs, key: "k")
        #expect(second.isReplayed && second.text == first.text)
        #expect(try after.count("1") == 1)
        #expect(after.create("{}") == "102")
        after.end()
    }

    @Test func aRepeatIsKnownWhileTheFirstAnswerIsHeldBack() throws {
        let scene = try Scene(LocalSettings(latencyMilliseconds: 30))
        let exchange = scene.exchange("/contacts/write", #"{"inputs":\#(inputs)}"#, key: "k")
        var replies: [Reply] = []
        for _ in 0..<3 {
            scene.provider.perform(exchange) {
                replies.append(Reply($0))
                if replies.count == 3 { scene.loop.stop() }
            }
        }
        scene.loop.run()
        #expect(replies.map(\.isReplayed) == [false, true, true])
        #expect(Set(replies.map(\.text)).count == 1)
        #expect(try scene.count("1") == 1)
        scene.end()
    }

    @Test func anotherRequestUnderTheSameKeyIsRefused() throws {
        let scene = try Scene()
        scene.write(inputs, key: "k")
        let bodies = [inputs.replacing("bob", with: "rob"), inputs.replacing("\"7\"", with: "\"8\""), inputs + " "]
        for body in bodies {
            let reply = scene.write(body, key: "k")
            #expect(reply.status == 422)
            #expect(reply["error"]?["code"] == "IDEMPOTENCY_CONFLICT")
        }
        #expect(scene.write(inputs, to: "companies", key: "k").status == 422)
        #expect(scene.write(inputs, key: "K").status == 207)
        #expect(try scene.count("key = 'k'") == 1)
        scene.end()
    }

    @Test func aRefusedRequestLeavesItsKeyFree() throws {
        let scene = try Scene()
        #expect(scene.write("{}", key: "k").status == 400)
        #expect(scene.write(#"[{"trace":0,"op":"create"}]"#, key: "k").status == 200)
        scene.end()
    }

    @Test func answersAreKeptForSevenDaysAndThenTrimmedInSteps() throws {
        let scene = try Scene()
        for number in 0..<10 { scene.write(#"[{"trace":0,"op":"create"}]"#, key: "old\(number)") }
        scene.time += AnswerTable.retention
        scene.create("{}")
        #expect(try scene.count("1", in: "answer") == 11)
        #expect(scene.write(#"[{"trace":0,"op":"create"}]"#, key: "old0").isReplayed)
        scene.time += 1
        scene.create("{}")
        #expect(try scene.count("1", in: "answer") == 12 - AnswerTable.trimStep)
        for _ in 0..<4 { scene.create("{}") }
        #expect(try scene.count("key LIKE 'old%'", in: "answer") == 0)
        #expect(try scene.count("1", in: "answer") == 6)
        #expect(try scene.count("1") == 16)
        scene.end()
    }

    @Test func marksTellRequestsApart() {
        let base = Array("0123456789abcdef".utf8)
        let mark = RequestMark(path: "/a/write", body: base)
        for place in base.indices {
            var other = base
            other[place] ^= 1
            #expect(RequestMark(path: "/a/write", body: other) != mark)
        }
        #expect(RequestMark(path: "/a/write", body: base + [0]) != mark)
        #expect(RequestMark(path: "/b/write", body: base) != mark)
        #expect(RequestMark(path: "/a/write", body: base) == mark)
    }
}
