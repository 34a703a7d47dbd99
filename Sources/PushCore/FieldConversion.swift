import JSON

// Values on their way to a field of the provider. What the field takes as it came goes through untouched, at the cost of
// two comparisons; only what has to change is written anew. Numbers keep their digits: they are copied as text.

/// A value after its conversion.
package enum Converted: Equatable, Sendable {
    case asItIs
    /// JSON text.
    case text([UInt8])
    /// Why the field cannot take it, and what to send. Never quotes the value.
    case refused(String)
}

extension ResourceDescription.Field {
    /// The value in the form that the field takes. Null stays null, and so does a blank text for a field that is no
    /// text: it can only mean that there is no value.
    package func converted(_ value: JSONView) -> Converted {
        if type.takes(value.kind) { return .asItIs }
        switch (type, value.kind) {
        case (.date, .string), (.dateTime, .string): return time(value)
        case (.date, .number), (.dateTime, .number): return count(value)
        case (.array, .array): return list(value)
        case (.array, .bool): return refused("a list")
        case (.array, _): return oneElement(value)
        case (.string, .number): return .text(Self.quoted(value.numberText ?? ""))
        case (.string, .array): return joined(value)
        case (.string, .bool):
            guard let words else { return refused("a text, and no words for true and false are known for it") }
            return .text(Self.quoted((value.bool == true ? words.yes : words.no).first ?? ""))
        case (.number, .string): return number(value)
        case (.boolean, .string): return boolean(value)
        default: return refused(phrase)
        }
    }

    /// What the field takes, for people.
    private var phrase: String {
        switch type {
        case .any: "any value"
        case .string: "a text"
        case .number: "a number such as 12.50"
        case .boolean: "true or false"
        case .date: "a date such as 2026-01-31"
        case .dateTime: "a date and time such as 2026-01-31T09:30:00Z or 2026-01-31 09:30:00 (UTC)"
        case .array: "a list"
        case .object: "an object"
        }
    }

    private func refused(_ what: String) -> Converted {
        .refused("the provider's field \"\(name)\" takes \(what), which this value is not and cannot be made into.")
    }

    private static func quoted(_ text: String) -> [UInt8] {
        var writer = JSONWriter()
        writer.string(text)
        return writer.bytes
    }

    private static let null = Array("null".utf8)

    // MARK: Numbers and words

    private func number(_ value: JSONView) -> Converted {
        let text = value.withContents { Array($0) }
        if text.allSatisfy({ $0 == 0x20 }) { return .text(Self.null) }
        guard let root = try? JSONDocument(parsing: text).root, root.kind == .number else {
            return refused("a number such as 12.50, with a point and without blanks or thousands separators")
        }
        return .text(root.compactText)
    }

    private func boolean(_ value: JSONView) -> Converted {
        let text = value.string ?? ""
        if text.isEmpty { return .text(Self.null) }
        guard let meaning = words?.meaning(of: text) else { return refused("true or false") }
        return .text(Array((meaning ? "true" : "false").utf8))
    }

    // MARK: Times

    private func time(_ value: JSONView) -> Converted {
        let text = value.string ?? ""
        if text.isEmpty { return .text(Self.null) }
        guard let spelling = TimeSpelling(text) else { return refused(phrase) }
        switch (form, type) {
        case (.milliseconds, .date): return .text(Array(String(spelling.days * 86_400_000).utf8))
        case (.milliseconds, _): return .text(Array(String(spelling.milliseconds).utf8))
        case (.seconds, .date): return .text(Array(String(spelling.days * 86_400).utf8))
        case (.seconds, _): return .text(Array(String(spelling.seconds).utf8))
        case (_, .date): return spelling.clock == nil ? .asItIs : .text(Self.quoted(spelling.date))
        case (.blank, _):
            if let clock = spelling.clock, clock.hasBlank, clock.offset == nil { return .asItIs }
            return .text(Self.quoted(spelling.text(blank: true)))
        case (.rfc3339, _):
            // What is in the form already keeps its offset and its digits.
            if let clock = spelling.clock, !clock.hasBlank { return .asItIs }
            return .text(Self.quoted(spelling.text(blank: false)))
        }
    }

    /// A caller who knows the provider may count as the provider does.
    private func count(_ value: JSONView) -> Converted {
        let counts = form == .milliseconds || form == .seconds
        return counts && value.integer != nil ? .asItIs : refused(phrase)
    }

    // MARK: Lists

    private func list(_ value: JSONView) -> Converted {
        guard let member, value.elements.contains(where: { $0.kind == .string || $0.kind == .number }) else {
            return .asItIs
        }
        var writer = JSONWriter()
        writer.beginArray()
        for element in value.elements { Self.entry(element, member, into: &writer) }
        writer.endArray()
        return .text(writer.bytes)
    }

    private func oneElement(_ value: JSONView) -> Converted {
        if value.kind == .string, value.string == "" { return .text(Self.null) }
        var writer = JSONWriter()
        writer.beginArray()
        if let member { Self.entry(value, member, into: &writer) } else { writer.value(value) }
        writer.endArray()
        return .text(writer.bytes)
    }

    private static func entry(_ element: JSONView, _ member: String, into writer: inout JSONWriter) {
        guard element.kind == .string || element.kind == .number else { return writer.value(element) }
        writer.beginObject()
        writer.key(text: member)
        writer.value(element)
        writer.endObject()
    }

    private func joined(_ value: JSONView) -> Converted {
        var parts: [String] = []
        for element in value.elements where !element.isNull {
            guard let text = element.matchText else { return refused("a text or a list of texts") }
            guard Self.parts(of: text, separator).count < 2 else {
                return .refused(
                    "the provider's field \"\(name)\" takes the elements of a list parted by \"\(separator)\", which one "
                        + "of them contains.")
            }
            parts.append(text)
        }
        return .text(Self.quoted(parts.joined(separator: separator)))
    }

    // MARK: What can be said beforehand

    /// What will be done to values of a property; nil when they go through as they are.
    ///
    /// - Throws: `Unfit` when no value that the schema allows could go into the field.
    func conversion(of property: SchemaProperty) throws(Unfit) -> Conversion? {
        guard type != .any else { return nil }
        if property.types.isEmpty { return type == .date || type == .dateTime ? .time : nil }
        var fitting = 0
        var conversion: Conversion?
        for type in property.types {
            guard let found = step(from: type, property) else { continue }
            fitting += 1
            if conversion == nil { conversion = found.conversion }
        }
        if fitting == 0 { throw Unfit(phrase: phrase) }
        return conversion
    }

    struct Unfit: Error {
        /// What the field takes.
        let phrase: String
    }

    /// Nil when values of this kind cannot go into the field.
    private func step(from kind: String, _ property: SchemaProperty) -> (conversion: Conversion?, Void)? {
        let isPlain = property.elementTypes.contains { ["string", "number", "integer"].contains($0) }
        switch (type, kind) {
        case (.string, "string"), (.number, "number"), (.number, "integer"), (.boolean, "boolean"),
            (.object, "object"):
            return (nil, ())
        case (.string, "number"), (.string, "integer"): return (.numberToText, ())
        case (.string, "array"):
            return property.elementTypes.isEmpty || isPlain ? (.listToText, ()) : nil
        case (.string, "boolean"): return words == nil ? nil : (.booleanToText, ())
        case (.number, "string"): return (.textToNumber, ())
        case (.boolean, "string"): return words == nil ? nil : (.textToBoolean, ())
        case (.date, "string"), (.dateTime, "string"): return (.time, ())
        case (.date, "number"), (.date, "integer"), (.dateTime, "number"), (.dateTime, "integer"):
            return form == .milliseconds || form == .seconds ? (nil, ()) : nil
        case (.array, "array"): return (member != nil && isPlain ? .listToEntries : nil, ())
        case (.array, "string"), (.array, "number"), (.array, "integer"), (.array, "object"):
            return (.valueToList, ())
        default: return nil
        }
    }
}
