import JSON

/// Records that are sent together, from planning until their outcomes are on disk.
struct Batch: Sendable {
    enum Stage: Equatable, Sendable {
        case readingLedger, lookingUp, committingIntent, exchanging
        /// Waits until a time for another try of the same step.
        case waiting(until: UInt64, retrying: Step)
    }

    enum Step: Equatable, Sendable {
        case lookUp, write
    }

    struct Member: Sendable {
        var record: PreparedRecord
        var remembered: String?
        var links: [LinkTarget] = []
        var hasSearched = false
        var warnings: [Warning] = []
        /// The batch that decided about it.
        var batch: Int64 = 0
        /// Its state is known to be as pushed, without asking the provider.
        var confirmed: ConfirmedState?
        /// Since when what is said of its state was so, at the least: milliseconds since 1970.
        var asOf: Int64 = 0
        /// The record to be updated as it was read; only kept when its state will be.
        var known: KnownRecord?
        /// Set when it is to be written: nil creates.
        var write: Write?

        struct Write: Sendable {
            var target: String?
            var fields: [Int]
        }
    }

    let id: Int64
    let account: AccountKey
    let key: Lane.BatchKey
    let began: UInt64
    var members: [Member]
    var stage = Stage.readingLedger
    var answer = LookupAnswer()
    /// When the first look-up was answered: milliseconds since 1970.
    var readAt: Int64?
    /// Provider records whose confirmed state is about to be taken back.
    var doubtful: Set<String> = []
    /// Who is remembered for the provider's records; nil when not asked yet.
    var holders: [String: Set<String>]?
    /// The look-up under way.
    var question: LookupRequest?
    /// What the provider has answered for; what it does not mention is not there.
    private var askedIDs: Set<String> = []
    private var askedSearches: Set<LookupRequest.Search> = []
    var attempt: Int32 = 1
    /// The intent of its write; 0 before there is one.
    var intent: Int64 = 0
    /// A request of it may have had an effect.
    var mayHaveBeenSent = false

    init(id: Int64, account: AccountKey, key: Lane.BatchKey, began: UInt64, members: [Member]) {
        self.id = id
        self.account = account
        self.key = key
        self.began = began
        self.members = members
    }

    /// True when its write may be made again after a lost answer: the provider recognises it.
    var mayRepeat: Bool { members.allSatisfy { $0.record.plan.provider.recoveryClass == .keyed } }

    /// Places in `members` of those that are written.
    var writing: [Int] { members.indices.filter { members[$0].write != nil } }

    /// What has to be known before a decision and was not asked yet: records by id, and searches for those that no id
    /// is known of. At most as many of both together as the provider takes in one read.
    func lookup() -> LookupRequest {
        var ids: [String] = []
        var searches: [LookupRequest.Search] = []
        var seen = askedSearches
        var named = askedIDs
        let ceiling = members.first?.record.plan.provider.readBatch ?? 1
        for member in members where member.record.refusals.isEmpty && member.confirmed == nil {
            if let id = member.record.row.givenID ?? (member.hasSearched ? nil : member.remembered) {
                if ids.count + searches.count < ceiling, named.insert(id).inserted { ids.append(id) }
            } else {
                for search in DecisionInput.searches(for: member.record)
                where ids.count + searches.count < ceiling && seen.insert(search).inserted {
                    searches.append(search)
                }
            }
        }
        var request = LookupRequest(resource: key.resource, ids: ids, searches: searches)
        request.fields = openFields()
        return request
    }

    /// Fields that are pushed and that the provider's description does not list.
    private func openFields() -> [String] {
        guard let record = members.first?.record, record.plan.provider.asksForFields else { return [] }
        let resource = record.schema.resource
        let listed = Set(resource.fields.map(\.name))
        var open: Set<String> = []
        for member in members {
            for field in member.record.fields where !listed.contains(field.name) { open.insert(field.name) }
        }
        return open.sorted()
    }

    /// The question under way was answered.
    mutating func note(_ answer: LookupAnswer) {
        self.answer.merge(answer)
        askedIDs.formUnion(question?.ids ?? [])
        askedSearches.formUnion(question?.searches ?? [])
        question = nil
    }

    /// Records that were read to be decided upon: what was known of them from before may be over. Those that a search
    /// came upon and that none of the members turned out to be do not count: else namesakes would never be trusted.
    func observed(_ decisions: [Decision]) -> Set<String> {
        var ids = askedIDs
        for (member, decision) in zip(members, decisions) where member.confirmed == nil {
            if let target = decision.target { ids.insert(target) }
        }
        return ids
    }

    func request() -> WriteRequest {
        WriteRequest(
            resource: key.resource, key: String(intent),
            items: writing.map { place in
                let member = members[place]
                return WriteItem(
                    trace: place, target: member.write?.target,
                    fields: (member.write?.fields ?? []).map { member.record.fields[$0] }, links: member.links)
            })
    }

    // MARK: The plan on disk

    /// What was decided, for making the same request again after a restart: transfer, ordinal, trace, target, fields.
    func planText() -> [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        writer.key("namespace")
        writer.string(key.namespace)
        writer.key("items")
        writer.beginArray()
        for place in writing {
            guard let write = members[place].write else { continue }
            writer.beginObject()
            writer.key("t")
            writer.integer(members[place].record.place.transfer)
            writer.key("o")
            writer.integer(members[place].record.place.ordinal)
            writer.key("n")
            writer.integer(place)
            if let target = write.target {
                writer.key("id")
                writer.string(target)
            }
            writer.key("f")
            writer.beginArray()
            for field in write.fields { writer.integer(field) }
            writer.endArray()
            if !members[place].warnings.isEmpty {
                writer.key("w")
                writer.raw(Warning.text(members[place].warnings))
            }
            writer.endObject()
        }
        writer.endArray()
        writer.endObject()
        return writer.bytes
    }
}

/// The plan of an open intent, as it was stored.
package struct StoredPlan: Equatable, Sendable {
    package struct Item: Equatable, Sendable {
        package var place: RecordPlace
        package var trace: Int
        package var target: String?
        package var fields: [Int]
        package var warnings: [Warning]
    }

    package var namespace: String
    package var items: [Item]

    /// Nil when `text` is no plan: the store is damaged.
    package init?(_ text: [UInt8]) {
        guard let root = try? JSONDocument(parsing: text).root, let namespace = root["namespace"]?.string,
            let list = root["items"]
        else { return nil }
        self.namespace = namespace
        items = []
        for item in list.elements {
            guard let transfer = item["t"]?.integer, let ordinal = item["o"]?.integer, let trace = item["n"]?.integer,
                let fields = item["f"]
            else { return nil }
            items.append(
                Item(
                    place: RecordPlace(transfer: transfer, ordinal: Int32(clamping: ordinal)), trace: Int(trace),
                    target: item["id"]?.string, fields: fields.elements.compactMap { $0.integer.map(Int.init) },
                    warnings: item["w"].map(Warning.parse) ?? []))
        }
    }
}
