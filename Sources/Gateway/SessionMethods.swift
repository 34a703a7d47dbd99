import JSON
import JSONRPC
import LocalProvider
import PushCore

/// `initiateSession`, `listSessions`, `deleteSession`.
enum SessionMethods {
    static func initiate(_ server: Server, _ call: Call, _ params: JSONView, _ responder: Responder) {
        let providerName = params["provider"]?.string ?? ""
        guard server.catalogue.provider(providerName, settings: nil) != nil else {
            return responder.error(.providerUnknown) { writer in
                writer.key("known")
                writer.value(.array(server.catalogue.providerNames.map { .string($0) }))
            }
        }
        let existing = params["name"]?.string.flatMap(server.sessions.named)
        if params["account"] == nil, let http = server.catalogue.http[providerName], http.namesAccounts {
            // A name that another provider's session has is refused below, whatever the account.
            let mine = existing.flatMap { $0.row.account.provider == providerName ? $0 : nil }
            if let mine, AccountNaming.provider(of: mine, server) == nil {
                return open(server, params, responder, account: mine.row.account.name)
            }
            return AccountNaming(server: server, provider: http, responder: responder).find(params, existing: mine) {
                open(server, params, responder, account: $0.name)
            }
        }
        let account = params["account"]?.string ?? "default"
        guard !account.hasPrefix(AccountKey.unnamed) else {
            return responder.invalid([ParamProblem(path: "/account", message: "must not begin with a question mark")])
        }
        open(server, params, responder, account: account)
    }

    private static func open(_ server: Server, _ params: JSONView, _ responder: Responder, account: String) {
        let providerName = params["provider"]?.string ?? ""
        guard providerName != "local" || LocalExecutor.isValid(account: account) else {
            return responder.invalid([
                ParamProblem(
                    path: "/account",
                    message: "At the embedded provider an account is a file: 1 to 64 letters, digits, dots, hyphens or "
                        + "underscores, not beginning with a dot.")
            ])
        }
        let name = params["name"]?.string
        let existing = name.flatMap(server.sessions.named)
        let isNamed = existing?.row.account.isUnnamed == true && existing?.row.account.provider == providerName
        if let existing, !isNamed, existing.row.account != AccountKey(provider: providerName, name: account) {
            return responder.invalid([
                ParamProblem(
                    path: "/name",
                    message:
                        "This name belongs to a session of another account. Use another name, or delete that session.")
            ])
        }
        let definition = SessionDefinition(params, over: existing?.row.definition, members: SessionDefinition.members)
        let row = SessionRow(
            id: existing?.row.id ?? server.newIdentifier(), name: name,
            account: AccountKey(provider: providerName, name: account), revision: existing?.row.revision ?? 0,
            created: existing?.row.created ?? server.loop.wallClockMilliseconds(), expires: nil, definition: [])
        SessionChange(
            server: server, method: "initiateSession", params: params, responder: responder,
            tellsCreated: existing == nil
        ).apply(definition, to: row, isNew: existing == nil)
    }

    // MARK: Reading

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
            for session in shown { describe(session, server, into: &writer) }
            writer.endArray()
        }
    }

    private static func describe(_ session: Sessions.Session, _ server: Server, into writer: inout JSONWriter) {
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
        if session.row.account.isUnnamed { writer.null() } else { writer.string(session.row.account.name) }
        writer.key("namespace")
        writer.string(session.plan.namespace)
        writer.key("schemas")
        writer.value(.array(session.plan.schemas.map { .string($0.key) }))
        writer.key("method")
        writer.string(session.plan.returnsSchemaForm ? "push+pull" : "push")
        server.writeConfigured(session, into: &writer)
        server.writePaused(session.row.account, into: &writer)
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
        let account = sessions.byID[id]?.row.account
        sessions.remove(id)
        webhooks.forget(id)
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
        let credential = account.map(credentialsRemoved) ?? []
        turn.commit([.sessionDeleted(id, forgetting: scope)] + credential, done)
    }

    /// It has unfinished records, some that are still arriving, or webhooks that are still to be called.
    private func isUsed(_ id: Identifier) -> Bool {
        driver.machine.hasOpenTransfers(session: id) || parts.isUsed(session: id)
            || webhooks.machine.hasPending(session: id)
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
