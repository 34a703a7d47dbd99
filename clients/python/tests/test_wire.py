"""What the client knows of the wire agrees with the repository's definition of it."""

import json
import os
import time
import unittest
from typing import Any, Dict, List, Set

from fake_gateway import FakeGateway, Json
from test_client import CONTACTS

import pushgate
from pushgate import aio
from pushgate._protocol import MAX_IN_FLIGHT, MAX_LINE

PROTOCOL = os.path.join(os.path.dirname(os.path.abspath(__file__)), *[os.pardir] * 3, "protocol")


@unittest.skipUnless(os.path.exists(os.path.join(PROTOCOL, "openrpc.json")), "outside the repository")
class Definition(unittest.TestCase):
    document: Json

    @classmethod
    def setUpClass(cls) -> None:
        with open(os.path.join(PROTOCOL, "openrpc.json"), encoding="utf-8") as text:
            cls.document = json.load(text)

    def test_every_error_has_its_class(self) -> None:
        with open(os.path.join(PROTOCOL, "errors.json"), encoding="utf-8") as text:
            table: List[Json] = json.load(text)
        known: Dict[str, Any] = {
            kind.name: kind for kind in pushgate.PushgateError.__subclasses__() if kind.code is not None
        }
        self.assertEqual({entry["name"] for entry in table}, set(known))
        for entry in table:
            kind = known[entry["name"]]
            self.assertEqual((kind.code, kind.retryable), (entry["code"], entry["retryable"]), entry["name"])

    def test_every_method_can_be_called(self) -> None:
        renamed = {"rpc.discover": "discover"}
        for method in self.document["methods"]:
            name = "".join("_" + c.lower() if c.isupper() else c for c in method["name"])
            for client in (pushgate.Client, aio.Client):
                self.assertTrue(callable(getattr(client, renamed.get(name, name), None)), method["name"])

    def test_every_option_of_a_push_has_its_place(self) -> None:
        params = {method["name"]: {param["name"] for param in method["params"]} for method in self.document["methods"]}
        records = {"plan_id", "session_id", "endgrate_type", "transfer_data", "idempotency_key", "limit", "offset"}
        for method, options in (
            ({"pushTransfer"}, pushgate.PushOptions),
            ({"beginTransfer", "commitTransfer"}, pushgate.PartsOptions),
            ({"planTransfer"}, pushgate.RecordOptions),
        ):
            known = set().union(*(params[name] for name in method)) - records - {"transfer_id", "parts"}
            self.assertEqual(known, set(options.__annotations__), method)

    def test_the_ceilings_that_the_client_keeps_are_those_of_the_gateway(self) -> None:
        ceilings = {ceiling["name"]: ceiling["default"] for ceiling in self.document["x-ceilings"]}
        self.assertEqual(ceilings["inbound_line"], MAX_LINE)
        self.assertLess(MAX_IN_FLIGHT, ceilings["in_flight_calls"])

    def test_only_params_that_exist_are_sent(self) -> None:
        methods = {method["name"]: method["params"] for method in self.document["methods"]}
        notifications = {method["name"]: method["params"] for method in self.document["x-notifications"]}
        allowed = {**methods, **notifications}
        with FakeGateway() as gateway:
            with pushgate.Client(gateway.path) as client:
                session = client.initiate_session("local", [{"endgrate_type": "crm-contact"}], name="n")["session_id"]
                with client.subscribe(session_id=session, types=["data"], from_={"consumer": "c"}) as events:
                    transfer = client.push(session, "crm-contact", CONTACTS, progress=lambda finished, total: None)
                    gateway.emit("data", None, session, ref={"method": "getData", "params": {
                        "transfer_id": transfer.id, "offset": 0, "limit": 2, "partial": True}})  # fmt: skip
                    events.next(5.0)
                    events.next(5.0)
                    events.ack()
                list(transfer.data())
                list(transfer.errors())
                transfer.statistics()
                client.transfer(transfer.id).wait()
                self.call_the_rest(client, session, transfer)
                client.get_events(limit=5)
                gateway.script["silent"] = lambda peer, params: time.sleep(0.2)
                with self.assertRaises(pushgate.CallTimeout):
                    client.call("silent", timeout=0.01)
                gateway.wait_for("$/cancelRequest")
            calls = [call for call in gateway.calls if call[0] != "silent"]
        seen: Set[str] = set()
        for method, params in calls:
            self.assertIn(method, set(allowed))
            seen.add(method)
            required = {param["name"] for param in allowed[method] if param.get("required")}
            self.assertLessEqual(set(params), {param["name"] for param in allowed[method]}, method)
            self.assertLessEqual(required, set(params), method)
        # Those that no method of more than one call makes.
        bare = {"pushTransfer", "getConfiguration", "updateSession", "setSchemas", "deleteSession", "getTransfer"}
        bare |= {"getRecord", "getIntegrations", "getTypes", "ping", "health", "stats", "drain", "rpc.discover"}
        self.assertEqual(set(methods) - bare - seen, set())
        self.assertIn("$/cancelRequest", seen)

    @staticmethod
    def call_the_rest(client: pushgate.Client, session: str, transfer: pushgate.Transfer) -> None:
        list(client.webhook_deliveries(session, transfer.id, "pending"))
        client.replay_webhook(session_id=session, state="failed")
        client.push_parts(session, "crm-contact", CONTACTS, progress=lambda finished, total: None, skip_null=True)
        plan = client.plan(session, "crm-contact", CONTACTS, page=1)
        list(plan)
        plan.apply(progress=lambda finished, total: None)
        transfer.retry(["refused"], progress=lambda finished, total: None)
        transfer.resolve("not_written")
        transfer.cancel()
        list(client.transfers(session, "crm-contact", "completed"))
        list(client.sessions())
        list(client.identities(session, "crm-contact", page=1))
        client.import_identities(session, "crm-contact", {"a": "1"}, on_conflict="keep")


if __name__ == "__main__":
    unittest.main()
