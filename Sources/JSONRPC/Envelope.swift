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

/// A call or notification without anything unusual, read in one walk over the scanned line and without a document: what
/// nearly every line is. All else (escapes in the names and strings that count, `$/cancelRequest`, whatever is refused) is
/// left to `Envelope`, which says what is wrong; where this says something, both say the same.
struct PlainCall: Sendable {
    /// Nil for a notification.
    private(set) var id: RequestID?
    private(set) var method = ""
    /// Where the params are; nil if absent or null.
    private(set) var params: Int?

    /// Nil when `Envelope` has to look.
    init?(_ line: inout JSONGlance) {
        var isVersion2 = false
        while let member = line.next() {
            if member.keyHasEscape { return nil }
            switch Name(member.key) {
            case .id:
                guard let id = RequestID(member) else { return nil }
                self.id = id
            case .method:
                guard member.kind == .string, !member.hasEscape, member.contents.first != UInt8(ascii: "$") else {
                    return nil
                }
                method = String(decoding: member.contents, as: UTF8.self)
            case .params:
                guard member.kind == .object || member.kind == .null else { return nil }
                params = member.kind == .object ? member.place : nil
            case .jsonrpc:
                guard member.kind == .string, !member.hasEscape else { return nil }
                isVersion2 = member.contents.elementsEqual("2.0".utf8)
            case nil: break
            }
        }
        // An empty method is one like any other, but not worth a flag here.
        if !isVersion2 || method.isEmpty { return nil }
    }

    /// The members that say something, found by one or two comparisons of words: a call is read as often as anything.
    private enum Name {
        case id, method, params, jsonrpc

        @inline(__always)
        init?(_ key: UnsafeRawBufferPointer) {
            func word(_ at: Int) -> UInt32 { UInt32(bigEndian: key.loadUnaligned(fromByteOffset: at, as: UInt32.self)) }
            switch key.count {
            case 2 where key[0] == UInt8(ascii: "i") && key[1] == UInt8(ascii: "d"): self = .id
            // "meth" and "thod", "para" and "rams", "json" and "nrpc".
            case 6 where word(0) == 0x6D65_7468 && word(2) == 0x7468_6F64: self = .method
            case 6 where word(0) == 0x7061_7261 && word(2) == 0x7261_6D73: self = .params
            case 7 where word(0) == 0x6A73_6F6E && word(3) == 0x6E72_7063: self = .jsonrpc
            default: return nil
            }
        }
    }
}
