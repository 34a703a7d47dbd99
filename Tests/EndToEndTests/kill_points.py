#!/usr/bin/env python3
"""Killed at the N-th system call, for every kind of call that changes a file or the socket.

    kill_points.py [--points 100]

A first run under strace counts the system calls of a fixed run of twelve pushes, by kind and by file. Then that run is
repeated and killed (SIGKILL, before the call is made) at one of them, restarted without strace, finished and checked as
in kill_rounds.py. With fewer points than calls, the points are spread evenly.
"""

import argparse
import collections
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import campaign
from campaign import Author, Book, Run, Violation
from peer import BINARY, Gateway, Missing, Peer, Refused

PUSHES = 12
CONNECTIONS = 2
CALLS = [
    "pwrite64", "fdatasync", "fsync", "write", "writev", "sendmsg", "openat", "close", "ftruncate", "unlink",
    "unlinkat", "rename", "renameat", "fallocate", "fchmod", "fchmodat", "mkdir", "bind", "listen",
]
# A call on one of these files is a point of its own kind; the rest is counted by call alone.
FILES = ["store.db-wal", "store.db", campaign.ACCOUNT + ".db-wal", campaign.ACCOUNT + ".db"]


def strace(*options):
    # With -D the gateway is our own child and strace its grandchild.
    return ["strace", "-D", "-f", "-qq", "-y"] + list(options)


def can_trace(folder):
    if shutil.which("strace") is None:
        return "strace is not installed"
    tried = subprocess.run(
        ["strace", "-f", "-qq", "-o", os.path.join(folder, "probe"), "-e", "trace=write",
         "-e", "inject=write:signal=KILL:when=1", "/bin/echo", "x"], capture_output=True)
    if tried.returncode == -signal.SIGKILL or tried.returncode == 128 + signal.SIGKILL:
        return None
    return "strace may not trace here: %s" % tried.stderr.decode(errors="replace").strip()[:200]


class Story:
    """The same twelve pushes each time, one after the other in two connections."""

    def __init__(self, base):
        self.folder = tempfile.mkdtemp(prefix="pushgate-point-", dir=base)
        self.gateway = Gateway(self.folder, ["--log", "warning"])
        self.book = Book()
        author = Author(campaign.randomness("fixed", "author"))
        self.pushes = [author.push() for _ in range(PUSHES)]
        self.book.pushes += self.pushes

    def close(self):
        self.gateway.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def prepare(self):
        """The session and the provider's file are there before the run begins."""
        self.gateway.start()
        with Peer(self.gateway.path) as peer:
            self.session = peer.call("initiateSession", campaign.SESSION)["session_id"]
            peer.call("pushTransfer", session_id=self.session, endgrate_type="crm-contact", synchronous=True,
                      transfer_data=[{"internal_id": "first", "data": {"job_title": "first"}}])
            self.book.cursor = peer.call("getEvents")["cursor"]
        self.gateway.kill()
        self.log_from = self.book.cursor

    def run(self, wrapper):
        """Starts under strace, pushes until all is answered and applied or the gateway dies; gives what got no answer."""
        if not self.gateway.spawn(wrapper).wait_until_listening():
            return set(self.pushes)
        try:
            run = Run(self.book, self.gateway.path, self.session, CONNECTIONS)
        except OSError:
            self.gateway.process.wait()
            return set(self.pushes)
        deadline = time.monotonic() + 20
        sent = 0
        while not run.wire.has_ended:
            if sent < PUSHES and len(run.unanswered) < 4:
                run.send(self.pushes[sent], sent)
                sent += 1
            run.turn(0.002)
            completed = sum(event["type"] == "completed" for event in self.book.events)
            if sent == PUSHES and not run.unanswered and completed >= PUSHES:
                break
            if time.monotonic() > deadline:
                raise Violation("the run does not end")
        lost = set(run.unanswered)
        run.wire.close()
        return lost

    def stop(self):
        """The orderly end has points of its own."""
        if self.gateway.process.poll() is None:
            self.gateway.process.send_signal(signal.SIGTERM)
        self.gateway.process.wait(timeout=20)


def count_calls(base):
    """[(call, file or None, how often in the thread that makes most of them)]"""
    story = Story(base)
    log = os.path.join(story.folder, "calls")
    try:
        story.prepare()
        story.run(strace("-o", log, "-e", "trace=" + ",".join(CALLS)))
        story.stop()
        return calls_in(log, FILES)
    finally:
        story.close()


def calls_in(log, files):
    """The same of a file that strace wrote: of calls on one of these files by file, of all others by call alone."""
    counts = collections.Counter()
    with open(log, errors="replace") as file:
        for line in file:
            found = re.match(r"(\d+)\s+(\w+)\((.*)", line)
            if not found:
                continue
            thread, call, rest = found.groups()
            names = [os.path.basename(path) for path in re.findall(r'<(/[^>]*)>|"(/[^"]*)"', rest) for path in path if path]
            name = next((name for name in names if name in files), None)
            counts[call, name, thread] += 1
    most = collections.Counter()
    for (call, name, _), count in counts.items():
        most[call, name] = max(most[call, name], count)
    return sorted(most.items(), key=str)


def spread(counted, wanted):
    """So many points of all, spread evenly: (call, file or None, number)."""
    every = [(call, name, number) for (call, name), most in counted for number in range(1, most + 1)]
    wanted = min(wanted, len(every))
    return [every[place * len(every) // wanted] for place in range(wanted)]


def play(base, call, name, number):
    """One point. True if the gateway was killed at it."""
    story = Story(base)
    try:
        story.prepare()
        path = ["-P", os.path.join(story.folder, "local" if name.startswith(campaign.ACCOUNT) else "", name)] if name else []
        lost = story.run(strace(
            "-o", "/dev/null", *path, "-e", "trace=" + call, "-e", "inject=%s:signal=KILL:when=%d" % (call, number)))
        story.stop()
        killed = story.gateway.process.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL)
        story.gateway.start()
        campaign.finish(
            story.gateway, story.gateway.path, story.book, story.session, story.pushes, lost, story.log_from, 0, CONNECTIONS)
        if story.gateway.stop() != 0:
            raise Violation("the gateway does not end in order after the restart")
        campaign.check_files(story.gateway)
        return killed
    finally:
        story.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--points", type=int, default=100)
    parser.add_argument("--only", help="one point: CALL:FILE:N, with an empty FILE for any")
    arguments = parser.parse_args()
    print("gateway: %s" % BINARY)
    base = "/dev/shm" if os.path.isdir("/dev/shm") else None
    folder = tempfile.mkdtemp()
    reason = can_trace(folder)
    shutil.rmtree(folder)
    if reason:
        print("SKIPPED: %s" % reason)
        return 0
    if arguments.only:
        call, name, number = arguments.only.split(":")
        points = [(call, name or None, int(number))]
        total = 1
    else:
        counted = count_calls(base)
        total = sum(most for _, most in counted)
        points = spread(counted, arguments.points)
        print("%d system calls of the run: %s" % (total, ", ".join(
            "%s%s %d" % (call, " " + name if name else "", most) for (call, name), most in counted)))
    began, killed, failed = time.monotonic(), 0, 0
    for call, name, number in points:
        try:
            killed += play(base, call, name, number)
        except (Violation, Missing, Refused, subprocess.TimeoutExpired) as problem:
            failed += 1
            print("FAILED %s:%s:%d: %s" % (call, name or "", number, problem))
    print("%d points in %.1f s, the gateway was killed at %d of them" % (len(points), time.monotonic() - began, killed))
    print("%d passed, %d failed" % (len(points) - failed, failed))
    return 1 if failed or killed < len(points) // 2 else 0


if __name__ == "__main__":
    sys.exit(main())
