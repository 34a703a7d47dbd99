import JSON
import PushCore
import Testing

@testable import LocalProvider

@Suite struct ReadTests {
    @Test func everyKindOfRuleFinds() throws {
        let scene = try Scene()
        let bob = scene.create(
            #"{"email":" Bob.Smith@ACME.com","phone":"+1 (212) 555-0147","first_name":"Bob","last_name":"SMITH"}"#)
        let acme = scene.create(
            #"{"domain":"https://www.Acme.com/about","name":"  Acme   Corporation "}"#, in: "companies")
        #expect(scene.find("email", "bob.smith@acme.com") == [bob])
        #expect(scene.find("phone", "12125550147") == [bob])
        #expect(scene.find("full_name", "bob smith") == [bob])
        #expect(scene.find("domain", "acme.com", in: "companies") == [acme])
        #expect(scene.find("name", "acme corporation", in: "companies") == [acme])
        // As written by people, not normalised.
        #expect(scene.find("phone", "+1 212 555 0147") == [bob])
        #expect(scene.find("phone", "0147") == [])
        #expect(scene.find("email", "smith@acme.com") == [])
        scene.end()
    }

    @Test func anUpdateMovesTheKeys() throws {
        let scene = try Scene()
        let id = scene.create(#"{"email":"old@x.com","first_name":"Bob","last_name":"Smith"}"#)
        scene.write(
            #"[{"trace":0,"op":"update","id":"\#(id)","fields":{"email":"new@x.com","last_name":"Jones"}}]"#)
        #expect(scene.find("email", "old@x.com") == [])
        #expect(scene.find("email", "new@x.com") == [id])
        #expect(scene.find("full_name", "bob smith") == [])
        #expect(scene.find("full_name", "bob jones") == [id])
        scene.write(#"[{"trace":0,"op":"update","id":"\#(id)","fields":{"full_name":"Robert"}}]"#)
        #expect(scene.find("full_name", "bob jones") == [])
        #expect(scene.find("full_name", "robert") == [id])
        scene.write(#"[{"trace":0,"op":"update","id":"\#(id)","fields":{"full_name":null,"first_name":7}}]"#)
        #expect(scene.find("full_name", "robert") == [])
        #expect(try scene.count("1", in: "recent_match_key") == 1)
        scene.end()
    }

    @Test func anAmbiguousValueGivesAllItsRecordsOnce() throws {
        let scene = try Scene()
        let first = scene.create(#"{"email":"x@x.com","phone":"11111"}"#)
        let second = scene.create(#"{"email":"x@x.com"}"#)
        let reply = scene.read(
            #"{"ids":["\#(second)","999","no"],"search":[{"field":"email","value":"X@x.com"},{"field":"phone","value":"1-1-1-1-1"}]}"#
        )
        #expect(reply.status == 200)
        #expect(reply["records"]?.elements?.map { $0["id"]?.string } == [second, first])
        let found: JSONValue = [
            ["field": "email", "value": "X@x.com", "ids": [.string(first), .string(second)]],
            ["field": "phone", "value": "1-1-1-1-1", "ids": [.string(first)]],
        ]
        #expect(reply["found"] == found)
        for _ in 0..<20 { scene.create(#"{"email":"x@x.com"}"#) }
        #expect(scene.find("email", "x@x.com") == (101...110).map(String.init))
        scene.end()
    }

    @Test func keysAreFoundBeforeAndAfterTheyAreMoved() throws {
        let scene = try Scene()
        let first = scene.create(#"{"email":"first@x.com","phone":"100001"}"#)
        var sent = 1
        while try scene.count("1", in: "match_key") == 0 && sent < 30 {
            let inputs = (0..<1000).map {
                #"{"trace":\#($0),"op":"create","fields":{"email":"p\#(sent).\#($0)@x.com","phone":"\#(200_000 + $0)"}}"#
            }
            scene.write("[\(inputs.joined(separator: ","))]")
            sent += 1
        }
        #expect(try scene.count("1", in: "match_key") >= MatchKeyTable.moveCount)
        #expect(try scene.count("1", in: "recent_match_key") == 0)
        let last = scene.create(#"{"phone":"100001","email":"first@x.com"}"#)
        #expect(scene.find("phone", "100001") == [first, last])
        scene.write(#"[{"trace":0,"op":"update","id":"\#(first)","fields":{"phone":null}}]"#)
        #expect(scene.find("phone", "100001") == [last])
        #expect(scene.find("email", "p1.999@x.com") == ["1101"])
        scene.end()
    }

    @Test func changedRulesAreAppliedToWhatIsThere() throws {
        let folder = Folder()
        let before = try Scene(in: folder)
        let id = before.create(#"{"email":"x@x.com","mobile":"555 1234"}"#)
        before.create(#"{"domain":"acme.com"}"#, in: "companies")
        before.end()
        var contacts = crm[0]
        contacts.matchRules = [MatchRule(field: "mobile", kind: .phone)]
        let after = try Scene(in: folder, [contacts])
        #expect(after.find("mobile", "5551234") == [id])
        #expect(after.read(#"{"search":[{"field":"email","value":"x@x.com"}]}"#).status == 400)
        #expect(after.read(#"{"search":[{"field":"domain","value":"acme.com"}]}"#, of: "companies").status == 400)
        after.end()
        let back = try Scene(in: folder)
        #expect(back.find("email", "x@x.com") == [id])
        #expect(back.find("domain", "acme.com", in: "companies") == ["102"])
        back.end()
    }

    @Test func aCustomResourceIsEmptyBeforeItsFirstUse() throws {
        let scene = try Scene()
        #expect(scene.read(#"{"ids":["1"]}"#, of: "tickets").text == #"{"records":[],"found":[]}"#)
        #expect(scene.read("{}", of: "tickets").text == #"{"records":[],"found":[]}"#)
        scene.end()
    }

    @Test(arguments: [
        (Int64(0), "1970-01-01T00:00:00.000Z"), (-1, "1969-12-31T23:59:59.999Z"),
        (951_782_399_999, "2000-02-28T23:59:59.999Z"), (951_782_400_000, "2000-02-29T00:00:00.000Z"),
        (4_107_542_400_000, "2100-03-01T00:00:00.000Z"), (1_735_689_599_001, "2024-12-31T23:59:59.001Z"),
    ])
    func timesAreWrittenInTheGregorianCalendar(milliseconds: Int64, text: String) {
        #expect(LocalTime.text(milliseconds: milliseconds) == text)
    }
}
