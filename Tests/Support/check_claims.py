"""The check of protocol/CLAIMS.md: every decision has a row, every row leads to what shows it. Used by check_protocol.py."""

import re
from pathlib import Path

NUMBERS = [f"D{number}" for number in range(1, 46)] + [f"K{number}" for number in range(1, 37)]
# Claims that nothing in this version can show, and the words that have to say why.
NOT_HERE = {
    "over HTTP": {"D35", "K15", "K21", "K32"},
    "hosted page": {"D36"},
}
ROW = re.compile(r"\| ([DK]\d+) \| (.+?) \| (.*?) \|")
LINK = re.compile(r"\[([^]]+)\]\(([^)]+)\)")
REPOSITORY = Path(__file__).resolve().parents[2]


def check_claims(root, report):
    """`root` is the folder protocol/ or a copy of it; what lies outside of it is looked for in this repository."""
    file = "CLAIMS.md"
    try:
        lines = (root / file).read_text().split("\n")
    except OSError as error:
        report.add(file, "", str(error))
        return
    seen = []
    for line in lines:
        if not re.match(r"\| [DK]\d", line):
            continue
        row = ROW.fullmatch(line)
        if row is None:
            report.add(file, line[:20], "is no row of number, claim and what shows it")
            continue
        number, _, shown = row.groups()
        seen.append(number)
        links = LINK.findall(shown)
        if not links and not any(words in shown and number in numbers for words, numbers in NOT_HERE.items()):
            report.add(file, number, "nothing shows it")
        for text, path in links:
            check_link(root, number, text, path, report)
    for number in NUMBERS:
        if seen.count(number) != 1:
            report.add(file, number, "has no row" if number not in seen else "has two rows")
    for number in seen:
        if number not in NUMBERS:
            report.add(file, number, "is no number of a decision")


def check_link(root, number, text, path, report):
    """A transcript bears the name of its claim; any other file holds it, as words or as a name."""
    target = REPOSITORY / "protocol" / path if path.startswith("../") else root / path
    if not target.is_file():
        report.add("CLAIMS.md", number, f"{path} is not there")
    elif target.suffix == ".transcript":
        if target.stem != text:
            report.add("CLAIMS.md", number, f"{text} leads to {target.stem}")
    elif text != target.name:
        content = target.read_text()
        if text not in content and text.replace(" ", "_") not in content:
            report.add("CLAIMS.md", number, f"{path} has nothing named \"{text}\"")
