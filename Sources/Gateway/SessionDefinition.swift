import JSON
import PushCore

/// What makes a session what it is: the members of a call that are kept.
struct SessionDefinition {
    /// Members that are kept; the rest of the params is not.
    static let members = fixed + ["schema"] + updatable
    /// They never change: a session stays a way into one account at one provider.
    private static let fixed = ["provider", "account", "namespace"]
    /// What `updateSession` takes.
    static let updatable =
        PushOptions.names + [
            "settings", "mapping", "default_upsert", "passthrough_fields", "save_session", "method", "label",
        ] + SessionWebhooks.names

    let text: [UInt8]
    let root: JSONView
    /// Members that differ from the definition before; empty when there was none.
    let changed: [String]

    /// The definition with what the params say of these members. Omitted members stay as they are (K20); null takes a
    /// member back to its default.
    init(_ params: JSONView, over old: [UInt8]?, members: [String]) {
        let previous = old.flatMap { try? JSONDocument(parsing: $0).root }
        var writer = JSONWriter()
        var changed: [String] = []
        writer.beginObject()
        for key in Self.members {
            let before = previous?[name: key]
            let given = members.contains(key) ? params[name: key] : nil
            let value = (given ?? before).flatMap { $0.isNull ? nil : $0 }
            if previous != nil, given != nil, !Self.same(before, value) { changed.append(key) }
            guard let value else { continue }
            writer.key(text: key)
            writer.value(value)
        }
        writer.endObject()
        text = writer.bytes
        root = (try? JSONDocument(parsing: writer.bytes).root) ?? params
        self.changed = changed
    }

    private static func same(_ a: JSONView?, _ b: JSONView?) -> Bool {
        guard let a, let b else { return a == nil && b == nil }
        return a.isEqual(to: b)
    }
}

/// A session that is made, or made anew: its plan is tried, then it is kept, then the caller hears of it.
struct SessionChange {
    /// What a session lives without `save_session`: the published 72 hours, in milliseconds.
    private static let lifetime: Int64 = 72 * 3_600_000

    let server: Server
    let method: String
    let params: JSONView
    let responder: Responder
    /// What `created` is in the answer; nil: the answer has no such member.
    let tellsCreated: Bool?
    /// Warnings about the call itself.
    var warnings: [Warning] = []

    /// - Parameter row: the session as it is, or as it begins.
    func apply(_ definition: SessionDefinition, to old: SessionRow, isNew: Bool) {
        var row = old
        row.revision += 1
        row.definition = definition.text
        let saves = definition.root["save_session"]?.bool ?? (row.name != nil)
        row.expires = saves ? nil : row.created + Self.lifetime
        let isEmbedded = server.catalogue.http[row.account.provider] == nil
        guard isEmbedded || params["settings"].map(\.isNull) ?? true else {
            return responder.invalid([
                ParamProblem(path: "/settings", message: "are those of the embedded provider; this one has none")
            ])
        }
        var problems =
            server.catalogue.provider(row.account.provider, settings: nil)?
            .problems(ofSettings: params["settings"]) ?? []
        problems += GivenCredential.problems(params["credentials"])
        let keys = webhooks.keys(&problems)
        guard problems.isEmpty else { return responder.invalid(problems) }
        guard webhooks.areGood(server.webhooks.filter, responder) else { return }
        let plan: SessionPlan
        do {
            plan = try server.sessions.makePlan(row)
        } catch {
            return refuse(error)
        }
        let warnings = warnings + flagWarnings + webhooks.warnings + Self.warnings(plan)
        var changes: [Change] = []
        var changed = definition.changed
        var deliveries: [DeliveryRow] = []
        switch server.credentials.given(GivenCredential(params["credentials"]), for: row.account, at: server.wall) {
        case .nothing: break
        // They may have become good.
        case .same: server.accountChanged(row.account)
        case .unknown(let meant): return responder.credentialUnknown(didYouMean: meant)
        case .other(let credential):
            changes.append(server.keep(credential, of: row.account))
            if credential != nil { changes.append(.authenticationResolved(row.account)) }
            if !isNew { changed.append("credentials") }
        }
        let isNamed = !isNew && server.sessions.byID[row.id]?.row.account != row.account
        if isNamed { changed.append("account") }
        if isNew || isNamed || !definition.changed.isEmpty {
            server.sessions.keep(Sessions.Session(row: row, plan: plan))
            if isEmbedded { server.local.open(account: row.account.name, settings: server.settings(of: row)) }
            changes.insert(.session(row), at: 0)
        }
        if !changes.isEmpty, let session = server.sessions.byID[row.id], server.missing(session) == nil {
            deliveries = server.webhooks.configured(session.row, session.plan)
            if !deliveries.isEmpty { changes.append(.deliveries(deliveries)) }
        }
        let secrets = secrets(keys, row.id, plan)
        changes += secrets.changes
        if secrets.areChanged && !isNew { changed.append("webhook_secrets") }
        guard !changes.isEmpty else { return answer(old, changed: [], secret: nil, warnings) }
        server.turn.commit(changes) {
            server.webhooks.committed(deliveries)
            answer(row, changed: changed, secret: secrets.made, warnings)
            server.accountChanged(row.account)
        }
    }

    private var webhooks: WebhookParams { WebhookParams(params: params) }

    /// What of the secrets changes with this call; `made`: the text of one that the gateway made up.
    private struct SecretChange {
        var changes: [Change] = []
        var areChanged = false
        var made: String?
    }

    /// - Parameter given: what the call brings; nil: nothing.
    private func secrets(_ given: [[UInt8]]?, _ session: Identifier, _ plan: SessionPlan) -> SecretChange {
        var change = SecretChange()
        if let given {
            guard given != server.webhooks.secrets[session] else { return change }
            change.changes = [server.webhooks.secrets.set(given, of: session)]
            change.areChanged = true
        } else if !plan.webhooks.isEmpty, let made = server.webhooks.secretIfNeeded(session) {
            change.changes = [made.change]
            change.made = made.text
        }
        return change
    }

    private var flagWarnings: [Warning] {
        (server.methods[method]?.warned ?? []).filter { params[name: $0.name] != nil }
            .map { Warning(.flagWithoutMeaning, $0.text, path: "/" + $0.name) }
    }

    private static func warnings(_ plan: SessionPlan) -> [Warning] {
        var warnings: [Warning] = []
        for schema in plan.schemas {
            for unmapped in schema.mapping.unmapped {
                warnings.append(
                    Warning(.fieldUnmapped, "\"\(unmapped.path)\" of \(schema.key) is not sent. \(unmapped.why)"))
            }
            for (field, meant, pointer) in schema.mapping.doubtful {
                warnings.append(
                    Warning(
                        .fieldUnlisted,
                        "\(schema.resource.displayName) lists no field \"\(field)\"; it is taken as one of your own. Did you "
                            + "mean \"\(meant)\"?", path: pointer))
            }
        }
        for field in plan.unknownMatchFields(plan.options.match ?? []) {
            warnings.append(
                Warning(.matchKeyUnknown, "No schema of the session can match by \"\(field)\".", path: "/match"))
        }
        return warnings
    }

    private func refuse(_ problem: DefinitionProblem) {
        var problems = ([problem] + problem.further).map {
            ParamProblem(path: $0.pointer, message: $0.text, suggestion: $0.suggestion)
        }
        guard problem.kind == .params else {
            return responder.error(.schemaInvalid, "\(problem.pointer): \(problem.text)") { writer in
                writer.key("problems")
                writer.beginArray()
                for problem in problems { problem.write(to: &writer) }
                writer.endArray()
            }
        }
        if params["mapping"] == nil, problem.pointer.hasPrefix("/mapping") {
            // A rule from before no longer fits the schemas that this call brings.
            for place in problems.indices {
                problems[place].message =
                    "The session's own \(problems[place].path) does not fit any more: \(problems[place].message) Give "
                    + "`mapping` along with the schemas."
                problems[place].path = "/schema"
            }
        }
        responder.invalid(problems)
    }

    private func answer(_ row: SessionRow, changed: [String], secret: String?, _ warnings: [Warning]) {
        responder.object { writer in
            writer.key("success")
            writer.bool(true)
            writer.key("session_id")
            writer.string(row.id.text)
            if let tellsCreated {
                writer.key("created")
                writer.bool(tellsCreated)
            }
            if !changed.isEmpty {
                writer.key("changed")
                writer.value(.array(changed.map { .string($0) }))
            }
            Responder.tell(secret: secret, into: &writer)
            if !warnings.isEmpty {
                writer.key("warnings")
                writer.raw(Warning.text(warnings))
            }
        }
    }
}
