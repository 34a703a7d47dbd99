"""The machine: what it is, how fast its disk flushes, how much processor a process has used."""

import json
import os
import platform
import statistics
import subprocess
import time

from .wire import Misbehaviour

CORES = sorted(os.sched_getaffinity(0))
SERVER = str(CORES[0])
CLIENT = str(CORES[1 % len(CORES)])
BOTH = f"{SERVER},{CLIENT}" if CLIENT != SERVER else SERVER


def cpu_seconds(pid):
    """Processor time of all threads of a process, user and system, by its own clock (nanoseconds, not ticks)."""
    # The number of that clock, as clock_getcpuclockid(3) makes it.
    return time.clock_gettime((~pid << 3) | 2)


def memory(pid):
    """Bytes of memory that a process occupies: (all, anonymous)."""
    found = {}
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        for line in file:
            words = line.split()
            if words[0] in ("Rss:", "Anonymous:"):
                found[words[0]] = int(words[1]) * 1024
    return found["Rss:"], found["Anonymous:"]


def flush_times(folder, count):
    """Microseconds that each of `count` flushes takes: 4,120 bytes, one page of a write-ahead log, are appended."""
    path = os.path.join(folder, "flush")
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    page = os.urandom(4120)
    times = []
    try:
        for _ in range(count):
            start = time.perf_counter()
            os.write(descriptor, page)
            os.fdatasync(descriptor)
            times.append((time.perf_counter() - start) * 1e6)
    finally:
        os.close(descriptor)
        os.unlink(path)
    return times


def p50_p99(times):
    times = sorted(times)
    return statistics.median(times), times[len(times) * 99 // 100]


def file_system(folder):
    """Type of the file system that holds a folder."""
    best = ("", "unknown")
    with open("/proc/mounts", encoding="utf-8") as file:
        for line in file:
            _, place, kind, *_ = line.split()
            inside = folder == place or folder.startswith(place.rstrip("/") + "/")
            if inside and len(place) >= len(best[0]):
                best = (place, kind)
    return best[1]


def facts(folder):
    """What the figures depend on."""
    model = "unknown processor"
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    p50, p99 = p50_p99(flush_times(folder, 500))
    return {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "cores": len(CORES),
        "processor": model,
        "kernel": platform.release(),
        "file_system": file_system(os.path.realpath(folder)),
        "load": round(os.getloadavg()[0], 2),
        "fdatasync_p50_us": round(p50, 1),
        "fdatasync_p99_us": round(p99, 1),
    }


def run(command, cores=None, **options):
    """Runs a program to its end and reads the JSON that it prints.

    Raises Misbehaviour with what it says on stderr when it is not content.
    """
    if cores:
        command = ["taskset", "-c", cores, *command]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=600, **options
    )
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()
        raise Misbehaviour(said or f"{os.path.basename(command[0])} ended with {done.returncode}")
    return json.loads(done.stdout)
