"""The vendor's own Python SDK drives the simulator once, so that it is not merely our own reading of the documents.

Needs `hubspot-api-client` 12; with CHECK_SDK=1 a missing SDK is a failure, else these tests are skipped.
"""

import os
import unittest

from stage import StageTest

try:
    import hubspot
    from hubspot.crm.associations.v4 import BatchInputPublicDefaultAssociationMultiPost
    from hubspot.crm.contacts import (
        BatchInputSimplePublicObjectBatchInput, BatchInputSimplePublicObjectBatchInputForCreate,
        BatchInputSimplePublicObjectBatchInputUpsert, BatchReadInputSimplePublicObjectId, PublicObjectSearchRequest,
        SimplePublicObjectInput, SimplePublicObjectInputForCreate)
    from hubspot.crm.contacts.exceptions import ApiException
    from hubspot.crm.properties import PropertyCreate
    MISSING = None
except ImportError as error:
    hubspot, MISSING = None, error


class PresenceTests(unittest.TestCase):
    def test_the_sdk_is_there_when_it_is_asked_for(self):
        if os.environ.get("CHECK_SDK") == "1":
            self.assertIsNone(MISSING, "CHECK_SDK=1 and hubspot-api-client is not installed")


@unittest.skipIf(hubspot is None, "hubspot-api-client is not installed")
class SDKTests(StageTest):
    def setUp(self):
        super().setUp()
        self.client = hubspot.HubSpot(access_token=self.token, host=self.simulator.url)

    def test_contacts_one_by_one(self):
        api = self.client.crm.contacts.basic_api
        made = api.create(SimplePublicObjectInputForCreate(
            properties={"email": "Ann@example.com", "firstname": "Ann"}, associations=[]))
        self.assertEqual((made.properties["email"], made.archived), ("ann@example.com", False))
        changed = api.update(made.id, SimplePublicObjectInput(properties={"firstname": "Anna"}))
        self.assertEqual(changed.properties["firstname"], "Anna")
        read = api.get_by_id(made.id, properties=["email", "lastname"])
        self.assertEqual(read.properties["email"], "ann@example.com")
        self.assertEqual(read.created_at, made.created_at)
        with self.assertRaises(ApiException) as caught:
            api.create(SimplePublicObjectInputForCreate(properties={"email": "ann@example.com"}, associations=[]))
        self.assertEqual(caught.exception.status, 409)
        self.assertIn(f"Existing ID: {made.id}", caught.exception.body)
        self.assertEqual(len(api.get_page(limit=10).results), 1)
        api.archive(made.id)
        self.assertEqual(self.state(), [])

    def test_batches_with_partial_failure(self):
        api = self.client.crm.contacts.batch_api
        inputs = [{"properties": {"email": email}, "associations": [], "objectWriteTraceId": trace}
                  for email, trace in (("a@example.com", "1"), ("bad", "2"), ("c@example.com", "3"))]
        answer = api.create(BatchInputSimplePublicObjectBatchInputForCreate(inputs=inputs))
        self.assertEqual(type(answer).__name__, "BatchResponseSimplePublicObjectWithErrors")
        self.assertEqual((answer.num_errors, answer.errors[0].context), (1, {"objectWriteTraceId": ["2"]}))
        self.assertEqual({entry.object_write_trace_id for entry in answer.results}, {"1", "3"})
        found = api.read(BatchReadInputSimplePublicObjectId(
            inputs=[{"id": "A@example.com"}, {"id": "nobody@example.com"}], id_property="email", properties=["email"],
            properties_with_history=[]))
        self.assertEqual((len(found.results), found.errors[0].category), (1, "OBJECT_NOT_FOUND"))
        changed = api.update(BatchInputSimplePublicObjectBatchInput(
            inputs=[{"id": found.results[0].id, "properties": {"phone": "5"}}]))
        self.assertEqual((changed.status, changed.results[0].properties["phone"]), ("COMPLETE", "5"))

    def test_upsert_on_our_own_unique_property(self):
        self.client.crm.properties.core_api.create("contacts", PropertyCreate(
            name="gw_internal_id", label="Internal id", type="string", field_type="text",
            group_name="contactinformation", has_unique_value=True))
        api = self.client.crm.contacts.batch_api
        inputs = [{"id": "7", "idProperty": "gw_internal_id", "objectWriteTraceId": "t", "properties": {"firstname": "Ann"}}]
        first = api.upsert(BatchInputSimplePublicObjectBatchInputUpsert(inputs=inputs)).results[0]
        second = api.upsert(BatchInputSimplePublicObjectBatchInputUpsert(inputs=inputs)).results[0]
        self.assertEqual((first.new, second.new, first.id), (True, False, second.id))

    def test_search_and_links(self):
        self.set(search_lag_ms=0)
        contact, company = self.create("contacts", email="a@example.com"), self.create("companies", name="a")
        found = self.client.crm.contacts.search_api.do_search(PublicObjectSearchRequest(filter_groups=[
            {"filters": [{"propertyName": "email", "operator": "EQ", "value": "a@example.com"}]}]))
        self.assertEqual((found.total, found.results[0].id), (1, contact))
        linked = self.client.crm.associations.v4.batch_api.create_default(
            "contacts", "companies", BatchInputPublicDefaultAssociationMultiPost(
                inputs=[{"from": {"id": contact}, "to": {"id": company}}]))
        self.assertEqual([entry.association_spec.association_type_id for entry in linked.results], [279, 280])
        page = self.client.crm.associations.v4.basic_api.get_page("contacts", contact, "companies")
        self.assertEqual(str(page.results[0].to_object_id), company)

    def test_refusals_have_the_vendors_envelope(self):
        self.set(burst=1)
        self.client.crm.companies.basic_api.get_page()
        with self.assertRaises(hubspot.crm.companies.exceptions.ApiException) as caught:
            self.client.crm.companies.basic_api.get_page()
        self.assertEqual(caught.exception.status, 429)
        self.assertIn("TEN_SECONDLY_ROLLING", caught.exception.body)
        stranger = hubspot.HubSpot(access_token="nonsense", host=self.simulator.url)
        with self.assertRaises(hubspot.crm.companies.exceptions.ApiException) as caught:
            stranger.crm.companies.basic_api.get_page()
        self.assertEqual(caught.exception.status, 401)


if __name__ == "__main__":
    unittest.main()
