import JSON

/// Something that was done, but not quite as asked. Names are part of the wire.
package struct Warning: Equatable, Sendable {
    package enum Name: String, Sendable, CaseIterable {
        case flagWithoutMeaning = "flag_without_meaning"
        case rateLimitKept = "rate_limit_kept"
        case fieldUnmapped = "field_unmapped"
        case fieldUnlisted = "field_unlisted"
        case aliasUsed = "alias_used"
        case unknownProperty = "unknown_property"
        case matchKeyUnknown = "match_key_unknown"
        case recordRecreated = "record_recreated"
        case linkSkipped = "link_skipped"
        case recordDeleted = "record_deleted"
        case identityCollision = "identity_collision"
        case valueNotTaken = "value_not_taken"
        case adopted
    }

    package var name: Name
    package var message: String
    /// JSON Pointer to what it is about.
    package var path: String?

    package init(_ name: Name, _ message: String, path: String? = nil) {
        self.name = name
        self.message = message
        self.path = path
    }

    package func write(to writer: inout JSONWriter) {
        writer.beginObject()
        writer.key("name")
        writer.string(name.rawValue)
        writer.key("message")
        writer.string(message)
        if let path {
            writer.key("path")
            writer.string(path)
        }
        writer.endObject()
    }

    /// Compact JSON array; empty for none.
    package static func text(_ warnings: [Warning]) -> [UInt8] {
        guard !warnings.isEmpty else { return [] }
        var writer = JSONWriter()
        writer.beginArray()
        for warning in warnings { warning.write(to: &writer) }
        writer.endArray()
        return writer.bytes
    }

    /// What `text` wrote.
    package static func parse(_ view: JSONView) -> [Warning] {
        view.elements.compactMap { item in
            guard let name = item["name"]?.string.flatMap(Name.init), let message = item["message"]?.string else {
                return nil
            }
            return Warning(name, message, path: item["path"]?.string)
        }
    }
}
