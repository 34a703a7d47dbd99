#!/usr/bin/env python3
"""What became of a record and why, through the built binary: at a simulated HubSpot, on the command line, over kills and
restarts; that the log of exchanges costs no commit, holds nothing of the records, and goes with its session.

    explain.py [SCENE …]
"""

import json
import os
import sqlite3
import subprocess
import sys
import time

from hubspot_house import Account, House, Wrong, expect, same
from hubspot import COMPANY, CONTACT, person
from peer import BINARY, Missing, Refused

LOCAL = [{"endgrate_type": CONTACT}, {"endgrate_type": COMPANY}]


def explained(peer, transfer, **name):
    return peer.call("getRecord", {"transfer_id": transfer, **name})["record"]


def asked(record):
    return [(attempt["operation"], attempt["outcome"]) for attempt in record["attempts"]]


def rows(house, query="SELECT * FROM exchange"):
    with sqlite3.connect("file:%s?mode=ro" % house.gateway.store, uri=True) as store:
        return store.execute(query).fetchall()


def over_http(house, peer):
    """Each request is shown as it was for the record alone, and replaying it at the vendor does what it did."""
    account = Account(house, peer)
    known = account.upstream("create", object="contacts", properties={"phone": "(555) 123-4567", "firstname": "Two"})["id"]
    account.push(CONTACT, [{"internal_id": "a", "data": {"phone": "5551234567", "last_name": "Muster", "email": "two@example.org"},
                            "associations": {COMPANY: [{"internal_id": "k", "data": {"name": "Acme"}}]}},
                           person("new")])
    record = explained(peer, account.last, internal_id="a")
    same((record["result"]["id"], record["result"]["outcome"]), (known, "updated"), "outcome")
    same((record["decision"]["why"], record["decision"]["match_key"]), ("matched", "phone"), "why")
    same([link["state"] for link in record["links"]], ["linked"], "links")
    same(record["attempts_total"], len(record["attempts"]), "total")
    same({outcome for _, outcome in asked(record)}, {"answered"}, "outcomes")
    kinds = [kind for kind, _ in asked(record)]
    expect(kinds[:2] == ["read", "search"] and "update" in kinds and kinds.index("link") > kinds.index("update"), kinds)
    paths = {attempt["operation"]: attempt["request"]["path"] for attempt in record["attempts"]}
    same(paths["search"], "/crm/objects/2026-09/contacts/search", "path of a search")
    same(paths["link"], "/crm/associations/2026-09/contacts/companies/batch/associate/default", "path of a link")
    bodies = {attempt["operation"]: attempt["request"]["body"] for attempt in reversed(record["attempts"])}
    same([item["id"] for item in bodies["read"]["inputs"]], ["two@example.org"], "asked by e-mail")
    last = [attempt for attempt in record["attempts"] if attempt["operation"] == "read"][-1]
    same([item["id"] for item in last["request"]["body"]["inputs"]], [known], "read again")
    update, = bodies["update"]["inputs"]
    same(update["id"], known, "updated")
    same(sorted(update["properties"]), ["email", "lastname", "phone"], "written: " + json.dumps(update))
    written = sorted(field["to"] for field in record["mapping"] if field["written"])
    same(written, sorted(update["properties"]), "what is said to be written")
    same(bodies["link"]["inputs"], [{"from": {"id": known}, "to": {"id": record["links"][0]["id"]}}], "link")
    # As many as the vendor has seen, of the company as well.
    company = explained(peer, account.last, internal_id="k")
    other = explained(peer, account.last, internal_id="new")
    same(company["parent"]["internal_id"], "a", "parent")
    same((other["decision"]["why"], other["result"]["outcome"]), ("new", "created"), "the other")
    expect(not any(attempt["operation"] == "update" for attempt in other["attempts"]), "an update of somebody else")
    create, = [attempt for attempt in other["attempts"] if attempt["operation"] == "create"]
    same(create["request"]["body"]["inputs"][0]["properties"], {
        "firstname": "New", "lastname": "Muster", "email": "new@example.org"}, "create")
    # Nothing secret is shown, and the log has nothing of the records.
    text = json.dumps([record, company, other])
    expect(account.token not in text and "uthorization" not in text, "a credential is shown")
    kept = repr(rows(house))
    for word in ("example.org", "5551234567", "Muster", "Acme", account.token):
        expect(word not in kept, "the log has " + word)


def refusals(house, peer):
    """A vendor's words stay in the error entry; the log has the status."""
    account = Account(house, peer)
    account.upstream("create", object="contacts", properties={"email": "taken@example.org"})
    account.push(CONTACT, [{"internal_id": "x", "data": {"email": "not an address", "city": "Rome"}}])
    record = explained(peer, account.last, index=0)
    same(record["result"]["outcome"], "refused", "outcome")
    if record["attempts"]:
        refused = [attempt for attempt in record["attempts"] if attempt["outcome"] == "refused"]
        expect(all(attempt["answer"]["status"] >= 400 for attempt in refused), "status")
    expect("error" in record and "not an address" not in repr(rows(house)), "the log has the record's values")


def over_kills(house, peer):
    """A record's exchanges are there whoever made them: the run that was killed or the next one."""
    session = peer.call("initiateSession", provider="local", name="kills", account="kills", schema=LOCAL, settings={
        "faults": [{"fault": "lose_answer", "operation": "write"}, {"fault": "refuse_connection", "operation": "write", "times": 1000}]})
    transfer = peer.call("pushTransfer", session_id=session["session_id"], endgrate_type=CONTACT, transfer_data=[
        {"internal_id": "a", "data": {"email": "a@example.org"}}])["transfer_id"]
    deadline = time.monotonic() + 10
    while len(asked(explained(peer, transfer, index=0))) < 1:
        expect(time.monotonic() < deadline, "nothing is asked")
        time.sleep(0.01)
    # Another push commits, and takes the notes along.
    time.sleep(0.5)
    peer.call("initiateSession", provider="local", name="more", account="other", schema=LOCAL)
    before = asked(explained(peer, transfer, index=0))
    expect(("write", "unknown") in before, before)
    same(explained(peer, transfer, index=0)["state"], "deferred", "state")
    house.gateway.kill()
    house.gateway.start()
    with house.gateway.peer() as peer:
        same(asked(explained(peer, transfer, index=0))[:len(before)], before, "what the killed run had noted down")
        peer.call("updateSession", session_id=session["session_id"], settings={})
        while explained(peer, transfer, index=0)["state"] != "finished":
            expect(time.monotonic() < deadline + 30, "it does not end")
            time.sleep(0.05)
        after = explained(peer, transfer, index=0)
        same(asked(after)[-1], ("write", "answered"), "the end")
        same(after["decision"]["why"], "new", "why, though decided before the kill")
        same(after["result"]["outcome"], "created", "outcome")


def stopped_in_good_order(house, peer):
    """The last notes of a gateway that stops are not lost: look-ups without a commit behind them."""
    session = peer.call("initiateSession", provider="local", name="stop", account="stop", schema=LOCAL, settings={
        "faults": [{"fault": "unavailable", "operation": "read", "times": 1000}]})
    peer.call("pushTransfer", session_id=session["session_id"], endgrate_type=CONTACT, transfer_data=[
        {"internal_id": "a", "data": {"email": "a@example.org"}}])
    deadline = time.monotonic() + 10
    had = peer.call("stats")["exchanges"]
    while peer.call("stats")["exchanges"] < had + 2:
        expect(time.monotonic() < deadline, "nothing is asked")
        time.sleep(0.02)
    peer.close()
    same(house.gateway.stop(), 0, "exit code")
    same(rows(house, "SELECT operation, meaning FROM exchange WHERE ended=(SELECT max(ended) FROM exchange)"), [("read", 3)], "the last note")
    house.gateway.start()


def no_commit_more(house, peer):
    """One row an exchange, and not one commit that would not have been made anyway."""
    session = peer.call("initiateSession", provider="local", name="count", account="count", schema=LOCAL)["session_id"]
    before, had = peer.call("stats"), len(rows(house))
    peer.call("pushTransfer", session_id=session, endgrate_type=CONTACT, synchronous=True, transfer_data=[
        {"internal_id": "n%d" % number, "data": {"email": "n%d@example.org" % number}} for number in range(1000)])
    after = peer.call("stats")
    made = after["exchanges"] - before["exchanges"]
    expect(20 <= made <= 24, "%d exchanges for ten batches" % made)
    same(len(rows(house)) - had, made, "a row an exchange")
    places = rows(house, "SELECT places FROM exchange ORDER BY sequence DESC LIMIT 1")[0][0]
    expect(len(places) < 20, "the places of 100 records are %s" % places)
    # Accepted, then for each batch its intent and its outcome, which may share commits but never need more.
    commits = after["commits"] - before["commits"]
    expect(commits <= made + 1, "%d commits for %d exchanges" % (commits, made))


def gone_with_its_session(house, peer):
    sessions = {}
    for name in ("goes", "stays"):
        sessions[name] = peer.call("initiateSession", provider="local", name=name, account=name, schema=LOCAL)["session_id"]
        peer.call("pushTransfer", session_id=sessions[name], endgrate_type=CONTACT, synchronous=True, transfer_data=[
            {"internal_id": name, "data": {"email": name + "@example.org"}}])
    count = "SELECT a.name, count(*) FROM exchange e JOIN account a ON a.number=e.account WHERE a.name IN ('goes','stays') GROUP BY 1"
    same(rows(house, count), [("goes", 2), ("stays", 2)], "rows before")
    peer.call("deleteSession", session_id=sessions["goes"], forget=True)
    deadline = time.monotonic() + 10
    while rows(house, count) != [("stays", 2)]:
        expect(time.monotonic() < deadline, "rows after: %s" % rows(house, count))
        time.sleep(0.02)


def large_ones(house, peer):
    """A record with more associated ones than are shown, and one that does not fit a line."""
    session = peer.call("initiateSession", provider="local", name="large", account="large", schema=LOCAL, passthrough_fields=True)["session_id"]
    transfer = peer.call("pushTransfer", session_id=session, endgrate_type=CONTACT, synchronous=True, transfer_data=[
        {"internal_id": "many", "data": {"email": "many@example.org"}, "associations": {COMPANY: [
            {"internal_id": "k%d" % number, "data": {"name": "K%d" % number}} for number in range(250)]}},
        {"internal_id": "big", "data": {"email": "big@example.org", "note": "x" * 1200000}}])["transfer_id"]
    record = explained(peer, transfer, index=0)
    same((len(record["links"]), record["links_total"]), (200, 250), "links")
    same({link["state"] for link in record["links"]}, {"linked"}, "their states")
    same(len(record["result"]["associations"][COMPANY]), 250, "ids in the result")
    try:
        explained(peer, transfer, internal_id="big")
        raise Wrong("a record of 1.2 MB was answered")
    except Refused as refused:
        same(refused.error["data"]["name"], "result_too_large", "the error")


def run(house, *arguments, code=0):
    done = subprocess.run([BINARY, "explain", *arguments, "--socket", house.gateway.path], capture_output=True, text=True)
    same(done.returncode, code, "exit code of explain %s: %s" % (" ".join(arguments), done.stderr))
    return done.stdout if code == 0 else done.stderr


def on_the_command_line(house, peer):
    session = peer.call("initiateSession", provider="local", name="line", account="line", schema=LOCAL)["session_id"]
    transfer = peer.call("pushTransfer", session_id=session, endgrate_type=CONTACT, synchronous=True, transfer_data=[
        {"internal_id": "a", "data": {"first_name": "Ann\x1b[31m\u009b2J", "email": "a@example.org"},
         "associations": {COMPANY: [{"internal_id": "7", "data": {"name": "Acme"}}]}},
        {"internal_id": "b", "data": {"emial": "b@example.org"}}])["transfer_id"]
    text = run(house, transfer)
    for word in ("created", "contacts", "none has its match keys", "first_name", "linked", "POST /contacts/write -> 200 answered"):
        expect(word in text, "%r is not in\n%s" % (word, text))
    expect(len(text.splitlines()) <= 24 and max(map(len, text.splitlines())) <= 120, "it is more than a screen:\n" + text)
    expect("\x1b" not in text and "\u009b" not in text, "a value commands the terminal")
    same(run(house, transfer, "0"), text, "by its index")
    same(run(house, transfer, "a"), text, "by its internal id")
    expect("companies" in run(house, transfer, "7"), "a number that is no index is an internal id")
    refused = run(house, transfer, "b")
    expect("refused" in refused and "emial" in refused and "exchanges" not in refused, refused)
    same(json.loads(run(house, transfer, "--json")), peer.call("getRecord", transfer_id=transfer, index=0), "--json")
    expect("record_not_found" in run(house, transfer, "nobody", code=1), "an unknown record")
    expect("transfer_not_found" in run(house, "none", code=1), "an unknown transfer")
    done = subprocess.run([BINARY, "explain"], capture_output=True, text=True)
    same(done.returncode, 64, "without a transfer")


def budget_over_restarts(house, peer):
    """Lives that follow each other keep the vendor's rate together."""
    account = Account(house, peer)
    for life in range(4):
        with house.gateway.peer() as other:
            for number in range(3):
                other.call("pushTransfer", session_id=account.session, endgrate_type=COMPANY, transfer_data=[
                    {"internal_id": "c%d%d" % (life, number), "data": {"name": "Company %d%d" % (life, number)}}])
                time.sleep(0.02)
        house.gateway.kill() if life % 2 else house.gateway.stop()
        house.gateway.start()
    with house.gateway.peer() as peer:
        deadline = time.monotonic() + 60
        while any(row["state"] != "completed" for row in peer.call("listTransfers", session_id=account.session)["transfers"]):
            expect(time.monotonic() < deadline, "the transfers do not complete")
            time.sleep(0.05)


SCENES = [over_http, refusals, no_commit_more, large_ones, gone_with_its_session, on_the_command_line, budget_over_restarts, over_kills,
          stopped_in_good_order]


def main():
    wanted = [scene for scene in SCENES if not sys.argv[1:] or scene.__name__ in sys.argv[1:]]
    failed = 0
    with House() as house:
        for scene in wanted:
            try:
                with house.gateway.peer(30) as peer:
                    scene(house, peer)
                house.check()
                print("ok      %s" % scene.__name__, flush=True)
            except (Wrong, Missing, Refused, OSError, ValueError, KeyError) as problem:
                failed += 1
                print("FAILED  %s: %s %s" % (scene.__name__, type(problem).__name__, problem), flush=True)
    print("%d scenes passed, %d failed" % (len(wanted) - failed, failed))
    return 1 if failed or not wanted else 0


if __name__ == "__main__":
    sys.exit(main())
