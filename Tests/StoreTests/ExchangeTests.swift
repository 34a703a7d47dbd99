import PushCore
import Testing

@testable import Store

@Suite struct ExchangeTests {
    private static func exchange(
        _ ended: Int64, _ places: [(Int64, Int32)], account: AccountKey = Sample.account,
        meaning: ExchangeRow.Meaning = .answered, operation: String = "read"
    ) -> ExchangeRow {
        ExchangeRow(
            account: account, ended: ended, duration: 12, operation: operation, resource: "contacts", method: "POST",
            path: "/contacts/read", attempt: 3, intent: 9,
            places: places.map { RecordPlace(transfer: $0.0, ordinal: $0.1) }, status: meaning == .answered ? 200 : nil,
            phase: meaning == .answered ? nil : .receive, reason: meaning == .answered ? "" : "cut off",
            meaning: meaning)
    }

    private func read(
        _ scene: Scene, _ place: RecordPlace, since: Int64 = 0, until: Int64 = .max - 1, after: Int64 = 0,
        account: AccountKey = Sample.account
    ) -> [ExchangeRow] {
        let query = Query.exchanges(place, account, since: since, until: until, after: after)
        guard case .exchanges(let rows, _, true) = scene.ask(query) else {
            Issue.record("no answer, or not all of it")
            return []
        }
        return rows
    }

    private func fill(_ scene: Scene) {
        scene.commit([.session(Sample.session(1)), .session(Sample.session(2))])
        scene.commit(Sample.whole(1, session: 1, records: 3) + Sample.whole(2, session: 2, records: 3))
    }

    @Test func anExchangeIsFoundByEachOfItsRecords() throws {
        let scene = try Scene()
        fill(scene)
        let other = AccountKey(provider: "local", name: "other")
        let rows = [
            Self.exchange(100, [(1, 0), (1, 1), (2, 1)]), Self.exchange(200, [(1, 2)], meaning: .unknown),
            Self.exchange(300, [(1, 0)], account: other), Self.exchange(400, [(1, 0)], meaning: .throttled),
            Self.exchange(500, []),
        ]
        scene.commit(.exchanges(rows))
        func sequences(_ transfer: Int64, _ ordinal: Int32, since: Int64 = 0, until: Int64 = 1_000) -> [Int64] {
            read(scene, RecordPlace(transfer: transfer, ordinal: ordinal), since: since, until: until).map(\.sequence)
        }
        #expect(sequences(1, 0) == [1, 4])
        #expect(sequences(1, 1) == [1])
        #expect(sequences(1, 2) == [2])
        #expect(sequences(2, 1) == [1])
        #expect(sequences(2, 0) == [])
        #expect(sequences(1, 0, since: 101) == [4])
        #expect(sequences(1, 0, since: 100, until: 399) == [1])
        #expect(sequences(1, 0, until: 400) == [1, 4])
        var first = rows[1]
        first.sequence = 2
        #expect(read(scene, RecordPlace(transfer: 1, ordinal: 2)) == [first])
        #expect(read(scene, RecordPlace(transfer: 1, ordinal: 0), account: other).map(\.sequence) == [3])
        let nobody = AccountKey(provider: "no", name: "body")
        #expect(read(scene, RecordPlace(transfer: 1, ordinal: 0), account: nobody) == [])
        scene.end()
    }

    @Test func aLongLogIsReadInStretches() throws {
        let scene = try Scene()
        fill(scene)
        for part in 0..<5 {
            scene.commit(
                .exchanges((0..<5_000).map { Self.exchange(Int64(part * 5_000 + $0), [(1, $0 % 2_500 == 0 ? 0 : 1)]) }))
        }
        let place = RecordPlace(transfer: 1, ordinal: 0)
        let query = Query.exchanges(place, Sample.account, since: 0, until: .max - 1, after: 0)
        guard case .exchanges(let rows, let through, false) = scene.ask(query) else {
            Issue.record("a stretch is not all of it")
            return
        }
        #expect(through == 20_000)
        #expect(rows.count == 8)
        #expect(read(scene, place, after: through).map(\.ended) == [20_000, 22_500])
        // The search by time leads right to the end.
        #expect(read(scene, place, since: 22_400).map(\.ended) == [22_500])
        // A record that nearly all were for: no more than a thousand at a time.
        let busy = RecordPlace(transfer: 1, ordinal: 1)
        guard
            case .exchanges(let some, let seen, false) = scene.ask(
                .exchanges(busy, Sample.account, since: 0, until: .max - 1, after: 0))
        else {
            Issue.record("a thousand are not all")
            return
        }
        #expect(some.count == 1_000 && some.last?.sequence == seen)
        scene.end()
    }

    @Test func exchangesAreCountedByKindAndSecond() throws {
        let scene = try Scene()
        fill(scene)
        scene.commit(
            .exchanges([
                Self.exchange(1_000, []), Self.exchange(1_999, []), Self.exchange(1_500, [], operation: "search"),
                Self.exchange(2_000, []), Self.exchange(500, []),
                Self.exchange(2_100, [], account: AccountKey(provider: "local", name: "other")),
            ]))
        guard
            case .exchangeCounts(let counts, _, true) = scene.ask(
                .exchangeCounts(Sample.account, since: 1_000, after: 0))
        else {
            Issue.record("no answer")
            return
        }
        #expect(
            counts == [
                ExchangeCount(operation: "search", ended: 1_500, count: 1),
                ExchangeCount(operation: "read", ended: 1_999, count: 2),
                ExchangeCount(operation: "read", ended: 2_000, count: 1),
            ])
        let nobody = AccountKey(provider: "no", name: "body")
        #expect(
            scene.ask(.exchangeCounts(nobody, since: 0, after: 5))
                == .exchangeCounts([], examinedThrough: 5, isLast: true))
        scene.end()
    }

    @Test func theLogKeepsToItsAgeAndItsSize() throws {
        var settings = StoreSettings()
        settings.sliceRows = 10
        settings.exchangeLogBytes = 40 * ExchangeColumns.bytes
        let scene = try Scene(settings: settings)
        fill(scene)
        scene.commit(.exchanges((1...100).map { Self.exchange(Int64($0), [(1, 0)]) }))
        // The first slice goes with the commit, the rest between groups.
        scene.commit(.trimExchanges(before: 30))
        scene.pass { scene.count("exchange") == 40 }
        #expect(scene.raw("SELECT min(sequence) FROM exchange") == [["61"]])
        scene.commit(.trimExchanges(before: 1_000))
        scene.pass { scene.count("exchange") == 1 }
        #expect(scene.raw("SELECT sequence FROM exchange") == [["100"]], "the newest stays, for its number")
        scene.end()
    }

    @Test func aDeletedSessionTakesItsExchangesAlong() throws {
        var settings = StoreSettings()
        settings.sliceRows = 10
        let scene = try Scene(settings: settings)
        fill(scene)
        scene.commit(.exchanges((1...50).map { Self.exchange(Int64($0), [(1, 0)]) }))
        scene.commit(
            .exchanges([Self.exchange(60, [(2, 0)]), Self.exchange(61, [(1, 0), (2, 0)]), Self.exchange(62, [])]))
        scene.commit(.sessionDeleted(Sample.id(1), forgetting: nil))
        scene.pass { scene.count("removal") == 0 }
        #expect(scene.raw("SELECT ended FROM exchange ORDER BY 1") == [["60"], ["61"], ["62"]])
        // What was still under way when it was deleted.
        scene.commit(.exchanges([Self.exchange(70, [(1, 0)]), Self.exchange(71, [(2, 0)])]))
        #expect(scene.raw("SELECT ended FROM exchange ORDER BY 1") == [["60"], ["61"], ["62"], ["71"]])
        scene.end()
    }

    @Test func aRecordIsReadWithAllThatBelongsToIt() throws {
        let scene = try Scene()
        scene.commit(.session(Sample.session(1)))
        scene.commit(
            .transferBegun(Sample.transfer(4, records: 1, all: 3)),
            .records([
                Sample.record(4, 0, index: 0, parent: 2), Sample.record(4, 1, index: 0, parent: 2),
                Sample.record(4, 2, index: 0, children: 2, descendants: 2),
            ]), .transferAccepted(sequence: 4))
        var outcome = Sample.outcome(4, 2)
        outcome.decision = DecisionReason(.matched(1), fields: [0, 3])
        scene.commit(.outcomes([Sample.outcome(4, 0), outcome]), .errors([Sample.error(1, transfer: 4, ordinal: 2)]))
        guard case .explained(let row?) = scene.ask(.explained(RecordPlace(transfer: 4, ordinal: 2))) else {
            Issue.record("no record")
            return
        }
        #expect(row.transfer.sequence == 4 && row.record == Sample.record(4, 2, index: 0, children: 2, descendants: 2))
        #expect(row.outcome == outcome)
        #expect(row.children.map(\.record.place.ordinal) == [0, 1])
        #expect(row.children.map(\.outcome?.kind) == [.created, nil])
        #expect(row.errors == [Sample.error(1, transfer: 4, ordinal: 2)] && row.parent == nil)
        guard case .explained(let child?) = scene.ask(.explained(RecordPlace(transfer: 4, ordinal: 0))) else {
            Issue.record("no record")
            return
        }
        #expect(child.parent?.place.ordinal == 2 && child.outcome?.decision == nil)
        // Whoever decides about it later does not know why it was written.
        scene.commit(.outcomesReplaced([Sample.outcome(4, 2, kind: .updated, id: "77")]))
        guard case .explained(let resolved?) = scene.ask(.explained(RecordPlace(transfer: 4, ordinal: 2))) else {
            Issue.record("no record")
            return
        }
        #expect(resolved.outcome?.providerID == "77" && resolved.outcome?.decision == outcome.decision)
        #expect(scene.ask(.explained(RecordPlace(transfer: 4, ordinal: 3))) == .explained(nil))
        #expect(scene.ask(.explained(RecordPlace(transfer: 5, ordinal: 0))) == .explained(nil))
        #expect(scene.ask(.top(transfer: 4, index: 0)) == .top(RecordPlace(transfer: 4, ordinal: 2)))
        #expect(scene.ask(.top(transfer: 4, index: 1)) == .top(nil))
        scene.end()
    }

    @Test func theNewestRecordThatFitsIsFoundInStretches() throws {
        let scene = try Scene()
        scene.commit([.session(Sample.session(1)), .session(Sample.session(2))])
        for sequence in Int64(1)...12 {
            scene.commit(Sample.whole(sequence, session: sequence == 12 ? 2 : 1, records: 4_000))
        }
        scene.commit(.outcomes([Sample.outcome(3, 3, id: "made")]))
        func find(_ search: RecordSearch) -> (RecordPlace?, Int) {
            var (before, steps): (RecordPlace?, Int) = (nil, 0)
            while true {
                steps += 1
                guard case .found(let place, let next) = scene.ask(.found(search, before: before)) else {
                    Issue.record("no answer")
                    return (nil, steps)
                }
                if place != nil || next == nil { return (place, steps) }
                before = next
            }
        }
        let session = RecordSearch.Within.session(Sample.id(1))
        #expect(
            find(RecordSearch(within: session, name: .internalID("Zoë-7"))).0 == RecordPlace(transfer: 11, ordinal: 7))
        let (made, steps) = find(RecordSearch(within: session, name: .providerID("made")))
        #expect(made == RecordPlace(transfer: 3, ordinal: 3) && steps > 1)
        #expect(
            find(RecordSearch(within: session, name: .providerID("given-9"))).0 == RecordPlace(transfer: 11, ordinal: 9)
        )
        #expect(find(RecordSearch(within: session, name: .internalID("none"))).0 == nil)
        #expect(
            find(RecordSearch(within: .transfer(2), name: .internalID("Zoë-7"))).0
                == RecordPlace(transfer: 2, ordinal: 7))
        #expect(find(RecordSearch(within: .transfer(2), name: .providerID("made"))).0 == nil)
        scene.end()
    }
}
