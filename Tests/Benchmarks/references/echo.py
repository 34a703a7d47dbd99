"""What one writes in an afternoon with Python: split lines, parse, answer in JSON-RPC.  python3 echo.py SOCKET"""

import asyncio
import json
import sys


class Echo(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport
        self.rest = b""

    def data_received(self, data):
        *lines, self.rest = (self.rest + data).split(b"\n")
        answers = [
            json.dumps({"jsonrpc": "2.0", "id": json.loads(line)["id"], "result": {}}, separators=(",", ":"))
            for line in lines
        ]
        if answers:
            self.transport.write(("\n".join(answers) + "\n").encode())


async def main():
    server = await asyncio.get_running_loop().create_unix_server(Echo, sys.argv[1])
    await server.serve_forever()


asyncio.run(main())
