import JSON

/// How a record looks to callers.
struct RecordRendering {
    let tables: AccountTables
    let showsAssociations: Bool

    /// Writes the record; `isUnlinked` spares a look at the links of a record that cannot have any yet.
    func write(
        _ row: RecordTable.Row, isUnlinked: Bool = false, into writer: inout JSONWriter
    ) throws(DatabaseFailure) {
        let ends = showsAssociations && !isUnlinked ? try tables.links.ends(of: row.id) : []
        writer.beginObject()
        writer.key("id")
        Self.id(row.id, into: &writer)
        writer.key("created_at")
        writer.string(LocalTime.text(milliseconds: row.createdAt))
        writer.key("updated_at")
        writer.string(LocalTime.text(milliseconds: row.updatedAt))
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

    static func id(_ id: Int64, into writer: inout JSONWriter) { writer.string(String(id)) }
}
