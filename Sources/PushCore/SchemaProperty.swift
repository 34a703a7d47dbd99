import JSON
import JSONSchema

/// One property of a caller's schema, as far as mapping looks at it.
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

    /// - Parameters:
    ///   - schema: of the property.
    ///   - root: the document in which references are resolved.
    package init(name: String, schema: JSONView, root: JSONView? = nil) {
        let root = root ?? schema
        let behind = Self.resolved(schema, root)
        self.init(name: name, title: schema["title"]?.string ?? behind["title"]?.string)
        types = Self.types(behind)
        format = behind["format"]?.string
        let items = behind["items"].map { Self.resolved($0, root) }
        if let items { elementTypes = Self.types(items) }
        for (key, member) in (items?["properties"] ?? behind["properties"])?.members.map({ $0 }) ?? [] {
            let values = Self.resolved(member, root)["enum"]?.elements.compactMap(\.string) ?? []
            members.append((key.string ?? "", values))
        }
    }

    // MARK: Where properties stand

    /// Steps that are gone through references and parts of a schema: more are a circle, or nothing to be mapped.
    private static let depthCeiling = 16

    /// The properties that a schema speaks of: its own, then those of its parts, each once.
    package static func all(of root: JSONView) -> [SchemaProperty] {
        var properties: [SchemaProperty] = []
        collect(root, root, &properties, depth: 0)
        return properties
    }

    private static func collect(
        _ schema: JSONView, _ root: JSONView, _ properties: inout [SchemaProperty], depth: Int
    ) {
        guard depth < depthCeiling, schema.kind == .object else { return }
        for (key, value) in schema["properties"]?.members.map({ $0 }) ?? [] {
            let name = key.string ?? ""
            guard !properties.contains(where: { $0.name == name }) else { continue }
            properties.append(SchemaProperty(name: name, schema: value, root: root))
        }
        if let target = target(of: schema, root) { collect(target, root, &properties, depth: depth + 1) }
        for key in ["allOf", "anyOf", "oneOf"] {
            for part in schema[name: key]?.elements.map({ $0 }) ?? [] {
                collect(part, root, &properties, depth: depth + 1)
            }
        }
        for key in ["if", "then", "else"] {
            if let part = schema[name: key] { collect(part, root, &properties, depth: depth + 1) }
        }
        for (_, part) in schema["dependentSchemas"]?.members.map({ $0 }) ?? [] {
            collect(part, root, &properties, depth: depth + 1)
        }
    }

    private static func resolved(_ schema: JSONView, _ root: JSONView) -> JSONView {
        var schema = schema
        for _ in 0..<depthCeiling {
            guard let target = target(of: schema, root) else { break }
            schema = target
        }
        return schema
    }

    /// What `$ref` leads to by a JSON Pointer; other references are left to the validator.
    private static func target(of schema: JSONView, _ root: JSONView) -> JSONView? {
        guard let reference = schema["$ref"]?.string, reference.utf8.first == UInt8(ascii: "#"),
            let tokens = JSONPointer.tokens(String(reference.unicodeScalars.dropFirst()))
        else { return nil }
        var view = root
        for token in tokens {
            guard let next = view.kind == .array ? Int(token).flatMap({ view[$0] }) : view[name: token] else {
                return nil
            }
            view = next
        }
        return view
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
