"""The examples of the README run and print what it says."""

import contextlib
import io
import json
import os
import re
import sys
import tempfile
import unittest
from typing import Any, ContextManager, Dict
from unittest import mock

from fake_gateway import FakeGateway
from real_gateway import BINARY, WHY_NOT, RealGateway
from test_client import FAKE
from test_wire import PROTOCOL

HERE = os.path.dirname(os.path.abspath(__file__))
README = os.path.join(HERE, os.pardir, "README.md")


class Examples(unittest.TestCase):
    def run_all(self, gateway: ContextManager[Any], binary: str) -> None:
        with open(README, encoding="utf-8") as source:
            text = source.read()
        names: Dict[str, Any] = {}
        checked = 0
        with (
            gateway as running,
            mock.patch.dict(os.environ, {"PUSHGATE_SOCKET": running.path, "PUSHGATE_BINARY": binary}),
        ):
            for block in re.finditer(r"```python\n(.*?)```\n(?:\n```text\n(.*?)```)?", text, re.S):
                line = text.count("\n", 0, block.start()) + 2
                said = io.StringIO()
                with contextlib.redirect_stdout(said):
                    exec(compile("\n" * (line - 1) + block.group(1), README, "exec"), names)
                if block.group(2) is not None:
                    self.assertEqual(said.getvalue(), block.group(2), "README.md:%d" % line)
                    checked += 1
        self.assertGreaterEqual(checked, 12)

    def test_they_hold_with_the_gateway_of_the_tests(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            binary = os.path.join(folder, "pushgate")
            with open(binary, "w") as out:
                out.write('#!/bin/sh\nexec %s %s "$@"\n' % (sys.executable, FAKE))
            os.chmod(binary, 0o755)
            gateway = FakeGateway()
            self.run_all(gateway, binary)
        definition = os.path.join(PROTOCOL, "openrpc.json")
        if os.path.exists(definition):
            with open(definition, encoding="utf-8") as text:
                methods = {method["name"] for method in json.load(text)["methods"]}
            called = {method for method, _ in gateway.calls}
            self.assertEqual(methods - called, set(), "no example makes these calls")

    @unittest.skipUnless(BINARY, WHY_NOT)
    def test_they_hold_with_the_real_gateway(self) -> None:
        self.run_all(RealGateway(), BINARY)


if __name__ == "__main__":
    unittest.main()
