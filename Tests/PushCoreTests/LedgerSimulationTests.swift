import JSON
import PushCore
import Testing

/// Freshness `ledger` among pushes of every other kind, with crashes and lost answers: a record that was called
/// unchanged without being read must be as it was pushed, whatever way the last write to it took.
@Suite struct LedgerSimulationTests {
    private static let freshness = ["ledger", "ledger", "ledger", "verify", "force"]

    @Test(arguments: Seeds.some(32))
    func whatTheLedgerCallsUnchangedIsAsPushed(seed: Int) throws {
        var house = try SimulatedHouse(seed: UInt64(seed), lossPercent: seed % 3 == 0 ? 0 : 20)
        var last: [Int: String] = [:]
        for _ in 0..<25 {
            var items: [SimulatedHouse.Item] = []
            for _ in 0..<(1 + house.chance(4)) {
                let person = Int(house.chance(4))
                // Few values, so that many pushes are identical to what is there.
                let version = String(house.chance(3))
                last[person] = version
                let email = "p\(person)@example.org"
                var item = SimulatedHouse.Item(data: ["email": .string(email), "version": .number(version)])
                // The ways to a record: one internal id, another one, none, the provider's own id.
                switch house.chance(5) {
                case 0, 1: item.internalID = "a\(person)"
                case 2: item.internalID = "b\(person)"
                case 3: break
                default:
                    item.id = house.store.ledger[SimulatedStore.key("", "contacts", "a\(person)")]
                    if item.id == nil { item.internalID = "a\(person)" }
                }
                items.append(item)
            }
            let freshness = Self.freshness[Int(house.chance(UInt64(Self.freshness.count)))]
            _ = house.push(items, direct: house.chance(2) == 0, options: #"{"freshness":"\#(freshness)"}"#)
            for _ in 0..<house.chance(60) { _ = house.step() }
            if house.chance(8) == 0 { house.crash() }
        }
        var steps = 0
        while house.step() {
            steps += 1
            try #require(steps < 100_000, "The house does not come to rest.")
        }
        #expect(house.store.complaints == [])
        #expect(house.store.openTransfers.map(\.sequence) == [])
        let contacts = (house.provider.records["contacts"] ?? [:]).values
        #expect(contacts.count == last.count, "one record a person")
        for contact in contacts {
            let person = contact.fields["email"]?.string?.dropFirst().prefix { $0 != "@" } ?? ""
            #expect(contact.fields["version"] == .number(last[Int(person) ?? -1] ?? ""), "last version of \(person)")
        }
        for (key, row) in house.store.confirmed {
            let id = String(key.split(separator: "|").last ?? "")
            let stored = house.provider.records["contacts"]?[id]
            let state = try JSONDocument(parsing: row.state).root["b"]
            #expect(state?.compactText == stored?.fields.text, "a state that is kept is the provider's")
        }
    }

    @Test func theLedgerSavesReadsInTheSimulation() throws {
        var fromLedger = 0
        for seed in 0..<20 {
            var house = try SimulatedHouse(seed: UInt64(seed), lossPercent: 0)
            for _ in 0..<3 {
                _ = house.push(
                    [SimulatedHouse.Item(internalID: "a", data: ["version": .number("1")])], direct: true,
                    options: #"{"freshness":"ledger"}"#)
                while house.step() {}
            }
            fromLedger += house.store.outcomes.values.count { $0.basis?.kind == .ledger }
        }
        #expect(fromLedger == 40, "the second and the third push of each")
    }
}
