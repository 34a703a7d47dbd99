import JSON
import PushCore

/// Requests of the core as exchanges of the embedded provider, and its answers back. Bytes only; what they do is told
/// by the room LocalProvider.
package struct LocalCodec: Sendable {
    package init() {}

    // MARK: Out

    package func encode(_ request: LookupRequest, account: AccountKey) -> Exchange {
        var writer = JSONWriter(reserving: 64 + 48 * (request.ids.count + request.searches.count))
        writer.beginObject()
        writer.key("ids")
        writer.beginArray()
        for id in request.ids { writer.string(id) }
        writer.endArray()
        writer.key("search")
        writer.beginArray()
        for search in request.searches {
            writer.beginObject()
            writer.key("field")
            writer.string(search.field)
            writer.key("value")
            writer.string(search.value)
            writer.endObject()
        }
        writer.endArray()
        writer.endObject()
        return Exchange(account: account, method: "POST", path: "/\(request.resource)/read", body: writer.bytes)
    }

    package func encode(_ request: WriteRequest, account: AccountKey) -> Exchange {
        var writer = JSONWriter(reserving: 256 * request.items.count)
        writer.beginObject()
        writer.key("inputs")
        writer.beginArray()
        for item in request.items { encode(item, into: &writer) }
        writer.endArray()
        writer.endObject()
        return Exchange(
            account: account, method: "POST", path: "/\(request.resource)/write", body: writer.bytes,
            idempotencyKey: request.key)
    }

    /// An update without fields only links.
    package func encode(_ request: LinkRequest, account: AccountKey) -> Exchange {
        let items = request.items.map { WriteItem(trace: $0.trace, target: $0.id, fields: [], links: $0.links) }
        return encode(WriteRequest(resource: request.resource, key: request.key, items: items), account: account)
    }

    private func encode(_ item: WriteItem, into writer: inout JSONWriter) {
        writer.beginObject()
        writer.key("trace")
        writer.integer(item.trace)
        writer.key("op")
        if let target = item.target {
            writer.plain("update")
            writer.key("id")
            writer.string(target)
        } else {
            writer.plain("create")
        }
        writer.key("fields")
        writer.beginObject()
        for field in item.fields {
            writer.key(text: field.name)
            writer.value(field.value)
        }
        writer.endObject()
        if !item.links.isEmpty {
            writer.key("links")
            writer.beginArray()
            for link in item.links {
                writer.beginObject()
                writer.key("resource")
                writer.string(link.resource)
                writer.key("id")
                writer.string(link.id)
                writer.endObject()
            }
            writer.endArray()
        }
        writer.endObject()
    }

    // MARK: Back

    package func decodeLookup(_ outcome: ExchangeOutcome) -> Reply<LookupAnswer> {
        decode(outcome) { root in
            guard let records = root["records"], let found = root["found"] else { return nil }
            var answer = LookupAnswer()
            for record in records.elements {
                guard let known = known(record) else { return nil }
                answer.records[known.id] = known
            }
            for hit in found.elements {
                guard let ids = hit["ids"], let field = hit["field"], let value = hit["value"], field.kind == .string,
                    value.kind == .string
                else { return nil }
                // Most of what is pushed for the first time is found nowhere: no entry, no texts.
                if ids.kind == .array && ids.count == 0 { continue }
                guard let field = field.string, let value = value.string else { return nil }
                answer.found[LookupRequest.Search(field: field, value: value)] = ids.elements.compactMap(\.string)
            }
            return answer
        }
    }

    private func known(_ record: JSONView) -> KnownRecord? {
        guard let id = record["id"]?.string, let fields = record["fields"] else { return nil }
        var links: [String: Set<String>] = [:]
        for (resource, ids) in record["associations"]?.members.map({ ($0.key.string ?? "", $0.value) }) ?? [] {
            links[resource] = Set(ids.elements.compactMap(\.string))
        }
        return KnownRecord(id: id, fields: fields, source: record, links: links)
    }

    package func decodeWrite(_ outcome: ExchangeOutcome) -> Reply<WriteAnswer> {
        decode(outcome) { root in
            guard let results = root["results"] else { return nil }
            var answers: WriteAnswer = [:]
            for result in results.elements {
                guard let trace = result["trace"]?.integer else { return nil }
                answers[Int(trace)] = item(result)
            }
            return answers
        }
    }

    /// A record that is gone has none of its links.
    package func decodeLinks(_ outcome: ExchangeOutcome) -> Reply<LinkAnswer> {
        decode(outcome) { root in
            guard let results = root["results"] else { return nil }
            var answers: LinkAnswer = [:]
            for result in results.elements {
                guard let trace = result["trace"]?.integer else { return nil }
                if case .written(_, _, _, let refused) = item(result) { answers[Int(trace)] = refused }
            }
            return answers
        }
    }

    private func item(_ result: JSONView) -> ItemAnswer? {
        if let error = result["error"] {
            let message = error["message"]?.string ?? "Refused without a message."
            switch error["code"]?.string {
            case "NOT_FOUND": return .notFound(message)
            default: return .refused(Failure(.upstream, .refusedUpstream, message))
            }
        }
        guard let id = result["id"]?.string else { return nil }
        let refused = result["links_refused"]?.elements.compactMap { link -> LinkTarget? in
            guard let resource = link["resource"]?.string, let id = link["id"]?.string else { return nil }
            return LinkTarget(resource: resource, id: id)
        }
        return .written(
            id: id, isNew: result["status"]?.isString("created") == true,
            data: result["record"].map { $0.kind == .object && $0.count > 0 ? $0.compactText : [] } ?? [],
            refusedLinks: refused ?? [])
    }

    /// A status says whether anything can have happened; only a body that is understood says what.
    private func decode<Value>(_ outcome: ExchangeOutcome, _ read: (JSONView) -> Value?) -> Reply<Value> {
        switch outcome {
        case .failed(let phase, let reason):
            return phase.isBeforeSending ? .notSent(reason) : .unknown(reason)
        case .answered(let status, let headers, let body):
            let root = try? JSONDocument(parsing: body).root
            switch status {
            case 200, 207:
                guard let root, let value = read(root) else { return .unknown("an answer that cannot be read") }
                return .answered(value)
            case 429: return .throttled(milliseconds: Self.wait(headers))
            case 400..<500:
                let text = root?["error"]?["message"]?.string ?? root?["message"]?.string ?? "status \(status)"
                if root?["error"]?["code"]?.isString("REFUSED_TOGETHER") == true {
                    return .refusedTogether(Failure(.upstream, .refusedUpstream, text))
                }
                guard status != 401 else { return .refused(Failure(.authentication, .unauthorizedUpstream, text)) }
                return .refused(Failure(.upstream, .refusedUpstream, text))
            default: return .unknown("status \(status)")
            }
        }
    }

    /// Milliseconds that a throttled caller is told to wait: at most an hour, one second when nothing is said.
    private static func wait(_ headers: [Exchange.Header]) -> Int64 {
        func number(_ name: String) -> Int64? {
            headers.first { $0.name == name }.flatMap { Int64($0.value) }.map { max(0, min($0, 3_600_000)) }
        }
        return number("retry-after-ms") ?? number("retry-after").map { min($0 * 1_000, 3_600_000) } ?? 1_000
    }
}
