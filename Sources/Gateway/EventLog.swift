import EventLoop
import JSON
import PushCore
import Store

// Theory of operation.
//
// Events live in the store; this is the one reader over them. Subscribers pull: each has a position and takes what
// follows it when its socket has room, so one that sleeps costs nothing. Those at the head of the log share a short
// tail of rendered events: an event is read and rendered once, however many want it. Those further behind read the
// store through the same rendering.

/// An event as it is sent; what comes before it in its line depends on the subscription.
struct RenderedEvent {
    let row: EventRow
    let cursor: Cursor
    /// `,"cursor":…,"time":…,"type":…` — then either `payload` or a reference.
    let head: [UInt8]
    /// `,"data":{…}`
    let payload: [UInt8]
    /// Where the payload can be had instead: `,"ref":{…}`; empty if it cannot be had elsewhere.
    let reference: [UInt8]

    var size: Int { head.count + payload.count + reference.count }

    func bytes(ceiling: Int) -> [UInt8] {
        payload.count > ceiling && !reference.isEmpty ? head + reference : head + payload
    }
}

/// The event log of the store, for all who read it.
final class EventLog {
    /// Rendered events that are kept for those at the head.
    private static let tailEvents = 4_096
    private static let tailBytes = 8 << 20
    /// Events and bytes of one read.
    static let readEvents = 256
    static let readBytes = 256 << 10
    /// How long events are kept, and finished transfers (K35), in milliseconds.
    private static let eventsKept: Int64 = 7 * 24 * 3_600_000
    private static let transfersKept: Int64 = 30 * 24 * 3_600_000

    private let store: DurableStore
    private let sessions: Sessions
    private let loop: Loop
    private var tail: [RenderedEvent] = []
    private var tailSize = 0
    /// Everything up to here is in the tail or was left out of it because nobody was there.
    private var tailEnd: Int64
    private var isReadingTail = false
    private(set) var latest: Cursor
    private(set) var oldest: Int64
    private var subscriptions: [ObjectIdentifier: Subscription] = [:]
    private var waiting: [Int: Waiter] = [:]
    private var lastWaiter = 0
    private var lastTrim: Int64 = 0

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

    init(store: DurableStore, sessions: Sessions, loop: Loop) {
        self.store = store
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
        let row = EventRow(
            sequence: latest.sequence, time: loop.wallClockMilliseconds(), kind: .progress, session: transfer.session,
            transfer: transfer.sequence, transferID: transfer.id, schemaKey: transfer.schemaKey)
        var payload = JSONWriter()
        payload.beginObject()
        payload.key("transfer_id")
        payload.string(transfer.id.text)
        payload.key("session_id")
        payload.string(transfer.session.text)
        payload.key("finished")
        payload.integer(transfer.counts.finished)
        payload.key("total")
        payload.integer(transfer.records)
        payload.endObject()
        let event = rendered(row, latest, payload.bytes, reference: [])
        for subscription in subscriptions.values where subscription.wantsProgress { subscription.progress(event) }
    }

    // MARK: The tail

    private func readTail() {
        guard !isReadingTail, tailEnd < latest.sequence else { return }
        guard !subscriptions.isEmpty else {
            tail = []
            tailSize = 0
            tailEnd = latest.sequence
            return
        }
        isReadingTail = true
        read(after: tailEnd, filter: EventFilter()) { [self] events, through in
            isReadingTail = false
            for event in events {
                tail.append(event)
                tailSize += event.size
            }
            tailEnd = max(tailEnd, through)
            trimTail()
            for subscription in subscriptions.values { subscription.pump() }
            readTail()
        }
    }

    private func trimTail() {
        guard tail.count > Self.tailEvents || tailSize > Self.tailBytes else { return }
        var drop = 0
        while tail.count - drop > Self.tailEvents / 2 || tailSize > Self.tailBytes / 2 {
            tailSize -= tail[drop].size
            drop += 1
        }
        tail.removeFirst(drop)
    }

    /// What follows a position as far as the tail knows; nil when the position is behind the tail.
    func tail(after sequence: Int64, limit: Int) -> ArraySlice<RenderedEvent>? {
        if sequence >= tailEnd { return [] }
        guard let first = tail.first, sequence >= first.row.sequence - 1 else { return nil }
        var low = 0
        var high = tail.count
        while low < high {
            let middle = (low + high) / 2
            if tail[middle].row.sequence <= sequence { low = middle + 1 } else { high = middle }
        }
        return tail[low..<min(tail.count, low + limit)]
    }

    var tailSequence: Int64 { tailEnd }

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
                var events: [RenderedEvent] = []
                events.reserveCapacity(logged.count)
                for event in logged {
                    let key = PlanKey(session: event.event.session, revision: event.revision)
                    guard let plan = plans[key] else { continue }
                    events.append(render(event, plan))
                }
                done(events, through)
            }
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

    private func render(_ logged: LoggedEvent, _ plan: SessionPlan) -> RenderedEvent {
        var payload = JSONWriter(reserving: 512)
        Payloads(plan: plan).payload(logged, into: &payload)
        let row = logged.event
        var reference: [UInt8] = []
        if row.kind == .data {
            var writer = JSONWriter()
            writer.beginObject()
            writer.key("method")
            writer.plain("getData")
            writer.key("params")
            writer.beginObject()
            writer.key("transfer_id")
            writer.string(row.transferID.text)
            writer.key("offset")
            writer.integer(row.first)
            writer.key("limit")
            writer.integer(max(1, row.end - row.first))
            if !row.isCompleted {
                writer.key("partial")
                writer.bool(true)
            }
            writer.endObject()
            writer.endObject()
            reference = writer.bytes
        }
        return rendered(row, Cursor(store: storeID, event: row), payload.bytes, reference: reference)
    }

    private func rendered(
        _ row: EventRow, _ cursor: Cursor, _ payload: [UInt8], reference: [UInt8]
    ) -> RenderedEvent {
        var head = JSONWriter()
        head.beginObject()
        head.key("cursor")
        head.string(cursor.text)
        head.key("time")
        head.string(WireTime.text(row.time))
        head.key("type")
        head.string(row.kind.name)
        return RenderedEvent(
            row: row, cursor: cursor, head: Array(head.bytes.dropFirst()), payload: Array(#","data":"#.utf8) + payload,
            reference: reference.isEmpty ? [] : Array(#","ref":"#.utf8) + reference)
    }

    // MARK: Who reads

    func add(_ subscription: Subscription) {
        subscriptions[ObjectIdentifier(subscription)] = subscription
        readTail()
    }

    func remove(_ subscription: Subscription) { subscriptions[ObjectIdentifier(subscription)] = nil }

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

    /// Once a minute: what is older than its retention goes.
    func trim(_ now: Int64, _ commit: ([Change]) -> Void) {
        guard now - lastTrim > 60_000 else { return }
        lastTrim = now
        commit([
            .trim(
                transfersBefore: now - Self.transfersKept, eventsBefore: now - Self.eventsKept, limit: 10)
        ])
    }
}
