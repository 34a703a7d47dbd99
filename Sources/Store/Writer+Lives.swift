import PushCore

// What happens to a transfer beside being pushed and running to its end.

extension Writer {
    /// Most transfers have nothing to be kept here.
    func insert(_ life: TransferLife, of sequence: Int64) throws(StoreFailure) {
        guard life != TransferLife() else { return }
        var binder = RowBinder(
            try database.statement(
                """
                INSERT INTO transfer_life(
                    transfer, cancelled, retry_of, retry_of_id, parts, touched, sample, webhooks, retry_window,
                    abort_rejects, abort_share, aborted)
                VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
                """, "write life of transfer"))
        binder.put(sequence)
        life.put(into: &binder)
        try binder.run()
        rows += 1
    }

    /// A transfer that has completed, or whose session is gone, has nothing left to be cancelled.
    func cancel(_ sequence: Int64, at time: Int64) throws(StoreFailure) {
        let statement = try database.statement(
            """
            INSERT INTO transfer_life(transfer, cancelled, sample)
                SELECT sequence, ?2, 0 FROM transfer WHERE sequence=?1 AND completed IS NULL
            ON CONFLICT(transfer) DO UPDATE SET cancelled=coalesce(cancelled, excluded.cancelled)
            """, "cancel transfer")
        statement.bind(sequence, time)
        try statement.run()
        rows += 1
    }
}

extension Writer {
    func save(examples text: [UInt8], of session: Identifier, key: String) throws(StoreFailure) {
        guard let session = try number(of: session) else { return }
        var binder = RowBinder(
            try database.statement("REPLACE INTO example VALUES(?1, ?2, ?3)", "write examples"))
        binder.put(session)
        binder.put(key)
        binder.put(text)
        try binder.run()
        rows += 1
    }
}

// MARK: Retries and errors

extension Writer {
    func size(_ sequence: Int64, records: Int32, all: Int32) throws(StoreFailure) {
        guard endedArrivals.isEmpty || !endedArrivals.contains(sequence) else { return }
        let sizes = try database.statement(
            "UPDATE transfer SET records=?2, all_records=?3 WHERE sequence=?1", "size transfer")
        sizes.bind(sequence, Int64(records), Int64(all))
        try sizes.run()
        rows += 1
        guard database.changes == 1 else { throw StoreFailure(.constraint, operation: "size transfer") }
    }

    func insert(_ shift: RetryShift, of transfer: Int64) throws(StoreFailure) {
        guard endedArrivals.isEmpty || !endedArrivals.contains(transfer) else { return }
        let statement = try database.statement("INSERT INTO retried VALUES(?1, ?2, ?3)", "write origin of records")
        statement.bind(transfer, Int64(shift.ordinal), Int64(shift.shift))
        try statement.run()
        rows += 1
    }

    /// A retry may be one of a retry: the way back ends at a transfer that is none, or was removed.
    func resolveOrigins(of place: RecordPlace) throws(StoreFailure) {
        var place = place
        while let origin = try origin(of: place) {
            try resolve(origin)
            place = origin
        }
    }

    private func origin(of place: RecordPlace) throws(StoreFailure) -> RecordPlace? {
        let find = try database.statement(
            """
            SELECT l.retry_of, r.shift FROM transfer_life l JOIN retried r ON r.transfer=l.transfer
            WHERE l.transfer=?1 AND l.retry_of IS NOT NULL AND r.ordinal<=?2 ORDER BY r.ordinal DESC LIMIT 1
            """, "find origin of record")
        find.bind(place.transfer, Int64(place.ordinal))
        defer { find.reset() }
        guard try find.step() else { return nil }
        return RecordPlace(transfer: find.integer(0), ordinal: place.ordinal + Int32(clamping: find.integer(1)))
    }

    func resolve(_ place: RecordPlace) throws(StoreFailure) {
        let statement = try database.statement(
            "UPDATE error SET resolved=1 WHERE transfer=?1 AND ordinal=?2 AND resolved=0", "resolve error")
        statement.bind(place.transfer, Int64(place.ordinal))
        try statement.run()
        rows += 1
    }

    func replace(_ row: OutcomeRow) throws(StoreFailure) {
        var binder = RowBinder(
            try database.statement(
                """
                REPLACE INTO outcome VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9,
                    coalesce(?10, (SELECT decision FROM outcome WHERE transfer=?1 AND ordinal=?2)))
                """, "replace outcome"))
        row.put(into: &binder)
        binder.put(row.decision?.text)
        try binder.run()
        rows += 1
    }
}

// MARK: Parts

extension Writer {
    /// Transfers that a start finds open, with the number of their session.
    static func open(_ database: Database) throws(StoreFailure) -> [(Int64, Int64)] {
        try database.rows(
            "SELECT sequence, session FROM transfer WHERE completed IS NULL AND arrived=0", "find open transfers"
        ) {
            row throws(StoreFailure) in (row.integer(), row.integer())
        }
    }

    func insert(_ row: PartRow) throws(StoreFailure) {
        guard endedArrivals.isEmpty || !endedArrivals.contains(row.transfer) else { return }
        var binder = RowBinder(
            try database.statement("INSERT INTO part VALUES(?1, ?2, ?3, ?4, ?5)", "write part"))
        binder.put(row.transfer)
        binder.put(row.number)
        binder.put(row.hash)
        binder.put(row.records)
        binder.put(row.allRecords)
        try binder.run()
        try size(row.transfer, records: row.records, all: row.allRecords)
        let life = try database.statement(
            "UPDATE transfer_life SET parts=?2, touched=?3 WHERE transfer=?1", "count parts")
        life.bind(row.transfer, Int64(row.number) + 1, row.time)
        try life.run()
        rows += 3
    }

    /// The rows go in slices (`Removal`); the transfer stays, empty, as the answer to whoever asks what became of it.
    func dropParts(_ sequence: Int64, at time: Int64) throws(StoreFailure) {
        guard arriving.removeValue(forKey: sequence) != nil else { return }
        let row = try database.statement(
            "UPDATE transfer SET records=0, all_records=0, arrived=?2 WHERE sequence=?1 AND arrived=0", "drop parts")
        row.bind(sequence, try nextArrival())
        try row.run()
        try cancel(sequence, at: time)
        try removal.add(.transfer, sequence)
        rows += 3
    }

    func expireParts(_ sequence: Int64) throws(StoreFailure) {
        guard arriving.removeValue(forKey: sequence) != nil else { return }
        try Mark.transfer.hold(database)
        for sql in ["DELETE FROM transfer WHERE sequence=?1", "DELETE FROM transfer_life WHERE transfer=?1"] {
            let statement = try database.composed(sql, "remove transfer")
            statement.bind(sequence)
            try statement.run()
        }
        try removal.add(.transfer, sequence)
        rows += 3
    }
}

extension TransferLife {
    func put(into binder: inout RowBinder) {
        binder.put(cancelled)
        binder.put(retryOf?.sequence)
        if let origin = retryOf { binder.put(origin.id) } else { binder.putNothing() }
        binder.put(parts.map(Int64.init))
        binder.put(touched)
        binder.put(isSample)
        binder.put(webhooks?.text ?? [])
        binder.put(retryWindow)
        binder.put(abortIf?.rejects.map(Int64.init))
        binder.put(abortIf?.hundredths.map(Int64.init))
        binder.put(isAborted)
    }

    /// All columns are null when the transfer has no row of its life; `sample` comes first and tells.
    init(reading row: inout RowReader) {
        self.init()
        isSample = row.optionalInteger() == 1
        cancelled = row.optionalInteger()
        let (origin, id) = (row.optionalInteger(), row.optionalIdentifier())
        if let origin, let id { retryOf = Origin(sequence: origin, id: id) }
        parts = row.optionalInteger().map { Int32(clamping: $0) }
        touched = row.optionalInteger()
        webhooks = WebhookRoutes(text: row.optionalBytes() ?? [])
        retryWindow = row.optionalInteger()
        abortIf = AbortRule(
            rejects: row.optionalInteger().map { Int32(clamping: $0) },
            hundredths: row.optionalInteger().map { Int32(clamping: $0) })
        isAborted = row.optionalInteger() == 1
    }
}
