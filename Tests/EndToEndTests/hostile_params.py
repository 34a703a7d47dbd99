"""Hostile params: for every method of protocol/openrpc.json, each param missing, of a wrong type, unknown, and past each
of its bounds; and at its bounds, where it must pass."""

import json
import os

from peer import ROOT

with open(os.path.join(ROOT, "protocol", "openrpc.json")) as file:
    OPENRPC = json.load(file)
WRONG = {"string": 5, "integer": "5", "boolean": "true", "array": {}, "object": []}
MISSING_ID = "0" * 24


def resolved(schema):
    while "$ref" in schema:
        schema = OPENRPC["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    return schema


def types(schema):
    schema = resolved(schema)
    for word in ("anyOf", "oneOf"):
        if word in schema:
            return set().union(*(types(part) for part in schema[word]))
    kind = schema.get("type", [])
    return set([kind] if isinstance(kind, str) else kind)


def wrong_values(schema):
    """(what, value) of values that the schema refuses."""
    schema = resolved(schema)
    allowed = types(schema)
    for kind, value in (("a number", 5.5), ("a string", "\u00e9"), ("true", True), ("null", None), ("an array", [[]]), ("an object", {"": 1})):
        own = {"a number": {"number"}, "a string": {"string"}, "true": {"boolean"}, "null": {"null"}, "an array": {"array"},
               "an object": {"object"}}[kind]
        if allowed and not own & allowed:
            yield kind, value
    if "enum" in schema:
        yield "none of its values", "nonsense"
    if "minLength" in schema and schema["minLength"] > 0:
        yield "too short", "x" * (schema["minLength"] - 1)
    if "maxLength" in schema:
        yield "too long", "x" * (schema["maxLength"] + 1)
    if "minimum" in schema:
        yield "too small", schema["minimum"] - 1
    if "maximum" in schema:
        yield "too large", schema["maximum"] + 1
    if allowed == {"integer"}:
        yield "a fraction", 1.5
        yield "far too large", 10 ** 400
    if "minItems" in schema:
        yield "too few", []
    if "maxItems" in schema:
        item = resolved(schema["items"])
        one = item.get("enum", [{"title": "x"} if item.get("type") == "object" else "x"])[0]
        yield "too many", [one] * (schema["maxItems"] + 1)


def bounds(schema):
    """(what, value) of values at the bounds."""
    schema = resolved(schema)
    if "maxLength" in schema:
        yield "the longest", "x" * schema["maxLength"]
        yield "the shortest", "x" * max(1, schema.get("minLength", 0))
    if "minimum" in schema:
        yield "the smallest", schema["minimum"]
    if "maximum" in schema:
        yield "the largest", schema["maximum"]


def good_params(bench):
    session = bench.session
    return {
        "initiateSession": {"provider": "local", "schema": [{"endgrate_type": "crm-contact"}]},
        "getConfiguration": {"session_id": session}, "deleteSession": {"session_id": MISSING_ID},
        "pushTransfer": {"session_id": session, "endgrate_type": "crm-contact", "transfer_data": []},
        "getTransfer": {"transfer_id": bench.transfer}, "getData": {"transfer_id": bench.transfer},
        "cancelTransfer": {"transfer_id": bench.transfer}, "retryTransfer": {"transfer_id": bench.transfer},
        "resolveRecord": {"transfer_id": MISSING_ID, "resolution": "written", "id": "x"},
        "beginTransfer": {"session_id": session, "endgrate_type": "crm-contact"},
        "appendTransfer": {"transfer_id": MISSING_ID, "seq": 0, "transfer_data": []},
        "commitTransfer": {"transfer_id": MISSING_ID},
        "unsubscribe": {"subscription": "nobody"}, "ack": {"subscription": "nobody", "cursor": "x"},
        "exportIdentities": {"session_id": session},
        "importIdentities": {"session_id": session, "endgrate_type": "crm-contact", "identities": []},
        "hello": {"client": {"name": "hostile"}},
    }


def cases(bench):
    good = good_params(bench)
    for method in OPENRPC["methods"]:
        name, params = method["name"], good.get(method["name"], {})
        required = [param["name"] for param in method["params"] if param.get("required")]
        for key in required:
            left = {other: value for other, value in params.items() if other != key}
            yield "params: %s without %s" % (name, key), refused(bench, name, left, "", key)
        yield "params: %s with a member that nobody knows" % name, refused(
            bench, name, dict(params, zzz_unknown=1), "/zzz_unknown")
        for param in method["params"]:
            key = param["name"]
            for what, value in wrong_values(param["schema"]):
                yield "params: %s, %s is %s" % (name, key, what), refused(
                    bench, name, dict(params, **{key: value}), "/" + key)
            # A place to go on from is only good as it was given.
            if name == "drain" or key in ("wait_ms", "after"):
                continue
            for what, value in bounds(param["schema"]):
                yield "params: %s, %s is %s possible" % (name, key, what), passes(
                    bench, name, dict(params, **{key: value}), "/" + key)
    yield "params: all problems of a call at once", several(bench)
    yield from items(bench)


def refused(bench, method, params, path, mentions=""):
    def run():
        peer = bench.peer
        reply = peer.reply_to(peer.request(method, params))
        bench.expect_error(reply, "invalid_params", peer.number)
        problems = reply["error"]["data"]["details"]["problems"]
        assert any(problem["path"].startswith(path) and mentions in problem["message"] for problem in problems), problems
        assert peer.call("ping") == {}
    return run


def passes(bench, method, params, path):
    """The value is not what is refused: the answer is a result, or an error about something else."""
    def run():
        with bench.gateway.peer() as peer:
            reply = peer.reply_to(peer.request(method, params))
            if "error" in reply:
                bench.expect_error(reply, reply["error"]["data"]["name"], peer.number)
                problems = reply["error"]["data"].get("details", {}).get("problems", [])
                about = [problem for problem in problems if problem["path"].startswith(path)]
                # An account of the embedded provider is the name of a file, and the one limit is documented apart.
                assert not about or path in ("/account", "/protocol"), about
            assert peer.call("ping") == {}
    return run


def several(bench):
    def run():
        peer = bench.peer
        reply = peer.reply_to(peer.request("subscribe", {"window": 0, "ack": "never", "types": [], "x": 1, "heartbeat_ms": -1}))
        bench.expect_error(reply, "invalid_params", peer.number)
        paths = sorted(problem["path"] for problem in reply["error"]["data"]["details"]["problems"])
        assert paths == ["/ack", "/heartbeat_ms", "/types", "/window", "/x"], paths
    return run


def nested(depth):
    item = {"internal_id": "deep-%d" % depth}
    return dict(item, associations={"crm-contact": [nested(depth - 1)]}) if depth else item


def items(bench):
    """Items of pushTransfer: name -> item, error, path."""
    at = "/transfer_data/0"
    long = "\u00e9" * 257
    table = {
        "a number": (5, "invalid_params", at), "null": (None, "invalid_params", at),
        "an array": ([], "invalid_params", at),
        "a member that nobody knows": ({"datas": {}}, "invalid_params", at + "/datas"),
        "data that is an array": ({"data": []}, "invalid_params", at + "/data"),
        "data that is null": ({"data": None}, "invalid_params", at + "/data"),
        "an internal_id that is a number": ({"internal_id": 5}, "invalid_params", at + "/internal_id"),
        "an empty internal_id": ({"internal_id": ""}, "invalid_params", at + "/internal_id"),
        "an internal_id of 513 characters": ({"internal_id": "x" * 513}, "invalid_params", at + "/internal_id"),
        "an internal_id of 514 bytes": ({"internal_id": long}, "invalid_params", at + "/internal_id"),
        "an id that is a number": ({"id": 5}, "invalid_params", at + "/id"),
        "an id of 514 bytes": ({"id": long}, "invalid_params", at + "/id"),
        "associations that are an array": ({"associations": []}, "invalid_params", at + "/associations"),
        "associations of one that is no list": (
            {"associations": {"crm-contact": {}}}, "invalid_params", at + "/associations/crm-contact"),
        "an associated number": (
            {"associations": {"crm-contact": [1]}}, "invalid_params", at + "/associations/crm-contact/0"),
        "an associated item with a bad id": (
            {"associations": {"crm-contact": [{"internal_id": ""}]}}, "invalid_params", at + "/associations/crm-contact/0/internal_id"),
        "an association of an unknown type": (
            {"associations": {"crm-contract": []}}, "association_type_unknown", at + "/associations/crm-contract"),
        "associations 5 deep": (nested(5), "invalid_params", at + "/associations"),
        "associations 100 deep, which is 5 too many": (nested(30), "invalid_params", at + "/associations"),
    }
    for name, (item, error, path) in table.items():
        def bad(item=item, error=error, path=path):
            peer = bench.peer
            reply = peer.reply_to(peer.request(
                "pushTransfer", session_id=bench.session, endgrate_type="crm-contact", transfer_data=[item]))
            bench.expect_error(reply, error, peer.number)
            problems = reply["error"]["data"]["details"]["problems"]
            assert any(problem["path"].startswith(path) for problem in problems), problems
            assert peer.call("ping") == {}
        yield "item: " + name, bad

    def many():
        peer = bench.peer
        reply = peer.reply_to(peer.request(
            "pushTransfer", session_id=bench.session, endgrate_type="crm-contact", transfer_data=[1] * 10_000))
        bench.expect_error(reply, "invalid_params", peer.number)
        assert len(reply["error"]["data"]["details"]["problems"]) == 100
    yield "item: 10,000 bad ones are answered with 100 problems", many

    def records():
        """What a schema refuses, and what the provider does not know, fails the record and not the call."""
        peer = bench.peer
        bad = [{"data": {"email": 5}}, {"data": {"first_nam": "x"}}, {"id": "999999", "data": {"first_name": "x"}},
               {"data": {"email": "no address"}}, {"internal_id": "fine", "data": {"first_name": "Fine"}}]
        pushed = peer.call("pushTransfer", session_id=bench.session, endgrate_type="crm-contact", transfer_data=bad, synchronous=True)
        rows = peer.call("getData", transfer_id=pushed["transfer_id"])["transfer_data"]
        outcomes = [row["outcome"] for row in rows]
        assert outcomes[0:3] == ["refused"] * 3 and outcomes[4] in ("created", "unchanged"), outcomes
        assert all(row["id"] is None for row in rows if row["outcome"] == "refused"), rows
        errors = peer.call("getErrors", transfer_id=pushed["transfer_id"])["errors"]
        assert len(errors) == outcomes.count("refused"), errors
    yield "item: bad records fail alone", records
