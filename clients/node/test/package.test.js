import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { EventEmitter } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { test } from "node:test";

import * as pushgate from "pushgate";
import { Conversation } from "pushgate/protocol";
import { examples, expected, run } from "./examples.js";
import { Desk } from "./fake-desk.js";
import { FakeGateway } from "./fake-gateway.js";

const root = new URL("..", import.meta.url);
const wire = (name) => new URL(`../../protocol/${name}`, root);
const noWire = existsSync(wire("errors.json")) ? false : "the folder protocol/ has no errors.json beside this package";

test("the package exports what its types declare", () => {
  assert.equal(typeof Conversation, "function");
  const declared = [...readFileSync(new URL("index.d.ts", root), "utf8").matchAll(/^export declare (?:const|class|function) (\w+)/gm)];
  assert.deepEqual(declared.map(([, name]) => name).sort(), Object.keys(pushgate).sort());
});

test("the types declare every public method and property, and no other", () => {
  const text = readFileSync(new URL("index.d.ts", root), "utf8");
  const inherited = new Set(Object.getOwnPropertyNames(EventEmitter.prototype));
  const own = ({ prototype, ...statics }) => {
    const names = new Set(Object.keys(statics));
    for (let level = prototype; level !== EventEmitter.prototype && level !== Object.prototype; level = Object.getPrototypeOf(level)) {
      for (const name of Object.getOwnPropertyNames(level)) if (name !== "constructor") names.add(name);
    }
    return [...names].filter((name) => !inherited.has(name)).sort();
  };
  for (const name of ["Client", "Transfer", "Plan", "Subscription"]) {
    const [, body] = new RegExp(`^export declare class ${name}\\b[^]*?\\{\n([^]*?)^\\}`, "m").exec(text);
    const methods = [...body.matchAll(/^  (?:static )?(\w+)(?:<[^>]*>)?\(/gm)].map(([, method]) => method);
    const getters = name === "Client" ? ["closed", "gateway"] : [];
    const declared = new Set([...methods, ...getters].filter((method) => !inherited.has(method) && method !== "constructor"));
    const statics = name === "Client" ? ["connect", "spawn"] : [];
    assert.deepEqual([...declared].sort(), [...new Set([...own(pushgate[name]), ...statics])].sort(), name);
  }
  const codes = [...text.matchAll(/^  (\w+): (-?\d+);$/gm)].map(([, name, code]) => [name, Number(code)]);
  assert.deepEqual(Object.fromEntries(codes), { ...pushgate.ErrorCode });
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
  const desk = new Desk();
  const gateway = await FakeGateway.start(t, desk.methods());
  desk.gateway = gateway;
  for (const { title, code } of examples()) {
    const { status, stdout, stderr } = await run(code, gateway.path);
    assert.equal(stderr, "", title);
    assert.match(stdout, expected[title], title);
    assert.equal(status, 0, title);
  }
  if (noWire) return;
  const { methods } = JSON.parse(readFileSync(wire("openrpc.json"), "utf8"));
  const called = new Set(gateway.received.map(({ method }) => method));
  assert.deepEqual(methods.map(({ name }) => name).filter((name) => !called.has(name)), [], "no example makes these calls");
});
