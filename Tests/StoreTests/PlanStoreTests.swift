import PushCore
import Testing

@testable import Store

/// Plans on disk: kept from their last row on, gone with their session, and never in the way of a transfer's number.
@Suite struct PlanStoreTests {
    private func plan(_ sequence: Int64, session: Int = 1, records: Int32 = 2) -> PlanRow {
        var row = PlanRow(
            sequence: sequence, id: Sample.id(100 + Int(sequence)), session: Sample.id(session), revision: 3,
            schemaKey: "crm-contact", records: records, allRecords: records + 1, disableUpsert: true, created: 1_000)
        row.options = Array(#"{"freshness":"force"}"#.utf8)
        return row
    }

    private func planned(_ transfer: Int64, _ ordinal: Int32, _ action: PlanAction = .update) -> PlannedRow {
        PlannedRow(
            place: RecordPlace(transfer: transfer, ordinal: ordinal),
            mark: PlannedMark(
                batch: 4, batchSize: 9, action: action, follows: ordinal == 1, state: .min + Int64(ordinal)),
            providerID: ordinal == 0 ? nil : "p\(ordinal)", content: Array(#""diff":[]"#.utf8))
    }

    /// Two top-level records; the first has a child, which stands before it.
    private func records(_ sequence: Int64) -> [RecordRow] {
        [
            Sample.record(sequence, 0, index: 0, parent: 1, schema: 1),
            Sample.record(sequence, 1, index: 0, children: 1, descendants: 1), Sample.record(sequence, 2, index: 1),
        ]
    }

    private func ready(_ row: PlanRow) -> PlanRow {
        var row = row
        row.isReady = true
        row.counts = [1, 2, 3, 4, 5]
        row.calls = [PlannedCalls(resource: "a,\u{1F}b", reads: 7, writes: 8)]
        row.duration = 99
        return row
    }

    private func make(_ sequence: Int64, session: Int = 1) -> [Change] {
        [
            .planBegun(plan(sequence, session: session)), .records(records(sequence)),
            .planned((0..<3).map { planned(sequence, $0) }), .planReady(ready(plan(sequence, session: session))),
        ]
    }

    private func found(_ scene: Scene, _ sequence: Int64) -> PlanRow? {
        guard case .plan(let row) = scene.ask(.plan(id: Sample.id(100 + Int(sequence)))) else { return nil }
        return row
    }

    private func ids(_ scene: Scene, _ sequence: Int64, offset: Int = 0, limit: Int = 10, bytes: Int = 1 << 20)
        -> [[Int32]]
    {
        let query = Query.planned(sequence: sequence, offset: offset, limit: limit, bytes: bytes)
        guard case .planned(let results) = scene.ask(query) else { return [] }
        return results.map { $0.rows.map(\.record.place.ordinal) }
    }

    @Test func aPlanIsReadAsItWasWritten() throws {
        let scene = try Scene()
        scene.commit([.session(Sample.session())] + make(1))
        try scene.reopen()
        #expect(found(scene, 1) == ready(plan(1)))
        #expect(scene.store.state.plans == [StoredState.PlanAge(sequence: 1, created: 1_000)])
        guard case .planned(let results) = scene.ask(.planned(sequence: 1, offset: 0, limit: 9, bytes: 1 << 20)) else {
            return scene.end()
        }
        #expect(results.map { $0.rows.map(\.planned) } == [[planned(1, 0), planned(1, 1)], [planned(1, 2)]])
        #expect(results[0].rows.map(\.record.data) == [[], []])
        scene.end()
    }

    @Test func pagesAreCutByRowsAndBytesAndNeverEmpty() throws {
        let scene = try Scene()
        scene.commit([.session(Sample.session())] + make(1))
        #expect(ids(scene, 1, limit: 1) == [[0, 1]])
        #expect(ids(scene, 1, offset: 1) == [[2]])
        #expect(ids(scene, 1, offset: 2) == [])
        #expect(ids(scene, 1, bytes: 0) == [[0, 1]])
        #expect(ids(scene, 7) == [])
        scene.end()
    }

    @Test func whatIsUnfinishedComesWithItsMark() throws {
        let scene = try Scene()
        scene.commit([.session(Sample.session())] + make(1) + Sample.whole(2))
        for (sequence, isPlanned) in [(1, true), (2, false)] as [(Int64, Bool)] {
            let query = Query.unfinished(transfer: sequence, after: -1, limit: 9, bytes: 1 << 20)
            guard case .unfinished(let rows, _) = scene.ask(query) else { break }
            #expect(
                rows.map(\.planned) == rows.map { isPlanned ? planned(sequence, $0.record.place.ordinal).mark : nil })
        }
        scene.end()
    }

    @Test func aPlanThatIsBeingMadeDoesNotSurviveAStart() throws {
        let scene = try Scene()
        scene.commit(
            .session(Sample.session()), .planBegun(plan(5)), .records(records(5)), .planned([planned(5, 0)]))
        #expect(found(scene, 5) == nil, "nor is it told of")
        try scene.reopen()
        #expect(scene.store.state.plans == [])
        #expect(scene.store.state.lastTransfer == 5, "its number is not used again")
        scene.pass { scene.count("record") + scene.count("planned") + scene.count("removal") == 0 }
        #expect(scene.count("record") + scene.count("planned") + scene.count("plan") == 0)
        try scene.reopen()
        #expect(scene.store.state.lastTransfer == 5)
        scene.end()
    }

    @Test func anAppliedPlanIsItsTransfer() throws {
        let scene = try Scene()
        scene.commit([.session(Sample.session())] + make(3))
        var row = Sample.transfer(3, records: 2, all: 3)
        row.id = Sample.id(77)
        scene.commit(
            .transferBegun(row), .transferAccepted(sequence: 3), .planApplied(sequence: 3, transfer: row.id))
        #expect(found(scene, 3)?.applied == row.id)
        #expect(scene.ask(.transfer(id: row.id)) == .transfer(row))
        try scene.reopen()
        #expect(scene.store.state.openTransfers == [row])
        // Its hour is over: the transfer keeps its records and marks.
        scene.commit(.planDropped(sequence: 3))
        #expect(scene.count("plan") == 0 && scene.count("record") == 3 && scene.count("planned") == 3)
        #expect(scene.count("removal") == 0)
        scene.commit(.sessionDeleted(Sample.id(1), forgetting: nil))
        scene.pass { scene.count("record") + scene.count("planned") == 0 }
        #expect(scene.count("record") + scene.count("planned") == 0)
        scene.end()
    }

    @Test func aDroppedPlanTakesItsRecordsWithIt() throws {
        let scene = try Scene()
        scene.commit([.session(Sample.session())] + make(1) + make(2))
        scene.commit(.planDropped(sequence: 1))
        scene.commit(.planDropped(sequence: 9))
        scene.pass { scene.count("record") == 3 && scene.count("removal") == 0 }
        #expect(scene.count("plan") == 1 && scene.count("record") == 3 && scene.count("planned") == 3)
        #expect(found(scene, 1) == nil && found(scene, 2) != nil)
        scene.end()
    }

    @Test func aDeletedSessionTakesItsPlansAndWhatStillArrivesOfThem() throws {
        let scene = try Scene()
        scene.commit([.session(Sample.session()), .session(Sample.session(2))] + make(1) + make(2, session: 2))
        scene.commit(.planBegun(plan(3)), .records([Sample.record(3, 0)]))
        scene.commit(.sessionDeleted(Sample.id(1), forgetting: nil))
        scene.commit(.records([Sample.record(3, 1)]), .planned([planned(3, 0)]))
        scene.commit(.planReady(ready(plan(3))))
        scene.commit(.planBegun(plan(4)), .records([Sample.record(4, 0)]), .planReady(ready(plan(4))))
        scene.pass { scene.count("record") == 3 && scene.count("removal") == 0 }
        #expect(scene.count("plan") == 1 && scene.count("record") == 3 && scene.count("planned") == 3)
        #expect(found(scene, 2) != nil)
        scene.end()
    }

    @Test func aPlanThatNeverBeganCannotBeReady() throws {
        let scene = try Scene()
        scene.commit(.session(Sample.session()))
        #expect(!scene.commit(.planReady(ready(plan(1)))))
        scene.end(failedWith: .constraint)
    }

    @Test(arguments: ["action=9", "batch_size=1", "content=x'00'"])
    func aFlippedByteOfAPlannedRecordIsFound(change: String) throws {
        let scene = try Scene()
        scene.commit([.session(Sample.session())] + make(1))
        scene.close()
        scene.raw("UPDATE planned SET \(change) WHERE ordinal=2")
        try scene.reopenClosed()
        #expect(scene.ask(.planned(sequence: 1, offset: 0, limit: 9, bytes: 1 << 20)) == nil)
        #expect(scene.failures.count == 1)
        scene.close()
    }
}
