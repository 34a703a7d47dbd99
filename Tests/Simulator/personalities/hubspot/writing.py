"""One record written: what a create or an update of an input would do, and then doing it.

Checking and committing are apart, because an all-or-nothing batch checks every input before it commits the first.
Sources: "Contacts" guide (e-mail as the identifier), captured bodies for the two kinds of conflict.
"""

from simulator.clock import iso

from .answers import VendorError, bad_input
from .links import inline_links, link
from .properties import NAMES
from .validation import values_of

SYSTEM_SHOWN = {"createdate", "lastmodifieddate", "hs_lastmodifieddate", "hs_object_id", "hs_object_source",
                "hs_object_source_id", "hs_object_source_label", "hs_pipeline", "hs_is_unworked", "lifecyclestage"}


def conflict(call, values: dict, own=None, claimed=None):
    """Raises VendorError when a unique value of `values` belongs to another record than `own`, or to an earlier input
    of the same batch (`claimed`: (property, key) pairs, to which this input's are added)."""
    records = call.records
    pairs = records.keys_of(values)
    for name, key in pairs:
        holder = records.holder(name, key)
        other = holder is not None and (own is None or holder != own.id)
        twice = claimed is not None and (name, key) in claimed
        if not other and not twice:
            continue
        if call.kind == "contacts" and name == "email":
            if other:
                raise VendorError(409, f"Contact already exists. Existing ID: {holder}", "CONFLICT")
            raise VendorError(409, "Contact already exists", "CONFLICT")
        target = own.id if own is not None else records.upcoming_id()
        raise VendorError(
            400, f"Cannot set PropertyValueCoordinates{{portalId={call.portal.id}, objectTypeId=ObjectTypeId"
                 f"{{legacyObjectType={NAMES[call.kind]}}}, propertyName={name}, value={values.get(name, key)}}} "
                 f"on {target}. {holder or target} already has that value.", "VALIDATION_ERROR")
    if claimed is not None:
        claimed.update(pairs)


def entry_of(error: VendorError, trace) -> dict:
    """A refusal inside a multi-status answer; a conflict also names the holder in its context."""
    entry = error.entry(trace)
    text = entry["message"]
    if error.status == 409 and "Existing ID: " in text:
        entry["context"]["existingId"] = [text.rpartition(" ")[2]]
    return entry


def plan_create(call, source: dict, claimed=None):
    """Checks one input of a create; gives (values, links). Raises VendorError."""
    values = values_of(call.kind, call.portal.schema, source.get("properties"))
    links = inline_links(call, source.get("associations") or [])
    conflict(call, values, None, claimed)
    return values, links


def plan_update(call, record, source: dict, claimed=None) -> dict:
    """Checks one input of an update; gives its values. Raises VendorError."""
    values = values_of(call.kind, call.portal.schema, source.get("properties"), record.values)
    conflict(call, values, record, claimed)
    return values


def do_create(call, values: dict, links: list, trace=None):
    call.commit.begin_input()
    record = call.records.create(values, call.now)
    call.commit.note("created", object=call.kind, id=record.id, keys=call.records.keys(record),
                     digest=call.records.digest(record), changed=sorted(record.values),
                     **({"trace": trace} if trace is not None else {}))
    for kind, identity, types in links:
        link(call, call.kind, record.id, kind, identity, types)
    return record


def do_update(call, record, values: dict, trace=None) -> list:
    """Gives the names that changed; an update that changes nothing is in the log too, with an empty list."""
    call.commit.begin_input()
    changed = call.records.write(record, values, call.now)
    call.commit.note("updated", object=call.kind, id=record.id, keys=call.records.keys(record),
                     digest=call.records.digest(record), changed=changed,
                     **({"trace": trace} if trace is not None else {}))
    return changed


def shown(call, record, names=None, only=None, trace=None, **members) -> dict:
    """A record as the vendor answers. `names`: the properties that were asked for (unknown ones are left out, unset
    ones are null); `only`: those that an update had, when the answer is not to hold the others; neither: all."""
    whole = call.records.whole(record)
    if names is not None:
        known = [name for name in names if call.portal.schema.get(call.kind, name)]
        modified = "lastmodifieddate" if call.kind == "contacts" else "hs_lastmodifieddate"
        properties = {name: whole.get(name) for name in {*known, "createdate", "hs_object_id", modified}}
    elif only is not None:
        properties = {name: whole[name] for name in whole if name in only or name in SYSTEM_SHOWN}
    else:
        properties = whole
    result = {"id": record.id, "properties": dict(sorted(properties.items())), "createdAt": iso(record.created),
              "updatedAt": iso(record.updated), "archived": record.archived_at is not None}
    if record.archived_at is not None:
        result["archivedAt"] = iso(record.archived_at)
    if trace is not None and call.portal.settings["echo_trace_id"]:
        result["objectWriteTraceId"] = trace
    return {**result, **members}


def trace_of(source: dict):
    trace = source.get("objectWriteTraceId")
    if trace is not None and not isinstance(trace, str):
        raise bad_input("Cannot deserialize value of type `java.lang.String`: objectWriteTraceId")
    return trace
