"""Writes an answer to the socket: truly, or spoilt in one of the ways of `faults.ACTIONS`."""

import asyncio
import gzip
import socket
import struct

from .exchange import Answer, compressed

GZIP_FROM = 256
"""Bodies shorter than this are sent as they are, whatever the client accepts."""

PAGE = b"<!DOCTYPE html>\n<html><head><title>502 Bad Gateway</title></head><body><h1>Bad gateway</h1></body></html>\n"


class HangUp(Exception):
    """The connection is over; nothing more is read from it."""


def accepts_gzip(request) -> bool:
    return "gzip" in request.headers.get("accept-encoding", "").lower()


def encoded(answer: Answer, request):
    """Body and extra headers as the client may have them."""
    body = answer.plain()
    if len(body) >= GZIP_FROM and accepts_gzip(request):
        return compressed(body), {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
    return body, {}


def reset(writer):
    """Ends the connection by RST: what is still in our send buffer is dropped."""
    link = writer.transport.get_extra_info("socket")
    if link is not None and link.fileno() >= 0:
        link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
    raise HangUp()


async def finish(writer):
    await writer.drain()
    raise HangUp()


async def send(writer, answer: Answer, request, extra=None):
    """The true answer, whole."""
    body, headers = encoded(answer, request)
    writer.write(answer.head(body, {**headers, **(extra or {})}) + body)
    await writer.drain()


async def slowly(writer, data: bytes, chunk: int, pause_ms: int):
    for start in range(0, len(data), max(1, chunk)):
        writer.write(data[start:start + chunk])
        await writer.drain()
        await asyncio.sleep(pause_ms / 1000)


def with_other_entries(answer: Answer, rule) -> Answer:
    """The answer with results doubled or left out, if it has a list of them."""
    if not isinstance(answer.content, dict) or not isinstance(answer.content.get("results"), list):
        return answer
    results = answer.content["results"]
    count = int(rule.get("count", 1))
    results = results[:count] + results if rule.do == "duplicate_entries" else results[count:]
    return Answer(answer.status, {**answer.content, "results": results}, answer.headers, answer.kind)


async def deliver(writer, answer: Answer, request, rule, broken):
    """Sends `answer` as `rule` wants it. `broken(rule)` gives the vendor's envelope for the rule's own status.
    Raises HangUp when the connection is not to be used again."""
    if rule.get("delay_ms"):
        await asyncio.sleep(float(rule.get("delay_ms")) / 1000)
    do = rule.do
    if do == "stall":
        await asyncio.sleep(float(rule.get("seconds", 30)))
        do = {"answer": "answer", "reset": "reset", "status": "status"}.get(rule.get("then", "close"), "close")
    if do == "reset":
        reset(writer)
    if do == "close":
        await finish(writer)
    if do in ("answer", "duplicate_entries", "missing_entries"):
        await send(writer, answer if do == "answer" else with_other_entries(answer, rule), request)
        if rule.get("hang_up"):
            await finish(writer)
        return
    if do == "status":
        await send(writer, broken(rule), request)
        return
    await _deliver_odd(writer, answer, request, rule, do)


async def _deliver_odd(writer, answer: Answer, request, rule, do: str):
    """The answers that no correct server would write."""
    body, headers = encoded(answer, request)
    head = answer.head(body, headers)
    chunk, pause = int(rule.get("chunk", 16)), int(rule.get("pause_ms", 50))
    if do == "html":
        await send(writer, Answer(int(rule.get("status", 200)), PAGE, kind="text/html"), request)
    elif do == "empty":
        await send(writer, Answer(int(rule.get("status", 200)), None), request)
    elif do == "cut_head":
        writer.write(head[:len(head) // 2])
        await writer.drain()
        await asyncio.sleep(0.05)
        reset(writer)
    elif do in ("mid_body", "truncate"):
        writer.write(head + body[:len(body) // 2])
        await writer.drain()
        if do == "truncate":
            await finish(writer)
        await asyncio.sleep(0.05)
        reset(writer)
    elif do == "slow_headers":
        await slowly(writer, head, chunk, pause)
        writer.write(body)
        await writer.drain()
    elif do == "drip":
        writer.write(head)
        await slowly(writer, body, chunk, pause)
    elif do == "wrong_encoding":
        plain = answer.plain()
        claimed = rule.get("how", "claimed") == "claimed"
        body = plain if claimed else compressed(plain)
        writer.write(answer.head(body, {"Content-Encoding": "gzip" if claimed else None}) + body)
        await writer.drain()
    elif do == "bomb":
        body = gzip.compress(b" " * int(rule.get("bytes", 200_000_000)), 6, mtime=0)
        writer.write(answer.head(body, {"Content-Encoding": "gzip"}) + body)
        await writer.drain()
    elif do == "many_headers":
        filler = {f"X-Filler-{number}": "x" * 1000 for number in range(int(rule.get("bytes", 1_000_000)) // 1000)}
        writer.write(answer.head(body, {**headers, **filler}) + body)
        await writer.drain()
    elif do == "garbage":
        writer.write(b"\x16\x03\x01 this is not HTTP\r\n\r\n")
        await finish(writer)
