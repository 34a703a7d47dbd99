"""Hostile lines: broken JSON, broken envelopes, ceilings of one line, odd but good framing."""

import json
import random

PING = b'{"jsonrpc":"2.0","id":"next","method":"ping"}\n'
LINE_CEILING = 16 << 20


def call(text):
    return b'{"jsonrpc":"2.0","id":1,"method":"ping","params":' + text + b"}"


def padded(length):
    """A good line of so many bytes. The blanks are inside: behind a whole value they would not count as its line."""
    return call(b"{" + b" " * (length - len(call(b"{}"))) + b"}")


BROKEN = {
    "an object without end": b'{"jsonrpc":"2.0","id":1,"method":"ping"',
    "an array without end": b"[1,2",
    "a string without end": b'{"jsonrpc":"2.0","id":"1',
    "one opening brace": b"{",
    "one opening bracket": b"[",
    "one closing brace": b"}",
    "a closing bracket too many": call(b"{}") + b"]",
    "brackets crossed": b'{"a":[1}]',
    "a comma at the end of an object": call(b'{"a":1,}'),
    "a comma at the end of an array": call(b"[1,]"),
    "a comma at the beginning": call(b'{,"a":1}'),
    "two commas": call(b"[1,,2]"),
    "no colon": call(b'{"a" 1}'),
    "no value": call(b'{"a":}'),
    "no comma": call(b'{"a":1 "b":2}'),
    "a key that is no string": call(b"{1:2}"),
    "a key without quotes": call(b"{a:2}"),
    "single quotes": b"{'jsonrpc':'2.0','id':1,'method':'ping'}",
    "a comment": call(b"{/* no */}"),
    "a comment to the end of the line": call(b"{}") + b" // no",
    "NaN": call(b'{"a":NaN}'),
    "Infinity": call(b'{"a":Infinity}'),
    "-Infinity": call(b'{"a":-Infinity}'),
    "a plus sign": call(b'{"a":+1}'),
    "a leading zero": call(b'{"a":01}'),
    "a number without fraction digits": call(b'{"a":1.}'),
    "a number without integer digits": call(b'{"a":.5}'),
    "a number without exponent digits": call(b'{"a":1e}'),
    "a lone minus": call(b'{"a":-}'),
    "a hexadecimal number": call(b'{"a":0x10}'),
    "a number with underscores": call(b'{"a":1_000}'),
    "a number of 1,001 characters": call(b'{"a":' + b"1" * 1001 + b"}"),
    "True": call(b'{"a":True}'),
    "tru": call(b'{"a":tru}'),
    "nulll": call(b'{"a":nulll}'),
    "undefined": call(b'{"a":undefined}'),
    "a bare word": b"ping",
    "two values in a line": call(b"{}") + b" " + call(b"{}"),
    "text behind the value": call(b"{}") + b" x",
    "a tab in a string": call(b'{"a":"\t"}'),
    "a control character in a string": call(b'{"a":"\x01"}'),
    "a NUL in a string": call(b'{"a":"\x00"}'),
    "a NUL behind the value": call(b"{}") + b"\x00",
    "a line of NULs": b"\x00" * 64,
    "an escape that is none": call(b'{"a":"\\x41"}'),
    "an escape of four digits that are none": call(b'{"a":"\\u12G4"}'),
    "an escape that is cut": call(b'{"a":"\\u12"}'),
    "a lone high surrogate": call(b'{"a":"\\ud800"}'),
    "a lone low surrogate": call(b'{"a":"\\udc00"}'),
    "surrogates in the wrong order": call(b'{"a":"\\udc00\\ud800"}'),
    "a high surrogate before a letter": call(b'{"a":"\\ud800a"}'),
    "the byte FF": call(b'{"a":"\xff"}'),
    "a continuation byte alone": call(b'{"a":"\x80"}'),
    "an overlong slash": call(b'{"a":"\xc0\xaf"}'),
    "an overlong NUL": call(b'{"a":"\xe0\x80\x80"}'),
    "a sequence that is cut": call(b'{"a":"\xe2\x82"}'),
    "a surrogate as UTF-8": call(b'{"a":"\xed\xa0\x80"}'),
    "a code point beyond Unicode": call(b'{"a":"\xf4\x90\x80\x80"}'),
    "Latin-1": call(b'{"a":"M\xfcller"}'),
    "a byte order mark": b"\xef\xbb\xbf" + call(b"{}"),
    "UTF-16": call(b"{}").decode().encode("utf-16-le"),
    "a member twice": call(b'{"a":1,"a":1}'),
    "a member twice, once spelled with escapes": call(b'{"a":1,"\\u0061":2}'),
    "the method twice": b'{"jsonrpc":"2.0","id":1,"method":"ping","method":"drain"}',
    "the method twice, once spelled with escapes": b'{"jsonrpc":"2.0","id":1,"method":"ping","\\u006dethod":"drain"}',
    "a member twice, deep inside": call(b'{"a":[{"b":{"c":1,"c":2}}]}'),
    "arrays 129 deep": b"[" * 129 + b"]" * 129,
    "objects 129 deep": b'{"a":' * 129 + b"1" + b"}" * 129,
    "params that reach depth 129": call(b'{"a":' + b"[" * 127 + b"]" * 127 + b"}"),
    "arrays 100,000 deep": b"[" * 100_000 + b"]" * 100_000,
    "arrays 1,000,000 deep": b"[" * 1_000_000 + b"]" * 1_000_000,
    "1,000,000 brackets that never close": b"[" * 1_000_000,
    "objects 100,000 deep": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "10,001 members": call(b"{" + b",".join(b'"%d":1' % n for n in range(10_001)) + b"}"),
    "2,000,001 values": b"[" + b"0," * 2_000_000 + b"0]",
    "an HTTP request": b"GET / HTTP/1.1",
    "a TLS greeting": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(100, 120)),
    "XML": b'<?xml version="1.0"?><methodCall/>',
    "YAML": b"jsonrpc: 2.0",
    "a shell command": b"rm -rf /",
    "4,096 random bytes": bytes(b for b in random.Random(7).randbytes(4096) if b != 10),
    "1 MiB of one letter": b"x" * (1 << 20),
}


def request(**members):
    return json.dumps(dict({"jsonrpc": "2.0", "id": 1}, **members)).encode()


# line -> the error's name and the id that it answers
INVALID = {
    "a number": (b"1", "invalid_request", None),
    "a string": (b'"ping"', "invalid_request", None),
    "null": (b"null", "invalid_request", None),
    "true": (b"true", "invalid_request", None),
    "an empty object": (b"{}", "invalid_request", None),
    "an empty batch": (b"[]", "invalid_request", None),
    "no version": (b'{"id":1,"method":"ping"}', "invalid_request", 1),
    "version 1.0": (b'{"jsonrpc":"1.0","id":1,"method":"ping"}', "invalid_request", 1),
    "a version that is a number": (b'{"jsonrpc":2.0,"id":1,"method":"ping"}', "invalid_request", 1),
    "a version with a space": (b'{"jsonrpc":"2.0 ","id":1,"method":"ping"}', "invalid_request", 1),
    "no method": (request(), "invalid_request", 1),
    "a method that is a number": (request(method=5), "invalid_request", 1),
    "a method that is null": (request(method=None), "invalid_request", 1),
    "a method that is an array": (request(method=["ping"]), "invalid_request", 1),
    "an id that is an object": (request(id={}, method="ping"), "invalid_request", None),
    "an id that is an array": (request(id=[1], method="ping"), "invalid_request", None),
    "an id that is true": (request(id=True, method="ping"), "invalid_request", None),
    "an id with a fraction": (request(id=1.5, method="ping"), "invalid_request", None),
    "an id with an exponent": (b'{"jsonrpc":"2.0","id":1e2,"method":"ping"}', "invalid_request", None),
    "params that are a string": (request(method="ping", params="x"), "invalid_request", 1),
    "params that are a number": (request(method="ping", params=1), "invalid_request", 1),
    "params that are false": (request(method="ping", params=False), "invalid_request", 1),
    "params by position": (request(method="getData", params=["x"]), "invalid_params", 1),
    "no params by position": (request(method="ping", params=[]), "invalid_params", 1),
    "an unknown method": (request(method="pong"), "method_not_found", 1),
    "an empty method": (request(method=""), "method_not_found", 1),
    "a method in the wrong case": (request(method="pushtransfer"), "method_not_found", 1),
    "a method with a NUL": (request(method="ping\x00"), "method_not_found", 1),
    "a method with a blank": (request(method=" ping"), "method_not_found", 1),
    "a method of 1 MiB": (request(method="p" * (1 << 20)), "method_not_found", 1),
    "a reserved method": (request(method="rpc.nothing"), "method_not_found", 1),
    "a method that the gateway sends itself": (request(method="event"), "method_not_found", 1),
    "a cancellation that asks for an answer": (request(method="$/cancelRequest", params={"id": 9}), "method_not_found", 1),
    "a line of 16 MiB and one byte": (padded(LINE_CEILING + 1), "request_too_large", None),
    "a line of 17 MiB": (b'"' + b"x" * (17 << 20) + b'"', "request_too_large", None),
    "a line of 40 MiB that is broken behind its ceiling": (call(b'{"a":"' + b"y" * (40 << 20) + b"\xff"), "request_too_large", None),
}

# Odd, but good: bytes -> how many answers, all of them results
GOOD = {
    "CR before LF": (PING[:-1] + b"\r\n", 1),
    "blank lines": (b"\n\n\r\n  \n\t\n" + PING, 1),
    "white space around": (b" \t" + PING[:-1] + b" \t\n", 1),
    "100,000 blank lines": (b"\n" * 100_000 + PING, 1),
    "no line feed": (PING[:-1], 1),
    "two lines at once": (PING + PING, 2),
    "a line of 16 MiB": (padded(LINE_CEILING) + b"\n", 1),
    "a batch of 100": (b"[" + b",".join([PING[:-1]] * 100) + b"]\n", 100),
    "params that are null": (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":null}\n', 1),
    "an id of 40 digits": (b'{"jsonrpc":"2.0","id":' + b"9" * 40 + b',"method":"ping"}\n', 1),
    "an id that is null": (b'{"jsonrpc":"2.0","id":null,"method":"ping"}\n', 1),
    "an empty id": (b'{"jsonrpc":"2.0","id":"","method":"ping"}\n', 1),
    "an id of 100,000 characters": (b'{"jsonrpc":"2.0","id":"' + b"i" * 100_000 + b'","method":"ping"}\n', 1),
    "the same id twice": (PING * 2, 2),
    "keys spelled with escapes": (b'{"\\u006asonrpc":"2.0","id":1,"\\u006dethod":"p\\u0069ng"}\n', 1),
    "members that nobody knows": (b'{"jsonrpc":"2.0","id":1,"method":"ping","extra":{"deep":[1]}}\n', 1),
    "depth 128": (b'{"jsonrpc":"2.0","id":1,"method":"ping","x":' + b"[" * 127 + b"]" * 127 + b"}\n", 1),
    "10,000 members": (b'{"jsonrpc":"2.0","id":1,"method":"ping","x":{'
                       + b",".join(b'"%d":1' % n for n in range(10_000)) + b"}}\n", 1),
    "a notification": (b'{"jsonrpc":"2.0","method":"ping"}\n', 0),
    "a notification of an unknown method": (b'{"jsonrpc":"2.0","method":"pong"}\n', 0),
    "a notification with bad params": (b'{"jsonrpc":"2.0","method":"getData","params":{"x":1}}\n', 0),
    "a batch of notifications": (b'[{"jsonrpc":"2.0","method":"ping"},{"jsonrpc":"2.0","method":"ping"}]\n', 0),
    "an answer to nothing": (b'{"jsonrpc":"2.0","id":7,"result":{}}\n', 0),
    "an error to nothing": (b'{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":"x"}}\n', 0),
    "a cancellation of nothing": (b'{"jsonrpc":"2.0","method":"$/cancelRequest","params":{"id":4711}}\n', 0),
    "a cancellation without an id": (b'{"jsonrpc":"2.0","method":"$/cancelRequest"}\n', 0),
}


def still_works(peer):
    """The next good request on the same connection; gives what came before its answer."""
    peer.send(PING)
    before = []
    while True:
        message = peer.read()
        assert message is not None, "the connection was closed"
        if isinstance(message, dict) and message.get("id") == "next" and "result" in message:
            return before
        before.append(message)


def cases(bench):
    for name, line in BROKEN.items():
        def broken(line=line):
            with bench.gateway.peer(30) as peer:
                peer.send(line + b"\n")
                reply = peer.read()
                bench.expect_error(reply, "parse_error", None)
                assert 0 <= reply["error"]["data"]["details"]["offset"] <= len(line), reply
                assert still_works(peer) == [], "a bad line was answered twice"
        yield "parse: " + name, broken
    for name, (line, error, number) in INVALID.items():
        def invalid(line=line, error=error, number=number):
            with bench.gateway.peer(30) as peer:
                peer.send(line + b"\n")
                bench.expect_error(peer.read(), error, number)
                assert still_works(peer) == [], "a bad line was answered twice"
        yield "request: " + name, invalid
    for name, (data, count) in GOOD.items():
        def good(data=data, count=count):
            with bench.gateway.peer(30) as peer:
                peer.send(data)
                results = []
                while len(results) < count:
                    message = peer.read()
                    results += message if isinstance(message, list) else [message]
                assert all("result" in result for result in results), results
                assert still_works(peer) == []
        yield "good: " + name, good
    yield from batches(bench)


def batches(bench):
    def batch(elements, errors):
        def run():
            with bench.gateway.peer() as peer:
                peer.send(b"[" + b",".join(elements) + b"]\n")
                replies = peer.read()
                if isinstance(errors, str):
                    bench.expect_error(replies, errors, None)
                else:
                    names = sorted(reply["error"]["data"]["name"] if "error" in reply else "-" for reply in replies)
                    assert names == sorted(errors), replies
                assert still_works(peer) == []
        return run

    ping, bad = PING[:-1], b'{"jsonrpc":"2.0","id":2,"method":"pong"}'
    yield "batch: 101 calls", batch([ping] * 101, "invalid_request")
    yield "batch: 100,000 calls", batch([ping] * 100_000, "invalid_request")
    yield "batch: numbers", batch([b"1", b"2", b"3"], ["invalid_request"] * 3)
    yield "batch: a batch inside", batch([b"[" + ping + b"]"], ["invalid_request"])
    yield "batch: an empty batch inside", batch([b"[]"], ["invalid_request"])
    yield "batch: good and bad", batch([ping, bad, b"{}", b'{"jsonrpc":"2.0","method":"ping"}'], ["-", "method_not_found", "invalid_request"])
    yield "batch: the same id twice", batch([ping, ping], ["-", "-"])
    yield "batch: one broken member breaks the line", batch([ping, b"{x}"], "parse_error")

    def pretty():
        with bench.gateway.peer() as peer:
            peer.send(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping"}, indent=2).encode() + b"\n")
            before = still_works(peer)
            bench.expect_error(before[0], "parse_error", None)
            assert "one JSON value a line" in before[0]["error"]["message"], before[0]
            assert all("error" in reply for reply in before), before
    yield "parse: pretty-printed JSON, with a hint", pretty
