// What the gateway asks of its store: changes, which become durable in groups, and queries, which read committed
// state. Both are plain values, so that a test can keep a store in a dictionary.

/// One change. All changes of one commit become durable together or not at all.
package enum Change: Equatable, Sendable {
    /// Inserts the session or makes a new revision of it; older revisions stay for the transfers that pin them.
    case session(SessionRow)
    /// Removes the session with its transfers, records, outcomes, errors and events; with `forget` the ledger of its
    /// account and namespace too (`namespace` nil: not).
    case sessionDeleted(Identifier, forgetting: LedgerScope?)
    /// Inserts a transfer that is still arriving: it does not exist for a restart until `transferAccepted`.
    case transferBegun(TransferRow)
    case records([RecordRow])
    /// All of it is there: from now on it is kept.
    case transferAccepted(sequence: Int64)
    /// A part of an open transfer is whole; its records came before.
    case part(PartRow)
    /// Ends an open transfer by the caller's wish: what has arrived goes, and it is accepted empty and cancelled.
    case partsDropped(sequence: Int64, at: Int64)
    /// Removes an open transfer that nobody goes on with.
    case partsExpired(sequence: Int64)
    /// How many records an arriving transfer has got, where that was not known at its beginning.
    case transferSized(sequence: Int64, records: Int32, allRecords: Int32)
    /// Where the records of an arriving retry stand in its origin; continues what came before.
    case retryShifts(transfer: Int64, [RetryShift])
    /// These records of retries stand at the provider now: what their origins had as errors is resolved, and so is what
    /// the origins of these had.
    case retriesWritten([RecordPlace])
    /// The error entries of these records are dealt with.
    case errorsResolved([RecordPlace])
    /// Examples of a schema's properties (`Examples.text`), in the place of those that were there.
    case examples(session: Identifier, schemaKey: String, [UInt8])
    /// Takes the place of outcomes that are there.
    case outcomesReplaced([OutcomeRow])
    /// From now on nothing of an accepted transfer is sent that was not sent before. The first time counts.
    case transferCancelled(sequence: Int64, at: Int64)
    /// Counts, published pages and completion of a transfer.
    case transferAdvanced(sequence: Int64, counts: TransferCounts, published: Int32, completed: Int64?)
    case intent(IntentRow)
    case intentSettled(id: Int64, at: Int64)
    case outcomes([OutcomeRow])
    case ledger([LedgerRow])
    case errors([ErrorRow])
    case events([EventRow])
    /// Calls of webhooks that are to be made; in the commit of what they tell.
    case deliveries([DeliveryRow])
    /// How far a delivery has come; of one that is gone nothing.
    case deliveryProgressed(sequence: Int64, DeliveryProgress)
    /// These deliveries are to be made again from their first attempt on; of one that is pending, the next attempt is due
    /// at once. Of those that are gone nothing. Times are milliseconds of the wall clock.
    case deliveriesReplayed([Int64], at: Int64)
    /// What a session's webhooks are signed with, sealed; in the place of what was there.
    case webhookSecrets(session: Identifier, [UInt8])
    /// Position of a named consumer: the sequence of the last event it acknowledged.
    case consumer(name: String, sequence: Int64, at: Int64)
    /// Inserts a plan whose records are still arriving under its sequence; a restart does not survive it.
    case planBegun(PlanRow)
    case planned([PlannedRow])
    /// The plan with its figures: from now on it is kept.
    case planReady(PlanRow)
    /// The plan is the transfer of its sequence from now on, which begins and is accepted in the same commit.
    case planApplied(sequence: Int64, transfer: Identifier)
    /// Removes a plan, and its records unless it was applied.
    case planDropped(sequence: Int64)
    /// Removes finished transfers and events that are older than their retention, at most `limit` transfers at a time.
    case trim(transfersBefore: Int64, eventsBefore: Int64, limit: Int)
    /// Removes exchanges that ended before, and the oldest of those that are too many.
    case trimExchanges(before: Int64)
    /// The states of these provider records are known now.
    case confirmed([ConfirmedRow])
    /// The states of these provider records are not known any more.
    case unconfirmed(AccountKey, resource: String, ids: [String])
    /// Takes the place of what the account had.
    case credential(CredentialRow)
    case credentialRemoved(AccountKey)
    /// The account is paused, or was so already and something of it has changed.
    case paused(PauseRow)
    case resumed(AccountKey)
    /// As `transferCancelled`, by the transfer's own rule.
    case transferAborted(sequence: Int64, at: Int64)
    /// Open error entries of the account's sessions that say that its credentials were not accepted are dealt with.
    case authenticationResolved(AccountKey)
    /// Pairs that a caller brings along; an internal id that is remembered already keeps what it has unless `replacing`.
    case identities([LedgerRow], replacing: Bool)
    /// Exchanges that have ended, in the order of their ends. One that only records of deleted sessions were for is
    /// dropped.
    case exchanges([ExchangeRow])
}

package struct LedgerScope: Hashable, Sendable {
    package var account: AccountKey
    package var namespace: String

    package init(account: AccountKey, namespace: String) {
        self.account = account
        self.namespace = namespace
    }
}

/// What a start needs to know before the first call is answered.
package struct StoredState: Equatable, Sendable {
    /// Random name of this store, made with it; part of every cursor (K26).
    package var storeID: UInt64 = 0
    package var sessions: [SessionRow] = []
    /// Accepted and not completed, in the order of acceptance.
    package var openTransfers: [TransferRow] = []
    /// Arriving in parts, in the order in which they were begun.
    package var openParts: [TransferRow] = []
    /// Not settled, oldest first.
    package var openIntents: [IntentRow] = []
    package var lastTransfer: Int64 = 0
    package var lastIntent: Int64 = 0
    package var lastError: Int64 = 0
    package var lastEvent: Int64 = 0
    /// Sequence of the oldest event that is still there; `lastEvent + 1` when there is none.
    package var oldestEvent: Int64 = 1
    package var consumers: [String: Int64] = [:]
    package var lastDelivery: Int64 = 0
    /// Deliveries that are not finished, in their order; of each endpoint so many as `StoreSettings` says.
    package var pendingDeliveries = PendingDeliveries()
    /// Sealed.
    package var webhookSecrets: [Identifier: [UInt8]] = [:]
    /// Plans that are kept, oldest first.
    package var plans: [PlanAge] = []
    package var credentials: [CredentialRow] = []
    package var pauses: [PauseRow] = []
    /// Entries about unknown outcomes of records with an internal id that nobody has dealt with.
    package var doubts: [StoredDoubt] = []

    package struct StoredDoubt: Equatable, Sendable {
        package var place: RecordPlace
        package var transferID: Identifier
        package var session: Identifier
        /// Of the session, under which the transfer was accepted.
        package var revision: Int32
        package var internalID: String
        package var schemaKey: String

        package init(
            place: RecordPlace, transferID: Identifier, session: Identifier, revision: Int32, internalID: String,
            schemaKey: String
        ) {
            self.place = place
            self.transferID = transferID
            self.session = session
            self.revision = revision
            self.internalID = internalID
            self.schemaKey = schemaKey
        }
    }

    package struct PlanAge: Equatable, Sendable {
        package var sequence: Int64
        package var created: Int64

        package init(sequence: Int64, created: Int64) {
            self.sequence = sequence
            self.created = created
        }
    }

    package init() {}
}

/// A record with its outcome and those of its associated records, for results and for linking.
package struct ResultRow: Equatable, Sendable {
    package var record: RecordRow
    package var outcome: OutcomeRow?
    /// Direct children in the order pushed.
    package var children: [Child] = []
    /// Of a plan that is applied.
    package var planned: PlannedMark?

    package struct Child: Equatable, Sendable {
        package var ordinal: Int32
        package var schema: Int16
        /// Nil while unfinished.
        package var kind: OutcomeKind?
        package var providerID: String?

        package init(ordinal: Int32, schema: Int16, kind: OutcomeKind?, providerID: String?) {
            self.ordinal = ordinal
            self.schema = schema
            self.kind = kind
            self.providerID = providerID
        }
    }

    package init(record: RecordRow, outcome: OutcomeRow?, children: [Child] = []) {
        self.record = record
        self.outcome = outcome
        self.children = children
    }
}

/// A read. Answers reflect every commit that was reported before the query was sent.
package enum Query: Equatable, Sendable {
    case transfer(id: Identifier)
    case transferByKey(session: Identifier, idempotencyKey: String)
    /// Accepted transfers, of one session or of all, in the order of acceptance.
    case transfers(session: Identifier?)
    /// Transfers that fit the filter, newest first; also those that are still open.
    case transferPage(TransferFilter, offset: Int, limit: Int)
    case part(transfer: Int64, number: Int32)
    case examples(session: Identifier)
    /// A revision of a session's definition.
    case revision(session: Identifier, revision: Int32)
    /// Records of a transfer without an outcome, after an ordinal, in order; with the finished children of each.
    /// Cut at `limit` records or `bytes` of data, whichever comes first, but never empty while there is one.
    case unfinished(transfer: Int64, after: Int32, limit: Int, bytes: Int)
    /// The records at these ordinals, with their children.
    case records(transfer: Int64, ordinals: [Int32])
    /// Sizes in bytes of the stored data of finished top-level records from an index on (resuming pages after a start).
    case finishedFrom(transfer: Int64, index: Int32)
    case ledger(scope: LedgerScope, resource: String, internalIDs: [String])
    /// Top-level records `offset ..< offset + limit`, or with `schema` the associated records of that schema in
    /// first-seen order, each provider record once. Cut at `bytes` of the outcomes' data, but never empty while there is
    /// one. The records' own data, which nobody delivers, is left empty.
    case results(transfer: Int64, schema: Int16?, offset: Int, limit: Int, bytes: Int)
    /// `resolved` nil: whether dealt with or not.
    case errors(session: Identifier?, transfer: Identifier?, resolved: Bool? = nil, offset: Int, limit: Int)
    /// Records of a completed transfer after an ordinal, for pushing them again: whole trees of which something is
    /// selected, children first. Looks at a bounded stretch; the outcomes' data is left empty.
    case retryable(transfer: Int64, after: Int32, RetrySelection, bytes: Int)
    /// Error entries of a transfer that say that the outcome of a record is unknown, and that nobody has dealt with.
    case unresolved(transfer: Int64, index: Int32?, internalID: String?, limit: Int)
    /// Events after a sequence that fit the filter, at most `limit`; `data` ones with their results, `error` ones with
    /// their entry. Cut at `bytes` of the outcomes' data, but never empty while there is one that was looked at: a search
    /// looks at a bounded stretch of the log and says in its answer how far it came.
    case events(after: Int64, filter: EventFilter, limit: Int, bytes: Int)
    /// A delivery with what its payload is rendered from.
    case delivery(sequence: Int64)
    case deliveryByID(Identifier)
    /// Deliveries that fit the filter from a sequence on, or with `isBackwards` down from it, at most `limit`. Looks at a
    /// bounded stretch, and says in its answer where to go on.
    case deliveries(DeliveryFilter, from: Int64, isBackwards: Bool, limit: Int)
    /// Deliveries to an endpoint that are not finished, from a sequence on, in their order.
    case pendingDeliveries(EndpointKey, from: Int64, limit: Int)
    case plan(id: Identifier)
    /// Top-level records `offset ..< offset + limit` of a plan with all below them. Cut at `bytes` of their contents, but
    /// never empty while there is one.
    case planned(sequence: Int64, offset: Int, limit: Int, bytes: Int)
    /// What is remembered for these internal ids, and the confirmed states of those records and of the ones in `ids`.
    case confirmed(scope: LedgerScope, resource: String, internalIDs: [String], ids: [String])
    /// Internal ids that are remembered for provider records, at most three each.
    case holders(scope: LedgerScope, resource: String, ids: [String])
    /// Rows of the ledger in the order of resource and internal id, after a place, at most `limit`.
    case identities(scope: LedgerScope, resources: [String], after: IdentityPlace?, limit: Int)
    /// All that is known of the record at a place.
    case explained(RecordPlace)
    /// The place of a top-level record.
    case top(transfer: Int64, index: Int32)
    /// The newest record that fits, before a place; looks at a bounded stretch.
    case found(RecordSearch, before: RecordPlace?)
    /// Exchanges that were for a record, in the order of their ends, after a sequence; looks at a bounded stretch of those
    /// that ended between two times of the wall clock.
    case exchanges(RecordPlace, AccountKey, since: Int64, until: Int64, after: Int64)
    /// How many exchanges of an account have ended when, as far as that was at or after a time of the wall clock; looks
    /// at a bounded stretch of the log after a sequence.
    case exchangeCounts(AccountKey, since: Int64, after: Int64)
}

/// A place in the order of `Query.identities`.
package struct IdentityPlace: Equatable, Sendable {
    package var resource: String
    package var internalID: String

    package init(resource: String, internalID: String) {
        self.resource = resource
        self.internalID = internalID
    }
}

package struct EventFilter: Hashable, Sendable {
    package var session: Identifier?
    package var transfer: Identifier?
    /// Nil: all.
    package var kinds: Set<EventRow.Kind>?

    package init(session: Identifier? = nil, transfer: Identifier? = nil, kinds: Set<EventRow.Kind>? = nil) {
        self.session = session
        self.transfer = transfer
        self.kinds = kinds
    }

    package func admits(_ event: EventRow) -> Bool {
        (session == nil || session == event.session) && (transfer == nil || transfer == event.transferID)
            && (kinds?.contains(event.kind) ?? true)
    }
}

package enum Answer: Equatable, Sendable {
    case transfer(TransferRow?)
    case transfers([TransferRow])
    /// `total`: how many fit the filter in all.
    case transferPage([TransferRow], total: Int)
    case part(PartRow?)
    /// `Examples.text` by schema key.
    case examples([String: [UInt8]])
    case revision([UInt8]?)
    case unfinished([ResultRow], isLast: Bool)
    /// With the children of each that have ended.
    case records([ResultRow])
    /// Index and bytes of stored data of each finished top-level record.
    case finishedFrom([FinishedRecord])
    /// Known ids, by internal id.
    case ledger([String: String])
    /// `total`: how many the transfer has in all.
    case results([ResultRow], total: Int)
    case errors([ErrorRow], total: Int)
    /// `examinedThrough`: every record up to this ordinal was looked at.
    case retryable([ResultRow], examinedThrough: Int32, isLast: Bool)
    /// `isKnown`: there is one at all that fits, be it resolved. `remaining`: unresolved ones of the whole transfer.
    case unresolved([ErrorRow], isKnown: Bool, remaining: Int)
    /// `examinedThrough`: every event up to this sequence was looked at; `oldest` and `latest` of the log.
    case events([LoggedEvent], examinedThrough: Int64, oldest: Int64, latest: Int64)
    case delivery(DeliveryContent?)
    case deliveryByID(DeliveryRow?)
    /// `next`: the sequence to go on from; nil when all were looked at.
    case deliveries([DeliveryRow], next: Int64?)
    /// `next`: as that of `deliveries`.
    case pendingDeliveries([PendingDelivery], next: Int64?)
    /// A plan that is ready.
    case plan(PlanRow?)
    case planned([PlannedResult])
    case confirmed(ConfirmedAnswer)
    /// By provider id.
    case holders([String: [String]])
    case identities([LedgerRow], isLast: Bool)
    case explained(ExplainedRow?)
    case top(RecordPlace?)
    /// `next`: everything at and behind this place was looked at; nil: everything was.
    case found(RecordPlace?, next: RecordPlace?)
    /// `examinedThrough`: every exchange up to this sequence was looked at.
    case exchanges([ExchangeRow], examinedThrough: Int64, isLast: Bool)
    case exchangeCounts([ExchangeCount], examinedThrough: Int64, isLast: Bool)
}

package struct FinishedRecord: Equatable, Sendable {
    package var index: Int32
    package var bytes: Int32
    package var kind: OutcomeKind

    package init(index: Int32, bytes: Int32, kind: OutcomeKind) {
        self.index = index
        self.bytes = bytes
        self.kind = kind
    }
}

/// An event with what its payload is rendered from.
package struct LoggedEvent: Equatable, Sendable {
    package var event: EventRow
    package var results: [ResultRow]
    package var error: ErrorRow?
    /// Of `webhookFailed`.
    package var delivery: DeliveryRow?
    /// Definition of the session revision that its transfer pinned.
    package var revision: Int32

    package init(event: EventRow, results: [ResultRow] = [], error: ErrorRow? = nil, revision: Int32 = 0) {
        self.event = event
        self.results = results
        self.error = error
        self.revision = revision
    }
}
