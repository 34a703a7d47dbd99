#!/usr/bin/env python3
"""Hostile input: each case gets its documented error, and the next good request works.

    hostile.py [WORD …]      only cases whose name has one of the words

The cases are in hostile_lines.py (lines), hostile_params.py (params of every method), hostile_peers.py (callers that
behave badly, and the errors of the methods) and hostile_starts.py (command line, files, signals, standard streams).
"""

import json
import os
import shutil
import sys
import tempfile
import time
import traceback

import hostile_lines
import hostile_params
import hostile_peers
import hostile_starts
from peer import BINARY, Gateway, ROOT


class Bench:
    """The gateway that most cases share, and what is expected of errors."""

    def __init__(self):
        with open(os.path.join(ROOT, "protocol", "errors.json")) as file:
            self.errors = {error["name"]: error for error in json.load(file)}
        self.seen = set()
        self.base = "/dev/shm" if os.path.isdir("/dev/shm") else None
        self.folders = []
        self.gateways = []
        self.gateway = self.start()
        self.peer = self.gateway.peer()
        self.session = self.peer.call(
            "initiateSession", provider="local", name="hostile",
            schema=[{"endgrate_type": "crm-contact"}, {"endgrate_type": "crm-company"}])["session_id"]
        self.transfer = self.peer.call(
            "pushTransfer", session_id=self.session, endgrate_type="crm-contact", synchronous=True,
            transfer_data=[{"internal_id": "one", "data": {"first_name": "One"}}])["transfer_id"]

    def folder(self):
        folder = tempfile.mkdtemp(prefix="pushgate-hostile-", dir=self.base)
        self.folders.append(folder)
        return folder

    def start(self, *options):
        """A gateway of a case's own."""
        gateway = Gateway(self.folder(), options).start()
        self.gateways.append(gateway)
        return gateway

    def expect_error(self, reply, name, number):
        """The reply has this error, as errors.json describes it, and answers this id."""
        assert isinstance(reply, dict) and "error" in reply, "no error but %s" % json.dumps(reply)[:300]
        error, entry = reply["error"], self.errors[name]
        assert error["data"]["name"] == name, "%s instead of %s" % (json.dumps(error)[:300], name)
        assert error["code"] == entry["code"] and error["message"], error
        assert error["data"]["retryable"] == entry["retryable"], error
        assert set(error["data"]) <= {"name", "retryable", "retry_after_ms", "request_id", "details"}, error
        assert set(reply) == {"jsonrpc", "id", "error"} and reply["jsonrpc"] == "2.0", reply
        assert reply["id"] == number, reply
        self.seen.add(name)

    def close(self):
        for gateway in self.gateways:
            gateway.kill()
        for folder in self.folders:
            shutil.rmtree(folder, ignore_errors=True)


def main():
    print("gateway: %s" % BINARY)
    words = sys.argv[1:]
    bench = Bench()
    passed, failed, skipped, began = 0, 0, 0, time.monotonic()
    try:
        for module in (hostile_lines, hostile_params, hostile_peers, hostile_starts):
            for name, run in module.cases(bench):
                if words and not any(word in name for word in words):
                    continue
                try:
                    if run() == "skipped":
                        skipped += 1
                        print("skipped  %s" % name)
                    else:
                        passed += 1
                except Exception as problem:
                    failed += 1
                    place = traceback.extract_tb(problem.__traceback__)[-1]
                    print("FAILED   %s: %s %s (%s:%d)" % (
                        name, type(problem).__name__, str(problem)[:600], os.path.basename(place.filename), place.lineno))
                    # A case may have left the shared connection half read.
                    bench.peer.close()
                    bench.peer = bench.gateway.peer()
        if bench.gateway.process.poll() is not None:
            failed += 1
            print("FAILED   the gateway that all cases share has ended, code %s" % bench.gateway.process.returncode)
        elif bench.gateway.stop() != 0:
            failed += 1
            print("FAILED   the gateway that all cases share did not end in order")
        print("errors seen: %s" % ", ".join(sorted(bench.seen)))
        print("%.1f s%s" % (time.monotonic() - began, ", %d skipped" % skipped if skipped else ""))
        print("%d passed, %d failed" % (passed, failed))
    finally:
        bench.close()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
