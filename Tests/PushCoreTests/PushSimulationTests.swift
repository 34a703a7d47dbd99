import JSON
import PushCore
import Testing

/// The whole way of a push, from one seed: order, crashes, lost requests and lost answers as chance will have it.
@Suite struct PushSimulationTests {
    @Test(arguments: Seeds.some(32))
    func everyAcceptedRecordArrivesOnceWhateverHappens(seed: Int) throws {
        try story(SimulatedHouse(seed: UInt64(seed), lossPercent: seed % 3 == 0 ? 0 : 25))
    }

    func story(_ house: SimulatedHouse) throws {
        var house = house
        var last: [String: Int] = [:]
        var links: Set<String> = []
        var version = 0
        for _ in 0..<12 {
            var items: [SimulatedHouse.Item] = []
            for _ in 0..<(1 + house.chance(6)) {
                version += 1
                let id = "c\(house.chance(6))"
                last[id] = version
                var item = SimulatedHouse.Item(
                    internalID: id,
                    data: ["email": .string("\(id)@example.org"), "version": .number(String(version))])
                for _ in 0..<house.chance(3) {
                    version += 1
                    let company = "k\(house.chance(4))"
                    last[company] = version
                    links.insert("\(id)-\(company)")
                    item.children.append(
                        SimulatedHouse.Item(
                            internalID: company, data: ["name": .string(company), "version": .number(String(version))]))
                }
                items.append(item)
            }
            _ = house.push(items, direct: house.chance(2) == 0)
            for _ in 0..<house.chance(40) { _ = house.step() }
            if house.chance(5) == 0 { house.crash() }
        }
        var steps = 0
        while house.step() {
            steps += 1
            try #require(steps < 100_000, "The house does not come to rest.")
        }
        check(house, last, links)
    }

    /// Cancels at any time, whatever else happens: every record ends, what is unsent was never sent, and what was sent is
    /// told as it ended.
    @Test(arguments: Seeds.some(32))
    func aCancelledTransferEndsWhateverHappens(seed: Int) throws {
        var house = try SimulatedHouse(seed: UInt64(1_000 + seed), lossPercent: seed % 3 == 0 ? 0 : 25)
        var version = 0
        var pushed: [Int64] = []
        for _ in 0..<12 {
            var items: [SimulatedHouse.Item] = []
            for _ in 0..<(1 + house.chance(9)) {
                version += 1
                let id = "c\(house.chance(6))"
                var item = SimulatedHouse.Item(
                    internalID: id,
                    data: ["email": .string("\(id)@example.org"), "version": .number(String(version))])
                for _ in 0..<house.chance(3) {
                    version += 1
                    let company = "k\(house.chance(4))"
                    item.children.append(
                        SimulatedHouse.Item(
                            internalID: company, data: ["name": .string(company), "version": .number(String(version))]))
                }
                items.append(item)
            }
            pushed.append(house.push(items, direct: house.chance(2) == 0))
            for _ in 0..<house.chance(30) { _ = house.step() }
            if house.chance(2) == 0 { house.cancel(pushed[Int(house.chance(UInt64(pushed.count)))]) }
            for _ in 0..<house.chance(10) { _ = house.step() }
            if house.chance(5) == 0 { house.crash() }
        }
        var steps = 0
        while house.step() {
            steps += 1
            try #require(steps < 100_000, "The house does not come to rest.")
        }
        let store = house.store
        #expect(store.complaints == [])
        #expect(store.openTransfers.map(\.sequence) == [], "every transfer completes")
        #expect(store.openIntents.map(\.id) == [], "no intent stays open")
        var last: [String: String] = [:]
        for (place, row) in store.records.sorted(by: { $0.key < $1.key }) {
            let kind = store.outcomes[place]?.kind
            let isCancelled = store.transfers[place.transfer]?.life.cancelled != nil
            #expect(
                kind?.isWritten == true || (kind == .unsent && isCancelled), "record \(place) ended as \(kind as Any)")
            guard kind?.isWritten == true, let id = row.internalID else { continue }
            last[id] = try JSONDocument(parsing: row.data).root["version"]?.numberText
        }
        // The provider stands where the last version that was sent left it: nothing unsent has got there.
        for (key, version) in last {
            let resource = key.hasPrefix("c") ? "contacts" : "companies"
            let known = store.ledger[SimulatedStore.key("", resource, key)]
            #expect(
                known.flatMap { house.provider.records[resource]?[$0] }?.fields["version"] == .number(version), "\(key)"
            )
        }
        let records =
            (house.provider.records["contacts"] ?? [:]).count + (house.provider.records["companies"] ?? [:]).count
        #expect(records == last.count, "nothing is there that was never sent, and nothing twice")
        checkEvents(house)
    }

    /// Batches of one resource are under way together. What was pushed does not tell that a record by its id and one by
    /// its e-mail or phone are the same one: only the provider's answer does, while the other batch is being written.
    @Test(arguments: Seeds.some(24))
    func versionsUnderDifferentKeysOfOneRecordAreWrittenInOrder(seed: Int) throws {
        var house = try SimulatedHouse(seed: UInt64(seed), lossPercent: seed % 2 == 0 ? 0 : 20)
        let first: JSONValue = [
            "email": .string("a@example.org"), "phone": .string("5550100"), "version": .number("0"),
        ]
        _ = house.push([SimulatedHouse.Item(internalID: "a", data: first)], direct: true)
        while house.step() {}
        let id = try #require(house.store.ledger[SimulatedStore.key("", "contacts", "a")])
        var version = 0
        for _ in 0..<4 {
            var items: [SimulatedHouse.Item] = []
            for _ in 0..<24 {
                version += 1
                var item = SimulatedHouse.Item(internalID: nil, data: ["version": .number(String(version))])
                switch house.chance(4) {
                case 0: item.id = id
                case 1: item.data["email"] = .string("a@example.org")
                case 2: item.data["phone"] = .string("5550100")
                default:
                    // Somebody else, so that batches are full.
                    item.internalID = "b\(version)"
                    item.data["email"] = .string("b\(version)@example.org")
                }
                items.append(item)
            }
            version += 1
            items.append(SimulatedHouse.Item(internalID: nil, id: id, data: ["version": .number(String(version))]))
            _ = house.push(items, direct: house.chance(2) == 0)
            for _ in 0..<house.chance(60) { _ = house.step() }
            if house.chance(6) == 0 { house.crash() }
        }
        var steps = 0
        while house.step() {
            steps += 1
            try #require(steps < 100_000, "The house does not come to rest.")
        }
        let contacts = house.provider.records["contacts"] ?? [:]
        #expect(contacts[id]?.fields["version"] == .number(String(version)), "the version that was pushed last")
        #expect(contacts.values.filter { $0.fields["email"]?.string == "a@example.org" }.count == 1)
        #expect(house.store.openTransfers.map(\.sequence) == [], "every transfer completes")
        #expect(house.store.openIntents.map(\.id) == [], "no intent stays open")
    }

    /// A record that goes by its internal id waits for its children; one by the e-mail of the same record comes after it
    /// and waits for nobody.
    @Test(arguments: Seeds.some(12))
    func aRecordThatWaitsIsNotPassedByALaterOneOfItsProviderRecord(seed: Int) throws {
        var house = try SimulatedHouse(seed: UInt64(seed), lossPercent: seed % 2 == 0 ? 0 : 20)
        let first: JSONValue = [
            "email": .string("a@example.org"), "phone": .string("5550100"), "full_name": .string("A"),
            "version": .number("0"),
        ]
        _ = house.push([SimulatedHouse.Item(internalID: "a", data: first)], direct: true)
        while house.step() {}
        let id = try #require(house.store.ledger[SimulatedStore.key("", "contacts", "a")])
        var version = 0
        for _ in 0..<6 {
            var items: [SimulatedHouse.Item] = []
            for place in 0..<2 {
                version += 1
                var item = SimulatedHouse.Item(internalID: nil, data: ["version": .number(String(version))])
                switch house.chance(5) {
                case 0: item.id = id
                case 1: item.internalID = "a"
                case 2: item.data["email"] = .string("a@example.org")
                case 3: item.data["phone"] = .string("5550100")
                default: item.data["full_name"] = .string("A")
                }
                for child in 0..<(place == 0 ? 4 : 0) {
                    item.children.append(
                        SimulatedHouse.Item(
                            internalID: "k\(version)-\(child)", data: ["name": .string("k\(version)-\(child)")]))
                }
                items.append(item)
            }
            _ = house.push(items, direct: house.chance(2) == 0)
            for _ in 0..<house.chance(40) { _ = house.step() }
            if house.chance(8) == 0 { house.crash() }
        }
        var steps = 0
        while house.step() {
            steps += 1
            try #require(steps < 100_000, "The house does not come to rest.")
        }
        let contacts = house.provider.records["contacts"] ?? [:]
        #expect(contacts.count == 1)
        #expect(contacts[id]?.fields["version"] == .number(String(version)), "the version that was pushed last")
        #expect(house.store.openTransfers.map(\.sequence) == [], "every transfer completes")
    }

    /// One that comes upon a provider record which is being changed steps aside, unless its transfer was cancelled: by then
    /// the sweep may have passed it, and nobody would come back for it.
    @Test(arguments: Seeds.some(32))
    func aCancelledTransferCompletesThoughItsRecordsWouldStepAside(seed: Int) throws {
        var house = try SimulatedHouse(seed: UInt64(seed), lossPercent: seed % 2 == 0 ? 0 : 20)
        let places = 0..<40
        let made = places.map { place in
            SimulatedHouse.Item(internalID: "c\(place)", data: ["email": .string("c\(place)@example.org")])
        }
        _ = house.push(made, direct: true)
        while house.step() {}
        for round in 0..<4 {
            // The same records by their ids and by their addresses: no common key tells beforehand that they are the same.
            let byID = places.map { place in
                var item = SimulatedHouse.Item(internalID: nil, data: ["version": .number(String(round))])
                item.id = house.store.ledger[SimulatedStore.key("", "contacts", "c\(place)")]
                return item
            }
            let byAddress = places.map { place in
                SimulatedHouse.Item(
                    internalID: nil,
                    data: ["email": .string("c\(place)@example.org"), "version": .number("1\(round)")])
            }
            _ = house.push(byID, direct: true)
            let later = house.push(byAddress, direct: true)
            for _ in 0..<house.chance(60) { _ = house.step() }
            house.cancel(later)
            var steps = 0
            while house.step() {
                steps += 1
                try #require(steps < 100_000, "The house does not come to rest.")
            }
        }
        #expect(house.store.openTransfers.map(\.sequence) == [], "every transfer completes")
        #expect(house.provider.creates == places.count)
    }

    /// Where a create may turn out to be an update, nobody can tell before the answer whom a batch concerns.
    @Test(arguments: [(false, 3), (true, 1)])
    func batchesOfOneResourceAreUnderWayTogether(adoptsCreates: Bool, ceiling: Int) throws {
        var most: Set<Int> = []
        for seed in 0..<20 {
            var house = try SimulatedHouse(seed: UInt64(seed), lossPercent: 10, adoptsCreates: adoptsCreates)
            let items = (0..<60).map { number in
                SimulatedHouse.Item(internalID: "c\(number)", data: ["email": .string("c\(number)@example.org")])
            }
            _ = house.push(items, direct: true)
            while house.step() {}
            most.insert(house.mostWritesUnderWay)
            #expect(house.provider.creates == 60)
        }
        #expect(most.max() == ceiling, "as many as the ceiling lets")
    }

    private func check(_ house: SimulatedHouse, _ last: [String: Int], _ links: Set<String>) {
        let store = house.store
        #expect(store.complaints == [])
        #expect(house.complaints == [])
        #expect(store.openTransfers.map(\.sequence) == [], "every transfer completes")
        #expect(store.openIntents.map(\.id) == [], "no intent stays open")
        for (place, _) in store.records where store.transfers[place.transfer] != nil {
            #expect(store.outcomes[place]?.kind.isWritten == true, "record \(place) has no good outcome")
        }
        // Exactly one record a key at the provider, with the last version that was accepted.
        for (key, version) in last {
            let resource = key.hasPrefix("c") ? "contacts" : "companies"
            let known = store.ledger[SimulatedStore.key("", resource, key)]
            let stored = known.flatMap { house.provider.records[resource]?[$0] }
            #expect(stored?.fields["version"] == .number(String(version)), "last version of \(key)")
        }
        let contacts = house.provider.records["contacts"] ?? [:]
        let companies = house.provider.records["companies"] ?? [:]
        #expect(contacts.count + companies.count == last.count, "no record is there twice")
        #expect(house.provider.creates == last.count)
        var made: Set<String> = []
        for contact in contacts.values {
            for link in contact.links {
                let id = contact.fields["email"]?.string?.split(separator: "@").first.map(String.init) ?? ""
                made.insert("\(id)-\(companies[link.id]?.fields["name"]?.string ?? "")")
            }
        }
        #expect(made == links)
        checkEvents(house)
    }

    /// Numbered without a gap, each page once, one completion a transfer.
    private func checkEvents(_ house: SimulatedHouse) {
        let store = house.store
        #expect(store.events.map(\.sequence) == Array(1...Int64(max(1, store.events.count))))
        for row in store.transfers.values {
            let own = store.events.filter { $0.transfer == row.sequence }
            #expect(own.filter { $0.kind == .completed }.count == 1)
            #expect(own.last?.kind == .completed)
            let pages = own.filter { $0.kind == .data }
            #expect(pages.map(\.first) == [0] + pages.dropLast().map(\.end), "pages follow each other")
            #expect(pages.last?.end == row.records)
        }
        #expect(house.published.map(\.sequence) == store.events.map(\.sequence), "told in order, told once a run")
    }
}
