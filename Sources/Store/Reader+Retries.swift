import PushCore

// What is looked up for pushing records again, and for settling doubt.

extension Reader {
    /// Records that one query looks at, but never less than one tree.
    private static let retryWindow = 2_000

    func retryable(
        of transfer: Int64, after: Int32, _ selection: RetrySelection, bytes: Int
    ) throws(StoreFailure) -> Answer {
        let find = try database.composed(
            """
            SELECT \(Self.recordColumns) FROM record r WHERE r.transfer=?1 AND r.ordinal>?2 ORDER BY r.ordinal
            """, "read records to retry")
        find.bind(transfer, Int64(after))
        defer { find.reset() }
        var rows: [ResultRow] = []
        var tree: [ResultRow] = []
        var (looked, size, through) = (0, 0, after)
        var hasFailed = false
        while try find.step() {
            var row = RowReader(find)
            let record = try RecordRow.read(&row)
            looked += 1
            guard var outcome = try outcome(at: record.place) else { throw .damaged("read outcome") }
            outcome.data = []
            if selection.takes(outcome.kind, at: record.place.ordinal) { hasFailed = true }
            tree.append(ResultRow(record: record, outcome: outcome))
            guard record.parent < 0 else { continue }
            if hasFailed {
                size += tree.reduce(0) { $0 + $1.record.data.count + 64 }
                rows += tree
            }
            (tree, hasFailed, through) = ([], false, record.place.ordinal)
            if looked >= Self.retryWindow || size >= bytes {
                return .retryable(rows, examinedThrough: through, isLast: false)
            }
        }
        return .retryable(rows, examinedThrough: through, isLast: true)
    }

    func unresolved(
        of transfer: Int64, index: Int32?, internalID: String?, limit: Int
    ) throws(StoreFailure) -> Answer {
        let find = try database.composed(
            ErrorRow.select + """
                 WHERE e.transfer=?1 AND e.code='outcome_unknown' AND (?2 IS NULL OR e.top=?2)
                    AND (?3 IS NULL OR e.internal_id=?3) AND e.resolved=?4 ORDER BY e.sequence LIMIT ?5
                """, "read unresolved errors")
        func rows(resolved: Bool, _ limit: Int) throws(StoreFailure) -> [ErrorRow] {
            var binder = RowBinder(find)
            binder.put(transfer)
            binder.put(index.map(Int64.init))
            binder.put(internalID)
            binder.put(resolved)
            binder.put(Int64(limit))
            return try find.rows(ErrorRow.read)
        }
        let open = try rows(resolved: false, limit)
        var isKnown = !open.isEmpty
        if !isKnown { isKnown = try !rows(resolved: true, 1).isEmpty }
        let count = try database.statement(
            "SELECT count(*) FROM error WHERE transfer=?1 AND code='outcome_unknown' AND resolved=0",
            "count unresolved errors")
        count.bind(transfer)
        let remaining = try count.rows { row throws(StoreFailure) in Int(row.integer()) }.first ?? 0
        return .unresolved(open, isKnown: isKnown, remaining: remaining)
    }
}
