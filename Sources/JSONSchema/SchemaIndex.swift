import JSON

/// A place in a schema document.
struct SchemaPlace: Sendable {
    let view: JSONView
    /// The resource that it belongs to: the nearest schema around it that has an `$id`, or the document.
    let resource: Int
    /// From the root of the document.
    let pointer: String

    func child(_ view: JSONView, _ tokens: String...) -> SchemaPlace {
        SchemaPlace(
            view: view, resource: resource,
            pointer: pointer + tokens.map { "/" + JSONPointer.escaped($0) }.joined())
    }

    var key: SchemaKey { SchemaKey(view) }
}

/// Identity of a value in a document: no two begin at the same byte.
struct SchemaKey: Hashable, Sendable {
    private let document: ObjectIdentifier
    private let offset: Int

    init(_ view: JSONView) {
        document = ObjectIdentifier(view.document)
        offset = view.sourceRange.lowerBound
    }
}

/// Knows the resources and anchors of a document, and so what a reference means.
///
/// Only places that are schemas are looked at: an `$id` inside an `enum` is data. A place that only a pointer leads to is
/// looked at when the pointer is followed.
struct SchemaIndex: Sendable {
    struct Resource: Sendable {
        var uri: URIReference
        let root: SchemaPlace
        var anchors: [String: SchemaPlace] = [:]
        var dynamicAnchors: [String: SchemaPlace] = [:]
    }

    /// Keywords whose value is a schema.
    static let single = [
        "additionalProperties", "contains", "contentSchema", "else", "if", "items", "not", "propertyNames", "then",
        "unevaluatedItems", "unevaluatedProperties",
    ]
    /// Keywords whose value is a list of schemas.
    static let lists = ["allOf", "anyOf", "oneOf", "prefixItems"]
    /// Keywords whose value is an object of schemas.
    static let maps = ["$defs", "definitions", "dependentSchemas", "patternProperties", "properties"]

    private(set) var resources: [Resource] = []
    private(set) var problems: [SchemaProblem] = []
    private var byURI: [String: Int] = [:]
    private var known: [SchemaKey: Int] = [:]

    init(_ root: JSONView) {
        let place = SchemaPlace(view: root, resource: 0, pointer: "")
        resources = [Resource(uri: URIReference(""), root: place)]
        byURI[""] = 0
    }

    /// Looks at the schema at `place` and everything below it; gives the place with the resource it turned out to be in.
    mutating func visit(_ place: SchemaPlace) -> SchemaPlace {
        let key = place.key
        if let resource = known[key] {
            return SchemaPlace(view: place.view, resource: resource, pointer: place.pointer)
        }
        let place = identify(place)
        known[key] = place.resource
        guard place.view.kind == .object else { return place }
        anchors(of: place)
        for name in Self.single {
            if let schema = place.view[name: name] { _ = visit(place.child(schema, name)) }
        }
        for name in Self.lists {
            guard let list = place.view[name: name], list.kind == .array else { continue }
            for (number, schema) in list.elements.enumerated() {
                _ = visit(place.child(schema, name, String(number)))
            }
        }
        for name in Self.maps {
            guard let map = place.view[name: name] else { continue }
            for (key, schema) in map.members { _ = visit(place.child(schema, name, key.string ?? "")) }
        }
        return place
    }

    /// `$id`: a new resource begins, or, at the root of the document, its own name is told.
    private mutating func identify(_ place: SchemaPlace) -> SchemaPlace {
        guard place.view.kind == .object, let id = place.view["$id"] else { return place }
        guard let text = id.string, !text.isEmpty else {
            problem(place, "$id", "$id must be a URI reference.")
            return place
        }
        let reference = URIReference(text)
        guard (reference.fragment ?? "").isEmpty else {
            problem(place, "$id", "$id may not have a fragment: use $anchor.")
            return place
        }
        let uri = reference.resolved(against: resources[place.resource].uri)
        let isRoot = place.key == resources[0].root.key
        if let other = byURI[uri.resource], !isRoot || other != 0 {
            problem(place, "$id", "Another schema has the same $id.")
            return place
        }
        if isRoot {
            resources[0].uri = uri
            byURI[uri.resource] = 0
            return place
        }
        let own = SchemaPlace(view: place.view, resource: resources.count, pointer: place.pointer)
        byURI[uri.resource] = own.resource
        resources.append(Resource(uri: uri, root: own))
        return own
    }

    private mutating func anchors(of place: SchemaPlace) {
        for keyword in ["$anchor", "$dynamicAnchor"] {
            guard let value = place.view[name: keyword] else { continue }
            guard let name = value.string, Self.isAnchor(name) else {
                problem(
                    place, keyword, "\(keyword) must be a name: a letter or _, then letters, digits, -, _ and dots.")
                continue
            }
            let resource = place.resource
            let other = resources[resource].anchors[name] ?? resources[resource].dynamicAnchors[name]
            if let other, other.key != place.key {
                problem(place, keyword, "The same anchor stands twice in one schema resource.")
            } else if keyword == "$anchor" {
                resources[resource].anchors[name] = place
            } else {
                resources[resource].dynamicAnchors[name] = place
            }
        }
    }

    /// Core specification, section 8.2.2.
    private static func isAnchor(_ name: String) -> Bool {
        for (place, byte) in name.utf8.enumerated() {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "_"): break
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."):
                if place == 0 { return false }
            default: return false
            }
        }
        return !name.isEmpty
    }

    private mutating func problem(_ place: SchemaPlace, _ keyword: String, _ message: String) {
        problems.append(SchemaProblem(pointer: place.pointer + "/" + JSONPointer.escaped(keyword), message: message))
    }

    // MARK: References

    enum Target {
        /// `anchor`: the name by which the place was found, if it was.
        case found(SchemaPlace, anchor: String?)
        case refused(String)
    }

    /// What `text` means where the base is that of `resource`.
    mutating func resolve(_ text: String, in resource: Int) -> Target {
        let reference = URIReference(text)
        let uri = reference.resolved(against: resources[resource].uri)
        var target = resource
        // A reference that is only a fragment stays in its resource, whatever the base.
        if text.utf8.first != UInt8(ascii: "#") {
            guard let other = byURI[uri.resource] else {
                return .refused("The reference leads out of the document; nothing is fetched from elsewhere.")
            }
            target = other
        }
        guard let fragment = URIReference.decoded(fragment: reference.fragment ?? "") else {
            return .refused("The fragment of the reference is malformed.")
        }
        if fragment.isEmpty { return .found(visit(resources[target].root), anchor: nil) }
        if let tokens = JSONPointer.tokens(fragment) { return follow(tokens, from: target) }
        if let place = resources[target].anchors[fragment] ?? resources[target].dynamicAnchors[fragment] {
            return .found(place, anchor: fragment)
        }
        return .refused("The reference leads to an anchor that does not exist.")
    }

    private mutating func follow(_ tokens: [String], from resource: Int) -> Target {
        var place = resources[resource].root
        for token in tokens {
            let next: JSONView?
            if place.view.kind == .array {
                let digits = token.utf8
                let isPlace =
                    digits.count < 10 && digits.allSatisfy { $0 &- 0x30 < 10 } && (digits.first != 0x30 || token == "0")
                next = isPlace ? Int(token).flatMap { place.view[$0] } : nil
            } else {
                next = place.view[name: token]
            }
            guard let next else { return .refused("The reference leads to a place that does not exist.") }
            let child = place.child(next, token)
            place = SchemaPlace(
                view: next, resource: known[child.key] ?? place.resource, pointer: child.pointer)
        }
        guard place.view.kind == .object || place.view.kind == .bool else {
            return .refused("The reference leads to something that is no schema.")
        }
        return .found(visit(place), anchor: nil)
    }
}
