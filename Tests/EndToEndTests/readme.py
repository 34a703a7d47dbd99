"""Executes the tour of the README as a reader would: the blocks in their order, in one folder, against the built binary.

The two commands at its top are not run here: the second one runs this. That the first is spelled as in the repository is
checked. Last line: N passed, N failed.
"""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("PUSHGATE_BINARY", str(ROOT / ".build/release/pushgate"))

# What a reader must see, by a word of the block that prints it.
EXPECTED = {
    "initiateSession '": '"created":true',
    "listSessions": '"name":"tour"',
    "import pushgate": "Contact1 created 2 companies\nContact2 created 1 companies",
    "import { Client }": "Contact1 unchanged\nContact2 updated",
    "getEvents": '"type":"data"',
}


def blocks():
    text = (ROOT / "README.md").read_text()
    return re.findall(r"^```(sh|python|js)\n(.*?)^```", text, re.M | re.S)


def run(kind, code, folder, env):
    if kind == "python":
        return subprocess.run([sys.executable, "-c", code], cwd=folder, env=env, capture_output=True, text=True, timeout=60)
    if kind == "js":
        script = folder / "tour.mjs"
        script.write_text(code)
        return subprocess.run(["node", str(script)], cwd=folder, env=env, capture_output=True, text=True, timeout=60)
    script = "shopt -s expand_aliases\nalias pushgate=%s\n" % BINARY + code
    return subprocess.run(["bash", "-c", script], cwd=folder, env=env, capture_output=True, text=True, timeout=60)


def main() -> int:
    passed = failed = 0
    folder = pathlib.Path(tempfile.mkdtemp(prefix="pushgate-readme-"))
    os.symlink(ROOT / "clients", folder / "clients")
    env = dict(os.environ, PYTHONPATH=str(ROOT / "clients/python/src"), PUSHGATE_SOCKET="tour.sock")
    server = None
    try:
        for number, (kind, code) in enumerate(blocks()):
            if "Tests/check" in code:
                ok = all((ROOT / line).exists() for line in code.split())
                why = "a command of the README is not in the repository"
            elif "pushgate serve" in code:
                arguments = re.search(r"pushgate (serve .*?) &", code).group(1).split()
                server = subprocess.Popen([BINARY, *arguments], cwd=folder, stderr=subprocess.DEVNULL)
                for _ in range(200):
                    if (folder / "tour.sock").exists():
                        break
                    time.sleep(0.02)
                ok, why = (folder / "tour.sock").exists(), "the gateway did not start"
            else:
                done = run(kind, code, folder, env)
                wanted = next((text for word, text in EXPECTED.items() if word in code), "")
                ok = done.returncode == 0 and wanted in done.stdout
                why = "exit %d\n%s%s\nexpected: %s" % (done.returncode, done.stdout, done.stderr, wanted)
            passed, failed = (passed + 1, failed) if ok else (passed, failed + 1)
            if not ok:
                print("block %d (%s): %s" % (number + 1, kind, why))
    finally:
        if server:
            server.send_signal(signal.SIGTERM)
            if server.wait(10) != 0:
                print("the gateway ended with %d" % server.returncode)
                failed += 1
        shutil.rmtree(folder)
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
