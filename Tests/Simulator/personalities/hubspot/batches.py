"""Batches of at most 100 inputs: create, update, upsert, read, archive.

Sources: page "Handling errors", part on multi-status errors (a unique `objectWriteTraceId` for each input turns partial
failures on; documented for batch create, used in public integrations for upsert: setting `multi_status`); object API
reference; captured answers (duplicate ids; unknown ids of a batch update as one entry without a trace id).
"""

from simulator.clock import iso
from simulator.exchange import Answer

from .answers import (
    VendorError, bad_input, batch, duplicate_ids, id_of, invalid_values, names_of, some_not_found, text_of_name)
from .objects import DEFAULTS, archive_record, scope, unique_property
from .properties import NAMES
from .writing import do_create, do_update, entry_of, plan_create, plan_update, shown, trace_of

MAX_INPUTS = 100


def inputs_of(call, limit=MAX_INPUTS) -> list:
    """The inputs of the body. Raises VendorError."""
    inputs = call.object().get("inputs")
    if not isinstance(inputs, list) or not all(isinstance(source, dict) for source in inputs):
        raise bad_input("Some required fields were not set: [inputs]")
    if not 1 <= len(inputs) <= limit:
        raise VendorError(400, f"The number of inputs must be from 1 to {limit}; there are {len(inputs)}.",
                          "VALIDATION_ERROR")
    return inputs


def traced(call, inputs: list, verb: str) -> bool:
    """Whether every input has a trace id of its own, which turns multi-status answers on."""
    traces = [trace_of(source) for source in inputs]
    return (verb in call.portal.settings["multi_status"] and None not in traces and "" not in traces
            and len(set(traces)) == len(traces))


def keyed(call, inputs: list, verb: str) -> list:
    """(property or None, key) of each input. Raises VendorError on two inputs for one record."""
    keys = []
    for source in inputs:
        identity, by = id_of(source, "id"), text_of_name(source.get("idProperty"), "idProperty")
        if by is not None:
            unique_property(call, by, verb)
        elif verb == "upsert":
            raise bad_input("Some required fields were not set: [idProperty]")
        keys.append((by, call.records.key(by, identity) if by else identity))
    twice = [key for place, (by, key) in enumerate(keys) if (by, key) in keys[:place]]
    if twice:
        raise duplicate_ids(sorted(set(twice)))
    return keys


def refuse_twice(found: list):
    """Two different keys may still lead to one record (a second e-mail, a merged id). Raises VendorError."""
    same = [record.id for record in found if record is not None]
    if len(set(same)) != len(same):
        raise duplicate_ids(sorted({identity for identity in same if same.count(identity) > 1}))


def checked(call, inputs: list, partial: bool, plan):
    """Plans every input before any is committed. Gives (places with plans, error entries); without `partial` the first
    refusal raises, all bad values of the batch together."""
    plans, errors, failures = [], [], []
    for place, source in enumerate(inputs):
        try:
            plans.append((place, plan(place, source)))
        except VendorError as error:
            if partial:
                errors.append(entry_of(error, trace_of(source)))
            elif "errors" in error.members and error.members["message"].startswith("Property values were not valid"):
                failures += [{"name": entry["context"]["propertyName"][0], "error": entry["code"],
                              "message": entry["message"]} for entry in error.members["errors"]]
            else:
                raise
    if failures:
        raise invalid_values(failures)
    return plans, errors


def envelope(call, results: list, errors: list, full: int) -> Answer:
    """Results come in no order that a client may rely on."""
    if call.portal.settings["shuffle"]:
        call.portal.random.shuffle(results)
    return batch(results, errors, iso(call.now), iso(call.now), full)


def create(call) -> Answer:
    scope(call, write=True)
    inputs = inputs_of(call)
    claimed = set()
    plans, errors = checked(call, inputs, traced(call, inputs, "create"),
                            lambda place, source: plan_create(call, source, claimed))
    results = []
    for place, (values, links) in plans:
        trace = trace_of(inputs[place])
        results.append(shown(call, do_create(call, values, links, trace), trace=trace))
    return envelope(call, results, errors, 201)


def update(call) -> Answer:
    scope(call, write=True)
    inputs = inputs_of(call)
    keys = keyed(call, inputs, "update")
    found = [call.records.find(by, key) if by else call.records.get(key) for by, key in keys]
    known = [place for place, record in enumerate(found) if record is not None]
    refuse_twice(found)
    claimed = set()
    plans, errors = checked(
        call, [inputs[place] for place in known], traced(call, inputs, "update"),
        lambda place, source: (known[place], plan_update(call, found[known[place]], source, claimed)))
    results = []
    for _, (place, values) in plans:
        trace = trace_of(inputs[place])
        do_update(call, found[place], values, trace)
        results.append(shown(call, found[place], only=only(call, values), trace=trace))
    missing = [keys[place][1] for place, record in enumerate(found) if record is None]
    if missing:
        errors.append(some_not_found(NAMES[call.kind], missing))
    return envelope(call, results, errors, 200)


def only(call, values: dict):
    return set(values) if call.portal.settings["returns_changed_only"] else None


def upsert(call) -> Answer:
    scope(call, write=True)
    inputs = inputs_of(call)
    keys = keyed(call, inputs, "update/upsert")
    found = [call.records.find(by, key) for by, key in keys]
    refuse_twice(found)
    claimed = set()

    def plan(place, source):
        by, key = keys[place]
        record = found[place]
        if record is not None:
            values = plan_update(call, record, source, claimed)
            if by == "email" and call.portal.settings["partial_upsert_by_email"] == "clears":
                values = {**{name: "" for name in record.values if name not in ("email", "lifecyclestage")}, **values}
            return record, values, []
        properties = source.get("properties")
        if not isinstance(properties, dict):
            raise bad_input("Some required fields were not set: [properties]")
        values, links = plan_create(call, {**source, "properties": {**properties, by: str(source["id"])}}, claimed)
        return None, values, links

    plans, errors = checked(call, inputs, traced(call, inputs, "upsert"), plan)
    results = []
    for place, (record, values, links) in plans:
        trace = trace_of(inputs[place])
        if keys[place][0] == "email":
            call.personality.discourage("upsert_by_email", call)
        if record is None:
            results.append(shown(call, do_create(call, values, links, trace), trace=trace, new=True))
        else:
            do_update(call, record, values, trace)
            results.append(shown(call, record, only=only(call, values), trace=trace, new=False))
    return envelope(call, results, errors, 200)


def read(call) -> Answer:
    scope(call, write=False)
    inputs = inputs_of(call)
    body = call.object()
    by = text_of_name(body.get("idProperty"), "idProperty")
    if by is not None:
        unique_property(call, by, "read")
    names = list(names_of(body.get("properties"), "properties") or DEFAULTS[call.kind])
    if by is not None and by not in names:
        names.append(by)
    results, missing, seen = [], [], set()
    for source in inputs:
        key = id_of(source, "id")
        record = call.records.find(by, key) if by is not None else call.records.get(key)
        if record is None:
            missing.append(key)
        elif record.id not in seen:
            seen.add(record.id)
            results.append(shown(call, record, names=names))
    return envelope(call, results, [some_not_found(NAMES[call.kind], missing)] if missing else [], 200)


def archive(call) -> Answer:
    """204 without a body, unknown ids or not."""
    scope(call, write=True)
    for identity in [id_of(source, "id") for source in inputs_of(call)]:
        archive_record(call, call.records.get(identity))
    return Answer(204, None)
