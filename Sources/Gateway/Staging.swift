import PushCore

/// Brings the rows of an intake to disk, stretch by stretch (K6).
final class Staging {
    private let server: Server
    private let intake: Intake
    /// Goes ahead of the first stretch.
    private var first: [Change]
    /// Goes with the last stretch.
    private let last: [Change]
    /// Sees each stretch.
    var onRows: ([RecordRow]) -> Void = { _ in }
    /// The last stretch was handed to the store.
    var onOrdered: () -> Void = {}

    init(_ server: Server, _ intake: Intake, first: [Change], last: [Change]) {
        self.server = server
        self.intake = intake
        self.first = first
        self.last = last
    }

    /// Calls back when everything is on disk.
    func run(_ done: @escaping () -> Void) {
        server.slices.addUnlessDone { [self] deadline in
            let (isLast, isFull) = intake.fill(until: deadline)
            guard isLast || isFull else { return false }
            let rows = intake.takePart()
            onRows(rows)
            var changes = first
            first = []
            if !rows.isEmpty { changes.append(.records(rows)) }
            if isLast { changes += last }
            server.turn.commit(changes) { [self] in
                if isLast { done() } else { run(done) }
            }
            if isLast { onOrdered() }
            return true
        }
    }
}
