// What is kept of an exchange with a provider: that it was, for which records, how it ended. Never a header, a body or a
// message of the provider: what was asked for a record can be made again from the record, and what came of it stands in
// its outcome.

/// One exchange, as the exchange log keeps it.
package struct ExchangeRow: Equatable, Sendable {
    /// What the answer meant. Raw values are stored: append only.
    package enum Meaning: UInt8, Sendable, CaseIterable {
        case answered = 1
        /// It cannot have had an effect, because it did not reach the provider.
        case notSent = 2
        /// It may have had an effect.
        case unknown = 3
        /// The provider asked to wait.
        case throttled = 4
        /// The provider refused the request as a whole.
        case refused = 5

        /// The word on the wire.
        package var name: String {
            switch self {
            case .answered: "answered"
            case .notSent: "not_sent"
            case .unknown: "unknown"
            case .throttled: "throttled"
            case .refused: "refused"
            }
        }
    }

    /// Order of ends; 0 before it is stored.
    package var sequence: Int64 = 0
    package var account: AccountKey
    /// Milliseconds of the wall clock since 1970.
    package var ended: Int64
    /// Milliseconds from its leaving to its end.
    package var duration: Int64
    /// `read`, `search`, `create`, `update`, `link`, or `write` where creates and updates go together.
    package var operation: String
    package var resource: String
    package var method: String
    /// Without values of records.
    package var path: String
    /// Which try of the same request it was, from 1.
    package var attempt: Int32
    /// Of the write that it carried; 0: it had no effect.
    package var intent: Int64
    /// Records that it was for, in order; empty for those of a plan.
    package var places: [RecordPlace]
    /// Nil when there was no whole answer.
    package var status: Int?
    /// How far it came, without an answer.
    package var phase: ExchangeOutcome.Phase?
    /// In the gateway's own words, or empty.
    package var reason: String
    package var meaning: Meaning

    package init(
        account: AccountKey, ended: Int64, duration: Int64, operation: String, resource: String, method: String,
        path: String, attempt: Int32, intent: Int64, places: [RecordPlace], status: Int? = nil,
        phase: ExchangeOutcome.Phase? = nil, reason: String = "", meaning: Meaning
    ) {
        self.account = account
        self.ended = ended
        self.duration = duration
        self.operation = operation
        self.resource = resource
        self.method = method
        self.path = path
        self.attempt = attempt
        self.intent = intent
        self.places = places
        self.status = status
        self.phase = phase
        self.reason = reason
        self.meaning = meaning
    }
}

/// Places of records as a short text: `7:0-99,120;9-11:3` are ordinals 0 to 99 and 120 of transfer 7, and 3 of each of the
/// transfers 9 to 11.
package enum PlaceList {
    private typealias Part = (first: Int64, last: Int64, ordinals: String)

    /// - Parameter places: in any order.
    package static func text(_ places: [RecordPlace]) -> String {
        var parts: [Part] = []
        let places = places.sorted()
        var next = 0
        while next < places.count {
            let transfer = places[next].transfer
            let ordinals = ordinals(of: transfer, places, &next)
            // Many pushes of one record each, one after the other, are the commonest way to push.
            if let last = parts.last, last.last + 1 == transfer, last.ordinals == ordinals {
                parts[parts.count - 1].last = transfer
            } else {
                parts.append((transfer, transfer, ordinals))
            }
        }
        return parts.map { part in
            (part.first == part.last ? "\(part.first)" : "\(part.first)-\(part.last)") + ":" + part.ordinals
        }.joined(separator: ";")
    }

    /// Those of one transfer, from a place on.
    private static func ordinals(of transfer: Int64, _ places: [RecordPlace], _ next: inout Int) -> String {
        var text = ""
        while next < places.count, places[next].transfer == transfer {
            let first = places[next].ordinal
            var last = first
            next += 1
            while next < places.count, places[next].transfer == transfer, places[next].ordinal <= last + 1 {
                last = places[next].ordinal
                next += 1
            }
            text += (text.isEmpty ? "" : ",") + (first == last ? "\(first)" : "\(first)-\(last)")
        }
        return text
    }

    /// Nil when `text` is none, or names more than any exchange is for.
    package static func ranges(_ text: String) -> [(transfer: Int64, ordinals: ClosedRange<Int32>)]? {
        var ranges: [(transfer: Int64, ordinals: ClosedRange<Int32>)] = []
        for part in text.split(separator: ";") {
            let halves = part.split(separator: ":", maxSplits: 1)
            guard halves.count == 2, let transfers: ClosedRange<Int64> = range(halves[0]),
                transfers.count <= ceiling
            else { return nil }
            let texts = halves[1].split(separator: ",")
            let ordinals: [ClosedRange<Int32>] = texts.compactMap { range($0) }
            guard ordinals.count == texts.count, ranges.count + transfers.count * ordinals.count <= ceiling else {
                return nil
            }
            for transfer in transfers { ranges += ordinals.map { (transfer, $0) } }
        }
        return ranges
    }

    private static func range<Number: FixedWidthInteger>(_ text: Substring) -> ClosedRange<Number>? {
        let ends = text.split(separator: "-", maxSplits: 1).compactMap { Number($0) }
        guard let first = ends.first, let last = ends.last, first <= last else { return nil }
        return first...last
    }

    /// Records of one exchange that a list may name.
    private static let ceiling = 100_000

    /// Nil when `text` is none, or is longer than any exchange.
    package static func places(_ text: String) -> [RecordPlace]? {
        guard let ranges = ranges(text), ranges.reduce(0, { $0 + $1.ordinals.count }) <= ceiling else { return nil }
        return ranges.flatMap { range in range.ordinals.map { RecordPlace(transfer: range.transfer, ordinal: $0) } }
    }
}

/// What an exchange of a request is about, in the request's own terms.
package enum ExchangeSubject: Equatable, Sendable {
    /// All of the request.
    case all
    /// Items of a write, by their traces.
    case traces([Int])
    /// Provider records that are read by their ids.
    case ids([String])
    case searches([LookupRequest.Search])
}

/// Whom a request of the core is for, and as what: from this the log of its exchanges is written.
package struct ExchangeMatter: Sendable {
    package struct Record: Sendable {
        var place: RecordPlace
        /// Place in the batch.
        var trace: Int
        /// The provider's record that is asked for or changed.
        var id: String?
        var searches: [LookupRequest.Search] = []
    }

    package var resource: String
    package var intent: Int64 = 0
    package var attempt: Int32 = 1
    var records: [Record] = []

    package init(resource: String) { self.resource = resource }

    /// Records that an exchange concerns.
    package func places(of subject: ExchangeSubject) -> [RecordPlace] {
        switch subject {
        case .all: return records.map(\.place)
        case .traces(let traces):
            let traces = Set(traces)
            return records.filter { traces.contains($0.trace) }.map(\.place)
        case .ids(let ids):
            let ids = Set(ids)
            return records.filter { $0.id.map(ids.contains) ?? false }.map(\.place)
        case .searches(let searches):
            let searches = Set(searches)
            return records.filter { $0.searches.contains(where: searches.contains) }.map(\.place)
        }
    }
}

/// How many exchanges of one kind ended about when.
package struct ExchangeCount: Equatable, Sendable {
    package var operation: String
    /// Milliseconds of the wall clock since 1970; the latest of them.
    package var ended: Int64
    package var count: Int

    package init(operation: String, ended: Int64, count: Int) {
        self.operation = operation
        self.ended = ended
        self.count = count
    }
}

/// A record as it was pushed with all that became of it.
package struct ExplainedRow: Equatable, Sendable {
    package struct Relative: Equatable, Sendable {
        package var record: RecordRow
        package var outcome: OutcomeRow?

        package var child: ResultRow.Child {
            ResultRow.Child(
                ordinal: record.place.ordinal, schema: record.schema, kind: outcome?.kind,
                providerID: outcome?.providerID)
        }

        package init(record: RecordRow, outcome: OutcomeRow?) {
            self.record = record
            self.outcome = outcome
        }
    }

    package var transfer: TransferRow
    package var record: RecordRow
    package var outcome: OutcomeRow?
    /// The item that it is associated with, without its data.
    package var parent: RecordRow?
    /// Direct children in the order pushed, without their data.
    package var children: [Relative]
    /// Entries of the error log, oldest first.
    package var errors: [ErrorRow]

    package init(
        transfer: TransferRow, record: RecordRow, outcome: OutcomeRow?, parent: RecordRow?, children: [Relative],
        errors: [ErrorRow]
    ) {
        self.transfer = transfer
        self.record = record
        self.outcome = outcome
        self.parent = parent
        self.children = children
        self.errors = errors
    }
}

/// Which record is sought.
package struct RecordSearch: Equatable, Sendable {
    package enum Within: Equatable, Sendable {
        case transfer(Int64)
        /// Accepted transfers of a session.
        case session(Identifier)
    }

    package enum Name: Equatable, Sendable {
        case internalID(String)
        /// The provider's id, as given or as it came out.
        case providerID(String)
    }

    package var within: Within
    package var name: Name

    package init(within: Within, name: Name) {
        self.within = within
        self.name = name
    }
}
