import JSON

// Values that a caller pushed with `sample_data` (D32): kept for each schema of a session, shown beside its mapping.

/// The latest values of each property.
package struct Examples: Equatable, Sendable {
    /// Values of a property.
    package static let valueCeiling = 5
    /// Bytes of compact text of one value; a longer one is no example.
    package static let byteCeiling = 1_000
    /// Properties of a schema.
    package static let propertyCeiling = 500

    private struct Property: Equatable, Sendable {
        var name: String
        /// Compact texts, oldest first.
        var values: [[UInt8]]
    }

    private var properties: [Property] = []

    package init() {}

    /// What `text` wrote; empty when that is damaged, because nothing depends on it.
    package init(text: [UInt8]) {
        guard let root = try? JSONDocument(parsing: text).root else { return }
        for (name, values) in root.members {
            properties.append(Property(name: name.string ?? "", values: values.elements.map(\.compactText)))
        }
    }

    package var text: [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        for property in properties {
            writer.key(text: property.name)
            writer.beginArray()
            for value in property.values { writer.raw(value) }
            writer.endArray()
        }
        writer.endObject()
        return writer.bytes
    }

    package var isEmpty: Bool { properties.isEmpty }

    /// Takes the properties of a record's data; null is no example.
    package mutating func note(_ data: JSONView) {
        for (name, value) in data.members where !value.isNull {
            let text = value.compactText
            if text.count <= Self.byteCeiling { note(text, of: name.string ?? "") }
        }
    }

    /// Takes what came later.
    package mutating func merge(_ later: Examples) {
        for property in later.properties {
            for value in property.values { note(value, of: property.name) }
        }
    }

    private mutating func note(_ value: [UInt8], of name: String) {
        guard let place = properties.firstIndex(where: { $0.name == name }) else {
            if properties.count < Self.propertyCeiling { properties.append(Property(name: name, values: [value])) }
            return
        }
        properties[place].values.removeAll { $0 == value }
        properties[place].values.append(value)
        if properties[place].values.count > Self.valueCeiling { properties[place].values.removeFirst() }
    }

    /// Values of a property, the latest first; with `entry`, those of that member in the part that `selection` names.
    package func values(of name: String, selection: EntrySelection? = nil, entry: String? = nil) -> [JSONView] {
        guard let property = properties.first(where: { $0.name == name }) else { return [] }
        return property.values.reversed().compactMap { text in
            guard let value = try? JSONDocument(parsing: text).root else { return nil }
            guard let entry else { return value }
            let part = (selection ?? .first).value(of: entry, in: value)
            return part.flatMap { $0.isNull ? nil : $0 }
        }
    }
}
