import JSON
import JSONSchema

// Theory of operation.
//
// The rules of a schema are chosen once, when a revision of the session is made, in a fixed order: the caller's own
// rules, then for each property in turn the same name, the same name but for spelling, a synonym, the title; a provider
// that takes any field gets what is left under its own name. What feeds a flat field from a list of typed entries comes
// last and gives way to every other value for that field. For each record only a table of names is asked.

/// The rules of one schema, chosen so that the same session always maps alike.
package struct Mapping: Equatable, Sendable {
    /// A property that is not sent, and why.
    package struct Unsent: Equatable, Sendable {
        package var property: String
        package var selection: EntrySelection?
        package var entry: String?
        package var why: String
        package var path: String { MappingRule.path(property, selection, entry) }
    }

    package var rules: [MappingRule] = []
    /// Properties that no field of the provider takes.
    package var unmapped: [Unsent] = []
    /// What the caller does not want to be sent.
    package var withheld: [Unsent] = []
    /// Fields that the caller's rules name and the provider does not list, though one is called nearly the same.
    package var doubtful: [(field: String, meant: String, pointer: String)] = []
    let properties: [SchemaProperty]
    private var routes = Routes(names: [], rules: [], withheld: [])

    /// A rule as it is carried out: held by reference, because it is taken up for every value of every record.
    final class Step: Sendable {
        let rule: MappingRule
        /// Of the field; kept apart from its description, which is only looked at when a value has to be converted.
        let type: FieldType

        init(_ rule: MappingRule) {
            self.rule = rule
            type = rule.target?.type ?? .any
        }
    }

    /// The steps by name of the property.
    private struct Routes: Sendable {
        let table: NameTable
        /// All steps, those of one name together.
        var steps: [Step] = []
        var starts: [Int] = [0]
        /// Of a name: only parts of it are sent, and not because the caller wants it so.
        var isInParts: [Bool] = []

        init(names: [String], rules: [MappingRule], withheld: [Unsent]) {
            table = NameTable(names)
            for name in names {
                let own = rules.filter { $0.property == name }
                steps += own.map(Step.init)
                starts.append(steps.count)
                isInParts.append(
                    !own.isEmpty && own.allSatisfy { $0.entry != nil } && !withheld.contains { $0.path == name })
            }
        }
    }

    /// - Parameters:
    ///   - choices: the caller's rules.
    ///   - takesAny: records may have properties that are not listed.
    /// - Throws: what is wrong with a choice, all of it; kind `params`.
    package init(
        properties: [SchemaProperty], resource: ResourceDescription, mode: UpsertMode, choices: [MappingChoice] = [],
        takesAny: Bool = false
    ) throws(DefinitionProblem) {
        self.properties = properties
        var builder = MappingBuilder(properties: properties, resource: resource, mode: mode, takesAny: takesAny)
        builder.build(choices)
        if let problem = DefinitionProblem(all: builder.problems) { throw problem }
        rules = builder.rules
        unmapped = builder.unmapped
        withheld = builder.withheld
        doubtful = builder.doubtful
        var names = properties.map(\.name)
        for rule in rules where !names.contains(rule.property) { names.append(rule.property) }
        routes = Routes(names: names, rules: rules, withheld: withheld)
    }

    /// Lower case, letters and digits only.
    static func normalise(_ name: String) -> String {
        String(
            String.UnicodeScalarView(
                name.lowercased().unicodeScalars.filter { $0.properties.isAlphabetic || ("0"..."9").contains($0) }))
    }

    /// A number for a property; nil for a name that neither the schema nor a rule has.
    func place(of key: JSONView) -> Int? {
        let place = key.withContents { routes.table.find($0) }
        return place < 0 ? nil : place
    }

    /// What is to be done with a property.
    func steps(at place: Int) -> ArraySlice<Step> {
        routes.steps[routes.starts[place]..<routes.starts[place + 1]]
    }

    /// True of a list of which only those entries are sent that a step chooses.
    func isInParts(_ place: Int) -> Bool { routes.isInParts[place] }

    package static func == (a: Mapping, b: Mapping) -> Bool {
        a.rules == b.rules && a.unmapped == b.unmapped && a.withheld == b.withheld
    }
}
