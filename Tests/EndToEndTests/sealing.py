#!/usr/bin/env python3
"""The gateway's key and what is sealed under it, through the built binary.

    sealing.py

Where the key comes from, which key files refuse the start, and that a state which does not open, because the key is
another one or because somebody changed it, is as if it were not there: the record is read at the provider, and nothing
else happens.
"""

import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile

from peer import BINARY, Gateway

REFUSED = 78
CHECKS = []


def check(test):
    CHECKS.append(test)
    return test


class Fault(Exception):
    pass


def demand(condition, text):
    if not condition:
        raise Fault(text)


class Scene:
    """A gateway in a folder, with a session that goes by the ledger."""

    def __init__(self, *options):
        self.folder = tempfile.mkdtemp(prefix="pushgate-sealing-")
        self.options = list(options)
        self.gateway = Gateway(self.folder, ["--log", "info"] + self.options)
        self.key = self.gateway.store + ".key"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.gateway.process:
            self.gateway.kill()
        shutil.rmtree(self.folder)

    def path(self, name):
        return os.path.join(self.folder, name)

    def push(self, internal_id="a", **options):
        """Basis of the one record's row; None where it was written."""
        with self.gateway.peer() as peer:
            session = peer.call("initiateSession", {
                "provider": "local", "name": "crm", "freshness": "ledger",
                "schema": [{"endgrate_type": "crm-contact"}]})["session_id"]
            transfer = peer.call("pushTransfer", dict({
                "session_id": session, "endgrate_type": "crm-contact", "synchronous": True,
                "transfer_data": [{"internal_id": internal_id, "data": {"first_name": "Ann " + internal_id}}]}, **options))
            row = peer.call("getData", {"transfer_id": transfer["transfer_id"]})["transfer_data"][0]
            demand(row["data"]["fields"]["first_name"] == "Ann " + internal_id, "the data is another record's: %s" % row)
            return row.get("basis")

    def start(self):
        self.gateway.start()
        return self

    def stop(self):
        demand(self.gateway.stop() == 0, "the gateway did not stop in order")

    def warnings(self):
        return self.gateway.log().count("do not open with this key")


def start_fails(*options, folder):
    """What it says when it ends instead of starting."""
    done = subprocess.run(
        [BINARY, "serve", "--listen", "unix:" + os.path.join(folder, "s"), "--store", os.path.join(folder, "s.db")]
        + list(options), capture_output=True, timeout=20, env=dict(os.environ, SWIFT_BACKTRACE="enable=no"))
    text = done.stderr.decode(errors="replace")
    demand(done.returncode == REFUSED, "expected exit code %d, came %d: %s" % (REFUSED, done.returncode, text))
    return text


def key_file(path, text="0f" * 32 + "\n", mode=0o600):
    with open(path, "w") as file:
        file.write(text)
    os.chmod(path, mode)
    return path


@check
def a_key_is_made_once_and_told(scene):
    scene.start()
    with open(scene.key) as file:
        text = file.read()
    demand(re.fullmatch("[0-9a-f]{64}\n", text), "the key file holds %d characters" % len(text))
    demand(os.stat(scene.key).st_mode & 0o777 == 0o600, "the key file has another mode")
    demand(scene.gateway.log().count(scene.key) == 1, "the log does not say where the key is")
    demand(scene.push() is None and scene.push() == "ledger", "an identical push was not known")
    scene.stop()
    scene.start()
    with open(scene.key) as file:
        demand(file.read() == text, "the key has changed")
    demand(scene.gateway.log().count(scene.key) == 1, "a key that was there is told as new")
    demand(scene.push() == "ledger", "what was sealed does not open after a restart")
    scene.stop()
    demand(text.strip() not in scene.gateway.log(), "the key is in the log")
    for name in os.listdir(scene.folder):
        path = scene.path(name)
        if path != scene.key and os.path.isfile(path):
            with open(path, "rb") as file:
                content = file.read()
            demand(bytes.fromhex(text.strip()) not in content and text.strip().encode() not in content,
                   "the key is in %s" % name)


@check
def a_named_key_file_is_taken_and_none_is_made(scene):
    scene.gateway.options += ["--key-file", key_file(scene.path("own"))]
    scene.start()
    demand(scene.push() is None and scene.push() == "ledger", "an identical push was not known")
    demand(not os.path.exists(scene.key), "a second key was made")
    # Without a line feed, and in capitals, it is the same key.
    key_file(scene.path("own"), "0F" * 32)
    scene.stop()
    scene.start()
    demand(scene.push() == "ledger", "the same key in another spelling does not open")


@check
def a_key_file_that_cannot_be_trusted_refuses_the_start(scene):
    good = "0f" * 32 + "\n"
    for name, text, mode in [
        ("empty", "", 0o600), ("short", "0f" * 31 + "\n", 0o600), ("long", "0f" * 33, 0o600),
        ("other characters", "0g" * 32, 0o600), ("two lines", good + good, 0o600),
        ("readable by the group", good, 0o640), ("readable by all", good, 0o604), ("writable by the group", good, 0o620),
    ]:
        path = key_file(scene.path("key"), text, mode)
        said = start_fails("--key-file", path, folder=scene.folder)
        demand(path in said and "0f0f" not in said, "%s: it says %s" % (name, said))
    for path in [scene.path("missing"), scene.folder, scene.path("key/below")]:
        demand(path in start_fails("--key-file", path, folder=scene.folder), "it does not name %s" % path)
    # The same for the one beside the store.
    key_file(scene.path("s.db.key"), "nonsense")
    start_fails(folder=scene.folder)


@check
def under_another_key_records_are_read_again(scene):
    scene.start()
    demand(scene.push() is None and scene.push() == "ledger", "an identical push was not known")
    scene.stop()
    key_file(scene.key)
    scene.start()
    demand([scene.push(), scene.push()] == ["verify", "ledger"], "a state under another key was not read again")
    demand(scene.push("b") is None, "a new record was not made")
    demand(scene.warnings() == 1, "told %d times" % scene.warnings())
    scene.stop()
    os.unlink(scene.key)
    scene.start()
    demand([scene.push("b"), scene.push("b")] == ["verify", "ledger"], "without a key a new one was not made")
    demand(scene.gateway.log().count("a key was made") == 2, "the new key was not told")


@check
def a_state_that_was_changed_does_not_open(scene):
    changes = {
        "a bit": "UPDATE confirmed SET state = CAST(substr(state, 1, 40) || x'00' || substr(state, 42) AS BLOB)",
        "cut": "UPDATE confirmed SET state = substr(state, 1, 30)",
        "empty": "UPDATE confirmed SET state = x''",
        "of another record": "UPDATE confirmed SET state = (SELECT state FROM before "
                             "WHERE before.provider_id <> confirmed.provider_id)",
        "of another time": "UPDATE confirmed SET confirmed = confirmed + 1",
    }
    scene.start()
    demand(scene.push("a") is None and scene.push("b") is None, "the records were not made")
    for name, sql in changes.items():
        demand(scene.push("a") == scene.push("b") == "ledger", "%s: not known before" % name)
        scene.stop()
        store = sqlite3.connect(scene.gateway.store)
        store.execute("CREATE TEMP TABLE before AS SELECT * FROM confirmed")
        with store:
            changed = store.execute(sql).rowcount
        store.close()
        demand(changed == 2, "%s: %d states were changed" % (name, changed))
        scene.start()
        demand(scene.push("a") == scene.push("b") == "verify", "%s: it was trusted" % name)


def main():
    failed = 0
    for test in CHECKS:
        with Scene() as scene:
            try:
                test(scene)
                print("%s: ok" % test.__name__)
            except Fault as fault:
                failed += 1
                print("%s: FAILED: %s\n%s" % (test.__name__, fault, scene.gateway.log()[-2000:] if scene.gateway.process else ""))
    print("%d checks, %d failed" % (len(CHECKS), failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
