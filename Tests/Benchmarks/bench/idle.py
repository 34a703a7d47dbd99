"""Row 8: what it costs to have a gateway that does nothing."""

import os
import resource
import socket
import subprocess
import time

from . import machine
from .servers import Unavailable
from .table import Group
from .wire import expect

MEGABYTE = 1 << 20
CONNECTIONS = 10_000
PINGED = b'{"jsonrpc":"2.0","id":1,"method":"ping"}\n'


def start(workshop, rounds, _):
    """Spawn to first ping answered; each start is one round."""
    group = Group("8  from spawn to the first ping answered", "ms", "not pinned", rounds)
    kept = workshop.folder()
    workshop.gateway(None, folder=kept).stop()
    contestants = {
        "pushgate, store exists": lambda: workshop.gateway(None, folder=kept),
        "pushgate, new store": lambda: workshop.gateway(None),
        "C echo": lambda: workshop.echo(None),
        "node echo": lambda: workshop.node(None),
        "python asyncio echo": lambda: workshop.python(None),
    }
    for _ in range(rounds):
        for name, make in list(contestants.items()):
            before = time.perf_counter()
            try:
                server = make()
            except Unavailable as why:
                group.skip(name, why)
                del contestants[name]
                continue
            with server:
                answer = _ping(server.path)
                group.add(name, (time.perf_counter() - before) * 1e3)
            expect(answer.endswith(b"\n") and b'"id":1' in answer, f"a ping was answered with {answer!r}")
    group.limit("pushgate, store exists", at_most=20)
    group.limit("pushgate, new store", at_most=20)
    group.ratio("pushgate, store exists", "node echo")
    yield group


def _ping(path):
    with socket.socket(socket.AF_UNIX) as one:
        one.settimeout(20)
        one.connect(path)
        one.sendall(PINGED)
        return one.recv(4096)


def size(workshop, _, __):
    memory = Group("8  memory after start and one ping", "MB (2^20 bytes)", "idle for 0.3 s", 1)
    for name, make in (
        ("pushgate", workshop.gateway), ("C echo", workshop.echo), ("node echo", workshop.node),
        ("python asyncio echo", workshop.python),
    ):
        try:
            server = make()
        except Unavailable as why:
            memory.skip(name, why)
            continue
        with server:
            _ping(server.path)
            time.sleep(0.3)
            whole, anonymous = machine.memory(server.pid)
        memory.add(f"{name}, RSS", whole / MEGABYTE)
        memory.add(f"{name}, anonymous", anonymous / MEGABYTE)
    memory.limit("pushgate, anonymous", at_most=6)
    memory.limit("pushgate, RSS", at_most=18)
    yield memory

    binary = Group("8  size of the binary", "MB (2^20 bytes)", "file", 1)
    binary.add("as built", os.path.getsize(workshop.gateway_binary) / MEGABYTE)
    stripped = os.path.join(workshop.folder(), "stripped")
    try:
        subprocess.run(["strip", "-o", stripped, workshop.gateway_binary], check=True)
        binary.add("stripped", os.path.getsize(stripped) / MEGABYTE)
    except (FileNotFoundError, subprocess.CalledProcessError) as why:
        binary.skip("stripped", f"strip did not work: {why}")
    binary.limit("stripped", at_most=12)
    yield binary


def connections(workshop, _, __):
    group = Group(
        f"8  memory with {CONNECTIONS:,} idle connections", "MB (2^20 bytes)", f"server on cpu {machine.SERVER}", 1)
    try:
        _raise_descriptors(CONNECTIONS + 200)
    except (ValueError, OSError) as why:
        group.skip("pushgate", f"this many descriptors are not allowed here: {why}")
        yield group
        return
    options = ["--max-connections", "16384", "--max-connections-per-user", "16384"]
    open_ones = []
    with workshop.gateway(options=options) as server:
        try:
            _ping(server.path)
            before, _ = machine.memory(server.pid)
            for _ in range(CONNECTIONS):
                open_ones.append(_dial(server.path))
            for one in open_ones:
                one.sendall(PINGED)
            for one in open_ones:
                answer = one.recv(4096)
                expect(b'"result":{}' in answer, f"an idle connection's ping was answered with {answer!r}")
            time.sleep(0.5)
            whole, anonymous = machine.memory(server.pid)
        finally:
            for one in open_ones:
                one.close()
    group.add("pushgate, RSS before", before / MEGABYTE)
    group.add("pushgate, RSS", whole / MEGABYTE)
    group.add("pushgate, anonymous", anonymous / MEGABYTE)
    group.limit("pushgate, RSS", at_most=64)
    yield group


def _dial(path):
    """A connection; waits while the listener's backlog is full."""
    end = time.monotonic() + 20
    while True:
        one = socket.socket(socket.AF_UNIX)
        one.settimeout(20)
        try:
            one.connect(path)
            return one
        except BlockingIOError:
            one.close()
            expect(time.monotonic() < end, "no connection was accepted for 20 s")
            time.sleep(0.001)


def _raise_descriptors(count):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count:
        wanted = max(hard, count) if hard != resource.RLIM_INFINITY else hard
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, wanted))
