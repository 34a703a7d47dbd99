"""What the kill campaigns share: pushes, the book of what was acknowledged, and the checker.

The checker believes nobody. It reads the file of the embedded provider itself (tables record, link, effect), the open
intents in the store's file, and holds both against the book and against the gateway's own answers.
"""

import json
import os
import random
import selectors
import socket
import sqlite3
import time

from peer import Missing, Peer, Refused, SOON, encode

ACCOUNT = "campaign"
SESSION = {
    "provider": "local", "name": "campaign", "account": ACCOUNT,
    "schema": [{"endgrate_type": "crm-contact"}, {"endgrate_type": "crm-company"}],
}
# The field that holds our own id of a record at the provider, so that the checker can find it without the gateway.
# It is no match key: only the gateway's memory keeps these records from being made twice.
NAME = {"contacts": "job_title", "companies": "industry"}


class Violation(Exception):
    """The gateway broke a promise."""


class Push:
    def __init__(self, params, writes, links, anonymous):
        self.params = params
        # [(resource, internal id, version)], in the order of the records; the last one of a record counts.
        self.writes = writes
        # [(contact, company)], both internal ids.
        self.links = links
        # The mark of a record without internal id, or None.
        self.anonymous = anonymous
        self.connection = None
        self.first_sent = None
        self.acknowledged = None
        self.attempts = 0
        self.result = None


class Author:
    """Makes pushes of all sorts from one seed."""

    def __init__(self, chance):
        self.chance = chance
        self.count = 0

    def fresh(self, prefix):
        self.count += 1
        return "%s-%06d" % (prefix, self.count)

    def item(self, resource, name, writes):
        version = self.fresh("v")
        data = {NAME[resource]: name, "description": version}
        if self.chance.random() < 0.3:
            data["email" if resource == "contacts" else "domain"] = (
                name + "@example.com" if resource == "contacts" else name + ".example.com")
        writes.append((resource, name, version))
        return {"internal_id": name, "data": data}

    def contact(self, writes):
        hot = self.chance.random() < 0.4
        name = "hot-%d" % self.chance.randrange(6) if hot else self.fresh("contact")
        return self.item("contacts", name, writes)

    def linked(self, writes, links):
        children = []
        for _ in range(self.chance.randint(1, 3)):
            shared = self.chance.random() < 0.4
            name = "shared-%d" % self.chance.randrange(4) if shared else self.fresh("company")
            children.append(self.item("companies", name, writes))
        contact = self.contact(writes)
        contact["associations"] = {"crm-company": children}
        links += [(contact["internal_id"], child["internal_id"]) for child in children]
        return contact

    def push(self):
        writes, links, anonymous, more = [], [], None, {}
        kind = self.chance.random()
        if kind < 0.5:
            items = [self.contact(writes)]
        elif kind < 0.75:
            items = [self.linked(writes, links)]
        elif kind < 0.87:
            items = [self.contact(writes) for _ in range(self.chance.randint(2, 8))]
        else:
            anonymous = self.fresh("anonymous")
            items = [{"data": {"job_title": anonymous, "description": "once"}}]
            more = {"disable_upsert": True}
        if anonymous or self.chance.random() < 0.6:
            more["idempotency_key"] = self.fresh("key")
        if self.chance.random() < 0.1:
            more["synchronous"] = True
        return Push(dict(more, endgrate_type="crm-contact", transfer_data=items), writes, links, anonymous)


class Book:
    """All pushes of one store, and the order in which things were seen to happen."""

    def __init__(self):
        self.pushes = []
        self.clock = 0
        self.events = []
        self.repeats = 0
        self.cursor = None

    def tick(self):
        self.clock += 1
        return self.clock

    @staticmethod
    def is_before(one, other):
        """Whether `one` was certainly accepted before `other`."""
        if one.acknowledged is not None and other.first_sent is not None and one.acknowledged < other.first_sent:
            return True
        return (one.connection is other.connection and one.attempts == 1 and one.acknowledged is not None
                and one.first_sent < other.first_sent)


class Wire:
    """Several connections, driven by one thread, with any number of calls in flight on each."""

    def __init__(self, path, count):
        self.selector = selectors.DefaultSelector()
        self.lines = []
        for _ in range(count):
            line = Line(path)
            self.lines.append(line)
            self.selector.register(line.socket, selectors.EVENT_READ, line)

    def close(self):
        for line in self.lines:
            line.socket.close()
        self.selector.close()

    def queue(self, line, data):
        line.out += data
        line.flush()
        if line.out and not line.ended:
            self.selector.modify(line.socket, selectors.EVENT_READ | selectors.EVENT_WRITE, line)

    def turn(self, seconds):
        """The messages that came, as (line, message)."""
        messages = []
        for key, mask in self.selector.select(max(0, seconds)):
            line = key.data
            if mask & selectors.EVENT_WRITE:
                line.flush()
                if not line.out:
                    self.selector.modify(line.socket, selectors.EVENT_READ, line)
            if mask & selectors.EVENT_READ:
                messages += [(line, message) for message in line.receive()]
                if line.ended:
                    self.selector.unregister(line.socket)
        return messages

    @property
    def has_ended(self):
        return all(line.ended for line in self.lines)


class Line:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(SOON)
        self.socket.connect(path)
        self.socket.setblocking(False)
        self.out = bytearray()
        self.buffer = bytearray()
        self.ended = False

    def flush(self):
        while self.out and not self.ended:
            try:
                del self.out[: self.socket.send(self.out)]
            except BlockingIOError:
                return
            except OSError:
                self.out.clear()

    def receive(self):
        try:
            data = self.socket.recv(1 << 18)
        except BlockingIOError:
            return []
        except OSError:
            data = b""
        if not data:
            self.ended = True
            return []
        self.buffer += data
        end = self.buffer.rfind(b"\n")
        if end < 0:
            return []
        lines = bytes(self.buffer[:end]).split(b"\n")
        del self.buffer[: end + 1]
        return [json.loads(line) for line in lines]


class Run:
    """Pushes on their way: some connections, one subscriber, one book."""

    def __init__(self, book, path, session, connections):
        self.book = book
        self.session = session
        self.wire = Wire(path, connections + 1)
        self.subscriber = self.wire.lines[-1]
        self.waiting = {}
        self.number = 0
        start = {"cursor": book.cursor} if book.cursor else "earliest"
        self.send_to(self.subscriber, "subscribe", {"subscription": "watch", "from": start, "heartbeat_ms": 0}, None)

    def send_to(self, line, method, params, push):
        self.number += 1
        self.waiting[self.number] = push
        self.wire.queue(line, encode({"jsonrpc": "2.0", "id": self.number, "method": method, "params": params}))

    def send(self, push, place):
        line = self.wire.lines[place % (len(self.wire.lines) - 1)]
        push.attempts += 1
        if push.attempts == 1:
            push.connection = line
            push.first_sent = self.book.tick()
        self.send_to(line, "pushTransfer", dict(push.params, session_id=self.session), push)

    def turn(self, seconds):
        for _, message in self.wire.turn(seconds):
            if "method" in message:
                self.notified(message)
                continue
            push = self.waiting.pop(message["id"], None)
            if "error" in message:
                raise Violation("a good call was refused: %s" % json.dumps(message["error"]))
            if push is not None:
                push.acknowledged = self.book.tick()
                push.result = message["result"]

    def notified(self, message):
        if message["method"] == "event":
            event = message["params"]
            book = self.book
            book.cursor = event["cursor"]
            book.events.append(event)

    @property
    def unanswered(self):
        return [push for push in self.waiting.values() if push is not None]

    def drain(self):
        """Reads what the gateway had written before it died."""
        deadline = time.monotonic() + SOON
        while not self.wire.has_ended:
            if time.monotonic() > deadline:
                raise Missing("connections of a dead gateway stay open")
            self.turn(0.2)
        lost = self.unanswered
        self.wire.close()
        return lost

    def until(self, condition, what):
        deadline = time.monotonic() + SOON
        while not condition():
            if time.monotonic() > deadline:
                raise Violation(what() if callable(what) else what)
            self.turn(0.01)


def settle(peer):
    """Waits until what the last run left is taken up and nothing is on its way."""
    deadline = time.monotonic() + SOON
    while True:
        ready = peer.call("health")["ready"]
        stats = peer.call("stats")
        if ready and stats["records_queued"] == 0 and stats["transfers_running"] == 0:
            return
        if time.monotonic() > deadline:
            raise Violation("%d transfers never complete" % stats["transfers_running"])
        time.sleep(0.002)


def log_after(peer, cursor):
    """The event log behind a cursor, as getEvents has it."""
    events = []
    while True:
        page = peer.call("getEvents", dict({"cursor": cursor} if cursor else {}, limit=1000))
        if page["gap"] is not None:
            raise Violation("a gap is announced in a log that was never trimmed")
        events += page["events"]
        if not page["events"]:
            return events
        cursor = page["cursor"]


class Provider:
    """The provider's file, read behind the gateway's back."""

    def __init__(self, gateway):
        path = os.path.join(gateway.folder, "local", ACCOUNT + ".db")
        if not os.path.exists(path):
            raise Violation("lost: the provider has no file yet")
        database = sqlite3.connect("file:%s?mode=ro" % path, uri=True, timeout=SOON)
        self.records = {}
        self.fields = {}
        for number, resource, fields in database.execute("SELECT id, resource, fields FROM record ORDER BY id"):
            fields = json.loads(fields)
            self.fields[str(number)] = fields
            self.records.setdefault((resource, fields.get(NAME[resource])), []).append(str(number))
        self.links = {(str(a), resource, str(b)) for a, resource, b in database.execute("SELECT * FROM link")}
        self.creates = {}
        for number, count in database.execute(
                "SELECT id, count(*) FROM effect WHERE op = 'create' GROUP BY resource, id"):
            self.creates[str(number)] = count
        self.integrity = lambda: database.execute("PRAGMA integrity_check").fetchone()[0]
        self.database = database

    def close(self):
        self.database.close()


def check(gateway, book, pushes, peer, log):
    """Holds everything against the book. `pushes` are those of this round, `log` the events since its start."""
    provider = Provider(gateway)
    try:
        check_provider(provider, book)
        for push in pushes:
            check_answer(peer, provider, push)
    finally:
        provider.close()
    check_events(pushes, log)
    check_store(gateway)


def check_provider(provider, book):
    versions, links = {}, set()
    for push in book.pushes:
        if push.acknowledged is None:
            continue
        last = {}
        for resource, name, version in push.writes:
            last[resource, name] = version
        for key, version in last.items():
            versions.setdefault(key, []).append((push, version))
        links.update(push.links)
        if push.anonymous and ("contacts", push.anonymous) not in provider.records:
            raise Violation("lost: the acknowledged record %s is not at the provider" % push.anonymous)
    for key, places in provider.records.items():
        if len(places) > 1:
            raise Violation("doubled: %s is at the provider as %s" % (key, ", ".join(places)))
    for number, count in provider.creates.items():
        if count > 1 or number not in provider.fields:
            raise Violation("doubled: record %s was created %d times" % (number, count))
    if len(provider.creates) != len(provider.fields):
        raise Violation("%d records, but %d were created" % (len(provider.fields), len(provider.creates)))
    for key, writes in versions.items():
        if key not in provider.records:
            raise Violation("lost: the acknowledged record %s %s is not at the provider" % key)
        found = provider.fields[provider.records[key][0]].get("description")
        possible = [
            version for push, version in writes
            if not any(Book.is_before(push, other) for other, _ in writes if other is not push)]
        if found not in possible:
            raise Violation("lost or out of order: %s %s holds %s, not %s\n%s" % (
                key + (found, " or ".join(possible), history(writes))))
    for contact, company in links:
        one, other = provider.records["contacts", contact][0], provider.records["companies", company][0]
        if (one, "companies", other) not in provider.links or (other, "contacts", one) not in provider.links:
            raise Violation("lost: the link from %s to %s" % (contact, company))


def history(writes):
    """All versions of one record, for people."""
    lines = []
    for push, version in writes:
        lines.append("  %s in transfer %s: sent %s, acknowledged %s, attempts %d, connection %x%s" % (
            version, push.result["transfer_id"], push.first_sent, push.acknowledged, push.attempts,
            id(push.connection) & 0xffffff, ", keyed" if "idempotency_key" in push.params else ""))
    return "\n".join(lines)


def check_answer(peer, provider, push):
    try:
        answer = peer.call("getData", transfer_id=push.result["transfer_id"], limit=1000)
    except Refused as refused:
        raise Violation("lost: an acknowledged transfer is not there: %s" % refused)
    rows, items = answer["transfer_data"], push.params["transfer_data"]
    if answer["transfer_errors"] or len(rows) != len(items):
        raise Violation("%s: %d rows for %d records" % (push.result["transfer_id"], len(rows), len(items)))
    for row, item in zip(rows, items):
        name = item.get("internal_id", push.anonymous)
        if row.get("internal_id") != item.get("internal_id") or row.get("outcome") not in ("created", "updated", "unchanged"):
            raise Violation("%s has the row %s" % (name, json.dumps(row)))
        if [row["id"]] != provider.records["contacts", name]:
            raise Violation("%s is %s for the gateway, %s at the provider" % (
                name, row["id"], provider.records["contacts", name]))
        children = item.get("associations", {}).get("crm-company", [])
        expected = {provider.records["companies", child["internal_id"]][0] for child in children}
        if not expected <= set(row["associations"].get("crm-company", [])):
            raise Violation("%s lacks links: %s" % (name, json.dumps(row["associations"])))


def check_events(pushes, log):
    cursors = [event["cursor"] for event in log]
    if len(set(cursors)) != len(cursors):
        raise Violation("the event log has a cursor twice")
    data, completed = {}, {}
    for event in log:
        payload = event.get("data") or event["ref"]
        transfer = payload["transfer_id"]
        if event["type"] == "data":
            if transfer in completed:
                raise Violation("data of %s comes after its completion" % transfer)
            data.setdefault(transfer, []).extend(payload.get("transfer_data", []))
        elif event["type"] == "completed":
            completed[transfer] = completed.get(transfer, 0) + 1
    for push in pushes:
        transfer = push.result["transfer_id"]
        if completed.get(transfer) != 1:
            raise Violation("%s has %d completed events" % (transfer, completed.get(transfer, 0)))
        told = [row.get("internal_id") for row in data.get(transfer, [])]
        expected = [item.get("internal_id") for item in push.params["transfer_data"]]
        if told != expected:
            raise Violation("the events of %s tell of %s instead of %s" % (transfer, told, expected))


def check_store(gateway):
    database = sqlite3.connect("file:%s?mode=ro" % gateway.store, uri=True, timeout=SOON)
    try:
        count, first, last = database.execute("SELECT count(*), min(sequence), max(sequence) FROM event").fetchone()
        if count and last - first + 1 != count:
            raise Violation("%d events between %d and %d" % (count, first, last))
        left = database.execute("SELECT count(*) FROM intent WHERE settled IS NULL").fetchone()[0]
        if left:
            raise Violation("%d intents are open though nothing is on its way" % left)
    finally:
        database.close()


def check_stream(book, log, first):
    """The subscriber saw the log: each event, in order, repeats only across a resume (at least once)."""
    seen, stream = set(), []
    for event in book.events[first:]:
        if event["cursor"] in seen:
            book.repeats += 1
        else:
            seen.add(event["cursor"])
            stream.append(event["cursor"])
    if stream != [event["cursor"] for event in log]:
        raise Violation("the subscriber saw %d events, the log has %d" % (len(stream), len(log)))


def check_files(gateway):
    """Both files are whole."""
    for path in (gateway.store, os.path.join(gateway.folder, "local", ACCOUNT + ".db")):
        database = sqlite3.connect("file:%s?mode=ro" % path, uri=True, timeout=SOON)
        answer = database.execute("PRAGMA integrity_check").fetchone()[0]
        database.close()
        if answer != "ok":
            raise Violation("%s: %s" % (os.path.basename(path), answer))


def finish(gateway, path, book, session, pushes, lost, log_from, first_event, connections):
    """After the crash: repeats what got no answer, lets all of it end, and checks."""
    run = Run(book, path, session, connections)
    try:
        for place, push in enumerate(pushes):
            if push.attempts == 0 or push in lost:
                run.send(push, place)
        run.until(lambda: not run.unanswered, "pushes get no answer after the restart")
        with Peer(path) as peer:
            settle(peer)
            log = log_after(peer, log_from)
            wanted = log[-1]["cursor"] if log else None
            run.until(lambda: wanted is None or book.cursor == wanted, "the subscriber does not get to the end of the log")
            check(gateway, book, pushes, peer, log)
            check_stream(book, log, first_event)
    finally:
        run.wire.close()


def randomness(seed, *places):
    return random.Random("%s/%s" % (seed, "/".join(str(place) for place in places)))
