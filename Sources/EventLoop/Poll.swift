import CUV

/// Watches a descriptor that somebody else owns, who must close it only after this was closed.
package final class Poll: Handle {
    package struct Events: OptionSet, Sendable {
        package let rawValue: Int32
        package init(rawValue: Int32) { self.rawValue = rawValue }

        package static let readable = Events(rawValue: Int32(UV_READABLE.rawValue))
        package static let writable = Events(rawValue: Int32(UV_WRITABLE.rawValue))
    }

    private var wanted: Events = []
    private var notify: ((Events, LoopFailure?) -> Void)?

    /// Makes the descriptor non-blocking. Throws `LoopFailure` when it cannot be watched or is watched already.
    package init(loop: Loop, descriptor: Int32) throws(LoopFailure) {
        let memory = Handle.allocate(UV_POLL)
        let result = uv_poll_init(loop.raw, memory.assumingMemoryBound(to: uv_poll_t.self), descriptor)
        guard result == 0 else {
            memory.deallocate()
            throw LoopFailure(code: result, operation: "watch descriptor")
        }
        super.init(loop: loop, memory: memory)
    }

    /// Calls `notify` in each turn in which one of `events` is there, or the descriptor is in error. Replaces what was
    /// started before; does nothing after `close`.
    package func start(_ events: Events, _ notify: @escaping (Events, LoopFailure?) -> Void) {
        guard !isClosing else { return }
        wanted = events
        self.notify = notify
        listen()
    }

    /// From its return on the descriptor may be closed.
    package func close() {
        guard !isClosing else { return }
        notify = nil
        uv_poll_stop(poll)
        closeHandle(nil)
    }

    private func listen() {
        uv_poll_start(poll, wanted.rawValue) { handle, status, events in
            Handle.object(handle?.pointee.data, as: Poll.self).happened(status, Events(rawValue: events))
        }
    }

    private func happened(_ status: Int32, _ events: Events) {
        guard status < 0 else {
            notify?(events, nil)
            return
        }
        notify?([], LoopFailure(code: status, operation: "watch descriptor"))
        // libuv stops watching on an error, but the owner may have other plans with the descriptor than to close it.
        if !isClosing, uv_is_active(Handle.raw(poll)) == 0 { listen() }
    }

    private var poll: UnsafeMutablePointer<uv_poll_t> { memory.assumingMemoryBound(to: uv_poll_t.self) }
}
