"""Which path is which operation, in the older numbered and the newer dated generation of the API.

Source: providers.md 1.1 (objects put the date after `objects/`, associations after `associations/`), rollouts of the
vendor's public specification collection.
"""

import re

from . import accounts, associations, batches, objects, properties, search

DATE = re.compile(r"^20\d\d-(03|09)$")


def both(older: str, newer: str, method: str, rest: str, op: str, handler) -> list:
    return [(method, f"{older}/{rest}".rstrip("/"), op, handler), (method, f"{newer}/{rest}".rstrip("/"), op, handler)]


def objects_at(method, rest, op, handler):
    return both("crm/v3/objects", "crm/objects/{date}", method, rest, op, handler)


def links_at(method, rest, op, handler):
    return both("crm/v4/associations", "crm/associations/{date}", method, rest, op, handler)


def ends_at(method, rest, op, handler):
    return both("crm/v4/objects", "crm/objects/{date}", method, rest, op, handler)


def fields_at(method, rest, op, handler):
    return both("crm/v3/properties", "crm/properties/{date}", method, rest, op, handler)


OPEN = ("oauth.token", "oauth.introspect", "oauth.access_token", "oauth.refresh_token", "oauth.private_info")
"""Operations that are asked without a bearer token."""

TABLE = [
    *objects_at("POST", "{kind}/batch/create", "batch.create", batches.create),
    *objects_at("POST", "{kind}/batch/update", "batch.update", batches.update),
    *objects_at("POST", "{kind}/batch/upsert", "batch.upsert", batches.upsert),
    *objects_at("POST", "{kind}/batch/read", "batch.read", batches.read),
    *objects_at("POST", "{kind}/batch/archive", "batch.archive", batches.archive),
    *objects_at("POST", "{kind}/search", "search", search.search),
    *objects_at("POST", "{kind}", "objects.create", objects.create),
    *objects_at("GET", "{kind}", "objects.list", objects.listed),
    *objects_at("GET", "{kind}/{id}", "objects.read", objects.read),
    *objects_at("PATCH", "{kind}/{id}", "objects.update", objects.update),
    *objects_at("DELETE", "{kind}/{id}", "objects.archive", objects.archive),
    *ends_at("PUT", "{kind}/{id}/associations/default/{to}/{to_id}", "associations.default", associations.default_one),
    *ends_at("PUT", "{kind}/{id}/associations/{to}/{to_id}", "associations.create", associations.labelled_one),
    *ends_at("DELETE", "{kind}/{id}/associations/{to}/{to_id}", "associations.archive", associations.archive_one),
    *ends_at("GET", "{kind}/{id}/associations/{to}", "associations.read", associations.read_one),
    *links_at("POST", "{kind}/{to}/batch/associate/default", "associations.batch_default", associations.default_batch),
    *links_at("POST", "{kind}/{to}/batch/create", "associations.batch_create", associations.labelled_batch),
    *links_at("POST", "{kind}/{to}/batch/read", "associations.batch_read", associations.read_batch),
    *links_at("POST", "{kind}/{to}/batch/archive", "associations.batch_archive", associations.archive_batch),
    *links_at("GET", "{kind}/{to}/labels", "associations.labels", associations.list_labels),
    *fields_at("GET", "{kind}", "properties.list", properties.list_all),
    *fields_at("POST", "{kind}", "properties.create", properties.create_one),
    *fields_at("GET", "{kind}/groups", "properties.groups", properties.list_groups),
    *fields_at("GET", "{kind}/{property}", "properties.read", properties.read_one),
    *fields_at("DELETE", "{kind}/{property}", "properties.archive", properties.archive_one),
    *both("account-info/v3", "account-info/{date}", "GET", "details", "account.details", accounts.details),
    *both("account-info/v3", "account-info/{date}", "GET", "api-usage/daily/private-apps", "account.daily",
          accounts.daily_use),
    ("GET", "integrations/v1/me", "account.me", accounts.me),
    ("POST", "oauth/v1/token", "oauth.token", accounts.token),
    *both("oauth/v3", "oauth/{date}", "POST", "token", "oauth.token", accounts.token),
    *both("oauth/v3", "oauth/{date}", "POST", "token/introspect", "oauth.introspect", accounts.introspect),
    ("GET", "oauth/v1/access-tokens/{token}", "oauth.access_token", accounts.access_token),
    ("GET", "oauth/v1/refresh-tokens/{token}", "oauth.refresh_token", accounts.refresh_token),
    ("POST", "oauth/v2/private-apps/get/access-token-info", "oauth.private_info", accounts.private_info),
]
ROUTES = [(method, pattern.split("/"), op, handler) for method, pattern, op, handler in TABLE]


def fits(pattern: list, segments: list, dates: list):
    """The names of the pattern with their values, or None."""
    if len(pattern) != len(segments):
        return None
    names = {}
    for wanted, given in zip(pattern, segments):
        if not wanted.startswith("{"):
            if wanted != given:
                return None
        elif wanted == "{date}":
            if not DATE.match(given) or given not in dates:
                return None
        else:
            names[wanted[1:-1]] = given
    return names


def route(method: str, segments: list, dates: list):
    """(op, handler, names), or the methods that the path knows when the method is not one of them."""
    methods = set()
    for known, pattern, op, handler in ROUTES:
        names = fits(pattern, segments, dates)
        if names is None:
            continue
        if known == method:
            return op, handler, names
        methods.add(known)
    return methods
