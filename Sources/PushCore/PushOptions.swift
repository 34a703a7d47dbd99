import JSON

/// How records are pushed (K16): as the session says, unless the transfer says otherwise.
package struct PushOptions: Equatable, Sendable {
    package enum Freshness: String, Sendable, CaseIterable {
        /// Always writes.
        case force
        /// Reads first and writes what differs.
        case verify
        /// Trusts what the gateway itself last confirmed, up to `maxAge`; else as `verify`.
        case ledger
    }

    /// What a remembered record that is gone at the provider means (D4).
    package enum OnDeleted: String, Sendable, CaseIterable {
        /// It is looked for by its match keys, and created if that finds nothing.
        case recreate
        /// It is left alone: outcome `unsent` with a warning.
        case skip
        /// The record fails.
        case error
    }

    package var freshness = Freshness.verify
    /// Milliseconds that a confirmed state is trusted under `ledger`: 24 hours unless said.
    package var maxAge: Int64 = 86_400_000
    package var onDeleted = OnDeleted.recreate
    /// Fields that records are matched by, in this order; nil: those of the resource.
    package var match: [String]?
    /// A property that the schema does not have is a warning and not an error.
    package var warnsOfUnknown = false
    /// A null means that the property is absent.
    package var skipsNull = false
    /// Milliseconds after which a record is given up that waits for an account to answer (K32).
    package var retryWindow = PushOptions.standardRetryWindow
    /// Nil: never.
    package var abortIf: AbortRule?

    /// 24 hours.
    package static let standardRetryWindow: Int64 = 86_400_000

    /// Names of the members that a session and a push both take.
    package static let names = [
        "freshness", "max_age", "match", "on_deleted", "unknown_properties", "skip_null", "retry_window", "abort_if",
    ]

    package init() {}

    /// These options where `params` says nothing else. Values are those of the contract; others are left out of account.
    package func overridden(by params: JSONView) -> PushOptions {
        var options = self
        if let value = params["freshness"]?.string.flatMap(Freshness.init) { options.freshness = value }
        if let seconds = params["max_age"]?.integer { options.maxAge = max(0, seconds).multipliedClamping(by: 1_000) }
        if let value = params["on_deleted"]?.string.flatMap(OnDeleted.init) { options.onDeleted = value }
        if let fields = params["match"], fields.kind == .array { options.match = fields.elements.compactMap(\.string) }
        if let value = params["unknown_properties"]?.string { options.warnsOfUnknown = value == "warn" }
        if let value = params["skip_null"]?.bool { options.skipsNull = value }
        if let seconds = params["retry_window"]?.integer {
            options.retryWindow = max(1, seconds).multipliedClamping(by: 1_000)
        }
        if let rule = params["abort_if"], rule.kind == .object { options.abortIf = AbortRule(rule) }
        return options
    }

    /// The options and webhooks among the params of a push, as they are kept with the transfer: JSON text, empty for none.
    package static func text(of params: JSONView) -> [UInt8] {
        let given = (names + WebhookRoutes.names).compactMap { name in params[name: name].map { (name, $0) } }
        guard !given.isEmpty else { return [] }
        var writer = JSONWriter(reserving: 64)
        writer.beginObject()
        for (name, value) in given {
            writer.key(text: name)
            writer.value(value)
        }
        writer.endObject()
        return writer.bytes
    }
}

extension Int64 {
    fileprivate func multipliedClamping(by factor: Int64) -> Int64 {
        let (product, isOver) = multipliedReportingOverflow(by: factor)
        return isOver ? .max : product
    }
}

extension SessionPlan {
    /// The plan of a transfer with options of its own; this one if it has none.
    ///
    /// - Parameter options: what `PushOptions.text` made.
    package func overridden(by options: [UInt8]) -> SessionPlan {
        guard !options.isEmpty, let params = try? JSONDocument(parsing: options).root else { return self }
        return overridden(by: self.options.overridden(by: params))
    }

    /// Fields that are to be matched by, but that no schema of the session can match by.
    package func unknownMatchFields(_ fields: [String]) -> [String] {
        let known = Set(schemas.flatMap { $0.resource.matchRules.map(\.field) })
        return fields.filter { !known.contains($0) }
    }
}

extension SessionPlan.Schema {
    /// Places of the resource's match rules that a session with these match fields uses, in its order.
    static func matchPlaces(of resource: ResourceDescription, match: [String]?) -> [Int] {
        let rules = resource.matchRules
        return match.map { fields in fields.compactMap { field in rules.firstIndex { $0.field == field } } }
            ?? Array(rules.indices)
    }
}
