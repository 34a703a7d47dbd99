#!/usr/bin/env python3
"""What accounts show to their providers, through the built binary.

    credentials.py

Where a credential may come from and what is refused at the start; that a file is seen when it changes and is not read
when it should not be; and that the secret is nowhere but where it belongs: not in the store and its log, not in what the
gateway says on stderr, not in any answer, event or error, not in its environment.
"""

import hashlib
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import shutil
import time

from peer import BINARY, SOON, Gateway, Refused

CANARY = "canary-4f1c9e62-token"
WRONG = "canary-4f1c9e62-wrong"
CHECKS = []


def check(test):
    CHECKS.append(test)
    return test


class Fault(Exception):
    pass


def demand(condition, text):
    if not condition:
        raise Fault(text)


def soon(condition, text):
    deadline = time.monotonic() + SOON
    while not condition():
        demand(time.monotonic() < deadline, text)
        time.sleep(0.05)


class Scene:
    """A gateway in a folder, and the account `default` of `local`, which accepts the canary and nothing else."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="pushgate-credentials-")
        self.gateway = Gateway(self.folder, ["--log", "debug"])
        self.said = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.gateway.process:
            self.gateway.kill()
        shutil.rmtree(self.folder)

    def path(self, name):
        return os.path.join(self.folder, name)

    def file(self, name, text, mode=0o600):
        path = self.path(name)
        with open(path + ".new", "w") as file:
            file.write(text)
        os.chmod(path + ".new", mode)
        os.rename(path + ".new", path)
        return path

    def start(self, *options, **variables):
        self.gateway.options = ["--log", "debug", *options]
        self.gateway.start(["env", *("%s=%s" % pair for pair in variables.items())])
        return self

    def call(self, method, **params):
        with self.gateway.peer() as peer:
            try:
                result = peer.call(method, params)
            except Refused as refused:
                self.said.append(json.dumps(refused.error))
                return refused.error
        self.said.append(json.dumps(result))
        return result

    def session(self, credentials=None, account="default", **members):
        if credentials:
            members["credentials"] = credentials
        settings = {"auth_type": "api_key", "token_sha256": hashlib.sha256(CANARY.encode()).hexdigest()}
        return self.call(
            "initiateSession", provider="local", name="crm-" + account, account=account, settings=settings,
            schema=[{"endgrate_type": "crm-contact"}], **members)["session_id"]

    def push(self, session, internal_id="a"):
        return self.call(
            "pushTransfer", session_id=session, endgrate_type="crm-contact",
            transfer_data=[{"internal_id": internal_id, "data": {"first_name": "Ann " + internal_id}}])

    def arrives(self, internal_id, account="default"):
        """Whether the record stands at the provider, soon."""
        path = self.path("local/%s.db" % account)

        def is_there():
            if not os.path.exists(path):
                return False
            file = sqlite3.connect("file:%s?mode=ro" % path, uri=True)
            try:
                return file.execute(
                    "SELECT count(*) FROM record WHERE fields LIKE ?", ("%Ann " + internal_id + "%",)).fetchone()[0] == 1
            except sqlite3.OperationalError:
                return False
            finally:
                file.close()

        soon(is_there, "the record %s does not arrive" % internal_id)

    def configured(self, session):
        return self.call("getConfiguration", session_id=session).get("configured")


def start_fails(*options, code, **variables):
    """What it says when it ends instead of starting."""
    with tempfile.TemporaryDirectory(prefix="pushgate-credentials-") as folder:
        environment = {name: value for name, value in os.environ.items() if name != "CREDENTIALS_DIRECTORY"}
        done = subprocess.run(
            [BINARY, "serve", "--listen", "unix:" + os.path.join(folder, "s"), "--store", os.path.join(folder, "s.db"),
             *options], capture_output=True, timeout=20, env=dict(environment, SWIFT_BACKTRACE="enable=no", **variables))
    text = done.stderr.decode(errors="replace")
    demand(done.returncode == code, "%s: expected exit code %d, came %d: %s" % (options, code, done.returncode, text))
    demand("canary" not in text, "it says the secret: %s" % text)
    return text


def holders(folder, needle):
    """The files that hold these bytes."""
    found = []
    for place, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(place, name)
            if os.path.isfile(path):
                with open(path, "rb") as file:
                    if needle.encode() in file.read():
                        found.append(os.path.relpath(path, folder))
    return sorted(found)


@check
def a_secret_is_nowhere_in_the_clear(scene):
    scene.start()
    session = scene.session({"token": CANARY}, label="label-4f1c9e62")
    scene.push(session)
    scene.arrives("a")
    # Every way to be told something, the wrong ways too.
    scene.call("updateSession", session_id=session, credentials={"token": WRONG})
    scene.push(session, "b")
    soon(lambda: "authentication" in json.dumps(scene.call("getEvents")) or scene.call("stats"), "nothing is told")
    for credentials in [{"token": CANARY, "name": "x"}, {"token": CANARY + " x"}, {"token": [CANARY]}, CANARY,
                        {"token": CANARY * 500}, {"tokn": CANARY}]:
        answer = scene.call("updateSession", session_id=session, credentials=credentials)
        demand(answer.get("code") == -32602, "%s is not refused: %s" % (credentials, answer))
    demand(scene.call("updateSession", session_id=session, credentials={"name": CANARY}).get("code") == 1314, "a name")
    scene.call("updateSession", session_id=session, credentials={"token": CANARY})
    scene.arrives("b") if scene.push(session, "b") else None
    for method in ["listSessions", "getEvents", "stats", "health", "listTransfers", "getIntegrations", "getErrors"]:
        scene.call(method)
    scene.call("getConfiguration", session_id=session)
    scene.call("getErrors", session_id=session)
    with open("/proc/%d/cmdline" % scene.gateway.process.pid, "rb") as file:
        demand(b"canary" not in file.read(), "it is on the command line")
    demand(not [text for text in scene.said if CANARY in text or WRONG in text], "it is in an answer")
    demand(holders(scene.folder, "label-4f1c9e62"), "what lies in the clear is not found either: the search is blind")
    demand(not holders(scene.folder, "canary-4f1c9e62"), "it is in %s" % holders(scene.folder, "canary-4f1c9e62"))
    # What is on disk after an end in order, and after a kill.
    demand(scene.gateway.stop() == 0, "it did not stop in order")
    demand(not holders(scene.folder, "canary-4f1c9e62"), "after the end: %s" % holders(scene.folder, "canary-4f1c9e62"))
    scene.start()
    scene.push(session, "c")
    scene.arrives("c")
    scene.gateway.kill()
    demand(not holders(scene.folder, "canary-4f1c9e62"), "after a kill: %s" % holders(scene.folder, "canary-4f1c9e62"))


@check
def what_is_sealed_opens_only_unchanged_and_in_its_place(scene):
    scene.start()
    first, second = scene.session({"token": CANARY}), scene.session({"token": WRONG}, account="other")
    demand(scene.configured(first) and scene.configured(second), "not configured")
    demand(scene.gateway.stop() == 0, "it did not stop in order")
    with open(scene.gateway.store, "rb") as file:
        whole = file.read()
    changes = {
        "a byte of the nonce": "UPDATE credential SET sealed = CAST(x'00' || substr(sealed, 2) AS BLOB)",
        "a byte of the text": "UPDATE credential SET sealed = CAST(substr(sealed, 1, 30) || x'00' || substr(sealed, 32) AS BLOB)",
        "a byte of the tag": "UPDATE credential SET sealed = CAST(substr(sealed, 1, length(sealed) - 1) || x'00' AS BLOB)",
        "cut": "UPDATE credential SET sealed = substr(sealed, 1, 30)",
        "empty": "UPDATE credential SET sealed = x''",
        "of the other account": "UPDATE credential SET sealed = (SELECT sealed FROM before WHERE before.account <> credential.account)",
    }
    for name, sql in changes.items():
        with open(scene.gateway.store, "wb") as file:
            file.write(whole)
        store = sqlite3.connect(scene.gateway.store)
        store.execute("CREATE TEMP TABLE before AS SELECT * FROM credential")
        with store:
            demand(store.execute(sql).rowcount == 2, "%s: not two credentials" % name)
        store.close()
        scene.start()
        demand(scene.configured(first) is False and scene.configured(second) is False, "%s: it was trusted" % name)
        refused = scene.push(first)
        demand(refused.get("code") == 1302 and "do not open" in refused["message"], "%s: %s" % (name, refused))
        scene.gateway.stop()
    scene.start()
    demand(scene.session({"token": CANARY}) == first and scene.configured(first), "given again, it is not taken")
    scene.push(first)
    scene.arrives("a")


@check
def a_variable_is_taken_and_wiped(scene):
    scene.start("--credential", "main=env:NORTH", "--credential", "same=env:NORTH", NORTH=CANARY)
    session = scene.session({"name": "main"})
    scene.push(session)
    scene.arrives("a")
    with open("/proc/%d/environ" % scene.gateway.process.pid, "rb") as file:
        demand(b"canary" not in file.read(), "it is still in the environment")
    scene.call("updateSession", session_id=session, credentials={"name": "same"})
    scene.push(session, "b")
    scene.arrives("b")
    # Another start without it: the session knows that something is missing.
    demand(scene.gateway.stop() == 0, "it did not stop in order")
    scene.start("--credential", "same=env:NORTH", NORTH=CANARY)
    demand(scene.configured(session), "a name that is still there is not")
    demand(scene.gateway.stop() == 0, "it did not stop in order")
    scene.start()
    demand(scene.configured(session) is False, "a name that is not defined any more is taken")
    refused = scene.push(session, "c")
    demand(refused.get("code") == 1302 and "does not define" in refused["message"], "it says %s" % refused)
    demand(not holders(scene.folder, CANARY), "it is in %s" % holders(scene.folder, CANARY))


@check
def a_file_is_read_when_it_is_needed(scene):
    path = scene.file("token", WRONG + "\n")
    scene.start("--credential", "main=file:" + path)
    session = scene.session({"name": "main"})
    scene.file("token", CANARY + "\n")
    scene.push(session)
    scene.arrives("a")
    demand(holders(scene.folder, CANARY) == ["token"], "it is in %s" % holders(scene.folder, CANARY))
    # Mounted secrets are rotated by turning a link.
    os.rename(path, scene.path("old"))
    scene.file("new", CANARY + "\r\n", mode=0o640)
    os.symlink("new", path)
    time.sleep(1.1)
    scene.push(session, "b")
    scene.arrives("b")


@check
def a_file_that_cannot_be_trusted_is_not_read(scene):
    path = scene.path("token")
    scene.start("--credential", "main=file:" + path)
    session = scene.session({"name": "main"})
    demand(scene.configured(session), "a file that is not there yet")
    faults = [
        ("it is missing", None, "cannot be read"), ("others may read it", lambda: scene.file("token", CANARY, 0o604), "everybody"),
        ("the group may write it", lambda: scene.file("token", CANARY, 0o660), "written by others"),
        ("a folder", lambda: os.mkdir(path), "is not a regular file"),
        ("a pipe without a writer", lambda: os.mkfifo(path), "is not a regular file"),
        ("a device", lambda: os.symlink("/dev/zero", path), "is not a regular file"),
        ("too large", lambda: scene.file("token", CANARY * 4000), "more than 65536 bytes"),
        ("two lines", lambda: scene.file("token", CANARY + "\n" + CANARY), "one line"),
        ("empty", lambda: scene.file("token", "\n"), "one line"),
        ("a blank", lambda: scene.file("token", CANARY + " "), "one line"),
    ]
    for number, (name, make, said) in enumerate(faults):
        if os.path.isdir(path):
            os.rmdir(path)
        elif os.path.lexists(path):
            os.unlink(path)
        if make:
            make()
        time.sleep(1.1)
        before = scene.gateway.log().count("a credential cannot be read")
        # A new account each time, so that none waits for another.
        account = "a%d" % number
        scene.push(scene.session({"name": "main"}, account=account))
        soon(lambda: said in scene.gateway.log().rpartition("a credential cannot be read")[2], "%s: it is not said" % name)
        demand(scene.gateway.log().count("a credential cannot be read") <= before + 1, "%s: it is said twice" % name)
        demand(not os.path.exists(scene.path("local/%s.db" % account)), "%s: an exchange left" % name)
    demand("canary" not in scene.gateway.log(), "it is in the log")
    with scene.gateway.peer() as peer:
        peer.call("ping")


@check
def a_credential_of_systemd_is_a_file_in_its_folder(scene):
    os.mkdir(scene.path("run"))
    scene.file("run/north", CANARY, mode=0o400)
    scene.start("--credential", "main=systemd:north", CREDENTIALS_DIRECTORY=scene.path("run"))
    session = scene.session({"name": "main"})
    scene.push(session)
    scene.arrives("a")


@check
def what_is_no_credential_refuses_the_start(scene):
    for text in ["main", "main=", "=env:A", "main=env", "main=env:", "a b=env:A", "main=http:x", "main=" + CANARY[:3],
                 "x" * 65 + "=env:A", "main=systemd:../x", "main=systemd:a/b"]:
        start_fails("--credential", text, code=64, A=CANARY, CREDENTIALS_DIRECTORY="/tmp")
    start_fails("--credential", "main=env:A", "--credential", "main=env:A", code=64, A=CANARY)
    for text, variables in [("main=env:NOWHERE", {}), ("main=env:A", {"A": ""}), ("main=env:A", {"A": CANARY + " x"}),
                            ("main=env:A", {"A": "x" * 8193}), ("main=systemd:a", {})]:
        said = start_fails("--credential", text, code=78, **variables)
        demand("main" in said, "it does not say which: %s" % said)


def main():
    failed = 0
    for test in CHECKS:
        with Scene() as scene:
            try:
                test(scene)
                print("%s: ok" % test.__name__)
            except Fault as fault:
                failed += 1
                log = scene.gateway.log()[-2000:] if scene.gateway.process else ""
                print("%s: FAILED: %s\n%s" % (test.__name__, fault, log))
    print("%d checks, %d failed" % (len(CHECKS), failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
