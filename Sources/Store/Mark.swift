/// A number that outlives the rows that it was taken from.
enum Mark: String {
    /// Random name of the store, made with it (K26).
    case storeID = "store_id"
    /// Highest sequences that were ever given out, as far as their rows are gone: they are never used again, because
    /// cursors and idempotency keys rest on them.
    case transfer
    case intent
    case error
    case event
    case delivery
    /// Every event up to this one was removed for its age. Events of deleted sessions do not count: they leave no gap.
    case trimmedEvents = "trimmed_events"

    /// Throws what SQLite reports.
    func read(_ database: Database) throws(StoreFailure) -> Int64? {
        let statement = try database.statement("SELECT value FROM meta WHERE name=?1", "read mark")
        var binder = RowBinder(statement)
        binder.put(rawValue)
        defer { statement.reset() }
        guard try statement.step() else { return nil }
        var row = RowReader(statement)
        let value = row.integer()
        try row.end()
        return value
    }

    /// Lifts the mark to `value`; never lowers it.
    func lift(to value: Int64, _ database: Database) throws(StoreFailure) {
        var binder = RowBinder(
            try database.statement(
                """
                INSERT INTO meta(name, value) VALUES(?1, ?2)
                ON CONFLICT(name) DO UPDATE SET value=max(value, excluded.value)
                """, "lift mark"))
        binder.put(rawValue)
        binder.put(value)
        try binder.run()
    }

    /// The highest sequence that was ever given out.
    func latest(_ database: Database) throws(StoreFailure) -> Int64 {
        let present: Int64 =
            switch self {
            case .transfer:
                // A plan has the number of the transfer that it may become.
                max(
                    try database.integer("SELECT max(sequence) FROM transfer", "find last transfer"),
                    try database.integer("SELECT max(sequence) FROM plan", "find last plan"))
            case .intent: try database.integer("SELECT max(id) FROM intent", "find last intent")
            case .error: try database.integer("SELECT max(sequence) FROM error", "find last error")
            case .event: try database.integer("SELECT max(sequence) FROM event", "find last event")
            case .delivery: try database.integer("SELECT max(sequence) FROM delivery", "find last delivery")
            case .storeID, .trimmedEvents: 0
            }
        return max(present, try read(database) ?? 0)
    }

    /// To be called before rows are removed: keeps their numbers from being given out again.
    func hold(_ database: Database) throws(StoreFailure) {
        let latest = try latest(database)
        if try read(database) ?? 0 < latest { try lift(to: latest, database) }
    }
}
