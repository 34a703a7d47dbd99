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
    private(set) var cursor: String
    /// Sequences that were sent and not acknowledged; only with explicit acknowledgement.
    private var unacknowledged: [Int64] = []
    private var isReading = false
    private var isCaughtUp = false
    private(set) var isClosed = false
    private var timer: Timer?
    private let prefix: [UInt8]

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
        self.cursor = cursor
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

    /// Begins after its reply was queued, so that no event can come before it.
    func start() {
        log.add(self)
        if heartbeat > 0 {
            let timer = Timer(loop: connection.server.loop)
            timer.keepsLoopAlive = false
            self.timer = timer
            beat()
        }
        pump()
    }

    private func beat() {
        timer?.start(after: heartbeat, repeating: heartbeat) { [unowned self] in
            guard !connection.isFull else { return }
            notify("subscription.heartbeat")
        }
    }

    private var hasRoom: Bool {
        if connection.isFull {
            connection.eventsWait = true
            return false
        }
        return window.map { unacknowledged.count < $0 } ?? true
    }

    /// Sends what there is while there is room.
    func pump() {
        while !isClosed, !isReading, hasRoom {
            guard let events = log.tail(after: position, limit: 64) else { return readStore() }
            if events.isEmpty {
                position = max(position, log.tailSequence)
                caughtUp()
                return
            }
            for event in events {
                guard hasRoom else { return }
                if filter.admits(event.row) { send(event) }
                position = event.row.sequence
            }
        }
    }

    private func readStore() {
        isReading = true
        log.read(after: position, filter: filter) { [weak self] events, through in
            guard let self, !isClosed else { return }
            isReading = false
            var sentAll = true
            for event in events {
                guard hasRoom else {
                    sentAll = false
                    break
                }
                send(event)
                position = event.row.sequence
            }
            if sentAll { position = max(position, through) }
            pump()
        }
    }

    private func send(_ event: RenderedEvent) {
        cursor = event.cursor.text
        if window != nil { unacknowledged.append(event.row.sequence) }
        write(event)
    }

    func progress(_ event: RenderedEvent) {
        guard isCaughtUp, !connection.isFull, filter.session == nil || filter.session == event.row.session,
            filter.transfer == nil || filter.transfer == event.row.transferID
        else { return }
        write(event)
    }

    private func write(_ event: RenderedEvent) {
        var line = prefix
        line += event.bytes(ceiling: connection.eventPayload)
        line += [UInt8(ascii: "}"), UInt8(ascii: "}"), UInt8(ascii: "\n")]
        connection.conversation.append(line: line)
        connection.server.counters.eventsDelivered += 1
        connection.markDirty()
        if heartbeat > 0 { beat() }
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
        pump()
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
