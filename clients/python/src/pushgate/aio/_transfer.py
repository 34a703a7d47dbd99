"""What a push gives back, for the asyncio client."""

import asyncio
import inspect
from typing import TYPE_CHECKING, Any, AsyncIterator, Callable, Dict, List, NamedTuple, Optional, Sequence

from .._errors import RecordNotFound
from .._job import Job, Pushed, Resolving
from .._paging import Pages
from .._push import Part, add_statistics
from .._route import Tap
from ._subscription import Subscription

if TYPE_CHECKING:
    from ._client import Client

__all__ = ["Progress", "Resolution", "Transfer"]

Progress = Callable[[int, int], object]
"""Called with (records finished, records in all); what it returns is awaited if it can be."""


class Transfer(Pushed):
    __doc__ = Pushed.__doc__

    def __init__(
        self,
        client: "Client",
        parts: List[Part],
        key: Optional[str] = None,
        duplicate: bool = False,
        tap: Optional[Tap] = None,
    ) -> None:
        super().__init__(parts, key, duplicate, tap)
        self._client = client

    # -- waiting --

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
        async with self._watch(part, progress is not None) as events:
            if self._tap is not None and progress is not None:
                self._tap.attach(events)
            if part.event_cursor is None:
                await self._look(part)
            while part.completion is None:
                left = None if deadline is None else max(0.0, deadline - asyncio.get_running_loop().time())
                event = await events.next(left)
                if event.type == "completed":
                    part.complete(event.data)
                elif event.type == "gap":
                    # Its end may be in what was trimmed.
                    await self._look(part)
                elif event.type == "progress" and self._progressed(part, event.data):
                    await self._report(progress)
        await self._report(progress)

    def _watch(self, part: Part, progress: bool) -> Subscription:
        return self._client.subscribe(**self._watching(part, progress))

    async def _look(self, part: Part) -> None:
        """Asks instead of listening, for where the end may have been before."""
        statistics = await self._client._repeat("getStatistics", {"transfer_id": part.transfer_id})
        if isinstance(statistics, dict) and statistics.get("completed") is True:
            part.complete({})

    async def _report(self, progress: Optional[Progress]) -> None:
        news = self._news() if progress is not None else None
        if progress is not None and news is not None:
            said = progress(*news)
            if inspect.isawaitable(said):
                await said

    # -- results --

    async def data(self, page: int = 250, **params: Any) -> AsyncIterator[Dict[str, Any]]:
        """One row a record, in the order pushed: `{id, internal_id?, data, associations, outcome?, …}`; a failed one
        has `id: None`. Reads `page` rows at a time as they are asked for. Before the end it raises
        TransferNotCompleted, unless `partial=True` is passed."""
        for part in self._parts:
            async for row in self._client._walk(Pages("getData", dict(params, transfer_id=part.transfer_id), page)):
                yield row

    async def result(self, timeout: Optional[float] = None) -> AsyncIterator[Dict[str, Any]]:
        """Waits for the end, then the rows of `data()`."""
        await self.wait(timeout)
        async for row in self.data():
            yield row

    async def errors(self, page: int = 250, **params: Any) -> AsyncIterator[Dict[str, Any]]:
        """The error log of this push; `index` counts through the records as they were pushed."""
        for part in self._parts:
            pages = Pages("getErrors", dict(params, transfer_id=part.transfer_id), page)
            async for entry in self._client._walk(pages):
                yield self._numbered(part, entry)

    async def statistics(self) -> Dict[str, Any]:
        """What `getStatistics` says; of a push that was cut, added up."""
        return add_statistics([await self._client._repeat("getStatistics", {"transfer_id": name}) for name in self.ids])

    # -- what failed, and what should not go on --

    async def cancel(self) -> bool:
        """Nothing more is sent; what is on its way ends as it ends. True unless everything had completed before.

        Records that were not sent get the outcome `unsent`, which is no error; `retry` sends them after all. The
        transfer completes soon after, and `wait` waits for it. One that was begun in parts and not committed is gone.
        """
        answers = [await self._client._repeat("cancelTransfer", {"transfer_id": name}) for name in self.ids]
        return any(answer["cancelled"] for answer in answers)

    async def retry(
        self,
        outcomes: Optional[Sequence[str]] = None,
        *,
        wait: bool = True,
        timeout: Optional[float] = None,
        progress: Optional[Progress] = None,
        idempotency_key: Optional[str] = None,
        **options: Any,
    ) -> "Transfer":
        """A new transfer of the records of which something failed; by default outcomes `refused` and `unsent`.

        The gateway has the records still, so it is asked for once more after the cause was dealt with (a mapping, a
        permission, an outage). `uncertain` records are not among them, see `resolve`. The other arguments are those
        of `push`. Raises TransferNotCompleted while this one runs.
        """
        told = None if outcomes is None else list(outcomes)
        job = Job(dict(options, outcomes=told), idempotency_key, progress)
        for name in self.ids:
            answer = await self._client._repeat("retryTransfer", job.call(transfer_id=name), None, job.listen)
            job.accepted(answer, answer["records"])
        transfer = Transfer(self._client, job.parts, job.key, job.duplicate, job.tap)
        return await transfer.wait(timeout, progress) if wait else transfer

    async def resolve(
        self,
        resolution: str,
        *,
        index: Optional[int] = None,
        internal_id: Optional[str] = None,
        id: Optional[str] = None,
    ) -> "Resolution":
        """Says what became of a record whose outcome is `uncertain`, or without `index` and `internal_id` of all.

        `resolution` is `"written"` (with its provider `id`), `"not_written"` or `"push_again"`, which makes the new
        transfer `retry`. Raises RecordNotFound. It is not repeated when the connection is lost: look at `data()` then.
        """
        resolving = Resolving()
        told = {"resolution": resolution, "index": index, "internal_id": internal_id, "id": id}
        for params in self._places(told):
            try:
                resolving.add(await self._client._call("resolveRecord", params))
            except RecordNotFound as error:
                resolving.missed(error)
        resolving.finish()
        retry = Transfer(self._client, resolving.retries) if resolving.retries else None
        return Resolution(resolving.resolved, resolving.remaining, retry)


class Resolution(NamedTuple):
    """What `Transfer.resolve` did."""

    resolved: int
    """Records that were uncertain and are not any more."""
    remaining: int
    """Records that still are, in the transfers that were asked."""
    retry: Optional[Transfer]
    """The transfer that pushes them again, after `push_again`."""
