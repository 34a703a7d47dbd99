import JSON
import PushCore
import Testing

@testable import LocalProvider

@Suite struct WriteTests {
    @Test func aRecordIsCreatedWithTheTextThatWasGiven() throws {
        let scene = try Scene()
        let reply = scene.write(
            #"[{"trace":7,"op":"create","fields":{ "z":1.10, "a":-0, "n":null, "e":1E+400, "ü":"\u00e9", "deep":{"x":[1.0,{}]} }}]"#
        )
        let record =
            #"{"id":"101","created_at":"2026-05-28T20:26:40.123Z","updated_at":"2026-05-28T20:26:40.123Z","#
            + #""fields":{"z":1.10,"a":-0,"e":1E+400,"ü":"\u00e9","deep":{"x":[1.0,{}]}},"associations":{}}"#
        #expect(reply.status == 200)
        #expect(reply.text == #"{"results":[{"trace":7,"id":"101","status":"created","record":\#(record)}]}"#)
        #expect(scene.read(#"{"ids":["101"]}"#).text == #"{"records":[\#(record)],"found":[]}"#)
        #expect(scene.create("{}") == "102")
        scene.end()
    }

    @Test func aValueReplacesNullRemovesAbsentStays() throws {
        let scene = try Scene()
        let id = scene.create(#"{"a":"1","b":2.50,"c":[3],"d":"é"}"#)
        scene.time += 1000
        let reply = scene.write(
            #"[{"trace":0,"op":"update","id":"\#(id)","fields":{"new":"n","c":{"x":1.0},"a":null,"gone":null,"\u0064":"D"}}]"#
        )
        #expect(reply.status == 200)
        #expect(reply.result(0)?["status"] == "updated")
        #expect(reply.text.contains(#""fields":{"b":2.50,"c":{"x":1.0},"d":"D","new":"n"}"#))
        #expect(scene.record(id)?["updated_at"] == "2026-05-28T20:26:41.123Z")
        #expect(scene.record(id)?["created_at"] == "2026-05-28T20:26:40.123Z")
        scene.end()
    }
}
