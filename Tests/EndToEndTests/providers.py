#!/usr/bin/env python3
"""Providers that the operator brings along: the folder of --providers, what is wrong with a manifest, what it would send,
and records pushed to a small service that only a manifest describes.

    providers.py [SCENE …]
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

from hubspot_house import Account, House, Wrong, expect, same
from peer import BINARY, ROOT, Gateway, Missing, Refused
from rest_service import KEY, Service

CONTACT, COMPANY = "crm-contact", "crm-company"


def manifest(name="hubspot"):
    with open(os.path.join(ROOT, "protocol", "providers", name + ".json"), encoding="utf-8") as file:
        return json.load(file)


class Folder:
    """A folder of manifests."""

    def __init__(self):
        self.path = tempfile.mkdtemp(prefix="pushgate-providers-")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)

    def put(self, name, content):
        path = os.path.join(self.path, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(content if isinstance(content, str) else json.dumps(content))
        return path


def changed(way, value, base=None):
    """A copy of hubspot's manifest under another name, with one value replaced (None: taken out)."""
    result = base or dict(manifest(), name="other")
    place = result
    *steps, last = way
    for step in steps:
        place = place[step]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return result


WRONG = [
    ("no JSON", "{", "is no JSON"),
    ("not an object", "[]", "/: "),
    ("an unknown member", changed(["colour"], "red"), "/colour"),
    ("a misspelt member", changed(["http", "concurency"], 3), "/http/concurency"),
    ("a deadline beyond its ceiling", changed(["http", "deadlines"], {"total_ms": 600001}), "/http/deadlines/total_ms"),
    ("a deadline of nothing", changed(["http", "deadlines"], {"first_byte_ms": 0}), "/http/deadlines/first_byte_ms"),
    ("without http", changed(["http"], None), "/http"),
    ("an operation that is missing", changed(["http", "operations", "update"], None), "operations"),
    ("a name without value", changed(["http", "operations", "read", "path"], "/{nobody}"), "/http/operations/read/path"),
    ("another name than the file's", changed(["name"], "somebody"), "/name"),
    ("a name with blanks", changed(["name"], "Other One"), "/name"),
    ("an address without TLS", changed(["http", "base"], "http://example.org"), "--provider-origin other=URL"),
]


def start(folder, *options):
    """How a start with this folder of manifests ends: code and what is said; it is killed if it serves."""
    with tempfile.TemporaryDirectory(prefix="pushgate-providers-") as home:
        process = subprocess.Popen(
            [BINARY, "serve", "--listen", "unix:" + os.path.join(home, "s"), "--store", os.path.join(home, "store.db"),
             "--providers", folder, *options], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, env=dict(os.environ, SWIFT_BACKTRACE="enable=no"))
        deadline = time.monotonic() + 10
        while process.poll() is None and not os.path.exists(os.path.join(home, "s")) and time.monotonic() < deadline:
            time.sleep(0.005)
        served = process.poll() is None
        if served:
            process.kill()
        text = process.communicate()[1].decode()
        return None if served else process.returncode, text


def wrong_manifests():
    """A manifest that is wrong ends the start with 78, and every file that is wrong is named with the place in it."""
    for name, content, says in WRONG:
        with Folder() as folder:
            folder.put("other.json", content)
            code, text = start(folder.path)
            same(code, 78, "%s: code (%s)" % (name, text[-300:]))
            expect(says in text and "other.json" in text, "%s: %r is not said in %s" % (name, says, text[-300:]))
    with Folder() as folder:
        folder.put("one.json", "{")
        folder.put("two.json", dict(manifest(), name="three"))
        folder.put("local.json", dict(manifest(), name="local"))
        code, text = start(folder.path)
        same(code, 78, "several wrong ones")
        for part in ("one.json", "two.json", "local.json"):
            expect(part in text, "%s is not named in %s" % (part, text))
    same(start("/nowhere/at/all")[0], 78, "a folder that is not there")


def good_folders():
    """Other files do no harm, an own address may do without TLS when the operator names it, and the log tells."""
    with Folder() as folder:
        folder.put("notes.txt", "no manifest")
        folder.put(".other.json", "{")
        folder.put("plain.json", changed(["name"], "plain", changed(["http", "base"], "http://example.org")))
        folder.put("hubspot.json", manifest())
        code, text = start(folder.path, "--provider-origin", "plain=http://127.0.0.1:1", "--log", "info")
        same(code, None, "a good folder (%s)" % text[-300:])
        expect("a manifest takes the place of the built-in one" in text, "the replacement is not logged")
        expect("a provider was added" in text, "the addition is not logged")
        code, text = start(folder.path, "--provider-origin", "somebody=http://127.0.0.1:1",
                           "--provider-origin", "plain=http://127.0.0.1:1")
        same(code, 78, "an origin of nobody")


def own_deadlines():
    """The operator's manifest takes the place of the built-in one: its deadlines are in force."""
    own = manifest()
    own["http"]["deadlines"] = {"first_byte_ms": 300, "total_ms": 600}
    own["display_name"] = "My HubSpot"
    with Folder() as folder:
        folder.put("hubspot.json", own)
        with House(["--providers", folder.path]) as house, house.gateway.peer(60) as peer:
            listed = peer.call("getIntegrations", provider="hubspot")["providers"]
            same([entry["provider"]["display_name"] for entry in listed], ["My HubSpot"], "the catalogue")
            account = Account(house, peer)
            house.simulator.control("POST", "/faults", {"rules": [{
                "match": {"op": "batch.read", "portal": account.number, "times": 2}, "do": "stall", "seconds": 30}]})
            began = time.monotonic()
            row, = account.push(CONTACT, [{"internal_id": "a", "data": {"email": "a@example.org"}}])
            same(row["outcome"], "created", "after two answers that did not come")
            taken = time.monotonic() - began
            expect(0.6 < taken < 15, "two deadlines of 0.3 s took %.1f s" % taken)
            house.check()


def command(*arguments, code=0):
    """What `pushgate providers …` prints, on the stream that fits its code."""
    ended = subprocess.run([BINARY, "providers", *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                           timeout=20, env=dict(os.environ, SWIFT_BACKTRACE="enable=no"))
    same(ended.returncode, code, "providers %s: code (%s)" % (" ".join(arguments), ended.stderr[-300:]))
    return ended.stderr if code else ended.stdout


def published():
    """The manifest that the page about manifests shows."""
    with open(os.path.join(ROOT, "protocol", "providers", "README.md"), encoding="utf-8") as file:
        return json.loads(file.read().split("```json\n")[1].split("```")[0])


def commands():
    """list, show and check say what there is, what is wrong where, and what would be sent."""
    with Folder() as folder:
        path = folder.put("example-crm.json", published())
        lines = command("list", "--providers", folder.path).splitlines()
        same([line.split()[0] for line in lines], ["NAME", "example-crm", "hubspot", "local"], "list")
        expect("(from the folder)" in lines[1] and "(from the folder)" not in lines[2], "what is from the folder")
        same(json.loads(command("show", "hubspot")), manifest(), "show")
        same(json.loads(command("show", "example-crm", "--providers", folder.path)), published(), "show one's own")
        expect("no provider" in command("show", "nobody", code=1), "show nobody")
        text = command("check", path)
        for line in ("GET https://crm.example.com/api/people/1001", "GET https://crm.example.com/api/firms?name=ann%20example",
                     "POST https://crm.example.com/api/people", "PATCH https://crm.example.com/api/people/1001",
                     "PUT https://crm.example.com/api/people/1001/firms/1002", "Every request carries X-Api-Key: (the token)",
                     "Nothing is wrong with it."):
            expect(line in text, "check does not print %r in %s" % (line, text))
        bad = published()
        bad["http"]["operations"]["create"]["methd"] = "POST"
        bad["resources"][0]["fields"][0]["type"] = "text"
        text = command("check", folder.put("bad.json", bad), code=78)
        for part in ("/http/operations/create/methd", "/resources/0/fields/0/type", "bad.json"):
            expect(part in text, "check does not say %r in %s" % (part, text))
        for way, value, place in [
                (["batch", "write"], 5, "/resources/0/operations"),
                (["http", "operations", "create", "done"], [201], "/http/operations/create/done"),
                (["http", "operations", "search", "batch"], 3, "/http/operations/search/item"),
                (["resources", 0, "look_up", "email", "conditions", 0, "values"], "domain", "/resources/0/look_up/email/conditions"),
                (["resources", 0, "associations", "crm-company", "resource"], "houses", "/resources/0/associations/crm-company/resource"),
                (["resources"], published()["resources"] * 2, "/resources/2/name")]:
            text = command("check", folder.put("bad.json", changed(way, value, published())), code=78)
            expect(place in text, "check does not say %s in %s" % (place, text))
        command("check", "/nowhere.json", code=78)
    for arguments in ([], ["list", "x"], ["show"], ["erase", "x"]):
        command(*arguments, code=64)


def example_crm():
    """Records are pushed to a service that nothing but its manifest describes."""
    with Folder() as folder, Folder() as home, Service() as service:
        folder.put("example-crm.json", published())
        gateway = Gateway(home.path, ["--log", "warning", "--providers", folder.path, "--provider-allow", "127.0.0.0/8",
                                      "--provider-origin", "example-crm=" + service.url])
        gateway.start()
        try:
            with gateway.peer(30) as peer:
                push_to(service, peer)
        except Exception:
            print(gateway.log()[-2000:], file=sys.stderr)
            raise
        finally:
            gateway.kill()
        expect(KEY not in gateway.log(), "the key is in the log")


def push_to(service, peer):
    listed, = peer.call("getIntegrations", provider="example-crm")["providers"]
    same({entry["class"] for entry in listed["integrations"]}, {"searchable"}, "classes")
    session = peer.call("initiateSession", {
        "provider": "example-crm", "account": "one", "credentials": {"token": KEY},
        "schema": [{"endgrate_type": CONTACT, "type": "object", "properties": {
            "first_name": {"type": "string"}, "email": {"type": "string"}, "city": {"type": "string"}}},
                   {"endgrate_type": COMPANY}]})["session_id"]

    def push(items, **members):
        """The rows, and the requests that they took."""
        before = len(service.requests)
        transfer = peer.call("pushTransfer", {"session_id": session, "endgrate_type": CONTACT, "transfer_data": items,
                                              "synchronous": True, **members})["transfer_id"]
        data = peer.call("getData", transfer_id=transfer)["transfer_data"]
        return data, [method for method, _ in service.requests[before:]], transfer

    known = service.make("people", {"email": "Kim@example.org", "first_name": "Kim"})
    items = [{"internal_id": name, "data": {"first_name": name.title(), "email": name + "@example.org", "city": "Rome"},
              "associations": {COMPANY: [{"internal_id": "f" + name, "data": {"name": "Firm & %s?" % name.title()}}]}}
             for name in ("ann", "bob", "kim")]
    plan = peer.call("planTransfer", session_id=session, endgrate_type=CONTACT, transfer_data=items)
    before = len(service.requests)
    transfer = peer.call("pushTransfer", plan_id=plan["plan_id"], synchronous=True)["transfer_id"]
    same(len(service.requests) - before, plan["calls"], "calls that the plan said")
    rows = peer.call("getData", transfer_id=transfer)["transfer_data"]
    same([row["outcome"] for row in rows], ["created", "created", "updated"], "outcomes")
    same(rows[2]["id"], known, "the one that was there")
    for row, item in zip(rows, items):
        record = service.records["people"][row["id"]]
        same(record["email"].lower(), item["data"]["email"], "who is who")
        same(record["city"], "Rome", "the value")
        firm, = row["associations"][COMPANY]
        same(service.records["firms"][firm]["name"], "Firm & %s?" % item["internal_id"].title(), "the firm")
        expect((row["id"], firm) in service.links, "the link")
    same(rows[2]["data"]["first_name"], "Kim", "an update that answers nothing is read again")
    people = [{"internal_id": item["internal_id"], "data": item["data"]} for item in items]
    data, methods, _ = push(people)
    same(({row["outcome"] for row in data}, set(methods)), ({"unchanged"}, {"GET"}), "the same again")
    del service.records["people"][rows[0]["id"]]
    people[1]["data"]["city"] = "Atlantis"
    data, _, transfer = push(people)
    same([row["outcome"] for row in data], ["created", "refused", "unchanged"], "one is gone, one is refused")
    expect(data[0]["id"] not in (rows[0]["id"], None), "the record that was gone has its old id")
    error, = peer.call("getErrors", transfer_id=transfer)["errors"]
    expect("This city has sunk." in error["error_resolve_text"], "the provider's words are lost")
    same(len(service.records["people"]), 3, "people")


SCENES = [wrong_manifests, good_folders, own_deadlines, commands, example_crm]


def main(names):
    scenes = [scene for scene in SCENES if not names or scene.__name__ in names]
    for scene in scenes:
        try:
            scene()
        except (Wrong, Missing, Refused) as problem:
            print("FAILED: %s: %s" % (scene.__name__, problem))
            return 1
    print("%d scenes of providers that the operator brings along ended as they must" % len(scenes))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
