"""One connection of the blocking client: a transport, a conversation and the thread that reads.

The thread that reads never writes and never runs a caller's code except `on_notification`; it completes calls and
fills feeds. When the connection ends, every call in flight fails with `ConnectionLost` and every feed is told; the
connection is never revived, the client makes a new one.
"""

import logging
import threading
import time
from typing import Any, Dict, Mapping, Optional, Tuple
from weakref import WeakValueDictionary

from ._errors import CallTimeout, ConnectionLost, ParseError, PushgateError, RequestTooLarge
from ._protocol import MAX_IN_FLIGHT, Message, Notification, Protocol, Reply, Unmatched, Violation
from ._route import OnNotification, OnResult, Route
from ._transport import Transport, WriteTimeout

__all__ = ["Connection", "log"]

log = logging.getLogger("pushgate")


class _Call:
    __slots__ = ("done", "error", "on_result", "result")

    def __init__(self, on_result: Optional[OnResult]) -> None:
        self.done = threading.Event()
        self.result: Any = None
        self.error: Optional[PushgateError] = None
        self.on_result = on_result


class Connection:
    def __init__(self, transport: Transport, *, decimal: bool, unclaimed: Optional[OnNotification]) -> None:
        self._transport = transport
        self._protocol = Protocol(decimal=decimal)
        self._unclaimed = unclaimed
        self._slots = threading.Semaphore(MAX_IN_FLIGHT)
        self._sending = threading.Lock()
        self._state = threading.Lock()
        self._calls: Dict[int, _Call] = {}
        self._subscriptions: Dict[str, Route] = {}
        # Weak: a token lives as long as the transfer whose progress it is.
        self._tokens: "WeakValueDictionary[str, Route]" = WeakValueDictionary()
        self._end: Optional[str] = None
        self._hopeless = False
        self._remark: Optional[PushgateError] = None
        self._answered = False
        self._abandoned = False
        self.reader = threading.Thread(target=self._read, name="pushgate-reader", daemon=True)
        self.reader.start()

    @property
    def ended(self) -> bool:
        return self._end is not None

    # -- calls --

    def call(
        self,
        method: str,
        params: Mapping[str, Any],
        raw: Optional[Mapping[str, bytes]],
        timeout: Optional[float],
        on_result: Optional[OnResult] = None,
    ) -> Any:
        """Sends and waits. `on_result` runs on the reading thread, before anything said after the reply is looked at.

        Raises PushgateError: the gateway's, CallTimeout or ConnectionLost.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        if not self._slots.acquire(timeout=timeout):
            raise CallTimeout("%s was not sent: too many calls are waiting for their answers" % method)
        try:
            number, call = self._send(method, params, raw, deadline, on_result)
            self._wait(number, call, method, deadline)
        finally:
            self._slots.release()
        if call.error is not None:
            raise call.error
        return call.result

    def _wait(self, number: int, call: _Call, method: str, deadline: Optional[float]) -> None:
        try:
            answered = call.done.wait(None if deadline is None else max(0.0, deadline - time.monotonic()))
        except BaseException:  # Ctrl-C while waiting: the gateway need not go on for us
            self._give_up(number)
            raise
        if not answered:
            self._give_up(number)
            if not call.done.is_set():
                raise CallTimeout("no answer to %s in time" % method)

    @property
    def max_line(self) -> int:
        """The gateway's ceiling for a line, in bytes."""
        return self._protocol.max_line

    def greeted(self, hello: Any) -> None:
        """Takes over the ceilings that the gateway answered to `hello`."""
        self._protocol.greeted(hello)

    def post(self, method: str, params: Mapping[str, Any], on_result: OnResult, timeout: float) -> None:
        """Sends without waiting for the answer; an error is only logged."""
        self._send(method, params, None, time.monotonic() + timeout, on_result)

    def _send(
        self,
        method: str,
        params: Mapping[str, Any],
        raw: Optional[Mapping[str, bytes]],
        deadline: Optional[float],
        on_result: Optional[OnResult],
    ) -> Tuple[int, _Call]:
        call = _Call(on_result)
        left = -1.0 if deadline is None else max(0.0, deadline - time.monotonic())
        if not self._sending.acquire(timeout=left):
            raise CallTimeout("%s was not sent: earlier calls are still being written" % method)
        try:
            request = self._protocol.request(method, params, raw)
            with self._state:
                if self._end is not None:
                    self._protocol.forget(request.id)
                    raise self._lost()
                self._calls[request.id] = call
            self._write(request.line, request.id, method, deadline)
        finally:
            self._sending.release()
        return request.id, call

    def _write(self, line: bytes, number: int, method: str, deadline: Optional[float]) -> None:
        try:
            self._transport.write(line, deadline)
        except WriteTimeout as stuck:
            self._drop(number)
            if stuck.written:
                # Half a line is on its way: whatever follows would be read as its rest.
                self.fail("a line could not be sent in full")
            raise CallTimeout("%s was not sent: the gateway does not read" % method) from None
        except BaseException as error:
            # The reader usually knows more (the reason, the exit status), so it has the first word.
            if isinstance(error, OSError):
                self.reader.join(0.5)
            self._drop(number)
            self.fail("the connection broke while sending")
            if isinstance(error, OSError):
                raise self._lost() from error
            raise

    def _drop(self, number: int) -> None:
        with self._state:
            self._calls.pop(number, None)
        self._protocol.forget(number)

    def _give_up(self, number: int) -> None:
        self._drop(number)
        if not self._sending.acquire(timeout=0.1):
            return
        try:
            line = self._protocol.notification("$/cancelRequest", {"id": number})
            self._transport.write(line, time.monotonic() + 0.1)
        except WriteTimeout as stuck:
            if stuck.written:
                self.fail("a line could not be sent in full")
        except OSError:
            pass
        finally:
            self._sending.release()

    # -- routes --

    def route(self, subscription: str, route: Route) -> None:
        with self._state:
            self._subscriptions[subscription] = route

    def unroute(self, subscription: str) -> None:
        with self._state:
            self._subscriptions.pop(subscription, None)

    def listen(self, token: str, route: Route) -> None:
        with self._state:
            self._tokens[token] = route

    # -- reading --

    def _read(self) -> None:
        reason = "the gateway closed the connection"
        try:
            while True:
                data = self._transport.read()
                if not data:
                    break
                self._answered = True
                for message in self._protocol.receive(data):
                    if isinstance(message, Violation):
                        reason = "the peer sent " + message.reason
                        return
                    self._dispatch(message)
        except Exception as error:
            reason = "the reading thread failed: %r" % error
            log.exception("the reading thread failed")
        finally:
            ending = self._transport.ending() if reason == "the gateway closed the connection" else None
            # A child that ends before its first word will do so again.
            self._hopeless = ending is not None and not self._answered
            if self._remark is not None:
                reason = "%s (it said: %s)" % (reason, self._remark)
            self.fail("%s: %s" % (reason, ending) if ending else reason)
            if self._abandoned:
                self._transport.dispose()

    def _dispatch(self, message: Message) -> None:
        if isinstance(message, Reply):
            self._reply(message)
        elif isinstance(message, Notification):
            self._notification(message)
        elif isinstance(message, Unmatched):
            self._unmatched(message.error)

    def _reply(self, reply: Reply) -> None:
        with self._state:
            call = self._calls.pop(reply.id, None)
        if call is None:
            return
        call.result, call.error = reply.result, reply.error
        if call.on_result is not None:
            if reply.error is None:
                call.on_result(reply.result)
            else:
                log.debug("a call was refused: %s", reply.error)
        call.done.set()

    def _notification(self, message: Notification) -> None:
        params = message.params
        with self._state:
            if message.method == "$/progress":
                route = self._tokens.get(str(params.get("token")))
            elif message.method == "event" or message.method.startswith("subscription."):
                # A subscription that nobody has here is one that was just given up: its last events are nobody's.
                route = self._subscriptions.get(str(params.get("subscription")))
                if route is None:
                    return
            else:
                route = None
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
        with self._state:
            alone = len(self._calls) == 1 and isinstance(error, (ParseError, RequestTooLarge))
            call = self._calls.popitem()[1] if alone else None
        if call is not None:
            call.error = error
            call.done.set()
        else:
            log.warning("the gateway sent an error that names no call: %s", error)

    # -- ending --

    def fail(self, reason: str) -> None:
        """Ends the connection: all calls in flight fail, the reading thread leaves."""
        with self._state:
            if self._end is not None:
                return
            self._end = reason
            calls, self._calls = self._calls, {}
            routes, self._subscriptions = self._subscriptions, {}
        self._transport.stop()
        for call in calls.values():
            call.error = self._lost()
            call.done.set()
        for subscription, route in routes.items():
            route.lost(subscription)

    def _lost(self) -> ConnectionLost:
        return ConnectionLost(self._end or "the connection broke", retryable=False if self._hopeless else None)

    def close(self, timeout: Optional[float]) -> None:
        """Lets a spawned gateway finish, then ends. From any thread but the reading one."""
        try:
            if self._sending.acquire(timeout=1.0):
                try:
                    self._transport.close_input()
                finally:
                    self._sending.release()
                self._transport.finish(timeout)
        finally:
            self.discard()

    def discard(self) -> None:
        """Ends the connection and frees what it holds."""
        self.fail("the client was closed")
        self.reader.join()
        with self._sending:
            self._transport.dispose()

    def abandon(self) -> None:
        """Ends the connection without waiting: the garbage collector found the client, perhaps on any thread."""
        self._abandoned = True
        if self._end is None:
            self.fail("the client was dropped")
        elif not self.reader.is_alive():
            self._transport.dispose()
