"""The asyncio client: what is its own is tested here, what it shares with the blocking one there."""

import asyncio
import inspect
import json
import os
import socket
import sys
import tempfile
import threading
import time
import unittest
from typing import Any, AsyncIterator, List
from unittest import mock

from fake_gateway import FakeGateway, Fault, Hangup, Json, Peer, Silence
from test_client import CONTACTS, FAKE

import pushgate
from pushgate import _events, _push, aio


class WithGateway(unittest.IsolatedAsyncioTestCase):
    def setUp(self) -> None:
        self.gateway = FakeGateway()
        self.gateway.__enter__()
        self.addCleanup(self.gateway.__exit__)

    def client(self, **options: Any) -> aio.Client:
        options.setdefault("timeout", 5.0)
        options.setdefault("reconnect", 5.0)
        client = aio.Client(self.gateway.path, **options)
        self.addAsyncCleanup(client.close)
        return client

    async def session(self, client: aio.Client) -> str:
        answer = await client.initiate_session("local", [{"endgrate_type": "crm-contact"}], name="test")
        session: str = answer["session_id"]
        return session

    async def wait_for(self, method: str, times: int = 1) -> List[Json]:
        return await asyncio.get_running_loop().run_in_executor(None, self.gateway.wait_for, method, times)


class Twins(unittest.TestCase):
    def test_both_clients_have_the_same_names_and_arguments(self) -> None:
        for blocking, waiting, extra in (
            (pushgate.Client, aio.Client, {"connect"}),
            (pushgate.Transfer, aio.Transfer, set()),
            (pushgate.Subscription, aio.Subscription, set()),
        ):
            left = {name for name in dir(blocking) if not name.startswith("_")}
            right = {name for name in dir(waiting) if not name.startswith("_")}
            self.assertEqual(right - left, extra)
            self.assertEqual(left - right, set())
            for name in sorted(left):
                one, other = getattr(blocking, name), getattr(waiting, name)
                if inspect.isfunction(one):
                    names = [list(inspect.signature(f).parameters) for f in (one, other)]
                    self.assertEqual(names[0], names[1], name)


class Calls(WithGateway):
    async def test_calls_run_side_by_side_over_one_connection(self) -> None:
        self.gateway.script["echo"] = lambda peer, params: params["n"]
        client = self.client()
        self.assertEqual(await asyncio.gather(*(client.call("echo", n=n) for n in range(300))), list(range(300)))
        self.assertEqual(self.gateway.connections, 1)
        self.assertEqual(client.server, {"server": {"name": "fake"}, "protocol": 1})

    async def test_no_more_calls_are_under_way_than_the_gateway_takes(self) -> None:
        waiting: List[Any] = []

        def collect(peer: Peer, params: Json) -> Any:
            with self.gateway.lock:
                waiting.append(json.loads(self.gateway.lines[-1])["id"])
            raise Silence

        self.gateway.script["slow"] = collect
        client = self.client()
        tasks = [asyncio.ensure_future(client.call("slow")) for _ in range(300)]
        await self.wait_for("slow", 250)
        await asyncio.sleep(0.05)
        self.assertEqual(len(waiting), 250)
        with self.assertRaises(pushgate.CallTimeout):
            await client.call("slow", timeout=0.05)
        peer = self.gateway.peers[0]
        for done in range(300):
            await self.wait_for("slow", min(300, done + 1))
            peer.send({"jsonrpc": "2.0", "id": waiting[done], "result": done})
        self.assertEqual(sorted(await asyncio.gather(*tasks)), list(range(300)))

    async def test_an_error_of_the_gateway_is_raised_as_its_class(self) -> None:
        async with self.client() as client:
            with self.assertRaises(pushgate.SessionNotFound):
                await client.push_transfer("nobody", "crm-contact", [])

    async def test_a_line_far_over_64_kib_is_read(self) -> None:
        self.gateway.script["big"] = lambda peer, params: "x" * 3_000_000
        self.assertEqual(len(await self.client().call("big")), 3_000_000)

    async def test_a_call_without_an_answer_times_out_and_is_cancelled_at_the_gateway(self) -> None:
        def silence(peer: Peer, params: Json) -> Any:
            raise Silence

        self.gateway.script["slow"] = silence
        client = self.client()
        with self.assertRaises(pushgate.CallTimeout):
            await client.call("slow", timeout=0.1)
        self.assertEqual((await self.wait_for("$/cancelRequest"))[0], {"id": 2})
        task = asyncio.ensure_future(client.call("slow"))
        await self.wait_for("slow", 2)
        task.cancel()
        with self.assertRaises(asyncio.CancelledError):
            await task
        self.assertEqual((await self.wait_for("$/cancelRequest", 2))[1], {"id": 3})
        self.assertEqual(await client.ping(), {"success": True})

    async def test_a_gateway_that_does_not_read_cannot_hold_a_caller_beyond_the_timeout(self) -> None:
        stuck = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)  # its backlog takes us, nobody ever accepts
        with tempfile.TemporaryDirectory() as folder, stuck:
            stuck.bind(os.path.join(folder, "s"))
            stuck.listen()
            client = aio.Client(os.path.join(folder, "s"), timeout=0.2, reconnect=0)
            for _ in range(2):
                # The first is handed over whole, the second finds no room.
                with self.assertRaises(pushgate.CallTimeout):
                    await client.call("big", text="x" * 4_000_000)
            await client.close()

    async def test_calls_in_flight_fail_when_the_gateway_dies(self) -> None:
        def hang(peer: Peer, params: Json) -> Any:
            raise Silence

        self.gateway.script["hang"] = hang
        client = self.client()
        tasks = [asyncio.ensure_future(client.call("hang")) for _ in range(5)]
        await self.wait_for("hang", 5)
        self.gateway.stop()
        failures = await asyncio.gather(*tasks, return_exceptions=True)
        self.assertEqual([type(error) for error in failures], [pushgate.ConnectionLost] * 5)
        with self.assertRaises(pushgate.ConnectFailed):
            await client.ping()
        self.gateway.listen()
        self.assertEqual(await client.ping(), {"success": True})

    async def test_a_peer_that_is_no_gateway_ends_the_call(self) -> None:
        self.gateway.script["ping"] = lambda peer, params: peer.send_bytes(b"HTTP/1.1 400 Bad Request\n")
        with self.assertRaisesRegex(pushgate.ConnectionLost, "not JSON"):
            await self.client().ping()

    async def test_an_error_without_an_id_belongs_to_the_only_call(self) -> None:
        def unreadable(peer: Peer, params: Json) -> Any:
            peer.send({"jsonrpc": "2.0", "id": None, "error": Fault(-32700, "parse_error").wire})
            raise Silence

        self.gateway.script["odd"] = unreadable
        client = self.client()
        await client.ping()
        with self.assertRaises(pushgate.ParseError):
            await client.call("odd")

    async def test_what_the_gateway_said_last_is_in_the_error(self) -> None:
        def full(peer: Peer, params: Json) -> Any:
            peer.send({"jsonrpc": "2.0", "id": None, "error": Fault(1010, "too_many_connections", "512 of 512").wire})
            raise Hangup

        self.gateway.script["ping"] = full
        with self.assertLogs("pushgate", "WARNING"), self.assertRaisesRegex(pushgate.ConnectionLost, "512 of 512"):
            await self.client().ping()

    async def test_notifications_that_nobody_claims_go_to_the_callback(self) -> None:
        heard: "asyncio.Queue[Any]" = asyncio.Queue()

        def listen(method: str, params: Json) -> None:
            heard.put_nowait((method, params))
            raise ValueError("a callback that fails")

        client = self.client(on_notification=listen)
        await client.ping()
        with self.assertLogs("pushgate", "ERROR"):
            self.gateway.peers[0].notify("gateway.closing", {"deadline_ms": 5})
            self.assertEqual(await asyncio.wait_for(heard.get(), 5.0), ("gateway.closing", {"deadline_ms": 5}))
        self.assertEqual(await client.ping(), {"success": True})

    async def test_a_closed_client_says_so(self) -> None:
        client = self.client()
        await client.ping()
        await client.close()
        await client.close()
        with self.assertRaises(pushgate.ClientClosed):
            await client.ping()

    async def test_a_client_that_is_forgotten_warns_and_lets_go(self) -> None:
        client = aio.Client(self.gateway.path)
        await client.ping()
        with self.assertWarns(ResourceWarning):
            del client
        for _ in range(500):
            if not self.gateway.peers:
                break
            await asyncio.sleep(0.01)
        self.assertEqual(self.gateway.peers, [])


class Pushes(WithGateway):
    async def test_a_push_waits_and_gives_the_rows_in_order(self) -> None:
        client = self.client()
        self.gateway.page_cut = 7
        records = [{"data": {"n": n, "email": "not an address" if n == 3 else ""}} for n in range(20)]
        transfer = await client.push(await self.session(client), "crm-contact", records)
        self.assertTrue(transfer.completed)
        self.assertEqual([row["id"] is None async for row in transfer.data()], [n == 3 for n in range(20)])
        self.assertEqual([entry["index"] async for entry in transfer.errors()], [3])
        self.assertEqual((await transfer.statistics())["statistics"]["crm-contact"]["records"], 20)
        self.assertEqual(transfer.summary, {"created": 19, "refused": 1})
        self.assertEqual(self.gateway.peers[0].subscriptions, {})

    async def test_an_asynchronous_source_is_cut_and_read_as_one(self) -> None:
        client = self.client()
        session = await self.session(client)

        async def source() -> AsyncIterator[Json]:
            for n in range(20):
                yield {"data": {"n": n, "t": "x" * 50}}

        with mock.patch.object(_push, "CUT", 300):
            transfer = await client.push(session, "crm-contact", source(), idempotency_key="k")
        self.assertGreater(len(transfer.ids), 3)
        self.assertEqual([row["data"]["n"] async for row in transfer.data()], list(range(20)))

        async def nothing() -> AsyncIterator[Json]:
            return
            yield {}

        empty = await client.push(session, "crm-contact", nothing())
        self.assertEqual([row async for row in empty.result()], [])

    async def test_a_push_that_was_only_started_can_be_waited_for_later(self) -> None:
        client = self.client()
        self.gateway.hold = True
        transfer = await client.push(await self.session(client), "crm-contact", CONTACTS, wait=False)
        with self.assertRaises(pushgate.TransferNotCompleted):
            await transfer.data().__anext__()
        with self.assertRaises(TimeoutError):
            await transfer.wait(timeout=0.05)
        threading.Timer(0.05, self.gateway.finish, [transfer.id]).start()
        self.assertEqual(len([row async for row in transfer.result(timeout=5.0)]), 2)
        self.assertTrue((await client.transfer(transfer.id).wait(timeout=5.0)).completed)

    async def test_an_end_that_was_trimmed_from_the_log_is_found_all_the_same(self) -> None:
        client = self.client()
        transfer = await client.push(await self.session(client), "crm-contact", CONTACTS, wait=False)
        self.gateway.trim(len(self.gateway.log))
        self.assertTrue((await transfer.wait(timeout=5.0)).completed)

    async def test_progress_is_reported_and_ends_complete(self) -> None:
        client = self.client()
        self.gateway.hold = True
        seen: List[Any] = []

        async def progress(finished: int, total: int) -> None:
            await client.ping()
            seen.append((finished, total))
            if finished == 4:
                self.gateway.progress(transfer.id, 6)
                self.gateway.finish(transfer.id)

        transfer = await client.push(
            await self.session(client), "crm-contact", [{}] * 10, wait=False, progress=progress
        )
        self.gateway.progress(transfer.id, 4)
        await client.ping()
        await transfer.wait(timeout=5.0, progress=progress)
        self.assertEqual(seen, [(4, 10), (6, 10), (10, 10)])

    async def test_a_push_is_repeated_under_its_key_when_the_answer_was_lost(self) -> None:
        client = self.client()
        session = await self.session(client)
        attempts: List[str] = []

        def lose_twice(peer: Peer, params: Json) -> Any:
            attempts.append(params["idempotency_key"])
            with self.gateway.lock:
                after: List[Any] = []
                result = self.gateway.do_pushTransfer(peer, params, after)
                for step in after:
                    step()
            if len(attempts) < 3:
                raise Hangup
            return result

        self.gateway.script["pushTransfer"] = lose_twice
        transfer = await client.push(session, "crm-contact", CONTACTS)
        self.assertEqual((len(attempts), len(set(attempts)), transfer.duplicate), (3, 1, True))
        self.assertEqual(len(self.gateway.transfers), 1)

    async def test_an_error_tells_which_parts_are_safe(self) -> None:
        client = self.client(reconnect=0.2)
        session = await self.session(client)
        with self.assertRaises(pushgate.SessionNotFound) as caught:
            await client.push("nobody", "crm-contact", [])
        self.assertEqual(caught.exception.accepted, [])
        with self.assertRaises(TypeError):
            await client.push(session, "crm-contact", "text")  # type: ignore[arg-type]
        self.gateway.stop()
        with self.assertRaises(pushgate.PushgateError):
            await client.push(session, "crm-contact", CONTACTS)


class Subscriptions(WithGateway):
    async def test_it_goes_on_where_it_was_after_the_gateway_was_away(self) -> None:
        client = self.client()
        seen: List[int] = []
        async with client.subscribe(types=["data"]) as events:
            for n in range(30):
                if n % 10 == 5:
                    self.gateway.stop()
                    self.gateway.emit("data", n)
                    threading.Timer(0.05, self.gateway.listen).start()
                else:
                    self.gateway.emit("data", n)
                seen.append((await events.next(5.0)).data)
        self.assertEqual(seen, list(range(30)))

    async def test_it_opens_when_awaited_entered_or_iterated(self) -> None:
        client = self.client()
        opened = await client.subscribe()
        self.gateway.emit("data", 1)
        self.assertEqual((await opened.next(5.0)).data, 1)
        async for event in client.subscribe(from_="earliest"):
            self.assertEqual(event.data, 1)
            break
        await opened.close()
        self.assertEqual([event async for event in opened], [])

    async def test_a_gap_is_an_event(self) -> None:
        for n in range(10):
            self.gateway.emit("data", n)
        self.gateway.trim(6)
        async with self.client().subscribe(from_={"cursor": self.gateway.cursor(2)}) as events:
            gap = await events.next(5.0)
            self.assertEqual((gap.type, gap.data["lost_at_most"]), ("gap", 4))
            self.assertEqual((await events.next(5.0)).data, 6)
            self.assertEqual(events.cursor, self.gateway.cursor(7))

    async def test_a_consumer_that_loses_its_connection_sees_nothing_twice(self) -> None:
        async with self.client().subscribe(from_={"consumer": "mail"}) as events:
            await events.ack()
            for n in range(4):
                self.gateway.emit("data", n)
            self.assertEqual([(await events.next(5.0)).data for _ in range(3)], [0, 1, 2])
            self.gateway.drop_all()
            self.gateway.emit("data", 4)
            self.assertEqual([(await events.next(5.0)).data for _ in range(2)], [3, 4])
            self.assertTrue(events.caught_up)
            self.gateway.peers[0].subscriptions.clear()
            await events.ack()
        self.assertEqual(self.gateway.consumers["mail"], 5)

    async def test_a_consumer_that_is_still_busy_after_a_break_is_waited_for(self) -> None:
        refused: List[Json] = []

        def busy(peer: Peer, params: Json) -> Any:
            if len(refused) < 2:
                refused.append(params)
                raise Fault(1106, "consumer_busy")
            del self.gateway.script["subscribe"]
            return self.gateway.do_subscribe(peer, params, [])

        client = self.client()
        async with client.subscribe(from_={"consumer": "mail"}) as events:
            self.gateway.script["subscribe"] = busy
            self.gateway.drop_all()
            with self.assertRaises(TimeoutError):
                await events.next(0.5)
            self.gateway.emit("data", 1)
            self.assertEqual((await events.next(5.0)).data, 1)
        refused.clear()
        self.gateway.script["subscribe"] = busy
        with self.assertRaises(pushgate.ConsumerBusy):
            await client.subscribe(from_={"consumer": "mail"})
        self.assertEqual(client._subscriptions, set())

    async def test_a_long_payload_is_fetched_and_not_lost_when_that_fails(self) -> None:
        client = self.client(reconnect=0)
        records = [{"data": {"n": n}} for n in range(50)]
        transfer = await client.push(await self.session(client), "crm-contact", records)
        self.gateway.page_cut = 20

        def refuse(peer: Peer, params: Json) -> Any:
            raise Fault(1007, "result_too_large")

        async with client.subscribe(types=["data"]) as events:
            self.gateway.script["getData"] = refuse
            self.gateway.emit("data", None, ref="getData?transfer_id=%s&offset=10&limit=30" % transfer.id)
            with self.assertRaises(pushgate.ResultTooLarge):
                await events.next(5.0)
            del self.gateway.script["getData"]
            event = await events.next(5.0)
        self.assertEqual([row["data"]["n"] for row in event.data["transfer_data"]], list(range(10, 40)))

    async def test_a_slow_reader_keeps_bounded_memory_and_misses_nothing(self) -> None:
        client = self.client()
        with mock.patch.object(_events, "MAX_QUEUED", 10):
            async with client.subscribe() as events:
                for n in range(100):
                    self.gateway.emit("data", n)
                await client.ping()
                self.assertLessEqual(len(events._feed._queue), 10)
                self.assertEqual([(await events.next(5.0)).data for _ in range(100)], list(range(100)))

    async def test_an_event_is_not_lost_when_its_reader_is_cancelled(self) -> None:
        async with self.client().subscribe() as events:
            reader = asyncio.ensure_future(events.next())
            await asyncio.sleep(0.02)
            reader.cancel()
            self.gateway.emit("data", 1)
            with self.assertRaises(asyncio.CancelledError):
                await reader
            self.assertEqual((await events.next(5.0)).data, 1)

    async def test_an_opening_that_is_cancelled_can_be_made_again(self) -> None:
        def silence(peer: Peer, params: Json) -> Any:
            raise Silence

        client = self.client()
        events = client.subscribe(from_="earliest")
        self.gateway.script["subscribe"] = silence
        reader = asyncio.ensure_future(events.next())
        await self.wait_for("subscribe")
        reader.cancel()
        with self.assertRaises(asyncio.CancelledError):
            await reader
        del self.gateway.script["subscribe"]
        self.gateway.emit("data", 1)
        self.assertEqual((await events.next(5.0)).data, 1)

    async def test_the_end_of_an_older_connection_does_not_close_a_new_subscription(self) -> None:
        async with self.client().subscribe() as events:
            events.lost("of an older connection")
            self.gateway.emit("data", 1)
            self.assertEqual((await events.next(5.0)).data, 1)
        self.assertEqual(len(self.gateway.called("subscribe")), 1)

    async def test_closing_ends_the_loop_of_another_task(self) -> None:
        client = self.client()
        events = await client.subscribe()
        asyncio.get_running_loop().call_later(0.05, lambda: asyncio.ensure_future(client.close()))
        self.assertEqual([event async for event in events], [])


class Spawned(unittest.IsolatedAsyncioTestCase):
    COMMAND = [sys.executable, FAKE, "stdio"]

    async def test_a_gateway_of_ones_own_does_the_same_job_and_may_finish(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            done = os.path.join(folder, "done")
            with mock.patch.dict(os.environ, {"FAKE_SLOW": "0.3", "FAKE_DONE": done}):
                async with aio.Client(spawn=self.COMMAND) as client:
                    answer = await client.initiate_session("local", [{"endgrate_type": "crm-contact"}])
                    transfer = await client.push(answer["session_id"], "crm-contact", CONTACTS)
                    self.assertEqual(len([row async for row in transfer.data()]), 2)
            self.assertTrue(os.path.exists(done))

    async def test_a_limit_ends_the_waiting(self) -> None:
        with mock.patch.dict(os.environ, {"FAKE_SLOW": "60"}):
            client = await aio.Client(spawn=self.COMMAND).connect()
            started = time.monotonic()
            await client.close(timeout=0.1)
            self.assertLess(time.monotonic() - started, 5.0)

    async def test_one_that_cannot_start_is_told_with_its_status(self) -> None:
        with mock.patch.dict(os.environ, {"FAKE_EXIT": "75"}):
            with self.assertRaisesRegex(pushgate.ConnectFailed, "status 75"):
                await aio.Client(spawn=self.COMMAND).connect()
        with self.assertRaisesRegex(pushgate.ConnectFailed, "/nowhere/pushgate"):
            await aio.Client(spawn=["/nowhere/pushgate", "stdio"]).connect()

    async def test_one_that_dies_is_started_again(self) -> None:
        async with aio.Client(spawn=self.COMMAND) as client:
            with self.assertRaisesRegex(pushgate.ConnectionLost, "status 3"):
                await client.call("die")
            self.assertEqual(await client.ping(), {"success": True})

    async def test_a_gateway_that_listens_is_preferred(self) -> None:
        with FakeGateway() as gateway, mock.patch.dict(os.environ, {"PUSHGATE_SOCKET": gateway.path}):
            async with aio.Client(spawn="/nowhere/pushgate") as client:
                await client.ping()
            self.assertEqual(gateway.connections, 1)


if __name__ == "__main__":
    unittest.main()
