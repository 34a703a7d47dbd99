"""Holds the built binary against what is promised of it: no Foundation, no Dispatch, no concurrency runtime of its own
threads, and a size."""
import os
import pathlib
import subprocess
import sys
import tempfile

CEILING = 12 << 20


def main(path: str) -> int:
    problems = []
    libraries = subprocess.run(["ldd", path], capture_output=True, text=True, check=True).stdout
    symbols = subprocess.run(["nm", "-C", path], capture_output=True, text=True, check=True).stdout
    for name in ("Foundation", "dispatch"):
        if name.lower() in libraries.lower():
            problems.append(f"links {name}")
    if "Foundation." in symbols:
        problems.append("holds symbols of Foundation")
    # `contains`, `split` and `replacing` of a string by a string bring in more than a megabyte of regular expressions.
    if "_StringProcessing." in symbols or "_RegexParser." in symbols:
        problems.append("holds symbols of _StringProcessing")
    with tempfile.TemporaryDirectory() as folder:
        stripped = pathlib.Path(folder, "pushgate")
        subprocess.run(["strip", "-o", stripped, path], check=True)
        size = os.path.getsize(stripped)
    if size > CEILING:
        problems.append(f"{size} bytes stripped; the ceiling is {CEILING}")
    for problem in problems:
        print(problem)
    print(f"{size} bytes stripped, {len(problems)} findings")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
