"""Bytes to and from a gateway, blocking, with deadlines: a Unix socket or the pipes of a child process.

Both ends are non-blocking descriptors behind `poll`: a write that the gateway does not take must end at the caller's
deadline, not at the gateway's mercy, and a reader must wake up when another thread closes the connection. For that a
pipe of our own (`_wake`) is polled beside the data; descriptors are closed only after the reader has left.
"""

import os
import select
import socket
import subprocess
import threading
import time
from typing import List, Optional

from ._connect import Address, connect_unix
from ._errors import ConnectFailed

__all__ = ["Pipes", "Socket", "Transport", "WriteTimeout", "connect"]

_CHUNK = 256 * 1024


class WriteTimeout(Exception):
    """The deadline passed; `written` bytes of the line had been taken by then."""

    def __init__(self, written: int) -> None:
        super().__init__(written)
        self.written = written


class Transport:
    """Two descriptors and a way to stop. One thread reads, the writers take turns."""

    def __init__(self, incoming: int, outgoing: int) -> None:
        self._incoming = incoming
        self._outgoing = outgoing
        os.set_blocking(incoming, False)
        os.set_blocking(outgoing, False)
        self._wake_out, self._wake_in = os.pipe()
        self._stopped = threading.Event()

    def read(self) -> bytes:
        """The next bytes; empty at the end, however it came. Blocks."""
        poll = select.poll()
        poll.register(self._incoming, select.POLLIN)
        poll.register(self._wake_out, select.POLLIN)
        while not self._stopped.is_set():
            try:
                data = os.read(self._incoming, _CHUNK)
                return data
            except BlockingIOError:
                poll.poll()
            except OSError:
                return b""
        return b""

    def write(self, data: bytes, deadline: Optional[float]) -> None:
        """All of it, by `deadline` on the monotonic clock. Raises WriteTimeout and OSError."""
        view = memoryview(data)
        written = 0
        poll = select.poll()
        poll.register(self._outgoing, select.POLLOUT)
        while written < len(view):
            if self._stopped.is_set():
                raise ConnectionAbortedError("closed on this side")
            try:
                written += self._put(view[written:])
            except BlockingIOError:
                # Short rounds, so that a close by another thread is noticed.
                left = 0.25 if deadline is None else min(0.25, deadline - time.monotonic())
                if left <= 0:
                    raise WriteTimeout(written) from None
                poll.poll(left * 1000.0)

    def _put(self, data: memoryview) -> int:
        return os.write(self._outgoing, data)

    def stop(self) -> None:
        """Makes `read` and `write` return, from any thread. The descriptors stay open until `dispose`."""
        if not self._stopped.is_set():
            self._stopped.set()
            try:
                os.write(self._wake_in, b"x")
            except OSError:
                pass

    def close_input(self) -> None:
        """Says that no more requests come; nobody may be writing."""

    def finish(self, timeout: Optional[float]) -> None:
        """Lets a peer that is ours end in its own time, up to `timeout` seconds."""

    def dispose(self) -> None:
        """Closes everything; only once nobody reads or writes any more."""
        os.close(self._wake_in)
        os.close(self._wake_out)

    def ending(self) -> Optional[str]:
        """How the peer ended, if that is known, for an error message."""
        return None


class Socket(Transport):
    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        super().__init__(connection.fileno(), connection.fileno())

    def _put(self, data: memoryview) -> int:
        # Not os.write: a peer that is gone must not raise SIGPIPE in programs that have restored its default.
        return self._socket.send(data, socket.MSG_NOSIGNAL if hasattr(socket, "MSG_NOSIGNAL") else 0)

    def dispose(self) -> None:
        super().dispose()
        self._socket.close()


class Pipes(Transport):
    """A child process. Its stderr is ours: the gateway logs there, and a pipe nobody drains would freeze it."""

    def __init__(self, command: List[str]) -> None:
        try:
            self._child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        except OSError as error:
            raise ConnectFailed("cannot run %s: %s" % (command[0], error.strerror or error), retryable=False) from error
        assert self._child.stdin is not None and self._child.stdout is not None
        self._stdin, self._stdout = self._child.stdin, self._child.stdout
        super().__init__(self._stdout.fileno(), self._stdin.fileno())

    def close_input(self) -> None:
        try:
            self._stdin.close()
        except OSError:
            pass

    def finish(self, timeout: Optional[float]) -> None:
        """Waits for the child: at the end of its input `--wait` runs what was accepted to completion.

        After `timeout` seconds it is asked to stop, and 2 s later made to; nothing accepted is lost by that.
        """
        try:
            self._child.wait(timeout)
        except subprocess.TimeoutExpired:
            self._kill()

    def _kill(self) -> None:
        self._child.terminate()
        try:
            self._child.wait(2.0)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()

    def dispose(self) -> None:
        super().dispose()
        self.close_input()
        self._stdout.close()
        if self._child.poll() is None:
            try:
                self._child.wait(2.0)
            except subprocess.TimeoutExpired:
                self._kill()

    def ending(self) -> Optional[str]:
        try:
            status = self._child.wait(1.0)
        except subprocess.TimeoutExpired:
            return None
        name = os.path.basename(str(self._child.args[0] if isinstance(self._child.args, list) else self._child.args))
        return "%s ended with status %d" % (name, status)


def connect(address: Address) -> Transport:
    """Tries the socket, then the command. Raises ConnectFailed."""
    if address.socket is not None:
        try:
            return Socket(connect_unix(address.socket))
        except ConnectFailed:
            if address.command is None:
                raise
    assert address.command is not None
    return Pipes(address.command)
