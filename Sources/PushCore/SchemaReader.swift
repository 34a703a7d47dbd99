import JSON
import JSONSchema

/// Reads the schemas of a session's definition, with the mapping of each.
struct SchemaReader {
    let provider: ProviderDescription
    let mode: UpsertMode
    /// Match fields that the session names; nil: those of the resource.
    let match: [String]?
    let allowsPassthrough: Bool
    let defaultSchema: (String) -> JSONView?
    let knownTypes: [String]
    let patterns: any PatternCompiler

    /// - Throws: the first problem of a schema, or all those of the mapping of a schema.
    func schemas(of definition: JSONView) throws(DefinitionProblem) -> [SessionPlan.Schema] {
        let entries = definition["schema"]?.elements.map { $0 } ?? []
        guard !entries.isEmpty else {
            throw DefinitionProblem(
                kind: .params, pointer: "/schema", text: "A session needs at least one schema.")
        }
        var schemas: [SessionPlan.Schema] = []
        let types = entries.map { $0["endgrate_type"]?.string ?? "unspecified" }
        let keys = zip(entries, types).map { $0["title"]?.string ?? $1 }
        let choices = try MappingChoice.read(definition, keys: keys, types: types)
        for (place, entry) in entries.enumerated() {
            let schema = try schema(entry, pointer: "/schema/\(place)", choices[place])
            try check(schema, pointer: "/schema/\(place)", against: schemas)
            schemas.append(schema)
        }
        return schemas
    }

    private func check(
        _ schema: SessionPlan.Schema, pointer: String, against schemas: [SessionPlan.Schema]
    ) throws(DefinitionProblem) {
        guard !schemas.contains(where: { $0.key == schema.key }) else {
            throw DefinitionProblem(
                kind: .schema, pointer: pointer,
                text: "Two schemas have the key \"\(schema.key)\". Give each schema of a type a title of its own.")
        }
        // Two titles may read alike once they are a resource's name; sharing it would mix their records.
        let isListed = provider.resources.contains { $0.name == schema.resource.name }
        guard isListed || !schemas.contains(where: { $0.resource.name == schema.resource.name }) else {
            throw DefinitionProblem(
                kind: .schema, pointer: pointer + "/title",
                text: "\"\(schema.key)\" and another title name the same resource, \(schema.resource.name). "
                    + "Choose titles that differ in more than case and punctuation.")
        }
    }

    private func schema(
        _ entry: JSONView, pointer: String, _ choices: [MappingChoice]
    ) throws(DefinitionProblem) -> SessionPlan.Schema {
        let title = entry["title"]?.string
        let type = entry["endgrate_type"]?.string ?? "unspecified"
        guard title != nil || type != "unspecified" else {
            throw DefinitionProblem(
                kind: .schema, pointer: pointer, text: "A schema needs an endgrate_type or, without one, a title.")
        }
        let key = title ?? type
        let resource = try resource(of: type, key: key, pointer: pointer)
        let source = try source(of: entry, type, pointer: pointer)
        let compiled: CompiledSchema
        do {
            compiled = try CompiledSchema(source, patterns: patterns, options: .records)
        } catch {
            throw DefinitionProblem(
                kind: .schema, pointer: pointer,
                text: error.problems.map { "\($0.pointer): \($0.message)" }.joined(separator: "; "))
        }
        let properties = SchemaProperty.all(of: source)
        let takesAny =
            source["patternProperties"] != nil || source["additionalProperties"]?.bool == true
            || source["additionalProperties"]?.kind == .object
        let mapping = try Mapping(
            properties: properties, resource: resource, mode: mode, choices: choices,
            takesAny: takesAny || allowsPassthrough)
        return SessionPlan.Schema(
            key: key, endgrateType: type, title: title, source: source, resource: resource, mapping: mapping,
            matchPlaces: SessionPlan.Schema.matchPlaces(of: resource, match: match),
            compiled: compiled, knowsProperty: Set(properties.map(\.name)), takesAnyProperty: takesAny)
    }

    private func resource(
        of type: String, key: String, pointer: String
    ) throws(DefinitionProblem) -> ResourceDescription {
        let known = knownTypes + provider.resources.map(\.endgrateType)
        guard knownTypes.isEmpty || type == "unspecified" || known.contains(type) else {
            throw DefinitionProblem(
                kind: .unknownType, pointer: pointer + "/endgrate_type",
                text:
                    "There is no type \"\(type)\"; getTypes lists those there are. Records of a kind of your own go by a "
                    + "title, without endgrate_type.",
                suggestion: DidYouMean.nearest(type, among: known))
        }
        guard let resource = provider.resource(forType: type, key: key) else {
            throw DefinitionProblem(
                kind: .unknownType, pointer: pointer + "/endgrate_type",
                text: "\(provider.displayName) has no resource for \"\(type)\". getIntegrations lists what it has.")
        }
        return resource
    }

    /// Keywords that make a schema one of the caller's own.
    private static let own = [
        "properties", "patternProperties", "additionalProperties", "unevaluatedProperties", "$ref", "allOf", "anyOf",
        "oneOf",
    ]

    /// The schema that was given, or else the default one of its type, with what is required beyond it.
    private func source(
        of entry: JSONView, _ type: String, pointer: String
    ) throws(DefinitionProblem) -> JSONView {
        if Self.own.contains(where: { entry[name: $0] != nil }) { return entry }
        if let standard = defaultSchema(type) {
            guard let required = entry["required"] else { return standard }
            var value = JSONValue(standard)
            value["required"] = JSONValue(required)
            return (try? JSONDocument(parsing: value.text).root) ?? standard
        }
        throw DefinitionProblem(
            kind: type == "unspecified" ? .schema : .unknownType, pointer: pointer,
            text: type == "unspecified"
                ? "Records of a kind of your own have no default schema. Give type \"object\" and properties."
                : "\"\(type)\" is a known type, but it has no default schema. Give type \"object\" and properties; getTypes "
                    + "lists the types that have one.")
    }
}
