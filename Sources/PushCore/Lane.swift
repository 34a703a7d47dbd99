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
//
// Several batches of a resource may be under way (`Flow`): while some are written, the next one finds out who its records
// are. Conflict keys keep records apart that could be the same by what was pushed; that two of them lead to one provider
// record all the same, by an id and by an e-mail, is seen only when the provider has answered. So batches are decided one
// after the other, a batch names the provider records that it is going to change, and a later record that comes upon one
// of them steps aside until that batch is answered.

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
        /// Later records that have turned out to be what it will turn out to be.
        var followers: [RecordPlace] = []
        /// It is among `Lane.held`.
        var isHeld = false
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
    private(set) var holders: [UInt64: Holders] = [:]
    /// Unfinished records by name, oldest first.
    private(set) var namesakes: [UInt64: Namesakes] = [:]
    /// Records that wait for others, by resource: as long as there are any, a later one may be the same as one of them.
    private(set) var held: [String: Int] = [:]
    private var lastNumber = 0
    var unread: [Unread] = []
    var isReading = false
    /// What is under way, by resource.
    var flows: [String: Flow] = [:]
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
            if holders[key]?.stand(record.place) != nil {
                entry.blockers += 1
            } else {
                holders[key] = Holders(first: record.place)
            }
        }
        if let name = entry.conflicts.name {
            entry.blockers += namesakes[name, default: Namesakes()].stand(record.place, entry.conflicts.kinds)
        }
        entries[record.place] = entry
        countPlanned(entry.key, 1)
        noteHeld(record.place)
    }

    private mutating func noteHeld(_ place: RecordPlace) {
        guard let index = entries.index(forKey: place) else { return }
        let isHeld =
            entries.values[index].state == .waiting
            && (entries.values[index].blockers > 0 || entries.values[index].pendingChildren > 0)
        guard isHeld != entries.values[index].isHeld else { return }
        entries.values[index].isHeld = isHeld
        held[entries.values[index].key.resource, default: 0] += isHeld ? 1 : -1
    }

    private mutating func countPlanned(_ key: BatchKey, _ change: Int) {
        guard let planned = key.planned else { return }
        let line = PlannedLine(transfer: planned.transfer, resource: key.resource)
        plannedLines[line, default: PlannedOrder()].change(planned.number, change)
        if plannedLines[line]?.first == nil { plannedLines[line] = nil }
    }

    private mutating func noteIfReady(_ place: RecordPlace) {
        noteHeld(place)
        guard let entry = entries[place], entry.state == .waiting, entry.blockers == 0, entry.pendingChildren == 0
        else { return }
        ready[entry.key, default: Ready()].add(entry.number, place)
    }

    mutating func advance(_ place: RecordPlace, _ input: RecordInput) {
        guard let index = entries.index(forKey: place) else { return }
        let isFirst = entries.values[index].state == .waiting
        entries.values[index].state.advance(input)
        if isFirst {
            count(entries.values[index].key, 1)
            noteHeld(place)
        }
        guard input == .putBack else { return }
        let key = entries.values[index].key
        count(key, -1)
        // What comes back alone was not planned so.
        countPlanned(key, -1)
        entries.values[index].key.planned = nil
        flows[key.resource]?.isOutOfLine = true
        noteIfReady(place)
    }

    mutating func advance(_ places: some Sequence<RecordPlace>, _ input: RecordInput) {
        for place in places { advance(place, input) }
    }

    private mutating func count(_ key: BatchKey, _ change: Int) {
        moving += change
        if key.planned != nil { plannedMoving += change }
    }

    /// The outcomes of these records are durable, or they are dropped: whoever waited for them goes on.
    mutating func end(_ places: some Sequence<RecordPlace>, _ input: RecordInput) {
        for place in places {
            guard var entry = entries.removeValue(forKey: place) else { continue }
            if entry.state != .waiting { count(entry.key, -1) }
            countPlanned(entry.key, -1)
            if entry.isHeld { held[entry.key.resource, default: 0] -= 1 }
            entry.state.advance(input)
            leave(entry, place)
        }
    }

    private mutating func leave(_ entry: Entry, _ place: RecordPlace) {
        for follower in entry.followers { unblock(follower) }
        for key in entry.conflicts.strong {
            guard let index = holders.index(forKey: key) else { continue }
            // Whoever stood right behind it moves up; it is free of this key if it is the first now.
            if let next = holders.values[index].leave(place) { unblock(next) }
            if holders.values[index].isEmpty { holders.remove(at: index) }
        }
        guard let name = entry.conflicts.name, let index = namesakes.index(forKey: name) else { return }
        let later = namesakes.values[index].leave(place, entry.conflicts.kinds)
        if namesakes.values[index].isEmpty { namesakes.remove(at: index) }
        for place in later {
            if let other = entries[place], !other.conflicts.isToldApart(from: entry.conflicts) { unblock(place) }
        }
    }

    private func mayBegin(_ key: BatchKey) -> Bool {
        guard let flow = flows[key.resource], let list = ready[key]?.places, let first = list.first else { return true }
        // A plan counts what a push makes, one batch after the other.
        guard !gathersBatches, let provider = entries[first.place]?.record.plan.provider, !provider.adoptsCreates
        else { return flow.mayBegin(isFull: false) }
        return flow.mayBegin(isFull: list.count >= provider.batchCeiling)
    }

    /// True when other records of the resource are ready that cannot go into one batch with those of this key.
    func isShared(_ key: BatchKey) -> Bool { ready.keys.contains { $0.resource == key.resource && $0 != key } }

    private func batchCeiling(_ place: RecordPlace) -> Int {
        entries[place]?.record.plan.provider.batchCeiling ?? 1
    }

    /// A record waits for an earlier one to end.
    mutating func follow(_ place: RecordPlace, _ earlier: RecordPlace) {
        entries[earlier]?.followers.append(place)
        block(place)
    }

    /// One more blocker.
    mutating func block(_ place: RecordPlace) { entries[place]?.blockers += 1 }

    mutating func unblock(_ place: RecordPlace) {
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
        for key in ready.keys where mayBegin(key) && isDue(key) {
            ready[key]?.sort()
            if let number = ready[key]?.places.first?.number, number < first?.number ?? .max { first = (key, number) }
        }
        guard let key = first?.key, let list = ready[key]?.places else { return nil }
        var records: [PreparedRecord] = []
        let ceiling = list.first.map { batchCeiling($0.place) } ?? 1
        records.reserveCapacity(min(ceiling, list.count))
        var taken = 0
        for (number, place) in list {
            if records.count >= ceiling { break }
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
        return list.count >= (list.first.map { batchCeiling($0.place) } ?? 1) || (moving == 0 && isStill)
    }
}
