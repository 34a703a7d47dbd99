"""Rows 5 and 10: large transfers, new and unchanged, and what a record costs when there are many already."""

import json
import statistics
import time

from . import machine
from .pushes import make_session
from .table import Group
from .wire import encode, expect, until_done

CONTACT = {"endgrate_type": "crm-contact"}
# What a line takes: its ceiling is 16 MiB.
LINE_RECORDS = 50_000
PART_RECORDS = 1_000
KEYS = (("order", None, "keys in order"), ("random", 12_345, "random keys"))


def contacts(count, seed, first=0):
    """Contacts of the published kind, about 200 bytes each; e-mails in order, ids in order or not."""
    for index in range(first, first + count):
        key = f"{index:08d}" if seed is None else f"{(index * 2654435761 + seed) % 2**32:08x}"
        yield {
            "internal_id": key,
            "data": {
                "first_name": ("Ann", "Bo", "Chloé", "Дарья", "Eiko")[index % 5], "last_name": f"Example {index}",
                "email": f"person{index}@example.com", "job_title": "Buyer",
            },
        }


class Push:
    """Lines that carry so many contacts, made before the clock runs: one transfer in parts where the gateway knows
    parts, else as few transfers as fit into lines."""

    def __init__(self, wire, session, count, seed, first=0):
        self.wire, self.count = wire, count
        names = {method["name"] for method in wire.call("rpc.discover")["methods"]}
        self.in_parts = {"beginTransfer", "appendTransfer", "commitTransfer"} <= names
        records = list(contacts(count, seed, first))
        size = PART_RECORDS if self.in_parts else LINE_RECORDS
        self.cuts = [records[at:at + size] for at in range(0, count, size)]
        self.named = {"session_id": session, "endgrate_type": CONTACT["endgrate_type"]}
        self.lines = None
        if self.in_parts:
            self.open()
        else:
            self.lines = [
                encode(1_000_000 + place, "pushTransfer", {**self.named, "transfer_data": cut})
                for place, cut in enumerate(self.cuts)]
        self.cuts = None
        self.size = sum(map(len, self.lines))

    def open(self):
        """The transfer is begun before the clock runs: parts bear its id."""
        self.transfer = self.wire.call("beginTransfer", **self.named)["transfer_id"]
        self.lines = [
            encode(1_000_000 + place, "appendTransfer", {
                "transfer_id": self.transfer, "seq": place, "transfer_data": cut})
            for place, cut in enumerate(self.cuts)]

    def accept(self):
        """Sends everything; ids of the transfers. The last answer is that all of it is kept."""
        waiting = []
        transfers = []
        for place, line in enumerate(self.lines):
            self.wire.send(line)
            waiting.append(1_000_000 + place)
            # As many on their way as a careful client has: no more than the gateway reads ahead.
            if len(waiting) == 4:
                transfers.append(self.wire.answer(waiting.pop(0)).get("transfer_id"))
        transfers += [self.wire.answer(number).get("transfer_id") for number in waiting]
        if self.in_parts:
            self.wire.call("commitTransfer", transfer_id=self.transfer, parts=len(self.lines))
            return [self.transfer]
        return transfers

    def complete(self, transfers, outcome, seconds=300):
        """Waits for the end of the transfers and looks at how it went."""
        end = time.monotonic() + seconds
        found = 0
        for transfer in transfers:
            while True:
                state = self.wire.call("getTransfer", transfer_id=transfer)
                if state["state"] == "completed":
                    break
                expect(time.monotonic() < end, f"a transfer is not completed after {seconds} s: {state}")
                time.sleep(0.01)
            expect(not state["transfer_errors"], f"a transfer has errors: {json.dumps(state['summary'])}")
            found += state["summary"][outcome]
        expect(found == self.count, f"of {self.count} records {found} are {outcome}")


def _how(push, count):
    if push.in_parts:
        return f"{count:,} contacts in one transfer, in parts of {PART_RECORDS:,}"
    return f"{count:,} contacts in {len(push.lines)} transfers, {LINE_RECORDS:,} in a line"


def _session(wire, freshness):
    """A session for contacts with the freshness wanted, or with the nearest that there is."""
    known = json.dumps(wire.call("rpc.discover"))
    if freshness == "ledger" and '"ledger"' not in known:
        freshness = "verify"
    result = wire.call("initiateSession", provider="local", schema=[CONTACT], freshness=freshness)
    return result["session_id"], freshness


def large(workshop, rounds, scale):
    count = int(100_000 * scale)
    where = f"server on cpus {machine.BOTH}"
    accept = Group(f"5  {count:,} new contacts: accepted", "records a second", where, rounds)
    complete = Group("5  the same: completed into `local`", "records a second", where, rounds)
    again = Group("5  the same again, unchanged", "records a second", where, rounds)
    calls, push, freshness = [], None, None
    for _ in range(rounds):
        for keys, seed, name in KEYS:
            with workshop.gateway(machine.BOTH) as server, workshop.wire(server) as wire:
                session, freshness = _session(wire, "ledger")
                push = Push(wire, session, count, seed)
                start = time.monotonic()
                transfers = push.accept()
                accept.add(f"pushgate, {name}", count / (time.monotonic() - start))
                push.complete(transfers, "created")
                complete.add(f"pushgate, {name}", count / (time.monotonic() - start))
                until_done(wire)
                push = Push(wire, session, count, seed)
                before = wire.call("stats")["exchanges"]
                start = time.monotonic()
                push.complete(push.accept(), "unchanged")
                again.add(f"pushgate, {name}", count / (time.monotonic() - start))
                calls.append(wire.call("stats")["exchanges"] - before)
            for rows, group, reference in (
                    ("accept", accept, "C"), ("local", complete, "C, store and provider's file"),
                    ("whole", complete, "C, store alone"), ("again", again, "C")):
                done = workshop.commit(1, 1, count, keys, rows)
                group.add(f"{reference}, {name}", count / done["seconds"])
    for _, _, name in KEYS:
        accept.ratio(f"pushgate, {name}", f"C, {name}", at_least=0.4)
        complete.ratio(f"pushgate, {name}", f"C, store and provider's file, {name}", at_least=0.4)
        complete.ratio(f"pushgate, {name}", f"C, store alone, {name}")
        again.ratio(f"pushgate, {name}", f"C, {name}", at_least=0.15)
    accept.say(f"{_how(push, count)}: {push.size:,} bytes; the time includes their way through the socket.")
    accept.say("C: one transfer row, a row a record, a commit every 1,000 records (references/commit.c says all of it).")
    complete.say("C, store alone: also intents, outcomes, ledger, events, and the transfer's end; in the same commits.")
    complete.say("C, store and provider's file: also a second file with records, match keys, effects and answers.")
    complete.say("pushgate also looks each contact up by its e-mail and its name before it writes it.")
    again.say(f"freshness {freshness}: {statistics.median(calls):,.0f} provider calls for {count:,} records")
    if freshness == "ledger":
        expect(max(calls) == 0, "an unchanged push made provider calls under `ledger`")
    yield accept
    yield complete
    yield again


# What a record costs when there are many

CHUNK = 10_000
WARM = 1_000


def growth(workshop, _, scale):
    return _growth(workshop, int(100_000 * scale) // CHUNK or 2)


def growth_full(workshop, _, __):
    return _growth(workshop, 1_000_000 // CHUNK)


def _growth(workshop, chunks):
    """Transfers of 10,000 contacts one after another; the cost of a record at the start and at the end."""
    group = Group(
        f"10  cost of a record with 1,000 and with {(chunks * CHUNK):,} there, completed into `local`",
        "µs of processor", f"server on cpus {machine.BOTH}", 1)
    growths = {}
    for keys, seed, name in KEYS:
        marks = []
        with workshop.gateway(machine.BOTH) as server, workshop.wire(server) as wire:
            session = make_session(wire, CONTACT)
            _chunk(wire, session, WARM, seed, 0)
            for chunk in range(chunks):
                push = Push(wire, session, CHUNK, seed, WARM + chunk * CHUNK)
                begun = (time.monotonic(), machine.cpu_seconds(server.pid))
                push.complete(push.accept(), "created")
                until_done(wire)
                marks.append((time.monotonic() - begun[0], machine.cpu_seconds(server.pid) - begun[1]))
        growths[f"pushgate, {name}"] = _ends(group, f"pushgate, {name}", marks)
        done = workshop.commit(chunks, 1, CHUNK, keys, "local", first=WARM)["each"]
        steps = [(b[0] - a[0], b[1] - a[1]) for a, b in zip([(0, 0), *done], done)]
        growths[f"C, {name}"] = _ends(group, f"C, {name}", steps)
    for _, _, name in KEYS:
        for place, what in enumerate(("time", "processor")):
            ours, theirs = growths[f"pushgate, {name}"][place], growths[f"C, {name}"][place]
            group.say(
                f"growth in {what}, {name}: pushgate {ours:.2f}, C {theirs:.2f}: {ours / theirs:.2f} x"
                + (f"   target <= 1.3: {'met' if ours / theirs <= 1.3 else 'MISSED'}" if what == "processor" else ""))
    group.say("C writes the rows of the store and of the provider's file. The median of three transfers at each end.")
    yield group


def _chunk(wire, session, count, seed, first):
    push = Push(wire, session, count, seed, first)
    push.complete(push.accept(), "created")


def _ends(group, name, marks):
    """Growth in time and in processor from the first three transfers to the last three."""
    growths = []
    for place in (0, 1):
        first = statistics.median(mark[place] for mark in marks[:3])
        last = statistics.median(mark[place] for mark in marks[-3:])
        growths.append(last / first)
        if place:
            group.add(f"{name}, first", first / CHUNK * 1e6)
            group.add(f"{name}, last", last / CHUNK * 1e6)
    return growths
