"""Associations: the set they make, both directions, what is refused."""

import unittest

from stage import DATED, StageTest

LINKS = "/crm/associations/2026-09"


class AssociationTests(StageTest):
    def setUp(self):
        super().setUp()
        self.contact = self.create("contacts", email="a@example.com")
        self.company = self.create("companies", name="a")

    def ends(self, *pairs, **members):
        return {"inputs": [{"from": {"id": one}, "to": {"id": other}, **members} for one, other in pairs]}

    def test_default_links_answer_both_ways_and_are_a_set(self):
        path = f"{LINKS}/contacts/companies/batch/associate/default"
        for _ in range(2):
            reply = self.call("POST", path, self.ends((self.contact, self.company)))
            self.assertEqual(reply.status, 200)
            self.assertEqual([entry["associationSpec"]["associationTypeId"] for entry in reply.json["results"]], [279, 280])
        self.assertEqual(len(self.effects("linked")), 1)
        self.assertEqual(self.state("contacts")[0]["links"], [{"object": "companies", "id": self.company, "types": [279]}])
        self.assertEqual(self.state("companies")[0]["links"], [{"object": "contacts", "id": self.contact, "types": [280]}])

    def test_unknown_ends_are_named_and_the_rest_is_linked(self):
        reply = self.call("POST", "/crm/v4/associations/contacts/companies/batch/associate/default",
                          self.ends((self.contact, "404"), (self.contact, self.company)))
        self.assertEqual((reply.status, reply.json["numErrors"]), (207, 1))
        self.assertEqual(reply.json["errors"][0]["context"], {"fromObjectId": [self.contact], "toObjectId": ["404"]})
        self.assertEqual(len(self.effects("linked")), 1)

    def test_labelled_links(self):
        types = [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 1}]
        reply = self.call("POST", f"{LINKS}/contacts/companies/batch/create",
                          self.ends((self.contact, self.company), types=types))
        self.assertEqual((reply.status, reply.json["results"][0]["labels"]), (201, ["Primary"]))
        other = self.create("companies", name="b")
        self.call("PUT", f"{DATED}/contacts/{self.contact}/associations/companies/{other}", types)
        found = {entry["id"]: entry["types"] for entry in self.state("contacts")[0]["links"]}
        self.assertEqual(found, {self.company: [279], other: [1, 279]})
        types[0]["associationTypeId"] = 3
        wrong = self.call("POST", f"{LINKS}/contacts/companies/batch/create",
                          self.ends((self.contact, self.company), types=types))
        self.assertEqual(wrong.status, 400)

    def test_one_at_a_time(self):
        deal = self.create("deals", dealname="d", dealstage="contractsent")
        reply = self.call("PUT", f"/crm/v4/objects/deals/{deal}/associations/default/contacts/{self.contact}")
        self.assertEqual((reply.status, len(reply.json["results"])), (200, 2))
        self.assertEqual(self.call("PUT", f"{DATED}/deals/{deal}/associations/default/contacts/404").status, 404)
        read = self.call("GET", f"{DATED}/deals/{deal}/associations/contacts").json["results"]
        self.assertEqual([(entry["toObjectId"], entry["associationTypes"][0]["typeId"]) for entry in read], [(self.contact, 3)])
        inline = self.call("GET", f"{DATED}/deals/{deal}?associations=contacts").json["associations"]
        self.assertEqual(inline["contacts"]["results"], [{"id": self.contact, "type": "deal_to_contact"}])
        self.assertEqual(self.call("DELETE", f"{DATED}/deals/{deal}/associations/contacts/{self.contact}").status, 204)
        self.assertEqual(len(self.effects("unlinked")), 1)

    def test_reading_and_archiving_batches(self):
        self.call("POST", f"{LINKS}/contacts/companies/batch/associate/default", self.ends((self.contact, self.company)))
        reply = self.call("POST", f"{LINKS}/contacts/companies/batch/read", {"inputs": [{"id": self.contact}, {"id": "9"}]})
        self.assertEqual((reply.status, reply.json["results"][0]["to"][0]["toObjectId"]), (207, self.company))
        self.assertEqual(reply.json["errors"][0]["subCategory"], "crm.associations.NO_ASSOCIATIONS_FOUND")
        gone = {"inputs": [{"from": {"id": self.contact}, "to": [{"id": self.company}]}]}
        self.assertEqual(self.call("POST", f"{LINKS}/contacts/companies/batch/archive", gone).status, 204)
        self.assertEqual(self.state("contacts")[0]["links"], [])

    def test_batches_are_limited(self):
        many = self.ends(*[(self.contact, self.company)] * 2001)
        self.assertEqual(self.call("POST", f"{LINKS}/contacts/companies/batch/associate/default", many).status, 400)
        many = {"inputs": [{"id": self.contact}] * 1001}
        self.assertEqual(self.call("POST", f"{LINKS}/contacts/companies/batch/read", many).status, 400)

    def test_labels_of_the_account(self):
        portal, token = self.portal + 100_000, "pat-labels"
        self.simulator.control("POST", "/portals", {"id": portal, "tokens": [token], "labels": [
            {"from": "contacts", "to": "companies", "type_id": 77, "label": "Adviser"}]})
        found = self.call("GET", f"{LINKS}/contacts/companies/labels", token=token).json["results"]
        self.assertIn({"category": "USER_DEFINED", "typeId": 77, "label": "Adviser"}, found)
        self.assertEqual([entry["typeId"] for entry in found], [1, 279, 77])

    def test_an_archived_record_loses_its_links(self):
        self.call("POST", f"{LINKS}/contacts/companies/batch/associate/default", self.ends((self.contact, self.company)))
        self.call("DELETE", f"{DATED}/companies/{self.company}")
        self.assertEqual(self.state("contacts")[0]["links"], [])


if __name__ == "__main__":
    unittest.main()
