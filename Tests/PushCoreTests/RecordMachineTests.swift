import JSON
import Testing

@testable import PushCore

@Suite struct RecordMachineTests {
    @Test func noInputHasTwoMeaningsInOneState() {
        let pairs = RecordMachine.table.map { "\($0.from) \($0.input)" }
        #expect(Set(pairs).count == pairs.count)
    }

    @Test func whatIsNotListedCannotHappen() {
        var listed = 0
        for state in RecordState.allCases {
            for input in RecordInput.allCases {
                let row = RecordMachine.table.first { $0.from == state && $0.input == input }
                #expect(RecordMachine.next(state, input) == row?.to)
                listed += row == nil ? 0 : 1
            }
        }
        #expect(listed == RecordMachine.table.count)
        #expect(RecordInput.allCases.allSatisfy { RecordMachine.next(.finished, $0) == nil }, "finished is final")
        #expect(RecordMachine.next(.waiting, .answered) == nil)
        #expect(RecordMachine.next(.intending, .answered) == nil, "no answer before the intent is on disk")
    }

    @Test func everyStateIsReachedAndCanFinish() {
        func reach(_ start: Set<RecordState>, _ step: (RecordMachine.Row) -> (RecordState, RecordState))
            -> Set<RecordState>
        {
            var reached = start
            for _ in RecordState.allCases {
                for row in RecordMachine.table where reached.contains(step(row).0) { reached.insert(step(row).1) }
            }
            return reached
        }
        #expect(reach([.waiting]) { ($0.from, $0.to) } == Set(RecordState.allCases))
        #expect(reach([.finished]) { ($0.to, $0.from) } == Set(RecordState.allCases))
    }

    @Test func everyRowIsTakenByTheMachine() throws {
        var walk = Walk()
        try walk.ordinaryLife()
        try walk.secondVersionOfOneRecord()
        try walk.goneBetweenLookUpAndWrite()
        try walk.restart()
        try walk.deletion()
        try walk.cancelling()
        try walk.lookedForAgain()
        let missing = RecordMachine.table.filter { !walk.taken.contains($0) }
        #expect(missing.map { "\($0.from) \($0.input)" } == [])
    }
}

/// Drives a machine by hand and notes which rows of the table its records take.
private struct Walk {
    private(set) var taken: Set<RecordMachine.Row> = []
    private var machine = PushMachine()
    private var time: UInt64 = 0
    private var effects: [Effect] = []

    private func state(_ place: RecordPlace) -> RecordState? { machine.lanes[Scene.account]?.entries[place]?.state }

    /// Tells a fact; each named record must go from where it stands through these inputs to where it then stands.
    private mutating func tell(_ fact: Fact, _ expected: [RecordPlace: [RecordInput]] = [:]) throws {
        let before = expected.mapValues { _ in RecordState.waiting }.merging(
            expected.compactMap { place, _ in state(place).map { (place, $0) } }
        ) { _, now in now }
        time += 1_000_000_000
        effects = machine.handle(fact, at: Moment(wall: Int64(time / 1_000_000), monotonic: time, chance: 5))
        for (place, inputs) in expected {
            var current = try #require(before[place])
            for input in inputs {
                let next = try #require(RecordMachine.next(current, input), "\(current) takes no \(input)")
                taken.insert(RecordMachine.Row(from: current, input: input, to: next))
                current = next
            }
            #expect((state(place) ?? .finished) == current, "after \(inputs)")
        }
    }

    private var batch: Int64 {
        get throws {
            for effect in effects.reversed() {
                switch effect {
                case .readLedger(let batch, _, _, _), .lookUp(let batch, _, _), .write(let batch, _, _): return batch
                default: continue
                }
            }
            throw Nothing()
        }
    }

    private var token: CommitToken {
        get throws {
            for effect in effects { if case .commit(_, let token) = effect { return token } }
            throw Nothing()
        }
    }

    private struct Nothing: Error {}

    private func place(_ transfer: Int64, _ ordinal: Int32 = 0) -> RecordPlace {
        RecordPlace(transfer: transfer, ordinal: ordinal)
    }

    private func record(_ transfer: Int64, _ ordinal: Int32 = 0, internalID: String? = nil, note: String = "n") throws
        -> PreparedRecord
    {
        let data = #"{"email":"\#(internalID ?? "a")@example.org","note":"\#(note)"}"#
        return PreparedRecord(
            Scene.row(data, internalID: internalID, transfer: transfer, ordinal: ordinal), plan: try Scene.plan(),
            disablesUpsert: false)
    }

    private mutating func begin() throws {
        machine = PushMachine()
        try tell(.started)
    }

    mutating func ordinaryLife() throws {
        try begin()
        let one = place(1)
        try tell(.accepted(Scene.transfer(1, records: 1), records: [record(1)]), [one: [.planned]])
        try tell(.lookedUp(batch: batch, .answered(LookupAnswer())), [one: [.decidedToWrite]])
        #expect(
            !effects.contains { if case .write = $0 { true } else { false } },
            "nothing leaves before its intent is kept")
        try tell(.committed(token), [one: [.intentCommitted]])
        try tell(.written(batch: batch, .unknown("lost")), [one: [.outcomeUnknown]])
        time += Backoff.nanoseconds(attempt: 8, chance: 0)
        try tell(.woke(Scene.account), [one: []])
        let written = ItemAnswer.written(id: "7", isNew: true, data: [], refusedLinks: [])
        try tell(.written(batch: batch, .answered([0: written])), [one: [.answered]])
        #expect(
            !effects.contains { if case .completed = $0 { true } else { false } }, "nothing is told before it is kept")
        try tell(.committed(token), [one: [.outcomeCommitted]])
        #expect(effects.contains { if case .completed = $0 { true } else { false } })
        #expect(machine.running == 0)
    }

    mutating func secondVersionOfOneRecord() throws {
        try begin()
        let (one, two) = (place(1, 0), place(1, 1))
        let records = [try record(1, 0, internalID: "x"), try record(1, 1, internalID: "y", note: "m")]
        try tell(
            .accepted(Scene.transfer(1, records: 2), records: records), [one: [.planned], two: [.planned]])
        try tell(.ledgerRead(batch: batch, ["x": "7", "y": "7"]))
        let known = try Scene.known("7", #"{"email":"x@example.org","note":"n"}"#)
        try tell(
            .lookedUp(batch: batch, .answered(Scene.answer([known]))),
            [one: [.decidedWithoutWrite], two: [.putBack, .planned]])
        try tell(.committed(token), [one: [.outcomeCommitted]])
    }

    mutating func goneBetweenLookUpAndWrite() throws {
        try begin()
        let one = place(1)
        try tell(
            .accepted(Scene.transfer(1, records: 1), records: [record(1, internalID: "x")]), [one: [.planned]])
        try tell(.ledgerRead(batch: batch, ["x": "7"]))
        let known = try Scene.known("7", "{}")
        try tell(.lookedUp(batch: batch, .answered(Scene.answer([known]))), [one: [.decidedToWrite]])
        try tell(.committed(token), [one: [.intentCommitted]])
        try tell(.written(batch: batch, .answered([0: .notFound("gone")])), [one: [.putBack, .planned]])
        let again = effects.contains { if case .readLedger = $0 { true } else { false } }
        #expect(again, "it is looked for again")
    }

    mutating func restart() throws {
        try begin()
        machine = PushMachine(lastIntent: 4)
        let intent = IntentRow(
            id: 4, account: Scene.account, resource: "contacts", created: 0, attempt: 1,
            plan: Array(#"{"namespace":"","items":[{"t":1,"o":0,"n":0,"f":[0]}]}"#.utf8))
        let stored = try #require(StoredPlan(intent.plan))
        try tell(.resumed(Scene.transfer(1, records: 1), finished: []))
        try tell(.recovered(intent, stored, [record(1)]), [place(1): [.recovered]])
        guard case .write(_, _, let request)? = effects.last else { throw Nothing() }
        #expect(request.key == "4", "the same request under the same key")
    }

    /// The answer to a create is lost, it is not found, and it is created anew under another intent.
    mutating func lookedForAgain() throws {
        try begin()
        let one = place(1)
        let plan = try Scene.plan(provider: Scene.provider(recoveryClass: .searchable))
        let record = PreparedRecord(
            Scene.row(#"{"email":"a@example.org"}"#, transfer: 1), plan: plan, disablesUpsert: false)
        try tell(.accepted(Scene.transfer(1, records: 1), records: [record]), [one: [.planned]])
        try tell(.lookedUp(batch: batch, .answered(LookupAnswer())), [one: [.decidedToWrite]])
        try tell(.committed(token), [one: [.intentCommitted]])
        try tell(.written(batch: batch, .unknown("lost")), [one: [.outcomeUnknown]])
        try tell(.woke(Scene.account), [one: []])
        try tell(.lookedUp(batch: batch, .answered(LookupAnswer())), [one: [.decidedAnew]])
        #expect(
            !effects.contains { if case .write = $0 { true } else { false } },
            "nothing leaves before its new intent is kept")
        try tell(.committed(token), [one: [.intentCommitted]])
        guard case .write(_, _, let request)? = effects.last else { throw Nothing() }
        #expect(request.key == "2", "another intent")
    }

    mutating func deletion() throws {
        try begin()
        let (one, two) = (place(1, 0), place(2, 0))
        try tell(.accepted(Scene.transfer(1, records: 1), records: [record(1)]), [one: [.planned]])
        try tell(.accepted(Scene.transfer(2, records: 1), records: [record(2)]), [two: []])
        try tell(.sessionDeleted(Identifier(high: 1, low: 1)), [one: [], two: [.dropped]])

        // One that was under way, and would be looked for again.
        try begin()
        try tell(
            .accepted(Scene.transfer(1, records: 1), records: [record(1, 0, internalID: "x")]), [one: [.planned]])
        try tell(.ledgerRead(batch: 1, ["x": "9"]))
        let known = try Scene.known("9", "{}")
        try tell(.lookedUp(batch: 1, .answered(Scene.answer([known]))), [one: [.decidedToWrite]])
        try tell(.committed(token), [one: [.intentCommitted]])
        try tell(.sessionDeleted(Identifier(high: 1, low: 1)), [one: []])
        try tell(.written(batch: 1, .answered([0: .notFound("gone")])), [one: [.putBack, .dropped]])
        #expect(
            !effects.contains { if case .readLedger = $0 { true } else { false } }, "nothing more is asked about it")
    }

    /// Cancelled while waiting, while being identified, and while a request that never left waits for another try.
    mutating func cancelling() throws {
        try begin()
        let (one, two, other) = (place(1, 0), place(1, 1), place(2, 0))
        try tell(
            .accepted(
                Scene.transfer(1, records: 2), records: [record(1, 0, internalID: "x"), record(1, 1, internalID: "x")]),
            [one: [.planned], two: []])
        try tell(.cancelled(transfer: 1, at: 5))
        guard case .sweep(1, -1, _)? = effects.last else { throw Nothing() }
        let rows = [try record(1, 0, internalID: "x").row, try record(1, 1, internalID: "x").row]
        try tell(.swept(transfer: 1, rows, isLast: true), [two: [.cancelled]])
        let swept = try token
        try tell(.ledgerRead(batch: 1, [:]))
        try tell(.lookedUp(batch: 1, .answered(Scene.answer([]))), [one: [.cancelled]])
        #expect(!effects.contains { if case .write = $0 { true } else { false } }, "nothing is written")
        let decided = try token
        try tell(.committed(swept), [two: [.outcomeCommitted]])
        try tell(.committed(decided), [one: [.outcomeCommitted]])
        #expect(machine.running == 0, "it has completed")

        let three = place(3, 0)
        try tell(
            .accepted(Scene.transfer(3, records: 1), records: [record(3, 0, internalID: "y")]), [three: [.planned]])
        try tell(.accepted(Scene.transfer(2, records: 1), records: [record(2, 0, internalID: "z")]), [other: []])
        try tell(.ledgerRead(batch: 2, [:]))
        try tell(.lookedUp(batch: 2, .answered(Scene.answer([]))), [three: [.decidedToWrite]])
        try tell(.committed(token), [three: [.intentCommitted]])
        try tell(.written(batch: 2, .notSent("no route")), [three: []])
        try tell(.cancelled(transfer: 3, at: 9), [three: [.cancelled], other: [.planned]])
        let settled = effects.contains {
            guard case .commit(let changes, _) = $0 else { return false }
            return changes.contains { if case .intentSettled = $0 { true } else { false } }
        }
        #expect(settled, "its intent must not be found by a start")
        try tell(.committed(token), [three: [.outcomeCommitted]])
    }
}
