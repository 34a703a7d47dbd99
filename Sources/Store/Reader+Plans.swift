import PushCore

// Plans and what was planned.

extension Reader {
    /// Nil unless it is ready.
    func plan(id: Identifier) throws(StoreFailure) -> PlanRow? {
        let find = try database.statement(
            """
            SELECT p.sequence, p.id, s.id, p.revision, p.schema_key, p.records, p.all_records, p.disable_upsert,
                p.options, p.created, p.ready, p.counts, p.calls, p.duration, p.applied
            FROM plan p JOIN session s ON s.number=p.session WHERE p.id=?1 AND p.ready=1
            """, "read plan")
        var binder = RowBinder(find)
        binder.put(id)
        return try find.rows(PlanRow.read).first
    }

    func isPlanned(_ transfer: Int64) throws(StoreFailure) -> Bool {
        let find = try database.statement(
            "SELECT EXISTS(SELECT 1 FROM planned WHERE transfer=?1)", "look for planned records")
        find.bind(transfer)
        return try find.rows { row throws(StoreFailure) in row.flag() }.first ?? false
    }

    func plannedRow(at place: RecordPlace) throws(StoreFailure) -> PlannedRow? {
        let find = try database.statement(
            """
            SELECT transfer, ordinal, batch, batch_size, action, follows, state, provider_id, content, sum FROM planned
            WHERE transfer=?1 AND ordinal=?2
            """, "read planned record")
        find.bind(place.transfer, Int64(place.ordinal))
        return try find.rows(PlannedRow.read).first
    }

    func planned(
        of sequence: Int64, from offset: Int, _ allowance: Allowance
    ) throws(StoreFailure) -> [PlannedResult] {
        var allowance = allowance
        let count = try database.statement("SELECT records FROM plan WHERE sequence=?1", "read plan")
        count.bind(sequence)
        let records = try count.rows { row throws(StoreFailure) in row.integer() }.first ?? 0
        let firstMoved = try firstMoved(sequence)
        var results: [PlannedResult] = []
        for index in Int64(max(0, offset))..<max(records, Int64(max(0, offset))) {
            guard allowance.rows > 0 else { break }
            guard let ordinal = try ordinal(ofTop: index, sequence, firstMoved: firstMoved),
                let top = try record(at: RecordPlace(transfer: sequence, ordinal: ordinal), keepingData: false)
            else { throw .damaged("find place of record") }
            let result = PlannedResult(rows: try items(of: top))
            let size = result.rows.reduce(0) { $0 + $1.planned.content.count }
            guard allowance.take(bytes: size, isFirst: results.isEmpty) else { break }
            results.append(result)
        }
        return results
    }

    /// A top-level record with everything below it, children first.
    private func items(of top: RecordRow) throws(StoreFailure) -> [PlannedResult.Item] {
        var items: [PlannedResult.Item] = []
        for ordinal in top.place.ordinal - top.descendants...top.place.ordinal {
            let place = RecordPlace(transfer: top.place.transfer, ordinal: ordinal)
            guard let record = try record(at: place, keepingData: false), let planned = try plannedRow(at: place)
            else { throw .damaged("read planned record") }
            items.append(PlannedResult.Item(record: record, planned: planned))
        }
        return items
    }
}
