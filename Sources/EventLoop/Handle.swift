import CUV

/// One libuv handle and the Swift object that stands for it. From creation until the handle has been closed libuv holds a
/// reference to the object, so a callback always finds it alive; `close` is what lets go.
package class Handle {
    package let loop: Loop
    let memory: UnsafeMutableRawPointer
    private(set) var isClosing = false
    private var isClosed = false
    private var whenClosed: [() -> Void] = []

    /// Takes over `memory`, which holds a handle that has been initialised. Subclasses do what can fail before this call
    /// and give the memory to `discard` when it did, so that no half-made object is ever known to libuv.
    init(loop: Loop, memory: UnsafeMutableRawPointer) {
        self.loop = loop
        self.memory = memory
        handle.pointee.data = Unmanaged.passRetained(self).toOpaque()
    }

    /// Whether this handle, while active, keeps `Loop.run` going. True unless set.
    package final var keepsLoopAlive: Bool {
        get { uv_has_ref(handle) != 0 }
        set { if newValue { uv_ref(handle) } else { uv_unref(handle) } }
    }

    /// Called once, when libuv no longer knows the handle and before anyone is told.
    func didClose() {}

    /// Closes the handle; `done` runs in a later callback, also when it was closed before.
    final func closeHandle(_ done: (() -> Void)?) {
        if let done { whenClosed.append(done) }
        if isClosed { return loop.soon { self.tellClosed() } }
        guard !isClosing else { return }
        isClosing = true
        uv_close(handle) { closed in
            guard let context = closed?.pointee.data else { return }
            let object = Unmanaged<Handle>.fromOpaque(context).takeRetainedValue()
            object.isClosed = true
            object.didClose()
            object.memory.deallocate()
            object.tellClosed()
        }
    }

    private func tellClosed() {
        let waiting = whenClosed
        whenClosed = []
        for done in waiting { done() }
    }

    private final var handle: UnsafeMutablePointer<uv_handle_t> { memory.assumingMemoryBound(to: uv_handle_t.self) }

    static func allocate(_ type: uv_handle_type) -> UnsafeMutableRawPointer {
        .allocate(byteCount: uv_handle_size(type), alignment: 16)
    }

    /// Closes an initialised handle for which no object could be made.
    static func discard(_ memory: UnsafeMutableRawPointer) {
        uv_close(memory.assumingMemoryBound(to: uv_handle_t.self)) { UnsafeMutableRawPointer($0)?.deallocate() }
    }

    static func raw<Kind>(_ pointer: UnsafeMutablePointer<Kind>) -> UnsafeMutablePointer<uv_handle_t> {
        UnsafeMutableRawPointer(pointer).assumingMemoryBound(to: uv_handle_t.self)
    }

    /// The object behind a handle in one of its callbacks.
    static func object<Object: Handle>(_ context: UnsafeMutableRawPointer?, as type: Object.Type) -> Object {
        guard let context else { preconditionFailure("A handle lost the object that it belongs to.") }
        return unsafeDowncast(Unmanaged<Handle>.fromOpaque(context).takeUnretainedValue(), to: type)
    }
}
