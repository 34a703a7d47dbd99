"""A running simulator for the tests: started as a process, driven over its sockets."""

import http.client
import itertools
import json
import os
import ssl
import subprocess
import sys
import tempfile
import unittest

RUN = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "run")
DATED = "/crm/objects/2026-09"


class Simulator:
    """One process. `plan` is written to a file; `log` is the path of the log of effects."""

    def __init__(self, plan=None, tls=None):
        self.folder = tempfile.TemporaryDirectory()
        self.log = os.path.join(self.folder.name, "effects.jsonl")
        words = [sys.executable, RUN, "--personality", "hubspot", "--port", "0", "--log", self.log]
        if plan is not None:
            path = os.path.join(self.folder.name, "plan.json")
            with open(path, "w", encoding="utf-8") as file:
                json.dump(plan, file)
            words += ["--plan", path]
        if tls is not None:
            words += ["--tls", *tls]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        ready = json.loads(self.process.stdout.readline())
        self.url, self.port, self.control_port = ready["url"], ready["port"], ready["control_port"]

    def stop(self):
        self.process.terminate()
        self.process.wait(10)
        self.process.stdout.close()
        self.folder.cleanup()

    def control(self, method, path, body=None):
        """The JSON of a control call; an AssertionError when it is refused."""
        link = http.client.HTTPConnection("127.0.0.1", self.control_port, timeout=10)
        try:
            link.request(method, path, None if body is None else json.dumps(body))
            answer = link.getresponse()
            found = json.loads(answer.read())
            assert answer.status == 200, found
            return found
        finally:
            link.close()

    def logged(self):
        with open(self.log, encoding="utf-8") as file:
            return [json.loads(line) for line in file]

    def connect(self, timeout=10, trust=None):
        if trust is not None:
            return http.client.HTTPSConnection(
                "localhost", self.port, timeout=timeout, context=ssl.create_default_context(cafile=trust))
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)


class Reply:
    """Status, headers (names in lower case) and body of one answer."""

    def __init__(self, answer):
        self.status = answer.status
        self.headers = {name.lower(): value for name, value in answer.getheaders()}
        self.body = answer.read()

    @property
    def json(self):
        return json.loads(self.body)


class StageTest(unittest.TestCase):
    """One simulator for the class, an account of its own for each test."""

    numbers = itertools.count(5000)
    settings = {"search_lag_ms": 0}

    @classmethod
    def setUpClass(cls):
        cls.simulator = Simulator({"seed": 7, "portals": []})

    @classmethod
    def tearDownClass(cls):
        cls.simulator.stop()

    def setUp(self):
        self.portal = next(self.numbers)
        self.token = f"pat-test-{self.portal}"
        self.add_portal()

    def tearDown(self):
        self.simulator.control("DELETE", "/faults")
        self.simulator.control("POST", "/clock", {"offset_ms": 0})
        self.assertEqual(self.simulator.control("GET", "/report")["mishaps"], 0)

    def add_portal(self, **members):
        self.simulator.control("POST", "/portals", {
            "id": self.portal, "tokens": [self.token], "settings": self.settings, **members})

    def set(self, **settings):
        self.simulator.control("POST", "/settings", {"portal": self.portal, "settings": settings})

    def fault(self, **rule):
        match = {"portal": self.portal, **rule.pop("match", {})}
        self.simulator.control("POST", "/faults", {"rules": [{"match": match, **rule}]})

    def call(self, method, path, body=None, token=None, headers=None, timeout=10):
        link = self.simulator.connect(timeout)
        try:
            data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
            fields = {"Authorization": f"Bearer {token or self.token}", **(headers or {})}
            if data is not None:
                fields.setdefault("Content-Type", "application/json")
            link.request(method, path, data, fields)
            return Reply(link.getresponse())
        finally:
            link.close()

    def create(self, kind, **properties):
        """The id of a new record."""
        reply = self.call("POST", f"{DATED}/{kind}", {"properties": properties})
        self.assertEqual(reply.status, 201, reply.body)
        return reply.json["id"]

    def batch(self, kind, verb, inputs, **members):
        return self.call("POST", f"{DATED}/{kind}/batch/{verb}", {"inputs": inputs, **members})

    def state(self, kind=None):
        return self.simulator.control(
            "GET", f"/state?portal={self.portal}" + (f"&object={kind}" if kind else ""))

    def effects(self, *names):
        """This account's entries of the log file, of these kinds (all kinds when none is named)."""
        return [entry for entry in self.simulator.logged()
                if entry["portal"] == self.portal and (not names or entry["effect"] in names)]
