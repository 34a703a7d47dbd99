"""One case of the fault campaign: an account of its own, a gateway of its own, some pushes, a fault, perhaps a kill.

Every record that is pushed holds its own name in a field that is no match key, so that the checker can find it at the
vendor without believing the gateway.
"""

import itertools
import json
import os
import shutil
import sys
import tempfile
import threading
import time

from hubspot_faults import FIRST_BYTE_MS, SEARCH_LAG_MS, SETTLE_MS
from kill_points import CALLS, strace
from peer import Gateway, Missing, Refused, ROOT

sys.path.insert(0, os.path.join(ROOT, "Tests", "Simulator", "tests"))
from stage import Simulator  # noqa: E402

CONTACT, COMPANY, DEAL = "crm-contact", "crm-company", "crm-deal"
KINDS = {CONTACT: "contacts", COMPANY: "companies", DEAL: "deals"}
MARK = {CONTACT: "job_title", COMPANY: "description", DEAL: "description"}
PATIENCE = 90.0
TRACED = CALLS + ["sendto", "connect", "socket"]
numbers = itertools.count(5000)
lock = threading.Lock()


class Violation(Exception):
    """The gateway broke a promise."""


def contact(mark, **data):
    return {"internal_id": mark, "data": {"job_title": mark, **data}}


def with_email(mark, **data):
    return contact(mark, email=mark + "@example.org", last_name="Of " + mark, **data)


def company(mark, **data):
    return {"internal_id": mark, "data": {"description": mark, "name": "The " + mark, "domain": mark + ".example", **data}}


def deal(mark, **data):
    return {"internal_id": mark, "data": {"description": mark, "name": "Deal", "stage": "qualifiedtobuy", **data}}


def linked(item, *children):
    return {**item, "associations": {COMPANY: list(children)}}


def first_pushes():
    """Before the fault: records that the gateway knows."""
    return [(CONTACT, [with_email("k1", city="0"), with_email("k2", city="0"), with_email("k3", city="0")], {})]


def searchable(ids):
    """New and known contacts and shared companies, among them one that is refused of each; then newer versions of some
    while the older are under way. `ids` are those of `first_pushes`, by mark."""
    return [
        (CONTACT, [
            linked(with_email("n1", city="1", state="A"), company("c1"), company("c2")),
            linked({"internal_id": "k1", "data": {"city": "1"}}, company("c1")),
            linked({"data": {"email": "old1@example.org", "city": "1"}}, company("oldco", phone="1")),
            {"internal_id": "k2", "id": ids["k2"], "data": {"city": "1", "zip": "007"}},
            with_email("bad1", lifecyclestage="nonsense"),
            {"internal_id": "k3", "data": {"lifecyclestage": "nonsense"}},
            with_email("n2", city="1"),
        ], {}),
        (CONTACT, [
            linked(with_email("n1", city="2", zip="1"), company("c3")),
            {"internal_id": "k1", "data": {"city": "2"}},
            linked({"internal_id": "n2", "data": {"state": "B"}}, company("c1")),
        ], {}),
        (CONTACT, [
            {"internal_id": "n1", "data": {"city": "3"}},
            {"data": {"email": "old1@example.org", "city": "3"}},
            with_email("n3", city="3"),
        ], {}),
    ]


def blind(ids):
    """Records that nobody may or could look for, beside some that can be: they share the vendor's batches."""
    return [
        (CONTACT, [
            contact("b1", first_name="Blind", city="1"), with_email("b2", city="1"),
            linked(contact("b3", first_name="Blind", city="1"), company("c1")),
            {"data": {"job_title": "b4", "first_name": "Blind", "city": "1"}},
        ], {"disable_upsert": True}),
        (CONTACT, [linked(with_email("n1", city="1"), company("c1")), {"internal_id": "k1", "data": {"city": "1"}}], {}),
        (DEAL, [linked(deal("g1", amount=1), company("c1")), deal("g2", amount=2), linked(deal("g3"), company("c2"))], {}),
        (CONTACT, [{"internal_id": "n1", "data": {"city": "2"}}, {"internal_id": "k1", "data": {"city": "2"}}], {}),
    ]


def versions(ids):
    """Newer versions of records that nobody can look for, accepted before the fate of the older is known."""
    return [
        (CONTACT, [contact("b1", first_name="Blind", city="1")], {"disable_upsert": True}),
        (DEAL, [deal("g1", amount=1)], {}),
        (CONTACT, [contact("b1", first_name="Blind", city="2")], {"disable_upsert": True}),
        (DEAL, [deal("g1", amount=2)], {}),
        (CONTACT, [with_email("n1", city="2"), {"internal_id": "k1", "data": {"city": "2"}}], {}),
    ]


STORIES = {"searchable": searchable, "blind": blind, "versions": versions}
BLIND = {"b1", "b2", "b3", "b4", "g1", "g2", "g3"}
REFUSED_BY_VENDOR = {"nonsense"}


class Push:
    def __init__(self, kind, items, members, key):
        self.kind, self.items, self.members, self.key = kind, items, members, key
        self.transfer = None
        self.rows = self.errors = None

    def params(self, session):
        return {"session_id": session, "endgrate_type": self.kind, "transfer_data": self.items,
                "idempotency_key": self.key, **self.members}


class Story:
    """Plays one case. What came of it is left in `pushes` and at the simulator."""

    def __init__(self, case, simulator, options, provider, base=None):
        self.case, self.simulator, self.provider = case, simulator, provider
        with lock:
            self.portal = next(numbers)
        self.token = "pat-na1-%d" % self.portal
        self.folder = tempfile.mkdtemp(prefix="pushgate-fault-", dir=base)
        self.gateway = Gateway(self.folder, [
            "--log", "warning", "--provider-origin", "%s=%s" % (provider, simulator.url),
            "--provider-allow", "127.0.0.0/8", *options])
        self.chance = case.chance()
        self.pushes, self.before = [], []
        self.kills = 0

    def close(self, keep=False):
        if self.gateway.process:
            self.gateway.kill()
        self.simulator.control("DELETE", "/faults?portal=%d" % self.portal)
        if not keep:
            shutil.rmtree(self.folder, ignore_errors=True)

    # The account

    def open(self):
        """The account at the vendor, the gateway and a session."""
        self.simulator.control("POST", "/portals", {
            "id": self.portal, "tokens": [self.token], "settings": {"search_lag_ms": SEARCH_LAG_MS}})
        self.gateway.start()
        with self.gateway.peer(PATIENCE) as peer:
            self.session = peer.call("initiateSession", {
                "provider": self.provider, "name": "main", "account": str(self.portal),
                "schema": [{"endgrate_type": kind} for kind in KINDS], "credentials": {"token": self.token},
                "passthrough_fields": True})["session_id"]

    def prepare(self):
        self.open()
        self.upstream("contacts", email="old1@example.org", jobtitle="old1", city="0")
        self.upstream("companies", name="The oldco", domain="oldco.example", description="oldco")
        self.before = [Push(kind, items, members, "first") for kind, items, members in first_pushes()]
        with self.gateway.peer(PATIENCE) as peer:
            self.send(peer, self.before)
            self.wait(peer, self.before)
        rows = self.before[0].rows
        if [row["outcome"] for row in rows] != ["created"] * len(rows):
            raise Violation("before the fault: %s" % [row["outcome"] for row in rows])
        ids = {row["internal_id"]: row["id"] for row in rows}
        self.pushes = [Push(kind, items, members, "push-%d" % place) for place, (kind, items, members)
                       in enumerate(STORIES[self.case.target.story](ids))]
        # What the setting up has written is in the vendor's index.
        time.sleep(SEARCH_LAG_MS / 1000)

    def upstream(self, kind, **values):
        self.simulator.control("POST", "/upstream/create", {"portal": self.portal, "object": kind, "properties": values})

    # The fault

    def set_fault(self, name, match, fault=None, hold=None):
        if fault is not None:
            rule = fault.rule(match)
        else:
            rule = {"match": match, "when": hold, "do": "stall", "seconds": 20, "late_ms": 400, "inputs": 1}
        self.simulator.control("POST", "/faults", {"rules": [{**rule, "id": "%d/%s" % (self.portal, name)}]})

    def struck(self, name):
        """The request that the fault met, if it has."""
        for entry in self.requests():
            if entry["fault"] == "%d/%s" % (self.portal, name):
                return entry
        return None

    def await_strike(self, name, answered=False):
        deadline = time.monotonic() + 20
        while True:
            entry = self.struck(name)
            if entry and (entry["status"] is not None or not answered):
                return entry
            if time.monotonic() > deadline:
                raise Violation("the request of fault %s never came" % name)
            time.sleep(0.01)

    def requests(self):
        return self.simulator.control("GET", "/requests?portal=%d" % self.portal)

    # The play

    def play(self):
        self.prepare()
        case, target = self.case, self.case.target
        if case.kill == "point":
            return self.play_to_point()
        if case.kill == "held":
            self.set_fault("hold", target.match(self.portal), hold=case.hold)
        elif case.fault:
            self.set_fault("fault", target.match(self.portal), case.fault)
        self.push()
        if case.kill == "held":
            self.await_strike("hold")
            if case.hold != "before" and case.hold != "late":
                self.await_effect()
            self.kill()
            if case.fault:
                op, kind = target.recovery
                self.set_fault("fault", {"op": op, "object": kind, "portal": self.portal}, case.fault)
        elif case.kill == "answered":
            self.await_strike("fault", answered=True)
            time.sleep(self.chance.choice([0, 0, 0.001, 0.003, 0.01, 0.03]))
            self.kill()
        self.finish()

    def play_to_point(self):
        """Killed before a system call; it counts as a kill only if the run came so far."""
        call, name, number = self.case.point
        path = ["-P", os.path.join(self.folder, name)] if name else []
        died = self.play_traced(strace(
            "-o", "/dev/null", *path, "-e", "trace=" + call, "-e", "inject=%s:signal=KILL:when=%d" % (call, number)))
        self.kills += died
        self.gateway.kill()
        self.gateway.start()
        self.finish()

    def play_traced(self, wrapper):
        """Everything under strace, until it is completed or the gateway dies; whether it died."""
        self.gateway.kill()
        if self.case.fault:
            self.set_fault("fault", self.case.target.match(self.portal), self.case.fault)
        try:
            if not self.gateway.spawn(wrapper).wait_until_listening():
                return True
            self.push()
            with self.gateway.peer(PATIENCE) as peer:
                self.wait(peer, self.pushes)
        except (OSError, Missing):
            self.gateway.process.wait(PATIENCE)
        return self.gateway.process.poll() is not None

    def await_effect(self):
        """The hanging request has done what it does."""
        entry = self.await_strike("hold", answered=True)
        assert entry["status"] is not None

    def push(self):
        """All at once on one connection; what has no answer when the gateway dies is asked again later."""
        with self.gateway.peer(PATIENCE) as peer:
            self.send(peer, self.pushes)

    def send(self, peer, pushes):
        asked = {peer.request("pushTransfer", push.params(self.session)): push for push in pushes
                 if push.transfer is None}
        while asked:
            reply = peer.read()
            if reply is None:
                return
            push = asked.pop(reply.get("id"), None)
            if push is None:
                continue
            if "error" in reply:
                raise Refused("pushTransfer", reply["error"])
            push.transfer = reply["result"]["transfer_id"]

    def kill(self):
        self.gateway.kill()
        self.kills += 1
        for _ in range(self.chance.choice([0, 0, 1, 2])):
            # Killed again while it recovers.
            self.gateway.spawn()
            time.sleep(self.chance.uniform(0, 0.08))
            self.gateway.kill()
            self.kills += 1
        self.gateway.start()

    def finish(self):
        """All pushes are accepted and completed, and nothing comes late any more."""
        with self.gateway.peer(PATIENCE) as peer:
            self.send(peer, self.pushes)
            self.wait(peer, self.pushes)
        deadline = time.monotonic() + PATIENCE
        while self.report()["late_commits_pending"]:
            if time.monotonic() > deadline:
                raise Missing("late commits stay pending")
            time.sleep(0.05)

    def report(self):
        return self.simulator.control("GET", "/report?portal=%d" % self.portal)

    def wait(self, peer, pushes):
        deadline = time.monotonic() + PATIENCE
        for push in pushes:
            pause = 0.005
            while peer.call("getTransfer", transfer_id=push.transfer)["state"] != "completed":
                if time.monotonic() > deadline:
                    raise Violation("%s does not complete" % push.key)
                time.sleep(pause)
                pause = min(pause * 1.5, 0.1)
            push.rows = peer.call("getData", transfer_id=push.transfer, limit=1000)["transfer_data"]
            push.errors = peer.call("getErrors", transfer_id=push.transfer, limit=1000)["errors"]

    def count_calls(self):
        """System calls of the whole play, for `kill_points.calls_in`; gives the file."""
        self.prepare()
        log = os.path.join(self.folder, "calls")
        self.play_traced(strace("-o", log, "-e", "trace=" + ",".join(TRACED)))
        self.gateway.stop()
        return log

    def push_again(self):
        """The last state of what can be looked for, once more; gives its rows."""
        push = Push(CONTACT, [
            with_email("n1", city="3" if self.case.target.story == "searchable" else "2"),
            {"internal_id": "k1", "data": {"city": "2"}}], {}, "again")
        with self.gateway.peer(PATIENCE) as peer:
            self.send(peer, [push])
            self.wait(peer, [push])
        return push.rows


def manifest(folder, settle_ms=SETTLE_MS):
    """Puts the product's manifest of HubSpot into a folder, with other times; gives the gateway's options."""
    with open(os.path.join(ROOT, "protocol", "providers", "hubspot.json"), encoding="utf-8") as file:
        made = json.load(file)
    made["settle_ms"] = settle_ms
    made["http"]["deadlines"] = {"first_byte_ms": FIRST_BYTE_MS, "total_ms": 2 * FIRST_BYTE_MS}
    with open(os.path.join(folder, "hubspot.json"), "w", encoding="utf-8") as file:
        json.dump(made, file)
    return ["--providers", folder]


def simulators(count):
    return [Simulator({"seed": 7, "portals": []}) for _ in range(count)]
