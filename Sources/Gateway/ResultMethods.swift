import JSON
import JSONRPC
import PushCore
import Store

/// `getTransfer`, `getData`, `getErrors`, `getStatistics`: what became of a push, read from what is on disk.
enum ResultMethods {
    /// What an answer spends on everything but rows.
    private static let envelope = 4_096

    static func transfer(_ server: Server, _ call: Call, _ params: JSONView, _ responder: Responder) {
        server.transfer(params, responder) { row, _ in
            responder.object { writer in
                writer.key("success")
                writer.bool(true)
                TransferMethods.describe(row, into: &writer)
                if row.completed == nil { server.writePaused(row.account, into: &writer) }
            }
        }
    }

    static func data(_ server: Server, _ call: Call, _ params: JSONView, _ responder: Responder) {
        server.transfer(params, responder) { row, plan in
            let isPartial = params["partial"]?.bool ?? false
            guard isPartial || isOver(row, responder) else { return }
            var schema: Int16?
            let type = params["endgrate_type"]?.string
            if let type {
                guard let place = plan.schemaPlace(for: type) else {
                    return PushMethods.unknownType(type, plan, responder)
                }
                if plan.schemas[place].key != row.schemaKey { schema = Int16(place) }
            }
            let page = Page(params)
            let query = Query.results(
                transfer: row.sequence, schema: schema, offset: page.offset, limit: page.limit,
                bytes: responder.connection.outboundLine)
            server.store.read(query) { answer in
                guard case .results(let rows, let total) = answer else { return responder.error(.internal) }
                var arguments = [("transfer_id", row.id.text)]
                if let type { arguments.append(("endgrate_type", type)) }
                if isPartial { arguments.append(("partial", "true")) }
                let isPaused = row.completed == nil && server.driver.pause(of: row.account) != nil
                write(page, arguments, rows, total, row, Payloads(plan: plan, isPaused: isPaused), responder)
            }
        }
    }

    /// False, and answered so, while the transfer has not completed.
    static func isOver(_ row: TransferRow, _ responder: Responder) -> Bool {
        if row.completed != nil { return true }
        responder.error(.transferNotCompleted, retryAfterMilliseconds: 250) { writer in
            writer.key("finished")
            writer.integer(row.counts.finished)
            writer.key("records")
            writer.integer(row.records)
        }
        return false
    }

    /// As many rows as the line takes; the rest is behind `next` (K30).
    private static func write(
        _ page: Page, _ arguments: [(String, String)], _ rows: [ResultRow], _ total: Int, _ transfer: TransferRow,
        _ payloads: Payloads, _ responder: Responder
    ) {
        var list = AnswerList(room: responder.connection.outboundLine - envelope, reserving: 256 * rows.count)
        for row in rows {
            guard list.add({ payloads.row(row, into: &$0) }) else { break }
        }
        guard list.shown > 0 || list.refusedBytes == 0 else {
            return responder.tooLarge(list.refusedBytes + envelope)
        }
        responder.object { writer in
            writer.key("success")
            writer.bool(true)
            page.meta("getData", arguments, total: total, shown: list.shown, into: &writer)
            list.write("transfer_data", into: &writer)
            writer.key("transfer_errors")
            writer.bool(transfer.counts.errors > 0)
        }
    }

    static func errors(_ server: Server, _ call: Call, _ params: JSONView, _ responder: Responder) {
        var session: Identifier?
        if let text = params["session_id"]?.string {
            guard let found = server.session(text) else { return responder.error(.sessionNotFound) }
            session = found.row.id
        }
        guard params["transfer_id"] != nil else { return list(server, session, nil, params, responder) }
        server.transfer(params, responder) { row, _ in list(server, session, row.id, params, responder) }
    }

    private static func list(
        _ server: Server, _ session: Identifier?, _ transfer: Identifier?, _ params: JSONView, _ responder: Responder
    ) {
        let page = Page(params)
        let resolved = params["resolved"]?.bool
        let query = Query.errors(
            session: session, transfer: transfer, resolved: resolved, offset: page.offset, limit: page.limit)
        server.store.read(query) { answer in
            guard case .errors(let rows, let total) = answer else { return responder.error(.internal) }
            var list = AnswerList(room: responder.connection.outboundLine - envelope)
            for row in rows {
                guard let plan = server.sessions.byID[row.session]?.plan else { continue }
                let fits = list.add {
                    Payloads(plan: plan).error(row, transferErrors: true, success: false, into: &$0)
                }
                guard fits else { break }
            }
            var arguments: [(String, String)] = []
            if let transfer { arguments.append(("transfer_id", transfer.text)) }
            if let session { arguments.append(("session_id", session.text)) }
            if let resolved { arguments.append(("resolved", resolved ? "true" : "false")) }
            responder.object { writer in
                writer.key("success")
                writer.bool(true)
                page.meta("getErrors", arguments, total: total, shown: list.shown, into: &writer)
                list.write("errors", into: &writer)
            }
        }
    }

    static func statistics(_ server: Server, _ call: Call, _ params: JSONView, _ responder: Responder) {
        if let text = params["session_id"]?.string, server.session(text) == nil {
            return responder.error(.sessionNotFound)
        }
        // Pull is not offered, so there is nothing to count of it.
        let isImport = params["method"]?.isString("IMPORT") ?? false
        guard params["transfer_id"] != nil else {
            let session = params["session_id"]?.string.flatMap(Identifier.init(text:))
            server.store.read(.transfers(session: session)) { answer in
                guard case .transfers(let rows) = answer else { return responder.error(.internal) }
                write(server, isImport ? [] : rows, isImport: isImport, responder)
            }
            return
        }
        server.transfer(params, responder) { row, _ in
            write(server, isImport ? [] : [row], isImport: isImport, responder)
        }
    }

    /// The identities of D20: success + fail + queued = batches, and a batch is a page of 200 records (K18).
    private static func write(_ server: Server, _ rows: [TransferRow], isImport: Bool, _ responder: Responder) {
        responder.object { writer in
            writer.key("method")
            writer.string(isImport ? "IMPORT" : "EXPORT")
            writer.key("completed")
            writer.bool(rows.allSatisfy { $0.completed != nil })
            if let first = rows.map(\.created).min() {
                writer.key("initiated")
                writer.string(WireTime.text(first))
            }
            writer.key("statistics")
            writer.beginObject()
            for (key, group) in Dictionary(grouping: rows, by: \.schemaKey).sorted(by: { $0.key < $1.key }) {
                writer.key(text: key)
                type(server, group, into: &writer)
            }
            writer.endObject()
        }
    }

    private static func type(_ server: Server, _ rows: [TransferRow], into writer: inout JSONWriter) {
        let size = Int(TransferTracker.pageRecords)
        var batches = 0
        var done = 0
        var failed = 0
        for row in rows {
            let pages = (Int(row.records) + size - 1) / size
            batches += pages
            done += (Int(row.published) + size - 1) / size
            failed += Int(row.counts.failedPages)
        }
        let schema = rows.first.flatMap { row in
            server.sessions.byID[row.session]?.plan.schemas.first { $0.key == row.schemaKey }
        }
        let values: [(String, Int)] = [
            ("batch_size", size), ("records", rows.reduce(0) { $0 + Int($1.records) }), ("batches", batches),
            ("batches_queued", batches - done), ("batches_success", done - failed), ("batches_fail", failed),
            ("records_transferred", rows.reduce(0) { $0 + Int($1.counts.written) }),
        ]
        writer.beginObject()
        for (key, value) in values {
            writer.key(text: key)
            writer.integer(value)
        }
        writer.key("completed")
        writer.bool(rows.allSatisfy { $0.completed != nil })
        writer.key("provider")
        writer.string(rows.first?.account.provider ?? "")
        writer.key("integration")
        writer.string(schema.map { Payloads.integrationName($0.resource) } ?? rows.first?.schemaKey ?? "")
        writer.endObject()
    }
}

extension Server {
    /// The transfer that a caller names, as it is on disk, with the plan of its session; answers the error itself.
    func transfer(
        _ params: JSONView, _ responder: Responder, onRefusal: @escaping () -> Void = {},
        _ done: @escaping (TransferRow, SessionPlan) -> Void
    ) {
        func refuse() {
            responder.error(.transferNotFound)
            onRefusal()
        }
        guard let id = Identifier(text: params["transfer_id"]?.string ?? "") else { return refuse() }
        store.read(.transfer(id: id)) { [self] answer in
            guard case .transfer(let row?) = answer else { return refuse() }
            sessions.plan(session: row.session, revision: row.revision) { plan in
                guard let plan else { return refuse() }
                done(row, plan)
            }
        }
    }
}
