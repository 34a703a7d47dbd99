import JSON
import JSONSchema

/// A value on its way to a field of the provider.
package struct PreparedField: Sendable {
    package var name: String
    package var value: JSONView
    package var mode: UpsertMode
}

/// A record that was checked against its schema and mapped, or was found wrong.
package struct PreparedRecord: Sendable {
    package let row: RecordRow
    package let plan: SessionPlan
    package let disablesUpsert: Bool
    package let fields: [PreparedField]
    package let keys: MatchKeys
    /// Why it cannot be written at all.
    package let refusals: [Failure]
    /// Properties that it lacks for being created (`required` counts only then, D18).
    package let missingRequired: [String]
    package let warnings: [Warning]
    /// Its associated records that had ended when it was read from the store.
    package let children: [ResultRow.Child]
    /// Of a plan that is applied: what was to become of it.
    package var planned: PlannedMark?

    package var schema: SessionPlan.Schema { plan.schemas[Int(row.schema)] }
    package var place: RecordPlace { row.place }

    package init(_ row: RecordRow, plan: SessionPlan, disablesUpsert: Bool, children: [ResultRow.Child] = []) {
        self.row = row
        self.plan = plan
        self.disablesUpsert = disablesUpsert
        self.children = children
        var preparation = Preparation(schema: plan.schemas[Int(row.schema)], plan: plan)
        if !row.data.isEmpty { preparation.prepare(row.data) }
        fields = preparation.fields
        refusals = preparation.refusals
        missingRequired = preparation.missingRequired
        warnings = preparation.warnings
        let values = Dictionary(preparation.fields.map { ($0.name, $0.value) }, uniquingKeysWith: { first, _ in first })
        keys = MatchKeys(rules: plan.schemas[Int(row.schema)].resource.matchRules) { values[$0]?.matchText }
    }
}

extension JSONView {
    /// Text that a match key can be made of; numbers count, because some callers send phone numbers as such.
    package var matchText: String? { string ?? numberText }
}

/// Check and mapping of one record's data.
private struct Preparation {
    let schema: SessionPlan.Schema
    let plan: SessionPlan
    var fields: [PreparedField] = []
    var refusals: [Failure] = []
    var missingRequired: [String] = []
    var warnings: [Warning] = []

    /// Entries of one record beyond this many say no more than the first ones did.
    private static let violationCeiling = 20

    init(schema: SessionPlan.Schema, plan: SessionPlan) {
        self.schema = schema
        self.plan = plan
    }

    mutating func prepare(_ text: [UInt8]) {
        let root: JSONView
        do {
            root = try JSONDocument(parsing: text).root
        } catch {
            refusals.append(Failure(.internal, .fault, "The stored record cannot be read: \(error)."))
            return
        }
        for violation in schema.compiled.violations(of: root, limit: Self.violationCeiling) {
            if violation.keyword == "required" {
                missingRequired.append("\(violation.pointer.isEmpty ? "/" : violation.pointer): \(violation.message)")
            } else {
                refusals.append(
                    Failure(
                        .transferData, .schemaViolation, "\(violation.pointer): \(violation.message)",
                        pointer: violation.pointer))
            }
        }
        map(root)
    }

    private mutating func map(_ root: JSONView) {
        var flat: Set<String> = []
        var fromEntries: [PreparedField] = []
        for (key, value) in root.members {
            let name = key.string ?? ""
            let places = schema.mapping.rules(for: name)
            if places.isEmpty { unknown(name, value) }
            for place in places {
                let rule = schema.mapping.rules[place]
                if let entry = rule.entry {
                    if let first = value.elements.lazy.compactMap({ $0[name: entry] }).first(where: { !$0.isNull }) {
                        fromEntries.append(PreparedField(name: rule.field, value: first, mode: rule.mode))
                    }
                } else if !(value.isNull && plan.options.skipsNull) {
                    flat.insert(rule.field)
                    fields.append(PreparedField(name: rule.field, value: value, mode: rule.mode))
                }
            }
        }
        for field in fromEntries where flat.insert(field.name).inserted { fields.append(field) }
    }

    private mutating func unknown(_ name: String, _ value: JSONView) {
        if schema.mapping.unmapped.contains(name) {
            warnings.append(
                Warning(
                    .fieldUnmapped, "No field of \(plan.provider.displayName) takes \"\(name)\"; it was not sent.",
                    path: "/\(name)"))
            return
        }
        if plan.allowsPassthrough || schema.takesAnyProperty {
            if schema.resource.hasOpenFields {
                fields.append(PreparedField(name: name, value: value, mode: plan.defaultUpsert))
            }
            return
        }
        guard !schema.knowsProperty.contains(name) else { return }
        let meant = DidYouMean.nearest(name, among: schema.knowsProperty.sorted())
        let hint = meant.map { " Did you mean \"\($0)\"?" } ?? ""
        if plan.options.warnsOfUnknown {
            warnings.append(
                Warning(
                    .unknownProperty,
                    "The schema \"\(schema.key)\" has no property \"\(name)\"; it was not sent.\(hint)",
                    path: "/\(name)"))
        } else {
            refusals.append(
                Failure(
                    .transferData, .unknownProperty,
                    "/\(name): the schema \"\(schema.key)\" has no such property.\(hint) "
                        + "Add it to the schema, or initiate the session with passthrough_fields.",
                    pointer: "/\(name)"))
        }
    }
}
