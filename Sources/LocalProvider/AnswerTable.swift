/// The answers of writes under their idempotency keys, each stored by the transaction that it tells of.
final class AnswerTable {
    struct Answer {
        var status: Int
        var body: [UInt8]
    }

    enum Finding {
        case none
        case same(Answer)
        /// The key was used for something else.
        case other
    }

    private let finding: Statement
    private let inserting: Statement
    private let oldest: Statement
    private let deleting: Statement

    /// How long an answer is kept at least, in milliseconds: seven days.
    static let retention: Int64 = 7 * 24 * 3600 * 1000
    /// Old answers removed by one call: more than a call adds, and few enough not to be felt.
    static let trimStep = 4

    init(_ database: Database) throws(DatabaseFailure) {
        finding = try database.prepare("SELECT checksum, length, status, body FROM answer WHERE key = ?1")
        inserting = try database.prepare(
            "INSERT INTO answer (key, at, checksum, length, status, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")
        oldest = try database.prepare("SELECT seq FROM answer WHERE at < ?1 AND seq = (SELECT min(seq) FROM answer)")
        deleting = try database.prepare("DELETE FROM answer WHERE seq = ?1")
    }

    func find(_ key: String, _ request: RequestMark) throws(DatabaseFailure) -> Finding {
        finding.bind(key, at: 1)
        defer { finding.reset() }
        guard try finding.step() else { return .none }
        guard finding.integer(0) == request.checksum, finding.integer(1) == request.length else { return .other }
        return .same(Answer(status: Int(finding.integer(2)), body: finding.bytes(3) { [UInt8]($0) }))
    }

    func insert(_ answer: Answer, key: String, _ request: RequestMark, at time: Int64) throws(DatabaseFailure) {
        inserting.bind(key, at: 1)
        inserting.bind(time, at: 2)
        inserting.bind(request.checksum, at: 3)
        inserting.bind(request.length, at: 4)
        inserting.bind(Int64(answer.status), at: 5)
        inserting.bind(answer.body, at: 6)
        try inserting.run()
    }

    /// Removes a few answers that are older than the retention.
    func trim(at time: Int64) throws(DatabaseFailure) {
        for _ in 0..<Self.trimStep {
            oldest.bind(time - Self.retention, at: 1)
            let found = try oldest.step() ? oldest.integer(0) : nil
            oldest.reset()
            guard let found else { return }
            deleting.bind(found, at: 1)
            try deleting.run()
        }
    }
}

/// By what a repeated request is told from another one under the same key: path and body by length and checksum. It
/// guards against mistakes of the caller, not against forgery.
struct RequestMark: Equatable {
    let length: Int64
    let checksum: Int64

    init(path: String, body: [UInt8]) {
        var state: UInt64 = 0x9E37_79B9_7F4A_7C15
        var path = path
        path.withUTF8 { Self.mix(UnsafeRawBufferPointer($0), into: &state) }
        body.withUnsafeBytes { Self.mix($0, into: &state) }
        length = Int64(body.count)
        checksum = Int64(bitPattern: state)
    }

    /// Eight bytes a step; each step is a bijection of the state, so that one changed word always changes the sum.
    private static func mix(_ bytes: UnsafeRawBufferPointer, into state: inout UInt64) {
        var at = 0
        while at < bytes.count {
            var word: UInt64 = 0
            if at + 8 <= bytes.count {
                word = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: at, as: UInt64.self))
            } else {
                for place in at..<bytes.count { word |= UInt64(bytes[place]) << UInt64(8 * (place - at)) }
            }
            state = (state ^ word) &* 0xFF51_AFD7_ED55_8CCD
            state ^= state >> 32
            at += 8
        }
        state = (state ^ UInt64(bytes.count)) &* 0xC4CE_B9FE_1A85_EC53
        state ^= state >> 29
    }
}
