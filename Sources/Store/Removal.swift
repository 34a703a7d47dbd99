// Theory of operation.
//
// Removing a session, a scope or old transfers may touch millions of rows, and a commit must not wait for that. So the
// change itself only makes them invisible, by removing the row that everything else is found through, and notes in the
// table `removal` what is left to do. The writer then does it in slices between its groups, each a transaction of
// bounded rows and bytes. The table survives a crash, so the rest is done by the next start.
//
// `secure_delete` overwrites what is removed from the file. What was removed still stands in the log until the log is
// cut: that is the last item of a session's removal.

import PushCore

struct Removal {
    /// Raw values are stored: append only.
    enum Kind: Int64 {
        /// The rows of a transfer that has no row in `transfer` any more.
        case transfer = 1
        /// The transfers and events of a session that has no row in `session` any more.
        case session = 2
        /// The ledger of a scope that has no row in `scope` any more.
        case scope = 3
        /// What stands in the write-ahead log.
        case log = 4
        /// The confirmed states of an account.
        case confirmed = 5
    }

    private struct Item {
        var number: Int64
        var kind: Kind
        var target: Int64
    }

    /// What one row of the event log takes in the file, with its share of pages: measured over 100,000 events of both
    /// kinds.
    static let eventBytes = 34

    private let database: Database
    private let settings: StoreSettings
    private var item: Item?
    /// How far the tables were searched for rows of a session.
    private var searchedTransfers: Int64 = 0
    private var searchedEvents: Int64 = 0
    private var searchedExchanges: Int64 = 0
    /// Events that are too old and did not fit into the slice of their `trim`.
    private var eventsBefore: Int64?
    /// The same of exchanges.
    private var exchangesBefore: Int64?
    /// The log could not be cut because a reader was at work: to be tried again after a while.
    private(set) var isBlocked = false

    init(_ database: Database, _ settings: StoreSettings) throws(StoreFailure) {
        self.database = database
        self.settings = settings
        try next()
    }

    var isPending: Bool { item != nil || eventsBefore != nil || exchangesBefore != nil }

    /// Notes, inside the group under way, what is to be removed after it.
    mutating func add(_ kind: Kind, _ target: Int64) throws(StoreFailure) {
        let statement = try database.statement("INSERT INTO removal(kind, target) VALUES(?1, ?2)", "note removal")
        statement.bind(kind.rawValue, target)
        try statement.run()
        if item == nil { try next() }
    }

    private mutating func next() throws(StoreFailure) {
        (item, searchedTransfers, searchedEvents, searchedExchanges, isBlocked) = (nil, 0, 0, 0, false)
        let find = try database.statement(
            "SELECT number, kind, target FROM removal ORDER BY number LIMIT 1", "find removal")
        defer { find.reset() }
        guard try find.step() else { return }
        guard let kind = Kind(rawValue: find.integer(1)) else { throw .damaged("find removal") }
        item = Item(number: find.integer(0), kind: kind, target: find.integer(2))
    }

    /// Does a bounded part of what is to be removed, in a transaction of its own. Throws what SQLite reports.
    mutating func slice() throws(StoreFailure) {
        if item?.kind == .log {
            isBlocked = try !database.checkpoint(cutting: true)
            if isBlocked { return }
        }
        try database.begin()
        try holdMarks()
        var budget = Budget(rows: settings.sliceRows, bytes: settings.sliceBytes)
        if let before = eventsBefore { try trimEvents(before: before, &budget) }
        if let before = exchangesBefore { try trimExchanges(before: before, &budget) }
        if let item, try remove(item, &budget) {
            let done = try database.statement("DELETE FROM removal WHERE number=?1", "end removal")
            done.bind(item.number)
            try done.run()
            try next()
        }
        try database.commit()
    }

    /// Numbers of rows that go are not given out again.
    private func holdMarks() throws(StoreFailure) {
        for mark in [Mark.transfer, .intent, .error, .event, .delivery] { try mark.hold(database) }
    }

    /// True when nothing is left of it.
    private mutating func remove(_ item: Item, _ budget: inout Budget) throws(StoreFailure) -> Bool {
        switch item.kind {
        case .transfer: try removeRows(ofTransfer: item.target, &budget)
        case .session: try removeSession(item.target, &budget)
        case .scope: try removeScope(item.target, &budget)
        case .log: true
        case .confirmed: try removeConfirmed(item.target, &budget)
        }
    }

    // MARK: Slices

    /// What is left of a slice.
    private struct Budget {
        var rows: Int
        var bytes: Int
        var isSpent: Bool { rows <= 0 || bytes <= 0 }
    }

    /// Rows of one table up to a place: counted and weighed before they are removed.
    private struct Stretch {
        var last: Int64?
        var isAll = true
    }

    private func stretch(_ find: Statement, _ budget: inout Budget) throws(StoreFailure) -> Stretch {
        defer { find.reset() }
        var stretch = Stretch()
        while try find.step() {
            if budget.isSpent {
                stretch.isAll = false
                break
            }
            stretch.last = find.integer(0)
            budget.rows -= 1
            budget.bytes -= Int(find.integer(1))
        }
        return stretch
    }

    /// Removes rows `key == target` of a table from its beginning on; true when none is left.
    private func remove(
        _ find: StaticString, _ delete: StaticString, _ target: Int64, _ budget: inout Budget
    ) throws(StoreFailure) -> Bool {
        let rows = try database.statement(find, "find rows to remove")
        rows.bind(target)
        let stretch = try stretch(rows, &budget)
        if let last = stretch.last {
            let statement = try database.statement(delete, "remove rows")
            statement.bind(target, last)
            try statement.run()
        }
        return stretch.isAll
    }

    private func removeRows(ofTransfer sequence: Int64, _ budget: inout Budget) throws(StoreFailure) -> Bool {
        for (find, delete) in Self.tablesOfTransfer {
            guard try remove(find, delete, sequence, &budget) else { return false }
        }
        return true
    }

    /// What a transfer has beside its own row: key and weight of each row, and how they are removed up to a key.
    private static let tablesOfTransfer: [(find: StaticString, delete: StaticString)] = [
        (
            "SELECT ordinal, length(data) FROM record WHERE transfer=?1 ORDER BY ordinal",
            "DELETE FROM record WHERE transfer=?1 AND ordinal<=?2"
        ),
        (
            "SELECT ordinal, length(data) FROM outcome WHERE transfer=?1 ORDER BY ordinal",
            "DELETE FROM outcome WHERE transfer=?1 AND ordinal<=?2"
        ),
        (
            "SELECT top, 0 FROM top_place WHERE transfer=?1 ORDER BY top",
            "DELETE FROM top_place WHERE transfer=?1 AND top<=?2"
        ),
        (
            "SELECT sequence, length(text) FROM error WHERE transfer=?1 ORDER BY sequence",
            "DELETE FROM error WHERE transfer=?1 AND sequence<=?2"
        ),
        (
            "SELECT number, 0 FROM part WHERE transfer=?1 ORDER BY number",
            "DELETE FROM part WHERE transfer=?1 AND number<=?2"
        ),
        (
            "SELECT ordinal, 0 FROM retried WHERE transfer=?1 ORDER BY ordinal",
            "DELETE FROM retried WHERE transfer=?1 AND ordinal<=?2"
        ),
        (
            "SELECT ordinal, length(content) FROM planned WHERE transfer=?1 ORDER BY ordinal",
            "DELETE FROM planned WHERE transfer=?1 AND ordinal<=?2"
        ),
        (
            "SELECT sequence, 0 FROM delivery WHERE transfer=?1 ORDER BY sequence",
            "DELETE FROM delivery WHERE transfer=?1 AND sequence<=?2"
        ),
    ]

    private func removeTransferRow(_ sequence: Int64) throws(StoreFailure) {
        for sql in ["DELETE FROM transfer WHERE sequence=?1", "DELETE FROM transfer_life WHERE transfer=?1"] {
            let statement = try database.composed(sql, "remove transfer")
            statement.bind(sequence)
            try statement.run()
        }
    }

    /// Rows that a slice looks at when it searches a table that has no index for what it seeks.
    private static let searchWindow: Int64 = 20_000

    private mutating func removeSession(_ session: Int64, _ budget: inout Budget) throws(StoreFailure) -> Bool {
        let lastTransfer = try database.integer("SELECT max(sequence) FROM transfer", "find last transfer")
        var windows = 1
        while searchedTransfers < lastTransfer {
            guard windows > 0, !budget.isSpent else { return false }
            let find = try database.statement(
                "SELECT sequence FROM transfer WHERE sequence>?1 AND sequence<=?2 AND session=?3 ORDER BY sequence LIMIT 1",
                "find transfer to remove")
            find.bind(searchedTransfers, searchedTransfers + Self.searchWindow, session)
            let found = try find.step() ? find.integer(0) : nil
            find.reset()
            guard let found else {
                searchedTransfers += Self.searchWindow
                windows -= 1
                continue
            }
            guard try removeRows(ofTransfer: found, &budget) else { return false }
            try removeTransferRow(found)
            searchedTransfers = found
            budget.rows -= 1
        }
        guard
            try remove(
                "SELECT sequence, 0 FROM delivery WHERE session=?1 ORDER BY sequence",
                "DELETE FROM delivery WHERE session=?1 AND sequence<=?2", session, &budget)
        else { return false }
        let lastEvent = try database.integer("SELECT max(sequence) FROM event", "find last event")
        while searchedEvents < lastEvent {
            guard windows > 0, !budget.isSpent else { return false }
            let statement = try database.statement(
                "DELETE FROM event WHERE sequence>?1 AND sequence<=?2 AND session=?3", "remove events")
            let past = searchedEvents + Int64(settings.sliceRows)
            statement.bind(searchedEvents, past, session)
            try statement.run()
            budget.rows -= settings.sliceRows / 4 + database.changes
            searchedEvents = past
        }
        return try removeExchanges(&budget)
    }

    /// Exchanges that were for nothing but transfers that are gone.
    private mutating func removeExchanges(_ budget: inout Budget) throws(StoreFailure) -> Bool {
        let last = try database.integer("SELECT max(sequence) FROM exchange", "find last exchange")
        while searchedExchanges < last {
            guard !budget.isSpent else { return false }
            let past = searchedExchanges + Int64(settings.sliceRows)
            let find = try database.statement(
                "SELECT sequence, places FROM exchange WHERE sequence>?1 AND sequence<=?2 AND last>0",
                "find exchanges to remove")
            find.bind(searchedExchanges, past)
            let rows = try find.rows { row throws(StoreFailure) in
                let found = (sequence: row.integer(), places: row.text())
                try row.end()
                return found
            }
            for row in rows {
                let transfers = Set(PlaceList.ranges(row.places)?.map(\.transfer) ?? []).sorted()
                if try ExchangeColumns.isWanted(transfers, database) { continue }
                let delete = try database.statement("DELETE FROM exchange WHERE sequence=?1", "remove exchange")
                delete.bind(row.sequence)
                try delete.run()
                budget.rows -= 1
            }
            budget.rows -= settings.sliceRows / 4 + rows.count / 4
            searchedExchanges = past
        }
        return true
    }

    private func removeScope(_ scope: Int64, _ budget: inout Budget) throws(StoreFailure) -> Bool {
        let statement = try database.statement(
            """
            DELETE FROM ledger WHERE scope=?1 AND (resource, internal_id) IN
                (SELECT resource, internal_id FROM ledger WHERE scope=?1 LIMIT ?2)
            """, "remove ledger")
        statement.bind(scope, Int64(max(1, budget.rows)))
        try statement.run()
        let removed = database.changes
        defer { budget.rows -= removed }
        return removed < max(1, budget.rows)
    }

    private func removeConfirmed(_ account: Int64, _ budget: inout Budget) throws(StoreFailure) -> Bool {
        let statement = try database.statement(
            """
            DELETE FROM confirmed WHERE account=?1 AND (resource, provider_id) IN
                (SELECT resource, provider_id FROM confirmed WHERE account=?1 LIMIT ?2)
            """, "remove confirmed states")
        // Each may have tens of kilobytes.
        let limit = max(1, min(budget.rows, 64))
        statement.bind(account, Int64(limit))
        try statement.run()
        let removed = database.changes
        budget.rows -= removed
        return removed < limit
    }

    // MARK: Retention

    /// One slice of what is older than its retention, inside the group under way; the rest of the events follows between
    /// groups.
    mutating func trim(transfersBefore: Int64, eventsBefore: Int64, limit: Int) throws(StoreFailure) {
        try holdMarks()
        var budget = Budget(rows: settings.sliceRows, bytes: settings.sliceBytes)
        try trimEvents(before: eventsBefore, &budget)
        try trimIntents(before: eventsBefore)
        try trimDeliveries(before: eventsBefore)
        budget = Budget(rows: settings.sliceRows, bytes: settings.sliceBytes)
        try trimTransfers(before: transfersBefore, limit: limit, &budget)
    }

    /// Removes the oldest events as long as they are too old or the log is too large.
    private mutating func trimEvents(before: Int64, _ budget: inout Budget) throws(StoreFailure) {
        let latest = try Mark.event.latest(database)
        let tooMany = latest - Int64(settings.eventLogBytes / Self.eventBytes)
        let find = try database.statement("SELECT sequence, time FROM event ORDER BY sequence", "find old events")
        var last: Int64?
        var isAll = true
        while try find.step() {
            guard find.integer(1) < before || find.integer(0) <= tooMany else { break }
            if budget.isSpent {
                isAll = false
                break
            }
            last = find.integer(0)
            budget.rows -= 1
        }
        find.reset()
        eventsBefore = isAll ? nil : before
        guard let last else { return }
        try Mark.trimmedEvents.lift(to: last, database)
        let delete = try database.statement("DELETE FROM event WHERE sequence<=?1", "remove old events")
        delete.bind(last)
        try delete.run()
    }

    /// One slice inside the group under way; the rest follows between groups.
    mutating func trimExchanges(before: Int64) throws(StoreFailure) {
        var budget = Budget(rows: settings.sliceRows, bytes: settings.sliceBytes)
        try trimExchanges(before: before, &budget)
    }

    private mutating func trimExchanges(before: Int64, _ budget: inout Budget) throws(StoreFailure) {
        let latest = try database.integer("SELECT max(sequence) FROM exchange", "find last exchange")
        let tooMany = latest - Int64(settings.exchangeLogBytes / ExchangeColumns.bytes)
        let find = try database.statement(
            "SELECT sequence, ended FROM exchange ORDER BY sequence", "find old exchanges")
        var last: Int64?
        exchangesBefore = nil
        while try find.step() {
            // The newest stays, for its number.
            guard find.integer(0) < latest, find.integer(1) < before || find.integer(0) <= tooMany else { break }
            if budget.isSpent {
                exchangesBefore = before
                break
            }
            last = find.integer(0)
            budget.rows -= 1
        }
        find.reset()
        guard let last else { return }
        let delete = try database.statement("DELETE FROM exchange WHERE sequence<=?1", "remove old exchanges")
        delete.bind(last)
        try delete.run()
    }

    /// Settled intents serve nobody but a look into the past. The newest stays, for its number.
    private func trimIntents(before: Int64) throws(StoreFailure) {
        let find = try database.statement(
            "SELECT id, settled FROM intent ORDER BY id LIMIT ?1", "find old intents")
        find.bind(Int64(settings.sliceRows))
        var last: Int64?
        while try find.step() {
            var row = RowReader(find)
            let (id, settled) = (row.integer(), row.optionalInteger())
            if let settled {
                if settled >= before { break }
                last = id
            }
        }
        find.reset()
        guard let last else { return }
        let delete = try database.statement(
            "DELETE FROM intent WHERE id<=?1 AND settled IS NOT NULL", "remove old intents")
        delete.bind(last)
        try delete.run()
    }

    /// Those that are finished are kept as long as events.
    private func trimDeliveries(before: Int64) throws(StoreFailure) {
        let delete = try database.statement(
            """
            DELETE FROM delivery WHERE sequence IN
                (SELECT sequence FROM delivery WHERE state<>0 AND finished<?1 ORDER BY finished LIMIT ?2)
            """, "remove old deliveries")
        delete.bind(before, Int64(settings.sliceRows))
        try delete.run()
    }

    /// Results outlive their events (K13) and the deliveries that are made of them, whatever the two limits are. Identifiers grow with the time of acceptance, so
    /// that their index leads to the oldest transfers; a transfer cannot have completed before it was accepted.
    private mutating func trimTransfers(before: Int64, limit: Int, _ budget: inout Budget) throws(StoreFailure) {
        let oldestEvent = try database.integer(
            "SELECT coalesce((SELECT time FROM event ORDER BY sequence LIMIT 1), 9223372036854775807)",
            "find oldest event")
        let find = try database.statement(
            """
            SELECT sequence FROM transfer t WHERE id<?1 AND completed<?2 AND completed<?3
                AND NOT EXISTS (SELECT 1 FROM delivery d WHERE d.transfer=t.sequence AND d.state=0) ORDER BY id LIMIT ?4
            """, "find old transfers")
        var binder = RowBinder(find)
        binder.put(Identifier(high: UInt64(clamping: before) << 16, low: 0))
        binder.put(before)
        binder.put(oldestEvent)
        binder.put(Int64(limit))
        var sequences: [Int64] = []
        while try find.step() { sequences.append(find.integer(0)) }
        find.reset()
        if sequences.isEmpty { return }
        for sequence in sequences {
            if budget.isSpent { break }
            if try !removeRows(ofTransfer: sequence, &budget) { try add(.transfer, sequence) }
            try removeTransferRow(sequence)
            budget.rows -= 1
        }
    }
}
