import JSON

/// A JSON value with places for values: every string `{{name}}` stands for one. A member or an element whose value is not
/// given is left out.
struct BodyTemplate: Sendable {
    private let root: JSONView

    init(_ root: JSONView) { self.root = root }

    /// Names of the places, in their order.
    var names: [String] {
        var names: [String] = []
        Self.collect(root, into: &names)
        return names
    }

    private static func collect(_ view: JSONView, into names: inout [String]) {
        switch view.kind {
        case .string: if let name = place(view) { names.append(name) }
        case .array: for element in view.elements { collect(element, into: &names) }
        case .object: for member in view.members { collect(member.value, into: &names) }
        case .null, .bool, .number: break
        }
    }

    /// - Parameter values: JSON text by name.
    func text(_ values: [String: [UInt8]]) -> [UInt8] {
        var writer = JSONWriter(reserving: 256)
        Self.write(root, values, into: &writer)
        return writer.bytes
    }

    private static func write(_ view: JSONView, _ values: [String: [UInt8]], into writer: inout JSONWriter) {
        switch view.kind {
        case .string:
            if let name = place(view) {
                if let value = values[name] { writer.raw(value) } else { writer.null() }
            } else {
                writer.value(view)
            }
        case .array:
            writer.beginArray()
            for element in view.elements where !isLeftOut(element, values) { write(element, values, into: &writer) }
            writer.endArray()
        case .object:
            writer.beginObject()
            for (key, value) in view.members where !isLeftOut(value, values) {
                writer.key(text: key.string ?? "")
                write(value, values, into: &writer)
            }
            writer.endObject()
        case .null, .bool, .number: writer.value(view)
        }
    }

    private static func isLeftOut(_ view: JSONView, _ values: [String: [UInt8]]) -> Bool {
        place(view).map { values[$0] == nil } ?? false
    }

    private static func place(_ view: JSONView) -> String? {
        guard let text = view.string, text.hasPrefix("{{"), text.hasSuffix("}}"), text.utf8.count > 4 else {
            return nil
        }
        return String(text.dropFirst(2).dropLast(2))
    }
}

extension JSONView {
    /// What is at the end of a way through objects and lists, such as `context.ids.0`. The empty way is the value itself.
    func at(_ way: ValueWay) -> JSONView? {
        var view = self
        for step in way.steps {
            let next = view.kind == .array ? Int(step).flatMap { view[$0] } : view[name: step]
            guard let next else { return nil }
            view = next
        }
        return view
    }
}

/// A way into a JSON value: names and places with points between.
struct ValueWay: Equatable, Sendable {
    let steps: [String]

    init(_ text: String) { steps = text.split(separator: ".").map(String.init) }
}

extension JSONView {
    /// Texts at a place that holds one or a list of them; whole numbers count, for ids are written as either.
    var texts: [String] {
        kind == .array ? elements.compactMap(\.idText) : [idText].compactMap { $0 }
    }

    /// An id as text: ids are opaque, whether they come quoted or not.
    var idText: String? {
        if let text = string { return text.isEmpty ? nil : text }
        return numberText.flatMap { $0.utf8.allSatisfy { (0x30...0x39).contains($0) } ? $0 : nil }
    }
}
