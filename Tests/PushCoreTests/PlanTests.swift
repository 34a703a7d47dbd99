import JSON
import Testing

@testable import PushCore

/// What a plan says, and that a push of it does just that.
@Suite struct PlanTests {
    private typealias Item = PlanHouse.Item

    private func house(
        seed: UInt64 = 1, _ options: String = "", _ change: (inout ProviderDescription) -> Void = { _ in }
    ) throws -> PlanHouse {
        var provider = Scene.provider()
        change(&provider)
        return PlanHouse(seed: seed, plan: try Scene.plan(options, provider: provider, required: #"["email"]"#))
    }

    private func content(_ row: PlannedRow?) throws -> JSONValue {
        try JSONValue(parsing: [UInt8(ascii: "{")] + (row?.content ?? []) + [UInt8(ascii: "}")])
    }

    /// Random items: namesakes, versions of one record, shared children, faults.
    private func items(_ house: inout PlanHouse, _ count: Int) -> [Item] {
        (0..<count).map { _ in
            let name = house.chance(UInt64(count))
            var members: [String] = []
            if house.chance(10) < 8 { members.append(#""email":"\#(name)@x.example""#) }
            if house.chance(10) < 3 { members.append(#""phone":"55500\#(house.chance(20))""#) }
            if house.chance(10) < 3 { members.append(#""full_name":"Ann \#(house.chance(10))""#) }
            if house.chance(30) == 0 { members.append(#""unknown":1"#) }
            members.append(#""note":"\#(house.chance(3))""#)
            let children = (0..<house.chance(3)).map { _ in
                Item(internalID: "c\(house.chance(8))", data: #"{"name":"\#(house.chance(2))"}"#)
            }
            return Item(
                internalID: house.chance(10) < 7 ? "i\(name)" : nil, data: "{\(members.joined(separator: ","))}",
                children: house.chance(4) == 0 ? children : [])
        }
    }

    private static let outcomes: [PlanAction: OutcomeKind] = [
        .create: .created, .update: .updated, .unchanged: .unchanged, .ambiguous: .refused, .invalid: .refused,
    ]

    @Test(arguments: Seeds.some(24))
    func whatIsPlannedIsWhatAPushOfItDoes(seed: Int) throws {
        var house = try house(seed: UInt64(seed), seed % 4 == 0 ? #""freshness":"ledger","# : "")
        if seed % 3 > 0 { _ = house.push(items(&house, 30)) }
        if seed % 5 == 0 { house.window = 7 }
        let before = house.provider.creates
        let made = house.makePlan(items(&house, 5 + seed % 60))
        #expect(house.provider.creates == before, "a plan writes nothing")
        #expect(made.planned.count == made.records.count)
        let spent = house.exchanges
        let outcomes = house.apply(made)
        #expect(Int64(house.exchanges - spent) == made.row.callCount, "as many calls as planned")
        for record in made.records {
            let action = try #require(made.planned[record.place]?.mark.action)
            #expect(outcomes[record.place]?.kind == Self.outcomes[action], "\(record.place) \(action)")
        }
        #expect(house.provider.creates - before == made.row.counts[0])
        #expect(made.row.counts.reduce(0, +) == Int32(made.records.count))
    }

    @Test func aPlanCostsAsFewCallsAsItsBatchesAllow() throws {
        var house = try house()
        let items = (0..<95).map {
            Item(
                internalID: "i\($0)", data: #"{"email":"\#($0)@x.example"}"#,
                children: [Item(internalID: "c\($0)", data: #"{"name":"n"}"#)])
        }
        let made = house.makePlan(items)
        #expect(
            made.row.calls == [
                PlannedCalls(resource: "companies", reads: 0, writes: 10),
                PlannedCalls(resource: "contacts", reads: 10, writes: 10),
            ])
        #expect(made.row.counts == [190, 0, 0, 0, 0])
    }

    @Test func aWaitIsNoCall() throws {
        var house = try house()
        house.throttled = 3
        let made = house.makePlan([Item(data: #"{"email":"a@x.example"}"#)])
        #expect(made.row.callCount == 2)
        #expect(house.exchanges == 1)
    }

    @Test(
        arguments: [
            (0, nil, 0, 0), (3_000_000, nil, 0, 60), (3_000_000, nil, 5, 100), (3_000_000, (2.0, 4), 5, 8_000),
            (3_000_000, (2.0, 20), 0, 60), (0, (100.0, 1), 0, 190),
        ] as [(UInt64, (Double, Int)?, Int64, Int64)])
    func theTimeIsThatOfTheCallsUnderTheBudget(
        lookUp: UInt64, budget: (Double, Int)?, latency: Int64, milliseconds: Int64
    ) throws {
        var house = try house { provider in
            provider.budget = budget.map { ProviderDescription.ExchangeBudget(perSecond: $0.0, burst: $0.1) }
            provider.latencyMilliseconds = latency
        }
        house.lookUpTime = lookUp
        let made = house.makePlan((0..<100).map { Item(data: #"{"email":"\#($0)@x.example"}"#) })
        #expect(made.row.callCount == 20)
        #expect(made.row.duration == milliseconds)
    }

    @Test func aLaterVersionIsComparedWithWhatTheEarlierOneLeaves() throws {
        var house = try house()
        _ = house.push([Item(internalID: "a", data: #"{"email":"a@x.example","note":"1","age":1.50}"#)])
        let made = house.makePlan([
            Item(internalID: "a", data: #"{"note":"2","age":null}"#), Item(internalID: "a", data: #"{"note":"2"}"#),
            Item(internalID: "a", data: #"{"note":null,"age":3.0}"#),
        ])
        #expect(made.row.counts == [0, 2, 1, 0, 0])
        let first = try content(made[0])
        #expect(
            first["diff"]?.elements?.map(\.text).map { String(decoding: $0, as: UTF8.self) } == [
                #"{"field":"note","from":"1","to":"2"}"#, #"{"field":"age","from":1.50,"to":null}"#,
            ])
        #expect(try content(made[1]) == .object([JSONValue.Member("same_as", .number("0"))]))
        #expect(
            try content(made[2])["diff"]?.elements?.map(\.text).map { String(decoding: $0, as: UTF8.self) } == [
                #"{"field":"note","from":"2","to":null}"#, #"{"field":"age","from":null,"to":3.0}"#,
            ])
        #expect([made[0], made[1], made[2]].map { $0?.mark.follows } == [false, true, true])
    }

    @Test func aRecordIsNotFoundByAValueThatThePlanTakesFromIt() throws {
        var house = try house()
        _ = house.push([Item(internalID: "a", data: #"{"email":"old@x.example"}"#)])
        let made = house.makePlan([
            Item(internalID: "a", data: #"{"email":"new@x.example"}"#), Item(data: #"{"email":"old@x.example"}"#),
            Item(data: #"{"email":"NEW@x.example","note":"n"}"#),
        ])
        #expect([made[0], made[1], made[2]].map { $0?.mark.action } == [.update, .create, .update])
        #expect(made[2]?.providerID == made[0]?.providerID)
    }

    @Test func faultsAndCandidatesAreNamed() throws {
        var house = try house()
        _ = house.push([
            Item(internalID: "a", data: #"{"email":"a@x.example","full_name":"Ann"}"#),
            Item(internalID: "b", data: #"{"email":"b@x.example","full_name":"Ann"}"#),
        ])
        let made = house.makePlan([
            Item(data: #"{"full_name":"Ann"}"#), Item(data: #"{"email":7}"#), Item(data: #"{"note":"n"}"#),
            Item(givenID: "999", data: #"{"note":"n"}"#), Item(data: #"{"emial":"x"}"#),
        ])
        #expect(made.row.counts == [0, 0, 0, 1, 4])
        #expect(try content(made[0])["candidates"] == .array([.string("100"), .string("101")]))
        let paths = try [1, 2, 3, 4].map { try content(made[$0])["errors"]?.elements?.first?["path"]?.string }
        #expect(paths == ["/email", "/", nil, "/emial"])
        let codes = try [0, 1, 2, 3, 4].map { try content(made[$0])["errors"]?.elements?.first?["code"]?.string }
        #expect(
            codes == [
                "ambiguous_match", "schema_violation", "missing_required", "not_found_upstream", "unknown_property",
            ])
    }

    /// What happens at the provider between plan and push, and which records are refused then.
    @Test(arguments: [
        ("nothing", [] as [Int32]), ("the record to update", [0]), ("the unchanged one", [1]), ("a new one", [2]),
        ("the ambiguous one", [3]), ("a link", [0, 4]),
    ])
    func onlyWhatChangedSinceIsRefused(change: String, stale: [Int32]) throws {
        var house = try house()
        _ = house.push([
            Item(internalID: "a", data: #"{"email":"a@x.example"}"#),
            Item(internalID: "b", data: #"{"email":"b@x.example"}"#),
            Item(internalID: "n1", data: #"{"email":"n1@x.example","full_name":"Ann"}"#),
            Item(internalID: "n2", data: #"{"email":"n2@x.example","full_name":"Ann"}"#),
        ])
        let made = house.makePlan([
            Item(internalID: "a", data: #"{"note":"1"}"#), Item(internalID: "b", data: #"{"email":"b@x.example"}"#),
            Item(internalID: "c", data: #"{"email":"c@x.example"}"#), Item(data: #"{"full_name":"Ann"}"#),
            Item(internalID: "a", data: #"{"note":"2"}"#), Item(data: #"{"email":8}"#),
        ])
        switch change {
        case "the record to update": _ = house.push([Item(internalID: "a", data: #"{"age":4}"#)])
        case "the unchanged one": _ = house.push([Item(internalID: "b", data: #"{"age":4}"#)])
        case "a new one": _ = house.push([Item(data: #"{"email":"c@x.example"}"#)])
        case "the ambiguous one": _ = house.push([Item(internalID: "n1", data: #"{"full_name":"Eve"}"#)])
        case "a link": _ = house.push([Item(internalID: "a", data: #"{"note":"1"}"#)])
        default: break
        }
        let outcomes = house.apply(made)
        let planned: [OutcomeKind] = [.updated, .unchanged, .created, .refused, .updated, .refused]
        for (place, kind) in planned.enumerated() {
            let outcome = outcomes[RecordPlace(transfer: made.row.sequence, ordinal: Int32(place))]?.kind
            // The later version of a record that is refused is what the plan says of it, or refused as well.
            if change == "a link" && place == 4 { continue }
            #expect(outcome == (stale.contains(Int32(place)) ? .refused : kind), "\(change): record \(place)")
        }
    }

    @Test func underTheLedgerAnIdenticalPushIsPlannedWithoutACall() throws {
        var house = try house(#""freshness":"ledger","#)
        let items = (0..<25).map {
            Item(
                internalID: "i\($0)", data: #"{"email":"\#($0)@x.example"}"#,
                children: [Item(internalID: "c\($0 % 3)", data: #"{"name":"n"}"#)])
        }
        _ = house.push(items)
        let spent = house.exchanges
        let made = house.makePlan(items)
        #expect(made.row.counts == [0, 0, 50, 0, 0])
        #expect(made.row.callCount == 0)
        _ = house.apply(made)
        #expect(house.exchanges == spent)
        // What the plan itself would write is known by then as well.
        let versions = house.makePlan([
            Item(internalID: "i1", data: #"{"note":"1"}"#), Item(internalID: "i1", data: #"{"note":"1"}"#),
            Item(internalID: "i1", data: #"{"note":"2"}"#),
        ])
        #expect(versions.row.counts == [0, 2, 1, 0, 0])
        let before = house.exchanges
        _ = house.apply(versions)
        #expect(Int64(house.exchanges - before) == versions.row.callCount)
    }

    @Test func twoInternalIDsOfOneRecordAreToldInThePlan() throws {
        var house = try house()
        let made = house.makePlan([
            Item(internalID: "a", data: #"{"email":"a@x.example"}"#),
            Item(internalID: "b", data: #"{"email":"a@x.example"}"#),
        ])
        #expect(try content(made[0])["warnings"] == nil)
        #expect(try content(made[1])["warnings"]?.elements?.first?["name"]?.string == "identity_collision")
    }

    @Test(arguments: [("skip", PlanAction.unchanged, OutcomeKind.unsent), ("error", .invalid, .refused)])
    func whatIsGoneIsPlannedAsTheSessionSays(option: String, action: PlanAction, outcome: OutcomeKind) throws {
        var house = try house("\"on_deleted\":\"\(option)\",")
        _ = house.push([Item(internalID: "a", data: #"{"email":"a@x.example"}"#)])
        house.provider = SimulatedProvider()
        let made = house.makePlan([Item(internalID: "a", data: #"{"note":"n"}"#)])
        #expect(made[0]?.mark.action == action)
        #expect(house.apply(made)[RecordPlace(transfer: made.row.sequence, ordinal: 0)]?.kind == outcome)
    }

    @Test func anEmptyPlanIsDone() throws {
        var house = try house()
        let made = house.makePlan([])
        #expect(made.row.isReady && made.row.callCount == 0 && made.planned.isEmpty)
    }

    @Test func callsAreKeptAsText() {
        let calls = [PlannedCalls(resource: "a \"b\"", reads: 1, writes: 2), PlannedCalls(resource: "c")]
        #expect(PlannedCalls.parse(PlannedCalls.text(calls)) == calls)
        #expect(PlannedCalls.parse(Array("{".utf8)) == nil)
        #expect(PlannedCalls.parse(Array(#"[["a",1]]"#.utf8)) == nil)
    }
}
