import EventLoop
import Foundation
import PushCore
import Testing

@testable import Store

@Suite struct QueryTests {
    /// Two top-level records, three deep, after two without associations:
    ///
    ///     0 top 0        2 child of 4   5 top 2      6 child of 8   9 top 4
    ///     1 top 1        3 child of 4                7 child of 6'
    ///                    4 top... see the table of records below.
    ///
    /// index 0: ordinal 0; index 1: ordinal 1; index 2: ordinal 5 with children 3 (child 2) and 4; index 3: ordinal 7
    /// with child 6; index 4: ordinal 8.
    private static let family: [RecordRow] = [
        Sample.record(1, 0),
        Sample.record(1, 1),
        Sample.record(1, 2, index: 2, parent: 3, schema: 2),
        Sample.record(1, 3, index: 2, parent: 5, children: 1, descendants: 1, schema: 1),
        Sample.record(1, 4, index: 2, parent: 5, schema: 1),
        Sample.record(1, 5, index: 2, children: 2, descendants: 3),
        Sample.record(1, 6, index: 3, parent: 7, schema: 1),
        Sample.record(1, 7, index: 3, children: 1, descendants: 1),
        Sample.record(1, 8, index: 4),
    ]

    private func familyScene() throws -> Scene {
        let scene = try Scene()
        scene.commit(
            .session(Sample.session()), .transferBegun(Sample.transfer(1, records: 5, all: 9)),
            .records(Self.family), .transferAccepted(sequence: 1))
        return scene
    }

    private static func child(_ ordinal: Int32, _ schema: Int16, _ outcome: OutcomeRow?) -> ResultRow.Child {
        ResultRow.Child(ordinal: ordinal, schema: schema, kind: outcome?.kind, providerID: outcome?.providerID)
    }

    private static func bare(_ ordinal: Int) -> RecordRow {
        var row = family[ordinal]
        row.data = []
        return row
    }

    @Test func unfinishedRecordsComeWithTheirFinishedChildren() throws {
        let scene = try familyScene()
        let done = [2, 4, 0].map { Sample.outcome(1, $0) }
        scene.commit(.outcomes(done))
        let expected = [1, 3, 5, 6, 7, 8].map { ordinal in
            ResultRow(
                record: Self.family[ordinal], outcome: nil,
                children: ordinal == 3
                    ? [Self.child(2, 2, done[0])] : ordinal == 5 ? [Self.child(4, 1, done[1])] : [])
        }
        #expect(
            scene.ask(.unfinished(transfer: 1, after: -1, limit: 99, bytes: 9_999))
                == .unfinished(expected, isLast: true))
        #expect(
            scene.ask(.unfinished(transfer: 1, after: -1, limit: 6, bytes: 9_999))
                == .unfinished(expected, isLast: true))
        #expect(
            scene.ask(.unfinished(transfer: 1, after: 1, limit: 2, bytes: 9_999))
                == .unfinished(Array(expected[1...2]), isLast: false))
        // One always comes, however large; the next one only if it fits.
        #expect(
            scene.ask(.unfinished(transfer: 1, after: 3, limit: 9, bytes: 1))
                == .unfinished([expected[2]], isLast: false))
        let two = expected[2].record.data.count + expected[3].record.data.count
        #expect(
            scene.ask(.unfinished(transfer: 1, after: 3, limit: 9, bytes: two))
                == .unfinished(Array(expected[2...3]), isLast: false))
        #expect(
            scene.ask(.unfinished(transfer: 1, after: 8, limit: 9, bytes: 1)) == .unfinished([], isLast: true))
        #expect(
            scene.ask(.unfinished(transfer: 9, after: -1, limit: 9, bytes: 1)) == .unfinished([], isLast: true))
        #expect(
            scene.ask(.records(transfer: 1, ordinals: [5, 1]))
                == .records([expected[2], expected[0]]))
        scene.end()
    }

    @Test func resultsListTopLevelRecordsInTheOrderPushedWithTheIdsOfTheirChildren() throws {
        let scene = try familyScene()
        let outcomes =
            [0, 2, 3, 5, 6, 7].map { Sample.outcome(1, $0) } + [Sample.outcome(1, 4, kind: .refused, id: nil)]
        scene.commit(.outcomes(outcomes))
        func outcome(_ ordinal: Int32) -> OutcomeRow? { outcomes.first { $0.place.ordinal == ordinal } }
        let expected = [
            ResultRow(record: Self.bare(0), outcome: outcome(0)),
            ResultRow(record: Self.bare(1), outcome: nil),
            ResultRow(
                record: Self.bare(5), outcome: outcome(5),
                children: [Self.child(3, 1, outcome(3)), Self.child(4, 1, outcome(4))]),
            ResultRow(record: Self.bare(7), outcome: outcome(7), children: [Self.child(6, 1, outcome(6))]),
            ResultRow(record: Self.bare(8), outcome: nil),
        ]
        func page(_ offset: Int, _ limit: Int, bytes: Int = 9_999) -> Answer? {
            scene.ask(.results(transfer: 1, schema: nil, offset: offset, limit: limit, bytes: bytes))
        }
        #expect(page(0, 250) == .results(expected, total: 5))
        #expect(page(1, 2) == .results(Array(expected[1...2]), total: 5))
        #expect(page(3, 9) == .results(Array(expected[3...]), total: 5))
        #expect(page(5, 9) == .results([], total: 5))
        #expect(page(99, 9) == .results([], total: 5))
        #expect(page(-3, 1) == .results([expected[0]], total: 5))
        #expect(page(2, 0) == .results([], total: 5))
        // By bytes: the first always; unfinished ones weigh nothing.
        #expect(page(2, 9, bytes: 1) == .results([expected[2]], total: 5))
        #expect(page(0, 9, bytes: 14) == .results(Array(expected[0...2]), total: 5))
        #expect(scene.ask(.results(transfer: 9, schema: nil, offset: 0, limit: 9, bytes: 9)) == .results([], total: 0))
        scene.end()
    }

    @Test func associatedRecordsOfASchemaAreListedOnceEach() throws {
        let scene = try familyScene()
        // 3 and 6 turned out to be the same record of the provider; 4 failed.
        let outcomes = [
            Sample.outcome(1, 3, id: "same"), Sample.outcome(1, 4, kind: .refused, id: nil),
            Sample.outcome(1, 6, id: "same"), Sample.outcome(1, 2, id: "deep"),
        ]
        scene.commit(.outcomes(outcomes))
        let third = ResultRow(record: Self.bare(3), outcome: outcomes[0], children: [Self.child(2, 2, outcomes[3])])
        let fourth = ResultRow(record: Self.bare(4), outcome: outcomes[1])
        func page(_ schema: Int16, _ offset: Int = 0, _ limit: Int = 9) -> Answer? {
            scene.ask(.results(transfer: 1, schema: schema, offset: offset, limit: limit, bytes: 9_999))
        }
        // Once while the transfer is open and twice after it, when the list may be remembered.
        for round in 0..<3 {
            #expect(page(1) == .results([third, fourth], total: 2))
            #expect(page(1, 1) == .results([fourth], total: 2))
            #expect(page(1, 0, 1) == .results([third], total: 2))
            #expect(page(1, 7) == .results([], total: 2))
            #expect(page(2) == .results([ResultRow(record: Self.bare(2), outcome: outcomes[3])], total: 1))
            #expect(page(0) == .results([], total: 0))
            guard round == 0 else { continue }
            scene.commit(.transferAdvanced(sequence: 1, counts: Sample.counts, published: 0, completed: 9))
        }
        scene.end()
    }

    @Test func aListOfAnOpenTransferIsNotRemembered() throws {
        let scene = try familyScene()
        func total() -> Int? {
            guard
                case .results(_, let total) = scene.ask(
                    .results(transfer: 1, schema: 1, offset: 0, limit: 9, bytes: 9))
            else { return nil }
            return total
        }
        #expect(total() == 3)
        scene.commit(.outcomes([Sample.outcome(1, 3, id: "same"), Sample.outcome(1, 6, id: "same")]))
        #expect(total() == 2)
        scene.end()
    }

    @Test func finishedRecordsAreWeighedFromAnIndexOn() throws {
        let scene = try familyScene()
        scene.commit(
            .outcomes([
                Sample.outcome(1, 0, data: "12345"), Sample.outcome(1, 2), Sample.outcome(1, 3),
                Sample.outcome(1, 5, kind: .refused, id: nil, data: ""), Sample.outcome(1, 8, data: "1"),
            ]))
        func finished(_ index: Int32) -> Answer? { scene.ask(.finishedFrom(transfer: 1, index: index)) }
        let all = [
            FinishedRecord(index: 0, bytes: 5, kind: .created), FinishedRecord(index: 2, bytes: 0, kind: .refused),
            FinishedRecord(index: 4, bytes: 1, kind: .created),
        ]
        #expect(finished(0) == .finishedFrom(all))
        #expect(finished(1) == .finishedFrom(Array(all[1...])))
        #expect(finished(3) == .finishedFrom(Array(all[2...])))
        #expect(finished(5) == .finishedFrom([]))
        // Without associated records.
        scene.commit(Sample.whole(2, records: 3) + [.outcomes([Sample.outcome(2, 0), Sample.outcome(2, 2)])])
        #expect(
            scene.ask(.finishedFrom(transfer: 2, index: 1))
                == .finishedFrom([FinishedRecord(index: 2, bytes: 7, kind: .created)]))
        scene.end()
    }

    @Test func theLedgerIsKeptByAccountNamespaceAndResource() throws {
        let scene = try Scene()
        var other = Sample.ledger("a", "3")
        other.account.name = "other"
        var company = Sample.ledger("a", "4")
        company.resource = "companies"
        scene.commit(.ledger([Sample.ledger("a", "1"), Sample.ledger("a", "2", namespace: "erp"), other, company]))
        func id(_ row: LedgerRow) -> Answer? {
            scene.ask(
                .ledger(
                    scope: LedgerScope(account: row.account, namespace: row.namespace), resource: row.resource,
                    internalIDs: ["a", "b"]))
        }
        for row in [Sample.ledger("a", "1"), Sample.ledger("a", "2", namespace: "erp"), other, company] {
            #expect(id(row) == .ledger(["a": row.providerID]))
        }
        #expect(id(Sample.ledger("a", "", namespace: "nowhere")) == .ledger([:]))
        scene.end()
    }

    @Test func errorsAreListedBySessionAndTransferWithPages() throws {
        let scene = try Scene()
        scene.commit([.session(Sample.session(1)), .session(Sample.session(2))])
        scene.commit(Sample.whole(1, session: 1) + Sample.whole(2, session: 1) + Sample.whole(3, session: 2))
        let rows = [
            Sample.error(1, transfer: 1), Sample.error(2, transfer: 2), Sample.error(3, transfer: 3, session: 2),
            Sample.error(4, transfer: 2),
        ]
        scene.commit(.errors(rows))
        func errors(_ session: Int?, _ transfer: Int64?, _ offset: Int = 0, _ limit: Int = 9) -> Answer? {
            scene.ask(
                .errors(
                    session: session.map { Sample.id($0) }, transfer: transfer.map { Sample.transfer($0).id },
                    offset: offset, limit: limit))
        }
        #expect(errors(nil, nil) == .errors(rows, total: 4))
        #expect(errors(nil, nil, 1, 2) == .errors(Array(rows[1...2]), total: 4))
        #expect(errors(1, nil) == .errors([rows[0], rows[1], rows[3]], total: 3))
        #expect(errors(1, nil, 2) == .errors([rows[3]], total: 3))
        #expect(errors(nil, 2) == .errors([rows[1], rows[3]], total: 2))
        #expect(errors(1, 2, 1) == .errors([rows[3]], total: 2))
        #expect(errors(2, 2) == .errors([], total: 0))
        #expect(errors(9, nil) == .errors([], total: 0))
        #expect(errors(nil, 9) == .errors([], total: 0))
        #expect(errors(nil, nil, -1, -1) == .errors([], total: 4))
        scene.end()
    }

    // MARK: Events

    private func sequences(_ answer: Answer?) -> [Int64]? {
        guard case .events(let events, _, _, _) = answer else { return nil }
        return events.map(\.event.sequence)
    }

    private func examined(_ answer: Answer?) -> Int64? {
        guard case .events(_, let examined, _, _) = answer else { return nil }
        return examined
    }

    @Test func eventsAreFilteredAndSayHowFarTheyWereLookedAt() throws {
        let scene = try Scene()
        scene.commit([.session(Sample.session(1)), .session(Sample.session(2))])
        scene.commit(Sample.whole(1, session: 1) + Sample.whole(2, session: 2) + Sample.whole(3, session: 1))
        scene.commit(.errors([Sample.error(1, transfer: 3)]))
        scene.commit(
            Sample.ended(1, session: 1, event: 1) + Sample.ended(2, session: 2, event: 3) + [
                .events([Sample.event(5, transfer: 3, kind: .error, error: 1)])
            ])
        func events(
            _ after: Int64 = 0, session: Int? = nil, transfer: Int64? = nil, kinds: Set<EventRow.Kind>? = nil,
            limit: Int = 99
        ) -> Answer? {
            scene.ask(
                .events(
                    after: after,
                    filter: EventFilter(
                        session: session.map { Sample.id($0) }, transfer: transfer.map { Sample.transfer($0).id },
                        kinds: kinds), limit: limit, bytes: 9_999))
        }
        #expect(sequences(events()) == [1, 2, 3, 4, 5])
        #expect(sequences(events(2)) == [3, 4, 5])
        #expect(sequences(events(session: 1)) == [1, 2, 5])
        #expect(sequences(events(transfer: 2)) == [3, 4])
        #expect(sequences(events(session: 1, transfer: 2)) == [])
        #expect(sequences(events(kinds: [.completed])) == [2, 4])
        #expect(sequences(events(kinds: [.data, .error, .progress])) == [1, 3, 5])
        #expect(sequences(events(kinds: [])) == [])
        #expect(sequences(events(session: 7)) == [])
        #expect(sequences(events(transfer: 7)) == [])
        for all in [
            events(), events(session: 1), events(kinds: []), events(session: 7), events(transfer: 7), events(5),
        ] {
            #expect(examined(all) == 5)
        }
        #expect(sequences(events(session: 1, limit: 2)) == [1, 2])
        #expect(examined(events(session: 1, limit: 2)) == 2)
        #expect(examined(events(limit: 0)) == 0)
        #expect(examined(events(9)) == 9)
        // The data of a page come with its event.
        guard case .events(let found, _, let oldest, let latest) = events(limit: 1) else { return }
        #expect(found.first?.results.map(\.outcome) == [Sample.outcome(1, 0)])
        #expect([oldest, latest] == [1, 5])
        scene.end()
    }

    @Test func eventsAreCutByTheBytesOfTheirData() throws {
        let scene = try Scene()
        scene.commit([.session(Sample.session())] + Sample.whole(1, records: 4))
        scene.commit(
            .outcomes((0..<4).map { Sample.outcome(1, $0, data: "0123456789") }),
            .events((0..<4).map { Sample.event(Int64($0) + 1, transfer: 1, kind: .data, range: $0..<$0 + 1) }))
        func page(_ after: Int64, bytes: Int) -> Answer? {
            scene.ask(.events(after: after, filter: EventFilter(), limit: 99, bytes: bytes))
        }
        #expect(sequences(page(0, bytes: 25)) == [1, 2])
        #expect(examined(page(0, bytes: 25)) == 2)
        #expect(sequences(page(2, bytes: 1)) == [3])
        #expect(sequences(page(3, bytes: 1)) == [4])
        #expect(examined(page(3, bytes: 1)) == 4)
        scene.end()
    }

    @Test func aLongSearchIsDoneInStretches() throws {
        let scene = try Scene()
        scene.commit(
            [.session(Sample.session()), .session(Sample.session(2))] + Sample.whole(1) + Sample.whole(2, session: 2))
        let last = Reader.searchWindow + 5
        scene.commit(.events((1..<last).map { Sample.event($0, transfer: 1) }))
        scene.commit(.events([Sample.event(last, transfer: 2, session: 2)]))
        let filter = EventFilter(session: Sample.id(2))
        let first = scene.ask(.events(after: 0, filter: filter, limit: 9, bytes: 9))
        #expect(sequences(first) == [])
        #expect(examined(first) == Reader.searchWindow)
        let second = scene.ask(.events(after: Reader.searchWindow, filter: filter, limit: 9, bytes: 9))
        #expect(sequences(second) == [last])
        #expect(examined(second) == last)
        scene.end()
    }
}
