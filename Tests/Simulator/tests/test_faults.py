"""Faults: what the client sees, and what was committed all the same."""

import gzip
import http.client
import json
import socket
import threading
import time
import unittest

from stage import DATED, Simulator, StageTest

COMPANIES = [{"properties": {"name": f"c{number}"}, "objectWriteTraceId": str(number)} for number in range(6)]


class FaultTests(StageTest):
    def made(self):
        return sorted(entry["values"]["name"] for entry in self.state())

    def push(self, timeout=10):
        return self.batch("companies", "create", COMPANIES) if timeout == 10 else self.call(
            "POST", f"{DATED}/companies/batch/create", {"inputs": COMPANIES}, timeout=timeout)

    def test_lost_before_and_after_the_commit(self):
        for when, kept in (("before", 0), ("after", 6)):
            for do, expected in (("reset", ConnectionResetError), ("close", http.client.RemoteDisconnected)):
                self.simulator.control("POST", "/clear", {"portal": self.portal})
                self.fault(when=when, do=do)
                with self.assertRaises(expected):
                    self.push()
                self.assertEqual(len(self.made()), kept, (when, do))

    def test_in_the_middle_of_the_batch(self):
        self.fault(when="mid_batch", inputs=2, do="reset")
        with self.assertRaises(ConnectionResetError):
            self.push()
        self.assertEqual(self.made(), ["c0", "c1"])
        self.fault(when="mid_batch", inputs=1, do="answer")
        self.assertEqual(self.push().status, 500)
        self.assertEqual(len(self.effects("created")), 3)

    def test_a_late_commit_overlaps_the_retry(self):
        self.fault(when="late", late_ms=400, do="status", status=504)
        self.assertEqual(self.push().status, 504)
        self.assertEqual(self.made(), [])
        self.assertEqual(self.simulator.control("GET", "/report")["late_commits_pending"], 1)
        self.assertEqual(self.push().status, 201)
        time.sleep(0.6)
        self.assertEqual(len(self.made()), 12)
        self.assertEqual([bool(entry.get("late")) for entry in self.effects("created")], [False] * 6 + [True] * 6)

    def test_a_late_commit_while_the_client_waits_in_vain(self):
        self.fault(when="late", late_ms=300, do="stall", seconds=1)
        with self.assertRaises((TimeoutError, socket.timeout)):
            self.push(timeout=0.2)
        time.sleep(0.4)
        self.assertEqual(len(self.made()), 6)

    def test_a_late_commit_of_a_unique_value_loses_to_the_retry(self):
        contact = {"properties": {"email": "a@example.com"}}
        self.fault(when="late", late_ms=200, do="reset")
        with self.assertRaises(ConnectionResetError):
            self.call("POST", f"{DATED}/contacts", contact)
        self.assertEqual(self.call("POST", f"{DATED}/contacts", contact).status, 201)
        time.sleep(0.4)
        self.assertEqual(len(self.effects("created")), 1)

    def test_answers_that_break_off(self):
        for do, expected in (("mid_body", ConnectionResetError), ("truncate", http.client.IncompleteRead),
                             ("cut_head", (ConnectionResetError, http.client.HTTPException)),
                             ("garbage", http.client.BadStatusLine)):
            self.fault(do=do)
            with self.assertRaises(expected, msg=do):
                self.push()
        self.assertEqual(len(self.made()), 24)

    def test_answers_that_are_not_json(self):
        self.fault(do="html", status=200)
        page = self.push()
        self.assertEqual((page.status, page.headers["content-type"]), (200, "text/html"))
        self.assertTrue(page.body.startswith(b"<!DOCTYPE html>"))
        self.fault(do="empty")
        self.assertEqual((self.push().body, len(self.made())), (b"", 12))
        self.fault(do="status", when="before", status=200, body="{\"half\":")
        self.assertEqual(self.push().body, b"{\"half\":")

    def test_a_wrong_content_encoding(self):
        self.fault(do="wrong_encoding", how="claimed")
        reply = self.push()
        self.assertEqual(reply.headers["content-encoding"], "gzip")
        self.assertEqual(len(json.loads(reply.body)["results"]), 6)
        self.fault(do="wrong_encoding", how="hidden")
        reply = self.push()
        self.assertNotIn("content-encoding", reply.headers)
        self.assertEqual(len(json.loads(gzip.decompress(reply.body))["results"]), 6)

    def test_bursts_of_server_errors(self):
        for status in (500, 502, 503, 423, 477):
            self.fault(when="before", do="status", status=status, match={"times": 3})
            replies = [self.push() for _ in range(4)]
            self.assertEqual([reply.status for reply in replies], [status] * 3 + [201])
            self.assertEqual(replies[0].json["status"], "error")
        self.assertEqual(replies[0].headers["retry-after"], "3600")
        self.assertEqual(len(self.made()), 30)

    def test_a_429_of_the_plan(self):
        self.fault(when="before", do="status", status=429, policy="DAILY", headers={"Retry-After": "7"})
        reply = self.push()
        self.assertEqual((reply.json["policyName"], reply.headers["retry-after"]), ("DAILY", "7"))

    def test_slow_answers(self):
        for do in ("slow_headers", "drip"):
            self.fault(do=do, chunk=400, pause_ms=100)
            began = time.monotonic()
            self.assertEqual(self.push().status, 201)
            self.assertGreater(time.monotonic() - began, 0.1, do)

    def test_entries_twice_and_entries_left_out(self):
        self.fault(do="duplicate_entries", count=2)
        ids = [entry["id"] for entry in self.push().json["results"]]
        self.assertEqual((len(ids), len(set(ids))), (8, 6))
        self.fault(do="missing_entries", count=4)
        reply = self.push().json
        self.assertEqual((len(reply["results"]), "errors" in reply), (2, False))
        self.assertEqual(len(self.made()), 12)

    def test_too_much(self):
        self.fault(do="bomb", bytes=5_000_000)
        reply = self.call("GET", f"{DATED}/companies")
        self.assertLess(len(reply.body), 50_000)
        self.assertEqual(len(gzip.decompress(reply.body)), 5_000_000)
        self.fault(do="many_headers", bytes=200_000)
        with self.assertRaises(http.client.HTTPException):
            self.push()

    def test_which_requests_are_hit(self):
        self.fault(id="third", when="before", do="status", status=503,
                   match={"op": "objects.create", "object": "companies", "contains": "mark", "skip": 1, "every": 2, "times": 2})
        statuses = []
        for number in range(6):
            statuses.append(self.call("POST", f"{DATED}/companies", {"properties": {"name": f"mark{number}"}}).status)
            self.assertEqual(self.call("POST", f"{DATED}/companies", {"properties": {"name": "other"}}).status, 201)
        self.assertEqual(statuses, [201, 503, 201, 503, 201, 201])
        rule = self.simulator.control("GET", "/faults")["rules"][0]
        self.assertEqual((rule["id"], rule["seen"], rule["hits"]), ("third", 6, 2))

    def test_skipping(self):
        self.fault(when="before", do="status", status=502, match={"skip": 2})
        self.assertEqual([self.push().status for _ in range(4)], [201, 201, 502, 201])

    def test_the_first_rule_that_strikes_is_taken(self):
        self.fault(when="before", do="status", status=502)
        self.fault(when="before", do="status", status=503)
        self.assertEqual([self.push().status for _ in range(3)], [502, 503, 201])

    def test_rules_that_are_refused_leave_the_plan_as_it_was(self):
        self.fault(do="answer")
        for wrong in ({"do": "dance"}, {"when": "never"}, {"match": {"colour": "red"}}):
            with self.assertRaises(AssertionError):
                self.simulator.control("POST", "/faults", {"rules": [{"do": "answer"}, wrong], "replace": True})
        self.assertEqual(len(self.simulator.control("GET", "/faults")["rules"]), 1)

    def test_a_kept_connection_that_ends_without_notice(self):
        self.fault(do="answer", hang_up=True)
        link = self.simulator.connect()
        fields = {"Authorization": f"Bearer {self.token}"}
        link.request("GET", f"{DATED}/companies", headers=fields)
        answer = link.getresponse()
        self.assertEqual((answer.status, answer.getheader("connection")), (200, None))
        answer.read()
        with self.assertRaises((http.client.HTTPException, ConnectionError)):
            link.request("GET", f"{DATED}/companies", headers=fields)
            link.getresponse()
        link.close()

    def test_an_answer_is_never_before_its_effect_is_on_disk(self):
        self.assertEqual(self.push().status, 201)
        self.assertEqual(len(self.effects("created")), 6)


class WireTests(StageTest):
    def test_gzip_only_for_those_who_ask(self):
        for number in range(5):
            self.create("companies", name=f"company {number}")
        plain = self.call("GET", f"{DATED}/companies")
        packed = self.call("GET", f"{DATED}/companies", headers={"Accept-Encoding": "gzip"})
        self.assertNotIn("content-encoding", plain.headers)
        self.assertEqual(packed.headers["content-encoding"], "gzip")
        self.assertEqual(json.loads(gzip.decompress(packed.body)), plain.json)

    def raw(self, data, wait=2):
        with socket.create_connection(("127.0.0.1", self.simulator.port), timeout=wait) as link:
            link.sendall(data)
            link.shutdown(socket.SHUT_WR)
            answer = b""
            while chunk := link.recv(65_536):
                answer += chunk
            return answer

    def test_chunked_and_pipelined_requests(self):
        head = f"POST {DATED}/companies HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self.token}\r\n" \
               "Content-Type: application/json\r\n"
        body = b'{"properties":{"name":"chunked"}}'
        chunked = head.encode() + b"Transfer-Encoding: chunked\r\n\r\n5\r\n" + body[:5] + b"\r\n" + \
            f"{len(body) - 5:x}\r\n".encode() + body[5:] + b"\r\n0\r\n\r\n"
        whole = head.encode() + f"Content-Length: {len(body)}\r\n\r\n".encode() + body
        self.assertEqual(self.raw(chunked + whole).count(b"HTTP/1.1 201"), 2)

    def test_what_is_not_http(self):
        for data in (b"hello\r\n\r\n", b"GET / HTTP/1.1\r\nno colon\r\n\r\n", b"GET / HT", b"x" * 70_000,
                     b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n"):
            self.assertIn(b"400 Bad Request", self.raw(data)[:40], data[:20])

    def test_a_closed_port_opens_again(self):
        self.simulator.control("POST", "/listening", {"open": False})
        try:
            with self.assertRaises(ConnectionRefusedError):
                self.call("GET", f"{DATED}/companies")
        finally:
            self.simulator.control("POST", "/listening", {"open": True})
        self.assertEqual(self.call("GET", f"{DATED}/companies").status, 200)

    def test_many_at_once(self):
        statuses = []

        def push(number):
            statuses.append(self.call("POST", f"{DATED}/contacts", {"properties": {"email": "one@example.com"}}).status)

        threads = [threading.Thread(target=push, args=(number,)) for number in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(sorted(statuses), [201] + [409] * 15)
        self.assertEqual(len(self.effects("created")), 1)


class PlanTests(unittest.TestCase):
    def test_one_seed_gives_one_course(self):
        plan = {"seed": 3, "faults": [{"when": "before", "do": "status", "status": 503,
                                       "match": {"op": "objects.create", "times": 0, "chance": 0.5}}]}
        courses = []
        for _ in range(2):
            simulator = Simulator(plan)
            try:
                course = []
                for number in range(12):
                    link = simulator.connect()
                    link.request("POST", f"{DATED}/companies", json.dumps({"properties": {"name": str(number)}}),
                                 {"Authorization": "Bearer pat-na1-portal-one", "Content-Type": "application/json"})
                    course.append(link.getresponse().status)
                    link.close()
                courses.append(course + [entry["id"] for entry in simulator.logged()])
            finally:
                simulator.stop()
        self.assertEqual(courses[0], courses[1])
        self.assertEqual({status for status in courses[0] if isinstance(status, int)}, {201, 503})


if __name__ == "__main__":
    unittest.main()
