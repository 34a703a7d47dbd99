"""Rows 1 and 2: what a request costs that does nothing."""

from . import machine
from .servers import Unavailable
from .table import Group
from .wire import Misbehaviour

PING = '{"jsonrpc":"2.0","id":%i,"method":"ping"}'
RESULT = '"result":{}'
DEPTH = 64


class Contestant:
    def __init__(self, name, server, request, want, framing, count):
        self.name, self.server = name, server
        self.request, self.want, self.framing, self.count = request, want, framing, count


def _contestants(workshop, names, group, scale):
    """Starts those that are here; says why of those that are not. Counts make a round about as long for each."""
    known = {
        "pushgate": (workshop.gateway, PING, RESULT, "lines", 150_000),
        "C echo": (workshop.echo, PING, '"method":"ping"', "lines", 150_000),
        "node echo": (workshop.node, PING, RESULT, "lines", 80_000),
        "python asyncio echo": (workshop.python, PING, RESULT, "lines", 30_000),
        "redis PING": (workshop.redis, "PING", "+PONG", "plain", 150_000),
        "ovsdb echo": (workshop.ovsdb, '{"method":"echo","params":["x"],"id":%i}', '"result":["x"]', "braces", 15_000),
    }
    found = []
    for name in names:
        start, request, want, framing, count = known[name]
        try:
            found.append(Contestant(name, start(), request, want, framing, int(count * scale)))
        except Unavailable as why:
            group.skip(name, why)
    return found


def _ask(workshop, one, contestants, group, **options):
    """Sends a contestant's requests. A reference that fails is out; nothing is returned for it."""
    try:
        return workshop.requests(
            one.server.path, one.request, one.want, one.count, framing=one.framing, **options)
    except Misbehaviour as why:
        if one.name == "pushgate":
            raise
        group.skip(one.name, why)
        group.series.pop(one.name, None)
        contestants.remove(one)
        one.server.stop()
        return None


def _stop(contestants):
    for contestant in contestants:
        contestant.server.stop()


def pipelined(workshop, rounds, scale):
    group = Group(
        "1  ping, 64 in flight on one connection", "µs of processor a request",
        f"server on cpu {machine.SERVER}, client on cpu {machine.CLIENT}", rounds)
    rates = {}
    names = ["pushgate", "C echo", "node echo", "python asyncio echo", "redis PING", "ovsdb echo"]
    contestants = _contestants(workshop, names, group, scale)
    try:
        for turn in range(-1, rounds):
            for one in list(contestants):
                before = machine.cpu_seconds(one.server.pid)
                figures = _ask(workshop, one, contestants, group, depth=DEPTH)
                if not figures:
                    continue
                used = machine.cpu_seconds(one.server.pid) - before
                # The first time warms caches, and node's compiler.
                if turn >= 0:
                    group.add(one.name, used * 1e6 / one.count)
                    rates.setdefault(one.name, []).append(one.count / figures["seconds"])
    finally:
        _stop(contestants)
    group.limit("pushgate", at_most=0.8)
    group.ratio("pushgate", "C echo", at_most=2)
    group.ratio("pushgate", "node echo", at_most=1 / 3)
    for name in ("python asyncio echo", "redis PING", "ovsdb echo"):
        group.ratio("pushgate", name)
    said = ", ".join(f"{name} {sorted(values)[len(values) // 2]:,.0f}/s" for name, values in rates.items())
    group.say(f"requests answered: {said}")
    yield group


def alone(workshop, rounds, scale):
    where = f"server and client both on cpu {machine.SERVER}"
    middle = Group("2  ping, one at a time, p50", "µs round trip", where, rounds)
    tail = Group("2  ping, one at a time, p99", "µs round trip", where, rounds)
    contestants = _contestants(workshop, ["pushgate", "C echo", "node echo", "ovsdb echo"], middle, 0.15 * scale)
    try:
        for turn in range(-1, rounds):
            for one in list(contestants):
                figures = _ask(workshop, one, contestants, middle, cores=machine.SERVER)
                if figures and turn >= 0:
                    middle.add(one.name, figures["p50"])
                    tail.add(one.name, figures["p99"])
    finally:
        _stop(contestants)
    middle.ratio("pushgate", "C echo", at_most=1.4)
    middle.ratio("pushgate", "node echo")
    tail.ratio("pushgate", "C echo", at_most=2)
    yield middle
    yield tail
