import PushCore

// Theory of operation.
//
// A transfer in parts is open until it is committed, cancelled, or nobody has gone on with it for a day (K31). This book
// holds what is known of each open transfer without its records, so that an append needs no look into the store, and sees
// to it that calls for one transfer come one after the other, whichever connections they come on: the ordinals of a part
// begin where those of the part before it ended.

/// The transfers that are arriving in parts.
final class PartBook {
    final class Entry {
        /// With the parts that are on disk.
        var row: TransferRow
        /// It was committed, dropped, or its session is gone.
        fileprivate(set) var isClosed = false
        fileprivate var isBusy = false
        fileprivate var waiting: [() -> Void] = []

        fileprivate init(_ row: TransferRow) { self.row = row }

        /// Calls back when the calls before it are done with the transfer; `leave` must follow.
        func enter(_ go: @escaping () -> Void) {
            if isBusy { return waiting.append(go) }
            isBusy = true
            go()
        }

        func leave() {
            guard !waiting.isEmpty else {
                isBusy = false
                return
            }
            waiting.removeFirst()()
        }
    }

    private var entries: [Identifier: Entry] = [:]

    init(_ rows: [TransferRow]) {
        for row in rows { add(row) }
    }

    subscript(id: Identifier) -> Entry? { entries[id] }

    func add(_ row: TransferRow) { entries[row.id] = Entry(row) }

    func close(_ entry: Entry) {
        entry.isClosed = true
        entries[entry.row.id] = nil
    }

    func close(session: Identifier) {
        for entry in entries.values where entry.row.session == session { close(entry) }
    }

    /// A session with an open transfer does not expire.
    func isUsed(session: Identifier) -> Bool { entries.values.contains { $0.row.session == session } }

    /// Those that nobody has touched since a time (milliseconds of the wall clock) and nobody is at; they are closed.
    func takeIdle(since time: Int64) -> [TransferRow] {
        let idle = entries.values.filter { !$0.isBusy && ($0.row.life.touched ?? 0) < time }
        for entry in idle { close(entry) }
        return idle.map(\.row).sorted { $0.sequence < $1.sequence }
    }
}
