import EventLoop
import JSON
import JSONRPC
import JSONSchema
import PushCore
import Store

/// A caller that wants `$/progress` of a transfer.
struct ProgressWatcher {
    let connection: Connection
    /// The caller's token, compact JSON text.
    let token: [UInt8]
}

/// `pushTransfer`: from params to a kept transfer.
enum PushMethods {
    static func push(_ server: Server, _ call: Call, _ params: JSONView, _ responder: Responder) {
        if let problem = KeyedCall.problem(params) { return responder.invalid([problem]) }
        if params["plan_id"] != nil {
            return PlanApplication(server: server, params: params, responder: responder).begin()
        }
        let missing = PlanMethods.missing(params)
        guard missing.isEmpty else { return responder.invalid(missing) }
        guard let session = server.session(params["session_id"]?.string ?? "") else {
            return responder.error(.sessionNotFound)
        }
        let type = params["endgrate_type"]?.string ?? ""
        guard let schemaPlace = session.plan.schemaPlace(for: type) else {
            return unknownType(type, session.plan, responder)
        }
        guard server.hasSpace(responder),
            WebhookParams(params: params).areGood(server.webhooks.filter, responder)
        else { return }
        let push = Push(
            server: server, session: session, schemaPlace: schemaPlace, params: params, responder: responder)
        push.begin()
    }

    /// What in the params deserves attention, though the push is accepted.
    static func warnings(of params: JSONView, _ plan: SessionPlan) -> [Warning] {
        var warnings = WebhookParams(params: params).warnings
        if params["bypass_rate_limit"]?.bool == true {
            warnings.append(
                Warning(
                    .rateLimitKept, "bypass_rate_limit skips only the gateway's own budget, never the provider's.",
                    path: "/bypass_rate_limit"))
        }
        for field in plan.unknownMatchFields(params["match"]?.elements.compactMap(\.string) ?? []) {
            warnings.append(
                Warning(.matchKeyUnknown, "No schema of the session can match by \"\(field)\".", path: "/match"))
        }
        return warnings
    }

    static func unknownType(_ type: String, _ plan: SessionPlan, _ responder: Responder) {
        let keys = plan.schemas.map(\.key)
        let isAmbiguous = plan.schemas.filter { $0.endgrateType == type }.count > 1
        let text =
            isAmbiguous
            ? "Several schemas of the session have this type: name the one that is meant by its title."
            : "The session has no schema for this type."
        responder.error(.unknownType, text) { writer in
            writer.key("known")
            writer.value(.array(keys.map { .string($0) }))
            if let meant = DidYouMean.nearest(type, among: keys), !isAmbiguous {
                writer.key("did_you_mean")
                writer.string(meant)
            }
        }
    }
}

/// One `pushTransfer` on its way to being kept.
private final class Push {
    /// Records of a transfer that are handed to the machine at once instead of being read back.
    private static let direct = 64

    private let server: Server
    private let session: Sessions.Session
    /// That of the session with the options of this push.
    private let plan: SessionPlan
    private let params: JSONView
    private let responder: Responder
    private let intake: Intake
    private var row: TransferRow
    private let keyed: KeyedCall
    private let place: PushLine.Place
    /// A secret for webhooks that was made for this push.
    private var secret: String?
    private var direct: [PreparedRecord]? = []

    init(
        server: Server, session: Sessions.Session, schemaPlace: Int, params: JSONView, responder: Responder
    ) {
        self.server = server
        self.session = session
        self.params = params
        self.responder = responder
        place = responder.connection.pushLine.enter()
        let data = params["transfer_data"] ?? params
        let options = PushOptions.text(of: params)
        plan = session.plan.overridden(by: options)
        intake = Intake(server: server, plan: session.plan, schemaPlace: schemaPlace, data: data)
        keyed = KeyedCall(server, params, session: session.row.id, responder)
        row = TransferRow(
            sequence: 0, id: server.newIdentifier(), session: session.row.id,
            account: session.row.account, revision: session.row.revision,
            schemaKey: session.plan.schemas[schemaPlace].key, records: Int32(clamping: data.count), allRecords: 0,
            disableUpsert: params["disable_upsert"]?.bool ?? false, idempotencyKey: keyed.key?.key, bodyHash: [],
            created: server.loop.wallClockMilliseconds())
        row.cursor = server.events.latest.packed
        row.options = options
        row.keepLimits(of: plan.options)
        row.life.webhooks = session.plan.routes(over: options)
    }

    // MARK: Is it new?

    func begin() {
        keyed.begin(
            stepAside: { [self] in leaveLine() },
            found: { [self] found in answer.respond(found, duplicate: true) },
            new: { [self] in
                row.bodyHash = keyed.hash
                responder.connection.pushLine.whenFirst(place) { [self] in check() }
            })
    }

    private var answer: TransferAnswer {
        var answer = TransferAnswer(
            server: server, params: params, responder: responder,
            warnings: PushMethods.warnings(of: params, session.plan))
        answer.more = { [secret] in Responder.tell(secret: secret, into: &$0) }
        return answer
    }

    private func leaveLine() { responder.connection.pushLine.leave(place) }

    /// Nothing is kept of it.
    private func giveUp() {
        keyed.release()
        leaveLine()
    }

    // MARK: Is it well formed?

    private func check() {
        // Examples may come before it is configured: they are what a mapping is chosen by (D32).
        guard params["sample_data"]?.bool == true || !server.refuseUnconfigured(session, responder) else {
            return giveUp()
        }
        server.slices.addUnlessDone { [self] deadline in
            guard intake.check(until: deadline) else { return false }
            checked()
            return true
        }
    }

    private func checked() {
        guard !server.refuseFaults(of: intake, session.plan, responder) else { return giveUp() }
        row.allRecords = Int32(clamping: intake.count)
        if intake.count > Self.direct { direct = nil }
        // Cancelled in time, nothing of it is kept. Later it goes on to its end, answered or not: half of it on disk would
        // stand in the way of the same push made again.
        guard !responder.isAnswered else { return giveUp() }
        if params["sample_data"]?.bool == true { takeSample() } else { stage() }
    }

    // MARK: Keeping it

    /// The last stretch makes the transfer exist, and only its commit is answered.
    private func stage() {
        server.lastTransfer += 1
        row.sequence = server.lastTransfer
        intake.sequence = server.lastTransfer
        let made = row.life.webhooks == nil ? nil : server.webhooks.secretIfNeeded(row.session)
        secret = made?.text
        let staging = Staging(
            server, intake, first: [.transferBegun(row)] + (made.map { [$0.change] } ?? []),
            last: [.transferAccepted(sequence: row.sequence)])
        staging.onRows = { [self] rows in
            for record in direct == nil ? [] : rows {
                direct?.append(PreparedRecord(record, plan: plan, disablesUpsert: row.disableUpsert))
            }
        }
        staging.onOrdered = { [self] in leaveLine() }
        staging.run { [self] in kept() }
    }

    /// Nobody is told of examples (D32).
    private func takeSample() {
        row.life.webhooks = nil
        SampleTaking(server, session, plan, intake, row).run { [self] kept, problems in
            guard let kept else {
                giveUp()
                return responder.invalid(problems)
            }
            row = kept
            direct = nil
            leaveLine()
            self.kept()
        }
    }

    private func kept() {
        keyed.release()
        guard server.sessions.byID[row.session] != nil else {
            // Deleted while the last part was on its way: the transfer went with it or goes now.
            server.turn.commit([.sessionDeleted(row.session, forgetting: nil)]) {}
            return responder.error(.sessionNotFound)
        }
        if let count = direct?.count, !server.driver.machine.hasRoom(for: row.account, records: count) { direct = nil }
        answer.hand(row, records: direct)
    }
}

extension Slices {
    /// Does the job at once if one slice is enough, which it is for most calls; else over the next turns.
    func addUnlessDone(_ job: @escaping (UInt64) -> Bool) {
        if !job(Clock.monotonic() + Self.slice) { add(job) }
    }
}

extension Server {
    /// Calls back when the transfer has completed (true), or the time of synchronous pushes is over or the gateway
    /// drains (false).
    func await(transfer sequence: Int64, _ responder: Responder, _ done: @escaping (Bool) -> Void) {
        guard driver.machine.transfer(sequence) != nil else { return done(true) }
        guard !isDraining else { return done(false) }
        let timer = CompletionTimer(loop: loop)
        timer.start(after: ceilings.synchronousTime) { done(false) }
        responder.onCancel = { timer.stop() }
        completionWaiters[sequence, default: []].append { row in
            if timer.stop() { done(row != nil) }
        }
    }

    func completed(_ row: TransferRow) {
        progressed(row)
        progressWatchers[row.sequence] = nil
        for waiter in completionWaiters.removeValue(forKey: row.sequence) ?? [] { waiter(row) }
        endIfWaited()
    }

    func progressed(_ row: TransferRow) {
        events.progressed(row)
        for watcher in progressWatchers[row.sequence] ?? [] where !watcher.connection.isClosed {
            watcher.connection.conversation.notify("$/progress") { writer in
                writer.beginObject()
                writer.key("token")
                writer.raw(watcher.token)
                writer.key("value")
                writer.beginObject()
                writer.key("transfer_id")
                writer.string(row.id.text)
                writer.key("finished")
                writer.integer(row.counts.finished)
                writer.key("total")
                writer.integer(row.records)
                writer.endObject()
                writer.endObject()
            }
            watcher.connection.markDirty()
        }
    }
}

/// A timer that either fires or is stopped, once.
private final class CompletionTimer {
    private var timer: Timer?

    init(loop: Loop) { timer = Timer(loop: loop) }

    func start(after nanoseconds: UInt64, _ fire: @escaping () -> Void) {
        timer?.start(after: nanoseconds) { [self] in
            if stop() { fire() }
        }
    }

    /// True the first time.
    @discardableResult
    func stop() -> Bool {
        guard let timer else { return false }
        timer.close()
        self.timer = nil
        return true
    }
}
