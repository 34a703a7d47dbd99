"""The blocking client against a gateway that misbehaves on request."""

import gc
import os
import socket
import sys
import tempfile
import threading
import time
import unittest
import warnings
from decimal import Decimal
from typing import Any, Dict, Iterator, List, Tuple
from unittest import mock

from fake_gateway import FakeGateway, Fault, Hangup, Json, Peer, Silence

import pushgate
from pushgate import _events, _push

FAKE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "fake_gateway.py")
CONTACTS = [
    {"internal_id": "Contact1", "data": {"first_name": "Bob", "last_name": "Smith"}},
    {"internal_id": "Contact2", "data": {"first_name": "David", "last_name": "Jones"}},
]


class WithGateway(unittest.TestCase):
    def setUp(self) -> None:
        self.gateway = FakeGateway()
        self.gateway.__enter__()
        self.addCleanup(self.gateway.__exit__)

    def client(self, **options: Any) -> pushgate.Client:
        options.setdefault("timeout", 5.0)
        options.setdefault("reconnect", 5.0)
        client = pushgate.Client(self.gateway.path, **options)
        self.addCleanup(client.close)
        return client

    def session(self, client: pushgate.Client) -> str:
        session: str = client.initiate_session("local", [{"endgrate_type": "crm-contact"}], name="test")["session_id"]
        return session


class Calls(WithGateway):
    def test_every_method_goes_out_under_its_wire_name(self) -> None:
        names: List[Tuple[str, Dict[str, Any]]] = []

        def note(name: str) -> Any:
            def answer(peer: Peer, params: Json) -> Any:
                names.append((name, params))
                return {"ok": name}

            return answer

        wire = (
            "initiateSession getConfiguration updateSession setSchemas listSessions deleteSession "
            "pushTransfer planTransfer beginTransfer appendTransfer commitTransfer "
            "getTransfer listTransfers getData getErrors getRecord getStatistics cancelTransfer retryTransfer "
            "resolveRecord exportIdentities listWebhookDeliveries replayWebhook unsubscribe ack getEvents "
            "getIntegrations getTypes hello ping health stats drain rpc.discover"
        ).split()
        c = self.client()
        for name in wire:
            self.gateway.script[name] = note(name)
        results = [
            c.initiate_session("local", [], name="n"), c.get_configuration("s"), c.update_session("s", label="l"),
            c.set_schemas("s", [{"endgrate_type": "crm-deal"}]), c.list_sessions(limit=1),
            c.delete_session("s", forget=True), c.push_transfer("s", "t", [{}], synchronous=True),
            c.plan_transfer(plan_id="p", offset=250), c.begin_transfer("s", "t", freshness="force"),
            c.append_transfer("t", 0, ({},)), c.commit_transfer("t", parts=1), c.get_transfer("t"),
            c.list_transfers(state="open"), c.get_data("t", limit=5, partial=True), c.get_errors(transfer_id="t"),
            c.get_record("t", internal_id="i"), c.get_statistics(session_id="s"), c.cancel_transfer("t"),
            c.retry_transfer("t", outcomes=("unsent",)),
            c.resolve_record("t", "written", index=0, id="7"), c.export_identities("s", after="k"),
            c.list_webhook_deliveries(state="failed", after="9"), c.replay_webhook("d"),
            c.unsubscribe("x"), c.ack("x", "c"), c.get_events("c", types=["data"], wait_ms=5), c.get_integrations(),
            c.get_types(), c.hello(client={}), c.ping(), c.health(), c.stats(), c.drain(), c.discover(),
        ]  # fmt: skip
        self.assertEqual(results, [{"ok": name} for name in wire])
        sent = dict(names)
        self.assertEqual(sent["initiateSession"], {"provider": "local", "schema": [], "name": "n"})
        self.assertEqual(sent["getData"], {"transfer_id": "t", "limit": 5, "partial": True})
        self.assertEqual(sent["getErrors"], {"transfer_id": "t"})
        self.assertEqual(sent["getRecord"], {"transfer_id": "t", "internal_id": "i"})
        self.assertEqual(sent["updateSession"], {"session_id": "s", "label": "l"})
        self.assertEqual(sent["planTransfer"], {"plan_id": "p", "offset": 250})
        self.assertEqual(sent["appendTransfer"], {"transfer_id": "t", "seq": 0, "transfer_data": [{}]})
        self.assertEqual(sent["retryTransfer"], {"transfer_id": "t", "outcomes": ["unsent"]})
        resolved = {"transfer_id": "t", "resolution": "written", "index": 0, "id": "7"}
        self.assertEqual(sent["resolveRecord"], resolved)
        self.assertEqual(sent["listWebhookDeliveries"], {"state": "failed", "after": "9"})
        self.assertEqual(sent["replayWebhook"], {"delivery_id": "d"})
        self.assertEqual(sent["getEvents"], {"cursor": "c", "types": ["data"], "wait_ms": 5})

    def test_call_takes_params_by_name_and_as_a_mapping(self) -> None:
        self.gateway.script["anything"] = lambda peer, params: params
        self.assertEqual(self.client().call("anything", {"from": 1, "a": 2}, a=3), {"from": 1, "a": 3})

    def test_an_error_of_the_gateway_is_raised_as_its_class(self) -> None:
        with self.assertRaises(pushgate.SessionNotFound) as caught:
            self.client().push_transfer("nobody", "crm-contact", [])
        self.assertEqual((caught.exception.code, caught.exception.retryable), (1301, False))
        self.assertEqual(caught.exception.message, "Invalid or expired session.")

    def test_hello_says_who_calls_and_that_long_lines_are_welcome(self) -> None:
        client = self.client(token="secret")
        client.ping()
        (hello,) = self.gateway.called("hello")
        self.assertEqual(hello["client"], {"name": "pushgate-python", "version": pushgate.__version__})
        self.assertEqual((hello["max_line_bytes"], hello["token"]), (16 * 1024 * 1024, "secret"))
        self.assertEqual(client.server, {"server": {"name": "fake"}, "protocol": 1})

    def test_a_gateway_that_does_not_know_hello_is_good_enough(self) -> None:
        def refuse(peer: Peer, params: Json) -> Any:
            raise Fault(-32601, "method_not_found")

        self.gateway.script["hello"] = refuse
        client = self.client()
        self.assertEqual(client.ping(), {"success": True})
        self.assertIsNone(client.server)

    def test_the_ceiling_of_the_gateway_is_kept(self) -> None:
        self.gateway.script["hello"] = lambda peer, params: {"limits": {"inbound_line": 2000}}
        client = self.client()
        client.ping()
        with self.assertRaises(pushgate.RequestTooLarge):
            client.call("anything", text="x" * 2000)
        transfer = client.push(self.session(client), "crm-contact", [{"data": {"t": "x" * 500}}] * 5)
        self.assertEqual(len(transfer.ids), 3)

    def test_many_threads_share_one_connection_and_each_gets_its_own_answer(self) -> None:
        self.gateway.script["echo"] = lambda peer, params: params["n"]
        client, wrong = self.client(), []

        def work(start: int) -> None:
            for n in range(start, start + 100):
                if client.call("echo", n=n) != n:
                    wrong.append(n)

        threads = [threading.Thread(target=work, args=(1000 * k,)) for k in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual((wrong, self.gateway.connections), ([], 1))

    def test_no_more_calls_are_under_way_than_the_gateway_takes(self) -> None:
        def silence(peer: Peer, params: Json) -> Any:
            raise Silence

        self.gateway.script["slow"] = silence
        with mock.patch("pushgate._connection.MAX_IN_FLIGHT", 3):
            client = self.client()
        threads = [threading.Thread(target=self.ignore, args=(client,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        self.gateway.wait_for("slow", 3)
        with self.assertRaisesRegex(pushgate.CallTimeout, "too many"):
            client.call("ping", timeout=0.05)
        self.gateway.drop_all()
        for thread in threads:
            thread.join(5.0)
        self.assertEqual(client.ping(), {"success": True})

    @staticmethod
    def ignore(client: pushgate.Client) -> None:
        try:
            client.call("slow")
        except pushgate.ConnectionLost:
            pass

    def test_a_call_without_an_answer_times_out_and_is_cancelled_at_the_gateway(self) -> None:
        ids: List[int] = []

        def silence(peer: Peer, params: Json) -> Any:
            raise Silence

        self.gateway.script["slow"] = silence
        client = self.client()
        started = time.monotonic()
        with self.assertRaises(pushgate.CallTimeout) as caught:
            client.call("slow", timeout=0.1)
        self.assertIsInstance(caught.exception, TimeoutError)
        self.assertLess(time.monotonic() - started, 2.0)
        ids += [params["id"] for params in self.gateway.wait_for("$/cancelRequest")]
        self.assertEqual(ids, [2])
        # The answer that comes too late hurts nobody.
        self.gateway.peers[0].send({"jsonrpc": "2.0", "id": 2, "result": "late"})
        self.assertEqual(client.ping(), {"success": True})

    def test_a_gateway_that_does_not_read_cannot_hold_a_caller_beyond_the_timeout(self) -> None:
        stuck = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)  # its backlog takes us, nobody ever accepts
        with tempfile.TemporaryDirectory() as folder, stuck:
            stuck.bind(os.path.join(folder, "s"))
            stuck.listen()
            client = pushgate.Client(os.path.join(folder, "s"), timeout=0.2, reconnect=0)
            started = time.monotonic()
            with self.assertRaises(pushgate.CallTimeout):
                client.call("big", text="x" * 4_000_000)
            self.assertLess(time.monotonic() - started, 2.0)
            # Half a line was taken: nothing more may be said on this connection.
            assert client._connection is not None
            self.assertTrue(client._connection.ended)
            client.close()

    def test_calls_in_flight_fail_when_the_gateway_dies(self) -> None:
        def hang(peer: Peer, params: Json) -> Any:
            raise Silence

        self.gateway.script["hang"] = hang
        client, failures = self.client(), []

        def work() -> None:
            try:
                client.call("hang")
            except pushgate.PushgateError as error:
                failures.append(error)

        threads = [threading.Thread(target=work) for _ in range(5)]
        for thread in threads:
            thread.start()
        self.gateway.wait_for("hang", 5)
        self.gateway.stop()
        for thread in threads:
            thread.join(5.0)
        self.assertEqual([type(error) for error in failures], [pushgate.ConnectionLost] * 5)
        self.assertIsInstance(failures[0], ConnectionError)
        with self.assertRaises(pushgate.ConnectFailed):
            client.ping()

    def test_the_next_call_connects_again(self) -> None:
        client = self.client()
        client.ping()
        self.gateway.stop()
        self.gateway.listen()
        for _ in range(100):
            try:
                self.assertEqual(client.ping(), {"success": True})
                break
            except pushgate.ConnectionLost:
                time.sleep(0.01)
        self.assertEqual(self.gateway.connections, 2)

    def test_a_peer_that_is_no_gateway_ends_the_call(self) -> None:
        self.gateway.script["ping"] = lambda peer, params: peer.send_bytes(b"HTTP/1.1 400 Bad Request\n")
        with self.assertRaisesRegex(pushgate.ConnectionLost, "not JSON"):
            self.client().ping()

    def test_an_error_without_an_id_belongs_to_the_only_call(self) -> None:
        def unreadable(peer: Peer, params: Json) -> Any:
            fault = Fault(-32700, "parse_error", "bad line")
            peer.send({"jsonrpc": "2.0", "id": None, "error": fault.wire})
            raise Silence

        self.gateway.script["odd"] = unreadable
        client = self.client()
        client.ping()
        with self.assertRaises(pushgate.ParseError):
            client.call("odd")

    def test_what_the_gateway_said_last_is_in_the_error(self) -> None:
        def full(peer: Peer, params: Json) -> Any:
            fault = Fault(1010, "too_many_connections", "512 of 512")
            peer.send({"jsonrpc": "2.0", "id": None, "error": fault.wire})
            raise Hangup

        self.gateway.script["ping"] = full
        with self.assertLogs("pushgate", "WARNING"), self.assertRaisesRegex(pushgate.ConnectionLost, "512 of 512"):
            self.client().ping()

    def test_decimals_travel_as_they_are_spelled(self) -> None:
        def answer(peer: Peer, params: Json) -> Any:
            peer.send_bytes(b'{"jsonrpc":"2.0","id":2,"result":{"price":1.10,"big":1.5e3}}\n')
            raise Silence

        self.gateway.script["price"] = answer
        result = self.client(decimal=True).call("price")
        self.assertEqual((str(result["price"]), str(result["big"])), ("1.10", "1.5e3"))

    def test_notifications_that_nobody_claims_go_to_the_callback(self) -> None:
        heard: List[Any] = []
        done = threading.Event()

        def listen(method: str, params: Dict[str, Any]) -> None:
            heard.append((method, params))
            try:
                client.ping()
            except RuntimeError as error:
                heard.append(str(error))
            done.set()
            raise ValueError("a callback that fails")

        client = self.client(on_notification=listen)
        client.ping()
        with self.assertLogs("pushgate", "ERROR"):
            self.gateway.peers[0].notify("gateway.closing", {"deadline_ms": 5})
            self.assertTrue(done.wait(5.0))
            self.assertEqual(client.ping(), {"success": True})
        self.assertEqual(heard[0], ("gateway.closing", {"deadline_ms": 5}))
        self.assertIn("on_notification", heard[1])

    def test_a_closed_client_says_so(self) -> None:
        client = self.client()
        client.close()
        client.close()
        with self.assertRaises(pushgate.ClientClosed):
            client.ping()

    def test_a_client_that_is_forgotten_warns_and_lets_go(self) -> None:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            client = pushgate.Client(self.gateway.path)
            client.ping()
            del client
            gc.collect()
        self.assertEqual([w.category for w in caught], [ResourceWarning])
        for _ in range(500):
            if not self.gateway.peers:
                break
            time.sleep(0.01)
        self.assertEqual(self.gateway.peers, [])

    def test_a_client_does_not_survive_fork(self) -> None:
        client = self.client()
        with mock.patch.object(os, "getpid", return_value=1), self.assertRaisesRegex(RuntimeError, "fork"):
            client.ping()

    def test_closing_leaves_no_thread_and_no_descriptor_behind(self) -> None:
        threads, files = threading.active_count(), len(os.listdir("/proc/self/fd"))
        for _ in range(5):
            with pushgate.Client(self.gateway.path) as client, client.subscribe():
                client.ping()
        for _ in range(500):
            if threading.active_count() <= threads and len(os.listdir("/proc/self/fd")) <= files:
                break
            time.sleep(0.01)
        self.assertLessEqual(threading.active_count(), threads)
        self.assertLessEqual(len(os.listdir("/proc/self/fd")), files)


class Pushes(WithGateway):
    def test_a_push_waits_and_gives_the_rows_in_order(self) -> None:
        client = self.client()
        transfer = client.push(self.session(client), "crm-contact", CONTACTS)
        self.assertTrue(transfer.completed)
        self.assertEqual([row["internal_id"] for row in transfer.data()], ["Contact1", "Contact2"])
        self.assertEqual(transfer.summary, {"created": 2, "refused": 0})
        self.assertFalse(transfer.duplicate)
        self.assertEqual(list(transfer.errors()), [])

    def test_pages_are_read_as_they_are_asked_for(self) -> None:
        client = self.client()
        self.gateway.page_cut = 7
        transfer = client.push(self.session(client), "crm-contact", ({"data": {"n": n}} for n in range(30)))
        self.assertEqual([row["data"]["n"] for row in transfer.data(page=10)], list(range(30)))
        self.assertEqual([p["offset"] for p in self.gateway.called("getData")], [0, 7, 14, 21, 28])
        next(transfer.data(page=5))
        self.assertEqual(len(self.gateway.called("getData")), 6)

    def test_errors_and_statistics_are_those_of_the_transfer(self) -> None:
        client = self.client()
        records = [{"data": {"email": "not an address"}}, {"data": {"email": "a@example.com"}}]
        transfer = client.push(self.session(client), "crm-contact", records)
        self.assertEqual([entry["index"] for entry in transfer.errors()], [0])
        self.assertEqual([row["id"] is None for row in transfer.data()], [True, False])
        self.assertEqual(transfer.statistics()["statistics"]["crm-contact"]["records_transferred"], 1)

    def test_without_wait_it_returns_at_once_and_can_be_waited_for_later(self) -> None:
        client = self.client()
        self.gateway.hold = True
        transfer = client.push(self.session(client), "crm-contact", CONTACTS, wait=False)
        self.assertFalse(transfer.completed)
        with self.assertRaises(pushgate.TransferNotCompleted):
            next(transfer.data())
        with self.assertRaises(TimeoutError):
            transfer.wait(timeout=0.05)
        threading.Timer(0.05, self.gateway.finish, [transfer.id]).start()
        self.assertEqual(len(list(transfer.result(timeout=5.0))), 2)
        self.assertEqual(self.gateway.called("getStatistics"), [], "waiting must not poll")

    def test_waiting_unsubscribes(self) -> None:
        client = self.client()
        client.push(self.session(client), "crm-contact", CONTACTS)
        self.assertEqual(len(self.gateway.wait_for("unsubscribe")), 1)
        self.assertEqual(self.gateway.peers[0].subscriptions, {})

    def test_a_transfer_of_another_process_can_be_waited_for(self) -> None:
        client = self.client()
        self.gateway.hold = True
        session = self.session(client)
        running = client.push(session, "crm-contact", CONTACTS, wait=False).id
        threading.Timer(0.05, self.gateway.finish, [running]).start()
        self.assertTrue(client.transfer(running).wait(timeout=5.0).completed)
        # And one that has completed before anybody listened.
        self.assertTrue(client.transfer(running).wait(timeout=5.0).completed)

    def test_an_end_that_was_trimmed_from_the_log_is_found_all_the_same(self) -> None:
        client = self.client()
        transfer = client.push(self.session(client), "crm-contact", CONTACTS, wait=False)
        self.gateway.trim(len(self.gateway.log))
        self.assertTrue(transfer.wait(timeout=5.0).completed)

    def test_progress_is_reported_in_the_waiting_thread_and_ends_complete(self) -> None:
        client, seen = self.client(), []
        self.gateway.hold = True

        def work() -> None:
            self.gateway.wait_for("subscribe")
            (transfer_id,) = self.gateway.transfers
            for finished in (1, 3, 2, 5):
                self.gateway.progress(transfer_id, finished)
            self.gateway.finish(transfer_id)

        thread = threading.Thread(target=work)
        thread.start()

        def progress(finished: int, total: int) -> None:
            seen.append((finished, total, threading.current_thread()))
            client.ping()

        records = [{"data": {"n": n}} for n in range(10)]
        client.push(self.session(client), "crm-contact", records, progress=progress, timeout=5.0)
        thread.join()
        here = threading.current_thread()
        self.assertEqual(seen, [(n, 10, here) for n in (1, 3, 5, 10)])

    def test_progress_before_the_wait_is_not_lost(self) -> None:
        client, seen = self.client(), []
        self.gateway.hold = True

        def progress(finished: int, total: int) -> None:
            seen.append((finished, total))
            if finished == 4:
                self.gateway.finish(transfer.id)

        transfer = client.push(self.session(client), "crm-contact", [{}] * 10, wait=False, progress=progress)
        self.gateway.progress(transfer.id, 4)
        client.ping()
        transfer.wait(timeout=5.0, progress=progress)
        self.assertEqual(seen, [(4, 10), (10, 10)])

    def test_a_push_is_repeated_under_its_key_when_the_answer_was_lost(self) -> None:
        client = self.client()
        session = self.session(client)
        real = self.gateway.do_pushTransfer
        attempts: List[str] = []

        def lose_twice(peer: Peer, params: Json) -> Any:
            attempts.append(params["idempotency_key"])
            with self.gateway.lock:
                after: List[Any] = []
                result = real(peer, params, after)
                for step in after:
                    step()
            if len(attempts) < 3:
                raise Hangup
            return result

        self.gateway.script["pushTransfer"] = lose_twice
        transfer = client.push(session, "crm-contact", CONTACTS)
        self.assertEqual((len(attempts), len(set(attempts))), (3, 1))
        self.assertEqual(attempts[0], transfer.idempotency_key)
        self.assertTrue(transfer.duplicate)
        self.assertEqual((len(self.gateway.transfers), len(list(transfer.data()))), (1, 2))

    def test_a_push_survives_a_restart_of_the_gateway_in_the_middle(self) -> None:
        client = self.client()
        session = self.session(client)
        self.gateway.hold = True

        def restart() -> None:
            self.gateway.wait_for("subscribe")
            self.gateway.stop()
            time.sleep(0.1)
            for transfer_id in self.gateway.transfers:
                self.gateway.finish(transfer_id)
            self.gateway.listen()

        thread = threading.Thread(target=restart)
        thread.start()
        transfer = client.push(session, "crm-contact", CONTACTS, timeout=10.0)
        thread.join()
        self.assertEqual(transfer.summary["created"], 2)

    def test_an_overloaded_gateway_is_asked_again_when_it_said(self) -> None:
        client = self.client()
        session = self.session(client)
        times: List[float] = []
        real = self.gateway.do_pushTransfer

        def busy(peer: Peer, params: Json) -> Any:
            times.append(time.monotonic())
            if len(times) == 1:
                raise Fault(1002, "overloaded", retryable=True, retry_after_ms=150)
            return real(peer, params, [])

        self.gateway.script["pushTransfer"] = busy
        client.push(session, "crm-contact", CONTACTS, wait=False)
        self.assertGreaterEqual(times[1] - times[0], 0.15)

    def test_patience_ends(self) -> None:
        client = self.client(reconnect=0.2)
        session = self.session(client)
        self.gateway.stop()
        started = time.monotonic()
        with self.assertRaises(pushgate.PushgateError) as caught:
            client.push(session, "crm-contact", CONTACTS)
        self.assertIsInstance(caught.exception, (pushgate.ConnectFailed, pushgate.ConnectionLost))
        self.assertLess(time.monotonic() - started, 3.0)

    def test_a_conflict_is_not_repeated(self) -> None:
        client = self.client()
        session = self.session(client)
        client.push(session, "crm-contact", CONTACTS, idempotency_key="k")
        self.assertTrue(client.push(session, "crm-contact", CONTACTS, idempotency_key="k").duplicate)
        with self.assertRaises(pushgate.IdempotencyConflict):
            client.push(session, "crm-contact", CONTACTS[:1], idempotency_key="k")
        self.assertEqual(len(self.gateway.called("pushTransfer")), 3)

    def test_a_push_that_is_too_long_for_a_line_is_cut_and_read_as_one(self) -> None:
        client = self.client()
        session = self.session(client)
        records = [
            {"internal_id": str(n), "data": {"n": n, "email": "not an address" if n % 5 == 4 else ""}}
            for n in range(20)
        ]
        with mock.patch.object(_push, "CUT", 300):
            transfer = client.push(session, "crm-contact", records, idempotency_key="k")
        self.assertGreater(len(transfer.ids), 3)
        keys = [params["idempotency_key"] for params in self.gateway.called("pushTransfer")]
        self.assertEqual(keys, ["k"] + ["k.%d" % n for n in range(1, len(keys))])
        self.assertEqual([row["internal_id"] for row in transfer.data()], [str(n) for n in range(20)])
        self.assertEqual([entry["index"] for entry in transfer.errors()], [4, 9, 14, 19])
        self.assertEqual(transfer.statistics()["statistics"]["crm-contact"]["records"], 20)
        self.assertEqual(transfer.summary, {"created": 16, "refused": 4})

    def test_an_error_tells_which_parts_are_safe(self) -> None:
        client = self.client()
        session = self.session(client)

        def source() -> Iterator[Json]:
            for n in range(20):
                if n == 15:
                    self.gateway.sessions.clear()
                yield {"data": {"n": n, "t": "x" * 50}}

        with mock.patch.object(_push, "CUT", 300):
            with self.assertRaises(pushgate.SessionNotFound) as caught:
                client.push(session, "crm-contact", source())
        self.assertGreater(len(caught.exception.accepted), 1)
        self.assertEqual(caught.exception.accepted, list(self.gateway.transfers))

    def test_decimals_in_records_keep_their_digits(self) -> None:
        client = self.client()
        self.gateway.script["pushTransfer"] = lambda peer, params: {"transfer_id": "t", "completed": True}
        client.push("s", "crm-deal", [{"data": {"amount": Decimal("1234.50")}}], synchronous=True)
        self.assertIn(b'"amount":1234.50}', self.gateway.lines[-1])

    def test_a_synchronous_answer_needs_no_waiting(self) -> None:
        client = self.client()
        self.gateway.script["pushTransfer"] = lambda peer, params: {"transfer_id": "t", "completed": True}
        self.assertTrue(client.push("s", "crm-contact", [], synchronous=True).completed)
        self.assertEqual(self.gateway.called("subscribe"), [])

    def test_something_that_is_no_list_of_records_is_refused(self) -> None:
        client = self.client()
        for records in ("text", b"bytes", {"internal_id": "1"}):
            with self.assertRaises(TypeError):
                client.push("s", "crm-contact", records)  # type: ignore[arg-type]


class Subscriptions(WithGateway):
    def test_events_arrive_in_order_with_cursors(self) -> None:
        client = self.client()
        with client.subscribe(types=["data", "completed"]) as events:
            transfer = client.push(self.session(client), "crm-contact", CONTACTS)
            first, second = events.next(5.0), events.next(5.0)
        self.assertEqual([first.type, second.type], ["data", "completed"])
        self.assertEqual(first.data["transfer_id"], transfer.id)
        self.assertEqual(events.cursor, second.cursor)
        self.assertIsNotNone(first.time)

    def test_it_goes_on_where_it_was_after_the_gateway_was_away(self) -> None:
        client = self.client()
        seen: List[int] = []
        with client.subscribe(types=["data"]) as events:
            for n in range(30):
                if n % 10 == 5:
                    self.gateway.stop()
                    self.gateway.emit("data", n)
                    threading.Timer(0.05, self.gateway.listen).start()
                else:
                    self.gateway.emit("data", n)
                seen.append(events.next(5.0).data)
        self.assertEqual(seen, list(range(30)))
        self.assertGreaterEqual(self.gateway.connections, 4)

    def test_history_is_read_from_the_beginning_or_from_a_cursor(self) -> None:
        client = self.client()
        for n in range(5):
            self.gateway.emit("data", n)
        with client.subscribe(from_="earliest") as events:
            read = [events.next(5.0) for _ in range(5)]
            self.assertEqual([event.data for event in read], [0, 1, 2, 3, 4])
        with client.subscribe(from_={"cursor": str(read[2].cursor)}) as events:
            self.assertEqual(events.next(5.0).data, 3)

    def test_a_gap_is_an_event(self) -> None:
        client = self.client()
        for n in range(10):
            self.gateway.emit("data", n)
        self.gateway.trim(6)
        with client.subscribe(from_={"cursor": self.gateway.cursor(2)}) as events:
            gap = events.next(5.0)
            self.assertEqual((gap.type, gap.data["lost_at_most"]), ("gap", 4))
            self.assertEqual(events.next(5.0).data, 6)

    def test_a_named_consumer_starts_after_what_it_acknowledged(self) -> None:
        client = self.client()
        with client.subscribe(from_={"consumer": "mail"}) as events:
            for n in range(4):
                self.gateway.emit("data", n)
            self.assertEqual([events.next(5.0).data for _ in range(2)], [0, 1])
            events.ack()
            self.assertEqual(events.next(5.0).data, 2)
        with client.subscribe(from_={"consumer": "mail"}) as events:
            self.assertEqual([events.next(5.0).data for _ in range(2)], [2, 3])

    def test_a_consumer_that_loses_its_connection_sees_nothing_twice(self) -> None:
        client = self.client()
        with client.subscribe(from_={"consumer": "mail"}) as events:
            for n in range(4):
                self.gateway.emit("data", n)
            self.assertEqual([events.next(5.0).data for _ in range(3)], [0, 1, 2])
            self.gateway.drop_all()
            self.gateway.emit("data", 4)
            self.assertEqual([events.next(5.0).data for _ in range(2)], [3, 4])
            self.gateway.drop_all()
            events.ack()
        self.assertEqual(self.gateway.consumers["mail"], 5)

    def test_a_consumer_that_is_still_busy_after_a_break_is_waited_for(self) -> None:
        client = self.client()
        real = self.gateway.do_subscribe
        refused: List[Json] = []
        with client.subscribe(from_={"consumer": "mail"}) as events:

            def busy(peer: Peer, params: Json) -> Any:
                if len(refused) < 2:
                    refused.append(params)
                    raise Fault(1106, "consumer_busy")
                del self.gateway.script["subscribe"]
                return real(peer, params, [])

            self.gateway.script["subscribe"] = busy
            self.gateway.drop_all()
            self.gateway.wait_for("subscribe", 1)
            with self.assertRaises(TimeoutError):
                events.next(0.5)
            self.gateway.emit("data", 1)
            self.assertEqual(events.next(5.0).data, 1)
        with self.assertRaises(pushgate.ConsumerBusy):
            refused.clear()
            self.gateway.script["subscribe"] = busy
            client.subscribe(from_={"consumer": "mail"})

    def test_a_long_payload_is_fetched(self) -> None:
        client = self.client()
        transfer = client.push(self.session(client), "crm-contact", [{"data": {"n": n}} for n in range(50)])
        self.gateway.page_cut = 20
        with client.subscribe(types=["data"]) as events:
            self.gateway.emit("data", None, ref="getData?transfer_id=%s&offset=10&limit=30" % transfer.id)
            event = events.next(5.0)
        self.assertEqual([row["data"]["n"] for row in event.data["transfer_data"]], list(range(10, 40)))
        self.assertFalse(event.data["transfer_errors"])

    def test_an_event_whose_payload_could_not_be_fetched_is_not_lost(self) -> None:
        client = self.client(reconnect=0)
        transfer = client.push(self.session(client), "crm-contact", CONTACTS)

        def refuse(peer: Peer, params: Json) -> Any:
            raise Fault(1007, "result_too_large")

        with client.subscribe() as events:
            self.gateway.emit("data", None, ref={"transfer_id": transfer.id})
            self.gateway.script["getData"] = refuse
            with self.assertRaises(pushgate.ResultTooLarge):
                events.next(5.0)
            del self.gateway.script["getData"]
            self.assertEqual(len(events.next(5.0).data["transfer_data"]), 2)

    def test_a_slow_reader_keeps_bounded_memory_and_misses_nothing(self) -> None:
        client = self.client()
        with mock.patch.object(_events, "MAX_QUEUED", 10), client.subscribe() as events:
            for n in range(100):
                self.gateway.emit("data", n)
            client.ping()
            self.assertLessEqual(len(events._feed._queue), 10)
            self.assertEqual([events.next(5.0).data for _ in range(100)], list(range(100)))

    def test_what_the_gateway_refuses_is_raised(self) -> None:
        client = self.client()
        with self.assertRaises(pushgate.CursorInvalid):
            client.subscribe(from_={"cursor": "of another store"})
        self.assertEqual(client._subscriptions, set())

    def test_a_subscription_that_the_gateway_ends_is_opened_again(self) -> None:
        client = self.client()
        with client.subscribe() as events:
            peer = self.gateway.peers[0]
            (name,) = peer.subscriptions
            del peer.subscriptions[name]
            peer.notify("subscription.closed", {"subscription": name, "reason": "slow", "cursor": "c-000000"})
            self.gateway.emit("data", 1)
            self.assertEqual(events.next(5.0).data, 1)

    def test_caught_up_is_told(self) -> None:
        client = self.client()
        self.gateway.emit("data", 1)
        with client.subscribe(from_="earliest") as events:
            self.assertEqual(events.next(5.0).data, 1)
            for _ in range(500):
                if events.caught_up:
                    break
                time.sleep(0.01)
            self.assertTrue(events.caught_up)

    def test_closing_ends_the_loop_of_another_thread(self) -> None:
        client = self.client()
        first = client.subscribe()
        threading.Timer(0.05, first.close).start()
        self.assertEqual(list(first), [])
        second = client.subscribe()
        threading.Timer(0.05, client.close).start()
        self.assertEqual(list(second), [])
        second.close()

    def test_the_end_of_an_older_connection_does_not_close_a_new_subscription(self) -> None:
        client = self.client()
        with client.subscribe() as events:
            events.lost("of an older connection")
            self.gateway.emit("data", 1)
            self.assertEqual(events.next(5.0).data, 1)
        self.assertEqual(len(self.gateway.called("subscribe")), 1)

    def test_two_subscriptions_do_not_mix(self) -> None:
        client = self.client()
        with client.subscribe(types=["data"]) as left, client.subscribe(types=["error"]) as right:
            self.gateway.emit("error", "e")
            self.gateway.emit("data", "d")
            self.assertEqual((left.next(5.0).data, right.next(5.0).data), ("d", "e"))


class Spawned(unittest.TestCase):
    COMMAND = [sys.executable, FAKE, "stdio"]

    def test_a_gateway_of_ones_own_does_the_same_job(self) -> None:
        with pushgate.Client(spawn=self.COMMAND) as client:
            session = client.initiate_session("local", [{"endgrate_type": "crm-contact"}])["session_id"]
            transfer = client.push(session, "crm-contact", CONTACTS)
            self.assertEqual(len(list(transfer.data())), 2)

    def test_closing_lets_it_finish(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            done = os.path.join(folder, "done")
            with mock.patch.dict(os.environ, {"FAKE_SLOW": "0.3", "FAKE_DONE": done}):
                with pushgate.Client(spawn=self.COMMAND) as client:
                    client.ping()
            self.assertTrue(os.path.exists(done))

    def test_a_limit_ends_the_waiting(self) -> None:
        with mock.patch.dict(os.environ, {"FAKE_SLOW": "60"}):
            client = pushgate.Client(spawn=self.COMMAND)
            started = time.monotonic()
            client.close(timeout=0.1)
            self.assertLess(time.monotonic() - started, 5.0)

    def test_one_that_cannot_start_is_told_with_its_status(self) -> None:
        with mock.patch.dict(os.environ, {"FAKE_EXIT": "75"}):
            started = time.monotonic()
            with self.assertRaisesRegex(pushgate.ConnectFailed, "status 75") as caught:
                pushgate.Client(spawn=self.COMMAND)
            self.assertFalse(caught.exception.retryable)
            self.assertLess(time.monotonic() - started, 5.0)
        with self.assertRaisesRegex(pushgate.ConnectFailed, "/nowhere/pushgate"):
            pushgate.Client(spawn=["/nowhere/pushgate", "stdio"])

    def test_one_that_dies_is_started_again(self) -> None:
        with pushgate.Client(spawn=self.COMMAND) as client:
            with self.assertRaisesRegex(pushgate.ConnectionLost, "status 3"):
                client.call("die")
            self.assertEqual(client.ping(), {"success": True})

    def test_a_gateway_that_listens_is_preferred(self) -> None:
        with FakeGateway() as gateway, mock.patch.dict(os.environ, {"PUSHGATE_SOCKET": gateway.path}):
            with pushgate.Client(spawn="/nowhere/pushgate") as client:
                client.ping()
            self.assertEqual(gateway.connections, 1)

    def test_the_command_waits_and_names_the_store(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            binary, seen = os.path.join(folder, "pushgate"), os.path.join(folder, "argv")
            with open(binary, "w") as out:
                out.write('#!/bin/sh\nexec %s %s "$@"\n' % (sys.executable, FAKE))
            os.chmod(binary, 0o755)
            with mock.patch.dict(os.environ, {"FAKE_ARGV": seen}):
                with pushgate.Client(spawn=binary, store="my.db") as client:
                    client.ping()
            with open(seen) as text:
                self.assertEqual(text.read(), '["stdio", "--wait", "--store", "my.db"]')


if __name__ == "__main__":
    unittest.main()
