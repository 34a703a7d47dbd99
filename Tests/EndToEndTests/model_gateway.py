"""Plays a sequence against a built gateway and compares what comes of it with the model. See `model.py`."""

import json
import os
import sqlite3
import time

from model_sequences import SCHEMA, listed
from peer import Gateway, Missing, SOON
from reference_model import Record


class Difference(Exception):
    """What came is not what the model says."""


class House:
    """A gateway with several connections, for many sequences one after the other."""

    LINES = 3

    def __init__(self, folder):
        self.gateway = Gateway(folder, ["--log", "warning"])
        self.gateway.start()
        self.lines = []
        self.connect()

    def connect(self):
        for line in self.lines:
            line.close()
        self.lines = [self.gateway.peer() for _ in range(self.LINES)]

    def restart(self):
        self.gateway.kill()
        self.gateway.start()
        self.connect()

    def all(self, calls):
        """Results of calls that leave together on the first line."""
        line = self.lines[0]
        numbers = [line.request(method, params) for method, params in calls]
        results = {}
        while len(results) < len(numbers):
            message = line.read()
            if message is None:
                raise Missing("the connection ended")
            if message.get("id") in numbers:
                if "error" in message:
                    raise Difference("%s answered %s" % (calls[numbers.index(message["id"])], message["error"]))
                results[message["id"]] = message["result"]
        return [results[number] for number in numbers]

    def end(self):
        for line in self.lines:
            line.close()
        self.gateway.stop()


class Playing:
    """One sequence on its way."""

    def __init__(self, house, account, sequence, prediction):
        self.house, self.account, self.prediction = house, account, prediction
        more = {"provider": "local", "account": account, "schema": SCHEMA, "settings": sequence["settings"]}
        results = house.all([("initiateSession", {**session, **more})
                             for session in sequence["sessions"]])
        self.sessions = [result["session_id"] for result in results]
        self.ids = {}  # Record -> the provider's id
        self.flight = []  # [step, call] of pushes since the last wait; the call is (line, number) or a transfer id

    def play(self):
        for number, step in enumerate(self.prediction.actions()):
            getattr(self, step["do"])(step, number)
        self.check_provider()

    def path(self):
        return os.path.join(self.house.gateway.folder, "local", self.account + ".db")

    def delete(self, step, _):
        """Takes a record out of the provider's file, as somebody would who works there."""
        database = sqlite3.connect(self.path(), timeout=SOON)
        number = int(self.ids[step["record"]])
        with database:
            for statement in ("record WHERE id = ?1", "match_key WHERE id = ?1", "recent_match_key WHERE id = ?1",
                              "link WHERE id = ?1 OR other = ?1"):
                database.execute("DELETE FROM " + statement, (number,))
            # Ids are counted on from the highest one. A real provider gives none a second time.
            database.execute("INSERT INTO record SELECT max(coalesce(max(id), 0), ?1) + 1, 'gone', 0, 0, '{}' FROM record", (number,))
        database.close()

    def item(self, item):
        item = dict(item)
        if isinstance(item.get("id"), Record):
            item["id"] = self.ids[item["id"]]
        if "associations" in item:
            item["associations"] = {kind: [self.item(child) for child in children]
                                    for kind, children in item["associations"].items()}
        return item

    def params(self, step, number):
        params = {"session_id": self.sessions[step["session"]], "endgrate_type": step["kind"],
                  "transfer_data": [self.item(item) for item in step["items"]], "idempotency_key": "%s-%d" % (self.account, number),
                  **step.get("options", {})}
        for name in ("disable_upsert", "synchronous"):
            if name in step:
                params[name] = True
        return params

    def push(self, step, number):
        """Order of acceptance is order of sending on one connection; before the next one goes on, it has to answer."""
        line = self.house.lines[step["line"]]
        if "retry_of" in step or "parts" in step or self.flight and self.flight[-1]["line"] is not line:
            self.accepted()
        if "retry_of" in step:
            method = "retryTransfer"
            params = {"transfer_id": step["retry_of"]["transfer"], "idempotency_key": "%s-%d" % (self.account, number)}
        elif "parts" in step:
            method, params = "commitTransfer", self.parts(step, self.params(step, number))
        else:
            method, params = "pushTransfer", self.params(step, number)
        line = self.house.lines[step["line"]]
        call = {"step": step, "line": line, "method": method, "params": params, "number": line.request(method, params), "id": None}
        self.flight.append(call)
        # Only plain pushes are accepted in the order of sending: a retry first reads, a synchronous one answers late.
        if method != "pushTransfer" or step.get("synchronous"):
            self.accepted()

    def parts(self, step, params):
        """Sends all parts; gives the params of the commit."""
        data = params.pop("transfer_data")
        synchronous = {"synchronous": True} if params.pop("synchronous", False) else {}
        transfer = self.house.lines[step["line"]].call("beginTransfer", params)["transfer_id"]
        cuts = [len(data) * part // step["parts"] for part in range(step["parts"] + 1)]
        for seq, (start, end) in enumerate(zip(cuts, cuts[1:])):
            self.house.lines[step["line"]].call("appendTransfer", transfer_id=transfer, seq=seq, transfer_data=data[start:end])
            if seq == 0 and step.get("kills"):
                self.kill()
        return {"transfer_id": transfer, "parts": step["parts"], **synchronous}

    def accepted(self):
        """Waits until all pushes have their answers, which come in any order."""
        while any(call["id"] is None for call in self.flight):
            line = next(call["line"] for call in self.flight if call["id"] is None)
            reply = line.read()
            if reply is None:
                raise Missing("the connection ended")
            call = next((call for call in self.flight if call["line"] is line and call["number"] == reply.get("id")), None)
            if call:
                if "error" in reply:
                    raise Difference("%s was answered %s" % (call["method"], reply["error"]))
                call["id"] = call["step"]["transfer"] = reply["result"]["transfer_id"]

    def kill(self, step=None, _=None):
        """The pushes that were not answered are repeated, in their order, under their keys."""
        if step:
            time.sleep(step["after"])
        self.house.restart()
        for call in self.flight:
            if call["id"] is None:
                call["line"] = self.house.lines[0]
                call["number"] = call["line"].request(call["method"], call["params"])
            else:
                call["line"] = None
        self.accepted()

    def cancel(self, step, _):
        self.accepted()
        if self.flight:
            call = self.flight[step["push"] % len(self.flight)]
            result = self.house.all([("cancelTransfer", {"transfer_id": call["id"]})])[0]
            call["cancelled"] = result["cancelled"]

    def wait(self, *_):
        self.accepted()
        if not self.flight:
            return
        ids = [call["id"] for call in self.flight]
        if ids != sorted(ids):
            raise Difference("transfer ids are not in the order of acceptance: %s" % ids)
        deadline = time.monotonic() + SOON
        states = self.house.all([("getTransfer", {"transfer_id": one}) for one in ids])
        while any(state["state"] != "completed" for state in states):
            if time.monotonic() > deadline:
                raise Difference("transfers do not complete: %s" % [state for state in states if state["state"] != "completed"])
            time.sleep(0.002)
            states = self.house.all([("getTransfer", {"transfer_id": one}) for one in ids])
        calls = []
        for call in self.flight:
            step = call["step"]
            kinds = sorted({row["kind"] for row in step["rows"] if not row["top"]} - {step["kind"]})
            call["kinds"] = [step["kind"], *kinds]
            calls += [("getData", {"transfer_id": call["id"], "endgrate_type": kind}) for kind in call["kinds"]]
            calls += [("getErrors", {"transfer_id": call["id"]}), ("getStatistics", {"transfer_id": call["id"]})]
            calls.append(("getErrors", {"transfer_id": step["retry_of"]["transfer"] if "retry_of" in step else call["id"]}))
        results = iter(self.house.all(calls))
        for call, state in zip(self.flight, states):
            call["data"] = {kind: next(results)["transfer_data"] for kind in call["kinds"]}
            call["errors"], call["statistics"] = next(results)["errors"], next(results)["statistics"]
            call["first_errors"], call["state"] = next(results)["errors"], state
        if any(call.get("cancelled") for call in self.flight):
            self.prediction.cancelled([self.unsent(call) for call in self.flight])
        for call in self.flight:
            self.check(call, call["data"], call["errors"], call["statistics"], call["state"])
        self.flight = []

    def unsent(self, call):
        """Places among the rows of those that a cancel kept from being sent."""
        if not call.get("cancelled"):
            return ()
        rows, places = call["step"]["rows"], set()
        for kind, came in call["data"].items():
            is_own = kind == call["step"]["kind"]
            own = [place for place, row in enumerate(rows) if row["top"] == is_own and (is_own or row["kind"] == kind)]
            self.differ("cancelled transfer %s, number of %s rows" % (call["id"], kind), len(own), len(came))
            places |= {place for place, got in zip(own, came) if got["outcome"] == "unsent"}
        for place, row in enumerate(rows):
            if place not in places and any(rows[child]["parent"] is row for child in places):
                raise Difference("transfer %s: a record was sent without what is associated with it" % call["id"])
        return places

    # MARK: Comparing

    def differ(self, what, wanted, came):
        if wanted != came:
            raise Difference("%s:\n    the model says %s\n    the gateway    %s" % (what, wanted, came))

    def check(self, call, data, errors, statistics, state):
        rows = call["step"]["rows"]
        here = "%s, transfer %s" % (call["method"], call["id"])
        wanted = {kind: listed(rows, kind, kind == call["step"]["kind"]) for kind in data}
        for kind, came in data.items():
            self.differ("%s, number of %s rows" % (here, kind), len(wanted[kind]), len(came))
            for row, got in zip(wanted[kind], came):
                self.bind(row["record"], got["id"], here)
        for kind, came in data.items():
            for row, got in zip(wanted[kind], came):
                self.check_row("%s, %s row %d" % (here, kind, row["index"]), row, got)
        self.differ(here + ", errors", sorted((row["index"], str(row["internal_id"]), row["error"]) for row in rows if row["error"]),
                    sorted((error["index"], str(error.get("internal_id")), error["error_type"]) for error in errors))
        tops = [row for row in rows if row["top"]]
        summary = {kind: sum(row["outcome"] == kind for row in tops)
                   for kind in ("created", "updated", "unchanged", "refused", "uncertain", "unsent")}
        self.differ(here + ", summary", summary, state["summary"])
        self.differ(here + ", state", (len(tops), len(tops), any(row["error"] for row in rows)),
                    (state["records"], state["finished"], state["transfer_errors"]))
        numbers = statistics[call["step"]["kind"]]
        written = len(tops) - summary["refused"] - summary["unsent"]
        failed = int(written < len(tops))
        pages = 1 if tops else 0
        self.differ(here + ", statistics", [len(tops), pages, 0, pages - failed, failed, written],
                    [numbers[name] for name in ("records", "batches", "batches_queued", "batches_success", "batches_fail",
                                                "records_transferred")])

        if "retry_of" in call["step"]:
            self.check_resolved(here, call)

    def check_resolved(self, here, call):
        """An error of the first transfer counts as resolved when its record got to the provider by a retry."""
        first = call["step"]["retry_of"]
        trees = {}
        for row in first["rows"]:
            trees.setdefault(row["index"], []).append(row)
        tried = [row for index in sorted(trees) if any(row["record"] is None for row in trees[index]) for row in trees[index]]
        for old, new in zip(tried, call["step"]["rows"]):
            new["of"] = old
            while old and new["record"]:
                old["resolved"], old = True, old.get("of")
        self.differ(here + ", resolved errors", sorted((row["index"], str(row["internal_id"]), row.get("resolved", False))
                                                       for row in first["rows"] if row["error"]),
                    sorted((error["index"], str(error.get("internal_id")), error["resolved"]) for error in call["first_errors"]))

    def bind(self, record, number, here):
        """Learns which provider id a record of the model has; it must be one and the same for good."""
        if record is None or number is None:
            return
        known = self.ids.setdefault(record, number)
        if known != number:
            raise Difference("%s: the model says record %s, the gateway %s" % (here, known, number))

    def check_row(self, here, row, got):
        self.differ(here + ", outcome", (row["outcome"], row["internal_id"], row["record"] is not None),
                    (got["outcome"], got.get("internal_id"), got["id"] is not None))
        if (row["outcome"] == "unchanged") != (got.get("basis") in ("verify", "ledger")):
            raise Difference("%s: outcome %s has the basis %s" % (here, row["outcome"], got.get("basis")))
        for kind, children in row["associations"].items():
            came = got["associations"].get(kind, [])
            self.differ(here + ", links to " + kind, len(children), len(came))
            for child, number in zip(children, came):
                self.bind(child, number, here + ", link")
        self.differ(here + ", links", sorted(row["associations"]), sorted(got["associations"]))
        warnings = {warning["name"] for warning in got.get("warnings", [])}
        if row["outcome"] == "unsent" and not row["warnings"]:
            # A cancel may find a record before or after its data was looked at.
            warnings -= {"unknown_property"}
        self.differ(here + ", warnings", sorted(row["warnings"]), sorted(warnings))

    def check_provider(self):
        """The provider's file against the model's records: what is there, and each effect that there ever was."""
        path = self.path()
        held, links, effects = {}, set(), {}
        if os.path.exists(path):
            database = sqlite3.connect("file:%s?mode=ro" % path, uri=True, timeout=SOON)
            held = {str(number): (resource, json.loads(fields)) for number, resource, fields in
                    database.execute("SELECT id, resource, fields FROM record WHERE resource <> 'gone'")}
            links = {frozenset((str(one), str(other))) for one, other in database.execute("SELECT id, other FROM link")}
            for op, number, count in database.execute("SELECT op, id, count(*) FROM effect GROUP BY op, id"):
                effects[(op, str(number))] = count
            linked = database.execute("SELECT count(*) FROM effect WHERE op = 'link'").fetchone()[0]
            database.close()
            if not self.prediction.deletes:
                self.differ("provider, links made", len(links), linked)
        records = [record for record in self.prediction.account.records if not record.is_deleted]
        self.differ("provider, number of records", len(records), len(held))
        # A nested record of its parent's kind may be known by nobody's row; it is what is left over.
        left = [number for number in held if number not in self.ids.values()]
        for record in records:
            if record not in self.ids:
                fits = [number for number in left if held[number] == (record.resource, record.fields)]
                if not fits:
                    raise Difference("provider: nothing is left that could be %s %s" % (record.resource, record.fields))
                self.ids[record] = fits[0]
                left.remove(fits[0])
        for record in records:
            number = self.ids[record]
            self.differ("provider, record %s" % number, (record.resource, record.fields), held.get(number))
            self.differ("provider, effects on record %s" % number, (1, record.updates),
                        (effects.get(("create", number), 0), effects.get(("update", number), 0)))
        self.differ("provider, links", sorted(sorted((self.ids[one], self.ids[other])) for one in records for other in one.links
                                              if one.number < other.number), sorted(map(sorted, links)))
