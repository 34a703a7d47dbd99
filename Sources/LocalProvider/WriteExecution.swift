import JSON
import PushCore

/// Does the inputs of a write one after the other, inside of a transaction that the caller has begun.
///
/// All that can be wrong with an input is found before the first row of it is written, so no savepoint is needed to
/// keep one bad input from touching the others. Each input sees what those before it have done.
struct WriteExecution {
    let tables: AccountTables
    let catalogue: Catalogue
    let settings: LocalSettings
    let resource: String
    let key: String
    /// Milliseconds since 1970; one moment for the whole call.
    let time: Int64

    private let rules: [MatchRule]
    private let uniqueRules: Set<Int>
    private let noKeys: MatchKeys
    /// The fields that the resource takes, if it takes no others.
    private let takes: Set<String>?
    private var rendering: RecordRendering
    private var nextID: Int64
    private var writer: JSONWriter
    private var isAllWell = true
    /// An input was refused, not only one of its links.
    private(set) var hasRefused = false
    /// The next input is refused, whatever it is (`LocalFault.Kind.refuseRecord`).
    var refusesNext = false

    init(
        tables: AccountTables, catalogue: Catalogue, settings: LocalSettings, request: WriteRequest, time: Int64
    ) throws(DatabaseFailure) {
        self.tables = tables
        self.catalogue = catalogue
        self.settings = settings
        self.time = time
        resource = request.resource
        key = request.key
        let rules = catalogue.matchRules(of: request.resource)
        self.rules = rules
        let unique = settings.uniqueFields[resource] ?? []
        uniqueRules = Set(rules.indices.filter { unique.contains(rules[$0].field) })
        noKeys = MatchKeys(values: rules.map { _ in nil })
        let described = catalogue[request.resource]
        takes = described.flatMap { $0.hasOpenFields ? nil : Set($0.fields.map(\.name)) }
        rendering = RecordRendering(tables: tables, showsAssociations: settings.supportsAssociations)
        nextID = try tables.records.nextID()
        writer = JSONWriter(reserving: request.inputs.count * 512)
    }

    /// Nil when the answer would be larger than the ceiling in bytes: then the caller must take everything back.
    mutating func run(
        _ inputs: [WriteRequest.Input], answerCeiling: Int
    ) throws(DatabaseFailure) -> AnswerTable.Answer? {
        writer.beginObject()
        writer.key("results")
        writer.beginArray()
        for input in inputs {
            writer.beginObject()
            writer.key("trace")
            writer.integer(input.trace)
            if let refusal = try perform(input.view) {
                isAllWell = false
                hasRefused = true
                write(refusal)
            }
            writer.endObject()
            if writer.bytes.count > answerCeiling { return nil }
        }
        writer.endArray()
        writer.endObject()
        return AnswerTable.Answer(status: isAllWell ? 200 : 207, body: writer.bytes)
    }

    // MARK: One input

    /// Does one input and writes what became of it, or gives why it was not done and has written nothing.
    private mutating func perform(_ view: JSONView) throws(DatabaseFailure) -> InputRefusal? {
        if refusesNext {
            refusesNext = false
            return InputRefusal(.validation, "The fault plan of the account refuses this record.")
        }
        let order: WriteOrder
        do { order = try WriteOrder(view) } catch { return error }
        var old: RecordTable.Row?
        if let target = order.target {
            old = try tables.records.row(target, of: resource)
            if old == nil { return WriteOrder.unknown }
        }
        // An update without fields only links.
        guard old == nil || (order.fields?.count ?? 0) > 0 else {
            if let old { try finish(order, old, "updated") }
            return nil
        }
        let before = if let old { try FieldText(stored: old.fields) } else { FieldText.none }
        var after = before
        if let fields = order.fields {
            do {
                try checkNames(fields)
                after = try before.merging(fields)
            } catch { return error }
        }
        let oldKeys = old == nil ? noKeys : before.matchKeys(rules)
        let keys = after.matchKeys(rules)
        if let refusal = try conflict(oldKeys, keys) { return refusal }
        if var row = old {
            row.fields = after.text
            row.updatedAt = max(time, row.updatedAt)
            try tables.records.update(row)
            try replaceKeys(oldKeys, by: keys, row.id)
            try tables.effects.append(.update, key: key, resource: resource, id: row.id, at: time)
            try finish(order, row, "updated")
        } else {
            let row = RecordTable.Row(
                id: nextID, resource: resource, createdAt: time, updatedAt: time, fields: after.text)
            nextID += 1
            try tables.records.insert(row)
            try replaceKeys(oldKeys, by: keys, row.id)
            try tables.effects.append(.create, key: key, resource: resource, id: row.id, at: time)
            try finish(order, row, "created")
        }
        return nil
    }

    private func checkNames(_ fields: JSONView) throws(InputRefusal) {
        guard let takes else { return }
        for (key, _) in fields.members {
            guard takes.contains(key.string ?? "") else {
                throw InputRefusal(.validation, "The resource takes no other fields than those of its description.")
            }
        }
    }

    /// Looks at values that change only: a record whose value was shared before it had to be unique can still be
    /// updated.
    private func conflict(_ old: MatchKeys, _ new: MatchKeys) throws(DatabaseFailure) -> InputRefusal? {
        for place in rules.indices where uniqueRules.contains(place) && old.values[place] != new.values[place] {
            guard let value = new.values[place] else { continue }
            let field = rules[place].field
            if let holder = try tables.matchKeys.ids(resource, field, value, ceiling: 1).first {
                return InputRefusal(.conflict, "Another record has this value of `\(field)`.", id: holder)
            }
        }
        return nil
    }

    private func replaceKeys(_ old: MatchKeys, by new: MatchKeys, _ id: Int64) throws(DatabaseFailure) {
        for (place, rule) in rules.enumerated() where old.values[place] != new.values[place] {
            if let value = old.values[place] { try tables.matchKeys.delete(resource, rule.field, value, id) }
            if let value = new.values[place] { try tables.matchKeys.insert(resource, rule.field, value, id) }
        }
    }

    // MARK: Links

    private enum LinkRefusal: String {
        case notFound = "NOT_FOUND"
        /// The end holds one link of this kind only, and has another.
        case conflict = "CONFLICT"
        case unsupported = "UNSUPPORTED"
    }

    /// Nil when the link stands, whether it is new or not.
    private func link(_ id: Int64, to order: WriteOrder.LinkOrder) throws(DatabaseFailure) -> LinkRefusal? {
        guard settings.supportsAssociations, catalogue.canLink(resource, order.resource) else { return .unsupported }
        guard let other = RecordID.number(order.id), try tables.records.exists(other, in: order.resource) else {
            return .notFound
        }
        let near = LinkTable.End(resource: resource, id: id)
        let far = LinkTable.End(resource: order.resource, id: other)
        // A record is no neighbour of itself.
        if near == far { return .unsupported }
        if try tables.links.exists(near, far) { return nil }
        for (one, end) in [(near, far), (far, near)] where catalogue.isSingle(one.resource, end.resource) {
            if try tables.links.first(of: one.id, in: end.resource) != nil { return .conflict }
        }
        try tables.links.insert(near, far)
        try tables.effects.append(.link, key: key, resource: resource, id: id, at: time, other: far)
        return nil
    }

    // MARK: Results

    /// Links the record and writes the members of its result.
    private mutating func finish(
        _ order: WriteOrder, _ row: RecordTable.Row, _ status: StaticString
    ) throws(DatabaseFailure) {
        var refused: [(WriteOrder.LinkOrder, LinkRefusal)] = []
        for wanted in order.links {
            if let refusal = try link(row.id, to: wanted) { refused.append((wanted, refusal)) }
        }
        writer.key("id")
        RecordRendering.id(row.id, into: &writer)
        writer.key("status")
        writer.plain(status)
        if settings.returnsData {
            writer.key("record")
            try rendering.write(row, isUnlinked: order.target == nil && order.links.isEmpty, into: &writer)
        }
        guard !refused.isEmpty else { return }
        isAllWell = false
        writer.key("links_refused")
        writer.beginArray()
        for (wanted, refusal) in refused {
            writer.beginObject()
            writer.key("resource")
            writer.string(wanted.resource)
            writer.key("id")
            writer.string(wanted.id)
            writer.key("code")
            writer.string(refusal.rawValue)
            writer.endObject()
        }
        writer.endArray()
    }

    private mutating func write(_ refusal: InputRefusal) {
        writer.key("error")
        writer.beginObject()
        writer.key("code")
        writer.string(refusal.code.rawValue)
        writer.key("message")
        writer.string(refusal.message)
        if let id = refusal.id {
            writer.key("id")
            RecordRendering.id(id, into: &writer)
        }
        writer.endObject()
    }
}
