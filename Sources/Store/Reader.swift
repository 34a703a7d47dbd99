// Theory of operation.
//
// The reader has a thread and a connection of its own. It answers queries one after the other, in the order in which
// they were sent, each on one snapshot that begins after the query was taken: so an answer reflects every commit that
// was reported before. Between queries it holds no snapshot, because the log cannot be reused under one.
//
// No query works without bounds: by the limit and the bytes that it names, and a search of the event log by the number
// of events that it looks at.

import EventLoop
import PushCore

enum ReaderReport: Sendable {
    /// The connection stands.
    case ready
    /// The answer to the oldest query that was not answered.
    case answered(Answer)
    /// A query could not be answered; nor will later ones be.
    case failed(StoreFailure)
}

/// The reader's thread.
final class Reader {
    let database: Database
    /// The last list of associated records that was asked for: pages of one list are asked for one after the other.
    var listing: Listing?

    static func run(_ inbox: WorkerInbox<Query, ReaderReport>, file: StoreFile, settings: StoreSettings) {
        do throws(StoreFailure) {
            let reader = try Reader(file, settings)
            inbox.report(.ready)
            while let queries = inbox.take() {
                for query in queries { inbox.report(.answered(try reader.answer(query))) }
            }
        } catch {
            inbox.report(.failed(error))
        }
    }

    init(_ file: StoreFile, _ settings: StoreSettings) throws(StoreFailure) {
        database = try Database(path: file.path, access: .read, lockMilliseconds: settings.lockMilliseconds)
    }

    func answer(_ query: Query) throws(StoreFailure) -> Answer {
        try database.snapshot { () throws(StoreFailure) in
            switch query {
            case .transfer(let id): .transfer(try transfer(id: id))
            case .transferByKey(let session, let key): .transfer(try transfer(session: session, key: key))
            case .transfers(let session): .transfers(try transfers(of: session))
            case .transferPage(let filter, let offset, let limit):
                try transferPage(filter, offset: offset, limit: limit)
            case .part(let transfer, let number): .part(try part(of: transfer, number: number))
            case .examples(let session): .examples(try examples(of: session))
            case .revision(let session, let revision): .revision(try definition(of: session, revision: revision))
            case .unfinished(let transfer, let after, let limit, let bytes):
                try unfinished(of: transfer, after: after, limit: limit, bytes: bytes)
            case .records(let transfer, let ordinals): .records(try records(of: transfer, at: ordinals))
            case .finishedFrom(let transfer, let index): .finishedFrom(try finished(of: transfer, from: index))
            case .ledger(let scope, let resource, let ids): .ledger(try known(scope, resource, ids))
            case .results(let transfer, let schema, let offset, let limit, let bytes):
                try results(of: transfer, schema: schema, from: offset, Allowance(rows: limit, bytes: bytes))
            case .errors(let session, let transfer, let resolved, let offset, let limit):
                try errors(session: session, transfer: transfer, resolved: resolved, offset: offset, limit: limit)
            case .retryable(let transfer, let after, let selection, let bytes):
                try retryable(of: transfer, after: after, selection, bytes: bytes)
            case .unresolved(let transfer, let index, let internalID, let limit):
                try unresolved(of: transfer, index: index, internalID: internalID, limit: limit)
            case .delivery(let sequence): .delivery(try delivery(sequence))
            case .deliveryByID(let id): .deliveryByID(try deliveryRow(id: id))
            case .deliveries(let filter, let from, let isBackwards, let limit):
                try deliveries(filter, from: from, isBackwards: isBackwards, limit: limit)
            case .pendingDeliveries(let key, let from, let limit):
                try pendingDeliveries(key, from: from, limit: limit)
            case .plan(let id): .plan(try plan(id: id))
            case .planned(let sequence, let offset, let limit, let bytes):
                .planned(try planned(of: sequence, from: offset, Allowance(rows: limit, bytes: bytes)))
            case .events(let after, let filter, let limit, let bytes):
                try events(after: after, filter, Allowance(rows: limit, bytes: bytes))
            case .confirmed(let scope, let resource, let internalIDs, let ids):
                try confirmed(scope, resource, internalIDs, ids)
            case .holders(let scope, let resource, let ids): try holders(scope, resource, ids)
            case .identities(let scope, let resources, let after, let limit):
                try identities(scope, resources, after: after, limit: limit)
            case .explained(let place): .explained(try explained(place))
            case .top(let transfer, let index): .top(try top(index, of: transfer))
            case .found(let search, let before): try found(search, before: before)
            case .exchanges(let place, let account, let since, let until, let after):
                try exchanges(of: place, account, since: since, until: until, after: after)
            case .exchangeCounts(let account, let since, let after):
                try exchangeCounts(of: account, since: since, after: after)
            }
        }
    }

    /// What an answer may still take.
    struct Allowance {
        var rows: Int
        var bytes: Int

        /// Takes a row of so many bytes; false when it does not fit. The first row always fits, if any was asked for.
        mutating func take(bytes size: Int, isFirst: Bool) -> Bool {
            guard rows > 0, isFirst || size <= bytes else { return false }
            rows -= 1
            bytes -= size
            return true
        }
    }

    // MARK: Single rows

    private func transfer(id: Identifier) throws(StoreFailure) -> TransferRow? {
        let find = try database.composed(TransferRow.select + " WHERE t.id=?1 AND \(Self.isThere)", "read transfer")
        var binder = RowBinder(find)
        binder.put(id)
        return try find.rows(TransferRow.read).first
    }

    private func transfer(session: Identifier, key: String) throws(StoreFailure) -> TransferRow? {
        let find = try database.composed(
            TransferRow.select
                + " WHERE t.session=(SELECT number FROM session WHERE id=?1) AND t.idempotency_key=?2 AND \(Self.isThere)",
            "read transfer")
        var binder = RowBinder(find)
        binder.put(session)
        binder.put(key)
        return try find.rows(TransferRow.read).first
    }

    private func transfers(of session: Identifier?) throws(StoreFailure) -> [TransferRow] {
        let find = try database.composed(
            TransferRow.select + " WHERE t.arrived>0" + (session == nil ? "" : " AND s.id=?1") + " ORDER BY t.sequence",
            "read transfers")
        var binder = RowBinder(find)
        if let session { binder.put(session) }
        return try find.rows(TransferRow.read)
    }

    private func definition(of session: Identifier, revision: Int32) throws(StoreFailure) -> [UInt8]? {
        let find = try database.statement(
            """
            SELECT r.definition FROM session s JOIN session_revision r ON r.session=s.number
            WHERE s.id=?1 AND r.revision=?2
            """, "read session revision")
        var binder = RowBinder(find)
        binder.put(session)
        binder.put(revision)
        return try find.rows { row throws(StoreFailure) in
            let definition = row.bytes()
            try row.end()
            return definition
        }.first
    }

    // MARK: Errors

    private func errors(
        session: Identifier?, transfer: Identifier?, resolved: Bool?, offset: Int, limit: Int
    ) throws(StoreFailure) -> Answer {
        // The transfer decides when both are named: it is the smaller set, and its rows name their session.
        var filter = " WHERE 1"
        var count = "SELECT count(*) FROM error e JOIN session s ON s.number=e.session"
        if transfer != nil {
            filter = " WHERE e.transfer=(SELECT sequence FROM transfer WHERE id=?1 AND arrived>0)"
            if session != nil { filter += " AND e.session=(SELECT number FROM session WHERE id=?2)" }
        } else if session != nil {
            filter = " WHERE e.session=(SELECT number FROM session WHERE id=?1)"
        }
        if let resolved { filter += resolved ? " AND e.resolved<>0" : " AND e.resolved=0" }
        count += filter
        let names = [transfer, session].compactMap { $0 }
        let total = try database.composed(count, "count errors")
        var binder = RowBinder(total)
        for name in names { binder.put(name) }
        let number = try total.rows { row throws(StoreFailure) in Int(row.integer()) }.first ?? 0
        let select = try database.composed(
            ErrorRow.select + filter + " ORDER BY e.sequence LIMIT ?3 OFFSET ?4", "read errors")
        binder = RowBinder(select)
        for name in names { binder.put(name) }
        for _ in names.count..<2 { binder.putNothing() }
        binder.put(Int64(max(0, limit)))
        binder.put(Int64(max(0, offset)))
        return .errors(try select.rows(ErrorRow.read), total: number)
    }
}
