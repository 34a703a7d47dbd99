#!/usr/bin/env python3
"""Parts that are sent without waiting for answers, long and short ones in turn, and the commit right behind them: each is
taken where it was sent.

Last line: N passed, N failed.
"""

import os
import shutil
import sqlite3
import sys
import tempfile

from peer import Gateway, encode

# Records of each part; a long one takes the gateway many turns.
PARTS = [3_000, 1, 2_000, 0, 1, 1_500, 1]


def contacts(part, count):
    return [{"internal_id": "p%d-%d" % (part, number), "data": {"first_name": "Ann", "description": "x" * 200}}
            for number in range(count)]


def parts_are_taken_as_they_were_sent(gateway):
    with gateway.peer(60) as peer:
        session = peer.call("initiateSession", {
            "provider": "local", "account": "parts", "schema": [{"endgrate_type": "crm-contact"}]})["session_id"]
        transfer = peer.call("beginTransfer", session_id=session, endgrate_type="crm-contact")["transfer_id"]
        calls = [("appendTransfer", {"transfer_id": transfer, "seq": number, "transfer_data": contacts(number, count)})
                 for number, count in enumerate(PARTS)]
        calls.append(("commitTransfer", {"transfer_id": transfer, "synchronous": True}))
        peer.send(b"".join(encode({"jsonrpc": "2.0", "id": 900 + place, "method": method, "params": params})
                           for place, (method, params) in enumerate(calls)))
        answers = {}
        while len(answers) < len(calls):
            answer = peer.read()
            answers[answer["id"] - 900] = answer
        for number in range(len(PARTS)):
            answer = answers[number]
            assert answer.get("result", {}).get("records") == sum(PARTS[:number + 1]), "part %d: %s" % (number, answer)
        result = answers[len(PARTS)].get("result", {})
        assert result.get("completed") is True, answers[len(PARTS)]
        assert peer.call("getTransfer", transfer_id=transfer)["summary"]["created"] == sum(PARTS)
    for root, _, names in os.walk(gateway.folder):
        if "parts.db" in names:
            with sqlite3.connect("file:%s?mode=ro" % os.path.join(root, "parts.db"), uri=True) as base:
                made = base.execute("SELECT count(*) FROM effect WHERE op='create'").fetchone()[0]
            assert made == sum(PARTS), "%d records were made of %d" % (made, sum(PARTS))
            return
    raise AssertionError("the provider has no file")


def main():
    folder = tempfile.mkdtemp(prefix="pushgate-parts-")
    gateway = Gateway(folder, ["--log", "warning"]).start()
    failed = 0
    try:
        parts_are_taken_as_they_were_sent(gateway)
    except AssertionError as problem:
        failed = 1
        print("FAILED  %s" % problem)
    finally:
        gateway.kill()
        shutil.rmtree(folder, ignore_errors=True)
    print("%d passed, %d failed" % (1 - failed, failed))
    return failed


if __name__ == "__main__":
    sys.exit(main())
