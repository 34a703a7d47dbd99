"""From the values of a request to the values that are kept, or to the vendor's list of what is wrong.

Sources: page "Properties API" (types and formats), "Contacts" and "Companies" guides (required properties, e-mail as
the identifier, clearing by the empty string, life cycle stage moves forward only), captured error texts.
"""

import re
from datetime import datetime, timezone

from simulator.clock import iso

from .answers import VendorError, bad_input, invalid_values
from .properties import STAGES

EMAIL = re.compile(r"^[^\s@<>(),;:\\\"\[\]]+@[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)+$")
NUMBER = re.compile(r"^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?$")
TEXT_MAX = 65_536
REQUIRED = {"contacts": ("email", "firstname", "lastname"), "companies": ("name", "domain"), "deals": ("dealname",)}


def text_of(value):
    """The vendor's values are strings; numbers and booleans are read as their text, null as the empty string."""
    if value is None:
        return ""
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, (int, float, str)):
        return str(value)
    raise bad_input("Cannot deserialize value of type `java.lang.String`")


def domain_of(text: str) -> str:
    """A company's domain: lower case, without scheme, `www.`, path and port."""
    text = re.sub(r"^[a-z][a-z0-9+.-]*://", "", text.strip().lower())
    return re.sub(r"^www\.", "", re.split(r"[/?#:]", text)[0])


def moment(text: str, date: bool):
    """A date or a time in one of the accepted forms, as it is kept; None when it is not one."""
    if re.fullmatch(r"-?\d+", text):
        milliseconds = int(text)
    else:
        try:
            parsed = datetime.fromisoformat(text.replace("Z", "+00:00"))
        except ValueError:
            return None
        if parsed.tzinfo is None:
            parsed = parsed.replace(tzinfo=timezone.utc)
        milliseconds = int(parsed.timestamp() * 1000)
    if not date:
        return iso(milliseconds)
    return None if milliseconds % 86_400_000 else iso(milliseconds)[:10]


def checked(kind: str, entry, text: str):
    """One value as it is kept. Raises ValueError(code, message)."""
    if text == "":
        return ""
    if len(text) > TEXT_MAX:
        raise ValueError("VALUE_TOO_LONG", f"Property \"{entry.name}\" is limited to {TEXT_MAX} characters")
    if kind == "contacts" and entry.name == "email":
        if not EMAIL.match(text.strip()):
            raise ValueError("INVALID_EMAIL", f"Email address {text} is invalid")
        return text.strip().lower()
    if kind == "companies" and entry.name == "domain":
        return domain_of(text)
    if entry.kind == "number" and not NUMBER.match(text):
        raise ValueError("INVALID_NUMBER", f"{text} was not a valid number.")
    if entry.kind == "bool" or entry.field == "booleancheckbox":
        if text not in ("true", "false"):
            raise ValueError("INVALID_OPTION", f"{text} was not one of the allowed options: [true, false]")
    elif entry.kind == "enumeration":
        for part in text.split(";") if entry.multiple else [text]:
            if part and part not in entry.options:
                raise ValueError("INVALID_OPTION",
                                 f"{part} was not one of the allowed options: [{', '.join(entry.options)}]")
    if entry.kind in ("date", "datetime"):
        kept = moment(text, entry.kind == "date")
        if kept is None:
            code = "INVALID_DATE" if entry.kind == "date" else "INVALID_LONG"
            raise ValueError(code, f"{text} was not a valid {'date' if entry.kind == 'date' else 'long'}.")
        return kept
    if entry.pattern and not re.fullmatch(entry.pattern, text):
        raise ValueError("VALIDATION_RULE_FAILED", f"{text} does not match the validation rule of {entry.name}")
    return text


def values_of(kind: str, schema, properties, known=None) -> dict:
    """The checked values of one input; `known`: the record's present values, None for a create. Raises VendorError."""
    if not isinstance(properties, dict):
        raise bad_input("Some required fields were not set: [properties]")
    kept, failures = {}, []
    for name, given in properties.items():
        entry = schema.get(kind, name)
        text = text_of(given)
        if entry is None:
            failures.append({"name": name, "error": "PROPERTY_DOESNT_EXIST",
                             "message": f'Property "{name}" does not exist'})
            continue
        if entry.read_only:
            failures.append({"name": name, "error": "READ_ONLY_VALUE",
                             "message": f'"{entry.name}" is a read only property; its value cannot be set.'})
            continue
        try:
            kept[entry.name] = checked(kind, entry, text)
        except ValueError as error:
            failures.append({"name": entry.name, "error": error.args[0], "message": error.args[1]})
    if failures:
        raise invalid_values(failures)
    required(kind, kept, known)
    return forward_only(kept, known)


def required(kind: str, kept: dict, known):
    """What a create must have; a deal needs its stage as well, since that has no default. Raises VendorError."""
    if known is not None:
        return
    if not any(kept.get(name) for name in REQUIRED[kind]):
        names = ", ".join(REQUIRED[kind])
        raise VendorError(400, f"Error creating {kind.upper()}. At least one of these properties is required: {names}.",
                          "VALIDATION_ERROR")
    if kind == "deals" and not kept.get("dealstage"):
        raise VendorError(400, "Error creating DEAL. Some required properties were not set.", "VALIDATION_ERROR",
                          errors=[{"message": "Some required properties were not set.",
                                   "code": "MISSING_REQUIRED_PROPERTY", "context": {"properties": ["dealstage"]}}])


def forward_only(kept: dict, known) -> dict:
    """A life cycle stage that would go back is left as it is, without an error; it must be cleared first."""
    before = (known or {}).get("lifecyclestage")
    after = kept.get("lifecyclestage")
    if before and after and STAGES.index(after) < STAGES.index(before):
        return {name: value for name, value in kept.items() if name != "lifecyclestage"}
    return kept
