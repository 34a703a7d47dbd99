/// One call of a webhook that is to be made, with what its payload is rendered from (K13) and how it went so far.
package struct DeliveryRow: Equatable, Sendable {
    /// Raw values are stored: append only.
    package enum State: UInt8, Sendable, CaseIterable {
        case pending = 0
        case delivered = 1
        /// Given up.
        case failed = 2

        /// The word on the wire.
        package var name: String {
            switch self {
            case .pending: "pending"
            case .delivered: "delivered"
            case .failed: "failed"
            }
        }
    }

    /// Order of deliveries; unique in the store.
    package var sequence: Int64
    /// The `webhook-id` of each attempt.
    package var id: Identifier
    package var endpoint: String
    /// May overlap with others to its endpoint.
    package var isConcurrent: Bool
    /// What happened. Its own copy: the event log may be cut before the last attempt was made.
    package var event: EventRow
    /// Of `configuration`: the revision of the session that is told. Else 0.
    package var revision: Int32
    package var progress = DeliveryProgress()

    package init(
        sequence: Int64, id: Identifier, endpoint: String, isConcurrent: Bool, event: EventRow, revision: Int32 = 0
    ) {
        self.sequence = sequence
        self.id = id
        self.endpoint = endpoint
        self.isConcurrent = isConcurrent
        self.event = event
        self.revision = revision
    }

    package var pending: PendingDelivery {
        PendingDelivery(
            sequence: sequence, key: EndpointKey(session: event.session, url: endpoint), isConcurrent: isConcurrent,
            created: event.time, attempts: progress.attempts, due: progress.due)
    }
}

extension DeliveryRow {
    /// As it is when it was asked for again at this time.
    package func replayed(at time: Int64) -> PendingDelivery {
        var row = self
        (row.progress.attempts, row.progress.due) = (0, time)
        return row.pending
    }
}

/// How far a delivery has come. Times are milliseconds of the wall clock since 1970.
package struct DeliveryProgress: Equatable, Sendable {
    package var state = DeliveryRow.State.pending
    package var attempts: Int32 = 0
    /// When the next attempt may be made; before the first attempt 0, or when it was asked for again.
    package var due: Int64 = 0
    /// When it was delivered or given up.
    package var finished: Int64?
    /// The HTTP status of the last attempt that was answered with one.
    package var status: Int32?
    /// Why the last attempt failed without a status; a word.
    package var reason: String?

    package init() {}
}

/// Whom a delivery goes to. Endpoints of two sessions are two, also if they have one address: each has secrets of its own,
/// and what one session's receiver refuses must not hold up another's.
package struct EndpointKey: Hashable, Sendable, Comparable {
    package var session: Identifier
    package var url: String

    package init(session: Identifier, url: String) {
        self.session = session
        self.url = url
    }

    package static func < (a: EndpointKey, b: EndpointKey) -> Bool {
        a.session != b.session ? a.session < b.session : a.url < b.url
    }
}

/// What the machine needs to know of a delivery that is not finished.
package struct PendingDelivery: Equatable, Sendable {
    package var sequence: Int64
    package var key: EndpointKey
    package var isConcurrent: Bool
    /// When it was asked for, be it once more. Milliseconds of the wall clock, as `due`.
    package var created: Int64
    package var attempts: Int32
    package var due: Int64

    package init(
        sequence: Int64, key: EndpointKey, isConcurrent: Bool, created: Int64, attempts: Int32, due: Int64
    ) {
        self.sequence = sequence
        self.key = key
        self.isConcurrent = isConcurrent
        // Before a first attempt only one that was asked for again has a due time.
        self.created = attempts == 0 ? max(created, due) : created
        self.attempts = attempts
        self.due = due
    }
}

/// Deliveries to one endpoint that stand in the store only, because it has as many in memory as it may.
package struct LeftDeliveries: Equatable, Sendable {
    /// All that are pending from this sequence on.
    package var from: Int64
    package var through: Int64
    package var count: Int

    package init(from: Int64, through: Int64, count: Int) {
        self.from = from
        self.through = through
        self.count = count
    }

    mutating func add(_ sequence: Int64) {
        from = min(from, sequence)
        through = max(through, sequence)
        count += 1
    }
}

/// Deliveries as a start finds them: what an endpoint may have in memory, and what it leaves in the store.
package struct PendingDeliveries: Equatable, Sendable {
    package var held: [PendingDelivery] = []
    package var left: [EndpointKey: LeftDeliveries] = [:]
    private var counts: [EndpointKey: Int] = [:]

    package init() {}

    /// Takes them in their order. What is in the schedule is always held: there is no more of it than was held before.
    package mutating func add(_ delivery: PendingDelivery, ceiling: Int) {
        if delivery.attempts == 0, counts[delivery.key, default: 0] >= ceiling {
            left[delivery.key, default: LeftDeliveries(from: .max, through: 0, count: 0)].add(delivery.sequence)
        } else {
            held.append(delivery)
            counts[delivery.key, default: 0] += 1
        }
    }
}

/// A delivery with all that its payload is rendered from.
package struct DeliveryContent: Equatable, Sendable {
    package var row: DeliveryRow
    package var logged: LoggedEvent
    /// `WebhookRoutes.text` of its transfer; empty for `configuration`.
    package var routes: [UInt8]

    package init(row: DeliveryRow, logged: LoggedEvent, routes: [UInt8]) {
        self.row = row
        self.logged = logged
        self.routes = routes
    }
}

/// The waits between the attempts of a delivery, in milliseconds.
package struct DeliverySchedule: Equatable, Sendable {
    /// The attempts that follow the first one: 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 10 h.
    package static let standard = DeliverySchedule(
        waits: [5_000, 300_000, 1_800_000, 7_200_000, 18_000_000, 36_000_000, 36_000_000])
    /// No `Retry-After` counts for more.
    package static let longestWait: Int64 = 24 * 3_600_000

    package var waits: [Int64]

    package init(waits: [Int64]) { self.waits = waits }

    /// Attempts in all.
    package var attempts: Int32 { Int32(waits.count) + 1 }
    /// From the first attempt to the last.
    package var length: Int64 { waits.reduce(0, +) }

    /// Nil when no further attempt is to be made. Up to a tenth is added by chance, so that what failed together does not
    /// come back together.
    func wait(after attempts: Int32, chance: UInt64) -> Int64? {
        guard attempts >= 1, attempts <= waits.count else { return nil }
        let wait = waits[Int(attempts) - 1]
        return wait + Int64(chance % UInt64(wait / 10 + 1))
    }
}

/// How an attempt went.
package struct DeliveryOutcome: Equatable, Sendable {
    /// Nil when no status came.
    package var status: Int?
    /// Why not, as a word.
    package var reason: String?
    /// What the answer asks to wait, in milliseconds.
    package var retryAfter: Int64?

    package init(status: Int? = nil, reason: String? = nil, retryAfter: Int64? = nil) {
        self.status = status
        self.reason = reason
        self.retryAfter = retryAfter
    }

    /// 2xx acknowledges; a redirect is not followed and does not.
    package var isDelivered: Bool { status.map { (200..<300).contains($0) } ?? false }
    /// There is nothing left to tell, because what it was about was removed.
    package static let nothingToTell = DeliveryOutcome(reason: "nothing_to_tell")
    /// The receiver is gone and says so, or there is nothing to tell: no further attempt.
    package var isFinal: Bool { status == 410 || self == Self.nothingToTell }
    /// The receiver, and not only this delivery, wants to be left alone.
    package var holdsEndpoint: Bool { status == 429 || status == 503 }
}
