"""One connection of the asyncio client: the same conversation as `pushgate._connection`, driven by the event loop.

It is an asyncio protocol and not a stream reader, whose lines end at 64 KiB. Everything runs on the loop's thread, so
there are no locks; the bytes of a line are handed to the transport in one piece, so a cancelled task never leaves half
of one behind.
"""

import asyncio
import logging
import os
from typing import Any, Awaitable, Dict, List, Mapping, Optional, Tuple, cast
from weakref import WeakValueDictionary

from .._connect import Address, connect_unix
from .._errors import (
    CallTimeout,
    ConnectFailed,
    ConnectionLost,
    ParseError,
    PushgateError,
    RequestTooLarge,
)
from .._protocol import MAX_IN_FLIGHT, Message, Notification, Protocol, Reply, Unmatched, Violation
from .._route import OnNotification, OnResult, Route

__all__ = ["Connection", "connect", "log"]

log = logging.getLogger("pushgate")


class Connection(asyncio.SubprocessProtocol, asyncio.Protocol):
    def __init__(self, *, decimal: bool, unclaimed: Optional[OnNotification], name: Optional[str]) -> None:
        self._loop = asyncio.get_running_loop()
        self._protocol = Protocol(decimal=decimal)
        self._unclaimed = unclaimed
        self._program = name
        self._writer: Optional[asyncio.WriteTransport] = None
        self._transport: Optional[asyncio.BaseTransport] = None
        self._calls: Dict[int, Tuple["asyncio.Future[Any]", Optional[OnResult]]] = {}
        self._subscriptions: Dict[str, Route] = {}
        self._tokens: "WeakValueDictionary[str, Route]" = WeakValueDictionary()
        self._writable: Optional["asyncio.Future[None]"] = None
        self._slots = asyncio.Semaphore(MAX_IN_FLIGHT)
        self._gone: "asyncio.Future[None]" = self._loop.create_future()
        self._end: Optional[str] = None
        self._answered = False
        self._hopeless = False
        self._remark: Optional[PushgateError] = None

    @property
    def ended(self) -> bool:
        return self._end is not None

    @property
    def spawned(self) -> bool:
        return self._program is not None

    # -- asyncio's side --

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        if self.spawned:
            pipe = cast(asyncio.SubprocessTransport, transport).get_pipe_transport(0)
            self._writer = cast(asyncio.WriteTransport, pipe)
        else:
            self._writer = cast(asyncio.WriteTransport, transport)

    def pause_writing(self) -> None:
        if self._writable is None:
            self._writable = self._loop.create_future()

    def resume_writing(self) -> None:
        waiting, self._writable = self._writable, None
        if waiting is not None and not waiting.done():
            waiting.set_result(None)

    def data_received(self, data: bytes) -> None:
        self._answered = True
        for message in self._protocol.receive(data):
            if isinstance(message, Violation):
                self.fail("the peer sent " + message.reason)
                return
            self._dispatch(message)

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if fd == 1:
            self.data_received(data)

    def pipe_connection_lost(self, fd: int, exc: Optional[Exception]) -> None:
        if fd == 1:
            # Its exit status usually follows at once and makes the better message.
            self._loop.call_later(1.0, self.fail, "the gateway closed its output")

    def connection_lost(self, exc: Optional[Exception]) -> None:
        reason = "the gateway closed the connection"
        if self._remark is not None:
            reason = "%s (it said: %s)" % (reason, self._remark)
        status = cast(asyncio.SubprocessTransport, self._transport).get_returncode() if self.spawned else None
        if status is not None:
            # A child that ends before its first word will do so again.
            self._hopeless = not self._answered
            reason = "%s: %s ended with status %d" % (reason, self._program, status)
        self.fail(reason)
        if not self._gone.done():
            self._gone.set_result(None)

    # -- calls --

    async def call(
        self,
        method: str,
        params: Mapping[str, Any],
        raw: Optional[Mapping[str, bytes]],
        timeout: Optional[float],
        on_result: Optional[OnResult] = None,
    ) -> Any:
        """Sends and waits. Raises PushgateError: the gateway's, CallTimeout or ConnectionLost.

        `on_result` runs before anything said after the reply is looked at.
        """
        deadline = None if timeout is None else self._loop.time() + timeout
        try:
            if self._slots.locked():
                await asyncio.wait_for(self._slots.acquire(), timeout)
            else:
                await self._slots.acquire()
        except asyncio.TimeoutError:
            raise CallTimeout("%s was not sent: too many calls are waiting for their answers" % method) from None
        try:
            return await self._exchange(method, params, raw, deadline, on_result)
        finally:
            self._slots.release()

    async def _exchange(
        self,
        method: str,
        params: Mapping[str, Any],
        raw: Optional[Mapping[str, bytes]],
        deadline: Optional[float],
        on_result: Optional[OnResult],
    ) -> Any:
        await self._room(method, deadline)
        number, future = self._send(method, params, raw, on_result)
        timer = self._loop.call_at(deadline, self._expire, number, method) if deadline is not None else None
        try:
            return await future
        except asyncio.CancelledError:
            self._give_up(number)
            raise
        finally:
            if timer is not None:
                timer.cancel()

    @property
    def max_line(self) -> int:
        """The gateway's ceiling for a line, in bytes."""
        return self._protocol.max_line

    def greeted(self, hello: Any) -> None:
        """Takes over the ceilings that the gateway answered to `hello`."""
        self._protocol.greeted(hello)

    def post(self, method: str, params: Mapping[str, Any], on_result: OnResult) -> None:
        """Sends without waiting for the answer; an error is only logged."""

        def swallow(future: "asyncio.Future[Any]") -> None:
            if not future.cancelled() and future.exception() is not None:
                log.debug("%s was refused: %s", method, future.exception())

        self._send(method, params, None, on_result)[1].add_done_callback(swallow)

    async def _room(self, method: str, deadline: Optional[float]) -> None:
        """Waits until the transport takes more: unsent lines must not pile up in memory."""
        while self._writable is not None and self._end is None:
            left = None if deadline is None else max(0.0, deadline - self._loop.time())
            done, _ = await asyncio.wait({self._writable}, timeout=left)
            if not done:
                raise CallTimeout("%s was not sent: the gateway does not read" % method)

    def _send(
        self,
        method: str,
        params: Mapping[str, Any],
        raw: Optional[Mapping[str, bytes]],
        on_result: Optional[OnResult],
    ) -> Tuple[int, "asyncio.Future[Any]"]:
        if self._end is not None or self._writer is None or self._writer.is_closing():
            raise self._lost()
        request = self._protocol.request(method, params, raw)
        future: "asyncio.Future[Any]" = self._loop.create_future()
        self._calls[request.id] = (future, on_result)
        self._writer.write(request.line)
        return request.id, future

    def _drop(self, number: int) -> "Optional[asyncio.Future[Any]]":
        self._protocol.forget(number)
        known = self._calls.pop(number, None)
        return known[0] if known is not None else None

    def _give_up(self, number: int) -> None:
        self._drop(number)
        if self._end is None and self._writer is not None and not self._writer.is_closing():
            self._writer.write(self._protocol.notification("$/cancelRequest", {"id": number}))

    def _expire(self, number: int, method: str) -> None:
        known = self._calls.get(number)
        if known is not None and not known[0].done():
            self._give_up(number)
            known[0].set_exception(CallTimeout("no answer to %s in time" % method))

    # -- routes --

    def route(self, subscription: str, route: Route) -> None:
        self._subscriptions[subscription] = route

    def unroute(self, subscription: str) -> None:
        self._subscriptions.pop(subscription, None)

    def listen(self, token: str, route: Route) -> None:
        self._tokens[token] = route

    # -- messages --

    def _dispatch(self, message: Message) -> None:
        if isinstance(message, Reply):
            self._reply(message)
        elif isinstance(message, Notification):
            self._notification(message)
        elif isinstance(message, Unmatched):
            self._unmatched(message.error)

    def _reply(self, reply: Reply) -> None:
        known = self._calls.pop(reply.id, None)
        if known is None or known[0].done():
            return
        future, on_result = known
        if reply.error is not None:
            future.set_exception(reply.error)
            return
        if on_result is not None:
            on_result(reply.result)
        future.set_result(reply.result)

    def _notification(self, message: Notification) -> None:
        params = message.params
        route: Optional[Route] = None
        if message.method == "$/progress":
            route = self._tokens.get(str(params.get("token")))
        elif message.method == "event" or message.method.startswith("subscription."):
            # A subscription that nobody has here is one that was just given up: its last events are nobody's.
            route = self._subscriptions.get(str(params.get("subscription")))
            if route is None:
                return
        if route is not None:
            route.notified(message.method, params, message.size)
        elif self._unclaimed is not None:
            try:
                self._unclaimed(message.method, params)
            except Exception:
                log.exception("on_notification failed for %s", message.method)

    def _unmatched(self, error: PushgateError) -> None:
        """The gateway could not read some request, so its error has no id: only a lone call can be its owner."""
        self._remark = error
        if len(self._calls) == 1 and isinstance(error, (ParseError, RequestTooLarge)):
            number = next(iter(self._calls))
            future = self._drop(number)
            if future is not None and not future.done():
                future.set_exception(error)
        else:
            log.warning("the gateway sent an error that names no call: %s", error)

    # -- ending --

    def fail(self, reason: str) -> None:
        """Ends the connection: all calls in flight fail."""
        if self._end is not None:
            return
        self._end = reason
        calls, self._calls = self._calls, {}
        routes, self._subscriptions = self._subscriptions, {}
        self.resume_writing()
        if not self.spawned and self._transport is not None:
            cast(asyncio.WriteTransport, self._transport).abort()
        for future, _ in calls.values():
            if not future.done():
                future.set_exception(self._lost())
        for subscription, route in routes.items():
            route.lost(subscription)

    def _lost(self) -> ConnectionLost:
        return ConnectionLost(self._end or "the connection broke", retryable=False if self._hopeless else None)

    async def close(self, timeout: Optional[float]) -> None:
        """Lets a spawned gateway finish, for up to `timeout` seconds, then ends."""
        try:
            if self.spawned and self._writer is not None:
                self._writer.close()
                await self._wait_gone(timeout)
        finally:
            await self.discard()

    async def _wait_gone(self, timeout: Optional[float]) -> None:
        await asyncio.wait({self._gone}, timeout=timeout)

    async def discard(self) -> None:
        """Ends the connection and frees what it holds; a child that is still there is stopped."""
        self.fail("the client was closed")
        if self.spawned and not self._gone.done():
            child = cast(asyncio.SubprocessTransport, self._transport)
            for stop in (child.terminate, child.kill):
                try:
                    stop()
                except ProcessLookupError:
                    pass
                await self._wait_gone(2.0)
                if self._gone.done():
                    break
        elif not self.spawned:
            await self._wait_gone(2.0)
        if self._transport is not None:
            self._transport.close()

    def abandon(self) -> None:
        """What can be done when no loop may be awaited: the garbage collector found the client."""
        self._end = self._end or "the client was dropped"
        if self._transport is not None and not self._loop.is_closed():
            self._transport.close()


async def connect(address: Address, decimal: bool, unclaimed: Optional[OnNotification]) -> Connection:
    """Tries the socket, then the command. Raises ConnectFailed."""
    loop = asyncio.get_running_loop()
    if address.socket is not None:
        try:
            # A gateway whose backlog is full lets connect wait, and the loop must not.
            connected = await loop.run_in_executor(None, connect_unix, address.socket)
        except ConnectFailed:
            if address.command is None:
                raise
        else:
            return (
                await loop.create_unix_connection(
                    lambda: Connection(decimal=decimal, unclaimed=unclaimed, name=None), sock=connected
                )
            )[1]
    assert address.command is not None
    return await _spawn(address.command, decimal, unclaimed)


async def _spawn(command: List[str], decimal: bool, unclaimed: Optional[OnNotification]) -> Connection:
    name = os.path.basename(command[0])
    starting: Awaitable[Tuple[asyncio.SubprocessTransport, Connection]] = asyncio.get_running_loop().subprocess_exec(
        lambda: Connection(decimal=decimal, unclaimed=unclaimed, name=name), *command, stderr=None
    )
    try:
        return (await starting)[1]
    except OSError as error:
        reason = "cannot run %s: %s" % (command[0], error.strerror or error)
        raise ConnectFailed(reason, retryable=False) from error
