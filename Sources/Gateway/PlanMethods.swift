import EventLoop
import JSON
import JSONRPC
import PushCore
import Store

/// `planTransfer`, and `pushTransfer` of a plan.
enum PlanMethods {
    /// Plans that are being made at a time.
    private static let planningCeiling = 8
    /// What an answer spends on everything but rows.
    private static let envelope = 8_192

    static func plan(_ server: Server, _ call: Call, _ params: JSONView, _ responder: Responder) {
        if params["plan_id"] != nil { return read(server, params, responder) }
        let missing = missing(params)
        guard missing.isEmpty else { return responder.invalid(missing) }
        guard let session = server.session(params["session_id"]?.string ?? "") else {
            return responder.error(.sessionNotFound)
        }
        let type = params["endgrate_type"]?.string ?? ""
        guard let schemaPlace = session.plan.schemaPlace(for: type) else {
            return PushMethods.unknownType(type, session.plan, responder)
        }
        guard !server.refuseUnconfigured(session, responder) else { return }
        guard server.store.freeBytes() >= server.ceilings.freeSpace else {
            return responder.error(.storageFull, retryAfterMilliseconds: 10_000)
        }
        guard server.plannings.count < planningCeiling else {
            return responder.error(
                .overloaded, "As many plans are being made as the gateway makes at a time.",
                retryAfterMilliseconds: 1_000)
        }
        Planning(
            server: server, session: session, schemaPlace: schemaPlace, params: params, responder: responder
        ).begin()
    }

    /// Records come with the call or from a plan: what lacks for the former, unless it is the latter.
    static func missing(_ params: JSONView) -> [ParamProblem] {
        ["session_id", "endgrate_type", "transfer_data"].filter { params[name: $0] == nil }.map {
            ParamProblem(path: "/" + $0, message: "is required, unless plan_id names a plan")
        }
    }

    /// Members that say again what the plan says already.
    static func besides(_ params: JSONView, _ allowed: Set<String>) -> [ParamProblem] {
        params.members.map { $0.key.string ?? "" }.filter { !allowed.contains($0) }.map {
            ParamProblem(path: "/" + $0, message: "cannot be given with plan_id: the plan has it")
        }
    }

    // MARK: Reading

    private static func read(_ server: Server, _ params: JSONView, _ responder: Responder) {
        let problems = besides(params, ["plan_id", "limit", "offset"])
        guard problems.isEmpty else { return responder.invalid(problems) }
        server.plan(params, responder) { row, plan in answer(server, row, plan, Page(params), [], responder) }
    }

    /// A page of a plan that is on disk. As many rows as the line takes; the rest is behind `next` (K30).
    static func answer(
        _ server: Server, _ row: PlanRow, _ plan: SessionPlan, _ page: Page, _ warnings: [Warning],
        _ responder: Responder
    ) {
        let room = responder.connection.outboundLine - envelope
        let query = Query.planned(sequence: row.sequence, offset: page.offset, limit: page.limit, bytes: room)
        server.store.read(query) { answer in
            guard case .planned(let results) = answer else { return responder.error(.internal) }
            var list = AnswerList(room: room, reserving: 256 * results.count)
            for result in results {
                guard list.add({ result.write(plan, into: &$0) }) else { break }
            }
            guard list.shown > 0 || list.refusedBytes == 0 else {
                return responder.tooLarge(list.refusedBytes + envelope)
            }
            write(row, page, list, warnings, responder)
        }
    }

    private static func write(
        _ row: PlanRow, _ page: Page, _ list: AnswerList, _ warnings: [Warning], _ responder: Responder
    ) {
        responder.object { writer in
            writer.key("success")
            writer.bool(true)
            writer.key("plan_id")
            writer.string(row.id.text)
            writer.key("expires_at")
            writer.string(WireTime.text(row.expires))
            page.meta(
                "planTransfer", [("plan_id", row.id.text)], total: Int(row.records), shown: list.shown, into: &writer)
            list.write("records", into: &writer)
            writer.key("summary")
            row.summary(into: &writer)
            writer.key("calls")
            writer.integer(row.callCount)
            writer.key("calls_by_resource")
            writer.beginArray()
            for call in row.calls {
                writer.beginObject()
                writer.key("resource")
                writer.string(call.resource)
                writer.key("reads")
                writer.integer(call.reads)
                writer.key("writes")
                writer.integer(call.writes)
                writer.endObject()
            }
            writer.endArray()
            writer.key("seconds")
            writer.raw(seconds(row.duration).utf8)
            if let applied = row.applied {
                writer.key("transfer_id")
                writer.string(applied.text)
            }
            if !warnings.isEmpty {
                writer.key("warnings")
                writer.raw(Warning.text(warnings))
            }
        }
    }

    /// A number with three digits after the point, of milliseconds.
    private static func seconds(_ milliseconds: Int64) -> String {
        let rest = String(milliseconds % 1_000 + 1_000).dropFirst()
        return "\(milliseconds / 1_000).\(rest)"
    }
}

extension Server {
    /// The plan that a caller names, with the plan of its session; answers the error itself.
    func plan(_ params: JSONView, _ responder: Responder, _ done: @escaping (PlanRow, SessionPlan) -> Void) {
        guard let id = Identifier(text: params["plan_id"]?.string ?? "") else {
            return responder.error(.planNotFound)
        }
        store.read(.plan(id: id)) { [self] answer in
            guard case .plan(let row?) = answer, isAlive(plan: row.sequence) else {
                return responder.error(.planNotFound)
            }
            sessions.plan(session: row.session, revision: row.revision) { plan in
                guard let plan else { return responder.error(.planNotFound) }
                done(row, plan.overridden(by: row.options))
            }
        }
    }

    /// False from the moment on at which the plan's end is ordered: its records may be going.
    func isAlive(plan sequence: Int64) -> Bool { plans.contains { $0.sequence == sequence } }

    /// Plans end with their hour (K30); those that were applied leave their records to the transfer.
    func expirePlans() {
        let now = loop.wallClockMilliseconds()
        while let first = plans.first, first.created + PlanRow.lifetime <= now {
            plans.removeFirst()
            turn.commit([.planDropped(sequence: first.sequence)]) {}
        }
    }

    /// Answers what is wrong with the structure of items; true when something is.
    func refuseFaults(of intake: Intake, _ plan: SessionPlan, _ responder: Responder) -> Bool {
        if !intake.problems.isEmpty {
            responder.invalid(intake.problems)
            return true
        }
        guard !intake.unknownAssociations.isEmpty else { return false }
        responder.error(.associationTypeUnknown) { writer in
            writer.key("problems")
            writer.beginArray()
            for problem in intake.unknownAssociations { problem.write(to: &writer) }
            writer.endArray()
            writer.key("known")
            writer.value(.array(plan.schemas.map { .string($0.key) }))
        }
        return true
    }
}
