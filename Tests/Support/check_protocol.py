#!/usr/bin/env python3
"""Checks the files of protocol/ against themselves and against each other.

Usage: check_protocol.py [DIRECTORY]      (default: protocol/ of this repository)

Prints one line a finding, `file: place: what`, and exits with 1 if there is any. Needs the package jsonschema.

Results are open on the wire (a gateway may add members), but an example that shows a member nobody has described is a
fault of this repository. So results are closed before examples are held against them.
"""

import json
import re
import sys
from pathlib import Path

from jsonschema import Draft7Validator, Draft202012Validator, FormatChecker
from jsonschema.exceptions import UnknownType
from referencing.exceptions import Unresolvable

DIALECT = "https://json-schema.org/draft/2020-12/schema"
SCHEMA_REF = "#/components/schemas/"
ERROR_REF = "#/components/errors/"
# What drafts 7 and 2020-12 read alike, and the gateway's own validator implements.
KEYWORDS = {
    "$ref", "type", "description", "enum", "default", "format", "minLength", "maxLength", "minimum", "maximum",
    "items", "minItems", "maxItems", "properties", "required", "additionalProperties", "anyOf", "oneOf",
}
STANDALONE = {
    "session": "Session", "transfer": "Transfer", "record": "TransferItem", "result": "ResultRow", "event": "Event",
}
DRAFTS = [draft(draft.META_SCHEMA) for draft in (Draft7Validator, Draft202012Validator)]
RESERVED_CODES = {-32700, -32600, -32601, -32602, -32603, -32800}
UNITS = {"bytes", "levels", "calls", "connections", "subscriptions", "milliseconds", "records",
    "deliveries"}
MAX_LINES = 5_000
FORMATS = FormatChecker(formats=())
TIME = re.compile(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{3}Z")
FORMATS.checks("date-time")(lambda value: not isinstance(value, str) or TIME.fullmatch(value) is not None)


class Report:
    """Findings, in the order found."""

    def __init__(self):
        self.findings = []

    def add(self, file, place, what):
        self.findings.append(f"{file}: {place or '/'}: {what}")


def distinct(pairs):
    names = [name for name, _ in pairs]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"duplicate member {name}")
    return dict(pairs)


def load(root, path, report):
    """The value of a file, or None after a finding."""
    file = str(path.relative_to(root))
    try:
        text = path.read_bytes().decode("utf-8")
        value = json.loads(text, object_pairs_hook=distinct)
    except (OSError, ValueError) as error:
        report.add(file, "", str(error))
        return None
    if not text.endswith("\n") or "\t" in text or any(line != line.rstrip() for line in text.split("\n")):
        report.add(file, "", "tabs, blanks at the end of a line, or no line feed at the end")
    return value


def walk(value, place=""):
    """Every value below, with its JSON Pointer."""
    yield place, value
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, member in members:
        yield from walk(member, f"{place}/{name}")


def subschemas(schema, place=""):
    """A schema and every schema inside it, with its place."""
    yield place, schema
    for name, member in schema.get("properties", {}).items():
        yield from subschemas(member, f"{place}/properties/{name}")
    for keyword in ("items", "additionalProperties"):
        if isinstance(schema.get(keyword), dict):
            yield from subschemas(schema[keyword], f"{place}/{keyword}")
    for keyword in ("anyOf", "oneOf"):
        for index, member in enumerate(schema.get(keyword, [])):
            yield from subschemas(member, f"{place}/{keyword}/{index}")


def closed(value):
    """A copy in which an object that lists its members has no others."""
    if isinstance(value, list):
        return [closed(member) for member in value]
    if not isinstance(value, dict):
        return value
    copy = {name: closed(member) for name, member in value.items()}
    lists_members = isinstance(value.get("properties"), dict) and isinstance(value.get("type"), (str, list))
    if lists_members and "additionalProperties" not in value:
        copy["additionalProperties"] = False
    return copy


class OpenRPC:
    """The checks of openrpc.json."""

    file = "openrpc.json"

    def __init__(self, document, report):
        self.document = document
        self.report = report
        components = document.get("components", {})
        self.schemas = components.get("schemas", {})
        self.errors = components.get("errors", {})
        self.methods = {method.get("name"): method for method in document.get("methods", [])}
        self.ceilings = {ceiling.get("name"): ceiling for ceiling in document.get("x-ceilings", [])}
        self.closed_schemas = {name: closed(schema) for name, schema in self.schemas.items()}

    def add(self, place, what):
        self.report.add(self.file, place, what)

    def check(self):
        if self.document.get("openrpc") != "1.3.2":
            self.add("/openrpc", "is not 1.3.2")
        for member in ("title", "version", "description"):
            if not self.document.get("info", {}).get(member):
                self.add("/info", f"has no {member}")
        if len(self.methods) != len(self.document.get("methods", [])) or not self.methods:
            self.add("/methods", "no methods, or two of one name")
        for name, schema in self.schemas.items():
            self.schema(schema, f"/components/schemas/{name}")
            if "description" not in schema:
                self.add(f"/components/schemas/{name}", "has no description")
        for name, method in self.methods.items():
            self.method(method, f"/methods/{name}")
        for notification in self.document.get("x-notifications", []):
            self.notification(notification, f"/x-notifications/{notification.get('name')}")
        self.references()
        self.error_use()
        self.check_ceilings()

    def schema(self, schema, place):
        """Keywords of the subset, valid in both drafts, resolvable, with descriptions."""
        for draft in DRAFTS:
            for error in draft.iter_errors(schema):
                self.add(place, f"is no JSON Schema: {error.message}")
                return
        for inner, part in subschemas(schema, place):
            for keyword in set(part) - KEYWORDS:
                self.add(inner, f"uses {keyword}, which is outside the subset")
            if "$ref" in part and (len(part) > 1 or not part["$ref"].startswith(SCHEMA_REF)):
                self.add(inner, "a $ref has members beside it or leads outside components/schemas")
            for name in part.get("required", []):
                if "properties" in part and name not in part["properties"]:
                    self.add(inner, f"requires {name}, which it does not have")
            for name, member in part.get("properties", {}).items():
                if "$ref" not in member and "description" not in member:
                    self.add(f"{inner}/properties/{name}", "has no description")
            if "default" in part:
                self.valid({k: v for k, v in part.items() if k != "default"}, part["default"], inner + "/default")

    def references(self):
        used = set()
        for place, value in walk(self.document):
            reference = value.get("$ref") if isinstance(value, dict) else None
            if not isinstance(reference, str) or "/examples/" in place:
                continue
            known, prefix = (self.errors, ERROR_REF) if reference.startswith(ERROR_REF) else (self.schemas, SCHEMA_REF)
            if not reference.startswith(prefix) or reference[len(prefix):] not in known:
                self.add(place, f"{reference} leads nowhere")
            elif not place.startswith("/components/schemas/" + reference[len(prefix):] + "/"):
                used.add(reference[len(prefix):])
        for name in set(self.schemas) - used - set(STANDALONE.values()) - {"ErrorData"}:
            self.add(f"/components/schemas/{name}", "is not used")

    def valid(self, schema, value, place, strict=False):
        """Holds a value against a schema."""
        schemas = self.closed_schemas if strict else self.schemas
        schema = dict(closed(schema) if strict else schema, components={"schemas": schemas})
        if "$ref" in schema:  # a sibling of $ref is ignored in draft 7; 2020-12 reads both
            schema = {"allOf": [{"$ref": schema["$ref"]}], "components": schema["components"]}
        try:
            for error in Draft202012Validator(schema, format_checker=FORMATS).iter_errors(value):
                pointer = "".join(f"/{step}" for step in error.absolute_path)
                self.add(place + pointer, error.message[:300])
        except (UnknownType, Unresolvable) as error:
            self.add(place, f"cannot be held against its schema: {str(error).splitlines()[0]}")

    def descriptors(self, descriptors, place):
        names = [descriptor.get("name") for descriptor in descriptors]
        for descriptor in descriptors:
            inner = f"{place}/params/{descriptor.get('name')}"
            if names.count(descriptor.get("name")) > 1 or not isinstance(descriptor.get("schema"), dict):
                self.add(inner, "is there twice, or has no schema")
                continue
            extra = set(descriptor) - {"name", "description", "required", "schema", "x-warning"}
            if extra or not descriptor.get("description"):
                self.add(inner, f"has no description, or has unknown members {sorted(extra)}")
            self.schema(descriptor["schema"], inner)

    def bounded(self, descriptors, place):
        """Whatever a caller sends has a bound."""
        for descriptor in descriptors:
            for inner, part in subschemas(descriptor.get("schema", {}), f"{place}/params/{descriptor.get('name')}"):
                if part.get("type") == "string" and not {"enum", "maxLength"} & set(part):
                    self.add(inner, "is a string without maxLength or enum")
                if part.get("type") == "integer" and "minimum" not in part and descriptor["name"] != "progress_token":
                    self.add(inner, "is an integer without minimum")

    def example_params(self, example, descriptors, place):
        schemas = {descriptor["name"]: descriptor["schema"] for descriptor in descriptors}
        given = [param.get("name") for param in example.get("params", [])]
        for descriptor in descriptors:
            if descriptor.get("required") and descriptor["name"] not in given:
                self.add(place, f"lacks the param {descriptor['name']}")
        for param in example.get("params", []):
            if param.get("name") not in schemas or given.count(param["name"]) > 1:
                self.add(place, f"has the param {param.get('name')}, which is unknown or there twice")
            else:
                # What the gateway says is closed like a result; what a caller says is open where its schema is.
                strict = place.startswith("/x-notifications")
                self.valid(schemas[param["name"]], param.get("value"), f"{place}/params/{param['name']}", strict)

    def method(self, method, place):
        for member in ("name", "tags", "summary", "description", "params", "result", "errors", "examples"):
            if member not in method or method[member] in ("", {}):
                self.add(place, f"has no {member}")
                return
        if method.get("paramStructure") != "by-name":
            self.add(place, "paramStructure is not by-name")
        self.descriptors(method["params"], place)
        self.bounded(method["params"], place)
        result = method["result"]
        self.schema(result.get("schema", {}), place + "/result")
        if not result.get("name") or not result.get("description") or not result.get("schema"):
            self.add(place + "/result", "lacks name, description or schema")
        errors = [error.get("$ref") for error in method["errors"]]
        if len(set(errors)) != len(errors) or {ERROR_REF + "internal", ERROR_REF + "invalid_params"} - set(errors):
            self.add(place + "/errors", "an error is there twice, or internal or invalid_params is missing")
        if not method["examples"]:
            self.add(place + "/examples", "is empty")
        for index, example in enumerate(method["examples"]):
            inner = f"{place}/examples/{index}"
            self.example_params(example, method["params"], inner)
            answer = example.get("result", {})
            if not example.get("name") or answer.get("name") != result.get("name") or "value" not in answer:
                self.add(inner, "lacks its name, the result's name or the result's value")
                continue
            self.valid(result["schema"], answer["value"], inner + "/result", strict=True)
            self.links(answer["value"], inner + "/result")

    def notification(self, notification, place):
        for member in ("name", "summary", "description", "params", "examples"):
            if not notification.get(member):
                self.add(place, f"has no {member}")
                return
        if notification.get("x-direction") not in ("to-gateway", "to-client") or "result" in notification:
            self.add(place, "has no direction, or has a result")
        self.descriptors(notification["params"], place)
        for index, example in enumerate(notification["examples"]):
            inner = f"{place}/examples/{index}"
            self.example_params(example, notification["params"], inner)
            params = {param.get("name"): param.get("value") for param in example.get("params", [])}
            if notification["name"] == "event" and params.get("type") != "progress":
                # The params of `event` are an entry of the log and the subscription's id.
                entry = {name: value for name, value in params.items() if name != "subscription"}
                self.valid({"$ref": SCHEMA_REF + "Event"}, entry, inner, strict=True)
            self.links(params, inner)

    def links(self, value, place):
        """A link or reference in an example is a call that could be made."""
        for inner, part in walk(value, place):
            if inner.endswith(("/link", "/statistics")) and isinstance(part, str):
                name, _, query = part.partition("?")
                pairs = dict(pair.split("=", 1) for pair in query.split("&"))
                self.call(name, {k: int(v) if k in ("limit", "offset") else v for k, v in pairs.items()}, inner)
            elif inner.endswith("/ref") and isinstance(part, dict):
                self.call(part.get("method"), part.get("params", {}), inner)

    def call(self, name, params, place):
        if name not in self.methods:
            self.add(place, f"names the method {name}, which is not there")
            return
        example = {"params": [{"name": key, "value": value} for key, value in params.items()]}
        self.example_params(example, self.methods[name]["params"], place)

    def error_use(self):
        """Every error is answered by something or reserved, and not both."""
        named = lambda entries: {entry.get("$ref", "")[len(ERROR_REF):] for entry in entries}
        used = named(self.document.get("x-conversation-errors", []))
        for method in self.methods.values():
            used |= named(method.get("errors", []))
        reserved = named(self.document.get("x-reserved-errors", []))
        for name in set(self.errors) - used - reserved:
            self.add(f"/components/errors/{name}", "is neither used nor reserved")
        for name in used & reserved:
            self.add(f"/components/errors/{name}", "is both used and reserved")

    def check_ceilings(self):
        flags = [ceiling.get("flag") for ceiling in self.ceilings.values() if ceiling.get("flag")]
        if len(self.ceilings) != len(self.document.get("x-ceilings", [])) or len(set(flags)) != len(flags):
            self.add("/x-ceilings", "a name or a flag is there twice")
        for name, ceiling in self.ceilings.items():
            place = f"/x-ceilings/{name}"
            if set(ceiling) != {"name", "default", "unit", "flag", "error", "description"}:
                self.add(place, "has other members than name, default, unit, flag, error, description")
                continue
            if not isinstance(ceiling["default"], int) or ceiling["default"] < 1 or ceiling["unit"] not in UNITS:
                self.add(place, "has no positive default or no known unit")
            if ceiling["flag"] is not None and not re.fullmatch(r"--[a-z]+(-[a-z]+)*", ceiling["flag"]):
                self.add(place, "has a flag that is none")
            if ceiling["error"] is not None and ceiling["error"] not in self.errors:
                self.add(place, f"names the error {ceiling['error']}, which is not there")


def check_errors(table, openrpc, report):
    """errors.json, and its agreement with components/errors."""
    file = "errors.json"
    for key in ("code", "name", "message"):
        values = [entry.get(key) for entry in table]
        if len(set(values)) != len(values):
            report.add(file, "", f"a {key} is there twice")
    for entry in table:
        place = f"/{entry.get('name')}"
        if set(entry) != {"code", "name", "retryable", "message", "meaning", "action"}:
            report.add(file, place, "has other members than code, name, retryable, message, meaning, action")
            continue
        if entry["code"] not in RESERVED_CODES and not 1001 <= entry["code"] <= 9999:
            report.add(file, place, "the code is neither one of JSON-RPC's nor of 1001 to 9999")
        if not re.fullmatch(r"[a-z]+(_[a-z]+)*", entry["name"]) or not isinstance(entry["retryable"], bool):
            report.add(file, place, "the name is not snake_case, or retryable is no boolean")
        for member in ("message", "meaning", "action"):
            if not entry[member].endswith("."):
                report.add(file, place, f"{member} is no sentence")
        for name in re.findall(r"ceilings? `(\w+)`", entry["meaning"]):
            if name not in openrpc.ceilings:
                report.add(file, place, f"names the ceiling {name}, which is not there")
        expected = {
            "code": entry["code"], "message": entry["message"],
            "data": {"name": entry["name"], "retryable": entry["retryable"]},
        }
        if openrpc.errors.get(entry["name"]) != expected:
            report.add(file, place, "does not agree with components/errors of openrpc.json")
    for name in set(openrpc.errors) - {entry.get("name") for entry in table}:
        report.add(file, f"/{name}", "is in openrpc.json only")


def rewritten(value):
    """A copy whose references lead to $defs."""
    if isinstance(value, list):
        return [rewritten(member) for member in value]
    if not isinstance(value, dict):
        return value
    copy = {name: rewritten(member) for name, member in value.items()}
    if isinstance(value.get("$ref"), str):
        copy["$ref"] = value["$ref"].replace(SCHEMA_REF, "#/$defs/")
    return copy


def check_standalone(schemas, openrpc, report):
    """schemas/*.json are valid, and those that openrpc.json has too say the same."""
    for name, schema in schemas.items():
        file = f"schemas/{name}.json"
        for error in DRAFTS[1].iter_errors(schema):
            report.add(file, "", f"is no JSON Schema: {error.message}")
        if schema.get("$schema") != DIALECT or not schema.get("title") or not schema.get("description"):
            report.add(file, "", "lacks $schema, title or description")
        definitions = schema.get("$defs", {})
        parts = [part for _, part in walk(schema) if isinstance(part, dict)]
        wanted = {part["$ref"] for part in parts if isinstance(part.get("$ref"), str)}
        if wanted != {f"#/$defs/{key}" for key in definitions}:
            report.add(file, "/$defs", "a definition is missing or not used")
        if name not in STANDALONE:
            continue
        body = {key: value for key, value in schema.items() if key not in ("$schema", "title", "$defs")}
        if body != rewritten(openrpc.schemas.get(STANDALONE[name])):
            report.add(file, "", f"does not agree with {STANDALONE[name]} of openrpc.json")
        for key, definition in definitions.items():
            if definition != rewritten(openrpc.schemas.get(key)):
                report.add(file, f"/$defs/{key}", "does not agree with openrpc.json")
    for name in set(STANDALONE) - set(schemas):
        report.add(f"schemas/{name}.json", "", "is missing")


def check_readme(text, openrpc, report):
    """The conversation in README.md: each call fits its method, each answer the call with its id."""
    asked = {}
    openrpc.file = "README.md"  # findings of its checks from here on are about this file
    for number, line in enumerate(text.split("\n"), 1):
        if not line.startswith(("--> ", "<-- ")):
            continue
        message = json.loads(line[4:])
        place = f"line {number}"
        if line.startswith("-->"):
            asked[message["id"]] = message["method"]
            openrpc.call(message["method"], message["params"], place)
        else:
            result = openrpc.methods[asked[message["id"]]]["result"]["schema"]
            openrpc.valid(result, message["result"], place, strict=True)
    if not asked:
        report.add("README.md", "", "shows no conversation")


def main(arguments):
    root = Path(arguments[0]) if arguments else Path(__file__).resolve().parents[2] / "protocol"
    report = Report()
    document = load(root, root / "openrpc.json", report)
    table = load(root, root / "errors.json", report)
    folders = {
        folder: {path.stem: load(root, path, report) for path in sorted((root / folder).glob("*.json"))}
        for folder in ("schemas", "types", "providers")
    }
    known = load(root, root / "types.json", report)
    if not report.findings:
        from check_claims import check_claims
        from check_protocol_data import check_known, check_providers, check_types

        openrpc = OpenRPC(document, report)
        openrpc.check()
        text = (root / "openrpc.json").read_text()
        if text.count("\n") > MAX_LINES or len(text) > openrpc.ceilings.get("outbound_line", {}).get("default", 0):
            report.add("openrpc.json", "", "is too long to read, or too long for one line of rpc.discover")
        check_readme((root / "README.md").read_text(), openrpc, report)
        check_errors(table, openrpc, report)
        check_claims(root, report)
        check_standalone(folders["schemas"], openrpc, report)
        check_known(known, folders["types"], folders["providers"], report)
        if check_types(folders["types"], folders["schemas"], report):
            check_providers(folders["providers"], folders["types"], folders["schemas"], report)
    for finding in report.findings:
        print(finding)
    if not report.findings:
        print(f"protocol: {len(document['methods'])} methods, {len(table)} errors, "
              + ", ".join(f"{len(files)} {folder}" for folder, files in folders.items()) + ": no findings")
    return 1 if report.findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
