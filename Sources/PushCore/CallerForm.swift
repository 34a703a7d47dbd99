import JSON

// Returned data in the caller's words, for sessions that pull as well: the way of `Mapping` backwards.

extension Mapping {
    /// The provider's fields in the caller's schema.
    ///
    /// - Parameter passthrough: fields that no rule leads to are added under their own names.
    package func callerData(of fields: JSONView, passthrough: Bool = false, into writer: inout JSONWriter) {
        writer.beginObject()
        var written: Set<String> = []
        var names = properties.map(\.name)
        for rule in rules where !names.contains(rule.property) { names.append(rule.property) }
        for name in names {
            let property = properties.first { $0.name == name }
            let whole = rules.first { $0.property == name && $0.entry == nil }
            let value = whole.flatMap { fields[name: $0.field] }
            if let whole, let value, !value.isNull {
                writer.key(text: name)
                (whole.target ?? ResourceDescription.Field(name: whole.field)).restore(
                    value, for: property, into: &writer)
                written.insert(name)
            } else if let parts = parts(of: name, fields), !parts.isEmpty {
                writer.key(text: name)
                Self.restore(parts, isObject: property?.isObject ?? false, into: &writer)
                written.insert(name)
            } else if value != nil {
                writer.key(text: name)
                writer.null()
                written.insert(name)
            }
        }
        if passthrough {
            for (key, value) in fields.members {
                let name = key.string ?? ""
                guard !names.contains(name), !rules.contains(where: { $0.field == name }) else { continue }
                writer.key(text: name)
                writer.value(value)
            }
        }
        writer.endObject()
    }

    private struct Part {
        var selection: EntrySelection
        var members: [(name: String, value: JSONView)]
    }

    /// Entries that are made of flat fields again, in the order of their rules. A field that also is a property of its
    /// own is told there.
    private func parts(of name: String, _ fields: JSONView) -> [Part]? {
        var parts: [Part] = []
        for rule in rules where rule.property == name {
            guard let selection = rule.selection, let entry = rule.entry,
                !rules.contains(where: { $0.field == rule.field && $0.entry == nil }),
                let value = fields[name: rule.field], !value.isNull
            else { continue }
            if let place = parts.firstIndex(where: { $0.selection == selection }) {
                parts[place].members.append((entry, value))
            } else {
                parts.append(Part(selection: selection, members: [(entry, value)]))
            }
        }
        return parts
    }

    private static func restore(_ parts: [Part], isObject: Bool, into writer: inout JSONWriter) {
        let isOne = isObject || parts.allSatisfy { $0.selection == .member }
        if isOne { writer.beginObject() } else { writer.beginArray() }
        for part in parts {
            if !isOne { writer.beginObject() }
            if case .matching(let conditions) = part.selection {
                for condition in conditions where !part.members.contains(where: { $0.name == condition.member }) {
                    writer.key(text: condition.member)
                    writer.value(condition.value)
                }
            }
            for member in part.members {
                writer.key(text: member.name)
                writer.value(member.value)
            }
            if !isOne { writer.endObject() }
        }
        if isOne { writer.endObject() } else { writer.endArray() }
    }
}

extension ResourceDescription.Field {
    /// A value of the field in the form that the property's schema asks for; what cannot be brought into it stays as the
    /// provider has it, because a result must not be lost.
    func restore(_ value: JSONView, for property: SchemaProperty?, into writer: inout JSONWriter) {
        guard let property, type != .any else { return writer.value(value) }
        func wants(_ kinds: String...) -> Bool { property.types.first.map(kinds.contains) ?? false }
        switch (type, value.kind) {
        case (.date, _), (.dateTime, _): time(value, property, into: &writer)
        case (.string, .string) where wants("array"): split(value, property, into: &writer)
        case (.string, .string) where wants("number", "integer"): number(value, into: &writer)
        case (.string, .string) where wants("boolean"):
            guard let meaning = words?.meaning(of: value.string ?? "") else { return writer.value(value) }
            writer.bool(meaning)
        case (.number, .number) where wants("string"): writer.string(value.numberText ?? "")
        case (.boolean, .bool) where wants("string"):
            guard let words, let word = (value.bool == true ? words.yes : words.no).first else {
                return writer.value(value)
            }
            writer.string(word)
        case (.array, .array): list(value, property, into: &writer)
        default: writer.value(value)
        }
    }

    private func number(_ value: JSONView, into writer: inout JSONWriter) {
        let text = value.withContents { Array($0) }
        guard let root = try? JSONDocument(parsing: text).root, root.kind == .number else {
            return writer.value(value)
        }
        writer.value(root)
    }

    private func split(_ value: JSONView, _ property: SchemaProperty, into writer: inout JSONWriter) {
        let numbers = property.elementTypes.contains { $0 == "number" || $0 == "integer" }
        writer.beginArray()
        for part in Self.parts(of: value.string ?? "", separator) {
            let number = numbers ? try? JSONDocument(parsing: Array(part.utf8)).root : nil
            if let number, number.kind == .number { writer.value(number) } else { writer.string(part) }
        }
        writer.endArray()
    }

    /// By bytes, so that no accent at a border holds a separator fast.
    static func parts(of text: String, _ separator: String) -> [String] {
        guard !text.isEmpty else { return [] }
        let bytes = Array(text.utf8)
        let wanted = Array(separator.utf8)
        var parts: [String] = []
        var start = 0
        var at = 0
        while !wanted.isEmpty, at + wanted.count <= bytes.count {
            if bytes[at..<at + wanted.count].elementsEqual(wanted) {
                parts.append(String(decoding: bytes[start..<at], as: UTF8.self))
                at += wanted.count
                start = at
            } else {
                at += 1
            }
        }
        parts.append(String(decoding: bytes[start...], as: UTF8.self))
        return parts
    }

    private func list(_ value: JSONView, _ property: SchemaProperty, into writer: inout JSONWriter) {
        let isPlain = property.elementTypes.contains { ["string", "number", "integer"].contains($0) }
        if let kind = property.types.first, kind != "array" {
            guard let first = value[0] else { return writer.null() }
            if kind != "object", let member, let inner = first[name: member] { return writer.value(inner) }
            return writer.value(first)
        }
        guard isPlain, let member else { return writer.value(value) }
        writer.beginArray()
        for element in value.elements { writer.value(element[name: member] ?? element) }
        writer.endArray()
    }

    private func time(_ value: JSONView, _ property: SchemaProperty, into writer: inout JSONWriter) {
        if let count = value.integer, form == .milliseconds || form == .seconds {
            guard property.types.isEmpty || property.types.contains("string") else { return writer.value(value) }
            let (milliseconds, overflow) = count.multipliedReportingOverflow(by: form == .seconds ? 1_000 : 1)
            guard !overflow, WireTime.years.contains(milliseconds) else { return writer.value(value) }
            let text = WireTime.text(milliseconds)
            let isDate = property.format == "date" || (type == .date && property.format != "date-time")
            return writer.string(isDate ? String(text.prefix(10)) : text)
        }
        guard let text = value.string, let spelling = TimeSpelling(text) else { return writer.value(value) }
        if property.format == "date", spelling.clock != nil { return writer.string(spelling.date) }
        if property.format == "date-time", spelling.clock?.hasBlank ?? true {
            return writer.string(spelling.text(blank: false))
        }
        writer.value(value)
    }
}
