// Theory of operation.
//
// One turn of the loop: wait for I/O and serve it (poll), `check`, callbacks of closed handles, due timers, work put off
// with `soon` (idle), `endOfTurn` (prepare). Everything that happened since the last poll is therefore known when
// `endOfTurn` runs, and nothing waits for I/O while output is still in an outbox.
//
// An open handle keeps its Swift object alive (`Handle`), and the object keeps the loop alive; closing is what lets go.
// A forgotten handle thus shows up as `close() == false`, never as a dangling pointer.

import CUV
import Glibc

/// The event loop of one thread. All times in the product are on its monotonic clock, in nanoseconds as UInt64 unless a
/// name says otherwise.
package final class Loop {
    let raw: UnsafeMutablePointer<uv_loop_t>
    /// Bytes are read into this one buffer by every stream of the loop; it is valid during a callback only.
    let readBuffer: UnsafeMutableRawBufferPointer

    /// Runs at the end of every turn, before the loop waits for I/O, and once more before `run` returns.
    package var endOfTurn: (() -> Void)?

    private let prepare = UnsafeMutablePointer<uv_prepare_t>.allocate(capacity: 1)
    private let check = UnsafeMutablePointer<uv_check_t>.allocate(capacity: 1)
    private let idle = UnsafeMutablePointer<uv_idle_t>.allocate(capacity: 1)
    private var putOff: [() -> Void] = []
    private var cachedNow: UInt64 = 0
    private var isRunning = false
    private var isStopping = false
    private var isClosed = false
    private var turnEnded: UInt64 = 0
    private var waited: UInt64 = 0
    /// Nanoseconds of the longest turn without its waiting for I/O, since it was last set to 0. Whoever else wants the
    /// loop waits for that long at most; the time counts during which the thread itself had to wait for a processor.
    package var longestTurn: UInt64 = 0

    /// Size of one read in bytes: as much as a Unix socket hands out at once (it takes 64 KiB messages whole).
    package static let readSize = 64 * 1024

    /// Throws `LoopFailure` when the process is out of descriptors or memory. Descriptors 0, 1 and 2 are open afterwards:
    /// holes are plugged with /dev/null, else the loop's own descriptors would land there and a stray print in them.
    package init() throws(LoopFailure) {
        let raw = UnsafeMutablePointer<uv_loop_t>.allocate(capacity: 1)
        do throws(LoopFailure) {
            try Descriptors.plugStandardHoles()
            try LoopFailure.check(uv_loop_init(raw), "start event loop")
            try LoopFailure.check(cuv_count_waiting(raw), "start event loop")
        } catch {
            raw.deallocate()
            prepare.deallocate()
            check.deallocate()
            idle.deallocate()
            throw error
        }
        self.raw = raw
        readBuffer = .allocate(byteCount: Loop.readSize, alignment: 64)
        startOwnHandles()
    }

    deinit {
        // Every open handle holds the loop, so here none is left.
        _ = close()
    }

    /// Runs until no active handle is left or `stop` is called.
    package func run() {
        precondition(!isRunning && !isClosed, "A loop cannot be run from its own callbacks or after it was closed.")
        isRunning = true
        repeat {
            uv_run(raw, UV_RUN_DEFAULT)
            // Without this a reply that was produced by the very last callback would stay in the outbox.
            finishTurn()
        } while !isStopping && uv_loop_alive(raw) != 0
        isStopping = false
        isRunning = false
    }

    /// Makes `run` return after this turn. Before `run`, it makes the next `run` return at once.
    package func stop() {
        isStopping = true
        uv_stop(raw)
    }

    /// Monotonic time in nanoseconds. Read at most twice a turn (after waiting, and before timers), so that callbacks of
    /// one turn agree; a timer's callback never sees a time before its own due time.
    package var now: UInt64 {
        if cachedNow == 0 { cachedNow = uv_hrtime() }
        return cachedNow
    }

    /// CLOCK_REALTIME in milliseconds since 1970, for displayed and stored times only: it may jump.
    package func wallClockMilliseconds() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    }

    /// Runs `work` before this turn ends or, when called at its end, in the next one, which then does not wait for I/O.
    /// Work that puts itself off again lets waiting I/O through first. Keeps the loop running until it has run.
    package func soon(_ work: @escaping () -> Void) {
        guard !isClosed else { return }
        putOff.append(work)
        if uv_is_active(Handle.raw(idle)) == 0 {
            uv_idle_start(idle) { handle in Loop.from(handle?.pointee.data).runPutOff() }
        }
    }

    /// Closes the loop; true when no handle was left. False leaves the memory of the loop in place, because the handles
    /// still refer to it: that is a programming error, and every test asks for it. Work still put off is dropped.
    package func close() -> Bool {
        guard !isClosed else { return true }
        precondition(!isRunning, "A loop cannot be closed from its own callbacks.")
        isClosed = true
        putOff = []
        endOfTurn = nil
        uv_close(Handle.raw(prepare)) { $0?.deallocate() }
        uv_close(Handle.raw(check)) { $0?.deallocate() }
        uv_close(Handle.raw(idle)) { $0?.deallocate() }
        // Handles closed by the callbacks of closed handles need a turn of their own; chains longer than this do not exist.
        for _ in 0..<8 where uv_loop_alive(raw) != 0 { uv_run(raw, UV_RUN_NOWAIT) }
        guard uv_loop_close(raw) == 0 else { return false }
        raw.deallocate()
        readBuffer.deallocate()
        return true
    }

    private func startOwnHandles() {
        let context = Unmanaged.passUnretained(self).toOpaque()
        uv_prepare_init(raw, prepare)
        uv_check_init(raw, check)
        uv_idle_init(raw, idle)
        prepare.pointee.data = context
        check.pointee.data = context
        idle.pointee.data = context
        uv_prepare_start(prepare) { handle in Loop.from(handle?.pointee.data).finishTurn() }
        uv_check_start(check) { handle in Loop.from(handle?.pointee.data).cachedNow = 0 }
        uv_unref(Handle.raw(prepare))
        uv_unref(Handle.raw(check))
    }

    private func finishTurn() {
        endOfTurn?()
        cachedNow = 0
        let (end, waited) = (uv_hrtime(), uv_metrics_idle_time(raw))
        if turnEnded > 0 { longestTurn = max(longestTurn, end &- turnEnded &- (waited &- self.waited)) }
        (turnEnded, self.waited) = (end, waited)
    }

    private func runPutOff() {
        let works = putOff
        putOff = []
        for work in works { work() }
        if putOff.isEmpty { uv_idle_stop(idle) }
    }

    private static func from(_ context: UnsafeMutableRawPointer?) -> Loop {
        guard let context else { preconditionFailure("A handle of the loop lost its context.") }
        return Unmanaged<Loop>.fromOpaque(context).takeUnretainedValue()
    }
}
