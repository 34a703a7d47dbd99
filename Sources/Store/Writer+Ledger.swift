import PushCore

// What is remembered of provider records: pairs of ids that callers bring along, and confirmed states.

extension Writer {
    func insert(_ row: LedgerRow, replacing: Bool) throws(StoreFailure) {
        guard !replacing else { return try save(row) }
        let scope = try number(of: LedgerScope(account: row.account, namespace: row.namespace))
        var binder = RowBinder(
            try database.statement(
                "INSERT INTO ledger VALUES(?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING", "write identity"))
        row.put(into: &binder, scope: scope)
        try binder.run()
        rows += 1
    }

    func save(_ row: LedgerRow) throws(StoreFailure) {
        let scope = try number(of: LedgerScope(account: row.account, namespace: row.namespace))
        var binder = RowBinder(
            try database.statement("REPLACE INTO ledger VALUES(?1, ?2, ?3, ?4, ?5, ?6)", "write ledger"))
        row.put(into: &binder, scope: scope)
        try binder.run()
        rows += 1
    }

    func save(_ row: ConfirmedRow) throws(StoreFailure) {
        let account = try number(of: row.account)
        var binder = RowBinder(
            try database.statement("REPLACE INTO confirmed VALUES(?1, ?2, ?3, ?4, ?5)", "write confirmed state"))
        row.put(into: &binder, account: account)
        try binder.run()
        confirmedAccounts[account] = true
        rows += 1
    }

    /// Costs nothing where nobody goes by the ledger.
    func remove(confirmed ids: [String], of resource: String, _ key: AccountKey) throws(StoreFailure) {
        let account = try number(of: key)
        guard try hasConfirmed(account) else { return }
        let statement = try database.statement(
            "DELETE FROM confirmed WHERE account=?1 AND resource=?2 AND provider_id=?3", "remove confirmed state")
        for id in ids {
            var binder = RowBinder(statement)
            binder.put(account)
            binder.put(resource)
            binder.put(id)
            try binder.run()
        }
        rows += ids.count
    }

    private func hasConfirmed(_ account: Int64) throws(StoreFailure) -> Bool {
        if let known = confirmedAccounts[account] { return known }
        let find = try database.statement("SELECT 1 FROM confirmed WHERE account=?1 LIMIT 1", "find confirmed state")
        find.bind(account)
        defer { find.reset() }
        let found = try find.step()
        confirmedAccounts[account] = found
        return found
    }
}

extension ConfirmedRow {
    func put(into binder: inout RowBinder, account: Int64) {
        binder.put(account)
        binder.put(resource)
        binder.put(providerID)
        binder.put(confirmed)
        binder.put(state)
    }
}
