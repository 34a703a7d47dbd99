import JSON
import JSONRPC
import PushCore

/// `listTransfers`, `cancelTransfer`: transfers as such, whatever is in them.
enum TransferMethods {
    /// What an answer spends on everything but the list.
    private static let envelope = 4_096

    // MARK: List

    static func list(_ server: Server, _ call: Call, _ params: JSONView, _ responder: Responder) {
        var filter = TransferFilter(
            schemaKey: params["endgrate_type"]?.string,
            state: params["state"]?.string.flatMap(TransferFilter.State.init))
        if let text = params["session_id"]?.string {
            guard let session = server.session(text) else { return responder.error(.sessionNotFound) }
            filter.session = session.row.id
            if let type = filter.schemaKey {
                guard let place = session.plan.schemaPlace(for: type) else {
                    return PushMethods.unknownType(type, session.plan, responder)
                }
                filter.schemaKey = session.plan.schemas[place].key
            }
        }
        let page = Page(params)
        server.store.read(.transferPage(filter, offset: page.offset, limit: page.limit)) { answer in
            guard case .transferPage(let rows, let total) = answer else { return responder.error(.internal) }
            var list = AnswerList(room: responder.connection.outboundLine - envelope)
            for row in rows {
                let fits = list.add { writer in
                    writer.beginObject()
                    writer.key("success")
                    writer.bool(true)
                    describe(row, into: &writer)
                    if row.completed == nil { server.writePaused(row.account, into: &writer) }
                    writer.endObject()
                }
                guard fits else { break }
            }
            let arguments = ["session_id", "endgrate_type", "state"].compactMap { name in
                params[name: name]?.string.map { (name, $0) }
            }
            responder.object { writer in
                writer.key("success")
                writer.bool(true)
                page.meta("listTransfers", arguments, total: total, shown: list.shown, into: &writer)
                list.write("transfers", into: &writer)
            }
        }
    }

    /// The members of a `Transfer`, after `success`.
    static func describe(_ row: TransferRow, into writer: inout JSONWriter) {
        writer.key("transfer_id")
        writer.string(row.id.text)
        writer.key("session_id")
        writer.string(row.session.text)
        writer.key("endgrate_type")
        writer.string(row.schemaKey)
        writer.key("state")
        writer.string(row.state.rawValue)
        writer.key("created")
        writer.string(WireTime.text(row.created))
        if let completed = row.completed {
            writer.key("completed_at")
            writer.string(WireTime.text(completed))
        }
        writer.key("records")
        writer.integer(row.records)
        writer.key("finished")
        writer.integer(row.counts.finished)
        writer.key("summary")
        Payloads.summary(row.counts, into: &writer)
        writer.key("transfer_errors")
        writer.bool(row.counts.errors > 0)
        if row.life.cancelled != nil {
            writer.key("cancelled")
            writer.bool(true)
        }
        if row.life.isAborted {
            writer.key("aborted")
            writer.bool(true)
        }
        if let origin = row.life.retryOf {
            writer.key("retry_of")
            writer.string(origin.id.text)
        }
        if let parts = row.life.parts {
            writer.key("parts")
            writer.integer(parts)
        }
        if row.life.isSample {
            writer.key("sample")
            writer.bool(true)
        }
    }

    // MARK: Cancel

    static func cancel(_ server: Server, _ call: Call, _ params: JSONView, _ responder: Responder) {
        if let id = Identifier(text: params["transfer_id"]?.string ?? ""), let entry = server.parts[id] {
            return entry.enter { drop(server, entry, params, responder) }
        }
        cancelAccepted(server, params, responder)
    }

    private static func cancelAccepted(_ server: Server, _ params: JSONView, _ responder: Responder) {
        server.transfer(params, responder) { row, _ in
            guard row.completed == nil, row.life.cancelled == nil else {
                return cancelled(server, row, row.life.cancelled != nil, responder)
            }
            let now = server.loop.wallClockMilliseconds()
            server.turn.commit([.transferCancelled(sequence: row.sequence, at: now)]) {
                server.driver.tell(.cancelled(transfer: row.sequence, at: now))
                // It may have completed while the mark was on its way. One that is only on its way to completion by now
                // comes after the mark on disk, and so has it.
                let now = server.driver.machine.transfer(row.sequence)
                let isCancelled = now?.life.cancelled != nil || now?.completed != nil
                cancelled(server, row, isCancelled, responder)
            }
        }
    }

    /// What has arrived in parts goes; the transfer completes at once, with nothing in it.
    private static func drop(
        _ server: Server, _ entry: PartBook.Entry, _ params: JSONView, _ responder: Responder
    ) {
        guard !entry.isClosed else {
            entry.leave()
            return cancelAccepted(server, params, responder)
        }
        let now = server.loop.wallClockMilliseconds()
        server.turn.commit([.partsDropped(sequence: entry.row.sequence, at: now)]) {
            defer { entry.leave() }
            guard !entry.isClosed else { return responder.error(.transferNotFound) }
            server.parts.close(entry)
            var row = entry.row
            row.isOpen = false
            (row.records, row.allRecords, row.life.cancelled) = (0, 0, now)
            server.driver.tell(.accepted(row, records: nil))
            server.await(transfer: row.sequence, responder) { _ in cancelled(server, row, true, responder) }
        }
    }

    private static func cancelled(_ server: Server, _ row: TransferRow, _ isCancelled: Bool, _ responder: Responder) {
        let isRunning = server.driver.machine.transfer(row.sequence) != nil
        responder.object { writer in
            writer.key("success")
            writer.bool(true)
            writer.key("transfer_id")
            writer.string(row.id.text)
            writer.key("cancelled")
            writer.bool(isCancelled)
            writer.key("state")
            writer.string((isRunning ? TransferFilter.State.running : .completed).rawValue)
        }
    }
}
