import JSON
import JSONRPC
import PushCore
import Store

// Theory of operation.
//
// A plan's records are staged under the number of the transfer that they may become. Applying it is one commit: the row
// of the transfer, its acceptance, and the note in the plan which transfer it became. Whoever applies it again, also at
// the same moment or after a restart, gets that transfer.

/// One `pushTransfer` of a plan.
final class PlanApplication {
    private let server: Server
    private let params: JSONView
    private let responder: Responder
    private var bodyHash: [UInt8] = []

    init(server: Server, params: JSONView, responder: Responder) {
        self.server = server
        self.params = params
        self.responder = responder
    }

    func begin() {
        let problems = PlanMethods.besides(params, ["plan_id", "synchronous", "idempotency_key", "progress_token"])
        guard problems.isEmpty else { return responder.invalid(problems) }
        if params["idempotency_key"] != nil {
            let hasher = BodyHash(params, without: ["idempotency_key", "progress_token", "synchronous"])
            while !hasher.advance(until: .max) {}
            bodyHash = hasher.finish()
        }
        // One after the other for a plan: the second sees what the first has made of it.
        let id = params["plan_id"]?.string ?? ""
        if server.applyingPlans[id] != nil {
            server.applyingPlans[id]?.append { [self] in find() }
        } else {
            server.applyingPlans[id] = []
            find()
        }
    }

    /// Lets the next one have the plan.
    private func leave() {
        let id = params["plan_id"]?.string ?? ""
        guard var waiting = server.applyingPlans[id] else { return }
        guard !waiting.isEmpty else {
            server.applyingPlans[id] = nil
            return
        }
        let next = waiting.removeFirst()
        server.applyingPlans[id] = waiting
        next()
    }

    private func find() {
        guard let id = Identifier(text: params["plan_id"]?.string ?? "") else { return refuse(.planNotFound) }
        server.store.read(.plan(id: id)) { [self] answer in
            guard case .plan(let plan?) = answer, server.isAlive(plan: plan.sequence),
                let session = server.sessions.byID[plan.session]
            else { return refuse(.planNotFound) }
            if let applied = plan.applied { return repeated(applied) }
            guard plan.revision == session.row.revision else { return refuseAsStale() }
            guard let key = params["idempotency_key"]?.string else { return apply(plan) }
            server.store.read(.transferByKey(session: plan.session, idempotencyKey: key)) { [self] answer in
                // A key of another push: that of this plan would have been found with the plan.
                guard case .transfer(let found?) = answer else { return apply(plan) }
                leave()
                responder.error(.idempotencyConflict) { writer in
                    writer.key("transfer_id")
                    writer.string(found.id.text)
                }
            }
        }
    }

    private func refuse(_ code: ErrorCode, _ text: String? = nil) {
        leave()
        responder.error(code, text)
    }

    private func refuseAsStale() {
        refuse(.planStale, "The session was redefined after the plan was made. Plan again.")
    }

    private func repeated(_ id: Identifier) {
        leave()
        server.store.read(.transfer(id: id)) { [self] answer in
            guard case .transfer(let row?) = answer else { return responder.error(.planNotFound) }
            respond(row, duplicate: true)
        }
    }

    // MARK: Applying

    private func apply(_ plan: PlanRow) {
        // What was read may be over: the change of its end goes before this one.
        guard server.isAlive(plan: plan.sequence), let session = server.sessions.byID[plan.session] else {
            return refuse(.planNotFound)
        }
        guard plan.revision == session.row.revision else { return refuseAsStale() }
        guard !server.refuseUnconfigured(session, responder) else { return leave() }
        guard server.store.freeBytes() >= server.ceilings.freeSpace else {
            leave()
            return responder.error(.storageFull, retryAfterMilliseconds: 10_000)
        }
        let key = params["idempotency_key"]?.string.map { PendingKey(session: plan.session, key: $0) }
        if let key, server.pendingKeys[key] != nil {
            server.pendingKeys[key]?.append { [self] in find() }
            return
        }
        if let key { server.pendingKeys[key] = [] }
        var row = TransferRow(
            sequence: plan.sequence, id: server.newIdentifier(), session: plan.session, account: session.row.account,
            revision: plan.revision, schemaKey: plan.schemaKey, records: plan.records, allRecords: plan.allRecords,
            disableUpsert: plan.disableUpsert, idempotencyKey: key?.key, bodyHash: bodyHash,
            created: server.loop.wallClockMilliseconds())
        row.cursor = server.events.latest.packed
        row.options = plan.options
        row.keepLimits(of: session.plan.overridden(by: plan.options).options)
        row.life.webhooks = session.plan.routes(over: plan.options)
        let changes: [Change] = [
            .transferBegun(row), .transferAccepted(sequence: row.sequence),
            .planApplied(sequence: row.sequence, transfer: row.id),
        ]
        server.turn.commit(changes) { [self] in
            if let key {
                for next in server.pendingKeys.removeValue(forKey: key) ?? [] { next() }
            }
            leave()
            guard server.sessions.byID[row.session] != nil else { return responder.error(.sessionNotFound) }
            watch(row)
            let isSynchronous = params["synchronous"]?.bool ?? false
            if !isSynchronous { respond(row, duplicate: false) }
            server.driver.tell(.accepted(row, records: nil))
            if isSynchronous { respond(row, duplicate: false) }
        }
    }

    private func watch(_ row: TransferRow) {
        guard let token = params["progress_token"] else { return }
        server.progressWatchers[row.sequence, default: []].append(
            ProgressWatcher(connection: responder.connection, token: token.compactText))
    }

    private func respond(_ transfer: TransferRow, duplicate: Bool) {
        guard params["synchronous"]?.bool ?? false else {
            return responder.pushed(transfer, duplicate: duplicate, completed: nil, warnings: [])
        }
        if duplicate { watch(transfer) }
        if transfer.completed != nil {
            return responder.pushed(transfer, duplicate: duplicate, completed: true, warnings: [])
        }
        server.await(transfer: transfer.sequence, responder) { [self] completed in
            responder.pushed(transfer, duplicate: duplicate, completed: completed, warnings: [])
        }
    }
}
