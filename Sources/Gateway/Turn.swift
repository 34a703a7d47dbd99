import PushCore
import Store

/// What one turn of the loop leaves behind: changes for the writer, and who is to be told when they are on disk.
///
/// Handlers do not talk to the store: they leave changes here, and at the end of the turn all of them go to the writer
/// as one order. While it flushes, the next turn gathers. A reply that depends on a change leaves in `done`, never
/// before.
final class Turn {
    private let store: DurableStore
    private var changes: [Change] = []
    private var done: [() -> Void] = []
    /// Exchanges that have ended since the last order.
    private var exchanges: [ExchangeRow] = []
    private(set) var commits = 0
    private var underWay = 0

    /// Nothing waits for the writer, and the writer has reported everything.
    var isEmpty: Bool { done.isEmpty && underWay == 0 }

    init(store: DurableStore) { self.store = store }

    /// `done` runs on the loop when the changes are on disk; it never runs if they cannot be written (K7: the process
    /// ends then).
    func commit(_ changes: [Change], _ done: @escaping () -> Void) {
        self.changes += changes
        self.done.append(done)
    }

    /// Exchanges that may wait: where nothing is kept for so long, an order more does not matter.
    private static let noteCeiling = 2_000

    /// Goes to the store with the next changes that somebody waits for; causes no order of its own.
    func note(_ exchange: ExchangeRow) {
        exchanges.append(exchange)
        if exchanges.count == Self.noteCeiling { commit([]) {} }
    }

    /// The last order of a gateway that stops.
    func flushNotes() {
        if !exchanges.isEmpty { commit([]) {} }
        flush()
    }

    /// The end of the turn.
    func flush() {
        guard !done.isEmpty else { return }
        let waiting = done
        if !exchanges.isEmpty {
            changes.append(.exchanges(exchanges))
            exchanges = []
        }
        underWay += 1
        store.commit(changes) { [self] in
            underWay -= 1
            for done in waiting { done() }
        }
        commits += 1
        changes = []
        done = []
    }
}
