"""What a push is made of, without I/O: keys, parts and adding up.

A push is one `pushTransfer` call as long as its line fits. A longer one is cut into several transfers, each with a key
of its own derived from the first, so that a repeat after a lost connection finds every part again.
"""

import os
import threading
import time
from typing import Any, Dict, Iterable, Iterator, List, Mapping, Optional

from ._protocol import encode

__all__ = [
    "CUT",
    "Cut",
    "Cutter",
    "Part",
    "add_statistics",
    "add_summaries",
    "cut_for",
    "mint_key",
    "part_key",
]

CUT = 12 * 1024 * 1024
"""Bytes of records in one call; the gateway's ceiling for a line is 16 MiB, the rest is room for the other params."""


def cut_for(max_line: int) -> int:
    """Bytes of records in one call to a gateway with this ceiling: three quarters of it, as `CUT` is of the default."""
    return min(CUT, max_line // 4 * 3)


_key_lock = threading.Lock()
_last_ms = 0
_sequence = 0


def mint_key() -> str:
    """A new idempotency key, a version 7 UUID: keys of one process sort by age, so that an index grows at its end."""
    global _last_ms, _sequence
    with _key_lock:
        now = time.time_ns() // 1_000_000
        if now > _last_ms:
            _last_ms, _sequence = now, int.from_bytes(os.urandom(2), "big") & 0x7FF
        else:
            # Also when the clock was set back: order matters more than the exact millisecond.
            _sequence += 1
            if _sequence > 0xFFF:
                _last_ms, _sequence = _last_ms + 1, 0
        milliseconds, sequence = _last_ms, _sequence
    tail = int.from_bytes(os.urandom(8), "big") & 0x3FFF_FFFF_FFFF_FFFF | 0x8000_0000_0000_0000
    digits = "%012x%04x%016x" % (milliseconds, 0x7000 | sequence, tail)
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def part_key(key: str, number: int) -> str:
    """The key of the part with this number, from 0; the first bears the key itself."""
    return key if number == 0 else "%s.%d" % (key, number)


class Cutter:
    """Gathers encoded records until a line is full, or holds `most` of them."""

    def __init__(self, limit: int = CUT, most: Optional[int] = None) -> None:
        self._limit = limit
        self._most = most
        self._records: List[bytes] = []
        self._size = 2
        self.count = 0
        """Records gathered since the last `cut`."""

    def add(self, record: Any) -> Optional["Cut"]:
        """Gathers a record; the part before it, if this one no longer fits."""
        encoded = encode(record)
        full = self.cut() if self._is_full(len(encoded)) else None
        self._records.append(encoded)
        self._size += len(encoded) + 1
        self.count += 1
        return full

    def _is_full(self, size: int) -> bool:
        return self.count > 0 and (self._size + size + 1 > self._limit or self.count == self._most)

    def cut(self) -> "Cut":
        """What has been gathered, as the JSON text of `transfer_data`."""
        cut = Cut(b"[" + b",".join(self._records) + b"]", self.count)
        self._records, self._size, self.count = [], 2, 0
        return cut

    def parts(self, records: Iterable[Any]) -> Iterator["Cut"]:
        """All parts of a push, read as they are needed; always at least one, since an empty push is a push."""
        sent = False
        for record in records:
            full = self.add(record)
            if full is not None:
                sent = True
                yield full
        if self.count or not sent:
            yield self.cut()


class Cut:
    """The records of one part."""

    __slots__ = ("count", "text")

    def __init__(self, text: bytes, count: int) -> None:
        self.text = text
        self.count = count


class Part:
    """One transfer of a push, and what is known of it."""

    def __init__(self, transfer_id: str, event_cursor: Optional[str], count: Optional[int], first: int) -> None:
        self.transfer_id = transfer_id
        self.event_cursor = event_cursor
        """The place in the event log from which on this transfer's events come; None if not known."""
        self.count = count
        """Records in it; None for a transfer that another process pushed."""
        self.first = first
        """The index of its first record in the whole push."""
        self.finished = 0
        self.total = count or 0
        self.webhook_secret: Optional[str] = None
        self.completion: Optional[Dict[str, Any]] = None
        """The payload of its `completed` event ({} if it completed while nobody listened); None until then."""

    @classmethod
    def accepted(cls, result: Mapping[str, Any], count: int, first: int) -> "Part":
        """From the answer of `pushTransfer`."""
        part = cls(str(result["transfer_id"]), result.get("event_cursor"), count, first)
        part.webhook_secret = result.get("webhook_secret")
        if result.get("completed") is True:
            part.complete({})
        return part

    def complete(self, payload: Any) -> None:
        self.completion = dict(payload) if isinstance(payload, dict) else {}
        self.finished = self.total

    def progressed(self, value: Any) -> bool:
        """Takes a progress value; True if it says something new (it never goes backwards)."""
        if not isinstance(value, dict):
            return False
        finished, total = value.get("finished"), value.get("total")
        if not isinstance(finished, int) or not isinstance(total, int) or finished <= self.finished:
            return False
        self.finished = finished
        self.total = max(self.total, total)
        return True


def add_statistics(parts: List[Dict[str, Any]]) -> Dict[str, Any]:
    """The statistics of a push that was cut: numbers are added, `completed` holds if it holds for all."""
    whole: Dict[str, Any] = {}
    for part in parts:
        for name, value in part.items():
            if name == "statistics" and isinstance(value, dict):
                kinds = whole.setdefault("statistics", {})
                for kind, numbers in value.items():
                    kinds[kind] = _added(kinds.get(kind), numbers)
            elif name == "completed":
                whole[name] = whole.get(name, True) and value
            else:
                whole.setdefault(name, value)
    return whole


def _added(left: Optional[Dict[str, Any]], right: Dict[str, Any]) -> Dict[str, Any]:
    if left is None:
        return dict(right)
    result = dict(left)
    for name, value in right.items():
        before = result.get(name)
        if name == "completed":
            result[name] = bool(before) and bool(value)
        elif name != "batch_size" and type(before) is int and type(value) is int:
            result[name] = before + value
    return result


def add_summaries(parts: Iterable[Part]) -> Dict[str, int]:
    """Records by outcome, from the `completed` events of all parts."""
    whole: Dict[str, int] = {}
    for part in parts:
        summary = (part.completion or {}).get("summary")
        if isinstance(summary, dict):
            for name, value in summary.items():
                if type(value) is int:
                    whole[name] = whole.get(name, 0) + value
    return whole
