import JSON
import JSONRPC
import PushCore

/// The answer of a call that hands a transfer over to the gateway: at once, or with `synchronous` when it has completed.
struct TransferAnswer {
    let server: Server
    let params: JSONView
    let responder: Responder
    var warnings: [Warning] = []
    /// Further members.
    var more: (inout JSONWriter) -> Void = { _ in }

    /// Tells the progress of the transfer to a caller that brought a token.
    func watch(_ row: TransferRow) {
        guard let token = params["progress_token"] else { return }
        server.progressWatchers[row.sequence, default: []].append(
            ProgressWatcher(connection: responder.connection, token: token.compactText))
    }

    /// The transfer is on disk and new: the machine hears of it, the caller gets its answer.
    func hand(_ row: TransferRow, records: [PreparedRecord]?) {
        watch(row)
        let isSynchronous = params["synchronous"]?.bool == true
        if !isSynchronous { respond(row, duplicate: false) }
        server.driver.tell(.accepted(row, records: records))
        if isSynchronous { respond(row, duplicate: false) }
    }

    func respond(_ row: TransferRow, duplicate: Bool) {
        guard params["synchronous"]?.bool == true else { return answer(row, duplicate: duplicate, completed: nil) }
        if duplicate { watch(row) }
        if row.completed != nil { return answer(row, duplicate: duplicate, completed: true) }
        server.await(transfer: row.sequence, responder) { completed in
            answer(row, duplicate: duplicate, completed: completed)
        }
    }

    private func answer(_ row: TransferRow, duplicate: Bool, completed: Bool?) {
        responder.pushed(row, duplicate: duplicate, completed: completed, warnings: warnings, more: more)
    }
}
