"""Keys, parts, paging and addresses, without a socket."""

import json
import os
import re
import tempfile
import threading
import unittest
from typing import Any, Dict, List
from unittest import mock

from fake_gateway import FakeGateway

import pushgate
from pushgate._connect import Backoff, allowance, connect_unix, default_socket, resolve
from pushgate._paging import next_offset
from pushgate._push import CUT, Cutter, Part, add_statistics, cut_for, mint_key, part_key


class Keys(unittest.TestCase):
    def test_keys_sort_by_age_and_are_version_7_uuids(self) -> None:
        keys = [mint_key() for _ in range(20_000)]
        self.assertEqual(keys, sorted(set(keys)))
        self.assertTrue(re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", keys[0]))

    def test_keys_keep_their_order_when_the_clock_is_set_back(self) -> None:
        before = mint_key()
        with mock.patch("time.time_ns", return_value=0):
            self.assertGreater(mint_key(), before)

    def test_keys_of_many_threads_are_all_different(self) -> None:
        keys: List[str] = []
        threads = [threading.Thread(target=lambda: keys.extend(mint_key() for _ in range(2000))) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(len(set(keys)), 8000)

    def test_the_key_of_a_part_is_derived(self) -> None:
        self.assertEqual([part_key("k", n) for n in range(3)], ["k", "k.1", "k.2"])


class Parts(unittest.TestCase):
    def test_a_push_that_fits_is_one_part(self) -> None:
        (cut,) = Cutter().parts([{"a": 1}, {"b": "é"}])
        self.assertEqual((cut.count, cut.text), (2, '[{"a":1},{"b":"é"}]'.encode()))

    def test_an_empty_push_is_one_empty_part(self) -> None:
        (cut,) = Cutter().parts([])
        self.assertEqual((cut.count, cut.text), (0, b"[]"))

    def test_a_push_that_does_not_fit_is_cut_in_order_and_below_the_limit(self) -> None:
        records = [{"n": n, "t": "x" * (n % 37)} for n in range(500)]
        cuts = list(Cutter(1000).parts(iter(records)))
        self.assertGreater(len(cuts), 10)
        self.assertTrue(all(len(cut.text) <= 1000 for cut in cuts))
        self.assertEqual([record for cut in cuts for record in json.loads(cut.text)], records)
        self.assertEqual(sum(cut.count for cut in cuts), 500)

    def test_a_record_that_is_too_long_alone_travels_alone(self) -> None:
        cuts = list(Cutter(100).parts([{"a": 1}, {"t": "x" * 200}, {"b": 1}]))
        self.assertEqual([cut.count for cut in cuts], [1, 1, 1])

    def test_the_source_is_read_as_it_is_sent(self) -> None:
        read: List[int] = []

        def source() -> Any:
            for n in range(100):
                read.append(n)
                yield {"n": n}

        next(Cutter(100).parts(source()))
        self.assertLess(len(read), 20)

    def test_the_default_leaves_room_below_the_ceiling_of_a_line(self) -> None:
        self.assertEqual(CUT, 12 * 1024 * 1024)
        self.assertEqual(cut_for(16 * 1024 * 1024), CUT)
        self.assertEqual(cut_for(1_000_000), 750_000)
        self.assertEqual(cut_for(64 * 1024 * 1024), CUT)

    def test_progress_never_goes_backwards(self) -> None:
        part = Part("t", None, 10, 0)
        values: List[Any] = [{"finished": 3, "total": 10}, {"finished": 2, "total": 10}, {"finished": "9"}, None]
        self.assertEqual([part.progressed(value) for value in values], [True, False, False, False])
        part.complete(None)
        self.assertEqual((part.finished, part.total, part.completion), (10, 10, {}))


class Paging(unittest.TestCase):
    def test_pages_follow_next_until_it_disappears(self) -> None:
        self.assertEqual(next_offset({"meta": {"next": {"offset": 250}}}, 0, 250), 250)
        self.assertEqual(next_offset({"meta": {"next": "link"}}, 100, 50), 150)
        self.assertIsNone(next_offset({"meta": {"count": 3}}, 0, 3))
        self.assertIsNone(next_offset({}, 0, 0))

    def test_a_next_that_does_not_move_on_ends_the_paging(self) -> None:
        self.assertIsNone(next_offset({"meta": {"next": {"offset": 5}}}, 5, 0))

    def test_statistics_of_parts_are_added(self) -> None:
        def one(records: int, completed: bool) -> Dict[str, Any]:
            numbers = {"batch_size": 200, "records": records, "completed": completed, "provider": "local"}
            return {"method": "EXPORT", "completed": completed, "statistics": {"crm-contact": numbers}}

        whole = add_statistics([one(3, True), one(4, False)])
        self.assertFalse(whole["completed"])
        self.assertEqual(
            whole["statistics"]["crm-contact"],
            {"batch_size": 200, "records": 7, "completed": False, "provider": "local"},
        )


class Addresses(unittest.TestCase):
    def test_the_default_socket_is_looked_for_in_order(self) -> None:
        with mock.patch.dict(os.environ, {"PUSHGATE_SOCKET": "/a/b", "XDG_RUNTIME_DIR": "/run/x", "HOME": "/h"}):
            self.assertEqual(default_socket(), "/a/b")
            del os.environ["PUSHGATE_SOCKET"]
            self.assertEqual(default_socket(), "/run/x/pushgate.sock")
            del os.environ["XDG_RUNTIME_DIR"]
            self.assertEqual(default_socket(), "/h/.local/state/pushgate/pushgate.sock")

    def test_spawning_tries_the_default_socket_unless_a_store_is_named(self) -> None:
        with mock.patch.dict(os.environ, {"PUSHGATE_SOCKET": "/s", "PUSHGATE_BINARY": "/bin/pg"}):
            self.assertEqual(resolve(None, True, None), ("/s", ["/bin/pg", "stdio", "--wait"]))
            self.assertEqual(resolve(None, True, "f.db"), (None, ["/bin/pg", "stdio", "--wait", "--store", "f.db"]))
            self.assertEqual(resolve("/t", "pg", "f.db")[0], "/t")
            self.assertEqual(resolve(None, ["pg", "stdio"], None), (None, ["pg", "stdio"]))
            self.assertEqual(resolve(None, None, None), ("/s", None))
            del os.environ["PUSHGATE_BINARY"]
            self.assertEqual(resolve(None, True, None)[1], ["pushgate", "stdio", "--wait"])

    def test_a_store_without_a_gateway_of_ones_own_is_refused(self) -> None:
        for spawn in (None, ["pg", "stdio"]):
            with self.assertRaises(ValueError):
                resolve(None, spawn, "f.db")

    def test_a_path_that_does_not_fit_the_kernel_is_reached_all_the_same(self) -> None:
        for deep in ("d" * 120 + "/" + "e" * 120 + "/pushgate.sock", "n" * 150 + ".sock"):
            with tempfile.TemporaryDirectory() as folder, FakeGateway() as gateway:
                path = os.path.join(folder, deep)
                os.makedirs(os.path.dirname(path), exist_ok=True)
                os.rename(gateway.path, path)
                self.assertGreater(len(path), 107)
                with pushgate.Client(path) as client:
                    self.assertEqual(client.ping(), {"success": True})
                os.rename(path, gateway.path)

    def test_a_gateway_that_is_not_there_is_named(self) -> None:
        for path in ("/nowhere/pushgate.sock", "/nowhere/" + "x" * 120 + "/pushgate.sock"):
            with self.assertRaisesRegex(pushgate.ConnectFailed, re.escape(path) + ".*pushgate serve"):
                connect_unix(path)

    def test_calls_that_wait_on_purpose_get_more_time(self) -> None:
        self.assertEqual(allowance("pushTransfer", {"synchronous": True}), 300)
        self.assertEqual(allowance("getEvents", {"wait_ms": 1500}), 1.5)
        self.assertEqual(allowance("pushTransfer", {"synchronous": False}), 0)
        self.assertEqual(allowance("planTransfer", {"session_id": "s"}), 300)
        self.assertEqual(allowance("planTransfer", {"plan_id": "p"}), 0)


class Patience(unittest.TestCase):
    def test_pauses_grow_to_a_bound_and_end_with_patience(self) -> None:
        backoff, lost = Backoff(10.0), pushgate.ConnectionLost("gone")
        now, pauses = 100.0, []
        while True:
            pause = backoff.delay(lost, now)
            if pause is None:
                break
            pauses.append(pause)
            now += pause
        self.assertAlmostEqual(now, 110.0)
        self.assertLess(pauses[0], 0.07)
        self.assertLessEqual(max(pauses), 2.5)
        backoff.reset()
        self.assertIsNotNone(backoff.delay(lost, now))

    def test_only_what_passes_is_waited_for(self) -> None:
        for error in (
            pushgate.SessionNotFound("no"),
            pushgate.CallTimeout("late"),
            pushgate.ConnectFailed("no such binary", retryable=False),
        ):
            self.assertIsNone(Backoff(None).delay(error, 0.0))
        for passing in (pushgate.ShuttingDown("s"), pushgate.Overloaded("o"), pushgate.ConnectFailed("c")):
            self.assertIsNotNone(Backoff(None).delay(passing, 0.0))

    def test_no_patience_is_no_second_attempt(self) -> None:
        self.assertIsNone(Backoff(0.0).delay(pushgate.ConnectionLost("gone"), 5.0))

    def test_the_gateway_is_obeyed_when_it_says_how_long(self) -> None:
        pause = Backoff(60.0).delay(pushgate.Overloaded("o", retry_after_ms=1500), 0.0)
        assert pause is not None
        self.assertGreaterEqual(pause, 1.5)


if __name__ == "__main__":
    unittest.main()
