import PushCore

// How the rows of PushCore lie in columns. Each `put` has a `read` that takes the same values in the same order; the
// checksum is over them in that order.

extension SessionRow {
    /// `account` and `definition` were looked up with the row.
    static func read(_ row: inout RowReader) throws(StoreFailure) -> SessionRow {
        let (id, name) = (row.identifier(), row.optionalText())
        let account = AccountKey(provider: row.text(), name: row.text())
        let session = SessionRow(
            id: id, name: name, account: account, revision: row.int32(), created: row.integer(),
            expires: row.optionalInteger(), definition: row.bytes())
        try row.end()
        return session
    }
}

extension TransferRow {
    /// The columns that `read` takes, of `transfer t`.
    static let select = """
        SELECT t.sequence, t.id, s.id, a.provider, a.name, t.revision, t.schema_key, t.records, t.all_records,
            t.disable_upsert, t.idempotency_key, t.body_hash, t.created, t.completed, t.published,
            t.created_records, t.updated_records, t.unchanged_records, t.refused_records, t.uncertain_records,
            t.unsent_records, t.finished_all, t.errors, t.failed_pages, t.cursor, t.options, t.arrived=0,
            l.sample, l.cancelled, l.retry_of, l.retry_of_id, l.parts, l.touched, l.webhooks, l.retry_window,
            l.abort_rejects, l.abort_share, l.aborted
        FROM transfer t JOIN session s ON s.number=t.session JOIN account a ON a.number=t.account
            LEFT JOIN transfer_life l ON l.transfer=t.sequence
        """

    /// `session` and `account` are the numbers of this file.
    func put(into binder: inout RowBinder, session: Int64, account: Int64) {
        binder.put(sequence)
        binder.put(id)
        binder.put(session)
        binder.put(account)
        binder.put(revision)
        binder.put(schemaKey)
        binder.put(records)
        binder.put(allRecords)
        binder.put(disableUpsert)
        binder.put(idempotencyKey)
        binder.put(bodyHash)
        binder.put(created)
        binder.put(completed)
        binder.put(published)
        counts.put(into: &binder)
        binder.put(cursor)
    }

    /// `session` and `account` were looked up with the row.
    static func read(_ row: inout RowReader) throws(StoreFailure) -> TransferRow {
        let (sequence, id, session) = (row.integer(), row.identifier(), row.identifier())
        let account = AccountKey(provider: row.text(), name: row.text())
        var transfer = TransferRow(
            sequence: sequence, id: id, session: session, account: account, revision: row.int32(),
            schemaKey: row.text(), records: row.int32(), allRecords: row.int32(), disableUpsert: row.flag(),
            idempotencyKey: row.optionalText(), bodyHash: row.bytes(), created: row.integer())
        transfer.completed = row.optionalInteger()
        transfer.published = row.int32()
        transfer.counts = TransferCounts(reading: &row)
        transfer.cursor = row.integer()
        transfer.options = row.bytes()
        transfer.isOpen = row.flag()
        transfer.life = TransferLife(reading: &row)
        try row.end()
        return transfer
    }
}

extension TransferCounts {
    func put(into binder: inout RowBinder) {
        for kind in OutcomeKind.allCases { binder.put(self[kind]) }
        binder.put(finishedAll)
        binder.put(errors)
        binder.put(failedPages)
    }

    init(reading row: inout RowReader) {
        self.init()
        for kind in OutcomeKind.allCases { self[kind] = row.int32() }
        finishedAll = row.int32()
        errors = row.int32()
        failedPages = row.int32()
    }

    /// The counts as an event keeps them.
    var text: String {
        (OutcomeKind.allCases.map { self[$0] } + [finishedAll, errors, failedPages]).map { String($0) }.joined(
            separator: ",")
    }

    init?(text: String) {
        self.init()
        let numbers = text.split(separator: ",").compactMap { Int32($0) }
        let kinds = OutcomeKind.allCases
        guard numbers.count == kinds.count + 3 else { return nil }
        for (kind, number) in zip(kinds, numbers) { self[kind] = number }
        finishedAll = numbers[kinds.count]
        errors = numbers[kinds.count + 1]
        failedPages = numbers[kinds.count + 2]
    }
}

extension RecordRow {
    func put(into binder: inout RowBinder) {
        binder.put(place.transfer)
        binder.put(place.ordinal)
        binder.put(index)
        binder.put(parent)
        binder.put(children)
        binder.put(descendants)
        binder.put(Int64(schema))
        binder.put(givenID)
        binder.put(internalID)
        binder.put(data)
        binder.seal()
    }

    /// `keepingData` false: its checksum is verified, then it is dropped.
    static func read(_ row: inout RowReader, keepingData: Bool = true) throws(StoreFailure) -> RecordRow {
        let place = RecordPlace(transfer: row.integer(), ordinal: row.int32())
        let record = RecordRow(
            place: place, index: row.int32(), parent: row.int32(), children: row.int32(), descendants: row.int32(),
            schema: row.int16(), givenID: row.optionalText(), internalID: row.optionalText(),
            data: keepingData ? row.bytes() : row.withoutBytes())
        try row.endSealed()
        return record
    }
}

extension RowReader {
    /// Sums up a value and drops it.
    fileprivate mutating func withoutBytes() -> [UInt8] {
        _ = size()
        return []
    }
}

extension OutcomeRow {
    func put(into binder: inout RowBinder) {
        binder.put(place.transfer)
        binder.put(place.ordinal)
        binder.put(Int64(kind.rawValue))
        binder.put(providerID)
        binder.put(basis?.text)
        binder.put(warnings)
        binder.put(finished)
        binder.put(data)
        binder.seal()
    }

    static func read(_ row: inout RowReader) throws(StoreFailure) -> OutcomeRow {
        let (outcome, _) = try read(&row, keepingData: true)
        return outcome
    }

    /// The outcome without its data, and how many bytes that has.
    static func readSize(_ row: inout RowReader) throws(StoreFailure) -> (OutcomeRow, bytes: Int) {
        try read(&row, keepingData: false)
    }

    private static func read(
        _ row: inout RowReader, keepingData: Bool
    ) throws(StoreFailure) -> (OutcomeRow, bytes: Int) {
        let place = RecordPlace(transfer: row.integer(), ordinal: row.int32())
        let kind = UInt8(exactly: row.integer()).flatMap { OutcomeKind(rawValue: $0) }
        if kind == nil { row.reject() }
        let (providerID, basisText, warnings) = (row.optionalText(), row.optionalText(), row.bytes())
        let basis = basisText.flatMap(Basis.init)
        if basisText != nil && basis == nil { row.reject() }
        let finished = row.integer()
        let data = keepingData ? row.bytes() : []
        let bytes = keepingData ? data.count : row.size()
        try row.endSealed()
        let outcome = OutcomeRow(
            place: place, kind: kind ?? .uncertain, providerID: providerID, data: data, basis: basis,
            warnings: warnings, finished: finished)
        return (outcome, bytes)
    }
}

extension IntentRow {
    func put(into binder: inout RowBinder, account: Int64) {
        binder.put(id)
        binder.put(account)
        binder.put(resource)
        binder.put(created)
        binder.put(attempt)
        binder.put(settled)
        binder.put(plan)
    }

    /// `account` was looked up with the row.
    static func read(_ row: inout RowReader) throws(StoreFailure) -> IntentRow {
        let id = row.integer()
        let account = AccountKey(provider: row.text(), name: row.text())
        let (resource, created, attempt) = (row.text(), row.integer(), row.int32())
        let settled = row.optionalInteger()
        let intent = IntentRow(
            id: id, account: account, resource: resource, created: created, attempt: attempt, plan: row.bytes(),
            settled: settled)
        try row.end()
        return intent
    }
}

extension LedgerRow {
    func put(into binder: inout RowBinder, scope: Int64) {
        binder.put(scope)
        binder.put(resource)
        binder.put(internalID)
        binder.put(providerID)
        binder.put(confirmed)
        binder.seal()
    }
}

extension ErrorRow {
    func put(into binder: inout RowBinder, session: Int64) {
        binder.put(sequence)
        binder.put(id)
        binder.put(session)
        binder.put(transfer)
        binder.put(ordinal)
        binder.put(index)
        binder.put(internalID)
        binder.put(schemaKey)
        binder.put(kind)
        binder.put(code)
        binder.put(text)
        binder.put(time)
        binder.put(resolved)
    }

    /// The columns that `read` takes, of `error e`.
    static let select = """
        SELECT e.sequence, e.id, s.id, e.transfer, t.id, e.ordinal, e.top, e.internal_id, e.schema_key, e.kind,
            e.code, e.text, e.time, e.resolved
        FROM error e JOIN session s ON s.number=e.session JOIN transfer t ON t.sequence=e.transfer
        """

    /// `session` and `transferID` were looked up with the row.
    static func read(_ row: inout RowReader) throws(StoreFailure) -> ErrorRow {
        let error = ErrorRow(
            sequence: row.integer(), id: row.identifier(), session: row.identifier(), transfer: row.integer(),
            transferID: row.identifier(), ordinal: row.int32(), index: row.int32(), internalID: row.optionalText(),
            schemaKey: row.text(), kind: row.text(), code: row.text(), text: row.text(), time: row.integer(),
            resolved: row.flag())
        try row.end()
        return error
    }
}

extension EventRow {
    private static let completedFlag: Int64 = 1
    private static let errorsFlag: Int64 = 2

    func put(into binder: inout RowBinder, session: Int64) {
        binder.put(sequence)
        binder.put(time)
        binder.put(Int64(kind.rawValue))
        binder.put(session)
        binder.put(transfer)
        binder.put(first)
        binder.put(end)
        binder.put((isCompleted ? Self.completedFlag : 0) | (hasErrors ? Self.errorsFlag : 0))
        binder.put(error)
        binder.put(counts?.text)
    }

    /// What belongs to the transfer was looked up with the row; its pinned revision comes last.
    static func read(_ row: inout RowReader) throws(StoreFailure) -> (EventRow, revision: Int32) {
        let (sequence, time) = (row.integer(), row.integer())
        let kind = UInt8(exactly: row.integer()).flatMap { Kind(rawValue: $0) }
        if kind == nil { row.reject() }
        let (session, transfer, transferID, key) = (row.identifier(), row.integer(), row.identifier(), row.text())
        let (first, end, flags, error) = (row.int32(), row.int32(), row.integer(), row.optionalInteger())
        let text = row.optionalText()
        let counts = text.flatMap { TransferCounts(text: $0) }
        if text != nil && counts == nil { row.reject() }
        let revision = row.int32()
        try row.end()
        let event = EventRow(
            sequence: sequence, time: time, kind: kind ?? .progress, session: session, transfer: transfer,
            transferID: transferID, schemaKey: key, first: first, end: end, isCompleted: flags & completedFlag != 0,
            hasErrors: flags & errorsFlag != 0, error: error, counts: counts)
        return (event, revision)
    }
}
