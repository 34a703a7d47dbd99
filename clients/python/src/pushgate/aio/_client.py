"""The asyncio client. What repeats and what does not is as in `pushgate.Client`."""

import asyncio
import os
import warnings
from types import TracebackType
from typing import (
    Any,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Coroutine,
    Dict,
    Iterable,
    List,
    Mapping,
    Optional,
    Sequence,
    Set,
    Type,
    Union,
)

from .._client import hello_params
from .._connect import Backoff, Path, Spawn, allowance, resolve
from .._errors import ClientClosed, ConnectFailed, ConnectionLost, PushgateError
from .._events import From
from .._methods import Methods
from .._protocol import MAX_LINE
from .._push import Cut, Cutter, Part, cut_for, mint_key, part_key
from ._connection import Connection, OnNotification, OnResult, connect, log
from ._subscription import Subscription
from ._transfer import Progress, Tap, Transfer

__all__ = ["Client"]


class Client(Methods[Coroutine[Any, Any, Any]]):
    """A connection to a gateway that comes back by itself; for one event loop.

    The arguments are those of `pushgate.Client`. It connects on entering (`async with`), on `await client.connect()`
    or at the first call. `on_notification` runs in the loop and must not block it.
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
        self._address = resolve(socket, spawn, store)
        self.timeout = timeout
        self.reconnect = reconnect
        self._decimal = decimal
        self._token = token
        self._on_notification = on_notification
        self._subscriptions: Set[Subscription] = set()
        self._opened = 0
        self._process = os.getpid()
        self._closed = False
        # Made inside the loop: up to Python 3.9 they bind themselves to one when they are made.
        self._lock: Optional[asyncio.Lock] = None
        self._closing: Optional[asyncio.Event] = None
        self._server: Optional[Dict[str, Any]] = None
        self._max_line = MAX_LINE

    async def connect(self) -> "Client":
        """Connects if it is not connected. Raises ConnectFailed."""
        await self._connected()
        return self

    # -- calls --

    def call(
        self,
        method: str,
        params: Optional[Mapping[str, Any]] = None,
        /,
        *,
        timeout: Optional[float] = None,
        **members: Any,
    ) -> Coroutine[Any, Any, Any]:
        """Calls a method of the gateway by its name on the wire and returns its result.

        A cancelled call tells the gateway so. Raises the gateway's error, CallTimeout, ConnectionLost (outcome
        unknown) or ConnectFailed.
        """
        return self._call(method, {**(params or {}), **members}, timeout=timeout)

    async def _call(
        self,
        method: str,
        params: Mapping[str, Any],
        raw: Optional[Mapping[str, bytes]] = None,
        timeout: Optional[float] = None,
        prepare: Optional[Callable[[Connection], None]] = None,
    ) -> Any:
        connection = await self._connected()
        if prepare is not None:
            prepare(connection)
        return await self._call_on(connection, method, params, None, raw, timeout)

    async def _call_on(
        self,
        connection: Connection,
        method: str,
        params: Mapping[str, Any],
        on_result: Optional[OnResult] = None,
        raw: Optional[Mapping[str, bytes]] = None,
        timeout: Optional[float] = None,
    ) -> Any:
        if timeout is None and self.timeout is not None:
            timeout = self.timeout + allowance(params)
        return await connection.call(method, params, raw, timeout, on_result)

    async def _repeat(
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
                return await self._call(method, params, raw, None, prepare)
            except PushgateError as error:
                await self._pause(backoff, error)

    async def _pause(
        self,
        backoff: Backoff,
        error: PushgateError,
        deadline: Optional[float] = None,
        raised: Optional[PushgateError] = None,
    ) -> None:
        """Sleeps before the next attempt, or raises the error (or `raised` in its place) if there should be none."""
        now = asyncio.get_running_loop().time()
        delay = backoff.delay(error, now)
        if delay is None:
            raise raised or error
        if deadline is not None:
            if now >= deadline:
                raise TimeoutError("the gateway did not come back in time") from error
            delay = min(delay, deadline - now)
        if self._closing is None:
            self._closing = asyncio.Event()
        try:
            await asyncio.wait_for(self._closing.wait(), delay)
        except asyncio.TimeoutError:
            pass

    # -- pushing --

    async def push(
        self,
        session_id: str,
        endgrate_type: str,
        records: Union[Iterable[Mapping[str, Any]], AsyncIterable[Mapping[str, Any]]],
        *,
        wait: bool = True,
        timeout: Optional[float] = None,
        progress: Optional[Progress] = None,
        idempotency_key: Optional[str] = None,
        **options: Any,
    ) -> Transfer:
        """Pushes records and, with `wait`, returns when every one of them is done.

        `records` is any iterable or async iterable of items `{id?, internal_id?, data?, associations?}`. They go in
        one `pushTransfer` call; only where that line would be over 12 MiB they are cut into several transfers, in
        order, and read back as one `Transfer`. The source is read as it is sent.

        Returning (with or without `wait`) means that the records are on the gateway's disk. If the connection breaks
        the call is repeated under the same idempotency key, which is minted here unless given. An error carries the
        ids of the parts that were taken before it in `accepted`. `timeout` is for waiting (None: as long as it takes),
        `progress` is called with (finished, total). Further options go to `pushTransfer` as they are.
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
            async for cut in _cut(cutter, records):
                params["idempotency_key"] = part_key(key, len(parts))
                listen = self._listener(str(params.get("progress_token")), tap)
                result = await self._repeat("pushTransfer", params, {"transfer_data": cut.text}, listen)
                first = sum(part.count or 0 for part in parts)
                parts.append(Part.accepted(result, cut.count, first))
                duplicate = duplicate and result.get("duplicate") is True
        except PushgateError as error:
            error.accepted = [part.transfer_id for part in parts]
            raise
        transfer = Transfer(self, parts, key, duplicate, tap)
        return await transfer.wait(timeout, progress) if wait else transfer

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
        """Events as an async iterator that survives reconnects; the arguments are those of `pushgate.Client`.

        `await` it or enter it (`async with`) to open it now; else it opens when the first event is asked for.
        """
        selection = {"session_id": session_id, "transfer_id": transfer_id, "types": list(types) if types else None}
        given = {name: value for name, value in selection.items() if value is not None}
        subscription = Subscription(self, {**given, **options}, from_)
        self._subscriptions.add(subscription)
        return subscription

    def _next_subscription(self) -> int:
        self._opened += 1
        return self._opened

    def _forget(self, subscription: Subscription) -> None:
        self._subscriptions.discard(subscription)

    # -- the connection --

    @property
    def server(self) -> Optional[Dict[str, Any]]:
        """What the gateway answered to `hello` (version, limits …); None if it has not, or refused to."""
        return self._server

    async def _connected(self) -> Connection:
        """The connection that lives, a new one if need be. Raises ConnectFailed, ClientClosed."""
        if os.getpid() != self._process:
            raise RuntimeError("a Client does not survive fork(): make one in each process")
        if self._lock is None:
            self._lock = asyncio.Lock()
        async with self._lock:
            if self._closed:
                raise ClientClosed("the client is closed")
            if self._connection is not None:
                if not self._connection.ended:
                    return self._connection
                await self._connection.discard()
                self._connection = None
            self._connection = await self._connect()
            return self._connection

    async def _connect(self) -> Connection:
        connection = await connect(self._address, self._decimal, self._on_notification)
        patience = 30.0 if self.timeout is None else self.timeout

        def greeted(result: Any) -> None:
            connection.greeted(result)
            self._max_line = connection.max_line
            self._server = result if isinstance(result, dict) else None

        try:
            if connection.spawned:
                # A gateway of our own that cannot start (store in use, wrong flag) is told from one that works.
                await connection.call("hello", hello_params(self._token), None, patience, greeted)
            else:
                connection.post("hello", hello_params(self._token), greeted)
        except ConnectionLost as error:
            await connection.discard()
            raise ConnectFailed(error.message, retryable=error.retryable) from error
        except PushgateError as error:
            # An older gateway need not know hello; one that wants a token says so again at the first call.
            log.debug("hello was refused: %s", error)
        except BaseException:
            await connection.discard()
            raise
        return connection

    async def close(self, timeout: Optional[float] = None) -> None:
        """Ends subscriptions and the connection. Safe to call twice.

        A gateway of our own is first left to finish what it accepted, for up to `timeout` seconds (None: as long as
        it takes). What it does not finish is kept and goes on when it is started next.
        """
        self._closed = True
        if self._closing is None:
            self._closing = asyncio.Event()
        self._closing.set()
        subscriptions, self._subscriptions = self._subscriptions, set()
        for subscription in subscriptions:
            subscription._end()
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close(timeout)

    async def __aenter__(self) -> "Client":
        return await self.connect()

    async def __aexit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        # After an error nobody wants to wait for work to finish; it is safe where it is.
        await self.close(None if error is None else 2.0)

    def __del__(self) -> None:
        connection = getattr(self, "_connection", None)
        if connection is not None and self._process == os.getpid():
            warnings.warn("a pushgate.aio.Client was not closed", ResourceWarning, source=self, stacklevel=2)
            connection.abandon()


async def _cut(
    cutter: Cutter, records: Union[Iterable[Mapping[str, Any]], AsyncIterable[Mapping[str, Any]]]
) -> AsyncIterator[Cut]:
    """All parts of a push, read as they are needed; always at least one, since an empty push is a push."""
    if not isinstance(records, AsyncIterable):
        for part in cutter.parts(records):
            yield part
        return
    sent = False
    async for record in records:
        full = cutter.add(record)
        if full is not None:
            sent = True
            yield full
    if cutter.count or not sent:
        yield cutter.cut()
