// Theory of operation.
//
// A lane is the work of one account in the order of acceptance. Only a window of it is in memory; the rest waits in the
// store and is read when the window has room, so a million queued records cost no more than a few thousand.
//
// The order that is promised is per record key (K5): a batch may take any record of the window unless an earlier
// unfinished one could be the same record at the provider. "Could be" is decided by conflict keys: the caller's id, the
// provider's id, each strong match key; and the name, unless an e-mail or phone is sure to tell the two apart.
//
// Who waits for whom is kept as it changes and never searched for: each record counts its blockers, which are the
// earlier holders of its keys, and stands in the list of ready records as soon as it has none. Planning a batch then
// costs what the batch costs, however many records wait.

/// The unfinished records of one account, as far as they are in memory, and which of them may be sent now.
struct Lane: Sendable {
    /// Records in memory.
    static let capacity = 4_000

    struct Entry: Sendable {
        let record: PreparedRecord
        /// Place in the order of acceptance.
        let number: Int
        var key: BatchKey
        let conflicts: ConflictKeys
        var state: RecordState = .waiting
        var pendingChildren: Int
        var children: [ResultRow.Child]
        /// Earlier unfinished records that it could be the same as.
        var blockers = 0
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
        /// Of a plan that is applied: the batch that was planned, which is sent as it was planned.
        var planned: PlannedBatch?
    }

    struct PlannedBatch: Hashable, Sendable {
        var transfer: Int64
        var number: Int32
        /// Records of it.
        var size: Int32
    }

    /// Planned batches of a resource follow each other as they did in the plan: a later one may rest on an earlier one.
    private struct PlannedLine: Hashable, Sendable {
        var transfer: Int64
        var resource: String
    }

    /// Unfinished records by batch, in the order of the batches.
    private struct PlannedOrder: Sendable {
        private var batches: [(number: Int32, left: Int)] = []

        var first: Int32? { batches.first?.number }

        mutating func change(_ number: Int32, _ change: Int) {
            var (low, high) = (0, batches.count)
            // Batches come nearly in order: the last place is the likely one.
            if let last = batches.last, last.number <= number { low = batches.count - (last.number == number ? 1 : 0) }
            while low < high {
                let middle = (low + high) / 2
                if batches[middle].number < number { low = middle + 1 } else { high = middle }
            }
            if low == batches.count || batches[low].number != number { batches.insert((number, 0), at: low) }
            batches[low].left += change
            if batches[low].left <= 0 { batches.remove(at: low) }
        }
    }

    /// Records that may be sent now, in order once it is `sorted`.
    private struct Ready: Sendable {
        var places: [(number: Int, place: RecordPlace)] = []
        var isSorted = true

        mutating func add(_ number: Int, _ place: RecordPlace) {
            if let last = places.last, last.number > number { isSorted = false }
            places.append((number, place))
        }

        mutating func sort() {
            guard !isSorted else { return }
            places.sort { $0.number < $1.number }
            isSorted = true
        }
    }

    private(set) var entries: [RecordPlace: Entry] = [:]
    private var ready: [BatchKey: Ready] = [:]
    /// Unfinished records by strong conflict key, oldest first.
    private var holders: [UInt64: [RecordPlace]] = [:]
    /// Unfinished records by name, oldest first.
    private var namesakes: [UInt64: [RecordPlace]] = [:]
    private var lastNumber = 0
    var unread: [Unread] = []
    var isReading = false
    /// Resources with a batch between planning and answer: the next one would read a state that is about to change.
    var busy: Set<String> = []
    /// Records that left the state `waiting` and are in memory; those of planned batches apart.
    private var moving = 0
    private var plannedMoving = 0
    /// Planned batches with records in memory, by the line in which they go one after the other.
    private var plannedLines: [PlannedLine: PlannedOrder] = [:]
    /// Waits for full batches as long as anything else can go on: a plan is to cost as few calls as can be.
    var gathersBatches = false
    /// Records of open intents: a read that was under way when one of them ended must not bring it back.
    var recovered: Set<RecordPlace> = []
    /// Transfers that were cancelled: nothing of them is put into a batch any more.
    var cancelled: Set<Int64> = []

    mutating func admit(_ record: PreparedRecord, orphans: [ResultRow.Child]) {
        guard entries[record.place] == nil, !recovered.contains(record.place) else { return }
        // A child may be in both: read from the store and ended meanwhile.
        var children = record.children.filter { $0.kind != nil }
        for child in orphans where !children.contains(where: { $0.ordinal == child.ordinal }) { children.append(child) }
        insert(record, children, pending: Int(record.row.children) - children.count)
        noteIfReady(record.place)
    }

    /// A record of an open intent; it takes part in conflicts but is not planned.
    mutating func admitRecovered(_ record: PreparedRecord) {
        recovered.insert(record.place)
        insert(record, record.children.filter { $0.kind != nil }, pending: 0)
    }

    private mutating func insert(_ record: PreparedRecord, _ children: [ResultRow.Child], pending: Int) {
        lastNumber += 1
        var entry = Entry(
            record: record, number: lastNumber,
            key: BatchKey(
                resource: record.schema.resource.name, namespace: record.plan.namespace,
                planned: record.planned.map {
                    PlannedBatch(transfer: record.place.transfer, number: $0.batch, size: $0.batchSize)
                }),
            conflicts: ConflictKeys(record), pendingChildren: pending, children: children)
        for key in entry.conflicts.strong {
            // Only the one right before it blocks: that one is blocked by those before, and leaves after them.
            if holders[key] != nil { entry.blockers += 1 }
            holders[key, default: []].append(record.place)
        }
        if let name = entry.conflicts.name {
            for place in namesakes[name] ?? [] {
                if let other = entries[place], !entry.conflicts.isToldApart(from: other.conflicts) {
                    entry.blockers += 1
                }
            }
            namesakes[name, default: []].append(record.place)
        }
        entries[record.place] = entry
        countPlanned(entry.key, 1)
    }

    private mutating func countPlanned(_ key: BatchKey, _ change: Int) {
        guard let planned = key.planned else { return }
        let line = PlannedLine(transfer: planned.transfer, resource: key.resource)
        plannedLines[line, default: PlannedOrder()].change(planned.number, change)
        if plannedLines[line]?.first == nil { plannedLines[line] = nil }
    }

    private mutating func noteIfReady(_ place: RecordPlace) {
        guard let entry = entries[place], entry.state == .waiting, entry.blockers == 0, entry.pendingChildren == 0
        else { return }
        ready[entry.key, default: Ready()].add(entry.number, place)
    }

    mutating func advance(_ place: RecordPlace, _ input: RecordInput) {
        guard let state = entries[place]?.state else { return }
        guard let next = RecordMachine.next(state, input) else {
            preconditionFailure("A record that is \(state) cannot be \(input): the transition table has no such row.")
        }
        entries[place]?.state = next
        if state == .waiting { count(place, 1) }
        if input == .putBack {
            count(place, -1)
            // What comes back alone was not planned so.
            if let key = entries[place]?.key { countPlanned(key, -1) }
            entries[place]?.key.planned = nil
            noteIfReady(place)
        }
    }

    private mutating func count(_ place: RecordPlace, _ change: Int) {
        moving += change
        if entries[place]?.key.planned != nil { plannedMoving += change }
    }

    mutating func remove(_ place: RecordPlace) {
        if let state = entries[place]?.state, state != .waiting { count(place, -1) }
        guard let entry = entries.removeValue(forKey: place) else { return }
        countPlanned(entry.key, -1)
        for key in entry.conflicts.strong {
            guard var places = holders[key], let index = places.firstIndex(of: place) else { continue }
            places.remove(at: index)
            holders[key] = places.isEmpty ? nil : places
            // Whoever stood right behind it moves up; it is free of this key if it is the first now. A record that
            // leaves from the middle hands its blocker on to the one behind it.
            if index == 0, let next = places.first { unblock(next) }
        }
        guard let name = entry.conflicts.name, var places = namesakes[name], let index = places.firstIndex(of: place)
        else { return }
        places.remove(at: index)
        namesakes[name] = places.isEmpty ? nil : places
        for later in places[index...] {
            if let other = entries[later], !other.conflicts.isToldApart(from: entry.conflicts) { unblock(later) }
        }
    }

    private mutating func unblock(_ place: RecordPlace) {
        entries[place]?.blockers -= 1
        noteIfReady(place)
    }

    /// A child of a record in the window has ended. False when the parent is not in the window yet.
    mutating func childEnded(parent: RecordPlace, _ child: ResultRow.Child) -> Bool {
        guard entries[parent] != nil else { return false }
        entries[parent]?.children.append(child)
        entries[parent]?.pendingChildren -= 1
        noteIfReady(parent)
        return true
    }

    /// Waiting records of a transfer, for dropping them.
    func waiting(ofTransfer transfer: Int64) -> [RecordPlace] {
        entries.values.filter { $0.record.place.transfer == transfer && $0.state == .waiting }
            .map(\.record.place).sorted()
    }

    /// The next records that may be sent together, in order; nil when there are none. They are no longer ready then.
    mutating func takeBatch() -> (key: BatchKey, records: [PreparedRecord])? {
        var first: (key: BatchKey, number: Int)?
        for key in ready.keys where !busy.contains(key.resource) && isDue(key) {
            ready[key]?.sort()
            if let number = ready[key]?.places.first?.number, number < first?.number ?? .max { first = (key, number) }
        }
        guard let key = first?.key, let list = ready[key]?.places else { return nil }
        var records: [PreparedRecord] = []
        var taken = 0
        for (number, place) in list {
            if let provider = records.first?.plan.provider, records.count >= provider.batchCeiling { break }
            taken += 1
            // It may have been dropped or cancelled meanwhile.
            if let entry = entries[place], entry.number == number, entry.state == .waiting,
                cancelled.isEmpty || !cancelled.contains(place.transfer)
            {
                records.append(entry.record)
            }
        }
        if taken == list.count { ready[key] = nil } else { ready[key]?.places.removeFirst(taken) }
        return records.isEmpty ? takeBatch() : (key, records)
    }

    /// True when what is ready under this key may leave now: a planned batch when it is whole, and any that is not full
    /// when nothing goes on by which it could grow.
    private func isDue(_ key: BatchKey) -> Bool {
        guard key.planned != nil || gathersBatches, let list = ready[key]?.places else { return true }
        let isStill = !isReading && (unread.isEmpty || entries.count > Self.capacity / 2)
        if let planned = key.planned {
            let line = PlannedLine(transfer: planned.transfer, resource: key.resource)
            guard !isReading, plannedLines[line]?.first == planned.number else { return false }
            return list.count >= planned.size || (plannedMoving == 0 && isStill)
        }
        let ceiling = list.first.flatMap { entries[$0.place]?.record.plan.provider.batchCeiling } ?? 1
        return list.count >= ceiling || (moving == 0 && isStill)
    }
}

/// Hashes of everything by which a record could be the same as another one. A collision only makes it wait.
struct ConflictKeys: Sendable {
    var strong: [UInt64] = []
    var name: UInt64?
    var hasEmail = false
    var hasPhone = false
    var isUnmatched = false

    init(_ record: PreparedRecord) {
        let resource = record.schema.resource
        if let id = record.row.internalID {
            strong.append(Self.hash("i", resource.name, record.plan.namespace, id))
        }
        if let id = record.row.givenID { strong.append(Self.hash("p", resource.name, "", id)) }
        // A record that is not matched itself can still be what a later one is to find, or what an earlier one must not.
        isUnmatched = record.disablesUpsert
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
            if !strong.contains(hash) { strong.append(hash) }
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

    /// Equal names are told apart for sure only if both have an e-mail, or both a phone: were those equal too, they
    /// would conflict as strong keys. They do not matter where neither record looks for the other.
    func isToldApart(from other: ConflictKeys) -> Bool {
        (hasEmail && other.hasEmail) || (hasPhone && other.hasPhone) || (isUnmatched && other.isUnmatched)
    }
}
