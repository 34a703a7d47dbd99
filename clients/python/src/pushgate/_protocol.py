"""The conversation with a gateway as a value: bytes in, messages out; requests in, bytes out.

Nothing here opens a socket, reads a clock or starts a thread, so the blocking client and the asyncio client share it
and it can be tested at every byte split.

Rules that hold here:

- A line ends at LF and may be of any length; nothing is copied twice while a long one gathers.
- Requests carry integer ids counted from 1. A reply whose id nobody waits for (a call that timed out) is dropped.
- `receive` never raises for what the peer sent. A peer that does not speak the protocol ends in one `Violation`, after
  the good messages before it, and whatever comes later is ignored.
- `request` may run in one thread while `receive` runs in another: they meet only in `_in_flight`, by single dict
  operations. Two threads must not both call `request`, nor both `receive`.
- Numbers. Outward a `Decimal` is written digit by digit as it is spelled. Inward the default is int and float; with
  `decimal=True` whatever has a fraction or an exponent becomes a `Decimal` whose `str` is the text on the wire.
"""

import json
import math
from decimal import Decimal, InvalidOperation
from itertools import count
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Tuple, Union

from ._errors import PushgateError, RequestTooLarge, error_from_wire

__all__ = [
    "MAX_IN_FLIGHT",
    "MAX_LINE",
    "Message",
    "Notification",
    "Protocol",
    "Reply",
    "Unmatched",
    "Violation",
    "encode",
]

MAX_LINE = 16 * 1024 * 1024
"""The gateway's ceiling for one inbound line, in bytes, unless its operator set another (ceiling `inbound_line`)."""

MAX_IN_FLIGHT = 250
"""Calls that a client has under way on one connection; the gateway refuses more than 256 (`in_flight_calls`), and some
room is kept for what nobody waits for."""


class Reply(NamedTuple):
    """The answer to request `id`; exactly one of `result` and `error` counts (`error` is None on success)."""

    id: int
    result: Any
    error: Optional[PushgateError]


class Notification(NamedTuple):
    """Something the gateway said by itself; `size` is the length of its line in bytes."""

    method: str
    params: Dict[str, Any]
    size: int


class Unmatched(NamedTuple):
    """An error without an id: the gateway could not tell which request it belongs to."""

    error: PushgateError


class Violation(NamedTuple):
    """The peer does not speak the protocol; the connection is of no further use."""

    reason: str


Message = Union[Reply, Notification, Unmatched, Violation]


class _Spelled(Decimal):
    """A number whose spelling `Decimal` would change (`1.5e3`): the text survives in `str`."""

    __slots__ = ("_text",)
    _text: str

    def __new__(cls, text: str) -> "_Spelled":
        number = super().__new__(cls, text)
        number._text = text
        return number

    def __str__(self) -> str:
        return self._text

    def __reduce__(self) -> Tuple[Any, ...]:
        return _Spelled, (self._text,)


def _decimal(text: str) -> Union[Decimal, float]:
    try:
        number = Decimal(text)
    except InvalidOperation:  # an exponent beyond what Decimal can hold
        return float(text)
    return number if str(number) == text else _Spelled(text)


def _float(text: str) -> Union[Decimal, float]:
    number = float(text)
    # 1e400 would silently turn into infinity, which is not even JSON.
    return number if math.isfinite(number) else _decimal(text)


def _plain_int(text: str) -> Union[int, Decimal, float]:
    try:
        return int(text)
    except ValueError:  # Python refuses to convert more than some 4,300 digits
        return _decimal(text)


def _exact_int(text: str) -> Union[int, Decimal, float]:
    return Decimal(text) if text == "-0" else _plain_int(text)


def _not_json(text: str) -> Any:
    raise ValueError("%s is not JSON" % text)


def _decoder(decimal: bool) -> Callable[[str], Any]:
    return json.JSONDecoder(
        parse_float=_decimal if decimal else _float,
        parse_int=_exact_int if decimal else _plain_int,
        parse_constant=_not_json,
    ).decode


class _HasDecimal(Exception):
    pass


def _foreign(value: Any) -> Any:
    if isinstance(value, Decimal):
        raise _HasDecimal
    raise TypeError("a value of type %s cannot be sent as JSON" % type(value).__name__)


_encode_text = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=_foreign).encode


def _write(value: Any, out: List[str], depth: int) -> None:
    """The slow way, taken only for values that hold a Decimal: the standard encoder cannot write one unquoted."""
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise ValueError("%s is not JSON" % value)
        out.append(str(value))
    elif isinstance(value, (dict, list, tuple)):
        if depth > 500:
            raise ValueError("the value is nested too deeply, or contains itself")
        if isinstance(value, dict):
            separator = "{"
            for key, member in value.items():
                name = key if isinstance(key, str) else _encode_text(key)
                out.append(separator + _encode_text(name) + ":")
                _write(member, out, depth + 1)
                separator = ","
            out.append("}" if value else "{}")
        else:
            separator = "["
            for member in value:
                out.append(separator)
                _write(member, out, depth + 1)
                separator = ","
            out.append("]" if value else "[]")
    else:
        out.append(_encode_text(value))


def encode(value: Any) -> bytes:
    """Compact JSON in UTF-8, without a line end.

    Raises TypeError for what is not JSON (a datetime, a set) and ValueError for NaN, an infinity, a lone surrogate
    or a value that contains itself.
    """
    try:
        text: str = _encode_text(value)
    except _HasDecimal:
        out: List[str] = []
        _write(value, out, 0)
        text = "".join(out)
    except RecursionError:
        raise ValueError("the value is nested too deeply") from None
    return text.encode("utf-8")


class Protocol:
    """One connection's conversation."""

    def __init__(self, *, decimal: bool = False, max_line: int = MAX_LINE) -> None:
        self.max_line = max_line
        self._decode = _decoder(decimal)
        self._ids = count(1)
        self._in_flight: Dict[int, str] = {}
        self._partial: List[bytes] = []
        self._dead = False

    # -- out --

    def request(self, method: str, params: Mapping[str, Any], raw: Optional[Mapping[str, bytes]] = None) -> "Request":
        """A call: its id and its line. `raw` are further params that are encoded already.

        Raises RequestTooLarge if the line is over the gateway's ceiling, and what `encode` raises; no id is used up
        in flight then.
        """
        number = next(self._ids)
        line = self._line(number, method, params, raw)
        if len(line) > self.max_line:
            raise RequestTooLarge(
                "the line is %d bytes, the ceiling is %d" % (len(line), self.max_line),
                details={"limit": self.max_line, "size": len(line)},
            )
        self._in_flight[number] = method
        return Request(number, line)

    def notification(self, method: str, params: Mapping[str, Any]) -> bytes:
        """The line of a message that is not answered."""
        return self._line(None, method, params, None)

    def greeted(self, hello: Any) -> None:
        """Takes over the ceilings that the gateway answered to `hello`."""
        limits = hello.get("limits") if isinstance(hello, dict) else None
        line = limits.get("inbound_line") if isinstance(limits, dict) else None
        if type(line) is int and line > 0:
            self.max_line = line

    def forget(self, number: int) -> bool:
        """Nobody waits for this reply any more. True if it was still due."""
        return self._in_flight.pop(number, None) is not None

    @property
    def in_flight(self) -> List[int]:
        """The ids of the calls without a reply, oldest first."""
        return list(self._in_flight)

    def _line(
        self, number: Optional[int], method: str, params: Mapping[str, Any], raw: Optional[Mapping[str, bytes]]
    ) -> bytes:
        members = encode(dict(params))
        if raw:
            extra = b",".join(encode(name) + b":" + value for name, value in raw.items())
            members = members[:-1] + (b"," if params else b"") + extra + b"}"
        head = b'{"jsonrpc":"2.0",' + (b'"id":%d,' % number if number is not None else b"")
        return head + b'"method":' + encode(method) + b',"params":' + members + b"}\n"

    # -- in --

    def receive(self, data: bytes) -> List[Message]:
        """What these bytes complete, in the order in which it was said."""
        messages: List[Message] = []
        lines = data.split(b"\n")
        rest = lines.pop()
        if lines and self._partial:
            lines[0] = b"".join(self._partial) + lines[0]
            self._partial = []
        if rest:
            self._partial.append(rest)
        for line in lines:
            if self._dead:
                break
            if line and not line.isspace():
                self._read_line(line, messages)
        return messages

    def _read_line(self, line: bytes, messages: List[Message]) -> None:
        try:
            value = self._decode(line.decode("utf-8"))
        except (ValueError, RecursionError) as error:
            return self._violated("a line that is not JSON (%s)" % error, messages)
        for message in value if isinstance(value, list) else [value]:
            self._read_message(message, len(line), messages)

    def _read_message(self, message: Any, size: int, messages: List[Message]) -> None:
        if self._dead:
            return
        if not isinstance(message, dict) or message.get("jsonrpc") != "2.0":
            return self._violated("a line that is not a JSON-RPC 2.0 message", messages)
        if "method" in message:
            params = message.get("params", {})
            # A request of the gateway to us does not exist in this protocol: nothing here could answer it.
            if "id" not in message and isinstance(message["method"], str) and isinstance(params, dict):
                messages.append(Notification(message["method"], params, size))
            return
        if ("result" in message) == ("error" in message):
            return self._violated("a reply that has not exactly one of result and error", messages)
        error = self._read_error(message["error"]) if "error" in message else None
        number = message.get("id")
        if number is None and error is not None:
            messages.append(Unmatched(error))
        elif type(number) is int and self._in_flight.pop(number, None) is not None:
            messages.append(Reply(number, message.get("result"), error))

    @staticmethod
    def _read_error(error: Any) -> PushgateError:
        if isinstance(error, dict) and isinstance(error.get("code"), int):
            return error_from_wire(error["code"], str(error.get("message", "")), error.get("data"))
        return PushgateError("the gateway sent an error without a code: %r" % (error,))

    def _violated(self, reason: str, messages: List[Message]) -> None:
        self._dead = True
        messages.append(Violation(reason))


class Request(NamedTuple):
    """The id of a call and the line to send."""

    id: int
    line: bytes
