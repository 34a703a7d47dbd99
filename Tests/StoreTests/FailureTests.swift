import CSQLite
import EventLoop
import Foundation
import PushCore
import Testing

@testable import Store

@Suite struct FailureTests {
    @Test func aContradictionStopsAndNothingAfterItIsDone() throws {
        let scene = try Scene()
        scene.commit([.session(Sample.session())] + Sample.whole(1))
        var done: [Int] = []
        scene.store.commit(Sample.whole(2)) { done.append(2) }
        scene.wait { _ in scene.store.commit(Sample.whole(1)) { done.append(1) } }
        // Taken, but not done.
        scene.store.commit(Sample.whole(3)) { done.append(3) }
        scene.store.read(.transfer(id: Sample.id(1))) { _ in done.append(4) }
        scene.pass(seconds: 0.1) { false }
        #expect(done == [] || done == [2])
        #expect(scene.failures.first?.exitCode == 70)
        scene.end(failedWith: .constraint)
        #expect(scene.count("transfer") == 1 + done.count)
    }

    @Test(arguments: [
        Sample.whole(1, session: 5),
        [.transferAccepted(sequence: 77)],
        [.transferBegun(Sample.transfer(8)), .transferAccepted(sequence: 8), .transferAccepted(sequence: 9)],
        Sample.whole(8, key: "taken"),
        [.records([Sample.record(1, 0)])],
        [.outcomes([Sample.outcome(1, 0)])],
        [.intent(Sample.intent(1))],
        [.intentSettled(id: 9, at: 1)],
        [.errors([Sample.error(1, transfer: 1)])],
        [.events([Sample.event(1, transfer: 1)])],
        [.events([Sample.event(2, transfer: 1, session: 5)])],
    ])
    func everyContradictionIsFound(changes: [Change]) throws {
        let scene = try Scene()
        scene.commit([.session(Sample.session())] + Sample.whole(1, key: "taken"))
        scene.commit(
            .outcomes([Sample.outcome(1, 0)]), .intent(Sample.intent(1)), .errors([Sample.error(1, transfer: 1)]),
            .events([Sample.event(1, transfer: 1)]))
        #expect(!scene.commit([.consumer(name: "before", sequence: 1, at: 1)] + changes))
        scene.end(failedWith: .constraint)
        // All of a commit or nothing.
        #expect(scene.count("consumer") == 0)
        #expect(scene.count("transfer") == 1)
    }

    // MARK: Damage

    /// Closes the store, changes bytes of its file, opens it again.
    private func damage(_ scene: Scene, _ find: String, _ replacement: String) throws {
        scene.close()
        let url = URL(fileURLWithPath: scene.path)
        var data = try Data(contentsOf: url)
        let range = try #require(data.range(of: Data(find.utf8)))
        data.replaceSubrange(range, with: Data(replacement.utf8))
        try data.write(to: url)
        try scene.reopenClosed()
    }

    @Test(arguments: [
        ("needle-in-record", Query.unfinished(transfer: 1, after: -1, limit: 9, bytes: 99)),
        ("needle-in-record", .records(transfer: 1, ordinals: [0])),
        ("needle-in-record", .results(transfer: 1, schema: nil, offset: 0, limit: 9, bytes: 99)),
        ("needle-in-outcome", .results(transfer: 1, schema: nil, offset: 0, limit: 9, bytes: 99)),
        ("needle-in-outcome", .finishedFrom(transfer: 1, index: 0)),
        ("needle-in-outcome", .events(after: 0, filter: EventFilter(), limit: 9, bytes: 99)),
        ("needle-in-ledger", .ledger(scope: Sample.scope, resource: "contacts", internalIDs: ["x"])),
    ])
    func aByteThatFlippedIsFound(needle: String, query: Query) throws {
        let scene = try Scene()
        scene.commit([
            .session(Sample.session()), .transferBegun(Sample.transfer(1, records: 2)),
            .records([Sample.record(1, 0, data: "needle-in-record"), Sample.record(1, 1)]),
            .transferAccepted(sequence: 1), .ledger([Sample.ledger("x", "needle-in-ledger")]),
        ])
        if needle == "needle-in-outcome" || query == .results(transfer: 1, schema: nil, offset: 0, limit: 9, bytes: 99)
        {
            scene.commit(
                .outcomes([Sample.outcome(1, 0, data: "needle-in-outcome")]),
                .events([Sample.event(1, transfer: 1, kind: .data, range: 0..<1)]))
        }
        #expect(scene.ask(query) != nil)
        try damage(scene, needle, "n" + needle.dropFirst().replacingOccurrences(of: "ee", with: "eE"))
        #expect(scene.ask(query) == nil)
        #expect(scene.failures.first?.exitCode == 65)
        #expect(scene.failures.first?.description.contains("eedle") == false)
        // Nothing is answered after it.
        var answered = false
        scene.store.read(.transfer(id: Sample.id(1))) { _ in answered = true }
        scene.pass(seconds: 0.05) { false }
        #expect(!answered)
        scene.end(failedWith: .damaged)
    }

    /// 300 copies of the file, each with one byte changed: opened and right, or refused. Never a wrong result, never a crash.
    @Test func anyByteMayFlip() throws {
        let scene = try Scene()
        scene.commit(
            [.session(Sample.session())] + Sample.whole(1, records: 60) + Sample.ended(1, records: 60, event: 1))
        let query = Query.results(transfer: 1, schema: nil, offset: 0, limit: 99, bytes: 99_999)
        let right = scene.ask(query)
        scene.end()
        let original = try Data(contentsOf: URL(fileURLWithPath: scene.path))
        var random = Sequence(seed: 17)
        var (refused, failed, same) = (0, 0, 0)
        for _ in 0..<300 {
            var bytes = original
            let place = Int(random.next() % UInt64(bytes.count))
            bytes[place] ^= UInt8(1 << (random.next() % 8))
            try bytes.write(to: URL(fileURLWithPath: scene.path))
            let loop = try Loop()
            do throws(StoreFailure) {
                let store = try DurableStore(loop: loop, path: scene.path)
                store.onFailure = { failure in
                    if failure.exitCode != 65 { Issue.record("byte \(place): \(failure)") }
                    failed += 1
                    store.close { loop.stop() }
                }
                store.read(query) { answer in
                    if answer == right { same += 1 } else { Self.judge(answer, right, place) }
                    store.close { loop.stop() }
                }
                loop.run()
            } catch {
                // 78: the number of the schema; 74: a file format that SQLite only reads.
                if ![65, 74, 78].contains(error.exitCode) { Issue.record("byte \(place): \(error)") }
                refused += 1
            }
            #expect(loop.close())
        }
        #expect(refused + failed > 10)
        #expect(same > 10)
    }

    /// A transfer that is not found is no wrong result; another row is.
    private static func judge(_ answer: Answer, _ right: Answer?, _ place: Int) {
        guard case .results(let rows, let total) = answer, case .results(let all, _)? = right else { return }
        if !(total == 0 && rows.isEmpty) && rows != Array(all.prefix(rows.count)) {
            let differing = zip(rows, all).first { $0 != $1 }
            Issue.record("byte \(place): \(String(describing: differing))")
        }
    }

    private struct Sequence {
        var seed: UInt64
        mutating func next() -> UInt64 {
            seed = seed &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return seed >> 33
        }
    }

    @Test func rowsOfAnotherTypeAreDamageAndNoTrap() throws {
        for (sql, query) in [
            ("UPDATE outcome SET kind=99", Query.results(transfer: 1, schema: nil, offset: 0, limit: 9, bytes: 99)),
            ("UPDATE record SET schema=99999", .records(transfer: 1, ordinals: [0])),
            ("UPDATE record SET top=5", .results(transfer: 1, schema: nil, offset: 0, limit: 9, bytes: 99)),
            ("DELETE FROM record", .results(transfer: 1, schema: nil, offset: 0, limit: 9, bytes: 99)),
            ("DELETE FROM outcome", .results(transfer: 1, schema: nil, offset: 0, limit: 9, bytes: 99)),
            ("UPDATE transfer SET all_records=1<<40", .transfer(id: Sample.id(1))),
            ("UPDATE transfer SET schema_key=x'00'", .transfer(id: Sample.id(1))),
            ("UPDATE event SET kind=77", .events(after: 0, filter: EventFilter(), limit: 9, bytes: 99)),
            ("UPDATE event SET counts='1,2'", .events(after: 0, filter: EventFilter(), limit: 9, bytes: 99)),
            ("UPDATE session SET id=x'0102'", .events(after: 0, filter: EventFilter(), limit: 9, bytes: 99)),
            ("UPDATE meta SET value='x' WHERE name='store_id'", .transfer(id: Sample.id(1))),
        ] {
            let scene = try Scene()
            scene.commit([.session(Sample.session())] + Sample.whole(1) + Sample.ended(1, event: 1))
            #expect(scene.raw(sql).isEmpty, "\(sql)")
            if sql.contains("meta") {
                scene.close()
                let loop = try Loop()
                #expect(throws: StoreFailure.self) { _ = try DurableStore(loop: loop, path: scene.path) }
                #expect(loop.close())
                continue
            }
            #expect(scene.ask(query) == nil, "\(sql)")
            scene.end(failedWith: .damaged)
        }
        // A removal of a kind that nobody knows.
        let scene = try Scene()
        scene.close()
        scene.raw("INSERT INTO removal(kind, target) VALUES(9, 9)")
        try scene.reopenClosed()
        scene.pass { !scene.failures.isEmpty }
        scene.end(failedWith: .damaged)
    }

    // MARK: Files and locks

    @Test func aForeignLockIsWaitedForAndThenStops() throws {
        var settings = StoreSettings()
        settings.lockMilliseconds = 100
        let scene = try Scene(settings: settings)
        let foreign = try Database(path: scene.path, access: .write, lockMilliseconds: 1000)
        try foreign.begin()
        #expect(!scene.commit(.session(Sample.session())))
        foreign.rollBack()
        #expect(scene.failures.first?.exitCode == 75)
        scene.end(failedWith: .locked)
    }

    @Test func threadsThatCannotOpenTheFileSaySo() throws {
        let folder = NSTemporaryDirectory() + "gone-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let file = try StoreFile(path: folder + "/gateway.db")
        try FileManager.default.removeItem(atPath: folder)
        #expect(file.freeBytes == nil)
        #expect(throws: StoreFailure.self) { try file.makeIfMissing() }
        #expect(throws: StoreFailure.self) { try file.flushDirectory() }
        let loop = try Loop()
        var kinds: [StoreFailure.Kind] = []
        let writer = try Worker<WriterOrder, WriterReport>(
            loop: loop, name: "writer", body: { Writer.run($0, file: file, settings: StoreSettings()) },
            onReports: { reports in
                for case .failed(let failure) in reports { kinds.append(failure.kind) }
            })
        let reader = try Worker<Query, ReaderReport>(
            loop: loop, name: "reader", body: { Reader.run($0, file: file, settings: StoreSettings()) },
            onReports: { reports in
                for case .failed(let failure) in reports { kinds.append(failure.kind) }
            })
        writer.close {}
        reader.close {}
        loop.run()
        #expect(kinds == [.io, .io])
        #expect(loop.close())
    }

    @Test func aLockThatCannotBeHadIsSaid() throws {
        let folder = NSTemporaryDirectory() + "lock-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder + "/gateway.db.lock", withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let loop = try Loop()
        #expect {
            _ = try DurableStore(loop: loop, path: folder + "/gateway.db")
        } throws: { error in
            guard let failure = error as? StoreFailure, case .system(let system) = failure.kind else { return false }
            return system.code == -EISDIR && failure.exitCode == 74
        }
        // Left unreadable by whoever holds it: held all the same.
        let path = folder + "/other.db"
        let descriptor = open(path + ".lock", O_RDWR | O_CREAT, 0o600)
        #expect(flock(descriptor, LOCK_EX) == 0)
        #expect {
            _ = try DurableStore(loop: loop, path: path)
        } throws: { ($0 as? StoreFailure)?.kind == .held(pid: nil) }
        Glibc.close(descriptor)
        #expect(loop.close())
    }
}
