import JSON

/// Where one kind of webhook goes.
package struct WebhookTarget: Equatable, Sendable {
    /// The URL as it was given.
    package var endpoint: String
    /// The object that every call carries, compact text; empty for none.
    package var metadata: [UInt8]

    package init(endpoint: String, metadata: [UInt8] = []) {
        self.endpoint = endpoint
        self.metadata = metadata
    }

    /// Nil when `value` is no object with an address. `url` is the alias that the published examples use (D28).
    init?(_ value: JSONView?) {
        guard let endpoint = (value?["endpoint"] ?? value?["url"])?.string else { return nil }
        self.endpoint = endpoint
        metadata = value?["metadata"].map(\.compactText) ?? []
    }
}

/// The webhooks of a transfer: those of its session, unless the push says otherwise (D27). Kept with the transfer, so that
/// what was accepted goes where it was meant to go (K20).
package struct WebhookRoutes: Equatable, Sendable {
    package var data: WebhookTarget?
    package var completed: WebhookTarget?
    package var error: WebhookTarget?
    /// Calls of an endpoint may overlap.
    package var isConcurrent = false

    /// Members that a push takes, too.
    package static let names = ["data_webhook", "completed_webhook", "error_webhook", "webhook_concurrency"]

    package init() {}

    package var isEmpty: Bool { data == nil && completed == nil && error == nil }

    /// These where `params` says nothing else; null takes a webhook away.
    package func overridden(by params: JSONView) -> WebhookRoutes {
        var routes = self
        if let value = params["data_webhook"] { routes.data = WebhookTarget(value) }
        if let value = params["completed_webhook"] { routes.completed = WebhookTarget(value) }
        if let value = params["error_webhook"] { routes.error = WebhookTarget(value) }
        if let value = params["webhook_concurrency"]?.bool { routes.isConcurrent = value }
        return routes
    }

    /// As `overridden(by:)`, by what `PushOptions.text` made.
    package func overridden(by options: [UInt8]) -> WebhookRoutes {
        guard !options.isEmpty, let params = try? JSONDocument(parsing: options).root else { return self }
        return overridden(by: params)
    }

    package func target(of kind: EventRow.Kind) -> WebhookTarget? {
        switch kind {
        case .data: data
        case .completed: completed
        case .error: error
        case .configuration, .providerPaused, .providerResumed, .webhookFailed, .progress: nil
        }
    }

    // MARK: As it is kept

    /// JSON text; empty when there is no webhook.
    package var text: [UInt8] {
        guard !isEmpty else { return [] }
        var writer = JSONWriter()
        writer.beginObject()
        for (name, target) in zip(Self.names, [data, completed, error]) {
            guard let target else { continue }
            writer.key(text: name)
            writer.beginObject()
            writer.key("endpoint")
            writer.string(target.endpoint)
            if !target.metadata.isEmpty {
                writer.key("metadata")
                writer.raw(target.metadata)
            }
            writer.endObject()
        }
        writer.key("webhook_concurrency")
        writer.bool(isConcurrent)
        writer.endObject()
        return writer.bytes
    }

    /// What `text` made; nil for an empty text.
    package init?(text: [UInt8]) {
        guard !text.isEmpty, let root = try? JSONDocument(parsing: text).root else { return nil }
        self = WebhookRoutes().overridden(by: root)
    }
}

/// The webhooks of a session.
package struct SessionWebhooks: Equatable, Sendable {
    package var configuration: WebhookTarget?
    package var routes: WebhookRoutes

    package static let names = ["configuration_webhook"] + WebhookRoutes.names

    init(_ definition: JSONView) {
        configuration = WebhookTarget(definition["configuration_webhook"])
        routes = WebhookRoutes().overridden(by: definition)
    }

    package var isEmpty: Bool { configuration == nil && routes.isEmpty }
}

extension SessionPlan {
    /// The webhooks of a transfer that is accepted now; nil for none.
    ///
    /// - Parameter options: what `PushOptions.text` made.
    package func routes(over options: [UInt8]) -> WebhookRoutes? {
        let routes = webhooks.routes.overridden(by: options)
        return routes.isEmpty ? nil : routes
    }
}
