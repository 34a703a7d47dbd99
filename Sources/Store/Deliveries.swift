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

    /// What is pending by now only becomes due: its attempts count on.
    func replay(delivery sequence: Int64, at time: Int64) throws(StoreFailure) {
        let update = try database.statement(
            """
            UPDATE delivery SET attempts=iif(state=0, attempts, 0), due=iif(state=0 AND attempts=0, due, ?1), state=0,
                finished=NULL WHERE sequence=?2
            """, "replay delivery")
        update.bind(time, sequence)
        try update.run()
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

extension Reader {
    /// Sequences that one query looks at, whether they fit its filter or not.
    private static let deliveryWindow: Int64 = 20_000

    func deliveryRow(id: Identifier) throws(StoreFailure) -> DeliveryRow? {
        let find = try database.composed(DeliveryRow.select + " WHERE d.id=?1", "find delivery")
        var binder = RowBinder(find)
        binder.put(id)
        return try find.rows(DeliveryRow.read).first
    }

    func pendingDeliveries(_ key: EndpointKey, from: Int64, limit: Int) throws(StoreFailure) -> Answer {
        let find = try database.composed(
            PendingDelivery.select
                + """
                 WHERE d.state=0 AND d.session=(SELECT number FROM session WHERE id=?1) AND d.endpoint=?2
                AND d.sequence>=?3 ORDER BY d.sequence LIMIT ?4
                """, "read pending deliveries")
        var binder = RowBinder(find)
        binder.put(key.session)
        binder.put(key.url)
        binder.put(from)
        binder.put(Int64(limit))
        let rows = try find.rows(PendingDelivery.read)
        return .pendingDeliveries(rows, next: rows.count == limit ? rows.last.map { $0.sequence + 1 } : nil)
    }

    func deliveries(
        _ filter: DeliveryFilter, from: Int64, isBackwards: Bool, limit: Int
    ) throws(StoreFailure) -> Answer {
        let oldest = try database.integer("SELECT coalesce(min(sequence), 1) FROM delivery", "find first delivery")
        let latest = try database.integer("SELECT coalesce(max(sequence), 0) FROM delivery", "find last delivery")
        guard oldest <= latest, isBackwards ? from >= oldest : from <= latest else {
            return .deliveries([], next: nil)
        }
        let start = isBackwards ? min(from, latest) : max(from, oldest)
        let range =
            isBackwards
            ? max(oldest, start - Self.deliveryWindow + 1)...start
            : start...min(latest, start + Self.deliveryWindow - 1)
        var terms = ["d.sequence>=?", "d.sequence<=?"]
        if filter.session != nil { terms.append("d.session=(SELECT number FROM session WHERE id=?)") }
        if filter.transfer != nil { terms.append("d.transfer=(SELECT sequence FROM transfer WHERE id=?)") }
        if filter.state != nil { terms.append("d.state=?") }
        let find = try database.composed(
            DeliveryRow.select + " WHERE " + terms.joined(separator: " AND ")
                + " ORDER BY d.sequence \(isBackwards ? "DESC" : "ASC") LIMIT ?", "list deliveries")
        var binder = RowBinder(find)
        binder.put(range.lowerBound)
        binder.put(range.upperBound)
        if let session = filter.session { binder.put(session) }
        if let transfer = filter.transfer { binder.put(transfer) }
        if let state = filter.state { binder.put(Int64(state.rawValue)) }
        binder.put(Int64(limit))
        let rows = try find.rows(DeliveryRow.read)
        let full = rows.count == limit ? rows.last?.sequence : nil
        let next = isBackwards ? (full ?? range.lowerBound) - 1 : (full ?? range.upperBound) + 1
        return .deliveries(rows, next: isBackwards ? (next < oldest ? nil : next) : (next > latest ? nil : next))
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
    /// The columns that `read` takes, of `delivery d`.
    static let select = """
        SELECT d.sequence, s.id, d.endpoint, d.concurrent, d.time, d.attempts, d.due
        FROM delivery d CROSS JOIN session s ON s.number=d.session
        """

    static func read(_ row: inout RowReader) throws(StoreFailure) -> PendingDelivery {
        let (sequence, session, url) = (row.integer(), row.identifier(), row.text())
        let delivery = PendingDelivery(
            sequence: sequence, key: EndpointKey(session: session, url: url), isConcurrent: row.flag(),
            created: row.integer(), attempts: row.int32(), due: row.integer())
        try row.end()
        return delivery
    }
}
