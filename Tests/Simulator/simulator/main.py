"""The command line: reads the plan, opens both ports, prints one JSON line, serves until SIGTERM or SIGINT."""

import argparse
import asyncio
import importlib
import json
import signal
import sys

from .clock import Clock
from .control import Control
from .effects import EffectLog
from .faults import FaultPlan
from .server import Journal, Server


def arguments(words):
    parser = argparse.ArgumentParser(prog="run", description="A vendor's API on loopback, for tests.")
    parser.add_argument("--personality", default="hubspot", choices=["hubspot"])
    parser.add_argument("--port", type=int, default=0, help="the API's port; 0 takes a free one")
    parser.add_argument("--control-port", type=int, default=0)
    parser.add_argument("--log", metavar="FILE", help="append-only log of committed effects, JSON lines, fsynced")
    parser.add_argument("--requests", metavar="FILE", help="a JSON line a request (not fsynced)")
    parser.add_argument("--plan", metavar="FILE", help="JSON: seed, dates, portals, faults")
    parser.add_argument("--tls", nargs=2, metavar=("CERT", "KEY"), help="serve HTTPS with this certificate")
    return parser.parse_args(words)


async def serve(options):
    plan = {}
    if options.plan:
        with open(options.plan, encoding="utf-8") as file:
            plan = json.load(file)
    package = importlib.import_module(f"personalities.{options.personality}")
    upstream = importlib.import_module(f"personalities.{options.personality}.upstream")
    clock, effects = Clock(), EffectLog(options.log)
    personality = package.Personality(clock, plan)
    faults = FaultPlan(personality.chance)
    faults.add(plan.get("faults", []))
    server = Server(personality, faults, effects, clock, Journal(options.requests))
    control = Control(server, upstream.Upstream(personality, effects))
    await server.start(options.port, options.tls)
    await control.start(options.control_port)
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    scheme = "https" if options.tls else "http"
    print(json.dumps({"port": server.port, "control_port": control.port, "personality": options.personality,
                      "url": f"{scheme}://127.0.0.1:{server.port}"}), flush=True)
    await ended.wait()
    server.deafen()
    effects.close()


def main(words=None) -> int:
    try:
        asyncio.run(serve(arguments(words)))
    except (OSError, ValueError) as error:
        print(f"simulator: {error}", file=sys.stderr)
        return 1
    return 0
