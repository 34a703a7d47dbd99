"""The control port, the log, what people do upstream, TLS."""

import http.client
import json
import os
import subprocess
import tempfile
import time
import unittest

from stage import DATED, Simulator, StageTest


class ControlTests(StageTest):
    def act(self, verb, **members):
        return self.simulator.control("POST", f"/upstream/{verb}", {"portal": self.portal, **members})

    def test_the_log_holds_each_effect_once_in_order(self):
        contact = self.create("contacts", email="a@example.com", firstname="Ann")
        self.call("PATCH", f"{DATED}/contacts/{contact}", {"properties": {"firstname": "Anna"}})
        company = self.create("companies", name="a")
        self.call("PUT", f"{DATED}/contacts/{contact}/associations/default/companies/{company}")
        entries = self.effects()
        self.assertEqual([entry["effect"] for entry in entries], ["created", "updated", "created", "linked"])
        self.assertEqual([entry["seq"] for entry in entries], sorted(entry["seq"] for entry in entries))
        self.assertEqual(entries[0]["keys"], {"email": "a@example.com", "firstname": "Ann"})
        self.assertEqual((entries[1]["changed"], entries[1]["by"]), (["firstname"], "api"))
        self.assertEqual(entries[1]["digest"], self.state("contacts")[0]["digest"])
        self.assertNotEqual(entries[0]["digest"], entries[1]["digest"])
        last = self.simulator.control("GET", "/effects?since=0")[-1]
        self.assertEqual(last, self.simulator.logged()[-1])

    def test_several_accounts_can_be_used_at_a_time(self):
        other = next(self.numbers)
        self.simulator.control("POST", "/portals", {"id": other, "tokens": ["pat-other"], "settings": self.settings})
        for portal in (self.portal, other):
            self.simulator.control("POST", "/faults", {"rules": [
                {"match": {"portal": portal}, "when": "late", "late_ms": 400, "do": "status"}]})
        self.assertEqual(self.call("POST", f"{DATED}/companies", {"properties": {"name": "mine"}}).status, 500)
        pending = [self.simulator.control("GET", f"/report?portal={portal}")["late_commits_pending"]
                   for portal in (self.portal, other)]
        self.assertEqual(pending, [1, 0])
        self.simulator.control("DELETE", f"/faults?portal={self.portal}")
        rules = self.simulator.control("GET", "/faults")["rules"]
        self.assertEqual([rule["match"]["portal"] for rule in rules], [other])
        deadline = time.monotonic() + 10
        while self.simulator.control("GET", "/report")["late_commits_pending"]:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.02)
        for name in ("effects", "requests"):
            entries = [self.simulator.control("GET", f"/{name}?portal={portal}") for portal in (self.portal, other)]
            self.assertEqual([len(found) for found in entries], [1, 0], name)
        self.assertEqual(self.simulator.control("GET", f"/report?portal={other}")["requests"], 0)

    def test_records_deleted_and_edited_upstream(self):
        contact = self.create("contacts", email="a@example.com")
        self.act("update", object="contacts", id=contact, properties={"firstname": "Other"})
        self.assertEqual(self.state()[0]["values"]["firstname"], "Other")
        self.act("delete", object="contacts", id=contact)
        reply = self.batch("contacts", "update", [{"id": contact, "properties": {"firstname": "x"}}])
        self.assertEqual((reply.status, reply.json["errors"][0]["category"]), (207, "OBJECT_NOT_FOUND"))
        self.assertEqual([entry["by"] for entry in self.effects()], ["api", "upstream", "upstream"])
        with self.assertRaises(AssertionError):
            self.act("delete", object="contacts", id=contact)

    def test_records_merged_upstream(self):
        first = self.create("contacts", email="a@example.com", firstname="Ann")
        second = self.create("contacts", email="b@example.com", phone="1")
        company = self.create("companies", name="a")
        self.call("PUT", f"{DATED}/contacts/{second}/associations/default/companies/{company}")
        self.assertEqual(self.act("merge", object="contacts", primary=first, merged=second), {"id": first})
        record = self.state("contacts")[0]
        self.assertEqual(record["values"], {"email": "a@example.com", "firstname": "Ann", "phone": "1",
                                            "hs_additional_emails": "b@example.com", "lifecyclestage": "lead"})
        self.assertEqual([entry["id"] for entry in record["links"]], [company])
        self.assertEqual(self.call("GET", f"{DATED}/contacts/{second}").json["id"], first)
        self.assertEqual(self.call("GET", f"{DATED}/contacts/b@example.com?idProperty=email").json["id"], first)
        reply = self.call("POST", f"{DATED}/contacts", {"properties": {"email": "b@example.com"}})
        self.assertEqual((reply.status, reply.json["message"].endswith(first)), (409, True))
        update = [{"id": first, "properties": {}}, {"id": second, "properties": {}}]
        self.assertEqual(self.batch("contacts", "update", update).status, 400)
        upsert = [{"id": f"{name}@example.com", "idProperty": "email", "properties": {}} for name in "ab"]
        self.assertEqual(self.batch("contacts", "upsert", upsert).status, 400)

    def test_requests_are_told_with_their_operation_and_fault(self):
        self.fault(id="lost", do="close", match={"op": "batch.create"})
        try:
            self.batch("companies", "create", [{"properties": {"name": "a"}}])
        except ConnectionError:
            pass
        self.call("GET", f"{DATED}/companies")
        mine = [entry for entry in self.simulator.control("GET", "/requests") if entry["portal"] == self.portal]
        self.assertEqual([(entry["op"], entry["fault"], entry["status"], entry["inputs"]) for entry in mine],
                         [("batch.create", "lost", 201, 1), ("objects.list", None, 200, None)])

    def test_clearing_forgets_records_and_keeps_the_log(self):
        self.create("companies", name="a")
        self.simulator.control("POST", "/clear", {"portal": self.portal})
        self.assertEqual((self.state(), len(self.effects())), ([], 1))

    def test_control_calls_are_not_on_the_api_port(self):
        self.assertEqual(self.call("GET", "/state").status, 404)
        for method, path, body in (("GET", "/nothing", None), ("POST", "/settings", {"portal": self.portal, "settings": {"x": 1}}),
                                   ("POST", "/settings", {"portal": 1, "settings": {}})):
            with self.assertRaises(AssertionError):
                self.simulator.control(method, path, body)


class CommandTests(unittest.TestCase):
    def test_tls_with_a_given_certificate(self):
        with tempfile.TemporaryDirectory() as folder:
            certificate, key = os.path.join(folder, "c.pem"), os.path.join(folder, "k.pem")
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                            "-keyout", key, "-out", certificate, "-days", "2", "-subj", "/CN=localhost", "-addext",
                            "subjectAltName=DNS:localhost,IP:127.0.0.1"], check=True, capture_output=True)
            simulator = Simulator(tls=(certificate, key))
            try:
                link = simulator.connect(trust=certificate)
                link.request("GET", "/account-info/v3/details", headers={"Authorization": "Bearer pat-na1-portal-one"})
                self.assertEqual(link.getresponse().status, 200)
                link.close()
                for do, expected in (("reset", (ConnectionResetError, OSError)), ("truncate", Exception)):
                    simulator.control("POST", "/faults", {"rules": [{"do": do}]})
                    link = simulator.connect(trust=certificate)
                    link.request("GET", "/account-info/v3/details", headers={"Authorization": "Bearer pat-na1-portal-one"})
                    with self.assertRaises(expected):
                        link.getresponse().read()
                    link.close()
            finally:
                simulator.stop()

    def test_it_ends_quietly_and_leaves_its_files(self):
        with tempfile.TemporaryDirectory() as folder:
            log, requests = os.path.join(folder, "log"), os.path.join(folder, "requests")
            run = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "run")
            process = subprocess.Popen([run, "--log", log, "--requests", requests], stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE, text=True)
            ready = json.loads(process.stdout.readline())
            link = http.client.HTTPConnection("127.0.0.1", ready["port"], timeout=10)
            link.request("POST", f"{DATED}/companies", '{"properties":{"name":"a"}}',
                         {"Authorization": "Bearer pat-na1-portal-one", "Content-Type": "application/json"})
            self.assertEqual(link.getresponse().status, 201)
            process.terminate()
            out, errors = process.communicate(timeout=10)
            link.close()
            self.assertEqual((process.returncode, out, errors), (0, "", ""))
            with open(log, encoding="utf-8") as file:
                self.assertEqual(json.loads(file.read())["effect"], "created")
            with open(requests, encoding="utf-8") as file:
                self.assertEqual(json.loads(file.read())["op"], "objects.create")

    def test_a_plan_that_is_not_one(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "plan.json")
            for text in ("{", '{"faults": [{"do": "dance"}]}', '{"portals": [{"id": 1, "settings": {"x": 1}}]}'):
                with open(path, "w", encoding="utf-8") as file:
                    file.write(text)
                run = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "run")
                ended = subprocess.run([run, "--plan", path], capture_output=True, text=True, timeout=10)
                self.assertEqual((ended.returncode, ended.stdout), (1, ""), ended.stderr)
                self.assertTrue(ended.stderr.startswith("simulator: "), ended.stderr)


if __name__ == "__main__":
    unittest.main()
