"""The import of identities without I/O: any number of pairs, cut into calls, and the answers added up."""

from typing import Any, Dict, Iterable, Iterator, Mapping, Optional, Tuple, Union

from ._options import given
from ._push import Cutter, cut_for

__all__ = ["Import", "Pair", "Pairs"]

_PAIRS = 10_000
"""Pairs in one call; the gateway takes ten times as many."""

Pair = Union[Tuple[str, str], Mapping[str, str]]
"""(internal id, provider id), or `{"internal_id": …, "id": …}`."""

Pairs = Union[Mapping[str, str], Iterable[Pair]]


class Import:
    def __init__(self, session_id: str, endgrate_type: str, on_conflict: Optional[str]) -> None:
        self.params = given({}, session_id=session_id, endgrate_type=endgrate_type, on_conflict=on_conflict)
        self.result: Dict[str, Any] = {"success": True, "imported": 0, "unchanged": 0, "conflicts": []}
        self.result["conflicts_total"] = 0

    @staticmethod
    def cutter(max_line: int) -> Cutter:
        return Cutter(cut_for(max_line), _PAIRS)

    def items(self, identities: Pairs) -> Iterator[Mapping[str, str]]:
        if isinstance(identities, (str, bytes)):
            raise TypeError("identities is a list, a mapping or another iterable of pairs")
        pairs: Iterable[Pair] = identities.items() if isinstance(identities, Mapping) else identities
        return map(self.item, pairs)

    @staticmethod
    def item(pair: Pair) -> Mapping[str, str]:
        if isinstance(pair, Mapping):
            return pair
        if isinstance(pair, str):
            raise TypeError("an identity is a pair (internal id, provider id), not %r" % (pair,))
        internal_id, provider_id = pair
        return {"internal_id": internal_id, "id": provider_id}

    def add(self, answer: Mapping[str, Any]) -> None:
        for name in ("imported", "unchanged", "conflicts", "conflicts_total"):
            self.result[name] += answer.get(name, type(self.result[name])())
