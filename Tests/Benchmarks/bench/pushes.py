"""Rows 3 and 4: durable pushes of one record."""

import time

from . import machine
from .servers import Unavailable
from .table import Group
from .wire import expect, until_done

DEPTH = 64
# No match keys: what is measured is keeping and applying, as the C program does it.
PERSON = {
    "title": "person",
    "type": "object",
    "properties": {name: {"type": "string"} for name in ("first_name", "last_name", "email")},
}
ACCEPTED = '"success":true,"transfer_id":"'


def make_session(wire, schema=PERSON, account="default", settings=None):
    result = wire.call("initiateSession", provider="local", schema=[schema], account=account, settings=settings or {})
    return result["session_id"]


def push_request(session, key):
    """A push of one record, for `clients/load.c`; `key` is `%o` (in order) or `%r` (random)."""
    record = (
        f'{{"internal_id":"{key}","data":{{"first_name":"Ann","last_name":"Example","email":"{key}@example.com"}}}}')
    return (
        '{"jsonrpc":"2.0","id":%i,"method":"pushTransfer","params":{"session_id":"' + session
        + '","endgrate_type":"person","transfer_data":[' + record + "]}}")


def hold(wire):
    """A session whose account is busy for the next minute, so that pushes are accepted and not applied."""
    session = make_session(wire, account="held", settings={"latency_ms": 60_000})
    wire.call(
        "pushTransfer", session_id=session, endgrate_type="person",
        transfer_data=[{"internal_id": "first", "data": {"first_name": "Ann"}}])
    end = time.monotonic() + 10
    while wire.call("stats")["exchanges"] == 0:
        expect(time.monotonic() < end, "the first exchange of a session did not begin within 10 s")
        time.sleep(0.002)
    return session


def check_session(wire, session, records):
    """Every record pushed has arrived, none failed."""
    numbers = wire.call("getStatistics", session_id=session)["statistics"]
    found = sum(entry["records_transferred"] for entry in numbers.values())
    failed = sum(entry["batches_fail"] for entry in numbers.values())
    expect(found == records and failed == 0, f"of {records} records {found} were written, {failed} pages failed")


class Accepting:
    """One way of pushing single records: how they arrive, and whether they are applied meanwhile."""

    def __init__(self, name, key, connections, depth, is_held):
        self.name, self.key, self.connections, self.depth, self.is_held = name, key, connections, depth, is_held
        self.commits = []

    def measure(self, workshop, count, accepted, completed):
        with workshop.gateway(machine.BOTH) as server, workshop.wire(server) as wire:
            session = hold(wire) if self.is_held else make_session(wire)
            before = wire.call("stats")
            start = time.monotonic()
            figures = workshop.requests(
                server.path, push_request(session, self.key), ACCEPTED, count, self.connections, self.depth)
            accepted.add(self.name, count / figures["seconds"])
            self.commits.append(wire.call("stats")["commits"] - before["commits"])
            if self.is_held:
                stats = wire.call("stats")
                queued = stats["records_queued"]
                expect(queued == count + 1, f"of {count + 1} records {queued} are queued")
            else:
                until_done(wire)
                completed.add(self.name, count / (time.monotonic() - start))
                check_session(wire, session, count)


WAYS = [
    Accepting("pushgate, 1x64, not applied, keys in order", "%o", 1, DEPTH, True),
    Accepting("pushgate, 1x64, not applied, random keys", "%r", 1, DEPTH, True),
    Accepting("pushgate, 1x64, applied, keys in order", "%o", 1, DEPTH, False),
    Accepting("pushgate, 1x64, applied, random keys", "%r", 1, DEPTH, False),
    Accepting("pushgate, 50x1, not applied, keys in order", "%o", 50, 1, True),
    Accepting("pushgate, 50x1, applied, keys in order", "%o", 50, 1, False),
]
GROUPS = {(1, "order"): "C, group of 64, keys in order", (1, "random"): "C, group of 64, random keys",
          (50, "order"): "C, group of 50, keys in order"}


def _name(way):
    return GROUPS[way.connections, "order" if way.key == "%o" else "random"]


def accepted(workshop, rounds, scale):
    count = int(12_000 * scale)
    where = f"server on cpus {machine.BOTH}, client on cpu {machine.CLIENT}"
    accept = Group("3  durable pushTransfer of one record: accepted", "a second", where, rounds)
    complete = Group("3  the same: completed into `local`", "a second", where, rounds)
    single = "C, one commit a push"
    try:
        ovsdb = workshop.ovsdb()
    except Unavailable as why:
        ovsdb = None
        accept.skip("ovsdb durable transact", why)
    flushes = []
    try:
        for _ in range(rounds):
            flushes += machine.flush_times(workshop.scratch, 100)
            for way in WAYS:
                way.measure(workshop, count, accept, complete)
            for (size, keys), name in GROUPS.items():
                group = DEPTH if size == 1 else size
                done = workshop.commit(count, group, 1, keys, "accept")
                accept.add(name, count / done["seconds"])
                done = workshop.commit(count, group, 1, keys, "whole")
                complete.add(name, count / done["seconds"])
            done = workshop.commit(count // 10, 1, 1, "order", "accept")
            accept.add(single, count // 10 / done["seconds"])
            if ovsdb:
                _ovsdb_round(workshop, ovsdb, count // 20, accept)
    finally:
        if ovsdb:
            ovsdb.stop()
    for way in WAYS:
        accept.ratio(way.name, _name(way), at_least=0.4)
        if not way.is_held:
            complete.ratio(way.name, _name(way), at_least=0.4)
    accept.ratio(WAYS[0].name, single)
    accept.ratio(WAYS[0].name, "ovsdb durable transact", at_least=10)
    said = "; ".join(f"{way.name[10:]} {sorted(way.commits)[len(way.commits) // 2]:,}" for way in WAYS)
    accept.say(f"commits until the last of {count:,} pushes was accepted: {said}")
    accept.say(f"one fdatasync meanwhile: p50 {machine.p50_p99(flushes)[0]:,.0f} µs")
    complete.say("The C program writes the rows of the store alone, pushgate those and the provider's file.")
    yield accept
    yield complete


def _ovsdb_round(workshop, server, count, group):
    request = (
        '{"method":"transact","params":["Bench",{"op":"insert","table":"T","row":{"v":"%o"}},'
        '{"op":"commit","durable":true}],"id":%i}')
    done = workshop.requests(server.path, request, '"uuid"', count, depth=DEPTH, framing="braces")
    group.add("ovsdb durable transact", count / done["seconds"])


def alone(workshop, rounds, scale):
    count = int(1_500 * scale)
    group = Group(
        "4  the same, one at a time, p50", "µs round trip", f"server and client both on cpu {machine.SERVER}", rounds)
    tails = {"not applied": [], "applied": []}
    for _ in range(rounds):
        for name, is_held in (("not applied", True), ("applied", False)):
            with workshop.gateway() as server, workshop.wire(server) as wire:
                session = hold(wire) if is_held else make_session(wire)
                group.add("one fdatasync", machine.p50_p99(machine.flush_times(workshop.scratch, count // 3))[0])
                figures = workshop.requests(
                    server.path, push_request(session, "%o"), ACCEPTED, count, cores=machine.SERVER)
                group.add(f"pushgate, {name}", figures["p50"])
                tails[name].append(figures["p99"])
                if not is_held:
                    until_done(wire)
                    check_session(wire, session, count)
    # Each gateway has the flushes that were timed just before it.
    flushes = group.series.pop("one fdatasync")
    group.series["one fdatasync, before not applied"], group.series["one fdatasync, before applied"] = (
        flushes[0::2], flushes[1::2])
    group.ratio("pushgate, not applied", "one fdatasync, before not applied", at_most=2.5)
    group.ratio("pushgate, applied", "one fdatasync, before applied", at_most=4)
    said = ", ".join(f"{name} {sorted(values)[len(values) // 2]:,.0f} µs" for name, values in tails.items())
    group.say(f"p99: {said}")
    yield group

