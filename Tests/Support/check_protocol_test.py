#!/usr/bin/env python3
"""Shows that check_protocol.py finds what it is for: each case breaks a copy of protocol/ in one place.

Run: python3 Tests/Support/check_protocol_test.py
"""

import contextlib
import io
import json
import re
import shutil
import tempfile
import unittest
from pathlib import Path

import check_protocol

PROTOCOL = Path(__file__).resolve().parents[2] / "protocol"


def method(document, name):
    return next(entry for entry in document["methods"] if entry["name"] == name)


def notification(document, name):
    return next(entry for entry in document["x-notifications"] if entry["name"] == name)


def result_of(document, name, index=0):
    return method(document, name)["examples"][index]["result"]["value"]


def example_param(document, name, param, value):
    params = method(document, name)["examples"][0]["params"]
    next(entry for entry in params if entry["name"] == param)["value"] = value


def components(document):
    return document["components"]["schemas"]


# (file, what is broken, part of the finding)
BREAKS = [
    ("openrpc.json", lambda d: d.update(openrpc="1.2"), "is not 1.3.2"),
    ("openrpc.json", lambda d: d["info"].pop("version"), "has no version"),
    ("openrpc.json", lambda d: d["methods"].append(method(d, "ping")), "two of one name"),
    ("openrpc.json", lambda d: method(d, "ping").pop("summary"), "has no summary"),
    ("openrpc.json", lambda d: method(d, "ping").pop("paramStructure"), "is not by-name"),
    ("openrpc.json", lambda d: method(d, "ping")["examples"].clear(), "is empty"),
    ("openrpc.json", lambda d: method(d, "ping")["result"].pop("description"), "lacks name, description or schema"),
    ("openrpc.json", lambda d: method(d, "ping")["errors"].pop(), "internal or invalid_params is missing"),
    ("openrpc.json", lambda d: method(d, "ping")["errors"].append({"$ref": "#/components/errors/no"}), "leads nowhere"),
    ("openrpc.json", lambda d: method(d, "ack")["params"].append(method(d, "ack")["params"][0]), "there twice"),
    ("openrpc.json", lambda d: method(d, "ack")["params"][0].pop("description"), "has no description"),
    ("openrpc.json", lambda d: method(d, "ack")["params"][0]["schema"].pop("maxLength"), "without maxLength"),
    ("openrpc.json", lambda d: method(d, "getData")["params"][2]["schema"].pop("minimum"), "without minimum"),
    ("openrpc.json", lambda d: method(d, "getData")["params"][2]["schema"].update(default=0), "less than the minimum"),
    ("openrpc.json", lambda d: method(d, "ack")["params"][0]["schema"].update(pattern="s"), "outside the subset"),
    ("openrpc.json", lambda d: method(d, "ack")["params"][0]["schema"].update(type="text"), "is no JSON Schema"),
    ("openrpc.json", lambda d: method(d, "ack")["params"][1]["schema"].update(title="Cursor"), "members beside it"),
    ("openrpc.json", lambda d: method(d, "ack")["examples"][0]["params"].pop(), "lacks the param cursor"),
    ("openrpc.json", lambda d: method(d, "ping")["examples"][0]["params"].append({"name": "x", "value": 1}), "unknown"),
    ("openrpc.json", lambda d: example_param(d, "pushTransfer", "transfer_data", [{"internal_id": ""}]), "internal_id"),
    ("openrpc.json", lambda d: example_param(d, "pushTransfer", "transfer_data", [{"internalId": "1"}]), "internalId"),
    ("openrpc.json", lambda d: result_of(d, "getTransfer").update(state="done"), "'done' is not one of"),
    ("openrpc.json", lambda d: result_of(d, "getTransfer").pop("summary"), "'summary' is a required property"),
    ("openrpc.json", lambda d: result_of(d, "getTransfer").update(owner="me"), "'owner' was unexpected"),
    ("openrpc.json", lambda d: result_of(d, "getTransfer").update(created="2026-01-05 09:30:00"),
     "is not a 'date-time'"),
    ("openrpc.json", lambda d: result_of(d, "ping").update(pong=True), "'pong' was unexpected"),
    ("openrpc.json", lambda d: result_of(d, "getData", 1)["meta"]["previous"].update(link="getRows?offset=0"),
     "names the method getRows"),
    ("openrpc.json", lambda d: result_of(d, "getEvents")["events"][0].pop("data"), "is not valid under any"),
    ("openrpc.json", lambda d: components(d).update(Stray={"type": "string", "description": "S."}), "is not used"),
    ("openrpc.json", lambda d: components(d)["Gap"]["required"].append("size"), "requires size"),
    ("openrpc.json", lambda d: components(d)["Session"]["properties"]["name"].pop("description"), "has no description"),
    ("openrpc.json", lambda d: components(d)["Summary"]["properties"].pop("unsent"), "does not agree with"),
    ("openrpc.json", lambda d: notification(d, "event").pop("x-direction"), "has no direction"),
    ("openrpc.json", lambda d: notification(d, "event")["examples"][0]["params"].pop(), "is not valid under any"),
    ("openrpc.json", lambda d: notification(d, "$/progress")["examples"][0]["params"][1]["value"].update(left=1),
     "left"),
    ("openrpc.json", lambda d: [entry["errors"].remove(stale) for entry in d["methods"] for stale in [
        {"$ref": "#/components/errors/plan_stale"}] if stale in entry["errors"]], "is neither used nor reserved"),
    ("openrpc.json", lambda d: d["x-reserved-errors"].append({"$ref": "#/components/errors/internal"}),
     "both used and"),
    ("openrpc.json", lambda d: d["x-ceilings"].append(d["x-ceilings"][0]), "there twice"),
    ("openrpc.json", lambda d: d["x-ceilings"][0].update(unit="pounds"), "no known unit"),
    ("openrpc.json", lambda d: d["x-ceilings"][0].update(flag="-m"), "a flag that is none"),
    ("openrpc.json", lambda d: d["x-ceilings"][0].update(error="too_big"), "names the error too_big"),
    ("openrpc.json", lambda d: d["x-ceilings"][0].pop("error"), "has other members than name"),
    ("openrpc.json", lambda d: d["x-ceilings"][0].update(name="line"), "names the ceiling inbound_line"),
    ("openrpc.json", lambda d: d["info"].update(description="long " * 250_000), "is too long"),
    ("errors.json", lambda e: e[0].update(code=e[1]["code"]), "a code is there twice"),
    ("errors.json", lambda e: e[0].update(code=-32001), "neither one of JSON-RPC's"),
    ("errors.json", lambda e: e[7].update(retryable=False), "does not agree with components/errors"),
    ("errors.json", lambda e: e[7].update(retryable="yes"), "retryable is no boolean"),
    ("errors.json", lambda e: e[7].update(action="Wait"), "action is no sentence"),
    ("errors.json", lambda e: e[7].pop("action"), "has other members than code"),
    ("errors.json", lambda e: e.pop(), "is in openrpc.json only"),
    ("schemas/event.json", lambda s: s["$defs"].pop("Summary"), "a definition is missing"),
    ("schemas/event.json", lambda s: s["$defs"]["Summary"].update(description="S."),
     "does not agree with openrpc.json"),
    ("schemas/record.json", lambda s: s.pop("title"), "lacks $schema, title or description"),
    ("schemas/record.json", lambda s: s.update(type="thing"), "is no JSON Schema"),
    ("types/crm-deal.json", lambda t: t["properties"]["name"].pop("title"), "'title' is a required property"),
    ("types/crm-deal.json", lambda t: t.update(title="Contact"), "title of another type"),
    ("types/crm-deal.json", lambda t: t["properties"]["amount"].update(type="string"), "another type or title"),
    ("types/crm-deal.json", lambda t: t["properties"].pop("amount"), "no property of the default schema"),
    ("types/crm-deal.json", lambda t: t["properties"]["amount"].update(minimum="0"), "is no JSON Schema"),
    ("types/crm-contact.json", lambda t: t["properties"]["addresses"]["items"]["properties"].pop("city"), "array_of"),
    ("providers/local.json", lambda p: p.update(name="remote"), "is not the name of the file"),
    ("providers/local.json", lambda p: p.update({"class": "sure"}), "'sure' is not one of"),
    ("providers/local.json", lambda p: p.update(token="x"), "'token' was unexpected"),
    ("providers/local.json", lambda p: p["resources"].append(p["resources"][0]), "two resources of one name"),
    ("providers/local.json", lambda p: p["resources"][0]["fields"][0]["synonyms"].append("E-Mail"),
     "email is there twice"),
    ("providers/local.json", lambda p: p["resources"][0]["match"].append(["fax"]), "names the field fax"),
    ("providers/local.json", lambda p: p["resources"][0]["match"].append(["company"]), "how company is compared"),
    ("providers/local.json", lambda p: p["resources"][0]["derived"][1].update(member="mail"), "from the member mail"),
    ("providers/local.json", lambda p: p["resources"][0]["associations"]["crm-deal"].update(resource="companies"),
     "leads to no resource"),
    ("providers/local.json", lambda p: p["resources"][0]["fields"][0].update(type="array"), "array without array_of"),
    ("types.json", lambda t: t["known"].reverse(), "is not in order"),
    ("types.json", lambda t: t["known"].remove("crm-deal"), "lacks crm-deal"),
    ("types.json", lambda t: t["known"].append("zebra"), "zebra is not of the form"),
    ("types.json", lambda t: t.update(more=[]), "has other members than description and known"),
]


def findings(directory):
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        status = check_protocol.main([str(directory)])
    return status, output.getvalue()


class CheckProtocolTest(unittest.TestCase):
    def setUp(self):
        self.directory = Path(self.enterContext(tempfile.TemporaryDirectory())) / "protocol"
        shutil.copytree(PROTOCOL, self.directory)

    def test_the_files_as_they_are_have_no_findings(self):
        self.assertEqual(findings(self.directory)[0], 0)

    def test_each_break_is_found(self):
        for index, (file, damage, expected) in enumerate(BREAKS):
            with self.subTest(index=index, file=file, expected=expected):
                path = self.directory / file
                intact = path.read_bytes()
                value = json.loads(intact)
                damage(value)
                path.write_text(json.dumps(value) + "\n")
                try:
                    status, output = findings(self.directory)
                finally:
                    path.write_bytes(intact)
                self.assertEqual(status, 1)
                self.assertIn(expected, output)

    def test_each_break_of_the_text_is_found(self):
        intact = (self.directory / "errors.json").read_bytes()
        for damage, expected in [
            (intact[:-2], "delimiter"),
            (b"\xff" + intact, "can't decode byte"),
            (b"\xef\xbb\xbf" + intact, "BOM"),
            (intact.replace(b'"code": -32700', b'"code": 1, "code": -32700'), "duplicate member code"),
            (intact.replace(b"  ", b"\t"), "tabs"),
            (intact.rstrip(b"\n"), "no line feed at the end"),
        ]:
            with self.subTest(expected=expected):
                (self.directory / "errors.json").write_bytes(damage)
                status, output = findings(self.directory)
                self.assertEqual(status, 1)
                self.assertIn(expected, output)

    def test_a_document_of_too_many_lines_is_found(self):
        path = self.directory / "openrpc.json"
        path.write_text(json.dumps(json.loads(path.read_bytes()), indent=1) + "\n")
        self.assertIn("is too long to read", findings(self.directory)[1])

    def test_a_wrong_conversation_in_the_readme_is_found(self):
        path = self.directory / "README.md"
        intact = path.read_text()
        for before, after, expected in [
            ('"synchronous":true', '"sync":true', "has the param sync"),
            ('"outcome":"created"', '"outcome":"made"', "'made' is not one of"),
            ("--> ", "==> ", "shows no conversation"),
        ]:
            with self.subTest(expected=expected):
                path.write_text(re.sub("(?m)^<-- .*$", "", intact) if before == "--> " else intact)
                path.write_text(path.read_text().replace(before, after))
                self.assertIn(expected, findings(self.directory)[1])

    def test_a_claim_without_what_shows_it_is_found(self):
        path = self.directory / "CLAIMS.md"
        intact = path.read_text()
        row = re.search(r"(?m)^\| D3 \|.*\n", intact).group()
        for before, after, expected in [
            (row, "", "D3: has no row"),
            (row, row + row, "D3: has two rows"),
            (row, row.replace("| D3 |", "| D99 |"), "D99: is no number"),
            (row, "| D3 | An unknown id. |  |\n", "D3: nothing shows it"),
            (row, "| D3 | An unknown id. | over HTTP |\n", "D3: nothing shows it"),
            (row, "| D3 | An unknown id.\n", "is no row of number"),
            ("pushTransfer/an-id-updates-that-record.transcript", "pushTransfer/no.transcript", "is not there"),
            ("[an-id-updates-that-record]", "[an-id-updates-nothing]", "an-id-updates-nothing leads to"),
            ("[onlyWhatNeverLeftIsNotSent]", "[onlyWhatWasSent]", "has nothing named"),
        ]:
            with self.subTest(expected=expected):
                self.assertIn(before, intact)
                path.write_text(intact.replace(before, after))
                self.assertIn(expected, findings(self.directory)[1])

    def test_a_missing_file_is_found(self):
        for file, expected in [
            ("openrpc.json", "No such file"), ("errors.json", "No such file"), ("schemas/session.json", "is missing"),
            ("schemas/manifest.json", "no schemas/manifest.json"), ("schemas/type.json", "no schemas/type.json"),
            ("providers/local.json", "no providers"), ("CLAIMS.md", "No such file"),
        ]:
            with self.subTest(file=file):
                intact = (self.directory / file).read_bytes()
                (self.directory / file).unlink()
                status, output = findings(self.directory)
                (self.directory / file).write_bytes(intact)
                self.assertEqual(status, 1)
                self.assertIn(expected, output)


if __name__ == "__main__":
    unittest.main()
