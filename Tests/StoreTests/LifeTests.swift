import EventLoop
import Foundation
import PushCore
import Testing

@testable import Store

/// What happens to transfers beside being pushed and running to their end.
@Suite struct LifeTests {
    private func life(_ change: (inout TransferLife) -> Void) -> TransferLife {
        var life = TransferLife()
        change(&life)
        return life
    }

    private func open(_ sequence: Int64, key: String? = nil) -> TransferRow {
        var row = Sample.transfer(sequence, records: 0, key: key)
        row.isOpen = true
        row.life.parts = 0
        row.life.touched = 50
        return row
    }

    private func part(_ transfer: Int64, _ number: Int32, records: Int32, all: Int32) -> PartRow {
        PartRow(
            transfer: transfer, number: number, hash: [UInt8(number), 9], records: records, allRecords: all, time: 60)
    }

    private func transfer(_ scene: Scene, _ sequence: Int64) -> TransferRow? {
        guard case .transfer(let row) = scene.ask(.transfer(id: Sample.transfer(sequence).id)) else { return nil }
        return row
    }

    @Test func aLifeComesBackAsItWas() throws {
        let scene = try Scene()
        scene.commit(.session(Sample.session()))
        let lives = [
            TransferLife(), life { $0.isSample = true },
            life { $0.retryOf = TransferLife.Origin(sequence: 1, id: Sample.id(1)) },
            life {
                $0.cancelled = 7
                $0.parts = 3
                $0.touched = 8
            },
            life {
                $0.retryWindow = 60_000
                $0.abortIf = AbortRule(rejects: 4, hundredths: nil)
            },
            life {
                ($0.cancelled, $0.isAborted) = (9, true)
                $0.abortIf = AbortRule(rejects: nil, hundredths: 1_250)
            },
        ]
        for (place, life) in lives.enumerated() {
            var row = Sample.transfer(Int64(place + 1))
            row.life = life
            scene.commit([
                .transferBegun(row), .records([Sample.record(row.sequence, 0)]),
                .transferAccepted(sequence: row.sequence),
            ])
        }
        for (place, life) in lives.enumerated() { #expect(transfer(scene, Int64(place + 1))?.life == life) }
        #expect(scene.count("transfer_life") == 5, "an ordinary push writes nothing more")
        try scene.reopen()
        #expect(scene.store.state.openTransfers.map(\.life) == lives)
        scene.end()
    }

    @Test func theFirstCancelCountsAndACompletedTransferTakesNone() throws {
        let scene = try Scene()
        scene.commit([.session(Sample.session())] + Sample.whole(1) + Sample.whole(2) + Sample.ended(2, event: 1))
        scene.commit(.transferCancelled(sequence: 1, at: 70), .transferCancelled(sequence: 2, at: 70))
        scene.commit(.transferCancelled(sequence: 1, at: 90), .transferCancelled(sequence: 99, at: 90))
        #expect(transfer(scene, 1)?.life.cancelled == 70)
        #expect(transfer(scene, 2)?.life == TransferLife())
        try scene.reopen()
        #expect(scene.store.state.openTransfers.map(\.life.cancelled) == [70])
        scene.end()
    }

    @Test func partsStayAcrossAReopeningAndHalfOnesDoNot() throws {
        let scene = try Scene()
        scene.commit([.session(Sample.session()), .transferBegun(open(1, key: "k"))])
        scene.commit(
            .records([
                Sample.record(1, 0, index: 0, parent: 1), Sample.record(1, 1, index: 0, children: 1, descendants: 1),
            ]), .part(part(1, 0, records: 1, all: 2)))
        // Half of the next part, and a push that was not finished.
        scene.commit(.records([Sample.record(1, 2, index: 1), Sample.record(1, 3, index: 2)]))
        scene.commit(.transferBegun(Sample.transfer(2)), .records([Sample.record(2, 0)]))
        try scene.reopen()
        let row = try #require(scene.store.state.openParts.first)
        #expect(scene.store.state.openParts.count == 1 && scene.store.state.openTransfers == [])
        #expect(row.isOpen && row.records == 1 && row.allRecords == 2 && row.life.parts == 1 && row.life.touched == 60)
        #expect(scene.raw("SELECT ordinal FROM record WHERE transfer=1") == [["0"], ["1"]])
        #expect(scene.raw("SELECT top FROM top_place WHERE transfer=1") == [["0"]])
        #expect(scene.ask(.transferByKey(session: Sample.id(1), idempotencyKey: "k")) == .transfer(row))
        guard case .part(let found) = scene.ask(.part(transfer: 1, number: 0)) else { return }
        #expect(found?.hash == [0, 9] && found?.records == 1 && found?.allRecords == 2)
        #expect(scene.ask(.part(transfer: 1, number: 1)) == .part(nil))
        // The same part again takes the same places.
        scene.commit(.records([Sample.record(1, 2, index: 1)]), .part(part(1, 1, records: 2, all: 3)))
        scene.commit(Sample.whole(3))
        scene.commit(.transferAccepted(sequence: 1))
        try scene.reopen()
        #expect(scene.store.state.openTransfers.map(\.sequence) == [3, 1], "in the order of acceptance")
        #expect(scene.store.state.openParts == [])
        #expect(scene.store.state.openTransfers.last?.allRecords == 3)
        scene.end()
    }

    @Test func anOpenTransferExpiresOrIsDropped() throws {
        let scene = try Scene()
        scene.commit([.session(Sample.session()), .transferBegun(open(1, key: "k")), .transferBegun(open(2))])
        for transfer in [1, 2] as [Int64] {
            scene.commit(.records([Sample.record(transfer, 0)]), .part(part(transfer, 0, records: 1, all: 1)))
        }
        scene.commit(.partsExpired(sequence: 1), .partsDropped(sequence: 2, at: 77))
        #expect(transfer(scene, 1) == nil)
        let dropped = try #require(transfer(scene, 2))
        #expect(!dropped.isOpen && dropped.records == 0 && dropped.allRecords == 0)
        #expect(dropped.life.cancelled == 77 && dropped.life.parts == 1)
        scene.pass { scene.count("removal") == 0 }
        #expect(["record", "part"].map { scene.count($0) } == [0, 0])
        // The key and the number are free and not free.
        scene.commit(.transferBegun(open(3, key: "k")))
        try scene.reopen()
        #expect(scene.store.state.lastTransfer == 3)
        #expect(scene.store.state.openTransfers.map(\.sequence) == [2])
        // Twice does no harm.
        scene.commit(.partsExpired(sequence: 1), .partsDropped(sequence: 2, at: 99))
        #expect(transfer(scene, 2)?.life.cancelled == 77)
        scene.end()
    }

    @Test func anOpenTransferGoesWithItsSession() throws {
        let scene = try Scene()
        scene.commit([.session(Sample.session()), .transferBegun(open(1))])
        try scene.reopen()
        scene.commit(.sessionDeleted(Sample.id(1), forgetting: nil))
        // A part that was under way is dropped.
        scene.commit(.records([Sample.record(1, 0)]), .part(part(1, 0, records: 1, all: 1)))
        scene.pass { scene.count("removal") == 0 }
        for table in ["transfer", "transfer_life", "record", "part"] { #expect(scene.count(table) == 0, "\(table)") }
        scene.end()
    }

    @Test func whatARetryBringsAboutIsResolvedAllTheWayBack() throws {
        let scene = try Scene()
        scene.commit([.session(Sample.session())] + Sample.whole(1, records: 5))
        scene.commit(.errors((0..<5).map { Sample.error(Int64(2 * $0 + 1), transfer: 1, ordinal: $0) }))
        // Records 1, 3 and 4 are retried; of those, the last two once more.
        func retry(_ sequence: Int64, of origin: Int64, _ shifts: [RetryShift]) {
            var row = Sample.transfer(sequence)
            row.life.retryOf = TransferLife.Origin(sequence: origin, id: Sample.id(Int(origin)))
            scene.commit(
                .transferBegun(row), .retryShifts(transfer: sequence, shifts),
                .transferSized(sequence: sequence, records: 3, allRecords: 4), .transferAccepted(sequence: sequence))
        }
        retry(2, of: 1, [RetryShift(ordinal: 0, shift: 1), RetryShift(ordinal: 1, shift: 2)])
        scene.commit(.errors([Sample.error(21, transfer: 2, ordinal: 1), Sample.error(23, transfer: 2, ordinal: 2)]))
        retry(3, of: 2, [RetryShift(ordinal: 0, shift: 1)])
        #expect(transfer(scene, 3)?.records == 3 && transfer(scene, 3)?.allRecords == 4)
        func resolved() -> [String] {
            scene.raw("SELECT transfer || '.' || ordinal FROM error WHERE resolved=1 ORDER BY 1").map { $0[0] }
        }
        scene.commit(.retriesWritten([RecordPlace(transfer: 2, ordinal: 0)]))
        #expect(resolved() == ["1.1"])
        scene.commit(.retriesWritten([RecordPlace(transfer: 3, ordinal: 1)]))
        #expect(resolved() == ["1.1", "1.4", "2.2"])
        scene.commit(.errorsResolved([RecordPlace(transfer: 1, ordinal: 0)]))
        #expect(resolved() == ["1.0", "1.1", "1.4", "2.2"])
        guard
            case .errors(let open, let total) = scene.ask(
                .errors(session: nil, transfer: Sample.id(1), resolved: false, offset: 0, limit: 9))
        else { return }
        #expect(total == 2 && open.map(\.ordinal) == [2, 3])
        guard
            case .errors(_, let done) = scene.ask(
                .errors(session: nil, transfer: nil, resolved: true, offset: 0, limit: 9))
        else { return }
        #expect(done == 4)
        scene.end()
    }

    @Test func treesWithSomethingSelectedAreGivenWhole() throws {
        let scene = try Scene()
        scene.commit(.session(Sample.session()))
        // A tree of three, a good one, a refused one.
        scene.commit(
            .transferBegun(Sample.transfer(1, records: 3, all: 5)),
            .records([
                Sample.record(1, 0, index: 0, parent: 2), Sample.record(1, 1, index: 0, parent: 2),
                Sample.record(1, 2, index: 0, children: 2, descendants: 2), Sample.record(1, 3, index: 1),
                Sample.record(1, 4, index: 2),
            ]), .transferAccepted(sequence: 1))
        scene.commit(
            .outcomes([
                Sample.outcome(1, 0, kind: .refused), Sample.outcome(1, 1), Sample.outcome(1, 2),
                Sample.outcome(1, 3), Sample.outcome(1, 4, kind: .uncertain),
            ]))
        func ask(_ selection: RetrySelection, after: Int32 = -1, bytes: Int = 1 << 20) -> ([Int32], Int32, Bool) {
            guard
                case .retryable(let rows, let through, let isLast) = scene.ask(
                    .retryable(transfer: 1, after: after, selection, bytes: bytes))
            else { return ([], 0, false) }
            #expect(rows.allSatisfy { $0.outcome?.data == [] && !$0.record.data.isEmpty })
            return (rows.map(\.record.place.ordinal), through, isLast)
        }
        #expect(ask(RetrySelection(kinds: [.refused])) == ([0, 1, 2], 4, true))
        #expect(ask(RetrySelection(kinds: [.unsent])) == ([], 4, true))
        #expect(ask(RetrySelection(kinds: [.refused, .uncertain])) == ([0, 1, 2, 4], 4, true))
        #expect(ask(RetrySelection(kinds: [.refused, .uncertain], ordinals: [4])) == ([4], 4, true))
        #expect(ask(RetrySelection(kinds: [.refused, .uncertain]), bytes: 1) == ([0, 1, 2], 2, false))
        #expect(ask(RetrySelection(kinds: [.refused, .uncertain]), after: 2) == ([4], 4, true))
        scene.end()
    }

    @Test func doubtIsFoundByPlaceAndByInternalID() throws {
        let scene = try Scene()
        scene.commit([.session(Sample.session())] + Sample.whole(1, records: 3))
        func doubt(_ sequence: Int64, _ ordinal: Int32, _ id: String) -> ErrorRow {
            var row = Sample.error(sequence, transfer: 1, ordinal: ordinal)
            (row.code, row.internalID, row.resolved) = (Failure.Code.outcomeUnknown.rawValue, id, false)
            return row
        }
        scene.commit(.errors([doubt(1, 0, "a"), doubt(2, 1, "b"), Sample.error(3, transfer: 1, ordinal: 2)]))
        func ask(_ index: Int32?, _ id: String?, limit: Int = 9) -> ([Int32], Bool, Int) {
            guard
                case .unresolved(let rows, let isKnown, let remaining) = scene.ask(
                    .unresolved(transfer: 1, index: index, internalID: id, limit: limit))
            else { return ([], false, -1) }
            return (rows.map(\.ordinal), isKnown, remaining)
        }
        #expect(ask(nil, nil) == ([0, 1], true, 2))
        #expect(ask(nil, nil, limit: 1) == ([0], true, 2))
        #expect(ask(1, nil) == ([1], true, 2) && ask(nil, "a") == ([0], true, 2) && ask(1, "a") == ([], false, 2))
        #expect(ask(2, nil) == ([], false, 2), "refused is no doubt")
        var outcome = Sample.outcome(1, 0, kind: .uncertain, id: nil)
        scene.commit(.outcomes([outcome]))
        (outcome.kind, outcome.providerID) = (.updated, "77")
        outcome.basis = OutcomeRow.Basis(.caller, asOf: 5)
        scene.commit(.outcomesReplaced([outcome]), .errorsResolved([outcome.place]))
        #expect(ask(0, nil) == ([], true, 1))
        guard case .results(let rows, _) = scene.ask(.results(transfer: 1, schema: nil, offset: 0, limit: 1, bytes: 99))
        else { return }
        #expect(rows.first?.outcome == outcome)
        scene.end()
    }

    @Test func transfersAreListedByFilterNewestFirst() throws {
        let scene = try Scene()
        scene.commit(.session(Sample.session(1)), .session(Sample.session(2)))
        scene.commit(Sample.whole(1) + Sample.whole(2, session: 2) + Sample.ended(2, session: 2, event: 1))
        scene.commit(.transferBegun(open(3)), .transferBegun(Sample.transfer(4)))
        var other = Sample.transfer(5)
        other.schemaKey = "crm-deal"
        scene.commit(.transferBegun(other), .transferAccepted(sequence: 5))
        func ask(_ filter: TransferFilter, _ offset: Int = 0, _ limit: Int = 9) -> ([Int64], Int) {
            guard
                case .transferPage(let rows, let total) = scene.ask(
                    .transferPage(filter, offset: offset, limit: limit))
            else { return ([], -1) }
            return (rows.map(\.sequence), total)
        }
        #expect(ask(TransferFilter()) == ([5, 3, 2, 1], 4), "what still arrives in one push is not there")
        #expect(ask(TransferFilter(), 1, 2) == ([3, 2], 4))
        #expect(ask(TransferFilter(session: Sample.id(2))) == ([2], 1))
        #expect(ask(TransferFilter(schemaKey: "crm-deal")) == ([5], 1))
        #expect(ask(TransferFilter(session: Sample.id(1), schemaKey: "crm-contact", state: .running)) == ([1], 1))
        #expect(ask(TransferFilter(state: .open)) == ([3], 1) && ask(TransferFilter(state: .completed)) == ([2], 1))
        #expect(ask(TransferFilter(session: Sample.id(9))) == ([], 0))
        scene.end()
    }

    @Test func examplesBelongToTheirSession() throws {
        let scene = try Scene()
        scene.commit(.session(Sample.session(1)), .session(Sample.session(2)))
        scene.commit(.examples(session: Sample.id(1), schemaKey: "a", Array("{\"x\":[1]}".utf8)))
        scene.commit(.examples(session: Sample.id(1), schemaKey: "a", Array("{\"x\":[2]}".utf8)))
        scene.commit(.examples(session: Sample.id(2), schemaKey: "b", Array("find-me-in-the-file".utf8)))
        #expect(scene.ask(.examples(session: Sample.id(1))) == .examples(["a": Array("{\"x\":[2]}".utf8)]))
        scene.commit(.sessionDeleted(Sample.id(2), forgetting: nil))
        #expect(scene.ask(.examples(session: Sample.id(2))) == .examples([:]))
        scene.pass { scene.count("removal") == 0 }
        for suffix in ["", "-wal"] {
            let data = (try? Data(contentsOf: URL(fileURLWithPath: scene.path + suffix))) ?? Data()
            #expect(data.range(of: Data("find-me-in-the-file".utf8)) == nil)
        }
        scene.commit(.examples(session: Sample.id(2), schemaKey: "b", [0x7B, 0x7D]))
        #expect(scene.count("example") == 1, "of a session that is gone nothing is kept")
        scene.end()
    }
}
