"""Scripted faults: which request is hit, what becomes of its effect, and what the client gets to see.

A rule has three parts that are free of each other:

- `match`: `op`, `object`, `portal`, `method`, `path` (regular expression), `contains` (text in the body), and of the
  requests that fit: `skip` the first n, then hit `times` (default 1, 0 = for ever), only every `every`-th, or with
  `chance` (0 to 1, from the seed).
- `when`, the effect: `before` (never committed), `after` (committed, the default), `mid_batch` (the first `inputs`
  inputs committed, then the server breaks), `late` (committed `late_ms` after the request came, whatever the client
  was told meanwhile: the retry overlaps the original).
- `do`, the answer: see ACTIONS.
"""

import re

ACTIONS = {
    "answer": "the true answer, after `delay_ms`; with `hang_up` the connection then ends without notice",
    "status": "`status` with the vendor's envelope, or `body`; `headers` are added",
    "html": "`status` (200) with a page of HTML",
    "empty": "`status` (200) without a body",
    "reset": "RST before any byte",
    "close": "FIN before any byte",
    "stall": "nothing for `seconds`, `then` close, reset, answer or status",
    "cut_head": "a part of the head, then RST",
    "mid_body": "the head and half of the body, then RST",
    "truncate": "the head and half of the body, then FIN",
    "slow_headers": "the head by `chunk` bytes every `pause_ms`",
    "drip": "the body by `chunk` bytes every `pause_ms`",
    "wrong_encoding": "`how`: claimed (says gzip, is plain) or hidden (is gzip, says nothing)",
    "duplicate_entries": "the first `count` results twice",
    "missing_entries": "`count` results left out",
    "bomb": "gzip that unpacks to `bytes`",
    "many_headers": "`bytes` of headers",
    "garbage": "bytes that are not HTTP",
}
MOMENTS = ("before", "after", "mid_batch", "late")
MATCHES = ("op", "object", "portal", "method", "path", "contains", "skip", "times", "every", "chance")


class BadRule(ValueError):
    """The rule is not one of ours; the text says what is wrong."""


class Rule:
    """One checked rule with its counters. Raises BadRule."""

    def __init__(self, source: dict, number: int):
        self.source = source
        self.id = source.get("id", f"rule-{number}")
        self.match = source.get("match", {})
        self.when = source.get("when", "after")
        self.do = source.get("do", "answer")
        unknown = sorted(set(self.match) - set(MATCHES))
        if unknown:
            raise BadRule(f"{self.id}: unknown match member {unknown[0]}")
        if self.when not in MOMENTS:
            raise BadRule(f"{self.id}: when is one of {', '.join(MOMENTS)}")
        if self.do not in ACTIONS:
            raise BadRule(f"{self.id}: do is one of {', '.join(ACTIONS)}")
        self.path = re.compile(self.match["path"]) if "path" in self.match else None
        self.seen = 0
        self.hits = 0

    def get(self, name, default=None):
        return self.source.get(name, default)

    def fits(self, facts: dict, request) -> bool:
        for name in ("op", "object", "portal"):
            if name in self.match and self.match[name] != facts.get(name):
                return False
        if "method" in self.match and self.match["method"] != request.method:
            return False
        if self.path is not None and not self.path.search(request.target):
            return False
        return "contains" not in self.match or self.match["contains"].encode() in request.body

    def strikes(self, chance) -> bool:
        """Counts one fitting request and says whether this one is hit."""
        self.seen += 1
        turn = self.seen - int(self.match.get("skip", 0))
        if turn <= 0:
            return False
        times = int(self.match.get("times", 1))
        if times and self.hits >= times:
            return False
        if (turn - 1) % int(self.match.get("every", 1)):
            return False
        if "chance" in self.match and chance() >= float(self.match["chance"]):
            return False
        self.hits += 1
        return True


class FaultPlan:
    """The rules in force, in order; the first that strikes is taken."""

    def __init__(self, chance):
        self.rules = []
        self._chance = chance
        self._made = 0

    def add(self, sources):
        """Takes all rules or, on BadRule, none."""
        made = []
        for source in sources:
            self._made += 1
            made.append(Rule(source, self._made))
        self.rules += made

    def clear(self, portal=None):
        self.rules = [rule for rule in self.rules if portal is not None and rule.match.get("portal") != portal]

    def pick(self, facts: dict, request):
        for rule in self.rules:
            if rule.fits(facts, request) and rule.strikes(self._chance):
                return rule
        return None

    def report(self) -> list:
        return [{**rule.source, "id": rule.id, "seen": rule.seen, "hits": rule.hits} for rule in self.rules]
