"""Row 6: the event log, read by many."""

import os
import time

from . import machine
from .pushes import ACCEPTED, make_session, push_request
from .table import Group
from .wire import encode, expect, until_done

SUBSCRIBERS = 100
MARK = '"method":"event"'


def delivered(workshop, rounds, scale):
    pushes = int(2_000 * scale)
    events = 2 * pushes  # a page of data and the completion, of each
    group = Group(
        f"6  {events:,} events of the durable log to each of {SUBSCRIBERS} subscribers", "events a second",
        f"server on cpu {machine.SERVER}, client on cpu {machine.CLIENT}", rounds)
    subscribe = encode(1, "subscribe", {"from": "earliest", "types": ["data", "completed"], "window": 4096})
    with workshop.gateway() as server, workshop.wire(server) as wire:
        session = make_session(wire)
        workshop.requests(server.path, push_request(session, "%o"), ACCEPTED, pushes, depth=64)
        until_done(wire)
        log = os.path.join(workshop.folder(), "events")
        size = _record(workshop, server, subscribe, events, log)
        with workshop.echo(replay=log) as echo:
            used = []
            for _ in range(rounds):
                before = machine.cpu_seconds(server.pid)
                group.add("pushgate", _read(workshop, server, subscribe, events))
                used.append((machine.cpu_seconds(server.pid) - before) * 1e6 / (events * SUBSCRIBERS))
                group.add("C, the same bytes from memory", _read(workshop, echo, subscribe, events))
    group.limit("pushgate", at_least=350_000)
    group.ratio("pushgate", "C, the same bytes from memory")
    group.say(
        f"{size / events:,.0f} bytes an event; {sorted(used)[len(used) // 2]:.2f} µs of processor an event delivered")
    yield group


def _record(workshop, server, subscribe, events, path):
    """Keeps what one subscriber is sent, for the reference to send again."""
    with workshop.wire(server) as wire, open(path, "wb") as file:
        wire.send(subscribe)
        wire.answer(1)
        count = 0
        end = time.monotonic() + 60
        while count < events:
            expect(time.monotonic() < end, f"of {events} events {count} reached a subscriber within 60 s")
            line = wire.line()
            if MARK.encode() in line[:160]:
                file.write(line)
                count += 1
        return file.tell()


def _read(workshop, server, subscribe, events):
    words = [server.path, str(SUBSCRIBERS), str(events), subscribe.decode().strip(), MARK]
    done = machine.run([workshop.fan, *words], machine.CLIENT)
    return done["delivered"] / done["seconds"]
