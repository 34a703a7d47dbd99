// The values that the store keeps. It knows these and no rules; the rules know these and no SQL. Times are
// milliseconds of the wall clock since 1970, because they outlive the process.

/// What became of a record. Raw values are stored: append only.
package enum OutcomeKind: UInt8, Sendable, CaseIterable {
    case created = 1
    case updated = 2
    case unchanged = 3
    case refused = 4
    /// A request was sent and nobody knows whether it had an effect.
    case uncertain = 5
    /// Never sent, because the transfer was ended before.
    case unsent = 6

    /// The word on the wire. A switch, because describing an enum looks its name up by reflection.
    package var name: String {
        switch self {
        case .created: "created"
        case .updated: "updated"
        case .unchanged: "unchanged"
        case .refused: "refused"
        case .uncertain: "uncertain"
        case .unsent: "unsent"
        }
    }
    /// True when the record stands at the provider as pushed.
    package var isWritten: Bool { self == .created || self == .updated || self == .unchanged }
}

/// A session as it is kept; `definition` is JSON text that `SessionDefinition` understands.
package struct SessionRow: Equatable, Sendable {
    package var id: Identifier
    package var name: String?
    package var account: AccountKey
    package var revision: Int32
    package var created: Int64
    /// Nil: never.
    package var expires: Int64?
    package var definition: [UInt8]

    package init(
        id: Identifier, name: String?, account: AccountKey, revision: Int32, created: Int64, expires: Int64?,
        definition: [UInt8]
    ) {
        self.id = id
        self.name = name
        self.account = account
        self.revision = revision
        self.created = created
        self.expires = expires
        self.definition = definition
    }
}

/// How many records of a transfer came to which end, associated ones included under `all`, top-level ones apart.
package struct TransferCounts: Equatable, Sendable {
    /// Top-level records by outcome, indexed by `OutcomeKind.rawValue`.
    package var outcomes: [Int32] = Array(repeating: 0, count: 7)
    /// Records of any level that came to an end.
    package var finishedAll: Int32 = 0
    /// Error entries.
    package var errors: Int32 = 0
    /// Published pages with at least one record that was not written.
    package var failedPages: Int32 = 0

    package init() {}

    package subscript(kind: OutcomeKind) -> Int32 {
        get { outcomes[Int(kind.rawValue)] }
        set { outcomes[Int(kind.rawValue)] = newValue }
    }

    /// Top-level records that came to an end.
    package var finished: Int32 { outcomes.reduce(0, +) }
    package var written: Int32 { self[.created] + self[.updated] + self[.unchanged] }
}

/// A transfer as it is kept.
package struct TransferRow: Equatable, Sendable {
    /// Place in the order of acceptance; the key of everything that belongs to the transfer.
    package var sequence: Int64
    package var id: Identifier
    package var session: Identifier
    package var account: AccountKey
    /// The revision of the session that the transfer was accepted under (K20).
    package var revision: Int32
    /// `title` if given, else the `endgrate_type`.
    package var schemaKey: String
    /// Top-level records.
    package var records: Int32
    /// Records of any level.
    package var allRecords: Int32
    package var disableUpsert: Bool
    package var idempotencyKey: String?
    /// Hash of the call's params (K22); empty without a key.
    package var bodyHash: [UInt8]
    package var created: Int64
    package var completed: Int64?
    /// Top-level records whose page has been published as a `data` event.
    package var published: Int32 = 0
    package var counts = TransferCounts()
    /// The end of the event log when the push arrived: its sequence, shifted by 16 bits, and the check of its event.
    /// All events of the transfer come after it, and every answer about the push names it.
    package var cursor: Int64 = 0
    /// Options that it has of its own: what `PushOptions.text` made.
    package var options: [UInt8] = []
    /// Its parts are still arriving: it is not accepted yet (K31).
    package var isOpen = false
    package var life = TransferLife()

    package init(
        sequence: Int64, id: Identifier, session: Identifier, account: AccountKey, revision: Int32, schemaKey: String,
        records: Int32, allRecords: Int32, disableUpsert: Bool, idempotencyKey: String?, bodyHash: [UInt8],
        created: Int64
    ) {
        self.sequence = sequence
        self.id = id
        self.session = session
        self.account = account
        self.revision = revision
        self.schemaKey = schemaKey
        self.records = records
        self.allRecords = allRecords
        self.disableUpsert = disableUpsert
        self.idempotencyKey = idempotencyKey
        self.bodyHash = bodyHash
        self.created = created
    }
}

/// One item of `transfer_data`, or of the associations of one.
package struct RecordRow: Equatable, Sendable {
    package var place: RecordPlace
    /// Index of the top-level item that it is or belongs to.
    package var index: Int32
    /// Ordinal of the item that it is associated with; -1 at top level.
    package var parent: Int32
    /// Items associated with it directly.
    package var children: Int32
    /// Items below it at any depth; they stand at the `descendants` ordinals before its own.
    package var descendants: Int32
    /// Place of its schema in the session's list.
    package var schema: Int16
    package var givenID: String?
    package var internalID: String?
    /// Compact text of `data`; empty when absent (a link only).
    package var data: [UInt8]

    package init(
        place: RecordPlace, index: Int32, parent: Int32, children: Int32, descendants: Int32, schema: Int16,
        givenID: String?, internalID: String?, data: [UInt8]
    ) {
        self.place = place
        self.index = index
        self.parent = parent
        self.children = children
        self.descendants = descendants
        self.schema = schema
        self.givenID = givenID
        self.internalID = internalID
        self.data = data
    }
}

/// How a record ended.
package struct OutcomeRow: Equatable, Sendable {
    package var place: RecordPlace
    package var kind: OutcomeKind
    package var providerID: String?
    /// The record as the provider returned it, compact text; empty if it returned none.
    package var data: [UInt8]
    /// What an `unchanged` rests on. Nil for other outcomes.
    package var basis: Basis?
    /// Compact text of `Warning.text`, or empty.
    package var warnings: [UInt8]
    package var finished: Int64
    /// Why it is that provider record; left out by all reads but `Query.explained`.
    package var decision: DecisionReason?

    /// How it is known that a record is as pushed, and since when.
    package struct Basis: Equatable, Sendable {
        package enum Kind: String, Sendable, CaseIterable {
            /// It was read at the provider.
            case verify
            /// The gateway itself confirmed it before.
            case ledger
            /// The caller said so.
            case caller
        }

        package var kind: Kind
        /// Milliseconds since 1970; nil in rows of the first version.
        package var asOf: Int64?

        package init(_ kind: Kind, asOf: Int64?) {
            self.kind = kind
            self.asOf = asOf
        }

        /// As it is stored: the word, and the time behind a blank.
        package var text: String { asOf.map { "\(kind.rawValue) \($0)" } ?? kind.rawValue }

        /// Nil when `text` is no basis.
        package init?(text: String) {
            let parts = text.split(separator: " ", omittingEmptySubsequences: false)
            guard let kind = Kind(rawValue: String(parts[0])), parts.count <= 2 else { return nil }
            self.kind = kind
            guard parts.count == 2 else { return }
            guard let asOf = Int64(parts[1]) else { return nil }
            self.asOf = asOf
        }
    }

    package init(
        place: RecordPlace, kind: OutcomeKind, providerID: String?, data: [UInt8], basis: Basis? = nil,
        warnings: [UInt8] = [], finished: Int64, decision: DecisionReason? = nil
    ) {
        self.place = place
        self.kind = kind
        self.providerID = providerID
        self.data = data
        self.basis = basis
        self.warnings = warnings
        self.finished = finished
        self.decision = decision
    }
}

/// An exchange that may have had an effect. On disk before its request leaves; one row an exchange (K6).
package struct IntentRow: Equatable, Sendable {
    package var id: Int64
    package var account: AccountKey
    package var resource: String
    package var created: Int64
    package var attempt: Int32
    /// What was decided for each record: text that `BatchPlan` understands. With it the same request can be made again.
    package var plan: [UInt8]
    /// When its outcome was stored; nil while it is open.
    package var settled: Int64?

    package init(
        id: Int64, account: AccountKey, resource: String, created: Int64, attempt: Int32, plan: [UInt8],
        settled: Int64? = nil
    ) {
        self.id = id
        self.account = account
        self.resource = resource
        self.created = created
        self.attempt = attempt
        self.plan = plan
        self.settled = settled
    }
}

/// The memory of one id (K14).
package struct LedgerRow: Equatable, Sendable {
    package var account: AccountKey
    package var namespace: String
    package var resource: String
    package var internalID: String
    package var providerID: String
    package var confirmed: Int64

    package init(
        account: AccountKey, namespace: String, resource: String, internalID: String, providerID: String,
        confirmed: Int64
    ) {
        self.account = account
        self.namespace = namespace
        self.resource = resource
        self.internalID = internalID
        self.providerID = providerID
        self.confirmed = confirmed
    }
}

/// An entry of the error log (`getErrors`).
package struct ErrorRow: Equatable, Sendable {
    /// Order of entries; unique in the store.
    package var sequence: Int64
    package var id: Identifier
    package var session: Identifier
    package var transfer: Int64
    package var transferID: Identifier
    package var ordinal: Int32
    package var index: Int32
    package var internalID: String?
    package var schemaKey: String
    package var kind: String
    package var code: String
    package var text: String
    package var time: Int64
    package var resolved: Bool

    package init(
        sequence: Int64, id: Identifier, session: Identifier, transfer: Int64, transferID: Identifier, ordinal: Int32,
        index: Int32, internalID: String?, schemaKey: String, failure: Failure, time: Int64, resolved: Bool = false
    ) {
        self.init(
            sequence: sequence, id: id, session: session, transfer: transfer, transferID: transferID, ordinal: ordinal,
            index: index, internalID: internalID, schemaKey: schemaKey, kind: failure.kind.rawValue,
            code: failure.code.rawValue, text: failure.text, time: time, resolved: resolved)
    }

    package init(
        sequence: Int64, id: Identifier, session: Identifier, transfer: Int64, transferID: Identifier, ordinal: Int32,
        index: Int32, internalID: String?, schemaKey: String, kind: String, code: String, text: String, time: Int64,
        resolved: Bool
    ) {
        self.sequence = sequence
        self.id = id
        self.session = session
        self.transfer = transfer
        self.transferID = transferID
        self.ordinal = ordinal
        self.index = index
        self.internalID = internalID
        self.schemaKey = schemaKey
        self.kind = kind
        self.code = code
        self.text = text
        self.time = time
        self.resolved = resolved
    }
}

/// One entry of the event log (K13): what and where, and what was true at that moment; never the payload.
package struct EventRow: Equatable, Sendable {
    /// Raw values are stored: append only. `progress` is never logged (K28).
    package enum Kind: UInt8, Sendable, CaseIterable {
        case data = 1
        case completed = 2
        case error = 3
        /// Of a session and none of its transfers, both.
        case providerPaused = 4
        case providerResumed = 5
        /// Only webhooks tell of it; not logged.
        case configuration = 10
        /// A delivery was given up.
        case webhookFailed = 11
        case progress = 255

        /// The word on the wire.
        package var name: String {
            switch self {
            case .data: "data"
            case .completed: "completed"
            case .error: "error"
            case .providerPaused: "provider.paused"
            case .providerResumed: "provider.resumed"
            case .configuration: "configuration"
            case .webhookFailed: "webhook.failed"
            case .progress: "progress"
            }
        }
    }

    package var sequence: Int64
    package var time: Int64
    package var kind: Kind
    package var session: Identifier
    package var transfer: Int64
    package var transferID: Identifier
    package var schemaKey: String
    /// Of `data`: top-level records `first ..< end`. Of `providerPaused` and `providerResumed`: `PauseReason.rawValue`.
    package var first: Int32
    package var end: Int32
    /// Of `data` and `completed`: the transfer had completed.
    package var isCompleted: Bool
    /// The transfer had had errors.
    package var hasErrors: Bool
    /// Of `error`: sequence of its entry. Of `providerPaused`: when the provider is asked again, if it will be by itself; of
    /// `providerResumed`: since when it was paused; both milliseconds since 1970. Of
    /// `webhookFailed`: sequence of the delivery.
    package var error: Int64?
    /// Of `completed`: top-level outcomes at that moment.
    package var counts: TransferCounts?

    package init(
        sequence: Int64, time: Int64, kind: Kind, session: Identifier, transfer: Int64, transferID: Identifier,
        schemaKey: String, first: Int32 = 0, end: Int32 = 0, isCompleted: Bool = false, hasErrors: Bool = false,
        error: Int64? = nil, counts: TransferCounts? = nil
    ) {
        self.sequence = sequence
        self.time = time
        self.kind = kind
        self.session = session
        self.transfer = transfer
        self.transferID = transferID
        self.schemaKey = schemaKey
        self.first = first
        self.end = end
        self.isCompleted = isCompleted
        self.hasErrors = hasErrors
        self.error = error
        self.counts = counts
    }
}
