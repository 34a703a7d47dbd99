import PushCore

// One record with all that is known of it, and how it is found.

extension Reader {
    func explained(_ place: RecordPlace) throws(StoreFailure) -> ExplainedRow? {
        let find = try database.composed(
            TransferRow.select + " WHERE t.sequence=?1 AND t.arrived>0", "read transfer")
        find.bind(place.transfer)
        guard let transfer = try find.rows(TransferRow.read).first,
            let record = try record(at: place, keepingData: true)
        else { return nil }
        let ordinal = Int64(place.ordinal)
        var parent: RecordRow?
        if record.parent >= 0 {
            parent = try self.record(
                at: RecordPlace(transfer: place.transfer, ordinal: record.parent), keepingData: false)
        }
        var children: [ExplainedRow.Relative] = []
        if record.children > 0 {
            let find = try database.composed(
                """
                SELECT \(Self.recordColumns) FROM record r
                WHERE r.transfer=?1 AND r.ordinal>=?2 AND r.ordinal<?3 AND r.parent=?3 ORDER BY r.ordinal
                """, "read associated records")
            find.bind(place.transfer, ordinal - Int64(record.descendants), ordinal)
            let rows = try find.rows { row throws(StoreFailure) in try RecordRow.read(&row, keepingData: false) }
            for row in rows {
                children.append(ExplainedRow.Relative(record: row, outcome: try outcome(at: row.place)))
            }
        }
        let errors = try database.composed(
            ErrorRow.select + " WHERE e.transfer=?1 AND e.ordinal=?2 ORDER BY e.sequence", "read errors of record")
        errors.bind(place.transfer, ordinal)
        return ExplainedRow(
            transfer: transfer, record: record, outcome: try decidedOutcome(at: place), parent: parent,
            children: children, errors: try errors.rows(ErrorRow.read))
    }

    private func decidedOutcome(at place: RecordPlace) throws(StoreFailure) -> OutcomeRow? {
        guard var outcome = try outcome(at: place) else { return nil }
        let find = try database.statement(
            "SELECT decision FROM outcome WHERE transfer=?1 AND ordinal=?2", "read decision")
        find.bind(place.transfer, Int64(place.ordinal))
        let text = try find.rows { row throws(StoreFailure) in row.optionalText() }.first ?? nil
        outcome.decision = text.flatMap(DecisionReason.init)
        return outcome
    }

    func top(_ index: Int32, of transfer: Int64) throws(StoreFailure) -> RecordPlace? {
        guard index >= 0,
            let ordinal = try ordinal(ofTop: Int64(index), transfer, firstMoved: try firstMoved(transfer)),
            let record = try record(at: RecordPlace(transfer: transfer, ordinal: ordinal), keepingData: false),
            record.index == index, record.parent < 0
        else { return nil }
        return record.place
    }

    // MARK: Finding

    /// Records that one answer looks at.
    private static let searchStretch = 20_000

    func found(_ search: RecordSearch, before: RecordPlace?) throws(StoreFailure) -> Answer {
        var left = Self.searchStretch
        switch search.within {
        case .transfer(let transfer):
            let before = before ?? RecordPlace(transfer: transfer, ordinal: .max)
            return try found(search.name, before: before, &left)
        case .session(let session):
            let find = try database.statement(
                """
                SELECT t.sequence FROM transfer t
                WHERE t.session=(SELECT number FROM session WHERE id=?1) AND t.arrived>0 AND t.sequence<=?2
                    AND t.sequence>?3
                ORDER BY t.sequence DESC
                """, "find transfers of session")
            // Others' transfers lie between: a stretch of numbers at a time.
            let last = try database.integer("SELECT max(sequence) FROM transfer", "find last transfer")
            let newest = before?.transfer ?? last
            let oldest = newest - Int64(Self.searchStretch)
            var binder = RowBinder(find)
            binder.put(session)
            binder.put(newest)
            binder.put(oldest)
            let transfers = try find.rows { row throws(StoreFailure) in row.integer() }
            for transfer in transfers {
                let isFirst = transfer == before?.transfer
                let from = isFirst ? before : nil
                let answer = try found(
                    search.name, before: from ?? RecordPlace(transfer: transfer, ordinal: .max), &left)
                guard case .found(let place, let next) = answer else { continue }
                if place != nil || next != nil { return answer }
                left -= 10
                if left <= 0 { return .found(nil, next: RecordPlace(transfer: transfer, ordinal: 0)) }
            }
            return .found(nil, next: oldest > 0 ? RecordPlace(transfer: oldest, ordinal: .max) : nil)
        }
    }

    /// In one transfer, from a place downwards.
    private func found(
        _ name: RecordSearch.Name, before: RecordPlace, _ left: inout Int
    ) throws(StoreFailure) -> Answer {
        let find = try database.statement(
            """
            SELECT r.ordinal, r.internal_id, r.given_id, o.provider_id FROM record r
            LEFT JOIN outcome o ON o.transfer=r.transfer AND o.ordinal=r.ordinal
            WHERE r.transfer=?1 AND r.ordinal<?2 ORDER BY r.ordinal DESC
            """, "find record")
        find.bind(before.transfer, Int64(before.ordinal))
        defer { find.reset() }
        while try find.step() {
            var row = RowReader(find)
            let place = RecordPlace(transfer: before.transfer, ordinal: row.int32())
            let (internalID, givenID, providerID) = (row.optionalText(), row.optionalText(), row.optionalText())
            try row.end()
            left -= 1
            let fits =
                switch name {
                case .internalID(let id): internalID == id
                case .providerID(let id): givenID == id || providerID == id
                }
            if fits { return .found(place, next: place) }
            if left <= 0 { return .found(nil, next: place) }
        }
        return .found(nil, next: nil)
    }
}
