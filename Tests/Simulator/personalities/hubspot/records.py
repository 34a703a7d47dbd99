"""The records of one object type in one account: values, unique indexes, what search can see yet.

Records answer by id at once; search sees a version of a record only when its lag has passed (page "CRM search": newly
created or updated objects take a few moments to appear).
"""

import re

from simulator.clock import iso
from simulator.effects import digest


def phone_digits(text: str) -> str:
    """The vendor's searchable form keeps area code and local number only; we keep the last ten digits."""
    return re.sub(r"\D", "", text)[-10:]


class Record:
    """One record. `values` are those that can be written; the read-only ones are made in `Records.whole`."""

    def __init__(self, identity: str, values: dict, now: int):
        self.id = identity
        self.values = values
        self.created = now
        self.updated = now
        self.archived_at = None
        self.merged = []
        self.seen_by_search = []
        """Versions for search: (visible from, values or None), oldest first."""


class Records:
    """All records of one type. Ids are decimal strings; those of different types overlap, as the vendor's may."""

    def __init__(self, kind: str, schema, first: int, random, settings: dict):
        self.kind = kind
        self.schema = schema
        self.settings = settings
        self.all = {}
        self.moved = {}
        self._next = first
        self._random = random
        self._index = {}

    def get(self, identity):
        """The living record of an id; the id of a merged one leads to the one it was merged into."""
        identity = str(identity)
        while identity in self.moved:
            identity = self.moved[identity]
        record = self.all.get(identity)
        return None if record is None or record.archived_at is not None else record

    def key(self, name: str, value: str) -> str:
        return value.strip().lower() if self.kind == "contacts" and name == "email" else value

    def find(self, name: str, value: str):
        """The living record whose unique property `name` holds `value`; for e-mail also a secondary address."""
        identity = self.holder(name, self.key(name, str(value)))
        return None if identity is None else self.all[identity]

    def keys_of(self, values: dict) -> list:
        """(property, key) of every unique value in `values`."""
        found = [(entry.name, self.key(entry.name, values[entry.name]))
                 for entry in self.schema.unique(self.kind) if values.get(entry.name)]
        if self.kind == "contacts":
            found += [("email", part.strip().lower())
                      for part in values.get("hs_additional_emails", "").split(";") if part.strip()]
        return found

    def holder(self, name: str, key: str):
        """The id of the living record that holds a unique value, or None."""
        return self._index.get(name, {}).get(key)

    def upcoming_id(self) -> str:
        return str(self._next + 1)

    def create(self, values: dict, now: int) -> Record:
        record = Record(self.upcoming_id(), {}, now)
        self._next += 1
        self.all[record.id] = record
        if self.kind == "contacts":
            values = {"lifecyclestage": "lead", **values}
        if self.kind == "companies" and values.get("domain") and not values.get("website"):
            values = {**values, "website": values["domain"]}
        if self.kind == "deals":
            values = {"pipeline": "default", "createdate": iso(now), **values}
        self.write(record, values, now)
        return record

    def write(self, record: Record, values: dict, now: int) -> list:
        """Merges `values` in (the empty string clears). Gives the names that really changed."""
        changed = sorted(name for name, value in values.items() if record.values.get(name, "") != value)
        if not changed and record.seen_by_search:
            return changed
        self._unindex(record)
        for name in changed:
            if values[name] == "":
                record.values.pop(name, None)
            else:
                record.values[name] = values[name]
        record.updated = now
        self._reindex(record)
        self.show_to_search(record, now)
        return changed

    def archive(self, record: Record, now: int):
        self._unindex(record)
        record.archived_at = now
        record.updated = now
        self.show_to_search(record, now)

    def show_to_search(self, record: Record, now: int):
        lag = int(self.settings["search_lag_ms"] * (0.25 + 0.75 * self._random.random()))
        version = None if record.archived_at is not None else self.whole(record)
        versions = [entry for entry in record.seen_by_search if entry[0] > now][-3:]
        known = [entry for entry in record.seen_by_search if entry[0] <= now][-1:]
        record.seen_by_search = known + versions + [(now + lag, version)]

    def as_search_sees(self, now: int):
        """(record, values) of everything that the index of search holds at `now`."""
        for record in self.all.values():
            for visible, values in reversed(record.seen_by_search):
                if visible <= now:
                    if values is not None:
                        yield record, values
                    break

    def whole(self, record: Record) -> dict:
        """Every value of a record, the read-only ones too."""
        modified = "lastmodifieddate" if self.kind == "contacts" else "hs_lastmodifieddate"
        values = {"hs_object_id": record.id, "createdate": iso(record.created), modified: iso(record.updated),
                  "hs_object_source": "INTEGRATION", "hs_object_source_id": "4242",
                  "hs_object_source_label": "INTEGRATION", **record.values}
        if record.merged:
            values["hs_merged_object_ids"] = ";".join(record.merged)
        if self.kind == "contacts":
            name = " ".join(values[part] for part in ("firstname", "lastname") if values.get(part))
            values.update({"hs_all_contact_vids": ";".join([record.id, *record.merged]), "hs_is_contact": "true",
                           "hs_is_unworked": "true", "hs_pipeline": "contacts-lifecycle-pipeline",
                           "hs_full_name_or_email": name or values.get("email", "")})
            if values.get("email"):
                values["hs_email_domain"] = values["email"].rpartition("@")[2]
            if values.get("mobilephone"):
                values["hs_searchable_calculated_mobile_number"] = phone_digits(values["mobilephone"])
        if self.kind != "deals" and values.get("phone"):
            values["hs_searchable_calculated_phone_number"] = phone_digits(values["phone"])
        if self.kind == "deals":
            values["hs_is_closed"] = "true" if values.get("dealstage", "").startswith("closed") else "false"
        return values

    def digest(self, record: Record) -> str:
        return digest(record.values)

    def keys(self, record: Record) -> dict:
        """What tells a record apart in the log: its unique values and its names."""
        names = {entry.name for entry in self.schema.unique(self.kind)}
        names |= {"firstname", "lastname", "phone", "name", "domain", "dealname"}
        return {name: record.values[name] for name in sorted(names) if record.values.get(name)}

    def _unindex(self, record: Record):
        for name, key in self.keys_of(record.values):
            if self._index.get(name, {}).get(key) == record.id:
                del self._index[name][key]

    def _reindex(self, record: Record):
        for name, key in self.keys_of(record.values):
            self._index.setdefault(name, {})[key] = record.id
