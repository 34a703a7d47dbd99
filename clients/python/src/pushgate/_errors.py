"""The errors of the gateway, one class a name, and the few that are the client's own.

An error of the gateway is told by its `name`, which never changes; the code is looked at only when a peer sends no
name. What this version does not know becomes a plain `PushgateError` that still carries code, name and details, so a
newer gateway never turns an error into a crash of the client.
"""

from typing import Any, Dict, List, Mapping, Optional, Type

__all__ = [
    "AssociationTypeUnknown",
    "CallTimeout",
    "ClientClosed",
    "ConnectFailed",
    "ConnectionLost",
    "ConsumerBusy",
    "CredentialUnknown",
    "CursorExpired",
    "CursorInvalid",
    "DeadlineExceeded",
    "DeliveryNotFound",
    "Forbidden",
    "IdempotencyConflict",
    "InternalError",
    "InvalidParams",
    "InvalidRequest",
    "LineTimeout",
    "MethodNotFound",
    "Overloaded",
    "ParseError",
    "PartConflict",
    "PlanNotFound",
    "PlanStale",
    "ProviderUnknown",
    "PushgateError",
    "RecordNotFound",
    "RequestCancelled",
    "RequestTooLarge",
    "ResultTooLarge",
    "SchemaInvalid",
    "SessionNotConfigured",
    "SessionNotFound",
    "ShuttingDown",
    "StorageFull",
    "SubscriptionExists",
    "SubscriptionNotFound",
    "TooManyConnections",
    "TooManySubscriptions",
    "TransferNotCompleted",
    "TransferNotFound",
    "Unauthenticated",
    "UnknownType",
    "WebhookEndpointRefused",
]


class PushgateError(Exception):
    """Any failure of a call.

    `code` is the number on the wire (None for an error of the client itself), `name` the stable word for it,
    `retryable` whether the same call may work later, `retry_after_ms` how long to wait first (None: not said),
    `details` what the gateway added, `request_id` the gateway's id of the call for its log.
    `accepted` holds the transfer ids that a `push` had been given before it failed; they are safe. `open_transfer` is
    the id of the transfer that a `push_parts` had begun and not committed when it failed: it can be gone on with under
    the same idempotency key, or cancelled.
    """

    code: Optional[int] = None
    name: str = "error"
    retryable: bool = False

    def __init__(
        self,
        message: str,
        *,
        code: Optional[int] = None,
        name: Optional[str] = None,
        retryable: Optional[bool] = None,
        retry_after_ms: Optional[int] = None,
        details: Any = None,
        request_id: Optional[str] = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        if code is not None:
            self.code = code
        if name is not None:
            self.name = name
        if retryable is not None:
            self.retryable = retryable
        self.retry_after_ms = retry_after_ms
        self.details = details
        self.request_id = request_id
        self.accepted: List[str] = []
        self.open_transfer: Optional[str] = None

    def __str__(self) -> str:
        label = self.name if self.code is None else "%s (%d)" % (self.name, self.code)
        return "%s: %s" % (label, self.message)


# -- the client's own -------------------------------------------------------------------------------------------------


class ConnectFailed(PushgateError, ConnectionError):
    """No gateway could be reached; nothing was sent."""

    name = "connect_failed"
    retryable = True


class ConnectionLost(PushgateError, ConnectionError):
    """The gateway went away while the call was under way: whether it took effect is not known.

    A push is safe to repeat with the same `idempotency_key`; `Client.push` does that by itself.
    """

    name = "connection_lost"
    retryable = True


class CallTimeout(PushgateError, TimeoutError):
    """No answer within the client's timeout: whether the call took effect is not known."""

    name = "call_timeout"
    retryable = True


class ClientClosed(PushgateError):
    """The client, or the subscription, has been closed on this side."""

    name = "client_closed"


# -- the gateway's ----------------------------------------------------------------------------------------------------


class ParseError(PushgateError):
    code = -32700
    name = "parse_error"


class InvalidRequest(PushgateError):
    code = -32600
    name = "invalid_request"


class MethodNotFound(PushgateError):
    code = -32601
    name = "method_not_found"


class InvalidParams(PushgateError):
    """`details` lists every problem with its JSON Pointer."""

    code = -32602
    name = "invalid_params"


class InternalError(PushgateError):
    code = -32603
    name = "internal"


class RequestCancelled(PushgateError):
    code = -32800
    name = "request_cancelled"


class ShuttingDown(PushgateError):
    code = 1001
    name = "shutting_down"
    retryable = True


class Overloaded(PushgateError):
    code = 1002
    name = "overloaded"
    retryable = True


class Unauthenticated(PushgateError):
    code = 1003
    name = "unauthenticated"


class Forbidden(PushgateError):
    code = 1004
    name = "forbidden"


class DeadlineExceeded(PushgateError):
    """`details["outcome"]` is `unknown` or `not_started`."""

    code = 1005
    name = "deadline_exceeded"
    retryable = True


class RequestTooLarge(PushgateError):
    """A line over the ceiling; this client refuses it before it is sent."""

    code = 1006
    name = "request_too_large"


class ResultTooLarge(PushgateError):
    code = 1007
    name = "result_too_large"


class StorageFull(PushgateError):
    code = 1008
    name = "storage_full"
    retryable = True


class LineTimeout(PushgateError):
    code = 1009
    name = "line_timeout"


class TooManyConnections(PushgateError):
    code = 1010
    name = "too_many_connections"
    retryable = True


class SubscriptionNotFound(PushgateError):
    code = 1101
    name = "subscription_not_found"


class SubscriptionExists(PushgateError):
    code = 1102
    name = "subscription_exists"


class TooManySubscriptions(PushgateError):
    code = 1103
    name = "too_many_subscriptions"


class CursorInvalid(PushgateError):
    """The cursor belongs to another store, or to a history that a restored backup no longer has."""

    code = 1104
    name = "cursor_invalid"


class CursorExpired(PushgateError):
    code = 1105
    name = "cursor_expired"


class ConsumerBusy(PushgateError):
    """Another connection reads under this consumer name."""

    code = 1106
    name = "consumer_busy"
    retryable = True


class IdempotencyConflict(PushgateError):
    """The key was used before, for another body."""

    code = 1201
    name = "idempotency_conflict"


class PartConflict(PushgateError):
    code = 1202
    name = "part_conflict"


class SessionNotFound(PushgateError):
    code = 1301
    name = "session_not_found"


class SessionNotConfigured(PushgateError):
    code = 1302
    name = "session_not_configured"


class UnknownType(PushgateError):
    code = 1303
    name = "unknown_type"


class AssociationTypeUnknown(PushgateError):
    code = 1304
    name = "association_type_unknown"


class ProviderUnknown(PushgateError):
    code = 1305
    name = "provider_unknown"


class TransferNotFound(PushgateError):
    code = 1306
    name = "transfer_not_found"


class TransferNotCompleted(PushgateError):
    code = 1307
    name = "transfer_not_completed"
    retryable = True


class SchemaInvalid(PushgateError):
    code = 1308
    name = "schema_invalid"


class WebhookEndpointRefused(PushgateError):
    code = 1309
    name = "webhook_endpoint_refused"


class PlanStale(PushgateError):
    code = 1310
    name = "plan_stale"


class RecordNotFound(PushgateError):
    code = 1311
    name = "record_not_found"


class PlanNotFound(PushgateError):
    code = 1312
    name = "plan_not_found"


class DeliveryNotFound(PushgateError):
    code = 1313
    name = "delivery_not_found"


class CredentialUnknown(PushgateError):
    code = 1314
    name = "credential_unknown"


_BY_CODE: Dict[int, Type[PushgateError]] = {
    kind.code: kind for kind in PushgateError.__subclasses__() if kind.code is not None
}
_BY_NAME: Dict[str, Type[PushgateError]] = {kind.name: kind for kind in _BY_CODE.values()}


def error_from_wire(code: int, message: str, data: Any) -> PushgateError:
    """The exception for a JSON-RPC error object (protocol section 5)."""
    extra: Mapping[str, Any] = data if isinstance(data, dict) else {}
    name = extra.get("name")
    if isinstance(name, str):
        kind = _BY_NAME.get(name, PushgateError)
    else:
        kind = _BY_CODE.get(code, PushgateError)
        name = None
    retryable = extra.get("retryable")
    after = extra.get("retry_after_ms")
    request_id = extra.get("request_id")
    return kind(
        message,
        code=code,
        name=name,
        retryable=retryable if isinstance(retryable, bool) else None,
        retry_after_ms=int(after) if isinstance(after, (int, float)) and not isinstance(after, bool) else None,
        # A foreign peer may put anything into `data`; what is not our envelope is kept whole.
        details=extra.get("details") if extra else data,
        request_id=request_id if isinstance(request_id, str) else None,
    )
