import PushCore

extension Reader {
    /// Sequences that one query looks at, whether their events fit its filter or not: the caller goes on from
    /// `examinedThrough`.
    static let searchWindow: Int64 = 20_000

    func events(after: Int64, _ filter: EventFilter, _ allowance: Allowance) throws(StoreFailure) -> Answer {
        let latest = try Mark.event.latest(database)
        let oldest = (try Mark.trimmedEvents.read(database) ?? 0) + 1
        guard allowance.rows > 0, after < latest else {
            return .events([], examinedThrough: after, oldest: oldest, latest: latest)
        }
        let start = max(after, oldest - 1)
        let windowEnd = min(latest, start + Self.searchWindow)
        guard let find = try search(start..<windowEnd, filter) else {
            return .events([], examinedThrough: latest, oldest: oldest, latest: latest)
        }
        defer { find.reset() }
        var allowance = allowance
        var events: [LoggedEvent] = []
        var examined = start
        while try find.step() {
            var row = RowReader(find)
            let (event, revision) = try EventRow.read(&row)
            let (logged, bytes) = try complete(event, revision)
            guard allowance.take(bytes: bytes, isFirst: events.isEmpty) else {
                return .events(events, examinedThrough: examined, oldest: oldest, latest: latest)
            }
            events.append(logged)
            examined = event.sequence
        }
        return .events(events, examinedThrough: windowEnd, oldest: oldest, latest: latest)
    }

    /// A search of the events after the range's lower bound and up to its upper one. Nil when the filter names a session or
    /// a transfer that is not there. An event whose session or transfer is gone is passed over.
    private func search(_ range: Range<Int64>, _ filter: EventFilter) throws(StoreFailure) -> Statement? {
        var session: Int64?
        var transfer: Int64?
        if let id = filter.session {
            session = try number("SELECT number FROM session WHERE id=?1", id)
            if session == nil { return nil }
        }
        if let id = filter.transfer {
            transfer = try number("SELECT sequence FROM transfer WHERE id=?1", id)
            if transfer == nil { return nil }
        }
        let kinds = filter.kinds?.reduce(into: Int64(0)) { mask, kind in
            if kind != .progress { mask |= 1 << Int64(kind.rawValue) }
        }
        // CROSS JOIN fixes the order of the loops: along the log.
        let find = try database.statement(
            """
            SELECT e.sequence, e.time, e.kind, s.id, e.transfer, coalesce(t.id, zeroblob(12)),
                coalesce(t.schema_key, ''), e.first, e.past, e.flags, e.error, e.counts, coalesce(t.revision, s.revision)
            FROM event e CROSS JOIN session s ON s.number=e.session LEFT JOIN transfer t ON t.sequence=e.transfer
            WHERE (e.transfer=0 OR t.sequence IS NOT NULL) AND e.sequence>?1 AND e.sequence<=?2 AND (?3 IS NULL OR e.session=?3)
                AND (?4 IS NULL OR e.transfer=?4) AND (?5 >> e.kind & 1) ORDER BY e.sequence
            """, "read events")
        var binder = RowBinder(find)
        binder.put(range.lowerBound)
        binder.put(range.upperBound)
        binder.put(session)
        binder.put(transfer)
        binder.put(kinds ?? -1)
        return find
    }

    private func number(_ sql: StaticString, _ id: Identifier) throws(StoreFailure) -> Int64? {
        let find = try database.statement(sql, "find filter of events")
        var binder = RowBinder(find)
        binder.put(id)
        return try find.rows { row throws(StoreFailure) in row.integer() }.first
    }

    /// The event with what its payload is rendered from, and how many bytes of data that has.
    func complete(_ event: EventRow, _ revision: Int32) throws(StoreFailure) -> (LoggedEvent, bytes: Int) {
        var logged = LoggedEvent(event: event, revision: revision)
        switch event.kind {
        case .data:
            var all = Allowance(rows: .max, bytes: .max)
            let range = Int64(event.first)..<max(Int64(event.first), Int64(event.end))
            logged.results = try top(range, of: event.transfer, isOver: true, &all)
            return (logged, logged.results.reduce(0) { $0 + ($1.outcome?.data.count ?? 0) })
        case .error:
            guard let sequence = event.error else { return (logged, 0) }
            let find = try database.composed(ErrorRow.select + " WHERE e.sequence=?1", "read error")
            find.bind(sequence)
            logged.error = try find.rows(ErrorRow.read).first
            return (logged, logged.error?.text.utf8.count ?? 0)
        case .webhookFailed:
            logged.delivery = try event.error.flatMap { sequence throws(StoreFailure) in try deliveryRow(sequence) }
            return (logged, 0)
        case .completed, .configuration, .providerPaused, .providerResumed, .progress:
            return (logged, 0)
        }
    }
}
