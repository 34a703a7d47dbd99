"""What goes in and out: a request as it was read, an answer as it is to be written."""

import gzip
import json
from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote, urlsplit

REASONS = {
    200: "OK", 201: "Created", 204: "No Content", 207: "Multi-Status", 301: "Moved Permanently", 302: "Found",
    400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed",
    409: "Conflict", 413: "Payload Too Large", 415: "Unsupported Media Type", 423: "Locked", 429: "Too Many Requests",
    431: "Request Header Fields Too Large", 477: "Migration in Progress", 500: "Internal Server Error",
    502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout",
}


@dataclass
class Request:
    """One request; header names are in lower case, the last of two equal ones wins."""

    method: str
    target: str
    headers: dict
    body: bytes = b""
    number: int = 0

    def __post_init__(self):
        parts = urlsplit(self.target)
        self.path = parts.path
        self.segments = [unquote(segment) for segment in parts.path.split("/") if segment]
        self.query = {name: values for name, values in parse_qs(parts.query, keep_blank_values=True).items()}

    def argument(self, name, default=None):
        """The last value of a query parameter."""
        return self.query.get(name, [default])[-1]

    def listed(self, name):
        """A parameter that may be repeated, and each time hold several values with commas."""
        return [part for value in self.query.get(name, []) for part in value.split(",") if part]


@dataclass
class Answer:
    """One answer. `content` is a JSON value, bytes, or None for an empty body."""

    status: int
    content: object = None
    headers: dict = field(default_factory=dict)
    kind: str = "application/json;charset=utf-8"

    def plain(self) -> bytes:
        if self.content is None:
            return b""
        if isinstance(self.content, bytes):
            return self.content
        return json.dumps(self.content, ensure_ascii=False, separators=(",", ":")).encode()

    def head(self, body: bytes, extra: dict) -> bytes:
        """The status line and headers for `body` as it will be sent."""
        fields = dict(self.headers)
        if self.content is not None:
            fields.setdefault("Content-Type", self.kind)
        if self.status != 204:
            fields["Content-Length"] = str(len(body))
        fields.update(extra)
        lines = [f"HTTP/1.1 {self.status} {REASONS.get(self.status, 'Status')}"]
        lines += [f"{name}: {value}" for name, value in fields.items() if value is not None]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")


def compressed(body: bytes) -> bytes:
    return gzip.compress(body, 1, mtime=0)
