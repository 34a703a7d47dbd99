import JSON
import JSONSchema

/// A value on its way to a field of the provider.
package struct PreparedField: Sendable {
    package var name: String
    package var value: JSONView
    package var mode: UpsertMode

    package init(name: String, value: JSONView, mode: UpsertMode) {
        self.name = name
        self.value = value
        self.mode = mode
    }
}

/// A record that was checked against its schema and mapped, or was found wrong.
///
/// A class because it goes through many hands on its way, and each would count up all that it refers to; it is never
/// changed after it was made.
package final class PreparedRecord: Sendable {
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
    package let planned: PlannedMark?

    /// Lent, not given: a copy of a schema counts up a dozen references.
    package var schema: SessionPlan.Schema {
        _read { yield plan.schemas[Int(row.schema)] }
    }
    package var place: RecordPlace { row.place }

    package init(
        _ row: RecordRow, plan: SessionPlan, disablesUpsert: Bool, children: [ResultRow.Child] = [],
        planned: PlannedMark? = nil
    ) {
        self.row = row
        self.plan = plan
        self.disablesUpsert = disablesUpsert
        self.children = children
        self.planned = planned
        var preparation = Preparation(schema: plan.schemas[Int(row.schema)], plan: plan)
        if !row.data.isEmpty { preparation.prepare(row.data) }
        fields = preparation.fields
        refusals = preparation.refusals
        missingRequired = preparation.missingRequired
        warnings = preparation.warnings
        let mapped = preparation.fields
        // Records have a handful of fields: looking through them costs less than a table of them.
        keys = MatchKeys(rules: plan.schemas[Int(row.schema)].resource.matchRules) { name in
            mapped.first { $0.name == name }?.value.matchText
        }
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
    let skipsNull: Bool
    var fields: [PreparedField] = []
    var refusals: [Failure] = []
    var missingRequired: [String] = []
    var warnings: [Warning] = []

    /// Entries of one record beyond this many say no more than the first ones did.
    private static let violationCeiling = 20

    init(schema: SessionPlan.Schema, plan: SessionPlan) {
        self.schema = schema
        self.plan = plan
        skipsNull = plan.options.skipsNull
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
        fields.reserveCapacity(root.count)
        // What gives way to a property that has the field to itself: typed entries, and what passes through. The parts of
        // the caller's own rules go before it.
        var spare: [PreparedField] = []
        var firm: [PreparedField] = []
        for (key, value) in root.members {
            guard let place = schema.mapping.place(of: key) else {
                unknown(key.string ?? "", value, &spare)
                continue
            }
            let steps = schema.mapping.steps(at: place)
            if steps.isEmpty { unsent(key.string ?? "") }
            for step in steps {
                if step.rule.entry == nil {
                    if let field = prepared(value, by: step) { fields.append(field) }
                } else if let part = part(of: value, by: step.rule), let field = prepared(part, by: step) {
                    if step.rule.how == .caller { firm.append(field) } else { spare.append(field) }
                }
            }
            if schema.mapping.isInParts(place) { countEntries(of: value, steps) }
        }
        for field in firm {
            fields.removeAll { $0.name == field.name }
            fields.append(field)
        }
        for field in spare where !fields.contains(where: { $0.name == field.name }) { fields.append(field) }
    }

    /// A list that is null has no entries: what it feeds is null as well.
    private func part(of value: JSONView, by rule: MappingRule) -> JSONView? {
        guard !value.isNull, let entry = rule.entry else { return value }
        return rule.selection?.value(of: entry, in: value)
    }

    /// The value for a field; nil when it is not to be sent or cannot be.
    private mutating func prepared(_ value: JSONView, by step: Mapping.Step) -> PreparedField? {
        if value.isNull && step.rule.skipsNull ?? skipsNull { return nil }
        if step.type.takes(value.kind) {
            return PreparedField(name: step.rule.field, value: value, mode: step.rule.mode)
        }
        switch step.rule.target?.converted(value) ?? .asItIs {
        case .asItIs:
            return PreparedField(name: step.rule.field, value: value, mode: step.rule.mode)
        case .text(let text):
            // The text is made by the conversion, so it is one.
            guard let root = try? JSONDocument(parsing: text).root, !root.isNull || !(step.rule.skipsNull ?? skipsNull)
            else {
                return nil
            }
            return PreparedField(name: step.rule.field, value: root, mode: step.rule.mode)
        case .refused(let why):
            refusals.append(Failure(.transferData, .valueNotConvertible, "/\(step.rule.path): \(why)"))
            return nil
        }
    }

    /// Entries of a list that no step chooses are lost at a provider that has no list for them.
    private mutating func countEntries(of value: JSONView, _ steps: ArraySlice<Mapping.Step>) {
        guard value.kind == .array else { return }
        var chosen: [EntrySelection] = []
        for step in steps {
            guard let selection = step.rule.selection, !chosen.contains(selection),
                part(of: value, by: step.rule) != nil
            else { continue }
            chosen.append(selection)
        }
        let left = value.count - chosen.count
        guard left > 0, let name = steps.first?.rule.property else { return }
        warnings.append(
            Warning(
                .fieldUnmapped, "\(left) of the entries of \"\(name)\" were not sent: no field takes them.",
                path: "/\(name)"))
    }

    /// A property without a rule: nobody takes it, or the caller does not want it to be sent.
    private mutating func unsent(_ name: String) {
        guard let unmapped = schema.mapping.unmapped.first(where: { $0.path == name }) else { return }
        warnings.append(
            Warning(.fieldUnmapped, "\"\(name)\" was not sent. \(unmapped.why)", path: "/\(name)"))
    }

    private mutating func unknown(_ name: String, _ value: JSONView, _ spare: inout [PreparedField]) {
        if plan.allowsPassthrough || schema.takesAnyProperty {
            guard schema.resource.hasOpenFields, !(value.isNull && skipsNull) else { return }
            guard let field = schema.resource.openField(name) else {
                spare.append(PreparedField(name: name, value: value, mode: plan.defaultUpsert))
                return
            }
            switch field.converted(value) {
            case .asItIs: spare.append(PreparedField(name: name, value: value, mode: plan.defaultUpsert))
            case .text(let text):
                guard let root = try? JSONDocument(parsing: text).root else { return }
                spare.append(PreparedField(name: name, value: root, mode: plan.defaultUpsert))
            case .refused(let why):
                refusals.append(Failure(.transferData, .valueNotConvertible, "/\(name): \(why)"))
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
