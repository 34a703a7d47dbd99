#!/usr/bin/env python3
"""What ends by the clock. Days are not waited for: the times in the store's file are moved while no gateway runs.

Last line: N passed, N failed.
"""

import os
import shutil
import sqlite3
import sys
import tempfile
import time
from datetime import datetime

from peer import Gateway, Refused, SOON

CONTACT = {"provider": "local", "schema": [{"endgrate_type": "crm-contact"}]}
HOUR = 3_600_000


class House:
    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="pushgate-lifetimes-")
        self.gateway = Gateway(self.folder, ["--log", "warning"])
        self.gateway.start()
        self.peer = self.gateway.peer()

    def call(self, method, **params):
        return self.peer.call(method, params)

    def later(self, hours):
        """The same store so many hours later, by moving its sessions into the past."""
        self.peer.close()
        self.gateway.kill()
        with sqlite3.connect(self.gateway.store) as database:
            database.execute("UPDATE session SET created = created - ?1, expires = expires - ?1", (hours * HOUR,))
        database.close()
        self.gateway.start()
        self.peer = self.gateway.peer()

    def is_gone(self, session):
        """Whether the session is gone, after the second in which that is seen to."""
        deadline = time.monotonic() + 2.5
        while time.monotonic() < deadline:
            try:
                self.call("getConfiguration", session_id=session)
            except Refused as refused:
                assert refused.error["data"]["name"] == "session_not_found", refused
                return True
            time.sleep(0.05)
        return False

    def end(self):
        self.peer.close()
        self.gateway.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


def a_session_without_a_name_lives_72_hours_from_its_creation(house):
    session = house.call("initiateSession", **CONTACT)["session_id"]
    shown = house.call("listSessions")["sessions"][0]
    times = [datetime.fromisoformat(shown[name].replace("Z", "+00:00")) for name in ("created", "expires_at")]
    assert (times[1] - times[0]).total_seconds() == 72 * 3600, shown
    push = house.call("pushTransfer", session_id=session, endgrate_type="crm-contact", synchronous=True,
                      transfer_data=[{"internal_id": "a", "data": {"first_name": "Ann"}}])
    house.later(71)
    assert not house.is_gone(session), "gone after 71 hours"
    house.later(1)
    assert house.is_gone(session), "there after 72 hours"
    # What it pushed went with it.
    try:
        house.call("getData", transfer_id=push["transfer_id"])
        raise AssertionError("the transfer of a session that is over is still there")
    except Refused as refused:
        assert refused.error["data"]["name"] == "transfer_not_found", refused


def a_saved_session_and_one_with_a_name_stay(house):
    saved = house.call("initiateSession", save_session=True, **CONTACT)["session_id"]
    named = house.call("initiateSession", name="crm", **CONTACT)["session_id"]
    house.later(24 * 365)
    assert not house.is_gone(saved) and not house.is_gone(named)


def a_session_with_unfinished_records_outlives_its_time(house):
    session = house.call("initiateSession", settings={"latency_ms": 4000}, **CONTACT)["session_id"]
    push = house.call("pushTransfer", session_id=session, endgrate_type="crm-contact",
                      transfer_data=[{"data": {"first_name": "Ann"}}])
    house.later(100)
    # The exchange begins anew after the restart and takes its time; the session waits for it.
    assert not house.is_gone(session), "the session ended with a record under way"
    deadline = time.monotonic() + SOON
    while not house.is_gone(session):
        assert time.monotonic() < deadline, "it never ended"
    path = os.path.join(house.folder, "local", "default.db")
    with sqlite3.connect("file:%s?mode=ro" % path, uri=True) as provider:
        assert provider.execute("SELECT count(*) FROM record").fetchone() == (1,), "the record was dropped"
    provider.close()
    assert push["success"]


def a_session_with_an_open_transfer_outlives_its_time(house):
    session = house.call("initiateSession", **CONTACT)["session_id"]
    transfer = house.call("beginTransfer", session_id=session, endgrate_type="crm-contact")["transfer_id"]
    house.call("appendTransfer", transfer_id=transfer, seq=0, transfer_data=[{"data": {"first_name": "Ann"}}])
    house.later(100)
    assert not house.is_gone(session), "the session ended with a transfer that was arriving"
    done = house.call("commitTransfer", transfer_id=transfer, parts=1, synchronous=True)
    assert done["completed"], done
    assert house.is_gone(session), "there after its last transfer"


CASES = [a_session_without_a_name_lives_72_hours_from_its_creation, a_saved_session_and_one_with_a_name_stay,
         a_session_with_unfinished_records_outlives_its_time,
         a_session_with_an_open_transfer_outlives_its_time]


def main():
    failed = 0
    for case in CASES:
        house = House()
        try:
            case(house)
        except (AssertionError, Refused, OSError, sqlite3.Error) as error:
            failed += 1
            print("%s: %s: %s" % (case.__name__, type(error).__name__, error))
        finally:
            house.end()
    print("%d passed, %d failed" % (len(CASES) - failed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
