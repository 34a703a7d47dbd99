"""The built gateway for the tests that want it: the binary that PUSHGATE_BINARY names."""

import os
import signal
import subprocess
import tempfile
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

    def __enter__(self) -> "RealGateway":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop(signal.SIGTERM)
        self._folder.cleanup()

    def start(self) -> None:
        command = [BINARY, "serve", "--listen", "unix:" + self.path, "--store", self.store, *self._flags]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 10.0
        while True:
            try:
                pushgate.Client(self.path).close()
                return
            except pushgate.ConnectFailed:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)

    def stop(self, how: int = signal.SIGKILL) -> Optional[int]:
        """Ends it and returns its exit status."""
        process, self._process = self._process, None
        if process is None:
            return None
        process.send_signal(how)
        return process.wait(40.0)
