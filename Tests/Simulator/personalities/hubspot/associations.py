"""Associations: default and labelled, one and in batches, inline on create.

Sources: page "Associations" v4 (type ids; batches of 2,000, reads of 1,000), association type table of providers.md
1.1, captured answers (a default association answers with both directions). Associating twice changes nothing: the
vendor does not say so, see the README.
"""

from simulator.clock import iso
from simulator.exchange import Answer

from .answers import VendorError, bad_input, batch, missing_scopes, not_found
from .batches import inputs_of
from .properties import NAMES

CREATE_MAX, READ_MAX = 2000, 1000
NUMBERS = {"contacts": "0-1", "companies": "0-2", "deals": "0-3"}
DEFAULT = {("contacts", "companies"): 279, ("companies", "contacts"): 280, ("contacts", "deals"): 4,
           ("deals", "contacts"): 3, ("deals", "companies"): 341, ("companies", "deals"): 342}
PRIMARY = {("contacts", "companies"): 1, ("companies", "contacts"): 2, ("deals", "companies"): 5,
           ("companies", "deals"): 6}
LABELS = {1: "Primary", 2: "Primary", 5: "Primary", 6: "Primary"}
DEFINED = "HUBSPOT_DEFINED"


def scopes(call, write: bool):
    """Both ends need their object scope. Raises VendorError."""
    for kind in (call.kind, call.to_kind):
        need = f"crm.objects.{kind}.{'write' if write else 'read'}"
        if not call.token.allows(need):
            raise missing_scopes([need])


def checked_types(call, source, from_kind: str, to_kind: str) -> list:
    """[(category, type id)] of a `types` list. Raises VendorError."""
    if not isinstance(source, list) or not source:
        raise bad_input("Some required fields were not set: [types]")
    types = []
    for entry in source:
        category, number = entry.get("associationCategory"), entry.get("associationTypeId")
        pair = (from_kind, to_kind)
        known = category == DEFINED and number in (DEFAULT.get(pair), PRIMARY.get(pair))
        if not known and (category, number) not in call.portal.labels.get(pair, {}):
            raise VendorError(400, f"One or more association types are not valid: {category} {number} "
                                   f"from {NUMBERS[from_kind]} to {NUMBERS[to_kind]}", "VALIDATION_ERROR",
                              subCategory="crm.associations.INVALID_ASSOCIATION_TYPE")
        types.append((category, number))
    return types


def inline_links(call, source) -> list:
    """The associations of a create: [(kind, id, types)]. Raises VendorError when an end does not exist."""
    links = []
    if not isinstance(source, list):
        raise bad_input("associations")
    for entry in source:
        identity = str((entry.get("to") or {}).get("id", ""))
        types = entry.get("types") or []
        kind = next((kind for (_, kind), numbers in _numbers(call).items()
                     for type_ in types if (type_.get("associationCategory"), type_.get("associationTypeId")) in numbers
                     and _ == call.kind), None)
        if kind is None:
            raise VendorError(400, "One or more associations are invalid", "VALIDATION_ERROR",
                              context={"reason": ["INVALID_ASSOCIATION_TYPE"]})
        if call.portal.records[kind].get(identity) is None:
            raise VendorError(400, "One or more associations are invalid", "VALIDATION_ERROR",
                              context={"INVALID_OBJECT_IDS": [f"{NAMES[kind]}={identity}"]})
        links.append((kind, identity, checked_types(call, types, call.kind, kind)))
    return links


def _numbers(call) -> dict:
    """All known (category, type id) for each pair of kinds."""
    pairs = {pair: {(DEFINED, number)} for pair, number in DEFAULT.items()}
    for pair, number in PRIMARY.items():
        pairs[pair].add((DEFINED, number))
    for pair, labels in call.portal.labels.items():
        pairs[pair] |= set(labels)
    return pairs


def other_way(call, from_kind: str, to_kind: str, type_: tuple) -> tuple:
    category, number = type_
    if category != DEFINED:
        return type_
    table = PRIMARY if number in PRIMARY.values() else DEFAULT
    return (category, table[(to_kind, from_kind)])


def ends(call, kind: str, identity: str) -> dict:
    return call.portal.links.setdefault((kind, identity), {})


def link(call, from_kind: str, from_id: str, to_kind: str, to_id: str, types: list):
    """Adds types between two records, both ways; logs only what is new. The unlabelled type is always there too, and
    a second primary takes the place of the first."""
    wanted = {(DEFINED, DEFAULT[(from_kind, to_kind)]), *types}
    here = ends(call, from_kind, from_id).setdefault((to_kind, to_id), set())
    there = ends(call, to_kind, to_id).setdefault((from_kind, from_id), set())
    new = wanted - here
    if not new:
        return
    primary = (DEFINED, PRIMARY.get((from_kind, to_kind)))
    if primary in new and to_kind == "companies":
        for (kind, identity), known in ends(call, from_kind, from_id).items():
            if kind == "companies" and primary in known:
                known.discard(primary)
                ends(call, kind, identity)[(from_kind, from_id)].discard(other_way(call, from_kind, kind, primary))
    here |= new
    there |= {other_way(call, from_kind, to_kind, type_) for type_ in new}
    call.commit.note("linked", **{"from": {"object": from_kind, "id": from_id}, "to": {"object": to_kind, "id": to_id}},
                     types=sorted(map(list, new)))


def unlink(call, from_kind: str, from_id: str, to_kind: str, to_id: str):
    if ends(call, from_kind, from_id).pop((to_kind, to_id), None) is None:
        return
    ends(call, to_kind, to_id).pop((from_kind, from_id), None)
    call.commit.note("unlinked", **{"from": {"object": from_kind, "id": from_id}, "to": {"object": to_kind, "id": to_id}})


def unlink_all(call, kind: str, identity: str):
    for to_kind, to_id in list(ends(call, kind, identity)):
        unlink(call, kind, identity, to_kind, to_id)


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
        from_id, to_id = (str((source.get(end) or {}).get("id", "")) for end in ("from", "to"))
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


def label_of(call, type_: tuple):
    for labels in call.portal.labels.values():
        if type_ in labels:
            return labels[type_]
    return LABELS.get(type_[1]) if type_[0] == DEFINED else None


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
    for source in inputs_of(call, CREATE_MAX):
        call.commit.begin_input()
        for target in source.get("to") or []:
            unlink(call, call.kind, str(source["from"]["id"]), call.to_kind, str(target["id"]))
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


def inline_shown(call, record, names: list) -> dict:
    """The `associations` member of a single read, left out when there is none."""
    from .personality import kind_of

    shown = {}
    for name in names:
        kind = kind_of(name)
        found = [(to_id, types) for (to, to_id), types in ends(call, call.kind, record.id).items() if to == kind]
        if found:
            word = f"{NAMES[call.kind].lower()}_to_{NAMES[kind].lower()}"
            shown[kind] = {"results": [{"id": to_id, "type": word} for to_id, _ in sorted(found)]}
    return {"associations": shown} if shown else {}
