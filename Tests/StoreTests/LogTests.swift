import EventLoop
import Foundation
import PushCore
import Testing

@testable import Store

@Suite struct LogTests {
    private func logBytes(_ scene: Scene) -> Int {
        (try? FileManager.default.attributesOfItem(atPath: scene.path + "-wal"))?[.size] as? Int ?? 0
    }

    private func fileBytes(_ scene: Scene) -> Int {
        (try? FileManager.default.attributesOfItem(atPath: scene.path))?[.size] as? Int ?? 0
    }

    private func large(_ sequence: Int64) -> [Change] {
        [
            .transferBegun(Sample.transfer(sequence)),
            .records([Sample.record(sequence, 0, data: String(repeating: "x", count: 40_000))]),
            .transferAccepted(sequence: sequence),
        ]
    }

    @Test func anIdleWriterCopiesALogThatHasGrown() throws {
        var settings = StoreSettings()
        // More than making the tables writes, and less than the pushes below.
        settings.idleCheckpointBytes = 300_000
        settings.idleNanoseconds = 20_000_000
        let scene = try Scene(settings: settings)
        scene.commit(.session(Sample.session()))
        scene.pass(seconds: 0.2) { false }
        // Too small to be worth it.
        let small = fileBytes(scene)
        #expect(small <= 4096)
        for sequence in Int64(1)...10 { scene.commit(large(sequence)) }
        scene.pass { self.fileBytes(scene) > 400_000 }
        #expect(fileBytes(scene) > 400_000)
        // The log is used again from its beginning.
        let log = logBytes(scene)
        scene.commit(large(11))
        #expect(logBytes(scene) == log)
        scene.end()
    }

    @Test func aLongLogIsCopiedAndCutUnderLoad() throws {
        var settings = StoreSettings()
        settings.forcedCheckpointBytes = 400_000
        settings.idleNanoseconds = 60_000_000_000
        let scene = try Scene(settings: settings)
        scene.commit(.session(Sample.session()))
        var longest = 0
        for sequence in Int64(1)...60 {
            scene.commit(large(sequence))
            longest = max(longest, logBytes(scene))
        }
        #expect(longest > 300_000)
        #expect(longest < 600_000)
        #expect(fileBytes(scene) > 1_000_000)
        scene.end()
    }

    @Test func aReaderInTheWayIsNotWaitedFor() throws {
        var settings = StoreSettings()
        settings.forcedCheckpointBytes = 200_000
        let scene = try Scene(settings: settings)
        scene.commit(.session(Sample.session()))
        let foreign = try Database(path: scene.path, access: .read, lockMilliseconds: 1000)
        try foreign.statement("BEGIN", "x").run()
        _ = try foreign.integer("SELECT count(*) FROM record", "x")
        let began = Date()
        for sequence in Int64(1)...30 { #expect(scene.commit(large(sequence))) }
        #expect(Date().timeIntervalSince(began) < 4)
        #expect(logBytes(scene) > 1_000_000)
        try foreign.statement("COMMIT", "x").run()
        for sequence in Int64(31)...40 { scene.commit(large(sequence)) }
        #expect(logBytes(scene) < 400_000)
        scene.end()
    }

    @Test func theLogOfAKilledProcessIsCopiedWhenIdle() async throws {
        let folder = NSTemporaryDirectory() + "log-\(UUID().uuidString)"
        let path = folder + "/gateway.db"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        await #expect(processExitsWith: .signal(SIGKILL)) { [path = path as String] in
            let loop = try Loop()
            let store = try DurableStore(loop: loop, path: path)
            let record = Sample.record(1, 0, data: String(repeating: "x", count: 400_000))
            store.commit([
                .session(Sample.session()), .transferBegun(Sample.transfer(1)), .records([record]),
                .transferAccepted(sequence: 1),
            ]) { kill(getpid(), SIGKILL) }
            loop.run()
        }
        func size(_ path: String) -> Int {
            (try? FileManager.default.attributesOfItem(atPath: path))?[.size] as? Int ?? 0
        }
        #expect(size(path + "-wal") > 400_000)
        var settings = StoreSettings()
        settings.idleCheckpointBytes = 100_000
        settings.idleNanoseconds = 10_000_000
        let loop = try Loop()
        let store = try DurableStore(loop: loop, path: path, settings: settings)
        let timer = EventLoop.Timer(loop: loop)
        let end = Date(timeIntervalSinceNow: 10)
        timer.start(after: 0, repeating: 5_000_000) { if size(path) > 400_000 || Date() > end { loop.stop() } }
        loop.run()
        timer.close()
        #expect(size(path) > 400_000)
        store.close { loop.stop() }
        loop.run()
        #expect(loop.close())
    }
}
