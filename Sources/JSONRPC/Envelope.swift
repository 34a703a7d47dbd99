import JSON

/// One JSON value read by the rules of JSON-RPC 2.0 section 4: what it asks for, or why it is refused.
enum Envelope {
    /// `id` is nil for a notification, which is never answered.
    case call(id: RequestID?, method: String, params: JSONView?)
    case cancel(RequestID)
    /// An answer to something that was never asked. Answering it could go on for ever.
    case response
    /// `id` is nil for a notification: refused in silence.
    case refused(id: RequestID?, ErrorReply)

    init(_ value: JSONView) {
        guard value.kind == .object else {
            self = .refused(id: .null, .invalidRequest("A request is a JSON object."))
            return
        }
        let members = Members(of: value)
        if members.method == nil && members.isResponse {
            self = .response
            return
        }
        var id: RequestID?
        if let view = members.id {
            id = RequestID(view)
            if id == nil {
                self = .refused(id: .null, .invalidRequest("`id` must be a string, an integer or null."))
                return
            }
        }
        self.init(members, id: id)
    }

    private init(_ members: Members, id: RequestID?) {
        // Without an id these are no notifications but no requests at all, so they are answered.
        guard members.version?.isString("2.0") == true else {
            self = .refused(id: id ?? .null, .invalidRequest("`jsonrpc` must be \"2.0\"."))
            return
        }
        guard let method = members.method?.string else {
            self = .refused(id: id ?? .null, .invalidRequest("`method` must be a string."))
            return
        }
        let params = members.params.flatMap { $0.isNull ? nil : $0 }
        switch params?.kind {
        case nil, .object: break
        case .array:
            self = .refused(id: id, .positionalParams)
            return
        default:
            self = .refused(id: id ?? .null, .invalidRequest("`params` must be an object."))
            return
        }
        if id == nil, method == "$/cancelRequest", let target = params?["id"].flatMap({ RequestID($0) }) {
            self = .cancel(target)
        } else {
            self = .call(id: id, method: method, params: params)
        }
    }

    /// The members that mean something; others are ignored. Keys are compared decoded: `"\u006dethod"` is `method`.
    private struct Members {
        var version: JSONView?
        var id: JSONView?
        var method: JSONView?
        var params: JSONView?
        var isResponse = false

        init(of object: JSONView) {
            for (key, value) in object.members {
                // A few bytes of the key decide; most envelopes have three or four members.
                if key.isString("jsonrpc") {
                    version = value
                } else if key.isString("id") {
                    id = value
                } else if key.isString("method") {
                    method = value
                } else if key.isString("params") {
                    params = value
                } else if key.isString("result") || key.isString("error") {
                    isResponse = true
                }
            }
        }
    }
}
