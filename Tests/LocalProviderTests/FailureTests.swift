import Foundation
import JSON
import PushCore
import Testing

@testable import LocalProvider

extension AccountFile {
    /// A file that is driven on the test's own thread.
    static func make(in folder: Folder, answerCeiling: Int = LocalCall.answerCeiling) throws -> AccountFile {
        try FileManager.default.createDirectory(atPath: folder.path, withIntermediateDirectories: true)
        return AccountFile(
            path: folder("a.db"), settings: LocalSettings(), resources: crm, catalogue: Catalogue(crm),
            answerCeiling: answerCeiling)
    }

    func write(_ inputs: String, key: String) -> ExchangeOutcome {
        let exchange = Exchange(
            account: AccountKey(provider: "local", name: "a"), method: "POST", path: "/contacts/write",
            body: Array(#"{"inputs":\#(inputs)}"#.utf8), idempotencyKey: key)
        return perform(exchange, at: 1_780_000_000_000)
    }

    func read(_ body: String) -> ExchangeOutcome {
        let exchange = Exchange(
            account: AccountKey(provider: "local", name: "a"), method: "POST", path: "/contacts/read",
            body: Array(body.utf8))
        return perform(exchange, at: 1_780_000_000_000)
    }
}

@Suite struct FailureTests {
    private let create = #"[{"trace":0,"op":"create","fields":{"email":"a@x.com"}}]"#

    @Test func aForeignLockIsMetBeforeAnythingWasBegun() throws {
        let scene = try Scene()
        scene.create("{}")
        let other = try Database(path: scene.file())
        try other.execute("BEGIN IMMEDIATE", "lock")
        #expect(scene.write(create, key: "k").failure == .connect)
        #expect(scene.record("101") != nil)
        try other.execute("ROLLBACK", "unlock")
        #expect(scene.write(create, key: "k").result(0)?["id"] == "102")
        #expect(try scene.count("key = 'k'") == 1)
        scene.end()
    }

    @Test func aFullFileTakesNothingAndWorksAgainWithRoom() throws {
        let folder = Folder()
        let file = try AccountFile.make(in: folder)
        #expect(Reply(file.write(create, key: "before")).status == 200)
        let database = try #require(file.tables?.database)
        let pages = try database.integer("PRAGMA page_count") ?? 0
        try database.execute("PRAGMA max_page_count = \(pages)", "make full")
        let large = #"[{"trace":0,"op":"create","fields":{"a":"\#(String(repeating: "x", count: 100_000))"}}]"#
        #expect(Reply(file.write(large, key: "k")).failure == .connect)
        #expect(try Database(path: file.path).integer("SELECT count(*) FROM effect") == 1)
        try database.execute("PRAGMA max_page_count = 1000000", "make room")
        let reply = Reply(file.write(large, key: "k"))
        #expect(reply.result(0)?["id"] == "102" && !reply.isReplayed)
    }

    /// In a process of its own: a size that files cannot pass makes the write of the log fail at COMMIT.
    @Test func afterAFailedCommitTheFateIsUnknownAndTheAccountOutOfUse() async {
        await #expect(processExitsWith: .success) {
            let folder = Folder()
            let file = try AccountFile.make(in: folder)
            let create = #"[{"trace":0,"op":"create","fields":{"a":"\#(String(repeating: "x", count: 100_000))"}}]"#
            try #require(Reply(file.write(create, key: "before")).status == 200)
            try Scarcity.begin(bytes: 150_000)
            try #require(Reply(file.write(create, key: "k")).failure == .receive)
            try Scarcity.end()
            try #require(Reply(file.write(create, key: "later")).failure == .connect)
            try #require(Reply(file.read(#"{"ids":["101"]}"#)).failure == .connect)
            let again = try AccountFile.make(in: folder)
            try #require(Reply(again.read(#"{"ids":["101"]}"#)).status == 200)
            let settled = Reply(again.write(create, key: "k"))
            try #require(settled.result(0)?["id"] == "102")
            try #require(try Database(path: again.path).integer("SELECT count(*) FROM effect WHERE key = 'k'") == 1)
        }
    }

    @Test func afterAFailedCheckpointTheAccountIsOutOfUse() async {
        await #expect(processExitsWith: .success) {
            let folder = Folder()
            let file = try AccountFile.make(in: folder)
            let long = String(repeating: "x", count: 1_000_000)
            for number in 0..<3 {
                let reply = Reply(
                    file.write(#"[{"trace":0,"op":"create","fields":{"a":"\#(long)"}}]"#, key: "\(number)"))
                try #require(reply.status == 200)
            }
            try #require(file.wantsCheckpoint)
            try Scarcity.begin(bytes: 150_000)
            file.checkpoint()
            try Scarcity.end()
            try #require(!file.isOpen && !file.wantsCheckpoint)
            try #require(Reply(file.read("{}")).failure == .connect)
            let again = try AccountFile.make(in: folder)
            try #require(Reply(again.read(#"{"ids":["103"]}"#))["records"]?.elements?.count == 1)
        }
    }

    @Test func filesOfOthersAreRefusedUntouched() throws {
        let folder = Folder()
        let file = try AccountFile.make(in: folder)
        func refused(_ reason: String) throws {
            let before = try Data(contentsOf: URL(fileURLWithPath: file.path))
            guard case .failed(.connect, let text) = file.write(create, key: "k") else {
                Issue.record("A file of \(reason) was taken.")
                return
            }
            #expect(text.contains(reason))
            #expect(try Data(contentsOf: URL(fileURLWithPath: file.path)) == before)
            try FileManager.default.removeItem(atPath: file.path)
        }
        try Data("This is a text and no database, long enough to have a header.".utf8)
            .write(to: URL(fileURLWithPath: file.path))
        try refused("not a database")
        try Data().write(to: URL(fileURLWithPath: file.path))
        try Database(path: file.path).execute("CREATE TABLE other (a)", "make")
        try refused("another program")
        try Data().write(to: URL(fileURLWithPath: file.path))
        try Database(path: file.path).execute(
            "PRAGMA application_id = \(AccountTables.applicationID); PRAGMA user_version = 99", "make")
        try refused("newer version")
        try FileManager.default.createDirectory(atPath: file.path, withIntermediateDirectories: false)
        #expect(Reply(file.write(create, key: "k")).failure == .connect)
        try FileManager.default.removeItem(atPath: file.path)
        #expect(Reply(file.write(create, key: "k")).status == 200)
    }

    @Test func aDirectoryThatCannotBeMadeFailsEachExchange() throws {
        let folder = Folder()
        try Data().write(to: URL(fileURLWithPath: folder.path))
        let scene = try Scene(in: folder)
        #expect(scene.write(create).failure == .connect)
        #expect(scene.read("{}").failure == .connect)
        scene.end()
    }

    @Test func damagedFieldsAreNotCoveredUp() throws {
        let folder = Folder()
        let file = try AccountFile.make(in: folder)
        #expect(Reply(file.write(create, key: "k")).status == 200)
        try Database(path: file.path).execute("UPDATE record SET fields = '{\"a\":'", "damage")
        let update = #"[{"trace":0,"op":"update","id":"101","fields":{"b":1}}]"#
        #expect(Reply(file.write(update, key: "u")).failure == .connect)
        #expect(try Database(path: file.path).text("SELECT fields FROM record") == #"{"a":"#)
    }

    @Test func durabilityIsAskedForAndReadBack() throws {
        let folder = Folder()
        let file = try AccountFile.make(in: folder)
        #expect(Reply(file.write(create, key: "k")).status == 200)
        #expect(try file.tables?.database.integer("PRAGMA synchronous") == 2)
        #expect(try file.tables?.database.text("PRAGMA journal_mode") == "wal")
        // A file in memory has no log.
        #expect {
            _ = try AccountTables(path: ":memory:", resources: [])
        } throws: {
            ($0 as? DatabaseFailure)?.code == DatabaseFailure.notDurable
        }
    }

    @Test func sqliteRefusesWhatNoCeilingLetsThrough() throws {
        let folder = Folder()
        let file = try AccountFile.make(in: folder)
        #expect(Reply(file.write(create, key: "k")).status == 200)
        let database = try Database(path: file.path)
        let statement = try database.prepare("SELECT ?1, ?2")
        statement.bind([UInt8](repeating: 0x78, count: Int(Database.valueCeiling) + 1), at: 1)
        #expect(throws: DatabaseFailure.self) { try statement.step() }
        statement.bind([], at: 1)
        statement.bindNull(at: 2)
        #expect(try statement.step())
        #expect(statement.text(0) == "")
        #expect(throws: DatabaseFailure.self) { try database.prepare("SELEC") }
    }
}

/// Lets no file grow past a size, by which the system refuses writes as a full or broken disk does.
enum Scarcity {
    static func begin(bytes: UInt) throws {
        signal(SIGXFSZ, SIG_IGN)
        try limit(bytes)
    }

    static func end() throws { try limit(UInt(bitPattern: Int.max)) }

    private static func limit(_ bytes: UInt) throws {
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
        limit.rlim_cur = min(bytes, UInt(limit.rlim_max))
        try #require(setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit) == 0)
    }
}
