import PushCore

// One method a kind of change.

extension Writer {
    /// Applies the changes of one order inside the group under way. Throws `constraint` when they contradict what is there.
    func apply(_ changes: [Change]) throws(StoreFailure) {
        // A transfer that arrives whole in one order, as nearly all do, is inserted as accepted: one row written, not two.
        var whole: Set<Int64> = []
        for case .transferAccepted(let sequence) in changes { whole.insert(sequence) }
        for change in changes {
            switch change {
            case .session(let row): try save(row)
            case .sessionDeleted(let id, let scope): try delete(session: id, forgetting: scope)
            case .transferBegun(let row): try begin(row, isWhole: whole.contains(row.sequence))
            case .records(let rows): for row in rows { try insert(row) }
            case .transferAccepted(let sequence): try accept(sequence)
            case .part(let row): try insert(row)
            case .partsDropped(let sequence, let time): try dropParts(sequence, at: time)
            case .partsExpired(let sequence): try expireParts(sequence)
            case .transferSized(let sequence, let records, let all): try size(sequence, records: records, all: all)
            case .retryShifts(let transfer, let shifts): for shift in shifts { try insert(shift, of: transfer) }
            case .retriesWritten(let places): for place in places { try resolveOrigins(of: place) }
            case .errorsResolved(let places): for place in places { try resolve(place) }
            case .examples(let session, let key, let text): try save(examples: text, of: session, key: key)
            case .outcomesReplaced(let rows): for row in rows { try replace(row) }
            case .transferCancelled(let sequence, let time): try cancel(sequence, at: time)
            case .transferAdvanced(let sequence, let counts, let published, let completed):
                try advance(sequence, counts, published: published, completed: completed)
            case .intent(let row): try insert(row)
            case .intentSettled(let id, let time): try settle(id, at: time)
            case .outcomes(let rows): for row in rows { try insert(row) }
            case .ledger(let rows): for row in rows { try save(row) }
            case .errors(let rows): for row in rows { try insert(row) }
            case .events(let rows): for row in rows { try insert(row) }
            case .deliveries(let rows): for row in rows { try insert(row) }
            case .deliveryProgressed(let sequence, let progress): try advance(delivery: sequence, progress)
            case .deliveriesReplayed(let sequences, let time):
                for sequence in sequences { try replay(delivery: sequence, at: time) }
            case .webhookSecrets(let session, let sealed): try save(webhookSecrets: sealed, of: session)
            case .consumer(let name, let sequence, let time): try saveConsumer(name, sequence, at: time)
            case .planBegun(let row): try begin(row)
            case .planned(let rows): for row in rows { try insert(row) }
            case .planReady(let row): try finish(row)
            case .planApplied(let sequence, let transfer): try apply(plan: sequence, as: transfer)
            case .planDropped(let sequence): try drop(plan: sequence)
            case .trim(let transfers, let events, let limit):
                try removal.trim(transfersBefore: transfers, eventsBefore: events, limit: limit)
                rows += settings.sliceRows
            case .trimExchanges(let before):
                try removal.trimExchanges(before: before)
                rows += settings.sliceRows
            case .confirmed(let rows): for row in rows { try save(row) }
            case .unconfirmed(let account, let resource, let ids): try remove(confirmed: ids, of: resource, account)
            case .credential(let row): try save(row)
            case .credentialRemoved(let account): try remove(credentialOf: account)
            case .paused(let row): try save(row)
            case .resumed(let account): try remove(pauseOf: account)
            case .transferAborted(let sequence, let time): try abort(sequence, at: time)
            case .authenticationResolved(let account): try resolve(authenticationOf: account)
            case .identities(let rows, let replaces): for row in rows { try insert(row, replacing: replaces) }
            case .exchanges(let rows): for row in rows { try insert(row) }
            }
        }
    }

    // MARK: Numbers

    func number(of account: AccountKey) throws(StoreFailure) -> Int64 {
        if let known = accounts[account] { return known }
        var insert = RowBinder(
            try database.statement(
                "INSERT INTO account(provider, name) VALUES(?1, ?2) ON CONFLICT DO NOTHING", "write account"))
        insert.put(account.provider)
        insert.put(account.name)
        try insert.run()
        let find = try database.statement("SELECT number FROM account WHERE provider=?1 AND name=?2", "find account")
        var binder = RowBinder(find)
        binder.put(account.provider)
        binder.put(account.name)
        let number = try only(find)
        accounts[account] = number
        return number
    }

    /// Nil when the session was deleted by this process: what still comes of it interests nobody and is dropped. Throws
    /// `constraint` when there never was such a session.
    func number(of session: Identifier) throws(StoreFailure) -> Int64? {
        if let known = sessions[session] { return known }
        if endedSessions.contains(session) { return nil }
        let find = try database.statement("SELECT number FROM session WHERE id=?1", "find session")
        var binder = RowBinder(find)
        binder.put(session)
        let number = try only(find)
        sessions[session] = number
        return number
    }

    func number(of scope: LedgerScope) throws(StoreFailure) -> Int64 {
        if let known = scopes[scope] { return known }
        let account = try number(of: scope.account)
        var insert = RowBinder(
            try database.statement(
                "INSERT INTO scope(account, namespace) VALUES(?1, ?2) ON CONFLICT DO NOTHING", "write scope"))
        insert.put(account)
        insert.put(scope.namespace)
        try insert.run()
        let find = try database.statement("SELECT number FROM scope WHERE account=?1 AND namespace=?2", "find scope")
        var binder = RowBinder(find)
        binder.put(account)
        binder.put(scope.namespace)
        let number = try only(find)
        scopes[scope] = number
        return number
    }

    /// The one number that a statement gives. Throws `constraint` when there is no row.
    private func only(_ statement: Statement) throws(StoreFailure) -> Int64 {
        defer { statement.reset() }
        guard try statement.step() else { throw StoreFailure(.constraint, operation: statement.operation) }
        return statement.integer(0)
    }

    // MARK: Sessions

    private func save(_ row: SessionRow) throws(StoreFailure) {
        endedSessions.remove(row.id)
        let account = try number(of: row.account)
        var binder = RowBinder(
            try database.statement(
                """
                INSERT INTO session(id, name, account, revision, created, expires) VALUES(?1, ?2, ?3, ?4, ?5, ?6)
                ON CONFLICT(id) DO UPDATE SET name=excluded.name, account=excluded.account,
                    revision=excluded.revision, created=excluded.created, expires=excluded.expires
                """, "write session"))
        binder.put(row.id)
        binder.put(row.name)
        binder.put(account)
        binder.put(row.revision)
        binder.put(row.created)
        binder.put(row.expires)
        try binder.run()
        guard let number = try number(of: row.id) else { return }
        binder = RowBinder(
            try database.statement(
                """
                INSERT INTO session_revision(session, revision, definition) VALUES(?1, ?2, ?3)
                ON CONFLICT(session, revision) DO UPDATE SET definition=excluded.definition
                """, "write session revision"))
        binder.put(number)
        binder.put(row.revision)
        binder.put(row.definition)
        try binder.run()
        rows += 2
    }

    /// Makes the session and all of it invisible; the rest is `Removal`'s. A session that is not there is gone already.
    private func delete(session: Identifier, forgetting scope: LedgerScope?) throws(StoreFailure) {
        let find = try database.statement("SELECT number FROM session WHERE id=?1", "find session")
        var binder = RowBinder(find)
        binder.put(session)
        let number = try find.step() ? find.integer(0) : nil
        find.reset()
        if let number {
            for sequence in arriving.filter({ $0.value == number }).keys {
                arriving[sequence] = nil
                endedArrivals.insert(sequence)
            }
            endedSessions.insert(session)
            try drop(plansOf: number)
            try removal.add(.session, number)
            try deleteSecrets(of: number)
            let revisions = try database.statement("DELETE FROM session_revision WHERE session=?1", "delete revisions")
            revisions.bind(number)
            try revisions.run()
            let examples = try database.statement("DELETE FROM example WHERE session=?1", "delete examples")
            examples.bind(number)
            try examples.run()
            let row = try database.statement("DELETE FROM session WHERE number=?1", "delete session")
            row.bind(number)
            try row.run()
        }
        sessions[session] = nil
        if let scope { try forget(scope) }
        // Last, when the rest is gone: what was removed also stands in the log.
        try removal.add(.log, 0)
        rows += 4
    }

    private func forget(_ scope: LedgerScope) throws(StoreFailure) {
        let number = try number(of: scope)
        let row = try database.statement("DELETE FROM scope WHERE number=?1", "delete scope")
        row.bind(number)
        try row.run()
        scopes[scope] = nil
        try removal.add(.scope, number)
        // States belong to the account and not to one of its namespaces; without one a record is read, no more.
        try removal.add(.confirmed, try self.number(of: scope.account))
    }

    // MARK: Transfers

    private func begin(_ row: TransferRow, isWhole: Bool) throws(StoreFailure) {
        guard let session = try number(of: row.session) else {
            endedArrivals.insert(row.sequence)
            return
        }
        var binder = RowBinder(
            try database.statement(
                """
                INSERT INTO transfer VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17,
                    ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26)
                """, "write transfer"))
        row.put(into: &binder, session: session, account: try number(of: row.account))
        binder.put(isWhole ? try nextArrival() : 0)
        binder.put(row.options)
        try binder.run()
        try insert(row.life, of: row.sequence)
        if !isWhole { arriving[row.sequence] = session }
        rows += 1
    }

    private func accept(_ sequence: Int64) throws(StoreFailure) {
        guard endedArrivals.remove(sequence) == nil else { return }
        // What is not arriving was inserted as accepted by this order, or nobody began it.
        let statement = try database.statement(
            "UPDATE transfer SET arrived=?2 WHERE sequence=?1 AND arrived=0", "accept transfer")
        guard arriving.removeValue(forKey: sequence) != nil else { return try expectAccepted(sequence) }
        statement.bind(sequence, try nextArrival())
        try statement.run()
        rows += 1
        guard database.changes == 1 else { throw StoreFailure(.constraint, operation: "accept transfer") }
    }

    /// Transfers are taken up again in the order in which they were accepted, which is not that of their sequences: one
    /// that came in parts was begun before others that were accepted earlier. Only open transfers count.
    func nextArrival() throws(StoreFailure) -> Int64 {
        if arrivals == 0 {
            arrivals = try database.integer(
                "SELECT ifnull(max(arrived), 0) FROM transfer WHERE completed IS NULL", "find last acceptance")
        }
        arrivals += 1
        return arrivals
    }

    /// Accepted means kept: a caller must not be told so about a transfer that is not there.
    private func expectAccepted(_ sequence: Int64) throws(StoreFailure) {
        let find = try database.statement("SELECT arrived FROM transfer WHERE sequence=?1", "accept transfer")
        find.bind(sequence)
        guard try only(find) > 0 else { throw StoreFailure(.constraint, operation: "accept transfer") }
    }

    private func insert(_ row: RecordRow) throws(StoreFailure) {
        guard endedArrivals.isEmpty || !endedArrivals.contains(row.place.transfer) else { return }
        var binder = RowBinder(
            try database.statement(
                "INSERT INTO record VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)", "write record"))
        row.put(into: &binder)
        try binder.run()
        rows += 1
        guard row.parent < 0 && row.place.ordinal != row.index else { return }
        let place = try database.statement("INSERT INTO top_place VALUES(?1, ?2, ?3)", "write place of record")
        place.bind(row.place.transfer, Int64(row.index), Int64(row.place.ordinal))
        try place.run()
        rows += 1
    }

    /// A transfer whose session was deleted meanwhile has no row any more; its end interests nobody.
    private func advance(
        _ sequence: Int64, _ counts: TransferCounts, published: Int32, completed: Int64?
    ) throws(StoreFailure) {
        // Two statements: naming `completed` would have every update rewrite the index of open transfers.
        var binder = RowBinder(
            completed == nil
                ? try database.statement(
                    """
                    UPDATE transfer SET created_records=?1, updated_records=?2, unchanged_records=?3,
                        refused_records=?4, uncertain_records=?5, unsent_records=?6, finished_all=?7, errors=?8,
                        failed_pages=?9, published=?10 WHERE sequence=?11
                    """, "advance transfer")
                : try database.statement(
                    """
                    UPDATE transfer SET created_records=?1, updated_records=?2, unchanged_records=?3,
                        refused_records=?4, uncertain_records=?5, unsent_records=?6, finished_all=?7, errors=?8,
                        failed_pages=?9, published=?10, completed=?12 WHERE sequence=?11
                    """, "complete transfer"))
        counts.put(into: &binder)
        binder.put(published)
        binder.put(sequence)
        if let completed { binder.put(completed) }
        try binder.run()
        rows += 1
    }

    // MARK: Exchanges and what came of them

    private func insert(_ row: IntentRow) throws(StoreFailure) {
        let account = try number(of: row.account)
        var binder = RowBinder(
            try database.statement("INSERT INTO intent VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)", "write intent"))
        row.put(into: &binder, account: account)
        try binder.run()
        rows += 1
    }

    /// The plan goes: it holds a copy of the data, and no request is made with it again.
    private func settle(_ id: Int64, at time: Int64) throws(StoreFailure) {
        let statement = try database.statement("UPDATE intent SET settled=?2, plan=x'' WHERE id=?1", "settle intent")
        statement.bind(id, time)
        try statement.run()
        rows += 1
        guard database.changes == 1 else { throw StoreFailure(.constraint, operation: "settle intent") }
    }

    private func insert(_ row: OutcomeRow) throws(StoreFailure) {
        var binder = RowBinder(
            try database.statement(
                "INSERT INTO outcome VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)", "write outcome"))
        row.put(into: &binder)
        binder.put(row.decision?.text)
        try binder.run()
        rows += 1
    }

    private func insert(_ row: ErrorRow) throws(StoreFailure) {
        guard let session = try number(of: row.session) else { return }
        var binder = RowBinder(
            try database.statement(
                "INSERT INTO error VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)", "write error"))
        row.put(into: &binder, session: session)
        try binder.run()
        rows += 1
    }

    private func insert(_ row: EventRow) throws(StoreFailure) {
        guard let session = try number(of: row.session) else { return }
        var binder = RowBinder(
            try database.statement("INSERT INTO event VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)", "write event"))
        row.put(into: &binder, session: session)
        try binder.run()
        rows += 1
    }

    private func saveConsumer(_ name: String, _ sequence: Int64, at time: Int64) throws(StoreFailure) {
        var binder = RowBinder(try database.statement("REPLACE INTO consumer VALUES(?1, ?2, ?3)", "write consumer"))
        binder.put(name)
        binder.put(sequence)
        binder.put(time)
        try binder.run()
        rows += 1
    }
}
