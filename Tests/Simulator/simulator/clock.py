"""The simulator's wall clock: the machine's, plus an offset that a test may set.

Everything a vendor would tell by its clock (time stamps, rate windows, the day's budget, the lag of search, the life of
a token) follows this clock. Waits on the wire (stalls, late commits, drips) follow real time: they are about overlap.
"""

import time
from datetime import datetime, timezone


class Clock:
    """Milliseconds since 1970, shifted by `offset_ms` (which may be negative)."""

    def __init__(self):
        self.offset_ms = 0

    def now(self) -> int:
        return int(time.time() * 1000) + self.offset_ms


def iso(milliseconds: int) -> str:
    """`2026-11-23T09:00:00.123Z`; no fraction when it is zero, as the vendor's captured answers have it."""
    moment = datetime.fromtimestamp(milliseconds / 1000, timezone.utc)
    text = moment.strftime("%Y-%m-%dT%H:%M:%S")
    rest = milliseconds % 1000
    return f"{text}.{rest:03d}Z" if rest else f"{text}Z"
