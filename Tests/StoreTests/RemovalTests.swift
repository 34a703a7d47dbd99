import EventLoop
import Foundation
import PushCore
import Testing

@testable import Store

@Suite struct RemovalTests {
    /// Tables that belong to sessions and their transfers.
    private static let tables = [
        "transfer", "record", "top_place", "outcome", "error", "event", "session", "session_revision",
    ]

    /// Session 1 with three transfers of which one is large, session 2 with one; a little of everything.
    private func fill(_ scene: Scene) {
        scene.commit([.session(Sample.session(1)), .session(Sample.session(2))])
        scene.commit(Sample.whole(1, session: 1, key: "k") + Sample.whole(2, session: 2, key: "k"))
        scene.commit(Sample.whole(3, session: 1, records: 700))
        scene.commit(
            .transferBegun(Sample.transfer(4, session: 1, records: 1, all: 2)),
            .records([
                Sample.record(4, 0, index: 0, parent: 1),
                Sample.record(4, 1, index: 0, children: 1, descendants: 1, data: "find-me-in-the-file"),
            ]), .transferAccepted(sequence: 4))
        scene.commit(.errors([Sample.error(1, transfer: 1), Sample.error(2, transfer: 2, session: 2)]))
        scene.commit(
            Sample.ended(1, session: 1, event: 1) + Sample.ended(2, session: 2, event: 3)
                + Sample.ended(3, session: 1, records: 700, event: 5))
        scene.commit(.ledger([Sample.ledger("a", "1"), Sample.ledger("b", "2", namespace: "erp")]))
    }

    private func counts(_ scene: Scene) -> [Int] { Self.tables.map { scene.count($0) } }

    /// What session 2 alone leaves in the tables above.
    private static let ofSecond = [1, 1, 0, 1, 1, 2, 1, 1]

    private func small() -> StoreSettings {
        var settings = StoreSettings()
        settings.sliceRows = 50
        settings.idleNanoseconds = 5_000_000
        return settings
    }

    @Test func aDeletedSessionIsInvisibleAtOnceAndGoneSoon() throws {
        let scene = try Scene(settings: small())
        fill(scene)
        scene.commit(.sessionDeleted(Sample.id(1), forgetting: nil))
        #expect(scene.ask(.transfer(id: Sample.transfer(3).id)) == .transfer(nil))
        #expect(scene.ask(.transferByKey(session: Sample.id(1), idempotencyKey: "k")) == .transfer(nil))
        #expect(scene.ask(.revision(session: Sample.id(1), revision: 1)) == .revision(nil))
        #expect(scene.ask(.results(transfer: 3, schema: nil, offset: 0, limit: 1, bytes: 1)) == .results([], total: 0))
        #expect(
            scene.ask(.errors(session: nil, transfer: nil, offset: 0, limit: 9))
                == .errors([Sample.error(2, transfer: 2, session: 2)], total: 1))
        guard
            case .events(let events, let examined, let oldest, let latest) = scene.ask(
                .events(after: 0, filter: EventFilter(), limit: 9, bytes: 99))
        else { return }
        #expect(events.map(\.event.sequence) == [3, 4])
        // No gap: what is missing was deleted, not lost.
        #expect([examined, oldest, latest] == [6, 1, 6])
        scene.pass { scene.count("removal") == 0 }
        #expect(counts(scene) == Self.ofSecond)
        // The ledger stays, and so do the numbers.
        #expect(scene.count("ledger") == 2)
        #expect(
            scene.ask(.ledger(scope: Sample.scope, resource: "contacts", internalIDs: ["a"])) == .ledger(["a": "1"]))
        try scene.reopen()
        #expect(scene.store.state.lastTransfer == 4)
        #expect(scene.store.state.lastEvent == 6)
        #expect(scene.store.state.oldestEvent == 1)
        #expect(scene.store.state.sessions.map(\.id) == [Sample.id(2)])
        scene.end()
    }

    @Test func whatWasDeletedStandsNeitherInTheFileNorInTheLog() throws {
        let scene = try Scene(settings: small())
        fill(scene)
        func traces() -> Int {
            ["", "-wal"].reduce(0) { found, suffix in
                let data = (try? Data(contentsOf: URL(fileURLWithPath: scene.path + suffix))) ?? Data()
                return found + (data.range(of: Data("find-me-in-the-file".utf8)) == nil ? 0 : 1)
            }
        }
        #expect(traces() > 0)
        scene.commit(.sessionDeleted(Sample.id(1), forgetting: Sample.scope))
        scene.pass { scene.count("removal") == 0 }
        #expect(traces() == 0)
        scene.end()
    }

    @Test func aRemovalThatWasCutOffIsFinishedByTheNextStart() throws {
        var settings = small()
        settings.sliceRows = 10
        let scene = try Scene(settings: settings)
        fill(scene)
        scene.commit(.sessionDeleted(Sample.id(1), forgetting: nil))
        // Closed at once: most of it is still there.
        try scene.reopen()
        #expect(scene.store.state.sessions.map(\.id) == [Sample.id(2)])
        #expect(scene.store.state.openTransfers == [])
        scene.pass { scene.count("removal") == 0 }
        #expect(counts(scene) == Self.ofSecond)
        scene.end()
    }

    @Test func forgettingEndsTheScopeAndANewOneCanBegin() throws {
        var settings = small()
        settings.sliceRows = 7
        let scene = try Scene(settings: settings)
        fill(scene)
        scene.commit(.ledger((0..<100).map { Sample.ledger("many \($0)", "p\($0)") }))
        scene.commit(.sessionDeleted(Sample.id(1), forgetting: Sample.scope))
        func known(_ id: String, _ scope: LedgerScope = Sample.scope) -> Answer? {
            scene.ask(.ledger(scope: scope, resource: "contacts", internalIDs: [id]))
        }
        #expect(known("many 7") == .ledger([:]))
        // Written while the old one is being removed.
        scene.commit(.ledger([Sample.ledger("many 7", "new")]))
        #expect(known("many 7") == .ledger(["many 7": "new"]))
        scene.pass { scene.count("removal") == 0 }
        #expect(known("many 7") == .ledger(["many 7": "new"]))
        #expect(known("b", LedgerScope(account: Sample.account, namespace: "erp")) == .ledger(["b": "2"]))
        #expect(scene.count("ledger") == 2)
        scene.end()
    }

    @Test func whatStillComesOfADeletedSessionIsDropped() throws {
        let scene = try Scene(settings: small())
        fill(scene)
        scene.commit(.transferBegun(Sample.transfer(5, session: 1, records: 2)), .records([Sample.record(5, 0)]))
        #expect(
            scene.commit(
                .sessionDeleted(Sample.id(1), forgetting: nil), .sessionDeleted(Sample.id(9), forgetting: nil),
                .records([Sample.record(5, 1)]), .transferAccepted(sequence: 5),
                .transferBegun(Sample.transfer(6, session: 1)), .records([Sample.record(6, 0)]),
                .transferAccepted(sequence: 6),
                .transferAdvanced(sequence: 4, counts: Sample.counts, published: 1, completed: 5),
                .errors([Sample.error(9, transfer: 4)]), .events([Sample.event(9, transfer: 4)])))
        scene.pass { scene.count("removal") == 0 }
        #expect(counts(scene) == Self.ofSecond)
        // A session of that id may come back.
        #expect(scene.commit([.session(Sample.session(1))] + Sample.whole(7)))
        #expect(scene.ask(.transfer(id: Sample.transfer(7).id)) == .transfer(Sample.transfer(7)))
        scene.end()
    }

    @Test func commitsGoOnWhileMuchIsRemoved() throws {
        let scene = try Scene(settings: small())
        fill(scene)
        scene.commit(.sessionDeleted(Sample.id(1), forgetting: nil))
        #expect(scene.count("removal") > 0)
        for number in Int64(10)..<30 { #expect(scene.commit(Sample.whole(number, session: 2))) }
        scene.pass { scene.count("removal") == 0 }
        #expect(scene.count("transfer") == 21)
        scene.end()
    }

    @Test func theLogIsCutEvenIfAReaderIsInTheWayForAWhile() throws {
        let scene = try Scene(settings: small())
        fill(scene)
        let foreign = try Database(path: scene.path, access: .read, lockMilliseconds: 1000)
        try foreign.statement("BEGIN", "x").run()
        _ = try foreign.integer("SELECT count(*) FROM record", "x")
        scene.commit(.sessionDeleted(Sample.id(1), forgetting: nil))
        scene.pass(seconds: 0.3) { false }
        #expect(scene.raw("SELECT kind FROM removal") == [["4"]])
        // Commits pass meanwhile.
        #expect(scene.commit(.consumer(name: "c", sequence: 1, at: 1)))
        try foreign.statement("COMMIT", "x").run()
        scene.pass { scene.count("removal") == 0 }
        #expect(scene.count("removal") == 0)
        scene.end()
    }

    // MARK: Retention

    @Test func oldTransfersAndEventsGoAndTheRestStays() throws {
        let scene = try Scene(settings: small())
        scene.commit(.session(Sample.session()))
        for number in Int64(1)...6 {
            scene.commit(
                Sample.whole(number, records: number == 2 ? 120 : 1)
                    + (number == 4
                        ? []
                        : Sample.ended(
                            number, records: number == 2 ? 120 : 1, event: number * 2 - 1, at: number * 1_000))
            )
        }
        // Events of 1 and 2 are old; transfers too, but 3's events are still there, and 4 never ended.
        scene.commit(.trim(transfersBefore: 100_000, eventsBefore: 3_000, limit: 10))
        scene.pass { scene.count("removal") == 0 }
        #expect(scene.raw("SELECT sequence FROM transfer") == [["3"], ["4"], ["5"], ["6"]])
        #expect(scene.raw("SELECT DISTINCT transfer FROM record") == [["3"], ["4"], ["5"], ["6"]])
        #expect(scene.raw("SELECT DISTINCT transfer FROM outcome") == [["3"], ["5"], ["6"]])
        guard
            case .events(let events, _, let oldest, let latest) = scene.ask(
                .events(after: 0, filter: EventFilter(), limit: 1, bytes: 99))
        else { return }
        #expect(events.map(\.event.sequence) == [5])
        #expect([oldest, latest] == [5, 12])
        // At most so many at a time, oldest first.
        scene.commit(.trim(transfersBefore: 100_000, eventsBefore: 100_000, limit: 1))
        #expect(scene.raw("SELECT sequence FROM transfer") == [["4"], ["5"], ["6"]])
        scene.commit(.trim(transfersBefore: 6_000, eventsBefore: 100_000, limit: 9))
        #expect(scene.raw("SELECT sequence FROM transfer") == [["4"], ["6"]])
        try scene.reopen()
        // No number is given out twice.
        #expect(scene.store.state.lastEvent == 12)
        #expect(scene.store.state.oldestEvent == 13)
        #expect(scene.store.state.openTransfers.map(\.sequence) == [4])
        scene.end()
    }

    @Test func manyOldEventsGoInSlices() throws {
        let scene = try Scene(settings: small())
        scene.commit([.session(Sample.session())] + Sample.whole(1))
        scene.commit(.events((1...1_000).map { Sample.event($0, transfer: 1, time: $0) }))
        scene.commit(.trim(transfersBefore: 0, eventsBefore: 901, limit: 1))
        scene.pass { scene.count("event") == 100 }
        #expect(scene.raw("SELECT min(sequence), count(*) FROM event") == [["901", "100"]])
        try scene.reopen()
        #expect(scene.store.state.oldestEvent == 901)
        scene.end()
    }

    @Test func theEventLogHasACeiling() throws {
        var settings = small()
        settings.eventLogBytes = 100 * Removal.eventBytes
        let scene = try Scene(settings: settings)
        scene.commit([.session(Sample.session())] + Sample.whole(1))
        scene.commit(.events((1...1_000).map { Sample.event($0, transfer: 1, time: $0) }))
        scene.commit(.trim(transfersBefore: 0, eventsBefore: 0, limit: 1))
        scene.pass { scene.count("event") == 100 }
        #expect(scene.raw("SELECT min(sequence), count(*) FROM event") == [["901", "100"]])
        scene.end()
    }

    @Test func oldSettledIntentsGoExceptForTheirNumber() throws {
        let scene = try Scene()
        scene.commit([1, 2, 3, 4].map { .intent(Sample.intent($0)) })
        scene.commit([1, 3, 4].map { .intentSettled(id: $0, at: $0 * 1_000) })
        // The plan holds data: it goes with the settling.
        #expect(
            scene.raw("SELECT id, length(plan) FROM intent") == [["1", "0"], ["2", "7"], ["3", "0"], ["4", "0"]])
        scene.commit(.trim(transfersBefore: 0, eventsBefore: 4_000, limit: 1))
        #expect(scene.raw("SELECT id FROM intent") == [["2"], ["4"]])
        scene.commit(.trim(transfersBefore: 0, eventsBefore: 5_000, limit: 1))
        #expect(scene.raw("SELECT id FROM intent") == [["2"]])
        try scene.reopen()
        #expect(scene.store.state.lastIntent == 4)
        #expect(scene.store.state.openIntents == [Sample.intent(2)])
        scene.end()
    }

    @Test func nothingToTrimIsNoHarm() throws {
        let scene = try Scene()
        #expect(scene.commit(.trim(transfersBefore: .max, eventsBefore: .max, limit: 100)))
        #expect(scene.commit(.trim(transfersBefore: -5, eventsBefore: -5, limit: 0)))
        scene.end()
    }
}
