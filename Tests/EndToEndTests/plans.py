#!/usr/bin/env python3
"""Plans: what planTransfer says is what applying does, in as many calls, whatever crashes.

    plans.py [--rounds 30] [--seed 1]      random plans over random accounts, applied with and without kill -9
    plans.py --size 20000                  only the large plan: what others feel of it

Nothing is believed that the gateway says of the effects: they are read in the file of the embedded provider.
"""

import argparse
import json
import os
import random
import shutil
import sqlite3
import sys
import tempfile
import time

from peer import Gateway, Missing, Peer, Refused

ACTION = {"created": "create", "updated": "update", "unchanged": "unchanged", "refused": None}
SESSION = {
    "provider": "local", "name": "plans", "account": "plans",
    "schema": [{"endgrate_type": "crm-contact"}, {"endgrate_type": "crm-company"}],
}


class Wrong(Exception):
    """Something is not as it was said."""


def expect(condition, text):
    if not condition:
        raise Wrong(text)


class House:
    """A store, its gateway, and a session."""

    def __init__(self, settings=None):
        self.folder = tempfile.mkdtemp(prefix="pushgate-plans-")
        self.gateway = Gateway(self.folder, ["--log", "warning"]).start()
        with self.gateway.peer() as peer:
            self.session = peer.call("initiateSession", dict(SESSION, settings=settings or {}))["session_id"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.gateway.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def peer(self):
        return self.gateway.peer(120)

    def records(self, items):
        return {"session_id": self.session, "endgrate_type": "crm-contact", "transfer_data": items}

    def push(self, peer, items):
        return peer.call("pushTransfer", dict(self.records(items), synchronous=True))["transfer_id"]

    def effects(self):
        """Effects by operation, as the provider's own file has them."""
        path = next((os.path.join(root, name) for root, _, names in os.walk(self.folder) for name in names
                     if name == "plans.db"), None)
        if path is None:
            return {"create": 0, "update": 0, "link": 0}
        base = sqlite3.connect("file:%s?mode=ro" % path, uri=True)
        try:
            counts = dict(base.execute("SELECT op, count(*) FROM effect GROUP BY op"))
        finally:
            base.close()
        return {name: counts.get(name, 0) for name in ("create", "update", "link")}

    def rows(self, table):
        base = sqlite3.connect("file:%s?mode=ro" % self.gateway.store, uri=True)
        try:
            return base.execute("SELECT count(*) FROM " + table).fetchone()[0]
        finally:
            base.close()


def pages(peer, method, params, member):
    """All entries of a list, page by page."""
    entries, offset = [], 0
    while True:
        page = peer.call(method, dict(params, limit=1000, offset=offset))
        entries += page[member]
        if "next" not in page["meta"]:
            return entries, page
        offset = page["meta"]["next"]["offset"]


def items(chance, count, known):
    """Records of all sorts; many of them are others of the same list, or are there already."""
    def contact(name):
        data = {"job_title": chance.choice(["Baker", "Cook", "Smith"])}
        if chance.random() < 0.8:
            data["email"] = "%s@example.org" % name
        if chance.random() < 0.2:
            data["phone"] = "206 555 %04d" % chance.randrange(known * 2 + 10)
        if chance.random() < 0.03:
            data["email"] = 7
        item = {"data": data}
        if chance.random() < 0.8:
            item["internal_id"] = name
        return item

    def company():
        name = "company-%d" % chance.randrange(count // 3 + 3)
        item = {"internal_id": name}
        if chance.random() < 0.8:
            item["data"] = {"domain": name + ".example.org", "name": chance.choice([name, "Works"])}
        return item

    result = []
    for _ in range(count):
        item = contact("contact-%d" % chance.randrange(count + known))
        if chance.random() < 0.3:
            item["associations"] = {"crm-company": [company() for _ in range(chance.randint(1, 3))]}
        result.append(item)
    return result


def exchanges(peer):
    return peer.call("stats")["exchanges"]


def actions(rows, counts):
    """Counts the actions of all levels."""
    for row in rows:
        counts[row["action"]] = counts.get(row["action"], 0) + 1
        for below in row.get("associations", {}).values():
            actions(below, counts)
    return counts


def compare(planned, rows, errors):
    """Every record ended as it was planned."""
    expect(len(planned) == len(rows), "%d records were planned, %d applied" % (len(planned), len(rows)))
    for plan, row in zip(planned, rows):
        action = plan["action"]
        wanted = {"create": "created", "update": "updated", "unchanged": "unchanged"}.get(action, "refused")
        expect(row["outcome"] == wanted, "record %d was planned as %s and ended as %s: %s" % (
            plan["index"], action, row["outcome"], [e for e in errors if e["index"] == plan["index"]]))
        if "id" in plan:
            expect(row["id"] == plan["id"], "record %d is another one than planned" % plan["index"])
    stale = [error for error in errors if "Plan again" in error["error_resolve_text"]]
    expect(not stale, "%d records are said to have changed, and none has: %s" % (len(stale), stale[:2]))


def one(seed, number, kills):
    """One random plan over a random account."""
    chance = random.Random("%s plan %d" % (seed, number))
    count = chance.choice([1, 5, 40, 99, 130, 450, 1300])
    with House() as house:
        with house.peer() as peer:
            if chance.random() < 0.8:
                house.push(peer, items(chance, chance.choice([10, 100, 300]), count))
            before = house.effects()
            wanted = items(chance, count, 20)
            plan = peer.call("planTransfer", house.records(wanted))
            expect(house.effects() == before, "a plan had an effect")
            planned, last = pages(peer, "planTransfer", {"plan_id": plan["plan_id"]}, "records")
            expect([row["index"] for row in planned] == list(range(count)), "rows are missing")
            expect({name: value for name, value in plan["summary"].items() if value} == actions(planned, {}),
                   "the summary is not that of the rows")
            spent = exchanges(peer)
            transfer = peer.call("pushTransfer", plan_id=plan["plan_id"], synchronous=not kills)["transfer_id"]
            if kills:
                time.sleep(chance.uniform(0, 0.3))
        for _ in range(chance.randint(1, 3) if kills else 0):
            house.gateway.kill()
            house.gateway.start()
            time.sleep(chance.uniform(0, 0.2))
        with house.peer() as peer:
            again = peer.call("pushTransfer", plan_id=plan["plan_id"], synchronous=True)
            expect(again["transfer_id"] == transfer and again["duplicate"] and again["completed"], "applied twice")
            if not kills:
                expect(exchanges(peer) - spent == plan["calls"],
                       "%d calls were planned, %d were made" % (plan["calls"], exchanges(peer) - spent))
            rows, _ = pages(peer, "getData", {"transfer_id": transfer}, "transfer_data")
            errors, _ = pages(peer, "getErrors", {"transfer_id": transfer}, "errors")
            compare(planned, rows, errors)
            after = house.effects()
            created = actions(planned, {}).get("create", 0)
            expect(after["create"] - before["create"] == created,
                   "%d records were to be made, %d were" % (created, after["create"] - before["create"]))
        return count, plan["calls"]


def unfinished():
    """kill -9 while a plan is made: nothing is left of it."""
    with House({"latency_ms": 150}) as house:
        with house.peer() as peer:
            peer.request("planTransfer", house.records(
                [{"internal_id": str(n), "data": {"email": "%d@example.org" % n}} for n in range(900)]))
            deadline = time.monotonic() + 10
            while house.rows("planned") == 0:
                expect(time.monotonic() < deadline, "nothing is being planned")
                time.sleep(0.01)
        house.gateway.kill()
        expect(house.rows("plan") == 1 and house.rows("record") == 900, "the plan was not staged")
        house.gateway.start()
        cleared(house)
        with house.peer() as peer:
            # The number of the plan was not given to another.
            house.push(peer, [{"internal_id": "x", "data": {"email": "x@example.org"}}])
        base = sqlite3.connect("file:%s?mode=ro" % house.gateway.store, uri=True)
        expect(base.execute("SELECT max(sequence) FROM transfer").fetchone()[0] == 2, "a number was used twice")
        base.close()


def cleared(house):
    deadline = time.monotonic() + 10
    while any(house.rows(table) for table in ("plan", "planned", "record")):
        expect(time.monotonic() < deadline, "rows of a plan are left")
        time.sleep(0.02)


def cancelled():
    """A plan that nobody waits for any more is given up: it is cancelled, or its session is deleted."""
    for way in ("cancel", "delete"):
        with House({"latency_ms": 100}) as house:
            peer = house.peer()
            number = peer.request("planTransfer", house.records(
                [{"internal_id": str(n), "data": {"email": "%d@example.org" % n}} for n in range(2000)]))
            deadline = time.monotonic() + 10
            while house.rows("planned") == 0:
                expect(time.monotonic() < deadline, "nothing is being planned")
                time.sleep(0.01)
            if way == "cancel":
                peer.send(json.dumps({"jsonrpc": "2.0", "method": "$/cancelRequest", "params": {"id": number}}).encode() + b"\n")
                expect(peer.reply_to(number)["error"]["code"] == -32800, "it is not cancelled")
            elif way == "delete":
                with house.peer() as other:
                    other.call("deleteSession", session_id=house.session)
                expect(peer.reply_to(number)["error"]["code"] == 1301, "it is planned on")
            peer.close()
            cleared(house)


def expired():
    """A plan ends after an hour, and takes its records with it; one that was applied leaves them to the transfer."""
    with House() as house:
        with house.peer() as peer:
            kept = peer.call("planTransfer", house.records([{"internal_id": "a", "data": {"email": "a@example.org"}}]))
            used = peer.call("planTransfer", house.records([{"internal_id": "b", "data": {"email": "b@example.org"}}]))
            transfer = peer.call("pushTransfer", plan_id=used["plan_id"], synchronous=True)["transfer_id"]
        house.gateway.kill()
        base = sqlite3.connect(house.gateway.store)
        base.execute("UPDATE plan SET created=created-3600000+1500")
        base.commit()
        base.close()
        house.gateway.start()
        with house.peer() as peer:
            expect(peer.call("planTransfer", plan_id=kept["plan_id"])["calls"] == 2, "it ended too early")
            deadline = time.monotonic() + 10
            for plan in (kept, used):
                while True:
                    try:
                        peer.call("planTransfer", plan_id=plan["plan_id"])
                        expect(time.monotonic() < deadline, "an expired plan is still there")
                        time.sleep(0.05)
                    except Refused as refused:
                        expect(refused.error["code"] == 1312, str(refused))
                        break
                try:
                    peer.call("pushTransfer", plan_id=plan["plan_id"])
                    raise Wrong("an expired plan was applied")
                except Refused as refused:
                    expect(refused.error["code"] == 1312, str(refused))
            deadline = time.monotonic() + 10
            while house.rows("plan") or house.rows("record") != 1:
                expect(time.monotonic() < deadline, "rows of an expired plan are left")
                time.sleep(0.05)
            row = peer.call("getData", transfer_id=transfer)["transfer_data"][0]
            expect(row["internal_id"] == "b" and row["outcome"] == "created", "the applied records went with the plan")


def forgotten():
    """deleteSession with `forget` leaves nothing of a plan in the store's files."""
    secret = b"zanzibar-secret-7731"
    with House() as house:
        with house.peer() as peer:
            house.push(peer, [{"internal_id": "a", "data": {"email": "a@example.org", "job_title": secret.decode()}}])
            peer.call("planTransfer", house.records(
                [{"internal_id": "a", "data": {"job_title": "other"}}, {"internal_id": secret.decode(), "data": {"email": "b@example.org"}}]))
            expect(holds(house, secret), "the search finds nothing at all")
            peer.call("deleteSession", session_id=house.session, forget=True)
            deadline = time.monotonic() + 10
            while holds(house, secret):
                expect(time.monotonic() < deadline, "the store still has the customer's bytes")
                time.sleep(0.05)


def holds(house, secret):
    for suffix in ("", "-wal"):
        path = house.gateway.store + suffix
        if os.path.exists(path):
            with open(path, "rb") as file:
                if secret in file.read():
                    return True
    return False


def crowded():
    """Two who apply the same plan at the same moment get the same transfer; a key keeps its meaning."""
    with House() as house:
        with house.peer() as one, house.peer() as other:
            plan = one.call("planTransfer", house.records([{"internal_id": "a", "data": {"email": "a@example.org"}}]))
            numbers = [(peer, peer.request("pushTransfer", plan_id=plan["plan_id"], synchronous=True, idempotency_key=key))
                       for peer, key in ((one, "k"), (other, "l"), (one, "m"))]
            replies = [peer.reply_to(number)["result"] for peer, number in numbers]
            expect(len({reply["transfer_id"] for reply in replies}) == 1, "one plan became several transfers")
            expect(sorted(reply.get("duplicate", False) for reply in replies) == [False, True, True], "which was first?")
            expect(house.effects()["create"] == 1, "it was made more than once")
            second = one.call("planTransfer", house.records([{"internal_id": "b", "data": {"email": "b@example.org"}}]))
            used = next(key for key, reply in zip("klm", replies) if not reply.get("duplicate"))
            try:
                one.call("pushTransfer", plan_id=second["plan_id"], idempotency_key=used)
                raise Wrong("a key was used for two plans")
            except Refused as refused:
                expect(refused.error["code"] == 1201, str(refused))
            expect(one.call("pushTransfer", plan_id=second["plan_id"], synchronous=True)["completed"], "not applied")


def large(size, patience):
    """What a large plan costs others: the longest that a ping waits, and the memory."""
    with House() as house:
        peer = house.gateway.peer(600)
        before = house.gateway.resident_bytes()
        line = house.records([{"internal_id": "n%d" % n, "data": {"email": "%d@example.org" % n}} for n in range(size)])
        number = peer.request("planTransfer", line)
        longest, began, peak = 0.0, time.monotonic(), before
        peer.socket.setblocking(False)
        with house.peer() as other:
            while True:
                at = time.monotonic()
                other.call("ping")
                longest = max(longest, time.monotonic() - at)
                peak = max(peak, house.gateway.resident_bytes())
                try:
                    peer.buffer += peer.socket.recv(1 << 20)
                    break
                except BlockingIOError:
                    time.sleep(0.002)
        peer.socket.settimeout(600)
        plan = peer.reply_to(number)["result"]
        seconds = time.monotonic() - began
        expect(plan["summary"]["create"] == size and plan["calls"] == 2 * ((size + 99) // 100), str(plan["summary"]))
        spent = exchanges(peer)
        peer.call("pushTransfer", plan_id=plan["plan_id"])
        transfer = peer.call("pushTransfer", plan_id=plan["plan_id"], synchronous=True)
        expect(transfer["completed"], "it is not applied in time")
        expect(exchanges(peer) - spent == plan["calls"], "other calls than planned")
        peer.close()
        expect(longest < patience, "a ping waited %.0f ms for a plan" % (longest * 1000))
        print("a plan of %d records: %.1f s, the longest ping %.1f ms, %d MiB more" % (
            size, seconds, longest * 1000, (peak - before) >> 20))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--size", type=int, help="records of the large plan; nothing else is played")
    parser.add_argument("--patience", type=float, default=0.25, help="seconds that a ping may wait")
    arguments = parser.parse_args()
    try:
        if arguments.size:
            return large(arguments.size, arguments.patience)
        calls = records = 0
        for number in range(arguments.first, arguments.first + arguments.rounds):
            try:
                count, cost = one(arguments.seed, number, kills=number % 2 == 1)
            except (Wrong, Missing, Refused) as problem:
                raise Wrong("plan %d, seed %s: %s" % (number, arguments.seed, problem)) from None
            records, calls = records + count, calls + cost
        for scene in (unfinished, cancelled, expired, forgotten, crowded):
            try:
                scene()
            except (Wrong, Missing, Refused) as problem:
                raise Wrong("%s: %s" % (scene.__name__, problem)) from None
        large(3_000, arguments.patience)
        print("%d plans of %d records and %d calls came to what they said" % (arguments.rounds, records, calls))
    except Wrong as problem:
        print("FAILED: %s" % problem)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
