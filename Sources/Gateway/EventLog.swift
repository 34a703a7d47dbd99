import EventLoop
import PushCore
import Store

// Theory of operation.
//
// Events live in the store; this is the one reader over them. Subscribers pull: each has a position and takes what
// follows it when its socket has room, so one that sleeps costs nothing. They are served from pages (`EventPages`): what
// is read and rendered for one is there for all who want the same. Who asks for what is being read already waits for it.
//
// The tail is the end of the log, read as events come in while somebody is there. At the tail's end a subscriber has
// caught up and waits to be woken.
//
// Both rendering and serving are long work when many are there, so both go in slices (K4): a read is rendered event by
// event, and those who can be served wait in a queue.

/// The event log of the store, for all who read it.
final class EventLog {
    /// Bytes of rendered events that are kept.
    private static let pageBytes = 8 << 20
    /// Events and bytes of one read.
    static let readEvents = 256
    static let readBytes = 256 << 10
    /// Milliseconds between two looks for what is older than its retention.
    private static let trimTime: Int64 = 60_000

    private let store: DurableStore
    private let sessions: Sessions
    private let loop: Loop
    private let slices: Slices
    private var pages = EventPages(ceiling: EventLog.pageBytes)
    private var reads: [PageRead] = []
    /// Rises when pages are forgotten: what was read before is not kept then.
    private var generation = 0
    /// Everything up to here was read for the tail, or was left out because nobody was there.
    private var tailEnd: Int64
    private var isReadingTail = false
    private(set) var latest: Cursor
    private(set) var oldest: Int64
    private var subscriptions: [ObjectIdentifier: Subscription] = [:]
    /// Who may have something to send, in the order of being woken.
    private var ready: [Subscription] = []
    private var isServing = false
    private var waiting: [Int: Waiter] = [:]
    private var lastWaiter = 0
    private var lastTrim: Int64 = 0

    /// A read that is under way, and who waits for it.
    private struct PageRead {
        var filter: EventFilter
        var after: Int64
        var waiting: [(EventPage) -> Void]
    }

    private struct Waiter {
        var filter: EventFilter
        var after: Int64
        var timer: Timer
        var wake: () -> Void
    }

    var storeID: UInt64 { store.state.storeID }
    var latestCursor: String { latest.text }
    /// The position before the oldest event that is still there.
    var oldestCursor: String { Cursor(store: storeID, sequence: oldest - 1, check: 0).text }

    init(store: DurableStore, sessions: Sessions, loop: Loop, slices: Slices) {
        self.store = store
        self.slices = slices
        self.sessions = sessions
        self.loop = loop
        tailEnd = store.state.lastEvent
        oldest = store.state.oldestEvent
        latest = Cursor(store: store.state.storeID, sequence: store.state.lastEvent, check: 0)
    }

    /// Reads the last event, which the check in the latest cursor is made of.
    func open(_ done: @escaping () -> Void) {
        guard store.state.lastEvent > 0 else { return done() }
        store.read(.events(after: store.state.lastEvent - 1, filter: EventFilter(), limit: 1, bytes: 1)) {
            [self] answer in
            if case .events(let events, _, _, _) = answer, let last = events.last?.event {
                latest = Cursor(store: storeID, event: last)
            }
            done()
        }
    }

    // MARK: Writing side

    /// These events are on disk.
    func published(_ rows: [EventRow]) {
        guard let last = rows.last else { return }
        latest = Cursor(store: storeID, event: last)
        if oldest == 0 { oldest = 1 }
        for (number, waiter) in waiting where rows.contains(where: { waiter.filter.admits($0) }) {
            waiting[number] = nil
            waiter.timer.close()
            waiter.wake()
        }
        readTail()
    }

    /// A transfer has come further; not logged, for those who are there now.
    func progressed(_ transfer: TransferRow) {
        guard !subscriptions.isEmpty else { return }
        let event = EventRendering.progress(transfer, at: loop.wallClockMilliseconds(), latest: latest)
        for subscription in subscriptions.values where subscription.wantsProgress { subscription.progress(event) }
    }

    // MARK: The tail

    private func readTail() {
        guard !isReadingTail, tailEnd < latest.sequence else { return }
        guard !subscriptions.isEmpty else {
            tailEnd = latest.sequence
            return
        }
        isReadingTail = true
        readPage(after: tailEnd, filter: EventFilter()) { [self] page in
            isReadingTail = false
            tailEnd = max(tailEnd, page.through)
            for subscription in subscriptions.values { wake(subscription) }
            readTail()
        }
    }

    var tailSequence: Int64 { tailEnd }

    // MARK: Pages

    /// What follows a position, if it is there; `isFiltered`: its events fit the filter.
    func page(covering position: Int64, filter: EventFilter) -> (page: EventPage, isFiltered: Bool)? {
        if let page = pages.page(covering: position, filter: EventFilter()) { return (page, filter == EventFilter()) }
        return pages.page(covering: position, filter: filter).map { ($0, true) }
    }

    /// Reads what follows a position, unless a read that is under way may bring it; the page need not cover the
    /// position then, and the caller asks again.
    func readPage(after position: Int64, filter: EventFilter, _ done: @escaping (EventPage) -> Void) {
        let near = reads.firstIndex {
            $0.after <= position && position < $0.after + Int64(Self.readEvents) && $0.filter == filter
        }
        if let near { return reads[near].waiting.append(done) }
        reads.append(PageRead(filter: filter, after: position, waiting: [done]))
        let generation = generation
        read(after: position, filter: filter) { [self] events, through in
            let page = EventPage(after: position, through: through, events: events)
            if generation == self.generation, through > position { pages.insert(page, filter: filter) }
            guard let index = reads.firstIndex(where: { $0.after == position && $0.filter == filter }) else { return }
            for done in reads.remove(at: index).waiting { done(page) }
        }
    }

    /// Lets go of what is rendered, because some of it is to be seen no more.
    func forgetPages() {
        generation += 1
        pages.removeAll()
    }

    // MARK: Serving

    /// Serves a subscription when its turn comes.
    func wake(_ subscription: Subscription) {
        guard !subscription.isReady, !subscription.isClosed else { return }
        subscription.isReady = true
        ready.append(subscription)
        guard !isServing else { return }
        isServing = true
        slices.add { [self] deadline in serve(deadline) }
    }

    /// Says whether everybody was served. What they take leaves at once: writing is most of the work, and counts.
    private func serve(_ deadline: UInt64) -> Bool {
        var served = 0
        while served < ready.count {
            let subscription = ready[served]
            served += 1
            subscription.isReady = false
            guard !subscription.isClosed else { continue }
            subscription.pump()
            subscription.connection.flush()
            if Clock.monotonic() >= deadline { break }
        }
        ready.removeFirst(served)
        isServing = !ready.isEmpty
        return !isServing
    }

    // MARK: Reading

    /// Events after a position, rendered. `through`: everything up to there was looked at.
    func read(
        after sequence: Int64, filter: EventFilter, limit: Int = EventLog.readEvents, bytes: Int = EventLog.readBytes,
        _ done: @escaping (_ events: [RenderedEvent], _ through: Int64) -> Void
    ) {
        store.read(.events(after: sequence, filter: filter, limit: limit, bytes: bytes)) { [self] answer in
            guard case .events(let logged, let through, let oldest, _) = answer else { return done([], sequence) }
            self.oldest = oldest
            withPlans(logged) { [self] plans in
                render(logged, plans) { done($0, through) }
            }
        }
    }

    private func render(
        _ logged: [LoggedEvent], _ plans: [PlanKey: SessionPlan], _ done: @escaping ([RenderedEvent]) -> Void
    ) {
        var events: [RenderedEvent] = []
        events.reserveCapacity(logged.count)
        var next = 0
        slices.add { [storeID] deadline in
            while next < logged.count {
                let event = logged[next]
                next += 1
                let key = PlanKey(session: event.event.session, revision: event.revision)
                if let plan = plans[key] { events.append(EventRendering.event(event, plan: plan, store: storeID)) }
                if Clock.monotonic() >= deadline { break }
            }
            guard next == logged.count else { return false }
            done(events)
            return true
        }
    }

    private struct PlanKey: Hashable {
        var session: Identifier
        var revision: Int32
    }

    private func withPlans(_ events: [LoggedEvent], _ done: @escaping ([PlanKey: SessionPlan]) -> Void) {
        var plans: [PlanKey: SessionPlan] = [:]
        var keys = Set(events.map { PlanKey(session: $0.event.session, revision: $0.revision) })
        func next() {
            guard let key = keys.popFirst() else { return done(plans) }
            sessions.plan(session: key.session, revision: key.revision) { plan in
                plans[key] = plan
                next()
            }
        }
        next()
    }

    // MARK: Who reads

    func add(_ subscription: Subscription) {
        subscriptions[ObjectIdentifier(subscription)] = subscription
        readTail()
    }

    func remove(_ subscription: Subscription) {
        subscriptions[ObjectIdentifier(subscription)] = nil
        if subscriptions.isEmpty { forgetPages() }
    }

    func isTaken(consumer: String) -> Bool { subscriptions.values.contains { $0.consumer == consumer } }

    /// Wakes when an event that fits is on disk, or after a time.
    func wait(filter: EventFilter, milliseconds: Int64, _ wake: @escaping () -> Void) -> () -> Void {
        lastWaiter += 1
        let number = lastWaiter
        let timer = Timer(loop: loop)
        waiting[number] = Waiter(filter: filter, after: latest.sequence, timer: timer, wake: wake)
        timer.start(after: UInt64(milliseconds) * 1_000_000) { [self] in
            waiting[number] = nil
            timer.close()
            wake()
        }
        return { [self] in
            guard let waiter = waiting.removeValue(forKey: number) else { return }
            waiter.timer.close()
        }
    }

    func endWaiting() {
        let ended = waiting.values
        waiting = [:]
        for waiter in ended {
            waiter.timer.close()
            waiter.wake()
        }
    }

    /// Checks a cursor that a client brought. The answer: the sequence to go on after, or nil if it is none of ours.
    func resolve(_ text: String, _ done: @escaping (Int64?) -> Void) {
        guard let cursor = Cursor(text: text), cursor.store == storeID, cursor.sequence <= latest.sequence else {
            return done(nil)
        }
        guard cursor.check != 0, cursor.sequence >= oldest else { return done(cursor.sequence) }
        if cursor.sequence == latest.sequence {
            return done(cursor == latest || latest.check == 0 ? cursor.sequence : nil)
        }
        store.read(.events(after: cursor.sequence - 1, filter: EventFilter(), limit: 1, bytes: 1)) { answer in
            guard case .events(let events, _, _, _) = answer, let event = events.first?.event,
                event.sequence == cursor.sequence
            else { return done(cursor.sequence) }
            done(Cursor.check(event) == cursor.check ? cursor.sequence : nil)
        }
    }

    /// Once a minute, or as often as the retention needs: what is older goes.
    func trim(_ now: Int64, _ retention: Retention, _ commit: ([Change]) -> Void) {
        guard now - lastTrim > min(Self.trimTime, retention.events, retention.transfers) else { return }
        lastTrim = now
        commit([
            .trim(
                transfersBefore: now - retention.transfers, eventsBefore: now - retention.events, limit: 10),
            // As long as budgets count: a provider's day.
            .trimExchanges(before: now - max(retention.events, 86_400_000)),
        ])
    }
}
