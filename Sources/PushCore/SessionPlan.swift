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
    /// A known name that was probably meant.
    package var suggestion: String?
    /// Problems of the same kind that were found along with it.
    package var further: [DefinitionProblem] = []

    package init(kind: Kind, pointer: String, text: String, suggestion: String? = nil) {
        self.kind = kind
        self.pointer = pointer
        self.text = text
        self.suggestion = suggestion
    }

    /// One problem that stands for all of them; nil for none.
    init?(all problems: [DefinitionProblem]) {
        guard let first = problems.first else { return nil }
        self = first
        further = Array(problems.dropFirst())
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
    package let webhooks: SessionWebhooks

    /// - Parameters:
    ///   - definition: the params of `initiateSession`.
    ///   - defaultSchema: the schema that a type has when the caller gives none.
    ///   - knownTypes: names that an `endgrate_type` may have beside those of the provider's resources; empty: any.
    /// - Throws: the first problem of the definition.
    package init(
        session: Identifier, revision: Int32, account: AccountKey, definition: JSONView,
        provider: ProviderDescription, defaultSchema: @escaping (String) -> JSONView?, knownTypes: [String] = [],
        patterns: any PatternCompiler
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
        webhooks = SessionWebhooks(definition)
        schemas = try SchemaReader(
            provider: provider, mode: defaultUpsert, match: options.match,
            allowsPassthrough: allowsPassthrough, defaultSchema: defaultSchema, knownTypes: knownTypes,
            patterns: patterns
        ).schemas(of: definition)
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
        webhooks = plan.webhooks
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
