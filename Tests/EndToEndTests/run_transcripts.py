#!/usr/bin/env python3
"""Plays every transcript of protocol/transcripts against the built gateway, over a socket and over stdio.

Usage: run_transcripts.py [--drip] [--only TEXT] [--over socket|stdio] [--jobs N]

The gateway is $PUSHGATE_BINARY, or .build/debug/pushgate of this repository. Each play has a store of its own. Every
message is held against protocol/openrpc.json, and in the end the plays together must have seen every method, error,
notification and event type. `--drip` sends each line byte by byte. The last line says `N passed, N failed`.
"""

import argparse
import os
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "Tests" / "Support"), str(Path(__file__).resolve().parent)]

from contract import Contract, Coverage, Failure  # noqa: E402
from stage import Play  # noqa: E402
from transcript import TranscriptError, parse  # noqa: E402

FOLDER = ROOT / "protocol" / "transcripts"


def play(path, over, contract, arguments):
    """One play of one transcript: its coverage, and what went wrong or None."""
    coverage = Coverage()
    shown = path.relative_to(ROOT)
    try:
        lines = parse(path)
        with tempfile.TemporaryDirectory(prefix="pushgate-", dir=arguments.scratch) as folder:
            with Play(lines, over, Path(folder), arguments.binary, contract, coverage, arguments.drip) as scene:
                scene.run()
        contract.check_folder(path.parent.name, coverage)
    except (Failure, TranscriptError) as failure:
        return coverage, f"{shown}:{failure.line}: over {over}: {failure}"
    return coverage, None


def overs(path):
    """The transports that a transcript is played over."""
    try:
        lines = parse(path)
    except TranscriptError:
        return ["socket"]
    only = [line.words[1] for line in lines if line.kind == "stage" and line.words[0] == "over"]
    return only or ["socket", "stdio"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--drip", action="store_true", help="send each line byte by byte")
    parser.add_argument("--only", default="", help="play only transcripts whose path holds this text")
    parser.add_argument("--over", choices=["socket", "stdio"], help="play over one transport only")
    parser.add_argument("--jobs", type=int, default=2, help="plays at a time")
    arguments = parser.parse_args()
    arguments.binary = os.environ.get("PUSHGATE_BINARY", str(ROOT / ".build" / "debug" / "pushgate"))
    arguments.scratch = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    if not os.access(arguments.binary, os.X_OK):
        sys.exit(f"{arguments.binary} is not there: build it, or name it in PUSHGATE_BINARY")
    contract = Contract(ROOT / "protocol")
    paths = [path for path in sorted(FOLDER.glob("*/*.transcript")) if arguments.only in str(path)]
    plays = [(path, over) for path in paths for over in overs(path) if arguments.over in (None, over)]
    coverage = Coverage()
    passed = failed = 0
    with ThreadPoolExecutor(arguments.jobs) as pool:
        for seen, failure in pool.map(lambda one: play(*one, contract, arguments), plays):
            coverage.add(seen)
            passed += failure is None
            if failure:
                failed += 1
                print(failure, flush=True)
    if not arguments.only and not arguments.over:
        for gap in contract.gaps(coverage):
            failed += 1
            print(f"not covered: {gap}")
    print(f"{len(paths)} transcripts{', byte by byte' if arguments.drip else ''}: {coverage}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
