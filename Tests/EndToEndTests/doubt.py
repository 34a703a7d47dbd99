#!/usr/bin/env python3
"""What may have happened, after kill -9 and on a bad day: repeated only where the provider recognises it, and nobody
else is held up.

    doubt.py

The provider answers late, so that the gateway can be killed when a write has had its effect and nobody knows. Effects
are counted in the provider's own file.
"""

import os
import shutil
import sqlite3
import sys
import tempfile
import time

from peer import Gateway, Missing, Refused


class Wrong(Exception):
    """Something is not as it was said."""


def expect(condition, text):
    if not condition:
        raise Wrong(text)


class House:
    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="pushgate-doubt-")
        self.gateway = Gateway(self.folder, ["--log", "warning"]).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.gateway.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def session(self, peer, account, settings):
        return peer.call("initiateSession", {
            "provider": "local", "name": account, "account": account, "settings": settings,
            "schema": [{"endgrate_type": "crm-contact"}]})["session_id"]

    def effects(self, account):
        """How many records the provider has made."""
        for root, _, names in os.walk(self.folder):
            if account + ".db" in names:
                base = sqlite3.connect("file:%s?mode=ro" % os.path.join(root, account + ".db"), uri=True)
                try:
                    return base.execute("SELECT count(*) FROM effect WHERE op='create'").fetchone()[0]
                except sqlite3.OperationalError:
                    # The file is being made.
                    return 0
                finally:
                    base.close()
        return 0


def push(peer, session, names, **more):
    return peer.call("pushTransfer", dict(more, session_id=session, endgrate_type="crm-contact", transfer_data=[
        {"internal_id": name, "data": {"email": name + "@example.org"}} for name in names]))


def killed(kind):
    """The gateway dies between the effect of a write and its answer."""
    with House() as house:
        with house.gateway.peer() as peer:
            session = house.session(peer, "one", {"class": kind, "latency_ms": 700, "settle_ms": 100})
            transfer = push(peer, session, ["a", "b"])["transfer_id"]
            deadline = time.monotonic() + 20
            while house.effects("one") < 2:
                expect(time.monotonic() < deadline, "nothing is written")
                time.sleep(0.01)
        house.gateway.kill()
        # Also killed again, before and while it takes up what the last run left.
        house.gateway.start()
        house.gateway.kill()
        house.gateway.start()
        with house.gateway.peer(60) as peer:
            deadline = time.monotonic() + 20
            while peer.call("getTransfer", transfer_id=transfer)["state"] != "completed":
                expect(time.monotonic() < deadline, "it is never completed")
                time.sleep(0.02)
            rows = peer.call("getData", transfer_id=transfer)["transfer_data"]
            outcomes = [row["outcome"] for row in rows]
            wanted = "uncertain" if kind == "blind" else "created"
            expect(outcomes == [wanted, wanted], "%s: %s" % (kind, outcomes))
            errors = peer.call("getErrors", transfer_id=transfer)["errors"]
            expect(len(errors) == (2 if kind == "blind" else 0), str(errors))
            # What comes after is not held up.
            late = push(peer, session, ["c"], synchronous=True)
            expect(late["completed"], "a later push does not go on")
        expect(house.effects("one") == 3, "%s: %d records were made of 3" % (kind, house.effects("one")))


def late(settle):
    """A provider that goes on with writes after the gateway gave them up, over and over. Looked for when that is over, none
    is made twice; looked for at once, some are: that is what the settle time is for.

    Returns how many records were made too often."""
    names = ["n%02d" % number for number in range(12)]
    with House() as house:
        with house.gateway.peer(60) as peer:
            # One record a push and a batch. Doubled records are uncertain: their match keys fit several.
            session = house.session(peer, "late", {
                "class": "searchable", "settle_ms": settle, "faults": [{"fault": "late_answer", "times": 6}]})
            for name in names:
                answer = push(peer, session, [name], synchronous=True)
                expect(answer["completed"], "it does not come to an end")
                row, = peer.call("getData", transfer_id=answer["transfer_id"])["transfer_data"]
                expect(row["outcome"] == "created" or settle == 0, str(row))
            time.sleep(0.3)
            push(peer, session, ["last"], synchronous=True)
        return house.effects("late") - len(names) - 1


def settled():
    doubled = late(400)
    expect(doubled == 0, "%d records were made twice" % doubled)
    naive = late(0)
    expect(naive > 0, "the control makes no record twice: what is tested proves nothing")
    print("without the settle time %d records of 6 were made twice, with it none" % naive)


def throttled():
    """An account that is told to wait keeps nobody else waiting, nor its own other resources for ever."""
    with House() as house:
        with house.gateway.peer(60) as peer:
            slow = house.session(peer, "slow", {"budget": {"per_second": 0.2, "burst": 1}})
            quick = house.session(peer, "quick", {})
            waiting = push(peer, slow, ["a"])["transfer_id"]
            began = time.monotonic()
            for number in range(20):
                push(peer, quick, ["n%d" % number], synchronous=True)
            expect(peer.call("getTransfer", transfer_id=waiting)["state"] == "running", "the budget is not kept")
            expect(time.monotonic() - began < 4, "others waited for an account that is told to wait")
            deadline = time.monotonic() + 20
            while peer.call("getTransfer", transfer_id=waiting)["state"] != "completed":
                expect(time.monotonic() < deadline, "what was put off is forgotten")
                time.sleep(0.05)
            expect(time.monotonic() - began > 4, "it did not wait as told")
            expect(peer.call("getTransfer", transfer_id=waiting)["summary"]["created"] == 1, "it was not made")


def main():
    scenes = [(killed, "keyed"), (killed, "searchable"), (killed, "blind"), (settled,), (throttled,)]
    try:
        for scene, *arguments in scenes:
            try:
                scene(*arguments)
            except (Wrong, Missing, Refused) as problem:
                raise Wrong("%s %s: %s" % (scene.__name__, " ".join(arguments), problem)) from None
    except Wrong as problem:
        print("FAILED: %s" % problem)
        return 1
    print("%d scenes of doubt ended as they must" % len(scenes))
    return 0


if __name__ == "__main__":
    sys.exit(main())
