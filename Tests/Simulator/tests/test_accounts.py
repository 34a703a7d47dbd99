"""Tokens, scopes, account information, rate meters."""

import unittest
from urllib.parse import urlencode

from stage import DATED, StageTest

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class AccountTests(StageTest):
    def test_without_a_token_nothing_is_answered(self):
        for token in ("nonsense", ""):
            reply = self.call("GET", f"{DATED}/contacts", token=token, headers={} if token else {"Authorization": ""})
            self.assertEqual((reply.status, reply.json["category"]), (401, "INVALID_AUTHENTICATION"))
            self.assertEqual(reply.json["correlationId"], reply.headers["x-hubspot-correlation-id"])

    def test_accounts_do_not_see_each_other(self):
        other = {"id": self.portal + 100_000, "tokens": ["pat-other"]}
        self.simulator.control("POST", "/portals", other)
        identity = self.create("contacts", email="a@example.com")
        self.assertEqual(self.call("GET", f"{DATED}/contacts/{identity}", token="pat-other").status, 404)
        reply = self.call("POST", f"{DATED}/contacts", {"properties": {"email": "a@example.com"}}, token="pat-other")
        self.assertEqual(reply.status, 201)

    def test_scopes(self):
        self.simulator.control("POST", "/portals", {"id": self.portal + 100_000, "tokens": [
            {"value": "pat-narrow", "scopes": ["crm.objects.contacts.read", "crm.objects.contacts.write"]}]})
        self.assertEqual(self.call("GET", f"{DATED}/contacts", token="pat-narrow").status, 200)
        for method, path, body in (
                ("GET", f"{DATED}/companies", None), ("GET", f"{DATED}/contacts/1/associations/companies", None),
                ("POST", "/crm/v3/properties/contacts", {})):
            reply = self.call(method, path, body, token="pat-narrow")
            self.assertEqual((reply.status, reply.json["category"]), (403, "MISSING_SCOPES"), path)

    def test_a_revoked_token(self):
        self.simulator.control("POST", "/tokens", {"value": self.token, "revoked": True})
        self.assertEqual(self.call("GET", f"{DATED}/contacts").status, 401)

    def test_account_details(self):
        for path in ("/account-info/v3/details", "/account-info/2026-09/details", "/integrations/v1/me"):
            self.assertEqual(self.call("GET", path).json["portalId"], self.portal)
        use = self.call("GET", "/account-info/2026-09/api-usage/daily/private-apps").json["results"][0]
        self.assertEqual((use["usageLimit"], use["currentUsage"]), (650_000, 4))

    def test_oauth(self):
        portal = self.portal + 100_000
        self.simulator.control("POST", "/portals", {"id": portal, "tokens": [], "oauth": [
            {"client_id": f"c{portal}", "client_secret": "s", "refresh_token": f"r{portal}", "life_s": 1800},
            {"client_id": f"c{portal}", "client_secret": "s", "refresh_token": f"once{portal}", "rotates": True}]})

        def form(path, **members):
            members = {"client_id": f"c{portal}", "client_secret": "s", **members}
            return self.call("POST", path, urlencode(members).encode(), headers=FORM)

        reply = form("/oauth/2026-09/token", grant_type="refresh_token", refresh_token=f"r{portal}")
        self.assertEqual((reply.status, reply.json["expires_in"], reply.json["hub_id"]), (200, 1800, portal))
        self.assertEqual(reply.json["refresh_token"], f"r{portal}")
        access = reply.json["access_token"]
        page = self.call("GET", f"{DATED}/contacts", token=access)
        self.assertEqual((page.status, page.headers["x-hubspot-ratelimit-max"]), (200, "110"))
        self.assertNotIn("x-hubspot-ratelimit-daily", page.headers)
        known = form("/oauth/2026-09/token/introspect", token=access, token_type_hint="access_token")
        self.assertEqual((known.json["active"], known.json["hub_id"]), (True, portal))
        self.assertEqual(self.call("GET", f"/oauth/v1/access-tokens/{access}").json["hub_id"], portal)
        self.simulator.control("POST", "/clock", {"advance_ms": 1_801_000})
        late = self.call("GET", f"{DATED}/contacts", token=access)
        self.assertEqual((late.status, late.json["category"]), (401, "EXPIRED_AUTHENTICATION"))
        self.assertEqual(form("/oauth/v3/token/introspect", token=access).json, {"active": False})
        turned = form("/oauth/v1/token", grant_type="refresh_token", refresh_token=f"once{portal}").json["refresh_token"]
        self.assertNotEqual(turned, f"once{portal}")
        again = form("/oauth/v1/token", grant_type="refresh_token", refresh_token=f"once{portal}")
        self.assertEqual((again.status, again.json["category"]), (400, "BAD_REFRESH_TOKEN"))
        self.assertEqual(form("/oauth/v1/token", grant_type="refresh_token", client_secret="x").status, 400)

    def test_what_a_private_token_is_for(self):
        path = "/oauth/v2/private-apps/get/access-token-info"
        self.assertEqual(self.call("POST", path, {"tokenKey": self.token}).json["hubId"], self.portal)
        self.assertEqual(self.call("POST", path, {"tokenKey": "x"}).status, 404)


class MeterTests(StageTest):
    def test_the_ten_second_window_rolls(self):
        self.set(burst=3)
        replies = [self.call("GET", f"{DATED}/contacts") for _ in range(4)]
        self.assertEqual([reply.status for reply in replies], [200, 200, 200, 429])
        self.assertEqual([reply.headers["x-hubspot-ratelimit-remaining"] for reply in replies], ["2", "1", "0", "0"])
        self.assertEqual((replies[0].headers["x-hubspot-ratelimit-max"],
                          replies[0].headers["x-hubspot-ratelimit-interval-milliseconds"]), ("3", "10000"))
        body = replies[3].json
        self.assertEqual((body["policyName"], body["errorType"], body["message"]), (
            "TEN_SECONDLY_ROLLING", "RATE_LIMIT", "You have reached your ten_secondly_rolling limit."))
        self.assertNotIn("retry-after", replies[3].headers)
        self.simulator.control("POST", "/clock", {"advance_ms": 9_000})
        self.assertEqual(self.call("GET", f"{DATED}/contacts").status, 429)
        self.simulator.control("POST", "/clock", {"advance_ms": 1_001})
        self.assertEqual(self.call("GET", f"{DATED}/contacts").status, 200)
        meter = self.simulator.control("GET", "/report")["meters"][str(self.portal)]["bursts"][0]
        self.assertEqual((meter["peak"], meter["refused"]), (3, 2))

    def test_the_day_ends_at_midnight_of_the_account(self):
        now = self.simulator.control("POST", "/clock", {"offset_ms": 0})["now"]
        local = now - 18_000_000
        self.simulator.control("POST", "/clock", {"advance_ms": (local // 86_400_000 + 1) * 86_400_000 - local - 60_000})
        self.set(daily=2)
        replies = [self.call("GET", f"{DATED}/contacts") for _ in range(3)]
        self.assertEqual([reply.status for reply in replies], [200, 200, 429])
        self.assertEqual(replies[2].json["policyName"], "DAILY")
        self.assertEqual(replies[1].headers["x-hubspot-ratelimit-daily-remaining"], "0")
        self.simulator.control("POST", "/clock", {"offset_ms": 0})
        self.simulator.control("POST", "/clock", {"advance_ms": (local // 86_400_000 + 1) * 86_400_000 - local + 1_000})
        self.assertEqual(self.call("GET", f"{DATED}/contacts").status, 200)

    def test_search_does_not_count_in_the_ten_second_window(self):
        self.set(burst=1)
        self.assertEqual(self.call("POST", f"{DATED}/contacts/search", {}).status, 200)
        self.assertEqual(self.call("GET", f"{DATED}/contacts").status, 200)
        self.assertEqual(self.call("POST", f"{DATED}/contacts/search", {}).status, 200)

    def test_meters_can_be_reset(self):
        self.set(burst=1)
        self.call("GET", f"{DATED}/contacts")
        self.simulator.control("POST", "/meters/reset", {"portal": self.portal})
        self.assertEqual(self.call("GET", f"{DATED}/contacts").status, 200)

    def test_a_refused_call_has_no_effect(self):
        self.set(burst=1)
        self.create("companies", name="a")
        self.assertEqual(self.call("POST", f"{DATED}/companies", {"properties": {"name": "b"}}).status, 429)
        self.assertEqual(len(self.effects("created")), 1)


if __name__ == "__main__":
    unittest.main()
