import JSON
import JSONRPC
import LocalProvider
import PushCore

/// `initiateSession`, `getConfiguration`, `listSessions`, `deleteSession`.
enum SessionMethods {
    /// What a session lives without `save_session`: the published 72 hours, in milliseconds.
    private static let lifetime: Int64 = 72 * 3_600_000

    static func initiate(_ server: Server, _ call: Call, _ params: JSONView, _ responder: Responder) {
        let providerName = params["provider"]?.string ?? ""
        guard server.catalogue.provider(providerName, settings: nil) != nil else {
            return responder.error(.providerUnknown) { writer in
                writer.key("known")
                writer.value(.array(server.catalogue.providerNames.map { .string($0) }))
            }
        }
        let account = params["account"]?.string ?? "default"
        guard LocalExecutor.isValid(account: account) else {
            return responder.invalid([
                ParamProblem(
                    path: "/account",
                    message: "At the embedded provider an account is a file: 1 to 64 letters, digits, dots, hyphens or "
                        + "underscores, not beginning with a dot.")
            ])
        }
        let name = params["name"]?.string
        let existing = name.flatMap(server.sessions.named)
        if let existing, existing.row.account != AccountKey(provider: providerName, name: account) {
            return responder.invalid([
                ParamProblem(
                    path: "/name",
                    message:
                        "This name belongs to a session of another account. Use another name, or delete that session.")
            ])
        }
        let now = server.loop.wallClockMilliseconds()
        let definition = definition(params, over: existing?.row.definition)
        let saves = definition.save ?? (name != nil)
        var row = SessionRow(
            id: existing?.row.id ?? server.newIdentifier(), name: name,
            account: AccountKey(provider: providerName, name: account),
            revision: (existing?.row.revision ?? 0) + 1, created: existing?.row.created ?? now,
            expires: saves ? nil : (existing?.row.created ?? now) + lifetime, definition: definition.text)
        let problems =
            server.catalogue.provider(providerName, settings: nil)?
            .problems(ofSettings: params["settings"]) ?? []
        guard problems.isEmpty else { return responder.invalid(problems) }
        let plan: SessionPlan
        do {
            plan = try server.sessions.makePlan(row)
        } catch {
            return refuse(error, responder)
        }
        let warnings = warnings(server, params, plan)
        if let existing, definition.changed.isEmpty {
            row = existing.row
            return answer(responder, row, created: false, changed: [], warnings)
        }
        server.sessions.keep(Sessions.Session(row: row, plan: plan))
        server.local.open(account: account, settings: server.settings(of: row))
        server.turn.commit([.session(row)]) {
            answer(responder, row, created: existing == nil, changed: definition.changed, warnings)
        }
    }

    private struct Definition {
        var text: [UInt8]
        var root: JSONView
        var changed: [String]
        var save: Bool?
    }

    /// Members that make the session what it is; the rest of the params is not kept.
    private static let kept: [String] = [
        "provider", "schema", "account", "namespace", "settings", "default_upsert", "passthrough_fields",
        "unknown_properties", "match", "freshness", "max_age", "on_deleted", "skip_null", "save_session", "method",
        "label",
    ]

    /// The definition that is kept. Of a named session that exists, omitted members stay as they are (K20).
    private static func definition(_ params: JSONView, over old: [UInt8]?) -> Definition {
        let previous = old.flatMap { try? JSONDocument(parsing: $0).root }
        var writer = JSONWriter()
        var changed: [String] = []
        writer.beginObject()
        for key in kept {
            let before = previous?[name: key]
            guard let value = params[name: key] ?? before else { continue }
            if let before, !before.isEqual(to: value) { changed.append(key) }
            if before == nil && previous != nil { changed.append(key) }
            writer.key(text: key)
            writer.value(value)
        }
        writer.endObject()
        let root = (try? JSONDocument(parsing: writer.bytes).root) ?? params
        return Definition(text: writer.bytes, root: root, changed: changed, save: root["save_session"]?.bool)
    }

    private static func warnings(
        _ server: Server, _ params: JSONView, _ plan: SessionPlan
    ) -> [Warning] {
        var warnings: [Warning] = []
        for (name, text) in server.methods["initiateSession"]?.warned ?? [] where params[name: name] != nil {
            warnings.append(Warning(.flagWithoutMeaning, text, path: "/" + name))
        }
        for schema in plan.schemas {
            for property in schema.mapping.unmapped {
                warnings.append(
                    Warning(
                        .fieldUnmapped,
                        "No field of \(plan.provider.displayName) takes \"\(property)\" of \(schema.key)."))
            }
        }
        for field in plan.unknownMatchFields(plan.options.match ?? []) {
            warnings.append(
                Warning(.matchKeyUnknown, "No schema of the session can match by \"\(field)\".", path: "/match"))
        }
        return warnings
    }

    private static func refuse(_ problem: DefinitionProblem, _ responder: Responder) {
        switch problem.kind {
        case .params: responder.invalid([ParamProblem(path: problem.pointer, message: problem.text)])
        case .schema, .unknownType:
            responder.error(.schemaInvalid, "\(problem.pointer): \(problem.text)") { writer in
                writer.key("problems")
                writer.beginArray()
                ParamProblem(path: problem.pointer, message: problem.text).write(to: &writer)
                writer.endArray()
            }
        }
    }

    private static func answer(
        _ responder: Responder, _ row: SessionRow, created: Bool, changed: [String], _ warnings: [Warning]
    ) {
        responder.object { writer in
            writer.key("success")
            writer.bool(true)
            writer.key("session_id")
            writer.string(row.id.text)
            writer.key("created")
            writer.bool(created)
            if !changed.isEmpty {
                writer.key("changed")
                writer.value(.array(changed.map { .string($0) }))
            }
            if !warnings.isEmpty {
                writer.key("warnings")
                writer.raw(Warning.text(warnings))
            }
        }
    }

    // MARK: Reading

    static func configuration(_ server: Server, _ call: Call, _ params: JSONView, _ responder: Responder) {
        guard let session = server.session(params["session_id"]?.string ?? "") else {
            return responder.error(.sessionNotFound)
        }
        server.store.read(.examples(session: session.row.id)) { answer in
            guard case .examples(let examples) = answer else { return responder.error(.internal) }
            configuration(session, examples.mapValues { Examples(text: $0) }, responder)
        }
    }

    private static func configuration(
        _ session: Sessions.Session, _ examples: [String: Examples], _ responder: Responder
    ) {
        let plan = session.plan
        let payloads = Payloads(plan: plan)
        var writer = JSONWriter()
        writer.beginObject()
        writer.key("success")
        writer.bool(true)
        writer.key("session_id")
        writer.string(session.row.id.text)
        writer.key("endgrate")
        writer.beginObject()
        writer.key("provider")
        writer.string(plan.provider.name)
        writer.key("provider_info")
        payloads.providerInfo(into: &writer)
        writer.endObject()
        writer.key("schemas")
        writer.beginObject()
        for schema in plan.schemas {
            writer.key(text: schema.key)
            configured(schema, payloads, examples[schema.key], into: &writer)
        }
        writer.endObject()
        writer.key("passthrough_schemas")
        writer.beginObject()
        writer.endObject()
        writer.endObject()
        responder.result(text: writer.bytes)
    }

    private static func configured(
        _ schema: SessionPlan.Schema, _ payloads: Payloads, _ examples: Examples?, into writer: inout JSONWriter
    ) {
        writer.beginObject()
        writer.key("integration_info")
        payloads.integrationInfo(schemaKey: schema.key, into: &writer)
        writer.key("integration")
        writer.string(Payloads.integrationName(schema.resource))
        writer.key("schema")
        writer.beginObject()
        writer.key("type")
        writer.plain("object")
        writer.key("associations")
        writer.bool(payloads.plan.provider.supportsAssociations)
        writer.key("endgrate_type")
        writer.string(schema.endgrateType)
        writer.key("properties")
        if let properties = schema.source["properties"] {
            writer.value(properties)
        } else {
            writer.beginObject()
            writer.endObject()
        }
        writer.key("required")
        if let required = schema.source["required"] {
            writer.value(required)
        } else {
            writer.beginArray()
            writer.endArray()
        }
        writer.key("title")
        writer.string(schema.title ?? schema.source["title"]?.string ?? schema.key)
        writer.key("session_method")
        writer.plain("EXPORT")
        writer.endObject()
        writer.key("passthrough_fields")
        writer.beginObject()
        writer.key("properties")
        writer.beginObject()
        writer.endObject()
        writer.key("required")
        writer.beginArray()
        writer.endArray()
        writer.endObject()
        writer.key("mapping")
        mapping(schema, payloads.plan, examples, into: &writer)
        writer.endObject()
    }

    private static func show(
        _ examples: Examples?, _ property: String, entry: String?, into writer: inout JSONWriter
    ) {
        let values = examples?.values(of: property, entry: entry) ?? []
        guard !values.isEmpty else { return }
        writer.key("examples")
        writer.beginArray()
        for value in values { writer.value(value) }
        writer.endArray()
    }

    private static func mapping(
        _ schema: SessionPlan.Schema, _ plan: SessionPlan, _ examples: Examples?, into writer: inout JSONWriter
    ) {
        writer.beginArray()
        for rule in schema.mapping.rules {
            writer.beginObject()
            writer.key("field")
            writer.string(rule.entry.map { "\(rule.property)[0].\($0)" } ?? rule.property)
            writer.key("to")
            writer.string(rule.field)
            writer.key("how")
            writer.string(rule.how.rawValue)
            writer.key("upsert")
            writer.string(rule.mode.rawValue)
            show(examples, rule.property, entry: rule.entry, into: &writer)
            writer.endObject()
        }
        for property in schema.mapping.unmapped {
            writer.beginObject()
            writer.key("field")
            writer.string(property)
            writer.key("to")
            writer.null()
            writer.key("how")
            writer.plain("unmapped")
            writer.key("upsert")
            writer.string(plan.defaultUpsert.rawValue)
            show(examples, property, entry: nil, into: &writer)
            writer.endObject()
        }
        writer.endArray()
    }

    static func list(_ server: Server, _ call: Call, _ params: JSONView, _ responder: Responder) {
        let page = Page(params)
        let all = server.sessions.byID.values.sorted { $1.row.id < $0.row.id }
        responder.object { writer in
            writer.key("success")
            writer.bool(true)
            let shown = all.dropFirst(page.offset).prefix(page.limit)
            page.meta("listSessions", [], total: all.count, shown: shown.count, into: &writer)
            writer.key("sessions")
            writer.beginArray()
            for session in shown { describe(session, into: &writer) }
            writer.endArray()
        }
    }

    private static func describe(_ session: Sessions.Session, into writer: inout JSONWriter) {
        writer.beginObject()
        writer.key("session_id")
        writer.string(session.row.id.text)
        writer.key("provider")
        writer.string(session.row.account.provider)
        if let name = session.row.name {
            writer.key("name")
            writer.string(name)
        }
        if let label = session.plan.label {
            writer.key("label")
            writer.string(label)
        }
        writer.key("account")
        writer.string(session.row.account.name)
        writer.key("namespace")
        writer.string(session.plan.namespace)
        writer.key("schemas")
        writer.value(.array(session.plan.schemas.map { .string($0.key) }))
        writer.key("method")
        writer.string(session.plan.returnsSchemaForm ? "push+pull" : "push")
        writer.key("save_session")
        writer.bool(session.row.expires == nil)
        writer.key("created")
        writer.string(WireTime.text(session.row.created))
        if let expires = session.row.expires {
            writer.key("expires_at")
            writer.string(WireTime.text(expires))
        }
        writer.endObject()
    }

    // MARK: Ending

    static func delete(_ server: Server, _ call: Call, _ params: JSONView, _ responder: Responder) {
        guard let session = server.session(params["session_id"]?.string ?? "") else {
            return responder.error(.sessionNotFound)
        }
        let scope = LedgerScope(account: session.row.account, namespace: session.plan.namespace)
        let id = session.row.id
        server.forget(id, forgetting: params["forget"]?.bool == true ? scope : nil) {
            responder.object { writer in
                writer.key("success")
                writer.bool(true)
                writer.key("session_id")
                writer.string(id.text)
            }
        }
    }
}

extension Server {
    /// The session that a caller names; nil when it is unknown. One that is over is taken away within a second
    /// (`expireSessions`), and not sooner: whether the clock can be believed is decided there.
    func session(_ text: String) -> Sessions.Session? {
        Identifier(text: text).flatMap { sessions.byID[$0] }
    }

    /// Removes a session with everything of it but the ledger.
    func forget(_ id: Identifier, forgetting scope: LedgerScope?, _ done: @escaping () -> Void) {
        sessions.remove(id)
        parts.close(session: id)
        events.forgetPages()
        for connection in connections.values {
            for subscription in connection.subscriptions.values where subscription.filter.session == id {
                subscription.end(reason: "session_deleted")
            }
        }
        for sequence in plannings.keys.sorted() where plannings[sequence]?.sessionID == id {
            plannings[sequence]?.abandon { $0.error(.sessionNotFound) }
        }
        driver.tell(.sessionDeleted(id))
        turn.commit([.sessionDeleted(id, forgetting: scope)], done)
    }

    /// It has unfinished records, or some that are still arriving.
    private func isUsed(_ id: Identifier) -> Bool {
        driver.machine.hasOpenTransfers(session: id) || parts.isUsed(session: id)
    }

    /// A session with unfinished records never expires.
    func expireSessions() {
        let now = loop.wallClockMilliseconds()
        for (id, session) in sessions.byID {
            guard let expires = session.row.expires, expires <= now, !isUsed(id)
            else { continue }
            log.info("session expired", ("session", id.text))
            forget(id, forgetting: nil) {}
        }
    }
}
