"""What a plan gives back, for the asyncio client."""

from typing import TYPE_CHECKING, Any, AsyncIterator, Dict, Mapping, Optional

from .._job import Planned
from ._transfer import Progress, Transfer

if TYPE_CHECKING:
    from ._client import Client

__all__ = ["Plan"]


class Plan(Planned):
    __doc__ = Planned.__doc__

    def __init__(self, client: "Client", first: Mapping[str, Any], page: int) -> None:
        super().__init__(first, page)
        self._client = client

    async def __aiter__(self) -> AsyncIterator[Dict[str, Any]]:
        walk, rows = self._walk()
        for row in rows:
            yield row
        async for row in self._client._walk(walk):
            yield row

    async def apply(
        self,
        *,
        wait: bool = True,
        timeout: Optional[float] = None,
        progress: Optional[Progress] = None,
        idempotency_key: Optional[str] = None,
        **options: Any,
    ) -> Transfer:
        """Pushes what was planned; the arguments are those of `Client.push`.

        A record whose state at the provider has changed since is refused (error code `plan_stale`), the others go on.
        Applied twice, a plan gives the same transfer. Raises PlanStale if its session was redefined, PlanNotFound
        after its hour.
        """
        job = self._application(options, idempotency_key, progress)
        job.accepted(await self._client._repeat("pushTransfer", job.call(), None, job.listen), len(self))
        transfer = Transfer(self._client, job.parts, job.key, job.duplicate, job.tap)
        return await transfer.wait(timeout, progress) if wait else transfer
