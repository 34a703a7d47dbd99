"""As much of a client as the benchmark needs: one call at a time, and raw lines."""

import json
import socket
import time


class Misbehaviour(Exception):
    """A server gave an answer that is wrong, or none. If it was the gateway, the benchmark ends red."""


class Wire:
    """One connection. Every wait has an end."""

    def __init__(self, path, timeout=120):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(timeout)
        try:
            self.socket.connect(path)
        except OSError:
            self.socket.close()
            raise
        self.lines = self.socket.makefile("rb", buffering=1 << 16)
        self.number = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.lines.close()
        self.socket.close()

    def send(self, line):
        self.socket.sendall(line)

    def line(self):
        line = self.lines.readline()
        if not line.endswith(b"\n"):
            raise Misbehaviour("the gateway ended the connection")
        return line

    def answer(self, number):
        """The result of a call. Notifications before it are passed over."""
        for _ in range(1_000_000):
            line = self.line()
            message = json.loads(line)
            if "method" in message:
                continue
            if message.get("id") != number or "result" not in message:
                raise Misbehaviour(f"call {number} was answered with {line[:400].decode(errors='replace')}")
            return message["result"]
        raise Misbehaviour(f"call {number} got no answer among 1,000,000 lines")

    def call(self, method, **params):
        self.number += 1
        self.send(encode(self.number, method, params))
        return self.answer(self.number)


def encode(number, method, params):
    message = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
    return json.dumps(message, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


def expect(is_right, what):
    if not is_right:
        raise Misbehaviour(what)


def until_done(wire, seconds=300):
    """Waits until no record is queued and no transfer runs."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        stats = wire.call("stats")
        if stats["records_queued"] == 0 and stats["transfers_running"] == 0:
            return stats
        time.sleep(0.003)
    raise Misbehaviour(f"records are still queued after {seconds} s: {stats}")
