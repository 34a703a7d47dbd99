"""A receiver of webhooks that holds each call until it is told what to answer."""

import base64
import hashlib
import hmac
import http.server
import queue
import threading
import time

# Seconds that a call is held; longer than the gateway waits.
HELD = 30.0
# Seconds by which the timestamp of a call may differ from the time of its coming.
TOLERANCE = 60


class Call:
    """One call: who waits for it reads and answers it."""

    def __init__(self, path, headers, body):
        self.path = path
        self.headers = headers
        self.body = body
        self.answered = threading.Event()
        self.status = 200
        self.header = ""

    def answer(self, status, header=""):
        self.status = None if status == "nothing" else int(status)
        self.header = header
        self.answered.set()

    def fault(self, secrets):
        """What is wrong with its head, or None. `secrets`: one of them must have signed it."""
        if self.headers.get("content-type") != "application/json":
            return "the content is not said to be JSON"
        if not self.headers.get("user-agent", "").startswith("pushgate/"):
            return "the user agent is not pushgate"
        if abs(int(self.headers.get("webhook-timestamp", "0")) - time.time()) > TOLERANCE:
            return "the webhook has no timestamp, or a wrong one"
        signatures = self.headers.get("webhook-signature", "").split(" ")
        if not any(signature(secret, self.headers, self.body) in signatures for secret in secrets):
            return f"no secret that is known has signed the webhook: {signatures}"
        return None


def signature(secret, headers, body):
    """As Standard Webhooks 1.0 has it."""
    key = base64.b64decode(secret[len("whsec_"):])
    head = f"{headers.get('webhook-id')}.{headers.get('webhook-timestamp')}.".encode()
    return "v1," + base64.b64encode(hmac.new(key, head + body, hashlib.sha256).digest()).decode()


class Receiver:
    """Listens on a port of its own; calls come out in the order in which they came in."""

    def __init__(self, port=0):
        self.calls = queue.SimpleQueue()
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Small answers must not wait for more.
            disable_nagle_algorithm = True

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("content-length", "0")))
                headers = {name.lower(): value for name, value in self.headers.items()}
                call = receiver.made(self.path, headers, body)
                if not call.answered.wait(HELD) or call.status is None:
                    self.close_connection = True
                    return
                self.send_response(call.status)
                if call.header:
                    name, _, value = call.header.partition(":")
                    self.send_header(name, value.strip())
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False
            request_queue_size = 128

            def handle_error(self, *_):
                pass  # The gateway was killed, or gave up waiting.

        self.server = Server(("127.0.0.1", port), Handler)
        self.port = self.server.server_address[1]
        self.address = f"http://127.0.0.1:{self.port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    def made(self, path, headers, body):
        call = Call(path, headers, body)
        self.calls.put(call)
        return call

    def take(self, timeout):
        """The next call, or None."""
        try:
            return self.calls.get(timeout=timeout) if timeout else self.calls.get_nowait()
        except queue.Empty:
            return None

    def close(self):
        """Nobody listens on the port from now on."""
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
