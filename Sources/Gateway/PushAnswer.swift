import JSON
import JSONRPC
import PushCore

extension Responder {
    /// What `pushTransfer` answers, whichever way the transfer came about.
    ///
    /// - Parameters:
    ///   - duplicate: nothing new was accepted.
    ///   - completed: of a synchronous push: whether the transfer was completed in time; else nil.
    ///   - more: further members.
    func pushed(
        _ transfer: TransferRow, duplicate: Bool, completed: Bool?, warnings: [Warning],
        more: (inout JSONWriter) -> Void = { _ in }
    ) {
        let cursor = Cursor(store: connection.server.events.storeID, packed: transfer.cursor).text
        object { writer in
            writer.key("success")
            writer.bool(true)
            writer.key("transfer_id")
            writer.string(transfer.id.text)
            writer.key("statistics")
            writer.string("getStatistics?transfer_id=" + transfer.id.text)
            writer.key("event_cursor")
            writer.string(cursor)
            if duplicate {
                writer.key("duplicate")
                writer.bool(true)
            }
            if let completed {
                writer.key("completed")
                writer.bool(completed)
            }
            more(&writer)
            if !warnings.isEmpty {
                writer.key("warnings")
                writer.raw(Warning.text(warnings))
            }
        }
    }
}
