"""The checker of the fault campaign. It believes nobody: what is at the vendor is asked of the simulator and of its log,
and the gateway's results are held against that and against what was pushed."""

import collections

from hubspot_story import BLIND, COMPANY, KINDS, MARK, REFUSED_BY_VENDOR, Violation

NAMES = {
    "contacts": {"job_title": "jobtitle", "last_name": "lastname", "first_name": "firstname"},
    "companies": {}, "deals": {"name": "dealname", "stage": "dealstage"},
}
MARKED = {"contacts": "jobtitle", "companies": "description", "deals": "description"}
UNKNOWN = "outcome is unknown"
OLDER_IN_DOUBT = "An earlier version of this internal_id"


def expect(condition, text, *more):
    if not condition:
        raise Violation(text % more if more else text)


def same(found, wanted, text):
    expect(found == wanted, "%s: %r and not %r", text, found, wanted)


def mark_of(kind, item):
    if MARK[kind] in item["data"]:
        return item["data"][MARK[kind]]
    return item.get("internal_id") or item["data"]["email"].partition("@")[0]


def is_bad(item):
    return any(value in REFUSED_BY_VENDOR for value in item["data"].values())


def values_at_vendor(kind, data):
    """The values of an item as the vendor has them afterwards."""
    names = NAMES[KINDS[kind]]
    return {names.get(name, name): str(value) for name, value in data.items()}


class Wanted:
    """What should be at the vendor, from the pushes alone."""

    def __init__(self, story):
        self.values = collections.OrderedDict()
        """By (object, mark): values, in the order of the pushes."""
        self.older = {}
        """By (mark, name): values that a newer push replaces."""
        self.links = set()
        self.blind = set()
        self.blind_children = set()
        self.refused = set()
        for push in story.before + story.pushes:
            for item in push.items:
                self.note(push.kind, item, push.members)

    def note(self, kind, item, members):
        mark = (KINDS[kind], mark_of(kind, item))
        for other, children in item.get("associations", {}).items():
            for child in children:
                self.note(other, child, members)
                if members.get("disable_upsert"):
                    # Its create may not be looked for either.
                    self.blind_children.add((KINDS[other], mark_of(other, child)))
                self.links.add((mark, (KINDS[other], mark_of(other, child))))
        if is_bad(item):
            self.refused.add(mark)
            return
        values = values_at_vendor(kind, item["data"])
        for name, value in self.values.get(mark, {}).items():
            if name in values:
                self.older.setdefault((mark, name), set()).add(value)
        self.values.setdefault(mark, {}).update(values)
        if mark[1] in BLIND:
            self.blind.add(mark)


class Verdict:
    """Raises Violation."""

    def __init__(self, story):
        self.story = story
        self.wanted = Wanted(story)
        self.uncertain = 0
        self.child_doubts = {}
        """By (push, place): the associated record that is told to be in doubt there."""
        self.records = {}
        """By (object, mark): the records at the vendor that bear it."""
        self.look()

    def look(self):
        found = collections.defaultdict(list)
        for record in self.story.simulator.control("GET", "/state?portal=%d" % self.story.portal):
            found[record["object"], record["values"].get(MARKED[record["object"]])].append(record)
        self.records = found
        self.marks = {(record["object"], record["id"]): mark for mark, records in found.items() for record in records}

    def check(self):
        self.read_child_doubts()
        self.check_vendor()
        for push in self.story.before + self.story.pushes:
            self.check_rows(push)
            self.check_errors(push)
        self.check_links()
        self.check_manners()
        self.check_again()

    def read_child_doubts(self):
        """Which associated records are told to be in doubt: of each the unknown create once, then that later ones wait."""
        unknown, refused = collections.Counter(), set()
        for push in self.story.before + self.story.pushes:
            for error in push.errors:
                if not self.is_of_child(push, error):
                    continue
                place, text = error["index"], error["error_resolve_text"]
                marks = {(KINDS[COMPANY], mark_of(COMPANY, child))
                         for child in push.items[place].get("associations", {}).get(COMPANY, [])} & self.wanted.blind_children
                expect(len(marks) == 1, "%s[%d]: an error of an associated record: %s", push.key, place, text)
                expect((push.key, place) not in self.child_doubts, "%s[%d]: told twice: %s", push.key, place, text)
                mark, = marks
                self.child_doubts[push.key, place] = mark
                if UNKNOWN in text:
                    unknown[mark] += 1
                else:
                    expect(OLDER_IN_DOUBT in text, "%s[%d]: an associated record: %s", push.key, place, text)
                    refused.add(mark)
        for mark in set(unknown) | refused:
            expect(unknown[mark] == 1, "%s: its create is told to be in doubt %d times", mark, unknown[mark])
            self.uncertain += 1

    @staticmethod
    def is_of_child(push, error):
        told = error["endgrate"]["integration_info"]["name"]
        return told == "push-" + KINDS[COMPANY] and push.kind != COMPANY

    # What is at the vendor

    def check_vendor(self):
        known = set(self.wanted.values) | {("contacts", "old1"), ("companies", "oldco")}
        for mark, records in self.records.items():
            expect(mark in known, "%s is at the vendor: it was refused, or nobody pushed it", mark)
            expect(len(records) == 1, "%s is there %d times", mark, len(records))
        for mark, values in self.wanted.values.items():
            records = self.records.get(mark, [])
            if not records and (mark in self.wanted.blind or mark in self.child_doubts.values()):
                continue
            expect(records, "%s is lost", mark)
            found = records[0]["values"]
            for name, value in values.items():
                if mark in self.wanted.blind and found.get(name) in self.wanted.older.get((mark, name), ()):
                    # The newest version of a record in doubt may be in doubt as well; its own outcome is checked below.
                    continue
                expect(found.get(name, "") == value, "%s of %s is %r and not %r", name, mark, found.get(name), value)
        effects = collections.Counter(entry["effect"] for entry in self.effects())
        for name in ("archived", "unlinked", "merged", "property_created"):
            expect(not effects[name], "the gateway caused %s", name)

    def effects(self):
        return [entry for entry in self.story.simulator.control("GET", "/effects?portal=%d" % self.story.portal)
                if entry["by"] == "api"]

    def check_links(self):
        found = set()
        for mark, records in self.records.items():
            if mark[0] != "companies":
                for record in records:
                    found |= {(mark, self.marks[link["object"], link["id"]]) for link in record["links"]
                              if link["object"] == "companies"}
        # A record that the gateway does not know of, although it may be there, is linked to nothing.
        doubtful = {mark for mark in self.wanted.blind if mark in self.doubted}
        unlinked = {((KINDS[push.kind], mark_of(push.kind, push.items[place])), child)
                  for push in self.story.before + self.story.pushes
                  for (key, place), child in self.child_doubts.items() if key == push.key}
        wanted = {link for link in self.wanted.links - unlinked if link[0] not in doubtful}
        expect(wanted <= found, "links are missing: %s", sorted(wanted - found))
        expect(found <= self.wanted.links, "links that nobody pushed: %s", sorted(found - self.wanted.links))

    # What the gateway says

    doubted = frozenset()

    def check_rows(self, push):
        same([row.get("internal_id") for row in push.rows], [item.get("internal_id") for item in push.items],
             "%s: rows" % push.key)
        for place, (row, item) in enumerate(zip(push.rows, push.items)):
            mark = (KINDS[push.kind], mark_of(push.kind, item))
            try:
                self.check_row(push, row, item, mark, self.child_doubts.get((push.key, place)))
            except Violation as problem:
                raise Violation("%s[%d] %s: %s" % (push.key, place, mark[1], problem)) from None

    def check_row(self, push, row, item, mark, in_doubt):
        outcome, records = row["outcome"], self.records.get(mark, [])
        if is_bad(item):
            same((outcome, row["id"], row["data"]), ("refused", None, {}), "a bad record")
            return
        if mark in self.wanted.blind and (outcome == "uncertain" or outcome == "refused" and mark in self.doubted):
            self.uncertain += outcome == "uncertain"
            self.doubted = self.doubted | {mark}
            same((row["id"], row["data"]), (None, {}), "a record in doubt")
            return
        allowed = ("created",) if self.is_first(push, mark) else ("updated",)
        expect(outcome in allowed, "outcome %s and not %s", outcome, " or ".join(allowed))
        expect(mark not in self.doubted, "outcome %s, though an older version is in doubt", outcome)
        expect(records, "it says %s and is not there", outcome)
        same(row["id"], records[0]["id"], "id")
        values = row["data"].get("properties", {}) if row["data"] else {}
        expect(values, "no data came back")
        for name, value in values_at_vendor(push.kind, item["data"]).items():
            same(values.get(name), value, "returned %s" % name)
        children = [(KINDS[COMPANY], mark_of(COMPANY, child)) for child in item.get("associations", {}).get(COMPANY, [])]
        ids = [self.records[child][0]["id"] for child in children if child != in_doubt]
        same(row.get("associations", {}).get(COMPANY, []), ids, "associations")

    def is_first(self, push, mark):
        """Whether this push was the first of a record that was not there before."""
        if mark[1].startswith("old"):
            return False
        for other in self.story.before + self.story.pushes:
            for item in other.items:
                if (KINDS[other.kind], mark_of(other.kind, item)) == mark:
                    return other is push
        return False

    def check_errors(self, push):
        """Each record that was not written is told of once, and no other."""
        wanted = sorted((place, row["outcome"]) for place, row in enumerate(push.rows)
                        if row["outcome"] in ("refused", "uncertain"))
        found = sorted((error["index"], "uncertain" if UNKNOWN in error["error_resolve_text"] else "refused") for error in push.errors
                       if not self.is_of_child(push, error))
        same(found, wanted, "%s: errors" % push.key)

    def check_manners(self):
        report = self.story.report()
        same((report["rate_refusals"], report["mishaps"]), (0, 0), "requests above the vendor's rate, mishaps")
        same(report["discouraged"], {}, "discouraged calls")

    def check_again(self):
        """What is known to be there is recognised, and nothing is written."""
        before = len(self.effects())
        rows = self.story.push_again()
        same([row["outcome"] for row in rows], ["unchanged"] * len(rows), "the same again")
        same([row["id"] for row in rows], [self.records["contacts", mark][0]["id"] for mark in ("n1", "k1")],
             "ids of the same again")
        same(len(self.effects()), before, "effects of the same again")
