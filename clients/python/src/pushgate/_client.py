"""The blocking client.

Threads. Any number may call at once; a call blocks its own thread. One thread a connection reads. A lock (`_lock`)
guards which connection is the current one and is held while a new one is made, so that many threads that lose the
connection together make one new one.

Repeating. `call` never repeats: after ConnectionLost only the caller knows whether that is safe. `push` (by its
idempotency key), subscriptions and the reads of a `Transfer` do repeat, for up to `reconnect` seconds.
"""

import os
import threading
import time
import warnings
from types import TracebackType
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Sequence, Set, Type

from . import _version
from ._connect import Backoff, Path, Spawn, allowance, resolve
from ._connection import Connection, OnNotification, OnResult, log
from ._errors import ClientClosed, ConnectFailed, ConnectionLost, PushgateError
from ._events import From
from ._methods import Methods
from ._protocol import MAX_LINE
from ._push import Cutter, Part, cut_for, mint_key, part_key
from ._subscription import Subscription
from ._transfer import Progress, Tap, Transfer
from ._transport import Pipes, connect

__all__ = ["Client", "hello_params"]


def hello_params(token: Optional[str]) -> Dict[str, Any]:
    """What a client says first. It reads lines of any length, so payloads need not come by reference."""
    params: Dict[str, Any] = {
        "client": {"name": "pushgate-python", "version": _version.__version__},
        "protocol": 1,
        "max_line_bytes": MAX_LINE,
    }
    if token is not None:
        params["token"] = token
    return params


class Client(Methods[Any]):
    """A connection to a gateway that comes back by itself; thread-safe.

    - `socket`: the path of the gateway's socket; by default `PUSHGATE_SOCKET`, else `$XDG_RUNTIME_DIR/pushgate.sock`,
      else `~/.local/state/pushgate/pushgate.sock`.
    - `spawn`: run a gateway of one's own if no socket answers: True (`PUSHGATE_BINARY`, else `pushgate`), the path of
      the binary, or a whole command. `store` is the file for it; with a store no socket is tried unless it is given.
    - `timeout`: seconds for one call, None for no limit. Calls that wait on purpose (`synchronous`, `wait_ms`) get
      that time on top.
    - `reconnect`: seconds to keep trying after the gateway went away, None for ever, 0 never.
    - `decimal`: numbers with a fraction or an exponent arrive as `Decimal`, spelled as they were on the wire.
    - `token`: the gateway's token, where it asks for one.
    - `on_notification`: called with (method, params) for what the gateway says unasked, such as `gateway.closing`, and
      the `$/progress` of bare calls. It runs on the reading thread: it must be short and must not call the client.

    Raises ConnectFailed if nothing can be reached.
    """

    def __init__(
        self,
        socket: Optional[Path] = None,
        *,
        spawn: Spawn = None,
        store: Optional[Path] = None,
        timeout: Optional[float] = 30.0,
        reconnect: Optional[float] = 60.0,
        decimal: bool = False,
        token: Optional[str] = None,
        on_notification: Optional[OnNotification] = None,
    ) -> None:
        self._connection: Optional[Connection] = None
        self._closing = threading.Event()
        self._address = resolve(socket, spawn, store)
        self.timeout = timeout
        self.reconnect = reconnect
        self._decimal = decimal
        self._token = token
        self._on_notification = on_notification
        self._lock = threading.Lock()
        self._subscriptions: Set[Subscription] = set()
        self._opened = 0
        self._process = os.getpid()
        self._server: Optional[Dict[str, Any]] = None
        self._max_line = MAX_LINE
        self._connected()

    # -- calls --

    def call(
        self,
        method: str,
        params: Optional[Mapping[str, Any]] = None,
        /,
        *,
        timeout: Optional[float] = None,
        **members: Any,
    ) -> Any:
        """Calls a method of the gateway by its name on the wire and returns its result.

        Params go by name, or as a mapping where a name is not a Python word. `timeout` replaces the client's for this
        call. Raises the gateway's error, CallTimeout, ConnectionLost (outcome unknown) or ConnectFailed.
        """
        return self._call(method, {**(params or {}), **members}, timeout=timeout)

    def _call(
        self,
        method: str,
        params: Mapping[str, Any],
        raw: Optional[Mapping[str, bytes]] = None,
        timeout: Optional[float] = None,
        prepare: Optional[Callable[[Connection], None]] = None,
    ) -> Any:
        connection = self._connected()
        if prepare is not None:
            prepare(connection)
        return self._call_on(connection, method, params, None, raw, timeout)

    def _call_on(
        self,
        connection: Connection,
        method: str,
        params: Mapping[str, Any],
        on_result: Optional[OnResult] = None,
        raw: Optional[Mapping[str, bytes]] = None,
        timeout: Optional[float] = None,
    ) -> Any:
        if threading.current_thread() is connection.reader:
            raise RuntimeError("a call from inside on_notification would wait for itself")
        if timeout is None and self.timeout is not None:
            timeout = self.timeout + allowance(params)
        return connection.call(method, params, raw, timeout, on_result)

    def _repeat(
        self,
        method: str,
        params: Mapping[str, Any],
        raw: Optional[Mapping[str, bytes]] = None,
        prepare: Optional[Callable[[Connection], None]] = None,
    ) -> Any:
        """A call that is safe to make twice, until it gets through or patience ends."""
        backoff = Backoff(self.reconnect)
        while True:
            try:
                return self._call(method, params, raw, None, prepare)
            except PushgateError as error:
                self._pause(backoff, error)

    def _pause(
        self,
        backoff: Backoff,
        error: PushgateError,
        deadline: Optional[float] = None,
        raised: Optional[PushgateError] = None,
    ) -> None:
        """Sleeps before the next attempt, or raises the error (or `raised` in its place) if there should be none."""
        now = time.monotonic()
        delay = backoff.delay(error, now)
        if delay is None:
            raise raised or error
        if deadline is not None:
            if now >= deadline:
                raise TimeoutError("the gateway did not come back in time") from error
            delay = min(delay, deadline - now)
        self._closing.wait(delay)

    # -- pushing --

    def push(
        self,
        session_id: str,
        endgrate_type: str,
        records: Iterable[Mapping[str, Any]],
        *,
        wait: bool = True,
        timeout: Optional[float] = None,
        progress: Optional[Progress] = None,
        idempotency_key: Optional[str] = None,
        **options: Any,
    ) -> Transfer:
        """Pushes records and, with `wait`, returns when every one of them is done.

        `records` is any iterable of items `{id?, internal_id?, data?, associations?}`. They go in one `pushTransfer`
        call; only where that line would be over 12 MiB they are cut into several transfers, in order, and read back as
        one `Transfer`. An iterable is read as it is sent, so a long source never has to fit into memory.

        Returning (with or without `wait`) means that the records are on the gateway's disk. If the connection breaks
        the call is repeated under the same idempotency key, which is minted here unless given; give your own, unique
        in the session, if the program itself may be restarted and push the same again. An error carries the ids of
        the parts that were taken before it in `accepted`.

        `timeout` is for waiting (None: as long as it takes), `progress` is called with (finished, total) in this
        thread, also by a later `Transfer.wait`. Further options go to `pushTransfer` as they are.
        """
        if isinstance(records, (str, bytes, Mapping)):
            raise TypeError("records is a list, or another iterable, of items")
        key = idempotency_key or mint_key()
        params = dict(options, session_id=session_id, endgrate_type=endgrate_type)
        tap = Tap() if progress is not None else None
        if tap is not None:
            params.setdefault("progress_token", "progress-" + key)
        parts: List[Part] = []
        duplicate = True
        try:
            cutter = Cutter(cut_for(self._max_line))
            for number, cut in enumerate(cutter.parts(records)):
                params["idempotency_key"] = part_key(key, number)
                listen = self._listener(str(params.get("progress_token")), tap)
                result = self._repeat("pushTransfer", params, {"transfer_data": cut.text}, listen)
                first = sum(part.count or 0 for part in parts)
                parts.append(Part.accepted(result, cut.count, first))
                duplicate = duplicate and result.get("duplicate") is True
        except PushgateError as error:
            error.accepted = [part.transfer_id for part in parts]
            raise
        transfer = Transfer(self, parts, key, duplicate, tap)
        return transfer.wait(timeout, progress) if wait else transfer

    @staticmethod
    def _listener(token: str, tap: Optional[Tap]) -> Optional[Callable[[Connection], None]]:
        if tap is None:
            return None
        route = tap
        return lambda connection: connection.listen(token, route)

    def transfer(self, transfer_id: str) -> Transfer:
        """A transfer of an earlier push, by its id."""
        return Transfer(self, [Part(transfer_id, None, None, 0)])

    # -- events --

    def subscribe(
        self,
        session_id: Optional[str] = None,
        transfer_id: Optional[str] = None,
        types: Optional[Sequence[str]] = None,
        from_: From = "latest",
        **options: Any,
    ) -> Subscription:
        """Events of everything, of a session or of a transfer, as an iterator that survives reconnects.

        `from_` is `"latest"` (what happens from now on), `"earliest"`, `{"cursor": …}` (after that event) or
        `{"consumer": name}` (after what was last `ack`ed under that name, which the gateway remembers). Further
        options go to `subscribe` as they are; with `ack="explicit"` the gateway stops sending at `window` events that
        were not acknowledged.
        """
        selection = {"session_id": session_id, "transfer_id": transfer_id, "types": list(types) if types else None}
        given = {name: value for name, value in selection.items() if value is not None}
        subscription = Subscription(self, {**given, **options}, from_)
        with self._lock:
            self._subscriptions.add(subscription)
        try:
            subscription._open(None)
        except BaseException:
            subscription.close()
            raise
        return subscription

    def _next_subscription(self) -> int:
        with self._lock:
            self._opened += 1
            return self._opened

    def _forget(self, subscription: Subscription) -> None:
        with self._lock:
            self._subscriptions.discard(subscription)

    # -- the connection --

    @property
    def server(self) -> Optional[Dict[str, Any]]:
        """What the gateway answered to `hello` (version, limits …); None if it has not, or refused to."""
        return self._server

    def _connected(self) -> Connection:
        """The connection that lives, a new one if need be. Raises ConnectFailed, ClientClosed."""
        if os.getpid() != self._process:
            raise RuntimeError("a Client does not survive fork(): make one in each process")
        with self._lock:
            if self._closing.is_set():
                raise ClientClosed("the client is closed")
            if self._connection is not None:
                if not self._connection.ended:
                    return self._connection
                if threading.current_thread() is self._connection.reader:
                    raise RuntimeError("a call from inside on_notification would wait for itself")
                self._connection.discard()
                self._connection = None
            self._connection = self._connect()
            return self._connection

    def _connect(self) -> Connection:
        transport = connect(self._address)
        connection = Connection(transport, decimal=self._decimal, unclaimed=self._on_notification)
        patience = 30.0 if self.timeout is None else self.timeout

        def greeted(result: Any) -> None:
            connection.greeted(result)
            self._max_line = connection.max_line
            self._server = result if isinstance(result, dict) else None

        try:
            if isinstance(transport, Pipes):
                # A gateway of our own that cannot start (store in use, wrong flag) is told from one that works.
                connection.call("hello", hello_params(self._token), None, patience, greeted)
            else:
                connection.post("hello", hello_params(self._token), greeted, patience)
        except ConnectionLost as error:
            connection.discard()
            raise ConnectFailed(error.message, retryable=error.retryable) from error
        except PushgateError as error:
            # An older gateway need not know hello; one that wants a token says so again at the first call.
            log.debug("hello was refused: %s", error)
        except BaseException:
            connection.discard()
            raise
        return connection

    def close(self, timeout: Optional[float] = None) -> None:
        """Ends subscriptions and the connection. Safe to call twice.

        A gateway of our own is first left to finish what it accepted, for up to `timeout` seconds (None: as long as
        it takes). What it does not finish is kept and goes on when it is started next.
        """
        self._closing.set()
        with self._lock:
            connection, self._connection = self._connection, None
            subscriptions = list(self._subscriptions)
            self._subscriptions.clear()
        for subscription in subscriptions:
            subscription._end()
        if connection is not None:
            if threading.current_thread() is connection.reader:
                raise RuntimeError("a client cannot be closed from inside on_notification")
            connection.close(timeout)

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        # After an error nobody wants to wait for work to finish; it is safe where it is.
        self.close(None if error is None else 2.0)

    def __del__(self) -> None:
        connection = getattr(self, "_connection", None)
        if connection is not None and self._process == os.getpid():
            warnings.warn("a pushgate.Client was not closed", ResourceWarning, source=self, stacklevel=2)
            connection.abandon()
