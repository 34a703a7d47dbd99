"""Single records and properties: what is kept, what is refused, with which words."""

import unittest

from stage import DATED, StageTest


class ObjectTests(StageTest):
    def test_an_email_is_kept_in_lower_case_and_is_unique(self):
        reply = self.call("POST", f"{DATED}/contacts", {"properties": {"email": "Ann@Example.COM", "firstname": "Ann"}})
        self.assertEqual(reply.status, 201)
        self.assertEqual(reply.json["properties"]["email"], "ann@example.com")
        again = self.call("POST", "/crm/v3/objects/contacts", {"properties": {"email": "ANN@example.com"}})
        self.assertEqual(again.status, 409)
        self.assertEqual(again.json["category"], "CONFLICT")
        self.assertEqual(again.json["message"], f"Contact already exists. Existing ID: {reply.json['id']}")
        self.assertEqual(len(self.effects("created")), 1)

    def test_both_generations_of_paths_see_the_same_records(self):
        identity = self.create("deals", dealname="Pipes", dealstage="contractsent")
        for path in ("/crm/v3/objects/deals", "/crm/objects/2026-03/deals", "/crm/v3/objects/0-3"):
            self.assertEqual(self.call("GET", f"{path}/{identity}").json["properties"]["dealname"], "Pipes")
        self.assertEqual(self.call("GET", f"/crm/objects/2025-09/deals/{identity}").status, 404)
        wrong = self.call("GET", "/crm/v3/objects/butterflies/1")
        self.assertEqual((wrong.status, wrong.json["message"]), (400, "Unable to infer object type from: butterflies"))

    def test_every_bad_value_of_a_request_is_named(self):
        identity = self.create("companies", name="Acme")
        cases = [("companies", "bogus", "x", "PROPERTY_DOESNT_EXIST"), ("contacts", "hs_object_id", "1", "READ_ONLY_VALUE"),
                 ("contacts", "email", "no address", "INVALID_EMAIL"), ("companies", "industry", "Shoes", "INVALID_OPTION"),
                 ("companies", "annualrevenue", "1,5", "INVALID_NUMBER"), ("companies", "is_public", "yes", "INVALID_OPTION"),
                 ("deals", "closedate", "tomorrow", "INVALID_LONG"), ("companies", "name", "x" * 65_537, "VALUE_TOO_LONG")]
        for kind, name, value, code in cases:
            reply = self.call("POST", f"{DATED}/{kind}", {"properties": {name: value}})
            self.assertEqual((reply.status, reply.json["category"]), (400, "VALIDATION_ERROR"), name)
            self.assertEqual(reply.json["errors"][0]["code"], code)
            self.assertEqual(reply.json["errors"][0]["context"], {"propertyName": [name]})
            self.assertTrue(reply.json["message"].startswith("Property values were not valid: ["))
        both = self.call("PATCH", f"{DATED}/companies/{identity}", {"properties": {"a": "1", "b": "2"}})
        self.assertEqual(len(both.json["errors"]), 2)
        self.assertEqual(self.effects("updated"), [])

    def test_what_a_new_record_must_have(self):
        for kind, properties in (("contacts", {"phone": "1"}), ("companies", {"phone": "1"}), ("deals", {"dealname": "x"})):
            self.assertEqual(self.call("POST", f"{DATED}/{kind}", {"properties": properties}).status, 400, kind)
        self.assertEqual(self.state(), [])

    def test_update_clears_by_the_empty_string_and_answers_only_what_it_had(self):
        identity = self.create("contacts", email="bo@example.com", firstname="Bo", phone="1")
        reply = self.call("PATCH", f"{DATED}/contacts/bo@example.com?idProperty=email",
                          {"properties": {"phone": "", "firstname": "Bob"}})
        self.assertEqual((reply.status, reply.json["id"]), (200, identity))
        self.assertEqual(reply.json["properties"]["firstname"], "Bob")
        self.assertNotIn("email", reply.json["properties"])
        self.assertEqual(self.state()[0]["values"],
                         {"email": "bo@example.com", "firstname": "Bob", "lifecyclestage": "lead"})
        self.assertEqual(self.effects("updated")[0]["changed"], ["firstname", "phone"])
        self.assertEqual(self.effects("updated")[0]["digest"], self.state()[0]["digest"])

    def test_an_update_without_a_change_is_seen_as_such(self):
        identity = self.create("companies", name="Acme")
        before = self.state()[0]["updated"]
        self.call("PATCH", f"{DATED}/companies/{identity}", {"properties": {"name": "Acme"}})
        self.assertEqual(self.effects("updated")[0]["changed"], [])
        self.assertEqual(self.state()[0]["updated"], before)

    def test_a_domain_is_kept_bare_and_two_companies_may_share_it(self):
        self.create("companies", domain="https://www.Acme.example/about")
        self.create("companies", domain="acme.example")
        self.assertEqual([entry["values"]["domain"] for entry in self.state()], ["acme.example"] * 2)
        self.assertEqual(self.state()[0]["values"]["website"], "acme.example")

    def test_life_cycle_stage_moves_forward_only(self):
        identity = self.create("contacts", email="s@example.com", lifecyclestage="customer")
        reply = self.call("PATCH", f"{DATED}/contacts/{identity}", {"properties": {"lifecyclestage": "lead"}})
        self.assertEqual((reply.status, reply.json["properties"]["lifecyclestage"]), (200, "customer"))
        self.call("PATCH", f"{DATED}/contacts/{identity}", {"properties": {"lifecyclestage": ""}})
        reply = self.call("PATCH", f"{DATED}/contacts/{identity}", {"properties": {"lifecyclestage": "lead"}})
        self.assertEqual(reply.json["properties"]["lifecyclestage"], "lead")

    def test_reading(self):
        identity = self.create("contacts", email="r@example.com", phone="1")
        reply = self.call("GET", f"{DATED}/contacts/{identity}?properties=phone,lastname,nonsense")
        self.assertEqual(set(reply.json["properties"]),
                         {"phone", "lastname", "createdate", "hs_object_id", "lastmodifieddate"})
        self.assertIsNone(reply.json["properties"]["lastname"])
        self.assertEqual(self.call("GET", f"{DATED}/contacts/999").json["message"], "resource not found")
        self.assertEqual(self.call("GET", f"{DATED}/contacts/nobody").json["category"], "OBJECT_NOT_FOUND")
        self.assertEqual(self.call("GET", f"{DATED}/contacts/x?idProperty=phone").status, 400)

    def test_archiving(self):
        identity = self.create("contacts", email="gone@example.com")
        self.assertEqual(self.call("DELETE", f"{DATED}/contacts/{identity}").status, 204)
        self.assertEqual(self.call("DELETE", f"{DATED}/contacts/{identity}").status, 204)
        self.assertEqual(self.call("GET", f"{DATED}/contacts/{identity}").status, 404)
        self.assertEqual(self.call("GET", f"{DATED}/contacts/{identity}?archived=true").json["archived"], True)
        self.create("contacts", email="gone@example.com")
        self.assertEqual([entry["effect"] for entry in self.effects()], ["created", "archived", "created"])

    def test_listing_pages(self):
        made = [self.create("companies", name=f"c{number}") for number in range(5)]
        seen, after = [], ""
        while after is not None:
            page = self.call("GET", f"{DATED}/companies?limit=2{after}").json
            seen += [entry["id"] for entry in page["results"]]
            after = f"&after={page['paging']['next']['after']}" if "paging" in page else None
        self.assertEqual(seen, made)

    def test_ids_of_different_objects_may_be_equal(self):
        self.assertEqual(self.create("contacts", email="i@example.com"), self.create("companies", name="i"))

    def test_malformed_bodies(self):
        for body in (b"{", b"[]", b"nonsense"):
            self.assertEqual(self.call("POST", f"{DATED}/contacts", body).status, 400, body)
        self.assertEqual(self.call("POST", f"{DATED}/contacts", {}).status, 400)
        reply = self.call("POST", f"{DATED}/contacts", b"{}", headers={"Content-Type": "text/plain"})
        self.assertEqual(reply.status, 415)
        self.assertEqual(self.call("PUT", f"{DATED}/contacts", {}).status, 405)
        self.assertEqual(self.call("GET", f"{DATED}/contacts?limit=many").status, 400)


class PropertyTests(StageTest):
    UNIQUE = {"name": "gw_internal_id", "label": "Internal id", "type": "string", "fieldType": "text",
              "groupName": "contactinformation", "hasUniqueValue": True}

    def test_a_unique_property_is_made_and_kept_unique(self):
        path = "/crm/properties/2026-09/contacts"
        self.assertEqual(self.call("GET", f"{path}/gw_internal_id").status, 404)
        reply = self.call("POST", path, self.UNIQUE)
        self.assertEqual((reply.status, reply.json["hasUniqueValue"]), (201, True))
        again = self.call("POST", "/crm/v3/properties/contacts", self.UNIQUE)
        self.assertEqual((again.status, again.json["category"]), (409, "OBJECT_ALREADY_EXISTS"))
        self.assertIn("gw_internal_id", [entry["name"] for entry in self.call("GET", path).json["results"]])
        first = self.create("contacts", email="a@example.com", gw_internal_id="7")
        clash = self.call("POST", f"{DATED}/contacts", {"properties": {"email": "b@example.com", "gw_internal_id": "7"}})
        self.assertEqual((clash.status, clash.json["category"]), (400, "VALIDATION_ERROR"))
        self.assertIn("propertyName=gw_internal_id, value=7}", clash.json["message"])
        self.assertTrue(clash.json["message"].endswith(f"{first} already has that value."))

    def test_at_most_ten_unique_properties(self):
        for number in range(10):
            self.assertEqual(self.call("POST", "/crm/v3/properties/contacts",
                                       {**self.UNIQUE, "name": f"u{number}"}).status, 201)
        self.assertEqual(self.call("POST", "/crm/v3/properties/contacts", {**self.UNIQUE, "name": "u10"}).status, 400)

    def test_definitions_that_are_refused(self):
        for change in ({"groupName": "nothing"}, {"fieldType": "select"}, {"name": "With Space"}, {"label": ""}):
            self.assertEqual(self.call("POST", "/crm/v3/properties/contacts", {**self.UNIQUE, **change}).status, 400)

    def test_archiving_a_definition(self):
        self.call("POST", "/crm/v3/properties/contacts", self.UNIQUE)
        self.assertEqual(self.call("DELETE", "/crm/v3/properties/contacts/gw_internal_id").status, 204)
        self.assertEqual(self.call("DELETE", "/crm/v3/properties/contacts/gw_internal_id").status, 404)
        self.assertEqual(self.call("DELETE", "/crm/v3/properties/contacts/email").status, 400)
        reply = self.call("POST", f"{DATED}/contacts", {"properties": {"email": "x@example.com", "gw_internal_id": "1"}})
        self.assertEqual(reply.json["errors"][0]["code"], "PROPERTY_DOESNT_EXIST")

    def test_an_administrators_rule_is_enforced(self):
        self.simulator.control("POST", "/portals", {
            "id": self.portal + 100_000, "tokens": ["pat-rule"], "properties": {"companies": [
                {"name": "vat", "label": "VAT", "type": "string", "fieldType": "text",
                 "groupName": "companyinformation", "pattern": "[A-Z]{2}[0-9]+"}]}})
        for value, status in (("DE1", 201), ("1", 400)):
            reply = self.call("POST", f"{DATED}/companies", {"properties": {"name": "x", "vat": value}}, token="pat-rule")
            self.assertEqual(reply.status, status)


if __name__ == "__main__":
    unittest.main()
