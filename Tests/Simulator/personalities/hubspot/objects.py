"""Single records: create, read, update, archive, list. Source: pages "Contacts", "Companies", "Deals", object APIs."""

from simulator.exchange import Answer

from .answers import VendorError, missing_scopes, not_found, whole_number
from .links import inline_shown, unlink_all
from .writing import do_create, do_update, plan_create, plan_update, shown, trace_of

DEFAULTS = {
    "contacts": ["createdate", "email", "firstname", "hs_object_id", "lastmodifieddate", "lastname"],
    "companies": ["createdate", "domain", "hs_lastmodifieddate", "hs_object_id", "name"],
    "deals": ["amount", "closedate", "createdate", "dealname", "dealstage", "hs_lastmodifieddate", "hs_object_id",
              "pipeline"],
}


def scope(call, write: bool):
    """The object's scope. Raises VendorError."""
    need = f"crm.objects.{call.kind}.{'write' if write else 'read'}"
    if not call.token.allows(need):
        raise missing_scopes([need])


def unique_property(call, name: str, verb: str):
    """The unique property of an `idProperty`. Raises VendorError; `hs_object_id` is none."""
    entry = call.portal.schema.get(call.kind, name)
    if entry is None or not entry.unique:
        number = {"contacts": "0-1", "companies": "0-2", "deals": "0-3"}[call.kind]
        raise VendorError(400, f"Unable to perform {verb} by non-unique {number} property {name} "
                               f"in portal ID {call.portal.id}", "VALIDATION_ERROR")
    return entry


def named(call):
    """The record of the path, by id or by `?idProperty=`. Raises VendorError."""
    identity = call.names["id"]
    by = call.request.argument("idProperty")
    if by is not None:
        unique_property(call, by, "read/update")
        record = call.records.find(by, identity)
    else:
        if not identity.isdigit():
            raise VendorError(404, "Object not found.  objectId are usually numeric.", "OBJECT_NOT_FOUND",
                              context={"id": [identity]})
        record = call.records.get(identity)
    if record is None:
        raise not_found()
    return record


def create(call) -> Answer:
    scope(call, write=True)
    source = call.object()
    values, links = plan_create(call, source)
    record = do_create(call, values, links, trace_of(source))
    return Answer(201, shown(call, record, trace=trace_of(source)))


def read(call) -> Answer:
    scope(call, write=False)
    if call.request.argument("archived") == "true":
        record = call.records.all.get(call.names["id"])
        if record is None or record.archived_at is None:
            raise not_found()
    else:
        record = named(call)
    result = shown(call, record, names=call.request.listed("properties") or DEFAULTS[call.kind])
    result.update(inline_shown(call, record, call.request.listed("associations")))
    return Answer(200, result)


def update(call) -> Answer:
    scope(call, write=True)
    source = call.object()
    record = named(call)
    values = plan_update(call, record, source)
    do_update(call, record, values, trace_of(source))
    only = set(values) if call.portal.settings["returns_changed_only"] else None
    return Answer(200, shown(call, record, only=only, trace=trace_of(source)))


def archive(call) -> Answer:
    """204 whether or not there was such a record."""
    scope(call, write=True)
    archive_record(call, call.records.get(call.names["id"]))
    return Answer(204, None)


def archive_record(call, record):
    if record is None:
        return
    call.commit.begin_input()
    unlink_all(call, call.kind, record.id)
    call.records.archive(record, call.now)
    call.commit.note("archived", object=call.kind, id=record.id, keys=call.records.keys(record))


def listed(call) -> Answer:
    """Pages of at most 100 in the order of ids; `after` is the id of the last one."""
    scope(call, write=False)
    limit = min(100, max(1, whole_number(call.request.argument("limit", "10"))))
    after = whole_number(call.request.argument("after", "0"))
    living = [record for record in call.records.all.values() if record.archived_at is None and int(record.id) > after]
    names = call.request.listed("properties") or DEFAULTS[call.kind]
    body = {"results": [shown(call, record, names=names) for record in living[:limit]]}
    if len(living) > limit:
        body["paging"] = {"next": {"after": living[limit - 1].id, "link": f"?after={living[limit - 1].id}"}}
    return Answer(200, body)
