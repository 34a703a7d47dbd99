import JSON

/// How a record looks to callers.
struct RecordRendering {
    let tables: AccountTables
    let showsAssociations: Bool
    /// The time that was written last: records of one call mostly share theirs.
    private var time: (milliseconds: Int64, text: String)?

    init(tables: AccountTables, showsAssociations: Bool) {
        self.tables = tables
        self.showsAssociations = showsAssociations
    }

    /// Writes the record; `isUnlinked` spares a look at the links of a record that cannot have any yet.
    mutating func write(
        _ row: RecordTable.Row, isUnlinked: Bool = false, into writer: inout JSONWriter
    ) throws(DatabaseFailure) {
        let ends = showsAssociations && !isUnlinked ? try tables.links.ends(of: row.id) : []
        writer.beginObject()
        writer.key("id")
        Self.id(row.id, into: &writer)
        writer.key("created_at")
        write(time: row.createdAt, into: &writer)
        writer.key("updated_at")
        write(time: row.updatedAt, into: &writer)
        writer.key("fields")
        writer.raw(row.fields)
        if showsAssociations {
            writer.key("associations")
            writer.beginObject()
            var group: String?
            for end in ends {
                if end.resource != group {
                    if group != nil { writer.endArray() }
                    group = end.resource
                    writer.key(text: end.resource)
                    writer.beginArray()
                }
                Self.id(end.id, into: &writer)
            }
            if group != nil { writer.endArray() }
            writer.endObject()
        }
        writer.endObject()
    }

    private mutating func write(time milliseconds: Int64, into writer: inout JSONWriter) {
        let text = time?.milliseconds == milliseconds ? time?.text : nil
        let known = text ?? LocalTime.text(milliseconds: milliseconds)
        if text == nil { time = (milliseconds, known) }
        writer.string(known)
    }

    static func id(_ id: Int64, into writer: inout JSONWriter) { writer.string(String(id)) }
}
