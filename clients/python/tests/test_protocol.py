"""The conversation without a socket."""

import json
import pickle
import unittest
from decimal import Decimal
from typing import Any, List

import pushgate
from pushgate._protocol import Notification, Protocol, Reply, Unmatched, Violation, encode

STREAM = "\n".join(
    [
        '{"jsonrpc":"2.0","id":2,"result":{"name":"Zoë \u2028 – 名前","big":9007199254740993}}',
        "",
        '{"jsonrpc":"2.0","method":"event","params":{"subscription":"s1","cursor":"c1","type":"data","data":{"a":[1.5]}}}\r',
        '{"jsonrpc":"2.0","id":1,"error":{"code":1301,"message":"Invalid or expired session.",'
        '"data":{"name":"session_not_found","retryable":false,"request_id":"r7"}}}',
        '[{"jsonrpc":"2.0","id":3,"result":null},{"jsonrpc":"2.0","method":"gateway.closing"}]',
        '{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"bad","data":{"name":"parse_error"}}}',
        "",
    ]
).encode()


def started(calls: int = 3, **options: Any) -> Protocol:
    protocol = Protocol(**options)
    for _ in range(calls):
        protocol.request("ping", {})
    return protocol


def plain(messages: List[Any]) -> List[Any]:
    return [
        [type(message).__name__] + [repr(part) if isinstance(part, Exception) else part for part in message]
        for message in messages
    ]


class Incoming(unittest.TestCase):
    def test_a_stream_means_the_same_at_every_byte_split(self) -> None:
        whole = plain(started().receive(STREAM))
        self.assertEqual(
            [m[0] for m in whole], ["Reply", "Notification", "Reply", "Reply", "Notification", "Unmatched"]
        )
        for split in range(len(STREAM) + 1):
            protocol = started()
            self.assertEqual(plain(protocol.receive(STREAM[:split]) + protocol.receive(STREAM[split:])), whole, split)

    def test_a_stream_means_the_same_byte_by_byte(self) -> None:
        protocol = started()
        messages: List[Any] = []
        for place in range(len(STREAM)):
            messages += protocol.receive(STREAM[place : place + 1])
        self.assertEqual(plain(messages), plain(started().receive(STREAM)))

    def test_a_line_of_any_length_is_read(self) -> None:
        line = b'{"jsonrpc":"2.0","id":1,"result":"' + b"x" * 5_000_000 + b'"}\n'
        protocol = started(1)
        messages: List[Any] = []
        for place in range(0, len(line), 65536):
            messages += protocol.receive(line[place : place + 65536])
        self.assertEqual(len(messages[0].result), 5_000_000)

    def test_replies_find_their_calls_in_any_order(self) -> None:
        protocol = started()
        self.assertEqual(protocol.in_flight, [1, 2, 3])
        messages = protocol.receive(b'{"jsonrpc":"2.0","id":3,"result":"c"}\n{"jsonrpc":"2.0","id":1,"result":"a"}\n')
        self.assertEqual(messages, [Reply(3, "c", None), Reply(1, "a", None)])
        self.assertEqual(protocol.in_flight, [2])

    def test_replies_that_nobody_waits_for_are_dropped(self) -> None:
        protocol = started()
        self.assertTrue(protocol.forget(2))
        self.assertFalse(protocol.forget(2))
        for number in ("2", "99", '"1"', "true", "1.0", "null"):
            line = '{"jsonrpc":"2.0","id":%s,"result":1}\n' % number
            self.assertEqual(protocol.receive(line.encode()), [], number)
        self.assertEqual(len(protocol.receive(b'{"jsonrpc":"2.0","id":1,"result":1}\n' * 2)), 1)

    def test_a_request_of_the_peer_is_ignored(self) -> None:
        self.assertEqual(started().receive(b'{"jsonrpc":"2.0","id":1,"method":"ping"}\n'), [])
        self.assertEqual(started().receive(b'{"jsonrpc":"2.0","method":"x","params":[1]}\n'), [])

    def test_a_peer_that_does_not_speak_the_protocol_ends_in_one_violation(self) -> None:
        good, reply = b'{"jsonrpc":"2.0","method":"ok"}\n', b'{"jsonrpc":"2.0","id":1,"result":1}\n'
        for bad in (
            b"Listening on port 80\n",
            b'{"jsonrpc":"2.0","id":1,"result":NaN}\n',
            b'{"jsonrpc":"2.0","id":1,"result":"\xff"}\n',
            b"[" * 200_000 + b"\n",
            b"7\n",
            b'{"id":1,"result":1}\n',
            b'{"jsonrpc":"2.0","id":1}\n',
            b'{"jsonrpc":"2.0","id":1,"result":1,"error":{"code":1,"message":""}}\n',
        ):
            protocol = started()
            messages = protocol.receive(good + bad + reply)
            self.assertEqual([type(m) for m in messages], [Notification, Violation], bad[:40])
            self.assertEqual(protocol.receive(reply), [])

    def test_an_error_without_an_id_is_handed_on(self) -> None:
        line = b'{"jsonrpc":"2.0","id":null,'
        line += b'"error":{"code":1006,"message":"too long","data":{"name":"request_too_large"}}}\n'
        (message,) = started().receive(line)
        assert isinstance(message, Unmatched)
        self.assertIsInstance(message.error, pushgate.RequestTooLarge)


class Errors(unittest.TestCase):
    def error(self, error: Any) -> pushgate.PushgateError:
        line = json.dumps({"jsonrpc": "2.0", "id": 1, "error": error}).encode() + b"\n"
        (message,) = started().receive(line)
        assert isinstance(message, Reply) and message.error is not None
        return message.error

    def test_every_name_of_the_protocol_has_its_class(self) -> None:
        table = {
            -32700: "parse_error", -32600: "invalid_request", -32601: "method_not_found", -32602: "invalid_params",
            -32603: "internal", -32800: "request_cancelled", 1001: "shutting_down", 1002: "overloaded",
            1003: "unauthenticated", 1004: "forbidden", 1005: "deadline_exceeded", 1006: "request_too_large",
            1007: "result_too_large", 1008: "storage_full", 1009: "line_timeout", 1010: "too_many_connections",
            1101: "subscription_not_found", 1102: "subscription_exists", 1103: "too_many_subscriptions",
            1104: "cursor_invalid", 1105: "cursor_expired", 1106: "consumer_busy", 1201: "idempotency_conflict",
            1202: "part_conflict", 1301: "session_not_found", 1302: "session_not_configured", 1303: "unknown_type",
            1304: "association_type_unknown", 1305: "provider_unknown", 1306: "transfer_not_found",
            1307: "transfer_not_completed", 1308: "schema_invalid", 1309: "webhook_endpoint_refused",
            1310: "plan_stale", 1311: "record_not_found", 1312: "plan_not_found", 1313: "delivery_not_found",
            1314: "credential_unknown",
        }  # fmt: skip
        for code, name in table.items():
            error = self.error({"code": code, "message": "m", "data": {"name": name, "retryable": code == 1002}})
            expected = "InternalError" if name == "internal" else name.title().replace("_", "")
            self.assertEqual(type(error).__name__, expected)
            self.assertEqual((error.code, error.name, error.retryable), (code, name, code == 1002))
            self.assertIs(type(error), getattr(pushgate, expected))
            # Without data the code alone tells.
            self.assertIs(type(self.error({"code": code, "message": "m"})), type(error))

    def test_an_error_carries_all_that_the_gateway_said(self) -> None:
        data = {
            "name": "overloaded",
            "retryable": True,
            "retry_after_ms": 250,
            "request_id": "r1",
            "details": {"limit": 256},
        }
        error = self.error({"code": 1002, "message": "too much", "data": data})
        self.assertEqual((error.retry_after_ms, error.request_id, error.details), (250, "r1", {"limit": 256}))
        self.assertEqual(str(error), "overloaded (1002): too much")
        again = pickle.loads(pickle.dumps(error))
        self.assertEqual((type(again), str(again), again.details), (type(error), str(error), error.details))

    def test_what_is_unknown_becomes_the_base_class(self) -> None:
        error = self.error({"code": 1777, "message": "new", "data": {"name": "brand_new", "retryable": True}})
        self.assertIs(type(error), pushgate.PushgateError)
        self.assertEqual((error.code, error.name, error.retryable), (1777, "brand_new", True))
        error = self.error({"code": -32050, "message": "foreign", "data": "text"})
        self.assertEqual((type(error), error.details), (pushgate.PushgateError, "text"))
        self.assertIs(type(self.error("nonsense")), pushgate.PushgateError)

    def test_the_name_counts_more_than_the_code(self) -> None:
        error = self.error({"code": 9999, "message": "m", "data": {"name": "session_not_found"}})
        self.assertIsInstance(error, pushgate.SessionNotFound)


class Outgoing(unittest.TestCase):
    def test_a_request_is_one_line_with_an_id_of_its_own(self) -> None:
        protocol = Protocol()
        first = protocol.request("getData", {"transfer_id": "名\n"})
        self.assertTrue(first.line.endswith(b"\n") and first.line.count(b"\n") == 1)
        self.assertEqual(
            json.loads(first.line),
            {"jsonrpc": "2.0", "id": 1, "method": "getData", "params": {"transfer_id": "名\n"}},
        )
        self.assertEqual(protocol.request("ping", {}).id, 2)
        self.assertEqual(protocol.in_flight, [1, 2])
        self.assertEqual(
            json.loads(protocol.notification("$/cancelRequest", {"id": 1})),
            {"jsonrpc": "2.0", "method": "$/cancelRequest", "params": {"id": 1}},
        )

    def test_encoded_params_are_sent_as_they_are(self) -> None:
        line = Protocol().request("pushTransfer", {"a": 1}, {"transfer_data": b'[{"data":{"x":1.10}}]'}).line
        self.assertIn(b'"params":{"a":1,"transfer_data":[{"data":{"x":1.10}}]}}', line)
        self.assertIn(b'"params":{"t":[]}', Protocol().request("x", {}, {"t": b"[]"}).line)

    def test_a_line_over_the_ceiling_is_refused_before_it_is_sent(self) -> None:
        protocol = Protocol(max_line=100)
        with self.assertRaises(pushgate.RequestTooLarge) as caught:
            protocol.request("x", {"text": "y" * 100})
        self.assertEqual(caught.exception.details["limit"], 100)
        self.assertEqual(protocol.in_flight, [])

    def test_what_is_not_json_is_refused(self) -> None:
        loop: List[Any] = []
        loop.append(loop)
        deep: Any = Decimal("1.0")
        for _ in range(600):
            deep = [deep]
        for value, kind in (
            (float("nan"), ValueError), (float("inf"), ValueError), (Decimal("NaN"), ValueError),
            (Decimal("-Infinity"), ValueError), ("\ud800", ValueError), ({1, 2}, TypeError), (b"x", TypeError),
            (loop, ValueError), (deep, ValueError), ([Decimal(1), object()], TypeError),
        ):  # fmt: skip
            with self.assertRaises(kind):
                encode(value)


class Numbers(unittest.TestCase):
    SPELLINGS = (
        "0", "-0", "1", "1.0", "1.10", "-0.0", "1.5e3", "1E400", "1e-7", "0.1e+05", "123456789012345678901234567890",
        "0.1234567890123456789012345", "100E-2", "9" * 5000,
    )  # fmt: skip

    def read(self, text: str, **options: Any) -> Any:
        (message,) = started(**options).receive(b'{"jsonrpc":"2.0","id":1,"result":%s}\n' % text.encode())
        assert isinstance(message, Reply)
        return message.result

    def test_with_decimal_numbers_keep_their_spelling_both_ways(self) -> None:
        for text in self.SPELLINGS:
            value = self.read('{"n":[%s]}' % text, decimal=True)
            self.assertEqual(encode(value), b'{"n":[%s]}' % text.encode(), text[:40])
        self.assertEqual(self.read("1.5e3", decimal=True) + 1, Decimal(1501))
        self.assertIs(type(self.read("7", decimal=True)), int)

    def test_a_spelled_number_survives_copying(self) -> None:
        value = self.read("1.5e3", decimal=True)
        self.assertEqual(str(pickle.loads(pickle.dumps(value))), "1.5e3")

    def test_by_default_numbers_are_int_and_float(self) -> None:
        self.assertEqual([type(self.read(t)) for t in ("1", "1.0", "1e3")], [int, float, float])
        self.assertEqual(self.read("9007199254740993"), 9007199254740993)

    def test_a_number_that_no_float_holds_does_not_become_infinity(self) -> None:
        self.assertEqual(self.read("1e400"), Decimal("1e400"))

    def test_a_number_that_nothing_holds_is_refused_on_the_way_out(self) -> None:
        with self.assertRaises(ValueError):
            encode(self.read("1e99999999999999999999", decimal=True))

    def test_decimals_are_written_anywhere_in_a_value(self) -> None:
        value = {"a": Decimal("1.10"), "b": [Decimal("2"), 'x"é', None, True, 1.5, (), {}, []], "c": {"d": {}}, 5: "k"}
        self.assertEqual(
            encode(value), '{"a":1.10,"b":[2,"x\\"é",null,true,1.5,[],{},[]],"c":{"d":{}},"5":"k"}'.encode()
        )


if __name__ == "__main__":
    unittest.main()
