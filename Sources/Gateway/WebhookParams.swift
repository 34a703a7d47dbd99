import EventLoop
import HTTPClient
import JSON
import JSONRPC
import PushCore
import Store

/// What calls say about webhooks: looked over before anything is kept.
struct WebhookParams {
    /// Bytes of the compact text of `metadata`.
    private static let metadataCeiling = 16_384

    let params: JSONView

    /// The webhooks among the params, with their names.
    private var given: [(name: String, value: JSONView)] {
        SessionWebhooks.names.compactMap { name in
            params[name: name].flatMap { $0.kind == .object ? (name, $0) : nil }
        }
    }

    /// True when the webhooks may be kept; else the call is answered here.
    func areGood(_ filter: AddressFilter, _ responder: Responder) -> Bool {
        var problems: [ParamProblem] = []
        var refused: [ParamProblem] = []
        for (name, value) in given {
            let path = "/" + name
            if (value["endpoint"] == nil) == (value["url"] == nil) {
                problems.append(ParamProblem(path: path + "/endpoint", message: "is required, and may be given once"))
            } else if let problem = Self.problem((value["endpoint"] ?? value["url"])?.string ?? "", filter) {
                refused.append(
                    ParamProblem(path: path + (value["endpoint"] == nil ? "/url" : "/endpoint"), message: problem))
            }
            if let metadata = value["metadata"], metadata.compactText.count > Self.metadataCeiling {
                problems.append(
                    ParamProblem(
                        path: path + "/metadata", message: "must have at most \(Self.metadataCeiling) bytes of JSON"))
            }
        }
        if !problems.isEmpty {
            responder.invalid(problems)
            return false
        }
        guard let first = refused.first else { return true }
        responder.error(.webhookEndpointRefused, "This webhook endpoint is refused: \(first.message)") { writer in
            writer.key("problems")
            writer.beginArray()
            for problem in refused { problem.write(to: &writer) }
            writer.endArray()
        }
        return false
    }

    /// What is wrong with an address as far as it can be seen before anybody connects; names are judged then.
    private static func problem(_ endpoint: String, _ filter: AddressFilter) -> String? {
        guard let origin = HTTPOrigin.target(endpoint)?.origin else {
            return "It must be an absolute https address without user, blanks or fragment."
        }
        let host = origin.host.hasPrefix("[") ? String(origin.host.dropFirst().dropLast()) : origin.host
        let address = IPAddress(host)
        if let address, !filter.permits(address) {
            return "The address is not a public one. The operator may allow it with --webhook-allow."
        }
        guard !origin.isSecure else { return nil }
        if address.map(filter.names) ?? !filter.allowed.isEmpty { return nil }
        return "Without TLS only addresses are called that the operator allows with --webhook-allow."
    }

    var warnings: [Warning] {
        given.compactMap { name, value in
            value["url"] == nil
                ? nil
                : Warning(
                    .aliasUsed, "`url` was taken for `endpoint`, which it is called elsewhere.", path: "/\(name)/url")
        }
    }

    /// The keys in `webhook_secrets`; nil when there are none, or they are wrong, which is then added to the problems.
    func keys(_ problems: inout [ParamProblem]) -> [[UInt8]]? {
        guard let list = params["webhook_secrets"] else { return nil }
        var keys: [[UInt8]] = []
        for (place, text) in list.elements.enumerated() {
            if let key = WebhookSecrets.key(text.string ?? "") {
                keys.append(key)
            } else {
                problems.append(
                    ParamProblem(
                        path: "/webhook_secrets/\(place)",
                        message: "must be whsec_ and the base64 of 24 to 64 bytes"))
            }
        }
        return problems.isEmpty ? keys : nil
    }
}

extension WebhookDesk {
    /// A secret for a session that needs one and has none: the change to commit, and the text to tell once.
    func secretIfNeeded(_ session: Identifier) -> (change: Change, text: String)? {
        guard secrets[session] == nil, !secrets.unopened.contains(session) else { return nil }
        guard let key = try? Randomness.bytes(32) else { return nil }
        return (secrets.set([key], of: session), WebhookSecrets.text(key))
    }
}

extension Responder {
    /// The member that tells a secret, the only time it is told.
    static func tell(secret: String?, into writer: inout JSONWriter) {
        guard let secret else { return }
        writer.key("webhook_secret")
        writer.string(secret)
    }
}
