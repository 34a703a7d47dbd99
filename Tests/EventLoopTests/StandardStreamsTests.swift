import CUV
import Glibc
import Testing

@testable import EventLoop

// Each runs in a process of its own, because descriptors 0, 1 and 2 belong to all of a process.
@Suite struct StandardStreamsTests {
    @Test func aPipe() async {
        await #expect(processExitsWith: .success) {
            let (input, output) = (pipes(), pipes())
            place(input.read, output.write)
            send(input.write, "through a pipe")
            close(input.write)
            let log = try echo()
            #expect(log == ["bytes through a pipe", "end orderly", "done", "closed"])
            // Our end is closed: the reader sees the end.
            #expect(receive(output.read) == "through a pipe")
        }
    }

    @Test func theReaderOfAPipeSeesTheEndOfOutputWhileInputGoesOn() async {
        await #expect(processExitsWith: .success) {
            let (input, output) = (pipes(), pipes())
            place(input.read, output.write)
            let loop = try Loop()
            let pair = try StandardStreams.open(loop: loop)
            pair.write(Array("all".utf8))
            pair.endOutput { loop.stop() }
            pair.startReading()
            loop.run()
            _ = fcntl(output.read, F_SETFL, O_NONBLOCK)
            #expect(receive(output.read) == "all")
            var byte: UInt8 = 0
            #expect(read(output.read, &byte, 1) == 0)
            #expect(pair.isReading)
            pair.close()
            loop.run()
            #expect(loop.close() == true)
        }
    }

    @Test func aPipeSharedWithOthersStaysBlocking() async {
        await #expect(processExitsWith: .success) {
            let (input, output) = (pipes(), pipes())
            let (sharedInput, sharedOutput) = (dup(input.read), dup(output.write))
            place(input.read, output.write)
            let loop = try Loop()
            let pair = try StandardStreams.open(loop: loop)
            pair.startReading()
            pair.write([1])
            #expect(fcntl(sharedInput, F_GETFL) & O_NONBLOCK == 0)
            #expect(fcntl(sharedOutput, F_GETFL) & O_NONBLOCK == 0)
            pair.close()
            loop.run()
            #expect(loop.close() == true)
        }
    }

    @Test func aSocketGetsItsBlockingBack() async {
        await #expect(processExitsWith: .success) {
            var ends: [Int32] = [0, 0]
            #expect(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends) == 0)
            let shared = dup(ends[0])
            place(ends[0], dup(ends[0]))
            let loop = try Loop()
            let pair = try StandardStreams.open(loop: loop)
            var log: [String] = []
            pair.onBytes = {
                log.append(string($0))
                pair.write(Array($0))
            }
            pair.onEnd = { _ in
                pair.endOutput {
                    log.append("ended")
                    // The input still works on the same description.
                    #expect(fcntl(shared, F_GETFL) & O_NONBLOCK != 0)
                    pair.close()
                }
            }
            pair.startReading()
            send(ends[1], "over a socket")
            shutdown(ends[1], Int32(SHUT_WR))
            loop.run()
            #expect(log == ["over a socket", "ended"])
            #expect(receive(ends[1]) == "over a socket")
            #expect(fcntl(shared, F_GETFL) & O_NONBLOCK == 0)
            #expect(loop.close() == true)
        }
    }

    @Test func regularFiles() async {
        await #expect(processExitsWith: .success) {
            let folder = Folder()
            let text = String(repeating: "0123456789abcdef", count: 20_000)
            makeFile(folder("in"), text)
            makeFile(folder("out"), "before ")
            let input = open(folder("in"), O_RDONLY)
            let shared = dup(input)
            place(input, open(folder("out"), O_WRONLY | O_APPEND))
            let log = try echo()
            #expect(log.last == "closed" && log.contains("end orderly"))
            #expect(contents(folder("out")) == "before " + text)
            // The next program goes on where we stopped.
            #expect(lseek(shared, 0, Int32(SEEK_CUR)) == text.utf8.count)
        }
    }

    @Test func aPausedFileGoesOn() async {
        await #expect(processExitsWith: .success) {
            let folder = Folder()
            makeFile(folder("in"), String(repeating: "x", count: 200_000))
            place(open(folder("in"), O_RDONLY), open("/dev/null", O_WRONLY))
            let loop = try Loop()
            let pair = try StandardStreams.open(loop: loop)
            let timer = Timer(loop: loop)
            var count = 0
            var readsSincePause = 0
            pair.onBytes = {
                count += $0.count
                readsSincePause += 1
                #expect(readsSincePause == 1)
                // One more read may be under way; its bytes wait.
                loop.soon { pair.pauseReading() }
                timer.start(after: 3_000_000) {
                    readsSincePause = 0
                    pair.startReading()
                }
                pair.pauseReading()
                pair.startReading()
                pair.pauseReading()
            }
            var drained = false
            pair.onDrained = { drained = true }
            pair.onEnd = {
                #expect($0 == nil && drained)
                timer.close()
                pair.close()
                pair.startReading()
            }
            pair.startReading()
            #expect(pair.isReading)
            loop.run()
            #expect(count == 200_000)
            #expect(loop.close() == true)
        }
    }

    @Test func nothing() async {
        await #expect(processExitsWith: .success) {
            place(open("/dev/null", O_RDONLY), open("/dev/null", O_WRONLY))
            let log = try echo()
            #expect(log == ["end orderly", "done", "closed"])
        }
    }

    @Test func closedDescriptors() async {
        await #expect(processExitsWith: .success) {
            close(0)
            close(1)
            let log = try echo()
            #expect(log == ["end orderly", "done", "closed"])
            // Nothing of ours has taken their numbers.
            #expect(fcntl(0, F_GETFD) >= 0 && fcntl(1, F_GETFD) >= 0)
        }
    }

    @Test func aDirectoryIsAnErrorAndNoCrash() async {
        await #expect(processExitsWith: .success) {
            place(open("/tmp", O_RDONLY), open("/dev/full", O_WRONLY))
            let loop = try Loop()
            let pair = try StandardStreams.open(loop: loop)
            var log: [String] = []
            pair.onEnd = { log.append("end \($0?.name ?? "orderly")") }
            pair.onOutputFailure = { log.append("output \($0.name)") }
            pair.startReading()
            pair.write([1])
            #expect(pair.queuedBytes == 1)
            pair.endOutput { log.append("done") }
            loop.run()
            #expect(log.contains("end EISDIR"))
            #expect(log.filter { !$0.hasPrefix("end") } == ["output ENOSPC", "done"])
            #expect(pair.queuedBytes == 0)
            pair.close { log.append("closed") }
            pair.close { log.append("closed again") }
            pair.endOutput { log.append("late") }
            pair.write([1])
            loop.run()
            #expect(log.contains("closed") && log.contains("closed again") && log.contains("late"))
            pair.close { log.append("closed late") }
            loop.run()
            #expect(log.last == "closed late")
            #expect(loop.close() == true)
        }
    }

    @Test func aTerminal() async {
        await #expect(processExitsWith: .success) {
            let (master, terminal) = pseudoTerminal()
            let shared = dup(terminal)
            place(terminal, dup(terminal))
            let loop = try Loop()
            let pair = try StandardStreams.open(loop: loop)
            var line = ""
            pair.onBytes = {
                line = string($0)
                pair.write(Array("answer".utf8))
                pair.close()
            }
            pair.startReading()
            #expect(fcntl(shared, F_GETFL) & O_NONBLOCK == 0)
            send(master, "typed\n")
            loop.run()
            #expect(line == "typed\n")
            var bytes = [UInt8](repeating: 0, count: 100)
            var seen = ""
            while !seen.contains("answer") {
                let count = read(master, &bytes, 100)
                if count <= 0 { break }
                seen += string(Array(bytes[..<count]))
            }
            #expect(seen.contains("answer"))
            #expect(loop.close() == true)
        }
    }

    @Test func theMasterOfATerminalIsNotOpenedAnew() async {
        await #expect(processExitsWith: .success) {
            let (master, terminal) = pseudoTerminal()
            let shared = dup(master)
            place(master, open("/dev/null", O_WRONLY))
            let loop = try Loop()
            let pair = try StandardStreams.open(loop: loop)
            var seen = ""
            pair.onBytes = {
                seen += string($0)
                pair.close()
            }
            pair.startReading()
            send(terminal, "from the program")
            loop.run()
            #expect(seen == "from the program")
            #expect(fcntl(shared, F_GETFL) & O_NONBLOCK == 0)
            #expect(loop.close() == true)
        }
    }

    @Test func theWrongEndOfAPipe() async {
        await #expect(processExitsWith: .success) {
            let (input, output) = (pipes(), pipes())
            SignalWatcher.ignoreBrokenPipes()
            place(input.write, output.read)
            let loop = try Loop()
            let pair = try StandardStreams.open(loop: loop)
            var log: [String] = []
            pair.onEnd = { log.append("end \($0?.name ?? "orderly")") }
            pair.onOutputFailure = { log.append("output \($0.name)") }
            pair.startReading()
            pair.write([1])
            loop.run()
            #expect(log.sorted() == ["end ENOTCONN", "output EPIPE"])
            pair.close()
            loop.run()
            #expect(loop.close() == true)
        }
    }

    @Test func aStrayPrintGoesToStandardError() async {
        await #expect(processExitsWith: .success) {
            let (input, output, diagnostics) = (pipes(), pipes(), pipes())
            place(input.read, output.write)
            dup2(diagnostics.write, 2)
            let loop = try Loop()
            let pair = try StandardStreams.open(loop: loop)
            send(1, "stray")
            pair.write(Array("protocol".utf8))
            var byte: UInt8 = 0
            #expect(read(0, &byte, 1) == 0)
            pair.close()
            loop.run()
            #expect(loop.close() == true)
            close(diagnostics.write)
            dup2(0, 1)
            dup2(0, 2)
            #expect(receive(output.read) == "protocol")
            #expect(receive(diagnostics.read) == "stray")
        }
    }

    @Test func descriptorsClosedLaterAreNothingToo() async {
        await #expect(processExitsWith: .success) {
            let output = pipes()
            let loop = try Loop()
            dup2(output.write, 1)
            close(output.write)
            close(0)
            let pair = try StandardStreams.open(loop: loop)
            var ended = false
            pair.onEnd = {
                ended = $0 == nil
                pair.write(Array("still here".utf8))
                pair.close()
            }
            pair.startReading()
            loop.run()
            #expect(ended)
            #expect(loop.close() == true)
            #expect(receive(output.read) == "still here")
        }
    }

    @Test func withoutDescriptorsItThrowsAndLeavesNothing() async {
        await #expect(processExitsWith: .success) {
            let (input, output) = (pipes(), pipes())
            place(input.read, output.write)
            let folder = Folder()
            let kinds = [input.write, open(folder.path, O_RDONLY)]
            let loop = try Loop()
            var results: Set<String> = []
            // As many free numbers as it takes to get ever further before none is left.
            for kind in kinds {
                for free in 0..<6 {
                    dup2(kind, 0)
                    let taken = occupyDescriptors(leaving: free)
                    do throws(LoopFailure) {
                        try StandardStreams.open(loop: loop).close()
                        results.insert("opened")
                    } catch {
                        results.insert("\(error)")
                    }
                    for descriptor in taken { close(descriptor) }
                    loop.run()
                    dup2(output.write, 1)
                }
            }
            #expect(results.contains("opened"))
            #expect(results.contains("examine descriptor: too many open files (EMFILE)"))
            #expect(results.contains("open /dev/null: too many open files (EMFILE)"))
            #expect(loop.close() == true)
        }
    }
}

private func pipes() -> (read: Int32, write: Int32) {
    var ends: [Int32] = [0, 0]
    precondition(pipe(&ends) == 0, "The test needs a pipe.")
    return (ends[0], ends[1])
}

private func pseudoTerminal() -> (master: Int32, terminal: Int32) {
    let master = open("/dev/ptmx", O_RDWR | O_NOCTTY)
    var (number, locked): (Int32, Int32) = (0, 0)
    // TIOCSPTLCK and TIOCGPTN of ioctl_tty(2): they are macros.
    precondition(ioctl(master, 0x4004_5431, &locked) == 0 && ioctl(master, 0x8004_5430, &number) == 0)
    return (master, open("/dev/pts/\(number)", O_RDWR | O_NOCTTY))
}

/// Makes the two what the process finds as 0 and 1.
private func place(_ input: Int32, _ output: Int32) {
    precondition(input > 2 && output > 2, "Standard descriptors are open when a test starts.")
    dup2(input, 0)
    dup2(output, 1)
    close(input)
    close(output)
}

private func send(_ descriptor: Int32, _ text: String) { _ = text.withCString { write(descriptor, $0, strlen($0)) } }

/// Reads to the end.
private func receive(_ descriptor: Int32) -> String {
    var bytes = [UInt8](repeating: 0, count: 4096)
    var all: [UInt8] = []
    while case let count = read(descriptor, &bytes, bytes.count), count > 0 { all += bytes[..<count] }
    return string(all)
}

/// Sends everything back until the input ends; answers what happened.
private func echo() throws -> [String] {
    let loop = try Loop()
    let pair = try StandardStreams.open(loop: loop)
    var log: [String] = []
    pair.onBytes = {
        log.append("bytes " + string($0))
        pair.write(Array($0))
    }
    pair.onEnd = {
        log.append("end \($0?.name ?? "orderly")")
        pair.endOutput {
            log.append("done")
            pair.close { log.append("closed") }
        }
    }
    pair.startReading()
    loop.run()
    #expect(loop.close() == true)
    return log
}
