import EventLoop
import Foundation
import PushCore
import Testing

@testable import Store

/// What is remembered of provider records: confirmed states, who holds a record, pairs that go in and out.
@Suite struct LedgerTests {
    private func state(_ id: String, _ text: String = "sealed", account: AccountKey = Sample.account) -> ConfirmedRow {
        ConfirmedRow(
            account: account, resource: "contacts", providerID: id, confirmed: 77, state: Array(text.utf8))
    }

    private func confirmed(_ scene: Scene, _ internalIDs: [String], _ ids: [String] = []) -> ConfirmedAnswer? {
        let query = Query.confirmed(
            scope: Sample.scope, resource: "contacts", internalIDs: internalIDs, ids: ids)
        guard case .confirmed(let answer) = scene.ask(query) else { return nil }
        return answer
    }

    @Test func aStateBelongsToTheProvidersRecord() throws {
        let scene = try Scene()
        let other = AccountKey(provider: "local", name: "other")
        scene.commit(
            .ledger([Sample.ledger("a", "1"), Sample.ledger("b", "1"), Sample.ledger("c", "2")]),
            .confirmed([state("1"), state("9")]), .confirmed([state("1", "of another account", account: other)]))
        for _ in 0..<2 {
            #expect(
                confirmed(scene, ["a", "b", "x"]) == ConfirmedAnswer(known: ["a": "1", "b": "1"], rows: [state("1")]))
            #expect(confirmed(scene, ["c"], ["9", "1", "9"])?.rows == [state("9"), state("1")])
            #expect(confirmed(scene, []) == ConfirmedAnswer())
            try scene.reopen()
        }
        scene.commit(.confirmed([state("1", "newer")]))
        #expect(confirmed(scene, ["a"])?.rows == [state("1", "newer")])
        scene.commit(.unconfirmed(Sample.account, resource: "companies", ids: ["1"]))
        scene.commit(.unconfirmed(Sample.account, resource: "contacts", ids: ["1", "nobody"]))
        #expect(confirmed(scene, ["a"], ["9"])?.rows == [state("9")])
        #expect(scene.count("confirmed") == 2, "that of the other account stays")
        scene.end()
    }

    /// Whether an account has states is remembered by the writer: it must hold after a restart too, and from the first on.
    @Test func takingBackWorksWhateverWasThereBefore() throws {
        let scene = try Scene()
        scene.commit(.unconfirmed(Sample.account, resource: "contacts", ids: ["1"]))
        scene.commit(.confirmed([state("1")]))
        scene.commit(.unconfirmed(Sample.account, resource: "contacts", ids: ["1"]))
        #expect(scene.count("confirmed") == 0)
        scene.commit(.confirmed([state("1")]))
        try scene.reopen()
        scene.commit(.unconfirmed(Sample.account, resource: "contacts", ids: ["1"]))
        #expect(scene.count("confirmed") == 0)
        // Within one commit the later change counts.
        scene.commit(.unconfirmed(Sample.account, resource: "contacts", ids: ["1"]), .confirmed([state("1")]))
        #expect(scene.count("confirmed") == 1)
        scene.end()
    }

    @Test func forgettingTakesTheStatesOfTheAccountAlong() throws {
        var settings = StoreSettings()
        settings.sliceRows = 10
        settings.idleNanoseconds = 5_000_000
        let scene = try Scene(settings: settings)
        let other = AccountKey(provider: "local", name: "other")
        scene.commit(.session(Sample.session(1)), .session(Sample.session(2)))
        scene.commit(
            .ledger((0..<200).map { Sample.ledger("i\($0)", "\($0)") }),
            .confirmed((0..<200).map { state("\($0)", "find-me-in-the-file-\($0)") } + [state("1", account: other)]))
        scene.commit(.sessionDeleted(Sample.id(2), forgetting: nil))
        #expect(scene.count("confirmed") == 201, "without forget they stay")
        scene.commit(.sessionDeleted(Sample.id(1), forgetting: Sample.scope))
        let deadline = Date().addingTimeInterval(20)
        while scene.count("removal") > 0 && Date() < deadline { usleep(5_000) }
        #expect(scene.count("confirmed") == 1 && scene.count("ledger") == 0)
        scene.end()
        let text = Data("find-me-in-the-file".utf8)
        #expect(try Data(contentsOf: URL(fileURLWithPath: scene.path)).range(of: text) == nil)
    }

    @Test func whoHoldsARecordIsFoundInItsScope() throws {
        let scene = try Scene()
        scene.commit(
            .ledger([
                Sample.ledger("a", "1"), Sample.ledger("b", "1"), Sample.ledger("c", "2"),
                Sample.ledger("d", "1", namespace: "erp"),
            ]))
        func holders(_ scope: LedgerScope = Sample.scope, _ resource: String = "contacts") -> Answer? {
            scene.ask(.holders(scope: scope, resource: resource, ids: ["1", "2", "3"]))
        }
        #expect(holders() == .holders(["1": ["a", "b"], "2": ["c"]]))
        #expect(holders(LedgerScope(account: Sample.account, namespace: "erp")) == .holders(["1": ["d"]]))
        #expect(holders(LedgerScope(account: Sample.account, namespace: "none")) == .holders([:]))
        #expect(holders(Sample.scope, "companies") == .holders([:]))
        // Who is remembered for another record now, holds the first no more.
        scene.commit(.ledger([Sample.ledger("a", "2")]))
        #expect(holders() == .holders(["1": ["b"], "2": ["a", "c"]]))
        scene.end()
    }

    @Test func pairsComeInOrderAndInPages() throws {
        let scene = try Scene()
        func row(_ resource: String, _ internalID: String) -> LedgerRow {
            var row = Sample.ledger(internalID, "p-" + internalID)
            row.resource = resource
            return row
        }
        let companies = ["ä", "a", "b"].map { row("companies", $0) }
        let contacts = ["a", "c"].map { row("contacts", $0) }
        scene.commit(.ledger(companies + contacts + [Sample.ledger("z", "9", namespace: "erp"), row("deals", "d")]))
        func page(_ resources: [String], after: IdentityPlace?, limit: Int) -> Answer? {
            scene.ask(.identities(scope: Sample.scope, resources: resources, after: after, limit: limit))
        }
        let both = ["companies", "contacts"]
        let all = [companies[1], companies[2], companies[0]] + contacts
        #expect(page(both, after: nil, limit: 9) == .identities(all, isLast: true))
        #expect(page(both, after: nil, limit: 5) == .identities(all, isLast: true))
        for size in 1...4 {
            var found: [LedgerRow] = []
            var after: IdentityPlace?
            while case .identities(let rows, let isLast) = page(both, after: after, limit: size) {
                #expect(isLast || rows.count == size)
                found += rows
                after = rows.last.map { IdentityPlace(resource: $0.resource, internalID: $0.internalID) }
                if isLast { break }
            }
            #expect(found == all, "in pages of \(size)")
        }
        #expect(
            page(["contacts"], after: IdentityPlace(resource: "companies", internalID: "x"), limit: 9)
                == .identities(contacts, isLast: true))
        #expect(page(["notes"], after: nil, limit: 9) == .identities([], isLast: true))
        scene.end()
    }

    @Test func pairsThatAreBroughtAlongTakeNothingAwayUnlessToldTo() throws {
        let scene = try Scene()
        scene.commit(.ledger([Sample.ledger("a", "1")]))
        scene.commit(.identities([Sample.ledger("a", "2"), Sample.ledger("b", "3")], replacing: false))
        func known() -> Answer? {
            scene.ask(.ledger(scope: Sample.scope, resource: "contacts", internalIDs: ["a", "b"]))
        }
        #expect(known() == .ledger(["a": "1", "b": "3"]))
        scene.commit(.identities([Sample.ledger("a", "2")], replacing: true))
        #expect(known() == .ledger(["a": "2", "b": "3"]))
        scene.end()
    }

    @Test func optionsOfATransferAreKept() throws {
        let scene = try Scene()
        var row = Sample.transfer(2)
        row.options = Array(#"{"freshness":"force"}"#.utf8)
        scene.commit([.session(Sample.session())] + Sample.whole(1))
        scene.commit(.transferBegun(row), .records([Sample.record(2, 0)]), .transferAccepted(sequence: 2))
        try scene.reopen()
        #expect(scene.store.state.openTransfers == [Sample.transfer(1), row])
        #expect(scene.ask(.transfer(id: row.id)) == .transfer(row))
        scene.end()
    }
}
