"""Holds the source against the rules of the house that the compiler does not know (Sources/README.md).

Which room may import what; that pure rooms touch no clock, no chance and no C; the size of files and functions; words
that must not appear. Prints every finding and exits 1 if there is any.
"""
import pathlib
import re
import sys

SOURCES = pathlib.Path(__file__).resolve().parents[2] / "Sources"

# Every import that a room may have. The pure rooms: each other, downwards, and nothing else.
IMPORTS = {
    "JSON": set(),
    "JSONRPC": {"JSON"},
    "JSONSchema": {"JSON"},
    "PushCore": {"JSON", "JSONSchema"},
    "Providers": {"JSON", "PushCore"},
    "EventLoop": {"CLinux", "CUV", "Glibc"},
    "HTTPClient": {"CCurl", "CZlib", "EventLoop", "Glibc", "PushCore"},
    "LocalProvider": {"CSodium", "CSQLite", "EventLoop", "Glibc", "JSON", "PushCore"},
    "Store": {"CSQLite", "EventLoop", "Glibc", "PushCore"},
    "Gateway": {
        "CLinux", "CPCRE2", "CProtocolFiles", "CSodium", "EventLoop", "Glibc", "HTTPClient", "JSON", "JSONRPC",
        "JSONSchema", "LocalProvider", "Providers", "PushCore", "Store",
    },
    "pushgate": {"CLinux", "EventLoop", "Gateway", "Glibc", "HTTPClient", "JSON", "PushCore"},
}
PURE = {"JSON", "JSONRPC", "JSONSchema", "PushCore", "Providers"}
IMPURE = re.compile(
    r"\.random\(|SystemRandomNumberGenerator|ContinuousClock|SuspendingClock|\bTask\s*[{(]|\basync\b|\bawait\b|\bactor\b")
ESCAPES = re.compile(r"@unchecked Sendable|nonisolated\(unsafe\)|\btry!|\bfatalError\(|\bas!")
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX)\b")
LINES, FUNCTION_LINES = 450, 60
FUNCTION = re.compile(r"^(\s*)(?:@\w+(?:\([^)]*\))?\s+)*(?:(?:package|private|fileprivate|static|mutating|override|final|convenience)\s+|private\(set\)\s+)*(?:func\s|init[?(<]|deinit)")


def findings(path: pathlib.Path, room: str):
    lines = path.read_text().splitlines()
    if len(lines) > LINES:
        yield 1, f"{len(lines)} lines; the ceiling is {LINES}"
    start = None
    for number, line in enumerate(lines, 1):
        if line.startswith("import Synchronization") and path.name == "PatternMatcher.swift":
            continue  # One atomic slot, so that a matcher is Sendable and its workspace is reused.
        found = re.match(r"\s*(?:@\w+\s+)*(?:(?:package|public|internal|private|fileprivate)\s+)?import\s+(?:\w+\s+)?(\w+)", line)
        if found and found.group(1) not in IMPORTS[room]:
            yield number, f"{room} may not import {found.group(1)}"
        code = line.split("//")[0]
        if room in PURE and IMPURE.search(code):
            yield number, "a pure room uses a clock, chance or concurrency"
        if ESCAPES.search(code) and path.name != "Mailbox.swift":
            yield number, "an escape hatch that only EventLoop/Mailbox.swift may use"
        if UNFINISHED.search(line):
            yield number, "unfinished by its own words"
        opened = FUNCTION.match(code)
        if opened:
            start = (number, opened.group(1))
        if start and line.startswith(start[1] + "}") and len(line.rstrip()) == len(start[1]) + 1:
            if number - start[0] + 1 > FUNCTION_LINES:
                yield start[0], f"a function of {number - start[0] + 1} lines; the ceiling is {FUNCTION_LINES}"
            start = None
    for number, line in enumerate(lines, 1):
        if re.search(r"\b(?:class|struct|enum|protocol|actor)\s+" + room + r"\b", line):
            yield number, "a type bears its module's name"
        if re.search(r"\b(?:class|struct|enum)\s+\w*(?:Utils?|Helpers?|Common|Manager)\b", line):
            yield number, "a name that says nothing"


def main() -> int:
    count = 0
    files = sorted(SOURCES.glob("*/**/*.swift"))
    for path in files:
        room = path.relative_to(SOURCES).parts[0]
        for number, problem in findings(path, room):
            print(f"{path.relative_to(SOURCES.parent)}:{number}: {problem}")
            count += 1
    print(f"{len(files)} files, {count} findings")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
