"""A gateway for the tests: small, in memory, and willing to misbehave on request.

It speaks the protocol on a Unix socket (one thread a connection) or, run as a program, on stdio. Pushes are kept,
answered and completed; events go to a log with cursors. Tests hold completions back, drop connections at chosen
moments, replace methods and trim the log.
"""

import json
import os
import socket
import sys
import tempfile
import threading
import time
from typing import Any, BinaryIO, Callable, Dict, List, Optional, Tuple

from fake_methods import Fault, Json, MoreMethods

__all__ = ["FakeGateway", "Fault", "Hangup", "Json", "Peer", "Silence"]


class Silence(Exception):
    """No answer at all."""


class Hangup(Exception):
    """The connection ends here, without an answer."""


class Peer:
    """One connection, seen from the gateway."""

    def __init__(self, gateway: "FakeGateway", reader: BinaryIO, writer: BinaryIO, drop: Callable[[], None]) -> None:
        self.gateway = gateway
        self.reader = reader
        self.writer = writer
        self.drop = drop
        self.subscriptions: Dict[str, Json] = {}

    def send(self, message: Any) -> None:
        text = json.dumps(message, ensure_ascii=False, separators=(",", ":"))
        self.send_bytes(text.encode() + b"\n")

    def send_bytes(self, data: bytes) -> None:
        with self.gateway.lock:
            try:
                self.writer.write(data)
                self.writer.flush()
            except (OSError, ValueError):
                pass

    def notify(self, method: str, params: Json) -> None:
        self.send({"jsonrpc": "2.0", "method": method, "params": params})

    def run(self) -> None:
        try:
            for line in self.reader:
                self.gateway.lines.append(line)
                if not self.handle(json.loads(line)):
                    break
        except (OSError, ValueError):
            pass
        finally:
            self.drop()
            with self.gateway.lock:
                if self in self.gateway.peers:
                    self.gateway.peers.remove(self)

    def handle(self, request: Json) -> bool:
        gateway, method, params = self.gateway, request["method"], request.get("params", {})
        with gateway.lock:
            gateway.calls.append((method, params))
        if "id" not in request:
            return True
        reply: Json = {"jsonrpc": "2.0", "id": request["id"]}
        after: List[Callable[[], None]] = []
        try:
            scripted = gateway.script.get(method)
            if scripted is not None:
                reply["result"] = scripted(self, params)
            else:
                handler = getattr(gateway, "do_" + method.replace(".", "_"), None)
                if handler is None:
                    raise Fault(-32601, "method_not_found", "no such method: " + method)
                with gateway.lock:
                    reply["result"] = handler(self, params, after)
                    self.send(reply)
                    for step in after:
                        step()
                return True
        except Silence:
            return True
        except Hangup:
            return False
        except Fault as fault:
            reply["error"] = fault.wire
        self.send(reply)
        return True


class FakeGateway(MoreMethods):
    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.RLock()
        self.calls: List[Tuple[str, Json]] = []
        self.lines: List[bytes] = []
        self.script: Dict[str, Callable[[Peer, Json], Any]] = {}
        self.hold = False
        """Transfers are accepted but not completed until `finish`."""
        self.log: List[Json] = []
        self.oldest = 0
        self.consumers: Dict[str, int] = {}
        self.peers: List[Peer] = []
        self.connections = 0
        self._listener: Optional[socket.socket] = None
        self._folder = tempfile.TemporaryDirectory(prefix="pushgate-test-")
        self.path = os.path.join(self._folder.name, "pushgate.sock")

    # -- the listening side --

    def __enter__(self) -> "FakeGateway":
        self.listen()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._folder.cleanup()

    def listen(self) -> None:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        here = os.open(os.path.dirname(self.path), os.O_RDONLY)
        try:
            listener.bind("/proc/self/fd/%d/%s" % (here, os.path.basename(self.path)))
        finally:
            os.close(here)
        listener.listen(64)
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            reader, writer = connection.makefile("rb"), connection.makefile("wb")

            def drop(connection: socket.socket = connection) -> None:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
                connection.close()

            peer = Peer(self, reader, writer, drop)
            with self.lock:
                self.peers.append(peer)
                self.connections += 1
            threading.Thread(target=self._serve, args=(peer, reader, writer), daemon=True).start()

    @staticmethod
    def _serve(peer: Peer, reader: BinaryIO, writer: BinaryIO) -> None:
        peer.run()
        for stream in (reader, writer):
            try:
                stream.close()
            except OSError:
                pass

    def stop(self) -> None:
        """As a killed gateway: nobody listens, nobody is connected. What it knows stays, for the next `listen`."""
        if self._listener is not None:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
            os.unlink(self.path)
        self.drop_all()

    def drop_all(self) -> None:
        with self.lock:
            peers = list(self.peers)
        for peer in peers:
            peer.drop()

    def called(self, method: str) -> List[Json]:
        with self.lock:
            return [params for name, params in self.calls if name == method]

    def wait_for(self, method: str, times: int = 1) -> List[Json]:
        deadline = time.monotonic() + 5.0
        while time.monotonic() < deadline:
            found = self.called(method)
            if len(found) >= times:
                return found
            time.sleep(0.005)
        raise AssertionError("%s was called %d times, not %d" % (method, len(self.called(method)), times))

    # -- the log --

    def emit(self, kind: str, data: Any, session: str = "", transfer: str = "", ref: Any = None) -> str:
        with self.lock:
            entry = {"type": kind, "data": data, "session": session, "transfer": transfer, "ref": ref}
            entry["time"] = "2025-01-01T00:00:00.000Z"
            self.log.append(entry)
            for peer in list(self.peers):
                for subscription in list(peer.subscriptions.values()):
                    self.pump(peer, subscription)
            return self.cursor(len(self.log))

    @staticmethod
    def cursor(place: int) -> str:
        return "c-%06d" % place

    def place_of_log(self) -> str:
        return self.cursor(len(self.log))

    def place(self, cursor: str) -> int:
        if not cursor.startswith("c-") or int(cursor[2:]) > len(self.log):
            raise Fault(1104, "cursor_invalid")
        return int(cursor[2:])

    def trim(self, place: int) -> None:
        """History up to this place is gone."""
        self.oldest = place

    def message(self, place: int) -> Json:
        entry = self.log[place - 1]
        event = {"cursor": self.cursor(place), "time": entry["time"], "type": entry["type"], "data": entry["data"]}
        if entry["ref"] is not None:
            event.update(data=None, ref=entry["ref"])
        return event

    def wanted(self, subscription: Json, place: int) -> bool:
        entry = self.log[place - 1]
        types = subscription.get("types")
        return (
            (not types or entry["type"] in types)
            and subscription.get("session_id", entry["session"]) == entry["session"]
            and subscription.get("transfer_id", entry["transfer"]) == entry["transfer"]
        )

    def pump(self, peer: Peer, subscription: Json) -> None:
        while subscription["place"] < len(self.log):
            subscription["place"] += 1
            if self.wanted(subscription, subscription["place"]):
                event = self.message(subscription["place"])
                peer.notify("event", {"subscription": subscription["subscription"], **event})

    def do_subscribe(self, peer: Peer, params: Json, after: List[Callable[[], None]]) -> Json:
        start, asked = params.get("from", "latest"), 0
        if start == "latest":
            asked = len(self.log)
        elif isinstance(start, dict) and "cursor" in start:
            asked = self.place(start["cursor"])
        elif isinstance(start, dict):
            asked = self.consumers.setdefault(start["consumer"], self.oldest)
        resumed = max(asked, self.oldest)
        gap = None
        if resumed > asked and start != "earliest":
            gap = {
                "from_cursor": self.cursor(asked),
                "resumed_at": self.cursor(resumed),
                "lost_at_most": resumed - asked,
            }
        subscription = {**params, "place": resumed}
        peer.subscriptions[params["subscription"]] = subscription

        def go() -> None:
            self.pump(peer, subscription)
            name, cursor = params["subscription"], self.cursor(subscription["place"])
            peer.notify("subscription.caughtUp", {"subscription": name, "cursor": cursor})

        after.append(go)
        return {
            "subscription": params["subscription"],
            "cursor": self.cursor(resumed),
            "oldest": self.cursor(self.oldest),
            "latest": self.cursor(len(self.log)),
            "gap": gap,
            "instance": "fake",
        }

    def do_unsubscribe(self, peer: Peer, params: Json, after: List[Callable[[], None]]) -> Json:
        if peer.subscriptions.pop(params["subscription"], None) is None:
            raise Fault(1101, "subscription_not_found")
        return {"success": True}

    def do_ack(self, peer: Peer, params: Json, after: List[Callable[[], None]]) -> Json:
        subscription = peer.subscriptions.get(params["subscription"])
        if subscription is None:
            raise Fault(1101, "subscription_not_found")
        start = subscription.get("from")
        if isinstance(start, dict) and "consumer" in start:
            self.consumers[start["consumer"]] = self.place(params["cursor"])
        return {"success": True}

    def do_getEvents(self, peer: Peer, params: Json, after: List[Callable[[], None]]) -> Json:
        place = self.place(params["cursor"]) if "cursor" in params else self.oldest
        limit = params.get("limit", 100)
        found = [p for p in range(place + 1, len(self.log) + 1) if self.wanted(params, p)][:limit]
        return {
            "events": [self.message(p) for p in found],
            "cursor": self.cursor(found[-1] if found else len(self.log)),
            "oldest": self.cursor(self.oldest),
            "latest": self.cursor(len(self.log)),
            "gap": None,
        }

    # -- sessions and transfers --

    def do_hello(self, peer: Peer, params: Json, after: List[Callable[[], None]]) -> Json:
        return {"server": {"name": "fake"}, "protocol": 1}

    def do_ping(self, peer: Peer, params: Json, after: List[Callable[[], None]]) -> Json:
        return {"success": True}

    def do_initiateSession(self, peer: Peer, params: Json, after: List[Callable[[], None]]) -> Json:
        name = params.get("name")
        for known, session in self.sessions.items():
            if name is not None and session.get("name") == name:
                return {"success": True, "session_id": known, "created": False}
        session_id = "%024x" % (len(self.sessions) + 1)
        self.sessions[session_id] = params
        return {"success": True, "session_id": session_id, "created": True}

    def progress(self, transfer_id: str, finished: int) -> None:
        with self.lock:
            transfer = self.transfers[transfer_id]
            if transfer["token"] is not None:
                peer, token = transfer["token"]
                total = len(transfer["body"]["transfer_data"])
                value = {"transfer_id": transfer_id, "finished": finished, "total": total}
                peer.notify("$/progress", {"token": token, "value": value})

    def finish(self, transfer_id: str) -> None:
        with self.lock:
            transfer = self.transfers[transfer_id]
            kind = transfer["body"]["endgrate_type"]
            for index, record in enumerate(transfer["body"]["transfer_data"]):
                self._apply(transfer, transfer_id, kind, index, record)
            transfer["completed"] = True
            self.settled(transfer)
            base = {"success": True, "transfer_id": transfer_id, "session_id": transfer["session"]}
            base.update(endgrate={"endgrate_type": kind}, completed=True)
            rows, failed = transfer["rows"], len(transfer["errors"])
            page = {**base, "transfer_data": rows[:200], "transfer_errors": failed > 0}
            self.emit("data", page, transfer["session"], transfer_id)
            summary = {"created": len(rows) - failed, "refused": failed}
            unsent = sum(row["outcome"] == "unsent" for row in rows)
            if unsent:
                summary = {"created": len(rows) - failed - unsent, "refused": failed, "unsent": unsent}
            self.emit("completed", {**base, "summary": summary}, transfer["session"], transfer_id)

    def _apply(self, transfer: Json, transfer_id: str, kind: str, index: int, record: Json) -> None:
        links: Json = {}
        for other, children in record.get("associations", {}).items():
            links[other] = [self._id_of(other, child) for child in children]
        data = record.get("data", {})
        lenient = self.sessions.get(transfer["session"], {}).get("unknown_properties") == "warn"
        failed = data.get("email") == "not an address" or ("emial" in data and not lenient)
        nothing = failed or transfer.get("cancelled", False) or index in transfer["uncertain"]
        row = {
            "id": None if nothing else self._id_of(kind, record),
            "data": {} if nothing else data,
            "associations": links,
            "outcome": "refused" if failed else "unsent" if transfer.get("cancelled") else "created",
        }
        if index in transfer["uncertain"]:
            row["outcome"] = "uncertain"
        if "internal_id" in record:
            row["internal_id"] = record["internal_id"]
        transfer["rows"].append(row)
        if failed:
            entry = {"pk": "e%d" % index, "transfer_id": transfer_id, "index": index, "error_type": "transfer_data"}
            transfer["errors"].append(entry)
            self.emit("error", entry, transfer["session"], transfer_id)

    def _id_of(self, kind: str, record: Json) -> str:
        key = (kind, record.get("internal_id") or json.dumps(record, sort_keys=True))
        return self.ids.setdefault(key, "%s-%d" % (kind, len(self.ids) + 1))

    def do_getData(self, peer: Peer, params: Json, after: List[Callable[[], None]]) -> Json:
        transfer = self._transfer(params)
        if not transfer["completed"] and not params.get("partial"):
            raise Fault(1307, "transfer_not_completed", retryable=True)
        rows, meta = self._page(transfer["rows"], params)
        return {"success": True, "meta": meta, "transfer_data": rows, "transfer_errors": bool(transfer["errors"])}

    def do_getErrors(self, peer: Peer, params: Json, after: List[Callable[[], None]]) -> Json:
        rows, meta = self._page(self._transfer(params)["errors"], params)
        return {"success": True, "meta": meta, "errors": rows}

    def do_getStatistics(self, peer: Peer, params: Json, after: List[Callable[[], None]]) -> Json:
        transfer = self._transfer(params)
        count = len(transfer["body"]["transfer_data"])
        numbers = {"batch_size": 200, "records": count, "records_transferred": count - len(transfer["errors"])}
        kind = transfer["body"]["endgrate_type"]
        return {
            "method": "EXPORT",
            "completed": transfer["completed"],
            "statistics": {kind: {**numbers, "completed": transfer["completed"], "provider": "local"}},
        }


def main() -> int:
    """On stdio, as `pushgate stdio --wait`; FAKE_EXIT=N ends at once with that status."""
    if "FAKE_EXIT" in os.environ:
        return int(os.environ["FAKE_EXIT"])
    gateway = FakeGateway()
    if "FAKE_ARGV" in os.environ:
        with open(os.environ["FAKE_ARGV"], "w") as out:
            json.dump(sys.argv[1:], out)
    peer = Peer(gateway, sys.stdin.buffer, sys.stdout.buffer, lambda: None)
    gateway.peers.append(peer)
    gateway.script["die"] = lambda peer, params: os._exit(3)
    peer.run()
    if "FAKE_SLOW" in os.environ:
        time.sleep(float(os.environ["FAKE_SLOW"]))
    if "FAKE_DONE" in os.environ:
        with open(os.environ["FAKE_DONE"], "w") as out:
            out.write("finished")
    return 0


if __name__ == "__main__":
    sys.exit(main())
