import Glibc
import Testing

@testable import EventLoop

@Suite struct WorkerTests {
    @Test func ordersAndReportsKeepTheirOrder() throws {
        let loop = try Loop()
        var reports: [Int] = []
        var calls = 0
        let worker = try Worker<Int, Int>(loop: loop, name: "doubler", stackBytes: 256 * 1024) { inbox in
            while let orders = inbox.take() { for order in orders { inbox.report(order * 2) } }
        } onReports: {
            calls += 1
            reports += $0
        }
        for order in 0..<50_000 { worker.send(order) }
        #expect(loop.run { reports.count == 50_000 })
        for order in 50_000..<100_000 { worker.send(order) }
        var isClosed = false
        worker.close { isClosed = true }
        worker.send(-1)
        loop.run()
        #expect(isClosed)
        #expect(reports == (0..<100_000).map { $0 * 2 })
        #expect(calls < 50_000)
        #expect(loop.close() == true)
    }

    @Test func closeWhileBusyLosesNothing() throws {
        let loop = try Loop()
        var reports: [String] = []
        let worker = try Worker<Int, String>(loop: loop, name: "a name longer than fifteen bytes") { inbox in
            while let orders = inbox.take() {
                for order in orders {
                    usleep(2000)
                    inbox.report("order \(order)")
                }
            }
            inbox.report(contents("/proc/thread-self/comm") ?? "")
        } onReports: {
            reports += $0
        }
        for order in 0..<10 { worker.send(order) }
        let start = monotonicNanoseconds()
        var closedAfter: UInt64 = 0
        worker.close { closedAfter = monotonicNanoseconds() - start }
        #expect(monotonicNanoseconds() - start < 10_000_000)
        loop.run()
        #expect(reports == (0..<10).map { "order \($0)" } + ["a name longer t\n"])
        #expect(closedAfter >= 20_000_000)
        #expect(loop.close() == true)
    }

    @Test func idleWorkIsDoneWhenNoOrderComes() throws {
        let loop = try Loop()
        var reports: [String] = []
        let worker = try Worker<String, String>(loop: loop, name: "idler") { inbox in
            while let orders = inbox.take(waitingAtMost: 1_000_000) {
                if orders.isEmpty { inbox.report("idle") }
                for order in orders { inbox.report(order) }
            }
            inbox.report("over")
        } onReports: {
            reports += $0
        }
        #expect(loop.run { reports.count >= 3 })
        #expect(Set(reports) == ["idle"])
        worker.send("order")
        #expect(loop.run { reports.contains("order") })
        worker.close {}
        loop.run()
        #expect(reports.last == "over")
        #expect(loop.close() == true)
    }

    @Test func anEndlessWaitDoesNotOverflow() throws {
        let loop = try Loop()
        var reports: [Int] = []
        let worker = try Worker<Int, Int>(loop: loop, name: "patient") { inbox in
            while let orders = inbox.take(waitingAtMost: .max) { inbox.report(orders.count) }
        } onReports: {
            reports += $0
        }
        let timer = Timer(loop: loop)
        timer.start(after: 5_000_000) {
            timer.close()
            worker.send(1)
            worker.close {}
        }
        loop.run()
        #expect(reports == [1])
        #expect(loop.close() == true)
    }

    @Test func aBodyThatReturnsEarlyCanStillBeClosed() throws {
        let loop = try Loop()
        var reports: [Int] = []
        let worker = try Worker<Int, Int>(loop: loop, name: "quitter") { inbox in
            inbox.report(1)
        } onReports: {
            reports += $0
        }
        #expect(loop.run { reports == [1] })
        usleep(20_000)
        worker.send(5)
        var isClosed = false
        worker.close { isClosed = true }
        loop.run()
        #expect(isClosed)
        #expect(loop.close() == true)
    }

    @Test func anIdleWorkerNeedNotKeepTheLoop() throws {
        let loop = try Loop()
        let worker = try Worker<Int, Int>(loop: loop, name: "idle") { inbox in
            while inbox.take() != nil {}
        } onReports: {
            _ in
        }
        #expect(worker.keepsLoopAlive)
        worker.keepsLoopAlive = false
        loop.run()
        var isClosed = false
        worker.close { isClosed = true }
        worker.keepsLoopAlive = false
        loop.run()
        #expect(isClosed)
        #expect(loop.close() == true)
    }

    @Test func aThreadThatCannotBeIsTold() throws {
        let loop = try Loop()
        #expect(throws: LoopFailure.self) {
            try Worker<Int, Int>(loop: loop, name: "giant", stackBytes: 1 << 50) { _ in
            } onReports: { _ in
            }
        }
        loop.run()
        #expect(loop.close() == true)
    }

    private func monotonicNanoseconds() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}
