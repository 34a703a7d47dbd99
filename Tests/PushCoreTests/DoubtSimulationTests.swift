import JSON
import PushCore
import Testing

/// Providers that recognise no repeat, take creates and updates apart, link afterwards or refuse together: from one seed,
/// with crashes, lost requests, lost answers and writes that are done after the gateway gave up.
@Suite struct DoubtSimulationTests {
    static func searchable(_ provider: inout ProviderDescription) {
        provider.recoveryClass = .searchable
        provider.settleMilliseconds = 40
        provider.resources = provider.resources.map { resource in
            var resource = resource
            // A company without a match key would be blind.
            if resource.name == "companies" { resource.matchRules = [MatchRule(field: "name", kind: .domain)] }
            return resource
        }
    }

    static func apart(_ provider: inout ProviderDescription) {
        provider.splitsWrites = true
        provider.linksAfter = true
    }

    @Test(arguments: Seeds.some(24))
    func recordsAndLinksArriveOnceWhereTheyAreSentApart(seed: Int) throws {
        let house = try SimulatedHouse(
            seed: UInt64(seed), lossPercent: seed % 3 == 0 ? 0 : 25, adjust: Self.apart)
        try PushSimulationTests().story(house)
    }

    @Test(arguments: Seeds.some(32))
    func whatIsSearchableArrivesOnceWhateverIsLost(seed: Int) throws {
        let house = try SimulatedHouse(seed: UInt64(seed), lossPercent: 25, latenessMilliseconds: 40) { provider in
            Self.searchable(&provider)
            if seed % 2 == 0 { Self.apart(&provider) }
        }
        try PushSimulationTests().story(house)
    }

    /// The negative control: the same provider looked at before its late writes can be seen doubles records.
    @Test func withoutTheSettleTimeRecordsAreDoubled() throws {
        var doubled = 0
        for seed in 0..<40 {
            var house = try SimulatedHouse(seed: UInt64(seed), lossPercent: 40, latenessMilliseconds: 40) { provider in
                Self.searchable(&provider)
                provider.settleMilliseconds = 0
            }
            let items = (0..<20).map { number in
                SimulatedHouse.Item(internalID: "c\(number)", data: ["email": .string("c\(number)@example.org")])
            }
            _ = house.push(items, direct: true)
            while house.step() {}
            doubled += house.provider.creates - 20
        }
        #expect(doubled > 0)
    }
}
