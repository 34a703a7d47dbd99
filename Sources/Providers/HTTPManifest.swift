import JSON
import PushCore

/// Reads the member `http` of a manifest: how the engine speaks to the provider.
package enum HTTPManifest {
    /// Nil when the manifest has no such member: the provider is embedded.
    ///
    /// - Throws: `ManifestFailure` at the first thing that is missing or does not fit.
    package static func read(_ root: JSONView) throws(ManifestFailure) -> HTTPProvider? {
        let top = ManifestReader(root: root)
        guard let http = try top.object("http") else { return nil }
        let description = try Manifest.read(root)
        var variables: [String: String] = [:]
        for (name, value) in http.root["variables"]?.members.map({ ($0.key.string ?? "", $0.value) }) ?? [] {
            guard let text = value.string else { throw http.failure("variables/\(name)", "must be a string") }
            variables[name] = text
        }
        let shared = try operations(http, variables)
        var resources: [String: HTTPResource] = [:]
        for (place, reader) in try top.objects("resources").enumerated() {
            let own = try operations(reader, variables)
            guard resources[description.resources[place].name] == nil else {
                throw reader.failure("name", "is that of another resource")
            }
            resources[description.resources[place].name] = try resource(
                reader, description.resources[place], shared.merging(own) { $1 }, description)
        }
        return HTTPProvider(
            name: description.name, base: try base(http), authorization: try authorization(http),
            budgets: try budgets(http), concurrency: Int(try http.number("concurrency", 1...64) ?? 4),
            deadlines: try deadlines(http), values: try http.choice("values", .json), errors: try errors(http),
            resources: resources,
            accountQuestion: shared[.account])
    }

    private static func base(_ http: ManifestReader) throws(ManifestFailure) -> String {
        var base = try http.string("base")
        guard base.hasPrefix("https://") || base.hasPrefix("http://") else {
            throw http.failure("base", "must begin with https:// or http://")
        }
        while base.hasSuffix("/") { base.removeLast() }
        return base
    }

    private static func authorization(_ http: ManifestReader) throws(ManifestFailure) -> HTTPProvider.Authorization {
        guard let reader = try http.object("authorization") else {
            return HTTPProvider.Authorization(header: "Authorization", scheme: "Bearer")
        }
        return HTTPProvider.Authorization(
            header: try reader.text("header") ?? "Authorization", scheme: reader.root["scheme"]?.string ?? "Bearer")
    }

    private static func deadlines(_ http: ManifestReader) throws(ManifestFailure) -> HTTPProvider.Deadlines {
        var deadlines = HTTPProvider.Deadlines()
        guard let reader = try http.object("deadlines") else { return deadlines }
        if let time = try reader.number("connect_ms", 10...60_000) { deadlines.connect = time }
        if let time = try reader.number("first_byte_ms", 10...300_000) { deadlines.firstByte = time }
        if let time = try reader.number("total_ms", 10...600_000) { deadlines.total = time }
        return deadlines
    }

    private static func budgets(_ http: ManifestReader) throws(ManifestFailure) -> [RateRule] {
        var rules: [RateRule] = []
        for reader in try http.objects("budgets") {
            guard let max = try reader.number("max", 1...1_000_000_000) else {
                throw reader.failure("max", "must be a whole number of at least 1")
            }
            guard let window = try reader.number("window_ms", 1...86_400_000) else {
                throw reader.failure("window_ms", "must be a number of milliseconds, at most those of a day")
            }
            let named = try kinds(reader, "operations")
            rules.append(
                RateRule(
                    operations: named.isEmpty ? nil : named, except: try kinds(reader, "except"), max: Int(max),
                    window: window))
        }
        return rules
    }

    private static func kinds(_ reader: ManifestReader, _ key: String) throws(ManifestFailure) -> [Operation.Kind] {
        var kinds: [Operation.Kind] = []
        for name in try reader.strings(key) {
            guard let kind = Operation.Kind(rawValue: name) else {
                let known = Operation.Kind.allCases.map(\.rawValue).joined(separator: ", ")
                throw reader.failure(key, "\"\(name)\" is none of the operations: \(known)")
            }
            kinds.append(kind)
        }
        return kinds
    }

    // MARK: Resources

    private static func resource(
        _ reader: ManifestReader, _ description: ResourceDescription, _ operations: [Operation.Kind: Operation],
        _ provider: ProviderDescription
    ) throws(ManifestFailure) -> HTTPResource {
        let writeBatch = provider.writeBatch
        var ways: [String: LookupWay] = [:]
        for (field, inner) in try reader.named("look_up") {
            guard description.matchRules.contains(where: { $0.field == field }) else {
                throw reader.failure("look_up/\(field)", "must be a field that the resource is matched by")
            }
            let way = try self.way(inner)
            guard operations[way.operation] != nil else {
                throw inner.failure("operation", "the resource has no operation \(way.operation.rawValue)")
            }
            if let search = operations[.search], way.operation == .search, search.isForOneValue {
                let isExact = way.conditions.count == 1 && way.conditions[0].form == .exact
                guard isExact && search.batch == 1 else {
                    throw inner.failure(
                        "conditions", "must be one that is exact: the search takes one {value} (and batch is 1)")
                }
            }
            ways[field] = way
        }
        for rule in description.matchRules where ways[rule.field] == nil {
            throw reader.failure("look_up", "does not say how records are found by \(rule.field)")
        }
        for kind in [Operation.Kind.read, .create, .update] where operations[kind] == nil {
            throw reader.failure("operations", "there is no operation \(kind.rawValue)")
        }
        // A write is one request: one that may have had an effect must not have been two.
        for kind in [Operation.Kind.create, .update] where operations[kind].map({ $0.batch < writeBatch }) == true {
            throw reader.failure(
                "operations", "\(kind.rawValue) takes fewer records than batch/write says, which are \(writeBatch)")
        }
        guard description.links.isEmpty || operations[.link] != nil else {
            throw reader.failure("operations", "there is no operation link, but there are associations")
        }
        for (type, link) in try reader.named("associations") {
            guard provider.resources.contains(where: { $0.name == link.root["resource"]?.string }) else {
                throw reader.failure("associations/\(type)/resource", "is none of the resources")
            }
        }
        var returned = description.fields.map(\.name)
        for name in try reader.strings("returned") where !returned.contains(name) { returned.append(name) }
        return HTTPResource(
            name: description.name, operations: operations, ways: ways, returned: returned,
            rules: description.matchRules, links: Set(description.links.map(\.resource)),
            fieldsMember: provider.fieldsMember)
    }

    private static func way(_ reader: ManifestReader) throws(ManifestFailure) -> LookupWay {
        guard let kind = Operation.Kind(rawValue: try reader.string("operation")), kind == .read || kind == .search
        else { throw reader.failure("operation", "must be read or search") }
        var way = LookupWay(operation: kind, key: try reader.text("key"))
        for inner in try reader.objects("conditions") {
            way.conditions.append(
                LookupWay.Condition(field: try inner.string("field"), form: try inner.choice("values", .exact)))
        }
        if kind == .read && way.key == nil { throw reader.failure("key", "must name the unique key") }
        if kind == .search && way.conditions.isEmpty {
            throw reader.failure("conditions", "must name what has to hold")
        }
        return way
    }

    // MARK: Errors

    private static func errors(_ http: ManifestReader) throws(ManifestFailure) -> ErrorRules {
        var rules = ErrorRules()
        for reader in try http.objects("errors") {
            let statuses = try reader.numbers("status", 300...599)
            guard !statuses.isEmpty else { throw reader.failure("status", "must name at least one status") }
            var rule = ErrorRules.Rule(statuses: statuses, meaning: try reader.choice("class", .unknown))
            for (way, value) in reader.root["when"]?.members.map({ ($0.key.string ?? "", $0.value) }) ?? [] {
                guard let text = value.string else { throw reader.failure("when/\(way)", "must be a string") }
                rule.conditions.append(ErrorRules.Condition(way: ValueWay(way), value: text))
            }
            if let wait = try reader.object("wait") { rule.wait = try self.wait(wait) }
            rules.rules.append(rule)
        }
        if let message = try http.text("message") { rules.message = ValueWay(message) }
        return rules
    }

    private static func wait(_ reader: ManifestReader) throws(ManifestFailure) -> ErrorRules.Wait {
        let milliseconds = try reader.number("ms", 0...ErrorRules.longestWait)
        if let header = try reader.text("header") {
            return .header(header.lowercased(), standard: milliseconds ?? ErrorRules.usualWait)
        }
        if let until = try reader.text("until") {
            guard until == "midnight" else { throw reader.failure("until", "must be midnight") }
            return .midnight(atMost: milliseconds ?? ErrorRules.longestWait)
        }
        guard let milliseconds else { throw reader.failure("ms", "must be a number of milliseconds") }
        return .milliseconds(milliseconds)
    }
}
