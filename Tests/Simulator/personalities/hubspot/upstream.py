"""What happens in an account without the API: people edit, delete, merge. For the control port only."""

from simulator.effects import Commit
from simulator.exchange import Request

from .links import ends, link, unlink_all
from .objects import archive_record
from .personality import Call
from .properties import kind_of
from .validation import values_of


class Upstream:
    """Acts on records behind the API's back; every act is in the log with `by: upstream`."""

    def __init__(self, personality, effects):
        self.personality = personality
        self.effects = effects

    def call(self, source: dict) -> Call:
        """A call without a request, for the functions of the API. Raises LookupError."""
        call = Call(self.personality, Request("POST", "/upstream", {}))
        portal = self.personality.portals.portals.get(int(source.get("portal", 0)))
        if portal is None:
            raise LookupError("no such portal")
        call.portal, call.kind = portal, kind_of(str(source.get("object")))
        facts = {"portal": portal.id, "op": "upstream", "request": None}
        call.commit = Commit(self.effects, self.personality.clock.now, facts, by="upstream")
        return call

    def record(self, call, identity):
        record = call.records.get(str(identity))
        if record is None:
            raise LookupError("no such record")
        return record

    def act(self, verb: str, source: dict) -> dict:
        """`create`, `update`, `delete`, `merge`. Raises LookupError or VendorError."""
        call = self.call(source)
        try:
            if verb == "create":
                return {"id": self._create(call, source)}
            record = self.record(call, source.get("primary" if verb == "merge" else "id"))
            if verb == "update":
                values = values_of(call.kind, call.portal.schema, source.get("properties"), record.values)
                changed = call.records.write(record, values, call.now)
                call.commit.note("updated", object=call.kind, id=record.id, keys=call.records.keys(record),
                                 digest=call.records.digest(record), changed=changed)
            elif verb == "delete":
                archive_record(call, record)
            elif verb == "merge":
                return {"id": self._merge(call, record, self.record(call, source.get("merged")))}
            else:
                raise LookupError("no such act")
            return {"id": record.id}
        finally:
            self.effects.flush()

    def _create(self, call, source: dict) -> str:
        """Unlike the API, an account may hold two companies or contacts alike; unique values are not checked."""
        values = values_of(call.kind, call.portal.schema, source.get("properties"))
        record = call.records.create(values, call.now)
        call.commit.note("created", object=call.kind, id=record.id, keys=call.records.keys(record),
                         digest=call.records.digest(record), changed=sorted(record.values))
        return record.id

    def _merge(self, call, primary, merged) -> str:
        """The merged record's values fill the gaps of the primary, its links and its id move over; a contact keeps
        the other's e-mail as an additional one."""
        records, now = call.records, call.now
        if primary is merged:
            raise LookupError("a record is not merged into itself")
        values = {name: value for name, value in merged.values.items() if name not in primary.values}
        email = merged.values.get("email")
        if email and primary.values.get("email"):
            known = [part for part in primary.values.get("hs_additional_emails", "").split(";") if part]
            values["hs_additional_emails"] = ";".join([*known, email])
        for (kind, identity), types in list(ends(call, call.kind, merged.id).items()):
            link(call, call.kind, primary.id, kind, identity, sorted(types))
        unlink_all(call, call.kind, merged.id)
        records.archive(merged, now)
        records.moved[merged.id] = primary.id
        primary.merged += [merged.id, *merged.merged]
        changed = records.write(primary, values, now)
        records.show_to_search(primary, now)
        call.commit.note("merged", object=call.kind, id=primary.id, merged=merged.id, changed=changed,
                         digest=records.digest(primary), keys=records.keys(primary))
        return primary.id

    def state(self, portal_id=None, kind=None) -> list:
        """Every living record with its values and links, in the order of portals, kinds and ids."""
        shown = []
        for portal in sorted(self.personality.portals.portals.values(), key=lambda portal: portal.id):
            if portal_id is not None and portal.id != int(portal_id):
                continue
            for name, records in portal.records.items():
                if kind is not None and name != kind_of(kind):
                    continue
                for record in records.all.values():
                    if record.archived_at is None:
                        shown.append({"portal": portal.id, "object": name, "id": record.id, "values": record.values,
                                      "created": record.created, "updated": record.updated,
                                      "digest": records.digest(record), "links": self._links(portal, name, record.id)})
        return shown

    def _links(self, portal, kind: str, identity: str) -> list:
        found = portal.links.get((kind, identity), {})
        return [{"object": to, "id": to_id, "types": sorted(number for _, number in types)}
                for (to, to_id), types in sorted(found.items())]
