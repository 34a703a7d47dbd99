"""The asyncio client. What repeats and what does not is as in `pushgate.Client`."""

import asyncio
import os
import warnings
from types import TracebackType
from typing import (
    TYPE_CHECKING,
    Any,
    Callable,
    Coroutine,
    Dict,
    Mapping,
    Optional,
    Sequence,
    Set,
    Type,
)

from .._client import hello_params
from .._connect import Backoff, Path, Spawn, allowance, resolve
from .._errors import ClientClosed, ConnectFailed, ConnectionLost, PushgateError
from .._events import From
from .._job import Job, PartsJob, check_records
from .._options import given
from .._protocol import MAX_LINE, encode
from .._push import Cutter, Part, cut_for
from .._route import OnNotification, OnResult
from ._connection import Connection, connect, log
from ._lists import Lists
from ._plan import Plan
from ._source import Records, cuts, each
from ._subscription import Subscription
from ._transfer import Progress, Transfer

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .._options import PartsOptions, PushOptions, RecordOptions

__all__ = ["Client"]


class Client(Lists):
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
            timeout = self.timeout + allowance(method, params)
        return await connection.call(method, params, raw, timeout, on_result)

    async def _repeat(
        self,
        method: str,
        params: Mapping[str, Any],
        raw: Optional[Mapping[str, bytes]] = None,
        prepare: Optional[Callable[[Connection], None]] = None,
        timeout: Optional[float] = None,
    ) -> Any:
        """A call that is safe to make twice, until it gets through or patience ends."""
        backoff = Backoff(self.reconnect)
        while True:
            try:
                return await self._call(method, params, raw, timeout, prepare)
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
        records: Records,
        *,
        wait: bool = True,
        timeout: Optional[float] = None,
        progress: Optional[Progress] = None,
        idempotency_key: Optional[str] = None,
        **options: "Unpack[PushOptions]",
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
        thread, also by a later `Transfer.wait`. The further options are those of `PushOptions`.
        """
        check_records(records)
        job = Job(dict(options, session_id=session_id, endgrate_type=endgrate_type), idempotency_key, progress)
        try:
            async for cut in cuts(Cutter(cut_for(self._max_line)), records):
                raw = {"transfer_data": cut.text}
                job.accepted(await self._repeat("pushTransfer", job.call(), raw, job.listen), cut.count)
        except PushgateError as error:
            error.accepted = job.ids
            raise
        return await self._pushed(job, wait, timeout, progress)

    async def push_parts(
        self,
        session_id: str,
        endgrate_type: str,
        records: Records,
        *,
        part_records: int = 1000,
        wait: bool = True,
        timeout: Optional[float] = None,
        progress: Optional[Progress] = None,
        idempotency_key: Optional[str] = None,
        **options: "Unpack[PartsOptions]",
    ) -> Transfer:
        """As `push`, but one transfer whatever its size: its records travel in parts, and it begins when all are there.

        `records` may be a generator over a source of any length: one part of at most `part_records` is in memory at a
        time, and it is on the gateway's disk before the next one is read. Nothing reaches the provider before the last.

        If the connection breaks, the part under way is sent again, which is harmless. With an `idempotency_key` of
        your own the whole call may be made again by another process, with the same records: parts that are there
        already are recognised. If it fails, `open_transfer` of the error names what was begun; it ends by itself after
        24 hours, `client.transfer(error.open_transfer).cancel()` ends it now. If the source itself raises and the key
        was minted here, it is cancelled at once.
        """
        check_records(records)
        named = dict(options, session_id=session_id, endgrate_type=endgrate_type)
        job = PartsJob(named, idempotency_key, progress)
        try:
            job.begun(await self._repeat("beginTransfer", job.begin()))
            async for cut in cuts(Cutter(cut_for(self._max_line), part_records), records):
                await self._repeat("appendTransfer", job.append(cut), {"transfer_data": cut.text})
            job.committed(await self._repeat("commitTransfer", job.commit(), None, job.listen))
        except PushgateError as error:
            error.open_transfer = job.transfer_id
            raise
        except Exception:
            await self._drop(job)
            raise
        return await self._pushed(job, wait, timeout, progress)

    async def _drop(self, job: PartsJob) -> None:
        """Nobody can go on with this transfer: its key dies with the call."""
        if job.transfer_id is not None and not job.is_resumable:
            try:
                await self._call("cancelTransfer", {"transfer_id": job.transfer_id})
            except PushgateError as error:
                log.debug("an open transfer was left behind: %s", error)

    async def _pushed(self, job: Job, wait: bool, timeout: Optional[float], progress: Optional[Progress]) -> Transfer:
        transfer = Transfer(self, job.parts, job.key, job.duplicate, job.tap)
        return await transfer.wait(timeout, progress) if wait else transfer

    async def plan(
        self,
        session_id: str,
        endgrate_type: str,
        records: Records,
        *,
        page: int = 250,
        timeout: Optional[float] = None,
        **options: "Unpack[RecordOptions]",
    ) -> Plan:
        """What a push of these records would do; nothing is written at the provider. `Plan.apply` does it.

        The records go in one call, so they have to fit a line (16 MiB), else RequestTooLarge. The gateway looks at
        each of them at the provider: `timeout` is for that (by default the client's, and 300 s on top).
        """
        check_records(records)
        params = given(options, session_id=session_id, endgrate_type=endgrate_type, limit=page)
        raw = {"transfer_data": encode([record async for record in each(records)])}
        return Plan(self, await self._repeat("planTransfer", params, raw, timeout=timeout), page)

    async def planned(self, plan_id: str, page: int = 250) -> Plan:
        """A plan that was made earlier, perhaps by another process. Raises PlanNotFound after its hour."""
        return Plan(self, await self._repeat("planTransfer", {"plan_id": plan_id, "limit": page}), page)

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
        told = list(types) if types else None
        selection = given(options, session_id=session_id, transfer_id=transfer_id, types=told)
        subscription = Subscription(self, selection, from_)
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
