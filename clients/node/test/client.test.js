import assert from "node:assert/strict";
import net from "node:net";
import path from "node:path";
import { test } from "node:test";

import { Client, ConnectionLost, defaultSocketPath, PushgateError } from "../src/index.js";
import { failure, FakeGateway, SILENCE, until } from "./fake-gateway.js";

async function connected(t, methods, options) {
  const gateway = await FakeGateway.start(t, methods);
  const client = await Client.connect({ socket: gateway.path, ...options });
  t.after(() => client.close({ timeout: 100 }));
  return { gateway, client };
}

test("connect says hello with a name, a version and a line length", async (t) => {
  const { gateway, client } = await connected(t, {}, { token: "secret" });
  const [{ params }] = gateway.calls("hello");
  assert.equal(params.client.name, "pushgate-node");
  assert.match(params.client.version, /^\d+\.\d+\.\d+$/);
  assert.equal(params.token, "secret");
  assert.equal(params.max_line_bytes, 1_000_000);
  assert.equal(client.gateway.server.name, "fake");
});

test("a gateway that does not know hello is spoken to all the same", async (t) => {
  const hello = () => {
    throw failure(-32601, "method_not_found");
  };
  const { client } = await connected(t, { hello });
  assert.deepEqual(await client.call("echo", { a: 1 }), { a: 1 });
});

test("a refused hello refuses the connect, and the token is not in the error", async (t) => {
  const hello = () => {
    throw failure(1003, "unauthenticated");
  };
  await assert.rejects(connected(t, { hello }, { token: "s3cret" }), (error) => {
    assert.equal(error.name, "unauthenticated");
    assert.doesNotMatch(JSON.stringify(error) + error.stack, /s3cret/);
    return true;
  });
});

test("no gateway, no directory, or somebody who never answers: connect says which", async (t) => {
  const gateway = await FakeGateway.start(t, { hello: () => SILENCE });
  await assert.rejects(Client.connect({ socket: gateway.path, timeout: 30 }), { name: "deadline_exceeded" });
  const nowhere = path.join(gateway.directory, "none", "x.sock");
  await assert.rejects(Client.connect({ socket: nowhere }), (error) => {
    assert.ok(error instanceof ConnectionLost);
    assert.deepEqual([error.outcome, error.retryable, error.code], ["not_started", true, 0]);
    assert.match(error.message, /No gateway at .*none\/x\.sock: there is no socket\. Start one with: pushgate serve/);
    return true;
  });
  const aborted = Client.connect({ socket: gateway.path, signal: AbortSignal.abort(new Error("enough")) });
  await assert.rejects(aborted, { message: "enough" });
  const later = new AbortController();
  setTimeout(() => later.abort(new Error("later")), 20);
  await assert.rejects(Client.connect({ socket: gateway.path, signal: later.signal }), { message: "later" });
  const allEnded = () => [...gateway.connections].every(({ hasEnded }) => hasEnded);
  await until(allEnded);
  assert.ok(allEnded(), "a connect that failed leaves no connection");
});

test("a socket path of more than 107 bytes works", { skip: process.platform !== "linux" }, async (t) => {
  const gateway = await FakeGateway.start(t);
  const { mkdirSync, symlinkSync } = await import("node:fs");
  const deep = path.join(gateway.directory, "d".repeat(120));
  mkdirSync(deep);
  symlinkSync(gateway.path, path.join(deep, "p.sock"));
  const client = await Client.connect({ socket: path.join(deep, "p.sock") });
  assert.deepEqual(await client.call("echo", [1]), [1]);
  await client.close();
  await assert.rejects(Client.connect({ socket: path.join(deep, "n".repeat(100)) }), RangeError);
  await assert.rejects(Client.connect({ socket: path.join(deep, "gone", "p.sock") }), ConnectionLost);
});

test("the default path follows PUSHGATE_SOCKET, XDG_RUNTIME_DIR and the home directory", () => {
  assert.equal(defaultSocketPath({ PUSHGATE_SOCKET: "/a/b", XDG_RUNTIME_DIR: "/run" }), "/a/b");
  assert.equal(defaultSocketPath({ XDG_RUNTIME_DIR: "/run/user/1" }), "/run/user/1/pushgate.sock");
  assert.match(defaultSocketPath({}), /\/\.local\/state\/pushgate\/pushgate\.sock$/);
});

test("every method of the gateway has one here, with the wire's name and params", async (t) => {
  const names = {
    initiateSession: "initiateSession", getConfiguration: "getConfiguration", updateSession: "updateSession",
    setSchemas: "setSchemas", listSessions: "listSessions", deleteSession: "deleteSession",
    pushTransfer: "pushTransfer", planTransfer: "planTransfer", beginTransfer: "beginTransfer",
    appendTransfer: "appendTransfer", commitTransfer: "commitTransfer", getTransfer: "getTransfer",
    listTransfers: "listTransfers", getData: "getData", getErrors: "getErrors", getRecord: "getRecord",
    getStatistics: "getStatistics",
    cancelTransfer: "cancelTransfer", retryTransfer: "retryTransfer", resolveRecord: "resolveRecord",
    exportIdentities: "exportIdentities", listWebhookDeliveries: "listWebhookDeliveries",
    replayWebhook: "replayWebhook", unsubscribe: "unsubscribe", ack: "ack",
    getEvents: "getEvents", getIntegrations: "getIntegrations", getTypes: "getTypes", hello: "hello", ping: "ping",
    health: "health", stats: "stats", drain: "drain", discover: "rpc.discover",
  };
  const methods = Object.fromEntries(Object.values(names).map((name) => [name, () => name]));
  const { gateway, client } = await connected(t, methods);
  for (const [method, name] of Object.entries(names)) {
    assert.equal(await client[method]({ some_param: 1 }), name);
    assert.equal(gateway.received.at(-1).params.some_param, 1);
    assert.equal(await client[method](), name);
  }
});

test("replies find their calls in any order", async (t) => {
  const held = [];
  const hold = ({ n }, connection, { id }) => {
    held.push(() => connection.send({ id, result: n }));
    if (held.length === 3) held.reverse().forEach((release) => release());
    return SILENCE;
  };
  const { client } = await connected(t, { hold });
  assert.deepEqual(await Promise.all([1, 2, 3].map((n) => client.call("hold", { n }))), [1, 2, 3]);
});

test("an error of the gateway has code, name, retryable and details", async (t) => {
  const getTransfer = () => {
    throw failure(1306, "transfer_not_found", { message: "No such transfer.", request_id: "r", details: { x: 1 } });
  };
  const { client } = await connected(t, { getTransfer });
  await assert.rejects(client.getTransfer({ transfer_id: "t" }), (error) => {
    assert.ok(error instanceof PushgateError && !(error instanceof ConnectionLost));
    assert.deepEqual([error.code, error.name, error.retryable], [1306, "transfer_not_found", false]);
    assert.deepEqual([error.requestId, error.details], ["r", { x: 1 }]);
    return true;
  });
});

test("an abort rejects at once with its reason and tells the gateway", async (t) => {
  const { gateway, client } = await connected(t, { slow: () => SILENCE });
  const aborter = new AbortController();
  const call = client.call("slow", {}, { signal: aborter.signal });
  await until(() => gateway.calls("slow").length === 1);
  aborter.abort();
  await assert.rejects(call, { name: "AbortError" });
  await until(() => gateway.calls("$/cancelRequest").length === 1);
  const [{ params, id }] = gateway.calls("$/cancelRequest");
  assert.deepEqual([params.id, id], [gateway.calls("slow")[0].id, undefined]);
  await assert.rejects(client.call("slow", {}, { signal: AbortSignal.abort() }), { name: "AbortError" });
  assert.equal(gateway.calls("slow").length, 1, "an aborted call is not sent");
});

test("a call that takes too long is cancelled, and its late reply disturbs nobody", async (t) => {
  let answer;
  const slow = (params, connection, { id }) => {
    answer = () => connection.send({ id, result: "late" });
    return SILENCE;
  };
  const { gateway, client } = await connected(t, { slow });
  await assert.rejects(client.call("slow", {}, { timeout: 20 }), (error) => {
    assert.deepEqual([error.code, error.name, error.details.outcome], [1005, "deadline_exceeded", "unknown"]);
    return true;
  });
  answer();
  assert.deepEqual(await client.call("echo", { ok: true }), { ok: true });
  assert.equal(gateway.calls("$/cancelRequest").length, 1);
});

test("the client's own call timeout holds, and a very long one does not fire at once", async (t) => {
  const { client } = await connected(t, { slow: () => SILENCE }, { callTimeout: 20 });
  await assert.rejects(client.call("slow"), { name: "deadline_exceeded" });
  assert.deepEqual(await client.call("echo", { a: 1 }, { timeout: 1e15 }), { a: 1 });
});

test("the ceilings that the gateway names in hello are kept", async (t) => {
  let most = 0;
  let open = 0;
  const work = async () => {
    open += 1;
    most = Math.max(most, open);
    await new Promise((resolve) => setTimeout(resolve, 1));
    open -= 1;
    return {};
  };
  const hello = () => ({ limits: { in_flight_calls: 3, inbound_line: 200 } });
  const { client } = await connected(t, { work, hello });
  await Promise.all(Array.from({ length: 20 }, () => client.call("work")));
  assert.equal(most, 3);
  await assert.rejects(client.call("work", { x: "x".repeat(200) }), (error) => error.details.max_bytes === 200);
});

test("no more than 256 calls are in flight on a connection, the rest wait their turn", async (t) => {
  const waiting = [];
  let most = 0;
  const work = ({ n }, connection, { id }) => {
    waiting.push(() => connection.send({ id, result: n }));
    most = Math.max(most, waiting.length);
    return SILENCE;
  };
  const { gateway, client } = await connected(t, { work });
  const calls = Array.from({ length: 600 }, (_, n) => client.call("work", { n }));
  await until(() => waiting.length === 256);
  const timer = setInterval(() => waiting.splice(0, 50).forEach((answer) => answer()), 1);
  const results = await Promise.all(calls);
  clearInterval(timer);
  assert.deepEqual(results, Array.from({ length: 600 }, (_, n) => n));
  assert.equal(most, 256);
  assert.deepEqual(gateway.calls("work").map(({ params }) => params.n), results, "in their order");
});

test("calls in flight fail with ConnectionLost when the gateway dies, waiting ones as not started", async (t) => {
  const { gateway, client } = await connected(t, { slow: () => SILENCE }, { reconnectFor: 0 });
  const calls = Array.from({ length: 257 }, () => client.call("slow"));
  const settled = Promise.allSettled(calls);
  await until(() => gateway.calls("slow").length === 256);
  await gateway.crash();
  const outcomes = (await settled).map(({ reason }) => reason instanceof ConnectionLost && reason.outcome);
  assert.deepEqual(outcomes, [...Array(256).fill("unknown"), "not_started"]);
  await assert.rejects(client.ping(), { name: "connection_lost", outcome: "not_started" });
});

test("after a restart of the gateway the next call connects again", async (t) => {
  const { gateway, client } = await connected(t);
  const states = [];
  client.on("lost", (error) => states.push(error.name));
  client.on("connected", () => states.push("connected"));
  await gateway.crash();
  await until(() => states.length === 1);
  const call = client.call("echo", { back: 1 });
  setTimeout(() => gateway.listen(), 50);
  assert.deepEqual(await call, { back: 1 });
  assert.deepEqual(states, ["connection_lost", "connected"]);
  assert.equal(gateway.hellos, 2);
});

test("a gateway that stays away is given up after reconnectFor, for every waiting call", async (t) => {
  const { gateway, client } = await connected(t, {}, { reconnectFor: 60 });
  await gateway.crash();
  await until(() => gateway.connections.size === 0);
  const results = await Promise.allSettled([client.ping(), client.ping()]);
  for (const { reason } of results) assert.match(reason.message, /No gateway at/);
  await assert.rejects(client.call("ping", {}, { timeout: 5 }), (error) => error.details.outcome === "not_started");
});

test("a gateway that talks nonsense is dropped, and the call is not left hanging", async (t) => {
  const nonsense = (params, { socket }) => {
    socket.write("Welcome!\n");
    return SILENCE;
  };
  const { client } = await connected(t, { nonsense });
  await assert.rejects(client.call("nonsense"), (error) => {
    assert.ok(error instanceof ConnectionLost);
    assert.match(error.message, /a line of 8 bytes that is not JSON/);
    return true;
  });
  assert.deepEqual(await client.call("echo", { a: 1 }), { a: 1 }, "and the next connection works");
});

test("an error without an id belongs to the only call in flight", async (t) => {
  const bad = (params, connection) => {
    connection.send({ id: null, error: failure(-32700, "parse_error") });
    return SILENCE;
  };
  const { client } = await connected(t, { bad, slow: () => SILENCE });
  await assert.rejects(client.call("bad"), { name: "parse_error", code: -32700 });
  const two = await Promise.allSettled([client.call("slow"), client.call("bad")]);
  assert.deepEqual(two.map(({ reason }) => reason.name), ["connection_lost", "connection_lost"]);
});

test("a value that has no JSON rejects the call and leaves the connection alone", async (t) => {
  const { client } = await connected(t);
  await assert.rejects(client.call("echo", { age: NaN }), /NaN at "\/age"/);
  const huge = { text: "x".repeat(16 * 1024 * 1024) };
  await assert.rejects(client.call("echo", huge), { name: "request_too_large" });
  assert.deepEqual(await client.call("echo", { a: 1 }), { a: 1 });
});

test("a reply of several megabytes arrives whole", async (t) => {
  const rows = Array.from({ length: 20_000 }, (_, n) => ({ id: String(n), name: "Zoë 東京 ".repeat(10) }));
  const { client } = await connected(t, { big: () => rows });
  assert.deepEqual(await client.call("big"), rows);
});

test("gateway.closing and unknown notifications are emitted", async (t) => {
  const { gateway, client } = await connected(t);
  const heard = [];
  client.on("closing", (params) => heard.push(["closing", params]));
  client.on("notification", (method, params) => heard.push([method, params]));
  const [connection] = gateway.connections;
  connection.notify("gateway.closing", { deadline_ms: 1500 });
  connection.notify("news", { n: 1 });
  await until(() => heard.length === 2);
  assert.deepEqual(heard, [["closing", { deadline_ms: 1500 }], ["news", { n: 1 }]]);
});

test("close lets the calls in flight be answered, then refuses further ones", async (t) => {
  const later = () => new Promise((resolve) => setTimeout(() => resolve("done"), 30));
  const { gateway, client } = await connected(t, { later });
  const calls = Array.from({ length: 300 }, () => client.call("later"));
  const closing = client.close();
  assert.deepEqual(new Set(await Promise.all(calls)), new Set(["done"]));
  await closing;
  await client.close();
  await until(() => gateway.connections.size === 0);
  assert.equal(gateway.connections.size, 0);
  await assert.rejects(client.ping(), { name: "connection_lost", message: "The client is closed." });
  assert.equal(client.closed, true);
});

test("close does not wait longer than told for a gateway that never answers", async (t) => {
  const { client } = await connected(t, { slow: () => SILENCE });
  const call = assert.rejects(client.call("slow"), ConnectionLost);
  const started = Date.now();
  await client.close({ timeout: 30 });
  await call;
  assert.ok(Date.now() - started < 1_000);
});

test("close during a reconnect ends it", async (t) => {
  const { gateway, client } = await connected(t);
  await gateway.crash();
  await until(() => gateway.connections.size === 0);
  const call = client.ping();
  await client.close();
  await assert.rejects(call, { message: "The client is closed." });
});

test("a client is disposed of by `await using`", async (t) => {
  const { client } = await connected(t);
  await client[Symbol.asyncDispose ?? Symbol.for("Symbol.asyncDispose")]();
  assert.equal(client.closed, true);
});

test("a gateway that accepts and hangs up at once is an error, not a hang", async (t) => {
  const gateway = await FakeGateway.start(t);
  await gateway.crash();
  const server = net.createServer((socket) => socket.destroy());
  await new Promise((resolve) => server.listen(gateway.path, resolve));
  t.after(() => server.close());
  await assert.rejects(Client.connect({ socket: gateway.path }), ConnectionLost);
});
