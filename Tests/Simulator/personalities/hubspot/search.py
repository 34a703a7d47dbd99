"""Search, with its limits and its lag.

Source: page "CRM search" (search-the-crm): five groups of six filters, 18 in all; 200 results a page, 10,000 in all; a
body of at most 3,000 characters; one sort; archived records never; new and changed ones after a few moments; `IN` and
`NOT_IN` want string values in lower case; phone numbers through `hs_searchable_calculated_*` without country code.
"""

import operator
import re
from datetime import datetime

from simulator.exchange import Answer

from .answers import VendorError, bad_input, names_of, objects_of, text_of_name, whole_number
from .objects import DEFAULTS, scope
from .writing import shown

OPERATORS = ("EQ", "NEQ", "LT", "LTE", "GT", "GTE", "BETWEEN", "IN", "NOT_IN", "HAS_PROPERTY", "NOT_HAS_PROPERTY",
             "CONTAINS_TOKEN", "NOT_CONTAINS_TOKEN")
OPPOSITES = {"NEQ": "EQ", "NOT_IN": "IN", "NOT_CONTAINS_TOKEN": "CONTAINS_TOKEN"}
COMPARISONS = {"EQ": operator.eq, "LT": operator.lt, "LTE": operator.le, "GT": operator.gt, "GTE": operator.ge}
WANTED = {"BETWEEN": ("value", "highValue"), **{name: ("value",) for name in (
    "EQ", "NEQ", "LT", "LTE", "GT", "GTE", "CONTAINS_TOKEN", "NOT_CONTAINS_TOKEN")}}
SEARCHED = {
    "contacts": "firstname lastname email phone hs_additional_emails fax mobilephone company".split(),
    "companies": "website phone name domain".split(),
    "deals": "dealname pipeline dealstage description dealtype".split(),
}
MAX_TOTAL = 10_000


def refused(message: str) -> VendorError:
    return VendorError(400, message, "VALIDATION_ERROR")


def groups_of(call, body: dict) -> list:
    """The filter groups, checked. Raises VendorError."""
    groups = objects_of(body.get("filterGroups"), "filterGroups")
    if body.get("filters") is not None:
        groups = [*groups, {"filters": body["filters"]}]
    filters = [objects_of(group.get("filters"), "filters") for group in groups]
    if len(groups) > 5 or any(len(group) > 6 for group in filters) or sum(map(len, filters)) > 18:
        raise refused("There was a problem with the request: too many filter groups or filters "
                      "(at most 5 groups, 6 filters in a group, 18 in all).")
    for entry in [entry for group in filters for entry in group]:
        name, verb = (text_of_name(entry.get(member), member) for member in ("propertyName", "operator"))
        known = call.portal.schema.get(call.kind, name)
        if known is None:
            raise refused(f"There was a problem with the request: property {name} does not exist.")
        if verb not in OPERATORS:
            raise bad_input("operator")
        if verb in ("IN", "NOT_IN") and not 1 <= len(names_of(entry.get("values"), "values")) <= 100:
            raise refused("There was a problem with the request: IN needs from 1 to 100 values.")
        for member in WANTED.get(verb, ()):
            if not comparable(known, entry.get(member)):
                raise refused(f"There was a problem with the request: {verb} needs a {member} that fits {name}.")
    return filters


def comparable(entry, value) -> bool:
    """Whether a filter may have `value` for this property."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return False
    try:
        size(entry, str(value))
    except ValueError:
        return False
    return True


def size(entry, text: str):
    """A value as it compares by size: a number, a time in milliseconds, or text."""
    if entry.kind == "number":
        return float(text)
    if entry.kind in ("date", "datetime") and not re.fullmatch(r"-?\d+", text):
        return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000
    return int(text) if entry.kind in ("date", "datetime") else text.lower()


def test_of(entry, filter_: dict):
    """A filter as a function of a value (None when unset), with everything that does not hang on the record done once."""
    name = filter_["operator"]
    if name == "HAS_PROPERTY":
        return bool
    if name == "NOT_HAS_PROPERTY":
        return lambda value: not value
    if name in OPPOSITES:
        positive = test_of(entry, {**filter_, "operator": OPPOSITES[name]})
        return lambda value: not positive(value)
    exact = entry.kind == "enumeration"
    if name == "IN":
        wanted = {str(item) for item in filter_["values"]}
        return lambda value: bool(value) and (value if exact else value.lower()) in wanted
    text = str(filter_["value"])
    if name == "CONTAINS_TOKEN":
        whole, pattern = text.lower(), re.compile(re.escape(text.lower()).replace(r"\*", ".*"))
        return lambda value: bool(value) and (value.lower() == whole or any(
            pattern.fullmatch(token) for token in re.findall(r"\w+", value.lower())))
    if name == "EQ" and exact:
        return lambda value: value == text
    right = size(entry, text)
    if name == "BETWEEN":
        high = size(entry, str(filter_["highValue"]))
        return lambda value: bool(value) and right <= size(entry, value) <= high
    compare = COMPARISONS[name]
    return lambda value: bool(value) and compare(size(entry, value), right)


def page_of(body: dict):
    """(limit, after). Raises VendorError."""
    limit, after = whole_number(body.get("limit") or 10), whole_number(body.get("after") or 0)
    if not 1 <= limit <= 200:
        raise refused("There was a problem with the request: limit must be from 1 to 200.")
    if after + limit > MAX_TOTAL:
        raise refused(f"There was a problem with the request: paging is limited to {MAX_TOTAL} results.")
    return limit, after


def sorted_by(call, body: dict, found: list) -> list:
    sorts = body.get("sorts") or []
    if not isinstance(sorts, list) or not all(isinstance(sort, (str, dict)) for sort in sorts):
        raise bad_input("sorts")
    if len(sorts) > 1:
        raise refused("There was a problem with the request: only one sort is supported.")
    if not sorts:
        return found
    rule = sorts[0]
    if isinstance(rule, str):
        rule = {"propertyName": rule.lstrip("-"), "direction": "DESCENDING" if rule.startswith("-") else "ASCENDING"}
    entry = call.portal.schema.get(call.kind, text_of_name(rule.get("propertyName"), "propertyName"))
    if entry is None:
        raise refused(f"There was a problem with the request: property {rule.get('propertyName')} does not exist.")

    def place(pair):
        value = pair[1].get(entry.name)
        return (0, size(entry, value)) if value else (1, "")

    return sorted(found, key=place, reverse=rule.get("direction") == "DESCENDING")


def has_words(kind: str, values: dict, words: list) -> bool:
    """Whether each word of a query is in one of the values that a query looks at."""
    texts = [values[name].lower() for name in SEARCHED[kind] if values.get(name)]
    return all(any(word in text for text in texts) for word in words)


def search(call) -> Answer:
    scope(call, write=False)
    body = call.object()
    if len(call.request.body.decode("utf-8", "replace")) > call.portal.settings["search_body_max"]:
        raise refused("There was a problem with the request: the body has more than "
                      f"{call.portal.settings['search_body_max']} characters.")
    filters = groups_of(call, body)
    limit, after = page_of(body)
    words = (text_of_name(body.get("query"), "query") or "").lower().split()
    tests = [[(entry["propertyName"], test_of(call.portal.schema.get(call.kind, entry["propertyName"]), entry))
              for entry in group] for group in filters]
    found = []
    for record, values in call.records.as_search_sees(call.now):
        if tests and not any(all(test(values.get(name)) for name, test in group) for group in tests):
            continue
        if words and not has_words(call.kind, values, words):
            continue
        found.append((record, values))
    found = sorted_by(call, body, found)
    names = names_of(body.get("properties"), "properties") or DEFAULTS[call.kind]
    results = []
    for record, values in found[after:after + limit]:
        result = shown(call, record, names=names)
        result["properties"] = {name: values.get(name) for name in result["properties"]}
        results.append(result)
    answer = {"total": len(found), "results": results}
    if after + limit < len(found):
        answer["paging"] = {"next": {"after": str(after + limit)}}
    return Answer(200, answer)
