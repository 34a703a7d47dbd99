// Theory of operation.
//
// The schema is a list of migrations. A migration that was released is never changed: the next one is appended.
// `user_version` counts those that a file has seen.
//
// What the tables have in common:
// - Whatever a caller can push many of is cheap to append: keys grow with time, and there is no index that a query does
//   not need. A transfer of one record touches the ends of five trees.
// - Sessions, accounts and ledger scopes go by numbers that are never used twice. A row whose session is gone is
//   invisible at once, because every query goes through `session`; that it still lies in the file is put right in
//   slices (`Removal`).
// - `sum` is the checksum of the row (K12). It stands last; columns are in the order in which they are summed.
// - An identifier is a blob of twelve bytes, most significant first; JSON is kept as the bytes that arrived.

/// The versions of the schema.
enum Migrations {
    /// "PGAT" in the header of the file: this database is a Pushgate store.
    static let applicationID: Int32 = 0x5047_4154

    /// Number of the newest schema that this version knows.
    static var newest: Int32 { Int32(all.count) }

    /// Brings the file from version `found` to the newest. Throws what SQLite reports.
    static func run(on database: Database, from found: Int32) throws(StoreFailure) {
        guard found < newest else { return }
        try database.transaction { () throws(StoreFailure) in
            for sql in all[Int(found)...] { try database.execute(sql, "migrate schema") }
            try database.execute(
                "PRAGMA application_id=\(applicationID); PRAGMA user_version=\(newest)", "migrate schema")
        }
    }

    private static let all = [
        first, transferOptions, confirmedStates, plans, lives, credentials, deliveries, doubts, deliveryLines,
        exchanges, pauses,
    ]

    /// What a start looks for among all errors: records of which nobody knows whether they were created.
    private static let doubts = """
        CREATE INDEX error_doubt ON error(sequence) WHERE code='outcome_unknown' AND resolved=0;
        """

    /// ended, duration: milliseconds. intent: 0 for reads. first, last: the lowest and the highest transfer of `places`
    /// (`PlaceList`), 0 for none. Of an outcome, decision: `DecisionReason.text`, behind the sum and no part of it.
    private static let exchanges = """
        CREATE TABLE exchange(
            sequence INTEGER PRIMARY KEY, account INTEGER NOT NULL, ended INTEGER NOT NULL, duration INTEGER NOT NULL,
            operation TEXT NOT NULL, resource TEXT NOT NULL, method TEXT NOT NULL, path TEXT NOT NULL,
            attempt INTEGER NOT NULL, intent INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
            places TEXT NOT NULL, status INTEGER, phase TEXT, reason TEXT NOT NULL, meaning INTEGER NOT NULL);
        ALTER TABLE outcome ADD COLUMN decision TEXT;
        """

    /// One an account. name: the operator's word for it; sealed: the value itself, under the gateway's key.
    private static let credentials = """
        CREATE TABLE credential(
            account INTEGER PRIMARY KEY, name TEXT, sealed BLOB NOT NULL, changed INTEGER NOT NULL);
        """

    /// Calls of webhooks. Columns from `event` on are those of the event log. due: 0 before the first attempt.
    private static let deliveries = """
        ALTER TABLE transfer_life ADD COLUMN webhooks BLOB NOT NULL DEFAULT x'';
        CREATE TABLE delivery(
            sequence INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, endpoint TEXT NOT NULL, concurrent INTEGER NOT NULL,
            revision INTEGER NOT NULL, state INTEGER NOT NULL, attempts INTEGER NOT NULL, due INTEGER NOT NULL,
            finished INTEGER, status INTEGER, reason TEXT, event INTEGER NOT NULL, time INTEGER NOT NULL,
            kind INTEGER NOT NULL, session INTEGER NOT NULL, transfer INTEGER NOT NULL, first INTEGER NOT NULL,
            past INTEGER NOT NULL, flags INTEGER NOT NULL, error INTEGER, counts TEXT);
        CREATE INDEX delivery_pending ON delivery(sequence) WHERE state=0;
        CREATE INDEX delivery_finished ON delivery(finished) WHERE state<>0;
        CREATE INDEX delivery_transfer ON delivery(transfer);
        CREATE INDEX delivery_session ON delivery(session);
        CREATE TABLE webhook_secret(session INTEGER PRIMARY KEY, secrets BLOB NOT NULL);
        """

    /// What is pending for one endpoint of a session, in its order.
    private static let deliveryLines = """
        CREATE INDEX delivery_line ON delivery(session, endpoint, sequence) WHERE state=0;
        """

    /// abort_share: hundredths of a percent. told: ids of sessions, with commas between them.
    private static let pauses = """
        ALTER TABLE transfer_life ADD COLUMN retry_window INTEGER;
        ALTER TABLE transfer_life ADD COLUMN abort_rejects INTEGER;
        ALTER TABLE transfer_life ADD COLUMN abort_share INTEGER;
        ALTER TABLE transfer_life ADD COLUMN aborted INTEGER NOT NULL DEFAULT 0;
        CREATE TABLE pause(
            account INTEGER PRIMARY KEY, reason INTEGER NOT NULL, since INTEGER NOT NULL, told TEXT NOT NULL);
        """

    /// What a push says about itself beside its session (K16): JSON text, empty for nothing.
    private static let transferOptions = """
        ALTER TABLE transfer ADD COLUMN options BLOB NOT NULL DEFAULT x'';
        """

    /// Of provider records, not of internal ids: whoever pushes to a record, all meet one row. `state` is sealed. The index
    /// answers who else is remembered for a record.
    private static let confirmedStates = """
        CREATE TABLE confirmed(
            account INTEGER NOT NULL, resource TEXT NOT NULL, provider_id TEXT NOT NULL, confirmed INTEGER NOT NULL,
            state BLOB NOT NULL, PRIMARY KEY(account, resource, provider_id)) WITHOUT ROWID;
        CREATE INDEX ledger_holder ON ledger(scope, resource, provider_id);
        """

    private static let first = """
        CREATE TABLE meta(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
        CREATE TABLE account(
            number INTEGER PRIMARY KEY, provider TEXT NOT NULL, name TEXT NOT NULL, UNIQUE(provider, name));

        CREATE TABLE session(
            number INTEGER PRIMARY KEY AUTOINCREMENT, id BLOB NOT NULL UNIQUE, name TEXT, account INTEGER NOT NULL,
            revision INTEGER NOT NULL, created INTEGER NOT NULL, expires INTEGER);
        CREATE TABLE session_revision(
            session INTEGER NOT NULL, revision INTEGER NOT NULL, definition BLOB NOT NULL,
            PRIMARY KEY(session, revision)) WITHOUT ROWID;

        -- arrived: place in the order of acceptance among open transfers; 0 while records are still coming, which a
        -- restart does not survive.
        CREATE TABLE transfer(
            sequence INTEGER PRIMARY KEY, id BLOB NOT NULL, session INTEGER NOT NULL, account INTEGER NOT NULL,
            revision INTEGER NOT NULL, schema_key TEXT NOT NULL, records INTEGER NOT NULL,
            all_records INTEGER NOT NULL, disable_upsert INTEGER NOT NULL, idempotency_key TEXT,
            body_hash BLOB NOT NULL, created INTEGER NOT NULL, completed INTEGER, published INTEGER NOT NULL,
            created_records INTEGER NOT NULL, updated_records INTEGER NOT NULL,
            unchanged_records INTEGER NOT NULL, refused_records INTEGER NOT NULL, uncertain_records INTEGER NOT NULL,
            unsent_records INTEGER NOT NULL, finished_all INTEGER NOT NULL, errors INTEGER NOT NULL,
            failed_pages INTEGER NOT NULL, cursor INTEGER NOT NULL, arrived INTEGER NOT NULL);
        CREATE UNIQUE INDEX transfer_id ON transfer(id);
        CREATE UNIQUE INDEX transfer_key ON transfer(session, idempotency_key) WHERE idempotency_key IS NOT NULL;
        CREATE INDEX transfer_open ON transfer(sequence) WHERE completed IS NULL;

        CREATE TABLE record(
            transfer INTEGER NOT NULL, ordinal INTEGER NOT NULL, top INTEGER NOT NULL, parent INTEGER NOT NULL,
            children INTEGER NOT NULL, descendants INTEGER NOT NULL, schema INTEGER NOT NULL, given_id TEXT,
            internal_id TEXT, data BLOB NOT NULL, sum INTEGER NOT NULL,
            PRIMARY KEY(transfer, ordinal)) WITHOUT ROWID;
        -- Where a top-level record stands, if not at the ordinal that equals its index. As children come before their
        -- parents, the ordinals of a transfer equal the indices up to the first parent, and never again.
        CREATE TABLE top_place(
            transfer INTEGER NOT NULL, top INTEGER NOT NULL, ordinal INTEGER NOT NULL,
            PRIMARY KEY(transfer, top)) WITHOUT ROWID;
        CREATE TABLE outcome(
            transfer INTEGER NOT NULL, ordinal INTEGER NOT NULL, kind INTEGER NOT NULL, provider_id TEXT,
            basis TEXT, warnings BLOB NOT NULL, finished INTEGER NOT NULL, data BLOB NOT NULL, sum INTEGER NOT NULL,
            PRIMARY KEY(transfer, ordinal)) WITHOUT ROWID;

        -- A settled intent keeps its row, so that its number is not used again, but not its plan.
        CREATE TABLE intent(
            id INTEGER PRIMARY KEY, account INTEGER NOT NULL, resource TEXT NOT NULL, created INTEGER NOT NULL,
            attempt INTEGER NOT NULL, settled INTEGER, plan BLOB NOT NULL);
        CREATE INDEX intent_open ON intent(id) WHERE settled IS NULL;

        -- A scope is an account and a namespace (K14). Forgetting ends the scope; the next push begins a new one.
        CREATE TABLE scope(
            number INTEGER PRIMARY KEY AUTOINCREMENT, account INTEGER NOT NULL, namespace TEXT NOT NULL,
            UNIQUE(account, namespace));
        CREATE TABLE ledger(
            scope INTEGER NOT NULL, resource TEXT NOT NULL, internal_id TEXT NOT NULL, provider_id TEXT NOT NULL,
            confirmed INTEGER NOT NULL, sum INTEGER NOT NULL,
            PRIMARY KEY(scope, resource, internal_id)) WITHOUT ROWID;

        CREATE TABLE error(
            sequence INTEGER PRIMARY KEY, id BLOB NOT NULL, session INTEGER NOT NULL, transfer INTEGER NOT NULL,
            ordinal INTEGER NOT NULL, top INTEGER NOT NULL, internal_id TEXT, schema_key TEXT NOT NULL,
            kind TEXT NOT NULL, code TEXT NOT NULL, text TEXT NOT NULL, time INTEGER NOT NULL,
            resolved INTEGER NOT NULL);
        CREATE INDEX error_session ON error(session);
        CREATE INDEX error_transfer ON error(transfer);
        -- flags: 1 completed, 2 has errors. counts: nine numbers, of `completed`.
        CREATE TABLE event(
            sequence INTEGER PRIMARY KEY, time INTEGER NOT NULL, kind INTEGER NOT NULL, session INTEGER NOT NULL,
            transfer INTEGER NOT NULL, first INTEGER NOT NULL, past INTEGER NOT NULL, flags INTEGER NOT NULL,
            error INTEGER, counts TEXT);
        CREATE TABLE consumer(name TEXT PRIMARY KEY, sequence INTEGER NOT NULL, time INTEGER NOT NULL) WITHOUT ROWID;

        -- What is invisible and still to be removed, oldest first.
        CREATE TABLE removal(number INTEGER PRIMARY KEY AUTOINCREMENT, kind INTEGER NOT NULL, target INTEGER NOT NULL);
        """

    /// A plan's records stand in `record` under its sequence, as those of a transfer do, and become that transfer's.
    private static let plans = """
        -- counts: five numbers. calls: JSON. ready: 0 while it is being made, which a restart does not survive.
        CREATE TABLE plan(
            sequence INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, session INTEGER NOT NULL,
            revision INTEGER NOT NULL, schema_key TEXT NOT NULL, records INTEGER NOT NULL,
            all_records INTEGER NOT NULL, disable_upsert INTEGER NOT NULL, options BLOB NOT NULL,
            created INTEGER NOT NULL, ready INTEGER NOT NULL, counts TEXT NOT NULL, calls BLOB NOT NULL, duration INTEGER NOT NULL,
            applied BLOB);
        CREATE TABLE planned(
            transfer INTEGER NOT NULL, ordinal INTEGER NOT NULL, batch INTEGER NOT NULL,
            batch_size INTEGER NOT NULL, action INTEGER NOT NULL, follows INTEGER NOT NULL, state INTEGER NOT NULL,
            provider_id TEXT, content BLOB NOT NULL, sum INTEGER NOT NULL,
            PRIMARY KEY(transfer, ordinal)) WITHOUT ROWID;
        """

    /// What only some transfers have; an ordinary push writes none of it.
    private static let lives = """
        -- parts: how many have arrived of a transfer that is sent in parts. While `arrived` of the transfer is 0 it is open,
        -- and survives a restart; touched: when the last part came.
        CREATE TABLE transfer_life(
            transfer INTEGER PRIMARY KEY, cancelled INTEGER, retry_of INTEGER, retry_of_id BLOB, parts INTEGER,
            touched INTEGER, sample INTEGER NOT NULL);
        -- records, all_records: of the transfer up to the end of the part.
        CREATE TABLE part(
            transfer INTEGER NOT NULL, number INTEGER NOT NULL, hash BLOB NOT NULL, records INTEGER NOT NULL,
            all_records INTEGER NOT NULL, PRIMARY KEY(transfer, number)) WITHOUT ROWID;
        -- Which record of its origin a record of a retry is: from this ordinal on, the origin's is larger by `shift`.
        CREATE TABLE retried(
            transfer INTEGER NOT NULL, ordinal INTEGER NOT NULL, shift INTEGER NOT NULL,
            PRIMARY KEY(transfer, ordinal)) WITHOUT ROWID;
        CREATE INDEX error_record ON error(transfer, ordinal);
        -- examples: JSON, an object of lists by property.
        CREATE TABLE example(
            session INTEGER NOT NULL, schema_key TEXT NOT NULL, examples BLOB NOT NULL,
            PRIMARY KEY(session, schema_key)) WITHOUT ROWID;
        """
}
