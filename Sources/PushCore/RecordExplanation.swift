import JSON

// A record as its owner wants to see it explained: what became a field of what, whom it is linked to, and what was asked of
// the provider for it. All of it is worked out anew from what is stored, with the means that worked it out then.

extension PreparedRecord {
    /// One field as the mapping filled it.
    package struct AppliedField: Sendable {
        package var field: PreparedField
        /// The property that it came from, as callers write it.
        package var from: String
        /// Nil of a property that is passed through without a rule.
        package var rule: MappingRule?
    }

    /// The fields in their order, each with where it came from.
    package var appliedFields: [AppliedField] {
        let root = row.data.isEmpty ? nil : try? JSONDocument(parsing: row.data).root
        return fields.map { field in
            let rules = schema.mapping.rules.filter { $0.field == field.name }
            // In the order in which one goes before the other.
            let ranked =
                rules.filter { $0.how == .caller && $0.entry != nil } + rules.filter { $0.entry == nil }
                + rules.filter { $0.how != .caller && $0.entry != nil }
            let rule = ranked.first { root.map($0.finds) ?? false }
            return AppliedField(field: field, from: rule?.path ?? field.name, rule: rule)
        }
    }

    /// Fields that are written when all that is decided is by what the record was found.
    package func writtenFields(_ reason: DecisionReason, kind: OutcomeKind?) -> [Int] {
        if kind == .unchanged || kind == .unsent { return [] }
        if let places = reason.fields { return places.filter(fields.indices.contains) }
        guard reason.way == .new else { return Array(fields.indices) }
        return fields.indices.filter { !fields[$0].value.isNull }
    }

    /// Records that it is linked to, of those that are written.
    package func linkTargets(_ children: [ResultRow.Child]) -> [LinkTarget] {
        var warnings: [Warning] = []
        return PushMachine().links(of: self, children, warnings: &warnings)
    }

    /// What is asked for it to find out who it is.
    ///
    /// - Parameter remembered: the provider's id of its internal id, where that is asked for.
    package func lookup(remembered: String?) -> LookupRequest {
        let id = row.givenID ?? remembered
        var request = LookupRequest(
            resource: schema.resource.name, ids: id.map { [$0] } ?? [],
            searches: id == nil ? DecisionInput.searches(for: self) : [])
        guard plan.provider.asksForFields else { return request }
        let listed = Set(schema.resource.fields.map(\.name))
        request.fields = Set(fields.map(\.name).filter { !listed.contains($0) }).sorted()
        return request
    }
}

extension MappingRule {
    /// True of data that has the property, or the part of it that is meant.
    fileprivate func finds(in root: JSONView) -> Bool {
        guard let value = root[name: property] else { return false }
        guard let selection, let entry, !value.isNull else { return true }
        return selection.value(of: entry, in: value) != nil
    }
}

/// What became of the link from a record to one of its associated records.
package enum LinkState: String, Sendable, CaseIterable {
    case linked
    /// One of the two has no outcome yet.
    case pending
    /// One of the two was not written, or the provider has no place for it.
    case skipped
    /// The provider did not make it.
    case refused

    /// - Parameters:
    ///   - targets: whom the record is linked to, as far as that is possible.
    ///   - warnings: of the record's outcome.
    package init(
        _ child: ResultRow.Child, of record: PreparedRecord, _ outcome: OutcomeRow?, _ targets: Set<LinkTarget>,
        _ warnings: [Warning]
    ) {
        guard let outcome, let kind = child.kind else {
            self = .pending
            return
        }
        let resource = record.plan.schemas[Int(child.schema)].resource.name
        guard outcome.kind.isWritten, kind.isWritten, let id = child.providerID,
            targets.contains(LinkTarget(resource: resource, id: id))
        else {
            self = .skipped
            return
        }
        let isRefused = warnings.contains {
            $0.name == .linkSkipped
                && ($0.message.hasSuffix(" \(resource) \(id).")
                    || $0.message.hasPrefix("It was not linked to \(resource) \(id): "))
        }
        self = isRefused ? .refused : .linked
    }
}

extension OutcomeRow {
    /// Those of `warnings`, taken apart.
    package var listedWarnings: [Warning] {
        (try? JSONDocument(parsing: warnings).root).map(Warning.parse) ?? []
    }
}
