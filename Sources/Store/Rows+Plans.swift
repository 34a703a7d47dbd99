import PushCore

// How plans lie in columns (see `Rows+Columns`).

extension PlannedRow {
    func put(into binder: inout RowBinder) {
        binder.put(place.transfer)
        binder.put(place.ordinal)
        binder.put(mark.batch)
        binder.put(mark.batchSize)
        binder.put(Int64(mark.action.rawValue))
        binder.put(mark.follows)
        binder.put(mark.state)
        binder.put(providerID)
        binder.put(content)
        binder.seal()
    }

    static func read(_ row: inout RowReader) throws(StoreFailure) -> PlannedRow {
        let place = RecordPlace(transfer: row.integer(), ordinal: row.int32())
        let (batch, size) = (row.int32(), row.int32())
        let action = UInt8(exactly: row.integer()).flatMap { PlanAction(rawValue: $0) }
        if action == nil { row.reject() }
        let mark = PlannedMark(
            batch: batch, batchSize: size, action: action ?? .invalid, follows: row.flag(), state: row.integer())
        let planned = PlannedRow(place: place, mark: mark, providerID: row.optionalText(), content: row.bytes())
        try row.endSealed()
        return planned
    }
}

extension PlanRow {
    func put(into binder: inout RowBinder, session: Int64) {
        binder.put(sequence)
        binder.put(id)
        binder.put(session)
        binder.put(revision)
        binder.put(schemaKey)
        binder.put(records)
        binder.put(allRecords)
        binder.put(disableUpsert)
        binder.put(options)
        binder.put(created)
        binder.put(isReady)
        binder.put(countsText)
        binder.put(PlannedCalls.text(calls))
        binder.put(duration)
        if let applied { binder.put(applied) } else { binder.putNothing() }
    }

    /// `session` was looked up with the row.
    static func read(_ row: inout RowReader) throws(StoreFailure) -> PlanRow {
        var plan = PlanRow(
            sequence: row.integer(), id: row.identifier(), session: row.identifier(), revision: row.int32(),
            schemaKey: row.text(), records: row.int32(), allRecords: row.int32(), disableUpsert: row.flag(), created: 0)
        plan.options = row.bytes()
        plan.created = row.integer()
        plan.isReady = row.flag()
        let counts = row.text().split(separator: ",").compactMap { Int32($0) }
        if counts.count != plan.counts.count { row.reject() } else { plan.counts = counts }
        guard let calls = PlannedCalls.parse(row.bytes()) else { throw .damaged("read plan") }
        plan.calls = calls
        plan.duration = row.integer()
        plan.applied = row.optionalIdentifier()
        try row.end()
        return plan
    }

    var countsText: String { counts.map { String($0) }.joined(separator: ",") }
}
