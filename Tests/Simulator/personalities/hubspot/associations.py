"""The associations API: default and labelled, one and in batches.

Sources: page "Associations" v4 (batches of 2,000, reads of 1,000), captured answers (a default association answers with
both directions).
"""

from simulator.clock import iso
from simulator.exchange import Answer

from .answers import batch, id_of, missing_scopes, not_found, objects_of
from .batches import inputs_of
from .links import DEFAULT, DEFINED, LABELS, NUMBERS, PRIMARY, checked_types, ends, label_of, link, unlink
from .properties import NAMES

CREATE_MAX, READ_MAX = 2000, 1000


def scopes(call, write: bool):
    """Both ends need their object scope. Raises VendorError."""
    for kind in (call.kind, call.to_kind):
        need = f"crm.objects.{kind}.{'write' if write else 'read'}"
        if not call.token.allows(need):
            raise missing_scopes([need])


def both(call):
    """The two living records of the path. Raises VendorError."""
    first = call.portal.records[call.kind].get(call.names["id"])
    second = call.portal.records[call.to_kind].get(call.names["to_id"])
    if first is None or second is None:
        raise not_found()
    return first, second


def both_ways(call, from_id: str, to_id: str) -> list:
    pair = (call.kind, call.to_kind)
    return [{"from": {"id": one}, "to": {"id": other},
             "associationSpec": {"associationCategory": DEFINED, "associationTypeId": number}}
            for one, other, number in ((from_id, to_id, DEFAULT[pair]), (to_id, from_id, DEFAULT[pair[::-1]]))]


def pairs_of(call, inputs: list):
    """(living pairs with their input, error entries) of a batch with `from` and `to`."""
    pairs, errors = [], []
    for source in inputs:
        from_id, to_id = (id_of(source.get(end), end) for end in ("from", "to"))
        records = call.portal.records[call.kind].get(from_id), call.portal.records[call.to_kind].get(to_id)
        if None not in records:
            pairs.append((records[0].id, records[1].id, source))
            continue
        wrong = [f"{NAMES[kind]}={identity}" for record, kind, identity
                 in zip(records, (call.kind, call.to_kind), (from_id, to_id)) if record is None]
        errors.append({"status": "error", "category": "VALIDATION_ERROR",
                       "subCategory": "crm.associations.INVALID_OBJECT_IDS",
                       "message": f"{', '.join(wrong)} is not valid",
                       "context": {"fromObjectId": [from_id], "toObjectId": [to_id]}})
    return pairs, errors


def default_batch(call) -> Answer:
    scopes(call, write=True)
    pairs, errors = pairs_of(call, inputs_of(call, CREATE_MAX))
    results = []
    for from_id, to_id, _ in pairs:
        call.commit.begin_input()
        link(call, call.kind, from_id, call.to_kind, to_id, [])
        results += both_ways(call, from_id, to_id)
    return batch(results, errors, iso(call.now), iso(call.now), 200)


def default_one(call) -> Answer:
    scopes(call, write=True)
    first, second = both(call)
    call.commit.begin_input()
    link(call, call.kind, first.id, call.to_kind, second.id, [])
    return batch(both_ways(call, first.id, second.id), [], iso(call.now), iso(call.now), 200)


def labelled(call, from_id: str, to_id: str, types: list) -> dict:
    link(call, call.kind, from_id, call.to_kind, to_id, types)
    names = [label_of(call, type_) for type_ in types]
    return {"fromObjectTypeId": NUMBERS[call.kind], "fromObjectId": from_id,
            "toObjectTypeId": NUMBERS[call.to_kind], "toObjectId": to_id, "labels": [name for name in names if name]}


def labelled_batch(call) -> Answer:
    scopes(call, write=True)
    inputs = inputs_of(call, CREATE_MAX)
    types = [checked_types(call, source.get("types"), call.kind, call.to_kind) for source in inputs]
    pairs, errors = pairs_of(call, inputs)
    results = []
    for from_id, to_id, source in pairs:
        call.commit.begin_input()
        results.append(labelled(call, from_id, to_id, types[inputs.index(source)]))
    return batch(results, errors, iso(call.now), iso(call.now), 201)


def labelled_one(call) -> Answer:
    scopes(call, write=True)
    types = checked_types(call, call.value(), call.kind, call.to_kind)
    first, second = both(call)
    call.commit.begin_input()
    return Answer(201, labelled(call, first.id, second.id, types))


def archive_one(call) -> Answer:
    scopes(call, write=True)
    call.commit.begin_input()
    unlink(call, call.kind, call.names["id"], call.to_kind, call.names["to_id"])
    return Answer(204, None)


def archive_batch(call) -> Answer:
    scopes(call, write=True)
    wanted = [(id_of(source.get("from"), "from"), [id_of(entry, "to") for entry in objects_of(source.get("to"), "to")])
              for source in inputs_of(call, CREATE_MAX)]
    for from_id, to_ids in wanted:
        call.commit.begin_input()
        for to_id in to_ids:
            unlink(call, call.kind, from_id, call.to_kind, to_id)
    return Answer(204, None)


def targets(call, identity: str) -> list:
    found = [(to_id, types) for (kind, to_id), types in ends(call, call.kind, identity).items() if kind == call.to_kind]
    return [{"toObjectId": to_id, "associationTypes": [
        {"category": category, "typeId": number, "label": label_of(call, (category, number))}
        for category, number in sorted(types)]} for to_id, types in sorted(found, key=lambda pair: int(pair[0]))]


def read_one(call) -> Answer:
    """Pages of at most 500."""
    scopes(call, write=False)
    record = call.portal.records[call.kind].get(call.names["id"])
    if record is None:
        raise not_found()
    limit = min(500, max(1, int(call.request.argument("limit", "500"))))
    after = int(call.request.argument("after", "0") or 0)
    found = targets(call, record.id)
    body = {"results": found[after:after + limit]}
    if after + limit < len(found):
        body["paging"] = {"next": {"after": str(after + limit), "link": f"?after={after + limit}"}}
    return Answer(200, body)


def read_batch(call) -> Answer:
    scopes(call, write=False)
    results, errors = [], []
    for source in inputs_of(call, READ_MAX):
        identity = str(source.get("id", ""))
        found = targets(call, identity)
        if found:
            results.append({"from": {"id": identity}, "to": found})
            continue
        errors.append({"status": "error", "category": "OBJECT_NOT_FOUND",
                       "subCategory": "crm.associations.NO_ASSOCIATIONS_FOUND",
                       "message": f"No {NAMES[call.to_kind].lower()} is associated with "
                                  f"{NAMES[call.kind].lower()} {identity}.",
                       "context": {"fromObjectId": [identity], "fromObjectType": [NAMES[call.kind].lower()],
                                   "toObjectType": [NAMES[call.to_kind].lower()]}})
    return batch(results, errors, iso(call.now), iso(call.now), 200)


def list_labels(call) -> Answer:
    pair = (call.kind, call.to_kind)
    numbers = sorted({DEFAULT[pair], PRIMARY.get(pair, DEFAULT[pair])})
    results = [{"category": DEFINED, "typeId": number, "label": LABELS.get(number)} for number in numbers]
    results += [{"category": category, "typeId": number, "label": name}
                for (category, number), name in call.portal.labels.get(pair, {}).items()]
    return Answer(200, {"results": results})
