import PushCore

// Records and their outcomes. Every row that is read is verified (K12).

extension Reader {
    static let recordColumns =
        "r.transfer, r.ordinal, r.top, r.parent, r.children, r.descendants, r.schema, r.given_id, r.internal_id, r.data, r.sum"

    func record(at place: RecordPlace, keepingData: Bool) throws(StoreFailure) -> RecordRow? {
        let find = try database.composed(
            "SELECT \(Self.recordColumns) FROM record r WHERE r.transfer=?1 AND r.ordinal=?2", "read record")
        find.bind(place.transfer, Int64(place.ordinal))
        return try find.rows { row throws(StoreFailure) in try RecordRow.read(&row, keepingData: keepingData) }.first
    }

    func outcome(at place: RecordPlace) throws(StoreFailure) -> OutcomeRow? {
        let find = try database.statement(
            """
            SELECT transfer, ordinal, kind, provider_id, basis, warnings, finished, data, sum FROM outcome
            WHERE transfer=?1 AND ordinal=?2
            """, "read outcome")
        find.bind(place.transfer, Int64(place.ordinal))
        return try find.rows(OutcomeRow.read).first
    }

    /// Direct children in the order pushed, which is the order of their ordinals.
    func children(of record: RecordRow, finishedOnly: Bool) throws(StoreFailure) -> [ResultRow.Child] {
        guard record.children > 0 else { return [] }
        let ordinal = Int64(record.place.ordinal)
        let find = try database.composed(
            """
            SELECT \(Self.recordColumns) FROM record r
            WHERE r.transfer=?1 AND r.ordinal>=?2 AND r.ordinal<?3 AND r.parent=?3 ORDER BY r.ordinal
            """, "read associated records")
        find.bind(record.place.transfer, ordinal - Int64(record.descendants), ordinal)
        let rows = try find.rows { row throws(StoreFailure) in try RecordRow.read(&row, keepingData: false) }
        var children: [ResultRow.Child] = []
        children.reserveCapacity(rows.count)
        for row in rows {
            let outcome = try outcome(at: row.place)
            if outcome == nil && finishedOnly { continue }
            children.append(
                ResultRow.Child(
                    ordinal: row.place.ordinal, schema: row.schema, kind: outcome?.kind,
                    providerID: outcome?.providerID))
        }
        return children
    }

    // MARK: Unfinished

    func unfinished(of transfer: Int64, after: Int32, limit: Int, bytes: Int) throws(StoreFailure) -> Answer {
        let find = try database.composed(
            """
            SELECT \(Self.recordColumns) FROM record r WHERE r.transfer=?1 AND r.ordinal>?2
            AND NOT EXISTS (SELECT 1 FROM outcome o WHERE o.transfer=r.transfer AND o.ordinal=r.ordinal)
            ORDER BY r.ordinal
            """, "read unfinished records")
        find.bind(transfer, Int64(after))
        var allowance = Allowance(rows: limit, bytes: bytes)
        var records: [RecordRow] = []
        var isLast = true
        do {
            defer { find.reset() }
            while try find.step() {
                var row = RowReader(find)
                let record = try RecordRow.read(&row)
                guard allowance.take(bytes: record.data.count, isFirst: records.isEmpty) else {
                    isLast = false
                    break
                }
                records.append(record)
            }
        }
        var rows: [ResultRow] = []
        rows.reserveCapacity(records.count)
        let isPlanned = try isPlanned(transfer)
        for record in records {
            var row = ResultRow(record: record, outcome: nil, children: try children(of: record, finishedOnly: true))
            if isPlanned { row.planned = try plannedRow(at: record.place)?.mark }
            rows.append(row)
        }
        return .unfinished(rows, isLast: isLast)
    }

    func records(of transfer: Int64, at ordinals: [Int32]) throws(StoreFailure) -> [ResultRow] {
        var rows: [ResultRow] = []
        rows.reserveCapacity(ordinals.count)
        for ordinal in ordinals {
            let place = RecordPlace(transfer: transfer, ordinal: ordinal)
            guard let record = try record(at: place, keepingData: true) else { continue }
            rows.append(
                ResultRow(record: record, outcome: nil, children: try children(of: record, finishedOnly: true)))
        }
        return rows
    }

    // MARK: Places of top-level records

    /// Index of the first top-level record that stands at another ordinal; nil when all stand at their index.
    func firstMoved(_ transfer: Int64) throws(StoreFailure) -> Int64? {
        let find = try database.statement("SELECT min(top) FROM top_place WHERE transfer=?1", "find place of record")
        find.bind(transfer)
        return try find.rows { row throws(StoreFailure) in row.optionalInteger() }.first ?? nil
    }

    func ordinal(ofTop index: Int64, _ transfer: Int64, firstMoved: Int64?) throws(StoreFailure) -> Int32? {
        guard let firstMoved, index >= firstMoved else { return Int32(exactly: index) }
        let find = try database.statement(
            "SELECT ordinal FROM top_place WHERE transfer=?1 AND top=?2", "find place of record")
        find.bind(transfer, index)
        return try find.rows { row throws(StoreFailure) in row.int32() }.first
    }

    func finished(of transfer: Int64, from index: Int32) throws(StoreFailure) -> [FinishedRecord] {
        let firstMoved = try firstMoved(transfer)
        let atIndex = try database.statement(
            """
            SELECT transfer, ordinal, kind, provider_id, basis, warnings, finished, data, sum FROM outcome
            WHERE transfer=?1 AND ordinal>=?2 AND ordinal<?3 ORDER BY ordinal
            """, "read outcomes")
        atIndex.bind(transfer, Int64(index), firstMoved ?? .max)
        var finished = try atIndex.rows { row throws(StoreFailure) in
            let (outcome, bytes) = try OutcomeRow.readSize(&row)
            return FinishedRecord(index: outcome.place.ordinal, bytes: Int32(clamping: bytes), kind: outcome.kind)
        }
        guard firstMoved != nil else { return finished }
        let moved = try database.statement(
            """
            SELECT o.transfer, o.ordinal, o.kind, o.provider_id, o.basis, o.warnings, o.finished, o.data, o.sum, p.top
            FROM top_place p JOIN outcome o ON o.transfer=p.transfer AND o.ordinal=p.ordinal
            WHERE p.transfer=?1 AND p.top>=?2 ORDER BY p.top
            """, "read outcomes")
        moved.bind(transfer, Int64(index))
        finished += try moved.rows { row throws(StoreFailure) in
            let (outcome, bytes) = try OutcomeRow.readSize(&row)
            return FinishedRecord(index: row.int32(), bytes: Int32(clamping: bytes), kind: outcome.kind)
        }
        return finished
    }

    // MARK: Results

    func results(
        of transfer: Int64, schema: Int16?, from offset: Int, _ allowance: Allowance
    ) throws(StoreFailure) -> Answer {
        let find = try database.statement(
            """
            SELECT t.records, t.completed IS NOT NULL FROM transfer t JOIN session s ON s.number=t.session
            WHERE t.sequence=?1 AND t.arrived>0
            """, "read transfer")
        find.bind(transfer)
        let head = try find.rows { row throws(StoreFailure) in (records: row.integer(), isOver: row.flag()) }.first
        guard let head else { return .results([], total: 0) }
        var allowance = allowance
        if let schema {
            let ordinals = try listing(of: transfer, schema: schema, isOver: head.isOver)
            let places = ordinals.dropFirst(max(0, offset)).lazy.map { RecordPlace(transfer: transfer, ordinal: $0) }
            return .results(try rows(at: places, isOver: head.isOver, &allowance), total: ordinals.count)
        }
        let range = Int64(max(0, offset))..<max(head.records, Int64(max(0, offset)))
        return .results(try top(range, of: transfer, isOver: head.isOver, &allowance), total: Int(head.records))
    }

    /// Top-level records as far as they fit. Their own data, which nobody delivers, is left out. With `isOver` a record
    /// without an outcome is damage.
    func top(
        _ range: Range<Int64>, of transfer: Int64, isOver: Bool, _ allowance: inout Allowance
    ) throws(StoreFailure) -> [ResultRow] {
        let firstMoved = try firstMoved(transfer)
        var rows: [ResultRow] = []
        for index in range {
            guard allowance.rows > 0 else { break }
            guard let ordinal = try ordinal(ofTop: index, transfer, firstMoved: firstMoved) else {
                throw .damaged("find place of record")
            }
            let place = RecordPlace(transfer: transfer, ordinal: ordinal)
            guard let row = try result(at: place, isOver: isOver, &allowance, isFirst: rows.isEmpty) else { break }
            // The table of places is not summed; a record that is not the one sought says as much.
            guard Int64(row.record.index) == index, row.record.parent < 0 else {
                throw .damaged("find place of record")
            }
            rows.append(row)
        }
        return rows
    }

    private func rows(
        at places: some Sequence<RecordPlace>, isOver: Bool, _ allowance: inout Allowance
    ) throws(StoreFailure) -> [ResultRow] {
        var rows: [ResultRow] = []
        for place in places {
            guard allowance.rows > 0,
                let row = try result(at: place, isOver: isOver, &allowance, isFirst: rows.isEmpty)
            else { break }
            rows.append(row)
        }
        return rows
    }

    /// Nil when it does not fit any more. Throws `damaged` when a record or an outcome is not there that must be.
    private func result(
        at place: RecordPlace, isOver: Bool, _ allowance: inout Allowance, isFirst: Bool
    ) throws(StoreFailure) -> ResultRow? {
        guard let record = try record(at: place, keepingData: false) else { throw .damaged("read record") }
        let outcome = try outcome(at: place)
        if isOver && outcome == nil { throw .damaged("read outcome") }
        guard allowance.take(bytes: outcome?.data.count ?? 0, isFirst: isFirst) else { return nil }
        return ResultRow(record: record, outcome: outcome, children: try children(of: record, finishedOnly: false))
    }

    // MARK: Associated records

    /// Ordinals of the associated records of one schema, each provider record once.
    struct Listing {
        var transfer: Int64
        var schema: Int16
        var ordinals: [Int32]
    }

    /// In first-seen order. Records that have no provider record are all listed.
    private func listing(of transfer: Int64, schema: Int16, isOver: Bool) throws(StoreFailure) -> [Int32] {
        if let listing, listing.transfer == transfer, listing.schema == schema { return listing.ordinals }
        let find = try database.statement(
            """
            SELECT r.ordinal, o.provider_id FROM record r
            LEFT JOIN outcome o ON o.transfer=r.transfer AND o.ordinal=r.ordinal
            WHERE r.transfer=?1 AND r.schema=?2 AND r.parent>=0 ORDER BY r.ordinal
            """, "list associated records")
        find.bind(transfer, Int64(schema))
        defer { find.reset() }
        var seen: Set<String> = []
        var ordinals: [Int32] = []
        while try find.step() {
            var row = RowReader(find)
            let (ordinal, providerID) = (row.int32(), row.optionalText())
            try row.end()
            if let providerID, !seen.insert(providerID).inserted { continue }
            ordinals.append(ordinal)
        }
        // Outcomes of a completed transfer do not change, and its number is not used again.
        listing = isOver ? Listing(transfer: transfer, schema: schema, ordinals: ordinals) : nil
        return ordinals
    }
}
