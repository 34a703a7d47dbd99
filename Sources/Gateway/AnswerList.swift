import JSON

/// The rows of an answer: as many as the line of the connection takes; the caller says where the rest is (K30).
struct AnswerList {
    /// Rows that the answer has.
    private(set) var shown = 0
    /// Bytes of the row that was one too many; 0 as long as all fit.
    private(set) var refusedBytes = 0
    private var rows: JSONWriter
    private let room: Int

    /// - Parameters:
    ///   - room: bytes of all rows together.
    ///   - reserving: bytes that are made room for.
    init(room: Int, reserving: Int = 0) {
        self.room = room
        rows = JSONWriter(reserving: max(0, min(room, reserving)))
    }

    /// Adds a row, which is one JSON value.
    ///
    /// - Parameter takesFirst: the first row is taken whatever its length, so that a caller always gets on.
    /// - Returns: false when it does not fit; then nothing more is to be added.
    mutating func add(takesFirst: Bool = false, _ row: (inout JSONWriter) -> Void) -> Bool {
        let before = rows.bytes.count
        row(&rows)
        guard rows.bytes.count <= room || (takesFirst && shown == 0) else {
            refusedBytes = rows.bytes.count - before
            rows.bytes.removeLast(refusedBytes)
            return false
        }
        shown += 1
        return true
    }

    func write(_ key: StaticString, into writer: inout JSONWriter) {
        writer.key(key)
        writer.beginArray()
        if shown > 0 { writer.raw(rows.bytes) }
        writer.endArray()
    }
}
