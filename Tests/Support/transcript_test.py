#!/usr/bin/env python3
"""What the comparison and the parser of transcript.py must find, and what they must let pass."""

import tempfile
import unittest
from pathlib import Path

from transcript import Line, TranscriptError, decode, encode, escaped_bytes, fill, match, match_message, parse, repeated


def fits(expected, came, bound=None):
    found, difference = match(decode(expected), decode(came), bound or {})
    return found if difference is None else difference


class MatchTests(unittest.TestCase):
    def test_values_and_not_text_are_compared(self):
        self.assertEqual(fits('{"a": 1, "b": [true, null]}', '{"b":[true,null],"a":1}'), {})
        for expected, came in [("1", "2"), ("1", "true"), ("0", "false"), ('"1"', "1"), ("1", '"1"'), ("null", "false"),
                               ("[1]", "[1,2]"), ("[1,2]", "[1]"), ("[1,2]", "[2,1]"), ("{}", "[]"), ('"a"', '"ab"')]:
            self.assertIsInstance(fits(expected, came), str, f"{expected} must not fit {came}")

    def test_members_are_all_there_and_no_others(self):
        self.assertIn("/a/b: is missing", fits('{"a":{"b":1}}', '{"a":{}}'))
        self.assertIn("/a/b: was not expected", fits('{"a":{}}', '{"a":{"b":1}}'))
        self.assertEqual(fits('{"a":1,"...":"..."}', '{"a":1,"b":2}'), {})
        self.assertIsInstance(fits('{"a":1,"...":"..."}', '{"b":2}'), str)

    def test_a_list_may_be_open(self):
        self.assertEqual(fits('[1,"..."]', "[1,2,3]"), {})
        self.assertEqual(fits('[1,"..."]', "[1]"), {})
        self.assertIsInstance(fits('[1,"..."]', "[]"), str)

    def test_numbers_are_compared_by_spelling(self):
        self.assertEqual(fits("1.10", "1.10"), {})
        self.assertIsInstance(fits("1.10", "1.1"), str)
        self.assertIsInstance(fits("100", "1E2"), str)

    def test_names_capture_and_must_match_after(self):
        self.assertEqual(fits('["$a","$a"]', "[7,7]"), {"a": "7"})
        self.assertIn("expected $a", fits('["$a","$a"]', "[7,8]"))
        self.assertIn("expected $a", fits('["$a","$a"]', '[7,"7"]'))
        self.assertEqual(fits('"$a"', '{"b":1}'), {"a": {"b": "1"}})
        self.assertEqual(fits('"$_"', "null"), {})

    def test_names_inside_of_texts(self):
        self.assertEqual(fits('"id=$id&x=$_"', '"id=7f&x="'), {"id": "7f"})
        self.assertIsInstance(fits('"id=$id&x=$_"', '"id=&x="'), str)
        self.assertIsInstance(fits('"id=$id"', '"id=8"', {"id": "7"}), str)
        self.assertIsInstance(fits('"a.c"', '"abc"'), str)
        self.assertEqual(fits('"5$$"', '"5$"'), {})
        self.assertEqual(fits('"$/progress"', '"$/progress"'), {})

    def test_answers_of_a_batch_come_in_any_order(self):
        expected, came = decode('[{"id":1},{"id":2}]'), decode('[{"id":2},{"id":1}]')
        self.assertIsNone(match_message(expected, came, {})[1])
        self.assertIsNotNone(match_message(expected, decode('[{"id":2},{"id":2}]'), {})[1])


class FillTests(unittest.TestCase):
    def line(self, text):
        return Line(3, "send", text)

    def test_values_take_the_place_of_names(self):
        bound = {"id": "a\"b", "n": decode("1.10"), "list": decode('[{"x":"$n"}]')}
        filled = fill(self.line('{"id":"$id","t":"<$id>","n":"$n","l":"$list","$id":"$$"}'), bound)
        self.assertEqual(decode(filled), {"id": 'a"b', "t": '<a"b>', "n": "1.10", "l": [{"x": "$n"}], "$id": "$"})
        self.assertIn('"n":1.10', filled)

    def test_a_name_that_was_not_captured_is_an_error(self):
        with self.assertRaises(TranscriptError) as caught:
            fill(self.line('{"id":"$id"}'), {})
        self.assertEqual(caught.exception.line, 3)

    def test_bytes(self):
        self.assertEqual(escaped_bytes(self.line(""), r'"a\x00\xff\n\\\"é"'), b'a\x00\xff\n\\"\xc3\xa9')
        for wrong in ["a", '"', r'"\q"']:
            with self.assertRaises(TranscriptError):
                escaped_bytes(self.line(""), wrong)

    def test_lists(self):
        self.assertEqual(repeated(self.line(""), 'people 2 {"a": "p-$i"}'), ("people", [{"a": "p-0"}, {"a": "p-1"}]))

    def test_what_is_decoded_is_encoded_again(self):
        text = '{"a":[1.10,-0,1E+2,"é\\n",null,true,{}]}'
        self.assertEqual(encode(decode(text)), text)


class ParseTests(unittest.TestCase):
    def read(self, text):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "a.transcript"
            path.write_text(text, "utf-8")
            return parse(path)

    def test_lines_and_what_goes_on(self):
        lines = self.read('// why\n\n@ over socket\n--> {"a":\n    1}\n<-- {"b":\n      [2]}\n')
        self.assertEqual([(line.number, line.kind, line.text) for line in lines], [
            (1, "why", "why"), (3, "stage", "over socket"), (4, "send", '{"a": 1}'), (6, "expect", '{"b": [2]}')])

    def test_what_is_no_transcript(self):
        for text, line in [("--> {}\n", 1), ("// why\n<-- {\n", 2), ("// why\n@ dance\n", 2), ("// why\n==> {}\n", 2),
                           ("// why\nhello\n", 2), ("    x\n", 1), ("", 1), ('// why\n<-- {"a":1,"a":2}\n', 2)]:
            with self.assertRaises(TranscriptError, msg=text) as caught:
                self.read(text)
            self.assertEqual(caught.exception.line, line, text)


if __name__ == "__main__":
    unittest.main()
