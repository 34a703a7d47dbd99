"""The state of a subscription without a socket."""

import unittest
from typing import Any, Dict, List, Optional

from pushgate import _events
from pushgate._events import Event, Feed, Fetch, Ref


class Harness:
    """A feed and the two hands of its owner."""

    def __init__(self, from_: Any = "latest", **selection: Any) -> None:
        self.feed = Feed(selection, from_)
        self.openings = 0

    def open(self, cursor: str = "c0", gap: Any = None) -> Dict[str, Any]:
        self.openings += 1
        params = self.feed.open(self.openings)
        self.feed.opened(params["subscription"], {"cursor": cursor, "gap": gap})
        return params

    def say(self, method: str, size: int = 10, **params: Any) -> None:
        self.feed.notified(method, {"subscription": self.feed.id, **params}, size)

    def event(self, cursor: Optional[str], type: str = "data", size: int = 10, **more: Any) -> None:
        self.say("event", size, cursor=cursor, time="t", type=type, data=more.pop("data", {}), **more)

    def take(self) -> List[Event]:
        taken: List[Event] = []
        while True:
            head = self.feed.head()
            if head is None:
                return taken
            self.feed.shift()
            taken.append(head[0])

    def cursors(self) -> List[Optional[str]]:
        return [event.cursor for event in self.take()]


class Resuming(unittest.TestCase):
    def test_it_resumes_after_the_last_event_that_arrived(self) -> None:
        h = Harness(transfer_id="t")
        self.assertEqual(h.open("c0"), {"transfer_id": "t", "subscription": "s1", "from": "latest"})
        h.event("c1")
        h.event("c2")
        h.feed.closed()
        self.assertEqual(h.open(), {"transfer_id": "t", "subscription": "s2", "from": {"cursor": "c2"}})
        self.assertEqual(h.cursors(), ["c1", "c2"])

    def test_latest_stays_where_it_was_first_asked(self) -> None:
        h = Harness()
        h.open("c41")
        h.feed.closed()
        self.assertEqual(h.open()["from"], {"cursor": "c41"})
        self.assertEqual(h.feed.cursor, "c41")

    def test_earliest_is_asked_again_until_something_arrived(self) -> None:
        h = Harness("earliest")
        h.open("c9")
        h.feed.closed()
        self.assertEqual(h.open()["from"], "earliest")

    def test_a_quiet_subscription_moves_on_with_the_heartbeats(self) -> None:
        h = Harness()
        h.open("c0")
        h.say("subscription.heartbeat", cursor="c500")
        self.assertEqual(h.feed.cursor, "c500")
        h.feed.closed()
        self.assertEqual(h.open()["from"], {"cursor": "c500"})

    def test_the_callers_cursor_counts_only_what_was_handed_out(self) -> None:
        h = Harness({"cursor": "c5"})
        h.open()
        self.assertEqual(h.feed.cursor, "c5")
        h.event("c6")
        h.event("c7")
        h.say("subscription.heartbeat", cursor="c8")
        self.assertEqual(h.feed.cursor, "c5")
        h.feed.shift()
        self.assertEqual(h.feed.cursor, "c6")

    def test_repeats_are_dropped(self) -> None:
        h = Harness()
        h.open()
        for cursor in ("c1", "c2", "c1", "c2", "c3"):
            h.event(cursor)
        self.assertEqual(h.cursors(), ["c1", "c2", "c3"])

    def test_what_an_older_opening_still_says_is_not_heard(self) -> None:
        h = Harness()
        h.open()
        h.feed.closed()
        h.open()
        h.feed.notified("event", {"subscription": "s1", "cursor": "c1", "type": "data"}, 1)
        h.feed.opened("s1", {"gap": {"resumed_at": "c3"}})
        self.assertEqual(h.take(), [])

    def test_a_gap_comes_before_the_events_after_it(self) -> None:
        h = Harness({"cursor": "c1"})
        gap = {"from_cursor": "c1", "resumed_at": "c7", "lost_at_most": 6}
        h.open("c7", gap)
        h.event("c8")
        self.assertEqual(h.take(), [Event("c7", None, "gap", gap), Event("c8", "t", "data", {})])

    def test_a_subscription_that_the_gateway_closes_goes_on_from_there(self) -> None:
        h = Harness()
        h.open()
        h.event("c1")
        h.say("subscription.closed", reason="slow", cursor="c1")
        self.assertIsNone(h.feed.id)
        self.assertEqual(h.open()["from"], {"cursor": "c1"})

    def test_progress_is_not_in_the_log(self) -> None:
        h = Harness()
        h.open()
        h.event("c1")
        for finished in (1, 2):
            h.event("c1", "progress", data={"finished": finished, "total": 2})
        h.feed.closed()
        self.assertEqual(h.open()["from"], {"cursor": "c1"})
        self.assertEqual([e.type for e in h.take()], ["data", "progress", "progress"])

    def test_a_batch_is_several_events(self) -> None:
        h = Harness()
        h.open()
        h.say("event", events=[{"cursor": "c1", "type": "data"}, {"cursor": "c2", "type": "error"}])
        self.assertEqual(h.cursors(), ["c1", "c2"])

    def test_caught_up_is_told(self) -> None:
        h = Harness()
        h.open()
        self.assertFalse(h.feed.caught_up)
        h.say("subscription.caughtUp", cursor="c0")
        self.assertTrue(h.feed.caught_up)

    def test_a_start_that_means_nothing_is_refused(self) -> None:
        for start in ("newest", {}, {"cursor": "a", "consumer": "b"}, {"time": "now"}):
            with self.assertRaises(ValueError):
                Feed({}, start)


class Consumers(unittest.TestCase):
    def test_a_consumer_is_resumed_by_its_name_and_what_was_seen_is_dropped(self) -> None:
        h = Harness({"consumer": "mail"})
        self.assertEqual(h.open(), {"subscription": "s1", "from": {"consumer": "mail"}})
        for cursor in ("c1", "c2", "c3"):
            h.event(cursor)
        self.assertEqual(h.cursors(), ["c1", "c2", "c3"])
        h.feed.acknowledged("c1")
        h.feed.closed()
        self.assertEqual(h.open()["from"], {"consumer": "mail"})
        for cursor in ("c2", "c3", "c4"):
            h.event(cursor)
        self.assertEqual(h.cursors(), ["c4"])

    def test_what_was_acknowledged_is_forgotten(self) -> None:
        h = Harness({"consumer": "mail"})
        h.open()
        h.event("c1")
        h.event("c2")
        h.feed.acknowledged("c1")
        h.feed.acknowledged("unknown")
        self.assertEqual(list(h.feed._seen), ["c2"])


class BackPressure(unittest.TestCase):
    def test_a_slow_consumer_bounds_the_queue_and_loses_nothing(self) -> None:
        for size, limit in ((10, _events.MAX_QUEUED), (1_000_000, 9)):
            h = Harness()
            h.open()
            for place in range(limit + 50):
                h.event("c%d" % place, size=size)
            self.assertTrue(h.feed.paused)
            h.say("subscription.heartbeat", cursor="c999999")
            first = h.cursors()
            self.assertEqual(len(first), limit)
            h.feed.closed()
            params = h.open()
            self.assertEqual(params["from"], {"cursor": "c%d" % (limit - 1)})
            self.assertFalse(h.feed.paused)
            for place in range(limit, limit + 50):
                h.event("c%d" % place)
            self.assertEqual(first + h.cursors(), ["c%d" % place for place in range(limit + 50)])

    def test_memory_for_repeats_is_bounded(self) -> None:
        h = Harness()
        h.open()
        for place in range(10_000):
            h.event("c%d" % place)
            h.take()
        self.assertLessEqual(len(h.feed._seen), 4096)


class References(unittest.TestCase):
    def test_a_reference_is_read_in_every_form(self) -> None:
        expected = Ref({"transfer_id": "t", "offset": 200, "limit": 200, "partial": True}, {})
        forms: List[Any] = [
            "getData?transfer_id=t&offset=200&limit=200",
            {"method": "getData", "params": {"transfer_id": "t", "offset": 200, "limit": 200}},
            {"transfer_id": "t", "offset": 200, "limit": 200},
        ]
        for ref in forms:
            h = Harness()
            h.open()
            h.event("c1", data=None, ref=ref)
            head = h.feed.head()
            assert head is not None
            self.assertEqual(head[1], expected)

    def test_a_reference_that_means_nothing_leaves_the_event_as_it_is(self) -> None:
        forms: List[Any] = ["getSomething?transfer_id=t", {"params": {}}, 7, None]
        for ref in forms:
            h = Harness()
            h.open()
            h.event("c1", data={"a": 1}, ref=ref)
            head = h.feed.head()
            assert head is not None
            self.assertIsNone(head[1])
            self.assertEqual(head[0].data, {"a": 1})

    def test_a_payload_is_gathered_over_shorter_pages(self) -> None:
        fetch = Fetch(Ref({"transfer_id": "t", "offset": 200, "limit": 5}, {"completed": False}))
        asked = []
        while not fetch.done:
            asked.append((fetch.params["offset"], fetch.params["limit"]))
            offset, limit = asked[-1]
            rows = [{"id": n} for n in range(offset, offset + min(limit, 2))]
            fetch.add({"success": True, "meta": {"next": {"offset": offset + len(rows)}}, "transfer_data": rows})
        self.assertEqual(asked, [(200, 5), (202, 3), (204, 1)])
        self.assertEqual([row["id"] for row in fetch.payload["transfer_data"]], [200, 201, 202, 203, 204])
        self.assertEqual((fetch.payload["success"], fetch.payload["completed"]), (True, False))

    def test_a_payload_ends_where_the_data_ends(self) -> None:
        fetch = Fetch(Ref({"transfer_id": "t", "limit": 200}, {}))
        fetch.add({"meta": {"count": 1}, "transfer_data": [{"id": 1}]})
        self.assertTrue(fetch.done)
        fetch = Fetch(Ref({"transfer_id": "t"}, {}))
        fetch.add({"meta": {"next": {"offset": 0}}, "transfer_data": [{"id": 1}]})
        self.assertTrue(fetch.done)


if __name__ == "__main__":
    unittest.main()
