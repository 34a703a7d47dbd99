import JSON

// Theory of operation.
//
// Under `freshness: "ledger"` a record is not read at the provider when the gateway itself knows that it is as pushed.
// What it knows of a provider record is its confirmed state: the body that the provider last returned, or, where it
// returns none, the fields that are known; which fields are known to be empty; which links exist; and when that was so.
//
// There is one state for a provider record, not one for each internal id: whoever pushes to the record, by `id`, by
// match, by another internal id, from another namespace or another session, meets the same row. The one thing that must
// never happen is that a record is called unchanged after a write of ours has changed it. So the state goes in the very
// commit that stores the intent of the write, before the request leaves, and so does that of every record that was read
// to be decided upon; only a transfer that goes by the ledger puts a new one in its place. What it does not know, it
// does not assume: a field that is not in the state is unknown and not empty.

/// The state of one provider record as it is kept; outside of this room `state` is sealed.
package struct ConfirmedRow: Equatable, Sendable {
    package var account: AccountKey
    package var resource: String
    package var providerID: String
    /// Milliseconds of the wall clock since 1970.
    package var confirmed: Int64
    package var state: [UInt8]

    package init(account: AccountKey, resource: String, providerID: String, confirmed: Int64, state: [UInt8]) {
        self.account = account
        self.resource = resource
        self.providerID = providerID
        self.confirmed = confirmed
        self.state = state
    }
}

/// A state that was read again.
struct ConfirmedState: Sendable {
    /// Bytes of a state; of a larger record none is kept, so that it is always read.
    static let ceiling = 32 << 10

    let confirmed: Int64
    let known: KnownRecord
    private let empty: Set<String>

    /// Nil when it cannot serve a session of this provider: what should be returned as data is not in it, or it cannot be
    /// understood.
    init?(_ row: ConfirmedRow, provider: ProviderDescription) {
        guard let root = try? JSONDocument(parsing: row.state).root else { return nil }
        let body = root["b"]
        guard provider.returnsData == (body != nil), let source = body ?? root["f"] else { return nil }
        var links: [String: Set<String>] = [:]
        for (resource, ids) in root["l"]?.members.map({ ($0.key.string ?? "", $0.value) }) ?? [] {
            links[resource] = Set(ids.elements.compactMap(\.string))
        }
        confirmed = row.confirmed
        let fields = body == nil ? source : provider.fieldsMember.flatMap { source[name: $0] } ?? source
        known = KnownRecord(id: row.providerID, fields: fields, source: source, links: links)
        empty = Set(root["n"]?.elements.compactMap(\.string) ?? [])
    }

    /// True when pushing the record would change nothing.
    func holds(_ record: PreparedRecord, links: [LinkTarget]) -> Bool {
        for field in record.fields {
            let current = known.fields[name: field.name]
            switch field.mode {
            case .doNotUpdate: continue
            case .setIfNotSet:
                if !field.value.isNull && DecisionInput.isUnset(current) { return false }
            case .overwrite:
                if field.value.isNull {
                    if current.map({ !$0.isNull }) ?? !empty.contains(field.name) { return false }
                } else {
                    guard let current, field.value.isEqual(to: current) else { return false }
                }
            }
        }
        return links.allSatisfy { known.links[$0.resource]?.contains($0.id) ?? false }
    }

    // MARK: Making one

    /// The state of a record that was read and found as pushed; nil when it is too large.
    static func text(read known: KnownRecord, _ record: PreparedRecord) -> [UInt8]? {
        var writer = JSONWriter(reserving: 512)
        writer.beginObject()
        if record.plan.provider.returnsData {
            writer.key("b")
            writer.value(known.source)
        } else {
            writer.key("f")
            writer.value(known.fields)
        }
        return finish(writer, links: known.links, empty: nulls(record) { _ in known.fields })
    }

    /// The state of a record that was written; nil when too little is known of it, or too much.
    ///
    /// - Parameters:
    ///   - body: what the provider returned, or empty.
    ///   - member: with the links that the provider did not refuse.
    static func text(written body: [UInt8], _ member: Batch.Member) -> [UInt8]? {
        let (record, provider) = (member.record, member.record.plan.provider)
        guard let write = member.write, provider.returnsData != body.isEmpty else { return nil }
        var links = member.known?.links ?? [:]
        for link in member.links { links[link.resource, default: []].insert(link.id) }
        var writer = JSONWriter(reserving: body.count + 256)
        writer.beginObject()
        if provider.returnsData {
            writer.key("b")
            writer.raw(body)
            let empty = nulls(record) { _ in
                guard let root = try? JSONDocument(parsing: body).root else { return nil }
                return provider.fieldsMember.flatMap { root[name: $0] } ?? root
            }
            return finish(writer, links: links, empty: empty)
        }
        let written = write.fields.map { record.fields[$0] }
        writer.key("f")
        writer.beginObject()
        if let before = member.known {
            for (name, value) in before.fields.members {
                let name = name.string ?? ""
                guard !written.contains(where: { $0.name == name }) else { continue }
                writer.key(text: name)
                writer.value(value)
            }
        }
        for field in written where !field.value.isNull {
            writer.key(text: field.name)
            writer.value(field.value)
        }
        writer.endObject()
        let cleared = Set(write.target == nil ? [] : written.filter(\.value.isNull).map(\.name))
        let empty = nulls(record) { cleared.contains($0) ? noFields : member.known?.fields }
        return finish(writer, links: links, empty: empty)
    }

    private static let noFields = try? JSONDocument(parsing: Array("{}".utf8)).root

    /// Names of fields that were pushed as null and are known to be empty. `fields`: where to look for a field.
    private static func nulls(_ record: PreparedRecord, _ fields: (String) -> JSONView?) -> [String] {
        var names: [String] = []
        for field in record.fields where field.value.isNull && !names.contains(field.name) {
            guard let fields = fields(field.name), fields[name: field.name]?.isNull ?? true else { continue }
            names.append(field.name)
        }
        return names
    }

    private static func finish(_ writer: JSONWriter, links: [String: Set<String>], empty: [String]) -> [UInt8]? {
        var writer = writer
        if !empty.isEmpty {
            writer.key("n")
            writer.value(.array(empty.map { .string($0) }))
        }
        if !links.isEmpty {
            writer.key("l")
            writer.beginObject()
            for resource in links.keys.sorted() {
                writer.key(text: resource)
                writer.value(.array((links[resource] ?? []).sorted().map { .string($0) }))
            }
            writer.endObject()
        }
        writer.endObject()
        return writer.bytes.count <= ceiling ? writer.bytes : nil
    }
}
