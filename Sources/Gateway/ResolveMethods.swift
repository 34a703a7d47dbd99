import JSON
import JSONRPC
import PushCore
import Store

/// `resolveRecord`: the caller decides about records whose outcome nobody knows.
enum ResolveMethods {
    /// Records of one call.
    private static let ceiling = 1_000
    private static let idCeiling = 512

    static func resolve(_ server: Server, _ call: Call, _ params: JSONView, _ responder: Responder) {
        let isWritten = params["resolution"]?.isString("written") == true
        let id = params["id"]
        if let problem = problem(id, isWritten: isWritten) { return responder.invalid([problem]) }
        server.transfer(params, responder) { row, _ in
            guard ResultMethods.isOver(row, responder) else { return }
            // Counts are read and written: one call after the other.
            server.resolving.enter(row.sequence) {
                server.transfer(params, responder, onRefusal: { server.resolving.leave(row.sequence) }) { row, plan in
                    let resolution = Resolution(server, row, plan, params, responder)
                    resolution.run { server.resolving.leave(row.sequence) }
                }
            }
        }
    }

    private static func problem(_ id: JSONView?, isWritten: Bool) -> ParamProblem? {
        if isWritten && id == nil {
            return ParamProblem(path: "/id", message: "is needed to say which record of the provider it is")
        }
        if !isWritten && id != nil {
            return ParamProblem(path: "/id", message: "belongs to the resolution \"written\" only")
        }
        guard let id, id.stringBytes > idCeiling else { return nil }
        return ParamProblem(path: "/id", message: "must have at most \(idCeiling) bytes of UTF-8")
    }

    /// One call that has its turn with the transfer.
    private final class Resolution {
        private let server: Server
        private let row: TransferRow
        private let plan: SessionPlan
        private let params: JSONView
        private let responder: Responder
        private var remaining = 0

        init(_ server: Server, _ row: TransferRow, _ plan: SessionPlan, _ params: JSONView, _ responder: Responder) {
            self.server = server
            self.row = row
            self.plan = plan
            self.params = params
            self.responder = responder
        }

        func run(_ done: @escaping () -> Void) {
            let (index, internalID) = (params["index"]?.integer, params["internal_id"]?.string)
            let query = Query.unresolved(
                transfer: row.sequence, index: index.map { Int32(clamping: $0) }, internalID: internalID,
                limit: ResolveMethods.ceiling)
            server.store.read(query) { [self] answer in
                guard case .unresolved(let open, let isKnown, let remaining) = answer else {
                    responder.error(.internal)
                    return done()
                }
                self.remaining = remaining
                if !isKnown && (index != nil || internalID != nil) {
                    responder.error(.recordNotFound)
                    return done()
                }
                if open.isEmpty {
                    self.answer(resolved: 0)
                    return done()
                }
                decide(open, done)
            }
        }

        private func decide(_ open: [ErrorRow], _ done: @escaping () -> Void) {
            if params["resolution"]?.isString("push_again") == true { return pushAgain(open, done) }
            if params["id"] != nil && open.count > 1 {
                responder.invalid([
                    ParamProblem(
                        path: "/id", message: "One id cannot be that of \(open.count) records: name one by internal_id."
                    )
                ])
                return done()
            }
            server.store.read(.records(transfer: row.sequence, ordinals: open.map(\.ordinal))) { [self] answer in
                guard case .records(let records) = answer else {
                    responder.error(.internal)
                    return done()
                }
                let changes = changes(records.map(\.record))
                server.turn.commit(changes) { [self] in
                    server.driver.tell(.resolved(records.map(\.record.place)))
                    server.events.forgetPages()
                    self.answer(resolved: records.count)
                    done()
                }
            }
        }

        private func changes(_ records: [RecordRow]) -> [Change] {
            let id = params["id"]?.string
            let now = server.loop.wallClockMilliseconds()
            var counts = row.counts
            var outcomes: [OutcomeRow] = []
            var ledger: [LedgerRow] = []
            let kind = id == nil ? OutcomeKind.refused : .updated
            for record in records {
                outcomes.append(
                    OutcomeRow(
                        place: record.place, kind: kind, providerID: id, data: [],
                        basis: id == nil ? nil : OutcomeRow.Basis(.caller, asOf: now),
                        finished: now))
                if record.parent < 0 {
                    counts[.uncertain] -= 1
                    counts[kind] += 1
                }
                if let id, let internalID = record.internalID {
                    ledger.append(
                        LedgerRow(
                            account: row.account, namespace: plan.namespace,
                            resource: plan.schemas[Int(record.schema)].resource.name, internalID: internalID,
                            providerID: id, confirmed: now))
                }
            }
            var changes: [Change] = [.outcomesReplaced(outcomes), .errorsResolved(records.map(\.place))]
            if !ledger.isEmpty { changes.append(.ledger(ledger)) }
            if let id, let record = records.first {
                // What the gateway confirmed of it before may not be so any more.
                let resource = plan.schemas[Int(record.schema)].resource.name
                changes.append(.unconfirmed(row.account, resource: resource, ids: [id]))
            }
            changes.append(
                .transferAdvanced(
                    sequence: row.sequence, counts: counts, published: row.published, completed: row.completed))
            return changes
        }

        /// The records go into a transfer of their own; from its acceptance on the doubt is that one's business.
        private func pushAgain(_ open: [ErrorRow], _ done: @escaping () -> Void) {
            guard server.hasSpace(responder) else { return done() }
            let selection = RetrySelection(kinds: [.uncertain], ordinals: Set(open.map(\.ordinal)))
            let transfer = row.sequence
            let retry = Retry(server, row, selection, keyed: nil) { taken in
                [.errorsResolved(taken.map { RecordPlace(transfer: transfer, ordinal: $0) })]
            }
            retry.run(
                refused: { [responder] refusal in
                    refusal(responder)
                    done()
                },
                kept: { [self] kept in
                    server.driver.tell(
                        .resolved(retry.takenOrdinals.map { RecordPlace(transfer: row.sequence, ordinal: $0) }))
                    server.driver.tell(.accepted(kept, records: nil))
                    answer(resolved: retry.taken, retry: kept.id)
                    done()
                })
        }

        private func answer(resolved: Int, retry: Identifier? = nil) {
            responder.object { [self] writer in
                writer.key("success")
                writer.bool(true)
                writer.key("transfer_id")
                writer.string(row.id.text)
                writer.key("resolved")
                writer.integer(resolved)
                writer.key("remaining")
                writer.integer(remaining - resolved)
                if let retry {
                    writer.key("retry")
                    writer.string(retry.text)
                }
            }
        }
    }
}

/// Lets one after the other at a thing that is known by its number.
final class Turnstile {
    private var waiting: [Int64: [() -> Void]] = [:]

    /// Calls back when those before are done; `leave` must follow.
    func enter(_ number: Int64, _ go: @escaping () -> Void) {
        if waiting[number] != nil {
            waiting[number]?.append(go)
        } else {
            waiting[number] = []
            go()
        }
    }

    /// The next one's turn.
    func leave(_ number: Int64) {
        guard let next = waiting[number]?.first else {
            waiting[number] = nil
            return
        }
        waiting[number]?.removeFirst()
        next()
    }
}
