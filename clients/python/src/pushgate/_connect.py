"""Where the gateway is, how to reach it, and how long to keep trying. No protocol, no threads.

Order of the default socket (protocol section 1): `PUSHGATE_SOCKET`, else `$XDG_RUNTIME_DIR/pushgate.sock`, else
`~/.local/state/pushgate/pushgate.sock`.

Spawning runs `pushgate stdio --wait`. It tries a socket first, because a gateway that already listens holds the store,
but not when the caller names a store: the gateway that happens to listen may hold another one, and the spawned
process finds by itself the one that holds the named store and bridges to it.
"""

import os
import random
import socket
from typing import Any, List, Mapping, NamedTuple, Optional, Sequence, Union

from ._errors import ConnectFailed, ConnectionLost, Overloaded, PushgateError, ShuttingDown, TooManyConnections

__all__ = [
    "Address",
    "Backoff",
    "Path",
    "Spawn",
    "allowance",
    "connect_unix",
    "default_socket",
    "is_passing",
    "resolve",
]

Path = Union[str, "os.PathLike[str]"]
Spawn = Union[None, bool, Path, Sequence[str]]

_SUN_PATH = 107
"""The longest path that fits `sockaddr_un` on Linux, in bytes, without its final NUL."""

_CONNECT_TIMEOUT = 10.0


def default_socket() -> str:
    """The socket of the user's own gateway."""
    path = os.environ.get("PUSHGATE_SOCKET")
    if path:
        return path
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime:
        return os.path.join(runtime, "pushgate.sock")
    return os.path.expanduser("~/.local/state/pushgate/pushgate.sock")


class Address(NamedTuple):
    """Where to connect: the socket to try (None: none), then the command to run (None: none)."""

    socket: Optional[str]
    command: Optional[List[str]]


def resolve(path: Optional[Path], spawn: Spawn, store: Optional[Path]) -> Address:
    """What the arguments of a client mean. Raises ValueError for a `store` without `spawn`."""
    socket_path = os.fspath(path) if path is not None else None
    if spawn is None or spawn is False:
        if store is not None:
            raise ValueError("a store is the business of a spawned gateway: pass spawn=True with it")
        return Address(socket_path or default_socket(), None)
    if isinstance(spawn, (str, os.PathLike)) or spawn is True:
        binary = os.environ.get("PUSHGATE_BINARY") or "pushgate" if spawn is True else os.fspath(spawn)
        command = [binary, "stdio", "--wait"]
        if store is not None:
            command += ["--store", os.fspath(store)]
    else:
        if store is not None:
            raise ValueError("spawn is a whole command already: put --store into it")
        command = list(spawn)
        return Address(socket_path, command)
    if socket_path is None and store is None:
        socket_path = default_socket()
    return Address(socket_path, command)


def connect_unix(path: str) -> socket.socket:
    """A connected, non-blocking Unix socket. Raises ConnectFailed.

    A path that does not fit the kernel's address is reached through `/proc/self/fd` (an O_PATH descriptor of the
    socket file itself), so only systems without /proc refuse it.
    """
    handle = -1
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        target = path
        size = len(os.fsencode(path))
        if size > _SUN_PATH:
            if not hasattr(os, "O_PATH"):
                raise OSError("the path is %d bytes, this system takes %d" % (size, _SUN_PATH))
            handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
            target = "/proc/self/fd/%d" % handle
        # A gateway whose backlog is full lets connect wait.
        connection.settimeout(_CONNECT_TIMEOUT)
        connection.connect(target)
        connection.setblocking(False)
        return connection
    except OSError as error:
        connection.close()
        reason = error.strerror or str(error)
        hint = (
            "; is `pushgate serve` running?" if isinstance(error, (FileNotFoundError, ConnectionRefusedError)) else ""
        )
        raise ConnectFailed("cannot connect to %s: %s%s" % (path, reason, hint)) from error
    finally:
        if handle >= 0:
            os.close(handle)


def is_passing(error: PushgateError) -> bool:
    """Whether waiting a little and repeating can help, for a call that is safe to repeat."""
    if isinstance(error, (ConnectionLost, ConnectFailed)):
        return error.retryable
    return isinstance(error, (ShuttingDown, Overloaded, TooManyConnections))


def allowance(method: str, params: Mapping[str, Any]) -> float:
    """Seconds that the gateway may take on purpose before it answers, on top of any timeout."""
    extra = 0.0
    # A plan that is made, not only read, asks the provider for every record.
    if params.get("synchronous") is True or (method == "planTransfer" and "plan_id" not in params):
        extra += 300.0
    wait = params.get("wait_ms")
    if isinstance(wait, (int, float)):
        extra += wait / 1000.0
    return extra


class Backoff:
    """How long to wait before the next attempt: 50 ms, doubling to 2 s, with jitter, up to `patience` seconds in all.

    Patience counts from the first failure; None is without end, 0 is no second attempt. The clock is an argument.
    """

    def __init__(self, patience: Optional[float]) -> None:
        self._patience = patience
        self._since: Optional[float] = None
        self._attempt = 0

    def delay(self, error: PushgateError, now: float) -> Optional[float]:
        """Seconds to wait after this failure, None if it is time to give up."""
        if not is_passing(error):
            return None
        if self._since is None:
            self._since = now
        pause = min(2.0, 0.05 * 2.0**self._attempt) * random.uniform(0.75, 1.25)
        if error.retry_after_ms is not None:
            pause = max(pause, error.retry_after_ms / 1000.0)
        self._attempt = min(self._attempt + 1, 10)
        if self._patience is not None:
            left = self._since + self._patience - now
            if left <= 0:
                return None
            pause = min(pause, left)
        return pause

    def reset(self) -> None:
        """Something worked: the next failure is a first one."""
        self._since = None
        self._attempt = 0
