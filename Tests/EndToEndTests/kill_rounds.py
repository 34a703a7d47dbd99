#!/usr/bin/env python3
"""kill -9 at random moments: nothing acknowledged is lost, nothing is there twice, no event is missing.

    kill_rounds.py [--rounds 200] [--seed 1]       each round: 50 pushes, killed between 0 and 40 ms, restarted, finished
    kill_rounds.py --negative-control [--seed 1]   the same behind a proxy that acknowledges pushes before it forwards
                                                   them; succeeds only if the harness notices

One round is repeated with --seed S --first R --rounds 1 as far as time allows: the pushes are the same, the moment is
the same in milliseconds.
"""

import argparse
import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import campaign
from campaign import Author, Book, Run, Violation
from peer import BINARY, Gateway, Missing, Peer, Refused

PUSHES = 50
CONNECTIONS = 3
ROUNDS_A_STORE = 20
LONGEST = 0.040
CONTROL_ROUNDS = 50
HONEST_ROUNDS = 10


class House:
    """A store and its gateway, over several rounds; a proxy before it if asked."""

    def __init__(self, seed, number, proxy, folder):
        # Every other store is on a real disk, where a flush takes its time.
        base = folder or ("/dev/shm" if number % 2 == 0 and os.path.isdir("/dev/shm") else None)
        self.folder = tempfile.mkdtemp(prefix="pushgate-kill-", dir=base)
        self.gateway = Gateway(self.folder, ["--log", "warning"])
        self.proxy_kind = proxy
        self.proxy = None
        self.path = self.gateway.path
        self.author = Author(campaign.randomness(seed, "author", number))
        self.book = Book()
        self.start()
        with Peer(self.path) as peer:
            self.session = peer.call("initiateSession", campaign.SESSION)["session_id"]

    def start(self):
        self.gateway.start()
        if self.proxy_kind and self.proxy is None:
            self.path = os.path.join(self.folder, "front.sock")
            self.proxy = subprocess.Popen(
                [sys.executable, os.path.abspath(__file__), "--proxy", self.proxy_kind, self.path, self.gateway.path])
            deadline = time.monotonic() + 10
            while not os.path.exists(self.path):
                if time.monotonic() > deadline:
                    raise Missing("the proxy does not start")
                time.sleep(0.005)

    def close(self):
        self.gateway.kill()
        if self.proxy:
            self.proxy.kill()
            self.proxy.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def play(house, chance, kills, counts):
    """One round."""
    book, gateway = house.book, house.gateway
    pushes = [house.author.push() for _ in range(PUSHES)]
    book.pushes += pushes
    log_from, first_event = book.cursor, len(book.events)
    span = chance.choice([0, 0.010, 0.030])
    moments = sorted(chance.uniform(0, span) for _ in pushes)
    places = [chance.randrange(CONNECTIONS) for _ in pushes]
    moment = chance.uniform(0, LONGEST)
    run = Run(book, house.path, house.session, CONNECTIONS)
    began = time.monotonic()
    sent = 0
    while True:
        now = time.monotonic() - began
        if kills and now >= moment:
            break
        while sent < PUSHES and moments[sent] <= now:
            run.send(pushes[sent], places[sent])
            sent += 1
        if not kills and sent == PUSHES and not run.unanswered:
            break
        following = min(moments[sent] if sent < PUSHES else LONGEST, moment if kills else LONGEST)
        run.turn(following - now)
    if kills:
        gateway.kill()
        lost = run.drain()
        counts["killed"] += 1
        counts["unsent"] += PUSHES - sent
        counts["unanswered"] += len(lost)
        counts["acknowledged"] += sent - len(lost)
        for _ in range(chance.choice([0, 0, 0, 1, 2])):
            # Killed again while it recovers.
            gateway.spawn()
            time.sleep(chance.uniform(0, 0.03))
            gateway.kill()
            counts["killed_again"] += 1
        house.start()
    else:
        lost = run.unanswered
        run.wire.close()
    campaign.finish(gateway, house.path, book, house.session, pushes, lost, log_from, first_event, CONNECTIONS)


def campaign_of(arguments, rounds, proxy=None):
    """Plays rounds; gives the message of the first violation, or None."""
    counts = dict.fromkeys(["killed", "killed_again", "acknowledged", "unanswered", "unsent"], 0)
    house, repeats, began = None, 0, time.monotonic()
    try:
        for number in range(arguments.first, arguments.first + rounds):
            if house is None or number % ROUNDS_A_STORE == 0:
                if house:
                    campaign.check_files(house.gateway)
                    repeats += house.book.repeats
                    house.close()
                house = House(arguments.seed, number // ROUNDS_A_STORE, proxy, arguments.folder)
            try:
                play(house, campaign.randomness(arguments.seed, "round", number), not arguments.spare, counts)
            except (Violation, Missing, Refused) as violation:
                return "round %d, seed %s: %s" % (number, arguments.seed, violation)
        campaign.check_files(house.gateway)
        repeats += house.book.repeats
    finally:
        if house:
            keep = arguments.keep and sys.exc_info()[0] is None
            house.gateway.kill() if keep else house.close()
    print("%d rounds of %d pushes in %.1f s: %d kills, %d more while recovering; when it died %d pushes were acknowledged, "
          "%d unanswered, %d not sent; %d events repeated" % (
              rounds, PUSHES, time.monotonic() - began, counts["killed"], counts["killed_again"], counts["acknowledged"],
              counts["unanswered"], counts["unsent"], repeats))
    return None


def negative_control(arguments):
    """The harness has teeth: a proxy that only forwards passes, and the same proxy is caught when it lies."""
    problem = campaign_of(arguments, HONEST_ROUNDS, "honest")
    if problem:
        print("FAILED: the proxy disturbs even when it is honest: " + problem)
        return 1
    problem = campaign_of(arguments, CONTROL_ROUNDS, "lying")
    if problem is None:
        print("FAILED: replies left before their commit, and %d rounds did not notice it" % CONTROL_ROUNDS)
        return 1
    print("replies left before their commit, and the harness noticed: " + problem)
    return 0 if "lost" in problem else 1


# MARK: The proxy

class Proxy:
    """Forwards; if it lies, it answers pushTransfer itself before it forwards it. It knows both names of a transfer and
    translates them, so that everything but the time of the answer is as it would be."""

    def __init__(self, back, lies):
        self.back = back
        self.lies = lies
        self.count = 0
        self.open = 0
        self.real = {}
        self.forged = {}

    async def serve(self, reader, writer):
        try:
            back_reader, back_writer = await asyncio.open_unix_connection(self.back, limit=1 << 26)
        except OSError:
            writer.close()
            return
        mine = {}
        away = asyncio.ensure_future(until_cut(self.forward(reader, writer, back_writer, mine)))
        back = asyncio.ensure_future(until_cut(self.backward(back_reader, writer, mine)))
        await asyncio.wait([away, back], return_when=asyncio.FIRST_COMPLETED)
        while mine and not back.done():
            await asyncio.sleep(0.001)
        self.open -= len(mine)
        mine.clear()
        writer.close()
        back_writer.close()

    async def forward(self, reader, writer, back_writer, mine):
        while line := await reader.readline():
            message = json.loads(line)
            if self.lies and message.get("method") == "pushTransfer":
                self.count += 1
                name = "f%023x" % self.count
                mine[message["id"]] = name
                self.open += 1
                writer.write(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": {
                    "success": True, "transfer_id": name, "statistics": "", "event_cursor": "0"}}).encode() + b"\n")
                await writer.drain()
            else:
                # Whoever asks for results is not lied to: what was forwarded is answered first.
                while self.open:
                    await asyncio.sleep(0.001)
            back_writer.write(self.translate(line, self.real))
            await back_writer.drain()

    async def backward(self, back_reader, writer, mine):
        while line := await back_reader.readline():
            message = json.loads(line)
            name = mine.pop(message.get("id"), None)
            if name is None:
                writer.write(self.translate(line, self.forged))
                await writer.drain()
                continue
            self.open -= 1
            if "result" in message:
                self.real[name] = message["result"]["transfer_id"]
                self.forged[message["result"]["transfer_id"]] = name

    @staticmethod
    def translate(line, names):
        text = line.decode()
        for one, other in names.items():
            if one in text:
                text = text.replace(one, other)
        return text.encode()


async def until_cut(work):
    try:
        await work
    except OSError:
        pass


async def stand_between(kind, front, back):
    server = await asyncio.start_unix_server(Proxy(back, kind == "lying").serve, front, limit=1 << 26)
    await server.serve_forever()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--first", type=int, default=0, help="number of the first round")
    parser.add_argument("--seed", default="1")
    parser.add_argument("--folder", help="where stores are made; without it every other one is in memory")
    parser.add_argument("--keep", action="store_true", help="leave the last store")
    parser.add_argument("--spare", action="store_true", help="kill nothing: only the pushes and the checks")
    parser.add_argument("--negative-control", action="store_true")
    parser.add_argument("--proxy", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.proxy:
        return asyncio.run(stand_between(*arguments.proxy))
    print("gateway: %s" % BINARY)
    if arguments.negative_control:
        return negative_control(arguments)
    problem = campaign_of(arguments, arguments.rounds)
    if problem:
        print("FAILED: " + problem)
        return 1
    print("%d passed, 0 failed: 0 lost, 0 doubled, 0 event gaps" % arguments.rounds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
