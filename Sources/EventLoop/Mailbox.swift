// Theory of operation.
//
// The only door between threads (K9). A worker is a thread that owns what must not run on the loop: SQLite, long
// computations. Orders go to it through an array under a mutex, with a condition that wakes it; reports come back through
// an array under the same mutex, with a uv_async that wakes the loop. One wake-up carries everything that has gathered.
//
// This is the one file in which a type vouches for its own thread safety. What is shared is `WorkerInbox`: its variable
// parts are touched between `lock` and `unlock` only, its constants were set before the thread was started. uv_mutex_t
// rather than the standard library's Mutex, because ThreadSanitizer sees it.

import CLinux
import CUV

/// A thread with an inbox. Made, used and closed on the loop thread.
package final class Worker<Order: Sendable, Report: Sendable> {
    private let inbox: WorkerInbox<Order, Report>
    private let bell: Bell
    private let thread: UnsafeMutablePointer<uv_thread_t>
    private var isClosing = false

    /// Starts the thread. `body` runs on it once: it loops over `inbox.take()` and returns when that gives nil. `onReports`
    /// gets all reports that have gathered, in order, on the loop thread. `stackBytes` is rounded up to pages. Throws
    /// `LoopFailure` when the process is out of threads or memory.
    package init(
        loop: Loop, name: String, stackBytes: Int = 1 << 20,
        body: @escaping @Sendable (WorkerInbox<Order, Report>) -> Void,
        onReports: @escaping ([Report]) -> Void
    ) throws(LoopFailure) {
        let bell = try Bell(loop: loop)
        let inbox = WorkerInbox<Order, Report>(ringer: bell.ringer)
        self.bell = bell
        self.inbox = inbox
        thread = .allocate(capacity: 1)
        bell.onRing = {
            let reports = inbox.collect()
            if !reports.isEmpty { onReports(reports) }
        }
        let start = ThreadStart(name: name) {
            body(inbox)
            inbox.bodyDidReturn()
        }
        var options = uv_thread_options_t(flags: UInt32(UV_THREAD_HAS_STACK_SIZE.rawValue), stack_size: stackBytes)
        let context = Unmanaged.passRetained(start)
        let created = uv_thread_create_ex(
            thread, &options,
            { context in
                guard let context else { return }
                let start = Unmanaged<ThreadStart>.fromOpaque(context).takeRetainedValue()
                clinux_name_thread(start.name)
                // Where cores are few, the loop goes first: it has little to do at a time, and everybody waits for it.
                clinux_yield_priority()
                start.work()
            }, context.toOpaque())
        guard created == 0 else {
            context.release()
            thread.deallocate()
            bell.close()
            throw LoopFailure(code: created, operation: "start thread")
        }
    }

    /// Hands over an order; ignored after `close`.
    package func send(_ order: Order) {
        guard !isClosing else { return }
        inbox.put(order)
    }

    /// Takes no more orders. Everything sent is still handled and reported, then the ended thread is joined and `done` runs
    /// on the loop thread. To be called once; keeps the loop running until then.
    package func close(_ done: @escaping () -> Void) {
        precondition(!isClosing, "A worker is closed once.")
        isClosing = true
        bell.keepsLoopAlive = true
        let (inbox, bell, thread) = (inbox, bell, thread)
        let deliver = bell.onRing
        bell.onRing = {
            // Asked before the reports are collected: a report that came between would be left behind.
            let hasReturned = inbox.hasReturned
            deliver?()
            guard hasReturned else { return }
            // The thread has nothing left to do but to end.
            uv_thread_join(thread)
            thread.deallocate()
            bell.close(done)
        }
        inbox.close()
    }

    /// Whether an idle worker keeps `Loop.run` going. True unless set.
    package var keepsLoopAlive: Bool {
        get { bell.keepsLoopAlive }
        set { if !isClosing { bell.keepsLoopAlive = newValue } }
    }
}

/// What a worker's thread sees of it, for that thread alone and only until its body returns.
package final class WorkerInbox<Order: Sendable, Report: Sendable>: @unchecked Sendable {
    private let mutex = UnsafeMutablePointer<uv_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<uv_cond_t>.allocate(capacity: 1)
    private let ringer: Ringer
    private var orders: [Order] = []
    private var reports: [Report] = []
    private var isClosed = false
    private var returned = false

    fileprivate init(ringer: Ringer) {
        self.ringer = ringer
        uv_mutex_init(mutex)
        uv_cond_init(condition)
    }

    deinit {
        uv_cond_destroy(condition)
        uv_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    /// Waits for orders and gives all that wait, in the order in which they were sent; nil after the worker was closed and
    /// its last order was given.
    package func take() -> [Order]? {
        uv_mutex_lock(mutex)
        defer { uv_mutex_unlock(mutex) }
        while orders.isEmpty && !isClosed { uv_cond_wait(condition, mutex) }
        return takeWaiting()
    }

    /// The same, but gives an empty array when no order came in time. For work that is done when idle.
    package func take(waitingAtMost nanoseconds: UInt64) -> [Order]? {
        uv_mutex_lock(mutex)
        defer { uv_mutex_unlock(mutex) }
        // libuv adds the clock to what it is given; a century does not overflow.
        let deadline = uv_hrtime() + min(nanoseconds, 3_155_760_000_000_000_000)
        while orders.isEmpty && !isClosed {
            let now = uv_hrtime()
            if now >= deadline { return [] }
            uv_cond_timedwait(condition, mutex, deadline - now)
        }
        return takeWaiting()
    }

    /// Sends a report to the loop thread.
    package func report(_ report: Report) {
        uv_mutex_lock(mutex)
        let wasEmpty = reports.isEmpty
        reports.append(report)
        uv_mutex_unlock(mutex)
        if wasEmpty { ringer.ring() }
    }

    private func takeWaiting() -> [Order]? {
        if orders.isEmpty { return nil }
        let taken = orders
        orders = []
        return taken
    }

    fileprivate func put(_ order: Order) {
        uv_mutex_lock(mutex)
        orders.append(order)
        uv_cond_signal(condition)
        uv_mutex_unlock(mutex)
    }

    fileprivate func close() {
        uv_mutex_lock(mutex)
        isClosed = true
        uv_cond_signal(condition)
        uv_mutex_unlock(mutex)
        // A body that returned early has rung before anyone listened for it.
        ringer.ring()
    }

    fileprivate func collect() -> [Report] {
        uv_mutex_lock(mutex)
        defer { uv_mutex_unlock(mutex) }
        let collected = reports
        reports = []
        return collected
    }

    fileprivate func bodyDidReturn() {
        uv_mutex_lock(mutex)
        returned = true
        uv_mutex_unlock(mutex)
        ringer.ring()
    }

    fileprivate var hasReturned: Bool {
        uv_mutex_lock(mutex)
        defer { uv_mutex_unlock(mutex) }
        return returned
    }
}

/// The loop's side of a wake-up from another thread.
private final class Bell: Handle {
    var onRing: (() -> Void)?

    init(loop: Loop) throws(LoopFailure) {
        let memory = Handle.allocate(UV_ASYNC)
        let async = memory.assumingMemoryBound(to: uv_async_t.self)
        let result = uv_async_init(loop.raw, async) { handle in
            Handle.object(handle?.pointee.data, as: Bell.self).onRing?()
        }
        guard result == 0 else {
            memory.deallocate()
            throw LoopFailure(code: result, operation: "open wake-up")
        }
        super.init(loop: loop, memory: memory)
    }

    /// Rings as long as the bell is not closed, that is until the thread that has the ringer was joined.
    var ringer: Ringer { Ringer(async: memory.assumingMemoryBound(to: uv_async_t.self)) }

    func close(_ done: (() -> Void)? = nil) {
        onRing = nil
        closeHandle(done)
    }
}

/// The other threads' side: uv_async_send is the one call of libuv that any thread may make.
private struct Ringer: @unchecked Sendable {
    let async: UnsafeMutablePointer<uv_async_t>

    func ring() { uv_async_send(async) }
}

private final class ThreadStart: Sendable {
    let name: String
    let work: @Sendable () -> Void

    init(name: String, work: @escaping @Sendable () -> Void) {
        self.name = name
        self.work = work
    }
}
