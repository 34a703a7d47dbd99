"""What the asyncio client reads, and brings, in any number of calls."""

from typing import Any, AsyncIterable, AsyncIterator, Coroutine, Dict, Mapping, Optional, Union

from .._identities import Import, Pair, Pairs
from .._methods import Methods
from .._paging import Keys, Pages, Walk
from ._source import Source, cuts

__all__ = ["Lists"]


class Lists(Methods[Coroutine[Any, Any, Any]]):
    """Lists, read page by page as they are asked for."""

    _max_line: int

    async def _repeat(self, method: str, params: Mapping[str, Any], raw: Optional[Mapping[str, bytes]] = None) -> Any:
        raise NotImplementedError

    async def _walk(self, walk: Walk) -> AsyncIterator[Dict[str, Any]]:
        """The rows of all pages, read as they are asked for."""
        while not walk.done:
            for row in walk.take(await self._repeat(walk.method, walk.params)):
                yield row

    def transfers(
        self,
        session_id: Optional[str] = None,
        endgrate_type: Optional[str] = None,
        state: Optional[str] = None,
        page: int = 250,
    ) -> AsyncIterator[Dict[str, Any]]:
        """Transfers, newest first, as `getTransfer` tells them; `state` is `open`, `running` or `completed`."""
        selection = {"session_id": session_id, "endgrate_type": endgrate_type, "state": state}
        return self._walk(Pages("listTransfers", selection, page))

    def webhook_deliveries(
        self,
        session_id: Optional[str] = None,
        transfer_id: Optional[str] = None,
        state: Optional[str] = None,
        page: int = 250,
    ) -> AsyncIterator[Dict[str, Any]]:
        """Calls of webhooks, newest first; `state` is `pending`, `delivered` or `failed`."""
        selection = {"session_id": session_id, "transfer_id": transfer_id, "state": state}
        return self._walk(Keys("listWebhookDeliveries", selection, page))

    def sessions(self, page: int = 250) -> AsyncIterator[Dict[str, Any]]:
        """All sessions."""
        return self._walk(Pages("listSessions", {}, page))

    def identities(
        self, session_id: str, endgrate_type: Optional[str] = None, page: int = 1000
    ) -> AsyncIterator[Dict[str, Any]]:
        """Which provider record each internal id is, in the order of the ids:
        `{endgrate_type, internal_id, id, confirmed_at}`."""
        return self._walk(Keys("exportIdentities", {"session_id": session_id, "endgrate_type": endgrate_type}, page))

    async def import_identities(
        self,
        session_id: str,
        endgrate_type: str,
        identities: Union[Pairs, AsyncIterable[Pair]],
        *,
        on_conflict: Optional[str] = None,
    ) -> Dict[str, Any]:
        """Brings along which provider record each internal id is, so that it is updated and not created anew.

        `identities` are pairs (internal id, provider id), a mapping of them, or items `{internal_id, id}`; any number,
        they go in calls of 10,000. The answers are added up: `{success, imported, unchanged, conflicts,
        conflicts_total}`. With `on_conflict` left at `"error"`, an internal id that is known for another record
        raises InvalidParams: nothing of its call is imported, the calls before it stand, repeating does no harm.
        """
        job = Import(session_id, endgrate_type, on_conflict)
        pairs: Source[Mapping[str, str]]
        if isinstance(identities, AsyncIterable):
            pairs = (job.item(pair) async for pair in identities)
        else:
            pairs = job.items(identities)
        async for cut in cuts(job.cutter(self._max_line), pairs):
            job.add(await self._repeat("importIdentities", job.params, {"identities": cut.text}))
        return job.result
