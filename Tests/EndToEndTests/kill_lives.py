#!/usr/bin/env python3
"""kill -9 while transfers are cancelled, sent in parts and retried: every call may be repeated, and in the end every record
is at the provider once, or is told to be unsent and is not there.

    kill_lives.py [--rounds 40] [--seed 1] [--first 0]

Each round: 150 contacts with a company each are pushed and cancelled at a random moment, 15 more go in parts, and what was
not sent is retried. Meanwhile the gateway is killed at random moments; whoever gets no answer calls again.
Last line: N passed, N failed.
"""

import argparse
import json
import os
import random
import shutil
import socket
import sqlite3
import sys
import tempfile
import threading
import time

from peer import Gateway, Missing, Refused, SOON

RECORDS, PARTS, PART = 150, 3, 5
SESSION = {"provider": "local", "name": "crm", "settings": {"latency_ms": 3},
           "schema": [{"endgrate_type": "crm-contact"}, {"endgrate_type": "crm-company"}]}


class Round:
    def __init__(self, seed, number):
        self.chance = random.Random("%s/%s" % (seed, number))
        self.folder = tempfile.mkdtemp(prefix="pushgate-lives-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
        self.gateway = Gateway(self.folder, ["--log", "warning"])
        self.gateway.start()
        self.peer = None
        self.lock = threading.Lock()
        self.kills = 0
        self.is_over = False

    def call(self, method, **params):
        """Calls until there is an answer: every call of this test may be repeated."""
        deadline = time.monotonic() + SOON
        while True:
            try:
                if self.peer is None:
                    self.peer = self.gateway.peer()
                return self.peer.call(method, params)
            except (OSError, Missing, socket.error, json.JSONDecodeError):
                if time.monotonic() > deadline:
                    raise
                if self.peer is not None:
                    self.peer.close()
                self.peer = None
                # While it is being started, this waits.
                with self.lock:
                    pass
                time.sleep(0.001)

    def killer(self):
        for _ in range(self.chance.randint(1, 4)):
            time.sleep(self.chance.uniform(0.002, 0.25))
            with self.lock:
                if self.is_over:
                    return
                self.gateway.kill()
                self.kills += 1
                self.gateway.start()

    def completed(self, transfer):
        deadline = time.monotonic() + SOON
        while True:
            state = self.call("getTransfer", transfer_id=transfer)
            if state["state"] == "completed":
                return state
            assert time.monotonic() < deadline, "%s does not complete: %s" % (transfer, state)
            time.sleep(0.005)

    def rows(self, transfer, *kinds):
        rows = self.call("getData", transfer_id=transfer, limit=1000)["transfer_data"]
        for row in rows:
            assert row["outcome"] in kinds, "%s is %s" % (row["internal_id"], row["outcome"])
        return rows

    def play(self):
        session = self.call("initiateSession", **SESSION)["session_id"]
        thread = threading.Thread(target=self.killer)
        thread.start()
        try:
            self.script(session)
        finally:
            self.is_over = True
            thread.join()

    def script(self, session):
        to = {"session_id": session, "endgrate_type": "crm-contact", "disable_upsert": True}

        def contact(name):
            return {"internal_id": name, "data": {"first_name": name},
                    "associations": {"crm-company": [{"internal_id": "of " + name, "data": {"name": name}}]}}

        pushed = self.call("pushTransfer", idempotency_key="push",
                           transfer_data=[contact("p%d" % place) for place in range(RECORDS)], **to)["transfer_id"]
        time.sleep(self.chance.uniform(0, 0.06))
        answer = self.call("cancelTransfer", transfer_id=pushed)
        parts = self.call("beginTransfer", idempotency_key="parts", **to)["transfer_id"]
        for number in range(PARTS):
            items = [{"internal_id": "t%d" % (number * PART + place), "data": {"first_name": "T"}} for place in range(PART)]
            kept = self.call("appendTransfer", transfer_id=parts, seq=number, transfer_data=items)
            assert kept["records"] == (number + 1) * PART, kept
        assert self.call("commitTransfer", transfer_id=parts, parts=PARTS)["transfer_id"] == parts
        state = self.completed(pushed)
        assert answer["cancelled"] == state.get("cancelled", False), (answer, state)
        unsent = [row["internal_id"] for row in self.rows(pushed, "created", "unsent") if row["outcome"] == "unsent"]
        assert answer["cancelled"] or not unsent, state
        retry = self.call("retryTransfer", transfer_id=pushed, idempotency_key="retry")
        assert retry["retry_of"] == pushed and retry["records"] == len(unsent), (retry, len(unsent))
        self.completed(retry["transfer_id"])
        assert [row["internal_id"] for row in self.rows(retry["transfer_id"], "created")] == unsent
        self.completed(parts)
        assert len(self.rows(parts, "created")) == PARTS * PART
        self.unsent = len(unsent)

    def check(self):
        self.peer.close()
        self.gateway.kill()
        with sqlite3.connect("file:%s?mode=ro" % os.path.join(self.folder, "local", "default.db"), uri=True) as provider:
            count = provider.execute("SELECT count(*) FROM record").fetchone()[0]
        provider.close()
        assert count == 2 * RECORDS + PARTS * PART, "%d records at the provider" % count
        with sqlite3.connect(self.gateway.store) as store:
            assert store.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            assert store.execute("SELECT count(*) FROM intent WHERE settled IS NULL").fetchone() == (0,)
            for table in ("record", "outcome"):
                assert store.execute(
                    "SELECT count(*) FROM %s WHERE transfer NOT IN (SELECT sequence FROM transfer)" % table).fetchone()[0] == 0
        store.close()

    def end(self):
        self.gateway.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--first", type=int, default=0, help="number of the first round")
    parser.add_argument("--seed", default="1")
    arguments = parser.parse_args()
    failed = kills = unsent = 0
    for number in range(arguments.first, arguments.first + arguments.rounds):
        scene = Round(arguments.seed, number)
        try:
            scene.play()
            scene.check()
            kills += scene.kills
            unsent += scene.unsent
        except (AssertionError, Refused, Missing, OSError, sqlite3.Error) as error:
            failed += 1
            print("round %d, seed %s: %s: %s" % (number, arguments.seed, type(error).__name__, error))
        finally:
            scene.end()
    print("%d kills; %d records were kept back by a cancel and pushed by a retry" % (kills, unsent))
    print("%d passed, %d failed" % (arguments.rounds - failed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
