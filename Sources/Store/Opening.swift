import EventLoop
import PushCore

/// What a start does with the file, on the calling thread and before anything else uses it.
struct Opening {
    let database: Database
    let state: StoredState

    /// Looks at the file without changing it, then brings its schema up to date, ends transfers that had not arrived, and
    /// loads what is open. Throws any kind but `constraint`.
    init(_ file: StoreFile, _ settings: StoreSettings) throws(StoreFailure) {
        try file.makeIfMissing()
        let version = try file.schemaVersion(lockMilliseconds: settings.lockMilliseconds)
        database = try Database(path: file.path, access: .write, lockMilliseconds: settings.lockMilliseconds)
        // The threads' connections outlive this one, and what they copy they copy with an eye on errors.
        try database.closeWithoutCheckpoint()
        try database.makeDurable()
        try Migrations.run(on: database, from: version)
        try file.flushDirectory()
        let database = database
        try database.transaction { () throws(StoreFailure) in
            if try Mark.storeID.read(database) == nil {
                try Mark.storeID.lift(to: .random(in: .min ... .max), database)
            }
            try Self.endArriving(database)
            try Self.endHalfParts(database)
            try Self.endUnmadePlans(database)
        }
        state = try database.snapshot { () throws(StoreFailure) in try Self.load(database, settings) }
    }

    /// Nobody was told about them. Their rows go in slices, the names that they hold (id, idempotency key) at once: the
    /// caller's next try has the same ones.
    private static func endArriving(_ database: Database) throws(StoreFailure) {
        let find = try database.statement(
            """
            SELECT sequence FROM transfer WHERE completed IS NULL AND arrived=0 AND NOT EXISTS
                (SELECT 1 FROM transfer_life l WHERE l.transfer=sequence AND l.parts IS NOT NULL)
            """, "find half transfers")
        var sequences: [Int64] = []
        while try find.step() { sequences.append(find.integer(0)) }
        find.reset()
        if sequences.isEmpty { return }
        try Mark.transfer.hold(database)
        let delete = try database.statement("DELETE FROM transfer WHERE sequence=?1", "remove half transfer")
        let note = try database.statement("INSERT INTO removal(kind, target) VALUES(?1, ?2)", "note removal")
        for sequence in sequences {
            delete.bind(sequence)
            try delete.run()
            note.bind(Removal.Kind.transfer.rawValue, sequence)
            try note.run()
        }
    }

    /// Rows of a part that had not arrived whole: its caller was not told so and sends it again, with the same ordinals. No
    /// more of them than one line can hold.
    private static func endHalfParts(_ database: Database) throws(StoreFailure) {
        let open = try database.rows(
            "SELECT sequence, records, all_records FROM transfer WHERE completed IS NULL AND arrived=0",
            "find open transfers"
        ) { row throws(StoreFailure) in (sequence: row.integer(), records: row.integer(), all: row.integer()) }
        for transfer in open {
            for (sql, size) in [
                ("DELETE FROM record WHERE transfer=?1 AND ordinal>=?2", transfer.all),
                ("DELETE FROM top_place WHERE transfer=?1 AND top>=?2", transfer.records),
            ] {
                let statement = try database.composed(sql, "remove half part")
                statement.bind(transfer.sequence, size)
                try statement.run()
            }
        }
    }

    /// Nobody was told about them either.
    private static func endUnmadePlans(_ database: Database) throws(StoreFailure) {
        let count = try database.integer("SELECT count(*) FROM plan WHERE ready=0", "find half plans")
        guard count > 0 else { return }
        try Mark.transfer.hold(database)
        let note = try database.statement(
            "INSERT INTO removal(kind, target) SELECT ?1, sequence FROM plan WHERE ready=0", "note removal")
        note.bind(Removal.Kind.transfer.rawValue)
        try note.run()
        try database.execute("DELETE FROM plan WHERE ready=0", "remove half plans")
    }

    // MARK: State

    private static func load(
        _ database: Database, _ settings: StoreSettings
    ) throws(StoreFailure) -> StoredState {
        var state = StoredState()
        state.storeID = UInt64(bitPattern: try Mark.storeID.read(database) ?? 0)
        state.lastTransfer = try Mark.transfer.latest(database)
        state.lastIntent = try Mark.intent.latest(database)
        state.lastError = try Mark.error.latest(database)
        state.lastEvent = try Mark.event.latest(database)
        state.oldestEvent = (try Mark.trimmedEvents.read(database) ?? 0) + 1
        state.sessions = try database.rows(
            """
            SELECT s.id, s.name, a.provider, a.name, s.revision, s.created, s.expires, r.definition
            FROM session s JOIN account a ON a.number=s.account
            JOIN session_revision r ON r.session=s.number AND r.revision=s.revision ORDER BY s.number
            """, "load sessions", SessionRow.read)
        state.openTransfers = try database.rows(
            TransferRow.select + " WHERE t.completed IS NULL AND t.arrived>0 ORDER BY t.arrived", "load transfers",
            TransferRow.read)
        state.openParts = try database.rows(
            TransferRow.select + " WHERE t.completed IS NULL AND t.arrived=0 ORDER BY t.sequence",
            "load open transfers",
            TransferRow.read)
        state.openIntents = try database.rows(
            """
            SELECT i.id, a.provider, a.name, i.resource, i.created, i.attempt, i.settled, i.plan
            FROM intent i JOIN account a ON a.number=i.account WHERE i.settled IS NULL ORDER BY i.id
            """, "load intents", IntentRow.read)
        try Self.loadDeliveries(database, ceiling: settings.endpointDeliveries, into: &state)
        state.plans = try database.rows(
            "SELECT sequence, created FROM plan ORDER BY sequence", "load plans"
        ) { row throws(StoreFailure) in StoredState.PlanAge(sequence: row.integer(), created: row.integer()) }
        state.credentials = try database.rows(CredentialRow.select, "load credentials", CredentialRow.read)
        state.pauses = try database.rows(PauseRow.select, "load pauses", PauseRow.read)
        state.doubts = try database.rows(
            """
            SELECT e.transfer, e.ordinal, t.id, s.id, t.revision, e.internal_id, e.schema_key
            FROM error e INDEXED BY error_doubt JOIN session s ON s.number=e.session
                JOIN transfer t ON t.sequence=e.transfer
            WHERE e.code='outcome_unknown' AND e.resolved=0 AND e.internal_id IS NOT NULL ORDER BY e.sequence
            """, "load doubts"
        ) { row throws(StoreFailure) in
            StoredState.StoredDoubt(
                place: RecordPlace(transfer: row.integer(), ordinal: row.int32()), transferID: row.identifier(),
                session: row.identifier(), revision: row.int32(), internalID: row.text(), schemaKey: row.text())
        }
        let find = try database.statement("SELECT name, sequence FROM consumer", "load consumers")
        while try find.step() {
            var row = RowReader(find)
            let name = row.text()
            state.consumers[name] = row.integer()
            try row.end()
        }
        find.reset()
        return state
    }

    private static func loadDeliveries(
        _ database: Database, ceiling: Int, into state: inout StoredState
    ) throws(StoreFailure) {
        state.lastDelivery = try Mark.delivery.latest(database)
        let find = try database.composed(
            PendingDelivery.select + " WHERE d.state=0 ORDER BY d.sequence", "load deliveries")
        while try find.step() {
            var row = RowReader(find)
            state.pendingDeliveries.add(try PendingDelivery.read(&row), ceiling: ceiling)
        }
        find.reset()
        let secrets = try database.rows(
            "SELECT s.id, w.secrets FROM webhook_secret w JOIN session s ON s.number=w.session", "load webhook secrets"
        ) { row throws(StoreFailure) in (row.identifier(), row.bytes()) }
        for (session, sealed) in secrets { state.webhookSecrets[session] = sealed }
    }
}
