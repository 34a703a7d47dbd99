import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";

import { Client, ConnectionLost } from "../src/index.js";
import { FakeGateway } from "./fake-gateway.js";

/** A child that answers on stdio, notes how it was started and how it ended, and misbehaves when called to. */
const CHILD = `#!${process.execPath}
const { appendFileSync } = require("node:fs");
const note = (text) => appendFileSync(__filename + ".log", text + "\\n");
note("start " + process.argv.slice(2).join(" "));
process.stderr.write('{"level":"info","message":"started"}\\n{"level":"inf');
if (process.argv.includes("--refuse")) {
  process.stderr.write('o"}\\nthe store is held by 4711\\n');
  process.exit(75);
}
let rest = "";
process.on("SIGTERM", () => { note("term"); process.exit(0); });
process.stdin.setEncoding("utf8").on("data", (text) => {
  const lines = (rest + text).split("\\n");
  rest = lines.pop();
  for (const line of lines) {
    const { id, method, params } = JSON.parse(line);
    if (method === "die") process.exit(3);
    if (id !== undefined) process.stdout.write(JSON.stringify({ jsonrpc: "2.0", id, result: { method, params } }) + "\\n");
  }
}).on("end", () => {
  note("end of input");
  if (process.argv.includes("--endless")) return setInterval(() => {}, 1000);
  setTimeout(() => { note("finished"); process.exit(0); }, 40);
});
`;

function child(t) {
  const directory = mkdtempSync(path.join(os.tmpdir(), "pushgate-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const binary = path.join(directory, "pushgate");
  writeFileSync(binary, CHILD);
  chmodSync(binary, 0o755);
  return { binary, notes: () => readFileSync(`${binary}.log`, "utf8").trim().split("\n") };
}

test("spawn starts `pushgate stdio --wait --store`, and close lets it finish", async (t) => {
  const { binary, notes } = child(t);
  const log = [];
  const client = await Client.spawn({ binary, store: "/tmp/x.db", args: ["--mcp", "read"], log: (line) => log.push(line) });
  assert.deepEqual(await client.call("echo", { a: 1 }), { method: "echo", params: { a: 1 } });
  await client.close();
  assert.deepEqual(notes(), ["start stdio --wait --store /tmp/x.db --mcp read", "end of input", "finished"]);
  assert.deepEqual(log, ['{"level":"info","message":"started"}', '{"level":"inf'], "stderr line by line");
});

test("spawn takes the gateway that listens already, unless a store is named", async (t) => {
  const { binary, notes } = child(t);
  const gateway = await FakeGateway.start(t);
  const listening = await Client.spawn({ binary, socket: gateway.path });
  assert.equal(listening.gateway.server.name, "fake");
  await listening.close();
  process.env.PUSHGATE_SOCKET = gateway.path;
  t.after(() => delete process.env.PUSHGATE_SOCKET);
  const byDefault = await Client.spawn({ binary });
  assert.equal(byDefault.gateway.server.name, "fake");
  await byDefault.close();
  const own = await Client.spawn({ binary, store: "s.db" });
  await own.close();
  assert.deepEqual(notes(), ["start stdio --wait --store s.db", "end of input", "finished"]);
});

test("without a gateway on the socket the child is started, with its own default store", async (t) => {
  const { binary, notes } = child(t);
  const client = await Client.spawn({ binary, socket: `${binary}.sock` });
  await client.close();
  assert.equal(notes()[0], "start stdio --wait");
});

test("PUSHGATE_BINARY names the binary", async (t) => {
  const { binary, notes } = child(t);
  const before = process.env.PUSHGATE_BINARY;
  process.env.PUSHGATE_BINARY = binary;
  t.after(() => {
    if (before === undefined) delete process.env.PUSHGATE_BINARY;
    else process.env.PUSHGATE_BINARY = before;
  });
  await (await Client.spawn({ store: "s" })).close();
  assert.equal(notes().length, 3);
});

test("a child that refuses to start says why", async (t) => {
  const { binary } = child(t);
  await assert.rejects(Client.spawn({ binary, store: "s", args: ["--refuse"] }), (error) => {
    assert.ok(error instanceof ConnectionLost);
    assert.match(error.message, /pushgate ended with code 75: .*the store is held by 4711/s);
    return true;
  });
});

test("a binary that is not there is named, and not tried again", async () => {
  await assert.rejects(Client.spawn({ binary: "/nonexistent/pushgate", store: "s" }), /Cannot start \/nonexistent\/pushgate \(ENOENT\): set `binary`/);
});

test("a child that dies is started again for the next call", async (t) => {
  const { binary, notes } = child(t);
  const client = await Client.spawn({ binary, store: "s" });
  await assert.rejects(client.call("die"), (error) => /ended with code 3/.test(error.message) && error.outcome === "unknown");
  assert.equal((await client.call("echo")).method, "echo");
  await client.close();
  assert.equal(notes().filter((line) => line.startsWith("start")).length, 2);
});

test("close with a timeout ends a child that does not finish, by SIGTERM", async (t) => {
  const { binary, notes } = child(t);
  const client = await Client.spawn({ binary, store: "s", args: ["--endless"] });
  await client.close({ timeout: 50 });
  assert.deepEqual(notes().slice(1), ["end of input", "term"]);
});
