import JSON

/// What happens to a field of a record that exists already (D19).
package enum UpsertMode: String, Sendable, CaseIterable {
    case overwrite = "OVERWRITE"
    case doNotUpdate = "DO_NOT_UPDATE"
    case setIfNotSet = "SET_IF_NOT_SET"
}

/// Which entry of a list, or whether a member of an object, is meant. Written as in `emails[WORK].address`.
package enum EntrySelection: Equatable, Sendable {
    /// A member of the property, which is an object: `address.city`.
    case member
    /// The first entry that has a value: `emails[0].address`.
    case first
    /// The entry at a place after the first: `emails[1].address`.
    case place(Int)
    /// The first entry whose members have these values: `emails[email_address_type=WORK].address`.
    case matching([Condition])

    package struct Condition: Equatable, Sendable {
        package var member: String
        package var value: JSONValue

        /// True of `type` and `email_address_type`: members that say what kind of entry it is.
        static func isKind(_ member: String) -> Bool { member == "type" || member.hasSuffix("_type") }

        fileprivate var text: String {
            guard case .string(let text) = value else {
                return "\(member)=\(String(decoding: value.text, as: UTF8.self))"
            }
            return "\(member)=\(text)"
        }
    }

    /// True of a text that can stand in brackets alone.
    static func isShort(_ kind: String) -> Bool {
        !kind.isEmpty && !kind.contains { "=,[]".contains($0) } && !kind.allSatisfy(\.isNumber)
    }

    /// The value of a member in the entry that is meant; nil when there is no such entry, or it lacks the member.
    func value(of member: String, in value: JSONView) -> JSONView? {
        if value.kind == .object { return self == .member || self == .first ? value[name: member] : nil }
        switch self {
        case .member, .first:
            return value.elements.lazy.compactMap { $0[name: member] }.first { !$0.isNull }
        case .place(let place):
            return value[place]?[name: member]
        case .matching(let conditions):
            let entry = value.elements.first { entry in
                conditions.allSatisfy { condition in
                    guard let found = entry[name: condition.member] else { return false }
                    return JSONValue(found).isEqual(to: condition.value)
                }
            }
            return entry?[name: member]
        }
    }
}

/// One assignment of a property of the caller's schema to a field of the provider, and why it was chosen (D43).
package struct MappingRule: Equatable, Sendable {
    package enum How: String, Sendable, CaseIterable {
        /// The session's own rule.
        case caller
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
    /// Of an entry of a list, or a member of an object; nil: the whole property.
    package var selection: EntrySelection?
    /// With `selection`: the member that holds the value.
    package var entry: String?
    package var field: String
    package var how: How
    package var mode: UpsertMode
    /// A null is as good as absent; nil: as the transfer or the session says.
    package var skipsNull: Bool?
    /// Nil when the provider lists no such field, and takes any value.
    package var target: ResourceDescription.Field?
    package var conversion: Conversion?
    /// The path of a part that the caller sends to the same field: where a record has that, it goes before this property.
    package var yieldsTo: String?

    /// The property as callers write it.
    package var path: String { Self.path(property, selection, entry) }

    static func path(_ property: String, _ selection: EntrySelection?, _ entry: String?) -> String {
        guard let selection, let entry else { return property }
        switch selection {
        case .member: return "\(property).\(entry)"
        case .first: return "\(property)[0].\(entry)"
        case .place(let place): return "\(property)[\(place)].\(entry)"
        case .matching(let conditions):
            if conditions.count == 1, EntrySelection.Condition.isKind(conditions[0].member),
                let kind = conditions[0].value.string, EntrySelection.isShort(kind)
            {
                return "\(property)[\(kind)].\(entry)"
            }
            return "\(property)[\(conditions.map(\.text).joined(separator: ","))].\(entry)"
        }
    }

    /// A sentence that says why the property goes to this field.
    package var why: String {
        guard let yieldsTo else { return reason }
        return "\(reason) It is used where \(yieldsTo) has no value."
    }

    private var reason: String {
        switch how {
        case .caller: "A rule of the session says so."
        case .exact: "The field has the same name."
        case .normalised: "The field has the same name but for case and punctuation."
        case .synonym: "The field is also known as \"\(property)\"."
        case .title: "The title of the property is a name of the field."
        case .entries: "The first entry of the list feeds the field where the record has no other value for it."
        case .open: "The provider takes any field under its own name."
        }
    }
}
