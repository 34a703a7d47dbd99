"""Accounts ("portals"), their settings, tokens and rate meters.

Sources: pages "usage guidelines" and changelog "Increasing our API limits" (burst and daily limits by tier), "CRM
search" (five a second for each account), account information API, OAuth token API.
"""

import random
from dataclasses import dataclass, field

from simulator.meters import DailyBudget, RollingWindow

from .properties import Schema
from .records import Records

BURST = {"free": 100, "professional": 190, "enterprise": 190, "addon": 250}
DAILY = {"free": 250_000, "professional": 650_000, "enterprise": 1_000_000, "addon": 2_000_000}
ASSOCIATION_BURST = {"free": 100, "professional": 150, "enterprise": 150, "addon": 150}
ASSOCIATION_DAILY = 500_000
OAUTH_BURST = 110
TYPES = ("contacts", "companies", "deals")

SETTINGS = {
    "tier": "professional",
    "burst": None,
    "daily": None,
    "search_per_second": 5,
    "search_lag_ms": 2000,
    "search_body_max": 3000,
    "shuffle": True,
    "multi_status": ["create", "upsert"],
    "echo_trace_id": True,
    "partial_upsert_by_email": "keeps",
    "rate_limit_body": "policy",
    "returns_changed_only": True,
    "utc_offset_ms": -18_000_000,
    "time_zone": "US/Eastern",
    "currency": "USD",
    "first_id": None,
}
"""Every knob of an account with its default. The README says which are facts and which are open doubts."""


@dataclass
class Token:
    """One bearer token. `scopes` None means every scope; `expires_at` None means never (a service key)."""

    value: str
    portal: int
    kind: str = "private"
    scopes: list = None
    expires_at: int = None
    revoked: bool = False
    app: int = 4242
    burst: RollingWindow = None
    association_burst: RollingWindow = None

    def allows(self, *scopes) -> bool:
        return self.scopes is None or any(scope in self.scopes for scope in scopes)


@dataclass
class Portal:
    """One account with everything in it."""

    id: int
    seed: int
    settings: dict = field(default_factory=dict)

    def __post_init__(self):
        unknown = sorted(set(self.settings) - set(SETTINGS))
        if unknown:
            raise ValueError(f"unknown setting {unknown[0]}")
        self.settings = {**SETTINGS, **self.settings}
        self.random = random.Random(f"{self.seed}/{self.id}")
        self.schema = Schema()
        self.labels = {}
        self.clear()
        self.new_meters()

    def clear(self):
        """Forgets every record and link; properties, tokens and meters stay."""
        first = self.settings["first_id"] or 171_000_000_000 + self.random.randrange(1_000_000_000)
        self.records = {name: Records(name, self.schema, first, self.random, self.settings) for name in TYPES}
        self.links = {}

    def new_meters(self):
        tier = self.settings["tier"]
        self.daily = DailyBudget(self.settings["daily"] or DAILY[tier], self.settings["utc_offset_ms"])
        self.association_daily = DailyBudget(ASSOCIATION_DAILY, self.settings["utc_offset_ms"])
        self.search = RollingWindow(self.settings["search_per_second"], 1000)

    def meters(self) -> dict:
        return {"daily": self.daily, "association_daily": self.association_daily, "search": self.search}


class Portals:
    """All accounts and tokens, and the OAuth applications that make tokens."""

    def __init__(self, seed: int):
        self.seed = seed
        self.portals = {}
        self.tokens = {}
        self.refresh_tokens = {}
        self.clients = {}

    def add(self, source: dict):
        """Takes one account of a plan file: id, tokens (strings or objects), settings, properties, oauth."""
        portal = Portal(int(source["id"]), self.seed, dict(source.get("settings", {})))
        self.portals[portal.id] = portal
        for token in source.get("tokens", []):
            members = {"value": token} if isinstance(token, str) else dict(token)
            self.add_token(Token(portal=portal.id, **members))
        for name, definitions in source.get("properties", {}).items():
            for definition in definitions:
                portal.schema.define(name, definition)
        for grant in source.get("oauth", []):
            self.clients[grant["client_id"]] = grant["client_secret"]
            self.refresh_tokens[grant["refresh_token"]] = {**grant, "portal": portal.id}
        return portal

    def add_token(self, token: Token):
        """A private token gets its own window; the tokens of one OAuth application share one for each account."""
        settings = self.portals[token.portal].settings
        limit = settings["burst"] or (OAUTH_BURST if token.kind == "oauth" else BURST[settings["tier"]])
        peers = [other for other in self.tokens.values()
                 if token.kind == "oauth" and other.kind == "oauth" and (other.portal, other.app) == (token.portal, token.app)]
        token.burst = peers[0].burst if peers else RollingWindow(limit, 10_000)
        token.association_burst = (
            peers[0].association_burst if peers else RollingWindow(ASSOCIATION_BURST[settings["tier"]], 10_000))
        self.tokens[token.value] = token

    def change(self, portal: Portal, settings: dict):
        """New settings for a running account; meters start anew when their limits changed. Raises ValueError."""
        unknown = sorted(set(settings) - set(SETTINGS))
        if unknown:
            raise ValueError(f"unknown setting {unknown[0]}")
        portal.settings.update(settings)
        if {"tier", "burst", "daily", "search_per_second", "utc_offset_ms"} & set(settings):
            portal.new_meters()
            for token in [token for token in self.tokens.values() if token.portal == portal.id]:
                del self.tokens[token.value]
                self.add_token(token)
