"""The vendor's envelopes: errors, batches, and what each HTTP status says.

Source: page "Handling errors" (error-handling) for the members and the multi-status form; captured answers in public
integrations for exact texts. Every member of an error is optional by the vendor's own word.
"""

import json
import uuid

from simulator.exchange import Answer


class VendorError(Exception):
    """One refusal: an HTTP status and the members of the envelope besides `status` and `correlationId`."""

    def __init__(self, status: int, message: str, category=None, **members):
        super().__init__(message)
        self.status = status
        self.members = {"message": message, **members}
        if category is not None:
            self.members["category"] = category

    def answer(self, correlation: str, headers=None) -> Answer:
        order = ["message", "correlationId", "errors", "context", "links", "errorType", "policyName", "groupName"]
        members = {**self.members, "correlationId": correlation}
        body = {"status": "error"}
        for name in order + sorted(set(members) - set(order) - {"category"}) + ["category"]:
            if name in members:
                body[name] = members[name]
        return Answer(self.status, body, dict(headers or {}))

    def entry(self, trace=None) -> dict:
        """The same refusal as one entry of a multi-status answer."""
        context = dict(self.members.get("context", {}))
        if trace is not None:
            context["objectWriteTraceId"] = [trace]
        entry = {"status": "error", "category": self.members.get("category", "VALIDATION_ERROR"),
                 "message": self.members["message"], "context": context}
        if "errors" in self.members:
            entry["errors"] = self.members["errors"]
        return entry


def correlation() -> str:
    return str(uuid.uuid4())


def invalid_values(failures: list) -> VendorError:
    """`failures`: dictionaries with name, error, message (one for each bad property of the request, in its order)."""
    shown = [{"isValid": False, "message": failure["message"], "error": failure["error"], "name": failure["name"]}
             for failure in failures]
    text = json.dumps(shown, ensure_ascii=False, separators=(",", ":"))
    errors = [{"message": failure["message"], "code": failure["error"], "context": {"propertyName": [failure["name"]]}}
              for failure in failures]
    return VendorError(400, f"Property values were not valid: {text}", "VALIDATION_ERROR", errors=errors)


def bad_input(reason: str) -> VendorError:
    return VendorError(400, f"Invalid input JSON on line 1, column 1: {reason}", "VALIDATION_ERROR")


def whole_number(given) -> int:
    """A number of a query or a body that may also be its text. Raises VendorError."""
    text = str(given)
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise bad_input(f"{text} is not an integer")
    return int(text)


def objects_of(given, name: str) -> list:
    """A list of JSON objects (absent or null: none). Raises VendorError."""
    if given is None:
        return []
    if not isinstance(given, list) or not all(isinstance(entry, dict) for entry in given):
        raise bad_input(f"Cannot deserialize value of type `java.util.List` at {name}")
    return given


def names_of(given, name: str) -> list:
    """A list of strings (absent or null: none). Raises VendorError."""
    if given is None:
        return []
    if not isinstance(given, list) or not all(isinstance(entry, str) for entry in given):
        raise bad_input(f"Cannot deserialize value of type `java.util.List` at {name}")
    return given


def id_of(given, name: str) -> str:
    """The id of `{"id": …}`, also when it is written as a number. Raises VendorError."""
    identity = given.get("id") if isinstance(given, dict) else None
    if isinstance(identity, bool) or not isinstance(identity, (str, int)):
        raise bad_input(f"Some required fields were not set: [{name}]")
    return str(identity)


def text_of_name(given, name: str):
    """A string or None. Raises VendorError."""
    if given is not None and not isinstance(given, str):
        raise bad_input(f"Cannot deserialize value of type `java.lang.String` at {name}")
    return given


def not_found() -> VendorError:
    return VendorError(404, "resource not found")


def some_not_found(word: str, ids: list) -> dict:
    """The one entry that stands for all inputs of a batch that name no record. It carries no trace id."""
    return {"status": "error", "category": "OBJECT_NOT_FOUND", "context": {"ids": ids},
            "message": f"Could not get some {word} objects, they may be deleted or not exist. "
                       "Check that ids are valid."}


def duplicate_ids(ids: list) -> VendorError:
    return VendorError(400, f"Duplicate IDs found in batch input: [{', '.join(ids)}]. IDs must be unique",
                       "VALIDATION_ERROR", context={"ids": ids})


def missing_scopes(scopes: list) -> VendorError:
    return VendorError(403, "This app hasn't been granted all required scopes to make this call.", "MISSING_SCOPES",
                       context={"requiredGranularScopes": scopes}, links={"scopes": "https://developers.hubspot.com/scopes"})


def rate_limited(policy: str, form: str) -> VendorError:
    """`form` "policy": errorType and policyName; "category": only the category, as older answers have it."""
    message = f"You have reached your {policy.lower()} limit."
    if form == "category":
        return VendorError(429, message, "RATE_LIMITS")
    return VendorError(429, message, errorType="RATE_LIMIT", policyName=policy)


def batch(results: list, errors: list, started: str, completed: str, full=200) -> Answer:
    """A batch envelope; 207 with `errors` and `numErrors` as soon as one input failed."""
    body = {"completedAt": completed, "status": "COMPLETE", "startedAt": started, "results": results}
    if errors:
        body["numErrors"] = len(errors)
        body["errors"] = errors
    return Answer(207 if errors else full, body)


BROKEN = {
    423: ("The resource is locked, retry later", "LOCKED"),
    477: ("Account is being migrated", "MIGRATION_IN_PROGRESS"),
    500: ("internal error", None),
    502: ("bad gateway", None),
    503: ("The service is temporarily unavailable", None),
    504: ("Gateway timeout", None),
}
"""Texts for statuses that only a fault plan makes. The texts are ours: the vendor documents the statuses alone."""
