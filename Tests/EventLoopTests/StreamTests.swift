import Glibc
import Testing

@testable import EventLoop

@Suite struct StreamTests {
    @Test func bytesArriveAndHalfCloseLeavesTheOtherHalf() throws {
        let loop = try Loop()
        let (near, far) = try Stream.pair(loop: loop)
        var log: [String] = []
        far.onBytes = { log.append("far " + string($0)) }
        far.onDrained = { log.append("drained") }
        far.onEnd = { failure in
            #expect(failure == nil)
            log.append("far end")
            far.write(Array("answer".utf8))
            far.endOutput {
                log.append("far done")
                far.close()
            }
        }
        near.onBytes = { log.append("near " + string($0)) }
        near.onEnd = { failure in
            #expect(failure == nil)
            log.append("near end")
            near.close { log.append("near closed") }
        }
        near.startReading()
        far.startReading()
        near.write(Array("question".utf8))
        near.endOutput()
        near.write(Array("too late".utf8))
        loop.run()
        #expect(log.prefix(3) == ["far question", "drained", "far end"])
        #expect(log.filter { $0.hasPrefix("near") } == ["near answer", "near end", "near closed"])
        #expect(log.contains("far done"))
        #expect(loop.close() == true)
    }

    /// At the end of input a peer that may still read is told from one that is gone.
    @Test func onlyAPeerThatIsGoneHasHungUp() throws {
        for isGone in [false, true] {
            let loop = try Loop()
            let (near, far) = try Stream.pair(loop: loop)
            var seen: Bool?
            far.onEnd = { _ in
                seen = far.isHungUp
                near.close()
                far.close()
            }
            far.startReading()
            #expect(!far.isHungUp)
            if isGone { near.close() } else { near.endOutput() }
            loop.run()
            #expect(seen == isGone)
            #expect(far.isHungUp)
            #expect(loop.close() == true)
        }
    }

    @Test func aMebibyteToASleepingReaderIsQueuedAndArrivesWhole() throws {
        let loop = try Loop()
        let (near, far) = try Stream.pair(loop: loop)
        let sent = (0..<(1 << 20)).map { UInt8(truncatingIfNeeded: $0 &* 31 ^ ($0 >> 8)) }
        var received: [UInt8] = []
        var writable = 0
        near.lowWater = 64 * 1024
        near.onWritable = {
            writable += 1
            #expect(near.queuedBytes <= 64 * 1024)
        }
        let start = loop.now
        near.write(Array(sent[..<700_000]))
        near.write(Array(sent[700_000..<700_001]))
        near.write(Array(sent[700_001...]))
        let queued = near.queuedBytes
        #expect(queued > 500_000 && queued < 1 << 20)
        far.onBytes = { received += $0 }
        far.onEnd = { _ in far.close() }
        let timer = Timer(loop: loop)
        timer.start(after: 30_000_000) {
            #expect(near.queuedBytes == queued)
            #expect(near.lastProgress < start + 30_000_000)
            far.startReading()
            near.endOutput {
                #expect(near.queuedBytes == 0)
                #expect(near.lastProgress >= start + 30_000_000)
                near.close()
            }
            timer.close()
        }
        loop.run()
        #expect(received == sent)
        #expect(writable == 1)
        #expect(loop.close() == true)
    }

    @Test func progressIsSeenWhileAReaderSips() throws {
        let loop = try Loop()
        let (near, far) = try Stream.pair(loop: loop)
        near.write([UInt8](repeating: 7, count: 4 << 20))
        let queued = near.queuedBytes
        var taken = 0
        far.onBytes = {
            taken += $0.count
            far.pauseReading()
        }
        var marks: [UInt64] = []
        let timer = Timer(loop: loop)
        timer.start(after: 5_000_000, repeating: 5_000_000) {
            marks.append(near.lastProgress)
            if marks.count == 40 {
                timer.close()
                near.close()
                far.close()
            } else {
                far.startReading()
            }
        }
        loop.run()
        #expect(taken >= 30 * 65536)
        #expect(Set(marks).count > 5)
        #expect(marks == marks.sorted())
        #expect(queued > taken)
        #expect(loop.close() == true)
    }

    @Test func pausedReadingHoldsBytesBack() throws {
        let loop = try Loop()
        let (near, far) = try Stream.pair(loop: loop)
        var reads = 0
        far.onBytes = { _ in
            reads += 1
            far.pauseReading()
        }
        far.startReading()
        #expect(far.isReading)
        near.write([UInt8](repeating: 1, count: 150_000))
        #expect(loop.run { reads == 1 })
        #expect(!far.isReading)
        let timer = Timer(loop: loop)
        timer.start(after: 20_000_000) { timer.close() }
        near.keepsLoopAlive = false
        _ = loop.run { !timer.isActive }
        #expect(reads == 1)
        far.startReading()
        #expect(loop.run { reads == 2 })
        near.close()
        far.close()
        #expect(loop.close() == true)
    }

    @Test func drainedIsToldWhenTheBufferWasExactlyFull() throws {
        let loop = try Loop()
        let (near, far) = try Stream.pair(loop: loop)
        var log: [Int] = []
        far.onBytes = { log.append($0.count) }
        far.onDrained = {
            log.append(0)
            far.close()
            near.close()
        }
        near.write([UInt8](repeating: 1, count: Loop.readSize))
        far.startReading()
        loop.run()
        #expect(log.reduce(0, +) == Loop.readSize)
        #expect(log.last == 0)
        #expect(loop.close() == true)
    }

    @Test func aVanishedReaderBreaksTheOutputButNotTheInput() throws {
        let loop = try Loop()
        SignalWatcher.ignoreBrokenPipes()
        let (near, far) = try Stream.pair(loop: loop)
        far.write(Array("last words".utf8))
        var log: [String] = []
        far.close {
            near.write([1, 2, 3])
            log.append("written")
            near.write([4])
            near.endOutput { log.append("output done") }
        }
        near.onOutputFailure = { log.append($0.name) }
        near.onBytes = { log.append(string($0)) }
        near.onEnd = { failure in
            log.append("end \(failure?.name ?? "orderly")")
            near.close()
        }
        let timer = Timer(loop: loop)
        timer.start(after: 10_000_000) {
            #expect(near.queuedBytes == 0)
            near.startReading()
            timer.close()
        }
        loop.run()
        #expect(log == ["written", "EPIPE", "output done", "last words", "end orderly"])
        #expect(loop.close() == true)
    }

    @Test func aQueueIsDroppedWhenTheReaderVanishes() throws {
        let loop = try Loop()
        SignalWatcher.ignoreBrokenPipes()
        let (near, far) = try Stream.pair(loop: loop)
        near.write([UInt8](repeating: 1, count: 1 << 20))
        #expect(near.queuedBytes > 0)
        var log: [String] = []
        near.onOutputFailure = {
            log.append($0.name)
            #expect(near.queuedBytes == 0)
        }
        near.onWritable = { log.append("writable") }
        near.onEnd = { log.append("end \($0?.name ?? "orderly")") }
        near.startReading()
        near.endOutput {
            log.append("done")
            near.close()
        }
        let timer = Timer(loop: loop)
        timer.start(after: 1_000_000) {
            far.close()
            timer.close()
        }
        loop.run()
        #expect(log.filter { $0 == "EPIPE" || $0 == "ECONNRESET" }.count == 1)
        #expect(log.contains("end ECONNRESET"))
        #expect(log.last == "done")
        #expect(!log.contains("writable"))
        #expect(loop.close() == true)
    }

    @Test func closeDropsTheQueueAndTellsEveryone() throws {
        let loop = try Loop()
        let (near, far) = try Stream.pair(loop: loop)
        near.write([UInt8](repeating: 1, count: 1 << 20))
        var log: [String] = []
        near.endOutput { log.append("output") }
        near.close { log.append("closed") }
        near.close { log.append("closed again") }
        #expect(near.queuedBytes < 4097)
        loop.run()
        #expect(log == ["output", "closed", "closed again"])
        near.close { log.append("closed late") }
        near.endOutput { log.append("output late") }
        near.startReading()
        near.write([1])
        far.close()
        loop.run()
        #expect(log.suffix(2) == ["closed late", "output late"])
        #expect(loop.close() == true)
    }

    @Test func whatCannotBeAStreamIsRefused() throws {
        let loop = try Loop()
        let folder = Folder()
        for path in ["/dev/null", folder.path] {
            let descriptor = open(path, O_RDONLY)
            #expect(throws: LoopFailure(code: -EPERM, operation: "open stream")) {
                try Stream(loop: loop, descriptor: descriptor)
            }
            #expect(fcntl(descriptor, F_GETFD) == -1)
        }
        #expect(throws: LoopFailure.self) { try Stream(loop: loop, descriptor: 99_999) }
        #expect(throws: LoopFailure(code: -ENOENT, operation: "connect")) {
            try Stream(loop: loop, connectingTo: folder("nothing"))
        }
        #expect(throws: LoopFailure(code: -ENAMETOOLONG, operation: "connect")) {
            try Stream(loop: loop, connectingTo: String(repeating: "x", count: 108))
        }
        #expect(throws: LoopFailure.self) { try Stream(loop: loop, pollable: 99_999) }
        #expect(loop.close() == true)
    }

    @Test func aPipeHasOneDirection() throws {
        let loop = try Loop()
        var ends: [Int32] = [0, 0]
        #expect(pipe(&ends) == 0)
        let reader = try Stream(loop: loop, descriptor: ends[0])
        let writer = try Stream(loop: loop, descriptor: ends[1])
        #expect(throws: LoopFailure.self) { try reader.peerCredentials() }
        var log: [String] = []
        writer.onEnd = {
            log.append("writer \($0?.name ?? "nil")")
            writer.close()
        }
        writer.startReading()
        reader.endOutput { log.append("reader has no output") }
        reader.onBytes = { log.append(string($0)) }
        reader.onEnd = {
            #expect($0 == nil)
            log.append("end")
            reader.close()
        }
        reader.startReading()
        writer.write(Array("through".utf8))
        loop.run()
        #expect(log.contains("writer ENOTCONN"))
        #expect(log.contains("reader has no output"))
        #expect(log.suffix(2) == ["through", "end"])
        #expect(loop.close() == true)
    }

    @Test func theQueueJoinsSmallPiecesAndKeepsOrder() {
        var queue = WriteQueue()
        var expected: [UInt8] = []
        var generator = SystemRandomNumberGenerator()
        var got: [UInt8] = []
        for round in 0..<3000 {
            let piece = (0..<Int.random(in: 1...400, using: &generator)).map { UInt8(truncatingIfNeeded: $0 &+ round) }
            let start = Int.random(in: 0..<piece.count, using: &generator)
            queue.append(piece, from: start)
            expected += piece[start...]
            if round % 3 == 0 {
                let wanted = Int.random(in: 1...500, using: &generator)
                var buffer = [UInt8](repeating: 0, count: wanted)
                let count = buffer.withUnsafeMutableBytes { queue.move(to: $0) }
                got += buffer[..<count]
            }
        }
        #expect(queue.count == expected.count - got.count)
        while !queue.isEmpty {
            got += queue.withFront { Array($0) }
            queue.drop(queue.withFront { $0.count })
        }
        #expect(got == expected)
    }
}
