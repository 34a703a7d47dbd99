"""The way of one request: route, token, account, rate meters; then its handler."""

import json
import random
from collections import Counter
from email.utils import formatdate

from simulator.exchange import Answer

from .answers import BROKEN, VendorError, bad_input, correlation, not_found, rate_limited
from .portals import Portals
from .properties import kind_of
from .routes import OPEN, route

DATES = ["2026-03", "2026-09"]
DEFAULT_PORTALS = [
    {"id": 1001, "tokens": ["pat-na1-portal-one"]},
    {"id": 1002, "tokens": ["pat-na1-portal-two"]},
]


class Call:
    """One admitted request. `refusal` is the answer if it was turned away before its handler."""

    def __init__(self, personality, request):
        self.personality = personality
        self.request = request
        self.facts = {"request": correlation(), "op": None, "object": None, "portal": None}
        self.refusal = None
        self.handler = None
        self.portal = self.token = self.kind = self.to_kind = self.commit = None
        self.names, self.rate_headers = {}, {}
        self._value = None

    @property
    def now(self) -> int:
        return self.personality.clock.now()

    @property
    def records(self):
        return self.portal.records[self.kind]

    def value(self):
        """The body as JSON. Raises VendorError."""
        if self._value is None:
            if "json" not in self.request.headers.get("content-type", ""):
                raise VendorError(415, "HTTP 415 Unsupported Media Type")
            try:
                self._value = json.loads(self.request.body)
            except ValueError as error:
                raise bad_input(str(error)) from None
        return self._value

    def object(self) -> dict:
        value = self.value()
        if not isinstance(value, dict):
            raise bad_input("Cannot deserialize value")
        return value


class Personality:
    """HubSpot for `simulator.server`: `admit`, `perform` and `broken`."""

    def __init__(self, clock, plan: dict):
        seed = int(plan.get("seed", 1))
        self.clock = clock
        self.chance = random.Random(f"{seed}/faults").random
        self.dates = plan.get("dates", DATES)
        self.portals = Portals(seed)
        self.discouraged = Counter()
        for source in plan.get("portals", DEFAULT_PORTALS):
            self.add_portal(source)

    def add_portal(self, source: dict):
        portal = self.portals.add(source)
        for label in source.get("labels", []):
            pair = (kind_of(label["from"]), kind_of(label["to"]))
            for way in (pair, pair[::-1]):
                portal.labels.setdefault(way, {})[("USER_DEFINED", int(label["type_id"]))] = label["label"]
        return portal

    def discourage(self, habit: str, call):
        """Counts what the vendor advises against, for the control port."""
        self.discouraged[f"{call.portal.id}/{habit}"] += 1

    def valid(self, token, now: int) -> bool:
        return not token.revoked and (token.expires_at is None or now < token.expires_at)

    def admit(self, request) -> Call:
        call = Call(self, request)
        try:
            self._route(call)
            if call.facts["op"] not in OPEN:
                self._authenticate(call)
                self._meter(call)
        except VendorError as error:
            call.refusal = self._finished(call, error.answer(call.facts["request"]))
        return call

    def _route(self, call):
        found = route(call.request.method, call.request.segments, self.dates)
        if isinstance(found, set):
            raise VendorError(405, "HTTP 405 Method Not Allowed") if found else not_found()
        call.facts["op"], call.handler, call.names = found
        if "kind" in call.names:
            call.kind = call.facts["object"] = kind_of(call.names["kind"])
        if "to" in call.names:
            call.to_kind = kind_of(call.names["to"])
            if call.to_kind == call.kind:
                raise VendorError(400, "associations between two records of one type are not simulated")
        if call.request.body and call.facts["op"] not in OPEN:
            try:
                inputs = call.value().get("inputs")
                call.facts["inputs"] = len(inputs) if isinstance(inputs, list) else None
            except (VendorError, AttributeError):
                pass

    def _authenticate(self, call):
        scheme, _, value = call.request.headers.get("authorization", "").partition(" ")
        token = self.portals.tokens.get(value.strip()) if scheme.lower() == "bearer" else None
        if token is None or token.revoked:
            raise VendorError(401, "Authentication credentials not found. This API supports OAuth 2.0 authentication "
                                   "and you can find more details at https://developers.hubspot.com/docs/methods/auth/"
                                   "oauth-overview", "INVALID_AUTHENTICATION")
        if not self.valid(token, call.now):
            seconds = (call.now - token.expires_at) // 1000
            raise VendorError(401, f"The OAuth token used to make this call expired {seconds} second(s) ago.",
                              "EXPIRED_AUTHENTICATION", context={"expire time": [str(token.expires_at)]})
        call.token, call.portal = token, self.portals.portals[token.portal]
        call.facts["portal"] = call.portal.id

    def _meter(self, call):
        """Counts the call against every window that it belongs to, or raises the 429 of the first full one."""
        portal, token, now = call.portal, call.token, call.now
        op = call.facts["op"]
        windows = [("DAILY", portal.daily)] if token.kind == "private" else []
        if op == "search":
            windows.append(("SECONDLY", portal.search))
        else:
            windows.append(("TEN_SECONDLY_ROLLING", token.burst))
        if op.startswith("associations."):
            windows += [("DAILY", portal.association_daily), ("TEN_SECONDLY_ROLLING", token.association_burst)]
        full = next(((policy, window) for policy, window in windows if window.full(now)), None)
        if full is None:
            for _, window in windows:
                window.count(now)
        if op != "search":
            call.rate_headers = {
                "X-HubSpot-RateLimit-Max": str(token.burst.limit),
                "X-HubSpot-RateLimit-Remaining": str(max(0, token.burst.limit - token.burst.used(now))),
                "X-HubSpot-RateLimit-Interval-Milliseconds": str(token.burst.span_ms)}
            if token.kind == "private":
                call.rate_headers["X-HubSpot-RateLimit-Daily"] = str(portal.daily.limit)
                call.rate_headers["X-HubSpot-RateLimit-Daily-Remaining"] = str(
                    max(0, portal.daily.limit - portal.daily.used(now)))
        if full is not None:
            full[1].refused += 1
            raise rate_limited(full[0], portal.settings["rate_limit_body"])

    def perform(self, call, commit) -> Answer:
        call.commit = commit
        try:
            return self._finished(call, call.handler(call))
        except VendorError as error:
            return self._finished(call, error.answer(call.facts["request"]))

    def broken(self, call, rule) -> Answer:
        """The vendor's envelope for a fault's own status (500 unless the rule says otherwise)."""
        rule = rule if rule is not None else {}
        status = int(rule.get("status", 500))
        body = rule.get("body")
        if body is not None:
            answer = Answer(status, body.encode() if isinstance(body, str) else body)
        elif status == 429:
            policy = rule.get("policy", "TEN_SECONDLY_ROLLING")
            answer = rate_limited(policy, "policy").answer(call.facts["request"])
        else:
            text, category = BROKEN.get(status, ("The request failed", None))
            answer = VendorError(status, text, category).answer(call.facts["request"])
        if status == 477:
            answer.headers["Retry-After"] = "3600"
        answer.headers.update(rule.get("headers", {}))
        return self._finished(call, answer)

    def _finished(self, call, answer: Answer) -> Answer:
        date = formatdate(self.clock.now() / 1000, usegmt=True)
        answer.headers = {"Date": date, "X-HubSpot-Correlation-Id": call.facts["request"], **call.rate_headers, **answer.headers}
        return answer
