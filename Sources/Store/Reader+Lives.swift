import PushCore

// Lists of transfers, and what their lives are made of.

extension Reader {
    /// A transfer whose rows are still arriving in one push is nobody's business, unless it comes in parts.
    static let isThere = "(t.arrived>0 OR l.parts IS NOT NULL)"

    func part(of transfer: Int64, number: Int32) throws(StoreFailure) -> PartRow? {
        let find = try database.statement(
            "SELECT transfer, number, hash, records, all_records FROM part WHERE transfer=?1 AND number=?2", "read part"
        )
        find.bind(transfer, Int64(number))
        return try find.rows { row throws(StoreFailure) in
            let part = PartRow(
                transfer: row.integer(), number: row.int32(), hash: row.bytes(), records: row.int32(),
                allRecords: row.int32(), time: 0)
            try row.end()
            return part
        }.first
    }

    func examples(of session: Identifier) throws(StoreFailure) -> [String: [UInt8]] {
        let find = try database.statement(
            """
            SELECT schema_key, examples FROM example WHERE session=(SELECT number FROM session WHERE id=?1)
            """, "read examples")
        var binder = RowBinder(find)
        binder.put(session)
        var examples: [String: [UInt8]] = [:]
        for (key, text) in try find.rows({ row throws(StoreFailure) in (row.text(), row.bytes()) }) {
            examples[key] = text
        }
        return examples
    }

    func transferPage(_ filter: TransferFilter, offset: Int, limit: Int) throws(StoreFailure) -> Answer {
        var terms = [Self.isThere]
        switch filter.state {
        case .open: terms += ["t.completed IS NULL", "t.arrived=0"]
        case .running: terms += ["t.completed IS NULL", "t.arrived>0"]
        case .completed: terms.append("t.completed IS NOT NULL")
        case nil: break
        }
        if filter.session != nil { terms.append("t.session=(SELECT number FROM session WHERE id=?)") }
        if filter.schemaKey != nil { terms.append("t.schema_key=?") }
        let condition = " WHERE " + terms.joined(separator: " AND ")
        let total = try database.composed(
            """
            SELECT count(*) FROM transfer t JOIN session s ON s.number=t.session
                LEFT JOIN transfer_life l ON l.transfer=t.sequence
            """ + condition, "count transfers")
        _ = bind(filter, total)
        let number = try total.rows { row throws(StoreFailure) in Int(row.integer()) }.first ?? 0
        let find = try database.composed(
            TransferRow.select + condition + " ORDER BY t.sequence DESC LIMIT ? OFFSET ?", "list transfers")
        var binder = bind(filter, find)
        binder.put(Int64(max(0, limit)))
        binder.put(Int64(max(0, offset)))
        return .transferPage(try find.rows(TransferRow.read), total: number)
    }

    private func bind(_ filter: TransferFilter, _ statement: Statement) -> RowBinder {
        var binder = RowBinder(statement)
        if let session = filter.session { binder.put(session) }
        if let key = filter.schemaKey { binder.put(key) }
        return binder
    }
}
