import JSON
import PushCore
import Testing

/// What may have been created is not created again under the same internal id.
@Suite struct IdentityDoubtTests {
    /// Blind contacts, in many versions, with losses and crashes: at most one record an internal id, whatever happens.
    @Test(arguments: Seeds.some(24))
    func aBlindRecordIsMadeAtMostOnce(seed: Int) throws {
        var house = try SimulatedHouse(seed: UInt64(seed), lossPercent: 30, latenessMilliseconds: 30) { provider in
            provider.recoveryClass = .blind
            provider.splitsWrites = seed % 2 == 0
            provider.linksAfter = seed % 3 == 0
        }
        var version = 0
        for _ in 0..<10 {
            let items = (0..<(1 + house.chance(6))).map { _ in
                version += 1
                return SimulatedHouse.Item(
                    internalID: "c\(house.chance(5))", data: ["version": .number(String(version))])
            }
            _ = house.push(items, direct: house.chance(2) == 0)
            for _ in 0..<house.chance(40) { _ = house.step() }
            if house.chance(4) == 0 { house.crash() }
        }
        var steps = 0
        while house.step() {
            steps += 1
            try #require(steps < 100_000, "The house does not come to rest.")
        }
        let store = house.store
        #expect(store.complaints == [])
        #expect(store.openTransfers.map(\.sequence) == [])
        #expect(store.openIntents.map(\.id) == [])
        var doubted: Set<String> = []
        for (place, row) in store.records.sorted(by: { $0.key < $1.key }) {
            let id = try #require(row.internalID)
            let outcome = try #require(store.outcomes[place])
            switch outcome.kind {
            case .uncertain:
                #expect(doubted.insert(id).inserted, "\(id) was sent again while it was in doubt")
            case .refused:
                #expect(doubted.contains(id))
                let error = store.errors.first { $0.transfer == place.transfer && $0.ordinal == place.ordinal }
                #expect(error?.code == "identity_in_doubt")
            case .created, .updated, .unchanged: #expect(!doubted.contains(id), "\(id)")
            case .unsent: Issue.record("nothing was cancelled")
            }
        }
        #expect(house.provider.creates <= 5, "\(house.provider.creates) records of 5")
    }
}
