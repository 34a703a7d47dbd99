import JSONSchema

/// Chooses the rules of one schema.
struct MappingBuilder {
    let properties: [SchemaProperty]
    let resource: ResourceDescription
    let mode: UpsertMode
    let takesAny: Bool
    var rules: [MappingRule] = []
    var unmapped: [Mapping.Unsent] = []
    var withheld: [Mapping.Unsent] = []
    var doubtful: [(field: String, meant: String, pointer: String)] = []
    var problems: [DefinitionProblem] = []
    /// Fields that have a source, with its path.
    private var taken: [String: String] = [:]
    private var whole: [String: [Choice]] = [:]
    private var parts: [Choice] = []

    private struct Choice {
        let choice: MappingChoice
        let property: String
        let selection: EntrySelection?
        let entry: String?
        /// Its place among the rules that were given.
        let place: Int
        var path: String { MappingRule.path(property, selection, entry) }
        var isField: Bool { if case .field = choice.target { true } else { false } }
    }

    init(properties: [SchemaProperty], resource: ResourceDescription, mode: UpsertMode, takesAny: Bool) {
        self.properties = properties
        self.resource = resource
        self.mode = mode
        self.takesAny = takesAny
    }

    mutating func build(_ choices: [MappingChoice]) {
        for (place, choice) in choices.enumerated() { take(choice, place) }
        let names = Set(properties.map(\.name))
        for property in properties { map(property, names) }
        // Rules for what the schema does not list come after what it lists.
        for choice in whole.values.joined().sorted(by: { $0.place < $1.place })
        where !names.contains(choice.property) {
            apply(choice, to: SchemaProperty(name: choice.property))
        }
        for choice in parts { apply(choice, to: properties.first { $0.name == choice.property }) }
        entries(names)
    }

    // MARK: The caller's rules

    private mutating func take(_ choice: MappingChoice, _ place: Int) {
        let resolved: Choice
        do throws(DefinitionProblem) {
            let (property, selection, entry) = try choice.resolve(properties, takesAny: takesAny)
            resolved = Choice(choice: choice, property: property, selection: selection, entry: entry, place: place)
        } catch {
            problems.append(error)
            return
        }
        if case .field(let field) = choice.target {
            if let other = taken[field] {
                return refuse(choice, "to", "\"\(field)\" gets the value of \(other) already, by another rule.")
            }
            taken[field] = resolved.path
            check(field, choice)
        }
        guard resolved.entry == nil else {
            guard choice.target != .automatic else {
                return refuse(choice, "property", "A rule for a part of a property needs `to`.")
            }
            parts.append(resolved)
            return
        }
        let others = whole[resolved.property] ?? []
        if let other = others.first, choice.target == .automatic || choice.target == .nowhere || !other.isField {
            return refuse(choice, "property", "Another rule says something else about \"\(resolved.property)\".")
        }
        whole[resolved.property] = others + [resolved]
    }

    private mutating func refuse(_ choice: MappingChoice, _ member: String, _ text: String) {
        problems.append(DefinitionProblem(kind: .params, pointer: "\(choice.pointer)/\(member)", text: text))
    }

    /// Is there such a field? A provider that takes any field is only asked whether a listed one was meant.
    private mutating func check(_ field: String, _ choice: MappingChoice) {
        guard !resource.fields.contains(where: { $0.name == field }) else { return }
        let meant = DidYouMean.nearest(field, among: resource.fields.map(\.name))
        if !resource.hasOpenFields {
            problems.append(
                DefinitionProblem(
                    kind: .params, pointer: choice.pointer + "/to",
                    text: "\(resource.displayName) has no field \"\(field)\".", suggestion: meant))
        } else if let meant {
            doubtful.append((field, meant, choice.pointer + "/to"))
        }
    }

    private mutating func apply(_ choice: Choice, to property: SchemaProperty?) {
        switch choice.choice.target {
        case .automatic: break
        case .nowhere:
            withheld.append(
                Mapping.Unsent(
                    property: choice.property, selection: choice.selection, entry: choice.entry,
                    why: "A rule of the session says that it is not sent."))
        case .field(let field):
            let target = resource.fields.first { $0.name == field } ?? resource.openField(field)
            var rule = MappingRule(
                property: choice.property, selection: choice.selection, entry: choice.entry, field: field, how: .caller,
                mode: choice.choice.mode ?? mode, skipsNull: choice.choice.skipsNull, target: target)
            if choice.entry == nil, let property, let target {
                do throws(ResourceDescription.Field.Unfit) {
                    rule.conversion = try target.conversion(of: property)
                } catch {
                    return refuse(
                        choice.choice, "to",
                        "\"\(field)\" takes \(error.phrase), which no value of \"\(choice.property)\" can be.")
                }
            }
            rules.append(rule)
        }
    }

    // MARK: Automatic rules

    private mutating func map(_ property: SchemaProperty, _ names: Set<String>) {
        let own = whole[property.name] ?? []
        if let first = own.first, first.choice.target != .automatic {
            for choice in own { apply(choice, to: property) }
            return
        }
        let choice = own.first?.choice
        func rule(_ field: String, _ how: MappingRule.How, _ target: ResourceDescription.Field?) -> MappingRule {
            MappingRule(
                property: property.name, field: field, how: how, mode: choice?.mode ?? mode,
                skipsNull: choice?.skipsNull, target: target)
        }
        if let (field, how) = field(for: property, names) {
            do throws(ResourceDescription.Field.Unfit) {
                var rule = rule(field.name, how, field)
                rule.yieldsTo = taken[field.name]
                rule.conversion = try field.conversion(of: property)
                add(rule)
            } catch {
                leaveOut(
                    property,
                    "The field \"\(field.name)\" takes \(error.phrase), which no value of the property can be.")
            }
        } else if resource.hasOpenFields && !resource.notTaken.contains(property.name)
            && isFree(property.name, for: property)
        {
            var rule = rule(property.name, .open, resource.openField(property.name))
            rule.yieldsTo = taken[property.name]
            add(rule)
        } else if let other = taken[property.name] {
            leaveOut(property, "The field \"\(property.name)\" gets the value of \(other).")
        } else {
            leaveOut(property, "\(resource.displayName) has no field that goes by this name or title.")
        }
    }

    private mutating func add(_ rule: MappingRule) {
        taken[rule.field] = rule.path
        rules.append(rule)
    }

    private mutating func leaveOut(_ property: SchemaProperty, _ why: String) {
        unmapped.append(Mapping.Unsent(property: property.name, why: why))
    }

    private func field(
        for property: SchemaProperty, _ names: Set<String>
    ) -> (field: ResourceDescription.Field, how: MappingRule.How)? {
        if let field = resource.fields.first(where: { $0.name == property.name }), isFree(field.name, for: property) {
            return (field, .exact)
        }
        // A field that another property names exactly is left to that property, unless a rule sends that one elsewhere.
        let open = resource.fields.filter {
            taken[$0.name] == nil && (!names.contains($0.name) || isElsewhere($0.name))
        }
        let normal = Mapping.normalise(property.name)
        if let field = open.first(where: { Mapping.normalise($0.name) == normal }) { return (field, .normalised) }
        if let field = open.first(where: { $0.synonyms.contains { Mapping.normalise($0) == normal } }) {
            return (field, .synonym)
        }
        guard let title = property.title.map(Mapping.normalise), !title.isEmpty else { return nil }
        let byTitle = open.first { field in
            Mapping.normalise(field.name) == title || field.title.map(Mapping.normalise) == title
                || field.synonyms.contains { Mapping.normalise($0) == title }
        }
        return byTitle.map { ($0, .title) }
    }

    /// True of the property's own field, also when a part of another property goes there: `email` is short for an entry of
    /// `email_addresses`, and a record that has only the short form must not lose it.
    private func isFree(_ field: String, for property: SchemaProperty) -> Bool {
        taken[field] == nil || parts.contains { $0.choice.target == .field(field) && $0.property != property.name }
    }

    private func isElsewhere(_ property: String) -> Bool {
        whole[property]?.first.map { $0.choice.target != .automatic } ?? false
    }

    /// Flat fields that typed entries feed: where nothing else does, and beside a flat property of the schema, to which
    /// they give way where a record has it.
    private mutating func entries(_ names: Set<String>) {
        for alone in [true, false] {
            for field in resource.fields {
                guard let entries = field.entries, names.contains(entries.list) else { continue }
                let path = MappingRule.path(entries.list, .first, entries.value)
                guard !withheld.contains(where: { $0.path == path || $0.path == entries.list }) else { continue }
                if rules.contains(where: { $0.field == field.name && ($0.how == .caller || $0.how == .entries) }) {
                    continue
                }
                guard alone == (taken[field.name] == nil) else { continue }
                rules.append(
                    MappingRule(
                        property: entries.list, selection: .first, entry: entries.value, field: field.name,
                        how: .entries,
                        mode: mode, target: field))
                if alone { taken[field.name] = path }
            }
        }
        // What goes out in parts is not lost.
        unmapped.removeAll { unsent in rules.contains { $0.property == unsent.path } }
    }
}
