"""A gateway and the simulator of HubSpot, with an account of its own for each scene."""

import itertools
import os
import shutil
import sys
import tempfile
import time

from peer import Gateway, Missing, ROOT

sys.path.insert(0, os.path.join(ROOT, "Tests", "Simulator", "tests"))
from stage import Simulator  # noqa: E402

SCHEMAS = [{"endgrate_type": "crm-contact"}, {"endgrate_type": "crm-company"}, {"endgrate_type": "crm-deal"}]
KINDS = {"crm-contact": "contacts", "crm-company": "companies", "crm-deal": "deals"}


class Wrong(Exception):
    """Something is not as it was said."""


def expect(condition, text):
    if not condition:
        raise Wrong(text)


def same(found, wanted, text):
    expect(found == wanted, "%s: %r and not %r" % (text, found, wanted))


class House:
    def __init__(self, options=()):
        self.folder = tempfile.mkdtemp(prefix="pushgate-hubspot-")
        self.simulator = Simulator({"seed": 7, "portals": []})
        self.gateway = Gateway(self.folder, [
            "--log", "warning", "--provider-origin", "hubspot=" + self.simulator.url,
            "--provider-allow", "127.0.0.0/8", *options])
        self.numbers = itertools.count(5000)

    def __enter__(self):
        self.gateway.start()
        return self

    def __exit__(self, *_):
        self.gateway.kill()
        self.simulator.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def check(self):
        report = self.simulator.control("GET", "/report")
        for name in ("mishaps", "rate_refusals"):
            same(report[name], 0, name)
        same(report["discouraged"], {}, "discouraged calls")


class Account:
    """One account at the vendor and a session that leads to it."""

    def __init__(self, house, peer, settings=None, properties=None, **session):
        self.house, self.peer = house, peer
        self.number = next(house.numbers)
        self.token = "pat-na1-%d" % self.number
        house.simulator.control("POST", "/portals", {
            "id": self.number, "tokens": [self.token], "properties": properties or {},
            "settings": {"search_lag_ms": 0, **(settings or {})}})
        self.session = self.open("main-%d" % self.number, **session)

    def open(self, name, **members):
        members = {"schema": SCHEMAS, "credentials": {"token": self.token}, "passthrough_fields": True, **members}
        return self.peer.call("initiateSession", {
            "provider": "hubspot", "account": str(self.number), "name": name, **members})["session_id"]

    # What the gateway says

    def push(self, kind, items, session=None, **members):
        """The rows of the result, in order, when the transfer has completed."""
        self.last = self.peer.call("pushTransfer", {
            "session_id": session or self.session, "endgrate_type": kind, "transfer_data": items, **members})["transfer_id"]
        return self.rows(self.last)

    def rows(self, transfer, seconds=60):
        deadline = time.monotonic() + seconds
        while self.peer.call("getTransfer", transfer_id=transfer)["state"] != "completed":
            if time.monotonic() > deadline:
                raise Missing("the transfer does not complete")
            time.sleep(0.01)
        rows = []
        while True:
            page = self.peer.call("getData", transfer_id=transfer, offset=len(rows), limit=1000)["transfer_data"]
            rows += page
            if not page:
                return rows

    def errors(self):
        """Of the last push: (index, type, code) with the text."""
        return self.peer.call("getErrors", transfer_id=self.last)["errors"]

    # What the vendor has

    def state(self, kind):
        """Values by id."""
        return {record["id"]: record["values"] for record in self.records(kind)}

    def records(self, kind):
        return self.house.simulator.control("GET", "/state?portal=%d&object=%s" % (self.number, kind))

    def links(self, kind, identity, other):
        return sorted(link["id"] for record in self.records(kind) if record["id"] == identity
                      for link in record["links"] if link["object"] == other)

    def upstream(self, verb, **members):
        return self.house.simulator.control("POST", "/upstream/" + verb, {"portal": self.number, **members})

    def effects(self, *names):
        return [entry for entry in self.house.simulator.logged()
                if entry["portal"] == self.number and (not names or entry["effect"] in names)]

    def calls(self):
        """Operations so far, with the number of inputs of each."""
        return [(entry["op"], entry.get("inputs")) for entry in
                self.house.simulator.control("GET", "/requests") if entry["portal"] == self.number]
