import EventLoop
import JSON
import PushCore

/// One reader of the event log on one connection. It pulls when the socket has room.
final class Subscription {
    let id: String
    unowned let connection: Connection
    private let log: EventLog
    let filter: EventFilter
    let wantsProgress: Bool
    let consumer: String?
    private let window: Int?
    private let heartbeat: UInt64
    /// Everything up to here was sent or did not fit the filter.
    private(set) var position: Int64
    private let startCursor: String
    private var lastCursor: Cursor?
    /// Sequences that were sent and not acknowledged; only with explicit acknowledgement.
    private var unacknowledged: [Int64] = []
    private var isReading = false
    /// What was read for this one, until it has been served once: it might not be kept until then.
    private var arrived: EventPage?
    /// Waits in the log's queue to be served.
    var isReady = false
    private var isCaughtUp = false
    private(set) var isClosed = false
    private var timer: Timer?
    /// When an event or a heartbeat was sent, on the loop's clock.
    private var lastSent: UInt64 = 0
    private let prefix: [UInt8]
    private static let suffix = Array("}}\n".utf8)

    struct Options {
        var id: String
        var filter: EventFilter
        var wantsProgress: Bool
        var consumer: String?
        /// Nil: no acknowledgement is waited for.
        var window: Int?
        var heartbeatMilliseconds: Int64
    }

    init(connection: Connection, log: EventLog, options: Options, position: Int64, cursor: String) {
        id = options.id
        self.connection = connection
        self.log = log
        filter = options.filter
        wantsProgress = options.wantsProgress
        consumer = options.consumer
        window = options.window
        heartbeat = UInt64(options.heartbeatMilliseconds) * 1_000_000
        self.position = position
        startCursor = cursor
        var writer = JSONWriter()
        writer.beginObject()
        writer.key("jsonrpc")
        writer.plain("2.0")
        writer.key("method")
        writer.plain("event")
        writer.key("params")
        writer.beginObject()
        writer.key("subscription")
        writer.string(options.id)
        writer.bytes.append(UInt8(ascii: ","))
        prefix = writer.bytes
    }

    /// The position in the form that clients keep.
    var cursor: String { lastCursor?.text ?? startCursor }

    /// Begins after its reply was queued, so that no event can come before it.
    func start() {
        log.add(self)
        if heartbeat > 0 {
            let timer = Timer(loop: connection.server.loop)
            timer.keepsLoopAlive = false
            self.timer = timer
            lastSent = connection.server.loop.now
            beat(after: heartbeat)
        }
        // At the end there is nothing to send but that; further back there may be much.
        if position >= log.tailSequence { pump() } else { log.wake(self) }
    }

    /// The timer is not set anew with each event: it looks how long it has been quiet when it is due.
    private func beat(after nanoseconds: UInt64) {
        timer?.start(after: nanoseconds) { [unowned self] in
            let now = connection.server.loop.now
            let quiet = now - lastSent
            guard quiet >= heartbeat else { return beat(after: heartbeat - quiet) }
            if !connection.isFull { notify("subscription.heartbeat") }
            lastSent = now
            beat(after: heartbeat)
        }
    }

    /// Whether another event may be sent. If the connection is full, it pumps again when it is not.
    private func hasRoom() -> Bool {
        if connection.isFull {
            connection.holdBackEvents()
            return false
        }
        return window.map { unacknowledged.count < $0 } ?? true
    }

    /// Sends what there is while there is room, which is one connection's worth at most.
    func pump() {
        let arrived = arrived
        self.arrived = nil
        while !isClosed, !isReading, hasRoom() {
            if let arrived, arrived.covers(position) {
                send(arrived, isFiltered: true)
            } else if let (page, isFiltered) = log.page(covering: position, filter: filter) {
                send(page, isFiltered: isFiltered)
            } else if position >= log.tailSequence {
                return caughtUp()
            } else {
                return read()
            }
        }
    }

    private func read() {
        isReading = true
        log.readPage(after: position, filter: filter) { [weak self] page in
            guard let self else { return }
            isReading = false
            arrived = page
            log.wake(self)
        }
    }

    /// Sends what follows the position, as far as there is room; straight from the page to the output.
    private func send(_ page: EventPage, isFiltered: Bool) {
        let room = connection.eventRoom
        let ceiling = connection.eventPayload
        var left = window.map { $0 - unacknowledged.count } ?? .max
        var index = page.index(after: position)
        var sent = 0
        connection.conversation.appendLines { output in
            let full = output.count + room
            while index < page.events.count, left > 0, output.count < full {
                defer { index += 1 }
                guard isFiltered || filter.admits(page.events[index].row) else { continue }
                if output.isEmpty { output.reserveCapacity(min(room + 4_096, page.textSize(from: index))) }
                write(page.events[index], ceiling, to: &output)
                if window != nil { unacknowledged.append(page.events[index].row.sequence) }
                lastCursor = page.events[index].cursor
                left -= 1
                sent += 1
            }
        }
        position = index == page.events.count ? page.through : page.events[index].row.sequence - 1
        if sent > 0 { didSend(sent) }
    }

    private func write(_ event: RenderedEvent, _ ceiling: Int, to output: inout [UInt8]) {
        output.append(contentsOf: prefix)
        event.append(to: &output, ceiling: ceiling)
        output.append(contentsOf: Self.suffix)
    }

    private func didSend(_ events: Int) {
        connection.server.counters.eventsDelivered += events
        connection.markDirty()
        lastSent = connection.server.loop.now
    }

    func progress(_ event: RenderedEvent) {
        guard isCaughtUp, !connection.isFull, filter.session == nil || filter.session == event.row.session,
            filter.transfer == nil || filter.transfer == event.row.transferID
        else { return }
        connection.conversation.appendLines { write(event, connection.eventPayload, to: &$0) }
        didSend(1)
    }

    private func caughtUp() {
        guard !isCaughtUp else { return }
        isCaughtUp = true
        notify("subscription.caughtUp")
    }

    private func notify(_ method: StaticString, reason: StaticString? = nil) {
        connection.conversation.notify(method) { writer in
            writer.beginObject()
            writer.key("subscription")
            writer.string(id)
            if let reason {
                writer.key("reason")
                writer.plain(reason)
            }
            writer.key("cursor")
            writer.string(cursor)
            writer.endObject()
        }
        connection.markDirty()
    }

    /// Events up to a sequence were worked through.
    func acknowledge(through sequence: Int64) {
        unacknowledged.removeAll { $0 <= sequence }
        log.wake(self)
    }

    /// Ends it from this side; the cursor says where to go on.
    func end(reason: StaticString) {
        guard !isClosed else { return }
        notify("subscription.closed", reason: reason)
        close()
        connection.subscriptions[id] = nil
    }

    func close() {
        guard !isClosed else { return }
        isClosed = true
        timer?.close()
        log.remove(self)
    }
}
