"""What a push means, in about a hundred lines, written from the published rules: the reference for `model.py`.

One `Account` is one customer's account: the provider's records and links, and the memory of internal ids. `push` does
records strictly one after the other, in the order of acceptance, children before their parent (D10, D11, D12). Nothing
here knows of batches, windows, files or crashes.

Order is promised per key of a record (K5): its internal id, its id, each of its match keys, and its name unless an
e-mail or a phone tells the two apart. Two records without a common key may be done in either order. So each record also
notes what it `reads` and `writes`; where two that are in flight together touch the same thing without being ordered by
a key, several results are legal and `Account.undefined` says so. `model.py` pushes no such pair at once.
"""

import re

RULES = {  # resource: match keys by rank, and which of them a name must not contradict
    "contacts": ((("email", "text"), ("phone", "digits"), ("full_name", "text")), "full_name", ("email", "phone")),
    "companies": ((("domain", "host"), ("name", "text")), "name", ("domain",)),
    "gadget": ((), None, ()),
}
EMPTY = (None, "", [], {})


def normal(kind, value):
    """The form in which match keys are compared (D5); None if nothing is left."""
    if not isinstance(value, str):
        return None
    if kind == "text":
        return " ".join(value.lower().split()) or None
    if kind == "digits":
        digits = re.sub(r"[^0-9]", "", value)
        return digits if len(digits) >= 5 else None
    host = re.sub(r"^\s*([a-z]+://)?(www\.)?", "", value.lower())
    return re.split(r"[/?#:\s]", host)[0].rstrip(".") or None


def keys(resource, fields):
    """Field -> normalised value of all match keys that the fields give; a name may be in two parts."""
    values = dict(fields)
    if normal("text", values.get("full_name")) is None and values.get("first_name") and values.get("last_name"):
        values["full_name"] = "%s %s" % (values["first_name"], values["last_name"])
    found = {field: normal(kind, values.get(field)) for field, kind in RULES[resource][0]}
    return {field: value for field, value in found.items() if value is not None}


class Session:
    """A way into the account: which properties it takes, how it recognises records, and what it does to a field that is there."""

    TYPES = {"string": str, "email": str, "number": (int, float), "entries": list}

    def __init__(self, kinds, options):
        """`kinds` is schema key: (resource, {property: type}, required properties); `options` as of a session or a push."""
        self.kinds = kinds
        self.namespace = options.get("namespace", "")
        self.mode = options.get("default_upsert", "OVERWRITE")
        self.match = options.get("match")
        self.on_deleted = options.get("on_deleted", "recreate")
        # What the ledger says is trusted because it is what a look would show.
        self.verifies = options.get("freshness") != "force"
        self.warns = options.get("unknown_properties") == "warn"

    def resource(self, kind):
        return self.kinds[kind][0]

    def fields(self, kind, data, warnings):
        """Provider fields of a record's data, and whether the data breaks its schema (D18 as amended)."""
        fields, broken = {}, False
        for name, value in (data or {}).items():
            known = self.kinds[kind][1].get(name)
            if known is None:
                broken = broken or not self.warns
                warnings |= {"unknown_property"} if self.warns else set()
                continue
            broken |= value is not None and not isinstance(value, self.TYPES[known])
            broken |= known == "email" and isinstance(value, str) and value != "" and "@" not in value
            fields[name] = value
        if isinstance(fields.get("email_addresses"), list) and "email" not in fields:
            fields["email"] = fields["email_addresses"][0]["email_address"]
        elif "email_addresses" in fields and fields["email_addresses"] is None and "email" not in fields:
            fields["email"] = None  # Null clears, and with the list what it feeds.
        return fields, broken

    def lacks(self, kind, data):
        """Whether something is missing that a new record of this kind needs."""
        return any((data or {}).get(name) is None for name in self.kinds[kind][2])

    def writes(self, current, value):
        """D19: whether a field of a record that exists is written."""
        if self.mode == "SET_IF_NOT_SET":
            return value is not None and any(current == empty for empty in EMPTY)
        return self.mode == "OVERWRITE" and (not self.verifies or current != value)


class Record:
    def __init__(self, number, resource, fields):
        self.number, self.resource, self.fields = number, resource, fields
        self.updates, self.links, self.is_deleted = 0, set(), False


class Refused(Exception):
    """The record is not written; the argument is the published error type."""


class Unsent(Exception):
    """The record is not sent, and that is no error."""


class Account:
    def __init__(self):
        # `held` are the internal ids that are remembered for a record, by namespace and record.
        self.records, self.memory, self.held, self.done = [], {}, {}, []

    def push(self, session, kind, items, disable_upsert=False, unsent=()):
        """The rows of all records in the order in which they are done; `unsent` are places of rows that a cancel kept back."""
        rows = []
        for index, item in enumerate(items):
            self.item(session, kind, item, index, disable_upsert, unsent, rows, None)
        return rows

    def item(self, session, kind, item, index, disable_upsert, unsent, rows, parent):
        row = {"kind": kind, "index": index, "top": parent is None, "internal_id": item.get("internal_id"), "record": None,
               "outcome": "refused", "error": None, "warnings": set(), "associations": {}, "reads": set(), "writes": set(),
               "keys": set(), "parent": parent, "disabled": disable_upsert}
        for child_kind, children in item.get("associations", {}).items():
            for child in children:
                done = self.item(session, child_kind, child, index, disable_upsert, unsent, rows, row)
                row["associations"].setdefault(child_kind, [])
                if done["record"]:
                    row["associations"][child_kind].append(done["record"])
                else:
                    row["warnings"].add("link_skipped")
        try:
            if len(rows) in unsent:
                row["outcome"], row["warnings"] = "unsent", set()
                raise Unsent
            self.one(session, item, row, disable_upsert)
        except Refused as refused:
            row["error"] = str(refused)
        except Unsent:
            pass
        rows.append(row)
        self.done.append(row)
        return row

    def one(self, session, item, row, disable_upsert):
        """D1: by `id`, then by what is remembered, then by match keys, else it is created."""
        resource = session.resource(row["kind"])
        fields, broken = session.fields(row["kind"], item.get("data"), row["warnings"])
        own, given = item.get("internal_id"), item.get("id")
        row["keys"] = {("internal", session.namespace, resource, own)} if own else set()
        row["keys"] |= {("id", resource, given)} if given else set()
        wanted = keys(resource, fields)
        row["keys"] |= {(resource, *pair) for pair in wanted.items()}
        if broken:
            raise Refused("transfer_data")
        scope = (session.namespace, resource, own)
        remembered = self.memory.get(scope) if own else None
        if given is not None:
            if remembered and remembered is not given:
                raise Refused("transfer_data")
            if not isinstance(given, Record) or given.resource != resource or given.is_deleted:
                raise Refused("upstream")
            target = given
        else:
            target = remembered
            if remembered and remembered.is_deleted:
                target = self.deleted(session, row)
            if target is None and not disable_upsert:
                target = self.match(session, resource, wanted, row)
        if target is None:
            fields = {name: value for name, value in fields.items() if value is not None}
            if not fields or session.lacks(row["kind"], item.get("data")):
                raise Refused("transfer_data")
            target = Record(len(self.records), resource, {})
            self.records.append(target)
            row["outcome"] = "created"
            self.write(target, fields, row)
        else:
            row["reads"].add(target)
            changes = {name: value for name, value in fields.items() if session.writes(target.fields.get(name), value)}
            row["outcome"] = "updated" if changes else "unchanged"
            if changes:
                target.updates += 1
                self.write(target, changes, row)
        row["record"] = target
        if own and target is not remembered:
            self.remember(scope, target, row)
        for children in row["associations"].values():
            for child in children:
                self.link(target, child, row)

    def deleted(self, session, row):
        """D4: the remembered record is gone. None if it is to be looked for and made again."""
        if session.on_deleted == "recreate":
            row["warnings"].add("record_recreated")
            return None
        if session.on_deleted == "skip":
            row["warnings"].add("record_deleted")
            row["outcome"] = "unsent"
            raise Unsent
        raise Refused("upstream")

    def remember(self, scope, target, row):
        """Two internal ids of a namespace on one record are told once, to the later one."""
        self.held.setdefault((scope[0], target), set())
        if self.held[scope[0], target] - {scope[2]}:
            row["warnings"].add("identity_collision")
        self.memory[scope] = target
        self.held[scope[0], target].add(scope[2])
        row["writes"].add(("held", scope[0], target))

    def write(self, record, changes, row):
        row["writes"] |= {record} | {(record.resource, *pair) for pair in keys(record.resource, record.fields).items()}
        record.fields.update(changes)
        record.fields = {name: value for name, value in record.fields.items() if value is not None}
        row["writes"] |= {(record.resource, *pair) for pair in keys(record.resource, record.fields).items()}

    def link(self, one, other, row):
        """D15: links are added, never removed. A record is no neighbour of itself."""
        row["reads"].add(frozenset((one, other)))
        if one is other:
            row["warnings"].add("link_skipped")
            row["outcome"] = "updated" if row["outcome"] == "unchanged" else row["outcome"]
        elif other not in one.links:
            row["writes"].add(frozenset((one, other)))
            one.links.add(other)
            other.links.add(one)
            row["outcome"] = "updated" if row["outcome"] == "unchanged" else row["outcome"]

    def match(self, session, resource, wanted, row):
        """D5, D6: the first key that finds exactly one; several are narrowed by the keys that follow."""
        rules, name, guards = RULES[resource]
        candidates = []
        for field in [field for field, _ in rules] if session.match is None else session.match:
            if field not in wanted or field not in dict(rules):
                continue
            row["reads"].add((resource, field, wanted[field]))
            found = []
            for record in self.records:
                held = keys(resource, record.fields) if record.resource == resource and not record.is_deleted else {}
                if held.get(field) == wanted[field]:
                    row["reads"].add(record)
                    if field != name or all(held.get(guard, wanted.get(guard)) == wanted.get(guard, held.get(guard))
                                            for guard in guards):
                        found.append(record)
            found = [record for record in found if not candidates or record in candidates]
            if len(found) == 1:
                return found[0]
            candidates = found or candidates
        if candidates:
            row["candidates"] = candidates
            raise Refused("transfer_data")
        return None

    def undefined(self, since):
        """The first record done since a place in `done` whose result K5 does not define, or None."""
        rows, before = self.done[since:], []
        for place, row in enumerate(rows):
            earlier = set()
            for other, q in enumerate(rows[:place]):
                if other not in earlier and (q["parent"] is row or common_key(q, row)):
                    earlier |= before[other] | {other}
            before.append(earlier)
            for other, q in enumerate(rows[:place]):
                if other not in earlier and (q["writes"] & (row["reads"] | row["writes"]) or q["reads"] & row["writes"]):
                    return row
        return None


def common_key(one, other):
    """Whether K5 orders two records: a key in common that nothing tells apart. Match keys matter if one of them is matched."""
    shared = one["keys"] & other["keys"]
    if one["disabled"] and other["disabled"]:
        shared = {key for key in shared if key[0] in ("internal", "id")}
    told = any(all(any(key[1] == field for key in row["keys"]) for row in (one, other)) for field in ("email", "phone"))
    return any(key[1] != RULES.get(key[0], (None, None))[1] or not told for key in shared)
