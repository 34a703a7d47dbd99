"""Hostile starts and ends: command lines, socket paths, stores, tokens, standard streams, signals."""

import json
import os
import signal
import socket
import sqlite3
import subprocess
import time

from peer import BINARY, Gateway, Peer
from hostile_lines import PING

ENVIRONMENT = dict(os.environ, SWIFT_BACKTRACE="enable=no")


def run(*arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=20, **options):
    return subprocess.run([BINARY, *arguments], stdin=stdin, stdout=stdout, stderr=subprocess.PIPE, timeout=timeout,
                          env=ENVIRONMENT, **options)


def ends(bench, code, *arguments, says=None, seconds=5):
    """The command ends with this code, says why in a sentence, and does so soon."""
    def case():
        folder = bench.folder()
        began = time.monotonic()
        ended = run(*(argument.replace("FOLDER", folder) for argument in arguments))
        assert ended.returncode == code, "code %d: %s" % (ended.returncode, ended.stderr[-400:])
        assert time.monotonic() - began < seconds
        text = (ended.stderr if code else ended.stdout).decode()
        assert text.strip(), "nothing is said"
        assert says is None or says in text, text
    return case


def cases(bench):
    yield from command_lines(bench)
    yield from sockets(bench)
    yield from stores(bench)
    yield from tokens(bench)
    yield from streams(bench)
    yield from signals(bench)


def command_lines(bench):
    store = ["--store", "FOLDER/store.db", "--listen", "unix:FOLDER/s"]
    for name, code, arguments in [
            ("no such command", 64, ["sevre"]), ("no such option", 64, ["serve", "--stroe", "x"]),
            ("an option without its value", 64, ["serve", "--store"]),
            ("an argument too many", 64, ["serve", *store, "x"]),
            ("a size that is none", 64, ["serve", *store, "--max-line", "many"]),
            ("a negative size", 64, ["serve", *store, "--max-line", "-1"]),
            ("a size beyond numbers", 64, ["serve", *store, "--max-line", "99999999999999999999999G"]),
            ("a size below its least", 64, ["serve", *store, "--max-line", "1"]),
            ("no connections at all", 64, ["serve", *store, "--max-connections", "0"]),
            ("a duration that is none", 64, ["serve", *store, "--drain", "soon"]),
            ("a duration beyond numbers", 64, ["serve", *store, "--drain", "99999999999999999999s"]),
            ("a retention that is none", 64, ["serve", *store, "--keep-events", "long"]),
            ("a retention of nothing", 64, ["serve", *store, "--keep-transfers", "0s"]),
            ("a retention beyond numbers", 64, ["serve", *store, "--keep-events", "99999999999999d"]),
            ("a user that is no number", 64, ["serve", *store, "--allow-uid", "root"]),
            ("a log level that is none", 64, ["serve", *store, "--log", "loud"]),
            ("an address that is none", 64, ["serve", "--store", "FOLDER/store.db", "--listen", "tcp:80"]),
            ("an address without path", 64, ["serve", "--store", "FOLDER/store.db", "--listen", "unix:"]),
            ("a mode that is none", 64, ["serve", "--store", "FOLDER/store.db", "--listen", "unix:FOLDER/s?mode=rw"]),
            ("a group that is none", 64, ["serve", "--store", "FOLDER/store.db", "--listen", "unix:FOLDER/s?group=nobody-at-all"]),
            ("a call to nobody", 69, ["call", "ping", "--socket", "FOLDER/nobody"]),
            ("help", 0, ["--help"]), ("no command", 0, []), ("version", 0, ["--version"])]:
        yield "command: " + name, ends(bench, code, *arguments)

    def call_refused():
        ended = run("call", "getData", "{}", "--socket", bench.gateway.path)
        assert ended.returncode == 1 and b"invalid_params" in ended.stderr + ended.stdout, ended
        ended = run("call", "ping", "{", "--socket", bench.gateway.path)
        assert ended.returncode in (1, 64) and ended.stderr + ended.stdout, ended
    yield "command: a call that is refused", call_refused


def sockets(bench):
    def serve(folder, path, *options):
        return run("serve", "--listen", "unix:" + path, "--store", os.path.join(folder, "store.db"), *options)

    def too_long():
        folder = bench.folder()
        long = os.path.join(folder, "s" * (108 - len(folder) - 1))
        ended = serve(folder, long)
        assert len(long) == 108 and ended.returncode == 78 and b"108" in ended.stderr, ended
        gateway = Gateway(folder)
        gateway.path = long[:-1]
        bench.gateways.append(gateway.start())
        with gateway.peer() as peer:
            assert peer.call("ping") == {}
    yield "socket: 108 bytes are one too many", too_long

    def occupied(make, code, says):
        def case():
            folder = bench.folder()
            path = os.path.join(folder, "s")
            keep = make(path)
            before = os.lstat(path)
            ended = serve(folder, path)
            assert ended.returncode == code and says in ended.stderr, ended
            after = os.lstat(path)
            assert (before.st_ino, before.st_mode, before.st_mtime_ns) == (after.st_ino, after.st_mode, after.st_mtime_ns)
            del keep
        return case

    def listening(path):
        server = socket.socket(socket.AF_UNIX)
        server.bind(path)
        server.listen()
        return server

    yield "socket: a file at its path", occupied(lambda path: open(path, "w"), 78, b"not a socket")
    yield "socket: a directory at its path", occupied(os.mkdir, 78, b"not a socket")
    yield "socket: a link at its path", occupied(lambda path: os.symlink("/etc/passwd", path), 78, b"not a socket")
    yield "socket: another program answers at its path", occupied(listening, 75, b"already answers")
    yield "socket: a folder that is not there", ends(
        bench, 78, "serve", "--store", "FOLDER/store.db", "--listen", "unix:FOLDER/nowhere/s")
    yield "socket: an abstract name", ends(bench, 78, "serve", "--store", "FOLDER/store.db", "--listen", "unix:@name")

    def open_folder():
        folder = bench.folder()
        os.mkdir(os.path.join(folder, "open"))
        os.chmod(os.path.join(folder, "open"), 0o777)
        ended = serve(folder, os.path.join(folder, "open", "s"))
        assert ended.returncode == 78 and b"Every user" in ended.stderr, ended
    yield "socket: a folder that is open to all", open_folder

    def dead():
        gateway = bench.start()
        gateway.kill()
        assert os.path.exists(gateway.path)
        gateway.start()
        with gateway.peer() as peer:
            assert peer.call("ping") == {}
        assert gateway.stop() == 0 and not os.path.exists(gateway.path), "the socket is left behind"
    yield "socket: left behind by a gateway that was killed", dead

    def second(path_of):
        def case():
            gateway = bench.start()
            folder = bench.folder()
            store, path = path_of(gateway, folder)
            began = time.monotonic()
            ended = run("serve", "--listen", "unix:" + path, "--store", store)
            assert ended.returncode == 75, ended
            assert time.monotonic() - began < 1, "it takes too long to say so"
            assert str(gateway.process.pid).encode() in ended.stderr, ended.stderr
            with gateway.peer() as peer:
                assert peer.call("ping") == {}
        return case
    yield "socket: a second gateway on the path", second(lambda gateway, folder: (os.path.join(folder, "store.db"), gateway.path))
    yield "store: a second gateway on the store", second(lambda gateway, folder: (gateway.store, os.path.join(folder, "s")))


def stores(bench):
    def refused(make, code):
        def case():
            folder = bench.folder()
            path = os.path.join(folder, "store.db")
            make(path)
            before = None if os.path.isdir(path) else open(path, "rb").read()
            ended = run("serve", "--listen", "unix:" + os.path.join(folder, "s"), "--store", path)
            assert ended.returncode == code and ended.stderr.strip(), ended
            assert before is None or open(path, "rb").read() == before, "the file was changed"
        return case

    def sound(path):
        gateway = Gateway(os.path.dirname(path)).start()
        with gateway.peer() as peer:
            peer.call("initiateSession", provider="local", schema=[{"endgrate_type": "crm-contact"}])
        assert gateway.stop() == 0

    def newer(path):
        sound(path)
        database = sqlite3.connect(path)
        version = database.execute("PRAGMA user_version").fetchone()[0]
        database.execute("PRAGMA user_version = %d" % (version + 1))
        database.commit()
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        database.close()

    def foreign(path):
        database = sqlite3.connect(path)
        database.execute("CREATE TABLE recipe(name)")
        database.commit()
        database.close()

    def cut(path):
        sound(path)
        os.truncate(path, os.path.getsize(path) // 2)

    def write(data):
        def make(path):
            with open(path, "wb") as file:
                file.write(data)
        return make

    yield "store: of a newer version", refused(newer, 78)
    yield "store: a file of garbage", refused(write(b"no database at all\n" * 1000), 65)
    yield "store: a short file of garbage", refused(write(b"x" * 10), 65)
    yield "store: a database of another program", refused(foreign, 65)
    yield "store: cut in half", refused(cut, 65)
    yield "store: a header and nothing behind it", refused(write(b"SQLite format 3\x00" + b"\xff" * 84), 65)
    yield "store: in a folder that is not there", ends(
        bench, 74, "serve", "--listen", "unix:FOLDER/s", "--store", "/proc/nowhere/store.db")


def tokens(bench):
    def file(text, mode=0o600):
        path = os.path.join(bench.folder(), "token")
        with open(path, "w") as out:
            out.write(text)
        os.chmod(path, mode)
        return path

    def refused(path):
        def case():
            folder = bench.folder()
            ended = run("serve", "--listen", "unix:%s/s" % folder, "--store", folder + "/store.db", "--token-file", path)
            assert ended.returncode == 78 and ended.stderr, ended
            assert b"0123456789abcdef" not in ended.stderr, "the token is told"
        return case
    yield "token: a file that others can read", refused(file("0123456789abcdef" * 2, 0o644))
    yield "token: too short", refused(file("0123456789abcde"))
    yield "token: an empty file", refused(file(""))
    yield "token: a file that is not there", refused("/nowhere/token")

    def needed():
        token = "0123456789abcdef" * 2
        gateway = bench.start("--token-file", file(token + "\n"), "--log", "debug")
        with gateway.peer() as peer, gateway.peer() as other:
            for method, params in (("getTypes", {}), ("pushTransfer", {}), ("drain", {}), ("rpc.discover", {}), ("stats", {})):
                number = peer.request(method, params)
                bench.expect_error(peer.read(), "unauthenticated", number)
            for wrong in ("x", token[:-1], token + "0", token[:-1] + "e", "\u0000" * 32):
                number = peer.request("hello", client={"name": "x"}, token=wrong)
                bench.expect_error(peer.read(), "unauthenticated", number)
            number = peer.request("hello", client={"name": "x"})
            bench.expect_error(peer.read(), "unauthenticated", number)
            assert peer.call("ping") == {}
            peer.call("hello", client={"name": "x"}, token=token)
            assert "types" in peer.call("getTypes")
            number = other.request("getTypes")
            bench.expect_error(other.read(), "unauthenticated", number)
        assert token not in gateway.log(), "the log tells the token"
    yield "token: nothing without it, each connection on its own", needed


def streams(bench):
    def stdio(stdin, expected, **options):
        def case():
            folder = bench.folder()
            with stdin(folder) as source:
                ended = run("stdio", "--store", folder + "/store.db", stdin=source, **options)
            assert ended.returncode == 0, ended
            replies = [json.loads(line) for line in ended.stdout.splitlines()] if ended.stdout else []
            assert len(replies) == expected and all("result" in reply for reply in replies), ended
        return case

    def file_of(data):
        def make(folder):
            path = os.path.join(folder, "in")
            with open(path, "wb") as out:
                out.write(data)
            return open(path, "rb")
        return make

    yield "stdio: input is /dev/null", stdio(lambda _: open("/dev/null", "rb"), 0)
    yield "stdio: input is a file", stdio(file_of(PING * 3), 3)
    yield "stdio: input is an empty file", stdio(file_of(b""), 0)
    yield "stdio: input is a file that ends without line feed", stdio(file_of(PING + PING[:-1]), 2)

    def pipe():
        folder = bench.folder()
        ended = subprocess.run([BINARY, "stdio", "--store", folder + "/store.db"], input=PING * 1000 + b"{\n" + PING,
                               capture_output=True, timeout=20, env=ENVIRONMENT)
        replies = [json.loads(line) for line in ended.stdout.splitlines()]
        assert ended.returncode == 0 and len(replies) == 1002, ended.stderr
        bench.expect_error(replies[1000], "parse_error", None)
    yield "stdio: 1,000 lines and a bad one through a pipe", pipe

    def closed(descriptor):
        def case():
            folder = bench.folder()
            with open(file_of(PING)(folder).name, "rb") as source:
                process = subprocess.Popen(
                    ["/bin/sh", "-c", 'exec "$0" stdio --store "$1" %s' % descriptor, BINARY, folder + "/store.db"],
                    stdin=source, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT)
                _, errors = process.communicate(timeout=20)
            assert process.returncode >= 0, "killed by signal %d: %s" % (-process.returncode, errors[-300:])
        return case
    yield "stdio: input is closed", closed("<&-")
    yield "stdio: output is closed", closed(">&-")
    yield "stdio: both are closed", closed("<&- >&-")
    yield "stdio: output is full", closed(">/dev/full")

    def reader_gone():
        folder = bench.folder()
        reader, writer = os.pipe()
        os.close(reader)
        process = subprocess.Popen([BINARY, "stdio", "--store", folder + "/store.db"], stdin=subprocess.PIPE, stdout=writer,
                                   stderr=subprocess.PIPE, env=ENVIRONMENT)
        os.close(writer)
        try:
            process.stdin.write(PING * 100)
            process.stdin.flush()
        except BrokenPipeError:
            pass
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.stdin.close()
            process.wait(timeout=5)
        assert process.returncode >= 0, "killed by signal %d" % -process.returncode
        process.stdin.close()
        process.stderr.close()
    yield "stdio: nobody reads the output", reader_gone

    def held():
        gateway = bench.start()
        began = time.monotonic()
        ended = run("stdio", "--store", gateway.store)
        assert ended.returncode == 75 and time.monotonic() - began < 1, ended
        assert str(gateway.process.pid).encode() in ended.stderr, ended.stderr
        bridged = subprocess.run([BINARY, "stdio", "--store", gateway.store, "--socket", gateway.path], input=PING,
                                 capture_output=True, timeout=20, env=ENVIRONMENT)
        assert bridged.returncode == 0 and b'"result":{}' in bridged.stdout, bridged
    yield "stdio: the store is held by a gateway", held


def slow_session(peer, milliseconds):
    return peer.call("initiateSession", provider="local", account="slow", schema=[{"endgrate_type": "crm-contact"}],
                     settings={"latency_ms": milliseconds})["session_id"]


def signals(bench):
    def in_flight(end):
        def case():
            gateway = bench.start("--drain", "5s")
            with gateway.peer() as peer, gateway.peer() as other:
                session = slow_session(peer, 300)
                peer.call("hello", client={"name": "x"})
                latest = peer.call("getEvents")["latest"]
                waiting = other.request("getEvents", cursor=latest, wait_ms=30_000, types=["error"])
                pushed = peer.request("pushTransfer", session_id=session, endgrate_type="crm-contact", synchronous=True,
                                      transfer_data=[{"internal_id": "in flight", "data": {"first_name": "x"}}])
                time.sleep(0.1)
                end(gateway)
                reply = peer.reply_to(pushed)
                assert reply["result"]["success"], reply
                assert other.reply_to(waiting)["result"]["events"] == []
                closing = peer.request("getTypes")
                message = peer.read()
                if message is not None and message.get("id") == closing:
                    bench.expect_error(message, "shutting_down", closing)
                while message is not None:
                    message = peer.read()
            assert gateway.process.wait(timeout=6) == 0
            gateway.start()
            with gateway.peer() as peer:
                transfer = reply["result"]["transfer_id"]
                deadline = time.monotonic() + 5
                while peer.call("getTransfer", transfer_id=transfer)["state"] != "completed":
                    assert time.monotonic() < deadline, "the push is not finished after the restart"
                    time.sleep(0.02)
                rows = peer.call("getData", transfer_id=transfer)["transfer_data"]
                assert rows[0]["outcome"] == "created", rows
        return case
    yield "signal: SIGTERM with calls in flight", in_flight(lambda gateway: gateway.process.send_signal(signal.SIGTERM))
    yield "signal: SIGINT with calls in flight", in_flight(lambda gateway: gateway.process.send_signal(signal.SIGINT))

    def drain(gateway):
        with gateway.peer() as peer:
            assert peer.call("drain")["draining"] is True
    yield "signal: drain with calls in flight", in_flight(drain)

    def shutting_down():
        """While exchanges under way end, new calls are refused and new connections find nobody."""
        gateway = bench.start("--drain", "5s")
        with gateway.peer() as peer:
            session = slow_session(peer, 1_000)
            peer.call("pushTransfer", session_id=session, endgrate_type="crm-contact",
                      transfer_data=[{"internal_id": "x", "data": {"first_name": "x"}}])
            time.sleep(0.1)
            peer.call("drain")
            number = peer.request("getTypes")
            bench.expect_error(peer.reply_to(number), "shutting_down", number)
            number = peer.request("pushTransfer", session_id=session, endgrate_type="crm-contact", transfer_data=[])
            bench.expect_error(peer.reply_to(number), "shutting_down", number)
            assert peer.call("ping") == {} and peer.call("health")["ready"] is False
            try:
                Peer(gateway.path).close()
                raise AssertionError("a draining gateway accepts connections")
            except OSError:
                pass
        assert gateway.process.wait(timeout=6) == 0
    yield "signal: calls during a drain", shutting_down

    def twice():
        gateway = bench.start("--drain", "20s")
        with gateway.peer() as peer:
            session = slow_session(peer, 10_000)
            peer.call("pushTransfer", session_id=session, endgrate_type="crm-contact",
                      transfer_data=[{"internal_id": "x", "data": {"first_name": "x"}}])
            time.sleep(0.1)
            gateway.process.send_signal(signal.SIGTERM)
            time.sleep(0.2)
            assert gateway.process.poll() is None, "it did not wait for the exchange"
            gateway.process.send_signal(signal.SIGTERM)
            assert gateway.process.wait(timeout=2) == 128 + signal.SIGTERM
    yield "signal: a second one ends it at once", twice

    def deadline():
        gateway = bench.start("--drain", "500ms")
        with gateway.peer() as peer:
            session = slow_session(peer, 10_000)
            peer.call("pushTransfer", session_id=session, endgrate_type="crm-contact",
                      transfer_data=[{"internal_id": "x", "data": {"first_name": "x"}}])
            time.sleep(0.1)
            began = time.monotonic()
            gateway.process.send_signal(signal.SIGTERM)
            assert gateway.process.wait(timeout=5) == 0
            assert 0.4 < time.monotonic() - began < 3
    yield "signal: an exchange longer than the drain", deadline

    def others():
        gateway = bench.start()
        for number in (signal.SIGPIPE,):
            gateway.process.send_signal(number)
        with gateway.peer() as peer:
            assert peer.call("ping") == {}
    yield "signal: SIGPIPE is nothing", others
