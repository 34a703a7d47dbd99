import JSON
import PushCore
import Testing

/// A provider that refuses a whole write because of one record of it.
@Suite struct BisectionTests {
    private func push(_ count: Int, bad: Set<Int>, batch: Int, seed: UInt64 = 1) throws -> SimulatedHouse {
        var house = try SimulatedHouse(seed: seed, lossPercent: 0) { provider in
            provider.partial = .allOrNothing
            provider.splitsWrites = true
            (provider.readBatch, provider.writeBatch) = (batch, batch)
        }
        let items = (0..<count).map { number in
            var item = SimulatedHouse.Item(
                internalID: "c\(number)", data: ["email": .string("c\(number)@example.org"), "version": .number("1")])
            if bad.contains(number) { item.data["bad"] = .bool(true) }
            return item
        }
        _ = house.push(items, direct: true)
        var steps = 0
        while house.step() {
            steps += 1
            try #require(steps < 100_000, "The house does not come to rest.")
        }
        return house
    }

    @Test(arguments: [[], [0], [1], [63], [7, 40], [0, 1, 2, 3], Array(0..<64)] as [[Int]])
    func badRecordsAreFoundAndTheOthersAreWritten(bad: [Int]) throws {
        let house = try push(64, bad: Set(bad), batch: 64)
        for (place, outcome) in house.store.outcomes {
            #expect(outcome.kind == (bad.contains(Int(place.ordinal)) ? .refused : .created), "\(place)")
        }
        #expect(house.store.outcomes.count == 64)
        #expect(house.store.errors.count == bad.count)
        #expect(house.provider.creates == 64 - bad.count)
        #expect(house.store.openIntents.map(\.id) == [])
        #expect(house.complaints == [])
        if bad.count == 1 { #expect(house.writes <= 1 + 2 * 6) }
        #expect(house.writes <= 64 + 64 / 4 + 2, "\(house.writes) calls")
    }

    @Test(arguments: [2, 3, 5, 100]) func allBadRecordsCostLittleMoreThanOneByOne(count: Int) throws {
        let house = try push(count, bad: Set(0..<count), batch: 100)
        #expect(house.writes <= count + count / 4 + 2 * 4, "\(house.writes) calls")
        #expect(house.store.outcomes.values.allSatisfy { $0.kind == .refused })
    }

    /// In the midst of it the house goes down again and again.
    @Test(arguments: Seeds.some(16)) func badRecordsAreFoundOverRestarts(seed: Int) throws {
        var house = try SimulatedHouse(
            seed: UInt64(seed), lossPercent: seed % 2 == 0 ? 0 : 20, latenessMilliseconds: 30
        ) { provider in
            provider.partial = .allOrNothing
            provider.splitsWrites = true
            provider.recoveryClass = .searchable
            provider.settleMilliseconds = 30
        }
        let items = (0..<23).map { number in
            var item = SimulatedHouse.Item(
                internalID: "c\(number)", data: ["email": .string("c\(number)@example.org"), "version": .number("1")])
            if number % 7 == 3 { item.data["bad"] = .bool(true) }
            return item
        }
        _ = house.push(items, direct: true)
        var steps = 0
        while house.step() {
            steps += 1
            try #require(steps < 100_000, "The house does not come to rest.")
            if house.crashes < 6 && house.chance(12) == 0 { house.crash() }
        }
        #expect(house.store.complaints == [])
        for (place, outcome) in house.store.outcomes {
            #expect(outcome.kind == (place.ordinal % 7 == 3 ? .refused : .created), "\(place)")
        }
        #expect(house.store.outcomes.count == 23)
        #expect(house.provider.creates == 20)
        #expect(house.store.openTransfers.map(\.sequence) == [])
    }
}
