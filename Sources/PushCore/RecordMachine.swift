/// Where a record of an accepted transfer stands.
package enum RecordState: String, Sendable, CaseIterable {
    /// In the window of its account, not yet in a batch.
    case waiting
    /// In a batch that finds out which provider record it is.
    case identifying
    /// Decided; the intent to write it is on its way to disk.
    case intending
    /// Its intent is on disk; the request may have left.
    case exchanging
    /// Its outcome is known and on its way to disk.
    case settling
    /// Its outcome is on disk. Final.
    case finished
}

extension RecordState {
    /// - Returns: the new state, so that a caller can tell whether there was a record.
    @discardableResult
    mutating func advance(_ input: RecordInput) -> RecordState {
        guard let next = RecordMachine.next(self, input) else {
            preconditionFailure("A record that is \(self) cannot be \(input): the transition table has no such row.")
        }
        self = next
        return next
    }
}

/// What happens to a record.
package enum RecordInput: String, Sendable, CaseIterable {
    /// It was taken into a batch.
    case planned
    /// It goes back to wait for another batch: a second version of the same provider record, or the request was
    /// never sent.
    case putBack
    /// It needs no request: unchanged or refused.
    case decidedWithoutWrite
    /// It is to be written.
    case decidedToWrite
    /// Its intent is durable.
    case intentCommitted
    /// The provider gave its outcome.
    case answered
    /// The request may have had an effect: it is repeated under the same key, or what became of it is looked for.
    case outcomeUnknown
    /// A part of what was to be done is known, and the next request about it has an intent of its own: its links, what
    /// became of it, the same again with fewer beside it, or what a look showed to be missing.
    case decidedAnew
    /// Found in an open intent at start.
    case recovered
    /// Its session was deleted before it was sent.
    case dropped
    /// Its transfer was cancelled before a request with it was sent.
    case cancelled
    /// Its outcome is durable.
    case outcomeCommitted
}

/// The life of a record, as data: a row says what an input makes of a state. What is not listed cannot happen.
package enum RecordMachine {
    package struct Row: Hashable, Sendable {
        package let from: RecordState
        package let input: RecordInput
        package let to: RecordState
    }

    package static let table: [Row] = [
        Row(from: .waiting, input: .planned, to: .identifying),
        Row(from: .waiting, input: .recovered, to: .exchanging),
        Row(from: .waiting, input: .dropped, to: .finished),
        Row(from: .waiting, input: .cancelled, to: .settling),
        Row(from: .identifying, input: .putBack, to: .waiting),
        Row(from: .identifying, input: .decidedWithoutWrite, to: .settling),
        Row(from: .identifying, input: .decidedToWrite, to: .intending),
        Row(from: .identifying, input: .cancelled, to: .settling),
        Row(from: .intending, input: .intentCommitted, to: .exchanging),
        Row(from: .exchanging, input: .outcomeUnknown, to: .exchanging),
        Row(from: .exchanging, input: .decidedAnew, to: .intending),
        Row(from: .exchanging, input: .putBack, to: .waiting),
        Row(from: .exchanging, input: .answered, to: .settling),
        Row(from: .exchanging, input: .cancelled, to: .settling),
        Row(from: .settling, input: .outcomeCommitted, to: .finished),
    ]

    /// - Returns: the next state; nil when the table has no such row, which is a fault of the gateway.
    package static func next(_ state: RecordState, _ input: RecordInput) -> RecordState? {
        table.first { $0.from == state && $0.input == input }?.to
    }
}
