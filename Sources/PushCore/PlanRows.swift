import JSON

// The values that the store keeps of plans (K30).

/// What applying would do with a record. Raw values are stored: append only.
package enum PlanAction: UInt8, Sendable, CaseIterable {
    case create = 1
    case update = 2
    case unchanged = 3
    case ambiguous = 4
    case invalid = 5

    /// The word on the wire.
    package var name: String {
        switch self {
        case .create: "create"
        case .update: "update"
        case .unchanged: "unchanged"
        case .ambiguous: "ambiguous"
        case .invalid: "invalid"
        }
    }
}

/// What a record of an applied plan is held to: the batch it was planned in, and what was decided on which state.
package struct PlannedMark: Equatable, Sendable {
    package var batch: Int32
    /// Records of that batch.
    package var batchSize: Int32
    package var action: PlanAction
    /// An earlier record of the plan is the same one: its state comes about only by applying.
    package var follows: Bool
    /// Hash of the provider's record that was decided on, or of what was to be written on what an earlier record of the
    /// plan leaves; 0 for none.
    package var state: Int64

    package init(batch: Int32, batchSize: Int32, action: PlanAction, follows: Bool, state: Int64) {
        self.batch = batch
        self.batchSize = batchSize
        self.action = action
        self.follows = follows
        self.state = state
    }
}

/// A record of a plan. The record itself is staged like one of a transfer, under the same place.
package struct PlannedRow: Equatable, Sendable {
    package var place: RecordPlace
    package var mark: PlannedMark
    /// The provider's record; nil when it does not exist yet.
    package var providerID: String?
    /// What the wire shows of it beside action and ids, as the members of an object: compact JSON, or empty.
    package var content: [UInt8]

    package init(place: RecordPlace, mark: PlannedMark, providerID: String?, content: [UInt8]) {
        self.place = place
        self.mark = mark
        self.providerID = providerID
        self.content = content
    }
}

/// Exchanges with one resource.
package struct PlannedCalls: Equatable, Sendable {
    package var resource: String
    package var reads: Int32
    package var writes: Int32

    package init(resource: String, reads: Int32 = 0, writes: Int32 = 0) {
        self.resource = resource
        self.reads = reads
        self.writes = writes
    }

    /// As the store keeps it: `[[resource, reads, writes]]`.
    package static func text(_ calls: [PlannedCalls]) -> [UInt8] {
        var writer = JSONWriter()
        writer.beginArray()
        for call in calls {
            writer.beginArray()
            writer.string(call.resource)
            writer.integer(call.reads)
            writer.integer(call.writes)
            writer.endArray()
        }
        writer.endArray()
        return writer.bytes
    }

    /// What `text` wrote; nil for anything else.
    package static func parse(_ text: [UInt8]) -> [PlannedCalls]? {
        guard let root = try? JSONDocument(parsing: text).root else { return nil }
        var calls: [PlannedCalls] = []
        for call in root.elements {
            guard let resource = call[0]?.string, let reads = call[1]?.integer, let writes = call[2]?.integer else {
                return nil
            }
            calls.append(
                PlannedCalls(resource: resource, reads: Int32(clamping: reads), writes: Int32(clamping: writes)))
        }
        return calls
    }
}

/// A plan as it is kept.
package struct PlanRow: Equatable, Sendable {
    /// How long a plan lives, in milliseconds (K30).
    package static let lifetime: Int64 = 3_600_000

    /// The number of the transfer that it becomes by being applied, and until then the place of its records.
    package var sequence: Int64
    package var id: Identifier
    package var session: Identifier
    /// The revision of the session that it was made under.
    package var revision: Int32
    package var schemaKey: String
    /// Top-level records.
    package var records: Int32
    /// Records of any level.
    package var allRecords: Int32
    package var disableUpsert: Bool
    /// Options that it has of its own: what `PushOptions.text` made.
    package var options: [UInt8] = []
    package var created: Int64
    /// False while it is being made.
    package var isReady = false
    /// Records of any level by action, in the order of `PlanAction.allCases`.
    package var counts: [Int32] = [0, 0, 0, 0, 0]
    /// In the order of the resources' names.
    package var calls: [PlannedCalls] = []
    /// Milliseconds that applying takes.
    package var duration: Int64 = 0
    /// The transfer that it was applied as.
    package var applied: Identifier?

    package init(
        sequence: Int64, id: Identifier, session: Identifier, revision: Int32, schemaKey: String, records: Int32,
        allRecords: Int32, disableUpsert: Bool, created: Int64
    ) {
        self.sequence = sequence
        self.id = id
        self.session = session
        self.revision = revision
        self.schemaKey = schemaKey
        self.records = records
        self.allRecords = allRecords
        self.disableUpsert = disableUpsert
        self.created = created
    }

    package var expires: Int64 { created + Self.lifetime }
    /// Exchanges that applying costs.
    package var callCount: Int64 { calls.reduce(0) { $0 + Int64($1.reads) + Int64($1.writes) } }
}

/// A planned top-level record with everything below it, children first.
package struct PlannedResult: Equatable, Sendable {
    package var rows: [Item]

    package struct Item: Equatable, Sendable {
        /// Without its data.
        package var record: RecordRow
        package var planned: PlannedRow

        package init(record: RecordRow, planned: PlannedRow) {
            self.record = record
            self.planned = planned
        }
    }

    package init(rows: [Item]) { self.rows = rows }
}
