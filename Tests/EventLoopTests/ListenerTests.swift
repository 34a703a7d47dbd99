import CUV
import Glibc
import Testing

@testable import EventLoop

@Suite(.serialized) struct ListenerTests {
    /// Tries to listen; answers the failure.
    private func failure(_ path: String, _ loop: Loop) -> ListenFailure? {
        do throws(ListenFailure) {
            try Listener(loop: loop, path: path) { stream, _ in stream.close() }.close()
            return nil
        } catch {
            return error
        }
    }

    @Test func aClientIsKnownAndAnswered() throws {
        let loop = try Loop()
        let folder = Folder()
        var peer: PeerCredentials?
        let listener = try Listener(loop: loop, path: folder("s")) { stream, credentials in
            peer = credentials
            stream.onBytes = { stream.write(Array("echo ".utf8) + $0) }
            stream.onEnd = { _ in stream.endOutput { stream.close() } }
            stream.startReading()
        }
        let client = try #require(RawSocket(connectingTo: folder("s")))
        client.write("hello")
        client.end()
        let timer = Timer(loop: loop)
        timer.start(after: 30_000_000) {
            timer.close()
            listener.close()
        }
        loop.run()
        #expect(string(client.read()) == "echo hello")
        #expect(client.read() == [])
        client.close()
        #expect(peer?.pid == getpid())
        #expect(peer?.uid == geteuid())
        #expect(peer?.gid == getegid())
        var groups = [gid_t](repeating: 0, count: 1024)
        let count = Int(getgroups(1024, &groups))
        #expect(peer?.groups == Array(groups[..<count]))
        #expect(folder.names == ["s.lock"])
        #expect(loop.close() == true)
    }

    // In a process of its own: the umask belongs to all of it.
    @Test func modeIsExactWhateverTheUmask() async {
        await #expect(processExitsWith: .success) {
            let loop = try Loop()
            let folder = Folder()
            for mask: mode_t in [0o000, 0o077, 0o777] {
                for mode: UInt32 in [0o600, 0o660, 0o666] {
                    umask(mask)
                    let listener = try Listener(loop: loop, path: folder("s"), mode: mode, group: getegid()) {
                        stream, _ in stream.close()
                    }
                    let found = try #require(status(folder("s")))
                    #expect(found.st_mode & 0o7777 == mode)
                    #expect(found.st_gid == getegid())
                    let lock = try #require(status(folder("s.lock")))
                    #expect(lock.st_mode & 0o077 == 0)
                    listener.close()
                    unlink(folder("s.lock"))
                }
            }
            if geteuid() == 0 {
                let listener = try Listener(loop: loop, path: folder("s"), mode: 0o660, group: 12) { stream, _ in
                    stream.close()
                }
                #expect(status(folder("s"))?.st_gid == 12)
                listener.close()
            }
            loop.run()
            #expect(loop.close() == true)
        }
    }

    @Test func whateverElseIsAtThePathIsLeftAlone() throws {
        let loop = try Loop()
        let folder = Folder()
        makeFile(folder("file"), "precious")
        #expect(symlink(folder("file"), folder("link")) == 0)
        #expect(symlink(folder("nowhere"), folder("dangling")) == 0)
        #expect(mkfifo(folder("fifo"), 0o600) == 0)
        #expect(mkdir(folder("directory"), 0o700) == 0)
        for name in ["file", "link", "dangling", "fifo", "directory"] {
            let before = try #require(status(folder(name)))
            #expect(failure(folder(name), loop) == .notASocket(path: folder(name)))
            let after = try #require(status(folder(name)))
            #expect(after.st_ino == before.st_ino && after.st_mode == before.st_mode)
        }
        #expect(contents(folder("file")) == "precious")
        #expect(status(folder("nowhere")) == nil)
        #expect(failure("", loop) == .notASocket(path: ""))
        #expect(failure(folder("directory/"), loop) == .notASocket(path: folder("directory/")))
        #expect(folder.names.filter { $0.hasPrefix(".pg") } == [])
        #expect(loop.close() == true)
    }

    @Test func aPathThatCannotBeIsExplained() throws {
        let loop = try Loop()
        let folder = Folder()
        let long = folder(String(repeating: "x", count: 107 - folder.path.utf8.count))
        #expect(failure(long, loop) == .pathTooLong(bytes: 108))
        #expect(failure("@gateway", loop) == .abstractRefused)
        #expect(failure("\u{0}gateway", loop) == .abstractRefused)
        let missing = folder("no/such/s")
        #expect(failure(missing, loop) == .system(LoopFailure(code: -ENOENT, operation: "open directory of socket")))
        #expect(mkdir(folder("open"), 0o777) == 0 && chmod(folder("open"), 0o777) == 0)
        #expect(failure(folder("open/s"), loop) == .unsafeDirectory(path: folder("open")))
        #expect(chmod(folder("open"), 0o1777) == 0)
        #expect(failure(folder("open/s"), loop) == nil)
        #expect(symlink(folder("target"), folder("s.lock")) == 0)
        #expect(failure(folder("s"), loop) == .system(LoopFailure(code: -ELOOP, operation: "open lock file")))
        loop.run()
        #expect(loop.close() == true)
    }

    @Test func theLongestPathWorksAndARelativeOne() throws {
        let loop = try Loop()
        let folder = Folder()
        let long = folder(String(repeating: "x", count: 106 - folder.path.utf8.count))
        #expect(long.utf8.count == 107)
        // So short a name that the temporary one beside it would not fit: the way through /proc.
        let deep = folder(String(repeating: "d", count: 104 - folder.path.utf8.count))
        #expect(mkdir(deep, 0o700) == 0)
        for path in [long, deep + "/s"] {
            #expect(path.utf8.count == 107)
            let listener = try Listener(loop: loop, path: path) { stream, _ in stream.close() }
            let client = RawSocket(connectingTo: path)
            #expect(client != nil)
            client?.close()
            listener.close()
        }
        loop.run()
        #expect(loop.close() == true)
    }

    @Test func aRelativePathWorks() async {
        await #expect(processExitsWith: .success) {
            let loop = try Loop()
            let folder = Folder()
            #expect(chdir(folder.path) == 0)
            let listener = try Listener(loop: loop, path: "relative") { stream, _ in stream.close() }
            #expect(RawSocket(connectingTo: folder("relative")).map { $0.close() } != nil)
            listener.close()
            #expect(folder.names == ["relative.lock"])
            loop.run()
            #expect(loop.close() == true)
        }
    }

    @Test func outOfDescriptorsItRefusesAndDoesNotSpin() async {
        await #expect(processExitsWith: .success) {
            let loop = try Loop()
            let folder = Folder()
            var refusals: [LoopFailure] = []
            var served = 0
            let listener = try Listener(loop: loop, path: folder("s")) { stream, _ in
                served += 1
                stream.close()
            }
            listener.onRefused = { refusals.append($0) }
            // Clients first: they need descriptors, too.
            let clients = (0..<3).compactMap { _ in RawSocket(connectingTo: folder("s")) }
            let taken = occupyDescriptors(leaving: 0)
            var turns = 0
            loop.endOfTurn = { turns += 1 }
            let timer = Timer(loop: loop)
            timer.start(after: 250_000_000) { loop.stop() }
            loop.run()
            #expect(served == 0)
            #expect(refusals == Array(repeating: LoopFailure(code: -EMFILE, operation: "accept connection"), count: 3))
            #expect(turns < 20)
            for client in clients {
                // Refused at once, not left hanging.
                #expect(client.read() == [])
                client.close()
            }
            for descriptor in taken { close(descriptor) }
            let late = try #require(RawSocket(connectingTo: folder("s")))
            timer.start(after: 250_000_000) { loop.stop() }
            #expect(loop.run { served == 1 })
            late.close()
            timer.close()
            listener.close()
            loop.run()
            #expect(loop.close() == true)
        }
    }

    @Test func withoutTheSpareItPausesAndComesBack() async {
        await #expect(processExitsWith: .success) {
            let loop = try Loop()
            let folder = Folder()
            var refusals = 0
            var served = 0
            var client: RawSocket?
            let plug = open("/dev/null", O_RDONLY)
            let before = occupyDescriptors(leaving: 20)
            let listener = try Listener(loop: loop, path: folder("s")) { stream, _ in
                served += 1
                stream.close()
            }
            client = RawSocket(connectingTo: folder("s"))
            let taken = occupyDescriptors(leaving: 0)
            // With no number below the limit even the spare one is of no use.
            var limit = rlimit(rlim_cur: 3, rlim_max: 64)
            setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            var turns = 0
            loop.endOfTurn = { turns += 1 }
            listener.onRefused = { _ in refusals += 1 }
            let timer = Timer(loop: loop)
            timer.start(after: 250_000_000) {
                timer.close()
                for descriptor in before + taken { close(descriptor) }
                limit.rlim_cur = 64
                setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            }
            #expect(loop.run { served == 1 })
            // One a pause of 100 ms.
            #expect((2...4).contains(refusals))
            #expect(turns < 40)
            client?.close()
            close(plug)
            listener.close()
            loop.run()
            #expect(loop.close() == true)
        }
    }

    @Test func aStartWithoutDescriptorsLeavesNothing() async {
        await #expect(processExitsWith: .success) {
            let folder = Folder()
            let loop = try Loop()
            var results: Set<String> = []
            for isStale in [false, true] {
                for free in 0..<6 {
                    let taken = occupyDescriptors(leaving: 1)
                    if isStale {
                        let dead = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
                        _ = Descriptors.withAddress(of: folder("s")) { bind(dead, $0, $1) }
                        close(dead)
                    }
                    for descriptor in taken.prefix(free) { close(descriptor) }
                    close(open("/dev/null", O_RDONLY))
                    do throws(ListenFailure) {
                        try Listener(loop: loop, path: folder("s")) { stream, _ in stream.close() }.close()
                        results.insert("listened")
                    } catch {
                        results.insert("\(error)")
                    }
                    for descriptor in taken.dropFirst(free) { close(descriptor) }
                    unlink(folder("s"))
                    loop.run()
                    #expect(folder.names.filter { $0 != "s.lock" } == [])
                }
            }
            #expect(results.contains("listened"))
            #expect(results.contains("Cannot listen: open lock file: too many open files (EMFILE)."))
            #expect(results.contains("Cannot listen: create socket: too many open files (EMFILE)."))
            #expect(loop.close() == true)
        }
    }

    @Test func aDeadSocketIsReplacedAndALiveOneIsNot() throws {
        let loop = try Loop()
        let folder = Folder()
        let other = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        #expect(Descriptors.withAddress(of: folder("s"), { bind(other, $0, $1) }) == 0)
        #expect(listen(other, 0) == 0)
        let inode = try #require(status(folder("s"))).st_ino
        #expect(failure(folder("s"), loop) == .alive(path: folder("s")))
        // That probe fills the backlog of one; the next meets it full.
        #expect(failure(folder("s"), loop) == .alive(path: folder("s")))
        #expect(status(folder("s"))?.st_ino == inode)
        close(other)
        let listener = try Listener(loop: loop, path: folder("s")) { stream, _ in stream.close() }
        #expect(RawSocket(connectingTo: folder("s")).map { $0.close() } != nil)
        listener.close()
        let datagrams = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
        #expect(Descriptors.withAddress(of: folder("d"), { bind(datagrams, $0, $1) }) == 0)
        #expect(failure(folder("d"), loop) == .alive(path: folder("d")))
        close(datagrams)
        if geteuid() == 0 {
            #expect(chown(folder("d"), 4711, 4711) == 0)
            #expect(failure(folder("d"), loop) == .foreign(path: folder("d"), uid: 4711))
        }
        loop.run()
        #expect(loop.close() == true)
    }

    @Test func aSecondGatewayIsToldWhoHoldsThePath() throws {
        let loop = try Loop()
        let folder = Folder()
        let first = try Listener(loop: loop, path: folder("s")) { stream, _ in stream.close() }
        let inode = try #require(status(folder("s"))).st_ino
        #expect(failure(folder("s"), loop) == .held(pid: getpid()))
        #expect(status(folder("s"))?.st_ino == inode)
        #expect(truncate(folder("s.lock"), 0) == 0)
        #expect(failure(folder("s"), loop) == .held(pid: nil))
        first.close()
        first.close()
        #expect(status(folder("s")) == nil)
        #expect(failure(folder("s"), loop) == nil)
        // What a gateway killed between bind and rename leaves behind is no hindrance.
        let temporary = folder(".pg" + String((0x811c_9dc5 ^ UInt32(UInt8(ascii: "s"))) &* 0x0100_0193, radix: 36))
        makeFile(temporary, "left over")
        #expect(failure(folder("s"), loop) == nil)
        #expect(folder.names == ["s.lock"])
        loop.run()
        #expect(loop.close() == true)
    }

    @Test func oneOfManyStartersWins() throws {
        let folder = Folder()
        for _ in 0..<20 {
            let loop = try Loop()
            var outcomes: [Bool] = []
            let path = folder("s")
            let workers = try (0..<4).map { index in
                try Worker<Int, Bool>(loop: loop, name: "starter \(index)") { inbox in
                    guard inbox.take() != nil, let own = try? Loop() else { return }
                    let listener = try? Listener(loop: own, path: path) { stream, _ in stream.close() }
                    inbox.report(listener != nil)
                    _ = inbox.take()
                    listener?.close()
                    own.run()
                    if own.close() { inbox.report(true) }
                } onReports: {
                    outcomes += $0
                }
            }
            for worker in workers { worker.send(1) }
            #expect(loop.run { outcomes.count == 4 })
            #expect(outcomes.filter { $0 }.count == 1)
            for worker in workers { worker.close {} }
            loop.run()
            #expect(outcomes.count == 8)
            #expect(folder.names == ["s.lock"])
            #expect(loop.close() == true)
        }
    }

    @Test func onlyOurInodeIsUnlinked() throws {
        let loop = try Loop()
        let folder = Folder()
        let listener = try Listener(loop: loop, path: folder("s")) { stream, _ in stream.close() }
        unlink(folder("s"))
        makeFile(folder("s"), "another's")
        listener.close()
        #expect(contents(folder("s")) == "another's")
        loop.run()
        #expect(loop.close() == true)
    }

    @Test func anInheritedSocketIsServedAndNotUnlinked() throws {
        let loop = try Loop()
        let folder = Folder()
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        #expect(Descriptors.withAddress(of: folder("s"), { bind(descriptor, $0, $1) }) == 0)
        func inherit(_ descriptor: Int32) throws(ListenFailure) -> Listener {
            try Listener(loop: loop, inherited: descriptor) { stream, _ in
                stream.onEnd = { _ in stream.close() }
                stream.write(Array("welcome".utf8))
                stream.startReading()
            }
        }
        #expect(throws: ListenFailure.notListening(descriptor: descriptor)) { try inherit(descriptor) }
        #expect(throws: ListenFailure.notListening(descriptor: 0)) { try inherit(0) }
        #expect(listen(descriptor, 5) == 0)
        let listener = try inherit(descriptor)
        #expect(throws: ListenFailure.self) { try inherit(descriptor) }
        let client = try #require(RawSocket(connectingTo: folder("s")))
        client.end()
        let timer = Timer(loop: loop)
        timer.start(after: 20_000_000) {
            timer.close()
            listener.close()
        }
        loop.run()
        #expect(string(client.read()) == "welcome")
        client.close()
        #expect(status(folder("s")) != nil)
        #expect(loop.close() == true)
    }

    @Test func everyFailureSaysWhatToDo() {
        let all: [(ListenFailure, String)] = [
            (.pathTooLong(bytes: 108), "108 bytes"), (.held(pid: 7), "pid 7"),
            (.held(pid: nil), "Another gateway holds"),
            (.notASocket(path: "/x"), "/x exists"), (.alive(path: "/x"), "answers at /x"),
            (.foreign(path: "/x", uid: 5), "uid 5"), (.unsafeDirectory(path: "/x"), "0700"),
            (.abstractRefused, "path of a file"), (.notListening(descriptor: 3), "Descriptor 3"),
            (.system(LoopFailure(code: -EACCES, operation: "bind socket")), "bind socket: permission denied (EACCES)"),
        ]
        for (failure, words) in all { #expect(failure.description.contains(words)) }
    }
}
