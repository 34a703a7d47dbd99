"""A gateway process under test, and the ways to speak to it: a socket, standard input and output, a bridge."""

import os
import select
import signal
import socket
import subprocess
import time

START_TIME = 15.0
END_TIME = 15.0


class Peer:
    """One connection: bytes out, lines in."""

    def __init__(self, descriptor):
        self.descriptor = descriptor
        self.buffer = b""
        self.ended = False

    def lines(self, timeout):
        """The whole lines that come within a time; returns with the first ones, or empty."""
        if not self.ended and select.select([self.descriptor], [], [], max(0.0, timeout))[0]:
            try:
                data = os.read(self.descriptor, 1 << 20)
            except ConnectionResetError:
                data = b""
            self.ended = not data
            self.buffer += data
        *lines, self.buffer = self.buffer.split(b"\n")
        return lines


class SocketPeer(Peer):
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.connect(path)
        super().__init__(self.socket.fileno())

    def send(self, data):
        self.socket.sendall(data)

    def end_input(self):
        self.socket.shutdown(socket.SHUT_WR)

    def close(self):
        self.socket.close()


class PipePeer(Peer):
    """A gateway on standard input and output, or a bridge to one that listens."""

    def __init__(self, command, log):
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, bufsize=0)
        super().__init__(self.process.stdout.fileno())

    def send(self, data):
        view = memoryview(data)
        while view:
            view = view[self.process.stdin.write(view):]

    def end_input(self):
        self.process.stdin.close()

    def close(self):
        if not self.process.stdin.closed:
            self.process.stdin.close()
        deadline = time.monotonic() + END_TIME
        while not self.ended and time.monotonic() < deadline:
            self.lines(0.1)
        self.process.stdout.close()
        # Until it is gone it holds the store, and the next process on it would be turned away.
        self.process.wait(END_TIME)

    def wait(self):
        return self.process.wait(END_TIME)


class Gateway:
    """The process or processes of one play, all on the same store.

    Over a socket there is one gateway that serves. Over stdio with one connection, the connection is a gateway of its
    own; with several, one gateway serves and each connection is a `pushgate stdio` that finds the store held and
    becomes a bridge to it.
    """

    def __init__(self, binary, folder, options, over, is_shared):
        self.binary = binary
        self.store = str(folder / "store.db")
        self.socket = self.store + ".socket"
        self.options = options
        self.over = over
        self.serves = over == "socket" or is_shared
        self.log = open(folder / "log", "ab")
        self.log_path = folder / "log"
        self.process = None
        self.peers = []

    def start(self):
        if not self.serves:
            return
        self.process = subprocess.Popen(
            [self.binary, "serve", "--listen", "unix:" + self.socket, "--store", self.store, *self.options],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        deadline = time.monotonic() + START_TIME
        while True:
            if self.process.poll() is not None:
                raise RuntimeError(f"the gateway ended with code {self.process.returncode} instead of starting")
            probe = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                probe.connect(self.socket)
                # Gone before the first connection of the transcript is counted.
                probe.shutdown(socket.SHUT_WR)
                while probe.recv(4096):
                    pass
                return
            except OSError:
                if time.monotonic() > deadline:
                    raise RuntimeError("the gateway does not listen") from None
                time.sleep(0.005)
            finally:
                probe.close()

    def connect(self):
        if self.over == "socket":
            peer = SocketPeer(self.socket)
        else:
            options = ["--socket", self.socket] if self.serves else self.options
            peer = PipePeer([self.binary, "stdio", "--store", self.store, *options], self.log)
        self.peers.append(peer)
        return peer

    def processes(self):
        own = [self.process] if self.process else []
        return own + [peer.process for peer in self.peers if isinstance(peer, PipePeer)]

    def kill(self):
        """SIGKILL, as at a power cut."""
        for process in self.processes():
            process.kill()
        for process in self.processes():
            process.wait()
        for peer in self.peers:
            peer.close()
        self.peers = []
        self.process = None

    def end(self):
        """Ends in order; gives the exit codes of all that ran."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        codes = [self.process.wait(END_TIME)] if self.process else []
        for peer in self.peers:
            peer.close()
            if isinstance(peer, PipePeer):
                codes.append(peer.wait())
        self.peers = []
        self.process = None
        return codes

    def last_words(self):
        text = self.log_path.read_text("utf-8", "replace").strip().split("\n")
        return "\n".join("    | " + line for line in text[-15:] if line)
