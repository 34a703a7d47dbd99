"""Random sequences of pushes, and what the reference model says must come of them. See `model.py`.

A sequence is plain data, so that it can be cut down: sessions, and steps of which each is a dict with "do".
"""

import random

from reference_model import Account, Session

CONTACT = {"first_name": "string", "last_name": "string", "full_name": "string", "job_title": "string", "email": "email",
           "phone": "string", "description": "string", "email_addresses": "entries"}
COMPANY = {"name": "string", "domain": "string", "industry": "string", "employee_count": "number"}
LEAD = {"email": "string", "full_name": "string", "job_title": "string", "description": "string"}
GADGET = {"name": "string", "colour": "string"}
KINDS = {"crm-contact": ("contacts", CONTACT, ()), "crm-company": ("companies", COMPANY, ()),
         "Lead": ("contacts", LEAD, ("full_name",)), "Gadget": ("gadget", GADGET, ())}
JSON_TYPE = {"string": {"type": "string"}, "number": {"type": "number"}}
SCHEMA = [{"endgrate_type": "crm-contact"}, {"endgrate_type": "crm-company"},
          {"endgrate_type": "crm-contact", "title": "Lead", "type": "object", "required": ["full_name"],
           "properties": {name: JSON_TYPE["string"] for name in LEAD}},
          {"title": "Gadget", "type": "object", "properties": {name: JSON_TYPE[kind] for name, kind in GADGET.items()}}]
CHILDREN = {"crm-contact": ("crm-company", "crm-company", "crm-contact", "Gadget"), "Lead": ("crm-company",),
            "crm-company": ("crm-contact", "crm-company"), "Gadget": ("crm-company", "Gadget")}
# A property of each kind that no match key is made of.
OWN = {"crm-contact": "description", "Lead": "job_title", "crm-company": "industry", "Gadget": "colour"}
NAMES = [("Ann", "Lee"), ("Bob", "Smith"), ("ANN", "Lee"), ("Zoë", "Łuk")]


class Author:
    """Writes one sequence from one seed."""

    def __init__(self, seed):
        self.chance = random.Random(seed)
        self.people = self.chance.randint(2, 5)
        self.version = 0

    def odds(self, share):
        return self.chance.random() < share

    def sequence(self):
        # What is deleted behind the gateway's back is not seen by who trusts its own memory, so the two do not meet.
        deletes = self.odds(0.15)
        self.freshness = ("force", "verify") if deletes else ("force", "ledger", "ledger")
        # What is cancelled must be told by its rows alone, so associated records are then each their own.
        self.cancels = not deletes and self.odds(0.15)
        sessions = [self.session() for _ in range(self.chance.choice((1, 1, 2, 3)))]
        steps = []
        for _ in range(self.chance.randint(2, 7)):
            if self.odds(0.25):
                steps.append({"do": "wait"})
            if deletes and self.odds(0.3):
                steps.append({"do": "delete", "known": self.chance.randrange(8)})
            steps.append(self.transfer(len(sessions)))
            if self.cancels and self.odds(0.4):
                steps.append({"do": "cancel", "push": self.chance.randrange(3)})
            if self.odds(0.08):
                steps.append({"do": "retry", "push": self.chance.randrange(8)})
        if self.odds(0.1):
            steps.insert(self.chance.randint(1, len(steps)), {"do": "kill", "after": self.chance.random() * 0.02})
        return {"sessions": sessions, "steps": steps, "settings": self.settings()}

    def settings(self):
        """How the provider behaves. It is keyed, so whatever goes wrong on the way changes nothing in the end."""
        settings = {}
        if self.odds(0.6 if self.cancels else 0.2):
            settings["latency_ms"] = self.chance.choice((1, 3, 10))
        if self.odds(0.04):
            settings["faults"] = [self.fault() for _ in range(self.chance.randint(1, 2))]
        return settings

    def fault(self):
        kind = self.chance.choice(("refuse_connection", "lose_request", "lose_answer", "lose_answer", "unavailable", "bad_answer"))
        return {"fault": kind, "operation": self.chance.choice(("read", "write", "write")), "skip": self.chance.randrange(4), "times": 1}

    def session(self):
        session = {"namespace": self.chance.choice(("", "", "other"))}
        if self.odds(0.3):
            session["default_upsert"] = self.chance.choice(("DO_NOT_UPDATE", "SET_IF_NOT_SET"))
        return {**session, **self.options(0.25)}

    def options(self, share):
        """What a session may have, and a push may say for itself."""
        options = {}
        if self.odds(share):
            options["match"] = self.chance.choice((["email"], ["full_name", "email"], ["phone", "name"], []))
        if self.odds(share):
            options["freshness"] = self.chance.choice(self.freshness)
        if self.odds(share):
            options["unknown_properties"] = self.chance.choice(("error", "warn", "warn"))
        if self.odds(share):
            options["on_deleted"] = self.chance.choice(("recreate", "skip", "error"))
        return options

    def transfer(self, sessions):
        kind = self.chance.choice(("crm-contact",) * 5 + ("crm-company", "Lead", "Gadget"))
        self.kind = kind
        size = self.chance.choice((1, 1, 2, 3, 5, 8))
        step = {"do": "push", "session": self.chance.randrange(sessions), "kind": kind,
                "items": [self.item(kind, 0) for _ in range(size)], "line": self.chance.randrange(3)}
        if self.odds(0.12):
            step["disable_upsert"] = True
        if self.odds(0.2):
            step["synchronous"] = True
        if self.odds(0.2):
            step["options"] = self.options(0.3)
        if self.odds(0.08):
            step["parts"] = self.chance.randint(1, 3)
            if self.odds(0.2):
                step["kills"] = True
        return step

    def item(self, kind, depth):
        if self.cancels and depth:
            self.version += 1
            item = {"internal_id": "own%d" % self.version, "data": {OWN[kind]: "v%d" % self.version}}
            return self.with_children(item, kind, depth)
        who = self.chance.randrange(self.people)
        item = {}
        if self.odds(0.6):
            item["internal_id"] = "%s%d%s" % (kind[:5], who, "b" if self.odds(0.15) else "")
        if self.odds(0.08):
            # The record that is known under this number by then, or none at all.
            item["id"] = {"known": self.chance.randrange(8)} if self.odds(0.8) else self.chance.choice(("987654321", "x y"))
        if self.odds(0.9):
            data = getattr(self, {"crm-contact": "contact", "Lead": "lead", "crm-company": "company", "Gadget": "gadget"}[kind])(who)
            for name in list(data):
                if self.odds(0.04):
                    data[name] = None
            if self.odds(0.04):
                data[self.chance.choice(list(CONTACT)[:4] + ["name", "emial"])] = 7
            item["data"] = data
        return self.with_children(item, kind, depth)

    def with_children(self, item, kind, depth):
        kinds = [child for child in CHILDREN[kind] if not self.cancels or child != self.kind]
        if kinds and depth < 3 and self.odds(0.35 if depth == 0 else 0.2):
            children = {}
            for _ in range(self.chance.randint(1, 3)):
                child = self.chance.choice(kinds)
                children.setdefault(child, []).append(self.item(child, depth + 1))
            item["associations"] = children
        return item

    def stamp(self, data, name):
        if self.odds(0.5):
            self.version += 1
            data[name] = "v%d" % self.version
        return data

    def spelled(self, text):
        return text.upper() + " " if self.odds(0.2) else text

    def contact(self, who):
        data, name = {}, NAMES[who % len(NAMES)]
        if self.odds(0.6):
            data.update(first_name=name[0], last_name=name[1])
        elif self.odds(0.3):
            data["full_name"] = self.spelled(" ".join(name))
        if self.odds(0.5):
            data["email"] = "p%d@example.com" % (self.chance.randrange(self.people) if self.odds(0.1) else who)
            if self.odds(0.03):
                data["email"] = "not an address"
            elif self.odds(0.2):
                data["email"] = data["email"].upper()
        elif self.odds(0.2):
            data["email_addresses"] = [{"email_address": "p%d@example.com" % who}, {"email_address": "other@example.com"}]
        if self.odds(0.3):
            number = self.chance.randrange(self.people) if self.odds(0.1) else who
            data["phone"] = ("+1 555 000%d" if self.odds(0.5) else "1555-000%d") % number
        if self.odds(0.3):
            data["job_title"] = self.chance.choice(("Captain", "Cook", ""))
        return self.stamp(data, "description")

    def lead(self, who):
        data = {}
        if self.odds(0.7):
            data["full_name"] = " ".join(NAMES[who % len(NAMES)])
        if self.odds(0.5):
            data["email"] = "p%d@example.com" % who
        return self.stamp(data, "job_title")

    def company(self, who):
        data = {}
        if self.odds(0.7):
            data["name"] = self.spelled("Acme %d" % (who // 2))
        if self.odds(0.4):
            data["domain"] = self.chance.choice(("c%d.example", "https://www.C%d.example/about", "c%d.example:80")) % who
        if self.odds(0.2):
            data["employee_count"] = self.chance.randrange(3)
        return self.stamp(data, "industry")

    def gadget(self, who):
        return self.stamp({"name": "g%d" % who} if self.odds(0.7) else {}, "colour")


# MARK: What the model says


class Prediction:
    """A sequence with what must come of it, step by step while it is played: what was cancelled is known only then."""

    def __init__(self, sequence, strict):
        self.sequence, self.strict = sequence, strict
        self.pushes, self.deletes, self.kills, self.cancels = [], 0, 0, 0
        # Pushes that had to wait, and items that were left out, because K5 would have left their results open.
        self.waits, self.dropped = 0, 0
        self.account = Account()
        # Where in `account.done` and `pushes` those begin that may still be in flight, and what was before them.
        self.since, self.flight, self.base = 0, 0, self.saved()
        # Records whose ids results have told.
        self.known = []

    def actions(self):
        """What is to be done next; when more is asked for, it was done."""
        for step in self.sequence["steps"]:
            yield from getattr(self, step["do"])(step)
        yield from self.wait()

    def wait(self, _=None):
        yield {"do": "wait"}
        for push in self.pushes[self.flight:]:
            for row in sorted(told(push), key=lambda row: (row["index"], row["kind"])):
                self.known += [one for one in (row["record"], *sum(row["associations"].values(), []))
                               if one and one not in self.known]
        self.since, self.flight, self.base = len(self.account.done), len(self.pushes), self.saved()

    def kill(self, step):
        self.kills += 1
        yield step

    def cancel(self, step):
        self.cancels += 1
        yield step
        yield from self.wait()

    def delete(self, step):
        """Somebody deletes a record at the provider, while nothing is in flight."""
        yield from self.wait()
        if step["known"] < len(self.known) and not self.known[step["known"]].is_deleted:
            record = self.known[step["known"]]
            record.is_deleted = True
            for other in record.links:
                other.links.discard(record)
            record.links = set()
            self.deletes += 1
            self.base = self.saved()
            yield {"do": "delete", "record": record}

    def retry(self, step):
        """A new transfer of the trees in which something failed; what was written goes by its id."""
        yield from self.wait()
        if self.pushes:
            first = self.pushes[step["push"] % len(self.pushes)]
            trees = [[row for row in first["rows"] if row["index"] == index] for index in range(len(first["items"]))]
            failed = [index for index, rows in enumerate(trees) if any(row["record"] is None for row in rows)]
            items = [again(first["items"][index], iter(trees[index])) for index in failed]
            push = {**{name: first[name] for name in first if name not in ("parts", "kills", "rows", "transfer")},
                    "items": items, "retry_of": first, "line": 0}
            before = self.saved()
            self.apply(push)
            odd = None if self.strict else self.account.undefined(self.since)
            if odd is None:
                self.pushes.append(push)
                yield push
            else:
                self.restore(before)

    def push(self, step):
        push = dict(step, items=[self.named(item) for item in step["items"]])
        waited = False
        while push["items"]:
            before = self.saved()
            self.apply(push)
            odd = None if self.strict else self.account.undefined(self.since)
            if odd is None:
                self.pushes.append(push)
                yield push
                return
            self.restore(before)
            if not waited and self.since < len(self.account.done):
                yield from self.wait()
                self.waits += 1
                waited = True
            else:
                self.dropped += 1
                push["items"] = push["items"][:odd["index"]] + push["items"][odd["index"] + 1:]

    def apply(self, push, unsent=()):
        session = Session(KINDS, {**self.sequence["sessions"][push["session"]], **push.get("options", {})})
        push["rows"] = self.account.push(session, push["kind"], push["items"], push.get("disable_upsert", False), unsent)

    def cancelled(self, unsent):
        """Works out anew what came of the pushes in flight; `unsent` are the places of rows that were not sent, a push."""
        self.restore(self.base)
        for push, places in zip(self.pushes[self.flight:], unsent):
            self.apply(push, places)
        if self.account.undefined(self.since):
            raise Undefined

    def named(self, item):
        """The item with the record itself in place of the number that stands for it."""
        item = dict(item)
        if isinstance(item.get("id"), dict):
            number = item["id"]["known"]
            if number < len(self.known):
                item["id"] = self.known[number]
            else:
                del item["id"]
        if "associations" in item:
            item["associations"] = {kind: [self.named(child) for child in children]
                                    for kind, children in item["associations"].items()}
        return item

    def saved(self):
        account = self.account
        return ([(record, dict(record.fields), record.updates, set(record.links)) for record in account.records],
                dict(account.memory), {key: set(ids) for key, ids in account.held.items()}, len(account.done))

    def restore(self, saved):
        records, memory, held, done = saved
        for record, fields, updates, links in records:
            record.fields, record.updates, record.links = dict(fields), updates, set(links)
        self.account.records = [record for record, *_ in records]
        self.account.memory, self.account.held = dict(memory), {key: set(ids) for key, ids in held.items()}
        del self.account.done[done:]


class Undefined(Exception):
    """With what was cancelled, several results are legal."""


def again(item, rows):
    """The item as a retry pushes it; `rows` are those of its tree, in their order."""
    associations = {kind: [again(child, rows) for child in children] for kind, children in item.get("associations", {}).items()}
    row = next(rows)
    if row["record"]:
        same = {"id": row["record"], **{name: item[name] for name in ("internal_id",) if name in item}}
    else:
        same = {name: item[name] for name in item if name != "associations"}
    return {**same, "associations": associations} if associations else same


def told(step):
    """All rows that getData lists of a push."""
    return [row for kind in {step["kind"]} | {row["kind"] for row in step["rows"]}
            for row in listed(step["rows"], kind, kind == step["kind"])]


def listed(rows, kind, is_own):
    """What getData lists: the records pushed, or those of an associated type, where each record has one row (D23)."""
    if is_own:
        return [row for row in rows if row["top"]]
    seen, some = set(), []
    for row in rows:
        if row["kind"] == kind and not row["top"] and row["record"] not in seen:
            some.append(row)
            seen |= {row["record"]} - {None}
    return some
