import CUV

/// Runs a closure later, once or again and again. Never early; late by less than a millisecond plus the turn's work.
package final class Timer: Handle {
    private var fire: (() -> Void)?

    package init(loop: Loop) {
        let memory = Handle.allocate(UV_TIMER)
        uv_timer_init(loop.raw, memory.assumingMemoryBound(to: uv_timer_t.self))
        super.init(loop: loop, memory: memory)
    }

    package var isActive: Bool { uv_is_active(Handle.raw(timer)) != 0 }

    /// Starts, or starts anew. `repeating` is the period after the first time, rounded up to milliseconds; 0 is once.
    /// Does nothing after `close`.
    package func start(after nanoseconds: UInt64, repeating: UInt64 = 0, _ fire: @escaping () -> Void) {
        guard !isClosing else { return }
        self.fire = fire
        // libuv counts whole milliseconds from a clock reading that may lie a turn back; counting from that same reading
        // and rounding up is what keeps the timer from firing early.
        let (due, overflowed) = loop.now.addingReportingOverflow(nanoseconds)
        let base = uv_now(loop.raw)
        let dueMilliseconds = overflowed ? UInt64(Int64.max) : due.roundedUpToMilliseconds
        uv_timer_start(
            timer,
            { handle in Handle.object(handle?.pointee.data, as: Timer.self).fired() },
            dueMilliseconds > base ? dueMilliseconds - base : 0, repeating.roundedUpToMilliseconds)
    }

    package func stop() {
        uv_timer_stop(timer)
        fire = nil
    }

    package func close() {
        fire = nil
        closeHandle(nil)
    }

    private func fired() {
        let work = fire
        if uv_timer_get_repeat(timer) == 0 { fire = nil }
        work?()
    }

    private var timer: UnsafeMutablePointer<uv_timer_t> { memory.assumingMemoryBound(to: uv_timer_t.self) }
}

extension UInt64 {
    fileprivate var roundedUpToMilliseconds: UInt64 { self / 1_000_000 + (self % 1_000_000 == 0 ? 0 : 1) }
}
