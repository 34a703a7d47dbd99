"""Search, with its limits and its lag.

Source: page "CRM search" (search-the-crm): five groups of six filters, 18 in all; 200 results a page, 10,000 in all; a
body of at most 3,000 characters; one sort; archived records never; new and changed ones after a few moments; `IN` and
`NOT_IN` want string values in lower case; phone numbers through `hs_searchable_calculated_*` without country code.
"""

import re
from datetime import datetime

from simulator.exchange import Answer

from .answers import VendorError, bad_input, whole_number
from .objects import DEFAULTS, scope
from .writing import shown

OPERATORS = ("EQ", "NEQ", "LT", "LTE", "GT", "GTE", "BETWEEN", "IN", "NOT_IN", "HAS_PROPERTY", "NOT_HAS_PROPERTY",
             "CONTAINS_TOKEN", "NOT_CONTAINS_TOKEN")
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
    groups = body.get("filterGroups") or []
    if body.get("filters"):
        groups = groups + [{"filters": body["filters"]}]
    if not isinstance(groups, list) or not all(isinstance(group, dict) for group in groups):
        raise bad_input("filterGroups")
    filters = [group.get("filters") or [] for group in groups]
    if len(groups) > 5 or any(len(group) > 6 for group in filters) or sum(map(len, filters)) > 18:
        raise refused("There was a problem with the request: too many filter groups or filters "
                      "(at most 5 groups, 6 filters in a group, 18 in all).")
    for entry in [entry for group in filters for entry in group]:
        name, operator = entry.get("propertyName"), entry.get("operator")
        if call.portal.schema.get(call.kind, name) is None:
            raise refused(f"There was a problem with the request: property {name} does not exist.")
        if operator not in OPERATORS:
            raise bad_input("operator")
        if operator in ("IN", "NOT_IN") and not 1 <= len(entry.get("values") or []) <= 100:
            raise refused("There was a problem with the request: IN needs from 1 to 100 values.")
        if operator == "BETWEEN" and not ("value" in entry and "highValue" in entry):
            raise refused("There was a problem with the request: BETWEEN needs value and highValue.")
        if operator in ("EQ", "NEQ", "LT", "LTE", "GT", "GTE", "CONTAINS_TOKEN", "NOT_CONTAINS_TOKEN") \
                and not isinstance(entry.get("value"), (str, int, float)):
            raise refused(f"There was a problem with the request: {operator} needs a value.")
    return filters


def size(entry, text: str):
    """A value as it compares by size: a number, a time in milliseconds, or text."""
    if entry.kind == "number":
        return float(text)
    if entry.kind in ("date", "datetime") and not re.fullmatch(r"-?\d+", text):
        return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000
    return float(text) if entry.kind in ("date", "datetime") else text.lower()


def matches(entry, filter_: dict, value) -> bool:
    operator = filter_["operator"]
    if operator == "HAS_PROPERTY":
        return bool(value)
    if operator == "NOT_HAS_PROPERTY":
        return not value
    if operator.startswith("NOT_") or operator == "NEQ":
        positive = {"NEQ": "EQ", "NOT_IN": "IN", "NOT_CONTAINS_TOKEN": "CONTAINS_TOKEN"}[operator]
        return not matches(entry, {**filter_, "operator": positive}, value)
    if not value:
        return False
    exact = entry.kind == "enumeration"
    if operator == "IN":
        stored = value if exact else value.lower()
        return stored in [str(item) for item in filter_["values"]]
    wanted = str(filter_.get("value"))
    if operator == "EQ":
        if entry.kind in ("number", "date", "datetime"):
            return size(entry, value) == size(entry, wanted)
        return value == wanted if exact else value.lower() == wanted.lower()
    if operator == "CONTAINS_TOKEN":
        tokens = re.findall(r"\w+", value.lower())
        pattern = re.escape(wanted.lower()).replace(r"\*", r".*")
        return any(re.fullmatch(pattern, token) for token in tokens) or value.lower() == wanted.lower()
    left, right = size(entry, value), size(entry, wanted)
    if operator == "BETWEEN":
        return right <= left <= size(entry, str(filter_["highValue"]))
    return {"LT": left < right, "LTE": left <= right, "GT": left > right, "GTE": left >= right}[operator]


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
    if len(sorts) > 1:
        raise refused("There was a problem with the request: only one sort is supported.")
    if not sorts:
        return found
    rule = sorts[0]
    if isinstance(rule, str):
        rule = {"propertyName": rule.lstrip("-"), "direction": "DESCENDING" if rule.startswith("-") else "ASCENDING"}
    entry = call.portal.schema.get(call.kind, rule.get("propertyName"))
    if entry is None:
        raise refused(f"There was a problem with the request: property {rule.get('propertyName')} does not exist.")

    def place(pair):
        value = pair[1].get(entry.name)
        return (0, size(entry, value)) if value else (1, "")

    return sorted(found, key=place, reverse=rule.get("direction") == "DESCENDING")


def search(call) -> Answer:
    scope(call, write=False)
    body = call.object()
    if len(call.request.body.decode("utf-8", "replace")) > call.portal.settings["search_body_max"]:
        raise refused("There was a problem with the request: the body has more than "
                      f"{call.portal.settings['search_body_max']} characters.")
    filters = groups_of(call, body)
    limit, after = page_of(body)
    words = str(body.get("query") or "").lower().split()
    found = []
    for record, values in call.records.as_search_sees(call.now):
        texts = [values[name].lower() for name in SEARCHED[call.kind] if values.get(name)]
        if words and not all(any(word in text for text in texts) for word in words):
            continue
        if filters and not any(all(matches(call.portal.schema.get(call.kind, entry["propertyName"]), entry,
                                           values.get(entry["propertyName"])) for entry in group)
                               for group in filters):
            continue
        found.append((record, values))
    found = sorted_by(call, body, found)
    names = [str(name) for name in body.get("properties") or []] or DEFAULTS[call.kind]
    results = []
    for record, values in found[after:after + limit]:
        result = shown(call, record, names=names)
        result["properties"] = {name: values.get(name) for name in result["properties"]}
        results.append(result)
    answer = {"total": len(found), "results": results}
    if after + limit < len(found):
        answer["paging"] = {"next": {"after": str(after + limit)}}
    return Answer(200, answer)
