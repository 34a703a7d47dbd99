"""The calls that make a transfer, and what is known of it, without I/O: what both clients share of pushing.

A `Job` gives the params of each call and takes its answer. Every call bears an idempotency key, so it is safe to make
again after a lost connection; a job of several calls (a push that was cut, a retry of one) derives a key for each.
"""

from typing import Any, Dict, List, Mapping, Optional, Protocol, Tuple

from ._errors import RecordNotFound
from ._paging import Pages
from ._push import Cut, Part, add_summaries, mint_key, part_key
from ._route import Route, Tap

__all__ = ["Job", "PartsJob", "Planned", "Pushed", "Resolving", "check_records"]


class _Listening(Protocol):
    def listen(self, token: str, route: Route) -> None: ...


_AT_COMMIT = ("synchronous", "progress_token")
"""Options that are about the answer and the progress, so they are said when the last part is there."""


def check_records(records: Any) -> None:
    """Raises TypeError for what can be iterated over and is still no list of items."""
    if isinstance(records, (str, bytes, Mapping)):
        raise TypeError("records is a list, or another iterable, of items")


class Job:
    """One or more calls that each make a transfer."""

    def __init__(self, params: Mapping[str, Any], key: Optional[str], progress: Any) -> None:
        self.key = key or mint_key()
        self.tap: Optional[Tap] = None
        self.parts: List[Part] = []
        self.duplicate = True
        """Every transfer was known to the gateway already."""
        self._params = {name: value for name, value in params.items() if value is not None}
        if progress is not None:
            self.tap = Tap()
            self._params.setdefault("progress_token", "progress-" + self.key)

    @property
    def ids(self) -> List[str]:
        return [part.transfer_id for part in self.parts]

    def call(self, **members: Any) -> Dict[str, Any]:
        """The params of the next call."""
        return dict(self._params, idempotency_key=part_key(self.key, len(self.parts)), **members)

    def listen(self, connection: _Listening) -> None:
        """Before each call, on the connection that will make it: progress may come before the answer."""
        if self.tap is not None:
            connection.listen(str(self._params["progress_token"]), self.tap)

    def accepted(self, result: Mapping[str, Any], count: int) -> None:
        """The answer, and how many records are in that transfer."""
        first = sum(part.count or 0 for part in self.parts)
        self.parts.append(Part.accepted(result, count, first))
        self.duplicate = self.duplicate and result.get("duplicate") is True


class PartsJob(Job):
    """One transfer whose records travel in parts: `begin`, any number of `append`, `commit`."""

    def __init__(self, params: Mapping[str, Any], key: Optional[str], progress: Any) -> None:
        super().__init__(params, key, progress)
        self.is_resumable = key is not None
        """Somebody else than this call knows the key."""
        self.transfer_id: Optional[str] = None
        self._sent = 0
        self._count = 0
        self._secret: Optional[str] = None

    def begin(self) -> Dict[str, Any]:
        params = self.call()
        return {name: value for name, value in params.items() if name not in _AT_COMMIT}

    def begun(self, result: Mapping[str, Any]) -> None:
        self.transfer_id = str(result["transfer_id"])
        self._secret = result.get("webhook_secret")

    def append(self, cut: Cut) -> Dict[str, Any]:
        """The params of the next part, but for its records."""
        params = {"transfer_id": self.transfer_id, "seq": self._sent}
        self._sent += 1
        self._count += cut.count
        return params

    def commit(self) -> Dict[str, Any]:
        late = {name: self._params[name] for name in _AT_COMMIT if name in self._params}
        return dict(late, transfer_id=self.transfer_id, parts=self._sent)

    def committed(self, result: Mapping[str, Any]) -> None:
        self.accepted(dict(result, webhook_secret=self._secret), self._count)


class Pushed:
    """A push that was accepted: every record of it is on the gateway's disk.

    It is one transfer, or several if the push was too long for one line; they are read here as one, with indexes that
    count through.
    """

    def __init__(
        self, parts: List[Part], key: Optional[str] = None, duplicate: bool = False, tap: Optional[Tap] = None
    ) -> None:
        self._parts = parts
        self._tap = tap
        self._reported: Optional[Tuple[int, int]] = None
        self.idempotency_key = key
        """The key of the push; None for a transfer that was looked up by its id."""
        self.duplicate = duplicate
        """The gateway had this push already: it answered with the transfer of the first time."""

    @property
    def id(self) -> str:
        """The transfer id; of a push that was cut, the first (see `ids`)."""
        return self._parts[0].transfer_id

    @property
    def ids(self) -> List[str]:
        return [part.transfer_id for part in self._parts]

    @property
    def webhook_secret(self) -> Optional[str]:
        """A secret that was made up for webhooks of the push, because its session had none. It is told only once."""
        return next((part.webhook_secret for part in self._parts if part.webhook_secret is not None), None)

    @property
    def completed(self) -> bool:
        """Whether this object has seen the end of it; `wait` looks."""
        return all(part.completion is not None for part in self._parts)

    @property
    def summary(self) -> Dict[str, int]:
        """Records by outcome (`created`, `updated`, …) from the `completed` event; {} if it was not seen."""
        return add_summaries(self._parts)

    def __repr__(self) -> str:
        return "<Transfer %s%s>" % (", ".join(self.ids), " completed" if self.completed else "")

    # -- waiting --

    @staticmethod
    def _watching(part: Part, progress: bool) -> Dict[str, Any]:
        """The arguments of the subscription that waits for this part."""
        types = ["completed", "progress"] if progress else ["completed"]
        start: Any = "latest" if part.event_cursor is None else {"cursor": part.event_cursor}
        return {"transfer_id": part.transfer_id, "types": types, "from_": start}

    def _progressed(self, waited: Part, value: Any) -> bool:
        """A value names its transfer; parts of one push move on at the same time."""
        named = value.get("transfer_id") if isinstance(value, dict) else None
        owner = next((part for part in self._parts if part.transfer_id == named), waited)
        return owner.progressed(value)

    def _news(self) -> Optional[Tuple[int, int]]:
        """Records finished and in all, each state once: the last one comes by its token and by the end."""
        state = sum(part.finished for part in self._parts), sum(part.total for part in self._parts)
        if state == self._reported:
            return None
        self._reported = state
        return state

    # -- places --

    @staticmethod
    def _numbered(part: Part, entry: Dict[str, Any]) -> Dict[str, Any]:
        """An error entry with its index in the whole push."""
        if part.first and isinstance(entry.get("index"), int):
            return dict(entry, index=entry["index"] + part.first)
        return entry

    def _places(self, params: Mapping[str, Any]) -> List[Dict[str, Any]]:
        """The params of a call about records, one for each transfer that it goes to. An index belongs to one of them;
        for an internal id, and for none, all are asked."""
        told = {name: value for name, value in params.items() if value is not None}
        parts = self._parts
        if "index" in told:
            owner = next((part for part in reversed(parts) if part.first <= told["index"]), parts[0])
            told["index"] -= owner.first
            parts = [owner]
        return [dict(told, transfer_id=part.transfer_id) for part in parts]


class Resolving:
    """The answers of `resolveRecord` for the transfers of one push, added up."""

    def __init__(self) -> None:
        self.resolved = 0
        self.remaining = 0
        self.retries: List[Part] = []
        self._missed: Optional[RecordNotFound] = None
        self._answers = 0

    def add(self, answer: Mapping[str, Any]) -> None:
        self._answers += 1
        self.resolved += int(answer.get("resolved", 0))
        self.remaining += int(answer.get("remaining", 0))
        if answer.get("retry") is not None:
            self.retries.append(Part(str(answer["retry"]), None, None, 0))

    def missed(self, error: RecordNotFound) -> None:
        """The record is not in this transfer; it may be in another one of the push."""
        self._missed = error

    def finish(self) -> None:
        """Raises if no transfer has the record."""
        if self._missed is not None and self._answers == 0:
            raise self._missed


class Planned:
    """What a push would do. Nothing was written at the provider; the plan lives for an hour.

    Iterating gives the planned records in their order: `{index, internal_id?, action, id?, diff?, …}`, where `action`
    is `create`, `update`, `unchanged`, `ambiguous` or `invalid`.
    """

    def __init__(self, first: Mapping[str, Any], page: int) -> None:
        self._first = dict(first)
        self._page = page
        self._key = mint_key()
        self.id = str(first["plan_id"])
        self.expires_at: str = first["expires_at"]
        self.summary: Dict[str, int] = dict(first["summary"])
        """Records by action, associated ones included."""
        self.calls: int = first["calls"]
        """Exchanges with the provider that applying costs."""
        self.seconds: float = first["seconds"]
        """How long applying takes, at the provider's pace."""
        self._count = int(first["meta"]["count"])

    def __len__(self) -> int:
        """Records in the plan, not counting associated ones."""
        return self._count

    def __repr__(self) -> str:
        return "<Plan %s %r>" % (self.id, self.summary)

    def _walk(self) -> Tuple[Pages, List[Dict[str, Any]]]:
        """The walk over the rows, and those of the first page, which came with the plan."""
        walk = Pages("planTransfer", {"plan_id": self.id}, self._page)
        return walk, walk.take(self._first)

    def _application(self, options: Mapping[str, Any], key: Optional[str], progress: Any) -> Job:
        # One key a plan: applying it twice is applying it once.
        return Job(dict(options, plan_id=self.id), key or self._key, progress)
