import JSON

/// Who is it, and what is to be done (`semantics.md`, D1–D9): pure, from what is known about one record.
package enum Decision: Sendable {
    case create(fields: [Int])
    /// Places in the record's `fields` that are written.
    case update(id: String, fields: [Int])
    /// Nothing differs; `known` is the provider's current record.
    case unchanged(KnownRecord)
    case refuse([Failure])
    /// The remembered record is gone: look for it by its match keys.
    case search
    /// The remembered record is gone and is to be left so.
    case skip
}

package struct DecisionInput {
    let record: PreparedRecord
    /// What the ledger remembers for its `internal_id`.
    let remembered: String?
    let answer: LookupAnswer
    /// Records to link it to.
    let links: [LinkTarget]
    /// The match keys were searched for.
    let hasSearched: Bool
}

extension DecisionInput {
    /// Searches by the record's match keys; empty if automatic matching is off or has nothing to go by.
    static func searches(for record: PreparedRecord) -> [LookupRequest.Search] {
        guard !record.disablesUpsert else { return [] }
        let rules = record.schema.resource.matchRules
        return record.schema.matchPlaces.compactMap { place in
            record.keys.values[place].map { LookupRequest.Search(field: rules[place].field, value: $0) }
        }
    }

    /// D1: `id`, then what is remembered, then match keys, then create.
    func decide() -> Decision {
        if !record.refusals.isEmpty { return .refuse(record.refusals) }
        if let given = record.row.givenID {
            if let remembered, remembered != given {
                return .refuse([
                    Failure(
                        .transferData, .identityConflict,
                        "internal_id is remembered for another record than id names. Push it without id, or with the id "
                            + "that getData returned for it.")
                ])
            }
            guard let known = answer.records[given] else {
                return .refuse([
                    Failure(
                        .upstream, .notFoundUpstream,
                        "\(record.plan.provider.displayName) has no record with this id. Leave id out to create one.")
                ])
            }
            return update(known)
        }
        if let remembered {
            if let known = answer.records[remembered] { return update(known) }
            switch record.plan.options.onDeleted {
            case .recreate: break
            case .skip: return .skip
            case .error:
                return .refuse([
                    Failure(
                        .upstream, .notFoundUpstream,
                        "The record that was remembered for this internal_id is gone at "
                            + "\(record.plan.provider.displayName). Push it with on_deleted \"recreate\" to create it.")
                ])
            }
            if !hasSearched && !Self.searches(for: record).isEmpty { return .search }
        }
        switch match() {
        case .one(let known, _): return update(known)
        case .several(let ids):
            var failure = Failure(
                .transferData, .ambiguousMatch,
                "Its match keys fit several records: \(ids.joined(separator: ", ")). Push it with the id of the one "
                    + "that is meant.")
            failure.candidates = ids
            return .refuse([failure])
        case .none: return create()
        }
    }

    enum Match {
        case none
        /// - place: of the rule that told it from others.
        case one(KnownRecord, place: Int)
        case several([String])
    }

    /// The rule by which the one record was found that it is.
    var matchedPlace: Int? {
        if case .one(_, let place) = match() { place } else { nil }
    }

    /// D5 and D6: keys by rank; a name counts only where no stronger key contradicts; several candidates are
    /// narrowed by the keys that follow.
    func match() -> Match {
        guard !record.disablesUpsert else { return .none }
        let rules = record.schema.resource.matchRules
        var candidates: [String] = []
        for place in record.schema.matchPlaces {
            guard let value = record.keys.values[place] else { continue }
            let search = LookupRequest.Search(field: rules[place].field, value: value)
            var found = (answer.found[search] ?? []).filter { answer.records[$0] != nil }
            if rules[place].kind == .name {
                found = found.filter { id in
                    guard let known = answer.records[id] else { return false }
                    return !record.keys.contradicts(keys(of: known), rules: rules)
                }
            }
            if !candidates.isEmpty { found = found.filter(candidates.contains) }
            if found.count == 1, let known = answer.records[found[0]] { return .one(known, place: place) }
            if !found.isEmpty { candidates = found }
        }
        return candidates.isEmpty ? .none : .several(candidates.sorted())
    }

    private func keys(of known: KnownRecord) -> MatchKeys {
        MatchKeys(rules: record.schema.resource.matchRules) { known.fields[name: $0]?.matchText }
    }

    private func create() -> Decision {
        if record.row.data.isEmpty {
            return .refuse([
                Failure(
                    .transferData, .nothingToWrite,
                    "It has no data, and no record is known by this internal_id. Push it with data first.")
            ])
        }
        if !record.missingRequired.isEmpty {
            return .refuse(
                record.missingRequired.map {
                    Failure(
                        .transferData, .missingRequired, $0, pointer: $0.split(separator: ":").first.map(String.init))
                })
        }
        let fields = record.fields.indices.filter { !record.fields[$0].value.isNull }
        if fields.isEmpty {
            return .refuse([
                Failure(
                    .transferData, .nothingToWrite,
                    "None of its data goes to a field of \(record.plan.provider.displayName): it would be a blank record."
                )
            ])
        }
        return .create(fields: fields)
    }

    /// D19: which fields are written on an existing record. Under `verify` only those that differ.
    private func update(_ known: KnownRecord) -> Decision {
        let verifies = record.plan.options.freshness != .force
        let places = record.fields.indices.filter { place in
            let field = record.fields[place]
            let current = known.fields[name: field.name]
            switch field.mode {
            case .doNotUpdate: return false
            case .setIfNotSet: return !field.value.isNull && Self.isUnset(current)
            case .overwrite: return !verifies || Self.differs(field.value, current)
            }
        }
        let missing = links.contains { !(known.links[$0.resource]?.contains($0.id) ?? false) }
        if places.isEmpty && !missing { return .unchanged(known) }
        return .update(id: known.id, fields: places)
    }

    static func isUnset(_ value: JSONView?) -> Bool {
        guard let value else { return true }
        switch value.kind {
        case .null: return true
        case .string: return value.string == ""
        case .array, .object: return value.count == 0
        case .bool, .number: return false
        }
    }

    static func differs(_ value: JSONView, _ current: JSONView?) -> Bool {
        guard let current, !current.isNull else { return !value.isNull }
        return !value.isEqual(to: current)
    }
}
