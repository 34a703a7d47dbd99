import PushCore

// The memory of ids: what a batch asks, and what callers take out.

extension Reader {
    /// Nil when nothing was ever remembered in the scope.
    private func number(of scope: LedgerScope) throws(StoreFailure) -> Int64? {
        let find = try database.statement(
            """
            SELECT s.number FROM account a JOIN scope s ON s.account=a.number
            WHERE a.provider=?1 AND a.name=?2 AND s.namespace=?3
            """, "find scope")
        var binder = RowBinder(find)
        binder.put(scope.account.provider)
        binder.put(scope.account.name)
        binder.put(scope.namespace)
        return try find.rows { row throws(StoreFailure) in row.integer() }.first
    }

    func known(_ scope: LedgerScope, _ resource: String, _ ids: [String]) throws(StoreFailure) -> [String: String] {
        guard let number = try number(of: scope) else { return [:] }
        let find = try database.statement(
            """
            SELECT scope, resource, internal_id, provider_id, confirmed, sum FROM ledger
            WHERE scope=?1 AND resource=?2 AND internal_id=?3
            """, "read ledger")
        var known: [String: String] = [:]
        for id in ids {
            var binder = RowBinder(find)
            binder.put(number)
            binder.put(resource)
            binder.put(id)
            let row = try find.rows { row throws(StoreFailure) in try LedgerRow.read(&row, scope) }.first
            if let row { known[id] = row.providerID }
        }
        return known
    }

    func confirmed(
        _ scope: LedgerScope, _ resource: String, _ internalIDs: [String], _ ids: [String]
    ) throws(StoreFailure) -> Answer {
        var answer = ConfirmedAnswer(known: try known(scope, resource, internalIDs))
        let findAccount = try database.statement(
            "SELECT number FROM account WHERE provider=?1 AND name=?2", "find account")
        var binder = RowBinder(findAccount)
        binder.put(scope.account.provider)
        binder.put(scope.account.name)
        let number = try findAccount.rows { row throws(StoreFailure) in row.integer() }.first
        guard let number else { return .confirmed(answer) }
        let find = try database.statement(
            "SELECT confirmed, state FROM confirmed WHERE account=?1 AND resource=?2 AND provider_id=?3",
            "read confirmed state")
        var asked: Set<String> = []
        for id in ids + internalIDs.compactMap({ answer.known[$0] }) where asked.insert(id).inserted {
            var binder = RowBinder(find)
            binder.put(number)
            binder.put(resource)
            binder.put(id)
            answer.rows += try find.rows { row throws(StoreFailure) in
                let state = ConfirmedRow(
                    account: scope.account, resource: resource, providerID: id, confirmed: row.integer(),
                    state: row.bytes())
                try row.end()
                return state
            }
        }
        return .confirmed(answer)
    }

    func holders(_ scope: LedgerScope, _ resource: String, _ ids: [String]) throws(StoreFailure) -> Answer {
        var holders: [String: [String]] = [:]
        guard let number = try number(of: scope) else { return .holders(holders) }
        let find = try database.statement(
            "SELECT internal_id FROM ledger WHERE scope=?1 AND resource=?2 AND provider_id=?3 LIMIT 3",
            "read holders")
        for id in ids {
            var binder = RowBinder(find)
            binder.put(number)
            binder.put(resource)
            binder.put(id)
            let found = try find.rows { row throws(StoreFailure) in
                let internalID = row.text()
                try row.end()
                return internalID
            }
            if !found.isEmpty { holders[id] = found }
        }
        return .holders(holders)
    }

    /// - Parameter resources: in ascending order of their bytes.
    func identities(
        _ scope: LedgerScope, _ resources: [String], after: IdentityPlace?, limit: Int
    ) throws(StoreFailure) -> Answer {
        guard let number = try number(of: scope) else { return .identities([], isLast: true) }
        let find = try database.statement(
            """
            SELECT scope, resource, internal_id, provider_id, confirmed, sum FROM ledger
            WHERE scope=?1 AND resource=?2 AND internal_id>?3 ORDER BY internal_id LIMIT ?4
            """, "read identities")
        var rows: [LedgerRow] = []
        for resource in resources where resource >= after?.resource ?? "" {
            var binder = RowBinder(find)
            binder.put(number)
            binder.put(resource)
            // No internal id is empty.
            binder.put(after.map { $0.resource == resource ? $0.internalID : "" } ?? "")
            // One more than asked for tells whether this is all.
            binder.put(Int64(limit + 1 - rows.count))
            rows += try find.rows { row throws(StoreFailure) in try LedgerRow.read(&row, scope) }
            if rows.count > limit { return .identities(Array(rows.prefix(limit)), isLast: false) }
        }
        return .identities(rows, isLast: true)
    }
}

extension LedgerRow {
    static func read(_ row: inout RowReader, _ scope: LedgerScope) throws(StoreFailure) -> LedgerRow {
        _ = row.integer()
        let ledger = LedgerRow(
            account: scope.account, namespace: scope.namespace, resource: row.text(), internalID: row.text(),
            providerID: row.text(), confirmed: row.integer())
        try row.endSealed()
        return ledger
    }
}
