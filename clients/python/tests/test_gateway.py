"""The same client against the built gateway, named by PUSHGATE_BINARY."""

import asyncio
import os
import signal
import tempfile
import threading
import time
import unittest
from decimal import Decimal
from typing import Any, Dict, Iterator, List
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

    def test_parts_survive_kill_9_and_count_once(self) -> None:
        client = self.client()
        session = self.session(client)

        def source() -> Iterator[Dict[str, Any]]:
            for n in range(3000):
                if n in (700, 1900):
                    self.gateway.crash()
                yield {"internal_id": "p%d" % n, "data": {"first_name": "Person %d" % n}}

        transfer = client.push_parts(session, "crm-contact", source(), part_records=500)
        rows = [(row["internal_id"], row["outcome"]) for row in transfer.data(page=1000)]
        self.assertEqual(rows, [("p%d" % n, "created") for n in range(3000)])
        self.assertEqual(len(list(client.transfers(session))), 1)

    def test_parts_that_another_process_began_are_gone_on_with(self) -> None:
        client = self.client()
        session = self.session(client)
        records = [{"internal_id": "p%d" % n, "data": {"first_name": "N%d" % n}} for n in range(50)]

        def source() -> Iterator[Dict[str, Any]]:
            yield from records[:30]
            raise OSError("the source is gone")

        with self.assertRaises(OSError):
            client.push_parts(session, "crm-contact", source(), part_records=10, idempotency_key="k")
        client.close(5.0)
        self.gateway.stop()
        self.gateway.start()
        again = self.client()
        (open_one,) = again.transfers(state="open")
        # The third part was full and not yet sent: only then one more record would have been read.
        self.assertEqual(open_one["parts"], 2)
        transfer = again.push_parts(session, "crm-contact", records, part_records=10, idempotency_key="k")
        self.assertEqual((transfer.id, len(list(transfer.data()))), (open_one["transfer_id"], 50))
        with self.assertRaises(pushgate.PartConflict) as caught:
            again.push_parts(session, "crm-contact", records[1:], part_records=10, idempotency_key="k")
        self.assertEqual(caught.exception.open_transfer, transfer.id)

    def test_what_was_begun_can_be_dropped(self) -> None:
        client = self.client()
        begun = client.begin_transfer(self.session(client), "crm-contact")["transfer_id"]
        client.append_transfer(begun, 0, PUBLISHED)
        with self.assertRaises(pushgate.InvalidParams):
            client.append_transfer(begun, 2, PUBLISHED)
        with self.assertRaises(pushgate.PartConflict):
            client.append_transfer(begun, 0, PUBLISHED[:1])
        self.assertTrue(client.transfer(begun).cancel())
        self.assertEqual(list(client.transfers(state="open")), [])

    def test_a_plan_is_what_applying_does_also_after_a_restart(self) -> None:
        client = self.client()
        session = self.session(client)
        records = [{"internal_id": "p%d" % n, "data": {"first_name": "N%d" % n}} for n in range(600)]
        client.push(session, "crm-contact", records[:200])
        for record in records[:50]:
            record["data"] = {"first_name": "changed"}
        plan = client.plan(session, "crm-contact", iter(records), page=100)
        actions = [row["action"] for row in plan]
        self.assertEqual(actions, ["update"] * 50 + ["unchanged"] * 150 + ["create"] * 400)
        self.assertEqual((plan.summary["update"], plan.summary["unchanged"], len(plan)), (50, 150, 600))
        self.gateway.stop()
        self.gateway.start()
        found = self.client().planned(plan.id)
        self.assertEqual([row["index"] for row in found], list(range(600)))
        summary = found.apply().summary
        self.assertEqual([summary[name] for name in ("updated", "unchanged", "created")], [50, 150, 400])
        self.assertTrue(plan.apply().duplicate)

    def test_what_changed_since_the_plan_is_refused(self) -> None:
        client = self.client()
        session = self.session(client)
        client.push(session, "crm-contact", PUBLISHED)
        plan = client.plan(session, "crm-contact", [{"internal_id": "Contact1", "data": {"first_name": "Robert"}}])
        (row,) = plan
        self.assertEqual(row["diff"], [{"field": "first_name", "from": "Bob", "to": "Robert"}])
        client.push(session, "crm-contact", [{"internal_id": "Contact1", "data": {"first_name": "Rob"}}])
        transfer = plan.apply()
        self.assertEqual([row["id"] for row in transfer.data()], [None])
        self.assertEqual([entry["error_type"] for entry in transfer.errors()], ["transfer_data"])

    def test_what_was_refused_is_retried_under_the_session_as_it_is_now(self) -> None:
        client = self.client()
        session = self.session(client)
        names = ["emial" if n % 5 else "email" for n in range(10)]
        data = [{"first_name": "P", name: "%d@x.org" % n} for n, name in enumerate(names)]
        records = [{"internal_id": "p%d" % n, "data": one} for n, one in enumerate(data)]
        transfer = client.push(session, "crm-contact", records)
        self.assertEqual(transfer.summary["refused"], 8)
        client.update_session(session, unknown_properties="warn")
        retry = transfer.retry()
        self.assertEqual([row["internal_id"] for row in retry.data()], ["p%d" % n for n in range(10) if n % 5])
        self.assertEqual(retry.summary["created"], 8)
        self.assertEqual({entry["resolved"] for entry in transfer.errors()}, {True})
        self.assertEqual(transfer.retry().summary["created"], 0)

    def test_a_cancelled_transfer_ends_and_its_rest_can_be_sent(self) -> None:
        client = self.client()
        made = client.initiate_session("local", SCHEMAS, account="slow", settings={"latency_ms": 100})
        records = [{"internal_id": "p%d" % n, "data": {"first_name": "N%d" % n}} for n in range(5000)]
        transfer = client.push(made["session_id"], "crm-contact", records, wait=False)
        self.assertTrue(transfer.cancel())
        summary = transfer.wait(20.0).summary
        self.assertGreater(summary["unsent"], 0)
        self.assertEqual(list(transfer.errors()), [])
        client.update_session(made["session_id"], settings={})
        self.assertEqual(transfer.retry().summary["created"], summary["unsent"])

    def test_an_uncertain_record_is_resolved(self) -> None:
        client = self.client()
        faults = [{"fault": "lose_answer", "operation": "write", "times": 1}]
        made = client.initiate_session("local", SCHEMAS, account="blind", settings={"class": "blind", "faults": faults})
        transfer = client.push(made["session_id"], "crm-contact", [{"internal_id": "b", "data": {"first_name": "B"}}])
        self.assertEqual([row["outcome"] for row in transfer.data()], ["uncertain"])
        self.assertEqual(transfer.resolve("written", internal_id="b", id="101"), (1, 0, None))
        self.assertEqual([(row["id"], row["outcome"]) for row in transfer.data()], [("101", "updated")])
        self.assertEqual({row["id"] for row in client.identities(made["session_id"])}, {"101"})
        with self.assertRaises(pushgate.RecordNotFound):
            transfer.resolve("not_written", index=5)

    def test_identities_are_brought_along_and_read_back(self) -> None:
        client = self.client()
        session = self.session(client)
        pairs = {"c%05d" % n: str(n + 1) for n in range(12_000)}
        self.assertEqual(client.import_identities(session, "crm-company", pairs)["imported"], 12_000)
        rows = client.identities(session, "crm-company", page=5000)
        self.assertEqual({row["internal_id"]: row["id"] for row in rows}, pairs)
        with self.assertRaises(pushgate.InvalidParams):
            client.import_identities(session, "crm-company", [("c00000", "2")])
        kept = client.import_identities(session, "crm-company", [("c00000", "2")], on_conflict="keep")
        self.assertEqual(kept["conflicts"], [{"internal_id": "c00000", "id": "2", "known_id": "1"}])

    def test_under_ledger_an_identical_push_makes_no_call(self) -> None:
        client = self.client()
        session = self.session(client)
        client.push(session, "crm-contact", PUBLISHED, freshness="ledger")
        before = client.stats()["exchanges"]
        rows = list(client.push(session, "crm-contact", PUBLISHED, freshness="ledger", max_age=60).data())
        self.assertEqual([(row["outcome"], row["basis"]) for row in rows], [("unchanged", "ledger")] * 2)
        self.assertEqual(client.stats()["exchanges"], before)

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
