"""Walking over the pages of a list, without I/O: the same walk under both clients.

The gateway cuts any page shorter than asked when its line would become too long, and says in the answer where to go
on; so the length of a page is never taken for its end.
"""

from typing import Any, Dict, List, Mapping, Optional

__all__ = ["Keys", "Pages", "Walk", "next_offset"]

_ROWS = {
    "exportIdentities": "identities",
    "getData": "transfer_data",
    "getErrors": "errors",
    "listSessions": "sessions",
    "listTransfers": "transfers",
    "listWebhookDeliveries": "deliveries",
    "planTransfer": "records",
}
"""The member that holds the rows, by method."""


def next_offset(page: Mapping[str, Any], offset: int, rows: int) -> Optional[int]:
    """Where the page after this one begins, None after the last."""
    meta = page.get("meta")
    following = meta.get("next") if isinstance(meta, dict) else None
    if following is None:
        return None
    if isinstance(following, dict) and isinstance(following.get("offset"), int):
        after: int = following["offset"]
    else:
        after = offset + rows
    # A page that does not move on would be read for ever.
    return after if after > offset else None


class Walk:
    """Call `method` with `params` and hand the answer to `take`, which gives its rows, until `done`."""

    def __init__(self, method: str, params: Mapping[str, Any]) -> None:
        self.method = method
        self.params = {name: value for name, value in params.items() if value is not None}
        self.done = False

    def take(self, answer: Mapping[str, Any]) -> List[Dict[str, Any]]:
        rows: List[Dict[str, Any]] = answer.get(_ROWS[self.method], [])
        self._move(answer, len(rows))
        return rows

    def _move(self, answer: Mapping[str, Any], rows: int) -> None:
        raise NotImplementedError


class Pages(Walk):
    """A list that is counted through: `limit` and `offset`, and `meta.next`."""

    def __init__(self, method: str, params: Mapping[str, Any], page: int) -> None:
        super().__init__(method, dict(params, limit=page, offset=0))

    def _move(self, answer: Mapping[str, Any], rows: int) -> None:
        following = next_offset(answer, self.params["offset"], rows)
        if following is None:
            self.done = True
        else:
            self.params["offset"] = following


class Keys(Walk):
    """A list in the order of its keys, which may grow while it is read: `limit` and `after`, and `next`."""

    def __init__(self, method: str, params: Mapping[str, Any], page: int) -> None:
        super().__init__(method, dict(params, limit=page))

    def _move(self, answer: Mapping[str, Any], rows: int) -> None:
        following = answer.get("next")
        if following is None or following == self.params.get("after"):
            self.done = True
        else:
            self.params["after"] = following
