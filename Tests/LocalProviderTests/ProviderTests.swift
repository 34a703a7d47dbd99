import EventLoop
import Foundation
import JSON
import PushCore
import Testing

@testable import LocalProvider

@Suite struct ProviderTests {
    @Test func latencyHoldsAnswersBackButNotThoseOfOtherAccounts() throws {
        let scene = try Scene()
        // Files are made first: that takes as long as the disk likes.
        for (name, latency) in [("a", 300), ("fast", 0), ("slower", 600)] {
            scene.provider.open(account: name, settings: LocalSettings())
            #expect(scene.write("[]", account: name).status == 200)
            scene.provider.open(account: name, settings: LocalSettings(latencyMilliseconds: latency))
        }
        let start = scene.loop.now
        var answers: [(name: String, milliseconds: UInt64)] = []
        for name in ["slower", "a", "fast", "a"] {
            scene.provider.perform(scene.exchange("/contacts/read", "{}", account: name)) { outcome in
                #expect(Reply(outcome).status == 200)
                answers.append((name, (scene.loop.now - start) / 1_000_000))
                if answers.count == 4 { scene.loop.stop() }
            }
        }
        #expect(answers.isEmpty)
        scene.loop.run()
        #expect(answers.map(\.name) == ["fast", "a", "a", "slower"])
        #expect(answers[0].milliseconds < 300)
        #expect(answers[1].milliseconds >= 300)
        #expect(answers[3].milliseconds >= 600)
        scene.end()
    }

    @Test func closeAnswersEverythingFirst() throws {
        let scene = try Scene(LocalSettings(latencyMilliseconds: 100_000))
        var order: [String] = []
        let write = scene.exchange("/contacts/write", #"{"inputs":[{"trace":0,"op":"create"}]}"#, key: "k")
        // Held back already, and not yet done.
        scene.provider.perform(write) { order.append("first \(Reply($0).status)") }
        let timer = Timer(loop: scene.loop)
        timer.start(after: 50_000_000) {
            timer.close()
            scene.provider.perform(write) { order.append("second \(Reply($0).status)") }
            scene.provider.close { order.append("closed") }
            scene.provider.perform(write) { order.append("late \(Reply($0).failure?.rawValue ?? "")") }
        }
        scene.loop.run()
        #expect(order.filter { $0 != "late connect" }.sorted() == ["closed", "first 200", "second 200"])
        #expect(order.contains("late connect"))
        #expect(order.last == "closed")
        #expect(scene.loop.close())
    }

    @Test func filesAreTheOwnersOnlyAndMadeLate() throws {
        let scene = try Scene()
        #expect(!FileManager.default.fileExists(atPath: scene.folder("accounts")))
        #expect(Reply(scene.perform(scene.exchange("/contacts/read", "{", key: nil))).status == 400)
        #expect(!FileManager.default.fileExists(atPath: scene.folder("accounts")))
        let mask = umask(0)
        scene.create("{}")
        umask(mask)
        for name in ["a.db", "a.db-wal", "a.db-shm"] {
            let attributes = try FileManager.default.attributesOfItem(atPath: scene.folder("accounts/of/local/\(name)"))
            #expect(attributes[.posixPermissions] as? Int == 0o600)
        }
        let directory = try FileManager.default.attributesOfItem(atPath: scene.folder("accounts/of/local"))
        #expect(directory[.posixPermissions] as? Int == 0o700)
        scene.end()
        // Closed in good order: nothing is left beside the file.
        #expect(try FileManager.default.contentsOfDirectory(atPath: scene.folder("accounts/of/local")) == ["a.db"])
    }

    @Test(arguments: ["", ".", "..", ".a", "a/b", "a b", "ä", "a\u{0}", "../a", String(repeating: "a", count: 65)])
    func aNameThatIsNoFileNameIsNotOpened(name: String) throws {
        #expect(!LocalExecutor.isValid(account: name))
        let scene = try Scene()
        scene.provider.open(account: name, settings: LocalSettings())
        let reply = Reply(scene.perform(scene.exchange("/contacts/read", "{}", account: name)))
        #expect(reply.failure == .connect)
        scene.end()
    }

    @Test(arguments: ["a", "A-b_c.9", "a..", String(repeating: "a", count: 64)])
    func aNameThatIsAFileNameIsValid(name: String) { #expect(LocalExecutor.isValid(account: name)) }

    @Test func anAccountThatWasNotOpenedFails() throws {
        let scene = try Scene()
        #expect(Reply(scene.perform(scene.exchange("/contacts/read", "{}", account: "b"))).failure == .connect)
        scene.end()
    }

    @Test func manyAccountsShareAFewOpenFiles() throws {
        let scene = try Scene()
        let names = (0..<AccountShelf.openCeiling + 8).map { "account-\($0)" }
        for name in names { scene.provider.open(account: name, settings: LocalSettings()) }
        for round in 0..<2 {
            for name in names {
                let key = "\(round)"
                let reply = scene.write(#"[{"trace":0,"op":"create"}]"#, key: key, account: name)
                #expect(reply.result(0)?["id"]?.string == "\(101 + round)")
            }
        }
        let links = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").compactMap {
            try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\($0)")
        }
        let open = Set(links.filter { $0.hasPrefix(scene.folder.path) && $0.hasSuffix(".db") })
        #expect(open.count == AccountShelf.openCeiling)
        #expect(!open.contains(scene.file("account-0")))
        #expect(try scene.count("1", account: "account-0") == 2)
        scene.end()
    }

    @Test func aLargeLogIsCopiedWhenIdle() throws {
        let scene = try Scene()
        let long = String(repeating: "x", count: 100_000)
        let inputs = (0..<10).map { #"{"trace":\#($0),"op":"create","fields":{"a":"\#(long)"}}"# }
        for _ in 0..<4 { scene.write("[\(inputs.joined(separator: ","))]") }
        // The file itself grows by checkpoints only.
        func size() throws -> Int {
            try FileManager.default.attributesOfItem(atPath: scene.file())[.size] as? Int ?? 0
        }
        let timer = Timer(loop: scene.loop)
        var waits = 0
        timer.start(after: 10_000_000, repeating: 10_000_000) {
            waits += 1
            if waits == 300 || (try? size()) ?? 0 > AccountFile.idleCheckpoint { scene.loop.stop() }
        }
        scene.loop.run()
        timer.close()
        #expect(try size() > AccountFile.idleCheckpoint)
        scene.end()
    }

    @Test func aBusyLogIsCopiedBeforeItGrowsForEver() throws {
        let folder = Folder()
        let file = try AccountFile.make(in: folder)
        let long = String(repeating: "x", count: 1_000_000)
        let inputs = (0..<10).map { #"{"trace":\#($0),"op":"create","fields":{"a":"\#(long)"}}"# }.joined(
            separator: ",")
        var largest = 0
        for number in 0..<7 {
            #expect(Reply(file.write("[\(inputs)]", key: "k\(number)")).status == 200)
            largest = max(largest, file.tables?.database.walBytes ?? 0)
        }
        #expect(largest < AccountFile.forcedCheckpoint)
        #expect(largest > AccountFile.idleCheckpoint)
        #expect(file.wantsCheckpoint)
        file.checkpoint()
        #expect(!file.wantsCheckpoint)
    }
}
