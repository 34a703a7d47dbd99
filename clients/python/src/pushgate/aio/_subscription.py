"""The subscription of the asyncio client: a feed behind a future."""

import asyncio
from types import TracebackType
from typing import TYPE_CHECKING, Any, Dict, Generator, Mapping, Optional, Type

from .._connect import Backoff
from .._errors import CallTimeout, ClientClosed, ConnectionLost, ConsumerBusy, PushgateError, SubscriptionNotFound
from .._events import Event, Feed, Fetch, From, Ref
from .._route import Route
from ._connection import Connection

if TYPE_CHECKING:
    from ._client import Client

__all__ = ["Subscription"]


class Subscription(Route):
    """Events in the order of the log, for ever: `async for event in subscription`.

    It opens when it is awaited, entered or first asked for an event (`from_="latest"` means that moment), and survives
    a lost connection: the next event comes from where the last one was. Iterating ends when the subscription (or the
    client) is closed. One task at a time may iterate.
    """

    def __init__(self, client: "Client", selection: Mapping[str, Any], from_: From) -> None:
        self._client = client
        self._feed = Feed(selection, from_)
        self._connection: Optional[Connection] = None
        self._waiter: Optional["asyncio.Future[None]"] = None
        self._closed = False
        self._opened_once = False

    # -- for the connection --

    def notified(self, method: str, params: Dict[str, Any], size: int) -> None:
        if method == "$/progress":
            self._feed.inject(Event(None, None, "progress", params.get("value")))
        else:
            self._feed.notified(method, params, size)
        self._wake()

    def lost(self, subscription: str) -> None:
        # By now it may have been opened again on another connection.
        if self._feed.id == subscription:
            self._feed.closed()
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # -- for the caller --

    @property
    def cursor(self) -> Optional[str]:
        """The place after the last event handed out: `from_={"cursor": …}` goes on from there, in any process."""
        return self._feed.cursor

    @property
    def caught_up(self) -> bool:
        """Whether the gateway has said that all history was sent and what comes now is live."""
        return self._feed.caught_up

    def __await__(self) -> Generator[Any, None, "Subscription"]:
        return self._ready().__await__()

    async def _ready(self) -> "Subscription":
        if self._feed.id is None:
            try:
                await self._open(None)
            except BaseException:
                await self.close()
                raise
        return self

    async def __aenter__(self) -> "Subscription":
        return await self._ready()

    async def __aexit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        await self.close()

    def __aiter__(self) -> "Subscription":
        return self

    async def __anext__(self) -> Event:
        try:
            return await self.next()
        except ClientClosed:
            raise StopAsyncIteration from None

    async def next(self, timeout: Optional[float] = None) -> Event:
        """The next event. Raises TimeoutError after `timeout` seconds, ClientClosed once closed, and what a refused
        subscription says (SessionNotFound, CursorInvalid, …). An event is not lost if the task is cancelled."""
        loop = asyncio.get_running_loop()
        deadline = None if timeout is None else loop.time() + timeout
        while True:
            if self._closed:
                raise ClientClosed("the subscription is closed")
            head = self._feed.head()
            if self._feed.paused:
                await self._release()
            elif head is None and self._feed.id is not None:
                left = None if deadline is None else deadline - loop.time()
                if left is not None and left <= 0:
                    raise TimeoutError("no event within %g s" % (timeout or 0.0))
                self._waiter = loop.create_future()
                await asyncio.wait({self._waiter}, timeout=left)
            elif head is None:
                await self._open(deadline)
            else:
                event, ref = head
                if ref is not None:
                    # Still at the head: if the fetch fails, the next attempt finds it again.
                    event = event._replace(data=await self._fetch(ref))
                self._feed.shift()
                return event

    async def ack(self, cursor: Optional[str] = None) -> None:
        """Tells the gateway that everything up to `cursor` (by default the last event handed out) has been dealt
        with: a named consumer starts after it next time."""
        place = cursor if cursor is not None else self.cursor
        if place is None:
            return
        backoff = Backoff(self._client.reconnect)
        while True:
            subscription, connection = self._feed.id, self._connection
            if subscription is None or connection is None:
                await self._open(None)
                continue
            try:
                await self._client._call_on(connection, "ack", {"subscription": subscription, "cursor": place})
                break
            except SubscriptionNotFound as error:
                await self._client._pause(backoff, ConnectionLost(str(error)), None, error)
                self.lost(subscription)
            except PushgateError as error:
                await self._client._pause(backoff, error)
        self._feed.acknowledged(place)

    async def close(self) -> None:
        """Ends the subscription here and at the gateway. Safe to call twice."""
        if self._end():
            self._client._forget(self)
            await self._release()

    def _end(self) -> bool:
        already, self._closed = self._closed, True
        self._wake()
        return not already

    # -- opening and letting go --

    async def _open(self, deadline: Optional[float]) -> None:
        """Subscribes on a connection that lives, reconnecting as long as the client is willing to."""
        backoff = Backoff(self._client.reconnect)
        while True:
            if self._closed:
                raise ClientClosed("the subscription is closed")
            try:
                await self._subscribe(await self._client._connected())
                self._opened_once = True
                return
            except PushgateError as error:
                # Refused or lost, there is nothing to unsubscribe from; unanswered, there may be.
                await self._release(tell=isinstance(error, CallTimeout))
                # Right after a break the gateway may not have seen yet that the consumer's old connection is gone.
                passing = ConnectionLost(str(error)) if self._opened_once and isinstance(error, ConsumerBusy) else error
                await self._client._pause(backoff, passing, deadline, error)
            except asyncio.CancelledError:
                self._unhook()
                raise

    async def _subscribe(self, connection: Connection) -> None:
        params = self._feed.open(self._client._next_subscription())
        subscription = str(params["subscription"])
        self._connection = connection
        connection.route(subscription, self)
        await self._client._call_on(
            connection, "subscribe", params, lambda result: self._feed.opened(subscription, result)
        )

    def _unhook(self) -> None:
        subscription, connection = self._feed.id, self._connection
        self._feed.closed()
        self._connection = None
        if subscription is not None and connection is not None:
            connection.unroute(subscription)

    async def _release(self, tell: bool = True) -> None:
        """Gives up the open subscription, if there is one; what is queued stays."""
        subscription, connection = self._feed.id, self._connection
        self._unhook()
        if subscription is not None and connection is not None and tell and not connection.ended:
            try:
                await self._client._call_on(connection, "unsubscribe", {"subscription": subscription})
            except PushgateError:
                pass

    async def _fetch(self, ref: Ref) -> Dict[str, Any]:
        fetch = Fetch(ref)
        while not fetch.done:
            fetch.add(await self._client._repeat("getData", fetch.params))
        return fetch.payload
