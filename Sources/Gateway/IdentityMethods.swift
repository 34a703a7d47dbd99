import JSON
import JSONRPC
import JSONSchema
import PushCore

/// `exportIdentities`, `importIdentities`: the memory of ids, taken out and brought along.
enum IdentityMethods {
    /// What an answer spends on everything but pairs.
    private static let envelope = 4_096

    static func export(_ server: Server, _ call: Call, _ params: JSONView, _ responder: Responder) {
        guard let session = server.session(params["session_id"]?.string ?? "") else {
            return responder.error(.sessionNotFound)
        }
        var schemas = session.plan.schemas
        if let type = params["endgrate_type"]?.string {
            guard let place = session.plan.schemaPlace(for: type) else {
                return PushMethods.unknownType(type, session.plan, responder)
            }
            schemas = [schemas[place]]
        }
        var after: IdentityPlace?
        if let text = params["after"]?.string {
            after = IdentityCursor.place(text)
            guard after != nil else {
                return responder.invalid([
                    ParamProblem(path: "/after", message: "must be what an earlier answer gave as next")
                ])
            }
        }
        // The memory is kept by resource; where several schemas share one, its pairs go under the first of them.
        let keys = Dictionary(schemas.map { ($0.resource.name, $0.key) }, uniquingKeysWith: { first, _ in first })
        let scope = LedgerScope(account: session.row.account, namespace: session.plan.namespace)
        let query = Query.identities(
            scope: scope, resources: keys.keys.sorted(), after: after, limit: Int(params["limit"]?.integer ?? 1_000))
        server.store.read(query) { answer in
            guard case .identities(let rows, let isLast) = answer else { return responder.error(.internal) }
            write(rows, isLast, keys, server, responder)
        }
    }

    /// As many pairs as the line takes; the rest is behind `next` (K30).
    private static func write(
        _ rows: [LedgerRow], _ isLast: Bool, _ keys: [String: String], _ server: Server, _ responder: Responder
    ) {
        var list = AnswerList(room: responder.connection.outboundLine - envelope, reserving: 128 * rows.count)
        server.slices.addUnlessDone { deadline in
            while list.shown < rows.count {
                let row = rows[list.shown]
                guard list.add(takesFirst: true, { write(row, keys[row.resource] ?? "", into: &$0) }) else { break }
                if list.shown & 31 == 0 && Clock.monotonic() > deadline { return false }
            }
            responder.object { writer in
                writer.key("success")
                writer.bool(true)
                list.write("identities", into: &writer)
                if let last = rows.prefix(list.shown).last, !isLast || list.shown < rows.count {
                    writer.key("next")
                    writer.string(IdentityCursor.text(last))
                }
            }
            return true
        }
    }

    private static func write(_ row: LedgerRow, _ key: String, into writer: inout JSONWriter) {
        writer.beginObject()
        writer.key("endgrate_type")
        writer.string(key)
        writer.key("internal_id")
        writer.string(row.internalID)
        writer.key("id")
        writer.string(row.providerID)
        writer.key("confirmed_at")
        writer.string(WireTime.text(row.confirmed))
        writer.endObject()
    }

    static func `import`(_ server: Server, _ call: Call, _ params: JSONView, _ responder: Responder) {
        guard let session = server.session(params["session_id"]?.string ?? "") else {
            return responder.error(.sessionNotFound)
        }
        let type = params["endgrate_type"]?.string ?? ""
        guard let place = session.plan.schemaPlace(for: type) else {
            return PushMethods.unknownType(type, session.plan, responder)
        }
        guard server.store.freeBytes() >= server.ceilings.freeSpace else {
            return responder.error(.storageFull, retryAfterMilliseconds: 10_000)
        }
        // Pairs of an account that nobody knows yet would be nobody's.
        guard !session.row.account.isUnnamed || !server.refuseUnconfigured(session, responder) else { return }
        let scope = LedgerScope(account: session.row.account, namespace: session.plan.namespace)
        IdentityImport(
            server: server, scope: scope, resource: session.plan.schemas[place].resource.name, params: params,
            responder: responder
        ).check()
    }
}

/// The place in a list of pairs that a caller goes on from: opaque to it, and good for as long as it likes.
private enum IdentityCursor {
    static func text(_ row: LedgerRow) -> String {
        let hex = Array("0123456789abcdef".utf8)
        let bytes = Array(row.resource.utf8) + [0] + Array(row.internalID.utf8)
        return String(decoding: bytes.flatMap { [hex[Int($0 >> 4)], hex[Int($0 & 15)]] }, as: UTF8.self)
    }

    static func place(_ text: String) -> IdentityPlace? {
        let digits = text.compactMap { $0.hexDigitValue.map(UInt8.init) }
        guard digits.count == text.count, digits.count % 2 == 0 else { return nil }
        let bytes = stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
        guard let gap = bytes.firstIndex(of: 0), let resource = String(validating: bytes[..<gap], as: UTF8.self),
            let internalID = String(validating: bytes[(gap + 1)...], as: UTF8.self), !resource.isEmpty
        else { return nil }
        return IdentityPlace(resource: resource, internalID: internalID)
    }
}

/// One `importIdentities`: checked as a whole, held against what is remembered, then kept in parts.
private final class IdentityImport {
    private enum OnConflict: String {
        /// Nothing is imported.
        case error
        /// What is remembered stays.
        case keep
        /// What is remembered goes.
        case replace
    }

    private struct Pair {
        var internalID: String
        var id: String
        /// Place in the params.
        var place: Int
    }

    private struct Conflict {
        var pair: Pair
        var knownID: String
    }

    /// Internal ids that are looked up at a time, and pairs of one commit (K6).
    private static let part = 1_000
    private static let idCeiling = 512
    private static let problemCeiling = 100

    private let server: Server
    private let scope: LedgerScope
    private let resource: String
    private let onConflict: OnConflict
    private let responder: Responder
    private var items: JSONView.Elements
    private var place = 0
    private var pairs: [Pair] = []
    private var byInternalID: [String: String] = [:]
    private var problems: [ParamProblem] = []
    private var compared = 0
    private var unchanged = 0
    private var conflicts: [Conflict] = []
    private var rows: [LedgerRow] = []

    init(server: Server, scope: LedgerScope, resource: String, params: JSONView, responder: Responder) {
        self.server = server
        self.scope = scope
        self.resource = resource
        self.responder = responder
        onConflict = params["on_conflict"]?.string.flatMap(OnConflict.init) ?? .error
        items = (params["identities"] ?? params).elements
    }

    // MARK: Is it well formed?

    func check() {
        server.slices.addUnlessDone { [self] deadline in
            while let item = items.next() {
                take(item)
                place += 1
                if place & 7 == 0 && Clock.monotonic() > deadline { return false }
            }
            if problems.isEmpty { compare() } else { responder.invalid(problems) }
            return true
        }
    }

    private func take(_ item: JSONView) {
        let path = "/identities/\(place)"
        guard server.methods.identity.isValid(item) else {
            for violation in server.methods.identity.violations(of: item, limit: Self.problemCeiling) {
                add(path + violation.pointer, violation.message, violation.suggestion)
            }
            return
        }
        for name in ["internal_id", "id"] where (item[name: name]?.stringBytes ?? 0) > Self.idCeiling {
            add(path + "/" + name, "must have at most \(Self.idCeiling) bytes of UTF-8")
        }
        guard let internalID = item["internal_id"]?.string, let id = item["id"]?.string else { return }
        if let other = byInternalID[internalID] {
            if other != id { add(path + "/id", "the same internal_id stands further up with another id") }
            return
        }
        byInternalID[internalID] = id
        pairs.append(Pair(internalID: internalID, id: id, place: place))
    }

    private func add(_ path: String, _ message: String, _ suggestion: String? = nil) {
        guard problems.count < Self.problemCeiling else { return }
        problems.append(ParamProblem(path: path, message: message, suggestion: suggestion))
    }

    // MARK: What is remembered?

    private func compare() {
        let part = pairs[compared..<min(compared + Self.part, pairs.count)]
        guard !part.isEmpty else { return decide() }
        compared += part.count
        server.store.read(.ledger(scope: scope, resource: resource, internalIDs: part.map(\.internalID))) {
            [self] answer in
            guard case .ledger(let known) = answer else { return responder.error(.internal) }
            let now = server.loop.wallClockMilliseconds()
            for pair in part {
                let knownID = known[pair.internalID]
                if knownID == pair.id {
                    unchanged += 1
                    continue
                }
                if let knownID { conflicts.append(Conflict(pair: pair, knownID: knownID)) }
                if knownID != nil && onConflict != .replace { continue }
                rows.append(
                    LedgerRow(
                        account: scope.account, namespace: scope.namespace, resource: resource,
                        internalID: pair.internalID, providerID: pair.id, confirmed: now))
            }
            compare()
        }
    }

    private func decide() {
        guard onConflict == .error, !conflicts.isEmpty else { return keep(from: 0) }
        responder.invalid(
            conflicts.prefix(Self.problemCeiling).map { conflict in
                ParamProblem(
                    path: "/identities/\(conflict.pair.place)",
                    message: "this internal_id is remembered for record \(conflict.knownID)")
            })
    }

    // MARK: Keeping it

    /// Part by part, each when the one before is on disk. A crash may leave some of them: the same call again adds the rest.
    private func keep(from first: Int) {
        let part = Array(rows[first..<min(first + Self.part, rows.count)])
        guard !part.isEmpty else { return answer() }
        guard !responder.connection.isClosed || first > 0 else { return }
        server.turn.commit([.identities(part, replacing: onConflict == .replace)]) { [self] in
            keep(from: first + part.count)
        }
    }

    private func answer() {
        let room = responder.connection.outboundLine - 4_096
        var list = JSONWriter()
        var shown = 0
        server.slices.addUnlessDone { [self] deadline in
            while shown < conflicts.count && list.bytes.count < room - 2_048 {
                write(conflicts[shown], into: &list)
                shown += 1
                if shown & 31 == 0 && Clock.monotonic() > deadline { return false }
            }
            responder.object { writer in
                writer.key("success")
                writer.bool(true)
                writer.key("imported")
                writer.integer(rows.count)
                writer.key("unchanged")
                writer.integer(unchanged)
                writer.key("conflicts")
                writer.beginArray()
                if shown > 0 { writer.raw(list.bytes) }
                writer.endArray()
                writer.key("conflicts_total")
                writer.integer(conflicts.count)
            }
            return true
        }
    }

    private func write(_ conflict: Conflict, into writer: inout JSONWriter) {
        writer.beginObject()
        writer.key("internal_id")
        writer.string(conflict.pair.internalID)
        writer.key("id")
        writer.string(conflict.pair.id)
        writer.key("known_id")
        writer.string(conflict.knownID)
        writer.endObject()
    }
}
