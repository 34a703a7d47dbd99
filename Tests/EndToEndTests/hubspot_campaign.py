#!/usr/bin/env python3
"""Crash point x provider outcome x class at a simulated HubSpot: nothing is there twice, nothing is lost, doubt is told.

    hubspot_campaign.py [--seed 1]                  the gate: every outcome, a part of the kills
    hubspot_campaign.py --release [--seeds 5]       every combination, with several seeds
    hubspot_campaign.py --only TEXT [--seed 1]      cases whose name holds the text
    hubspot_campaign.py --negative-control          a manifest that lies about the settle time must be noticed
    hubspot_campaign.py --list                      names of all cases

The vendor's settle time is shortened by a manifest of our own (`--providers`), which is else the one of the product.
"""

import argparse
import collections
import concurrent.futures
import os
import re
import shutil
import sys
import tempfile
import threading
import time
import traceback

import hubspot_faults
import hubspot_scenes
import hubspot_story
import kill_points
from hubspot_story import Story, Violation
from hubspot_verdict import Verdict
from peer import BINARY, Missing, Refused

SIMULATORS = 3
TWICE = re.compile(r"is there \d+ times")
"""What the checker says of a record that was made again."""


class Campaign:
    def __init__(self, arguments):
        self.arguments = arguments
        self.simulators = hubspot_story.simulators(SIMULATORS)
        self.base = "/dev/shm" if os.path.isdir("/dev/shm") else None
        self.lock = threading.Lock()
        self.is_quiet = False
        self.turn = 0
        self.failures = []
        self.counts = collections.Counter()
        self.slowest = []

    def close(self):
        for simulator in self.simulators:
            simulator.stop()

    def point_cases(self, wanted, seed, options, provider):
        """Kills at system calls: so many of all, spread evenly over the runs."""
        reason = kill_points.can_trace(tempfile.gettempdir())
        if reason:
            print("SKIPPED kills at system calls: %s" % reason)
            return []
        cases = []
        for target, fault in hubspot_faults.POINTS:
            story = Story(hubspot_faults.Case(target, fault, "point", seed), self.simulators[0], options, provider, self.base)
            try:
                counted = kill_points.calls_in(story.count_calls(), hubspot_faults.STORE_FILES)
            finally:
                story.close()
            cases += [hubspot_faults.point_case(target, fault, *point, seed)
                      for point in kill_points.spread(counted, wanted // len(hubspot_faults.POINTS))]
        return cases

    def house(self, options, provider):
        """What a story needs: a simulator, options of the gateway, the provider's name, a folder."""
        self.turn += 1
        return self.simulators[self.turn % SIMULATORS], options, provider, self.base

    def run(self, cases, scenes, options, provider):
        """Plays cases and scenes, many at a time: they mostly wait."""
        stories = [lambda case=case: (Story(case, *self.house(options, provider)), True) for case in cases]
        stories += [lambda make=make: (make(), False) for make in scenes]
        with concurrent.futures.ThreadPoolExecutor(self.arguments.jobs) as pool:
            list(pool.map(self.one, stories))

    def one(self, make):
        began = time.monotonic()
        story, is_judged = make()
        problem = None
        try:
            story.play()
            if is_judged:
                verdict = Verdict(story)
                verdict.check()
                with self.lock:
                    self.counts["uncertain"] += verdict.uncertain
        except (Violation, Missing, Refused, OSError) as violation:
            problem = "%s" % violation or type(violation).__name__
        except Exception:
            problem = traceback.format_exc()
        if problem:
            problem += self.doubts(story)
        keep = bool(problem and self.arguments.keep)
        story.close(keep)
        case = story.case
        with self.lock:
            self.counts["cases"] += 1
            self.counts["kills"] += story.kills
            self.slowest.append((time.monotonic() - began, case.name))
            if problem:
                self.failures.append((case, problem))
            if problem and not self.is_quiet:
                print("FAILED %s [seed %s]: %s%s" % (
                    case.name, case.seed, problem, "; see " + story.folder if keep else ""), flush=True)

    def control(self, seed):
        """The same cases and the same checker against a gateway whose manifest says that nothing comes late. It asks at
        once, finds nothing and writes again: if nobody notices that, the campaign proves nothing. Gives whether it was
        noticed."""
        self.is_quiet = True
        cases = hubspot_faults.control_cases(seed)
        folder = tempfile.mkdtemp(prefix="pushgate-lie-")
        try:
            self.run(cases, [], hubspot_story.manifest(folder, settle_ms=0), "hubspot")
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        noticed = [(case, problem) for case, problem in self.failures if TWICE.search(problem)]
        print("negative control: a manifest that lies (settle_ms 0) makes records twice in %d of %d cases" % (
            len(noticed), len(cases)))
        for case, problem in noticed[:3]:
            print("  noticed: %s [seed %s]: %s" % (case.name, case.seed, problem[:160]))
        if len(noticed) * 2 < len(cases):
            print("FAILED the negative control was not noticed in %s" % ", ".join(
                case.name for case in cases if case not in [found for found, _ in noticed]))
            for case, problem in self.failures[:5]:
                print("  %s: %s" % (case.name, problem[:300]))
        return len(noticed) * 2 >= len(cases)

    @staticmethod
    def doubts(story):
        rows = [(push.key, place, row["outcome"]) for push in story.pushes for place, row in enumerate(push.rows or [])
                if row["outcome"] in ("uncertain", "refused", "unsent")]
        return " (%s)" % ", ".join("%s[%d] %s" % row for row in rows[:12]) if rows else ""


def control(arguments):
    campaign = Campaign(arguments)
    try:
        return campaign.control(arguments.seed)
    finally:
        campaign.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seed", default="1")
    parser.add_argument("--seeds", type=int, default=5, help="of a release run")
    parser.add_argument("--release", action="store_true")
    parser.add_argument("--only", help="cases whose name holds this text")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--negative-control", action="store_true", help="only the manifest that lies")
    parser.add_argument("--keep", action="store_true", help="leave the folders of cases that fail")
    parser.add_argument("--jobs", type=int, default=24, help="cases at a time")
    parser.add_argument("--share", type=float, default=0.05, help="part of the kills in the gate")
    parser.add_argument("--points", type=int, default=0, help="also kills at so many system calls")
    parser.add_argument("--scenes", action="store_true", help="with --only: the scenes as well")
    parser.add_argument("--times", action="store_true", help="say which cases took longest")
    arguments = parser.parse_args()
    if arguments.negative_control:
        return 0 if control(arguments) else 1
    if arguments.only or arguments.list:
        cases = [case for case in hubspot_faults.every_case(arguments.seed) if (arguments.only or "") in case.name]
    elif arguments.release:
        cases = [case for seed in range(1, arguments.seeds + 1) for case in hubspot_faults.every_case(str(seed))]
    else:
        cases = hubspot_faults.gate_cases(arguments.seed, arguments.share)
    if arguments.list:
        print("\n".join(case.name for case in cases))
        return 0
    began = time.monotonic()
    campaign = Campaign(arguments)
    folder = tempfile.mkdtemp(prefix="pushgate-manifest-")
    try:
        options = hubspot_story.manifest(folder)
        if arguments.points:
            cases += campaign.point_cases(arguments.points, arguments.seed, options, "hubspot")
        scenes = [] if arguments.only and not arguments.scenes else hubspot_scenes.scenes(
            lambda: campaign.house(options, "hubspot"))
        print("gateway: %s; %d cases, %d scenes" % (BINARY, len(cases), len(scenes)), flush=True)
        campaign.run(cases, scenes, options, "hubspot")
    finally:
        campaign.close()
        shutil.rmtree(folder, ignore_errors=True)
    is_noticed = bool(arguments.only) or control(arguments)
    if arguments.times:
        for seconds, name in sorted(campaign.slowest)[-15:]:
            print("%6.1f s  %s" % (seconds, name))
    counts = campaign.counts
    print("%d cases in %.1f s, %d kills, %d records ended uncertain and were told of" % (
        counts["cases"], time.monotonic() - began, counts["kills"], counts["uncertain"]))
    print("%d passed, %d failed" % (counts["cases"] - len(campaign.failures), len(campaign.failures)))
    return 1 if campaign.failures or not counts["cases"] or not is_noticed else 0


if __name__ == "__main__":
    sys.exit(main())
