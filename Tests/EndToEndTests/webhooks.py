#!/usr/bin/env python3
"""Webhooks through the built binary, to real receivers, verified by the packages that receivers use.

    webhooks.py [--signatures 500] [--addresses 20000] [--seed 1] [--only PART OF A NAME]

Needs the packages standardwebhooks and svix.
"""

import argparse
import base64
import contextlib
import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time

import standardwebhooks
import svix

from peer import BINARY, Gateway, Missing, Refused, encode
from receiver import Receiver

CHECKS = []
SCHEMA = [{"endgrate_type": "crm-contact"}]
KINDS = ("data_webhook", "completed_webhook", "error_webhook")


def check(test):
    CHECKS.append(test)
    return test


class Fault(Exception):
    pass


def demand(condition, text):
    if not condition:
        raise Fault(text)


class Scene:
    """A gateway, a receiver that answers by a rule, and a session whose webhooks go there."""

    def __init__(self, arguments, *options):
        self.arguments = arguments
        self.folder = tempfile.mkdtemp(prefix="pushgate-webhooks-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
        self.receiver = None
        self.calls = []
        self.rule = lambda call: (200, "")
        self.options = list(options)
        self.gateway = Gateway(self.folder, ["--log", "debug", "--webhook-allow", "127.0.0.0/8"] + self.options)
        self.listen()

    def listen(self, port=0):
        self.receiver = Receiver(port)
        threading.Thread(target=self.serve, args=(self.receiver,), daemon=True).start()

    def serve(self, receiver):
        """Answers by the rule, in the order of coming."""
        while True:
            call = receiver.take(60)
            if call is None:
                return
            call.time = time.monotonic()
            status, header = self.rule(call)
            self.calls.append(call)
            if status != "hold":
                call.answer(status, header)

    def __enter__(self):
        self.gateway.start()
        return self

    def __exit__(self, *_):
        if self.gateway.process:
            self.gateway.kill()
        if self.receiver:
            self.receiver.close()
        shutil.rmtree(self.folder)

    def session(self, peer, kinds=KINDS, path="/hook", **more):
        params = {"provider": "local", "name": "crm", "schema": SCHEMA}
        params.update({kind: {"endpoint": self.receiver.address + path} for kind in kinds})
        params.update(more)
        result = peer.call("initiateSession", params)
        self.secret = result.get("webhook_secret", more.get("webhook_secrets", [None])[0])
        return result["session_id"]

    @staticmethod
    def push(peer, session, *names, **more):
        return peer.call("pushTransfer", dict({
            "session_id": session, "endgrate_type": "crm-contact",
            "transfer_data": [{"internal_id": name, "data": {"first_name": name}} for name in names]}, **more))["transfer_id"]

    def wait(self, count, seconds=20, what="webhooks"):
        """Until so many calls have come."""
        deadline = time.monotonic() + seconds
        while len(self.calls) < count:
            demand(time.monotonic() < deadline, "%d of %d %s came" % (len(self.calls), count, what))
            time.sleep(0.01)

    def settle(self, peer, seconds=20):
        """Until everything has been pushed and told."""
        deadline = time.monotonic() + seconds
        while True:
            stats = peer.call("stats")
            if not stats["transfers_running"] and not stats["webhooks_pending"]:
                return
            demand(time.monotonic() < deadline, "webhooks are still pending")
            time.sleep(0.02)

    def bodies(self):
        return [json.loads(call.body) for call in self.calls]

    def traces(self):
        """Everything that the gateway left on disk and in its log, but for its key."""
        for root, _, names in os.walk(self.folder):
            for name in names:
                path = os.path.join(root, name)
                if not name.endswith(".key") and os.path.isfile(path):
                    with open(path, "rb") as file:
                        yield name, file.read()


def until(condition, what, seconds=10):
    deadline = time.monotonic() + seconds
    while not condition():
        demand(time.monotonic() < deadline, what)
        time.sleep(0.02)


def failures(peer, count):
    """So many events of webhooks that were given up."""
    def events():
        return peer.call("getEvents", {"types": ["webhook.failed"]})["events"]
    until(lambda: len(events()) >= count, "%d webhooks are not told as given up" % count)
    return events()


def deliveries(peer, **params):
    """All pages."""
    rows, after = [], None
    while True:
        page = peer.call("listWebhookDeliveries", dict(params, **({"after": after} if after else {})))
        rows += page["deliveries"]
        after = page.get("next")
        if after is None:
            return rows


def accepted(library, secret, body, headers):
    try:
        library.Webhook(secret).verify(body, headers)
        return True
    except (UnicodeDecodeError, standardwebhooks.WebhookVerificationError, svix.webhooks.WebhookVerificationError):
        return False


@check
def signatures_are_verified_by_both_packages(arguments):
    with Scene(arguments) as scene, scene.gateway.peer() as peer:
        session = scene.session(peer, ("data_webhook",))
        count = arguments.signatures
        for number in range(count):
            scene.push(peer, session, "n%d é\U0001F600 \u2028" % number)
        scene.wait(count, 20 + count / 20)
        chance = random.Random(arguments.seed)
        for call in scene.calls:
            for library in (standardwebhooks, svix):
                demand(accepted(library, scene.secret, call.body, call.headers), "a signature is refused: %s" % call.headers)
            mutate(chance, scene.secret, call)
        demand(len({call.headers["webhook-id"] for call in scene.calls}) == count, "an id was used twice")


def mutate(chance, secret, call):
    """One byte of one of the four parts is another one: nobody may take it."""
    part = chance.choice(["body", "webhook-id", "webhook-timestamp", "webhook-signature", "secret"])
    body, headers = bytearray(call.body), dict(call.headers)
    if part == "body":
        place = chance.randrange(len(body))
        body[place] ^= 1 << chance.randrange(8)
    elif part == "secret":
        key = bytearray(base64.b64decode(secret[6:]))
        key[chance.randrange(len(key))] ^= 1 << chance.randrange(8)
        secret = "whsec_" + base64.b64encode(key).decode()
    elif part == "webhook-timestamp":
        headers[part] = str(int(headers[part]) + chance.choice([-1, 1]))
    else:
        text = headers[part]
        # The last digit of the base64 has bits without meaning, and "v1," is not the signature.
        place = chance.randrange(3 if part == "webhook-signature" else 0, len(text) - 2)
        other = chance.choice([digit for digit in "0123456789abcdef" if digit != text[place]])
        headers[part] = text[:place] + other + text[place + 1:]
    for library in (standardwebhooks, svix):
        demand(not accepted(library, secret, bytes(body), headers), "a changed %s is accepted" % part)


@check
def a_receiver_moves_from_one_secret_to_another(arguments):
    old, new = ("whsec_" + base64.b64encode(bytes([n]) * 32).decode() for n in (1, 2))
    with Scene(arguments) as scene, scene.gateway.peer() as peer:
        session = scene.session(peer, ("completed_webhook",), webhook_secrets=[old])
        for number in range(30):
            if number == 10:
                peer.call("updateSession", {"session_id": session, "webhook_secrets": [new, old]})
            if number == 20:
                peer.call("updateSession", {"session_id": session, "webhook_secrets": [new]})
            scene.push(peer, session, "a")
            scene.wait(number + 1)
            call = scene.calls[-1]
            for library in (standardwebhooks, svix):
                for secret, is_good in ((old, number < 20), (new, number >= 10)):
                    demand(accepted(library, secret, call.body, call.headers) == is_good, "call %d, secret %s" % (number, secret[6]))


@check
def secrets_are_nowhere_in_the_clear(arguments):
    given = "whsec_" + base64.b64encode(os.urandom(32)).decode()
    with Scene(arguments) as scene:
        with scene.gateway.peer() as peer:
            session = scene.session(peer)
            made = scene.secret
            scene.push(peer, session, "a", "b")
            peer.call("updateSession", {"session_id": session, "webhook_secrets": [given, made]})
            for wrong in ([given + "="], [given[:-3]], ["whsec_" + given]):
                try:
                    peer.call("updateSession", {"session_id": session, "webhook_secrets": wrong})
                    raise Fault("%s was accepted" % wrong)
                except Refused as refused:
                    demand(given[8:40] not in json.dumps(refused.error), "an error tells a secret")
            scene.settle(peer)
            for method in ("getConfiguration", "listSessions"):
                answer = json.dumps(peer.call(method, {"session_id": session} if method == "getConfiguration" else {}))
                demand("whsec_" not in answer, "%s tells a secret" % method)
        looked = 0
        for name, data in scene.traces():
            looked += 1
            for secret in (made, given):
                for form in (secret[6:].encode(), base64.b64decode(secret[6:]), base64.b64decode(secret[6:])[:16]):
                    demand(form not in data, "%s holds a secret" % name)
        demand(looked >= 3, "no store and no log were looked at")
        # They open again after a restart.
        scene.gateway.kill()
        scene.gateway.start()
        with scene.gateway.peer() as peer:
            before = len(scene.calls)
            scene.push(peer, session, "c")
            scene.wait(before + 2)
            demand(accepted(svix, given, scene.calls[-1].body, scene.calls[-1].headers), "another secret after a restart")
            # A deleted session leaves nothing of them.
            peer.call("deleteSession", {"session_id": session})


@check
def without_its_key_nothing_is_sent_unsigned(arguments):
    with Scene(arguments, "--webhook-retries", "100ms,100ms,100ms,3s") as scene:
        with scene.gateway.peer() as peer:
            session = scene.session(peer)
            scene.push(peer, session, "a")
            scene.settle(peer)
        scene.gateway.stop()
        before = len(scene.calls)
        os.remove(scene.gateway.store + ".key")
        scene.gateway.start()
        with scene.gateway.peer() as peer:
            scene.push(peer, session, "b")
            time.sleep(0.5)
            demand(len(scene.calls) == before, "something was sent without the secret")
            demand("webhook secrets in the store do not open" in scene.gateway.log(), "the log does not say so")
            new = "whsec_" + base64.b64encode(bytes([9]) * 32).decode()
            peer.call("updateSession", {"session_id": session, "webhook_secrets": [new]})
            scene.push(peer, session, "c")
            scene.settle(peer)
            demand(len(scene.calls) == before + 4, "%d calls came after the secret" % (len(scene.calls) - before))
            demand(all(accepted(svix, new, call.body, call.headers) for call in scene.calls[before:]), "wrongly signed")


@check
def calls_of_one_address_come_in_order_and_one_at_a_time(arguments):
    with Scene(arguments) as scene, scene.gateway.peer() as peer:
        session = scene.session(peer, ("data_webhook", "completed_webhook"))
        transfers = [scene.push(peer, session, "r%d" % number) for number in range(60)]
        scene.wait(120)
        seen = [(body["transfer_id"], "data" if "transfer_data" in body else "completed") for body in scene.bodies()]
        demand(seen == [(transfer, kind) for transfer in transfers for kind in ("data", "completed")], "out of order")


@check
def overlap_is_for_those_who_ask(arguments):
    for concurrent, expected in ((False, 1), (True, 4)):
        with Scene(arguments) as scene, scene.gateway.peer() as peer:
            scene.rule = lambda call: ("hold", "")
            session = scene.session(peer, ("completed_webhook",), webhook_concurrency=concurrent)
            for number in range(8):
                scene.push(peer, session, "r%d" % number)
            scene.wait(expected)
            time.sleep(0.3)
            demand(len(scene.calls) == expected, "%d calls at a time" % len(scene.calls))
            scene.rule = lambda call: (200, "")
            for call in list(scene.calls):
                call.answer(200)
            scene.wait(8)


@check
def a_receiver_that_was_down_gets_everything(arguments):
    # A thousandth of the usual schedule: 5 ms, 300 ms, 1.8 s, 7.2 s; the receiver is away for 3.6 s.
    with Scene(arguments, "--webhook-retries", "5ms,300ms,1800ms,7200ms,18s,36s,36s") as scene:
        port = scene.receiver.port
        with scene.gateway.peer() as peer:
            session = scene.session(peer, ("data_webhook", "completed_webhook"))
            scene.receiver.close()
            began = time.monotonic()
            transfers = [scene.push(peer, session, "r%d" % number) for number in range(50)]
            while time.monotonic() - began < 1.5:
                time.sleep(0.05)
            demand(peer.call("stats")["webhook_endpoints_paused"] == 1, "a dead address is not paused")
            demand(peer.call("stats")["webhook_attempts"] <= 20, "a dead address is stormed")
            # Half of the time another process has to go on with the schedule.
            scene.gateway.kill()
            scene.gateway.start()
        with scene.gateway.peer() as peer:
            transfers += [scene.push(peer, session, "s%d" % number) for number in range(10)]
            while time.monotonic() - began < 3.6:
                time.sleep(0.05)
            scene.listen(port)
            scene.settle(peer, 30)
            seen = {}
            for call, body in zip(scene.calls, scene.bodies()):
                seen.setdefault((body["transfer_id"], "summary" in body), set()).add(call.headers["webhook-id"])
            demand(set(seen) == {(transfer, is_end) for transfer in transfers for is_end in (False, True)}, "something was not told")
            demand(all(len(ids) == 1 for ids in seen.values()), "attempts with different ids")


@check
def a_kill_between_commit_and_delivery_loses_nothing(arguments):
    chance = random.Random(arguments.seed)
    with Scene(arguments, "--webhook-retries", "50ms,50ms,50ms,50ms,50ms,50ms,50ms,50ms") as scene:
        scene.gateway.kill()
        accepted_transfers = []
        session = None
        for round_number in range(15):
            scene.gateway.start()
            with scene.gateway.peer() as peer:
                session = session or scene.session(peer)
                try:
                    for number in range(chance.randrange(1, 8)):
                        accepted_transfers.append(scene.push(peer, session, "k%d-%d" % (round_number, number)))
                    time.sleep(chance.random() * 0.03)
                finally:
                    scene.gateway.kill()
        scene.gateway.start()
        with scene.gateway.peer() as peer:
            scene.settle(peer)
        told = {}
        for call, body in zip(scene.calls, scene.bodies()):
            told.setdefault((body["transfer_id"], "summary" in body), []).append(call.headers["webhook-id"])
        for transfer in accepted_transfers:
            for is_end in (False, True):
                ids = told.get((transfer, is_end), [])
                demand(ids, "transfer %s was not told" % transfer)
                demand(len(set(ids)) == 1, "one thing was told under several ids")


@check
def what_was_given_up_is_told_when_it_is_asked_for(arguments):
    with Scene(arguments) as scene:
        scene.rule = lambda call: (410, "")
        with scene.gateway.peer() as peer:
            session = scene.session(peer, ("completed_webhook",))
            transfers = [scene.push(peer, session, "r%d" % number) for number in range(60)]
            scene.wait(60)
            until(lambda: len(deliveries(peer, state="failed", limit=7)) == 60, "not all were given up")
            ids = [call.headers["webhook-id"] for call in scene.calls]
            demand([row["delivery_id"] for row in deliveries(peer, limit=7)] == ids[::-1], "the list is not what was called")
            scene.rule = lambda call: ("hold", "")
            demand(peer.call("replayWebhook", {"session_id": session}) == {"success": True, "replayed": 60}, "not all are replayed")
            scene.wait(61)
        # What was answered is on disk.
        scene.gateway.kill()
        scene.rule = lambda call: (200, "")
        scene.gateway.start()
        with scene.gateway.peer() as peer:
            scene.wait(121)
            again = scene.calls[61:]
            demand([call.headers["webhook-id"] for call in again] == ids, "other ids, or another order")
            demand([json.loads(call.body)["transfer_id"] for call in again] == transfers, "other payloads")
            demand(all(accepted(svix, scene.secret, call.body, call.headers) for call in again), "wrongly signed")
            until(lambda: len(deliveries(peer, session_id=session, state="delivered")) == 60, "they are not listed as delivered")
            row = deliveries(peer, transfer_id=transfers[7])
            demand([entry["attempts"] for entry in row] == [1] and row[0]["status"] == 200, "%s" % row)
            demand(peer.call("replayWebhook", {"delivery_id": row[0]["delivery_id"]})["replayed"] == 1, "one is not replayed")
            scene.wait(122)
            demand(scene.calls[-1].headers["webhook-id"] == row[0]["delivery_id"], "the delivery id is not the webhook id")


@check
def a_long_line_waits_in_the_store_in_its_order(arguments):
    with Scene(arguments, "--max-endpoint-deliveries", "5") as scene:
        scene.rule = lambda call: ("hold", "")
        with scene.gateway.peer() as peer:
            session = scene.session(peer, ("completed_webhook",))
            transfers = [scene.push(peer, session, "r%d" % number) for number in range(60)]
            until(lambda: peer.call("stats")["webhooks_pending"] == 60, "not all are pending")
        scene.gateway.kill()
        scene.rule = lambda call: (200, "")
        scene.gateway.start()
        with scene.gateway.peer() as peer:
            demand(peer.call("stats")["webhooks_pending"] >= 55, "a start forgets what it does not hold")
            transfers += [scene.push(peer, session, "s%d" % number) for number in range(30)]
            scene.settle(peer)
            told = [body["transfer_id"] for body in scene.bodies()[1:]]
            demand(told == transfers, "out of order, or not once: %d of %d" % (len(told), len(transfers)))
            # Asked for again, out of the middle of the order.
            until(lambda: len(deliveries(peer, state="delivered")) == 90, "they are not listed as delivered")
            before = len(scene.calls)
            demand(peer.call("replayWebhook", {"session_id": session, "state": "delivered"})["replayed"] == 90, "not all are replayed")
            scene.settle(peer)
            told = [body["transfer_id"] for body in scene.bodies()[before:]]
            demand(sorted(told) == sorted(transfers), "%d were told again" % len(told))


@check
def the_shell_lists_and_replays(arguments):
    with Scene(arguments) as scene, scene.gateway.peer() as peer:
        def shell(*words, code=0):
            done = subprocess.run([BINARY, "webhooks", *words, "--socket", scene.gateway.path], capture_output=True, text=True, timeout=20)
            demand(done.returncode == code, "%s ends with %d: %s" % (words, done.returncode, done.stderr))
            return done.stdout if code == 0 else done.stderr
        scene.rule = lambda call: (410, "")
        session = scene.session(peer, ("completed_webhook",))
        transfers = [scene.push(peer, session, "r%d" % number) for number in range(3)]
        failures(peer, 3)
        rows = [line.split("\t") for line in shell("list", "--session", session, "--state", "failed").splitlines()]
        demand([row[6] for row in rows] == transfers[::-1], "%s" % rows)
        demand(all(row[1:5] == ["failed", "completed", "1", "410"] for row in rows), "%s" % rows)
        demand(len(shell("list", "--transfer", transfers[1]).splitlines()) == 1, "more than that transfer's")
        scene.rule = lambda call: (200, "")
        demand(shell("replay", rows[0][0]) == "replayed 1\n" and shell("replay", "--session", session) == "replayed 2\n", "not all are replayed")
        scene.wait(6)
        demand("delivery_not_found" in shell("replay", "nobody", code=1), "it does not say why")
        demand("invalid_params" in shell("replay", code=1), "it replays everything there is")
        for words in ((), ("stop",), ("list", rows[0][0])):
            shell(*words, code=64)


@check
def finished_deliveries_are_kept_as_long_as_events(arguments):
    with Scene(arguments, "--keep-events", "2s") as scene, scene.gateway.peer() as peer:
        session = scene.session(peer, ("completed_webhook",))
        scene.push(peer, session, "a")
        until(lambda: deliveries(peer, state="delivered"), "it is not delivered")
        until(lambda: not deliveries(peer), "it is kept for good")


@check
def retry_after_is_obeyed(arguments):
    with Scene(arguments, "--webhook-retries", "10ms,10ms") as scene, scene.gateway.peer() as peer:
        scene.rule = lambda call: (429, "retry-after: 1") if len(scene.calls) == 0 else (200, "")
        session = scene.session(peer, ("data_webhook", "completed_webhook"))
        scene.push(peer, session, "a")
        scene.wait(3)
        waited = scene.calls[1].time - scene.calls[0].time
        demand(waited >= 1.0, "the next call came after %.3f s" % waited)


@check
def a_redirect_is_a_failure_and_is_not_followed(arguments):
    elsewhere = Receiver()
    try:
        for status in (301, 302, 303, 307, 308):
            with Scene(arguments, "--webhook-retries", "20ms") as scene, scene.gateway.peer() as peer:
                scene.rule = lambda call: (status, "location: " + elsewhere.address + "/stolen")
                session = scene.session(peer, ("completed_webhook",))
                scene.push(peer, session, "a")
                scene.settle(peer)
                demand(len(scene.calls) == 2 and peer.call("stats")["webhooks_failed"] == 1, "a %d is no failure" % status)
        demand(elsewhere.take(0) is None, "a redirect was followed")
    finally:
        elsewhere.close()


@check
def gone_ends_it(arguments):
    with Scene(arguments, "--webhook-retries", "20ms,20ms") as scene, scene.gateway.peer() as peer:
        scene.rule = lambda call: (410, "")
        session = scene.session(peer, ("completed_webhook",))
        scene.push(peer, session, "a")
        scene.settle(peer)
        demand(len(scene.calls) == 1, "it was called again after 410")


@check
def a_receiver_that_does_not_answer_is_given_up_after_15_seconds(arguments):
    with Scene(arguments, "--webhook-retries", "1h") as scene, scene.gateway.peer() as peer:
        scene.rule = lambda call: ("hold", "") if not scene.calls else (200, "")
        session = scene.session(peer, ("data_webhook", "completed_webhook"))
        scene.push(peer, session, "a")
        scene.wait(2, 18)
        waited = scene.calls[1].time - scene.calls[0].time
        demand(14.9 <= waited <= 16.5, "the next call came after %.1f s" % waited)


@check
def private_addresses_are_refused_when_they_are_connected_to(arguments):
    with Scene(arguments, "--webhook-retries", "20ms") as scene:
        scene.gateway.kill()
        # Nothing is allowed now; a name hides the address until it is resolved.
        scene.gateway.options = ["--log", "info", "--webhook-retries", "20ms"]
        scene.gateway.start()
        with scene.gateway.peer() as peer:
            session = scene.session(peer, ())
            scene.push(peer, session, "a", completed_webhook={"endpoint": "https://localhost:%d/" % scene.receiver.port})
            scene.settle(peer)
            events = failures(peer, 1)
            demand([event["data"]["reason"] for event in events] == ["address_forbidden"], "%s" % events)
            demand(not scene.calls, "a private address was called")
        # Plain HTTP goes to addresses that were named, and to no others, whatever name leads there.
        scene.gateway.stop()
        scene.gateway.options = ["--log", "info", "--webhook-retries", "20ms", "--webhook-allow", "10.0.0.0/8"]
        scene.gateway.start()
        with scene.gateway.peer() as peer:
            scene.push(peer, session, "b", completed_webhook={"endpoint": "http://localhost:%d/" % scene.receiver.port})
            scene.settle(peer)
            events = failures(peer, 2)
            demand(events[-1]["data"]["reason"] == "address_forbidden" and len(events) == 2, "%s" % events)
            demand(not scene.calls, "a private address was called")


@check
def twenty_thousand_addresses_are_judged_as_python_judges_them(arguments):
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "HTTPClientTests", "Servers", "addresses.py")
    listed = subprocess.run([sys.executable, script, str(arguments.addresses), str(arguments.seed)], capture_output=True, text=True, check=True)
    judged = [line.split(" ") for line in listed.stdout.splitlines()]
    demand(len(judged) >= arguments.addresses, "only %d addresses" % len(judged))
    with Scene(arguments) as scene:
        scene.gateway.kill()
        scene.gateway.options = ["--log", "info"]
        scene.gateway.start()
        with scene.gateway.peer() as peer:
            session = scene.session(peer, ())
            verdicts = {"0": 0, "1": 0}
            for start in range(0, len(judged), 100):
                some = judged[start:start + 100]
                # Nobody is called: what is wrong with the records is found after the address was found good.
                peer.send(encode([{"jsonrpc": "2.0", "id": number, "method": "pushTransfer", "params": {
                    "session_id": session, "endgrate_type": "crm-contact", "transfer_data": [{"data": 5}],
                    "completed_webhook": {"endpoint": "https://%s/" % ("[%s]" % text if ":" in text else text)}}}
                    for number, (text, _) in enumerate(some)]))
                for reply in json.loads(peer.read_line()):
                    text, is_public = some[reply["id"]]
                    name = reply.get("error", {}).get("data", {}).get("name")
                    demand(name == ("invalid_params" if is_public == "1" else "webhook_endpoint_refused"), "%s: %s" % (text, reply))
                    verdicts[is_public] += 1
            demand(min(verdicts.values()) > arguments.addresses / 10, "the list is one-sided: %s" % verdicts)


@check
def a_session_that_still_has_to_tell_does_not_end(arguments):
    with Scene(arguments, "--webhook-retries", "1s,1s,1s,1s") as scene, scene.gateway.peer() as peer:
        scene.rule = lambda call: (500, "")
        session = scene.session(peer, ("completed_webhook",))
        scene.push(peer, session, "a")
        scene.wait(1)
        before = len(scene.calls)
        peer.call("deleteSession", {"session_id": session})
        demand(not deliveries(peer), "deliveries of a deleted session are listed")
        demand(peer.call("stats")["webhooks_pending"] == 0, "a deleted session still has something pending")
        time.sleep(1.5)
        demand(len(scene.calls) == before, "a deleted session was told")


@check
def a_session_does_not_expire_while_something_is_to_be_told(arguments):
    with Scene(arguments, "--webhook-retries", "3s") as scene:
        # Also of the attempt that is made again, if the kill comes before the first one's end is on disk.
        scene.rule = lambda call: (500, "")
        with scene.gateway.peer() as peer:
            session = scene.session(peer, ("completed_webhook",), save_session=False)
            scene.push(peer, session, "a", synchronous=True)
            scene.wait(1)
        scene.gateway.kill()
        with contextlib.closing(sqlite3.connect(scene.gateway.store)) as file, file:
            file.execute("UPDATE session SET expires=1")
        scene.gateway.start()
        with scene.gateway.peer() as peer:
            time.sleep(1.5)
            demand(len(peer.call("listSessions")["sessions"]) == 1, "it expired with a webhook pending")
            scene.rule = lambda call: (200, "")
            scene.wait(2)
            deadline = time.monotonic() + 10
            while peer.call("listSessions")["sessions"]:
                demand(time.monotonic() < deadline, "it does not expire when everything is told")
                time.sleep(0.1)


@check
def standard_input_waits_for_its_webhooks(arguments):
    with Scene(arguments) as scene:
        scene.gateway.kill()
        call = {"jsonrpc": "2.0", "id": 1, "method": "initiateSession", "params": {
            "provider": "local", "name": "crm", "schema": SCHEMA,
            "completed_webhook": {"endpoint": scene.receiver.address}}}
        done = subprocess.run([BINARY, "stdio", "--store", os.path.join(scene.folder, "other.db"), "--webhook-allow", "127.0.0.1"],
                              input=encode(call), capture_output=True, timeout=20)
        session = json.loads(done.stdout)["result"]["session_id"]
        push = {"jsonrpc": "2.0", "id": 2, "method": "pushTransfer", "params": {
            "session_id": session, "endgrate_type": "crm-contact", "transfer_data": [{"data": {"first_name": "Ann"}}]}}
        done = subprocess.run([BINARY, "stdio", "--wait", "--store", os.path.join(scene.folder, "other.db"), "--webhook-allow", "127.0.0.1"],
                              input=encode(push), capture_output=True, timeout=20)
        demand(done.returncode == 0 and len(scene.calls) == 1, "it ended with %d calls: %s" % (len(scene.calls), done.stderr))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--signatures", type=int, default=500)
    parser.add_argument("--addresses", type=int, default=20000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="")
    arguments = parser.parse_args()
    failed = 0
    chosen = [test for test in CHECKS if arguments.only in test.__name__]
    for test in chosen:
        began = time.monotonic()
        try:
            test(arguments)
            print("ok      %-70s %5.1f s" % (test.__name__.replace("_", " "), time.monotonic() - began), flush=True)
        except (Fault, Missing, Refused) as fault:
            failed += 1
            print("FAILED  %s: %s" % (test.__name__.replace("_", " "), fault), flush=True)
    print("%d passed, %d failed" % (len(chosen) - failed, failed))
    return 1 if failed or not chosen else 0


if __name__ == "__main__":
    sys.exit(main())
