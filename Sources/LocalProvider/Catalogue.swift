import PushCore

/// The described resources by their name. A resource without a description is a custom one: it exists on first use,
/// takes any field, has no match rules, and may be linked with everything.
struct Catalogue {
    private let described: [String: ResourceDescription]

    init(_ resources: [ResourceDescription]) {
        described = Dictionary(resources.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    }

    subscript(name: String) -> ResourceDescription? { described[name] }

    func matchRules(of resource: String) -> [MatchRule] { described[resource]?.matchRules ?? [] }

    /// True when records of the two resources can be linked: one end's description says so, or one end is custom.
    func canLink(_ one: String, _ other: String) -> Bool {
        guard let near = described[one], let far = described[other] else { return true }
        return near.links.contains { $0.resource == other } || far.links.contains { $0.resource == one }
    }

    /// True when a record of `one` can hold only one link to a record of `other`.
    func isSingle(_ one: String, _ other: String) -> Bool {
        described[one]?.links.contains { $0.resource == other && $0.isSingle } ?? false
    }
}
