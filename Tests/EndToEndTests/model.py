#!/usr/bin/env python3
"""Random sequences of pushes against a built gateway, compared with the model of `reference_model.py`.

Usage: model.py [--sequences N] [--seed S] [--jobs J] [--only NUMBER] [--strict]

A sequence is played in an account of its own: several sessions, namespaces and schemas; transfers that overlap in
internal ids, ids, e-mails, telephone numbers, names and domains; shared children, nesting, nulls, bad records, unknown
ids; several transfers in flight at once over several connections; and now and then the gateway is killed in the middle
and started again. In the end the rows, errors and numbers of each transfer, and the provider's file, must be what the
model says: every record, every link, and every effect that there ever was, counted.

A sequence that differs is cut down while it still differs, and printed with its number, from which it can be played
again. Last line: N passed, N failed.
"""

import argparse
import itertools
import json
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from multiprocessing import Pool

from model_gateway import Difference, House, Playing
from model_sequences import Author, Prediction, Undefined
from peer import Missing, Refused

# MARK: Playing, and cutting down


def play(house, account, sequence, prediction):
    """Why a sequence differs from the model, or None."""
    try:
        Playing(house, account, sequence, prediction).play()
    except Undefined:
        prediction.dropped += 1
    except (Difference, Missing, Refused, OSError) as difference:
        return "%s: %s" % (type(difference).__name__, difference)
    except Exception:  # A fault of the model itself is told with its number too.
        return traceback.format_exc()
    finally:
        for end in (".db", ".db-wal", ".db-shm"):
            try:
                os.unlink(os.path.join(house.gateway.folder, "local", account + end))
            except FileNotFoundError:
                pass
    return None


def smaller(sequence):
    """Sequences with one thing less."""
    for place in range(len(sequence["steps"]) - 1, -1, -1):
        yield dict(sequence, steps=sequence["steps"][:place] + sequence["steps"][place + 1:])
    for place, step in enumerate(sequence["steps"]):
        rest = sequence["steps"][:place], sequence["steps"][place + 1:]
        if step["do"] == "push":
            for less in fewer(step["items"]):
                yield dict(sequence, steps=rest[0] + [dict(step, items=less)] + rest[1])
            for name in ("disable_upsert", "synchronous", "options", "parts", "kills"):
                if name in step:
                    yield dict(sequence, steps=rest[0] + [{key: step[key] for key in step if key != name}] + rest[1])
    if sequence["settings"]:
        yield dict(sequence, settings={})
    for place, session in enumerate(sequence["sessions"]):
        for name in session:
            if name != "namespace":
                less = {key: session[key] for key in session if key != name}
                yield dict(sequence, sessions=sequence["sessions"][:place] + [less] + sequence["sessions"][place + 1:])


def fewer(items):
    for place, item in enumerate(items):
        yield items[:place] + items[place + 1:]
        for name in item:
            yield items[:place] + [{key: item[key] for key in item if key != name}] + items[place + 1:]
        for name in item.get("data", {}):
            less = {key: item["data"][key] for key in item["data"] if key != name}
            yield items[:place] + [dict(item, data=less)] + items[place + 1:]
        for kind, children in item.get("associations", {}).items():
            for less in fewer(children):
                yield items[:place] + [dict(item, associations={**item["associations"], kind: less})] + items[place + 1:]


def cut_down(sequence, strict, patience):
    """The smallest sequence found that still differs, and how. All tries share a gateway, each in an account of its own."""
    deadline, tries = time.monotonic() + patience, 0
    folder = tempfile.mkdtemp(prefix="pushgate-model-", dir=memory())
    house = House(folder)

    def differs(one):
        nonlocal tries
        # What chance decides may come out well now and then.
        for _ in range(2):
            tries += 1
            why = play(house, "cut%d" % tries, one, Prediction(one, strict))
            if why:
                # Answers that nobody waits for any more are not to be taken for others.
                house.connect()
                return why
        return None

    why, place = differs(sequence), 0
    try:
        while why and time.monotonic() < deadline:
            less = next(itertools.islice(smaller(sequence), place, None), None)
            if less is None:
                break
            found = differs(less)
            if found:
                sequence, why = less, found
            else:
                place += 1
    finally:
        house.gateway.kill()
        shutil.rmtree(folder, ignore_errors=True)
    return sequence, why


def memory():
    """Where stores are made: in memory, since this is about what is right and not about disks."""
    return "/dev/shm" if os.path.isdir("/dev/shm") else None


def work(task):
    """Plays some numbers of a seed on one gateway; gives those that differ."""
    seed, numbers, strict = task
    folder = tempfile.mkdtemp(prefix="pushgate-model-", dir=memory())
    house, failed = House(folder), []
    counts = {}
    try:
        for number in numbers:
            sequence = Author("%s/%d" % (seed, number)).sequence()
            prediction = Prediction(sequence, strict)
            why = play(house, "seq%d" % number, sequence, prediction)
            add(counts, figures(prediction))
            if why:
                failed.append((number, why))
                # What is still under way there is nothing to what comes.
                house.restart()
    finally:
        house.end()
        shutil.rmtree(folder, ignore_errors=True)
    return failed, counts


def figures(prediction):
    """What was in a sequence, for seeing that the test is about something."""
    pushes = prediction.pushes
    rows = [row for push in pushes for row in push["rows"]]
    return {"transfers": len(pushes), "in parts": sum("parts" in push for push in pushes),
            "retries": sum("retry_of" in push for push in pushes), "kills": prediction.kills, "cancels": prediction.cancels,
            "deletes": prediction.deletes, "records": len(rows),
            **{kind: sum(row["outcome"] == kind for row in rows)
               for kind in ("created", "updated", "unchanged", "refused", "unsent")},
            "pushes that had to wait": prediction.waits, "items left out": prediction.dropped}


def add(totals, counts):
    for name, count in counts.items():
        totals[name] = totals.get(name, 0) + count


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--sequences", type=int, default=500)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", type=int, help="play this number of the seed only, and cut it down if it differs")
    parser.add_argument("--strict", action="store_true", help="push also what K5 leaves open, as if it were in order")
    arguments = parser.parse_args()
    numbers = [arguments.only] if arguments.only is not None else list(range(arguments.sequences))
    step = max(1, min(50, len(numbers) // arguments.jobs or 1))
    tasks = [(arguments.seed, numbers[at:at + step], arguments.strict) for at in range(0, len(numbers), step)]
    began, failed, totals = time.monotonic(), [], {}
    # A worker that is ended takes its gateway along.
    with Pool(arguments.jobs, lambda: signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))) as pool:
        for more, counts in pool.imap_unordered(work, tasks):
            failed += more
            add(totals, counts)
        # Let go and waited for. To end them, as leaving the pool does, is a signal, and one that comes right before a
        # worker begins to wait for its next task is handled only after that wait, which has no end.
        pool.close()
        pool.join()
    failed.sort()
    for number, why in failed[:20]:
        print("sequence %d of seed %s: %s" % (number, arguments.seed, why))
    if failed:
        number = failed[0][0]
        sequence, why = cut_down(Author("%s/%d" % (arguments.seed, number)).sequence(), arguments.strict, 60)
        print("\nsequence %d, cut down:\n%s\n%s" % (number, json.dumps(sequence, ensure_ascii=False, indent=1), why or
                                                   "it came out well when played alone"))
        print("again: model.py --seed %s --only %d" % (arguments.seed, number))
    print("%s in %.0f s" % (", ".join("%d %s" % (count, name) for name, count in totals.items()), time.monotonic() - began))
    print("%d passed, %d failed" % (len(numbers) - len(failed), len(failed)))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
