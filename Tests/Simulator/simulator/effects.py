"""The append-only log of what was really committed: the oracle of the tests.

One JSON line an effect. The lines of one request are written by one `write` and fsynced before a byte of the answer
leaves, so the log never lacks an effect that somebody was told of. Nothing is ever rewritten, and nothing that Pushgate
does can reach the file: it is opened by this process alone.
"""

import hashlib
import json
import os


def digest(values: dict) -> str:
    """SHA-256 over the values in name order, so that two records with equal fields have equal digests."""
    text = json.dumps(values, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


class EffectLog:
    """Writes effects to `path` (created, appended to), or keeps them in memory only when `path` is None."""

    def __init__(self, path):
        self.entries = []
        self._waiting = []
        self._file = None
        if path is not None:
            self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def note(self, entry: dict):
        """Takes one effect; it is on disk after the next `flush`."""
        entry = {"seq": len(self.entries) + 1, **entry}
        self.entries.append(entry)
        self._waiting.append(entry)

    def flush(self):
        if not self._waiting:
            return
        lines = "".join(json.dumps(entry, ensure_ascii=False, separators=(",", ":")) + "\n" for entry in self._waiting)
        self._waiting = []
        if self._file is None:
            return
        rest = lines.encode()
        while rest:
            rest = rest[os.write(self._file, rest):]
        os.fsync(self._file)

    def close(self):
        self.flush()
        if self._file is not None:
            os.close(self._file)
            self._file = None


class Interrupted(Exception):
    """The allowance of a mid-batch fault is used up: what was committed so far stays, the rest never happens."""


class Commit:
    """What a handler writes its effects through. `inputs` (None: all) is how many inputs may still be committed."""

    def __init__(self, log: EffectLog, now, facts: dict, inputs=None, late=False, by="api"):
        self._log = log
        self._now = now
        self._facts = {name: facts[name] for name in ("portal", "op", "request") if name in facts}
        self._inputs = inputs
        self._marks = {"by": by, **({"late": True} if late else {})}

    def begin_input(self):
        """Called before each input of a batch (or the one record of a single call) is committed."""
        if self._inputs is None:
            return
        if self._inputs <= 0:
            raise Interrupted()
        self._inputs -= 1

    def note(self, effect: str, **members):
        self._log.note({"at": self._now(), **self._facts, "effect": effect, **members, **self._marks})
