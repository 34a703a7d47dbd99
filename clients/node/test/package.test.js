import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { test } from "node:test";

import * as pushgate from "pushgate";
import { Conversation } from "pushgate/protocol";
import { examples, expected, run } from "./examples.js";
import { failure, FakeGateway } from "./fake-gateway.js";

const root = new URL("..", import.meta.url);
const wire = (name) => new URL(`../../protocol/${name}`, root);
const noWire = existsSync(wire("errors.json")) ? false : "the folder protocol/ has no errors.json beside this package";

test("the package exports what its types declare", () => {
  assert.equal(typeof Conversation, "function");
  const declared = [...readFileSync(new URL("index.d.ts", root), "utf8").matchAll(/^export declare (?:const|class|function) (\w+)/gm)];
  assert.deepEqual(declared.map(([, name]) => name).sort(), Object.keys(pushgate).sort());
});

test("the packed package has the sources, the types and the README, and nothing else", () => {
  const [{ files }] = JSON.parse(execFileSync("npm", ["pack", "--dry-run", "--json"], { cwd: fileURLToPath(root), encoding: "utf8" }));
  const names = files.map(({ path }) => path);
  for (const name of ["README.md", "index.d.ts", "protocol.d.ts", "package.json", "src/index.js"]) assert.ok(names.includes(name), name);
  assert.deepEqual(names.filter((name) => !/^(src\/[a-z]+\.js|[a-z]+\.d\.ts|package\.json|README\.md)$/.test(name)), []);
});

test("the table of error codes is that of the wire", { skip: noWire }, () => {
  const table = JSON.parse(readFileSync(wire("errors.json"), "utf8"));
  assert.deepEqual(Object.fromEntries(table.map(({ name, code }) => [name, code])), { ...pushgate.ErrorCode });
});

test("every method of the wire has one here", { skip: noWire }, () => {
  const { methods } = JSON.parse(readFileSync(wire("openrpc.json"), "utf8"));
  for (const { name } of methods) {
    const own = name === "rpc.discover" ? "discover" : name;
    assert.equal(typeof pushgate.Client.prototype[own], "function", name);
  }
});

test("the examples of the README run", async (t) => {
  assert.deepEqual(examples().map(({ title }) => title), Object.keys(expected));
  const pushed = [];
  const gateway = await FakeGateway.start(t, {
    initiateSession: () => ({ success: true, session_id: "s1", created: true }),
    pushTransfer({ transfer_data: records, progress_token: token }, connection) {
      pushed.push(records);
      setTimeout(() => {
        if (token !== undefined) connection.notify("$/progress", { token, value: { finished: 500, total: 500 } });
        gateway.publish("data", {});
        gateway.publish("completed", {});
      }, 20);
      const event_cursor = gateway.log.at(-1)?.cursor ?? "c0";
      return { success: true, transfer_id: `t${pushed.length}`, statistics: "", event_cursor };
    },
    getTransfer({ transfer_id: id }) {
      if (!id.startsWith("t")) throw failure(1306, "transfer_not_found");
      return { state: "completed", summary: { created: 500 } };
    },
    getData: () => ({
      meta: { count: 2 },
      transfer_data: pushed.at(-1).map((record, n) => ({ ...record, id: `p${n}`, outcome: "created" })),
    }),
    getErrors: () => ({ meta: { count: 0 }, errors: [] }),
  });
  for (const { title, code } of examples()) {
    const { status, stdout, stderr } = await run(code, gateway.path);
    assert.equal(stderr, "", title);
    assert.match(stdout, expected[title], title);
    assert.equal(status, 0, title);
  }
});
