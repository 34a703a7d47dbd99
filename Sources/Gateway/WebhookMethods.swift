import JSON
import JSONRPC
import PushCore

/// `listWebhookDeliveries`, `replayWebhook`: what became of the calls of webhooks, and having them made again.
enum WebhookMethods {
    /// What an answer spends on everything but the list.
    private static let envelope = 4_096
    /// Deliveries that one call has made again; they are one commit (K6).
    private static let replayCeiling = 1_000

    // MARK: List

    static func list(_ server: Server, _ call: Call, _ params: JSONView, _ responder: Responder) {
        filter(server, params, responder) { filter, after in
            let limit = Int(params["limit"]?.integer ?? 250)
            collect(server, filter, from: after.map { $0 - 1 } ?? .max, isBackwards: true, limit, responder) {
                write($0, $1, server, responder)
            }
        }
    }

    /// As many as the line takes; the rest is behind `next` (K30).
    private static func write(_ rows: [DeliveryRow], _ isLast: Bool, _ server: Server, _ responder: Responder) {
        var list = AnswerList(room: responder.connection.outboundLine - envelope, reserving: 512 * rows.count)
        server.slices.addUnlessDone { deadline in
            while list.shown < rows.count {
                let row = rows[list.shown]
                let fits = list.add(takesFirst: true) { writer in
                    writer.beginObject()
                    Payloads.describe(row, into: &writer)
                    writer.endObject()
                }
                guard fits else { break }
                if list.shown & 31 == 0 && Clock.monotonic() > deadline { return false }
            }
            responder.object { writer in
                writer.key("success")
                writer.bool(true)
                list.write("deliveries", into: &writer)
                next(rows.prefix(list.shown).last, unless: isLast && list.shown == rows.count, into: &writer)
            }
            return true
        }
    }

    // MARK: Replay

    static func replay(_ server: Server, _ call: Call, _ params: JSONView, _ responder: Responder) {
        guard server.store.freeBytes() >= server.ceilings.freeSpace else {
            return responder.error(.storageFull, retryAfterMilliseconds: 10_000)
        }
        let others = ["session_id", "transfer_id", "state", "after"].filter { params[name: $0] != nil }
        guard let text = params["delivery_id"]?.string else {
            guard params["session_id"] != nil || params["transfer_id"] != nil else {
                return responder.invalid([
                    ParamProblem(path: "/delivery_id", message: "is required, or else session_id or transfer_id")
                ])
            }
            return replayAll(server, params, responder)
        }
        guard others.isEmpty else {
            return responder.invalid(
                others.map { ParamProblem(path: "/\($0)", message: "must not stand beside delivery_id") })
        }
        guard let id = Identifier(text: text) else { return responder.error(.deliveryNotFound) }
        server.store.read(.deliveryByID(id)) { answer in
            guard case .deliveryByID(let row?) = answer else { return responder.error(.deliveryNotFound) }
            server.webhooks.replay([row]) { replayed($0, [row], isLast: true, responder) }
        }
    }

    /// Oldest first, so that they arrive in the order in which they were to.
    private static func replayAll(_ server: Server, _ params: JSONView, _ responder: Responder) {
        filter(server, params, responder) { filter, after in
            var filter = filter
            filter.state = filter.state ?? .failed
            let from = (after ?? 0) + 1
            collect(server, filter, from: from, isBackwards: false, replayCeiling, responder) { rows, isLast in
                server.webhooks.replay(rows) { replayed($0, rows, isLast: isLast, responder) }
            }
        }
    }

    private static func replayed(_ count: Int, _ rows: [DeliveryRow], isLast: Bool, _ responder: Responder) {
        responder.object { writer in
            writer.key("success")
            writer.bool(true)
            writer.key("replayed")
            writer.integer(count)
            next(rows.last, unless: isLast, into: &writer)
        }
    }

    // MARK: Both

    /// The place that `next` of an answer and `after` of a call name, as text: that of the last delivery before it.
    private static func next(_ last: DeliveryRow?, unless isLast: Bool, into writer: inout JSONWriter) {
        guard let last, !isLast else { return }
        writer.key("next")
        writer.string(String(last.sequence))
    }

    /// What the params select; else the call is answered here.
    private static func filter(
        _ server: Server, _ params: JSONView, _ responder: Responder,
        _ done: @escaping (DeliveryFilter, _ after: Int64?) -> Void
    ) {
        var filter = DeliveryFilter(state: params["state"]?.string.flatMap(DeliveryRow.State.init(name:)))
        var after: Int64?
        if let text = params["after"]?.string {
            after = Int64(text).flatMap { $0 > 0 && $0 < .max ? $0 : nil }
            guard after != nil else {
                return responder.invalid([
                    ParamProblem(path: "/after", message: "must be what an earlier answer gave as next")
                ])
            }
        }
        if let text = params["session_id"]?.string {
            guard let session = server.session(text) else { return responder.error(.sessionNotFound) }
            filter.session = session.row.id
        }
        guard params["transfer_id"] != nil else { return done(filter, after) }
        server.transfer(params, responder) { row, _ in
            filter.transfer = row.id
            done(filter, after)
        }
    }

    /// Reads on until there are `limit` of them or no more; each read looks at a bounded stretch.
    private static func collect(
        _ server: Server, _ filter: DeliveryFilter, from: Int64, isBackwards: Bool, _ limit: Int,
        _ responder: Responder, _ done: @escaping ([DeliveryRow], _ isLast: Bool) -> Void
    ) {
        var rows: [DeliveryRow] = []
        func read(_ from: Int64) {
            let query = Query.deliveries(filter, from: from, isBackwards: isBackwards, limit: limit - rows.count)
            server.store.read(query) { answer in
                guard case .deliveries(let found, let next) = answer else { return responder.error(.internal) }
                guard !responder.isAnswered, !responder.connection.isClosed else { return }
                rows += found
                guard let next, rows.count < limit else { return done(rows, next == nil) }
                read(next)
            }
        }
        read(from)
    }
}
