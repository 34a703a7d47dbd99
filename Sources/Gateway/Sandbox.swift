import JSON
import JSONSchema
import LocalProvider
import PushCore

// The settings of `local` (K19), from the text of a session. Their form was checked with the call's params.

extension LocalSettings {
    /// - Parameter view: `settings` of a session's definition.
    init(_ view: JSONView?) {
        self.init()
        guard let view else { return }
        latencyMilliseconds = view["latency_ms"]?.integer.map { Int(clamping: $0) } ?? 0
        returnsData = view["returns_data"]?.bool ?? true
        supportsAssociations = view["associations"]?.bool ?? true
        recognisesRepeats = view["class"].map { $0.isString("keyed") } ?? true
        for (resource, fields) in view["unique"]?.members.map({ ($0.key.string ?? "", $0.value) }) ?? [] {
            uniqueFields[resource] = fields.elements.compactMap(\.string)
        }
        if let given = view["budget"], let rate = given["per_second"]?.numberText.flatMap(Double.init), rate > 0 {
            budget = LocalBudget(
                perSecond: rate, burst: given["burst"]?.integer.map { Int(clamping: $0) } ?? max(1, Int(rate)))
        }
        takesWritesApart = view["writes"]?.isString("split") ?? false
        takesLinksApart = view["links"]?.isString("after") ?? false
        isAllOrNothing = view["all_or_nothing"]?.bool ?? false
        acceptedToken = view["token_sha256"]?.string.flatMap(TokenHash.init(hexadecimal:))
        faults = view["faults"]?.elements.compactMap(LocalFault.init) ?? []
    }
}

extension LocalFault {
    fileprivate init?(_ view: JSONView) {
        guard let kind = view["fault"]?.string.flatMap(Kind.init) else { return nil }
        self.init(
            kind, resource: view["resource"]?.string, operation: view["operation"]?.string.flatMap(Operation.init),
            skip: view["skip"]?.integer.map { Int(clamping: $0) } ?? 0,
            times: view["times"]?.integer.map { Int(clamping: $0) } ?? 1)
    }
}

extension ProviderDescription {
    /// What the settings of a session change of the provider that the core sees.
    mutating func take(_ settings: JSONView?) {
        guard let settings else { return }
        if let name = settings["class"]?.string, let given = Class(rawValue: name) { recoveryClass = given }
        authType = settings["auth_type"]?.string ?? authType
        supportsAssociations = settings["associations"]?.bool ?? supportsAssociations
        returnsData = settings["returns_data"]?.bool ?? returnsData
        let local = LocalSettings(settings)
        splitsWrites = local.takesWritesApart
        linksAfter = local.takesLinksApart
        if local.isAllOrNothing { partial = .allOrNothing }
        settleMilliseconds = settings["settle_ms"]?.integer ?? settleMilliseconds
        latencyMilliseconds = Int64(local.latencyMilliseconds)
        budget = local.budget.map { ExchangeBudget(perSecond: $0.perSecond, burst: $0.burst) }
    }

    /// What is wrong with `settings.unique`: it can only name fields that the resource is matched by, because only those
    /// are indexed.
    func problems(ofSettings settings: JSONView?) -> [ParamProblem] {
        var problems: [ParamProblem] = []
        if let hash = settings?["token_sha256"]?.string, TokenHash(hexadecimal: hash) == nil {
            problems.append(
                ParamProblem(path: "/settings/token_sha256", message: "must be 64 hexadecimal digits"))
        }
        for (name, fields) in settings?["unique"]?.members.map({ ($0.key.string ?? "", $0.value) }) ?? [] {
            let path = "/settings/unique/\(name)"
            guard let resource = resources.first(where: { $0.name == name }) else {
                problems.append(
                    ParamProblem(
                        path: path, message: "\(displayName) describes no such resource",
                        suggestion: DidYouMean.nearest(name, among: resources.map(\.name))))
                continue
            }
            let known = resource.matchRules.map(\.field)
            for (place, field) in fields.elements.enumerated() where !known.contains(field.string ?? "") {
                problems.append(
                    ParamProblem(
                        path: "\(path)/\(place)", message: "must be a field that the resource is matched by",
                        suggestion: DidYouMean.nearest(field.string ?? "", among: known)))
            }
        }
        return problems
    }
}
