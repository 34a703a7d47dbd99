import JSON
import Testing

@testable import PushCore

/// Promise 2: what may have had an effect is repeated only where the provider recognises it.
@Suite struct DoubtTests {
    private struct Desk {
        var machine = PushMachine(lastIntent: 4)
        var time: UInt64 = 1_000_000_000

        mutating func tell(_ fact: Fact) -> [Effect] {
            machine.handle(fact, at: Moment(wall: Int64(time / 1_000_000), monotonic: time, chance: 5))
        }
    }

    private func record(
        _ recoveryClass: ProviderDescription.Class, transfer: Int64 = 1, schema: Int16 = 0, ordinal: Int32 = 0
    ) throws -> PreparedRecord {
        let plan = try Scene.plan(provider: Scene.provider(recoveryClass: recoveryClass))
        let data = schema == 0 ? #"{"note":"n"}"# : #"{"name":"n"}"#
        return PreparedRecord(
            Scene.row(data, transfer: transfer, ordinal: ordinal, schema: schema), plan: plan, disablesUpsert: false)
    }

    private func writes(_ effects: [Effect]) -> [Int64] {
        effects.compactMap { if case .write(let batch, _, _) = $0 { batch } else { nil } }
    }

    private func outcomes(_ effects: [Effect]) -> [OutcomeKind] {
        effects.flatMap { effect -> [OutcomeKind] in
            guard case .commit(let changes, _) = effect else { return [] }
            return changes.flatMap { change -> [OutcomeKind] in
                if case .outcomes(let rows) = change { rows.map(\.kind) } else { [] }
            }
        }
    }

    private func settled(_ effects: [Effect]) -> [Int64] {
        effects.flatMap { effect -> [Int64] in
            guard case .commit(let changes, _) = effect else { return [] }
            return changes.compactMap { if case .intentSettled(let id, _) = $0 { id } else { nil } }
        }
    }

    private func token(_ effects: [Effect]) throws -> CommitToken {
        try #require(effects.compactMap { if case .commit(_, let token) = $0 { token } else { nil } }.first)
    }

    @Test(arguments: ProviderDescription.Class.allCases)
    func anOpenIntentAtStartIsRepeatedOnlyWhereTheProviderRecognisesIt(given: ProviderDescription.Class) throws {
        var desk = Desk()
        let intent = IntentRow(
            id: 4, account: Scene.account, resource: "contacts", created: 0, attempt: 1,
            plan: Array(#"{"namespace":"","items":[{"t":1,"o":0,"n":0,"f":[0]}]}"#.utf8))
        let stored = try #require(StoredPlan(intent.plan))
        // The open intent may be told of before its transfer.
        let early = try desk.tell(.recovered(intent, stored, [record(given)]))
        _ = desk.tell(.resumed(Scene.transfer(1, records: 1), finished: []))
        let late = desk.tell(.started)
        #expect(writes(early + late).count == (given == .keyed ? 1 : 0))
        #expect(outcomes(late) == (given == .keyed ? [] : [.uncertain]))
        #expect(settled(late) == (given == .keyed ? [] : [4]), "the intent is not found again")
    }

    @Test(arguments: ProviderDescription.Class.allCases)
    func aLostAnswerIsRepeatedOnlyWhereTheProviderRecognisesIt(given: ProviderDescription.Class) throws {
        var desk = Desk()
        _ = desk.tell(.started)
        let begun = try desk.tell(.accepted(Scene.transfer(1, records: 1), records: [record(given)]))
        let exchange = try desk.tell(.committed(token(begun)))
        let batch = try #require(writes(exchange).first)
        let after = desk.tell(.written(batch: batch, .unknown("lost")))
        #expect(outcomes(after) == (given == .keyed ? [] : [.uncertain]))
        desk.time += 3600 * 1_000_000_000
        #expect(writes(desk.tell(.woke(Scene.account))).count == (given == .keyed ? 1 : 0))
    }

    @Test func aBatchOfTwoMindsIsNotRepeated() throws {
        let members = [try record(.keyed), try record(.blind, ordinal: 1)].map { Batch.Member(record: $0) }
        let key = Lane.BatchKey(resource: "contacts", namespace: "")
        #expect(!Batch(id: 1, account: Scene.account, key: key, began: 0, members: members).mayRepeat)
    }

    /// Two resources of an account wait at a time, and an account has one alarm.
    @Test(arguments: [(100, 50), (50, 100)] as [(Int64, Int64)])
    func eachWaitingBatchIsWokenInItsTime(first: Int64, second: Int64) throws {
        var desk = Desk()
        _ = desk.tell(.started)
        var batches: [Int64] = []
        for (transfer, schema) in [(1, 0), (2, 1)] as [(Int64, Int16)] {
            let begun = try desk.tell(
                .accepted(
                    Scene.transfer(transfer, records: 1), records: [record(.keyed, transfer: transfer, schema: schema)])
            )
            batches += writes(try desk.tell(.committed(token(begun))))
        }
        #expect(batches.count == 2)
        var alarm: UInt64?
        let start = desk.time
        for (batch, wait) in zip(batches, [first, second]) {
            for case .wake(_, let at) in desk.tell(.written(batch: batch, .throttled(milliseconds: wait))) {
                alarm = at
            }
        }
        var woken: [Int64] = []
        for _ in 0..<2 {
            let due = try #require(alarm)
            alarm = nil
            desk.time = due
            let effects = desk.tell(.woke(Scene.account))
            woken.append(contentsOf: writes(effects).map { _ in Int64((due - start) / 1_000_000) })
            for case .wake(_, let at) in effects { alarm = at }
        }
        #expect(woken == [50, 100])
        #expect(alarm == nil)
    }
}
