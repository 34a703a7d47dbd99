"""The combinations of the fault campaign: which request is hit, what becomes of its effect, what the gateway is answered,
and when the gateway is killed.

Left out is what no client can tell from the truth: a vendor that says 429, 423 or 477 (each documented to be without
effect) of a request that it carried out, and a search that leaves out a record which it can see.
"""

import random
from dataclasses import dataclass

LATE_MS = 250
"""A late effect comes so long after its request."""

SEARCH_LAG_MS = 200
SETTLE_MS = 1000
"""More than a late effect and the search lag together, also on a machine that is busy."""

FIRST_BYTE_MS = 2500
"""The gateway's patience with an answer."""

SOON_AGAIN = {"Retry-After": "1"}


@dataclass(frozen=True)
class Fault:
    """`when` is what becomes of the effect, `do` what the gateway gets to see; `more` are members of `do`."""

    when: str
    do: str
    more: tuple = ()

    @property
    def name(self):
        return ".".join([self.when, self.do, *(str(value) for key, value in self.more if key in ("status", "how", "count"))])

    def rule(self, match):
        return {"match": match, "when": self.when, "do": self.do, "late_ms": LATE_MS, "inputs": 1, **dict(self.more)}


def fault(when, do, **more):
    return Fault(when, do, tuple(more.items()))


REFUSED = [
    *(fault("before", "status", status=status) for status in (500, 502, 503, 504)),
    *(fault("before", "status", status=status, headers=SOON_AGAIN) for status in (423, 429, 477)),
    fault("before", "html"), fault("before", "html", status=502), fault("before", "empty"), fault("before", "reset"),
    fault("before", "close"), fault("before", "stall", seconds=0.3), fault("before", "cut_head"), fault("before", "garbage"),
]
SPOILT = [
    fault("after", "html"), fault("after", "empty"), fault("after", "empty", status=204), fault("after", "reset"),
    fault("after", "close"), fault("after", "stall", seconds=0.3), fault("after", "cut_head"), fault("after", "mid_body"),
    fault("after", "truncate"), fault("after", "slow_headers", chunk=64, pause_ms=5),
    fault("after", "drip", chunk=128, pause_ms=2), fault("after", "wrong_encoding", how="claimed"),
    fault("after", "wrong_encoding", how="hidden"), fault("after", "duplicate_entries"), fault("after", "garbage"),
    fault("after", "many_headers"), fault("after", "answer", delay_ms=300, hang_up=True),
]
BROKEN = [
    *(fault("after", "status", status=status) for status in (500, 502, 503, 504)),
    fault("after", "missing_entries", count=1), fault("after", "missing_entries", count=100),
    *(fault("mid_batch", do) for do in ("answer", "reset", "html")), fault("mid_batch", "stall", seconds=0.3),
    *(fault("late", do) for do in ("reset", "close", "html", "empty", "cut_head", "garbage")),
    fault("late", "status", status=500), fault("late", "status", status=504), fault("late", "stall", seconds=0.2),
    fault("late", "stall", seconds=0.8), fault("late", "mid_body"),
]
READS = REFUSED + SPOILT
WRITES = REFUSED + SPOILT + BROKEN
OVERDUE = [
    fault("before", "stall", seconds=6), fault("after", "stall", seconds=6),
    fault("late", "stall", seconds=6, late_ms=FIRST_BYTE_MS + LATE_MS),
]
"""Nothing is answered until the gateway's own patience ends; the late one is carried out after that."""


@dataclass(frozen=True)
class Target:
    """A request of a story. What the story holds is in `hubspot_story`."""

    story: str
    op: str
    object: str
    recovery: tuple = ()
    """(op, object) of what the gateway asks when this request's outcome is unknown; empty if it asks nothing."""

    @property
    def name(self):
        return "%s %s of %s" % (self.story, self.op.rpartition(".")[2], self.object)

    @property
    def is_read(self):
        return self.op in ("batch.read", "search")

    def match(self, portal, skip=0):
        return {"op": self.op, "object": self.object, "portal": portal, "skip": skip}


TARGETS = [
    Target("searchable", "batch.read", "contacts", ("batch.read", "contacts")),
    Target("searchable", "search", "companies", ("search", "companies")),
    Target("searchable", "batch.create", "contacts", ("batch.read", "contacts")),
    Target("searchable", "batch.create", "companies", ("search", "companies")),
    Target("searchable", "batch.update", "contacts", ("batch.read", "contacts")),
    Target("searchable", "associations.batch_default", "contacts", ("associations.batch_default", "contacts")),
    Target("blind", "batch.create", "contacts"),
    Target("blind", "batch.create", "deals"),
    Target("blind", "associations.batch_default", "deals", ("associations.batch_default", "deals")),
    Target("versions", "batch.create", "contacts"),
    Target("versions", "batch.create", "deals"),
]

@dataclass(frozen=True)
class Case:
    """`kill` is when the gateway dies. `none`: it lives. `answered`: right after the spoilt answer was given. `held`: while
    the request hangs, before or after its effect; the fault then meets what the gateway asks when it recovers. `point`:
    before its N-th system call of a kind."""

    target: Target
    fault: Fault
    kill: str
    seed: str = "1"
    hold: str = ""
    """Of a held request: what becomes of its effect."""
    point: tuple = ()
    """(call, file or None, number)"""

    @property
    def name(self):
        where = self.hold or ":".join(str(part or "") for part in self.point)
        return "%s; %s; killed: %s" % (
            self.target.name, self.fault.name if self.fault else "no fault", (self.kill + " " + where).strip())

    def chance(self):
        return random.Random("%s/%s" % (self.seed, self.name))


def every_case(seed):
    """Crash point x provider outcome x class, the ones that wait longest first."""
    cases = [Case(target, late, "none", seed) for target in TARGETS if target.op == "batch.create" for late in OVERDUE]
    for target in TARGETS:
        faults = READS if target.is_read else WRITES
        for kill in ("none", "answered"):
            cases += [Case(target, one, kill, seed) for one in faults]
        holds = ("before",) if target.is_read else ("before", "after", "mid_batch", "late")
        for hold in holds:
            if not target.recovery:
                cases.append(Case(target, None, "held", seed, hold))
                continue
            cases += [Case(target, one, "held", seed, hold)
                      for one in (WRITES if target.recovery[0].startswith("associations") else READS)]
    return cases


def gate_cases(seed, share):
    """Every provider outcome at every target without a kill and at some kill; of the rest a share by seed."""
    cases, chosen = every_case(seed), []
    chance = random.Random("gate/" + seed)
    for case in cases:
        if case.fault in OVERDUE:
            wanted = case.target.story == "searchable" and case.target.object == "companies"
        elif case.kill == "none":
            wanted = True
        else:
            wanted = chance.random() < share
        if wanted:
            chosen.append(case)
    return chosen


def control_cases(seed):
    """Creates of companies that come late. The vendor lets two have one domain; of contacts it refuses a second with the
    same e-mail, so that they would show nothing."""
    return [Case(target, one, "none", seed) for target in TARGETS
            if (target.story, target.op, target.object) == ("searchable", "batch.create", "companies")
            for one in BROKEN if one.when == "late"]


STORE_FILES = ["store.db-wal", "store.db"]
POINTS = [(TARGETS[2], fault("after", "reset")), (TARGETS[3], fault("mid_batch", "answer")), (TARGETS[6], None)]
"""The runs that are killed at every system call: (target, fault)."""


def point_case(target, one, call, name, number, seed):
    return Case(target, one, "point", seed, point=(call, name, number))
