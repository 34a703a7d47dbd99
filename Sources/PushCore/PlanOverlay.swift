import JSON

/// The provider as it would be while a plan is applied: what earlier records of the plan leave behind, laid over what is
/// read. It keeps compact text of what would be written, no more.
struct PlanOverlay: Sendable {
    /// A provider record that the plan has come by.
    private struct State: Sendable {
        /// Top-level item that was the last to be this record.
        var index: Int32
        /// Its fields with all that was written over them; nil when nothing was.
        var fields: [UInt8]?
        var links: [String: Set<String>] = [:]
    }

    private struct Identity: Hashable, Sendable {
        var resource: String
        var id: String
    }

    private struct Key: Hashable, Sendable {
        var resource: String
        var search: LookupRequest.Search
    }

    private var states: [Identity: State] = [:]
    /// Records that would be found by a value that they have only by the plan.
    private var found: [Key: [String]] = [:]
    private var remembered: [Identity: String] = [:]
    /// Internal ids that the plan gives to provider records.
    private var holders: [Identity: [String]] = [:]
    /// Confirmed states that the plan leaves; nil: it takes back what there was.
    private var confirmed: [Identity: ConfirmedRow?] = [:]

    /// Begins the id of a record that only applying makes.
    private static let mark = "planned:"
    static func id(ofNew place: RecordPlace) -> String { mark + String(place.ordinal) }
    static func isNew(_ id: String) -> Bool { id.hasPrefix(mark) }

    /// The top-level item that is the same provider record and came before; nil when there is none.
    func earlier(_ resource: String, _ id: String) -> Int32? { states[Identity(resource: resource, id: id)]?.index }

    // MARK: What is known

    mutating func remember(_ resource: String, internalID: String, id: String) {
        remembered[Identity(resource: resource, id: internalID)] = id
        let identity = Identity(resource: resource, id: id)
        if holders[identity]?.contains(internalID) != true { holders[identity, default: []].append(internalID) }
    }

    /// What a commit says about confirmed states.
    mutating func take(_ change: Change) {
        switch change {
        case .confirmed(let rows):
            for row in rows { confirmed[Identity(resource: row.resource, id: row.providerID)] = .some(row) }
        case .unconfirmed(_, let resource, let ids):
            for id in ids { confirmed[Identity(resource: resource, id: id)] = .some(nil) }
        default: break
        }
    }

    /// The confirmed states of these records as they would be.
    func lay(over rows: [ConfirmedRow], _ resource: String, _ ids: [String]) -> [ConfirmedRow] {
        var result = rows.filter { confirmed[Identity(resource: resource, id: $0.providerID)] == nil }
        for id in ids {
            if let row = confirmed[Identity(resource: resource, id: id)] ?? nil { result.append(row) }
        }
        return result
    }

    /// Who would be remembered for these records.
    func lay(over found: [String: [String]], _ resource: String, _ ids: [String]) -> [String: [String]] {
        var result = found
        for id in ids {
            if let more = holders[Identity(resource: resource, id: id)] { result[id, default: []] += more }
        }
        return result
    }

    func recall(_ resource: String, internalID: String) -> String? {
        remembered[Identity(resource: resource, id: internalID)]
    }

    /// A record was decided about.
    mutating func note(_ resource: String, id: String, index: Int32) {
        states[Identity(resource: resource, id: id), default: State(index: index)].index = index
    }

    /// A record would be written: over `known`, or as a new one. Gives its fields as they would be, compact text.
    @discardableResult
    mutating func write(
        _ resource: ResourceDescription, id: String, index: Int32, fields: [PreparedField], links: [LinkTarget],
        over known: KnownRecord?
    ) -> [UInt8] {
        let identity = Identity(resource: resource.name, id: id)
        var state = states[identity] ?? State(index: index)
        state.index = index
        let text = Self.merge(known?.fields, fields)
        let old = known.map { keys(of: $0.fields, resource) } ?? []
        state.fields = text
        for link in links {
            state.links[link.resource, default: []].insert(link.id)
            // Links are seen from both ends.
            states[Identity(resource: link.resource, id: link.id), default: State(index: index)]
                .links[resource.name, default: []].insert(id)
        }
        states[identity] = state
        guard let view = try? JSONDocument(parsing: text).root else { return text }
        for (place, value) in keys(of: view, resource).enumerated() {
            guard let value, !(place < old.count && old[place] == value) || PlanOverlay.isNew(id) else { continue }
            let search = LookupRequest.Search(field: resource.matchRules[place].field, value: value)
            let key = Key(resource: resource.name, search: search)
            if found[key]?.contains(id) != true { found[key, default: []].append(id) }
        }
        return text
    }

    private func keys(of fields: JSONView, _ resource: ResourceDescription) -> [String?] {
        MatchKeys(rules: resource.matchRules) { fields[name: $0]?.matchText }.values
    }

    /// A value replaces, null removes, absent stays.
    private static func merge(_ known: JSONView?, _ fields: [PreparedField]) -> [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        for (key, value) in known?.members.map({ ($0.key.string ?? "", $0.value) }) ?? []
        where !fields.contains(where: { $0.name == key }) {
            writer.key(text: key)
            writer.value(value)
        }
        for field in fields where !field.value.isNull {
            writer.key(text: field.name)
            writer.value(field.value)
        }
        writer.endObject()
        return writer.bytes
    }

    // MARK: Looking up

    /// The part of a question that the provider can answer.
    func real(_ question: LookupRequest) -> LookupRequest {
        var real = question
        real.ids.removeAll(where: Self.isNew)
        return real
    }

    /// What the provider would answer by then.
    func lay(over answer: LookupAnswer, _ question: LookupRequest, _ resource: ResourceDescription) -> LookupAnswer {
        var result = answer
        for id in answer.records.keys.sorted() + question.ids {
            if let known = record(resource.name, id, over: answer.records[id]) { result.records[id] = known }
        }
        for search in question.searches {
            guard let place = resource.matchRules.firstIndex(where: { $0.field == search.field }) else { continue }
            var ids = answer.found[search] ?? []
            for id in found[Key(resource: resource.name, search: search)] ?? [] where !ids.contains(id) {
                if let known = record(resource.name, id, over: answer.records[id]) {
                    ids.append(id)
                    result.records[id] = known
                }
            }
            // What was found by a value that an earlier record of the plan changes is not found by it any more.
            result.found[search] = ids.filter { id in
                guard states[Identity(resource: resource.name, id: id)]?.fields != nil,
                    let known = result.records[id]
                else { return true }
                return keys(of: known.fields, resource)[place] == search.value
            }
        }
        return result
    }

    private func record(_ resource: String, _ id: String, over known: KnownRecord?) -> KnownRecord? {
        guard let state = states[Identity(resource: resource, id: id)] else { return nil }
        guard known != nil || state.fields != nil else { return nil }
        var links = known?.links ?? [:]
        for (other, ids) in state.links { links[other, default: []].formUnion(ids) }
        guard let text = state.fields, let view = try? JSONDocument(parsing: text).root else {
            return known.map { KnownRecord(id: id, fields: $0.fields, source: $0.source, links: links) }
        }
        return KnownRecord(id: id, fields: view, source: view, links: links)
    }
}
