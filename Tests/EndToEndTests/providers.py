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
from peer import BINARY, ROOT, Missing, Refused

CONTACT = "crm-contact"


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


SCENES = [wrong_manifests, good_folders, own_deadlines]


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
