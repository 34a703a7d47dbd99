import PushCore

// The log of exchanges. It has no index beside the order of its rows, which is that of their ends: whoever seeks by time
// halves the log until he is there, and looks at a bounded stretch from then on.

extension Reader {
    /// Rows that one answer looks at.
    private static let stretch: Int64 = 20_000
    /// Rows that one answer brings.
    private static let ceiling = 1_000

    /// The last exchange before the first one that ended at or after a time; 0 when there is none. The clock may have been
    /// set back meanwhile: what ended in the hour that was gone through twice may be missed.
    private func exchange(before time: Int64) throws(StoreFailure) -> Int64 {
        let ends = try database.statement("SELECT min(sequence), max(sequence) FROM exchange", "find exchanges")
        let range = try ends.rows { row throws(StoreFailure) in (row.optionalInteger(), row.optionalInteger()) }.first
        guard let range, let first = range.0, let last = range.1 else { return 0 }
        let look = try database.statement(
            "SELECT sequence, ended FROM exchange WHERE sequence>=?1 ORDER BY sequence LIMIT 1", "find exchange")
        var (low, high) = (first, last + 1)
        while low < high {
            let middle = low + (high - low) / 2
            look.bind(middle)
            let found = try look.rows { row throws(StoreFailure) in (row.integer(), row.integer()) }.first
            if let found, found.1 < time { low = found.0 + 1 } else { high = middle }
        }
        return low - 1
    }

    private func lastExchange() throws(StoreFailure) -> Int64 {
        try database.integer("SELECT max(sequence) FROM exchange", "find last exchange")
    }

    private func number(of account: AccountKey) throws(StoreFailure) -> Int64? {
        let find = try database.statement(
            "SELECT number FROM account WHERE provider=?1 AND name=?2", "find account")
        var binder = RowBinder(find)
        binder.put(account.provider)
        binder.put(account.name)
        return try find.rows { row throws(StoreFailure) in row.integer() }.first
    }

    func exchanges(
        of place: RecordPlace, _ account: AccountKey, since: Int64, until: Int64, after: Int64
    ) throws(StoreFailure) -> Answer {
        guard let number = try number(of: account) else { return .exchanges([], examinedThrough: after, isLast: true) }
        let start = max(after, try exchange(before: since))
        let end = min(try lastExchange(), try exchange(before: until + 1))
        var through = max(start, min(end, start + Self.stretch))
        let find = try database.composed(
            ExchangeColumns.select + """
                 WHERE sequence>?1 AND sequence<=?2 AND account=?3 AND first<=?4 AND last>=?4 ORDER BY sequence
                """, "read exchanges")
        find.bind(start, through, number, place.transfer)
        var rows: [ExchangeRow] = []
        do {
            defer { find.reset() }
            while try find.step() {
                var row = RowReader(find)
                let exchange = try ExchangeColumns.read(&row, account)
                guard exchange.places.contains(place) else { continue }
                rows.append(exchange)
                guard rows.count < Self.ceiling else {
                    through = exchange.sequence
                    break
                }
            }
        }
        return .exchanges(rows, examinedThrough: through, isLast: through >= end)
    }

    /// Counted by the second.
    func exchangeCounts(of account: AccountKey, since: Int64, after: Int64) throws(StoreFailure) -> Answer {
        guard let number = try number(of: account) else {
            return .exchangeCounts([], examinedThrough: after, isLast: true)
        }
        let start = max(after, try exchange(before: since))
        let end = try lastExchange()
        let through = max(start, min(end, start + Self.stretch))
        let find = try database.statement(
            """
            SELECT operation, max(ended), count(*) FROM exchange
            WHERE sequence>?1 AND sequence<=?2 AND account=?3 AND ended>=?4
            GROUP BY operation, ended/1000 ORDER BY 2, 1
            """, "count exchanges")
        find.bind(start, through, number, since)
        let counts = try find.rows { row throws(StoreFailure) in
            let count = ExchangeCount(
                operation: row.text(), ended: row.integer(), count: Int(clamping: row.integer()))
            try row.end()
            return count
        }
        return .exchangeCounts(counts, examinedThrough: through, isLast: through >= end)
    }
}
