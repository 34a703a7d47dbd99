"""Row 7: what another client notices while a large transfer runs, on this disk and on a very slow one."""

import json
import os
import shutil
import subprocess
import time

from . import machine
from .bulk import CONTACT, Push
from .pings import PING, RESULT
from .pushes import make_session
from .servers import Unavailable
from .table import Group
from .wire import Misbehaviour

PACE = 500  # µs between pings
FLUSH = 200  # ms that every flush takes on the slow disk
SLOW_SECONDS = 8


def neighbours(workshop, rounds, scale):
    count = int(100_000 * scale)
    group = Group(
        f"7  ping of another client every {PACE} µs while {count:,} contacts run, p99", "µs round trip",
        f"client alone on cpu {machine.CLIENT}, pushing client on cpu {machine.SERVER}", rounds)
    slowest, turns = {}, {}
    ways = (("cpu 0", machine.SERVER), ("both cpus", machine.BOTH)) if machine.BOTH != machine.SERVER else (
        ("cpu 0", machine.SERVER),)
    for _ in range(rounds):
        for name, cores in ways:
            with workshop.gateway(cores) as server, workshop.wire(server) as wire:
                session = make_session(wire, CONTACT)
                push = Push(wire, session, count, None)
                with _Pinging(workshop, server) as pinging:
                    time.sleep(0.5)
                group.add(f"server on {name}, idle", pinging.figures["p99"])
                os.sched_setaffinity(0, {int(machine.SERVER)})
                try:
                    with _Pinging(workshop, server) as pinging:
                        push.complete(push.accept(), "created")
                finally:
                    os.sched_setaffinity(0, machine.CORES)
                group.add(f"server on {name}, busy", pinging.figures["p99"])
                slowest.setdefault(name, []).append(pinging.figures["max"])
                turn = wire.call("stats").get("longest_turn_us")
                turns.setdefault(name, []).append(turn)
    for name, _ in ways:
        group.limit(f"server on {name}, busy", at_most=2000)
    for name, _ in ways:
        said = ", ".join(f"{value:,.0f}" for value in slowest[name])
        longest = ", ".join(f"{value:,}" for value in turns[name] if value is not None)
        group.say(f"server on {name}: slowest ping of a round {said} µs; longest turn of the loop {longest} µs")
    yield group
    yield from _slow(workshop, rounds, count)


def _slow(workshop, rounds, count):
    group = Group(
        f"7  the same with every flush delayed by {FLUSH} ms", "µs round trip, p99",
        f"server on cpus {machine.BOTH}, client on cpu {machine.CLIENT}; {SLOW_SECONDS} s of it", min(rounds, 3))
    if not shutil.which("strace"):
        group.skip("pushgate", Unavailable("strace is not installed (Debian: strace)"))
        yield group
        return
    slowest = []
    for _ in range(min(rounds, 3)):
        with workshop.gateway(machine.BOTH, slow_flush=FLUSH) as server, workshop.wire(server) as wire:
            session = make_session(wire, CONTACT)
            push = Push(wire, session, min(count, 20_000), None)
            with _Pinging(workshop, server) as pinging:
                push.accept()
                time.sleep(SLOW_SECONDS)
            group.add("pushgate, busy", pinging.figures["p99"])
            slowest.append(pinging.figures["max"])
            server.must_end_well = False
    group.limit("pushgate, busy", at_most=5000)
    group.say(f"slowest of a round: {', '.join(f'{value:,.0f}' for value in slowest)} µs")
    yield group


class _Pinging:
    """A client that pings at a steady pace until the block ends."""

    def __init__(self, workshop, server):
        self.command = [
            "taskset", "-c", machine.CLIENT, workshop.load, server.path, PING, RESULT, "lines", "1000000", "1", "1",
            str(PACE), "300"]

    def __enter__(self):
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        return self

    def __exit__(self, kind, *_):
        try:
            output, errors = self.process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            output, errors = self.process.communicate()
        if kind is None:
            if self.process.returncode:
                raise Misbehaviour(errors.decode(errors="replace").strip() or "the pinging client failed")
            self.figures = json.loads(output)
