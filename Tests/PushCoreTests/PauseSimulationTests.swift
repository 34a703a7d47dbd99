import JSON
import Testing

@testable import PushCore

/// An account that pauses, from one seed: whatever the weather, and wherever the house goes down.
@Suite struct PauseSimulationTests {
    private func items(_ house: inout SimulatedHouse, _ version: inout Int) -> [SimulatedHouse.Item] {
        var items: [SimulatedHouse.Item] = []
        for _ in 0..<(1 + house.chance(9)) {
            version += 1
            let id = "c\(house.chance(8))"
            var item = SimulatedHouse.Item(
                internalID: id, data: ["email": .string("\(id)@example.org"), "version": .number(String(version))])
            for _ in 0..<house.chance(3) {
                version += 1
                let company = "k\(house.chance(4))"
                item.children.append(
                    SimulatedHouse.Item(
                        internalID: company, data: ["name": .string(company), "version": .number(String(version))]))
            }
            items.append(item)
        }
        return items
    }

    /// Pushes in changing weather, then lets it clear up and runs to the end.
    private func run(_ house: inout SimulatedHouse, options: [String], cancels: Bool) throws {
        var version = 0
        var pushed: [Int64] = []
        house.patience = 100_000_000_000
        for _ in 0..<12 {
            switch house.chance(5) {
            case 0: house.weather = .down
            case 1: house.weather = .unauthorized
            default: house.weather = .fair
            }
            if house.chance(2) == 0 { house.tell(.accountChanged(house.account)) }
            let made = items(&house, &version)
            let said = options[Int(house.chance(UInt64(options.count)))]
            pushed.append(house.push(made, direct: house.chance(2) == 0, options: said))
            for _ in 0..<house.chance(60) { _ = house.step() }
            if cancels, house.chance(3) == 0 { house.cancel(pushed[Int(house.chance(UInt64(pushed.count)))]) }
            if house.chance(6) == 0 { house.crash() }
        }
        house.weather = .fair
        house.tell(.accountChanged(house.account))
        var steps = 0
        while house.step() {
            steps += 1
            try #require(steps < 100_000, "The house does not come to rest.")
        }
        #expect(house.complaints == [])
        #expect(house.store.complaints == [])
        #expect(house.store.openTransfers.map(\.sequence) == [], "every transfer completes")
        #expect(house.store.openIntents.map(\.id) == [], "no intent stays open")
        #expect(house.machine.pausedAccounts == house.store.pauses.count)
        #expect(house.published.map(\.sequence) == house.store.events.map(\.sequence), "told in order, told once a run")
        checkTold(house)
    }

    /// The session hears of a pause, perhaps of another reason for it, and then of its end.
    private func checkTold(_ house: SimulatedHouse) {
        var reason: PauseReason?
        for event in house.store.events {
            let told = PauseReason(rawValue: UInt8(clamping: event.first))
            if event.kind == .providerPaused {
                #expect(told != nil && told != reason, "it is not told twice")
                reason = told
            } else if event.kind == .providerResumed {
                #expect(reason != nil && told == reason, "it was paused")
                reason = nil
            }
        }
        #expect((reason == nil) == house.store.pauses.isEmpty)
    }

    @Test(arguments: Seeds.some(32))
    func nothingFailsAndNothingIsThereTwice(seed: Int) throws {
        var house = try SimulatedHouse(seed: UInt64(seed), lossPercent: seed % 3 == 0 ? 0 : 15)
        try run(&house, options: [""], cancels: false)
        let store = house.store
        #expect(store.pauses.isEmpty)
        var last: [String: String] = [:]
        for (place, row) in store.records.sorted(by: { $0.key < $1.key }) {
            #expect(store.outcomes[place]?.kind.isWritten == true, "record \(place) has no good outcome")
            if let id = row.internalID { last[id] = try JSONDocument(parsing: row.data).root["version"]?.numberText }
        }
        for (key, version) in last {
            let resource = key.hasPrefix("c") ? "contacts" : "companies"
            let known = store.ledger[SimulatedStore.key("", resource, key)]
            #expect(
                known.flatMap { house.provider.records[resource]?[$0] }?.fields["version"] == .number(version), "\(key)"
            )
        }
        #expect(house.provider.creates == last.count)
        #expect(store.errors.isEmpty)
    }

    /// Short windows and cancelled transfers: whatever is not written says why, once.
    @Test(arguments: Seeds.some(32))
    func whatIsGivenUpSaysSoOnce(seed: Int) throws {
        var house = try SimulatedHouse(seed: UInt64(5_000 + seed), lossPercent: seed % 3 == 0 ? 0 : 15)
        try run(
            &house, options: ["", #"{"retry_window":1}"#, #"{"retry_window":20}"#, #"{"retry_window":60}"#],
            cancels: true)
        let store = house.store
        for (place, row) in store.records.sorted(by: { $0.key < $1.key }) {
            let transfer = store.transfers[place.transfer]
            let errors = store.errors.filter { $0.transfer == place.transfer && $0.ordinal == place.ordinal }
            switch store.outcomes[place]?.kind {
            case .created, .updated, .unchanged: #expect(errors.isEmpty)
            case .unsent: #expect(transfer?.life.cancelled != nil && errors.isEmpty)
            case .refused, .uncertain:
                // A later version of one in doubt is not created.
                let isHeldBack = errors.first?.code == Failure.Code.identityInDoubt.rawValue
                #expect(isHeldBack || transfer?.life.retryWindow != nil, "no other was given up")
                #expect(errors.count == 1 && errors.first?.index == row.index)
                #expect(errors.first?.schemaKey == (row.schema == 0 ? "crm-contact" : "crm-company"))
            case nil: Issue.record("record \(place) has no outcome")
            }
        }
        let records =
            (house.provider.records["contacts"] ?? [:]).count + (house.provider.records["companies"] ?? [:]).count
        let keys = Set(store.records.values.compactMap(\.internalID))
        #expect(house.provider.creates == records)
        // Who is told that nobody knows has to look before it is pushed again.
        let doubts = store.outcomes.values.count { $0.kind == .uncertain }
        #expect(records <= keys.count + doubts, "nothing twice")
    }

    /// Where an answer that is lost has to be looked for, the pause waits for the settle time and the settle time for the
    /// pause.
    @Test(arguments: Seeds.some(32))
    func whatIsInDoubtIsLookedForWhenTheAccountAnswersAgain(seed: Int) throws {
        var house = try SimulatedHouse(
            seed: UInt64(9_000 + seed), lossPercent: 15, latenessMilliseconds: seed % 3 == 0 ? 40 : 0
        ) { provider in
            DoubtSimulationTests.searchable(&provider)
            if seed % 2 == 0 { DoubtSimulationTests.apart(&provider) }
        }
        try run(&house, options: [""], cancels: false)
        let store = house.store
        #expect(store.pauses.isEmpty)
        for place in store.records.keys.sorted() {
            #expect(store.outcomes[place]?.kind.isWritten == true, "record \(place) has no good outcome")
        }
        let contacts = (house.provider.records["contacts"] ?? [:]).values.compactMap { $0.fields["email"]?.string }
        #expect(Set(contacts).count == contacts.count, "no contact is there twice")
    }

    /// What waits in the store only is given up as well.
    @Test func aLongTransferIsGivenUpWhole() throws {
        for weather in [SimulatedHouse.Weather.down, .unauthorized] {
            var house = try SimulatedHouse(seed: 3, lossPercent: 0)
            house.weather = weather
            let items = (0..<500).map {
                SimulatedHouse.Item(internalID: "c\($0)", data: ["email": .string("c\($0)@example.org")])
            }
            _ = house.push(items, direct: false, options: #"{"retry_window":120}"#)
            _ = house.push(items, direct: false)
            var steps = 0
            while house.store.transfers[1]?.completed == nil, house.step() {
                steps += 1
                try #require(steps < 100_000)
            }
            #expect(house.store.transfers[1]?.counts[.refused] == 500 || weather == .down)
            #expect((house.store.transfers[1]?.counts[.refused] ?? 0) >= 480, "but for what may have been sent")
            #expect(house.store.transfers[2]?.completed == nil && house.store.transfers[2]?.counts.finishedAll == 0)
            let kinds = Set(house.store.errors.filter { $0.code != "outcome_unknown" }.map(\.kind))
            #expect(kinds == [weather == .down ? "upstream" : "authentication"])
        }
    }

    @Test(arguments: [#"{"abort_if":{"rejects":40}}"#, #"{"abort_if":{"rejects_percent":20}}"#])
    func aTransferThatGoesWrongIsNotSentToItsEnd(options: String) throws {
        for seed in 0..<20 as Range<UInt64> {
            var house = try SimulatedHouse(seed: seed, lossPercent: 10)
            // Every other record breaks its schema.
            let items = (0..<600).map { number in
                SimulatedHouse.Item(
                    internalID: "c\(number)",
                    data: [
                        "email": .string("c\(number)@a.example"),
                        "version": number % 2 == 0 ? .string("x") : .number("1"),
                    ])
            }
            _ = house.push(items, direct: false, options: options)
            _ = house.push(
                [SimulatedHouse.Item(internalID: "z", data: ["email": .string("z@a.example")])], direct: true)
            var steps = 0
            while house.step() {
                steps += 1
                if steps == 100 && seed % 4 == 0 { house.crash() }
                try #require(steps < 100_000)
            }
            let row = try #require(house.store.transfers[1])
            #expect(row.completed != nil && row.life.isAborted && row.life.cancelled != nil)
            let refused = row.counts[.refused]
            #expect(refused >= (options.contains("percent") ? 20 : 40) && refused < 80, "\(refused)")
            #expect(row.counts[.unsent] > 400, "\(row.counts)")
            #expect(row.counts.finished == 600)
            #expect(house.store.transfers[2]?.counts[.created] == 1, "its neighbour is not meant")
            #expect(house.store.complaints == [] && house.store.openIntents.isEmpty)
        }
    }
}
