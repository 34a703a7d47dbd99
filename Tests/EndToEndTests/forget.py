#!/usr/bin/env python3
"""Proof that what is deleted is gone: the store's files are searched for the customer's bytes.

    forget.py [--records 3000]

Distinctive bytes are pushed in every place that a caller can fill: names, addresses, internal ids, an idempotency key, a
label, a schema's title. Then the session is deleted, and every file beside the store is searched, while the gateway runs
and after it has stopped. The embedded provider's own file is the provider, and is not searched; neither is anything
sealed expected there.

- deleteSession without forget: only internal ids are left, which are the memory of the account; none of the data, though
  the last confirmed state of each record is there, sealed.
- deleteSession with forget: nothing is left, not even when the gateway was killed right after its answer.

Each search must first be seen to find: everything is there before the deletion, internal ids are there without forget,
and in a copy of the store from which a plain SQLite deletes the rows, the bytes are found in what it leaves behind.
"""

import argparse
import os
import shutil
import sqlite3
import sys
import tempfile
import time

from peer import Gateway

DATA = [b"Quetzalfriede", b"Xylanderson", b"wombatpost.example", b"Kaktusallee"]
NAMES = [b"Labelzebra", b"Titelgnu", b"Schluesseligel"]
IDS = [b"internfalke-"]
# Seconds in which removal in the background has to come to its end.
PATIENCE = 60.0


class Proof(Exception):
    """Something was found that must be gone, or not found where it must be."""


def files(folder):
    """Files of the store, by name."""
    return [name for name in sorted(os.listdir(folder)) if name.startswith("store.db") and not name.endswith(".socket")]


def found(folder, needles):
    """Which of the needles lie in the store's files."""
    hits = set()
    for name in files(folder):
        with open(os.path.join(folder, name), "rb") as file:
            content = file.read()
        hits |= {needle for needle in needles if needle in content}
    return hits


def demand(what, hits, wanted):
    if hits != set(wanted):
        extra, lacking = hits - set(wanted), set(wanted) - hits
        raise Proof("%s: found but must not be: %s; not found but must be: %s" % (what, sorted(extra), sorted(lacking)))


def await_gone(folder, needles, what):
    deadline = time.monotonic() + PATIENCE
    while found(folder, needles):
        if time.monotonic() > deadline:
            demand(what, found(folder, needles), [])
        time.sleep(0.1)


def item(number):
    return {
        "internal_id": "internfalke-%d" % number,
        "data": {"first_name": "Quetzalfriede", "last_name": "Xylanderson", "email": "q%d@wombatpost.example" % number},
        "associations": {"crm-company": [
            {"internal_id": "internfalke-c%d" % (number % 50), "data": {"name": "Kaktusallee %d" % (number % 50)}}]},
    }


def fill(gateway, records):
    """Pushes twice, so that there are transfers of both kinds; gives the session."""
    with gateway.peer(timeout=120) as peer:
        session = peer.call("initiateSession", {
            "provider": "local", "name": "crm", "label": "Labelzebra", "freshness": "ledger", "schema": [
                {"endgrate_type": "crm-contact"}, {"endgrate_type": "crm-company"},
                {"title": "Titelgnu", "type": "object", "properties": {"Titelgnu": {"type": "string"}}}],
        })["session_id"]
        data = [item(number) for number in range(records)]
        outcomes = []
        for key in ("Schluesseligel-1", "Schluesseligel-2"):
            transfer = peer.call("pushTransfer", {
                "session_id": session, "endgrate_type": "crm-contact", "idempotency_key": key, "synchronous": True,
                "transfer_data": data})["transfer_id"]
            outcomes.append(peer.call("getTransfer", {"transfer_id": transfer})["summary"])
        row = peer.call("getData", {"transfer_id": transfer, "limit": 1})["transfer_data"][0]
        if outcomes[0]["created"] != records or outcomes[1]["unchanged"] != records or row["basis"] != "ledger":
            raise Proof("the pushes did not go as meant: %s, %s" % (outcomes, row))
        # A record that fails leaves an entry in the error log.
        peer.call("pushTransfer", {
            "session_id": session, "endgrate_type": "crm-contact", "synchronous": True,
            "transfer_data": [{"internal_id": "internfalke-x", "data": {"last_nam": "Xylanderson"}}]})
        return session


def plain_deletion_leaves_bytes(folder):
    """The control of the search: SQLite without secure_delete leaves what it deletes in the file."""
    copy = os.path.join(folder, "control")
    os.mkdir(copy)
    shutil.copy(os.path.join(folder, "store.db"), copy)
    store = sqlite3.connect(os.path.join(copy, "store.db"), isolation_level=None)
    store.execute("PRAGMA secure_delete = OFF")
    for table in ("record", "outcome", "ledger", "error", "confirmed", "session_revision"):
        store.execute("DELETE FROM " + table)
    store.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    store.close()
    hits = found(copy, DATA + IDS)
    if not hits >= set(DATA + IDS):
        raise Proof("the control did not fail: a plain deletion left only %s" % sorted(hits))
    shutil.rmtree(copy)


def run(records, forget, killed):
    folder = tempfile.mkdtemp(prefix="pushgate-forget-")
    gateway = Gateway(folder, ["--log", "info"]).start()
    what = "%s forget%s" % ("with" if forget else "without", ", killed" if killed else "")
    try:
        session = fill(gateway, records)
        demand("before the deletion", found(folder, DATA + NAMES + IDS), DATA + NAMES + IDS)
        if forget and not killed:
            if gateway.stop() != 0:
                raise Proof("the gateway did not stop in order")
            plain_deletion_leaves_bytes(folder)
            gateway.start()
        with gateway.peer(timeout=60) as peer:
            peer.call("deleteSession", {"session_id": session, "forget": forget})
        if killed:
            gateway.kill()
            gateway.start()
        gone = DATA + NAMES + (IDS if forget else [])
        await_gone(folder, gone, what + ", while it runs")
        demand(what + ", while it runs", found(folder, DATA + NAMES + IDS), [] if forget else IDS)
        sealed = gateway_states(folder)
        if (sealed == 0) != forget:
            raise Proof("%s: there are %d sealed states" % (what, sealed))
        if gateway.stop() != 0:
            raise Proof("the gateway did not stop in order")
        demand(what + ", after the end", found(folder, DATA + NAMES + IDS), [] if forget else IDS)
        with open(gateway.log_path, "rb") as file:
            log = file.read()
        demand("the log", {needle for needle in DATA + NAMES + IDS if needle in log}, [])
        print("%s: %s" % (what, "nothing is left" if forget else "only internal ids are left, states are sealed"))
    finally:
        gateway.kill()
        shutil.rmtree(folder)


def gateway_states(folder):
    store = sqlite3.connect("file:%s?mode=ro" % os.path.join(folder, "store.db"), uri=True, timeout=10)
    try:
        return store.execute("SELECT count(*) FROM confirmed").fetchone()[0]
    finally:
        store.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--records", type=int, default=3000)
    arguments = parser.parse_args()
    try:
        run(arguments.records, forget=False, killed=False)
        run(arguments.records, forget=True, killed=False)
        run(arguments.records, forget=True, killed=True)
    except Proof as problem:
        print("FAILED: %s" % problem)
        return 1
    print("3 deletions: nothing of the customer is left that must not be; a plain deletion was seen to leave it")
    return 0


if __name__ == "__main__":
    sys.exit(main())
