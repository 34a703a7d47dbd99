import CUV
import Glibc

/// Calls back on the loop thread when the process receives a signal. Does not keep the loop running.
package final class SignalWatcher: Handle {
    private var received: (() -> Void)?

    /// Throws `LoopFailure` for a number that is no signal or cannot be caught.
    package init(loop: Loop, signal: Int32, _ on: @escaping () -> Void) throws(LoopFailure) {
        let memory = Handle.allocate(UV_SIGNAL)
        let watcher = memory.assumingMemoryBound(to: uv_signal_t.self)
        let initialised = uv_signal_init(loop.raw, watcher)
        guard initialised == 0 else {
            memory.deallocate()
            throw LoopFailure(code: initialised, operation: "watch signals")
        }
        let started = uv_signal_start(
            watcher, { handle, _ in Handle.object(handle?.pointee.data, as: SignalWatcher.self).received?() }, signal)
        guard started == 0 else {
            Handle.discard(memory)
            throw LoopFailure(code: started, operation: "watch signal")
        }
        received = on
        super.init(loop: loop, memory: memory)
        keepsLoopAlive = false
    }

    package func close() {
        received = nil
        closeHandle(nil)
    }

    /// A write to a closed pipe or socket becomes the error EPIPE instead of the end of the process.
    package static func ignoreBrokenPipes() {
        _ = Glibc.signal(SIGPIPE, SIG_IGN)
    }
}
