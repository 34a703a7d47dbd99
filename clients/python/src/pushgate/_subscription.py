"""The subscription of the blocking client: a feed behind a condition variable.

There is no thread of its own. Whoever asks for the next event also reopens the subscription when it is not open, so a
reconnect happens when somebody waits for it, and errors surface where they can be handled.
"""

import threading
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any, Dict, Iterator, Mapping, Optional, Type

from ._connect import Backoff
from ._connection import Connection
from ._errors import CallTimeout, ClientClosed, ConnectionLost, ConsumerBusy, PushgateError, SubscriptionNotFound
from ._events import Event, Feed, Fetch, From, Ref
from ._route import Route

if TYPE_CHECKING:
    from ._client import Client

__all__ = ["Subscription"]


class Subscription(Route):
    """Events in the order of the log, for ever: `for event in subscription`.

    It survives a lost connection: the next event comes from where the last one was. Iterating ends when the
    subscription (or the client) is closed. One thread at a time may iterate; `close` may come from any.
    """

    def __init__(self, client: "Client", selection: Mapping[str, Any], from_: From) -> None:
        self._client = client
        self._feed = Feed(selection, from_)
        self._changed = threading.Condition()
        self._connection: Optional[Connection] = None
        self._closed = False
        self._opened_once = False

    # -- for the connection's reading thread --

    def notified(self, method: str, params: Dict[str, Any], size: int) -> None:
        with self._changed:
            if method == "$/progress":
                self._feed.inject(Event(None, None, "progress", params.get("value")))
            else:
                self._feed.notified(method, params, size)
            self._changed.notify_all()

    def lost(self, subscription: str) -> None:
        with self._changed:
            # By now it may have been opened again on another connection.
            if self._feed.id == subscription:
                self._feed.closed()
            self._changed.notify_all()

    # -- for the caller --

    @property
    def cursor(self) -> Optional[str]:
        """The place after the last event handed out: `from_={"cursor": …}` goes on from there, in any process."""
        with self._changed:
            return self._feed.cursor

    @property
    def caught_up(self) -> bool:
        """Whether the gateway has said that all history was sent and what comes now is live."""
        with self._changed:
            return self._feed.caught_up

    def __iter__(self) -> Iterator[Event]:
        return self

    def __next__(self) -> Event:
        try:
            return self.next()
        except ClientClosed:
            raise StopIteration from None

    def next(self, timeout: Optional[float] = None) -> Event:
        """The next event. Raises TimeoutError after `timeout` seconds, ClientClosed once closed, and what a refused
        subscription says (SessionNotFound, CursorInvalid, …)."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            with self._changed:
                if self._closed:
                    raise ClientClosed("the subscription is closed")
                paused = self._feed.id if self._feed.paused else None
                taken = self._feed.head()
                if taken is None and paused is None and self._feed.id is not None:
                    left = None if deadline is None else deadline - time.monotonic()
                    if left is not None and left <= 0:
                        raise TimeoutError("no event within %g s" % (timeout or 0.0))
                    self._changed.wait(left)
                    continue
            if paused is not None:
                self._release()
            if taken is None:
                self._open(deadline)
                continue
            event, ref = taken
            if ref is not None:
                # Still at the head: if the fetch fails, the next attempt finds it again.
                event = event._replace(data=self._fetch(ref))
            with self._changed:
                self._feed.shift()
            return event

    def ack(self, cursor: Optional[str] = None) -> None:
        """Tells the gateway that everything up to `cursor` (by default the last event handed out) has been dealt
        with: a named consumer starts after it next time."""
        place = cursor if cursor is not None else self.cursor
        if place is None:
            return
        backoff = Backoff(self._client.reconnect)
        while True:
            with self._changed:
                subscription, connection = self._feed.id, self._connection
            if subscription is None or connection is None:
                self._open(None)
                continue
            try:
                self._client._call_on(connection, "ack", {"subscription": subscription, "cursor": place})
                break
            except SubscriptionNotFound as error:
                self._client._pause(backoff, ConnectionLost(str(error)), None, error)
                self.lost(subscription)
            except PushgateError as error:
                self._client._pause(backoff, error)
        with self._changed:
            self._feed.acknowledged(place)

    def close(self) -> None:
        """Ends the subscription here and at the gateway. Safe to call twice."""
        if self._end():
            self._release()
            self._client._forget(self)

    def _end(self) -> bool:
        with self._changed:
            already, self._closed = self._closed, True
            self._changed.notify_all()
        return not already

    def __enter__(self) -> "Subscription":
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.close()

    # -- opening and letting go --

    def _open(self, deadline: Optional[float]) -> None:
        """Subscribes on a connection that lives, reconnecting as long as the client is willing to."""
        backoff = Backoff(self._client.reconnect)
        while True:
            with self._changed:
                if self._closed:
                    raise ClientClosed("the subscription is closed")
            try:
                self._subscribe(self._client._connected())
                self._opened_once = True
                return
            except PushgateError as error:
                # Refused or lost, there is nothing to unsubscribe from; unanswered, there may be.
                self._release(tell=isinstance(error, CallTimeout))
                # Right after a break the gateway may not have seen yet that the consumer's old connection is gone.
                passing = ConnectionLost(str(error)) if self._opened_once and isinstance(error, ConsumerBusy) else error
                self._client._pause(backoff, passing, deadline, error)

    def _subscribe(self, connection: Connection) -> None:
        with self._changed:
            params = self._feed.open(self._client._next_subscription())
            subscription = str(params["subscription"])
            self._connection = connection
        connection.route(subscription, self)

        def opened(result: Any) -> None:
            with self._changed:
                self._feed.opened(subscription, result)
                self._changed.notify_all()

        self._client._call_on(connection, "subscribe", params, opened)
        if self._closed:
            # Closed by another thread in the meantime, which found nothing to unsubscribe from.
            self._release()

    def _release(self, tell: bool = True) -> None:
        """Gives up the open subscription, if there is one; what is queued stays."""
        with self._changed:
            subscription, connection = self._feed.id, self._connection
            self._feed.closed()
            self._connection = None
        if subscription is None or connection is None:
            return
        connection.unroute(subscription)
        if tell and not connection.ended:
            try:
                self._client._call_on(connection, "unsubscribe", {"subscription": subscription})
            except PushgateError:
                pass

    def _fetch(self, ref: Ref) -> Dict[str, Any]:
        fetch = Fetch(ref)
        while not fetch.done:
            fetch.add(self._client._repeat("getData", fetch.params))
        return fetch.payload
