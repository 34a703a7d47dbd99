"""Parts, plans, retries, lists and identities with the blocking client."""

import threading
import time
import tracemalloc
from typing import Any, Iterator, List
from unittest import mock

from fake_gateway import FakeGateway, Fault, Hangup, Json, Peer
from test_client import CONTACTS, WithGateway

import pushgate
from pushgate import _identities, _push
from pushgate._paging import Keys, Pages

BAD = {"internal_id": "bad", "data": {"email": "not an address"}}


def losing(gateway: FakeGateway, method: str, times: int = 1) -> List[Json]:
    """The answers of the next calls of `method` are lost, after it was done. What was asked, in order."""
    real = getattr(gateway, "do_" + method)
    asked: List[Json] = []

    def lose(peer: Peer, params: Json) -> Any:
        asked.append(params)
        with gateway.lock:
            after: List[Any] = []
            result = real(peer, params, after)
            for step in after:
                step()
        if len(asked) <= times:
            raise Hangup
        return result

    gateway.script[method] = lose
    return asked


def refusing(code: int, name: str) -> Any:
    def refuse(peer: Peer, params: Json) -> Any:
        raise Fault(code, name)

    return refuse


def people(count: int) -> Iterator[Json]:
    return ({"internal_id": "p%d" % n, "data": {"n": n}} for n in range(count))


class Options(WithGateway):
    def test_webhooks_of_a_push_go_out_as_they_are_and_the_secret_made_for_them_is_told(self) -> None:
        client = self.client()
        session = self.session(client)
        hook: pushgate.Webhook = {"endpoint": "https://example.com/a", "metadata": {"n": 1}}
        for method in ("pushTransfer", "beginTransfer"):
            real = getattr(self.gateway, "do_" + method)

            def answer(peer: Peer, params: Json, real: Any = real) -> Any:
                after: List[Any] = []
                result = {**real(peer, params, after), "webhook_secret": "whsec_once"}
                for step in after:
                    step()
                return result

            self.gateway.script[method] = answer
        whole = client.push(session, "crm-contact", CONTACTS, data_webhook=hook, webhook_concurrency=True)
        parts = client.push_parts(session, "crm-contact", CONTACTS, data_webhook=hook, webhook_concurrency=True)
        self.assertEqual([whole.webhook_secret, parts.webhook_secret], ["whsec_once", "whsec_once"])
        for method in ("pushTransfer", "beginTransfer"):
            params = self.gateway.called(method)[0]
            self.assertEqual((params["data_webhook"], params["webhook_concurrency"]), (hook, True))
        self.assertIsNone(client.transfer(whole.id).webhook_secret)

    def test_the_options_of_a_push_go_out_by_their_names_on_the_wire(self) -> None:
        client = self.client()
        session = self.session(client)
        options: pushgate.RecordOptions = {
            "freshness": "ledger", "max_age": 60, "match": ["email"], "on_deleted": "skip",
            "unknown_properties": "warn", "skip_null": True, "disable_upsert": True,
        }  # fmt: skip
        client.push(session, "crm-contact", CONTACTS, sample_data=True, **options)
        client.push_parts(session, "crm-contact", CONTACTS, **options)
        client.plan(session, "crm-contact", CONTACTS, **options)
        for method in ("pushTransfer", "beginTransfer", "planTransfer"):
            (params,) = self.gateway.called(method)
            self.assertEqual({name: params[name] for name in options}, options, method)
        self.assertTrue(self.gateway.called("pushTransfer")[0]["sample_data"])


class Parts(WithGateway):
    def test_one_transfer_is_pushed_in_parts_and_read_back(self) -> None:
        client = self.client()
        transfer = client.push_parts(self.session(client), "crm-contact", people(25), part_records=10)
        self.assertEqual([row["internal_id"] for row in transfer.data()], ["p%d" % n for n in range(25)])
        self.assertTrue(transfer.completed)
        sent = self.gateway.called("appendTransfer")
        self.assertEqual([(part["seq"], len(part["transfer_data"])) for part in sent], [(0, 10), (1, 10), (2, 5)])
        (commit,) = self.gateway.called("commitTransfer")
        self.assertEqual(commit, {"transfer_id": transfer.id, "parts": 3})
        self.assertEqual((transfer.ids, transfer.duplicate), ([transfer.id], False))

    def test_a_part_is_shorter_where_its_line_would_be_too_long(self) -> None:
        client = self.client()
        session = self.session(client)
        with mock.patch.object(_push, "CUT", 300):
            client.push_parts(session, "crm-contact", [{"data": {"t": "x" * 100}}] * 6)
        self.assertEqual([len(part["transfer_data"]) for part in self.gateway.called("appendTransfer")], [2, 2, 2])

    def test_the_source_is_read_no_further_than_the_part_under_way(self) -> None:
        client = self.client()
        read: List[int] = []

        def source() -> Iterator[Json]:
            for n in range(40):
                read.append(n)
                yield {"data": {"n": n}}

        ahead: List[int] = []
        real = self.gateway.do_appendTransfer

        def note(peer: Peer, params: Json) -> Any:
            ahead.append(len(read) - 10 * params["seq"])
            return real(peer, params, [])

        self.gateway.script["appendTransfer"] = note
        client.push_parts(self.session(client), "crm-contact", source(), part_records=10)
        self.assertLessEqual(max(ahead), 11)

    def test_memory_stays_at_one_part(self) -> None:
        client = self.client()
        session = self.session(client)
        for method in ("beginTransfer", "appendTransfer", "commitTransfer"):
            self.gateway.script[method] = lambda peer, params: {"transfer_id": "t", "completed": True}
        client.push_parts(session, "crm-contact", people(10))
        self.gateway.calls = _Nothing()
        self.gateway.lines = _Nothing()
        tracemalloc.start()
        try:
            client.push_parts(session, "crm-contact", ({"data": {"t": "x" * 1000}} for _ in range(20_000)))
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        # 20 MB went through; a part is 1 MB, held as records, as a line, and at the gateway of this process.
        self.assertLess(peak, 10_000_000)

    def test_what_was_lost_on_the_way_is_sent_again_and_counts_once(self) -> None:
        client = self.client()
        session = self.session(client)
        methods = ("beginTransfer", "appendTransfer", "commitTransfer")
        asked = {method: losing(self.gateway, method) for method in methods}
        transfer = client.push_parts(session, "crm-contact", people(25), part_records=10, progress=lambda f, t: None)
        self.assertEqual([part["seq"] for part in asked["appendTransfer"]], [0, 0, 1, 2])
        self.assertEqual([len(asked[method]) for method in ("beginTransfer", "commitTransfer")], [2, 2])
        self.assertEqual(len({begin["idempotency_key"] for begin in asked["beginTransfer"]}), 1)
        self.assertEqual([row["internal_id"] for row in transfer.data()], ["p%d" % n for n in range(25)])
        self.assertEqual(len(self.gateway.transfers), 1)

    def test_another_process_goes_on_under_the_same_key(self) -> None:
        client = self.client()
        session = self.session(client)
        real = self.gateway.do_appendTransfer

        def fail(peer: Peer, params: Json) -> Any:
            if params["seq"] == 2:
                raise Fault(1008, "storage_full")
            return real(peer, params, [])

        self.gateway.script["appendTransfer"] = fail
        with self.assertRaises(pushgate.StorageFull) as caught:
            client.push_parts(session, "crm-contact", people(25), part_records=10, idempotency_key="k")
        del self.gateway.script["appendTransfer"]
        again = self.client()
        self.assertEqual([t["transfer_id"] for t in again.transfers(state="open")], [caught.exception.open_transfer])
        transfer = again.push_parts(session, "crm-contact", people(25), part_records=10, idempotency_key="k")
        self.assertEqual((transfer.id, transfer.idempotency_key), (caught.exception.open_transfer, "k"))
        self.assertEqual(len(list(transfer.data())), 25)
        # And once more after the end: everything is known.
        third = again.push_parts(session, "crm-contact", people(25), part_records=10, idempotency_key="k")
        self.assertEqual((third.id, third.duplicate), (transfer.id, True))
        with self.assertRaises(pushgate.PartConflict):
            again.push_parts(session, "crm-contact", people(24), part_records=10, idempotency_key="k")

    def test_a_commit_that_fails_leaves_a_transfer_that_can_be_cancelled(self) -> None:
        client = self.client()
        self.gateway.script["commitTransfer"] = refusing(1008, "storage_full")
        with self.assertRaises(pushgate.StorageFull) as caught:
            client.push_parts(self.session(client), "crm-contact", CONTACTS)
        name = caught.exception.open_transfer
        assert name is not None
        self.assertEqual(client.get_transfer(name)["state"], "open")
        self.assertTrue(client.transfer(name).cancel())
        self.assertEqual(list(client.transfers()), [])

    def test_a_source_that_fails_leaves_nothing_behind_unless_somebody_has_the_key(self) -> None:
        client = self.client()
        session = self.session(client)

        def source() -> Iterator[Json]:
            yield {"data": {}}
            raise OSError("the disk is gone")

        with self.assertRaisesRegex(OSError, "the disk is gone"):
            client.push_parts(session, "crm-contact", source(), part_records=1)
        self.assertEqual(list(client.transfers()), [])
        with self.assertRaises(OSError):
            client.push_parts(session, "crm-contact", source(), part_records=1, idempotency_key="mine")
        self.assertEqual([row["state"] for row in client.transfers()], ["open"])
        self.gateway.script["cancelTransfer"] = refusing(1306, "transfer_not_found")
        with self.assertRaises(OSError):
            client.push_parts(session, "crm-contact", source(), part_records=1)

    def test_the_answer_and_the_progress_are_asked_for_at_the_commit(self) -> None:
        client, seen = self.client(), []
        self.gateway.hold = True

        def work() -> None:
            self.gateway.wait_for("subscribe")
            (name,) = self.gateway.transfers
            self.gateway.progress(name, 4)
            self.gateway.finish(name)

        thread = threading.Thread(target=work)
        thread.start()
        client.push_parts(
            self.session(client), "crm-contact", people(10), part_records=5, synchronous=True, timeout=5.0,
            progress=lambda finished, total: seen.append((finished, total)),
        )  # fmt: skip
        thread.join()
        self.assertEqual(seen, [(4, 10), (10, 10)])
        (begin,), (commit,) = self.gateway.called("beginTransfer"), self.gateway.called("commitTransfer")
        self.assertEqual([name in begin for name in ("synchronous", "progress_token")], [False, False])
        self.assertEqual((commit["synchronous"], commit["progress_token"][:9]), (True, "progress-"))

    def test_no_records_and_no_list_of_records(self) -> None:
        client = self.client()
        session = self.session(client)
        self.assertEqual(list(client.push_parts(session, "crm-contact", []).data()), [])
        for records in ("text", {"internal_id": "1"}):
            with self.assertRaises(TypeError):
                client.push_parts(session, "crm-contact", records)  # type: ignore[arg-type]
            with self.assertRaises(TypeError):
                client.plan(session, "crm-contact", records)  # type: ignore[arg-type]


class _Nothing(List[Any]):
    """A list that keeps nothing."""

    def append(self, item: Any) -> None:
        pass


class Plans(WithGateway):
    def test_a_plan_is_read_over_its_pages_and_applied(self) -> None:
        client = self.client()
        session = self.session(client)
        client.push(session, "crm-contact", people(3))
        self.gateway.page_cut = 4
        plan = client.plan(session, "crm-contact", people(10))
        self.assertEqual([row["index"] for row in plan], list(range(10)))
        self.assertEqual([row["action"] for row in plan], ["update"] * 3 + ["create"] * 7)
        self.assertEqual((plan.summary["update"], plan.calls, plan.seconds, len(plan)), (3, 2, 0.012, 10))
        self.assertTrue(plan.expires_at.startswith("2025-"))
        # The first page came with the plan: 2 more for each time that it was read.
        self.assertEqual([p.get("offset") for p in self.gateway.called("planTransfer")], [None, 4, 8, 4, 8])
        self.assertIn(plan.id, repr(plan))
        transfer = plan.apply()
        self.assertEqual([row["internal_id"] for row in transfer.data()], ["p%d" % n for n in range(10)])
        again = plan.apply()
        self.assertEqual((again.id, again.duplicate, transfer.duplicate), (transfer.id, True, False))
        keys = {params["idempotency_key"] for params in self.gateway.called("pushTransfer")[1:]}
        self.assertEqual(len(keys), 1)

    def test_a_plan_of_another_process_is_found_by_its_id(self) -> None:
        client = self.client()
        made = client.plan(self.session(client), "crm-contact", CONTACTS)
        found = self.client().planned(made.id, page=1)
        self.assertEqual((found.summary, len(found)), (made.summary, 2))
        self.assertEqual(list(found), list(made))
        self.assertEqual(len(list(found.apply().data())), 2)
        with self.assertRaises(pushgate.PlanNotFound):
            client.planned("0" * 24)

    def test_an_application_whose_answer_is_lost_is_one(self) -> None:
        client = self.client()
        plan = client.plan(self.session(client), "crm-contact", CONTACTS)
        asked = losing(self.gateway, "pushTransfer")
        seen: List[Any] = []
        plan.apply(progress=lambda finished, total: seen.append((finished, total)))
        self.assertEqual((len(asked), len(self.gateway.transfers), seen[-1]), (2, 1, (2, 2)))
        self.assertEqual(set(asked[0]), {"plan_id", "idempotency_key", "progress_token"})

    def test_a_plan_that_holds_no_more_is_refused(self) -> None:
        client = self.client()
        plan = client.plan(self.session(client), "crm-contact", CONTACTS)
        self.gateway.script["pushTransfer"] = refusing(1310, "plan_stale")
        with self.assertRaises(pushgate.PlanStale):
            plan.apply()

    def test_a_plan_is_one_call_and_has_time(self) -> None:
        self.gateway.script["hello"] = lambda peer, params: {"limits": {"inbound_line": 2000}}
        client = self.client(timeout=0.1)
        client.ping()
        session = self.session(client)
        with self.assertRaises(pushgate.RequestTooLarge):
            client.plan(session, "crm-contact", people(100))
        real = self.gateway.do_planTransfer

        def slow(peer: Peer, params: Json) -> Any:
            time.sleep(0.3)
            return real(peer, params, [])

        self.gateway.script["planTransfer"] = slow
        self.assertEqual(len(client.plan(session, "crm-contact", CONTACTS)), 2)
        with self.assertRaises(pushgate.CallTimeout):
            client.plan(session, "crm-contact", CONTACTS, timeout=0.1)


class Afterwards(WithGateway):
    def test_what_was_refused_is_retried_in_a_new_transfer(self) -> None:
        client = self.client()
        transfer = client.push(self.session(client), "crm-contact", [CONTACTS[0], BAD])
        self.gateway.transfers[transfer.id]["body"]["transfer_data"][1]["data"]["email"] = "a@example.com"
        asked = losing(self.gateway, "retryTransfer")
        seen: List[Any] = []
        retry = transfer.retry(progress=lambda finished, total: seen.append((finished, total)))
        self.assertEqual([row["internal_id"] for row in retry.data()], ["bad"])
        self.assertEqual([entry["resolved"] for entry in transfer.errors()], [True])
        self.assertEqual(([params["transfer_id"] for params in asked], seen[-1]), ([transfer.id] * 2, (1, 1)))
        self.assertNotIn("outcomes", asked[0])
        self.assertEqual(client.get_transfer(retry.id)["retry_of"], transfer.id)
        self.assertEqual(list(transfer.retry(["unsent"]).data()), [])

    def test_a_running_transfer_cannot_be_retried(self) -> None:
        client = self.client()
        self.gateway.hold = True
        transfer = client.push(self.session(client), "crm-contact", CONTACTS, wait=False)
        with self.assertRaises(pushgate.TransferNotCompleted):
            transfer.retry()

    def test_a_transfer_is_cancelled_and_its_rest_sent_after_all(self) -> None:
        client = self.client()
        self.gateway.hold = True
        transfer = client.push(self.session(client), "crm-contact", CONTACTS, wait=False)
        self.assertTrue(transfer.cancel())
        self.assertEqual(transfer.wait(timeout=5.0).summary["unsent"], 2)
        self.assertEqual([row["outcome"] for row in transfer.data()], ["unsent", "unsent"])
        self.gateway.hold = False
        self.assertEqual([row["outcome"] for row in transfer.retry().data()], ["created", "created"])
        done = client.push(client.initiate_session("local", [], name="o")["session_id"], "crm-contact", [])
        self.assertFalse(done.cancel())

    def test_a_push_that_was_cut_is_treated_as_one(self) -> None:
        client = self.client()
        session = self.session(client)
        emails = ["not an address" if n % 5 == 4 else "" for n in range(20)]
        records = [{"internal_id": str(n), "data": {"email": email}} for n, email in enumerate(emails)]
        with mock.patch.object(_push, "CUT", 300):
            transfer = client.push(session, "crm-contact", records)
        self.assertGreater(len(transfer.ids), 2)
        retry = transfer.retry(idempotency_key="r")
        self.assertEqual([row["internal_id"] for row in retry.data()], ["4", "9", "14", "19"])
        self.assertEqual([entry["index"] for entry in retry.errors()], [0, 1, 2, 3])
        keys = [params["idempotency_key"] for params in self.gateway.called("retryTransfer")]
        self.assertEqual(keys, ["r"] + ["r.%d" % n for n in range(1, len(keys))])
        self.assertFalse(transfer.cancel())
        self.assertEqual(len(self.gateway.called("cancelTransfer")), len(transfer.ids))

    def test_uncertain_records_are_resolved(self) -> None:
        client = self.client()
        self.gateway.uncertain = {0, 1, 2}
        session = self.session(client)
        transfer = client.push(session, "crm-contact", people(4))
        self.assertEqual([row["outcome"] for row in transfer.data()], ["uncertain"] * 3 + ["created"])
        one = transfer.resolve("written", internal_id="p1", id="777")
        self.assertEqual((one.resolved, one.remaining, one.retry), (1, 2, None))
        self.assertEqual([row["id"] for row in transfer.data()][1], "777")
        self.assertEqual(transfer.resolve("not_written", index=0)[:2], (1, 1))
        rest = transfer.resolve("push_again")
        self.assertEqual(rest[:2], (1, 0))
        assert rest.retry is not None
        self.assertEqual([row["internal_id"] for row in rest.retry.wait(5.0).data()], ["p2"])
        for where in ({"index": 3}, {"internal_id": "nobody"}):  # type: Dict[str, Any]
            with self.assertRaises(pushgate.RecordNotFound):
                transfer.resolve("not_written", **where)
        self.assertEqual(transfer.resolve("not_written")[:2], (0, 0))

    def test_a_record_of_a_push_that_was_cut_is_found_in_its_transfer(self) -> None:
        client = self.client()
        self.gateway.uncertain = {0}
        session = self.session(client)
        with mock.patch.object(_push, "CUT", 90):
            transfer = client.push(session, "crm-contact", people(8))
        parts = len(transfer.ids)
        self.assertGreater(parts, 2)
        places = [index for index, row in enumerate(transfer.data()) if row["outcome"] == "uncertain"]
        self.assertEqual(len(places), parts)
        self.assertEqual(transfer.resolve("written", index=places[1], id="7")[0], 1)
        self.assertEqual(next(i for i, row in enumerate(transfer.data()) if row["id"] == "7"), places[1])
        self.assertEqual(transfer.resolve("written", internal_id="p%d" % places[-1], id="8")[0], 1)
        with self.assertRaises(pushgate.RecordNotFound):
            transfer.resolve("not_written", index=99)
        with self.assertRaises(pushgate.RecordNotFound):
            transfer.resolve("not_written", internal_id="nobody")
        again = transfer.resolve("push_again")
        self.assertEqual(again[:2], (parts - 2, 0))
        assert again.retry is not None
        self.assertEqual(len(again.retry.ids), parts - 2)

    def test_a_resolution_whose_answer_was_lost_is_not_repeated(self) -> None:
        client = self.client()
        self.gateway.uncertain = {0}
        transfer = client.push(self.session(client), "crm-contact", people(1))
        asked = losing(self.gateway, "resolveRecord")
        with self.assertRaises(pushgate.ConnectionLost):
            transfer.resolve("push_again")
        self.assertEqual(len(asked), 1)


class Lists(WithGateway):
    def test_transfers_and_sessions_are_read_over_all_pages(self) -> None:
        client = self.client()
        session = self.session(client)
        other = client.initiate_session("local", [], name="other")["session_id"]
        pushed = [client.push(session, "crm-contact", CONTACTS).id for _ in range(5)]
        apart = client.push(other, "crm-company", [{}]).id
        self.gateway.page_cut = 2
        self.assertEqual([row["transfer_id"] for row in client.transfers()], [apart] + pushed[::-1])
        self.assertEqual([p["offset"] for p in self.gateway.called("listTransfers")], [0, 2, 4])
        self.assertEqual([row["transfer_id"] for row in client.transfers(session)], pushed[::-1])
        self.assertEqual([row["transfer_id"] for row in client.transfers(endgrate_type="crm-company")], [apart])
        self.assertEqual(list(client.transfers(state="running")), [])
        self.assertEqual([row["session_id"] for row in client.sessions(page=1)], [session, other])
        asked = losing(self.gateway, "listTransfers")
        self.assertEqual(len(list(client.transfers(page=1))), 6)
        self.assertEqual(len(asked), 7)

    def test_calls_of_webhooks_are_read_over_all_pages(self) -> None:
        client = self.client()
        session = self.session(client)
        hook: pushgate.Webhook = {"endpoint": "https://example.com/a"}
        told = [client.push(session, "crm-contact", CONTACTS, completed_webhook=hook).id for _ in range(5)]
        client.push(session, "crm-contact", CONTACTS)
        self.gateway.page_cut = 2
        self.assertEqual([row["transfer_id"] for row in client.webhook_deliveries(session)], told[::-1])
        self.assertEqual([p.get("after") for p in self.gateway.called("listWebhookDeliveries")], [None, "2", "4"])
        self.assertEqual([row["webhook"] for row in client.webhook_deliveries(transfer_id=told[0])], ["completed"])
        self.assertEqual(list(client.webhook_deliveries(state="failed")), [])

    def test_identities_are_read_by_their_keys(self) -> None:
        client = self.client()
        session = self.session(client)
        client.push(session, "crm-contact", people(9))
        self.gateway.page_cut = 4
        rows = list(client.identities(session))
        self.assertEqual([row["internal_id"] for row in rows], ["p%d" % n for n in range(9)])
        after = [params.get("after") for params in self.gateway.called("exportIdentities")]
        self.assertEqual((after[0], len(after), len(set(after))), (None, 3, 3))
        self.assertEqual(list(client.identities(session, "crm-company")), [])

    def test_identities_are_imported_in_bounded_calls(self) -> None:
        client = self.client()
        session = self.session(client)
        with mock.patch.object(_identities, "_PAIRS", 4):
            done = client.import_identities(session, "crm-contact", (("c%d" % n, "%d" % n) for n in range(10)))
        self.assertEqual((done["success"], done["imported"], done["unchanged"]), (True, 10, 0))
        self.assertEqual([len(p["identities"]) for p in self.gateway.called("importIdentities")], [4, 4, 2])
        self.assertEqual(client.import_identities(session, "crm-contact", {"c1": "1", "c2": "2"})["unchanged"], 2)
        items = [{"internal_id": "c1", "id": "9"}, {"internal_id": "new", "id": "10"}]
        with self.assertRaises(pushgate.InvalidParams):
            client.import_identities(session, "crm-contact", items)
        kept = client.import_identities(session, "crm-contact", items, on_conflict="keep")
        self.assertEqual(kept["conflicts"], [{"internal_id": "c1", "id": "9", "known_id": "1"}])
        self.assertEqual((kept["imported"], kept["conflicts_total"]), (1, 1))
        self.assertEqual(client.import_identities(session, "crm-contact", [])["imported"], 0)
        with self.assertRaises(pushgate.SessionNotFound):
            client.import_identities("nobody", "crm-contact", [])
        for wrong in ("text", ["ab"], [1]):
            with self.assertRaises(TypeError):
                client.import_identities(session, "crm-contact", wrong)  # type: ignore[arg-type]

    def test_an_import_whose_answer_was_lost_is_made_again(self) -> None:
        client = self.client()
        session = self.session(client)
        asked = losing(self.gateway, "importIdentities")
        self.assertEqual(client.import_identities(session, "crm-contact", [("a", "1")])["unchanged"], 1)
        self.assertEqual(len(asked), 2)

    def test_a_page_that_does_not_move_on_ends_the_walk(self) -> None:
        pages, keys = Pages("listTransfers", {"state": None}, 5), Keys("exportIdentities", {}, 5)
        self.assertEqual(pages.params, {"limit": 5, "offset": 0})
        self.assertEqual(pages.take({"meta": {"next": {"offset": 0}}, "transfers": [{}]}), [{}])
        keys.take({"identities": [], "next": "k"})
        self.assertEqual((pages.done, keys.done, keys.params), (True, False, {"limit": 5, "after": "k"}))
        keys.take({"identities": [], "next": "k"})
        self.assertTrue(keys.done)
