import JSON
import PushCore

// Every request that a manifest leads to, made by the very runs that make them, from records that nobody has.

/// One of the requests that the engine would send.
package struct PreviewedRequest: Equatable, Sendable {
    package var title: String
    package var exchange: Exchange
}

extension HTTPProvider {
    /// What would be sent for two records of each resource, or for one where a request takes no more.
    package func preview(_ description: ProviderDescription) -> [PreviewedRequest] {
        let account = AccountKey(provider: name, name: "default")
        var requests: [PreviewedRequest] = []
        if let accountQuestion {
            requests.append(PreviewedRequest(title: "who the account is", exchange: accountQuestion.exchange(account)))
        }
        for resource in description.resources {
            for (title, calls) in steps(resource, account) {
                requests += calls.map {
                    PreviewedRequest(title: "\(resource.name), \(title)", exchange: $0.exchange)
                }
            }
        }
        return requests
    }

    private func steps(_ resource: ResourceDescription, _ account: AccountKey) -> [(String, [ProviderCall])] {
        let name = resource.name
        let operations = resources[name]?.operations ?? [:]
        var steps: [(String, [ProviderCall])] = []
        func lookUp(_ title: String, _ ids: [String], _ searches: [LookupRequest.Search]) {
            let request = LookupRequest(resource: name, ids: ids, searches: searches)
            guard var run = LookupRun(request, account, self) else { return }
            steps.append((title, run.begin().calls))
        }
        lookUp("by id", Array(Self.ids.prefix(operations[.read]?.batch ?? 1)), [])
        for rule in resource.matchRules {
            let operation = resources[name]?.ways[rule.field]?.operation ?? .search
            let values = Self.samples(rule.kind).prefix(operations[operation]?.batch ?? 1)
            lookUp("by \(rule.field)", [], values.map { LookupRequest.Search(field: rule.field, value: $0) })
        }
        for (kind, targets) in [(Operation.Kind.create, []), (.update, Self.ids)] {
            let items = (0..<min(2, operations[kind]?.batch ?? 1)).map { place in
                WriteItem(
                    trace: place, target: targets.isEmpty ? nil : targets[place], fields: Self.fields(resource, place),
                    links: [])
            }
            guard var run = WriteRun(WriteRequest(resource: name, key: "1", items: items), account, self) else {
                continue
            }
            steps.append((kind.rawValue, run.begin().calls))
        }
        for link in resource.links {
            let item = LinkRequest.Item(
                trace: 0, id: Self.ids[0], links: [LinkTarget(resource: link.resource, id: Self.ids[1])])
            guard var run = LinkRun(LinkRequest(resource: name, key: "1", items: [item]), account, self) else {
                continue
            }
            steps.append(("link to \(link.resource)", run.begin().calls))
        }
        return steps
    }

    private static let ids = ["1001", "1002"]

    /// As they compare.
    private static func samples(_ kind: MatchRule.Kind) -> [String] {
        switch kind {
        case .email: ["ann@example.org", "bob@example.org"]
        case .phone: ["15550100001", "15550100002"]
        case .name: ["ann example", "bob example"]
        case .domain: ["example.org", "example.com"]
        }
    }

    /// Values of a few fields: those that it is matched by, and the first others.
    private static func fields(_ resource: ResourceDescription, _ place: Int) -> [PreparedField] {
        let matched = resource.matchRules.flatMap { $0.parts.isEmpty ? [$0.field] : $0.parts }
        let others = resource.fields.map(\.name).filter { !matched.contains($0) }
        let names = matched.filter { name in resource.fields.contains { $0.name == name } } + others
        return names.prefix(4).compactMap { name in
            let kind = resource.matchRules.first { $0.field == name }?.kind
            let type = resource.fields.first { $0.name == name }?.type ?? .string
            let text = kind.map { JSONText.quoted(samples($0)[place]) } ?? sample(type)
            guard let value = try? JSONDocument(parsing: text).root else { return nil }
            return PreparedField(name: name, value: value, mode: .overwrite)
        }
    }

    private static func sample(_ type: FieldType) -> [UInt8] {
        let text =
            switch type {
            case .number: "1"
            case .boolean: "true"
            case .date: "\"2026-01-31\""
            case .dateTime: "\"2026-01-31T09:30:00Z\""
            case .array: "[]"
            case .object: "{}"
            case .string, .any: "\"text\""
            }
        return Array(text.utf8)
    }
}
