import CSQLite
import EventLoop
import Foundation
import PushCore
import Testing

@testable import Store

@Suite struct CommitTests {
    @Test func everyKindOfRowComesBackAsItWas() throws {
        let scene = try Scene()
        let transfer = Sample.transfer(3, records: 2, key: "key ü")
        scene.commit([
            .session(Sample.session(1)), .session(Sample.session(2, definition: "{\"b\":[]}")),
            .session(Sample.session(1, revision: 2, definition: "{\"a\":2}")),
            .transferBegun(transfer), .records([Sample.record(3, 0), Sample.record(3, 1)]),
            .transferAccepted(sequence: 3),
            .intent(Sample.intent(5)), .intent(Sample.intent(6)), .intentSettled(id: 5, at: 4_000),
            .outcomes([Sample.outcome(3, 0, kind: .unchanged), Sample.outcome(3, 1, kind: .refused, id: nil, data: "")]
            ),
            .ledger([Sample.ledger("Zoë", "17")]), .ledger([Sample.ledger("Zoë", "18")]),
            .errors([Sample.error(7, transfer: 3)]),
            .events([
                Sample.event(8, transfer: 3, kind: .error, error: 7),
                Sample.event(9, transfer: 3, counts: Sample.counts),
            ]),
            .consumer(name: "nightly", sequence: 4, at: 1), .consumer(name: "nightly", sequence: 8, at: 2),
            .transferAdvanced(sequence: 3, counts: Sample.counts, published: 2, completed: nil),
        ])
        for _ in 0..<2 {
            var row = transfer
            row.counts = Sample.counts
            row.published = 2
            #expect(scene.ask(.transfer(id: transfer.id)) == .transfer(row))
            #expect(
                scene.ask(.transferByKey(session: Sample.id(1), idempotencyKey: "key ü")) == .transfer(row))
            #expect(scene.ask(.transferByKey(session: Sample.id(2), idempotencyKey: "key ü")) == .transfer(nil))
            #expect(scene.ask(.revision(session: Sample.id(1), revision: 1)) == .revision(Array("{\"a\":1.10}".utf8)))
            #expect(scene.ask(.revision(session: Sample.id(1), revision: 2)) == .revision(Array("{\"a\":2}".utf8)))
            #expect(scene.ask(.revision(session: Sample.id(1), revision: 3)) == .revision(nil))
            #expect(
                scene.ask(.records(transfer: 3, ordinals: [1, 0, 9]))
                    == .records([
                        ResultRow(record: Sample.record(3, 1), outcome: nil),
                        ResultRow(record: Sample.record(3, 0), outcome: nil),
                    ]))
            var bare = [Sample.record(3, 0), Sample.record(3, 1)]
            for place in bare.indices { bare[place].data = [] }
            #expect(
                scene.ask(.results(transfer: 3, schema: nil, offset: 0, limit: 9, bytes: 999))
                    == .results(
                        [
                            ResultRow(record: bare[0], outcome: Sample.outcome(3, 0, kind: .unchanged)),
                            ResultRow(
                                record: bare[1], outcome: Sample.outcome(3, 1, kind: .refused, id: nil, data: "")),
                        ], total: 2))
            #expect(
                scene.ask(.ledger(scope: Sample.scope, resource: "contacts", internalIDs: ["Zoë", "Zoe"]))
                    == .ledger(["Zoë": "18"]))
            #expect(
                scene.ask(.errors(session: nil, transfer: nil, offset: 0, limit: 9))
                    == .errors([Sample.error(7, transfer: 3)], total: 1))
            #expect(
                scene.ask(.events(after: 0, filter: EventFilter(), limit: 9, bytes: 999))
                    == .events(
                        [
                            LoggedEvent(
                                event: Sample.event(8, transfer: 3, kind: .error, error: 7),
                                error: Sample.error(7, transfer: 3), revision: 1),
                            LoggedEvent(event: Sample.event(9, transfer: 3, counts: Sample.counts), revision: 1),
                        ], examinedThrough: 9, oldest: 1, latest: 9))
            try scene.reopen()
            let state = scene.store.state
            #expect(state.sessions.map(\.id) == [Sample.id(1), Sample.id(2)])
            #expect(state.sessions.first == Sample.session(1, revision: 2, definition: "{\"a\":2}"))
            #expect(state.openTransfers == [row])
            #expect(state.openIntents == [Sample.intent(6)])
            #expect(state.consumers == ["nightly": 8])
            #expect(
                [state.lastTransfer, state.lastIntent, state.lastError, state.lastEvent, state.oldestEvent]
                    == [3, 6, 7, 9, 1])
        }
        scene.end()
    }

    @Test func aTransferThatCompletedIsNotOpen() throws {
        let scene = try Scene()
        scene.commit([.session(Sample.session())] + Sample.whole(1) + Sample.whole(2))
        scene.commit(Sample.ended(1, event: 1))
        guard case .transfer(let row?) = scene.ask(.transfer(id: Sample.transfer(1).id)) else {
            Issue.record("no such transfer")
            return
        }
        #expect(row.completed == 8_000)
        #expect(row.counts[.created] == 1)
        try scene.reopen()
        #expect(scene.store.state.openTransfers.map(\.sequence) == [2])
        scene.end()
    }

    @Test func aHalfArrivedTransferVanishesAndItsNamesAreFree() throws {
        let scene = try Scene()
        let half = Sample.transfer(2, records: 3, key: "again")
        scene.commit([.session(Sample.session()), .transferBegun(half), .records([Sample.record(2, 0)])])
        scene.commit(.records([Sample.record(2, 1)]))
        #expect(scene.ask(.transfer(id: half.id)) == .transfer(nil))
        #expect(scene.ask(.transferByKey(session: half.session, idempotencyKey: "again")) == .transfer(nil))
        try scene.reopen()
        #expect(scene.store.state.openTransfers == [])
        // Its number is not given out again: a late row of the old one must not become one of the new one.
        #expect(scene.store.state.lastTransfer == 2)
        var next = Sample.transfer(3, records: 1, key: "again")
        next.id = half.id
        #expect(
            scene.commit([.transferBegun(next), .records([Sample.record(3, 0)]), .transferAccepted(sequence: 3)]))
        #expect(scene.ask(.transfer(id: half.id)) == .transfer(next))
        scene.pass { scene.count("removal") == 0 }
        #expect(scene.raw("SELECT transfer, ordinal FROM record") == [["3", "0"]])
        scene.end()
    }

    @Test func aTransferThatArrivesInSlicesIsAcceptedByItsLast() throws {
        let scene = try Scene()
        let row = Sample.transfer(1, records: 2)
        scene.commit([.session(Sample.session()), .transferBegun(row), .records([Sample.record(1, 0)])])
        scene.commit([.records([Sample.record(1, 1)]), .transferAccepted(sequence: 1)])
        #expect(scene.ask(.transfer(id: row.id)) == .transfer(row))
        try scene.reopen()
        #expect(scene.store.state.openTransfers == [row])
        #expect(scene.count("record") == 2)
        scene.end()
    }

    @Test func whatIsConfirmedIsOnDiskAndInOrder() throws {
        let scene = try Scene()
        scene.commit(.session(Sample.session()))
        var order: [Int64] = []
        scene.wait { done in
            for sequence in Int64(1)...500 {
                scene.store.commit(Sample.whole(sequence)) {
                    order.append(sequence)
                    if sequence == 500 { done() }
                }
            }
        }
        #expect(order == Array(1...500))
        #expect(scene.store.queuedBytes == 0)
        scene.end()
    }

    @Test func manyCommitsShareFewTransactions() throws {
        let scene = try Scene()
        scene.commit(.session(Sample.session()))
        let before = scene.store.commits
        var done = 0
        scene.wait { finish in
            for sequence in Int64(1)...10_000 {
                scene.store.commit(Sample.whole(sequence)) {
                    done += 1
                    if done == 10_000 { finish() }
                }
            }
            #expect(scene.store.queuedBytes > 1_000_000)
        }
        // 20,000 rows, at most 4,000 a group; how many gather while the first is written is up to the machine.
        #expect(scene.store.commits - before >= 5)
        #expect(scene.store.commits - before < 200)
        #expect(scene.count("record") == 10_000)
        scene.end()
    }

    @Test func aGroupEndsAtItsCeiling() throws {
        var settings = StoreSettings()
        settings.groupRows = 10
        let scene = try Scene(settings: settings)
        scene.commit([.session(Sample.session()), .transferBegun(Sample.transfer(1, records: 60))])
        let before = scene.store.commits
        scene.wait { done in
            for slice in Int32(0)..<6 {
                scene.store.commit([.records((0..<10).map { Sample.record(1, slice * 10 + $0) })]) {
                    if slice == 5 { done() }
                }
            }
        }
        #expect(scene.store.commits - before == 6)
        settings.groupRows = 1_000
        settings.groupBytes = 1
        try scene.reopen(settings: settings)
        let again = scene.store.commits
        scene.wait { done in
            for number in 1...5 {
                scene.store.commit([.consumer(name: "c\(number)", sequence: 1, at: 1)]) { if number == 5 { done() } }
            }
        }
        #expect(scene.store.commits - again == 5)
        scene.end()
    }

    @Test func aCommitThatIsSentFromACallbackIsKept() throws {
        let scene = try Scene()
        var order: [String] = []
        scene.wait { done in
            scene.store.commit([.session(Sample.session())]) {
                order.append("session")
                scene.store.commit(Sample.whole(1)) {
                    order.append("transfer")
                    scene.store.read(.transfer(id: Sample.transfer(1).id)) { answer in
                        if case .transfer(.some) = answer { order.append("read") }
                        done()
                    }
                }
            }
            scene.store.commit([.consumer(name: "c", sequence: 1, at: 1)]) { order.append("consumer") }
        }
        #expect(order == ["session", "consumer", "transfer", "read"])
        scene.end()
    }

    @Test func anAnswerReflectsEveryCommitThatWasReported() throws {
        let scene = try Scene()
        scene.commit(.session(Sample.session()))
        for sequence in Int64(1)...200 {
            scene.commit(Sample.whole(sequence))
            guard case .transfer(.some) = scene.ask(.transfer(id: Sample.transfer(sequence).id)) else {
                Issue.record("transfer \(sequence) is not seen")
                break
            }
        }
        scene.end()
    }

    @Test func closingFinishesWhatWasSent() throws {
        let scene = try Scene()
        var done = 0
        var answered = false
        scene.store.commit([.session(Sample.session())]) { done += 1 }
        for sequence in Int64(1)...1_000 { scene.store.commit(Sample.whole(sequence)) { done += 1 } }
        scene.store.read(.transfer(id: Sample.id(5))) { _ in answered = true }
        scene.end()
        #expect(done == 1_001)
        #expect(answered)
        // Nothing is taken after that.
        scene.store.commit(Sample.whole(1_001)) { done += 1 }
        scene.store.read(.transfer(id: Sample.id(5))) { _ in done += 1 }
        scene.store.close { done += 1 }
        #expect(done == 1_001)
        #expect(scene.count("transfer") == 1_000)
    }

    @Test func freeSpaceIsKnown() throws {
        let scene = try Scene()
        #expect(scene.store.freeBytes() > DurableStore.leastFreeBytes)
        let asked = scene.store.freeBytes()
        // Asked again a second later, without a commit: the writer measures.
        let file = scene.folder.appendingPathComponent("ballast")
        try Data(count: 32 << 20).write(to: file)
        sync()
        Thread.sleep(forTimeInterval: 1.1)
        var last = asked
        scene.pass(seconds: 5) {
            last = scene.store.freeBytes()
            return last != asked
        }
        #expect(last != asked)
        scene.end()
    }
}
