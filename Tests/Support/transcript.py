"""Reads transcripts and compares what came with what they expect. The format: protocol/transcripts/README.md.

Nothing here knows a socket or a process, so every reader of transcripts can use it: the runner of the end-to-end tests,
and the tests of a client, which play one half of the conversation.
"""

import json
import re
from pathlib import Path

ARROWS = {
    "-->": "send", "<--": "expect",
    "==>": "to-provider", "<==": "from-provider", "~~>": "to-webhook", "<~~": "from-webhook",
}
# Kinds that are in the format, but that no transcript may use as long as nothing can play them.
RESERVED = {"to-provider", "from-provider"}
STAGES = {
    "options", "token", "over", "list", "connection", "send", "in", "close", "closed", "reconnect", "restart", "exit",
    "provider", "credential",
}
NAME = re.compile(r"\$(\$|[a-z][a-z0-9_]*|_)")
CAPTURED = re.compile(r'"\$([a-z][a-z0-9_]*)"|\$(\$|[a-z][a-z0-9_]*|_)')
MEMBER_NAME = re.compile(r'"(?:[^"\\]|\\.)*"\s*:')
REST = "..."


class TranscriptError(Exception):
    """The transcript itself is wrong; `line` is its number."""

    def __init__(self, line, message):
        super().__init__(message)
        self.line = line


class Number(str):
    """A number by its spelling: `1.10` and `1.1` differ, because the gateway promises to keep what it was given."""

    def __repr__(self):
        return str(self)


class Line:
    """One line that means something: `kind` is send, expect, stage or why."""

    def __init__(self, number, kind, text):
        self.number = number
        self.kind = kind
        self.text = text

    @property
    def words(self):
        return self.text.split()


def distinct(pairs):
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("an object has two members of one name")
    return members


def decode(text):
    """A JSON value whose numbers keep their spelling."""
    return json.loads(text, parse_int=Number, parse_float=Number, object_pairs_hook=distinct)


def encode(value):
    """Compact JSON, the reverse of `decode`."""
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, list):
        return "[" + ",".join(encode(member) for member in value) + "]"
    if isinstance(value, dict):
        members = (json.dumps(name, ensure_ascii=False) + ":" + encode(member) for name, member in value.items())
        return "{" + ",".join(members) + "}"
    return json.dumps(value, ensure_ascii=False)


def parse(path):
    """The lines of a transcript, comments included, in order."""
    lines = []
    for number, raw in enumerate(Path(path).read_text("utf-8").split("\n"), 1):
        text = raw.strip()
        if not text:
            continue
        if raw.startswith("    "):
            if not lines or lines[-1].kind not in ("send", "expect", "stage", "to-webhook"):
                raise TranscriptError(number, "an indented line goes on with nothing")
            lines[-1].text += " " + text
        elif text.startswith("//"):
            lines.append(Line(number, "why", text[2:].strip()))
        elif text.startswith("@ "):
            line = Line(number, "stage", text[2:].strip())
            if line.words[0] not in STAGES:
                raise TranscriptError(number, f"there is no stage direction {line.words[0]}")
            lines.append(line)
        elif text[:4] in {arrow + " " for arrow in ARROWS}:
            kind = ARROWS[text[:3]]
            if kind in RESERVED:
                raise TranscriptError(number, f"{text[:3]} is reserved")
            lines.append(Line(number, kind, raw[4:]))
        else:
            raise TranscriptError(number, "begins with none of //, -->, <--, ~~>, <~~, @ and four blanks")
    for line in lines:
        if line.kind == "to-webhook":
            line.path, _, line.text = line.text.partition(" ")
        if line.kind in ("expect", "to-webhook"):
            try:
                line.value = decode(line.text)
            except ValueError as error:
                raise TranscriptError(line.number, f"is no JSON: {error}") from None
    if not lines or lines[0].kind != "why":
        raise TranscriptError(1, "a transcript begins with why (//)")
    return lines


# MARK: Client lines


def fill(line, bound):
    """The text of a line with what was captured in place of `$name`. Names of members are left alone."""
    keys = [found.span() for found in MEMBER_NAME.finditer(line.text)]

    def value(found):
        if any(start <= found.start() < end for start, end in keys):
            return found.group()
        name = found.group(1) or found.group(2)
        if name == "$":
            return "$"
        if name not in bound:
            raise TranscriptError(line.number, f"${name} was not captured before")
        # A string that is nothing but a name becomes the value, whatever its type.
        text = encode(bound[name])
        return text if found.group(1) or not is_text(bound[name]) else text[1:-1]

    return CAPTURED.sub(value, line.text)


def escaped_bytes(line, text):
    r"""The bytes of a quoted text with \n \r \t \\ \" and \xNN."""
    text = text.strip()
    if len(text) < 2 or text[0] != '"' or text[-1] != '"':
        raise TranscriptError(line.number, "the bytes stand in double quotes")
    simple = {"n": b"\n", "r": b"\r", "t": b"\t", "\\": b"\\", '"': b'"'}

    def value(match):
        code = match.group(1).decode()
        if code[0] == "x":
            return bytes([int(code[1:], 16)])
        if code not in simple:
            raise TranscriptError(line.number, f"\\{code} is no escape here")
        return simple[code]

    return re.sub(rb"\\(x[0-9a-fA-F]{2}|.)", value, text[1:-1].encode("utf-8"))


def repeated(line, words):
    """`list NAME COUNT ITEM`: the name, and COUNT items in which `$i` counts from 0."""
    name, count, item = words.split(None, 2)
    if not count.isdigit():
        raise TranscriptError(line.number, "list takes a name, a count and an item")
    return name, [decode(item.replace("$i", str(index))) for index in range(int(count))]


# MARK: Comparing


def is_text(value):
    return isinstance(value, str) and not isinstance(value, Number)


def shown(value):
    text = encode(value)
    return text if len(text) <= 400 else text[:400] + "…"


def match(expected, came, bound, place=""):
    """Holds what came against what is expected.

    Gives (bindings, None), the bindings with what was captured on the way, or (None, what differs).
    """
    if is_text(expected) and NAME.search(expected):
        return match_text(expected, came, bound, place)
    if isinstance(expected, dict):
        return match_object(expected, came, bound, place)
    if isinstance(expected, list):
        return match_list(expected, came, bound, place)
    if type(expected) is type(came) and expected == came:
        return bound, None
    return None, f"{place or '/'}: expected {shown(expected)}, came {shown(came)}"


def match_object(expected, came, bound, place):
    if not isinstance(came, dict):
        return None, f"{place or '/'}: expected an object, came {shown(came)}"
    for name, value in expected.items():
        if name == REST:
            continue
        if name not in came:
            return None, f"{place}/{name}: is missing; came {shown(came)}"
        bound, difference = match(value, came[name], bound, f"{place}/{name}")
        if difference:
            return None, difference
    if REST not in expected:
        for name in came:
            if name not in expected:
                return None, f"{place}/{name}: was not expected; it is {shown(came[name])}"
    return bound, None


def match_list(expected, came, bound, place):
    if not isinstance(came, list):
        return None, f"{place or '/'}: expected a list, came {shown(came)}"
    is_open = bool(expected) and expected[-1] == REST
    wanted = expected[:-1] if is_open else expected
    if len(came) < len(wanted) or (len(came) > len(wanted) and not is_open):
        return None, f"{place or '/'}: expected {len(wanted)} elements, came {len(came)}: {shown(came)}"
    for index, value in enumerate(wanted):
        bound, difference = match(value, came[index], bound, f"{place}/{index}")
        if difference:
            return None, difference
    return bound, None


def match_text(expected, came, bound, place):
    """`$_` fits anything; `$name` captures, or must be what it was; both may stand inside of a text."""
    whole = NAME.fullmatch(expected)
    if whole and whole.group(1) == "_":
        return bound, None
    if whole and whole.group(1) != "$":
        name = whole.group(1)
        if name not in bound:
            return {**bound, name: came}, None
        return same(name, came, bound, place)
    if not is_text(came):
        return None, f"{place or '/'}: expected a text, came {shown(came)}"
    pattern, at, groups = "", 0, set()
    for found in NAME.finditer(expected):
        pattern += re.escape(expected[at:found.start()])
        at, name = found.end(), found.group(1)
        if name == "$":
            pattern += re.escape("$")
        elif name == "_":
            pattern += ".*"
        elif name in bound:
            pattern += re.escape(str(bound[name]))
        elif name in groups:
            pattern += f"(?P={name})"
        else:
            groups.add(name)
            pattern += f"(?P<{name}>.+)"
    found = re.fullmatch(pattern + re.escape(expected[at:]), came, re.DOTALL)
    if not found:
        return None, f"{place or '/'}: expected {shown(expected)}, came {shown(came)}"
    return {**bound, **found.groupdict()}, None


def same(name, came, bound, place):
    if type(bound[name]) is type(came) and bound[name] == came:
        return bound, None
    return None, f"{place or '/'}: expected ${name}, which is {shown(bound[name])}, came {shown(came)}"


def match_message(expected, came, bound):
    """As `match`, for whole messages: the answers of a batch may come in any order."""
    if not (isinstance(expected, list) and isinstance(came, list) and len(expected) == len(came)):
        return match(expected, came, bound)
    left = list(came)
    for value in expected:
        for place, candidate in enumerate(left):
            found, difference = match(value, candidate, bound)
            if not difference:
                bound = found
                del left[place]
                break
        else:
            return None, f"the batch has nothing like {shown(value)}; left are {shown(left)}"
    return bound, None
