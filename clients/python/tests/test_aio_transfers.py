"""Parts, plans, retries, lists and identities with the asyncio client; what it shares is tested with the other one."""

import asyncio
import threading
from typing import Any, AsyncIterator, Iterator, List
from unittest import mock

from fake_gateway import Fault, Json, Peer
from test_aio import WithGateway
from test_client import CONTACTS
from test_transfers import BAD, losing, people, refusing

import pushgate
from pushgate import _identities


class Parts(WithGateway):
    async def test_one_transfer_is_pushed_in_parts_from_an_asynchronous_source(self) -> None:
        client = self.client()
        session = await self.session(client)
        read: List[int] = []
        ahead: List[int] = []
        real = self.gateway.do_appendTransfer

        async def source() -> AsyncIterator[Json]:
            for n in range(25):
                read.append(n)
                yield {"internal_id": "p%d" % n, "data": {"n": n}}

        def note(peer: Peer, params: Json) -> Any:
            ahead.append(len(read) - 10 * params["seq"])
            return real(peer, params, [])

        self.gateway.script["appendTransfer"] = note
        losing(self.gateway, "beginTransfer")
        losing(self.gateway, "commitTransfer")
        transfer = await client.push_parts(session, "crm-contact", source(), part_records=10)
        self.assertEqual([row["internal_id"] async for row in transfer.data()], ["p%d" % n for n in range(25)])
        self.assertEqual([part["seq"] for part in self.gateway.called("appendTransfer")], [0, 1, 2])
        self.assertLessEqual(max(ahead), 11)
        self.assertEqual(len(self.gateway.transfers), 1)
        plain = await client.push_parts(session, "crm-contact", people(3), part_records=2)
        self.assertEqual(len([row async for row in plain.data()]), 3)

    async def test_another_task_goes_on_under_the_same_key(self) -> None:
        client = self.client()
        session = await self.session(client)
        self.gateway.script["commitTransfer"] = refusing(1008, "storage_full")
        with self.assertRaises(pushgate.StorageFull) as caught:
            await client.push_parts(session, "crm-contact", people(5), part_records=2, idempotency_key="k")
        name = caught.exception.open_transfer
        assert name is not None
        del self.gateway.script["commitTransfer"]
        transfer = await client.push_parts(session, "crm-contact", people(5), part_records=2, idempotency_key="k")
        self.assertEqual((transfer.id, transfer.completed), (name, True))

    async def test_a_source_that_fails_leaves_nothing_behind_unless_somebody_has_the_key(self) -> None:
        client = self.client()
        session = await self.session(client)

        def source() -> Iterator[Json]:
            yield {"data": {}}
            raise OSError("the disk is gone")

        with self.assertRaisesRegex(OSError, "the disk is gone"):
            await client.push_parts(session, "crm-contact", source(), part_records=1)
        self.assertEqual([row async for row in client.transfers()], [])
        with self.assertRaises(OSError):
            await client.push_parts(session, "crm-contact", source(), part_records=1, idempotency_key="mine")
        (left,) = [row async for row in client.transfers(state="open")]
        self.assertTrue(await client.transfer(left["transfer_id"]).cancel())
        self.gateway.script["cancelTransfer"] = refusing(1306, "transfer_not_found")
        with self.assertRaises(OSError):
            await client.push_parts(session, "crm-contact", source(), part_records=1)
        with self.assertRaises(TypeError):
            await client.push_parts(session, "crm-contact", "text")  # type: ignore[arg-type]

    async def test_progress_comes_by_the_token_of_the_commit(self) -> None:
        client = self.client()
        self.gateway.hold = True
        seen: List[Any] = []

        async def progress(finished: int, total: int) -> None:
            seen.append((finished, total))

        transfer = await client.push_parts(
            await self.session(client), "crm-contact", people(4), wait=False, progress=progress
        )
        self.gateway.progress(transfer.id, 3)
        threading.Timer(0.05, self.gateway.finish, [transfer.id]).start()
        await transfer.wait(timeout=5.0, progress=progress)
        self.assertEqual(seen, [(3, 4), (4, 4)])


class Plans(WithGateway):
    async def test_a_plan_is_read_over_its_pages_and_applied(self) -> None:
        client = self.client()
        session = await self.session(client)
        self.gateway.page_cut = 4

        async def source() -> AsyncIterator[Json]:
            for one in people(10):
                yield one

        plan = await client.plan(session, "crm-contact", source(), freshness="verify")
        self.assertEqual([row["index"] async for row in plan], list(range(10)))
        self.assertEqual((plan.summary["create"], len(plan)), (10, 10))
        found = await client.planned(plan.id, page=3)
        self.assertEqual([row["action"] async for row in found], ["create"] * 10)
        transfer = await plan.apply()
        self.assertEqual((transfer.completed, (await plan.apply(wait=False)).id), (True, transfer.id))
        with self.assertRaises(pushgate.PlanNotFound):
            await client.planned("0" * 24)
        with self.assertRaises(TypeError):
            await client.plan(session, "crm-contact", "text")  # type: ignore[arg-type]


class Afterwards(WithGateway):
    async def test_what_failed_is_cancelled_retried_and_resolved(self) -> None:
        client = self.client()
        session = await self.session(client)
        self.gateway.hold = True
        transfer = await client.push(session, "crm-contact", CONTACTS, wait=False)
        with self.assertRaises(pushgate.TransferNotCompleted):
            await transfer.retry()
        self.assertTrue(await transfer.cancel())
        self.assertEqual((await transfer.wait(5.0)).summary["unsent"], 2)
        self.gateway.hold = False
        retry = await transfer.retry(["unsent"])
        self.assertEqual([row["outcome"] async for row in retry.data()], ["created"] * 2)
        refused = await client.push(session, "crm-contact", [BAD])
        self.assertEqual([entry["internal_id"] async for entry in (await refused.retry()).data()], ["bad"])
        self.gateway.uncertain = {0, 1}
        unknown = await client.push(session, "crm-contact", people(2))
        one = await unknown.resolve("written", index=0, id="7")
        self.assertEqual(one, (1, 1, None))
        rest = await unknown.resolve("push_again")
        assert rest.retry is not None
        self.assertEqual([row["internal_id"] async for row in rest.retry.result(5.0)], ["p1"])
        with self.assertRaises(pushgate.RecordNotFound):
            await unknown.resolve("written", internal_id="nobody", id="7")


class Lists(WithGateway):
    async def test_lists_are_read_over_all_pages(self) -> None:
        client = self.client()
        session = await self.session(client)
        pushed = [(await client.push(session, "crm-contact", people(5))).id for _ in range(5)]
        self.gateway.page_cut = 2
        self.assertEqual([row["transfer_id"] async for row in client.transfers(session)], pushed[::-1])
        self.assertEqual([row["session_id"] async for row in client.sessions()], [session])
        rows = [row async for row in client.identities(session, "crm-contact")]
        self.assertEqual([row["internal_id"] for row in rows], ["p%d" % n for n in range(5)])
        asked = losing(self.gateway, "listTransfers")
        self.assertEqual([row async for row in client.transfers(state="open")], [])
        self.assertEqual(len(asked), 2)

    async def test_identities_are_imported_in_bounded_calls(self) -> None:
        client = self.client()
        session = await self.session(client)

        async def source() -> AsyncIterator[Any]:
            for n in range(10):
                await asyncio.sleep(0)
                yield "c%d" % n, str(n)

        with mock.patch.object(_identities, "_PAIRS", 4):
            self.assertEqual((await client.import_identities(session, "crm-contact", source()))["imported"], 10)
        self.assertEqual([len(p["identities"]) for p in self.gateway.called("importIdentities")], [4, 4, 2])
        done = await client.import_identities(session, "crm-contact", {"c1": "9"}, on_conflict="replace")
        self.assertEqual((done["imported"], done["conflicts_total"]), (1, 1))

        def refuse(peer: Peer, params: Json) -> Any:
            raise Fault(1301, "session_not_found")

        self.gateway.script["importIdentities"] = refuse
        with self.assertRaises(pushgate.SessionNotFound):
            await client.import_identities(session, "crm-contact", [])
