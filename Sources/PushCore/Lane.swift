// Theory of operation.
//
// A lane is the work of one account in the order of acceptance. Only a window of it is in memory; the rest waits in the
// store and is read when the window has room, so a million queued records cost no more than a thousand.
//
// The order that is promised is per record key (K5): a batch may take any record of the window unless an earlier
// unfinished one could be the same record at the provider. "Could be" is decided by conflict keys: the caller's id, the
// provider's id, each strong match key; and the name, unless an e-mail or phone is sure to tell the two apart.

/// The unfinished records of one account, as far as they are in memory, and which of them may be sent now.
struct Lane: Sendable {
    /// Records in memory.
    static let capacity = 4_000
    /// Waiting records that are looked at for one batch.
    static let scanCeiling = 2_000

    struct Entry: Sendable {
        var record: PreparedRecord
        var state: RecordState = .waiting
        var pendingChildren: Int
        var children: [ResultRow.Child]
        let conflicts: ConflictKeys
    }

    /// A transfer that is not yet read to its end.
    struct Unread: Equatable, Sendable {
        var transfer: Int64
        var after: Int32
    }

    /// What may be sent together.
    struct BatchKey: Hashable, Sendable {
        var resource: String
        var namespace: String
    }

    private(set) var entries: [RecordPlace: Entry] = [:]
    /// Places of `entries` in order; places that are gone are skipped and swept out later.
    private var order: [RecordPlace] = []
    private var swept = 0
    var unread: [Unread] = []
    var isReading = false
    /// Resources with a batch between planning and answer: the next one would read a state that is about to change.
    var busy: Set<String> = []
    /// Records of open intents: a read that was under way when one of them ended must not bring it back.
    var recovered: Set<RecordPlace> = []

    var hasRoom: Bool { entries.count < Self.capacity }

    mutating func admit(_ record: PreparedRecord, orphans: [ResultRow.Child]) {
        guard entries[record.place] == nil, !recovered.contains(record.place) else { return }
        // A child may be in both: read from the store and ended meanwhile.
        var children = record.children.filter { $0.kind != nil }
        for child in orphans where !children.contains(where: { $0.ordinal == child.ordinal }) { children.append(child) }
        entries[record.place] = Entry(
            record: record, pendingChildren: Int(record.row.children) - children.count, children: children,
            conflicts: ConflictKeys(record))
        order.append(record.place)
    }

    /// A record of an open intent; it takes part in conflicts but is never planned.
    mutating func admitRecovered(_ record: PreparedRecord) {
        recovered.insert(record.place)
        let ended = record.children.filter { $0.kind != nil }
        entries[record.place] = Entry(
            record: record, pendingChildren: 0, children: ended, conflicts: ConflictKeys(record))
        order.append(record.place)
    }

    mutating func advance(_ place: RecordPlace, _ input: RecordInput) {
        guard let state = entries[place]?.state else { return }
        guard let next = RecordMachine.next(state, input) else {
            preconditionFailure("A record that is \(state) cannot be \(input): the transition table has no such row.")
        }
        entries[place]?.state = next
    }

    mutating func remove(_ place: RecordPlace) {
        guard entries.removeValue(forKey: place) != nil else { return }
        swept += 1
        if swept > 512 && swept * 2 > order.count {
            order = order.filter { entries[$0] != nil }
            swept = 0
        }
    }

    /// A child of a record in the window has ended. False when the parent is not in the window yet.
    mutating func childEnded(parent: RecordPlace, _ child: ResultRow.Child) -> Bool {
        guard entries[parent] != nil else { return false }
        entries[parent]?.children.append(child)
        entries[parent]?.pendingChildren -= 1
        return true
    }

    /// Waiting records of a transfer, for dropping them.
    func waiting(ofTransfer transfer: Int64) -> [RecordPlace] {
        order.filter { $0.transfer == transfer && entries[$0]?.state == .waiting }
    }

    /// The next records that may be sent together, in order; empty when there are none.
    func nextBatch() -> (key: BatchKey, records: [PreparedRecord])? {
        var blocked = ConflictSet()
        var key: BatchKey?
        var limit = 0
        var records: [PreparedRecord] = []
        var scanned = 0
        for place in order {
            guard let entry = entries[place] else { continue }
            if entry.state == .waiting {
                scanned += 1
                if scanned > Self.scanCeiling { break }
                let record = entry.record
                let resource = record.schema.resource.name
                let own = BatchKey(resource: resource, namespace: record.plan.namespace)
                let fits = key.map { $0 == own } ?? !busy.contains(resource)
                if fits && entry.pendingChildren == 0 && !blocked.holds(entry.conflicts) {
                    key = own
                    limit = min(record.plan.provider.readBatch, record.plan.provider.writeBatch)
                    records.append(record)
                    if records.count >= limit { break }
                }
            }
            blocked.insert(entry.conflicts)
        }
        return key.map { ($0, records) }
    }
}

/// Hashes of everything by which a record could be the same as another one. A collision only makes it wait.
struct ConflictKeys: Sendable {
    var strong: [UInt64] = []
    var name: UInt64?
    var hasEmail = false
    var hasPhone = false

    init(_ record: PreparedRecord) {
        let resource = record.schema.resource
        if let id = record.row.internalID {
            strong.append(Self.hash("i", resource.name, record.plan.namespace, id))
        }
        if let id = record.row.givenID { strong.append(Self.hash("p", resource.name, "", id)) }
        guard !record.disablesUpsert else { return }
        for (rule, value) in zip(resource.matchRules, record.keys.values) {
            guard let value else { continue }
            let hash = Self.hash("m", resource.name, rule.field, value)
            switch rule.kind {
            case .name:
                name = hash
                continue
            case .email: hasEmail = true
            case .phone: hasPhone = true
            case .domain: break
            }
            strong.append(hash)
        }
    }

    /// FNV-1a: the same in every run, unlike `Hasher`, so that a simulation can be repeated.
    private static func hash(_ parts: String...) -> UInt64 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for part in parts {
            for byte in part.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
            hash = (hash ^ 0xFF) &* 0x100_0000_01B3
        }
        return hash
    }
}

/// The conflict keys of all earlier unfinished records.
struct ConflictSet: Sendable {
    private var strong: Set<UInt64> = []
    private var names: [UInt64: Name] = [:]

    private struct Name: Sendable {
        var someWithoutEmail = false
        var someWithoutPhone = false
    }

    mutating func insert(_ keys: ConflictKeys) {
        strong.formUnion(keys.strong)
        guard let name = keys.name else { return }
        names[name, default: Name()].someWithoutEmail = names[name]?.someWithoutEmail ?? false || !keys.hasEmail
        names[name, default: Name()].someWithoutPhone = names[name]?.someWithoutPhone ?? false || !keys.hasPhone
    }

    /// Equal names are told apart for sure only if both have an e-mail, or both a phone: were those equal too, they
    /// would conflict as strong keys.
    func holds(_ keys: ConflictKeys) -> Bool {
        if keys.strong.contains(where: strong.contains) { return true }
        guard let name = keys.name, let other = names[name] else { return false }
        let toldApart = (keys.hasEmail && !other.someWithoutEmail) || (keys.hasPhone && !other.someWithoutPhone)
        return !toldApart
    }
}
