"""A small API as there are many: one record a request, search by a query parameter, a key in a header. It keeps what it was
asked, and knows nothing of the gateway."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

KEY = "key-of-the-example-crm"


class Service:
    def __init__(self):
        self.records = {"people": {}, "firms": {}}
        self.links = set()
        self.requests = []
        self.lock = threading.Lock()
        self.last = 0
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self):
                length = int(self.headers.get("Content-Length") or 0)
                text = self.rfile.read(length)
                with service.lock:
                    status, body = service.answer(self.command, self.path, self.headers, text)
                answer = b"" if body is None else json.dumps(body).encode()
                self.send_response(status)
                if status != 204:
                    self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            do_GET = do_POST = do_PATCH = do_PUT = handle_any

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = "http://127.0.0.1:%d/api" % self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def make(self, kind, values):
        """As its own users do, or by a request."""
        self.last += 1
        self.records[kind][str(self.last)] = dict(values, id=self.last)
        return str(self.last)

    def answer(self, method, target, headers, text):
        parts = urlsplit(target)
        self.requests.append((method, target))
        if headers.get("X-Api-Key") != KEY:
            return 401, {"error": {"text": "Who are you?"}}
        way = parts.path.split("/")[2:]
        records = self.records.get(way[0])
        if records is None or not parts.path.startswith("/api/"):
            return 404, {"error": {"text": "No such path."}}
        if method == "GET" and len(way) == 1:
            (field, value), = parse_qsl(parts.query)
            return 200, {"data": [entry for entry in records.values()
                                  if str(entry.get(field, "")).lower() == value.lower()]}
        if method == "POST" and len(way) == 1:
            return self.written(records, json.loads(text), way[0], None)
        if way[1] not in records:
            return 404, {"error": {"text": "There is none of this id."}}
        if method == "GET":
            return 200, records[way[1]]
        if method == "PATCH":
            return self.written(records, json.loads(text), way[0], way[1])
        if method == "PUT" and len(way) == 4:
            if way[3] not in self.records[way[2]]:
                return 404, {"error": {"text": "There is no other end."}}
            self.links.add((way[1], way[3]))
            return 204, None
        return 405, {"error": {"text": "Not so."}}

    def written(self, records, values, kind, identity):
        if values.get("city") == "Atlantis":
            return 422, {"error": {"text": "This city has sunk."}}
        if identity is None:
            return 201, records[self.make(kind, values)]
        records[identity].update(values)
        return 204, None
