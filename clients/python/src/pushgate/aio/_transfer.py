"""What a push gives back, for the asyncio client."""

import asyncio
import inspect
from typing import TYPE_CHECKING, Any, AsyncIterator, Callable, Dict, List, Optional, Tuple

from .._push import Part, add_statistics, add_summaries, next_offset
from ._connection import Route
from ._subscription import Subscription

if TYPE_CHECKING:
    from ._client import Client

__all__ = ["Progress", "Tap", "Transfer"]

Progress = Callable[[int, int], object]
"""Called with (records finished, records in all); what it returns is awaited if it can be."""


class Tap(Route):
    """Hears the progress of a push on the connection that made it, from before the call until somebody waits."""

    def __init__(self) -> None:
        self._newest: Dict[str, Dict[str, Any]] = {}
        self._target: Optional[Subscription] = None

    def notified(self, method: str, params: Dict[str, Any], size: int) -> None:
        value = params.get("value")
        if isinstance(value, dict):
            self._newest[str(value.get("transfer_id"))] = params
        if self._target is not None:
            self._target.notified(method, params, size)

    def attach(self, target: Subscription) -> None:
        """From now on progress arrives between the events of `target`, beginning with what is known already."""
        self._target = target
        for params in list(self._newest.values()):
            target.notified("$/progress", params, 0)


class Transfer:
    """A push that was accepted: every record of it is on the gateway's disk.

    It is one transfer, or several if the push was too long for one line; they are read here as one, with indexes that
    count through.
    """

    def __init__(
        self,
        client: "Client",
        parts: List[Part],
        key: Optional[str] = None,
        duplicate: bool = False,
        tap: Optional[Tap] = None,
    ) -> None:
        self._client = client
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
    def completed(self) -> bool:
        """Whether this object has seen the end of it; `wait` looks."""
        return all(part.completion is not None for part in self._parts)

    @property
    def summary(self) -> Dict[str, int]:
        """Records by outcome (`created`, `updated`, …) from the `completed` event; {} if it was not seen."""
        return add_summaries(self._parts)

    def __repr__(self) -> str:
        return "<Transfer %s%s>" % (", ".join(self.ids), " completed" if self.completed else "")

    async def wait(self, timeout: Optional[float] = None, progress: Optional[Progress] = None) -> "Transfer":
        """Returns itself once every record is done, well or badly. Listens to the transfer's events, does not poll.

        Raises TimeoutError after `timeout` seconds (the transfer goes on); the end of a transfer whose records all
        failed is an end like any other, look at `errors()`.
        """
        self._reported = None
        deadline = None if timeout is None else asyncio.get_running_loop().time() + timeout
        for part in self._parts:
            if part.completion is None:
                await self._wait_for(part, deadline, progress)
        return self

    async def _wait_for(self, part: Part, deadline: Optional[float], progress: Optional[Progress]) -> None:
        loop = asyncio.get_running_loop()
        async with self._watch(part, progress is not None) as events:
            if self._tap is not None and progress is not None:
                self._tap.attach(events)
            if part.event_cursor is None:
                await self._look(part)
            while part.completion is None:
                event = await events.next(None if deadline is None else max(0.0, deadline - loop.time()))
                if event.type == "completed":
                    part.complete(event.data)
                elif event.type == "gap":
                    # Its end may be in what was trimmed.
                    await self._look(part)
                elif event.type == "progress" and self._progressed(part, event.data):
                    await self._report(progress)
        await self._report(progress)

    def _watch(self, part: Part, progress: bool) -> Subscription:
        types = ["completed", "progress"] if progress else ["completed"]
        start: Any = "latest" if part.event_cursor is None else {"cursor": part.event_cursor}
        return self._client.subscribe(transfer_id=part.transfer_id, types=types, from_=start)

    def _progressed(self, waited: Part, value: Any) -> bool:
        """A value names its transfer; parts of one push move on at the same time."""
        named = value.get("transfer_id") if isinstance(value, dict) else None
        owner = next((part for part in self._parts if part.transfer_id == named), waited)
        return owner.progressed(value)

    async def _look(self, part: Part) -> None:
        """Asks instead of listening, for where the end may have been before."""
        statistics = await self._client._repeat("getStatistics", {"transfer_id": part.transfer_id})
        if isinstance(statistics, dict) and statistics.get("completed") is True:
            part.complete({})

    async def _report(self, progress: Optional[Progress]) -> None:
        """Each state once: the last one comes by its token and by the end of the transfer."""
        state = sum(part.finished for part in self._parts), sum(part.total for part in self._parts)
        if progress is not None and state != self._reported:
            self._reported = state
            said = progress(*state)
            if inspect.isawaitable(said):
                await said

    async def data(self, page: int = 250, **params: Any) -> AsyncIterator[Dict[str, Any]]:
        """One row a record, in the order pushed: `{id, internal_id?, data, associations}`; a failed one has
        `id: None`. Reads `page` rows at a time as they are asked for. Before the end it raises TransferNotCompleted,
        unless `partial=True` is passed."""
        for part in self._parts:
            async for answer in self._pages("getData", part, page, params):
                for row in answer.get("transfer_data", []):
                    yield row

    async def result(self, timeout: Optional[float] = None) -> AsyncIterator[Dict[str, Any]]:
        """Waits for the end, then the rows of `data()`."""
        await self.wait(timeout)
        async for row in self.data():
            yield row

    async def errors(self, page: int = 250, **params: Any) -> AsyncIterator[Dict[str, Any]]:
        """The error log of this push; `index` counts through the records as they were pushed."""
        for part in self._parts:
            async for answer in self._pages("getErrors", part, page, params):
                for entry in answer.get("errors", []):
                    if part.first and isinstance(entry.get("index"), int):
                        entry = dict(entry, index=entry["index"] + part.first)
                    yield entry

    async def statistics(self) -> Dict[str, Any]:
        """What `getStatistics` says; of a push that was cut, added up."""
        return add_statistics(
            [await self._client._repeat("getStatistics", {"transfer_id": part.transfer_id}) for part in self._parts]
        )

    async def _pages(self, method: str, part: Part, page: int, params: Dict[str, Any]) -> AsyncIterator[Dict[str, Any]]:
        offset: Optional[int] = 0
        while offset is not None:
            asked = dict(params, transfer_id=part.transfer_id, limit=page, offset=offset)
            answer: Dict[str, Any] = await self._client._repeat(method, asked)
            yield answer
            rows = answer.get("transfer_data" if method == "getData" else "errors", [])
            offset = next_offset(answer, offset, len(rows))
