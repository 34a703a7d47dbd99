import JSON
import JSONRPC
import PushCore

/// `subscribe`, `unsubscribe`, `ack`, `getEvents`.
enum EventMethods {
    /// Where a reader begins.
    private enum Start {
        case position(Int64)
        case invalid
    }

    // MARK: subscribe

    static func subscribe(_ server: Server, _ call: Call, _ params: JSONView, _ responder: Responder) {
        let connection = responder.connection
        guard responder.replyTo != nil else { return }
        let id = params["subscription"]?.string ?? newName(connection)
        guard connection.subscriptions[id] == nil else { return responder.error(.subscriptionExists) }
        guard connection.subscriptions.count < server.ceilings.subscriptions else {
            return responder.error(.tooManySubscriptions) { writer in
                writer.key("limit")
                writer.integer(server.ceilings.subscriptions)
            }
        }
        let consumer = params["from"]?["consumer"]?.string
        if let consumer, server.events.isTaken(consumer: consumer) { return responder.error(.consumerBusy) }
        filter(server, params, responder) { filter, wantsProgress in
            start(server, params["from"], consumer) { start in
                guard case .position(let position) = start else { return responder.error(.cursorInvalid) }
                let options = Subscription.Options(
                    id: id, filter: filter, wantsProgress: wantsProgress, consumer: consumer,
                    window: params["ack"]?.isString("explicit") == true ? Int(params["window"]?.integer ?? 256) : nil,
                    heartbeatMilliseconds: params["heartbeat_ms"]?.integer ?? 30_000)
                open(server, options, position, params, responder)
            }
        }
    }

    private static func open(
        _ server: Server, _ options: Subscription.Options, _ position: Int64, _ params: JSONView, _ responder: Responder
    ) {
        let connection = responder.connection
        guard !connection.isClosed, connection.subscriptions[options.id] == nil else {
            return responder.error(.subscriptionExists)
        }
        let log = server.events
        let resumed = max(position, log.oldest - 1)
        let hasGap = resumed > position
        if hasGap && params["on_gap"]?.isString("error") == true {
            return responder.error(.cursorExpired) { writer in
                writer.key("oldest")
                writer.string(log.oldestCursor)
                writer.key("latest")
                writer.string(log.latestCursor)
                writer.key("lost_at_most")
                writer.integer(resumed - position)
            }
        }
        let cursor = cursorText(log, resumed, params)
        let subscription = Subscription(
            connection: connection, log: log, options: options, position: resumed, cursor: cursor)
        connection.subscriptions[options.id] = subscription
        responder.object { writer in
            writer.key("subscription")
            writer.string(options.id)
            writer.key("cursor")
            writer.string(cursor)
            bounds(log, into: &writer)
            gap(log, from: position, to: resumed, into: &writer)
            writer.key("instance")
            writer.string(server.instance)
        }
        subscription.start()
    }

    /// The caller's own cursor where it can be gone on from, else one of ours.
    private static func cursorText(_ log: EventLog, _ position: Int64, _ params: JSONView) -> String {
        if position == log.latest.sequence { return log.latestCursor }
        if let text = params["from"]?["cursor"]?.string ?? params["cursor"]?.string,
            Cursor(text: text)?.sequence == position
        {
            return text
        }
        return Cursor(store: log.storeID, sequence: position, check: 0).text
    }

    private static func newName(_ connection: Connection) -> String {
        var number = connection.subscriptions.count + 1
        while connection.subscriptions["sub-\(number)"] != nil { number += 1 }
        return "sub-\(number)"
    }

    private static func bounds(_ log: EventLog, into writer: inout JSONWriter) {
        writer.key("oldest")
        writer.string(log.oldestCursor)
        writer.key("latest")
        writer.string(log.latestCursor)
    }

    private static func gap(_ log: EventLog, from: Int64, to: Int64, into writer: inout JSONWriter) {
        writer.key("gap")
        guard to > from else { return writer.null() }
        writer.beginObject()
        writer.key("from_cursor")
        writer.string(Cursor(store: log.storeID, sequence: from, check: 0).text)
        writer.key("resumed_at")
        writer.string(Cursor(store: log.storeID, sequence: to, check: 0).text)
        writer.key("lost_at_most")
        writer.integer(to - from)
        writer.endObject()
    }

    private static func start(
        _ server: Server, _ from: JSONView?, _ consumer: String?, _ done: @escaping (Start) -> Void
    ) {
        let log = server.events
        if let consumer {
            // A new consumer starts at the oldest (K26).
            return done(.position(server.consumers[consumer] ?? max(0, log.oldest - 1)))
        }
        if let cursor = from?["cursor"]?.string {
            return log.resolve(cursor) { done($0.map { .position($0) } ?? .invalid) }
        }
        done(.position(from?.isString("earliest") == true ? max(0, log.oldest - 1) : log.latest.sequence))
    }

    /// What a reader wants; answers the error itself. A transfer may be known to the machine before it is on disk for
    /// readers, so the store is asked only when the machine does not know it.
    private static func filter(
        _ server: Server, _ params: JSONView, _ responder: Responder,
        _ done: @escaping (EventFilter, _ wantsProgress: Bool) -> Void
    ) {
        var filter = EventFilter()
        let names = params["types"]?.elements.compactMap(\.string)
        filter.kinds = names.map { names in
            Set(EventRow.Kind.allCases.filter { names.contains($0.name) && $0 != .progress })
        }
        let wantsProgress = names?.contains("progress") ?? false
        if let text = params["session_id"]?.string {
            guard let session = server.session(text) else { return responder.error(.sessionNotFound) }
            filter.session = session.row.id
        }
        guard params["transfer_id"] != nil else { return done(filter, wantsProgress) }
        server.transfer(params, responder) { row, _ in
            filter.transfer = row.id
            done(filter, wantsProgress)
        }
    }

    // MARK: unsubscribe, ack

    static func unsubscribe(_ server: Server, _ call: Call, _ params: JSONView, _ responder: Responder) {
        let connection = responder.connection
        guard let id = params["subscription"]?.string, let subscription = connection.subscriptions[id] else {
            return responder.error(.subscriptionNotFound)
        }
        subscription.close()
        connection.subscriptions[id] = nil
        answer(responder, id, subscription.cursor)
    }

    static func ack(_ server: Server, _ call: Call, _ params: JSONView, _ responder: Responder) {
        guard let id = params["subscription"]?.string, let text = params["cursor"]?.string,
            let subscription = responder.connection.subscriptions[id]
        else { return responder.error(.subscriptionNotFound) }
        server.events.resolve(text) { sequence in
            guard let sequence else { return responder.error(.cursorInvalid) }
            subscription.acknowledge(through: sequence)
            guard let consumer = subscription.consumer else { return answer(responder, id, text) }
            server.consumers[consumer] = max(sequence, server.consumers[consumer] ?? 0)
            let time = server.loop.wallClockMilliseconds()
            let change = Change.consumer(
                name: consumer, sequence: server.consumers[consumer] ?? sequence, at: time)
            server.turn.commit([change]) { answer(responder, id, text) }
        }
    }

    private static func answer(_ responder: Responder, _ id: String, _ cursor: String) {
        responder.object { writer in
            writer.key("subscription")
            writer.string(id)
            writer.key("cursor")
            writer.string(cursor)
        }
    }

    // MARK: getEvents

    static func events(_ server: Server, _ call: Call, _ params: JSONView, _ responder: Responder) {
        filter(server, params, responder) { filter, _ in
            guard let text = params["cursor"]?.string else {
                return read(server, max(0, server.events.oldest - 1), filter, params, responder, mayWait: true)
            }
            server.events.resolve(text) { position in
                guard let position else { return responder.error(.cursorInvalid) }
                read(server, position, filter, params, responder, mayWait: true)
            }
        }
    }

    private static func read(
        _ server: Server, _ position: Int64, _ filter: EventFilter, _ params: JSONView, _ responder: Responder,
        mayWait: Bool
    ) {
        let log = server.events
        let resumed = max(position, log.oldest - 1)
        let room = responder.connection.outboundLine - 4_096
        log.read(
            after: resumed, filter: filter, limit: Int(params["limit"]?.integer ?? 250),
            bytes: min(room, EventLog.readBytes)
        ) { events, through in
            let wait = params["wait_ms"]?.integer ?? 0
            if events.isEmpty && mayWait && wait > 0 && through < log.latest.sequence && !server.isDraining {
                // Something was published while this was read.
                return read(server, position, filter, params, responder, mayWait: true)
            }
            if events.isEmpty && through >= log.latest.sequence && mayWait && wait > 0 && !server.isDraining {
                let cancel = log.wait(filter: filter, milliseconds: wait) {
                    read(server, position, filter, params, responder, mayWait: false)
                }
                responder.onCancel = cancel
                return
            }
            write(server, events, through, from: position, resumed, room, params, responder)
        }
    }

    private static func write(
        _ server: Server, _ events: [RenderedEvent], _ through: Int64, from position: Int64, _ resumed: Int64,
        _ room: Int, _ params: JSONView, _ responder: Responder
    ) {
        let log = server.events
        var list: [UInt8] = []
        var end = max(through, resumed)
        var cursor: String?
        for event in events {
            let before = list.count
            if before > 0 { list.append(UInt8(ascii: ",")) }
            list.append(UInt8(ascii: "{"))
            event.append(to: &list, ceiling: responder.connection.eventPayload)
            list.append(UInt8(ascii: "}"))
            if before > 0 && list.count > room {
                list.removeSubrange(before...)
                end = -1
                break
            }
            cursor = event.cursor.text
        }
        // Past the last event that fits, everything up to `through` was looked at and did not fit the filter.
        if end >= 0, events.last.map({ $0.row.sequence < end }) ?? true { cursor = cursorText(log, end, params) }
        responder.object { writer in
            writer.key("events")
            writer.beginArray()
            if !list.isEmpty { writer.raw(list) }
            writer.endArray()
            writer.key("cursor")
            writer.string(cursor ?? log.latestCursor)
            bounds(log, into: &writer)
            gap(log, from: position, to: resumed, into: &writer)
        }
    }
}
