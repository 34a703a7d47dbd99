"""Plays one transcript against a gateway, line by line."""

import contextlib
import json
import re
import sqlite3
import subprocess
import time
from pathlib import Path

from contract import Failure
from gateway import Gateway
from receiver import Receiver
from transcript import decode, encode, escaped_bytes, fill, match_message, repeated, shown

# Seconds that an expected message may take. It is long because only a play that fails waits for it.
PATIENCE = 15.0
# Bytes of a line that are sent one by one; what follows goes as a whole.
DRIPPED = 16 << 10
FENCE = "the end of the transcript"


class Connection:
    """One connection of the play, with what came on it and was not expected yet."""

    def __init__(self, name, peer):
        self.name = name
        self.peer = peer
        self.inbox = []
        self.calls = {}
        self.is_mid_line = False
        self.is_half_closed = False


class Play:
    """One transcript, one gateway, one store."""

    def __init__(self, lines, over, folder, binary, contract, coverage, drip):
        self.lines = [line for line in lines if line.kind != "why"]
        self.contract = contract
        self.coverage = coverage
        self.drip = drip
        self.bound = {}
        self.group = []
        self.is_ordered = False
        self.line = 1
        self.connections = {}
        self.exit_expected = False
        names = [line.words[1] for line in self.lines if line.kind == "stage" and line.words[0] == "connection"]
        self.receiver = Receiver() if any(line.kind == "to-webhook" or "$hook" in line.text for line in lines) else None
        self.webhook = None
        if self.receiver:
            self.bound["hook"] = self.receiver.address
        self.gateway = Gateway(binary, folder, self.options(folder), over, is_shared=bool(names))
        self.name = names[0] if names and self.first_stage_is_connection() else "main"

    def options(self, folder):
        options, defined = [], []
        for line in self.lines:
            if line.kind == "stage" and line.words[0] == "options":
                options += line.words[1:]
            elif line.kind == "stage" and line.words[0] == "token":
                token = folder / "token"
                token.write_text(line.words[1] + "\n")
                token.chmod(0o600)
                options += ["--token-file", str(token)]
            elif line.kind == "stage" and line.words[0] == "credential" and line.words[1] not in defined:
                defined.append(line.words[1])
                path = self.write_credential(folder, *line.words[1:3])
                options += ["--credential", f"{line.words[1]}=file:{path}"]
        return options

    def write_credential(self, folder, name, text):
        """The file of a credential that the operator has defined."""
        path = folder / f"credential-{name}"
        path.write_text(text + "\n")
        path.chmod(0o600)
        return path

    def first_stage_is_connection(self):
        """Whether no line is spoken before the first `@ connection`."""
        for line in self.lines:
            if line.kind != "stage":
                return False
            if line.words[0] == "connection":
                return True
        return False

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if isinstance(error, Failure):
            words = self.gateway.last_words()
            error.args = (f"{error}\n{words}" if words else str(error),)
        self.gateway.kill()
        self.gateway.log.close()
        if self.receiver:
            self.receiver.close()

    def run(self):
        try:
            self.gateway.start()
            for line in self.lines:
                if line.kind == "expect":
                    self.group.append(line)
                    continue
                self.settle()
                self.line = line.number
                if line.kind != "from-webhook":
                    self.answer_webhook("200")
                if line.kind == "to-webhook":
                    self.expect_webhook(line)
                elif line.kind == "from-webhook":
                    self.answer_webhook(line.text)
                elif line.kind == "send":
                    self.send((fill(line, self.bound) + "\n").encode("utf-8"))
                else:
                    self.stage(line)
            self.settle()
            self.answer_webhook("200")
            self.end()
        except (OSError, RuntimeError, subprocess.TimeoutExpired) as error:
            raise Failure(self.line, str(error)) from None

    # MARK: Client to gateway

    @property
    def connection(self):
        if self.name not in self.connections:
            self.connections[self.name] = Connection(self.name, self.gateway.connect())
        return self.connections[self.name]

    def send(self, data):
        connection = self.connection
        self.note_calls(connection, data)
        if not self.drip:
            return connection.peer.send(data)
        for place in range(min(len(data), DRIPPED)):
            connection.peer.send(data[place:place + 1])
        if len(data) > DRIPPED:
            connection.peer.send(data[DRIPPED:])

    @staticmethod
    def note_calls(connection, data):
        """Remembers methods by id, so that answers can be held against the contract."""
        for text in data.split(b"\n"):
            try:
                message = decode(text.decode("utf-8"))
            except ValueError:
                continue
            for call in message if isinstance(message, list) else [message]:
                if isinstance(call, dict) and "id" in call and isinstance(call.get("method"), str):
                    params = call.get("params")
                    connection.calls[encode(call["id"])] = (call["method"], params and plain(params))

    # MARK: Stage directions

    def stage(self, line):
        direction, *rest = line.words
        operand = line.text[len(direction):].strip()
        if direction in ("options", "token", "over"):
            return
        if direction == "list":
            name, value = repeated(line, operand)
            self.bound[name] = value
        elif direction == "connection":
            self.name = rest[0]
        elif direction == "send":
            data = escaped_bytes(line, operand)
            self.send(data)
            self.connection.is_mid_line = not data.endswith(b"\n")
        elif direction == "in":
            self.is_ordered = True
        elif direction == "close":
            self.connection.peer.end_input()
            self.connection.is_half_closed = True
        elif direction == "closed":
            self.await_end()
        elif direction == "reconnect":
            self.fence(self.connection)
            self.connection.peer.close()
            del self.connections[self.name]
        elif direction == "restart":
            self.gateway.kill()
            self.connections = {}
            self.exit_expected = False
            self.gateway.start()
        elif direction == "exit":
            self.exit(int(rest[0]))
        elif direction == "credential":
            self.write_credential(Path(self.gateway.store).parent, *rest)
        elif direction == "provider":
            self.provider(line)

    def provider(self, line):
        """Somebody else changes the embedded provider's records: not through the gateway, and unseen by it."""
        words = fill(line, self.bound).split(None, 5)
        if len(words) < 5 or words[1] not in ("delete", "set") or (words[1] == "set") != (len(words) == 6):
            raise Failure(line.number, "provider takes delete or set, an account, a resource, an id, and what to set")
        path = Path(self.gateway.store).parent / "local" / (words[2] + ".db")
        with contextlib.closing(sqlite3.connect(path, timeout=PATIENCE)) as file, file:
            if words[1] == "delete":
                changed = file.execute("DELETE FROM record WHERE resource = ? AND id = ?", words[3:5]).rowcount
                for table in ("match_key", "recent_match_key"):
                    file.execute(f"DELETE FROM {table} WHERE resource = ? AND id = ?", words[3:5])
                file.execute("DELETE FROM link WHERE id = ? OR (resource = ? AND other = ?)",
                             (words[4], words[3], words[4]))
            else:
                changed = file.execute("UPDATE record SET fields = json_patch(fields, ?) WHERE resource = ? AND id = ?",
                                       (words[5], words[3], words[4])).rowcount
        if changed != 1:
            raise Failure(line.number, "the provider has no such record")

    def await_end(self):
        """The gateway ends the connection; nothing may come before that was not expected."""
        connection = self.connection
        deadline = time.monotonic() + PATIENCE
        while not connection.peer.ended:
            if time.monotonic() > deadline:
                raise Failure(self.line, "the gateway does not close the connection")
            self.receive(connection, 0.5)
        self.nothing_left(connection)
        connection.peer.close()
        del self.connections[self.name]

    def exit(self, code):
        for process in self.gateway.processes():
            found = process.wait(PATIENCE)
            if found != code:
                raise Failure(self.line, f"expected exit code {code}, came {found}")
        self.exit_expected = True

    # MARK: Webhooks

    def expect_webhook(self, line):
        """Takes the next call of a webhook; it is answered by the next line, or with 200."""
        call = self.receiver.take(PATIENCE)
        if call is None:
            raise Failure(line.number, f"no webhook came in {PATIENCE:.0f} s")
        self.webhook = call
        body = decode(call.body.decode("utf-8"))
        fault = call.fault(self.secrets()) or self.contract.check_webhook(plain(body), self.coverage)
        if not fault and call.path != line.path:
            fault = f"the webhook goes to {call.path}"
        if not fault:
            bound, fault = match_message(line.value, body, self.bound)
        if fault:
            raise Failure(line.number, f"{fault}\n    came {call.path} {shown(body)}")
        self.bound = bound
        self.bound["webhook_id"] = call.headers["webhook-id"]

    def answer_webhook(self, text):
        """STATUS, and perhaps a header `name: value`; or `nothing`, and the connection ends; or `unanswered`."""
        if self.webhook and text != "unanswered":
            status, _, header = text.partition(" ")
            self.webhook.answer(status, header)
        self.webhook = None

    def secrets(self):
        """What was told to the transcript: a signature by one of them is good."""
        return [value for value in self.bound.values() if isinstance(value, str) and value.startswith("whsec_")] + \
            [found for line in self.lines if line.kind == "send" for found in re.findall(r"whsec_[A-Za-z0-9+/=]+", line.text)]

    # MARK: Gateway to client

    def receive(self, connection, timeout):
        """Takes in what comes within a time, each message held against the contract."""
        for text in connection.peer.lines(timeout):
            try:
                message = decode(text.decode("utf-8"))
            except ValueError as error:
                raise Failure(self.line, f"a line came that is no JSON ({error}): {text[:300]!r}") from None
            self.check(connection, message)
            if not (isinstance(message, dict) and message.get("method") == "subscription.heartbeat"
                    and not any(line.value.get("method") == "subscription.heartbeat" for line in self.group
                                if isinstance(line.value, dict))):
                connection.inbox.append(message)

    def check(self, connection, message):
        for part in message if isinstance(message, list) else [message]:
            if not isinstance(part, dict):
                raise Failure(self.line, f"came {shown(part)}, which is no message")
            if "method" in part:
                fault = self.contract.check_notification(plain(part), self.coverage)
            else:
                call = connection.calls.get(encode(part.get("id")))
                fault = self.contract.check_reply(plain(part), call, self.coverage)
            if fault:
                raise Failure(self.line, f"{fault}\n    came {shown(part)}")

    def settle(self):
        """Waits for the messages of the group of expectations that ends here."""
        group, ordered = self.group, self.is_ordered
        if not group:
            return
        self.is_ordered = False
        connection = self.connection
        deadline = time.monotonic() + PATIENCE
        differences = {}
        while group:
            self.line = group[0].number
            progressed = self.take_in_order(connection, group) if ordered else \
                self.take(connection, group, differences)
            if not group:
                break
            if not progressed:
                if connection.peer.ended or time.monotonic() > deadline:
                    self.give_up(connection, group, differences)
                self.receive(connection, min(0.5, deadline - time.monotonic()))
        self.group = []

    def take_in_order(self, connection, group):
        if not connection.inbox:
            return False
        bound, difference = match_message(group[0].value, connection.inbox[0], self.bound)
        if difference:
            raise Failure(group[0].number, f"{difference}\n    expected next {group[0].text}\n"
                                           f"    came next {shown(connection.inbox[0])}")
        self.bound = bound
        del connection.inbox[0], group[0]
        return True

    def take(self, connection, group, differences):
        for place, message in enumerate(connection.inbox):
            for index, line in enumerate(group):
                bound, difference = match_message(line.value, message, self.bound)
                if not difference:
                    self.bound = bound
                    del connection.inbox[place], group[index]
                    return True
                if alike(line.value, message):
                    differences[line.number] = difference
                    if "method" not in message and all(not alike(other.value, message) or other is line
                                                       for other in group):
                        raise Failure(line.number, f"{difference}\n    expected {line.text}\n"
                                                   f"    came {shown(message)}")
        return False

    def give_up(self, connection, group, differences):
        line = group[0]
        what = "the connection ended" if connection.peer.ended else f"nothing that fits came in {PATIENCE:.0f} s"
        came = "".join(f"\n    came {shown(message)}" for message in connection.inbox) or "\n    came nothing else"
        nearest = differences.get(line.number)
        raise Failure(line.number, (f"{nearest}\n    " if nearest else "") + f"{what}: {line.text}{came}")

    # MARK: The end

    def nothing_left(self, connection):
        if connection.inbox:
            came = "".join(f"\n    came {shown(message)}" for message in connection.inbox)
            raise Failure(self.line, f"on connection {connection.name}, not expected:{came}")

    def fence(self, connection):
        """Nothing but what was expected may have come by the time a ping is answered."""
        if not (connection.is_mid_line or connection.is_half_closed or self.exit_expected):
            ping = encode({"jsonrpc": "2.0", "id": FENCE, "method": "ping"}).encode() + b"\n"
            self.note_calls(connection, ping)
            connection.peer.send(ping)
            deadline = time.monotonic() + PATIENCE
            answer = None
            while answer is None:
                if connection.peer.ended or time.monotonic() > deadline:
                    raise Failure(self.line, f"connection {connection.name} does not answer a ping any more")
                self.receive(connection, 0.5)
                answer = next((m for m in connection.inbox if isinstance(m, dict) and m.get("id") == FENCE), None)
            connection.inbox.remove(answer)
        self.nothing_left(connection)

    def end(self):
        for connection in self.connections.values():
            self.fence(connection)
        if self.receiver:
            call = self.receiver.take(0)
            if call:
                raise Failure(self.line, f"a webhook came that was not expected: {call.path} {call.body[:400]!r}")
        if self.exit_expected:
            return
        for code in self.gateway.end():
            if code != 0:
                raise Failure(self.line, f"at the end the gateway left with code {code}")


def alike(expected, came):
    """Whether a message is plainly meant by an expectation: an answer to the same call, or the same notification."""
    if not (isinstance(expected, dict) and isinstance(came, dict)):
        return isinstance(expected, list) and isinstance(came, list)
    if "method" in expected or "method" in came:
        return expected.get("method") == came.get("method")
    return expected.get("id") == came.get("id") and expected.get("id") is not None


def plain(value):
    """The value with ordinary numbers, which the validator wants."""
    return json.loads(encode(value))
