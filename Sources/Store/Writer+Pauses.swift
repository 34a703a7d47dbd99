import PushCore

// Accounts that are paused, and what of a transfer or of its errors follows from how its account fares.

extension Writer {
    func save(_ row: PauseRow) throws(StoreFailure) {
        let account = try number(of: row.account)
        var binder = RowBinder(try database.statement("REPLACE INTO pause VALUES(?1, ?2, ?3, ?4)", "write pause"))
        binder.put(account)
        binder.put(Int64(row.reason.rawValue))
        binder.put(row.since)
        binder.put(row.told.map(\.text).joined(separator: ","))
        try binder.run()
        rows += 1
    }

    func remove(pauseOf key: AccountKey) throws(StoreFailure) {
        let account = try number(of: key)
        let statement = try database.statement("DELETE FROM pause WHERE account=?1", "remove pause")
        statement.bind(account)
        try statement.run()
        rows += 1
    }

    /// A transfer that was cancelled before was cancelled by its caller, and stays so.
    func abort(_ sequence: Int64, at time: Int64) throws(StoreFailure) {
        let statement = try database.statement(
            """
            UPDATE transfer_life SET cancelled=?2, aborted=1 WHERE transfer=?1 AND cancelled IS NULL
                AND EXISTS (SELECT 1 FROM transfer WHERE sequence=?1 AND completed IS NULL)
            """, "abort transfer")
        statement.bind(sequence, time)
        try statement.run()
        rows += 1
    }

    /// New credentials: what the old ones failed at is dealt with (D35).
    func resolve(authenticationOf key: AccountKey) throws(StoreFailure) {
        let account = try number(of: key)
        let statement = try database.statement(
            """
            UPDATE error SET resolved=1 WHERE resolved=0 AND kind='authentication'
                AND session IN (SELECT number FROM session WHERE account=?1)
            """, "resolve errors of account")
        statement.bind(account)
        try statement.run()
        rows += 1
    }
}

extension PauseRow {
    static let select = """
        SELECT a.provider, a.name, p.reason, p.since, p.told
        FROM pause p JOIN account a ON a.number=p.account ORDER BY p.account
        """

    static func read(_ row: inout RowReader) throws(StoreFailure) -> PauseRow {
        let account = AccountKey(provider: row.text(), name: row.text())
        let reason = UInt8(exactly: row.integer()).flatMap { PauseReason(rawValue: $0) }
        let (since, words) = (row.integer(), row.text().split(separator: ","))
        let told = words.compactMap { Identifier(text: String($0)) }
        if reason == nil || told.count != words.count { row.reject() }
        try row.end()
        return PauseRow(account: account, reason: reason ?? .unavailable, since: since, told: told)
    }
}
