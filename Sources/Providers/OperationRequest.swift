import JSON
import PushCore

// From an operation and its values to an exchange.

extension Operation {
    /// - Parameters:
    ///   - texts: values of the path, and as JSON texts of the body.
    ///   - values: further values of the body, JSON text.
    ///   - items: values of each item.
    func exchange(
        _ account: AccountKey, texts: [String: String] = [:], values: [String: [UInt8]] = [:],
        items: [[String: [UInt8]]] = [], key: String? = nil
    ) -> Exchange {
        var all = values
        for name in texts.keys.sorted() where all[name] == nil { all[name] = texts[name].map(JSONText.quoted) }
        if let item {
            all["items"] = JSONText.list(items.map(item.text))
        } else if let only = items.first, items.count == 1 {
            all.merge(only) { mine, _ in mine }
        }
        let body = body.map { $0.text(all) } ?? []
        var headers = headers
        headers.append(Exchange.Header("Accept", "application/json"))
        if !body.isEmpty { headers.append(Exchange.Header("Content-Type", "application/json")) }
        return Exchange(
            account: account, method: method, path: path.text(texts), headers: headers, body: body, idempotencyKey: key)
    }
}

extension Operation {
    /// Its path or body has a place for one searched value.
    var isForOneValue: Bool { path.names.contains("value") || body?.names.contains("value") == true }
}

/// Pieces of JSON text.
enum JSONText {
    static func quoted(_ text: String) -> [UInt8] {
        var writer = JSONWriter(reserving: text.utf8.count + 2)
        writer.string(text)
        return writer.bytes
    }

    static func list(_ texts: [String]) -> [UInt8] {
        var writer = JSONWriter()
        writer.beginArray()
        for text in texts { writer.string(text) }
        writer.endArray()
        return writer.bytes
    }

    static func list(_ values: [[UInt8]]) -> [UInt8] {
        var writer = JSONWriter(reserving: values.reduce(2) { $0 + $1.count + 1 })
        writer.beginArray()
        for value in values { writer.raw(value) }
        writer.endArray()
        return writer.bytes
    }
}

extension ValueForm {
    /// The object of the fields of one record.
    func object(_ fields: [PreparedField]) -> [UInt8] {
        var writer = JSONWriter(reserving: 64 * fields.count + 2)
        writer.beginObject()
        for field in fields {
            writer.key(text: field.name)
            write(field.value, into: &writer)
        }
        writer.endObject()
        return writer.bytes
    }

    private func write(_ value: JSONView, into writer: inout JSONWriter) {
        guard self == .text else { return writer.value(value) }
        switch value.kind {
        case .string: writer.value(value)
        case .null: writer.string("")
        case .bool: writer.string(value.bool == true ? "true" : "false")
        case .number: writer.string(value.numberText ?? "")
        case .array, .object: writer.string(String(decoding: value.compactText, as: UTF8.self))
        }
    }
}
