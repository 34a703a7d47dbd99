import JSON
import PushCore

/// Does a read on an open account.
struct ReadExecution {
    let tables: AccountTables
    let settings: LocalSettings

    /// Ids given for one value: enough to see that it is ambiguous, few enough not to list an account.
    static let foundCeiling = 10

    /// The rules by which the values of a read are looked up, one each.
    ///
    /// - Throws: `CallRefusal` when a field has none.
    static func rules(for request: ReadRequest, _ catalogue: Catalogue) throws(CallRefusal) -> [MatchRule] {
        let known = catalogue.matchRules(of: request.resource)
        var rules: [MatchRule] = []
        for (place, search) in request.search.enumerated() {
            guard let rule = known.first(where: { $0.field == search.field }) else {
                throw .bad("The resource cannot be searched by this field.", "/search/\(place)/field")
            }
            rules.append(rule)
        }
        return rules
    }

    /// The body of the answer; nil when it would be larger than the ceiling in bytes.
    func run(
        _ request: ReadRequest, _ rules: [MatchRule], answerCeiling: Int
    ) throws(DatabaseFailure) -> [UInt8]? {
        var rendering = RecordRendering(tables: tables, showsAssociations: settings.supportsAssociations)
        var found: [[Int64]] = []
        for (search, rule) in zip(request.search, rules) {
            if let key = MatchKeys.normalise(search.value, as: rule.kind) {
                found.append(
                    try tables.matchKeys.ids(request.resource, rule.field, key, ceiling: Self.foundCeiling))
            } else {
                found.append([])
            }
        }
        var writer = JSONWriter(reserving: 4096)
        var written: Set<Int64> = []
        writer.beginObject()
        writer.key("records")
        writer.beginArray()
        for id in request.ids.compactMap(RecordID.number) + found.joined() where written.insert(id).inserted {
            if let row = try tables.records.row(id, of: request.resource) { try rendering.write(row, into: &writer) }
            if writer.bytes.count > answerCeiling { return nil }
        }
        writer.endArray()
        writer.key("found")
        writer.beginArray()
        for (search, ids) in zip(request.search, found) {
            writer.beginObject()
            writer.key("field")
            writer.string(search.field)
            writer.key("value")
            writer.string(search.value)
            writer.key("ids")
            writer.beginArray()
            for id in ids { RecordRendering.id(id, into: &writer) }
            writer.endArray()
            writer.endObject()
        }
        writer.endArray()
        writer.endObject()
        return writer.bytes
    }
}
