"""HTTP/1.1 on loopback: reads requests, lets the fault plan and the personality answer, and writes.

One asyncio thread, and a handler runs without a pause in it, so a request's effects are one step for every other
request. The order of one exchange: route and token, then rate meters, then the fault plan, then the handler, then the
log's fsync, then the first byte of the answer.
"""

import asyncio
import json
import ssl
import sys
import traceback

from .delivery import HangUp, deliver, send
from .effects import Commit, Interrupted
from .exchange import Answer, Request

HEAD_LIMIT = 65_536
BODY_LIMIT = 16 * 1024 * 1024


class BadRequest(Exception):
    """What came is not HTTP that we read; answered once by 400, then closed."""


async def read_request(reader, writer, number: int):
    """The next request, or None at the end of the connection. Raises BadRequest."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if error.partial.strip():
            raise BadRequest("the head ends early") from None
        return None
    except asyncio.LimitOverrunError:
        raise BadRequest("the head is too large") from None
    lines = head.decode("latin-1").split("\r\n")
    parts = lines[0].split(" ")
    if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
        raise BadRequest("the request line is malformed")
    headers = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if line and not colon:
            raise BadRequest("a header has no colon")
        if line:
            headers[name.strip().lower()] = value.strip()
    if headers.get("expect", "").lower() == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        await writer.drain()
    body = await read_body(reader, headers)
    return Request(parts[0], parts[1], headers, body, number)


async def read_body(reader, headers: dict) -> bytes:
    if "chunked" in headers.get("transfer-encoding", "").lower():
        body = b""
        while True:
            size = int((await reader.readuntil(b"\r\n")).split(b";")[0].strip() or b"0", 16)
            chunk = await reader.readexactly(size + 2)
            if size == 0:
                return body
            body += chunk[:-2]
            if len(body) > BODY_LIMIT:
                raise BadRequest("the body is too large")
    length = headers.get("content-length", "0")
    if not length.isdigit() or int(length) > BODY_LIMIT:
        raise BadRequest("the length of the body is not usable")
    return await reader.readexactly(int(length)) if int(length) else b""


class Server:
    """The API port. `personality` routes and answers; `faults`, `effects` and `clock` are shared with the control port."""

    def __init__(self, personality, faults, effects, clock, journal):
        self.personality = personality
        self.faults = faults
        self.effects = effects
        self.clock = clock
        self.journal = journal
        self.pending = {}
        """The portals of effects that are yet to come, by their tasks."""
        self.connections = set()
        self.port = None
        self.mishaps = 0
        self._number = 0
        self._tls = None
        self._listener = None

    async def start(self, port: int, tls=None):
        if tls is not None:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.minimum_version = ssl.TLSVersion.TLSv1_2
            self._tls.set_alpn_protocols(["http/1.1"])
            self._tls.load_cert_chain(*tls)
        await self.listen(port)

    async def listen(self, port=None):
        """Opens the port, or opens the same one again after `deafen`."""
        if self._listener is None:
            self._listener = await asyncio.start_server(
                self.serve, "127.0.0.1", port if port is not None else self.port, limit=HEAD_LIMIT, ssl=self._tls)
            self.port = self._listener.sockets[0].getsockname()[1]

    def deafen(self):
        """Closes the port (a new connection is refused) and every connection on it."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        for writer in list(self.connections):
            writer.transport.abort()

    async def serve(self, reader, writer):
        self.connections.add(writer)
        try:
            while True:
                try:
                    request = await read_request(reader, writer, self._number + 1)
                except BadRequest as error:
                    await send(writer, Answer(400, str(error).encode(), kind="text/plain"),
                               Request("GET", "/", {}), {"Connection": "close"})
                    return
                if request is None:
                    return
                self._number += 1
                await self.exchange(request, writer)
                if request.headers.get("connection", "").lower() == "close":
                    return
        except (HangUp, ConnectionError, asyncio.IncompleteReadError, ssl.SSLError, asyncio.CancelledError):
            pass
        finally:
            self.connections.discard(writer)
            writer.close()

    async def exchange(self, request: Request, writer):
        call = self.personality.admit(request)
        rule = self.faults.pick(call.facts, request) if call.refusal is None else None
        entry = self.journal.open(request, call.facts, rule, self.clock.now())
        if rule is None:
            answer = call.refusal if call.refusal is not None else self.perform(call)
            self.journal.close(entry, answer.status)
            await send(writer, answer, request)
            return
        answer = await self.spoilt(call, rule)
        self.journal.close(entry, answer.status)
        await deliver(writer, answer, request, rule, lambda rule: self.personality.broken(call, rule))

    def perform(self, call, inputs=None, late=False) -> Answer:
        """Runs the handler with its effects logged and fsynced. An interrupted one answers 500."""
        commit = Commit(self.effects, self.clock.now, call.facts, inputs, late)
        try:
            return self.personality.perform(call, commit)
        except Interrupted:
            return self.personality.broken(call, None)
        except Exception:  # a mistake of ours: told on stderr and counted in the report, so that no test passes over it
            self.mishaps += 1
            traceback.print_exc(file=sys.stderr)
            return self.personality.broken(call, None)
        finally:
            self.effects.flush()

    async def spoilt(self, call, rule) -> Answer:
        """The effect part of a fault; gives the answer that the client would have got."""
        if rule.when == "before":
            return self.personality.broken(call, rule)
        if rule.when == "mid_batch":
            return self.perform(call, inputs=int(rule.get("inputs", 1)))
        if rule.when == "after":
            return self.perform(call)
        task = asyncio.get_running_loop().create_task(self.commit_late(call, float(rule.get("late_ms", 1000)) / 1000))
        self.pending[task] = call.facts["portal"]
        task.add_done_callback(lambda task: self.pending.pop(task, None))
        if rule.do in ("status", "html", "empty", "reset", "close", "cut_head", "garbage", "stall"):
            return self.personality.broken(call, rule)
        return await asyncio.shield(task)

    async def commit_late(self, call, seconds: float) -> Answer:
        await asyncio.sleep(seconds)
        return self.perform(call, late=True)


class Journal:
    """Every request with its time, operation and outcome, in memory; also a line each in `path` if given."""

    def __init__(self, path=None):
        self.entries = []
        self._file = open(path, "a", encoding="utf-8", buffering=1) if path else None

    def open(self, request, facts: dict, rule, now: int) -> dict:
        entry = {"n": request.number, "at": now, "method": request.method, "path": request.path,
                 "op": facts.get("op"), "object": facts.get("object"), "portal": facts.get("portal"),
                 "inputs": facts.get("inputs"), "fault": rule.id if rule else None, "status": None}
        self.entries.append(entry)
        return entry

    def close(self, entry: dict, status: int):
        """`status` is that of the true answer; what the client saw under a fault is told by the fault."""
        entry["status"] = status
        if self._file is not None:
            self._file.write(json.dumps(entry, separators=(",", ":")) + "\n")
