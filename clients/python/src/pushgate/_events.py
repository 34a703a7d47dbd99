"""One subscription as a machine without I/O, shared by both clients.

The life of a `Feed`: `open` mints an id and gives the params of `subscribe`; the reply goes to `opened` and the
notifications with that id to `notified`, both on the thread (or loop) that reads, so a gap is queued before the events
that follow it; the consumer takes events out with `head` and `shift`.

Resuming. `_position` is the last place in the log that arrived here, also by heartbeats, so that a quiet subscription
does not fall out of the history that the gateway keeps. What is queued when a connection dies stays queued. A named
consumer is resumed by its name, since its place is the gateway's to know; what was seen since the last `ack` comes
again and is dropped by its cursor.

Back-pressure. The reader must go on reading (replies come the same way), so a consumer that is slow cannot stop it.
Beyond `MAX_QUEUED` events or `MAX_QUEUED_BYTES` the feed drops what arrives and says `paused`; once the queue has been
drained, the subscription is opened again from the last event that was kept. Nothing is lost and memory is bounded.

Progress events are not in the log: their cursor neither moves the position nor marks a repeat.
"""

from collections import OrderedDict, deque
from typing import Any, Deque, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple, Union
from urllib.parse import parse_qsl

from ._paging import next_offset

__all__ = ["MAX_QUEUED", "MAX_QUEUED_BYTES", "Event", "Feed", "Fetch", "From", "Ref"]

MAX_QUEUED = 4096
"""Events kept for a slow consumer before the feed pauses."""

MAX_QUEUED_BYTES = 8 * 1024 * 1024
"""Bytes of lines kept for a slow consumer before the feed pauses."""

_SEEN = 4096
"""How many cursors are remembered to recognise a repeat. A consumer that acknowledges more rarely than that may see an
event twice after a reconnect: delivery is at least once."""

From = Union[str, Mapping[str, str]]
"""`"latest"`, `"earliest"`, `{"cursor": …}` or `{"consumer": …}`."""


class Event(NamedTuple):
    """Something that happened. `cursor` is its place in the log (None: not in the log, as for progress).

    `type` is one of the gateway's types or `"gap"`: history before this place was trimmed while nobody read it, and
    `data` says how much (`from_cursor`, `resumed_at`, `lost_at_most`). For `data`, `completed` and
    `error`, `data` is the payload that the webhook of that name carries; `webhook.failed` tells of one that was given up.
    """

    cursor: Optional[str]
    time: Optional[str]
    type: str
    data: Any


class Ref(NamedTuple):
    """A payload that was too long for its event: the params of the `getData` call that fetches it."""

    params: Dict[str, Any]
    partial: Dict[str, Any]
    """What the event itself carried of the payload."""


def _read_ref(ref: Any, data: Any) -> Optional[Ref]:
    """`ref` is `getData?transfer_id=…&offset=…&limit=…`, or the same as an object, with `params` or flat."""
    if isinstance(ref, str):
        method, _, query = ref.partition("?")
        params: Dict[str, Any] = dict(parse_qsl(query, keep_blank_values=True))
    elif isinstance(ref, dict):
        method = str(ref.get("method", "getData"))
        inner = ref.get("params")
        params = dict(inner) if isinstance(inner, dict) else {k: v for k, v in ref.items() if k != "method"}
    else:
        return None
    if method != "getData" or "transfer_id" not in params:
        return None
    for name in ("limit", "offset"):
        if isinstance(params.get(name), str):
            params[name] = int(params[name])
    # The page is final, its transfer need not be.
    params.setdefault("partial", True)
    return Ref(params, dict(data) if isinstance(data, dict) else {})


class Fetch:
    """The payload behind a `Ref`, gathered page by page: call with `params`, hand the answer to `add`, until `done`."""

    def __init__(self, ref: Ref) -> None:
        self.payload = dict(ref.partial)
        self.params = dict(ref.params)
        self.done = False
        self._offset = int(ref.params.get("offset", 0))

    def add(self, page: Mapping[str, Any]) -> None:
        """An answer of `getData`. A page may be cut shorter than asked, so the rest is asked for again."""
        rows = page.get("transfer_data", [])
        for name, value in page.items():
            if name not in ("meta", "transfer_data"):
                self.payload.setdefault(name, value)
        self.payload.setdefault("transfer_data", []).extend(rows)
        following = next_offset(page, self._offset, len(rows))
        if "limit" in self.params:
            self.params["limit"] -= len(rows)
            self.done = self.params["limit"] <= 0
        if following is None or not rows:
            self.done = True
        else:
            self._offset = self.params["offset"] = following


class _Item(NamedTuple):
    event: Event
    ref: Optional[Ref]
    size: int


class Feed:
    """The state of one subscription over any number of connections. Not thread-safe: its owner holds a lock."""

    def __init__(self, selection: Mapping[str, Any], from_: From) -> None:
        self._selection = dict(selection)
        if isinstance(from_, str):
            if from_ not in ("latest", "earliest"):
                raise ValueError('from_ is "latest", "earliest", {"cursor": …} or {"consumer": …}, not %r' % from_)
            self._start: Any = from_
        else:
            self._start = dict(from_)
            if len(self._start) != 1 or next(iter(self._start)) not in ("cursor", "consumer"):
                raise ValueError('from_ takes exactly one of "cursor" and "consumer"')
        self.consumer: Optional[str] = self._start.get("consumer") if isinstance(self._start, dict) else None
        self._position: Optional[str] = None
        self._queue: Deque[_Item] = deque()
        self._queued_bytes = 0
        self._seen: "OrderedDict[str, None]" = OrderedDict()
        self.id: Optional[str] = None
        """The id of the open subscription, None while there is none."""
        self.paused = False
        """Open, but what arrives is dropped until the queue is drained."""
        self.cursor: Optional[str] = self._start.get("cursor") if isinstance(self._start, dict) else None
        """The place up to which events have been taken: what to resume from in another process."""
        self.caught_up = False
        """The gateway said that what follows is live (and all before it has been received)."""

    # -- opening --

    def open(self, number: int) -> Dict[str, Any]:
        """The params of `subscribe` for the next opening; `number` is new on each."""
        self.id = "s%d" % number
        self.paused = False
        params = dict(self._selection)
        params["subscription"] = self.id
        if self.consumer is None and self._position is not None:
            params["from"] = {"cursor": self._position}
        else:
            params["from"] = self._start
        return params

    def opened(self, subscription: str, result: Any) -> None:
        """The reply to `subscribe`."""
        if self.id != subscription or not isinstance(result, dict):
            return
        gap = result.get("gap")
        if gap is not None:
            resumed = gap.get("resumed_at") if isinstance(gap, dict) else None
            self._append(_Item(Event(resumed, None, "gap", gap), None, 0))
        # Only "latest" needs to be pinned to a place; the other starts mean the same when they are asked for again.
        if self._position is None and self._start == "latest":
            self._move(result.get("cursor"))
            self.cursor = self._position

    def closed(self) -> None:
        """There is no open subscription any more: the connection ended, or the gateway closed it."""
        self.id = None
        self.paused = False

    # -- arriving --

    def notified(self, method: str, params: Mapping[str, Any], size: int) -> None:
        """A notification that bears this feed's id."""
        if params.get("subscription") != self.id or self.id is None:
            return
        if method == "event":
            self._arrived(params, size)
        elif method in ("subscription.caughtUp", "subscription.heartbeat") and not self.paused:
            self.caught_up = self.caught_up or method == "subscription.caughtUp"
            self._move(params.get("cursor"))
            if not self._queue and self._position is not None:
                self.cursor = self._position
        elif method == "subscription.closed":
            if not self.paused:
                self._move(params.get("cursor"))
            self.closed()

    def inject(self, event: Event) -> None:
        """An event from elsewhere (the progress of a call), in the order of its arrival."""
        self._append(_Item(event, None, 0))

    def _arrived(self, params: Mapping[str, Any], size: int) -> None:
        for one in self._events_of(params):
            event, ref = one
            logged = event.cursor if event.type != "progress" else None
            if self.paused or (logged is not None and logged in self._seen):
                continue
            if len(self._queue) >= MAX_QUEUED or self._queued_bytes >= MAX_QUEUED_BYTES:
                self.paused = True
                continue
            if logged is not None:
                self._seen[logged] = None
                if len(self._seen) > _SEEN:
                    self._seen.popitem(last=False)
                self._position = logged
            self._append(_Item(event, ref, size))

    @staticmethod
    def _events_of(params: Mapping[str, Any]) -> List[Tuple[Event, Optional[Ref]]]:
        # With `batch` one notification carries several events.
        many = params.get("events")
        events: Sequence[Any] = many if isinstance(many, list) else [params]
        found: List[Tuple[Event, Optional[Ref]]] = []
        for one in events:
            if isinstance(one, dict) and isinstance(one.get("type"), str):
                event = Event(one.get("cursor"), one.get("time"), one["type"], one.get("data"))
                found.append((event, _read_ref(one.get("ref"), one.get("data"))))
        return found

    def _append(self, item: _Item) -> None:
        self._queue.append(item)
        self._queued_bytes += item.size

    def _move(self, cursor: Any) -> None:
        if isinstance(cursor, str):
            self._position = cursor

    # -- leaving --

    def head(self) -> Optional[Tuple[Event, Optional[Ref]]]:
        """The next event, None if none is queued; it stays until `shift`. With a `Ref` its data is to be fetched."""
        return (self._queue[0].event, self._queue[0].ref) if self._queue else None

    def shift(self) -> None:
        """The head has been handed out."""
        item = self._queue.popleft()
        self._queued_bytes -= item.size
        if item.event.cursor is not None and item.event.type != "progress":
            self.cursor = item.event.cursor

    def acknowledged(self, cursor: str) -> None:
        """Up to here the gateway will not send again to this consumer."""
        if cursor in self._seen:
            while self._seen:
                oldest, _ = self._seen.popitem(last=False)
                if oldest == cursor:
                    break
