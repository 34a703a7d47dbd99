import JSON
import Testing

@testable import PushCore

/// Plans, records and what a provider knows, in as few words as a test needs.
enum Scene {
    static let account = AccountKey(provider: "sim", name: "one")
    static let rules = [
        MatchRule(field: "email", kind: .email), MatchRule(field: "phone", kind: .phone),
        MatchRule(field: "full_name", kind: .name, parts: ["first_name", "last_name"]),
    ]

    static func view(_ text: String) throws -> JSONView { try JSONDocument(parsing: Array(text.utf8)).root }

    static func provider(
        rules: [MatchRule] = Scene.rules, links: [ResourceDescription.Link] = [],
        recoveryClass: ProviderDescription.Class = .keyed,
        fieldsMember: String? = nil
    ) -> ProviderDescription {
        let names = ["email", "phone", "full_name", "first_name", "last_name", "note", "age", "tags"]
        return ProviderDescription(
            name: "sim", displayName: "Simulated", recoveryClass: recoveryClass,
            resources: [
                ResourceDescription(
                    name: "contacts", endgrateType: "crm-contact", displayName: "Contacts",
                    fields: names.map { ResourceDescription.Field(name: $0) }, matchRules: rules, links: links),
                ResourceDescription(
                    name: "companies", endgrateType: "crm-company", displayName: "Companies",
                    fields: [ResourceDescription.Field(name: "name")]),
            ], readBatch: 10, writeBatch: 10, fieldsMember: fieldsMember)
    }

    /// - Parameter options: further members of the definition, each followed by a comma.
    static func plan(
        _ options: String = "", provider: ProviderDescription = Scene.provider(), required: String = "[]"
    ) throws -> SessionPlan {
        let definition = """
            {\(options)"schema":[{"endgrate_type":"crm-contact","type":"object","required":\(required),"properties":{
            "email":{"type":"string"},"phone":{},"full_name":{},"first_name":{},"last_name":{},"note":{},"age":{},
            "tags":{}}},{"endgrate_type":"crm-company","title":"Firm","type":"object","properties":{"name":{}}}]}
            """
        return try SessionPlan(
            session: Identifier(high: 1, low: 1), revision: 1, account: account, definition: view(definition),
            provider: provider, defaultSchema: { _ in nil }, patterns: NoPatterns())
    }

    static func row(
        _ data: String = "", id: String? = nil, internalID: String? = nil, transfer: Int64 = 1, ordinal: Int32 = 0,
        index: Int32? = nil, parent: Int32 = -1, children: Int32 = 0, schema: Int16 = 0
    ) -> RecordRow {
        RecordRow(
            place: RecordPlace(transfer: transfer, ordinal: ordinal), index: index ?? ordinal, parent: parent,
            children: children, descendants: children, schema: schema, givenID: id, internalID: internalID,
            data: Array(data.utf8))
    }

    static func transfer(_ sequence: Int64 = 1, records: Int32, all: Int32? = nil) -> TransferRow {
        TransferRow(
            sequence: sequence, id: Identifier(high: UInt64(sequence), low: 2), session: Identifier(high: 1, low: 1),
            account: account, revision: 1, schemaKey: "crm-contact", records: records, allRecords: all ?? records,
            disableUpsert: false, idempotencyKey: nil, bodyHash: [], created: 0)
    }

    static func known(_ id: String, _ fields: String, links: [String: Set<String>] = [:]) throws -> KnownRecord {
        let view = try view(fields)
        return KnownRecord(id: id, fields: view, source: view, links: links)
    }

    /// What a look-up gives: these records, and which of them each search finds, by `field=value`.
    static func answer(_ records: [KnownRecord], _ found: [String: [String]] = [:]) -> LookupAnswer {
        var answer = LookupAnswer()
        for record in records { answer.records[record.id] = record }
        for (search, ids) in found {
            let parts = search.split(separator: "=").map(String.init)
            answer.found[LookupRequest.Search(field: parts[0], value: parts[1])] = ids
        }
        return answer
    }
}
