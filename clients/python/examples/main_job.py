"""The main job: two contacts with their companies, pushed, followed, read back, pushed again; then 10,000 contacts.

    python3 main_job.py PATH_TO_PUSHGATE [COUNT]

Starts a gateway of its own in a temporary folder and ends it again.
"""
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pushgate
from contacts import contacts

EXAMPLE = [
    {
        "internal_id": "Contact1",
        "data": {"first_name": "Bob", "last_name": "Smith"},
        "associations": {
            "crm-company": [
                {"internal_id": "Company1", "data": {"name": "Acme Corporation"}},
                {"internal_id": "Company2", "data": {"name": "Bacme Corporation"}},
            ]
        },
    },
    {
        "internal_id": "Contact2",
        "data": {"first_name": "David", "last_name": "Jones"},
        "associations": {"crm-company": [{"internal_id": "Company3", "data": {"name": "C Inc."}}]},
    },
]


def follow(subscription: pushgate.Subscription, seen: threading.Semaphore) -> None:
    for event in subscription:
        rows = event.data.get("transfer_data")
        print("    event %-9s %s" % (event.type, "" if rows is None else "%d rows" % len(rows)), flush=True)
        if event.type == "completed":
            seen.release()


def show(transfer: pushgate.Transfer) -> None:
    for row in transfer.data():
        companies = row["associations"].get("crm-company", [])
        print("    %s is record %s, companies %s: %s" % (row["internal_id"], row["id"], ", ".join(companies), row["outcome"]))


def progress(finished: int, total: int) -> None:
    if sys.stdout.isatty():
        width = 40 * finished // max(1, total)
        print("\r    [%s%s] %d of %d" % ("#" * width, " " * (40 - width), finished, total), end="", flush=True)


def run(socket: str, count: int) -> None:
    with pushgate.Client(socket) as client:
        session = client.initiate_session(
            "local", [{"endgrate_type": "crm-contact"}, {"endgrate_type": "crm-company"}], name="main-job"
        )["session_id"]
        print("Session %s on the embedded provider." % session)
        completed = threading.Semaphore(0)
        with client.subscribe(session_id=session) as subscription:
            listener = threading.Thread(target=follow, args=(subscription, completed), daemon=True)
            listener.start()
            for title in ("Two contacts with three companies:", "The same again:"):
                print(title)
                transfer = client.push(session, "crm-contact", EXAMPLE)
                completed.acquire(timeout=10)
                show(transfer)
        print("%d contacts:" % count)
        began = time.monotonic()
        transfer = client.push(session, "crm-contact", contacts(count), progress=progress, wait=False)
        summary = transfer.wait(progress=progress)
        print("%s    %s in %.1f s" % ("\n" if sys.stdout.isatty() else "", summary, time.monotonic() - began))


def main() -> int:
    binary, count = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 10_000
    with tempfile.TemporaryDirectory(prefix="pushgate-") as folder:
        socket = str(Path(folder, "gate.sock"))
        gateway = subprocess.Popen(
            [binary, "serve", "--listen", "unix:" + socket, "--store", str(Path(folder, "store.db")), "--log", "warning"]
        )
        try:
            while not Path(socket).exists() and gateway.poll() is None:
                time.sleep(0.005)
            run(socket, count)
        finally:
            gateway.terminate()
            gateway.wait(10)
    return 0


if __name__ == "__main__":
    sys.exit(main())
