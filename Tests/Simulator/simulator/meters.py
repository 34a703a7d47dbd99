"""Rate meters: a rolling window and a budget by the day, with the highest use that was ever seen."""

from collections import deque


class RollingWindow:
    """At most `limit` calls in any `span_ms` milliseconds. A refused call does not count against the window."""

    def __init__(self, limit: int, span_ms: int):
        self.limit = limit
        self.span_ms = span_ms
        self.peak = 0
        self.refused = 0
        self._calls = deque()

    def used(self, now: int) -> int:
        while self._calls and self._calls[0] <= now - self.span_ms:
            self._calls.popleft()
        return len(self._calls)

    def full(self, now: int) -> bool:
        return self.used(now) >= self.limit

    def count(self, now: int):
        self._calls.append(now)
        self.peak = max(self.peak, self.used(now))

    def reset(self):
        self._calls.clear()
        self.peak = 0
        self.refused = 0

    def report(self, now: int) -> dict:
        return {"limit": self.limit, "span_ms": self.span_ms, "used": self.used(now), "peak": self.peak,
                "refused": self.refused}


class DailyBudget:
    """At most `limit` calls between two midnights of the account's own time (`utc_offset_ms`)."""

    def __init__(self, limit: int, utc_offset_ms: int):
        self.limit = limit
        self.utc_offset_ms = utc_offset_ms
        self.refused = 0
        self.peak = 0
        self._day = None
        self._used = 0

    def used(self, now: int) -> int:
        day = (now + self.utc_offset_ms) // 86_400_000
        if day != self._day:
            self._day, self._used = day, 0
        return self._used

    def full(self, now: int) -> bool:
        return self.used(now) >= self.limit

    def count(self, now: int):
        self._used = self.used(now) + 1
        self.peak = max(self.peak, self._used)

    def reset(self):
        self._day, self._used, self.peak, self.refused = None, 0, 0, 0

    def report(self, now: int) -> dict:
        return {"limit": self.limit, "used": self.used(now), "peak": self.peak, "refused": self.refused}
