import PushCore

// What accounts show to their providers. The store sees names and what is sealed, nothing else.

extension Writer {
    func save(_ row: CredentialRow) throws(StoreFailure) {
        let account = try number(of: row.account)
        var binder = RowBinder(
            try database.statement("REPLACE INTO credential VALUES(?1, ?2, ?3, ?4)", "write credential"))
        binder.put(account)
        binder.put(row.name)
        binder.put(row.sealed)
        binder.put(row.changed)
        try binder.run()
        rows += 1
    }

    func remove(credentialOf key: AccountKey) throws(StoreFailure) {
        let account = try number(of: key)
        var binder = RowBinder(
            try database.statement("DELETE FROM credential WHERE account=?1", "remove credential"))
        binder.put(account)
        try binder.run()
        rows += 1
    }
}

extension CredentialRow {
    static let select = """
        SELECT a.provider, a.name, c.name, c.sealed, c.changed
        FROM credential c JOIN account a ON a.number=c.account ORDER BY c.account
        """

    static func read(_ row: inout RowReader) throws(StoreFailure) -> CredentialRow {
        let credential = CredentialRow(
            account: AccountKey(provider: row.text(), name: row.text()), name: row.optionalText(), sealed: row.bytes(),
            changed: row.integer())
        try row.end()
        return credential
    }
}
