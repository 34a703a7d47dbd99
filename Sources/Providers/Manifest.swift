import JSON
import PushCore

/// Why a manifest cannot be used, with a JSON Pointer into it.
package struct ManifestFailure: Error, Equatable, Sendable, CustomStringConvertible {
    package var pointer: String
    package var problem: String

    package init(pointer: String, problem: String) {
        self.pointer = pointer
        self.problem = problem
    }

    package var description: String { "\(pointer.isEmpty ? "/" : pointer): \(problem)" }
}

/// Reads a provider's manifest (`protocol/schemas/manifest.json`) into what the core works with.
package enum Manifest {
    /// - Throws: `ManifestFailure` at the first thing that is missing or out of its range.
    package static func read(_ root: JSONView) throws(ManifestFailure) -> ProviderDescription {
        let reader = ManifestReader(root: root)
        let name = try reader.string("name")
        guard let recoveryClass = ProviderDescription.Class(rawValue: try reader.string("class")) else {
            throw ManifestFailure(pointer: "/class", problem: "must be keyed, searchable or blind")
        }
        var resources: [ResourceDescription] = []
        guard let list = root["resources"], list.kind == .array else {
            throw ManifestFailure(pointer: "/resources", problem: "must be a list of resources")
        }
        for entry in list.elements {
            resources.append(
                try resource(entry, "/resources/\(resources.count)", root["open_fields"]?.bool ?? false))
            resources[resources.count - 1].openFieldType = try reader.choice("open_field_type", .any)
            resources[resources.count - 1].notTaken = entry["not_taken"]?.elements.compactMap(\.string) ?? []
        }
        var description = ProviderDescription(
            name: name, displayName: try reader.string("display_name"), authType: try reader.string("auth_type"),
            url: root["url"]?.string ?? "", image: root["image"]?.string ?? "",
            category: try reader.string("endgrate_provider_type"), recoveryClass: recoveryClass, resources: resources,
            readBatch: try reader.size("read"), writeBatch: try reader.size("write"),
            fieldsMember: root["fields_member"]?.string, hasOpenResources: root["open_resources"]?.bool ?? false)
        description.splitsWrites = root["http"] != nil
        description.linksAfter = root["http"] != nil
        description.asksForFields = root["http"] != nil
        description.ranksLookups = root["http"] != nil
        description.settleMilliseconds = try reader.number("settle_ms", 0...3_600_000) ?? 0
        if try reader.text("partial") == "all_or_nothing" { description.partial = .allOrNothing }
        return description
    }

    private static func resource(
        _ view: JSONView, _ pointer: String, _ isOpen: Bool
    ) throws(ManifestFailure) -> ResourceDescription {
        let reader = ManifestReader(root: view, pointer: pointer)
        let derived = view["derived"]?.elements.map { $0 } ?? []
        var fields: [ResourceDescription.Field] = []
        var kinds: [String: MatchRule.Kind] = [:]
        for (place, field) in (view["fields"]?.elements.map { $0 } ?? []).enumerated() {
            let inner = ManifestReader(root: field, pointer: pointer + "/fields/\(place)")
            let name = try inner.string("name")
            kinds[name] = field["normalise"]?.string.flatMap(MatchRule.Kind.init)
            let first = derived.first { $0["field"]?.string == name && $0["how"]?.isString("first") == true }
            var entries: ResourceDescription.Entries?
            if let list = first?["from"]?[0]?.string, let member = first?["member"]?.string {
                entries = ResourceDescription.Entries(list: list, value: member)
            }
            fields.append(try self.field(field, name: name, entries: entries, inner))
        }
        // A field that is only made, for comparing, and cannot be written.
        for made in derived {
            guard let name = made["field"]?.string, kinds[name] == nil else { continue }
            kinds[name] = made["normalise"]?.string.flatMap(MatchRule.Kind.init)
        }
        var rules: [MatchRule] = []
        for (place, match) in (view["match"]?.elements.map { $0 } ?? []).enumerated() {
            guard let name = match[0]?.string, match.count == 1, let kind = kinds[name] else {
                throw ManifestFailure(
                    pointer: pointer + "/match/\(place)",
                    problem: "must name one field of the resource that says how it is normalised")
            }
            let join = derived.first { $0["field"]?.string == name && $0["how"]?.isString("join") == true }
            rules.append(
                MatchRule(field: name, kind: kind, parts: join?["from"]?.elements.compactMap(\.string) ?? []))
        }
        var links: [ResourceDescription.Link] = []
        for (type, link) in view["associations"]?.members.map({ ($0.key.string ?? "", $0.value) }) ?? [] {
            guard let target = link["resource"]?.string else {
                throw ManifestFailure(pointer: pointer + "/associations/\(type)", problem: "must name a resource")
            }
            links.append(
                ResourceDescription.Link(
                    endgrateType: type, resource: target, isSingle: link["cardinality"]?.isString("one") == true))
        }
        return ResourceDescription(
            name: try reader.string("name"), endgrateType: try reader.string("endgrate_type"),
            displayName: try reader.string("display_name"), fields: fields, hasOpenFields: isOpen, matchRules: rules,
            links: links)
    }
}

extension Manifest {
    private static func field(
        _ view: JSONView, name: String, entries: ResourceDescription.Entries?, _ reader: ManifestReader
    ) throws(ManifestFailure) -> ResourceDescription.Field {
        let texts = { (list: JSONView?) in list?.elements.compactMap(\.string) ?? [] }
        var words: BooleanWords?
        if let view = view["words"] {
            words = BooleanWords(yes: texts(view["true"]), no: texts(view["false"]))
            guard words?.yes.isEmpty == false, words?.no.isEmpty == false else {
                throw ManifestFailure(pointer: reader.pointer + "/words", problem: "must have words for true and false")
            }
        }
        let separator = view["separator"]?.string ?? ";"
        guard !separator.isEmpty else {
            throw ManifestFailure(pointer: reader.pointer + "/separator", problem: "must not be empty")
        }
        return ResourceDescription.Field(
            name: name, title: view["title"]?.string, type: try reader.choice("type", FieldType.string),
            synonyms: texts(view["synonyms"]), entries: entries, form: try reader.choice("form", TimeForm.rfc3339),
            separator: separator, words: words, member: view["array_of"]?.members.map { $0 }.first?.key.string)
    }
}
