import PushCore

// Calls of webhooks that are to be made, and what they are signed with.

extension Writer {
    func insert(_ row: DeliveryRow) throws(StoreFailure) {
        guard let session = try number(of: row.event.session) else { return }
        var binder = RowBinder(
            try database.statement(
                """
                INSERT INTO delivery VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17,
                    ?18, ?19, ?20, ?21)
                """, "write delivery"))
        binder.put(row.sequence)
        binder.put(row.id)
        binder.put(row.endpoint)
        binder.put(row.isConcurrent)
        binder.put(row.revision)
        row.progress.put(into: &binder)
        row.event.put(into: &binder, session: session)
        try binder.run()
        rows += 1
    }

    /// Its session may have been deleted meanwhile, and the delivery with it.
    func advance(delivery sequence: Int64, _ progress: DeliveryProgress) throws(StoreFailure) {
        var binder = RowBinder(
            try database.statement(
                """
                UPDATE delivery SET state=?1, attempts=?2, due=?3, finished=?4, status=?5, reason=?6 WHERE sequence=?7
                """, "advance delivery"))
        progress.put(into: &binder)
        binder.put(sequence)
        try binder.run()
        rows += 1
    }

    func save(webhookSecrets sealed: [UInt8], of session: Identifier) throws(StoreFailure) {
        guard let number = try number(of: session) else { return }
        var binder = RowBinder(
            try database.statement("REPLACE INTO webhook_secret VALUES(?1, ?2)", "write webhook secrets"))
        binder.put(number)
        binder.put(sealed)
        try binder.run()
        rows += 1
    }

    func deleteSecrets(of session: Int64) throws(StoreFailure) {
        let delete = try database.statement("DELETE FROM webhook_secret WHERE session=?1", "delete webhook secrets")
        delete.bind(session)
        try delete.run()
    }
}

extension Reader {
    /// Nil when the delivery, or what it is rendered from, is gone.
    func delivery(_ sequence: Int64) throws(StoreFailure) -> DeliveryContent? {
        guard let row = try deliveryRow(sequence) else { return nil }
        let isOfTransfer = row.event.transfer != 0
        let find = try database.statement(
            """
            SELECT t.revision, coalesce(l.webhooks, x'') FROM transfer t
                LEFT JOIN transfer_life l ON l.transfer=t.sequence WHERE t.sequence=?1
            """, "find webhooks of transfer")
        find.bind(row.event.transfer)
        let found = try find.rows { row throws(StoreFailure) in (revision: row.int32(), routes: row.bytes()) }.first
        guard found != nil || !isOfTransfer else { return nil }
        let (logged, _) = try complete(row.event, found?.revision ?? row.revision)
        return DeliveryContent(row: row, logged: logged, routes: found?.routes ?? [])
    }

    func deliveryRow(_ sequence: Int64) throws(StoreFailure) -> DeliveryRow? {
        let find = try database.composed(DeliveryRow.select + " WHERE d.sequence=?1", "read delivery")
        find.bind(sequence)
        return try find.rows(DeliveryRow.read).first
    }
}

extension DeliveryRow {
    /// The columns that `read` takes, of `delivery d`. A delivery whose transfer is gone is gone with it.
    static let select = """
        SELECT d.sequence, d.id, d.endpoint, d.concurrent, d.revision, d.state, d.attempts, d.due, d.finished, d.status,
            d.reason, d.event, d.time, d.kind, s.id, d.transfer, coalesce(t.id, zeroblob(12)),
            coalesce(t.schema_key, ''), d.first, d.past, d.flags, d.error, d.counts, d.revision
        FROM delivery d JOIN session s ON s.number=d.session LEFT JOIN transfer t ON t.sequence=d.transfer
        """

    static func read(_ row: inout RowReader) throws(StoreFailure) -> DeliveryRow {
        let (sequence, id, endpoint) = (row.integer(), row.identifier(), row.text())
        let (isConcurrent, revision) = (row.flag(), row.int32())
        let progress = DeliveryProgress(reading: &row)
        let (event, _) = try EventRow.read(&row)
        var delivery = DeliveryRow(
            sequence: sequence, id: id, endpoint: endpoint, isConcurrent: isConcurrent, event: event,
            revision: revision)
        delivery.progress = progress
        return delivery
    }
}

extension DeliveryProgress {
    func put(into binder: inout RowBinder) {
        binder.put(Int64(state.rawValue))
        binder.put(attempts)
        binder.put(due)
        binder.put(finished)
        binder.put(status.map(Int64.init))
        binder.put(reason)
    }

    init(reading row: inout RowReader) {
        self.init()
        if let state = UInt8(exactly: row.integer()).flatMap(DeliveryRow.State.init) {
            self.state = state
        } else {
            row.reject()
        }
        attempts = row.int32()
        due = row.integer()
        finished = row.optionalInteger()
        status = row.optionalInteger().map { Int32(clamping: $0) }
        reason = row.optionalText()
    }
}

extension PendingDelivery {
    static func read(_ row: inout RowReader) throws(StoreFailure) -> PendingDelivery {
        let (sequence, session, url) = (row.integer(), row.identifier(), row.text())
        let delivery = PendingDelivery(
            sequence: sequence, key: EndpointKey(session: session, url: url), isConcurrent: row.flag(),
            created: row.integer(), attempts: row.int32(), due: row.integer())
        try row.end()
        return delivery
    }
}
