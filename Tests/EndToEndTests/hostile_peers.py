"""Callers that behave badly on good lines: never reading, never writing, dribbling, flooding, vanishing; and the errors
that methods answer."""

import os
import socket
import threading
import time

from peer import Missing, Peer, encode
from hostile_lines import PING, still_works

MEBIBYTE = 1 << 20
PUSH_TYPE = {"endgrate_type": "crm-contact"}


def cases(bench):
    yield from errors_of_methods(bench)
    yield from load(bench)
    yield from slowness(bench)
    yield from crowds(bench)
    yield from vanishing(bench)


def expect(bench, peer, name, method, **params):
    number = peer.request(method, params)
    reply = peer.reply_to(number)
    bench.expect_error(reply, name, number)
    assert peer.call("ping") == {}
    return reply["error"]


def errors_of_methods(bench):
    table = {
        "a provider that is none": ("provider_unknown", "initiateSession", {"provider": "hubspott", "schema": [PUSH_TYPE]}),
        "a schema of no known type": ("schema_invalid", "initiateSession", {"provider": "local", "schema": [{"endgrate_type": "crm-nothing"}]}),
        "a schema without type and title": ("schema_invalid", "initiateSession", {"provider": "local", "schema": [{}]}),
        "a title twice": ("schema_invalid", "initiateSession", {"provider": "local", "schema": [{"title": "a", "type": "object", "properties": {}}] * 2}),
        "a property that is no schema": ("schema_invalid", "initiateSession", {
            "provider": "local", "schema": [{"title": "a", "type": "object", "properties": {"x": {"type": "strnig"}}}]}),
        "a pattern that is none": ("schema_invalid", "initiateSession", {
            "provider": "local", "schema": [{"title": "a", "type": "object", "properties": {"x": {"type": "string", "pattern": "("}}}]}),
        "an account that leaves its folder": ("invalid_params", "initiateSession", {"provider": "local", "schema": [PUSH_TYPE], "account": "../x"}),
        "an account with a slash": ("invalid_params", "initiateSession", {"provider": "local", "schema": [PUSH_TYPE], "account": "a/b"}),
        "an account with a NUL": ("invalid_params", "initiateSession", {"provider": "local", "schema": [PUSH_TYPE], "account": "a\x00"}),
        "a session that is none": ("session_not_found", "getConfiguration", {"session_id": "0" * 24}),
        "a session with quotes in its id": ("session_not_found", "getConfiguration", {"session_id": "' OR 1=1 --"}),
        "to delete no session": ("session_not_found", "deleteSession", {"session_id": "f" * 24}),
        "to push into no session": ("session_not_found", "pushTransfer", dict(PUSH_TYPE, session_id="x", transfer_data=[])),
        "a transfer that is none": ("transfer_not_found", "getTransfer", {"transfer_id": "0" * 24}),
        "data of no transfer": ("transfer_not_found", "getData", {"transfer_id": "\U0001f4a9"}),
        "errors of no transfer": ("transfer_not_found", "getErrors", {"transfer_id": "x"}),
        "statistics of no session": ("session_not_found", "getStatistics", {"session_id": "x"}),
        "to unsubscribe from nothing": ("subscription_not_found", "unsubscribe", {"subscription": "x"}),
        "to acknowledge nothing": ("subscription_not_found", "ack", {"subscription": "x", "cursor": "y"}),
        "a cursor that is none": ("cursor_invalid", "getEvents", {"cursor": "nonsense"}),
        "a cursor of another store": ("cursor_invalid", "getEvents", {"cursor": "0123456789abcdef" + "0" * 11 + "1" + "abcd"}),
        "to subscribe from a cursor that is none": ("cursor_invalid", "subscribe", {"from": {"cursor": "-1"}}),
        "a protocol that is not spoken": ("invalid_params", "hello", {"client": {"name": "x"}, "protocol": 2}),
    }
    for name, (error, method, params) in table.items():
        yield "error: " + name, lambda error=error, method=method, params=params: expect(bench, bench.peer, error, method, **params) and None

    def unknown_type():
        expect(bench, bench.peer, "unknown_type", "pushTransfer", session_id=bench.session, endgrate_type="crm-deal", transfer_data=[])
        expect(bench, bench.peer, "unknown_type", "getData", transfer_id=bench.transfer, endgrate_type="crm-deal")
    yield "error: a type that the session lacks", unknown_type

    def conflict():
        push = dict(PUSH_TYPE, session_id=bench.session, idempotency_key="conflict")
        first = bench.peer.call("pushTransfer", dict(push, transfer_data=[{"internal_id": "c"}]))
        error = expect(bench, bench.peer, "idempotency_conflict", "pushTransfer", **dict(push, transfer_data=[{"internal_id": "d"}]))
        assert error["data"]["details"]["transfer_id"] == first["transfer_id"]
        again = bench.peer.call("pushTransfer", dict(push, transfer_data=[{"internal_id": "c"}]))
        assert again["transfer_id"] == first["transfer_id"] and again["duplicate"] is True
    yield "error: an idempotency key with another body", conflict

    def cursors():
        """Any change of a cursor is noticed or lands on another event; nothing else happens."""
        good = bench.peer.call("getEvents")["latest"]
        for place in range(len(good)):
            for letter in "0fz \u00e9":
                changed = good[:place] + letter + good[place + 1:]
                if changed == good:
                    continue
                reply = bench.peer.reply_to(bench.peer.request("getEvents", cursor=changed))
                if "error" in reply:
                    bench.expect_error(reply, "cursor_invalid", bench.peer.number)
                else:
                    assert letter in "0f" and place >= 16, changed
        assert bench.peer.call("ping") == {}
    yield "error: every change of a cursor", cursors

    def subscriptions():
        with bench.gateway.peer() as peer, bench.gateway.peer() as other:
            peer.call("subscribe", subscription="s", heartbeat_ms=0)
            expect(bench, peer, "subscription_exists", "subscribe", subscription="s")
            expect(bench, peer, "cursor_invalid", "ack", subscription="s", cursor="x")
            peer.call("subscribe", subscription="c", **{"from": {"consumer": "busy"}})
            expect(bench, other, "consumer_busy", "subscribe", **{"from": {"consumer": "busy"}})
            for number in range(62):
                peer.call("subscribe", subscription=str(number), heartbeat_ms=0)
            expect(bench, peer, "too_many_subscriptions", "subscribe")
            peer.call("unsubscribe", subscription="s")
            peer.call("subscribe", subscription="s")
    yield "error: too many subscriptions, one name twice, a consumer in use", subscriptions

    def not_completed():
        session = bench.peer.call("initiateSession", provider="local", account="slow", name="slow", schema=[PUSH_TYPE],
                                  settings={"latency_ms": 300})["session_id"]
        transfer = bench.peer.call("pushTransfer", session_id=session, endgrate_type="crm-contact",
                                   transfer_data=[{"data": {"first_name": "Slow"}}])["transfer_id"]
        expect(bench, bench.peer, "transfer_not_completed", "getData", transfer_id=transfer)
        assert bench.peer.call("getData", transfer_id=transfer, partial=True)["transfer_data"][0]["id"] is None
    yield "error: data of a transfer that is not completed", not_completed

    def in_flight():
        with bench.gateway.peer() as peer:
            latest = peer.call("getEvents")["latest"]
            numbers = [peer.request("getEvents", cursor=latest, wait_ms=700, session_id=bench.session, types=["error"]) for _ in range(257)]
            bench.expect_error(peer.read(), "overloaded", numbers[-1])
            peer.send(encode({"jsonrpc": "2.0", "method": "$/cancelRequest", "params": {"id": numbers[0]}}))
            bench.expect_error(peer.read(), "request_cancelled", numbers[0])
            assert peer.call("ping") == {}
    yield "error: 257 calls in flight, and one cancelled", in_flight

    def too_large():
        gateway = bench.start("--max-reply-line", "65536")
        with gateway.peer() as peer:
            error = expect(bench, peer, "result_too_large", "rpc.discover")
            assert error["data"]["details"]["limit"] == 65536
            peer.call("hello", client={"name": "x"}, max_line_bytes=1 << 20)
            assert "methods" in peer.call("rpc.discover")
    yield "error: a result over the outbound line", too_large

    def full():
        gateway = bench.start("--min-free-space", "1000G")
        with gateway.peer() as peer:
            session = peer.call("initiateSession", provider="local", schema=[PUSH_TYPE])["session_id"]
            expect(bench, peer, "storage_full", "pushTransfer", session_id=session, endgrate_type="crm-contact", transfer_data=[])
            assert peer.call("health")["ready"] is False
    yield "error: no free space", full

    def secrets():
        """What is refused is not quoted in the log."""
        gateway = bench.start("--log", "debug")
        canary = "canary-4f1d"
        with gateway.peer() as peer:
            session = peer.call("initiateSession", provider="local", schema=[PUSH_TYPE])["session_id"]
            peer.send(b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":"%s\xff"}}\n' % canary.encode())
            assert canary not in peer.read_line().decode()
            peer.reply_to(peer.request("hello", {"client": {"name": "x"}, "token": 5, canary: canary}))
            peer.call("pushTransfer", session_id=session, endgrate_type="crm-contact", synchronous=True,
                      transfer_data=[{"data": {"email": canary}}, {"data": {"first_name": 5, "last_name": canary}}])
        assert canary not in gateway.log(), "the log quotes a record"
    yield "error: nothing of a record is in the log", secrets


# MARK: Much at once

def quietly(peer, data):
    """Sends as far as it goes; the answer tells whether it was all."""
    try:
        peer.send(data)
    except OSError:
        pass


def load(bench):
    def pipelined():
        with bench.gateway.peer(30) as peer:
            sender = threading.Thread(target=peer.send, args=(b"".join(
                b'{"jsonrpc":"2.0","id":%d,"method":"ping"}\n' % number for number in range(10_000)),))
            sender.start()
            assert [peer.read()["id"] for _ in range(10_000)] == list(range(10_000)), "answers are missing or out of order"
            sender.join()
            assert still_works(peer) == []
    yield "load: 10,000 pings at once", pipelined

    def never_reads():
        """Sends until nothing more is taken. The memory stays bounded, others are served, and every answer is there."""
        with bench.gateway.peer(30) as peer, bench.gateway.peer() as other:
            before = bench.gateway.resident_bytes()
            sent = 0
            line = b'{"jsonrpc":"2.0","id":"%s","method":"ping"}\n' % (b"i" * 2000)
            peer.socket.settimeout(1)
            rest = b""
            try:
                while sent < 60_000:
                    rest = line
                    while rest:
                        rest = rest[peer.socket.send(rest):]
                    sent += 1
            except socket.timeout:
                pass
            assert sent < 60_000, "120 MB were taken from a peer that reads nothing"
            grown = bench.gateway.resident_bytes() - before
            assert grown < 48 * MEBIBYTE, "%d MiB more" % (grown // MEBIBYTE)
            began = time.monotonic()
            assert other.call("ping") == {} and time.monotonic() - began < 0.5
            peer.socket.settimeout(30)
            finisher = threading.Thread(target=lambda: peer.send(rest))
            finisher.start()
            for _ in range(sent + (1 if rest else 0)):
                assert "result" in peer.read()
            finisher.join()
            assert still_works(peer) == []
    yield "load: a writer that never reads", never_reads

    def deaf_subscriber():
        """20,000 records and nobody listens: bounded memory, then every event in order."""
        gateway = bench.start()
        with gateway.peer(60) as peer, gateway.peer(60) as deaf:
            session = peer.call("initiateSession", provider="local", schema=[PUSH_TYPE])["session_id"]
            deaf.call("subscribe", types=["data", "completed"], heartbeat_ms=0)
            before = gateway.resident_bytes()
            for part in range(10):
                items = [{"internal_id": "%d-%d" % (part, number), "data": {"first_name": "x" * 200}} for number in range(2000)]
                peer.call("pushTransfer", session_id=session, endgrate_type="crm-contact", transfer_data=items, synchronous=True)
            grown = gateway.resident_bytes() - before
            assert grown < 64 * MEBIBYTE, "%d MiB more" % (grown // MEBIBYTE)
            told, completed = [], 0
            while completed < 10:
                message = deaf.read()
                if message["method"] != "event":
                    continue
                event = message["params"]
                completed += event["type"] == "completed"
                if event["type"] == "data":
                    told += [row["internal_id"] for row in event["data"]["transfer_data"]]
            assert told == ["%d-%d" % (part, number) for part in range(10) for number in range(2000)]
            assert still_works(deaf) is not None
    yield "load: a subscriber that never reads", deaf_subscriber

    def stalled():
        gateway = bench.start("--stall-time", "500ms", "--reply-pause", "64K")
        with gateway.peer() as peer:
            peer.socket.settimeout(0.3)
            try:
                while True:
                    peer.socket.send(b'{"jsonrpc":"2.0","id":"%s","method":"ping"}\n' % (b"i" * 2000))
            except socket.timeout:
                pass
            deadline = time.monotonic() + 8
            with gateway.peer() as other:
                while other.call("stats")["connections"] > 1:
                    assert time.monotonic() < deadline, "a peer that takes nothing keeps its connection"
                    time.sleep(0.1)
        assert "peer takes nothing" in gateway.log()
    yield "load: a peer that takes nothing is ended after the stall time", stalled

    def many_large_lines():
        """Unfinished lines of all connections share one budget; what is over it waits and is served later."""
        gateway = bench.start("--inbound-memory", "8M", "--line-time", "60s")
        before = gateway.resident_bytes()
        peers = [gateway.peer(60) for _ in range(12)]
        body = b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{' + b" " * (3 * MEBIBYTE) + b"}}\n"
        threads = [threading.Thread(target=quietly, args=(peer, body)) for peer in peers]
        for thread in threads:
            thread.start()
        replies = [peer.read() for peer in peers]
        for thread in threads:
            thread.join()
        assert all("result" in reply for reply in replies)
        grown = gateway.resident_bytes() - before
        assert grown < 64 * MEBIBYTE, "%d MiB more" % (grown // MEBIBYTE)
        for peer in peers:
            peer.close()
    yield "load: 12 lines of 3 MiB at once in 8 MiB", many_large_lines

    def held_back():
        """Half lines that fill the whole budget hold back neither small calls nor, once gone, large ones."""
        gateway = bench.start("--inbound-memory", "4M", "--line-time", "2s")
        greedy = []
        for _ in range(8):
            peer = gateway.peer()
            peer.socket.settimeout(0.3)
            try:
                peer.send(b'{"a":"' + b"x" * (2 * MEBIBYTE))
            except (socket.timeout, OSError):
                pass
            greedy.append(peer)
        with gateway.peer() as peer:
            assert peer.call("ping") == {}
            peer.send(b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{' + b" " * 300_000 + b"}}\n")
            assert "result" in peer.read()
        for peer in greedy:
            peer.close()
    yield "load: half lines that fill the inbound memory", held_back


# MARK: Slowness

def slowness(bench):
    def dribble():
        gateway = bench.start("--line-time", "500ms")
        with gateway.peer() as peer, gateway.peer() as other:
            began = time.monotonic()
            try:
                for byte in PING * 2:
                    peer.send(bytes([byte]))
                    peer.socket.settimeout(0.1)
                    try:
                        reply = peer.read()
                        break
                    except Missing:
                        pass
            except BrokenPipeError:
                reply = peer.read()
            assert 0.4 < time.monotonic() - began < 3
            bench.expect_error(reply, "line_timeout", None)
            peer.socket.settimeout(5)
            assert peer.read_line() is None, "the connection stays"
            assert other.call("ping") == {}
    yield "slow: one byte in 100 ms", dribble

    def slow_but_fine():
        gateway = bench.start("--line-time", "3s")
        with gateway.peer() as peer:
            for byte in PING:
                peer.send(bytes([byte]))
                time.sleep(0.005)
            assert peer.read()["result"] == {}
            assert still_works(peer) == []
    yield "slow: byte by byte, in time", slow_but_fine

    def silent():
        gateway = bench.start("--line-time", "300ms")
        with gateway.peer() as peer, gateway.peer() as other:
            time.sleep(2)
            assert other.call("ping") == {} and peer.call("ping") == {}
    yield "slow: a peer that never writes", silent

    def split():
        with bench.gateway.peer() as peer:
            for place in range(1, len(PING)):
                peer.send(PING[:place])
                if place % 8 == 0:
                    time.sleep(0.001)
                peer.send(PING[place:])
                assert peer.read()["result"] == {}
    yield "slow: a line in two pieces, at every byte", split


# MARK: Crowds

def alone(gateway):
    """Waits until no connection of before is left."""
    deadline = time.monotonic() + 5
    while True:
        with gateway.peer() as peer:
            if peer.call("stats")["connections"] == 1:
                break
        assert time.monotonic() < deadline, "connections that ended are still counted"
        time.sleep(0.01)
    time.sleep(0.05)


def crowds(bench):
    def ceiling(options, count):
        def run():
            gateway = bench.start(*options)
            alone(gateway)
            peers = [gateway.peer() for _ in range(count)]
            assert peers[-1].call("ping") == {}
            with gateway.peer() as late:
                bench.expect_error(late.read(), "too_many_connections", None)
                assert late.read_line() is None, "the connection stays"
            assert peers[0].call("ping") == {}
            peers.pop().close()
            deadline = time.monotonic() + 5
            while True:
                with gateway.peer() as peer:
                    peer.send(PING)
                    if "result" in (peer.read() or {}):
                        break
                assert time.monotonic() < deadline, "the place of a connection that ended is not given away"
            for peer in peers:
                peer.close()
        return run
    yield "crowd: one connection too many", ceiling(["--max-connections", "8", "--max-connections-per-user", "8"], 8)
    yield "crowd: one connection of a user too many", ceiling(["--max-connections", "8"], 4)
    yield "crowd: 513 connections", ceiling([], 512)

    def flood():
        gateway = bench.start("--max-connections", "16", "--max-connections-per-user", "16")
        alone(gateway)
        with gateway.peer() as first:
            first.call("ping")
            before = len(os.listdir("/proc/%d/fd" % gateway.process.pid))
            for _ in range(3000):
                peer = socket.socket(socket.AF_UNIX)
                peer.settimeout(5)
                try:
                    peer.connect(gateway.path)
                except BlockingIOError:
                    time.sleep(0.001)
                peer.close()
            assert first.call("ping") == {}
            deadline = time.monotonic() + 5
            while first.call("stats")["connections"] > 1:
                assert time.monotonic() < deadline
                time.sleep(0.02)
            # The kernel's queue may still hold connections that are to be refused.
            while True:
                left = len(os.listdir("/proc/%d/fd" % gateway.process.pid))
                if left <= before:
                    break
                assert time.monotonic() < deadline, "%d descriptors are left open" % (left - before)
                time.sleep(0.02)
    yield "crowd: 3,000 connections come and go", flood

    def as_another(uid, path, call):
        """What another user gets, by a child process."""
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.setgid(uid)
            os.setgroups([])
            os.setuid(uid)
            try:
                with Peer(path) as peer:
                    line = call(peer)
            except OSError as problem:
                line = type(problem).__name__.encode()
            os.write(writer, line or b"closed")
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader, "rb") as file:
            data = file.read()
        os.waitpid(child, 0)
        return data

    def strangers():
        if os.geteuid() != 0:
            return "skipped"
        import json
        for options, expected in (([], "forbidden"), (["--allow-uid", "12345"], None), (["--allow-gid", "12345"], None)):
            gateway = bench.start(*options)
            os.chmod(gateway.folder, 0o755)
            assert as_another(12345, gateway.path, Peer.read_line) == b"PermissionError", "the socket is open to all"
            os.chmod(gateway.path, 0o666)
            if expected:
                bench.expect_error(json.loads(as_another(12345, gateway.path, Peer.read_line)), expected, None)
            else:
                def drain(peer):
                    peer.send(b'{"jsonrpc":"2.0","id":1,"method":"drain"}\n')
                    return peer.read_line()
                bench.expect_error(json.loads(as_another(12345, gateway.path, drain)), "forbidden", 1)
            with gateway.peer() as peer:
                assert peer.call("ping") == {}
    yield "crowd: users who may not connect, or not drain", strangers


# MARK: Vanishing

def vanishing(bench):
    def half_line(close):
        def run():
            for length in range(1, len(PING), 5):
                peer = bench.gateway.peer()
                peer.send(PING[:length])
                if close:
                    peer.close()
                    continue
                peer.socket.shutdown(socket.SHUT_WR)
                if length < len(PING) - 1:
                    bench.expect_error(peer.read(), "parse_error", None)
                assert peer.read_line() is None
                peer.close()
            assert bench.peer.call("ping") == {}
        return run
    yield "vanish: half a line, then the end of input", half_line(False)
    yield "vanish: half a line, then closed", half_line(True)

    def input_ends():
        """Calls that were read are answered, also when no more will come (K23)."""
        with bench.gateway.peer() as peer:
            for number in range(50):
                peer.request("pushTransfer", dict(PUSH_TYPE, session_id=bench.session, transfer_data=[{"internal_id": "end-%d" % number}]))
            for number in range(2_000):
                peer.request("ping")
            peer.socket.shutdown(socket.SHUT_WR)
            assert {peer.read()["id"] for _ in range(2_050)} == set(range(1, 2_051))
            assert peer.read_line() is None
    yield "vanish: 50 pushes and 2,000 pings, then the end of input", input_ends

    def closed_at_once():
        for _ in range(300):
            peer = bench.gateway.peer()
            peer.send(b'{"jsonrpc":"2.0","id":1,"method":"rpc.discover"}\n' * 3)
            peer.close()
        assert bench.peer.call("ping") == {}
    yield "vanish: 300 callers do not wait for their answers", closed_at_once

    def large(count, key):
        items = [{"internal_id": "%s-%d" % (key, number), "data": {"description": "x" * 400}} for number in range(count)]
        return dict(PUSH_TYPE, session_id=bench.session, idempotency_key=key, transfer_data=items)

    def same_key_again(cancels, key):
        """A large push is cut off while it is being kept; the same push again is the same transfer, or a new one."""
        def run():
            for count in (200, 3_000, 20_000):
                name = "%s-%d" % (key, count)
                push = large(count, name)
                peer = bench.gateway.peer(30)
                number = peer.request("pushTransfer", push)
                if cancels:
                    peer.send(encode({"jsonrpc": "2.0", "method": "$/cancelRequest", "params": {"id": number}}))
                    reply = peer.reply_to(number)
                    if "error" in reply:
                        bench.expect_error(reply, "request_cancelled", number)
                peer.close()
                with bench.gateway.peer(30) as again:
                    result = again.call("pushTransfer", push)
                    assert again.call("pushTransfer", push)["transfer_id"] == result["transfer_id"]
                    assert again.call("getTransfer", transfer_id=result["transfer_id"])["records"] == count
        return run
    yield "vanish: a large push is cancelled, then pushed again with its key", same_key_again(True, "cancelled")
    yield "vanish: a large push is cut off, then pushed again with its key", same_key_again(False, "cut")

    def same_key_at_once():
        """Ten callers push the same at the same time: one transfer."""
        for count in (1, 3_000):
            push = large(count, "crowd-%d" % count)
            peers = [bench.gateway.peer(30) for _ in range(10)]
            threads = [threading.Thread(target=peer.request, args=("pushTransfer", push)) for peer in peers]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            results = [peer.read()["result"] for peer in peers]
            assert len({result["transfer_id"] for result in results}) == 1, results
            assert sum(not result.get("duplicate") for result in results) == 1, results
            for peer in peers:
                peer.close()
    yield "vanish: ten callers push the same at once", same_key_at_once

    def bad_then_good():
        """Whoever waited behind a push that is refused takes its place."""
        bad = dict(large(1, "bad"), transfer_data=[{"internal_id": ""}])
        with bench.gateway.peer() as peer:
            numbers = [peer.request("pushTransfer", push) for push in [bad] * 5 + [large(1, "bad")] * 3]
            replies = {}
            while len(replies) < len(numbers):
                reply = peer.read()
                replies[reply["id"]] = reply
            assert all("error" in replies[number] for number in numbers[:5])
            assert len({replies[number]["result"]["transfer_id"] for number in numbers[5:]}) == 1
    yield "vanish: refused pushes do not keep their key", bad_then_good

    def order():
        """Pushes in flight on one connection keep their order, with idempotency key or without."""
        with bench.gateway.peer(30) as peer:
            numbers = []
            for version in range(100):
                push = dict(PUSH_TYPE, session_id=bench.session, transfer_data=[{"internal_id": "ordered", "data": {"job_title": str(version)}}])
                if version % 3 == 0:
                    push["idempotency_key"] = "ordered-%d" % version
                numbers.append(peer.request("pushTransfer", push))
            results = {}
            while len(results) < len(numbers):
                reply = peer.read()
                results[reply["id"]] = reply["result"]
            deadline = time.monotonic() + 10
            while peer.call("getTransfer", transfer_id=results[numbers[-1]]["transfer_id"])["state"] != "completed":
                assert time.monotonic() < deadline
            last = peer.call("pushTransfer", dict(PUSH_TYPE, session_id=bench.session, synchronous=True, transfer_data=[
                {"internal_id": "ordered", "data": {"job_title": "99"}}]))
            row = peer.call("getData", transfer_id=last["transfer_id"])["transfer_data"][0]
            assert row["outcome"] == "unchanged", "the last version is not the one that stands: %s" % row
    yield "vanish: 100 versions of one record in flight", order
