"""Starting servers on sockets of their own, and stopping them whatever happens."""

import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time

from . import machine
from .wire import Misbehaviour, Wire

_running = []
_die_with_parent = ctypes.CDLL(None).prctl
_PR_SET_PDEATHSIG = 1


class Unavailable(Exception):
    """A reference cannot run here; the text says why."""


class Server:
    """A process that listens on a Unix socket."""

    # Of a gateway: that it ends with 0 when it is told to.
    must_end_well = False

    def __init__(self, command, path, cores, log):
        self.path = path
        with open(log, "wb") as errors:
            self.process = subprocess.Popen(
                ["taskset", "-c", cores, *command] if cores else command,
                stdin=subprocess.DEVNULL, stdout=errors, stderr=errors,
                preexec_fn=lambda: _die_with_parent(_PR_SET_PDEATHSIG, signal.SIGKILL),
            )
        self.log = log
        _running.append(self)
        self._wait()

    @property
    def pid(self):
        return self.process.pid

    def _wait(self):
        end = time.monotonic() + 20
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise Unavailable(f"it ended with {self.process.returncode}: {self._said()}")
            probe = socket.socket(socket.AF_UNIX)
            try:
                probe.connect(self.path)
                return
            except OSError:
                time.sleep(0.0002)
            finally:
                probe.close()
        raise Unavailable("it did not listen within 20 s")

    def _said(self):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return file.read()[-500:].strip() or "it said nothing"

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.stop()
        if kind is None and self.must_end_well and self.process.returncode:
            raise Misbehaviour(f"the gateway ended with {self.process.returncode}: {self._said()}")

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(5)
        if self in _running:
            _running.remove(self)


def stop_all():
    for server in list(_running):
        server.process.kill()
        server.stop()


class Workshop:
    """The scratch folder: compiled programs, sockets, stores. Knows how to start each contestant."""

    def __init__(self, sources, scratch, gateway):
        self.sources = sources
        self.scratch = scratch
        self.gateway_binary = gateway
        self._number = 0
        self.load = self._compile("clients/load.c")
        self.fan = self._compile("clients/fan.c")
        self.echo_binary = self._compile("references/echo.c")
        self._commit_binary = None

    def _compile(self, source, *libraries):
        program = os.path.join(self.scratch, os.path.basename(source)[:-2])
        command = ["cc", "-O2", "-o", program, os.path.join(self.sources, source), *libraries]
        try:
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        except FileNotFoundError as failure:
            raise Unavailable("there is no C compiler `cc`") from failure
        if done.returncode:
            raise Unavailable(f"{source} does not compile: {done.stdout.decode(errors='replace')[-800:]}")
        return program

    def folder(self):
        """A new, empty folder with a short name: socket paths have at most 107 bytes."""
        self._number += 1
        path = os.path.join(self.scratch, str(self._number))
        os.mkdir(path)
        return path

    # Contestants

    def gateway(self, cores=machine.SERVER, options=(), folder=None, slow_flush=0):
        """`slow_flush`: milliseconds that each of its flushes takes longer."""
        folder = folder or self.folder()
        path = os.path.join(folder, "s")
        command = [
            self.gateway_binary, "serve", "--listen", f"unix:{path}", "--store", os.path.join(folder, "store.db"),
            "--log", "warning", "--drain", "300ms", *options]
        if slow_flush:
            # The tracer stands aside (-D), so that the gateway is the process that is started, and is only asked for
            # the calls that it delays.
            command = [
                _need("strace", "strace"), "-D", "-f", "--seccomp-bpf", "-o", os.path.join(folder, "trace"),
                "-e", "trace=fdatasync", "-e", f"inject=fdatasync:delay_enter={slow_flush * 1000}", *command]
        try:
            server = Server(command, path, cores, os.path.join(folder, "log"))
        except Unavailable as why:
            raise Misbehaviour(f"the gateway did not start: {why}") from why
        server.must_end_well = True
        return server

    def echo(self, cores=machine.SERVER, replay=None):
        return self._simple([self.echo_binary], cores, *([replay] if replay else []))

    def node(self, cores=machine.SERVER):
        return self._simple([_need("node", "nodejs"), os.path.join(self.sources, "references/echo.mjs")], cores)

    def python(self, cores=machine.SERVER):
        # Not by way of a wrapper that looks the version up first.
        return self._simple([os.path.realpath(sys.executable), os.path.join(self.sources, "references/echo.py")], cores)

    def redis(self, cores=machine.SERVER):
        folder = self.folder()
        path = os.path.join(folder, "s")
        return Server(
            [_need("redis-server", "redis-server"), "--port", "0", "--unixsocket", path, "--save", "", "--dir", folder],
            path, cores, os.path.join(folder, "log"))

    def ovsdb(self, cores=machine.SERVER):
        tool, server = _need("ovsdb-tool", "openvswitch-common"), _need("ovsdb-server", "openvswitch-common")
        folder = self.folder()
        schema, store, path = (os.path.join(folder, name) for name in ("schema", "db", "s"))
        with open(schema, "w", encoding="ascii") as file:
            json.dump({"name": "Bench", "tables": {"T": {"columns": {"v": {"type": "string"}}, "isRoot": True}}}, file)
        subprocess.run([tool, "create", store, schema], check=True, stdout=subprocess.DEVNULL)
        return Server(
            [server, store, f"--remote=punix:{path}", f"--unixctl={folder}/ctl", f"--log-file={folder}/ovsdb.log"],
            path, cores, os.path.join(folder, "log"))

    def _simple(self, command, cores, *more):
        folder = self.folder()
        path = os.path.join(folder, "s")
        return Server([*command, path, *more], path, cores, os.path.join(folder, "log"))

    def commit(self, transfers, group, records, keys, rows, first=0, cores=machine.SERVER):
        """Runs the C program that writes the same rows; what it prints."""
        if not self._commit_binary:
            self._commit_binary = self._compile("references/commit.c", "-lsqlite3")
        folder = self.folder()
        words = [os.path.join(folder, "c.db"), transfers, group, records, keys, rows, *([first] if first else [])]
        try:
            return machine.run([self._commit_binary, *map(str, words)], cores)
        except Misbehaviour as why:
            raise Unavailable(str(why)) from why
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    # Load

    def requests(self, path, request, want, number, connections=1, depth=1, framing="lines", cores=machine.CLIENT):
        """Sends requests and checks the replies; what `clients/load.c` prints."""
        words = [path, request, want, framing, str(number), str(connections), str(depth)]
        return machine.run([self.load, *words], cores)

    def wire(self, server):
        return Wire(server.path)


def _need(program, package):
    found = shutil.which(program)
    if not found:
        raise Unavailable(f"{program} is not installed (Debian: {package})")
    return found
