import JSON

/// The rules of one schema while its keywords are read.
struct SchemaDraft {
    let place: SchemaPlace
    var kinds = KindSet.everything
    var choice: ChoiceRule?
    var number: NumberRule?
    var text: TextRule?
    var array: ArrayRule?
    var object: ObjectRule?
    var logic: LogicRule?
    /// Properties by name, in the order of the schema.
    var properties: [(name: String, property: ObjectRule.Property)] = []
    private var propertyPlaces: [String: Int] = [:]
    /// Values of `enum` and `const`. Both may stand in one schema; then both must hold.
    var allowed: [JSONView]?

    init(place: SchemaPlace) { self.place = place }

    mutating func edit(_ name: String, _ change: (inout ObjectRule.Property) -> Void) {
        if object == nil { object = ObjectRule() }
        let at = propertyPlaces[name] ?? properties.count
        if at == properties.count {
            propertyPlaces[name] = at
            properties.append((name, ObjectRule.Property()))
        }
        change(&properties[at].property)
    }

    /// The rule for objects with its table of names.
    var objectRule: ObjectRule? {
        guard var rule = object else { return nil }
        rule.names = properties.map { $0.name }
        rule.properties = properties.map { $0.property }
        rule.table = NameTable(rule.names)
        rule.requiredCount = properties.count { $0.property.isRequired }
        return rule
    }
}

// MARK: - Kinds, choices, numbers, text

extension SchemaCompiler {
    mutating func assertion(_ name: String, _ value: JSONView, _ draft: inout SchemaDraft) -> Bool {
        switch name {
        case "type": kinds(value, &draft)
        case "enum", "const": choice(name, value, &draft)
        case "minimum": draft.number = measure(draft.number, \.minimum, name, value, draft.place)
        case "maximum": draft.number = measure(draft.number, \.maximum, name, value, draft.place)
        case "exclusiveMinimum": draft.number = measure(draft.number, \.exclusiveMinimum, name, value, draft.place)
        case "exclusiveMaximum": draft.number = measure(draft.number, \.exclusiveMaximum, name, value, draft.place)
        case "multipleOf": multiple(value, &draft)
        case "minLength":
            if let count = count(name, value, draft.place) { draft.text = draft.text.with(\.minimum, count) }
        case "maxLength":
            if let count = count(name, value, draft.place) { draft.text = draft.text.with(\.maximum, count) }
        case "pattern": pattern(value, &draft)
        case "format": format(value, &draft)
        default: return false
        }
        return true
    }

    private mutating func kinds(_ value: JSONView, _ draft: inout SchemaDraft) {
        let names = value.kind == .array ? Array(value.elements) : [value]
        var kinds = KindSet()
        for name in names {
            guard let kind = name.string.flatMap(KindSet.named) else {
                refuse(
                    draft.place, "type",
                    "A type must be one of null, boolean, object, array, number, integer and string.")
                return
            }
            kinds.formUnion(kind)
        }
        if names.isEmpty { refuse(draft.place, "type", "The list of types may not be empty.") }
        draft.kinds = kinds
    }

    private mutating func choice(_ keyword: String, _ value: JSONView, _ draft: inout SchemaDraft) {
        if keyword == "enum" && value.kind != .array {
            refuse(draft.place, keyword, "enum must be a list of values.")
            return
        }
        var values = keyword == "enum" ? Array(value.elements) : [value]
        // A value must satisfy both; what is common to both is a choice again.
        if let other = draft.allowed { values = values.filter { one in other.contains { $0.isEqual(to: one) } } }
        draft.allowed = values
        var rule = ChoiceRule()
        rule.keyword = keyword
        var strings: [String] = []
        var seen: Set<String> = []
        for value in values {
            if let string = value.string {
                if seen.insert(string).inserted { strings.append(string) }
            } else if let copy = value.ownDocument {
                rule.others.append(copy)
            }
        }
        rule.strings = NameTable(strings)
        rule.phrase = Self.phrase(values)
        draft.choice = rule
    }

    /// Names at most ten values, and none that is long.
    private static func phrase(_ values: [JSONView]) -> String {
        var parts = values.prefix(10).map { value in
            value.sourceRange.count > 60 ? "a longer value" : String(decoding: value.compactText, as: UTF8.self)
        }
        if values.count > 10 { parts.append("\(values.count - 10) more") }
        guard let last = parts.popLast() else { return "nothing" }
        return parts.isEmpty ? last : parts.joined(separator: ", ") + " or " + last
    }

    private mutating func measure(
        _ rule: NumberRule?, _ bound: WritableKeyPath<NumberRule, NumberBound?>, _ keyword: String, _ value: JSONView,
        _ place: SchemaPlace
    ) -> NumberRule? {
        guard let text = value.numberText else {
            refuse(place, keyword, "\(keyword) must be a number.")
            return rule
        }
        return rule.with(bound, NumberBound(text))
    }

    private mutating func multiple(_ value: JSONView, _ draft: inout SchemaDraft) {
        guard let bound = value.numberText.map(NumberBound.init), !bound.decimal.isNegative,
            !bound.decimal.digits.isEmpty
        else {
            refuse(draft.place, "multipleOf", "multipleOf must be a number greater than 0.")
            return
        }
        guard bound.exact != nil else {
            refuse(draft.place, "multipleOf", "multipleOf may have at most \(ExactNumber.digits) significant digits.")
            return
        }
        draft.number = draft.number.with(\.multipleOf, bound)
    }

    /// A value that must be a whole number from 0 on; what is larger than a machine word is as good as no ceiling.
    mutating func count(_ keyword: String, _ value: JSONView, _ place: SchemaPlace) -> Int? {
        let decimal = value.numberText.map { JSONDecimal($0) }
        guard let decimal, decimal.isInteger, !decimal.isNegative else {
            refuse(place, keyword, "\(keyword) must be a whole number from 0 on.")
            return nil
        }
        guard decimal.exponent <= 18 else { return Int.max }
        let digits = decimal.digits.reduce(0) { $0 * 10 + Int($1) }
        return (decimal.digits.count..<max(decimal.exponent, decimal.digits.count)).reduce(digits) { value, _ in
            value * 10
        }
    }

    private mutating func pattern(_ value: JSONView, _ draft: inout SchemaDraft) {
        guard let text = value.string else {
            refuse(draft.place, "pattern", "pattern must be a string.")
            return
        }
        guard let matcher = matcher(text, draft.place, "pattern") else { return }
        draft.text = draft.text.with(\.pattern, matcher).with(\.patternText, text)
    }

    private mutating func format(_ value: JSONView, _ draft: inout SchemaDraft) {
        guard let name = value.string else {
            refuse(draft.place, "format", "format must be a string.")
            return
        }
        guard let format = TextFormat(rawValue: name) else { return }
        draft.text = draft.text.with(\.format, format)
    }

    mutating func refuse(_ place: SchemaPlace, _ keyword: String, _ message: String) {
        problems.append(problem(at: place, keyword, message))
    }
}

/// A rule that begins to exist with its first keyword.
private protocol StartingEmpty {
    init()
}
extension NumberRule: StartingEmpty {}
extension TextRule: StartingEmpty {}
extension ArrayRule: StartingEmpty {}
extension ObjectRule: StartingEmpty {}
extension LogicRule: StartingEmpty {}

extension Optional where Wrapped: StartingEmpty {
    fileprivate func with<Value>(_ member: WritableKeyPath<Wrapped, Value>, _ value: Value) -> Wrapped? {
        var rule = self ?? Wrapped()
        rule[keyPath: member] = value
        return rule
    }
}

extension JSONView {
    /// A copy that does not keep the whole document alive.
    fileprivate var ownDocument: JSONView? {
        try? JSONDocument(parsing: compactText).root
    }
}

// MARK: - Schemas over the same value

extension SchemaCompiler {
    mutating func logic(_ name: String, _ value: JSONView, _ draft: inout SchemaDraft) -> Bool {
        let place = draft.place
        switch name {
        case "$ref", "$dynamicRef":
            guard let target = reference(name, value, place) else { return true }
            // `$dynamicRef` beside `$ref` is one more schema that must hold.
            if target.dynamic >= 0 {
                draft.logic = draft.logic.with(\.dynamic, target.dynamic)
            } else if draft.logic?.reference ?? -1 >= 0 {
                draft.logic = draft.logic.with(\.allOf, (draft.logic?.allOf ?? []) + [target.node])
            } else {
                draft.logic = draft.logic.with(\.reference, target.node)
            }
        case "allOf":
            draft.logic = draft.logic.with(\.allOf, (draft.logic?.allOf ?? []) + list(name, value, place))
        case "anyOf": draft.logic = draft.logic.with(\.anyOf, list(name, value, place))
        case "oneOf": draft.logic = draft.logic.with(\.oneOf, list(name, value, place))
        case "not": draft.logic = draft.logic.with(\.not, node(place.child(value, name)))
        case "if": draft.logic = draft.logic.with(\.condition, node(place.child(value, name)))
        case "then": draft.logic = draft.logic.with(\.consequence, node(place.child(value, name)))
        case "else": draft.logic = draft.logic.with(\.alternative, node(place.child(value, name)))
        case "$defs", "definitions":
            // Compiled although nothing may refer to them: their problems are told as well.
            if value.kind == .object {
                for (key, schema) in value.members { _ = node(place.child(schema, name, key.string ?? "")) }
            } else if name == "$defs" {
                refuse(place, name, "$defs must be an object of schemas.")
            }
        default: return false
        }
        return true
    }

    private mutating func list(_ keyword: String, _ value: JSONView, _ place: SchemaPlace) -> [Int32] {
        guard value.kind == .array, value.count > 0 else {
            refuse(place, keyword, "\(keyword) must be a list of at least one schema.")
            return []
        }
        return value.elements.enumerated().map { number, schema in
            node(place.child(schema, keyword, String(number)))
        }
    }
}

// MARK: - Arrays

extension SchemaCompiler {
    mutating func array(_ name: String, _ value: JSONView, _ draft: inout SchemaDraft) -> Bool {
        let place = draft.place
        switch name {
        case "prefixItems": draft.array = draft.array.with(\.prefix, list(name, value, place))
        case "items": draft.array = draft.array.with(\.items, node(place.child(value, name)))
        case "contains": draft.array = draft.array.with(\.contains, node(place.child(value, name)))
        case "unevaluatedItems": draft.array = draft.array.with(\.unevaluated, node(place.child(value, name)))
        case "minContains": draft.array = counted(draft.array, \.minContains, name, value, place)
        case "maxContains": draft.array = counted(draft.array, \.maxContains, name, value, place)
        case "minItems": draft.array = counted(draft.array, \.minimum, name, value, place)
        case "maxItems": draft.array = counted(draft.array, \.maximum, name, value, place)
        case "uniqueItems":
            guard let isUnique = value.bool else {
                refuse(place, name, "uniqueItems must be true or false.")
                return true
            }
            draft.array = draft.array.with(\.isUnique, isUnique)
        default: return false
        }
        return true
    }

    private mutating func counted<Rule: StartingEmpty>(
        _ rule: Rule?, _ member: WritableKeyPath<Rule, Int>, _ keyword: String, _ value: JSONView, _ place: SchemaPlace
    ) -> Rule? {
        guard let count = count(keyword, value, place) else { return rule }
        return rule.with(member, count)
    }
}

// MARK: - Objects

extension SchemaCompiler {
    mutating func object(_ name: String, _ value: JSONView, _ draft: inout SchemaDraft) -> Bool {
        let place = draft.place
        switch name {
        case "properties":
            for (key, schema) in map(name, value, place) {
                let number = node(place.child(schema, name, key))
                draft.edit(key) { $0.node = number }
            }
        case "required":
            for key in names(name, value, place) { draft.edit(key) { $0.isRequired = true } }
        case "patternProperties":
            var patterns: [ObjectRule.Pattern] = []
            for (key, schema) in map(name, value, place) {
                let number = node(place.child(schema, name, key))
                guard let matcher = matcher(key, place, name) else { continue }
                patterns.append(ObjectRule.Pattern(matcher: matcher, node: number))
            }
            draft.object = draft.object.with(\.patterns, patterns)
        case "additionalProperties": draft.object = draft.object.with(\.additional, node(place.child(value, name)))
        case "propertyNames": draft.object = draft.object.with(\.propertyNames, node(place.child(value, name)))
        case "unevaluatedProperties": draft.object = draft.object.with(\.unevaluated, node(place.child(value, name)))
        case "minProperties": draft.object = counted(draft.object, \.minimum, name, value, place)
        case "maxProperties": draft.object = counted(draft.object, \.maximum, name, value, place)
        case "dependentRequired", "dependentSchemas": dependencies(name, value, &draft)
        default: return false
        }
        return true
    }

    private mutating func dependencies(_ keyword: String, _ value: JSONView, _ draft: inout SchemaDraft) {
        var dependencies = draft.object?.dependencies ?? []
        for (key, content) in map(keyword, value, draft.place) {
            var dependency = ObjectRule.Dependency(name: key)
            if keyword == "dependentSchemas" {
                dependency.node = node(draft.place.child(content, keyword, key))
            } else {
                dependency.names = names(keyword, content, draft.place)
            }
            dependencies.append(dependency)
        }
        draft.object = draft.object.with(\.dependencies, dependencies)
    }

    private mutating func map(
        _ keyword: String, _ value: JSONView, _ place: SchemaPlace
    ) -> [(key: String, value: JSONView)] {
        guard value.kind == .object else {
            refuse(place, keyword, "\(keyword) must be an object.")
            return []
        }
        return value.members.map { ($0.key.string ?? "", $0.value) }
    }

    private mutating func names(_ keyword: String, _ value: JSONView, _ place: SchemaPlace) -> [String] {
        let names = value.elements.compactMap { $0.string }
        guard value.kind == .array, names.count == value.count, Set(names).count == names.count else {
            refuse(place, keyword, "\(keyword) must list names of properties, each once.")
            return []
        }
        return names
    }
}
