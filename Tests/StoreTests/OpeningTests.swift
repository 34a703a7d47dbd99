import CSQLite
import EventLoop
import Foundation
import PushCore
import Testing

@testable import Store

@Suite struct OpeningTests {
    @Test func aNewStoreIsMadeWithItsDirectoriesForItsOwnerOnly() throws {
        let base = URL(fileURLWithPath: NSTemporaryDirectory()).appendingPathComponent("new-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: base) }
        let path = base.appendingPathComponent("deep/er/gateway.db").path
        let mask = umask(0)
        defer { umask(mask) }
        let loop = try Loop()
        let store = try DurableStore(loop: loop, path: path)
        #expect(store.state.lastEvent == 0)
        #expect(store.state.oldestEvent == 1)
        #expect(store.state.storeID != 0)
        func mode(_ path: String) -> Int? {
            (try? FileManager.default.attributesOfItem(atPath: path))?[.posixPermissions] as? Int
        }
        #expect(mode(path) == 0o600)
        #expect(mode(path + ".lock") == 0o600)
        #expect(mode(path + "-wal") == 0o600)
        #expect(mode(base.path) == 0o700)
        #expect(mode(base.appendingPathComponent("deep/er").path) == 0o700)
        store.close { loop.stop() }
        loop.run()
        #expect(loop.close())
    }

    @Test func whatDurabilityRestsOnIsInForce() throws {
        let scene = try Scene()
        let database = try Database(path: scene.path, access: .write, lockMilliseconds: 1000)
        try database.makeDurable()
        #expect(try database.text("PRAGMA journal_mode") == "wal")
        #expect(try database.text("PRAGMA synchronous") == "2")
        #expect(try database.text("PRAGMA secure_delete") == "1")
        #expect(try database.text("PRAGMA trusted_schema") == "0")
        // Defensive: the schema cannot be written as a table.
        #expect(throws: StoreFailure.self) {
            try database.execute("PRAGMA writable_schema=ON; DELETE FROM sqlite_schema", "x")
        }
        #expect(scene.raw("PRAGMA application_id") == [["\(Migrations.applicationID)"]])
        #expect(scene.raw("PRAGMA user_version") == [["\(Migrations.newest)"]])
        scene.end()
    }

    @Test func aSettingThatIsNotTakenIsRefused() throws {
        // A database in memory has no log to write ahead.
        let database = try Database(path: ":memory:", access: .write, lockMilliseconds: 10)
        #expect {
            try database.makeDurable()
        } throws: { error in
            let failure = error as? StoreFailure
            return failure?.kind == .notDurable(setting: "journal_mode=wal") && failure?.exitCode == 70
        }
    }

    @Test func aSecondGatewayIsRefusedAtOnceWithThePidOfTheFirst() throws {
        let scene = try Scene()
        let loop = try Loop()
        let began = Date()
        #expect {
            _ = try DurableStore(loop: loop, path: scene.path)
        } throws: { error in
            let failure = error as? StoreFailure
            return failure?.kind == .held(pid: getpid()) && failure?.exitCode == 75
                && failure?.description.contains("pid \(getpid())") == true
        }
        #expect(Date().timeIntervalSince(began) < 1)
        // By another way to the same file as well.
        let link = scene.folder.appendingPathComponent("link.db").path
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: scene.path)
        #expect(throws: StoreFailure.self) { _ = try DurableStore(loop: loop, path: link) }
        scene.end()
        let store = try DurableStore(loop: loop, path: link)
        store.close { loop.stop() }
        loop.run()
        #expect(loop.close())
    }

    @Test func afterAKillTheNextGatewayFindsWhatWasConfirmed() async throws {
        let folder = NSTemporaryDirectory() + "kill-\(UUID().uuidString)"
        let path = folder + "/gateway.db"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        await #expect(processExitsWith: .signal(SIGKILL)) { [path = path as String] in
            let loop = try Loop()
            let store = try DurableStore(loop: loop, path: path)
            store.commit([.session(Sample.session())] + Sample.whole(1)) {
                kill(getpid(), SIGKILL)
            }
            loop.run()
        }
        let loop = try Loop()
        let store = try DurableStore(loop: loop, path: path)
        #expect(store.state.openTransfers.map(\.sequence) == [1])
        #expect(store.state.sessions == [Sample.session()])
        store.close { loop.stop() }
        loop.run()
        #expect(loop.close())
    }

    @Test func aNewerStoreIsRefusedAndLeftAsItIs() throws {
        let scene = try Scene()
        scene.commit([.session(Sample.session())] + Sample.whole(1))
        scene.close()
        scene.raw("PRAGMA user_version=999")
        let before = try Data(contentsOf: URL(fileURLWithPath: scene.path))
        let names = try FileManager.default.contentsOfDirectory(atPath: scene.folder.path)
        let loop = try Loop()
        #expect {
            _ = try DurableStore(loop: loop, path: scene.path)
        } throws: { error in
            let failure = error as? StoreFailure
            return failure?.kind == .newerSchema(found: 999, known: Migrations.newest) && failure?.exitCode == 78
        }
        #expect(try Data(contentsOf: URL(fileURLWithPath: scene.path)) == before)
        #expect(try FileManager.default.contentsOfDirectory(atPath: scene.folder.path) == names)
        #expect(loop.close())
    }

    /// The newer version may have been killed before it copied its log: the header of the file does not tell then.
    @Test func aNewerStoreWhoseVersionStandsInTheLogIsRefusedToo() throws {
        let scene = try Scene()
        scene.close()
        var handle: OpaquePointer?
        #expect(sqlite3_open(scene.path, &handle) == SQLITE_OK)
        sqlite3_exec(handle, "PRAGMA user_version=997; CREATE TABLE more(x); BEGIN; SELECT * FROM more", nil, nil, nil)
        // Copies of what a killed process leaves: the file as it was, the log with the news.
        let other = scene.folder.appendingPathComponent("copy.db").path
        for suffix in ["", "-wal"] {
            try FileManager.default.copyItem(atPath: scene.path + suffix, toPath: other + suffix)
        }
        sqlite3_close_v2(handle)
        let before = try ["", "-wal"].map { try Data(contentsOf: URL(fileURLWithPath: other + $0)) }
        let loop = try Loop()
        #expect {
            _ = try DurableStore(loop: loop, path: other)
        } throws: { error in
            (error as? StoreFailure)?.kind == .newerSchema(found: 997, known: Migrations.newest)
        }
        #expect(try ["", "-wal"].map { try Data(contentsOf: URL(fileURLWithPath: other + $0)) } == before)
        #expect(loop.close())
    }

    @Test func otherFilesAreRefusedAndLeftAsTheyAre() throws {
        let folder = URL(fileURLWithPath: NSTemporaryDirectory()).appendingPathComponent("other-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let loop = try Loop()
        func kind(of path: String) -> (StoreFailure.Kind, Int32)? {
            do throws(StoreFailure) {
                _ = try DurableStore(loop: loop, path: path)
                return nil
            } catch {
                return (error.kind, error.exitCode)
            }
        }
        let text = folder.appendingPathComponent("text").path
        try Data(repeating: 65, count: 9000).write(to: URL(fileURLWithPath: text))
        #expect(kind(of: text)?.0 == .damaged)
        #expect(kind(of: text)?.1 == 65)
        #expect(try Data(contentsOf: URL(fileURLWithPath: text)) == Data(repeating: 65, count: 9000))
        let foreign = folder.appendingPathComponent("foreign.db").path
        Scene.raw(foreign, "CREATE TABLE theirs(x)")
        #expect(kind(of: foreign)?.0 == .foreign)
        #expect(kind(of: foreign)?.1 == 65)
        #expect(Scene.raw(foreign, "SELECT name FROM sqlite_schema") == [["theirs"]])
        // Ours by its mark, but without a version.
        let versionless = folder.appendingPathComponent("versionless.db").path
        Scene.raw(versionless, "CREATE TABLE x(y); PRAGMA application_id=\(Migrations.applicationID)")
        #expect(kind(of: versionless)?.0 == .damaged)
        // Paths that no file can have.
        for path in [folder.path, text + "/below.db", folder.path + "/", folder.path + "/.."] {
            guard let (kind, status) = kind(of: path) else {
                Issue.record("opened \(path)")
                continue
            }
            #expect(status == 74, "\(kind)")
        }
        let pipe = folder.appendingPathComponent("pipe").path
        #expect(mkfifo(pipe, 0o600) == 0)
        #expect(kind(of: pipe)?.1 == 74)
        // No lock beside what cannot be a store.
        #expect(!FileManager.default.fileExists(atPath: folder.path + ".lock"))
        #expect(!FileManager.default.fileExists(atPath: pipe + ".lock"))
        #expect(loop.close())
    }

    @Test func aProcessForkedMeanwhileDoesNotHoldTheStore() throws {
        let scene = try Scene()
        // What a fork leaves behind until its exec: a second descriptor of the same open file.
        let own = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").compactMap { Int32($0) }.first {
            (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\($0)")) == scene.path + ".lock"
        }
        let copy = dup(try #require(own))
        try scene.reopen()
        Glibc.close(copy)
        scene.end()
    }

    @Test func pathsMayHoldWhatAnURIMayNot() throws {
        let folder = NSTemporaryDirectory() + "odd ?#%25 ü-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let path = folder + "/a?mode=ro#%41.db"
        for round in 0..<2 {
            let loop = try Loop()
            let store = try DurableStore(loop: loop, path: path)
            #expect(store.state.sessions.count == round)
            store.commit([.session(Sample.session())]) { store.close { loop.stop() } }
            loop.run()
            #expect(loop.close())
        }
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: folder).sorted() == [
                "a?mode=ro#%41.db", "a?mode=ro#%41.db.lock",
            ])
    }

    @Test func theStoreKeepsItsName() throws {
        let scene = try Scene()
        let name = scene.store.state.storeID
        try scene.reopen()
        #expect(scene.store.state.storeID == name)
        let another = try Scene()
        #expect(another.store.state.storeID != name)
        another.end()
        scene.end()
    }

    @Test func closingCopiesTheLogIntoTheFile() throws {
        let scene = try Scene()
        scene.commit([.session(Sample.session())] + Sample.whole(1))
        scene.end()
        #expect(!FileManager.default.fileExists(atPath: scene.path + "-wal"))
        #expect(scene.count("record") == 1)
    }

    @Test func everyFailureSaysWhatToDoAndHasAStatus() {
        let cases: [(StoreFailure, Int32, String)] = [
            (StoreFailure(.held(pid: nil), operation: "lock store"), 75, "Another gateway holds"),
            (
                StoreFailure(code: SQLITE_BUSY, operation: "begin group"), 75,
                "begin group: database is locked, SQLite 5"
            ),
            (StoreFailure(code: SQLITE_FULL, operation: "commit group"), 74, "No space"),
            (StoreFailure(code: SQLITE_IOERR | 4 << 8, operation: "commit group"), 74, "SQLite 1034"),
            (StoreFailure(code: SQLITE_NOMEM, operation: "commit group"), 70, "out of memory"),
            (StoreFailure(code: SQLITE_CONSTRAINT, operation: "write record"), 70, "bug of the gateway"),
            (StoreFailure(code: SQLITE_CORRUPT, operation: "read record"), 65, "damaged"),
            (StoreFailure(.foreign, operation: "x"), 65, "another program"),
            (StoreFailure(.newerSchema(found: 2, known: 1), operation: "x"), 78, "schema 2"),
            (StoreFailure(.notDurable(setting: "synchronous=2"), operation: "x"), 70, "synchronous=2"),
            (
                StoreFailure(.system(LoopFailure(code: -13, operation: "open lock")), operation: "open lock"), 74,
                "open lock: permission denied (EACCES)"
            ),
        ]
        for (failure, status, text) in cases {
            #expect(failure.exitCode == status)
            #expect(failure.description.contains(text), "\(failure)")
        }
    }
}
