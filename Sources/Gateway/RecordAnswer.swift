import JSON
import Providers
import PushCore

/// The answer of `getRecord`.
struct RecordAnswer {
    private let row: ExplainedRow
    private let plan: SessionPlan
    private let record: PreparedRecord
    private let provider: HTTPProvider?
    private let remembered: String?
    private let standing: RecordStanding
    private let exchanges: [ExchangeRow]
    private let total: Int
    private let clock: (wall: Int64, monotonic: UInt64)
    private let reason: DecisionReason?
    private let written: [Int]
    private let links: [LinkTarget]

    /// - Parameters:
    ///   - remembered: what the ledger has for its internal id now.
    ///   - standing: only counts without an outcome.
    ///   - total: of `exchanges`, with older ones that are not shown.
    init(
        _ row: ExplainedRow, _ plan: SessionPlan, provider: HTTPProvider?, remembered: String?,
        standing: RecordStanding, exchanges: [ExchangeRow], total: Int, clock: (wall: Int64, monotonic: UInt64)
    ) {
        self.row = row
        self.plan = plan
        self.provider = provider
        self.remembered = remembered
        self.standing = standing
        self.exchanges = exchanges
        self.total = total
        self.clock = clock
        let children = row.children.map(\.child)
        record = PreparedRecord(
            row.record, plan: plan, disablesUpsert: row.transfer.disableUpsert, children: children)
        reason = row.outcome == nil ? standing.reason : row.outcome?.decision
        if row.outcome == nil {
            written = standing.write?.fields ?? []
        } else {
            written = reason.map { [record] in record.writtenFields($0, kind: row.outcome?.kind) } ?? []
        }
        links = record.linkTargets(Array(children.prefix(Self.shownLinks)))
    }

    /// Associated records that are shown with their links: each is compared with each.
    private static let shownLinks = 200

    private var schema: SessionPlan.Schema { plan.schemas[Int(row.record.schema)] }

    func write(into writer: inout JSONWriter) {
        writer.key("success")
        writer.bool(true)
        for (name, text) in [
            ("transfer_id", row.transfer.id.text), ("session_id", row.transfer.session.text),
            ("provider", plan.account.provider), ("account", plan.account.name),
        ] {
            writer.key(text: name)
            writer.string(text)
        }
        writer.key("record")
        writer.beginObject()
        pushed(into: &writer)
        state(into: &writer)
        result(into: &writer)
        decision(into: &writer)
        mapping(into: &writer)
        writer.key("links")
        writer.beginArray()
        let (targets, warnings) = (Set(links), row.outcome?.listedWarnings ?? [])
        for child in row.children.prefix(Self.shownLinks) {
            link(to: child, LinkState(child.child, of: record, row.outcome, targets, warnings), into: &writer)
        }
        writer.endArray()
        writer.key("links_total")
        writer.integer(row.children.count)
        writer.key("attempts")
        writer.beginArray()
        attempts(into: &writer)
        writer.endArray()
        writer.key("attempts_total")
        writer.integer(total)
        writer.endObject()
    }

    // MARK: The record

    private func pushed(into writer: inout JSONWriter) {
        writer.key("index")
        writer.integer(row.record.index)
        writer.key("endgrate_type")
        writer.string(schema.key)
        writer.key("resource")
        writer.string(schema.resource.name)
        if let id = row.record.internalID {
            writer.key("internal_id")
            writer.string(id)
        }
        if let parent = row.parent {
            writer.key("parent")
            writer.beginObject()
            writer.key("endgrate_type")
            writer.string(plan.schemas[Int(parent.schema)].key)
            if let id = parent.internalID {
                writer.key("internal_id")
                writer.string(id)
            }
            writer.endObject()
        }
        writer.key("pushed")
        writer.beginObject()
        writer.key("time")
        writer.string(WireTime.text(row.transfer.created))
        if let id = row.record.givenID {
            writer.key("id")
            writer.string(id)
        }
        if !row.record.data.isEmpty {
            writer.key("data")
            writer.raw(row.record.data)
        }
        writer.endObject()
    }

    private func state(into writer: inout JSONWriter) {
        writer.key("state")
        guard row.outcome == nil else { return writer.plain("finished") }
        writer.string(standing.stage.rawValue)
        guard let until = standing.until else { return }
        writer.key("next_attempt")
        let wait = until > clock.monotonic ? Int64((until - clock.monotonic) / 1_000_000) : 0
        writer.string(WireTime.text(clock.wall + wait))
    }

    /// What `getData` says of it, and what was wrong.
    private func result(into writer: inout JSONWriter) {
        if let outcome = row.outcome {
            writer.key("finished")
            writer.string(WireTime.text(outcome.finished))
        }
        writer.key("result")
        Payloads(plan: plan).row(
            ResultRow(record: row.record, outcome: row.outcome, children: row.children.map(\.child)), into: &writer)
        if let error = row.errors.last {
            writer.key("error")
            Payloads(plan: plan).error(
                error, transferErrors: row.transfer.counts.errors > 0, success: false, into: &writer)
        }
        if let remembered {
            writer.key("remembered_id")
            writer.string(remembered)
        }
    }

    // MARK: Why

    private func decision(into writer: inout JSONWriter) {
        guard let reason else { return }
        writer.key("decision")
        writer.beginObject()
        let (action, why, text) = (action(reason), why(reason), sentence(reason))
        writer.key("action")
        writer.string(action)
        writer.key("why")
        writer.string(why)
        if let key = matchKey(reason) {
            writer.key("match_key")
            writer.string(key)
        }
        writer.key("text")
        writer.string(text)
        writer.endObject()
    }

    private func action(_ reason: DecisionReason) -> String {
        switch row.outcome?.kind {
        case .unchanged, .unsent: "none"
        case .created: "create"
        case .updated: "update"
        default: reason.way == .new ? "create" : "update"
        }
    }

    private func why(_ reason: DecisionReason) -> String {
        switch reason.way {
        case .givenID: "given_id"
        case .remembered: "remembered"
        case .matched: "matched"
        case .new: "new"
        }
    }

    private func matchKey(_ reason: DecisionReason) -> String? {
        guard case .matched(let place) = reason.way, schema.resource.matchRules.indices.contains(place) else {
            return nil
        }
        return schema.resource.matchRules[place].field
    }

    private func sentence(_ reason: DecisionReason) -> String {
        var text: String
        switch reason.way {
        case .givenID: text = "It was pushed with the id that it has at \(plan.provider.displayName)."
        case .remembered: text = "Its internal_id was remembered for a record at \(plan.provider.displayName)."
        case .matched: text = "Exactly one record at \(plan.provider.displayName) has its \(matchKey(reason) ?? "key")."
        case .new:
            text =
                record.disablesUpsert
                ? "No record was remembered for it, and disable_upsert forbade looking for one."
                : "No record was remembered for it, and none has its match keys."
        }
        switch row.outcome?.kind {
        case .unchanged: text += " Nothing of it differs, so nothing was written."
        case .unsent: text += " Nothing was written."
        case .updated where reason.way == .new: text += " The provider found one of its own accord."
        default: break
        }
        return text
    }

    private func mapping(into writer: inout JSONWriter) {
        writer.key("mapping")
        writer.beginArray()
        for (place, applied) in record.appliedFields.enumerated() {
            writer.beginObject()
            writer.key("from")
            writer.string(applied.from)
            writer.key("to")
            writer.string(applied.field.name)
            writer.key("value")
            writer.value(applied.field.value)
            writer.key("mode")
            writer.string(applied.field.mode.rawValue)
            writer.key("why")
            writer.string(applied.rule?.why ?? "The session passes on what the schema does not know.")
            writer.key("written")
            writer.bool(written.contains(place))
            writer.endObject()
        }
        writer.endArray()
    }

    private func link(to child: ExplainedRow.Relative, _ state: LinkState, into writer: inout JSONWriter) {
        writer.beginObject()
        writer.key("endgrate_type")
        writer.string(plan.schemas[Int(child.record.schema)].key)
        if let id = child.record.internalID {
            writer.key("internal_id")
            writer.string(id)
        }
        writer.key("id")
        if let outcome = child.outcome, outcome.kind.isWritten, let id = outcome.providerID {
            writer.string(id)
        } else {
            writer.null()
        }
        if let kind = child.outcome?.kind {
            writer.key("outcome")
            writer.string(kind.name)
        }
        writer.key("state")
        writer.string(state.rawValue)
        writer.endObject()
    }

    // MARK: Exchanges

    private func attempts(into writer: inout JSONWriter) {
        // While it is under way, it is written to the record that was decided upon.
        let target =
            row.outcome == nil
            ? standing.write?.target : row.outcome?.providerID ?? row.record.givenID ?? knownTarget
        var shown = ShownRequest(
            record, plan.account, provider, target: target,
            remembered: reason?.way == .remembered ? target ?? remembered : nil, reason: reason, written: written,
            links: links)
        for exchange in exchanges {
            let request = shown.exchange(of: exchange)
            attempt(exchange, request, into: &writer)
        }
    }

    /// Of a record that was refused or is in doubt.
    private var knownTarget: String? { reason?.way == .remembered ? remembered : nil }

    private func attempt(_ exchange: ExchangeRow, _ request: Exchange?, into writer: inout JSONWriter) {
        writer.beginObject()
        writer.key("time")
        writer.string(WireTime.text(exchange.ended - exchange.duration))
        writer.key("duration_ms")
        writer.integer(exchange.duration)
        writer.key("operation")
        writer.string(exchange.operation)
        writer.key("attempt")
        writer.integer(exchange.attempt)
        writer.key("records")
        writer.integer(exchange.places.count)
        writer.key("request")
        writer.beginObject()
        writer.key("method")
        writer.string(exchange.method)
        writer.key("path")
        writer.string(request?.path ?? exchange.path)
        if let body = request?.body, !body.isEmpty, let root = try? JSONDocument(parsing: body).root {
            writer.key("body")
            writer.value(root)
        }
        writer.endObject()
        writer.key("answer")
        writer.beginObject()
        if let status = exchange.status {
            writer.key("status")
            writer.integer(status)
        }
        if let phase = exchange.phase {
            writer.key("failed")
            writer.string(phase.rawValue)
        }
        if !exchange.reason.isEmpty {
            writer.key("reason")
            writer.string(exchange.reason)
        }
        writer.endObject()
        writer.key("outcome")
        writer.string(exchange.meaning.name)
        writer.endObject()
    }
}
