import CSQLite
import JSON
import PushCore

/// The fields of a record: one JSON object as compact text, and that text scanned.
///
/// Values are copied as text and never go through a number or a tree, so `1.10` stays `1.10` over any number of
/// updates.
struct FieldText {
    let text: [UInt8]
    /// The members of `text`, and perhaps further ones that are null. Nil for no fields.
    private let view: JSONView?

    /// Fields of one record; with more, an update grows slow for everyone.
    static let countCeiling = 1_000
    /// Bytes of the fields of one record.
    static let sizeCeiling = 1 << 20

    /// A record that has no fields yet.
    static var none: FieldText { FieldText(text: Array("{}".utf8), view: nil) }

    /// - Parameter text: as `merging` has made it. Other text is damage of the file, which an update must not cover up.
    init(stored text: [UInt8]) throws(DatabaseFailure) {
        guard let root = try? JSONDocument(parsing: text).root, root.kind == .object else {
            throw DatabaseFailure(code: SQLITE_CORRUPT, operation: "read fields of record")
        }
        self.init(text: text, view: root)
    }

    private init(text: [UInt8], view: JSONView?) {
        self.text = text
        self.view = view
    }

    /// The same fields with those of `given`: a value replaces in place or is appended, null removes, absent stays.
    ///
    /// - Throws: `InputRefusal` when a ceiling is passed.
    func merging(_ given: JSONView) throws(InputRefusal) -> FieldText {
        guard given.count <= Self.countCeiling else { throw Self.tooMany }
        var writer = JSONWriter(reserving: text.count + given.sourceRange.count)
        var count = 0
        writer.beginObject()
        if let view {
            for (key, old) in view.members {
                let new = given[name: key.string ?? ""]
                if new?.isNull == true { continue }
                Self.write(key, new ?? old, into: &writer)
                count += 1
            }
        }
        for (key, new) in given.members where !new.isNull {
            if let view, view[name: key.string ?? ""] != nil { continue }
            Self.write(key, new, into: &writer)
            count += 1
        }
        writer.endObject()
        guard count <= Self.countCeiling else { throw Self.tooMany }
        guard writer.bytes.count <= Self.sizeCeiling else {
            throw InputRefusal(.validation, "The fields of a record take at most \(Self.sizeCeiling) bytes.")
        }
        if view == nil { return FieldText(text: writer.bytes, view: given) }
        return FieldText(text: writer.bytes, view: try? JSONDocument(parsing: writer.bytes).root)
    }

    private static func write(_ key: JSONView, _ value: JSONView, into writer: inout JSONWriter) {
        writer.value(key)
        writer.bytes.append(UInt8(ascii: ":"))
        writer.value(value)
    }

    private static var tooMany: InputRefusal {
        InputRefusal(.validation, "A record has at most \(countCeiling) fields.")
    }

    /// What the record can be found by; one entry a rule.
    func matchKeys(_ rules: [MatchRule]) -> MatchKeys {
        MatchKeys(rules: rules) { name in
            guard let text = view?[name: name]?.string, !text.isEmpty else { return nil }
            return text
        }
    }
}
