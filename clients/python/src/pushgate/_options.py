"""What may be said with a push beyond its records, by the names of the wire."""

from typing import Any, Dict, List, Literal, Mapping, TypedDict

__all__ = ["PartsOptions", "PushOptions", "RecordOptions", "Webhook", "given"]


class Webhook(TypedDict, total=False):
    """Whom to tell: an https address that is called with POST."""

    endpoint: str
    metadata: Mapping[str, Any]
    """Comes with every call."""


class RecordOptions(TypedDict, total=False):
    """Options of `plan`, and the others' too. Left out, what the session says holds."""

    freshness: Literal["force", "verify", "ledger"]
    """How a record that exists is compared: `force` always writes, `verify` reads it at the provider first and writes
    what differs, `ledger` believes what the gateway itself confirmed within `max_age` and makes no call for it."""
    max_age: int
    """Seconds for which `ledger` believes."""
    match: List[str]
    """The match keys that recognise a record that exists, in this order; [] for none."""
    on_deleted: Literal["recreate", "skip", "error"]
    """What happens to a known record that is gone at the provider."""
    unknown_properties: Literal["error", "warn"]
    """What a property is that the schema does not have: an error of its record, or a warning."""
    skip_null: bool
    """A null is as good as absent: it clears nothing."""
    retry_window: int
    """Seconds that a record waits for an account that is paused; then it is refused."""
    abort_if: Mapping[str, Any]
    """Ends a transfer that goes wrong: `rejects` refused records, or `rejects_percent` of the finished ones (counted from
    100). What has not been sent by then is unsent. `{}` for never."""
    disable_upsert: bool
    """Do not recognise records by match keys; `id` and `internal_id` still do."""


class PartsOptions(RecordOptions, total=False):
    """Options of `push_parts`."""

    bypass_rate_limit: bool
    synchronous: bool
    """The gateway answers when the transfer is completed."""
    progress_token: str
    data_webhook: Webhook
    """Is told each finished page of results, instead of the session's."""
    completed_webhook: Webhook
    """Is told that the transfer has completed, instead of the session's."""
    error_webhook: Webhook
    """Is told each error, instead of the session's."""
    webhook_concurrency: bool
    """Calls of one address may overlap."""


class PushOptions(PartsOptions, total=False):
    """Options of `push`."""

    sample_data: bool
    """The records are only taken as examples for the mapping; nothing is sent."""


def given(members: Mapping[str, Any], **optional: Any) -> Dict[str, Any]:
    """Params of a call: those that were given, and all `members`."""
    params = {name: value for name, value in optional.items() if value is not None}
    params.update(members)
    return params
