import JSON
import JSONRPC
import PushCore
import Store

/// `getRecord`: one record with all that became of it.
enum RecordMethods {
    private static let idCeiling = 512
    /// Exchanges that an answer shows, the newest.
    static let attempts = 100

    static func record(_ server: Server, _ call: Call, _ params: JSONView, _ responder: Responder) {
        let problems = problems(of: params)
        guard problems.isEmpty else { return responder.invalid(problems) }
        guard let text = params["session_id"]?.string else {
            return server.transfer(params, responder) { row, _ in
                find(RecordSought(server, params, .transfer(row.sequence), responder), in: row)
            }
        }
        guard let session = server.session(text) else { return responder.error(.sessionNotFound) }
        let type = params["endgrate_type"]?.string ?? ""
        guard session.plan.schemaPlace(for: type) != nil else {
            return PushMethods.unknownType(type, session.plan, responder)
        }
        RecordSought(server, params, .session(session.row.id), responder).search(before: nil)
    }

    private static func find(_ sought: RecordSought, in transfer: TransferRow) {
        guard let index = sought.params["index"]?.integer else { return sought.search(before: nil) }
        sought.server.store.read(.top(transfer: transfer.sequence, index: Int32(clamping: index))) { answer in
            guard case .top(let place?) = answer else { return sought.responder.error(.recordNotFound) }
            sought.explain(place)
        }
    }

    /// A record is named in one of several ways, which no schema of single params can say.
    private static func problems(of params: JSONView) -> [ParamProblem] {
        var problems: [ParamProblem] = []
        let isOfSession = params["session_id"] != nil
        if isOfSession == (params["transfer_id"] != nil) {
            problems.append(ParamProblem(path: "", message: "names either a transfer_id or a session_id"))
        }
        if ["index", "internal_id", "id"].count(where: { params[name: $0] != nil }) != 1 {
            problems.append(
                ParamProblem(
                    path: "", message: "names the record by one of \(isOfSession ? "" : "index, ")internal_id and id"))
        } else if isOfSession && params["index"] != nil {
            problems.append(
                ParamProblem(path: "/index", message: "counts the items of a transfer: give its transfer_id"))
        }
        if isOfSession && params["endgrate_type"] == nil {
            problems.append(ParamProblem(path: "/endgrate_type", message: "is needed beside session_id"))
        }
        for name in ["internal_id", "id"] where params[name: name].map({ $0.stringBytes > idCeiling }) ?? false {
            problems.append(
                ParamProblem(path: "/\(name)", message: "must have at most \(idCeiling) bytes of UTF-8"))
        }
        return problems
    }
}

/// A record that is being sought, and then explained: one call on its way.
final class RecordSought {
    let server: Server
    let params: JSONView
    let responder: Responder
    private let search: RecordSearch

    init(_ server: Server, _ params: JSONView, _ within: RecordSearch.Within, _ responder: Responder) {
        self.server = server
        self.params = params
        self.responder = responder
        let name: RecordSearch.Name =
            if let id = params["internal_id"]?.string { .internalID(id) } else {
                .providerID(params["id"]?.string ?? "")
            }
        search = RecordSearch(within: within, name: name)
    }

    /// The newest that fits; a stretch of records at a time, and nothing more for a caller who has gone.
    func search(before: RecordPlace?) {
        guard !responder.isAnswered else { return }
        server.store.read(.found(search, before: before)) { [self] answer in
            guard case .found(let place, let next) = answer else { return responder.error(.internal) }
            if let place {
                explain(place)
            } else if let next {
                search(before: next)
            } else {
                responder.error(.recordNotFound)
            }
        }
    }

    func explain(_ place: RecordPlace) {
        server.store.read(.explained(place)) { [self] answer in
            // Gone in the meantime.
            guard case .explained(let row?) = answer else { return responder.error(.recordNotFound) }
            // Its data is a part of the answer.
            guard row.record.data.count <= responder.connection.outboundLine else {
                return responder.error(.resultTooLarge)
            }
            server.sessions.plan(of: row.transfer) { [self] plan in
                guard let plan, plan.schemas.indices.contains(Int(row.record.schema)) else {
                    return responder.error(.recordNotFound)
                }
                if let type = params["endgrate_type"]?.string {
                    guard let wanted = plan.schemaPlace(for: type) else {
                        return PushMethods.unknownType(type, plan, responder)
                    }
                    if wanted != Int(row.record.schema) {
                        // By its place there is no other.
                        return params["index"] != nil ? responder.error(.recordNotFound) : search(before: place)
                    }
                }
                readMemory(row, plan)
            }
        }
    }

    /// What is remembered for its internal id now.
    private func readMemory(_ row: ExplainedRow, _ plan: SessionPlan) {
        guard let internalID = row.record.internalID else { return readExchanges(row, plan, remembered: nil) }
        let scope = LedgerScope(account: plan.account, namespace: plan.namespace)
        let resource = plan.schemas[Int(row.record.schema)].resource.name
        server.store.read(.ledger(scope: scope, resource: resource, internalIDs: [internalID])) { [self] answer in
            guard case .ledger(let known) = answer else { return responder.error(.internal) }
            readExchanges(row, plan, remembered: known[internalID])
        }
    }

    private func readExchanges(_ row: ExplainedRow, _ plan: SessionPlan, remembered: String?) {
        let now = server.loop.wallClockMilliseconds()
        server.driver.exchangeLog.exchanges(
            of: row.record.place, plan.account, since: row.transfer.created - Self.clockSlack,
            until: (row.outcome?.finished ?? now) + Self.clockSlack, limit: RecordMethods.attempts
        ) { [self] exchanges, total in
            guard !responder.isAnswered else { return }
            let answer = RecordAnswer(
                row, plan, provider: server.exchanges.provider(of: plan.account), remembered: remembered,
                standing: server.driver.machine.standing(of: row.record.place, account: plan.account),
                exchanges: exchanges, total: total, clock: (wall: now, monotonic: server.loop.now))
            responder.object { answer.write(into: &$0) }
        }
    }

    /// Milliseconds by which clocks of one moment may differ, and by which a clock is set right now and then.
    private static let clockSlack: Int64 = 10_000
}
