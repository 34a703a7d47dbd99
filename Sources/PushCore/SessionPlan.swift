import JSON
import JSONSchema

/// What is wrong with the definition of a session, with a pointer into the params of the call.
package struct DefinitionProblem: Error, Equatable, Sendable {
    package enum Kind: Sendable, Equatable {
        /// Answered as `schema_invalid`.
        case schema
        /// Answered as `unknown_type`.
        case unknownType
        /// Answered as `invalid_params`.
        case params
    }

    package var kind: Kind
    package var pointer: String
    package var text: String

    package init(kind: Kind, pointer: String, text: String) {
        self.kind = kind
        self.pointer = pointer
        self.text = text
    }
}

/// A revision of a session, made ready for work: schemas compiled, mappings chosen, options read.
///
/// A class because every record under way refers to its plan; it is never changed after it was made.
package final class SessionPlan: Sendable {
    /// One schema of the session with everything that follows from it.
    package struct Schema: Sendable {
        /// `title` if given, else the `endgrate_type` (D38).
        package let key: String
        package let endgrateType: String
        package let title: String?
        /// The schema with default properties filled in.
        package let source: JSONView
        package let resource: ResourceDescription
        package let mapping: Mapping
        /// Match rules of the resource that this session uses, in its order; places in `resource.matchRules`.
        package fileprivate(set) var matchPlaces: [Int]
        let compiled: CompiledSchema
        let knowsProperty: Set<String>
        let takesAnyProperty: Bool
    }

    package let session: Identifier
    package let revision: Int32
    package let account: AccountKey
    package let namespace: String
    package let provider: ProviderDescription
    package let schemas: [Schema]
    package let options: PushOptions
    package let defaultUpsert: UpsertMode
    package let allowsPassthrough: Bool
    /// Results come back in the caller's schema (`method: "push+pull"`).
    package let returnsSchemaForm: Bool
    package let label: String?

    /// - Parameters:
    ///   - definition: the params of `initiateSession`.
    ///   - defaultSchema: the schema that a type has when the caller gives none.
    /// - Throws: the first problem of the definition.
    package init(
        session: Identifier, revision: Int32, account: AccountKey, definition: JSONView,
        provider: ProviderDescription, defaultSchema: (String) -> JSONView?, patterns: any PatternCompiler
    ) throws(DefinitionProblem) {
        self.session = session
        self.revision = revision
        self.account = account
        self.provider = provider
        namespace = definition["namespace"]?.string ?? ""
        options = PushOptions().overridden(by: definition)
        defaultUpsert = definition["default_upsert"]?.string.flatMap(UpsertMode.init) ?? .overwrite
        allowsPassthrough = definition["passthrough_fields"]?.bool ?? false
        returnsSchemaForm = definition["method"]?.isString("push+pull") ?? false
        label = definition["label"]?.string
        var schemas: [Schema] = []
        var place = 0
        if let list = definition["schema"] {
            for entry in list.elements {
                let schema = try Schema(
                    entry, pointer: "/schema/\(place)", provider: provider, mode: defaultUpsert, match: options.match,
                    defaultSchema: defaultSchema, patterns: patterns)
                guard !schemas.contains(where: { $0.key == schema.key }) else {
                    throw DefinitionProblem(
                        kind: .schema, pointer: "/schema/\(place)",
                        text:
                            "Two schemas have the key \"\(schema.key)\". Give each schema of a type a title of its own."
                    )
                }
                // Two titles may read alike once they are a resource's name; sharing it would mix their records.
                let isListed = provider.resources.contains { $0.name == schema.resource.name }
                guard isListed || !schemas.contains(where: { $0.resource.name == schema.resource.name }) else {
                    throw DefinitionProblem(
                        kind: .schema, pointer: "/schema/\(place)/title",
                        text: "\"\(schema.key)\" and another title name the same resource, \(schema.resource.name). "
                            + "Choose titles that differ in more than case and punctuation.")
                }
                schemas.append(schema)
                place += 1
            }
        }
        guard !schemas.isEmpty else {
            throw DefinitionProblem(
                kind: .params, pointer: "/schema", text: "A session needs at least one schema.")
        }
        self.schemas = schemas
    }

    /// The same session with other options.
    private init(_ plan: SessionPlan, _ options: PushOptions) {
        session = plan.session
        revision = plan.revision
        account = plan.account
        namespace = plan.namespace
        provider = plan.provider
        self.options = options
        defaultUpsert = plan.defaultUpsert
        allowsPassthrough = plan.allowsPassthrough
        returnsSchemaForm = plan.returnsSchemaForm
        label = plan.label
        var schemas = plan.schemas
        if options.match != plan.options.match {
            for place in schemas.indices {
                schemas[place].matchPlaces = Schema.matchPlaces(of: schemas[place].resource, match: options.match)
            }
        }
        self.schemas = schemas
    }

    package func overridden(by options: PushOptions) -> SessionPlan {
        options == self.options ? self : SessionPlan(self, options)
    }

    /// Place of the schema that a name stands for: exact key first, then a type that exactly one schema has (D38).
    package func schemaPlace(for name: String) -> Int? {
        if let place = schemas.firstIndex(where: { $0.key == name }) { return place }
        let places = schemas.indices.filter { schemas[$0].endgrateType == name }
        return places.count == 1 ? places[0] : nil
    }
}

extension SessionPlan.Schema {
    init(
        _ entry: JSONView, pointer: String, provider: ProviderDescription, mode: UpsertMode, match: [String]?,
        defaultSchema: (String) -> JSONView?, patterns: any PatternCompiler
    ) throws(DefinitionProblem) {
        title = entry["title"]?.string
        endgrateType = entry["endgrate_type"]?.string ?? "unspecified"
        guard title != nil || endgrateType != "unspecified" else {
            throw DefinitionProblem(
                kind: .schema, pointer: pointer, text: "A schema needs an endgrate_type or, without one, a title.")
        }
        key = title ?? endgrateType
        guard let resource = provider.resource(forType: endgrateType, key: key) else {
            throw DefinitionProblem(
                kind: .unknownType, pointer: pointer + "/endgrate_type",
                text:
                    "\(provider.displayName) has no resource for \"\(endgrateType)\". getIntegrations lists what it has."
            )
        }
        self.resource = resource
        if entry["properties"] != nil {
            source = entry
        } else if let standard = defaultSchema(endgrateType) {
            source = standard
        } else {
            throw DefinitionProblem(
                kind: endgrateType == "unspecified" ? .schema : .unknownType, pointer: pointer,
                text: "There is no default schema for \"\(endgrateType)\". Give type \"object\" and properties; "
                    + "getTypes lists the types that have one.")
        }
        do {
            compiled = try CompiledSchema(source, patterns: patterns, options: .records)
        } catch {
            throw DefinitionProblem(
                kind: .schema, pointer: pointer,
                text: error.problems.map { "\($0.pointer): \($0.message)" }.joined(separator: "; "))
        }
        var properties: [(name: String, title: String?)] = []
        for (name, value) in source["properties"]?.members ?? entry.members {
            properties.append((name.string ?? "", value["title"]?.string))
        }
        knowsProperty = Set(properties.map(\.name))
        takesAnyProperty =
            source["patternProperties"] != nil || source["additionalProperties"]?.bool == true
            || source["additionalProperties"]?.kind == .object
        mapping = Mapping(properties: properties, resource: resource, mode: mode)
        matchPlaces = Self.matchPlaces(of: resource, match: match)
    }
}
