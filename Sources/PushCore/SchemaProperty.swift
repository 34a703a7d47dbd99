import JSON

/// One property of a caller's schema, as far as mapping looks at it. What stands behind a `$ref` is not seen.
package struct SchemaProperty: Sendable {
    package var name: String
    package var title: String?
    /// Kinds that the schema allows; empty: it does not say.
    package var types: [String]
    package var format: String?
    /// Of a list: kinds of its elements; empty: it does not say.
    package var elementTypes: [String]
    /// Members of the object, or of the objects in the list; empty: it does not say.
    package var members: [(name: String, values: [String])]

    package init(name: String, title: String? = nil) {
        self.name = name
        self.title = title
        types = []
        elementTypes = []
        members = []
    }

    /// - Parameter schema: of the property.
    package init(name: String, schema: JSONView) {
        self.init(name: name, title: schema["title"]?.string)
        types = Self.types(schema)
        format = schema["format"]?.string
        if let items = schema["items"] { elementTypes = Self.types(items) }
        for (key, member) in (schema["items"]?["properties"] ?? schema["properties"])?.members.map({ $0 }) ?? [] {
            members.append((key.string ?? "", member["enum"]?.elements.compactMap(\.string) ?? []))
        }
    }

    private static func types(_ schema: JSONView) -> [String] {
        guard let type = schema["type"] else { return [] }
        if let one = type.string { return [one] }
        return type.elements.compactMap(\.string).filter { $0 != "null" }
    }

    var isList: Bool { types == ["array"] }
    var isObject: Bool { types == ["object"] }

    /// The one member that says what kind of entry it is, such as `email_address_type`; nil if none or several do.
    var kindMember: String? {
        let kinds = members.map(\.name).filter(EntrySelection.Condition.isKind)
        return kinds.count == 1 ? kinds[0] : nil
    }
}
