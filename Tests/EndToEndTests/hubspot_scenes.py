"""Scenes of the fault campaign that are no combination: what is cancelled, and the vendor's rate over a restart."""

import time

from hubspot_faults import Case, Target, fault
from hubspot_story import CONTACT, PATIENCE, Push, Story, Violation, company, linked, with_email

CREATE = Target("cancelled", "batch.create", "contacts")
WRITING = ("batch.create", "batch.update", "associations.batch_default")


class Cancelled(Story):
    """A transfer is cancelled while a request of it hangs: nothing of it is sent after the answer, whatever became of the
    hanging request, and every record ends as what is at the vendor."""

    def __init__(self, when, is_killed, *house):
        kill = "killed" if is_killed else "none"
        super().__init__(Case(CREATE, fault(when, "stall", seconds=1.5), kill), *house)

    def play(self):
        self.open()
        self.set_fault("fault", CREATE.match(self.portal), self.case.fault)
        self.pushes = [Push(CONTACT, [with_email("p%03d" % number) for number in range(450)], {}, "all")]
        self.push()
        self.await_strike("fault")
        with self.gateway.peer(PATIENCE) as peer:
            peer.call("cancelTransfer", transfer_id=self.pushes[0].transfer)
            asked = self.report()["now"]
        if self.case.kill == "killed":
            self.kill()
        self.finish()
        # What would be sent wrongly has had the time for it.
        time.sleep(1)
        late = [entry["op"] for entry in self.requests() if entry["op"] in WRITING and entry["at"] > asked + 100]
        if late:
            raise Violation("sent after the cancelling was answered: %s" % late)
        self.check_rows()

    def check_rows(self):
        there = {record["values"]["jobtitle"]: record["id"] for record in
                 self.simulator.control("GET", "/state?portal=%d&object=contacts" % self.portal)}
        push, = self.pushes
        for row, item in zip(push.rows, push.items):
            mark, outcome = item["internal_id"], row["outcome"]
            if outcome == "created" and there.get(mark) != row["id"]:
                raise Violation("%s is created as %s and there as %s" % (mark, row["id"], there.get(mark)))
            if outcome == "unsent" and mark in there:
                raise Violation("%s is unsent and there" % mark)
            if outcome not in ("created", "unsent", "uncertain"):
                raise Violation("%s is %s" % (mark, outcome))
        doubts = [row["outcome"] for row in push.rows].count("uncertain")
        if len(push.errors) != doubts:
            raise Violation("%d errors and %d records in doubt" % (len(push.errors), doubts))
        if len(push.rows) != len(push.items):
            raise Violation("%d rows of %d" % (len(push.rows), len(push.items)))


class Hurried(Story):
    """Killed and started again and again while it searches: together the lives keep the vendor's rate."""

    def __init__(self, *house):
        super().__init__(Case(Target("hurried", "search", "companies"), None, "often"), *house)

    def play(self):
        self.open()
        for life in range(8):
            for number in range(4):
                name = "%d%d" % (life, number)
                fresh = Push(CONTACT, [linked(with_email("h" + name), company("c" + name))], {}, "push-" + name)
                self.pushes.append(fresh)
                with self.gateway.peer(PATIENCE) as peer:
                    self.send(peer, [fresh])
                time.sleep(self.chance.uniform(0.01, 0.05))
            self.gateway.kill()
            self.kills += 1
            self.gateway.start()
        self.finish()
        refused = self.report()["rate_refusals"]
        if refused:
            raise Violation("%d requests above the vendor's rate over %d restarts" % (refused, self.kills))


def scenes(house):
    """Functions that make the stories of all scenes; `house` gives what a story needs."""
    made = [lambda when=when, is_killed=is_killed: Cancelled(when, is_killed, *house())
            for when in ("before", "after", "late", "mid_batch") for is_killed in (False, True)]
    return [*made, lambda: Hurried(*house())]
