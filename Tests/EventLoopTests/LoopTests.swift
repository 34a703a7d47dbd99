import Glibc
import Testing

@testable import EventLoop

@Suite struct LoopTests {
    @Test func timersComeInOrderAndNeverEarly() throws {
        let loop = try Loop()
        var seen: [Int] = []
        for (index, delay) in [9_500_000, 100_000, 4_000_001].enumerated() {
            let timer = Timer(loop: loop)
            let due = loop.now + UInt64(delay)
            timer.start(after: UInt64(delay)) {
                #expect(loop.now >= due)
                seen.append(index)
                timer.close()
            }
        }
        loop.run()
        #expect(seen == [1, 2, 0])
        #expect(loop.close() == true)
    }

    @Test func repeatingTimerStopsWhenTold() throws {
        let loop = try Loop()
        let timer = Timer(loop: loop)
        var count = 0
        timer.start(after: 0, repeating: 1_000_000) {
            count += 1
            if count == 3 { timer.stop() }
        }
        #expect(timer.isActive)
        loop.run()
        #expect(count == 3)
        #expect(!timer.isActive)
        timer.start(after: .max) {}
        timer.keepsLoopAlive = false
        loop.run()
        timer.close()
        timer.start(after: 0) { count = 100 }
        loop.run()
        #expect(count == 3)
        #expect(loop.close() == true)
    }

    @Test func timeStandsStillWithinACallback() throws {
        let loop = try Loop()
        let timer = Timer(loop: loop)
        timer.start(after: 0) {
            let before = loop.now
            usleep(3000)
            #expect(loop.now == before)
            timer.start(after: 0) {
                #expect(loop.now >= before + 3_000_000)
                timer.close()
            }
        }
        loop.run()
        #expect(loop.wallClockMilliseconds() > 1_700_000_000_000)
        #expect(loop.close() == true)
    }

    @Test func endOfTurnRunsAlsoAfterTheLastCallback() throws {
        let loop = try Loop()
        var outbox = ["first"]
        var sent: [String] = []
        loop.endOfTurn = {
            sent += outbox
            outbox = []
        }
        // Handles are told that they are closed after `endOfTurn` of their turn, and here no turn follows.
        let (near, far) = try Stream.pair(loop: loop)
        near.close()
        far.close { outbox.append("last") }
        loop.run()
        #expect(sent == ["first", "last"])
        #expect(loop.close() == true)
    }

    @Test func soonDoesNotWaitForInputAndLetsItThrough() throws {
        let loop = try Loop()
        let (near, far) = try Stream.pair(loop: loop)
        near.onBytes = { _ in near.close() }
        near.startReading()
        far.write([1])
        var slices = 0
        func slice() {
            slices += 1
            if slices < 50 { loop.soon(slice) }
        }
        var sliceAtClose = 0
        loop.soon(slice)
        loop.soon { #expect(slices == 1) }
        near.onEnd = { _ in sliceAtClose = -1 }
        far.onEnd = { _ in
            sliceAtClose = slices
            far.close()
        }
        far.startReading()
        loop.run()
        #expect(slices == 50)
        #expect((1..<50).contains(sliceAtClose))
        #expect(loop.close() == true)
    }

    @Test func stopEndsTheTurnAndRunGoesOn() throws {
        let loop = try Loop()
        let timer = Timer(loop: loop)
        var turns = 0
        timer.start(after: 0, repeating: 1_000_000) {
            turns += 1
            loop.stop()
        }
        loop.run()
        #expect(turns == 1)
        loop.run()
        #expect(turns == 2)
        loop.stop()
        loop.run()
        #expect(turns == 2)
        timer.close()
        #expect(loop.close() == true)
        #expect(loop.close() == true)
    }

    @Test func aForgottenHandleIsTold() throws {
        let loop = try Loop()
        let timer = Timer(loop: loop)
        timer.start(after: 1) {}
        #expect(loop.close() == false)
    }

    @Test func signalsArriveAndDoNotKeepTheLoop() throws {
        let loop = try Loop()
        var count = 0
        let watcher = try SignalWatcher(loop: loop, signal: SIGUSR1) { count += 1 }
        loop.run()
        kill(getpid(), SIGUSR1)
        #expect(loop.run { count == 1 })
        watcher.close()
        #expect(throws: LoopFailure(code: -EINVAL, operation: "watch signal")) {
            try SignalWatcher(loop: loop, signal: SIGKILL) {}
        }
        #expect(loop.close() == true)
    }

    @Test func failuresSayWhatAndWhy() {
        let failure = LoopFailure(code: -ENOENT, operation: "open it")
        #expect(failure.name == "ENOENT")
        #expect(failure.description == "open it: no such file or directory (ENOENT)")
        #expect(LoopFailure(code: -99999, operation: "x").description.contains("99999"))
        #expect(failure != LoopFailure(code: -ENOENT, operation: "close it"))
    }

    @Test func randomBytesDiffer() throws {
        let (first, second) = (try Randomness.bytes(32), try Randomness.bytes(32))
        #expect(first.count == 32)
        #expect(first != second)
        #expect(try Randomness.bytes(0) == [])
    }
}
