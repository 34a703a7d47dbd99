import JSON
import Testing

@testable import PushCore

/// A tracker behind a reference, so that an expectation may change it.
private final class Subject {
    private var tracker: TransferTracker

    init(_ row: TransferRow, finished: [FinishedRecord] = []) { tracker = TransferTracker(row, finished: finished) }

    var row: TransferRow { tracker.row }
    var isComplete: Bool { tracker.isComplete }
    func publishable() -> [Range<Int32>] { tracker.publishable() }
    func completeIfDone(at time: Int64) -> Bool { tracker.completeIfDone(at: time) }
    func finish(_ row: RecordRow, _ outcome: OutcomeRow, errors: Int) { tracker.finish(row, outcome, errors: errors) }
}

@Suite struct TrackerTests {
    private func finish(
        _ tracker: Subject, _ index: Int32, bytes: Int = 0, _ kind: OutcomeKind = .created,
        parent: Int32 = -1, errors: Int = 0
    ) {
        let row = Scene.row(ordinal: index, index: index, parent: parent)
        let outcome = OutcomeRow(
            place: row.place, kind: kind, providerID: "1", data: Array(repeating: 0x20, count: bytes), finished: 1)
        tracker.finish(row, outcome, errors: errors)
    }

    @Test func aPageIsPublishedWhenItAndAllBeforeItAreWhole() {
        let tracker = Subject(Scene.transfer(records: 450))
        for index in 200..<400 as Range<Int32> { finish(tracker, index) }
        #expect(tracker.publishable() == [], "the first page is not whole")
        for index in (0..<200 as Range<Int32>).reversed() {
            #expect(tracker.publishable() == [])
            finish(tracker, index)
        }
        #expect(tracker.publishable() == [0..<200, 200..<400])
        #expect(tracker.publishable() == [], "once")
        for index in 400..<450 as Range<Int32> { finish(tracker, index) }
        #expect(tracker.publishable() == [400..<450])
        #expect(tracker.row.published == 450)
    }

    @Test func aLargePageIsPublishedInParts() {
        let tracker = Subject(Scene.transfer(records: 200))
        for index in 0..<200 as Range<Int32> { finish(tracker, index, bytes: 1_000) }
        let parts = tracker.publishable()
        #expect(parts.first?.lowerBound == 0 && parts.last?.upperBound == 200)
        #expect(zip(parts, parts.dropFirst()).allSatisfy { $0.upperBound == $1.lowerBound })
        #expect(parts.allSatisfy { $0.count * 1_120 <= 48 * 1_024 })
        #expect(
            parts.dropLast().allSatisfy { ($0.count + 1) * 1_120 > 48 * 1_024 }, "no part is smaller than it must be")
    }

    @Test func aRecordOverTheSizeOfAPartIsAPartOfItsOwn() {
        let tracker = Subject(Scene.transfer(records: 4))
        for index in 0..<4 as Range<Int32> { finish(tracker, index, bytes: index == 1 ? 60_000 : 0) }
        #expect(tracker.publishable() == [0..<1, 1..<2, 2..<4])
        let first = Subject(Scene.transfer(records: 2))
        finish(first, 0, bytes: 60_000)
        finish(first, 1)
        #expect(first.publishable() == [0..<1, 1..<2], "no part is empty")
    }

    @Test func aTransferCompletesOnceWhenRecordsOfAnyLevelHaveEnded() {
        let tracker = Subject(Scene.transfer(records: 1, all: 2))
        finish(tracker, 0)
        #expect(!tracker.completeIfDone(at: 5) && !tracker.isComplete)
        finish(tracker, 0, .refused, parent: 1, errors: 1)
        #expect(tracker.completeIfDone(at: 6) && tracker.isComplete)
        #expect(!tracker.completeIfDone(at: 7))
        #expect(tracker.row.completed == 6)
        #expect(tracker.row.counts.finishedAll == 2 && tracker.row.counts.finished == 1)
        #expect(tracker.row.counts[.refused] == 0, "an associated record is no top-level outcome")
        #expect(tracker.row.counts.errors == 1)
    }

    @Test func anEmptyTransferCompletesWithoutAPage() {
        let tracker = Subject(Scene.transfer(records: 0))
        #expect(tracker.publishable() == [])
        #expect(tracker.completeIfDone(at: 3))
    }

    @Test func outcomesAndFailedPagesAreCounted() {
        let tracker = Subject(Scene.transfer(records: 401))
        for index in 0..<401 as Range<Int32> {
            let kind: OutcomeKind =
                switch index {
                case 0: .refused
                case 1: .uncertain
                case 400: .unsent
                case 2..<100: .updated
                default: .unchanged
                }
            finish(tracker, index, kind, errors: kind.isWritten ? 0 : 1)
        }
        #expect(tracker.publishable().count == 3)
        let counts = tracker.row.counts
        #expect(counts.failedPages == 2 && counts.errors == 3)
        #expect(counts[.updated] == 98 && counts[.unchanged] == 300 && counts.written == 398)
        #expect(counts.finished == 401)
    }

    @Test func aResumedTransferGoesOnWhereItWas() {
        var row = Scene.transfer(records: 401)
        row.published = 200
        row.counts.finishedAll = 400
        let finished = (200..<400 as Range<Int32>).map {
            FinishedRecord(index: $0, bytes: 10, kind: $0 == 300 ? .refused : .created)
        }
        let tracker = Subject(row, finished: finished)
        #expect(tracker.row.counts.finishedAll == 400, "what was counted is not counted again")
        #expect(!tracker.completeIfDone(at: 1))
        #expect(tracker.publishable() == [200..<400])
        #expect(tracker.row.counts.failedPages == 1)
        finish(tracker, 400)
        #expect(tracker.publishable() == [400..<401])
        #expect(tracker.completeIfDone(at: 1))
    }
}

@Suite struct StoredPlanTests {
    private func batch() throws -> Batch {
        let plan = try Scene.plan()
        var members = (0..<3 as Range<Int32>).map {
            Batch.Member(
                record: PreparedRecord(
                    Scene.row(#"{"email":"a@b.c","note":null}"#, transfer: 1 << 40, ordinal: $0), plan: plan,
                    disablesUpsert: false))
        }
        members[0].write = Batch.Member.Write(target: nil, fields: [0])
        members[2].write = Batch.Member.Write(target: "é\"9", fields: [1, 0])
        members[2].warnings = [Warning(.linkSkipped, "one"), Warning(.fieldUnmapped, "two", path: "/x~1y")]
        members[2].links = [LinkTarget(resource: "companies", id: "4")]
        var batch = Batch(
            id: 1, account: Scene.account, key: Lane.BatchKey(resource: "contacts", namespace: "ns\""), began: 0,
            members: members)
        batch.intent = 12
        return batch
    }

    @Test func aPlanComesBackAsItWasStored() throws {
        let stored = try #require(StoredPlan(try batch().planText()))
        #expect(stored.namespace == "ns\"")
        #expect(
            stored.items.map(\.place.ordinal) == [0, 2] && stored.items.allSatisfy { $0.place.transfer == 1 << 40 })
        #expect(stored.items.map(\.trace) == [0, 2], "what is not written keeps its place")
        #expect(stored.items.map(\.target) == [nil, "é\"9"] && stored.items.map(\.fields) == [[0], [1, 0]])
        #expect(stored.items[1].warnings == (try batch().members[2].warnings))
        #expect(stored.items[0].warnings == [])
    }

    @Test func theRequestHoldsWhatWasDecided() throws {
        let request = try batch().request()
        #expect(request.key == "12" && request.resource == "contacts")
        #expect(request.items.map(\.trace) == [0, 2])
        #expect(request.items.map { $0.fields.map(\.name) } == [["email"], ["note", "email"]])
        #expect(request.items[1].links == [LinkTarget(resource: "companies", id: "4")])
    }

    @Test(arguments: [
        "", "{", "[]", "{}", #"{"namespace":""}"#, #"{"items":[]}"#, #"{"namespace":1,"items":[]}"#,
        #"{"namespace":"","items":[{"o":0,"n":0,"f":[]}]}"#, #"{"namespace":"","items":[{"t":1,"n":0,"f":[]}]}"#,
        #"{"namespace":"","items":[{"t":1,"o":0,"f":[]}]}"#, #"{"namespace":"","items":[{"t":1,"o":0,"n":0}]}"#,
        #"{"namespace":"","items":[{"t":1,"o":0,"n":0,"f":[]},7]}"#,
    ])
    func damageIsNoPlan(text: String) {
        #expect(StoredPlan(Array(text.utf8)) == nil)
    }

    @Test func noPlanIsReadFromHalfOfOne() throws {
        let text = try batch().planText()
        for length in 0..<text.count { #expect(StoredPlan(Array(text.prefix(length))) == nil) }
    }
}
