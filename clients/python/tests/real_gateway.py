"""The built gateway for the tests that want it: the binary that PUSHGATE_BINARY names."""

import os
import signal
import subprocess
import tempfile
import threading
import time
from typing import List, Optional

import pushgate

BINARY = os.environ.get("PUSHGATE_BINARY", "")
WHY_NOT = "PUSHGATE_BINARY names no built gateway, so nothing is tested against the real one"


class RealGateway:
    """`pushgate serve` on a socket and a store of its own; it can be killed and started again."""

    def __init__(self, *flags: str) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="pushgate-e2e-")
        self.path = os.path.join(self._folder.name, "pushgate.sock")
        self.store = os.path.join(self._folder.name, "push.db")
        self._flags: List[str] = list(flags)
        self._process: Optional["subprocess.Popen[bytes]"] = None
        self._started: List["subprocess.Popen[bytes]"] = []
        self._restart: Optional[threading.Thread] = None

    def __enter__(self) -> "RealGateway":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop(signal.SIGTERM)
        left = [process for process in self._started if process.poll() is None]
        for process in left:
            process.kill()
            process.wait()
        self._folder.cleanup()
        assert not left, "a test leaves %d gateways running" % len(left)

    def start(self) -> None:
        command = [BINARY, "serve", "--listen", "unix:" + self.path, "--store", self.store, *self._flags]
        nothing = subprocess.DEVNULL
        self._process = subprocess.Popen(command, stdin=nothing, stdout=nothing, stderr=nothing)
        self._started.append(self._process)
        deadline = time.monotonic() + 10.0
        while True:
            try:
                pushgate.Client(self.path).close()
                return
            except pushgate.ConnectFailed:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)

    def crash(self) -> None:
        """It is killed now, and started again in a moment, by another thread."""
        self.stop(signal.SIGKILL)

        def again() -> None:
            time.sleep(0.05)
            self.start()

        self._restart = threading.Thread(target=again)
        self._restart.start()

    def stop(self, how: int = signal.SIGKILL) -> Optional[int]:
        """Ends it and returns its exit status. One that is about to start is waited for: nobody else would end it."""
        restart, self._restart = self._restart, None
        if restart is not None:
            restart.join()
        process, self._process = self._process, None
        if process is None:
            return None
        process.send_signal(how)
        return process.wait(40.0)
