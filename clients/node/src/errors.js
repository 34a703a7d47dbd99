// What can go wrong, as one class with the wire's own names. A caller branches on `error.name` or `error.code`, never
// on the message. The codes are the table of the protocol; a code that is missing here (a newer gateway) works all the
// same.

/** Code by wire name. Our codes are positive; the negative ones are those of JSON-RPC 2.0 and of its cancellation. */
export const ErrorCode = Object.freeze({
  parse_error: -32700,
  invalid_request: -32600,
  method_not_found: -32601,
  invalid_params: -32602,
  internal: -32603,
  request_cancelled: -32800,
  shutting_down: 1001,
  overloaded: 1002,
  unauthenticated: 1003,
  forbidden: 1004,
  deadline_exceeded: 1005,
  request_too_large: 1006,
  result_too_large: 1007,
  storage_full: 1008,
  line_timeout: 1009,
  too_many_connections: 1010,
  subscription_not_found: 1101,
  subscription_exists: 1102,
  too_many_subscriptions: 1103,
  cursor_invalid: 1104,
  cursor_expired: 1105,
  consumer_busy: 1106,
  idempotency_conflict: 1201,
  part_conflict: 1202,
  session_not_found: 1301,
  session_not_configured: 1302,
  unknown_type: 1303,
  association_type_unknown: 1304,
  provider_unknown: 1305,
  transfer_not_found: 1306,
  transfer_not_completed: 1307,
  schema_invalid: 1308,
  webhook_endpoint_refused: 1309,
  plan_stale: 1310,
  record_not_found: 1311,
  plan_not_found: 1312,
  delivery_not_found: 1313,
  credential_unknown: 1314,
});

const nameByCode = new Map(Object.entries(ErrorCode).map(([name, code]) => [code, name]));

/** An error that the gateway answered, or that this client found out in the gateway's place before sending. */
export class PushgateError extends Error {
  constructor(code, message, { name, retryable = false, retryAfterMs, details, requestId, cause } = {}) {
    super(message, cause === undefined ? undefined : { cause });
    // Not enumerable, as `name` of every built-in error: a logger that spreads an error shows the facts only once.
    Object.defineProperty(this, "name", {
      value: name ?? nameByCode.get(code) ?? "error",
      configurable: true,
      writable: true,
    });
    this.code = code;
    this.retryable = retryable;
    this.retryAfterMs = retryAfterMs;
    this.details = details;
    this.requestId = requestId;
  }

  /** From the `error` member of a reply. A foreign server may leave out `data`, or all of it: nothing here throws. */
  static fromWire(error) {
    const data = isObject(error?.data) ? error.data : {};
    const code = Number.isSafeInteger(error?.code) ? error.code : ErrorCode.internal;
    const message = typeof error?.message === "string" ? error.message : "The gateway gave no message.";
    return new PushgateError(code, message, {
      name: typeof data.name === "string" ? data.name : undefined,
      retryable: data.retryable === true,
      retryAfterMs: typeof data.retry_after_ms === "number" ? data.retry_after_ms : undefined,
      details: data.details,
      requestId: typeof data.request_id === "string" ? data.request_id : undefined,
    });
  }
}

/**
 * The gateway went away, or could not be reached. `outcome` is `unknown` for a call that was already sent (it may have
 * been carried out) and `not_started` for one that never left. `code` is 0: this error never crosses the wire.
 */
export class ConnectionLost extends PushgateError {
  constructor(message, { outcome = "unknown", cause } = {}) {
    super(0, message, { name: "connection_lost", retryable: outcome === "not_started", cause });
    this.outcome = outcome;
  }
}

/**
 * A deadline of the caller passed. The gateway has a code for it, so both sides speak of it in the same way: it may be
 * repeated, a push only under the idempotency key it had, since with the outcome `unknown` it may have been accepted.
 */
export function deadlineExceeded(what, milliseconds, outcome) {
  return new PushgateError(ErrorCode.deadline_exceeded, `${what} took longer than ${milliseconds} ms.`, {
    retryable: true,
    details: { outcome },
  });
}

/** The gateway went away or is about to, or has too much to do just now: the same call may well succeed in a moment. */
export function isWorthRepeating(error) {
  const { shutting_down: ending, overloaded } = ErrorCode;
  return error instanceof ConnectionLost || error.code === ending || error.code === overloaded;
}

export function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
