"""The same client against the built gateway, named by PUSHGATE_BINARY."""

import asyncio
import os
import signal
import tempfile
import threading
import time
import unittest
from decimal import Decimal
from typing import Any, Dict, List
from unittest import mock

from real_gateway import BINARY, WHY_NOT, RealGateway

import pushgate
from pushgate import _push, aio

SCHEMAS = [{"endgrate_type": "crm-contact"}, {"endgrate_type": "crm-company"}]


def company(number: int, name: str) -> Dict[str, Any]:
    return {"internal_id": "Company%d" % number, "data": {"name": name}}


PUBLISHED: List[Dict[str, Any]] = [
    {
        "internal_id": "Contact1",
        "data": {"first_name": "Bob", "last_name": "Smith"},
        "associations": {"crm-company": [company(1, "Acme Corporation"), company(2, "Bacme Corporation")]},
    },
    {
        "internal_id": "Contact2",
        "data": {"first_name": "David", "last_name": "Jones"},
        "associations": {"crm-company": [company(3, "C Inc.")]},
    },
]


@unittest.skipUnless(BINARY, WHY_NOT)
class Served(unittest.TestCase):
    def setUp(self) -> None:
        self.gateway = RealGateway()
        self.gateway.__enter__()
        self.addCleanup(self.gateway.__exit__)

    def client(self, **options: Any) -> pushgate.Client:
        client = pushgate.Client(self.gateway.path, **options)
        self.addCleanup(client.close, 5.0)
        return client

    def session(self, client: pushgate.Client, **options: Any) -> str:
        session: str = client.initiate_session("local", SCHEMAS, name="test", **options)["session_id"]
        return session

    def test_the_published_example_comes_back_in_order_with_its_links(self) -> None:
        client = self.client()
        transfer = client.push(self.session(client), "crm-contact", PUBLISHED)
        rows = list(transfer.data())
        self.assertEqual([row["internal_id"] for row in rows], ["Contact1", "Contact2"])
        self.assertEqual([len(row["associations"]["crm-company"]) for row in rows], [2, 1])
        ids = [row["id"] for row in rows] + [i for row in rows for i in row["associations"]["crm-company"]]
        self.assertTrue(all(isinstance(i, str) for i in ids))
        self.assertEqual(transfer.summary["created"], 2)
        self.assertEqual(list(transfer.errors()), [])

    def test_pushing_it_again_creates_nothing_twice(self) -> None:
        client = self.client()
        session = self.session(client)
        first = list(client.push(session, "crm-contact", PUBLISHED).data())
        again = client.push(session, "crm-contact", PUBLISHED)
        self.assertEqual(again.summary["created"], 0)
        self.assertEqual(
            [(row["id"], row["associations"]) for row in again.data()],
            [(row["id"], row["associations"]) for row in first],
        )

    def test_a_repeat_under_one_key_is_the_same_transfer(self) -> None:
        client = self.client()
        session = self.session(client)
        first = client.push(session, "crm-contact", PUBLISHED, idempotency_key="k")
        second = client.push(session, "crm-contact", PUBLISHED, idempotency_key="k")
        self.assertEqual((second.id, first.duplicate, second.duplicate), (first.id, False, True))
        with self.assertRaises(pushgate.IdempotencyConflict):
            client.push(session, "crm-contact", PUBLISHED[:1], idempotency_key="k")

    def test_a_record_that_is_wrong_fails_alone(self) -> None:
        client = self.client()
        records = [
            {"internal_id": "a", "data": {"emial": "a@example.com"}},
            {"internal_id": "b", "data": {"first_name": "B"}},
        ]
        transfer = client.push(self.session(client), "crm-contact", records)
        self.assertEqual([row["id"] is None for row in transfer.data()], [True, False])
        (entry,) = transfer.errors()
        self.assertEqual((entry["index"], entry["internal_id"], entry["error_type"]), (0, "a", "transfer_data"))
        self.assertEqual(transfer.summary["refused"], 1)

    def test_refusals_arrive_as_their_classes(self) -> None:
        client = self.client()
        session = self.session(client)
        for kind, call in (
            (pushgate.SessionNotFound, lambda: client.push("0" * 24, "crm-contact", [])),
            (pushgate.UnknownType, lambda: client.push(session, "crm-nothing", [])),
            (pushgate.TransferNotFound, lambda: client.get_data("0" * 24)),
            (pushgate.InvalidParams, lambda: client.call("getData", {"transfer": 1})),
            (pushgate.MethodNotFound, lambda: client.call("pushTransfers")),
            (pushgate.ProviderUnknown, lambda: client.initiate_session("nobody", SCHEMAS)),
            (pushgate.CursorInvalid, lambda: client.subscribe(from_={"cursor": "nonsense"})),
        ):  # type: Any, Any
            with self.assertRaises(kind) as caught:
                call()
            self.assertEqual((caught.exception.code, caught.exception.name), (kind.code, kind.name))
        self.assertIsNotNone(client.ping())

    def test_ten_thousand_records_come_back_in_order_with_progress(self) -> None:
        client = self.client()
        seen: List[int] = []
        records = ({"internal_id": "p%d" % n, "data": {"first_name": "Person %d" % n}} for n in range(10_000))
        transfer = client.push(
            self.session(client), "crm-contact", records, progress=lambda finished, total: seen.append(finished)
        )
        self.assertEqual([row["internal_id"] for row in transfer.data(page=1000)], ["p%d" % n for n in range(10_000)])
        self.assertEqual(seen, sorted(set(seen)))
        self.assertEqual(seen[-1], 10_000)
        self.assertEqual(transfer.statistics()["statistics"]["crm-contact"]["records"], 10_000)

    def test_a_push_in_several_parts_is_read_as_one(self) -> None:
        client = self.client()
        records = [{"internal_id": "p%d" % n, "data": {"first_name": "x" * 200}} for n in range(1000)]
        with mock.patch.object(_push, "CUT", 50_000):
            transfer = client.push(self.session(client), "crm-contact", records)
        self.assertGreater(len(transfer.ids), 3)
        self.assertEqual([row["internal_id"] for row in transfer.data()], ["p%d" % n for n in range(1000)])
        self.assertEqual(sum(transfer.summary.values()), 1000)

    def test_events_go_on_after_the_gateway_was_killed(self) -> None:
        client = self.client()
        session = self.session(client)
        with client.subscribe(types=["completed"]) as events:
            pushed, seen = [], []
            for n in range(6):
                pushed.append(client.push(session, "crm-contact", [{"data": {"first_name": "%d" % n}}]).id)
                if n % 2:
                    self.gateway.crash()
                seen.append(events.next(20.0).data["transfer_id"])
        self.assertEqual(seen, pushed)

    def test_pushes_survive_kill_9(self) -> None:
        client = self.client()
        session = self.session(client)
        stop = threading.Event()

        def torment() -> None:
            while not stop.wait(0.2):
                self.gateway.stop(signal.SIGKILL)
                self.gateway.start()

        thread = threading.Thread(target=torment)
        thread.start()
        try:
            transfers = [
                client.push(session, "crm-contact", [{"internal_id": "k%d" % n, "data": {"first_name": "N%d" % n}}])
                for n in range(30)
            ]
        finally:
            stop.set()
            thread.join()
        ids = [row["id"] for transfer in transfers for row in transfer.data()]
        self.assertEqual(len(set(ids)), 30)
        self.assertNotIn(None, ids)

    def test_a_named_consumer_goes_on_in_another_process_after_a_restart(self) -> None:
        client = self.client()
        session = self.session(client)
        done = [client.push(session, "crm-contact", [{"data": {"first_name": str(n)}}]).id for n in range(3)]
        with client.subscribe(types=["completed"], from_={"consumer": "mail"}) as events:
            self.assertEqual(events.next(10.0).data["transfer_id"], done[0])
            events.ack()
        client.close(5.0)
        self.gateway.stop(signal.SIGKILL)
        self.gateway.start()
        with self.client().subscribe(types=["completed"], from_={"consumer": "mail"}) as events:
            self.assertEqual([events.next(10.0).data["transfer_id"] for _ in range(2)], done[1:])

    def test_a_number_keeps_its_digits(self) -> None:
        client = self.client(decimal=True)
        properties = {"name": {"type": "string"}, "amount": {"type": "number"}}
        schema = {"endgrate_type": "crm-deal", "title": "Deal", "type": "object", "properties": properties}
        session = client.initiate_session("local", [schema])["session_id"]
        transfer = client.push(session, "Deal", [{"data": {"name": "d", "amount": Decimal("1234.50")}}])
        (row,) = transfer.data()
        self.assertEqual(str(row["data"]["fields"]["amount"]), "1234.50")

    def test_the_end_of_the_gateway_is_announced(self) -> None:
        heard: List[str] = []
        client = self.client(on_notification=lambda method, params: heard.append(method), reconnect=0)
        client.ping()
        self.assertEqual(self.gateway.stop(signal.SIGTERM), 0)
        for _ in range(500):
            if heard:
                break
            time.sleep(0.01)
        self.assertEqual(heard, ["gateway.closing"])

    def test_the_definition_of_the_wire_is_answered(self) -> None:
        client = self.client()
        names = {method["name"] for method in client.discover()["methods"]}
        self.assertLessEqual({"pushTransfer", "getData", "subscribe", "rpc.discover"}, names)
        self.assertIn("inbound_line", (client.server or {})["limits"])

    def test_the_asyncio_client_does_the_same(self) -> None:
        async def work() -> None:
            async with aio.Client(self.gateway.path) as client:
                session = (await client.initiate_session("local", SCHEMAS, name="test"))["session_id"]
                async with client.subscribe(types=["completed"]) as events:
                    transfer = await client.push(session, "crm-contact", PUBLISHED)
                    self.assertEqual((await events.next(10.0)).data["transfer_id"], transfer.id)
                self.assertEqual([row["internal_id"] async for row in transfer.data()], ["Contact1", "Contact2"])
                answers = await asyncio.gather(*(client.ping() for _ in range(1000)))
                self.assertEqual(len(answers), 1000)

        asyncio.run(work())


@unittest.skipUnless(BINARY, WHY_NOT)
class Spawned(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="pushgate-e2e-")
        self.addCleanup(folder.cleanup)
        self.store = os.path.join(folder.name, "push.db")

    def test_the_published_example_gives_the_same_result_over_stdio(self) -> None:
        with pushgate.Client(spawn=BINARY, store=self.store) as client:
            session = client.initiate_session("local", SCHEMAS, name="test")["session_id"]
            rows = list(client.push(session, "crm-contact", PUBLISHED).data())
        self.assertEqual([row["internal_id"] for row in rows], ["Contact1", "Contact2"])
        self.assertEqual([len(row["associations"]["crm-company"]) for row in rows], [2, 1])

    def test_leaving_waits_for_what_was_accepted(self) -> None:
        with pushgate.Client(spawn=BINARY, store=self.store) as client:
            session = client.initiate_session("local", SCHEMAS, name="test")["session_id"]
            transfer = client.push(session, "crm-contact", [{"internal_id": "w", "data": {}}] * 500, wait=False).id
        with pushgate.Client(spawn=BINARY, store=self.store) as client:
            self.assertTrue(client.get_statistics(transfer_id=transfer)["completed"])

    def test_a_flag_that_does_not_exist_is_told_at_once(self) -> None:
        with self.assertRaisesRegex(pushgate.ConnectFailed, "ended with status"):
            pushgate.Client(spawn=[BINARY, "stdio", "--no-such-flag"])


if __name__ == "__main__":
    unittest.main()
