import PushCore

// The log of exchanges with providers.

extension Writer {
    /// Where every transfer that it was for has gone with its session, nobody may ask for it any more.
    func insert(_ row: ExchangeRow) throws(StoreFailure) {
        let transfers = Set(row.places.map(\.transfer)).sorted()
        if !endedSessions.isEmpty, !transfers.isEmpty, try !ExchangeColumns.isWanted(transfers, database) { return }
        var binder = RowBinder(
            try database.statement(
                """
                INSERT INTO exchange VALUES(NULL, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)
                """, "write exchange"))
        binder.put(try number(of: row.account))
        binder.put(row.ended)
        binder.put(row.duration)
        binder.put(row.operation)
        binder.put(row.resource)
        binder.put(row.method)
        binder.put(row.path)
        binder.put(row.attempt)
        binder.put(row.intent)
        binder.put(transfers.first ?? 0)
        binder.put(transfers.last ?? 0)
        binder.put(PlaceList.text(row.places))
        binder.put(row.status.map(Int64.init))
        binder.put(row.phase?.rawValue)
        binder.put(row.reason)
        binder.put(Int64(row.meaning.rawValue))
        try binder.run()
        rows += 1
    }
}

/// How an exchange lies in columns.
enum ExchangeColumns {
    /// What one row takes in the file, with its share of pages: measured over 100,000 of each, 77 to 91 of the embedded
    /// provider's and 120 of HubSpot's.
    static let bytes = 120

    /// True when one of the transfers is there.
    static func isWanted(_ transfers: [Int64], _ database: Database) throws(StoreFailure) -> Bool {
        for transfer in transfers {
            let find = try database.statement("SELECT 1 FROM transfer WHERE sequence=?1", "find transfer of exchange")
            find.bind(transfer)
            let isThere = try find.step()
            find.reset()
            if isThere { return true }
        }
        return false
    }

    /// The columns that `read` takes, of `exchange`.
    static let select = """
        SELECT sequence, ended, duration, operation, resource, method, path, attempt, intent, places, status, phase,
            reason, meaning FROM exchange
        """

    /// `account` was asked for.
    static func read(_ row: inout RowReader, _ account: AccountKey) throws(StoreFailure) -> ExchangeRow {
        let (sequence, ended, duration) = (row.integer(), row.integer(), row.integer())
        var exchange = ExchangeRow(
            account: account, ended: ended, duration: duration, operation: row.text(), resource: row.text(),
            method: row.text(), path: row.text(), attempt: row.int32(), intent: row.integer(), places: [],
            meaning: .unknown)
        exchange.sequence = sequence
        let places = PlaceList.places(row.text())
        if places == nil { row.reject() }
        exchange.places = places ?? []
        exchange.status = row.optionalInteger().map { Int(clamping: $0) }
        let phase = row.optionalText()
        exchange.phase = phase.flatMap(ExchangeOutcome.Phase.init)
        if phase != nil && exchange.phase == nil { row.reject() }
        exchange.reason = row.text()
        let meaning = UInt8(exactly: row.integer()).flatMap { ExchangeRow.Meaning(rawValue: $0) }
        if meaning == nil { row.reject() }
        exchange.meaning = meaning ?? .unknown
        try row.end()
        return exchange
    }
}
