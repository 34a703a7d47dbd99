"""Holds messages of a play against protocol/openrpc.json, and keeps count of what was seen."""

import json

from jsonschema import Draft202012Validator

from check_protocol import ERROR_REF, FORMATS, SCHEMA_REF, closed, distinct

# Errors that no transcript can show, and why. Whatever else openrpc.json does not reserve must be seen.
CANNOT_BE_SHOWN = {
    "forbidden": "a transcript has one user; hostile_peers.py shows it as another one",
    "deadline_exceeded": "only a plan whose provider is silent for 300 s ends so",
    "internal": "it would be a fault of the gateway",
}
# Codes that may answer any call whatever its method lists: they belong to the line or the connection.
ALWAYS = {"parse_error", "invalid_request", "method_not_found", "request_too_large", "line_timeout",
          "too_many_connections", "forbidden"}


class Failure(Exception):
    """A play went another way than its transcript; `line` is the number of the line."""

    def __init__(self, line, message):
        super().__init__(message)
        self.line = line


class Coverage:
    """What was seen."""

    KINDS = ("methods", "errors", "notifications", "events", "webhooks")

    def __init__(self):
        for kind in self.KINDS:
            setattr(self, kind, set())
        # Methods that were answered, be it with an error.
        self.called = set()

    def add(self, other):
        for kind in self.KINDS:
            getattr(self, kind).update(getattr(other, kind))

    def __str__(self):
        return ", ".join(f"{len(getattr(self, kind))} {kind}" for kind in self.KINDS) + " seen"


class Contract:
    """The contract, with one validator for each method, error and notification."""

    def __init__(self, folder):
        self.document = json.loads((folder / "openrpc.json").read_text(), object_pairs_hook=distinct)
        errors = json.loads((folder / "errors.json").read_text(), object_pairs_hook=distinct)
        self.codes = {entry["code"]: entry for entry in errors}
        schemas = self.document["components"]["schemas"]
        self.open = {"components": {"schemas": schemas}}
        self.closed = {"components": {"schemas": {name: closed(schema) for name, schema in schemas.items()}}}
        self.methods, self.results, self.errors = {}, {}, {}
        for method in self.document["methods"]:
            name = method["name"]
            self.methods[name] = self.params(method, self.open)
            self.results[name] = self.validator(closed(method["result"]["schema"]), self.closed)
            self.errors[name] = {error["$ref"][len(ERROR_REF):] for error in method["errors"]} | ALWAYS
        self.notifications = {
            notification["name"]: self.params(notification, self.closed)
            for notification in self.document["x-notifications"]
        }
        self.to_client = {
            entry["name"] for entry in self.document["x-notifications"] if entry["x-direction"] == "to-client"
        }
        self.webhooks = {
            entry["name"]: self.validator(entry["payload"] or self.result_of("getConfiguration"), self.closed)
            for entry in self.document["x-webhooks"]
        }
        self.event = self.validator({"$ref": SCHEMA_REF + "Event"}, self.closed)
        self.error_data = self.validator({"$ref": SCHEMA_REF + "ErrorData"}, self.closed)
        types = next(entry for entry in self.document["x-notifications"] if entry["name"] == "event")["params"]
        self.event_types = set(next(param for param in types if param["name"] == "type")["schema"]["enum"])

    def result_of(self, name):
        method = next(method for method in self.document["methods"] if method["name"] == name)
        return closed(method["result"]["schema"])

    @staticmethod
    def validator(schema, components):
        if "$ref" in schema:
            schema = {"allOf": [schema]}
        return Draft202012Validator({**schema, **components}, format_checker=FORMATS)

    def params(self, entry, components):
        """The params of a method or notification are one object that holds nothing else."""
        strict = closed if components is self.closed else (lambda schema: schema)
        return self.validator({
            "type": "object", "additionalProperties": False,
            "properties": {param["name"]: strict(param["schema"]) for param in entry["params"]},
            "required": [param["name"] for param in entry["params"] if param.get("required")],
        }, components)

    @staticmethod
    def first_error(validator, value, what):
        for error in validator.iter_errors(value):
            pointer = "".join(f"/{step}" for step in error.absolute_path)
            return f"{what}{pointer} breaks openrpc.json: {error.message[:300]}"
        return None

    # MARK: One message

    def check_reply(self, reply, call, coverage):
        """What is wrong with an answer, or None. `call` is the method and params asked, None if there is none."""
        if set(reply) not in ({"jsonrpc", "id", "result"}, {"jsonrpc", "id", "error"}) or reply["jsonrpc"] != "2.0":
            return "an answer has jsonrpc, id, and either result or error"
        if "error" in reply:
            return self.check_error(reply["error"], call, coverage)
        if call is None:
            return "a result for a call that was not made"
        method, params = call
        if method not in self.methods:
            return f"a result of {method}, which openrpc.json does not have"
        coverage.methods.add(method)
        coverage.called.add(method)
        return self.first_error(self.methods[method], params or {}, "params, which were accepted: ") or \
            self.first_error(self.results[method], reply["result"], "result")

    def check_error(self, error, call, coverage):
        entry = self.codes.get(error.get("code"))
        if entry is None or set(error) != {"code", "message", "data"} or not error["message"]:
            return "an error has code, message and data, and its code is in errors.json"
        coverage.errors.add(entry["name"])
        if error["data"].get("name") != entry["name"] or error["data"].get("retryable") != entry["retryable"]:
            return f"data.name and data.retryable do not agree with errors.json, which says {entry['name']}"
        method, params = call or (None, None)
        coverage.called.add(method)
        if method in self.methods and entry["name"] not in self.errors[method]:
            return f"openrpc.json does not list {entry['name']} under {method}"
        return self.first_error(self.error_data, error["data"], "error.data")

    def check_notification(self, message, coverage):
        name = message["method"]
        if set(message) != {"jsonrpc", "method", "params"} or name not in self.to_client:
            return f"{name} is no notification of openrpc.json, or has other members than params"
        coverage.notifications.add(name)
        params = message["params"]
        fault = self.first_error(self.notifications[name], params, "params")
        if fault or name != "event":
            return fault
        coverage.events.add(params["type"])
        if params["type"] == "progress":
            return None
        entry = {key: value for key, value in params.items() if key != "subscription"}
        return self.first_error(self.event, entry, "event")

    def check_webhook(self, body, coverage):
        """What is wrong with the body of a webhook, or None."""
        body = dict(body)
        if not isinstance(body.pop("metadata", None), dict):
            return "a webhook carries metadata"
        kind = next((kind for member, kind in (("pk", "error"), ("transfer_data", "data"), ("schemas", "configuration"))
                     if member in body), "completed")
        coverage.webhooks.add(kind)
        return self.first_error(self.webhooks[kind], body, f"the {kind} webhook")

    # MARK: All of them

    def check_folder(self, folder, coverage):
        """A transcript lies in the folder of the method that it is about, or in that of the conversation itself."""
        if folder != "conversation" and folder not in coverage.called:
            raise Failure(1, f"it lies in {folder}/ but has no answer to such a call")

    def gaps(self, coverage):
        """What should have been seen and was not, and what was said to be impossible and was seen."""
        reserved = {entry["$ref"][len(ERROR_REF):] for entry in self.document["x-reserved-errors"]}
        names = {entry["name"] for entry in self.codes.values()}
        wanted = {
            "methods": set(self.methods), "errors": names - reserved - set(CANNOT_BE_SHOWN),
            "notifications": self.to_client, "events": self.event_types, "webhooks": set(self.webhooks),
        }
        for kind, expected in wanted.items():
            for name in sorted(expected - getattr(coverage, kind)):
                yield f"{kind}: {name}"
        for name in sorted(coverage.errors & (reserved | set(CANNOT_BE_SHOWN))):
            yield f"errors: {name} was seen, but is listed as one that cannot be"
