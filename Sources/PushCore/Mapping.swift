import JSON

/// What happens to a field of a record that exists already (D19).
package enum UpsertMode: String, Sendable, CaseIterable {
    case overwrite = "OVERWRITE"
    case doNotUpdate = "DO_NOT_UPDATE"
    case setIfNotSet = "SET_IF_NOT_SET"
}

/// One assignment of a property of the caller's schema to a field of the provider, and why it was chosen (D43).
package struct MappingRule: Equatable, Sendable {
    package enum How: String, Sendable, CaseIterable {
        /// The names are equal.
        case exact
        /// The names are equal but for case and punctuation.
        case normalised
        /// The provider's field is known to go by this name.
        case synonym
        /// The property's title is a name of the field.
        case title
        /// The first typed entry of a list feeds a flat field.
        case entries
        /// The provider takes any field under its own name.
        case open
    }

    package var property: String
    /// Of `entries`: the member of an entry that holds the value.
    package var entry: String?
    package var field: String
    package var how: How
    package var mode: UpsertMode
}

/// The rules of one schema, chosen in a fixed order so that the same session always maps alike.
package struct Mapping: Equatable, Sendable {
    package let rules: [MappingRule]
    /// Properties that no field of the provider takes.
    package let unmapped: [String]
    private let places: [String: [Int]]

    /// - Parameter properties: name and title of each property of the schema, in its order.
    package init(
        properties: [(name: String, title: String?)], resource: ResourceDescription, mode: UpsertMode
    ) {
        var rules: [MappingRule] = []
        var unmapped: [String] = []
        var taken: Set<String> = []
        func add(_ property: String, _ field: String, _ how: MappingRule.How, entry: String? = nil) {
            taken.insert(field)
            rules.append(MappingRule(property: property, entry: entry, field: field, how: how, mode: mode))
        }
        let names = Set(properties.map(\.name))
        for (name, title) in properties {
            if let match = Self.field(for: name, title: title, in: resource, excluding: taken, properties: names) {
                add(name, match.field, match.how)
            } else if resource.hasOpenFields && !taken.contains(name) {
                add(name, name, .open)
            } else {
                unmapped.append(name)
            }
        }
        for field in resource.fields {
            guard let entries = field.entries, !taken.contains(field.name), names.contains(entries.list) else {
                continue
            }
            add(entries.list, field.name, .entries, entry: entries.value)
        }
        // A flat field that the schema also has gives way to the entries only where the record leaves it out.
        for field in resource.fields {
            guard let entries = field.entries, names.contains(entries.list),
                !rules.contains(where: { $0.field == field.name && $0.how == .entries })
            else { continue }
            rules.append(
                MappingRule(
                    property: entries.list, entry: entries.value, field: field.name, how: .entries, mode: mode))
        }
        self.rules = rules
        self.unmapped = unmapped
        var places: [String: [Int]] = [:]
        for (place, rule) in rules.enumerated() { places[rule.property, default: []].append(place) }
        self.places = places
    }

    private static func field(
        for name: String, title: String?, in resource: ResourceDescription, excluding taken: Set<String>,
        properties: Set<String>
    ) -> (field: String, how: MappingRule.How)? {
        let free = resource.fields.filter { !taken.contains($0.name) }
        if free.contains(where: { $0.name == name }) { return (name, .exact) }
        // A field that another property names exactly is left to that property.
        let open = free.filter { !properties.contains($0.name) }
        let normal = normalise(name)
        if let field = open.first(where: { normalise($0.name) == normal }) { return (field.name, .normalised) }
        if let field = open.first(where: { $0.synonyms.contains { normalise($0) == normal } }) {
            return (field.name, .synonym)
        }
        guard let title = title.map(normalise), !title.isEmpty else { return nil }
        let byTitle = open.first { field in
            normalise(field.name) == title || field.title.map(normalise) == title
                || field.synonyms.contains { normalise($0) == title }
        }
        return byTitle.map { ($0.name, .title) }
    }

    /// Lower case, letters and digits only.
    static func normalise(_ name: String) -> String {
        String(
            String.UnicodeScalarView(
                name.lowercased().unicodeScalars.filter { $0.properties.isAlphabetic || ("0"..."9").contains($0) }))
    }

    /// Places in `rules` of the rules of a property; empty for an unknown one.
    func rules(for property: String) -> [Int] { places[property] ?? [] }

    /// The provider's fields in the caller's schema, for sessions that pull as well (`data` of results).
    package func callerData(of fields: JSONView, into writer: inout JSONWriter) {
        writer.beginObject()
        for rule in rules where rule.how != .entries {
            guard let value = fields[name: rule.field] else { continue }
            writer.key(text: rule.property)
            writer.value(value)
        }
        writer.endObject()
    }
}
