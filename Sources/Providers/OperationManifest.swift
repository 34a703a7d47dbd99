import JSON
import PushCore

// Reads the operations of a manifest.

extension HTTPManifest {
    /// The operations under `operations` of an object.
    static func operations(
        _ reader: ManifestReader, _ variables: [String: String]
    ) throws(ManifestFailure) -> [Operation.Kind: Operation] {
        var operations: [Operation.Kind: Operation] = [:]
        for (name, inner) in try reader.named("operations") {
            guard let kind = Operation.Kind(rawValue: name) else {
                let known = Operation.Kind.allCases.map(\.rawValue).joined(separator: ", ")
                throw reader.failure("operations/\(name)", "is none of the operations: \(known)")
            }
            operations[kind] = try operation(kind, inner, variables)
        }
        return operations
    }

    private static func operation(
        _ kind: Operation.Kind, _ reader: ManifestReader, _ variables: [String: String]
    ) throws(ManifestFailure) -> Operation {
        guard let path = PathTemplate(try reader.string("path"))?.filled(variables) else {
            throw reader.failure("path", "must be a path from the base, with names in braces")
        }
        let accepted = try reader.numbers("accepted", 200...299)
        let operation = Operation(
            kind: kind, method: try method(reader), path: path, headers: try headers(reader),
            body: reader.root["body"].map(BodyTemplate.init), item: reader.root["item"].map(BodyTemplate.init),
            batch: Int(try reader.number("batch", 1...10_000) ?? 1),
            bodyCeiling: Int(try reader.number("body_bytes", 256...8_388_608) ?? 8_388_608),
            accepted: accepted.isEmpty ? [200, 201] : accepted, done: try reader.numbers("done", 200...299),
            results: ValueWay(reader.root["results"]?.string ?? ""),
            id: ValueWay(try reader.text("id") ?? "id"), next: try reader.text("next").map(ValueWay.init),
            entries: try reader.object("errors").map(entries), correlation: try correlation(reader, kind),
            readsAgain: try reader.flag("reads_again"), linkEnds: try reader.object("ends").map(ends))
        try check(operation, reader)
        return operation
    }

    private static func method(_ reader: ManifestReader) throws(ManifestFailure) -> String {
        let method = try reader.string("method")
        guard ["GET", "POST", "PUT", "PATCH"].contains(method) else {
            throw reader.failure("method", "must be GET, POST, PUT or PATCH")
        }
        return method
    }

    private static func headers(_ reader: ManifestReader) throws(ManifestFailure) -> [Exchange.Header] {
        var headers: [Exchange.Header] = []
        for (name, value) in reader.root["headers"]?.members.map({ ($0.key.string ?? "", $0.value) }) ?? [] {
            guard let text = value.string else { throw reader.failure("headers/\(name)", "must be a string") }
            headers.append(Exchange.Header(name, text))
        }
        return headers
    }

    private static func entries(_ reader: ManifestReader) throws(ManifestFailure) -> Operation.ErrorEntries {
        var entries = Operation.ErrorEntries(
            list: ValueWay(try reader.string("list")), message: ValueWay(try reader.text("message") ?? "message"))
        entries.trace = try reader.text("trace").map(ValueWay.init)
        entries.ids = try reader.text("ids").map(ValueWay.init)
        entries.target = try reader.text("target").map(ValueWay.init)
        entries.kind = try reader.text("kind").map(ValueWay.init)
        entries.notFound = try reader.strings("not_found")
        return entries
    }

    private static func ends(_ reader: ManifestReader) throws(ManifestFailure) -> Operation.LinkEnds {
        Operation.LinkEnds(from: ValueWay(try reader.string("from")), to: ValueWay(try reader.string("to")))
    }

    /// In the order in which they are tried.
    private static func correlation(
        _ reader: ManifestReader, _ kind: Operation.Kind
    ) throws(ManifestFailure) -> [Operation.Correlation] {
        var rules: [Operation.Correlation] = []
        for inner in try reader.objects("correlate") {
            switch try inner.string("by") {
            case "trace": rules.append(.trace(ValueWay(try inner.string("at"))))
            case "id": rules.append(.id)
            case "order": rules.append(.order)
            case "fields":
                let names = try inner.strings("fields")
                guard !names.isEmpty else { throw inner.failure("fields", "must name at least one field") }
                rules.append(.fields(names))
            default: throw inner.failure("by", "must be trace, id, fields or order")
            }
        }
        guard !rules.isEmpty || (kind != .create && kind != .update) else {
            throw reader.failure("correlate", "must say how a result finds its record")
        }
        return rules
    }

    /// Names that a request of each kind gives values to.
    private static let known: [Operation.Kind: (path: Set<String>, body: Set<String>, item: Set<String>)] = [
        .read: (["resource", "id"], ["items", "ids", "properties", "key", "id", "resource"], ["id"]),
        .search: (
            ["resource", "value", "field", "after"], ["items", "properties", "after", "value", "field", "resource"],
            ["field", "values", "value"]
        ),
        .create: (["resource"], ["items", "fields", "trace", "resource"], ["fields", "trace"]),
        .update: (["resource", "id"], ["items", "fields", "trace", "id", "resource"], ["fields", "trace", "id"]),
        .link: (["resource", "to", "id", "target"], ["items", "resource", "to", "id", "target"], ["id", "target"]),
        .linkRead: (["resource", "to", "id"], ["items", "resource", "to", "id"], ["id"]),
        .account: ([], [], []),
    ]

    private static func check(_ operation: Operation, _ reader: ManifestReader) throws(ManifestFailure) {
        guard let known = known[operation.kind] else { return }
        let places: [(member: String, names: [String], known: Set<String>)] = [
            ("path", operation.path.names, known.path), ("body", operation.body?.names ?? [], known.body),
            ("item", operation.item?.names ?? [], known.item),
        ]
        for place in places {
            if let name = place.names.first(where: { !place.known.contains($0) }) {
                throw reader.failure(place.member, "\"\(name)\" has no value in this operation")
            }
        }
        guard operation.done.isEmpty || (operation.batch == 1 && [.update, .link].contains(operation.kind)) else {
            throw reader.failure("done", "is only for an update or a link of one record a request")
        }
        guard operation.batch == 1 || operation.item != nil else {
            throw reader.failure("item", "must say what one of several items looks like")
        }
    }
}
