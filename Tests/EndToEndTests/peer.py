"""A built gateway under test, and a bare peer that talks to it.

Python's standard library only. The binary is named by PUSHGATE_BINARY.
"""

import json
import os
import signal
import socket
import subprocess
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BINARY = os.environ.get("PUSHGATE_BINARY") or os.path.join(ROOT, ".build", "debug", "pushgate")
SOON = 10.0
"""Seconds after which something that should have happened long ago is called a failure."""


class Missing(Exception):
    """What should have come did not come in time."""


class Gateway:
    """`pushgate serve` with everything in one folder. It may be killed and started again."""

    def __init__(self, folder, options=(), wrapper=()):
        self.folder = folder
        self.path = os.path.join(folder, "gate.sock")
        self.store = os.path.join(folder, "store.db")
        self.options = list(options)
        self.wrapper = list(wrapper)
        self.log_path = os.path.join(folder, "gateway.log")
        self.process = None

    def command(self):
        return [BINARY, "serve", "--listen", "unix:" + self.path, "--store", self.store] + self.options

    def spawn(self, wrapper=None):
        """Starts it and does not wait until it listens."""
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                (self.wrapper if wrapper is None else list(wrapper)) + self.command(),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=dict(os.environ, SWIFT_BACKTRACE="enable=no"))
        return self

    def start(self, wrapper=None):
        self.spawn(wrapper)
        if not self.wait_until_listening():
            raise Missing("the gateway ended at its start, code %s; see %s" % (self.process.returncode, self.log_path))
        return self

    def wait_until_listening(self):
        """False if the process ends first."""
        deadline = time.monotonic() + SOON
        while time.monotonic() < deadline:
            probe = socket.socket(socket.AF_UNIX)
            try:
                probe.connect(self.path)
                return True
            except OSError:
                if self.process.poll() is not None:
                    return False
                time.sleep(0.0005)
            finally:
                probe.close()
        raise Missing("the gateway does not listen")

    def kill(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        """An orderly end; gives the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout=SOON)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Missing("the gateway does not end on SIGTERM")

    def resident_bytes(self):
        with open("/proc/%d/statm" % self.process.pid) as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def peer(self, timeout=SOON):
        return Peer(self.path, timeout)

    def log(self):
        with open(self.log_path, "rb") as file:
            return file.read().decode(errors="replace")


class Peer:
    """A connection on which any bytes can be sent."""

    def __init__(self, path, timeout=SOON):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(timeout)
        self.socket.connect(path)
        self.buffer = bytearray()
        self.seen = 0
        self.number = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def read_line(self):
        """The next line without its line feed; None at the end."""
        while True:
            end = self.buffer.find(b"\n", self.seen)
            if end >= 0:
                line = bytes(self.buffer[:end])
                del self.buffer[: end + 1]
                self.seen = 0
                return line
            self.seen = len(self.buffer)
            try:
                data = self.socket.recv(1 << 18)
            except ConnectionResetError:
                data = b""
            except socket.timeout:
                raise Missing("no line came")
            if not data:
                return None
            self.buffer += data

    def read(self):
        """The next message; None at the end."""
        line = self.read_line()
        return None if line is None else json.loads(line)

    def request(self, method, params=None, **more):
        self.number += 1
        message = {"jsonrpc": "2.0", "id": self.number, "method": method, "params": params if params is not None else more}
        self.send(encode(message))
        return self.number

    def reply_to(self, number):
        while True:
            message = self.read()
            if message is None:
                raise Missing("the connection ended")
            if message.get("id") == number and "method" not in message:
                return message

    def call(self, method, params=None, **more):
        """The result; an error of the gateway is an `Refused`."""
        reply = self.reply_to(self.request(method, params, **more))
        if "error" in reply:
            raise Refused(method, reply["error"])
        return reply["result"]


class Refused(Exception):
    def __init__(self, method, error):
        super().__init__("%s: %s" % (method, json.dumps(error)))
        self.error = error


def encode(message):
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
