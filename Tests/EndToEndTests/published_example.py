#!/usr/bin/env python3
"""The published example, pushed twice in six ways, must come to the same thing.

Two people with three companies go to a gateway on a socket and to one on standard input and output: by printf and socat
alone, from Python, from Node. Nobody's answer is taken for it: what counts is the file of the embedded provider, whose
records, links and log of effects are compared with what the example says, way by way. Last line: N passed, N failed.
"""

import json
import os
import pathlib
import re
import shlex
import sqlite3
import subprocess
import sys
import tempfile

from peer import BINARY, Gateway

ROOT = pathlib.Path(__file__).resolve().parents[2]
PATIENCE = 60

ITEMS = [
    {"internal_id": "Contact1", "data": {"first_name": "Bob", "last_name": "Smith"}, "associations": {"crm-company": [
        {"internal_id": "Company1", "data": {"name": "Acme Corporation"}},
        {"internal_id": "Company2", "data": {"name": "Bacme Corporation"}}]}},
    {"internal_id": "Contact2", "data": {"first_name": "David", "last_name": "Jones"}, "associations": {"crm-company": [
        {"internal_id": "Company3", "data": {"name": "C Inc."}}]}},
]
SCHEMA = [{"endgrate_type": "crm-contact"}, {"endgrate_type": "crm-company"}]
SESSION = {"provider": "local", "name": "example", "account": "example", "schema": SCHEMA}

# What each push must answer: internal id, outcome and the companies of each person, in the order pushed.
PEOPLE = [("Contact1", ["Company1", "Company2"]), ("Contact2", ["Company3"])]
# What the provider must hold after either push: fields of each record, and who is linked to whom.
HELD = {
    "Contact1": {"first_name": "Bob", "last_name": "Smith"}, "Contact2": {"first_name": "David", "last_name": "Jones"},
    "Company1": {"name": "Acme Corporation"}, "Company2": {"name": "Bacme Corporation"}, "Company3": {"name": "C Inc."},
}

PYTHON = r"""
import json, sys
sys.path.insert(0, sys.argv[1])
import pushgate
session, items, where = (json.loads(text) for text in sys.argv[2:5])
for _ in range(2):
    with pushgate.Client(where["socket"]) if "socket" in where else pushgate.Client(
            spawn=where["binary"], store=where["store"]) as gate:
        opened = gate.initiate_session(session["provider"], session["schema"], name=session["name"], account=session["account"])
        transfer = gate.push(opened["session_id"], "crm-contact", items)
        print(json.dumps({"people": list(transfer.data()), "companies": list(transfer.data(endgrate_type="crm-company"))}))
"""

NODE = r"""
const [index, session, items, where] = [process.argv[2], ...process.argv.slice(3).map((text) => JSON.parse(text))];
const { Client } = await import(index);
async function all(rows) { const list = []; for await (const row of rows) list.push(row); return list; }
for (let push = 0; push < 2; push += 1) {
  const gate = where.socket ? await Client.connect(where) : await Client.spawn(where);
  const { session_id } = await gate.initiateSession(session);
  const transfer = await gate.push(session_id, "crm-contact", items);
  console.log(JSON.stringify({ people: await all(transfer.data()), companies: await all(transfer.data({ endgrateType: "crm-company" })) }));
  await gate.close();
}
"""


class Difference(Exception):
    """A way came to something else than the example says."""


# MARK: The ways. Each pushes the example twice and gives the answers of both: rows of people and of companies.


def run(command, folder):
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=PATIENCE, env=dict(os.environ, SWIFT_BACKTRACE="enable=no"))
    if done.returncode != 0:
        raise Difference("exit %d: %s\n%s" % (done.returncode, command, done.stdout + done.stderr))
    return done.stdout


def by_printf(speak):
    """Lines that anybody can type, each sent by printf to a program of its own, whose answers are read as text."""

    def push(where, folder):
        def call(method, params):
            line = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
            # A shell and printf make the line, so that nothing here but the text itself is ours.
            answer = run(["bash", "-o", "pipefail", "-c", "printf '%s\\n' " + shlex.quote(line) + " | " + speak(where)], folder)
            lines = answer.splitlines()
            if len(lines) != 1 or '"result"' not in lines[0]:
                raise Difference("%s answered %s" % (method, answer))
            return json.loads(lines[0])["result"]

        answers = []
        for _ in range(2):
            session = call("initiateSession", SESSION)["session_id"]
            transfer = call("pushTransfer", {
                "session_id": session, "endgrate_type": "crm-contact", "transfer_data": ITEMS, "synchronous": True})
            if transfer.get("completed") is not True:
                raise Difference("a synchronous push answered %s" % transfer)
            rows = [call("getData", {"transfer_id": transfer["transfer_id"], "endgrate_type": kind})["transfer_data"]
                    for kind in ("crm-contact", "crm-company")]
            answers.append({"people": rows[0], "companies": rows[1]})
        return answers

    return push


def by_program(command, source, name):
    def push(where, folder):
        script = pathlib.Path(folder, name)
        script.write_text(source)
        output = run(command(script) + [json.dumps(SESSION), json.dumps(ITEMS), json.dumps(where)], folder)
        return [json.loads(line) for line in output.splitlines()]

    return push


def to_socket(where):
    # socat waits after the end of input for this many seconds at most; the gateway closes when all is answered.
    return "socat -t %d - UNIX-CONNECT:%s" % (PATIENCE, shlex.quote(where["socket"]))


def to_stdio(where):
    return "%s stdio --wait --store %s" % (shlex.quote(where["binary"]), shlex.quote(where["store"]))


python = by_program(
    lambda script: [sys.executable, str(script), str(ROOT / "clients/python/src")], PYTHON, "example.py")
node = by_program(
    lambda script: ["node", str(script), (ROOT / "clients/node/src/index.js").as_uri()], NODE, "example.mjs")
WAYS = [
    ("printf and socat, socket", by_printf(to_socket), "socket"), ("printf, stdio", by_printf(to_stdio), "stdio"),
    ("Python, socket", python, "socket"), ("Python, spawned", python, "stdio"),
    ("Node, socket", node, "socket"), ("Node, spawned", node, "stdio"),
]

# MARK: What it came to


def expect(what, wanted, came):
    if wanted != came:
        raise Difference("%s:\n    wanted %s\n    came   %s" % (what, wanted, came))


def judge(answers, path):
    """Holds both answers and the provider's file against the example; gives what must be equal between the ways."""
    expect("answers", 2, len(answers))
    ids = {row["internal_id"]: row["id"] for rows in answers[0].values() for row in rows}
    for place, (answer, outcome) in enumerate(zip(answers, ("created", "unchanged"))):
        expect("people of push %d" % (place + 1),
               [(name, ids[name], outcome, [ids[company] for company in companies]) for name, companies in PEOPLE],
               [(row["internal_id"], row["id"], row["outcome"], row["associations"]["crm-company"]) for row in answer["people"]])
        expect("companies of push %d" % (place + 1),
               [(name, ids[name], outcome) for name in ("Company1", "Company2", "Company3")],
               [(row["internal_id"], row["id"], row["outcome"]) for row in answer["companies"]])
    database = sqlite3.connect("file:%s?mode=ro" % path, uri=True)
    names = {int(number): name for name, number in ids.items()}
    expect("records of the provider", {(names.get(number), resource, fields) for number, resource, fields in [
        (int(ids[name]), "contacts" if name.startswith("Contact") else "companies", json.dumps(fields, separators=(",", ":")))
        for name, fields in HELD.items()]}, {
            (names.get(number), resource, fields) for number, resource, fields in
            database.execute("SELECT id, resource, fields FROM record")})
    links = {(name, company) for name, companies in PEOPLE for company in companies}
    expect("links of the provider", links | {(company, name) for name, company in links}, {
        (names.get(one), names.get(other)) for one, other in database.execute("SELECT id, other FROM link")})
    effects = sorted((op, names.get(number), names.get(other)) for op, number, other in
                     database.execute("SELECT op, id, to_id FROM effect"))
    expect("effects at the provider, ever", sorted(
        [("create", name, None) for name in HELD] + [("link", name, company) for name, company in links]), effects)
    database.close()
    # Everything that was answered, with the names that the provider chose replaced by ours, and without times.
    text = json.dumps(answers, sort_keys=True)
    text = re.sub(r'"\d{4}-\d\d-\d\dT[^"]*"', '"TIME"', text)
    for name, number in ids.items():
        text = text.replace('"%s"' % number, '"<%s>"' % name)
    return text


def main():
    passed, failed, first = 0, 0, None
    for name, push, over in WAYS:
        with tempfile.TemporaryDirectory(prefix="pushgate-example-") as folder:
            gateway = Gateway(folder) if over == "socket" else None
            try:
                if gateway:
                    gateway.start()
                    where = {"socket": gateway.path}
                else:
                    where = {"binary": os.path.abspath(BINARY), "store": os.path.join(folder, "store.db")}
                answers = push(where, folder)
                if gateway:
                    expect("exit code of the gateway", 0, gateway.stop())
                came = judge(answers, os.path.join(folder, "local", "example.db"))
                if first is None:
                    first = came
                expect("the answers, word for word, by printf and socat and in this way", first, came)
                passed += 1
            except (Difference, OSError, KeyError, ValueError, sqlite3.Error, subprocess.TimeoutExpired) as error:
                failed += 1
                print("%s: %s: %s" % (name, type(error).__name__, error))
            finally:
                if gateway and gateway.process:
                    gateway.kill()
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
