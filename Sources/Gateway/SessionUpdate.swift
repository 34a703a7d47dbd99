import JSON
import JSONRPC
import PushCore

/// `updateSession` and `setSchemas`: a session gets a new revision. Transfers under way keep the one that they were
/// accepted under (K20).
enum SessionUpdate {
    static func update(_ server: Server, _ call: Call, _ params: JSONView, _ responder: Responder) {
        guard let session = server.session(params["session_id"]?.string ?? "") else {
            return responder.error(.sessionNotFound)
        }
        guard let provider = AccountNaming.provider(of: session, server) else {
            return apply(server, params, responder, to: session.row)
        }
        AccountNaming(server: server, provider: provider, responder: responder).find(params, existing: session) {
            guard var row = server.sessions.byID[session.row.id]?.row else { return responder.error(.sessionNotFound) }
            row.account = $0
            apply(server, params, responder, to: row)
        }
    }

    private static func apply(_ server: Server, _ params: JSONView, _ responder: Responder, to row: SessionRow) {
        let definition = SessionDefinition(params, over: row.definition, members: SessionDefinition.updatable)
        SessionChange(
            server: server, method: "updateSession", params: params, responder: responder, tellsCreated: nil
        ).apply(definition, to: row, isNew: false)
    }

    static func setSchemas(_ server: Server, _ call: Call, _ params: JSONView, _ responder: Responder) {
        guard let session = server.session(params["session_id"]?.string ?? "") else {
            return responder.error(.sessionNotFound)
        }
        var params = params
        var warnings: [Warning] = []
        if let data = params["data"] {
            guard params["schema"] == nil else {
                return responder.invalid([
                    ParamProblem(path: "/data", message: "is the published name of `schema`; give one of the two")
                ])
            }
            warnings.append(
                Warning(.aliasUsed, "`data` was taken for `schema`, which it is called elsewhere.", path: "/data"))
            params = renamed(params, data)
        } else if params["schema"] == nil {
            return responder.invalid([ParamProblem(path: "/schema", message: "is required")])
        }
        let definition = SessionDefinition(params, over: session.row.definition, members: ["schema", "mapping"])
        SessionChange(
            server: server, method: "setSchemas", params: params, responder: responder, tellsCreated: nil,
            warnings: warnings
        ).apply(definition, to: session.row, isNew: false)
    }

    /// The params with `schema` in place of its alias.
    private static func renamed(_ params: JSONView, _ data: JSONView) -> JSONView {
        var writer = JSONWriter()
        writer.beginObject()
        for (key, value) in params.members where !key.isString("data") {
            writer.key(text: key.string ?? "")
            writer.value(value)
        }
        writer.key("schema")
        writer.value(data)
        writer.endObject()
        return (try? JSONDocument(parsing: writer.bytes).root) ?? params
    }
}
