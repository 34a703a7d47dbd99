"""Row 11: a million records that wait: memory, and a restart after kill -9."""

import os
import signal
import time

from . import machine
from .bulk import CONTACT, Push
from .pushes import make_session
from .table import Group
from .wire import expect

MEGABYTE = 1 << 20
RESTARTS = 5


def queued(workshop, _, scale):
    return _queued(workshop, int(100_000 * scale))


def queued_full(workshop, _, __):
    return _queued(workshop, 1_000_000)


def _queued(workshop, count):
    memory = Group(f"11  {count:,} records queued", "MB (2^20 bytes) resident", "not pinned", 1)
    start = Group("11  the same: from spawn after kill -9 to ready", "ms", "not pinned", RESTARTS)
    folder = workshop.folder()
    server = workshop.gateway(None, folder=folder)
    try:
        with workshop.wire(server) as wire:
            # The provider is down, so that what is accepted stays where it is.
            session = make_session(wire, CONTACT, settings={"faults": [{"fault": "refuse_connection", "times": 1_000_000_000}]})
            memory.add("pushgate, empty", machine.memory(server.pid)[0] / MEGABYTE)
            pushed, began = 0, time.monotonic()
            while pushed < count:
                push = Push(wire, session, min(50_000, count - pushed), 12_345, pushed)
                push.accept()
                pushed += push.count
            took = time.monotonic() - began
            waiting = wire.call("stats")["records_queued"]
            expect(waiting == count, f"of {count} records {waiting} are queued")
            time.sleep(1)
            memory.add("pushgate, all queued", machine.memory(server.pid)[0] / MEGABYTE)
        for _ in range(RESTARTS):
            _kill(server)
            before = time.perf_counter()
            server = workshop.gateway(None, folder=folder)
            with workshop.wire(server) as wire:
                # Answered when the gateway has taken up what the last run left behind.
                waiting = wire.call("stats")["records_queued"]
                start.add("pushgate", (time.perf_counter() - before) * 1e3)
                expect(waiting == count, f"after kill -9 {waiting} of {count} records are queued")
                time.sleep(0.5)
        memory.add("pushgate, after a restart", machine.memory(server.pid)[0] / MEGABYTE)
    finally:
        server.must_end_well = False
        _kill(server)
    memory.limit("pushgate, all queued", at_most=128)
    memory.limit("pushgate, after a restart", at_most=128)
    memory.say(f"pushed in {took:.1f} s, {count / took:,.0f} records a second with the making of the lines")
    start.limit("pushgate", at_most=250)
    yield memory
    yield start


def _kill(server):
    server.must_end_well = False
    if server.process.poll() is None:
        os.kill(server.pid, signal.SIGKILL)
        server.process.wait()
    server.stop()
