"""Row 9: how fast a push is scanned."""

import glob
import json
import os
import re
import shutil
import subprocess
import time

from . import machine
from .bulk import contacts
from .servers import Unavailable
from .table import Group
from .wire import encode

SIMDJSON = "simdjson, parse and visit all"


def scanned(workshop, rounds, scale):
    text = encode(1, "pushTransfer", {
        "session_id": "0" * 24, "endgrate_type": "crm-contact", "transfer_data": list(contacts(1_230, None))})
    group = Group(
        f"9  JSON: a push of 1,230 contacts, {len(text):,} bytes", "MB/s (10^6 bytes)", f"cpu {machine.SERVER}", rounds)
    path = os.path.join(workshop.folder(), "push.json")
    with open(path, "wb") as file:
        file.write(text)
    times = int(1_000 * scale)
    programs = {}
    for name, build in (("pushgate", _swift), (SIMDJSON, _simdjson)):
        try:
            programs[name] = [build(workshop), path, str(times)]
        except Unavailable as why:
            group.skip(name, why)
    for _ in range(rounds):
        for name, command in programs.items():
            group.add(name, len(text) / machine.run(command, machine.SERVER)["seconds"] / 1e6)
        group.add("python json.loads", _python(text, max(1, times // 10)))
    group.ratio("pushgate", SIMDJSON, at_least=0.6)
    group.ratio("pushgate", "python json.loads")
    group.say("pushgate also refuses duplicate keys, which neither of the others does.")
    yield group


def _swift(workshop):
    """Links the room JSON, as it was built beside the gateway, with a main file: no target of its own is needed."""
    build = os.path.dirname(workshop.gateway_binary)
    objects = glob.glob(os.path.join(build, "JSON.build", "*.o"))
    if not objects or not os.path.isdir(os.path.join(build, "Modules")):
        raise Unavailable("the objects of the build are not beside the gateway's binary")
    return _compile(workshop, "swiftc", "Swift", "scan", [
        "-O", "-static-stdlib", "-package-name", _package(build), "-I", os.path.join(build, "Modules"),
        os.path.join(workshop.sources, "clients/scan.swift"), *objects])


def _package(build):
    """What SwiftPM calls the package: the name of the folder that holds `.build`, as an identifier."""
    folder = os.path.basename(build.split("/.build/")[0]).lower()
    return re.sub(r"\W", "_", folder)


def _simdjson(workshop):
    return _compile(workshop, "c++", "libsimdjson-dev", "simd", [
        "-O2", "-std=c++17", os.path.join(workshop.sources, "references/simd.cpp"), "-lsimdjson"])


def _compile(workshop, compiler, package, name, words):
    if not shutil.which(compiler):
        raise Unavailable(f"{compiler} is not installed")
    program = os.path.join(workshop.folder(), name)
    done = subprocess.run(
        [compiler, *words, "-o", program], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        faults = [line for line in done.stdout.decode(errors="replace").splitlines() if "error" in line]
        raise Unavailable(f"it does not compile ({package}): {(faults or ['?'])[0].split('error: ')[-1][:120]}")
    return program


def _python(text, times):
    start = time.perf_counter()
    for _ in range(times):
        json.loads(text)
    return len(text) * times / (time.perf_counter() - start) / 1e6
