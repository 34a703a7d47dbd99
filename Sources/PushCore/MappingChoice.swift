import JSON
import JSONSchema

/// A rule that the caller gives: the property, and what is to become of it.
package struct MappingChoice: Equatable, Sendable {
    package enum Target: Equatable, Sendable {
        /// Where automatic mapping sends it: the rule is about the mode only.
        case automatic
        /// It is not sent.
        case nowhere
        case field(String)
    }

    /// The property, or the path of a part of it, as it was written.
    package var path: String
    /// Entries whose members have these values, where it was given apart from the path.
    package var conditions: [EntrySelection.Condition]?
    /// The member that holds the value, where it was given apart from the path.
    package var entry: String?
    package var target: Target
    package var mode: UpsertMode?
    package var skipsNull: Bool?
    /// JSON Pointer to the rule in the params.
    package var pointer: String

    /// Reads a rule that fits the schema of `openrpc.json`.
    init(_ view: JSONView, pointer: String) {
        self.pointer = pointer
        path = view["property"]?.string ?? ""
        entry = view["entry"]?.string
        if let members = view["where"]?.members {
            conditions = members.map {
                EntrySelection.Condition(member: $0.key.string ?? "", value: JSONValue($0.value))
            }
        }
        if let to = view["to"] {
            target = to.string.map { .field($0) } ?? .nowhere
        } else {
            target = .automatic
        }
        mode = view["upsert"]?.string.flatMap(UpsertMode.init)
        skipsNull = view["skip_null"]?.bool
    }

    /// What the path means in a schema with these properties.
    ///
    /// - Throws: why it means nothing; kind `params`.
    func resolve(
        _ properties: [SchemaProperty], takesAny: Bool
    ) throws(DefinitionProblem) -> (property: String, selection: EntrySelection?, entry: String?) {
        let parts = try self.parts(properties)
        guard let property = properties.first(where: { $0.name == parts.name }) else {
            guard takesAny else { throw unknown(parts.name, among: properties.map(\.name), "property") }
            return (
                parts.name, try selection(parts.selector, of: SchemaProperty(name: parts.name), parts.entry),
                parts.entry
            )
        }
        if let entry = parts.entry, !property.members.isEmpty, !property.members.contains(where: { $0.name == entry }) {
            throw unknown(entry, among: property.members.map(\.name), self.entry == nil ? "property" : "entry")
        }
        return (property.name, try selection(parts.selector, of: property, parts.entry), parts.entry)
    }

    private func problem(_ member: String, _ text: String, _ suggestion: String? = nil) -> DefinitionProblem {
        DefinitionProblem(kind: .params, pointer: "\(pointer)/\(member)", text: text, suggestion: suggestion)
    }

    private func unknown(_ name: String, among names: [String], _ member: String) -> DefinitionProblem {
        problem(
            member, "The schema has no property \"\(name)\" at this place.", DidYouMean.nearest(name, among: names))
    }

    // MARK: The path

    private struct Parts {
        var name: String
        var selector: Substring?
        var entry: String?
    }

    /// `name`, `name.member` or `name[selector].member`. A property whose own name looks like that goes first.
    private func parts(_ properties: [SchemaProperty]) throws(DefinitionProblem) -> Parts {
        if properties.contains(where: { $0.name == path }) { return Parts(name: path, entry: entry) }
        guard let end = path.firstIndex(where: { $0 == "[" || $0 == "." }) else {
            return Parts(name: path, entry: entry)
        }
        var parts = Parts(name: String(path[..<end]))
        var rest = path[end...]
        if rest.first == "[" {
            guard let close = rest.firstIndex(of: "]") else { throw problem("property", "The bracket is not closed.") }
            parts.selector = rest[rest.index(after: rest.startIndex)..<close]
            rest = rest[rest.index(after: close)...]
        }
        if rest.first == "." {
            parts.entry = String(rest.dropFirst())
        } else if !rest.isEmpty {
            throw problem("property", "A point and the name of a member are expected after the bracket.")
        }
        if let entry {
            guard parts.entry == nil else {
                throw problem("entry", "The member is named twice: here, and at the end of `property`.")
            }
            parts.entry = entry
        }
        if parts.entry?.isEmpty ?? true {
            throw problem(
                "property", "Name the member that holds the value, as in `\(parts.name)[0].value` or with `entry`.")
        }
        return parts
    }

    private func selection(
        _ selector: Substring?, of property: SchemaProperty, _ entry: String?
    ) throws(DefinitionProblem) -> EntrySelection? {
        guard entry != nil else {
            guard conditions == nil else {
                throw problem("entry", "With `where`, `entry` names the member that holds the value.")
            }
            return nil
        }
        if let conditions {
            guard selector == nil else { throw problem("where", "The entry is chosen twice: here, and in `property`.") }
            for condition in conditions { try check(condition, of: property, "where/" + condition.member) }
            return .matching(conditions)
        }
        guard let selector else { return property.isList ? .first : .member }
        if let place = Int(selector), place >= 0 { return place == 0 ? .first : .place(place) }
        return .matching(try conditions(String(selector), of: property))
    }

    /// `WORK`, or `member=value` once or several times with commas between.
    private func conditions(
        _ selector: String, of property: SchemaProperty
    ) throws(DefinitionProblem) -> [EntrySelection.Condition] {
        if !selector.contains("=") {
            guard let kind = property.kindMember else {
                throw problem(
                    "property",
                    "Which member of the entries says \"\(selector)\"? The schema has not exactly one that is called type or "
                        + "ends in _type. Write [member=\(selector)].")
            }
            let condition = EntrySelection.Condition(member: kind, value: .string(selector))
            try check(condition, of: property, "property")
            return [condition]
        }
        var conditions: [EntrySelection.Condition] = []
        for part in selector.split(separator: ",") {
            let sides = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard sides.count == 2, !sides[0].isEmpty else {
                throw problem("property", "member=value is expected in the brackets.")
            }
            let condition = EntrySelection.Condition(member: String(sides[0]), value: .string(String(sides[1])))
            try check(condition, of: property, "property")
            conditions.append(condition)
        }
        return conditions
    }

    /// A condition that the schema lets no entry fulfil is a slip of the pen.
    private func check(
        _ condition: EntrySelection.Condition, of property: SchemaProperty, _ place: String
    ) throws(DefinitionProblem) {
        guard !property.members.isEmpty else { return }
        guard let member = property.members.first(where: { $0.name == condition.member }) else {
            throw unknown(condition.member, among: property.members.map(\.name), place)
        }
        guard !member.values.isEmpty, let value = condition.value.string, !member.values.contains(value) else { return }
        throw problem(
            place, "No entry can be \"\(value)\": \(member.name) is one of \(member.values.joined(separator: ", ")).",
            DidYouMean.nearest(value, among: member.values))
    }
}

extension MappingChoice {
    /// The choices of each schema of a definition, by its place.
    ///
    /// - Throws: the first rule that names no schema of the session, or does not say which of several it means.
    static func read(
        _ definition: JSONView, keys: [String], types: [String]
    ) throws(DefinitionProblem) -> [[MappingChoice]] {
        var choices = [[MappingChoice]](repeating: [], count: keys.count)
        guard let list = definition["mapping"] else { return choices }
        for (place, view) in list.elements.enumerated() {
            let pointer = "/mapping/\(place)"
            guard let name = view["schema"]?.string else {
                guard keys.count == 1 else {
                    throw DefinitionProblem(
                        kind: .params, pointer: pointer,
                        text: "The session has several schemas: `schema` says which one the rule is for.")
                }
                choices[0].append(MappingChoice(view, pointer: pointer))
                continue
            }
            let ofType = types.indices.filter { types[$0] == name }
            guard let schema = keys.firstIndex(of: name) ?? (ofType.count == 1 ? ofType[0] : nil) else {
                throw DefinitionProblem(
                    kind: .params, pointer: pointer + "/schema", text: "The session has no schema \"\(name)\".",
                    suggestion: DidYouMean.nearest(name, among: keys))
            }
            choices[schema].append(MappingChoice(view, pointer: pointer))
        }
        return choices
    }
}
