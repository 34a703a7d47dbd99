import JSON
import JSONRPC
import PushCore
import Store

/// `retryTransfer`: pushes again what failed.
enum RetryMethods {
    static func retry(_ server: Server, _ call: Call, _ params: JSONView, _ responder: Responder) {
        if let problem = KeyedCall.problem(params) { return responder.invalid([problem]) }
        guard server.hasSpace(responder) else { return }
        let kinds = params["outcomes"]?.elements.compactMap { outcome in
            OutcomeKind.allCases.first { $0.name == outcome.string }
        }
        server.transfer(params, responder) { origin, _ in
            guard ResultMethods.isOver(origin, responder) else { return }
            let keyed = KeyedCall(server, params, session: origin.session, responder)
            let answer = TransferAnswer(server: server, params: params, responder: responder)
            let place = responder.connection.pushLine.enter()
            let leave = { responder.connection.pushLine.leave(place) }
            keyed.begin(
                stepAside: leave, found: { row in Retry.answer(answer, row, duplicate: true) },
                new: {
                    responder.connection.pushLine.whenFirst(place) {
                        let selection = RetrySelection(kinds: Set(kinds ?? [.refused, .unsent]))
                        let retry = Retry(server, origin, selection, keyed: keyed)
                        retry.run(
                            refused: { refusal in
                                keyed.release()
                                leave()
                                refusal(responder)
                            },
                            kept: { row in
                                keyed.release()
                                leave()
                                Retry.hand(answer, row)
                            })
                    }
                })
        }
    }
}

/// A transfer made of records of another one, copied in slices: the origin may have a million of them.
final class Retry {
    /// Bytes of record data that one read may bring; it brings a tree more at most.
    private static let readBytes = 256 << 10

    private let server: Server
    private let origin: TransferRow
    private let selection: RetrySelection
    /// What goes with the acceptance; given the ordinals of the origin's records that are pushed again.
    private let last: ([Int32]) -> [Change]
    /// Records of the origin that are pushed again.
    var taken: Int { rows?.taken.count ?? 0 }
    /// Ordinals in the origin of what is pushed again.
    var takenOrdinals: [Int32] { rows?.taken ?? [] }
    private var row: TransferRow
    private var rows: RetryRows?
    private var plan: SessionPlan?
    private var old: SessionPlan?
    private var hasBegun = false

    init(
        _ server: Server, _ origin: TransferRow, _ selection: RetrySelection, keyed: KeyedCall?,
        with last: @escaping ([Int32]) -> [Change] = { _ in [] }
    ) {
        self.server = server
        self.origin = origin
        self.selection = selection
        self.last = last
        row = TransferRow(
            sequence: 0, id: server.newIdentifier(), session: origin.session, account: origin.account,
            revision: origin.revision, schemaKey: origin.schemaKey, records: 0, allRecords: 0,
            disableUpsert: origin.disableUpsert, idempotencyKey: keyed?.key?.key, bodyHash: keyed?.hash ?? [],
            created: server.loop.wallClockMilliseconds())
        row.life.retryOf = TransferLife.Origin(sequence: origin.sequence, id: origin.id)
        row.options = origin.options
        row.cursor = server.events.latest.packed
    }

    /// Calls back one of the two: with how to refuse the call, nothing being kept, or with the transfer that is on disk.
    func run(refused: @escaping (@escaping (Responder) -> Void) -> Void, kept: @escaping (TransferRow) -> Void) {
        guard let session = server.sessions.byID[origin.session] else {
            return refused { $0.error(.transferNotFound) }
        }
        guard server.missing(session) == nil else {
            return refused { [server] in _ = server.refuseUnconfigured(session, $0) }
        }
        server.sessions.plan(session: origin.session, revision: origin.revision) { [self] old in
            guard let old else { return refused { $0.error(.transferNotFound) } }
            // The session as it is now: what was refused may be good under a schema that was corrected since.
            let plan = session.plan
            guard plan.schemas.contains(where: { $0.key == origin.schemaKey }) else {
                return refused { [origin] in PushMethods.unknownType(origin.schemaKey, plan, $0) }
            }
            server.lastTransfer += 1
            row.sequence = server.lastTransfer
            row.revision = session.row.revision
            row.keepLimits(of: plan.overridden(by: row.options).options)
            row.life.webhooks = plan.routes(over: origin.options)
            let places = old.schemas.map { schema in
                plan.schemas.firstIndex { $0.key == schema.key }.map { Int16($0) }
            }
            (self.plan, self.old) = (plan, old)
            rows = RetryRows(transfer: row.sequence, selection: selection, schemas: places)
            copy(after: -1, refused, kept)
        }
    }

    private func copy(
        after: Int32, _ refused: @escaping (@escaping (Responder) -> Void) -> Void,
        _ kept: @escaping (TransferRow) -> Void
    ) {
        let query = Query.retryable(
            transfer: origin.sequence, after: after, selection, bytes: Self.readBytes)
        server.store.read(query) { [self] answer in
            guard case .retryable(let found, let through, let isLast) = answer else {
                return refused { $0.error(.internal) }
            }
            var next = found.startIndex
            server.slices.addUnlessDone { [self] deadline in
                while next < found.endIndex {
                    let top = found[next...].firstIndex { $0.record.parent < 0 } ?? found.endIndex - 1
                    rows?.add(found[next...top])
                    next = top + 1
                    if next < found.endIndex && Clock.monotonic() > deadline { return false }
                }
                copied(through, isLast, refused, kept)
                return true
            }
        }
    }

    private func copied(
        _ through: Int32, _ isLast: Bool, _ refused: @escaping (@escaping (Responder) -> Void) -> Void,
        _ kept: @escaping (TransferRow) -> Void
    ) {
        if let missing = rows?.missingSchema, let plan, let old {
            // What of it is on disk goes, as if it had never been.
            if hasBegun { server.turn.commit([.partsExpired(sequence: row.sequence)]) {} }
            return refused { PushMethods.unknownType(old.schemas[Int(missing)].key, plan, $0) }
        }
        var changes: [Change] = hasBegun ? [] : [.transferBegun(row)]
        if let (rows, shifts) = rows?.take(), !rows.isEmpty {
            changes += [.records(rows), .retryShifts(transfer: row.sequence, shifts)]
        }
        if isLast {
            (row.records, row.allRecords) = (rows?.records ?? 0, rows?.allRecords ?? 0)
            changes.append(
                .transferSized(sequence: row.sequence, records: row.records, allRecords: row.allRecords))
            changes += last(rows?.taken ?? []) + [.transferAccepted(sequence: row.sequence)]
        }
        hasBegun = true
        server.turn.commit(changes) { [self] in
            guard isLast else { return copy(after: through, refused, kept) }
            guard server.sessions.byID[row.session] != nil else { return refused { $0.error(.transferNotFound) } }
            kept(row)
        }
    }

    // MARK: Answering

    static func hand(_ answer: TransferAnswer, _ row: TransferRow) { with(answer, row).hand(row, records: nil) }

    static func answer(_ answer: TransferAnswer, _ row: TransferRow, duplicate: Bool) {
        with(answer, row).respond(row, duplicate: duplicate)
    }

    private static func with(_ answer: TransferAnswer, _ row: TransferRow) -> TransferAnswer {
        var answer = answer
        answer.more = { writer in
            if let origin = row.life.retryOf {
                writer.key("retry_of")
                writer.string(origin.id.text)
            }
            writer.key("records")
            writer.integer(row.records)
        }
        return answer
    }
}
