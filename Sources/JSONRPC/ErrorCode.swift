/// Every error that the wire knows, as `protocol/errors.json` lists them (a test compares the two, row by row).
///
/// The five codes of JSON-RPC 2.0 section 5.1 and the cancellation code that language servers use keep their numbers; ours
/// are positive, because everything from -32768 to -32000 is reserved by the specification.
package enum ErrorCode: Int, CaseIterable, Sendable {
    case parseError = -32700
    case invalidRequest = -32600
    case methodNotFound = -32601
    case invalidParams = -32602
    case `internal` = -32603
    case requestCancelled = -32800
    case shuttingDown = 1001
    case overloaded = 1002
    case unauthenticated = 1003
    case forbidden = 1004
    case deadlineExceeded = 1005
    case requestTooLarge = 1006
    case resultTooLarge = 1007
    case storageFull = 1008
    case lineTimeout = 1009
    case tooManyConnections = 1010
    case subscriptionNotFound = 1101
    case subscriptionExists = 1102
    case tooManySubscriptions = 1103
    case cursorInvalid = 1104
    case cursorExpired = 1105
    case consumerBusy = 1106
    case idempotencyConflict = 1201
    case partConflict = 1202
    case sessionNotFound = 1301
    case sessionNotConfigured = 1302
    case unknownType = 1303
    case associationTypeUnknown = 1304
    case providerUnknown = 1305
    case transferNotFound = 1306
    case transferNotCompleted = 1307
    case schemaInvalid = 1308
    case webhookEndpointRefused = 1309
    case planStale = 1310
    case recordNotFound = 1311
    case planNotFound = 1312
    case deliveryNotFound = 1313
    case credentialUnknown = 1314

    /// What `error.data.name` says. Clients branch on it; it never changes.
    package var name: StaticString { row.name }

    /// What `error.message` says unless the reply brings its own sentence.
    package var message: StaticString { row.message }

    /// True when the same call may succeed later without being changed.
    package var isRetryable: Bool {
        switch self {
        case .shuttingDown, .overloaded, .deadlineExceeded, .storageFull, .tooManyConnections, .consumerBusy,
            .transferNotCompleted:
            true
        default: false
        }
    }

    private typealias Row = (name: StaticString, message: StaticString)

    private var row: Row {
        switch self {
        case .parseError: ("parse_error", "Parse error.")
        case .invalidRequest: ("invalid_request", "Invalid request.")
        case .methodNotFound: ("method_not_found", "Method not found.")
        case .invalidParams: ("invalid_params", "Invalid parameters.")
        case .`internal`: ("internal", "Internal error.")
        case .requestCancelled: ("request_cancelled", "Request cancelled.")
        case .shuttingDown: ("shutting_down", "The gateway is shutting down.")
        case .overloaded: ("overloaded", "The gateway is overloaded.")
        case .unauthenticated: ("unauthenticated", "This gateway asks for a token.")
        case .forbidden: ("forbidden", "This user may not do that.")
        case .deadlineExceeded: ("deadline_exceeded", "The deadline passed before the call was finished.")
        case .requestTooLarge: ("request_too_large", "The request is too large.")
        case .resultTooLarge: ("result_too_large", "The result is too large.")
        case .storageFull: ("storage_full", "The disk of the gateway is full.")
        case .lineTimeout: ("line_timeout", "The line took too long.")
        case .tooManyConnections: ("too_many_connections", "Too many connections.")
        case .subscriptionNotFound: ("subscription_not_found", "There is no such subscription.")
        case .subscriptionExists: ("subscription_exists", "This subscription id is taken.")
        case .tooManySubscriptions: ("too_many_subscriptions", "Too many subscriptions.")
        case .cursorInvalid: ("cursor_invalid", "This cursor is not one of this store.")
        case .cursorExpired: ("cursor_expired", "The events after this cursor are gone.")
        case .consumerBusy: ("consumer_busy", "This consumer is in use.")
        case .idempotencyConflict: ("idempotency_conflict", "This idempotency key was used for another push.")
        case .partConflict: ("part_conflict", "This part was sent before with another body.")
        case .sessionNotFound: ("session_not_found", "Invalid or expired session.")
        case .sessionNotConfigured: ("session_not_configured", "Session not yet configured.")
        case .unknownType: ("unknown_type", "The session has no such type.")
        case .associationTypeUnknown: ("association_type_unknown", "The session has no such associated type.")
        case .providerUnknown: ("provider_unknown", "There is no such provider.")
        case .transferNotFound: ("transfer_not_found", "There is no such transfer.")
        case .transferNotCompleted: ("transfer_not_completed", "The transfer has not yet completed.")
        case .schemaInvalid: ("schema_invalid", "A schema is not valid.")
        case .webhookEndpointRefused: ("webhook_endpoint_refused", "This webhook endpoint is refused.")
        case .planStale: ("plan_stale", "The plan is out of date.")
        case .recordNotFound: ("record_not_found", "There is no such record.")
        case .planNotFound: ("plan_not_found", "There is no such plan.")
        case .deliveryNotFound: ("delivery_not_found", "There is no such delivery.")
        case .credentialUnknown: ("credential_unknown", "There is no credential of this name.")
        }
    }
}
