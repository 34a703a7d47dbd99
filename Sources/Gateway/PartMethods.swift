import JSON
import JSONRPC
import PushCore
import Store

/// `beginTransfer`, `appendTransfer`, `commitTransfer`: a push of any size, line by line (K31).
enum PartMethods {
    // MARK: Begin

    static func begin(_ server: Server, _ call: Call, _ params: JSONView, _ responder: Responder) {
        guard let session = server.session(params["session_id"]?.string ?? "") else {
            return responder.error(.sessionNotFound)
        }
        let type = params["endgrate_type"]?.string ?? ""
        guard let place = session.plan.schemaPlace(for: type) else {
            return PushMethods.unknownType(type, session.plan, responder)
        }
        if let problem = KeyedCall.problem(params) { return responder.invalid([problem]) }
        guard server.hasSpace(responder),
            WebhookParams(params: params).areGood(server.webhooks.filter, responder)
        else { return }
        let keyed = KeyedCall(server, params, session: session.row.id, responder)
        let warnings = PushMethods.warnings(of: params, session.plan)
        keyed.begin(
            stepAside: {}, found: { row in begun(row, duplicate: true, warnings, responder) },
            new: {
                guard !server.refuseUnconfigured(session, responder) else { return keyed.release() }
                let now = server.loop.wallClockMilliseconds()
                server.lastTransfer += 1
                var row = TransferRow(
                    sequence: server.lastTransfer, id: server.newIdentifier(), session: session.row.id,
                    account: session.row.account, revision: session.row.revision,
                    schemaKey: session.plan.schemas[place].key, records: 0, allRecords: 0,
                    disableUpsert: params["disable_upsert"]?.bool ?? false, idempotencyKey: keyed.key?.key,
                    bodyHash: keyed.hash, created: now)
                row.cursor = server.events.latest.packed
                row.options = PushOptions.text(of: params)
                row.keepLimits(of: session.plan.overridden(by: row.options).options)
                row.life.webhooks = session.plan.routes(over: row.options)
                row.isOpen = true
                row.life.parts = 0
                row.life.touched = now
                let made = row.life.webhooks == nil ? nil : server.webhooks.secretIfNeeded(row.session)
                server.turn.commit([.transferBegun(row)] + (made.map { [$0.change] } ?? [])) {
                    keyed.release()
                    guard server.sessions.byID[row.session] != nil else { return responder.error(.sessionNotFound) }
                    server.parts.add(row)
                    begun(row, duplicate: false, secret: made?.text, warnings, responder)
                }
            })
    }

    private static func begun(
        _ row: TransferRow, duplicate: Bool, secret: String? = nil, _ warnings: [Warning], _ responder: Responder
    ) {
        guard let parts = row.life.parts else { return responder.error(.internal) }
        responder.object { writer in
            writer.key("success")
            writer.bool(true)
            writer.key("transfer_id")
            writer.string(row.id.text)
            if duplicate {
                writer.key("duplicate")
                writer.bool(true)
            }
            writer.key("parts")
            writer.integer(parts)
            Responder.tell(secret: secret, into: &writer)
            if !warnings.isEmpty {
                writer.key("warnings")
                writer.raw(Warning.text(warnings))
            }
        }
    }

    // MARK: Append

    static func append(_ server: Server, _ call: Call, _ params: JSONView, _ responder: Responder) {
        guard server.hasSpace(responder) else { return }
        let number = Int32(clamping: params["seq"]?.integer ?? 0)
        // The place in line is taken at once: a long part must not be overtaken by what was sent after it.
        server.open(params, responder) { entry, row in
            let hasher = BodyHash(params, without: ["transfer_id"])
            server.slices.addUnlessDone { deadline in
                guard hasher.advance(until: deadline) else { return false }
                let hash = hasher.finish()
                if let entry, number >= row.life.parts ?? 0 {
                    Append(server, entry, number, hash, params, responder).begin()
                } else {
                    repeated(server, row, number, hash, responder) { entry?.leave() }
                }
                return true
            }
        }
    }

    /// A part that is there, or should be.
    private static func repeated(
        _ server: Server, _ row: TransferRow, _ number: Int32, _ hash: [UInt8], _ responder: Responder,
        _ done: @escaping () -> Void
    ) {
        server.store.read(.part(transfer: row.sequence, number: number)) { answer in
            defer { done() }
            guard case .part(let part) = answer else { return responder.error(.internal) }
            guard let part else {
                let text =
                    row.life.cancelled == nil
                    ? "The transfer was committed: it takes no more parts."
                    : "The transfer was cancelled: it takes no more parts."
                return responder.invalid([ParamProblem(path: "/seq", message: text)])
            }
            guard part.hash == hash else { return responder.error(.partConflict) }
            appended(row, number, duplicate: true, responder)
        }
    }

    fileprivate static func appended(_ row: TransferRow, _ number: Int32, duplicate: Bool, _ responder: Responder) {
        responder.object { writer in
            writer.key("success")
            writer.bool(true)
            writer.key("transfer_id")
            writer.string(row.id.text)
            writer.key("seq")
            writer.integer(number)
            writer.key("records")
            writer.integer(row.records)
            if duplicate {
                writer.key("duplicate")
                writer.bool(true)
            }
        }
    }

    // MARK: Commit

    static func commit(_ server: Server, _ call: Call, _ params: JSONView, _ responder: Responder) {
        let answer = TransferAnswer(server: server, params: params, responder: responder)
        let line = responder.connection.pushLine
        let place = line.enter()
        let refuse = { line.leave(place) }
        server.open(params, responder, onRefusal: refuse) { entry, row in
            if let wanted = params["parts"]?.integer, wanted != Int64(row.life.parts ?? 0) {
                responder.invalid([
                    ParamProblem(path: "/parts", message: "\(row.life.parts ?? 0) parts have arrived, not \(wanted).")
                ])
                entry?.leave()
                return line.leave(place)
            }
            guard let entry else {
                line.leave(place)
                return answer.respond(row, duplicate: true)
            }
            line.whenFirst(place) {
                server.turn.commit([.transferAccepted(sequence: row.sequence)]) {
                    defer { entry.leave() }
                    guard !entry.isClosed else { return responder.error(.transferNotFound) }
                    server.parts.close(entry)
                    entry.row.isOpen = false
                    answer.hand(entry.row, records: nil)
                }
                line.leave(place)
            }
        }
    }
}

/// One part on its way to being kept.
private final class Append {
    private let server: Server
    private let entry: PartBook.Entry
    private let number: Int32
    private let hash: [UInt8]
    private let params: JSONView
    private let responder: Responder

    init(
        _ server: Server, _ entry: PartBook.Entry, _ number: Int32, _ hash: [UInt8], _ params: JSONView,
        _ responder: Responder
    ) {
        self.server = server
        self.entry = entry
        self.number = number
        self.hash = hash
        self.params = params
        self.responder = responder
    }

    func begin() {
        let expected = entry.row.life.parts ?? 0
        guard number == expected else {
            responder.invalid([
                ParamProblem(path: "/seq", message: "The next part of this transfer has the number \(expected).")
            ])
            return entry.leave()
        }
        server.sessions.plan(session: entry.row.session, revision: entry.row.revision) { [self] plan in
            guard let plan, let place = plan.schemaPlace(for: entry.row.schemaKey) else {
                responder.error(.transferNotFound)
                return entry.leave()
            }
            let intake = Intake(
                server: server, plan: plan, schemaPlace: place, data: params["transfer_data"] ?? params,
                start: (entry.row.records, entry.row.allRecords))
            server.slices.addUnlessDone { [self] deadline in
                guard intake.check(until: deadline) else { return false }
                checked(intake, plan)
                return true
            }
        }
    }

    private func checked(_ intake: Intake, _ plan: SessionPlan) {
        guard !server.refuseFaults(of: intake, plan, responder) else { return entry.leave() }
        // Ordinals have 32 bits.
        guard Int(entry.row.allRecords) + intake.count <= Int(Int32.max) else {
            responder.invalid([
                ParamProblem(path: "/transfer_data", message: "A transfer has at most 2147483647 records.")
            ])
            return entry.leave()
        }
        // Cancelled in time, nothing of it is kept; later it goes on to its end, answered or not.
        guard !responder.isAnswered else { return entry.leave() }
        var row = entry.row
        row.records += Int32(clamping: params["transfer_data"]?.count ?? 0)
        row.allRecords += Int32(clamping: intake.count)
        row.life.parts = number + 1
        row.life.touched = server.loop.wallClockMilliseconds()
        let part = PartRow(
            transfer: row.sequence, number: number, hash: hash, records: row.records, allRecords: row.allRecords,
            time: row.life.touched ?? 0)
        intake.sequence = row.sequence
        Staging(server, intake, first: [], last: [.part(part)]).run { [self] in
            defer { entry.leave() }
            guard !entry.isClosed else { return responder.error(.transferNotFound) }
            entry.row = row
            PartMethods.appended(row, number, duplicate: false, responder)
        }
    }
}

extension Server {
    /// False, and answered so, when the disk is too full for anything new (K7).
    func hasSpace(_ responder: Responder) -> Bool {
        guard store.freeBytes() < ceilings.freeSpace else { return true }
        responder.error(.storageFull, retryAfterMilliseconds: 10_000)
        return false
    }

    /// The transfer in parts that a caller names. Calls back when it is this call's turn with it: with its entry, which
    /// has to be left, while it is open, without one when it is not. What is no such transfer is answered here.
    func open(
        _ params: JSONView, _ responder: Responder, onRefusal: @escaping () -> Void = {},
        _ done: @escaping (PartBook.Entry?, TransferRow) -> Void
    ) {
        let id = Identifier(text: params["transfer_id"]?.string ?? "")
        if let id, let entry = parts[id] {
            return entry.enter { [self] in
                if !entry.isClosed { return done(entry, entry.row) }
                entry.leave()
                closed(params, responder, onRefusal, done)
            }
        }
        closed(params, responder, onRefusal, done)
    }

    private func closed(
        _ params: JSONView, _ responder: Responder, _ onRefusal: @escaping () -> Void,
        _ done: @escaping (PartBook.Entry?, TransferRow) -> Void
    ) {
        let id = Identifier(text: params["transfer_id"]?.string ?? "") ?? Identifier(high: 0, low: 0)
        store.read(.transfer(id: id)) { answer in
            guard case .transfer(let row?) = answer else {
                responder.error(.transferNotFound)
                return onRefusal()
            }
            guard row.life.parts != nil else {
                responder.invalid([
                    ParamProblem(path: "/transfer_id", message: "This transfer was not begun with beginTransfer.")
                ])
                return onRefusal()
            }
            done(nil, row)
        }
    }

    /// Open transfers that nobody goes on with end.
    func expireParts() {
        let idle = parts.takeIdle(since: loop.wallClockMilliseconds() - Int64(ceilings.partsTime / 1_000_000))
        guard !idle.isEmpty else { return }
        for row in idle { log.info("open transfer expired", ("transfer", row.id.text)) }
        turn.commit(idle.map { .partsExpired(sequence: $0.sequence) }) {}
    }
}
