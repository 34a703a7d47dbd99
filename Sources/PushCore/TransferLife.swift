// What only some transfers have in their life. It is kept apart from the row of the transfer, so that an ordinary push
// writes nothing more for it.

/// How a transfer differs from one that is pushed in one call and runs to its end.
package struct TransferLife: Equatable, Sendable {
    /// The transfer that a retry is made of.
    package struct Origin: Equatable, Sendable {
        package var sequence: Int64
        /// Kept beside the sequence, because the retry may outlive its origin.
        package var id: Identifier

        package init(sequence: Int64, id: Identifier) {
            self.sequence = sequence
            self.id = id
        }
    }

    /// When it was cancelled: what had not been sent by then is not sent.
    package var cancelled: Int64?
    package var retryOf: Origin?
    /// Parts that have arrived; nil when it was pushed in one call.
    package var parts: Int32?
    /// Of a transfer in parts: when it was begun or the last part came.
    package var touched: Int64?
    /// Its records were only looked at for examples.
    package var isSample = false
    /// Milliseconds that its records wait for an account that is paused; nil: the standard.
    package var retryWindow: Int64?
    package var abortIf: AbortRule?
    /// It was cancelled by its own rule.
    package var isAborted = false
    /// Nil when nobody is told by webhooks.
    package var webhooks: WebhookRoutes?

    package init() {}
}

/// One part of a transfer, as it was sent with `appendTransfer` (K31).
package struct PartRow: Equatable, Sendable {
    package var transfer: Int64
    package var number: Int32
    /// Hash of its records: the same part may be sent again, another one may not take its number.
    package var hash: [UInt8]
    /// Top-level records, and records of any level, of the transfer up to its end.
    package var records: Int32
    package var allRecords: Int32
    package var time: Int64

    package init(transfer: Int64, number: Int32, hash: [UInt8], records: Int32, allRecords: Int32, time: Int64) {
        self.transfer = transfer
        self.number = number
        self.hash = hash
        self.records = records
        self.allRecords = allRecords
        self.time = time
    }
}

/// Which transfers a list shows.
package struct TransferFilter: Hashable, Sendable {
    /// Raw values are the words on the wire.
    package enum State: String, Sendable, CaseIterable {
        /// Still arriving in parts.
        case open
        case running
        case completed
    }

    package var session: Identifier?
    package var schemaKey: String?
    package var state: State?

    package init(session: Identifier? = nil, schemaKey: String? = nil, state: State? = nil) {
        self.session = session
        self.schemaKey = schemaKey
        self.state = state
    }
}

extension TransferRow {
    package var state: TransferFilter.State { isOpen ? .open : completed == nil ? .running : .completed }
}

/// Which records of a transfer are pushed again.
package struct RetrySelection: Equatable, Sendable {
    /// Those with one of these outcomes.
    package var kinds: Set<OutcomeKind>
    /// Of them only those at these ordinals; nil: all.
    package var ordinals: Set<Int32>?

    package init(kinds: Set<OutcomeKind>, ordinals: Set<Int32>? = nil) {
        self.kinds = kinds
        self.ordinals = ordinals
    }

    package func takes(_ kind: OutcomeKind, at ordinal: Int32) -> Bool {
        kinds.contains(kind) && (ordinals?.contains(ordinal) ?? true)
    }
}

/// From this ordinal of a retry on, the record of its origin stands `shift` ordinals later.
package struct RetryShift: Equatable, Sendable {
    package var ordinal: Int32
    package var shift: Int32

    package init(ordinal: Int32, shift: Int32) {
        self.ordinal = ordinal
        self.shift = shift
    }
}
