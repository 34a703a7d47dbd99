import JSON
import PushCore

// What exchanges come to, as outcomes.

extension ExchangeOutcome {
    static func json(_ status: Int, _ body: [UInt8], replayed: Bool = false) -> ExchangeOutcome {
        var headers = [Exchange.Header("content-type", "application/json")]
        if replayed { headers.append(Exchange.Header("idempotent-replayed", "true")) }
        return .answered(status: status, headers: headers, body: body)
    }

    static func refusal(_ refusal: CallRefusal, headers extra: [Exchange.Header] = []) -> ExchangeOutcome {
        var writer = JSONWriter()
        writer.beginObject()
        writer.key("error")
        writer.beginObject()
        writer.key("code")
        writer.string(refusal.code.rawValue)
        writer.key("message")
        writer.string(refusal.message)
        writer.key("where")
        writer.string(refusal.pointer)
        writer.endObject()
        writer.endObject()
        var headers = [Exchange.Header("content-type", "application/json")]
        if refusal.code == .methodNotAllowed { headers.append(Exchange.Header("allow", "POST")) }
        return .answered(status: refusal.status, headers: headers + extra, body: writer.bytes)
    }

    /// 401.
    static var unauthorized: ExchangeOutcome {
        .refusal(CallRefusal(code: .unauthorized, message: "The credentials are not accepted."))
    }

    /// 429. `Retry-After` counts in whole seconds; `retry-after-ms` says it exactly.
    static func throttled(milliseconds: Int64) -> ExchangeOutcome {
        .refusal(
            CallRefusal(code: .tooManyRequests, message: "The account's budget of exchanges is used up."),
            headers: [
                Exchange.Header("retry-after", String((milliseconds + 999) / 1_000)),
                Exchange.Header("retry-after-ms", String(milliseconds)),
            ])
    }
}

extension LocalFault.Kind {
    /// Milliseconds that a throttled exchange is to wait.
    static let throttleTime: Int64 = 100

    /// What an exchange comes to that this keeps from happening; nil when it lets it happen.
    var outcomeBefore: ExchangeOutcome? {
        switch self {
        case .refuseConnection: .failed(phase: .connect, reason: "The connection was refused.")
        case .loseRequest: .failed(phase: .receive, reason: "The connection ended before an answer came.")
        case .unavailable:
            .refusal(CallRefusal(code: .unavailable, message: "The provider is down for the moment."))
        case .throttle: .throttled(milliseconds: Self.throttleTime)
        case .unauthorized:
            .unauthorized
        case .loseAnswer, .badAnswer, .refuseRecord, .lateAnswer: nil
        }
    }

    /// What is seen of an exchange that has happened; nil: its own answer.
    var outcomeAfter: ExchangeOutcome? {
        switch self {
        case .loseAnswer: .failed(phase: .receive, reason: "The connection ended before an answer came.")
        case .badAnswer: .json(200, Array(#"{"results":["#.utf8))
        case .refuseConnection, .loseRequest, .unavailable, .throttle, .unauthorized, .refuseRecord, .lateAnswer: nil
        }
    }
}
