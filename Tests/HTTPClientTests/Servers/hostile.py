"""A server on loopback that answers as badly as its path asks, for the tests of HTTPClient.

    hostile.py [--tls CERTIFICATE KEY] [--address 127.0.0.1]

Prints its port when it listens, and ends when its standard input does. `/good` answers well, `/seen?path=P` says how many
requests came for the path P, `/requests` gives the last heads as JSON, `/cases` the names of all bad answers. Each case is a
list of steps: bytes to send, a number of seconds to wait, or what to do with the connection.
"""
import gzip
import itertools
import json
import socket
import ssl
import struct
import sys
import threading
import zlib

KEEP, CLOSE, RESET, HOLD = "keep", "close", "reset", "hold"
OK = b"HTTP/1.1 200 OK\r\n"
BOMB = gzip.compress(bytes(64 << 20), 9)


def whole(body, *headers, status=b"200 OK"):
    lines = [b"HTTP/1.1 " + status, b"Content-Length: %d" % len(body), *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def chunked(*pieces):
    return OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"".join(pieces)


def drip(data, pause=0.1):
    return itertools.chain.from_iterable((bytes([byte]), pause) for byte in data)


def endless(piece):
    return itertools.repeat(piece)


def then(end, *steps):
    return itertools.chain(steps, [end])


GZIP = b"Content-Encoding: gzip"
PLAIN = b'{"plain":true}'
CASES = {
    "no_answer": lambda: [CLOSE],
    "reset": lambda: [RESET],
    "hold": lambda: [HOLD],
    "cut_status": lambda: [b"HTTP/1.1 20", CLOSE],
    "cut_head": lambda: [OK + b"Content-Le", CLOSE],
    "cut_after_line": lambda: [OK + b"Content-Length: 5\r\n", CLOSE],
    "reset_in_head": lambda: [OK + b"Content-Length: 5\r\n", 0.05, RESET],
    "hold_in_head": lambda: [OK + b"Content-Length: 5\r\n", HOLD],
    "short_body": lambda: [OK + b"Content-Length: 50\r\n\r\nshort", CLOSE],
    "short_body_reset": lambda: [OK + b"Content-Length: 50\r\n\r\nshort", 0.05, RESET],
    "short_body_hold": lambda: [OK + b"Content-Length: 50\r\n\r\nshort", HOLD],
    "long_body": lambda: [OK + b"Content-Length: 5\r\n\r\n12345HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", KEEP],
    "chunk_not_a_number": lambda: [chunked(b"zz\r\nhello\r\n0\r\n\r\n"), HOLD],
    "chunk_negative": lambda: [chunked(b"-5\r\nhello\r\n0\r\n\r\n"), HOLD],
    "chunk_too_large": lambda: [chunked(b"FFFFFFFFFFFFFFFFFF\r\nhello"), HOLD],
    "chunk_without_end": lambda: [chunked(b"5\r\nhelloXX5\r\nhello\r\n0\r\n\r\n"), HOLD],
    "chunk_cut": lambda: [chunked(b"50\r\nhello"), CLOSE],
    "chunk_no_last": lambda: [chunked(b"5\r\nhello\r\n"), CLOSE],
    "chunk_hold": lambda: [chunked(b"5\r\nhello\r\n"), HOLD],
    "chunk_extension": lambda: [chunked(b"5;a=b;c\r\nhello\r\n0\r\n\r\n"), KEEP],
    "chunk_extension_endless": lambda: itertools.chain([chunked(b"5;a=")], endless(b"x" * 4096)),
    "chunks_endless": lambda: itertools.chain([chunked()], endless(b"1000\r\n" + b"x" * 4096 + b"\r\n")),
    "trailer": lambda: [chunked(b"5\r\nhello\r\n0\r\nX-Late: 1\r\n\r\n"), KEEP],
    "trailers_endless": lambda: itertools.chain([chunked(b"5\r\nhello\r\n0\r\n")], endless(b"X-Late: 1\r\n")),
    "many_headers": lambda: [whole(b"x", *(b"X-%d: y" % n for n in range(1000))), KEEP],
    "giant_header": lambda: [whole(b"x", b"X: " + b"y" * 90_000), KEEP],
    "huge_header": lambda: [whole(b"x", b"X: " + b"y" * 1_000_000), KEEP],
    "endless_header": lambda: itertools.chain([OK + b"X: "], endless(b"y" * 4096)),
    "endless_headers": lambda: itertools.chain([OK], endless(b"X: y\r\n" * 100)),
    "interim_flood": lambda: endless(b"HTTP/1.1 100 Continue\r\n\r\n" * 10),
    "interim_few": lambda: [b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" + whole(PLAIN), KEEP],
    "interim_only": lambda: [b"HTTP/1.1 100 Continue\r\n\r\n", CLOSE],
    "switch": lambda: [b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\nabc", HOLD],
    "http_09": lambda: [b"<html>hello</html>", CLOSE],
    "garbage": lambda: [bytes(range(256)) * 4, CLOSE],
    "tls_alert": lambda: [b"\x15\x03\x03\x00\x02\x02\x28", CLOSE],
    "version_9": lambda: [b"HTTP/9.9 200 OK\r\nContent-Length: 0\r\n\r\n", CLOSE],
    "other_protocol": lambda: [b"RTSP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", CLOSE],
    "status_99": lambda: [whole(b"", status=b"99 X"), CLOSE],
    "status_1000": lambda: [whole(b"", status=b"1000 X"), CLOSE],
    "status_text": lambda: [whole(b"", status=b"abc X"), CLOSE],
    "status_negative": lambda: [whole(b"", status=b"-20 X"), CLOSE],
    "status_999": lambda: [whole(b"x", status=b"999 X"), KEEP],
    "status_alone": lambda: [b"HTTP/1.1 200\r\nContent-Length: 1\r\n\r\nx", KEEP],
    "line_feeds": lambda: [b"HTTP/1.1 200 OK\nContent-Length: 1\n\nx", KEEP],
    "header_nul": lambda: [whole(b"x", b"X-A: a\0b"), CLOSE],
    "header_without_colon": lambda: [whole(b"x", b"nonsense"), CLOSE],
    "header_space_in_name": lambda: [whole(b"x", b"X A : b"), CLOSE],
    "header_folded": lambda: [whole(b"x", b"X-A: one\r\n two"), KEEP],
    "lengths_differ": lambda: [OK + b"Content-Length: 1\r\nContent-Length: 5\r\n\r\nx", HOLD],
    "length_and_chunks": lambda: [OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n", HOLD],
    "length_negative": lambda: [OK + b"Content-Length: -5\r\n\r\nhello", CLOSE],
    "length_text": lambda: [OK + b"Content-Length: five\r\n\r\nhello", CLOSE],
    "length_overflow": lambda: [OK + b"Content-Length: 1" + b"0" * 30 + b"\r\n\r\nhello", CLOSE],
    "length_terabyte": lambda: [OK + b"Content-Length: 1000000000000\r\n\r\nhello", HOLD],
    "no_length": lambda: [OK + b"\r\n" + PLAIN, CLOSE],
    "no_length_endless": lambda: itertools.chain([OK + b"\r\n"], endless(b"x" * 4096)),
    "empty_204": lambda: [b"HTTP/1.1 204 No Content\r\n\r\n", KEEP],
    "body_with_204": lambda: [b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello", CLOSE],
    "gzip": lambda: [whole(gzip.compress(PLAIN), GZIP), KEEP],
    "gzip_unnamed": lambda: [whole(gzip.compress(PLAIN)), KEEP],
    "gzip_named_plain": lambda: [whole(PLAIN, GZIP), KEEP],
    "gzip_members": lambda: [whole(gzip.compress(PLAIN[:5]) + gzip.compress(PLAIN[5:]), GZIP), KEEP],
    "gzip_cut": lambda: [whole(gzip.compress(PLAIN * 100)[:-12], GZIP), KEEP],
    "gzip_checksum": lambda: [whole(gzip.compress(PLAIN)[:-8] + b"12345678", GZIP), KEEP],
    "gzip_tail": lambda: [whole(gzip.compress(PLAIN) + b"tail", GZIP), KEEP],
    "gzip_bomb": lambda: [whole(BOMB, GZIP), KEEP],
    "gzip_bomb_unnamed": lambda: [whole(BOMB), KEEP],
    "gzip_bomb_nested": lambda: [whole(gzip.compress(BOMB), GZIP), KEEP],
    "gzip_empty_members": lambda: [whole(gzip.compress(b"") * 2000, GZIP), KEEP],
    "brotli": lambda: [whole(b"\x0b\x06\x80" + PLAIN, b"Content-Encoding: br"), KEEP],
    "deflate": lambda: [whole(zlib.compress(PLAIN), b"Content-Encoding: deflate"), KEEP],
    "transfer_gzip": lambda: [OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", HOLD],
    "transfer_unknown": lambda: [OK + b"Transfer-Encoding: magic\r\n\r\nhello", CLOSE],
    "drip_head": lambda: then(HOLD, *drip(whole(PLAIN))),
    "drip_body": lambda: itertools.chain([OK + b"Content-Length: 5000\r\n\r\n"], drip(b"x" * 5000)),
    "redirect": lambda: [whole(b"", b"Location: /good?from=redirect", status=b"302 Found"), KEEP],
    "redirect_file": lambda: [whole(b"", b"Location: file:///etc/passwd", status=b"307 Moved"), KEEP],
    "asks_for_password": lambda: [whole(b"", b'WWW-Authenticate: Basic realm="x"', status=b"401 No"), KEEP],
    "asks_proxy_password": lambda: [whole(b"", b'Proxy-Authenticate: Basic realm="x"', status=b"407 No"), KEEP],
    "expectation_failed": lambda: [whole(b"", status=b"417 No"), KEEP],
    "try_later": lambda: [whole(b"", b"Retry-After: 7", status=b"503 No"), KEEP],
    "cookie": lambda: [whole(PLAIN, b"Set-Cookie: secret=1; Path=/", b'Alt-Svc: h2=":1"; ma=86400'), KEEP],
    "unasked_second": lambda: [whole(PLAIN), 0.02, whole(b"evil"), KEEP],
}


class Server:
    def __init__(self, listener):
        self.listener = listener
        self.lock = threading.Lock()
        self.seen = []

    def run(self):
        while True:
            connection, _ = self.listener.accept()
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        try:
            if isinstance(connection, ssl.SSLSocket):
                connection.do_handshake()
            while self.exchange(connection):
                pass
        except (OSError, ValueError):
            pass
        finally:
            connection.close()

    def exchange(self, connection):
        data = b""
        while b"\r\n\r\n" not in data:
            piece = connection.recv(65536)
            if not piece:
                return False
            data += piece
        head, body = data.split(b"\r\n\r\n", 1)
        lines = head.decode("latin-1").split("\r\n")
        method, target, _ = lines[0].split(" ")
        name = target.split("?")[0].lstrip("/")
        peer = connection.getpeername()[1]
        length = next((int(line.split(":")[1]) for line in lines if line.lower().startswith("content-length:")), 0)
        if name == "deaf":
            # Reads the head and no more, then breaks.
            self.note(peer, method, target, lines, len(body))
            return self.act(connection, [0.2, RESET])
        if name == "early":
            self.note(peer, method, target, lines, len(body))
            return self.act(connection, [whole(b"too large", b"Connection: close", status=b"413 No"), 0.2, CLOSE])
        while len(body) < length:
            piece = connection.recv(65536)
            if not piece:
                return False
            body += piece
        if name in ("seen", "requests", "cases"):
            return self.act(connection, [whole(self.report(name, target)), KEEP])
        self.note(peer, method, target, lines, len(body))
        if name == "echo":
            return self.act(connection, [whole(body, b"X-Lines: " + json.dumps(lines).encode()), KEEP])
        if name == "slow":
            return self.act(connection, [0.3, whole(b"slow"), KEEP])
        if name in CASES:
            return self.act(connection, CASES[name]())
        return self.act(connection, [whole(b"good" if method != "HEAD" else b""), KEEP])

    def note(self, peer, method, target, lines, count):
        with self.lock:
            self.seen.append({"method": method, "path": target, "lines": lines, "body": count, "peer": peer})

    def report(self, name, target):
        with self.lock:
            if name == "cases":
                return json.dumps(sorted(CASES)).encode()
            if name == "requests":
                return json.dumps(self.seen[-40:]).encode()
            path = target.split("path=", 1)[1]
            return str(sum(1 for each in self.seen if each["path"] == path)).encode()

    @staticmethod
    def act(connection, steps):
        for step in steps:
            if isinstance(step, bytes):
                connection.sendall(step)
            elif isinstance(step, float):
                threading.Event().wait(step)
            elif step == KEEP:
                return True
            elif step == RESET:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return False
            elif step == HOLD:
                while connection.recv(65536):
                    pass
                return False
            else:
                return False
        return False


def main():
    arguments = sys.argv[1:]
    address = arguments[arguments.index("--address") + 1] if "--address" in arguments else "127.0.0.1"
    listener = socket.create_server(
        (address, 0), family=socket.AF_INET6 if ":" in address else socket.AF_INET, backlog=128)
    port = listener.getsockname()[1]
    if "--tls" in arguments:
        place = arguments.index("--tls")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(arguments[place + 1], arguments[place + 2])
        if "--old" in arguments:
            context.set_ciphers("ALL:@SECLEVEL=0")
            context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
        listener = context.wrap_socket(listener, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=Server(listener).run, daemon=True).start()
    print(port, flush=True)
    sys.stdin.read()


main()
