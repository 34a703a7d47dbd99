import JSON

/// `limit` and `offset` of a call, and the `meta` of its answer.
struct Page {
    let limit: Int
    let offset: Int

    init(_ params: JSONView) {
        limit = Int(params["limit"]?.integer ?? 250)
        offset = Int(params["offset"]?.integer ?? 0)
    }

    /// `meta {count, previous?, next?}`; links are calls written as strings (K34).
    ///
    /// - Parameters:
    ///   - arguments: the other params of the call, for the links.
    ///   - shown: how many follow `offset` in this answer; fewer than `limit` if it was cut at the outbound line.
    func meta(
        _ method: String, _ arguments: [(String, String)], total: Int, shown: Int, into writer: inout JSONWriter
    ) {
        writer.key("meta")
        writer.beginObject()
        writer.key("count")
        writer.integer(total)
        if offset > 0 { link("previous", method, arguments, to: max(0, min(offset, total) - limit), into: &writer) }
        if offset + shown < total && shown > 0 { link("next", method, arguments, to: offset + shown, into: &writer) }
        writer.endObject()
    }

    private func link(
        _ key: String, _ method: String, _ arguments: [(String, String)], to place: Int, into writer: inout JSONWriter
    ) {
        let query = (arguments + [("limit", String(limit)), ("offset", String(place))])
            .map { "\($0)=\(Self.escape($1))" }.joined(separator: "&")
        writer.key(text: key)
        writer.beginObject()
        writer.key("offset")
        writer.integer(place)
        writer.key("link")
        writer.string("\(method)?\(query)")
        writer.endObject()
    }

    /// Percent-encoding of everything that RFC 3986 does not leave unreserved.
    private static func escape(_ text: String) -> String {
        var escaped = ""
        for byte in text.utf8 {
            let character = Character(UnicodeScalar(byte))
            if character.isASCII && (character.isLetter || character.isNumber || "-._~".contains(character)) {
                escaped.append(character)
            } else {
                escaped += "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
            }
        }
        return escaped
    }
}
