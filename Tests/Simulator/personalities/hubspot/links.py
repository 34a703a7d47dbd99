"""The links of records: their types, making and taking them, and those that are part of a create or a read.

Sources: page "Associations" v4, type ids of providers.md 1.1. A link is kept from both ends. Making one twice changes
nothing: the vendor does not say so, see the README.
"""

from .answers import VendorError, bad_input, id_of, objects_of
from .properties import NAMES, kind_of

NUMBERS = {"contacts": "0-1", "companies": "0-2", "deals": "0-3"}
DEFAULT = {("contacts", "companies"): 279, ("companies", "contacts"): 280, ("contacts", "deals"): 4,
           ("deals", "contacts"): 3, ("deals", "companies"): 341, ("companies", "deals"): 342}
PRIMARY = {("contacts", "companies"): 1, ("companies", "contacts"): 2, ("deals", "companies"): 5,
           ("companies", "deals"): 6}
LABELS = {1: "Primary", 2: "Primary", 5: "Primary", 6: "Primary"}
DEFINED = "HUBSPOT_DEFINED"


def checked_types(call, source, from_kind: str, to_kind: str) -> list:
    """[(category, type id)] of a `types` list. Raises VendorError."""
    if not source:
        raise bad_input("Some required fields were not set: [types]")
    types = []
    for entry in objects_of(source, "types"):
        category, number = type_of(entry)
        pair = (from_kind, to_kind)
        known = category == DEFINED and number in (DEFAULT.get(pair), PRIMARY.get(pair))
        if not known and (category, number) not in call.portal.labels.get(pair, {}):
            raise VendorError(400, f"One or more association types are not valid: {category} {number} "
                                   f"from {NUMBERS[from_kind]} to {NUMBERS[to_kind]}", "VALIDATION_ERROR",
                              subCategory="crm.associations.INVALID_ASSOCIATION_TYPE")
        types.append((category, number))
    return types


def type_of(entry: dict) -> tuple:
    """(category, type id). Raises VendorError."""
    category, number = entry.get("associationCategory"), entry.get("associationTypeId")
    if not isinstance(category, str) or not isinstance(number, int):
        raise bad_input("Some required fields were not set: [associationCategory, associationTypeId]")
    return category, number


def inline_links(call, source) -> list:
    """The associations of a create: [(kind, id, types)]. Raises VendorError when an end does not exist."""
    links = []
    for entry in objects_of(source, "associations"):
        identity, types = id_of(entry.get("to"), "to"), objects_of(entry.get("types"), "types")
        given = {type_of(type_) for type_ in types}
        kind = next((to for (start, to), known in known_types(call).items() if start == call.kind and given & known), None)
        if kind is None:
            raise VendorError(400, "One or more associations are invalid", "VALIDATION_ERROR",
                              context={"reason": ["INVALID_ASSOCIATION_TYPE"]})
        record = call.portal.records[kind].get(identity)
        if record is None:
            raise VendorError(400, "One or more associations are invalid", "VALIDATION_ERROR",
                              context={"INVALID_OBJECT_IDS": [f"{NAMES[kind]}={identity}"]})
        links.append((kind, record.id, checked_types(call, types, call.kind, kind)))
    return links


def known_types(call) -> dict:
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


def label_of(call, type_: tuple):
    for labels in call.portal.labels.values():
        if type_ in labels:
            return labels[type_]
    return LABELS.get(type_[1]) if type_[0] == DEFINED else None


def inline_shown(call, record, names: list) -> dict:
    """The `associations` member of a single read, left out when there is none."""
    shown = {}
    for name in names:
        kind = kind_of(name)
        found = [(to_id, types) for (to, to_id), types in ends(call, call.kind, record.id).items() if to == kind]
        if found:
            word = f"{NAMES[call.kind].lower()}_to_{NAMES[kind].lower()}"
            shown[kind] = {"results": [{"id": to_id, "type": word} for to_id, _ in sorted(found)]}
    return {"associations": shown} if shown else {}
