import PushCore

/// An open account: the connection with its tables.
///
/// The file is a product's file like the store's: write-ahead log, every commit flushed (`synchronous=FULL`, read
/// back), checkpoints apart from commits, schema by numbered steps, a newer schema refused. A foreign program may read
/// it.
final class AccountTables {
    let database: Database
    let records: RecordTable
    let matchKeys: MatchKeyTable
    let links: LinkTable
    let answers: AnswerTable
    let effects: EffectTable

    /// "pgLP" in the header of the file: a file of this program's embedded provider.
    static let applicationID: Int64 = 0x7067_4C50

    /// Each brings the schema one step further; appended to, never edited.
    static let migrations = [
        """
        CREATE TABLE record (
            id INTEGER PRIMARY KEY, resource TEXT NOT NULL, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL,
            fields TEXT NOT NULL) STRICT;
        CREATE TABLE match_key (
            resource TEXT NOT NULL, field TEXT NOT NULL, value TEXT NOT NULL, id INTEGER NOT NULL,
            PRIMARY KEY (resource, field, value, id)) STRICT, WITHOUT ROWID;
        CREATE TABLE recent_match_key (
            resource TEXT NOT NULL, field TEXT NOT NULL, value TEXT NOT NULL, id INTEGER NOT NULL,
            PRIMARY KEY (resource, field, value, id)) STRICT, WITHOUT ROWID;
        CREATE TABLE rule_set (resource TEXT PRIMARY KEY, rules TEXT NOT NULL) STRICT, WITHOUT ROWID;
        CREATE TABLE link (
            id INTEGER NOT NULL, resource TEXT NOT NULL, other INTEGER NOT NULL,
            PRIMARY KEY (id, resource, other)) STRICT, WITHOUT ROWID;
        CREATE TABLE answer (
            seq INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, at INTEGER NOT NULL, checksum INTEGER NOT NULL,
            length INTEGER NOT NULL, status INTEGER NOT NULL, body TEXT NOT NULL) STRICT;
        CREATE TABLE effect (
            seq INTEGER PRIMARY KEY, key TEXT NOT NULL, op TEXT NOT NULL, resource TEXT NOT NULL, id INTEGER NOT NULL,
            at INTEGER NOT NULL, to_resource TEXT, to_id INTEGER) STRICT;
        """
    ]

    /// Opens the existing file at `path`, which may be empty, and brings it up to date. A file that is refused is left
    /// as it was.
    init(path: String, resources: [ResourceDescription]) throws(DatabaseFailure) {
        database = try Database(path: path)
        try Self.prepare(database)
        records = try RecordTable(database)
        matchKeys = try MatchKeyTable(database)
        links = try LinkTable(database)
        answers = try AnswerTable(database)
        effects = try EffectTable(database)
        try transaction { () throws(DatabaseFailure) in
            try MatchKeyRebuild(tables: self).run(resources)
        }
    }

    private static func prepare(_ database: Database) throws(DatabaseFailure) {
        try database.execute("PRAGMA trusted_schema = OFF; PRAGMA cache_size = -16384", "set up connection")
        let owner = try database.integer("PRAGMA application_id") ?? 0
        let version = Int(try database.integer("PRAGMA user_version") ?? 0)
        let isEmpty = try database.integer("SELECT count(*) FROM sqlite_schema") == 0
        guard owner == applicationID || owner == 0 && version == 0 && isEmpty else {
            throw DatabaseFailure(code: DatabaseFailure.foreignFile, operation: "open file")
        }
        guard version <= migrations.count else {
            throw DatabaseFailure(code: DatabaseFailure.newerFile, operation: "open file")
        }
        let mode = try database.text("PRAGMA journal_mode = WAL")
        try database.execute("PRAGMA synchronous = FULL", "set up connection")
        guard mode == "wal", try database.integer("PRAGMA synchronous") == 2 else {
            throw DatabaseFailure(code: DatabaseFailure.notDurable, operation: "set up connection")
        }
        for step in version..<migrations.count {
            try database.execute(
                """
                BEGIN IMMEDIATE; \(migrations[step])
                PRAGMA application_id = \(applicationID); PRAGMA user_version = \(step + 1); COMMIT
                """, "migrate file")
        }
    }

    /// Runs `body` in a write transaction whose commit, if it fails, is nobody's outcome.
    private func transaction(_ body: () throws(DatabaseFailure) -> Void) throws(DatabaseFailure) {
        try database.execute("BEGIN IMMEDIATE", "begin transaction")
        do throws(DatabaseFailure) {
            try body()
            try database.execute("COMMIT", "commit")
        } catch {
            rollBack()
            throw error
        }
    }

    /// Takes back what is open. A failure of this needs no answer: SQLite takes back whatever a connection leaves open.
    func rollBack() {
        if !database.isOutsideTransaction { try? database.execute("ROLLBACK", "roll back") }
    }
}

/// Brings the match keys in line with the rules, which come from outside and may change between two versions: keys made
/// under other rules would neither be found nor ever be removed.
struct MatchKeyRebuild {
    let tables: AccountTables

    func run(_ resources: [ResourceDescription]) throws(DatabaseFailure) {
        let database = tables.database
        var known: [String: String] = [:]
        let listing = try database.prepare("SELECT resource, rules FROM rule_set ORDER BY resource")
        while try listing.step() { known[listing.text(0)] = listing.text(1) }
        listing.reset()
        let saving = try database.prepare("INSERT OR REPLACE INTO rule_set VALUES (?1, ?2)")
        let forgetting = try database.prepare("DELETE FROM match_key WHERE resource = ?1")
        for resource in resources {
            let rules = Self.text(of: resource.matchRules)
            guard known[resource.name] ?? "" != rules else { continue }
            forgetting.bind(resource.name, at: 1)
            try forgetting.run()
            try rebuild(resource)
            saving.bind(resource.name, at: 1)
            saving.bind(rules, at: 2)
            try saving.run()
        }
        let described = Set(resources.map(\.name))
        for (name, rules) in known.sorted(by: { $0.key < $1.key }) where !described.contains(name) && !rules.isEmpty {
            forgetting.bind(name, at: 1)
            try forgetting.run()
            saving.bind(name, at: 1)
            saving.bind("", at: 2)
            try saving.run()
        }
    }

    private func rebuild(_ resource: ResourceDescription) throws(DatabaseFailure) {
        let selecting = try tables.database.prepare("SELECT id, fields FROM record WHERE resource = ?1 ORDER BY id")
        selecting.bind(resource.name, at: 1)
        defer { selecting.reset() }
        while try selecting.step() {
            let id = selecting.integer(0)
            let keys = try FieldText(stored: selecting.bytes(1) { [UInt8]($0) }).matchKeys(resource.matchRules)
            for (rule, value) in zip(resource.matchRules, keys.values) {
                if let value { try tables.matchKeys.insert(resource.name, rule.field, value, id) }
            }
        }
    }

    static func text(of rules: [MatchRule]) -> String {
        rules.map { "\($0.field):\($0.kind.rawValue)(\($0.parts.joined(separator: ",")))" }.joined(separator: ";")
    }
}
