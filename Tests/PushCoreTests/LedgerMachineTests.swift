import JSON
import Testing

@testable import PushCore

/// The machine between the ledger and the provider: what it asks, what it takes back, what it tells.
@Suite struct LedgerMachineTests {
    private var machine = PushMachine()
    private var wall: Int64 = 1_000_000_000
    private var monotonic: UInt64 = 1_000
    private let body = #"{"email":"a@x","note":"n"}"#

    private func record(
        _ data: String, internalID: String? = "x", id: String? = nil, transfer: Int64 = 1, options: String
    )
        throws -> PreparedRecord
    {
        PreparedRecord(
            Scene.row(data, id: id, internalID: internalID, transfer: transfer), plan: try Scene.plan(options),
            disablesUpsert: false)
    }

    private mutating func tell(_ fact: Fact) -> [Effect] {
        machine.handle(fact, at: Moment(wall: wall, monotonic: monotonic, chance: 7))
    }

    private func commit(_ effects: [Effect]) -> (changes: [Change], token: CommitToken)? {
        for effect in effects { if case .commit(let changes, let token) = effect { return (changes, token) } }
        return nil
    }

    private func outcome(_ effects: [Effect]) -> OutcomeRow? {
        for case .outcomes(let rows) in commit(effects)?.changes ?? [] { return rows.first }
        return nil
    }

    private func warnings(_ effects: [Effect]) throws -> [Warning] {
        guard let text = outcome(effects)?.warnings, !text.isEmpty else { return [] }
        return Warning.parse(try JSONDocument(parsing: text).root)
    }

    private func state(_ confirmed: Int64) -> ConfirmedRow {
        ConfirmedRow(
            account: Scene.account, resource: "contacts", providerID: "7", confirmed: confirmed,
            state: Array(#"{"b":\#(body)}"#.utf8))
    }

    private let ledger = #""freshness":"ledger","max_age":60,"#

    /// A push of one record, up to the answer about what is confirmed; gives what follows.
    private mutating func pushed(confirmed: Int64?, options: String? = nil) throws -> [Effect] {
        _ = tell(.started)
        let record = try record(body, options: options ?? ledger)
        let effects = tell(.accepted(Scene.transfer(1, records: 1), records: [record]))
        guard case .readConfirmed(let batch, _, "contacts", ["x"], []) = effects.first else {
            Issue.record("it does not ask what is confirmed: \(effects)")
            return []
        }
        return tell(
            .confirmedRead(
                batch: batch, ConfirmedAnswer(known: ["x": "7"], rows: confirmed.map { [state($0)] } ?? [])))
    }

    private func asks(_ effects: [Effect]) -> Bool {
        effects.contains { if case .lookUp = $0 { true } else { false } }
    }

    @Test func whatIsConfirmedIsNotAskedFor() throws {
        var test = self
        let effects = try test.pushed(confirmed: wall - 59_999)
        #expect(!asks(effects))
        let outcome = try #require(self.outcome(effects))
        #expect(outcome.kind == .unchanged && outcome.providerID == "7")
        #expect(outcome.basis == OutcomeRow.Basis(.ledger, asOf: wall - 59_999))
        #expect(outcome.data == Array(body.utf8), "the data is what the provider last returned")
        let tells = commit(effects)?.changes.contains {
            switch $0 {
            case .ledger, .confirmed, .unconfirmed, .intent: true
            default: false
            }
        }
        #expect(tells == false, "nothing was learnt")
    }

    @Test(arguments: [nil, -60_000, -10_000_000, 1, 10_000_000] as [Int64?])
    func whatIsMissingTooOldOrFromTheFutureIsAskedFor(age: Int64?) throws {
        var test = self
        #expect(asks(try test.pushed(confirmed: age.map { wall + $0 })))
    }

    @Test func settingTheClockBackMakesNothingYounger() throws {
        var test = self
        _ = test.tell(.started)
        // An hour passes, in which the wall clock is set back to where it was.
        test.monotonic += 3_600_000_000_000
        #expect(asks(try test.pushed(confirmed: wall - 1)))
        var other = self
        _ = other.tell(.started)
        // Set forward, it makes everything older.
        other.wall += 3_600_000
        #expect(asks(try other.pushed(confirmed: wall - 1)))
    }

    @Test func whatIsTakenBackByACommitUnderWayIsDoubtful() throws {
        var test = self
        _ = test.tell(.started)
        let verify = try record(body, internalID: nil, id: "7", options: "")
        let first = test.tell(.accepted(Scene.transfer(1, records: 1), records: [verify]))
        guard case .lookUp(let one, _, _) = first.first else { return }
        let known = try Scene.known("7", body)
        let second = test.tell(
            .accepted(
                Scene.transfer(2, records: 1),
                records: [try record(body, transfer: 2, options: ledger)]))
        #expect(second.isEmpty, "it waits: its e-mail is that of the first")
        let seen = test.tell(.lookedUp(batch: one, .answered(Scene.answer([known]))))
        let changes = try #require(commit(seen)).changes
        #expect(changes.contains(.unconfirmed(Scene.account, resource: "contacts", ids: ["7"])))
        // A record that could not be told to be the same one, with another key: it reads before the commit is on disk.
        let third = test.tell(
            .accepted(
                Scene.transfer(3, records: 1),
                records: [try record(#"{"note":"n"}"#, internalID: "y", transfer: 3, options: ledger)]))
        guard case .readConfirmed(let two, _, _, ["y"], []) = third.first else {
            Issue.record("it does not ask: \(third)")
            return
        }
        let answer = ConfirmedAnswer(known: ["y": "7"], rows: [state(wall - 1)])
        #expect(asks(test.tell(.confirmedRead(batch: two, answer))), "the state it was given is about to go")
    }

    @Test func aWriteTakesTheStateBackBeforeItLeaves() throws {
        var test = self
        let looking = try test.pushed(confirmed: nil)
        guard case .lookUp(let batch, _, _) = looking.first else { return }
        test.wall += 5
        let known = try Scene.known("7", #"{"email":"a@x","note":"old"}"#)
        let deciding = test.tell(.lookedUp(batch: batch, .answered(Scene.answer([known]))))
        let intent = try #require(commit(deciding))
        #expect(intent.changes.first == .unconfirmed(Scene.account, resource: "contacts", ids: ["7"]))
        let wrote = test.tell(.committed(intent.token))
        #expect(wrote.contains { if case .write = $0 { true } else { false } })
        test.wall += 500
        let answer = ItemAnswer.written(id: "7", isNew: false, data: Array(body.utf8), refusedLinks: [])
        let ended = test.tell(.written(batch: batch, .answered([0: answer])))
        var rows: [ConfirmedRow] = []
        for case .confirmed(let found) in commit(ended)?.changes ?? [] { rows = found }
        #expect(rows.map(\.confirmed) == [wall + 5], "since it was read, not since the answer came")
        #expect(rows.map(\.providerID) == ["7"])
    }

    @Test func othersPayNothing() throws {
        for freshness in ["verify", "force"] {
            var test = self
            _ = test.tell(.started)
            let record = try record(body, options: #""freshness":"\#(freshness)","#)
            let effects = test.tell(.accepted(Scene.transfer(1, records: 1), records: [record]))
            guard case .readLedger(let batch, _, _, _) = effects.first else {
                Issue.record("\(freshness): \(effects)")
                continue
            }
            let looking = test.tell(.ledgerRead(batch: batch, ["x": "7"]))
            #expect(asks(looking))
            let deciding = test.tell(
                .lookedUp(batch: batch, .answered(Scene.answer([try Scene.known("7", #"{"note":"old"}"#)]))))
            let token = try #require(commit(deciding)).token
            _ = test.tell(.committed(token))
            let answer = ItemAnswer.written(id: "7", isNew: false, data: Array(body.utf8), refusedLinks: [])
            let ended = test.tell(.written(batch: batch, .answered([0: answer])))
            let isKept = commit(ended)?.changes.contains { if case .confirmed = $0 { true } else { false } }
            #expect(isKept == false)
        }
    }

    // MARK: Two internal ids

    @Test(arguments: [[], ["y"], ["x"], ["x", "y"]])
    func whoJoinsARecordOfAnotherIsToldSo(holders: [String]) throws {
        var test = self
        _ = test.tell(.started)
        let effects = test.tell(
            .accepted(Scene.transfer(1, records: 1), records: [try record(body, options: "")]))
        guard case .readLedger(let batch, _, _, _) = effects.first else { return }
        _ = test.tell(.ledgerRead(batch: batch, [:]))
        let answer = Scene.answer([try Scene.known("7", body)], ["email=a@x": ["7"]])
        let asking = test.tell(.lookedUp(batch: batch, .answered(answer)))
        guard case .readHolders(_, _, "contacts", ["7"]) = asking.first else {
            Issue.record("it does not ask who holds the record: \(asking)")
            return
        }
        let ended = test.tell(.holdersRead(batch: batch, ["7": holders]))
        #expect(outcome(ended)?.kind == .unchanged)
        #expect(try warnings(ended).map(\.name) == (holders.contains("y") ? [.identityCollision] : []))
    }

    @Test func whoIsRememberedAlreadyIsNotAskedAbout() throws {
        var test = self
        let looking = try test.pushed(confirmed: nil)
        guard case .lookUp(let batch, _, _) = looking.first else { return }
        let ended = test.tell(.lookedUp(batch: batch, .answered(Scene.answer([try Scene.known("7", body)]))))
        #expect(outcome(ended)?.kind == .unchanged)
    }

    // MARK: Values

    @Test func aValueThatWasNotTakenIsToldOnceForEachField() throws {
        let record = try record(#"{"email":"a@x","note":"n","phone":"1","age":null}"#, options: "")
        var member = Batch.Member(record: record)
        member.write = Batch.Member.Write(target: "7", fields: [0, 1, 2, 3])
        func told(_ body: String, keepsValues: Bool = false) throws -> [String] {
            var member = member
            if keepsValues {
                var provider = Scene.provider()
                provider.keepsValues = true
                member.record = PreparedRecord(
                    record.row, plan: try Scene.plan(provider: provider), disablesUpsert: false)
            }
            return PushMachine.notTaken(member, returned: Array(body.utf8)).map(\.message)
        }
        #expect(try told(#"{"email":"a@x","note":"n","phone":"1","age":null}"#).isEmpty)
        #expect(try told("").isEmpty && told(#"{"email":"a@x"}"#).isEmpty, "what is not returned says nothing")
        let messages = try told(#"{"email":"A@X","note":"n","phone":null,"age":7}"#)
        #expect(messages.count == 3 && messages[0].contains("\"email\"") && messages[2].contains("\"age\""))
        #expect(!messages.joined().contains("A@X"), "no contents of records in a message")
        #expect(try told(#"{"email":"A@X"}"#, keepsValues: true).isEmpty)
    }
}
