import JSON
import PushCore

// The tables of an account's file, one type each, all statements prepared once. None of them opens a transaction.

/// The records. Their fields are one JSON object as compact text, so that numbers keep their spelling and members their
/// order.
final class RecordTable {
    struct Row {
        var id: Int64
        var resource: String
        /// Milliseconds since 1970, as `updatedAt`.
        var createdAt: Int64
        var updatedAt: Int64
        var fields: [UInt8]
    }

    private let inserting: Statement
    private let updating: Statement
    private let selecting: Statement
    private let probing: Statement
    private let last: Statement

    /// Ids begin above this.
    static let idsBeginAfter: Int64 = 100

    init(_ database: Database) throws(DatabaseFailure) {
        inserting = try database.prepare("INSERT INTO record VALUES (?1, ?2, ?3, ?4, ?5)")
        updating = try database.prepare("UPDATE record SET updated_at = ?2, fields = ?3 WHERE id = ?1")
        selecting = try database.prepare("SELECT resource, created_at, updated_at, fields FROM record WHERE id = ?1")
        probing = try database.prepare("SELECT resource FROM record WHERE id = ?1")
        last = try database.prepare("SELECT max(id) FROM record")
    }

    /// The id of the next record. Records are never deleted, so it is new.
    func nextID() throws(DatabaseFailure) -> Int64 {
        defer { last.reset() }
        return max(try last.step() ? last.integer(0) : 0, Self.idsBeginAfter) + 1
    }

    func insert(_ row: Row) throws(DatabaseFailure) {
        inserting.bind(row.id, at: 1)
        inserting.bind(row.resource, at: 2)
        inserting.bind(row.createdAt, at: 3)
        inserting.bind(row.updatedAt, at: 4)
        inserting.bind(row.fields, at: 5)
        try inserting.run()
    }

    func update(_ row: Row) throws(DatabaseFailure) {
        updating.bind(row.id, at: 1)
        updating.bind(row.updatedAt, at: 2)
        updating.bind(row.fields, at: 3)
        try updating.run()
    }

    /// Nil unless there is a record with this id in this resource.
    func row(_ id: Int64, of resource: String) throws(DatabaseFailure) -> Row? {
        selecting.bind(id, at: 1)
        defer { selecting.reset() }
        guard try selecting.step(), selecting.text(0) == resource else { return nil }
        return Row(
            id: id, resource: resource, createdAt: selecting.integer(1), updatedAt: selecting.integer(2),
            fields: selecting.bytes(3) { [UInt8]($0) })
    }

    func exists(_ id: Int64, in resource: String) throws(DatabaseFailure) -> Bool {
        probing.bind(id, at: 1)
        defer { probing.reset() }
        return try probing.step() && probing.text(0) == resource
    }
}

/// What records can be found by: (resource, field, normalised value) to ids.
///
/// New keys come in random order, and in one large tree nearly each of them would dirty a page of its own: ten times
/// the log of the records themselves. So they are put into a small table first and moved over in key order, many to a
/// page.
final class MatchKeyTable {
    private let inserting: Statement
    private let deleting: [Statement]
    private let finding: [Statement]
    private let moving: Statement
    private let emptying: Statement
    private var recentCount: Int

    /// Keys in the small table that are moved together: its pages are dirtied by each call, those of the large one by
    /// each move.
    static let moveCount = 16_384

    init(_ database: Database) throws(DatabaseFailure) {
        inserting = try database.prepare("INSERT OR IGNORE INTO recent_match_key VALUES (?1, ?2, ?3, ?4)")
        let condition = "WHERE resource = ?1 AND field = ?2 AND value = ?3"
        deleting = [
            try database.prepare("DELETE FROM recent_match_key \(condition) AND id = ?4"),
            try database.prepare("DELETE FROM match_key \(condition) AND id = ?4"),
        ]
        // Two look-ups and not a UNION, which costs more than both where, as mostly, nothing is found.
        finding = [
            try database.prepare("SELECT id FROM recent_match_key \(condition) ORDER BY id LIMIT ?4"),
            try database.prepare("SELECT id FROM match_key \(condition) ORDER BY id LIMIT ?4"),
        ]
        moving = try database.prepare("INSERT OR IGNORE INTO match_key SELECT * FROM recent_match_key")
        emptying = try database.prepare("DELETE FROM recent_match_key")
        recentCount = Int(try database.integer("SELECT count(*) FROM recent_match_key") ?? 0)
    }

    private static func bind(
        _ statement: Statement, _ resource: String, _ field: String, _ value: String, _ last: Int64
    ) {
        statement.bind(resource, at: 1)
        statement.bind(field, at: 2)
        statement.bind(value, at: 3)
        statement.bind(last, at: 4)
    }

    func insert(_ resource: String, _ field: String, _ value: String, _ id: Int64) throws(DatabaseFailure) {
        Self.bind(inserting, resource, field, value, id)
        try inserting.run()
        recentCount += 1
    }

    func delete(_ resource: String, _ field: String, _ value: String, _ id: Int64) throws(DatabaseFailure) {
        for statement in deleting {
            Self.bind(statement, resource, field, value, id)
            try statement.run()
        }
    }

    /// Moves the recent keys over when there are many; the last step of a write.
    func settle() throws(DatabaseFailure) {
        guard recentCount >= Self.moveCount else { return }
        try moving.run()
        try emptying.run()
        recentCount = 0
    }

    /// Ids in ascending order, at most `ceiling`.
    func ids(_ resource: String, _ field: String, _ value: String, ceiling: Int) throws(DatabaseFailure) -> [Int64] {
        var ids: [Int64] = []
        for statement in finding {
            Self.bind(statement, resource, field, value, Int64(ceiling))
            defer { statement.reset() }
            while try statement.step() {
                let id = statement.integer(0)
                if !ids.contains(id) { ids.append(id) }
            }
        }
        return ids.count < 2 ? ids : Array(ids.sorted().prefix(ceiling))
    }
}

/// Links between records; each is stored from both ends.
final class LinkTable {
    struct End: Equatable {
        var resource: String
        var id: Int64
    }

    private let inserting: Statement
    private let probing: Statement
    private let seeking: Statement
    private let listing: Statement

    init(_ database: Database) throws(DatabaseFailure) {
        seeking = try database.prepare("SELECT 1 FROM link WHERE id = ?1 AND resource = ?2 AND other = ?3")
        inserting = try database.prepare("INSERT OR IGNORE INTO link VALUES (?1, ?2, ?3)")
        probing = try database.prepare("SELECT other FROM link WHERE id = ?1 AND resource = ?2 LIMIT 1")
        listing = try database.prepare("SELECT resource, other FROM link WHERE id = ?1 ORDER BY resource, other")
    }

    func insert(_ one: End, _ other: End) throws(DatabaseFailure) {
        for (from, to) in [(one, other), (other, one)] {
            inserting.bind(from.id, at: 1)
            inserting.bind(to.resource, at: 2)
            inserting.bind(to.id, at: 3)
            try inserting.run()
        }
    }

    func exists(_ one: End, _ other: End) throws(DatabaseFailure) -> Bool {
        seeking.bind(one.id, at: 1)
        seeking.bind(other.resource, at: 2)
        seeking.bind(other.id, at: 3)
        defer { seeking.reset() }
        return try seeking.step()
    }

    /// Some record of `resource` that is linked to `id`.
    func first(of id: Int64, in resource: String) throws(DatabaseFailure) -> Int64? {
        probing.bind(id, at: 1)
        probing.bind(resource, at: 2)
        defer { probing.reset() }
        return try probing.step() ? probing.integer(0) : nil
    }

    /// All links of a record, by resource and id.
    func ends(of id: Int64) throws(DatabaseFailure) -> [End] {
        listing.bind(id, at: 1)
        defer { listing.reset() }
        var ends: [End] = []
        while try listing.step() { ends.append(End(resource: listing.text(0), id: listing.integer(1))) }
        return ends
    }
}

/// The append-only log of effects: what really happened, for whoever wants to count it from outside.
final class EffectTable {
    enum Operation: String { case create, update, link }

    private let inserting: Statement

    init(_ database: Database) throws(DatabaseFailure) {
        inserting = try database.prepare(
            "INSERT INTO effect (key, op, resource, id, at, to_resource, to_id) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")
    }

    /// - Parameter other: the far end of a link.
    func append(
        _ operation: Operation, key: String, resource: String, id: Int64, at time: Int64, other: LinkTable.End? = nil
    ) throws(DatabaseFailure) {
        inserting.bind(key, at: 1)
        inserting.bind(operation.rawValue, at: 2)
        inserting.bind(resource, at: 3)
        inserting.bind(id, at: 4)
        inserting.bind(time, at: 5)
        if let other {
            inserting.bind(other.resource, at: 6)
            inserting.bind(other.id, at: 7)
        } else {
            inserting.bindNull(at: 6)
            inserting.bindNull(at: 7)
        }
        try inserting.run()
    }
}
