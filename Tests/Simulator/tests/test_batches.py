"""Batches: partial failures by trace id, all or nothing without, no order, the vendor's limits."""

import unittest

from stage import StageTest


def traced(*properties):
    return [{"objectWriteTraceId": f"t{place}", "properties": values, "associations": []}
            for place, values in enumerate(properties)]


class BatchTests(StageTest):
    def test_a_create_with_trace_ids_fails_by_input(self):
        held = self.create("contacts", email="held@example.com")
        reply = self.batch("contacts", "create", traced(
            {"email": "one@example.com"}, {"email": "HELD@example.com"}, {"email": "bad"}, {"email": "one@example.com"}))
        self.assertEqual((reply.status, reply.json["numErrors"], reply.json["status"]), (207, 3, "COMPLETE"))
        self.assertEqual([entry["objectWriteTraceId"] for entry in reply.json["results"]], ["t0"])
        errors = {entry["context"]["objectWriteTraceId"][0]: entry for entry in reply.json["errors"]}
        self.assertEqual(errors["t1"]["message"], f"Contact already exists. Existing ID: {held}")
        self.assertEqual(errors["t1"]["context"]["existingId"], [held])
        self.assertEqual((errors["t2"]["category"], errors["t3"]["category"]), ("VALIDATION_ERROR", "CONFLICT"))
        self.assertEqual([entry.get("trace") for entry in self.effects("created")], [None, "t0"])

    def test_a_create_without_them_is_all_or_nothing(self):
        held = self.create("contacts", email="held@example.com")
        good = {"properties": {"email": "one@example.com"}}
        reply = self.batch("contacts", "create", [good, {"properties": {"email": "held@example.com"}}])
        self.assertEqual((reply.status, reply.json["message"]), (409, f"Contact already exists. Existing ID: {held}"))
        reply = self.batch("contacts", "create", [good, {"properties": {"x": "1"}}, {"properties": {"y": "1"}}])
        self.assertEqual((reply.status, len(reply.json["errors"])), (400, 2))
        same = [{**source, "objectWriteTraceId": "same"} for source in (good, {"properties": {"email": "bad"}})]
        self.assertEqual(self.batch("contacts", "create", same).status, 400)
        self.assertEqual(len(self.state()), 1)

    def test_results_come_in_no_order(self):
        inputs = traced(*({"name": f"c{number}"} for number in range(60)))
        reply = self.batch("companies", "create", inputs)
        self.assertEqual(reply.status, 201)
        traces = [entry["objectWriteTraceId"] for entry in reply.json["results"]]
        self.assertEqual(sorted(traces), sorted(entry["objectWriteTraceId"] for entry in inputs))
        self.assertNotEqual(traces, [entry["objectWriteTraceId"] for entry in inputs])
        self.assertNotIn("errors", reply.json)

    def test_the_trace_id_need_not_come_back(self):
        self.set(echo_trace_id=False)
        reply = self.batch("companies", "create", traced({"name": "a"}))
        self.assertNotIn("objectWriteTraceId", reply.json["results"][0])

    def test_more_than_a_hundred_inputs_are_refused(self):
        inputs = [{"properties": {"name": f"c{number}"}} for number in range(101)]
        for wrong in (inputs, [], "x", [1]):
            self.assertEqual(self.batch("companies", "create", wrong).status, 400)
        self.assertEqual(self.batch("companies", "create", inputs[:100]).status, 201)
        self.assertEqual(len(self.state()), 100)

    def test_an_update_names_unknown_ids_in_one_entry(self):
        known = self.create("companies", name="a")
        reply = self.batch("companies", "update", [
            {"id": known, "objectWriteTraceId": "t0", "properties": {"name": "b"}},
            {"id": "404", "objectWriteTraceId": "t1", "properties": {"name": "c"}},
            {"id": "405", "objectWriteTraceId": "t2", "properties": {"name": "d"}}])
        self.assertEqual((reply.status, reply.json["numErrors"]), (207, 1))
        self.assertEqual(reply.json["errors"][0]["context"], {"ids": ["404", "405"]})
        self.assertEqual(reply.json["results"][0]["properties"]["name"], "b")

    def test_an_update_with_a_bad_value_changes_nothing_unless_set_so(self):
        first, second = self.create("companies", name="a"), self.create("companies", name="b")
        inputs = [{"id": first, "objectWriteTraceId": "t0", "properties": {"name": "A"}},
                  {"id": second, "objectWriteTraceId": "t1", "properties": {"nothing": "B"}}]
        self.assertEqual(self.batch("companies", "update", inputs).status, 400)
        self.assertEqual(self.effects("updated"), [])
        self.set(multi_status=["create", "upsert", "update"])
        reply = self.batch("companies", "update", inputs)
        self.assertEqual((reply.status, reply.json["errors"][0]["context"]), (207, {"objectWriteTraceId": ["t1"]}))
        self.assertEqual(len(self.effects("updated")), 1)

    def test_one_record_twice_in_a_batch(self):
        identity = self.create("contacts", email="a@example.com")
        update = {"id": identity, "properties": {"firstname": "x"}}
        reply = self.batch("contacts", "update", [update, update])
        self.assertEqual((reply.status, reply.json["message"]),
                         (400, f"Duplicate IDs found in batch input: [{identity}]. IDs must be unique"))
        upsert = {"id": "b@example.com", "idProperty": "email", "properties": {}}
        twice = [{**upsert, "objectWriteTraceId": "1"}, {**upsert, "id": "B@example.com", "objectWriteTraceId": "2"}]
        reply = self.batch("contacts", "upsert", twice)
        self.assertEqual((reply.status, reply.json["context"]), (400, {"ids": ["b@example.com"]}))
        self.assertEqual(len(self.state()), 1)

    def test_what_an_update_may_be_keyed_by(self):
        identity = self.create("contacts", email="a@example.com")
        by_id = {"id": identity, "idProperty": "hs_object_id", "properties": {"firstname": "x"}}
        reply = self.batch("contacts", "update", [by_id])
        self.assertEqual(reply.status, 400)
        self.assertIn("non-unique 0-1 property hs_object_id", reply.json["message"])
        by_email = {"id": "A@example.com", "idProperty": "email", "properties": {"firstname": "x"}}
        self.assertEqual(self.batch("contacts", "update", [by_email]).status, 200)
        domain = {"id": "a.example", "idProperty": "domain", "properties": {"name": "x"}}
        self.assertEqual(self.batch("companies", "upsert", [domain]).status, 400)
        self.assertEqual(self.batch("companies", "upsert", [{"id": "1", "properties": {}}]).status, 400)

    def test_upsert_on_a_unique_property(self):
        self.call("POST", "/crm/v3/properties/companies", {
            "name": "gw_id", "label": "x", "type": "string", "fieldType": "text", "groupName": "companyinformation",
            "hasUniqueValue": True})
        inputs = [{"id": key, "idProperty": "gw_id", "objectWriteTraceId": key, "properties": {"name": name}}
                  for key, name in (("1", "a"), ("2", "b"))]
        first = self.batch("companies", "upsert", inputs)
        self.assertEqual((first.status, {entry["new"] for entry in first.json["results"]}), (200, {True}))
        inputs[1]["properties"] = {"phone": "5"}
        inputs.append({"id": "3", "idProperty": "gw_id", "objectWriteTraceId": "3", "properties": {"industry": "?"}})
        second = self.batch("companies", "upsert", inputs)
        self.assertEqual((second.status, {entry["new"] for entry in second.json["results"]}), (207, {False}))
        self.assertEqual({entry["id"] for entry in first.json["results"]}, {entry["id"] for entry in second.json["results"]})
        self.assertEqual([entry["values"] for entry in self.state()],
                         [{"name": "a", "gw_id": "1"}, {"name": "b", "gw_id": "2", "phone": "5"}])
        self.assertEqual(len(self.effects("created")), 2)

    def test_a_partial_upsert_by_email_is_counted_and_may_blank_the_rest(self):
        self.create("contacts", email="a@example.com", firstname="Ann")
        inputs = [{"id": "a@example.com", "idProperty": "email", "properties": {"phone": "1"}}]
        self.batch("contacts", "upsert", inputs)
        self.assertEqual(self.state()[0]["values"]["firstname"], "Ann")
        self.set(partial_upsert_by_email="clears")
        self.batch("contacts", "upsert", inputs)
        self.assertNotIn("firstname", self.state()[0]["values"])
        self.assertEqual(self.simulator.control("GET", "/report")["discouraged"][f"{self.portal}/upsert_by_email"], 2)

    def test_reading_by_id_and_by_email(self):
        first = self.create("contacts", email="a@example.com", phone="1")
        second = self.create("contacts", email="b@example.com")
        reply = self.batch("contacts", "read", [{"id": first}, {"id": second}], properties=["phone"])
        self.assertEqual((reply.status, len(reply.json["results"])), (200, 2))
        reply = self.batch("contacts", "read", [{"id": "A@example.com"}, {"id": "no@example.com"}],
                           properties=["phone"], idProperty="email")
        self.assertEqual((reply.status, reply.json["errors"][0]["category"]), (207, "OBJECT_NOT_FOUND"))
        self.assertEqual(reply.json["errors"][0]["context"], {"ids": ["no@example.com"]})
        self.assertEqual(reply.json["results"][0]["properties"]["email"], "a@example.com")
        self.assertEqual(self.batch("contacts", "read", [{"id": "1"}], idProperty="phone").status, 400)

    def test_archiving_a_batch(self):
        identity = self.create("companies", name="a")
        reply = self.batch("companies", "archive", [{"id": identity}, {"id": "404"}])
        self.assertEqual((reply.status, reply.body), (204, b""))
        self.assertEqual(self.state(), [])

    def test_create_with_links(self):
        company = self.create("companies", name="a")
        link = {"to": {"id": company}, "types": [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 279}]}
        source = {"properties": {"email": "a@example.com"}, "associations": [link]}
        self.assertEqual(self.batch("contacts", "create", [source]).status, 201)
        self.assertEqual(self.effects("linked")[0]["to"], {"object": "companies", "id": company})
        link["to"]["id"] = "404"
        source["properties"] = {"email": "b@example.com"}
        self.assertEqual(self.batch("contacts", "create", [source]).status, 400)
        self.assertEqual(len(self.state("contacts")), 1)


if __name__ == "__main__":
    unittest.main()
