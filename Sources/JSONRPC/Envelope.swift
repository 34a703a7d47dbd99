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
        // Keys are compared decoded: `"\u006dethod"` is `method`. Other members are ignored.
        let method = value["method"]
        if method == nil && (value["result"] != nil || value["error"] != nil) {
            self = .response
            return
        }
        var id: RequestID?
        if let view = value["id"] {
            id = RequestID(view)
            if id == nil {
                self = .refused(id: .null, .invalidRequest("`id` must be a string, an integer or null."))
                return
            }
        }
        self.init(value, id: id, method: method)
    }

    private init(_ value: JSONView, id: RequestID?, method: JSONView?) {
        // Without an id these are no notifications but no requests at all, so they are answered.
        guard value["jsonrpc"]?.isString("2.0") == true else {
            self = .refused(id: id ?? .null, .invalidRequest("`jsonrpc` must be \"2.0\"."))
            return
        }
        guard let method = method?.string else {
            self = .refused(id: id ?? .null, .invalidRequest("`method` must be a string."))
            return
        }
        let params = value["params"].flatMap { $0.isNull ? nil : $0 }
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
}
