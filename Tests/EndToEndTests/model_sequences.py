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
        sessions = [self.session() for _ in range(self.chance.choice((1, 1, 2, 3)))]
        steps = []
        for _ in range(self.chance.randint(2, 7)):
            if self.odds(0.25):
                steps.append({"do": "wait"})
            if deletes and self.odds(0.3):
                steps.append({"do": "delete", "known": self.chance.randrange(8)})
            steps.append(self.transfer(len(sessions)))
        if self.odds(0.1):
            steps.insert(self.chance.randint(1, len(steps)), {"do": "kill", "after": self.chance.random() * 0.02})
        return {"sessions": sessions, "steps": steps, "settings": self.settings()}

    def settings(self):
        """How the provider behaves. It is keyed, so whatever goes wrong on the way changes nothing in the end."""
        settings = {}
        if self.odds(0.2):
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
        size = self.chance.choice((1, 1, 2, 3, 5, 8))
        step = {"do": "push", "session": self.chance.randrange(sessions), "kind": kind,
                "items": [self.item(kind, 0) for _ in range(size)], "line": self.chance.randrange(3)}
        if self.odds(0.12):
            step["disable_upsert"] = True
        if self.odds(0.2):
            step["synchronous"] = True
        if self.odds(0.2):
            step["options"] = self.options(0.3)
        return step

    def item(self, kind, depth):
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
        if depth < 3 and self.odds(0.35 if depth == 0 else 0.2):
            children = {}
            for _ in range(self.chance.randint(1, 3)):
                child = self.chance.choice(CHILDREN[kind])
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
    """A sequence with what must come of it. Pushes that would make a result undefined wait, or lose the item."""

    def __init__(self, sequence, strict):
        self.sessions = sequence["sessions"]
        self.strict = strict
        self.steps = []
        # Pushes that had to wait, and items that were left out, because K5 would have left their results open.
        self.waits, self.dropped = 0, 0
        self.account = Account()
        # Where in `account.done` the pushes begin that may still be in flight; records whose ids results have told.
        self.since, self.known = 0, []
        for step in sequence["steps"]:
            if step["do"] == "push":
                self.push(dict(step))
            elif step["do"] == "delete":
                self.delete(step["known"])
            else:
                self.steps.append(step)
                if step["do"] == "wait":
                    self.waited()
        self.steps.append({"do": "wait"})

    def waited(self):
        for step in self.steps:
            if step["do"] == "push":
                for row in sorted(told(step), key=lambda row: (row["index"], row["kind"])):
                    self.known += [one for one in (row["record"], *sum(row["associations"].values(), []))
                                   if one and one not in self.known]
        self.since = len(self.account.done)

    def delete(self, number):
        """Somebody deletes a record at the provider, while nothing is in flight."""
        self.steps.append({"do": "wait"})
        self.waited()
        if number < len(self.known) and not self.known[number].is_deleted:
            record = self.known[number]
            record.is_deleted = True
            for other in record.links:
                other.links.discard(record)
            record.links = set()
            self.steps.append({"do": "delete", "record": record})

    def push(self, step):
        step["items"] = [self.named(item) for item in step["items"]]
        waited = False
        while step["items"]:
            before = self.saved()
            session = Session(KINDS, {**self.sessions[step["session"]], **step.get("options", {})})
            rows = self.account.push(session, step["kind"], step["items"], step.get("disable_upsert", False))
            odd = None if self.strict else self.account.undefined(self.since)
            if odd is None:
                self.steps.append(dict(step, rows=rows))
                return
            self.restore(before)
            if not waited and self.since < len(self.account.done):
                self.steps.append({"do": "wait"})
                self.waited()
                self.waits += 1
                waited = True
            else:
                self.dropped += 1
                step["items"] = step["items"][:odd["index"]] + step["items"][odd["index"] + 1:]

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
            record.fields, record.updates, record.links = fields, updates, links
        self.account.records = [record for record, *_ in records]
        self.account.memory, self.account.held = memory, held
        del self.account.done[done:]


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
