"""Search: operators, limits, lag, its own rate."""

import unittest

from stage import DATED, StageTest


class SearchTests(StageTest):
    settings = {"search_lag_ms": 0, "search_per_second": 1000}

    def search(self, kind, *groups, **members):
        filters = [{"filters": [{"propertyName": name, "operator": operator, **rest} for name, operator, rest in group]}
                   for group in groups]
        return self.call("POST", f"{DATED}/{kind}/search", {"filterGroups": filters, **members})

    def found(self, kind, *groups, **members):
        reply = self.search(kind, *groups, **members)
        self.assertEqual(reply.status, 200, reply.body)
        return [entry["id"] for entry in reply.json["results"]]

    def test_operators(self):
        ann = self.create("contacts", email="ann@example.com", firstname="Ann", phone="+1 (555) 010-2030")
        bob = self.create("contacts", email="bob@example.com", firstname="Bob")
        cases = [
            ([("firstname", "EQ", {"value": "ANN"})], [ann]), ([("firstname", "NEQ", {"value": "ann"})], [bob]),
            ([("firstname", "IN", {"values": ["ann", "zed"]})], [ann]), ([("firstname", "IN", {"values": ["Ann"]})], []),
            ([("firstname", "NOT_IN", {"values": ["ann"]})], [bob]), ([("phone", "HAS_PROPERTY", {})], [ann]),
            ([("phone", "NOT_HAS_PROPERTY", {})], [bob]), ([("email", "CONTAINS_TOKEN", {"value": "ann"})], [ann]),
            ([("email", "CONTAINS_TOKEN", {"value": "b*"})], [bob]), ([("email", "NOT_CONTAINS_TOKEN", {"value": "bob"})], [ann]),
            ([("hs_searchable_calculated_phone_number", "EQ", {"value": "5550102030"})], [ann]),
            ([("lifecyclestage", "EQ", {"value": "LEAD"})], []), ([("lifecyclestage", "EQ", {"value": "lead"})], [ann, bob]),
            ([("createdate", "GT", {"value": "1000"}), ("firstname", "EQ", {"value": "bob"})], [bob]),
        ]
        for group, expected in cases:
            self.assertEqual(self.found("contacts", group), expected, group)
        either = [("firstname", "EQ", {"value": "ann"})], [("firstname", "EQ", {"value": "bob"})]
        self.assertEqual(self.found("contacts", *either), [ann, bob])
        self.assertEqual(self.found("contacts", query="bob@"), [bob])

    def test_numbers_and_sorting(self):
        made = [self.create("companies", name=f"c{number}", numberofemployees=number) for number in (5, 40, 300)]
        between = [("numberofemployees", "BETWEEN", {"value": "6", "highValue": "299"})]
        self.assertEqual(self.found("companies", between), [made[1]])
        self.assertEqual(self.found("companies", sorts=[{"propertyName": "numberofemployees", "direction": "DESCENDING"}]),
                         made[::-1])
        self.assertEqual(self.found("companies", sorts=["numberofemployees"]), made)
        self.assertEqual(self.search("companies", sorts=["name", "phone"]).status, 400)

    def test_limits(self):
        one = ("name", "EQ", {"value": "x"})
        for groups in ([[one]] * 6, [[one] * 7], [[one] * 5] * 4):
            self.assertEqual(self.search("companies", *groups).status, 400, groups)
        self.assertEqual(self.search("companies", [one], limit=201).status, 400)
        self.assertEqual(self.search("companies", [one], limit=200, after="9900").status, 400)
        self.assertEqual(self.search("companies", [one], after="x").status, 400)
        long = [("name", "IN", {"values": ["x" * 40 for _ in range(90)]})]
        self.assertEqual(self.search("companies", long).status, 400)
        self.assertEqual(self.search("companies", [("nothing", "EQ", {"value": "x"})]).status, 400)
        self.assertEqual(self.search("companies", [("name", "IN", {"values": []})]).status, 400)

    def test_pages(self):
        made = [self.create("companies", name=f"c{number}") for number in range(5)]
        first = self.search("companies", limit=2).json
        self.assertEqual((first["total"], first["paging"]["next"]["after"]), (5, "2"))
        self.assertEqual(self.found("companies", limit=200, after="2"), made[2:])

    def test_search_lags_while_reading_does_not(self):
        self.set(search_lag_ms=60_000)
        identity = self.create("companies", name="late")
        named = [("name", "EQ", {"value": "late"})]
        self.assertEqual(self.found("companies", named), [])
        self.assertEqual(self.batch("companies", "read", [{"id": identity}]).status, 200)
        self.simulator.control("POST", "/clock", {"advance_ms": 61_000})
        self.assertEqual(self.found("companies", named), [identity])
        self.call("PATCH", f"{DATED}/companies/{identity}", {"properties": {"name": "new"}})
        self.assertEqual(self.found("companies", named), [identity])
        self.call("DELETE", f"{DATED}/companies/{identity}")
        self.assertEqual(self.found("companies", named), [identity])
        self.simulator.control("POST", "/clock", {"advance_ms": 61_000})
        self.assertEqual(self.found("companies"), [])

    def test_search_has_a_rate_of_its_own_and_no_headers_of_it(self):
        self.set(search_per_second=4)
        replies = [self.search("companies") for _ in range(5)]
        self.assertEqual([reply.status for reply in replies], [200] * 4 + [429])
        self.assertEqual((replies[4].json["policyName"], replies[4].json["message"]),
                         ("SECONDLY", "You have reached your secondly limit."))
        for reply in replies:
            self.assertFalse([name for name in reply.headers if "ratelimit" in name])
        self.simulator.control("POST", "/clock", {"advance_ms": 1_001})
        self.assertEqual(self.search("companies").status, 200)
        self.set(rate_limit_body="category")
        last = [self.search("companies") for _ in range(5)][-1]
        self.assertEqual((last.status, last.json["category"], "policyName" in last.json), (429, "RATE_LIMITS", False))


if __name__ == "__main__":
    unittest.main()
