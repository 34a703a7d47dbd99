import JSON
import PushCore
import Testing

@testable import LocalProvider

@Suite struct LinkTests {
    private func link(_ scene: Scene, _ resource: String, _ id: String, to other: String, _ otherID: String) -> Reply {
        scene.write(
            #"[{"trace":0,"op":"update","id":"\#(id)","links":[{"resource":"\#(other)","id":"\#(otherID)"}]}]"#,
            to: resource)
    }

    @Test func linksAreSeenFromBothEndsAndMayBeRepeated() throws {
        let scene = try Scene()
        let acme = scene.create("{}", in: "companies")
        let bacme = scene.create("{}", in: "companies")
        let links = #"[{"resource":"companies","id":"\#(bacme)"},{"resource":"companies","id":"\#(acme)"}]"#
        let bob = scene.write(#"[{"trace":0,"op":"create","fields":{},"links":\#(links)}]"#)
        #expect(bob.status == 200)
        #expect(bob.text.contains(#""associations":{"companies":["101","102"]}"#))
        #expect(scene.record(acme, of: "companies")?["associations"] == ["contacts": ["103"]])
        #expect(try scene.count("op = 'link' AND id = 103 AND to_resource = 'companies'") == 2)

        #expect(link(scene, "contacts", "103", to: "companies", acme).status == 200)
        #expect(link(scene, "companies", acme, to: "contacts", "103").status == 200)
        #expect(try scene.count("op = 'link'") == 2)
        #expect(try scene.count("op = 'update'") == 0)
        #expect(scene.record("103")?["associations"] == ["companies": ["101", "102"]])

        // Additive: an update with other links takes none away.
        let cinc = scene.create("{}", in: "companies")
        #expect(link(scene, "contacts", "103", to: "companies", cinc).status == 200)
        #expect(scene.record("103")?["associations"] == ["companies": ["101", "102", "104"]])
        scene.end()
    }

    @Test func linksToWhatIsNotThereAreRefusedAndTheRecordIsKept() throws {
        let scene = try Scene()
        let contact = scene.create("{}")
        let reply = scene.write(
            #"[{"trace":0,"op":"create","fields":{"a":1},"links":[{"resource":"companies","id":"999"},"#
                + #"{"resource":"companies","id":"\#(contact)"},{"resource":"companies","id":"nine"},"#
                + #"{"resource":"contacts","id":"\#(contact)"}]}]"#)
        #expect(reply.status == 207)
        #expect(reply.result(0)?["status"] == "created")
        let codes = reply.result(0)?["links_refused"]?.elements?.map { $0["code"]?.string ?? "" }
        #expect(codes == ["NOT_FOUND", "NOT_FOUND", "NOT_FOUND", "UNSUPPORTED"])
        #expect(reply.result(0)?["record"]?["associations"] == .object([]))
        #expect(try scene.count("1", in: "link") == 0)
        scene.end()
    }

    @Test func customResourcesLinkWithEverything() throws {
        let scene = try Scene()
        let contact = scene.create("{}")
        let ticket = scene.create(#"{"name":"A"}"#, in: "My%20Tickets")
        #expect(link(scene, "My%20Tickets", ticket, to: "contacts", contact).status == 200)
        #expect(link(scene, "contacts", contact, to: "My Tickets", ticket).status == 200)
        #expect(scene.record(contact)?["associations"] == ["My Tickets": ["102"]])
        let own = link(scene, "My%20Tickets", ticket, to: "My Tickets", ticket)
        #expect(own.result(0)?["links_refused"]?.elements?.first?["code"] == "UNSUPPORTED")
        scene.end()
    }

    @Test func anEndThatHoldsOneLinkTakesTheFirst() throws {
        let scene = try Scene()
        let first = scene.create("{}", in: "companies")
        let second = scene.create("{}", in: "companies")
        let deal = scene.create("{}", in: "deals")
        #expect(link(scene, "deals", deal, to: "companies", first).status == 200)
        #expect(link(scene, "deals", deal, to: "companies", first).status == 200)
        for reply in [
            link(scene, "deals", deal, to: "companies", second), link(scene, "companies", second, to: "deals", deal),
        ] {
            #expect(reply.status == 207)
            #expect(reply.result(0)?["links_refused"]?.elements?.first?["code"] == "CONFLICT")
        }
        #expect(scene.record(deal, of: "deals")?["associations"] == ["companies": ["101"]])
        // The other end holds many.
        let other = scene.create("{}", in: "deals")
        #expect(link(scene, "companies", first, to: "deals", other).status == 200)
        scene.end()
    }
}
