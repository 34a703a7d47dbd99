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
        #expect(try scene.count("op = 'update' AND id = \(id) AND resource = 'contacts'") == 1)
        scene.end()
    }

    @Test func oneBadInputDoesNotSinkTheOthers() throws {
        let scene = try Scene()
        let reply = scene.write(
            #"[{"trace":5,"op":"create","fields":{"a":1}},{"trace":6,"op":"update","id":"999","fields":{"a":2}},"#
                + #"{"trace":4,"op":"create","fields":{"a":3}}]"#)
        #expect(reply.status == 207)
        #expect(reply.body["results"]?.elements?.map { $0["trace"]?.integer } == [5, 6, 4])
        #expect(reply.result(0)?["id"] == "101")
        #expect(reply.result(1)?["error"]?["code"] == "NOT_FOUND")
        #expect(reply.result(1)?["id"] == nil)
        #expect(reply.result(2)?["id"] == "102")
        #expect(try scene.count("op = 'create'") == 2)
        #expect(try scene.count("1") == 2)
        scene.end()
    }

    @Test(arguments: [
        (#""op":"delete""#, "VALIDATION"), (#""fields":{}"#, "VALIDATION"),
        (#""op":"create","id":"101""#, "VALIDATION"), (#""op":"update""#, "VALIDATION"),
        (#""op":"update","id":101"#, "VALIDATION"), (#""op":"update","id":"0101""#, "NOT_FOUND"),
        (#""op":"update","id":"-1""#, "NOT_FOUND"), (#""op":"update","id":"9999999999999999999999""#, "NOT_FOUND"),
        (#""op":"update","id":"x'; DROP TABLE record; --""#, "NOT_FOUND"),
        (#""op":"create","fields":[]"#, "VALIDATION"), (#""op":"create","fields":null"#, "VALIDATION"),
        (#""op":"create","links":{}"#, "VALIDATION"), (#""op":"create","links":["9"]"#, "VALIDATION"),
        (#""op":"create","links":[{"resource":"companies","id":9}]"#, "VALIDATION"),
    ])
    func aBadInputIsRefusedWithoutEffect(members: String, code: String) throws {
        let scene = try Scene()
        scene.create("{}")
        let reply = scene.write(#"[{"trace":0,\#(members)}]"#)
        #expect(reply.status == 207)
        #expect(reply.result(0)?["error"]?["code"]?.string == code)
        #expect(try scene.count("1") == 1)
        #expect(scene.create("{}") == "102")
        scene.end()
    }

    @Test func anIdOfAnotherResourceIsUnknown() throws {
        let scene = try Scene()
        let company = scene.create(#"{"name":"Acme"}"#, in: "companies")
        let reply = scene.write(#"[{"trace":0,"op":"update","id":"\#(company)","fields":{"name":"Other"}}]"#)
        #expect(reply.result(0)?["error"]?["code"] == "NOT_FOUND")
        #expect(scene.record(company) == nil)
        #expect(scene.record(company, of: "companies")?["fields"]?["name"] == "Acme")
        scene.end()
    }

    @Test func ceilingsOfOneRecordHold() throws {
        let scene = try Scene()
        func fields(_ range: Range<Int>) -> String {
            "{" + range.map { #""f\#($0)":\#($0)"# }.joined(separator: ",") + "}"
        }
        let id = scene.create(fields(0..<1000))
        let more = scene.write(#"[{"trace":0,"op":"update","id":"\#(id)","fields":{"f1000":1}}]"#)
        #expect(more.result(0)?["error"]?["code"] == "VALIDATION")
        let swap = scene.write(#"[{"trace":0,"op":"update","id":"\#(id)","fields":{"f0":null,"f1000":1}}]"#)
        #expect(swap.result(0)?["status"] == "updated")
        let many = scene.write(#"[{"trace":0,"op":"create","fields":\#(fields(0..<1001))}]"#)
        #expect(many.result(0)?["error"]?["code"] == "VALIDATION")
        let long = String(repeating: "x", count: FieldText.sizeCeiling)
        let large = scene.write(#"[{"trace":0,"op":"create","fields":{"a":"\#(long)"}}]"#)
        #expect(large.result(0)?["error"]?["code"] == "VALIDATION")
        #expect(try scene.count("op = 'create'") == 1)
        scene.end()
    }

    @Test func closedFieldsAreClosed() throws {
        let scene = try Scene()
        let reply = scene.write(
            #"[{"trace":0,"op":"create","fields":{"amount":1.50}},{"trace":1,"op":"create","fields":{"other":1}}]"#,
            to: "deals")
        #expect(reply.result(0)?["status"] == "created")
        #expect(reply.result(1)?["error"]?["code"] == "VALIDATION")
        scene.end()
    }

    @Test func uniqueFieldsRefuseASecondHolder() throws {
        let scene = try Scene(LocalSettings(uniqueFields: ["contacts": ["email", "nothing"]]))
        let bob = scene.create(#"{"email":"Bob@Acme.com"}"#)
        let reply = scene.write(
            #"[{"trace":0,"op":"create","fields":{"email":" bob@acme.COM "}},"#
                + #"{"trace":1,"op":"create","fields":{"email":"new@acme.com"}},"#
                + #"{"trace":2,"op":"create","fields":{"email":"new@acme.com"}},"#
                + #"{"trace":3,"op":"update","id":"\#(bob)","fields":{"email":"bob@acme.com","a":1}},"#
                + #"{"trace":4,"op":"update","id":"\#(bob)","fields":{"email":"new@acme.com"}}]"#)
        #expect(reply.status == 207)
        #expect(reply.result(0)?["error"]?["code"] == "CONFLICT")
        #expect(reply.result(0)?["error"]?["id"]?.string == bob)
        #expect(reply.result(2)?["error"]?["id"] == reply.result(1)?["id"])
        #expect(reply.result(3)?["status"] == "updated")
        #expect(reply.result(4)?["error"]?["id"] == reply.result(1)?["id"])
        #expect(scene.record(bob)?["fields"]?["email"] == "bob@acme.com")
        // Given up, the value is free again.
        scene.write(#"[{"trace":0,"op":"update","id":"\#(bob)","fields":{"email":null}}]"#)
        #expect(scene.write(#"[{"trace":0,"op":"create","fields":{"email":"bob@acme.com"}}]"#).status == 200)
        scene.end()
    }

    @Test func valuesSharedBeforeTheyHadToBeUniqueMayStay() throws {
        let scene = try Scene()
        let first = scene.create(#"{"email":"x@x.com"}"#)
        let second = scene.create(#"{"email":"x@x.com"}"#)
        scene.provider.open(account: "a", settings: LocalSettings(uniqueFields: ["contacts": ["email"]]))
        let kept = scene.write(#"[{"trace":0,"op":"update","id":"\#(first)","fields":{"email":"X@x.com","a":1}}]"#)
        #expect(kept.status == 200)
        scene.write(#"[{"trace":0,"op":"update","id":"\#(first)","fields":{"email":"y@x.com"}}]"#)
        let back = scene.write(#"[{"trace":0,"op":"update","id":"\#(first)","fields":{"email":"x@x.com"}}]"#)
        #expect(back.result(0)?["error"]?["id"]?.string == second)
        scene.end()
    }

    @Test func settingsDecideWhatIsReturned() throws {
        let scene = try Scene(LocalSettings(returnsData: false, supportsAssociations: false))
        let company = scene.create("{}", in: "companies")
        let reply = scene.write(
            #"[{"trace":0,"op":"create","fields":{"a":1},"links":[{"resource":"companies","id":"\#(company)"}]}]"#)
        #expect(
            reply.text == #"{"results":[{"trace":0,"id":"102","status":"created","links_refused":"#
                + #"[{"resource":"companies","id":"101","code":"UNSUPPORTED"}]}]}"#)
        #expect(reply.status == 207)
        #expect(scene.record("102")?["associations"] == nil)
        #expect(scene.record("102")?["fields"]?["a"] == 1)
        scene.provider.open(account: "a", settings: LocalSettings())
        #expect(scene.record("102")?["associations"] == .object([]))
        #expect(try scene.count("op = 'link'") == 0)
        scene.end()
    }
}
