"""Bodies of the wrong shape: each is refused by the vendor's envelope, none is a mishap of the simulator."""

import unittest

from stage import DATED, StageTest

LINKS = "/crm/associations/2026-09/contacts/companies/batch"
ODD = [None, True, 5, 1.5, "text", [], [[]], {}, {"id": []}, [None], ["text"], [{"id": {}}]]


class ShapeTests(StageTest):
    settings = {"search_lag_ms": 0, "burst": 100_000, "search_per_second": 100_000}

    def bodies(self):
        """(path, body) with one odd value each, at each place that is read."""
        company = self.create("companies", name="a")
        for odd in ODD:
            yield f"{DATED}/contacts", odd
            for member in ("properties", "associations", "objectWriteTraceId"):
                yield f"{DATED}/contacts", {"properties": {"email": "a@example.com"}, member: odd}
                yield f"{DATED}/contacts/batch/create", {"inputs": [{"properties": {"email": "b@example.com"}, member: odd}]}
            yield f"{DATED}/contacts", {"properties": {"email": odd}}
            for verb in ("create", "update", "upsert", "read", "archive"):
                yield f"{DATED}/contacts/batch/{verb}", {"inputs": odd}
                for member in ("id", "idProperty", "properties"):
                    yield f"{DATED}/contacts/batch/{verb}", {"inputs": [{"id": "1", "properties": {}, member: odd}]}
            for member in ("idProperty", "properties"):
                yield f"{DATED}/contacts/batch/read", {"inputs": [{"id": "1"}], member: odd}
            for target in (odd, {"to": odd, "types": odd}, {"to": {"id": company}, "types": [odd]}):
                yield f"{DATED}/contacts", {"properties": {"email": "c@example.com"}, "associations": [target]}
            for member in ("filterGroups", "filters", "sorts", "limit", "after", "query", "properties"):
                yield f"{DATED}/contacts/search", {member: odd}
                yield f"{DATED}/contacts/search", {member: [odd]}
            for filter_ in (odd, {"propertyName": odd, "operator": "EQ", "value": "x"}, {"propertyName": "createdate", "operator": odd},
                            {"propertyName": "createdate", "operator": "GT", "value": odd},
                            {"propertyName": "associatedcompanyid", "operator": "EQ", "value": odd},
                            {"propertyName": "email", "operator": "IN", "values": odd},
                            {"propertyName": "createdate", "operator": "BETWEEN", "value": "1", "highValue": odd}):
                yield f"{DATED}/contacts/search", {"filterGroups": [{"filters": [filter_]}]}
            for verb in ("associate/default", "create", "read", "archive"):
                yield f"{LINKS}/{verb}", {"inputs": [odd]}
                for member in ("from", "to", "types", "id"):
                    yield f"{LINKS}/{verb}", {"inputs": [{"from": {"id": "1"}, "to": {"id": company}, member: odd}]}
            for member in ("name", "label", "type", "fieldType", "groupName", "options", "hasUniqueValue"):
                yield "/crm/properties/2026-09/contacts", {"name": "p", "label": "p", "type": "string", "fieldType": "text",
                                                           "groupName": "contactinformation", member: odd}
            yield "/oauth/v2/private-apps/get/access-token-info", odd

    def test_no_body_upsets_the_simulator(self):
        for path, body in self.bodies():
            reply = self.call("POST", path, body)
            self.assertLess(reply.status, 500, (path, body))


if __name__ == "__main__":
    unittest.main()
