// End to end, against the built gateway: over its socket and over stdio. Set PUSHGATE_BINARY to its path.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";

import { Client, ErrorCode } from "../src/index.js";
import { examples, expected, run } from "./examples.js";
import { collect } from "./fake-gateway.js";

const binary = process.env.PUSHGATE_BINARY;
const skip = binary ? false : "PUSHGATE_BINARY is not set: the tests against the real gateway are left out";

const published = [
  {
    internal_id: "Contact1",
    data: { first_name: "Bob", last_name: "Smith" },
    associations: {
      "crm-company": [
        { internal_id: "Company1", data: { name: "Acme Corporation" } },
        { internal_id: "Company2", data: { name: "Bacme Corporation" } },
      ],
    },
  },
  {
    internal_id: "Contact2",
    data: { first_name: "David", last_name: "Jones" },
    associations: { "crm-company": [{ internal_id: "Company3", data: { name: "C Inc." } }] },
  },
];

const definition = {
  name: "node",
  provider: "local",
  schema: [{ endgrate_type: "crm-contact" }, { endgrate_type: "crm-company" }],
};

function folder(t) {
  const directory = mkdtempSync(path.join(os.tmpdir(), "pushgate-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** A gateway on a socket, which can be killed and started again on the same store. */
class Served {
  constructor(t) {
    const directory = folder(t);
    this.socket = path.join(directory, "p.sock");
    this.store = path.join(directory, "store.db");
    t.after(() => this.kill());
  }

  start() {
    this.stderr = "";
    this.child = spawn(binary, ["serve", "--listen", `unix:${this.socket}`, "--store", this.store], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    this.child.stderr.setEncoding("utf8").on("data", (text) => {
      this.stderr = (this.stderr + text).slice(-4_096);
    });
    this.exited = once(this.child, "exit");
    return this;
  }

  async kill(signal = "SIGKILL") {
    if (this.child === undefined) return;
    this.child.kill(signal);
    await this.exited;
    this.child = undefined;
  }

  /** It listens some moments after its start. */
  async client(t, options) {
    for (const deadline = Date.now() + 5_000; ; ) {
      try {
        const client = await Client.connect({ socket: this.socket, ...options });
        t.after(() => client.close({ timeout: 500 }));
        return client;
      } catch (error) {
        if (Date.now() > deadline) throw new Error(`No gateway after 5 s: ${error.message}\n${this.stderr}`, { cause: error });
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    }
  }
}

const ways = {
  socket: (t) => new Served(t).start().client(t),
  async stdio(t) {
    const client = await Client.spawn({ binary, store: path.join(folder(t), "store.db") });
    t.after(() => client.close({ timeout: 2_000 }));
    return client;
  },
};

for (const [way, open] of Object.entries(ways)) {
  test(`the published example, twice, over ${way}: ids in push order, links, and nothing created twice`, { skip }, async (t) => {
    const client = await open(t);
    const { session_id: session } = await client.initiateSession(definition);
    const events = client.subscribe({ sessionId: session });
    const first = await client.push(session, "crm-contact", published);
    const rows = await collect(first.data());
    assert.deepEqual(rows.map(({ internal_id: id, outcome }) => [id, outcome]), [["Contact1", "created"], ["Contact2", "created"]]);
    assert.deepEqual(rows.map(({ associations }) => associations["crm-company"].length), [2, 1]);
    const companies = await collect(first.data({ endgrateType: "crm-company" }));
    assert.deepEqual(companies.map(({ internal_id: id }) => id), ["Company1", "Company2", "Company3"]);
    assert.deepEqual(rows.flatMap(({ associations }) => associations["crm-company"]), companies.map(({ id }) => id));
    assert.equal((await first.state()).transfer_errors, false);
    assert.deepEqual(await collect(first.errors()), []);

    const second = await client.push(session, "crm-contact", published);
    assert.deepEqual((await collect(second.data())).map(({ id }) => id), rows.map(({ id }) => id));
    assert.equal((await second.state()).summary.created, 0);
    const seen = [];
    for await (const event of events) {
      seen.push([event.data.transfer_id, event.type]);
      if (event.type === "completed" && event.data.transfer_id === second.id) break;
    }
    const both = (id) => [[id, "data"], [id, "completed"]];
    assert.deepEqual(seen, [...both(first.id), ...both(second.id)]);
    await client.close();
  });
}

test("the same key is accepted once; another body under it is a conflict", { skip }, async (t) => {
  const client = await ways.socket(t);
  const { session_id: session } = await client.initiateSession(definition);
  const first = await client.push(session, "crm-contact", published, { idempotencyKey: "once" });
  const again = await client.push(session, "crm-contact", published, { idempotencyKey: "once" });
  assert.deepEqual([again.id, again.duplicate, first.duplicate], [first.id, true, false]);
  await assert.rejects(client.push(session, "crm-contact", [], { idempotencyKey: "once" }), { code: ErrorCode.idempotency_conflict });
});

test("kill -9 between acceptance and result: the push completes, the subscription goes on", { skip }, async (t) => {
  const served = new Served(t).start();
  const client = await served.client(t);
  const { session_id: session } = await client.initiateSession({ ...definition, settings: { latency_ms: 100 } });
  const events = client.subscribe({ sessionId: session, types: ["data", "completed"] });
  const records = Array.from({ length: 1_000 }, (_, n) => ({ internal_id: `c${n}`, data: { email: `c${n}@example.com` } }));
  const transfer = await client.push(session, "crm-contact", records, { wait: false });
  const waiting = transfer.wait({ timeout: 20_000 });
  await served.kill();
  served.start();
  const state = await waiting;
  assert.deepEqual([state.finished, state.summary.created, state.transfer_errors], [1_000, 1_000, false]);
  const rows = [];
  for await (const event of events) {
    if (event.type === "completed") break;
    rows.push(...event.data.transfer_data);
  }
  const order = records.map(({ internal_id: id }) => id);
  assert.deepEqual(rows.map(({ internal_id: id }) => id), order, "each page once and in order");
  const all = await collect(transfer.data({ limit: 300 }));
  assert.deepEqual(all.map(({ internal_id: id }) => id), order);
  assert.equal(new Set(all.map(({ id }) => id)).size, 1_000);
});

const people = (count, from = 0) =>
  Array.from({ length: count }, (_, n) => ({ internal_id: `p${from + n}`, data: { first_name: `Person ${from + n}` } }));

test("parts survive kill -9 and count once", { skip }, async (t) => {
  const served = new Served(t).start();
  const client = await served.client(t);
  const { session_id: session } = await client.initiateSession(definition);
  async function* source() {
    for (const [n, one] of people(3_000).entries()) {
      if (n === 700 || n === 1_900) {
        await served.kill();
        served.start();
      }
      yield one;
    }
  }
  const transfer = await client.pushParts(session, "crm-contact", source(), { partRecords: 500 });
  const rows = await collect(transfer.data({ limit: 1_000 }));
  assert.deepEqual(rows.map(({ internal_id: id, outcome }) => [id, outcome]), people(3_000).map(({ internal_id: id }) => [id, "created"]));
  assert.equal((await collect(client.transfers({ sessionId: session }))).length, 1);
});

test("parts that another process began are gone on with, or dropped", { skip }, async (t) => {
  const served = new Served(t).start();
  const client = await served.client(t);
  const { session_id: session } = await client.initiateSession(definition);
  function* source() {
    yield* people(30);
    throw new Error("the source is gone");
  }
  const options = { partRecords: 10, idempotencyKey: "k" };
  let open;
  await assert.rejects(client.pushParts(session, "crm-contact", source(), options), (error) => {
    open = error.openTransfer;
    return error.message === "the source is gone";
  });
  await assert.rejects(client.pushParts(session, "crm-contact", source(), { partRecords: 10 }), { message: "the source is gone" });
  await client.close();
  await served.kill();
  served.start();
  const again = await served.client(t);
  const left = await collect(again.transfers({ state: "open" }));
  assert.deepEqual(left.map(({ transfer_id: id, parts }) => [id, parts]), [[open, 2]]);
  const transfer = await again.pushParts(session, "crm-contact", people(50), options);
  assert.deepEqual([transfer.id, (await collect(transfer.data())).length], [open, 50]);
  await assert.rejects(again.pushParts(session, "crm-contact", people(50, 1), options), { code: ErrorCode.part_conflict });
  const { transfer_id: other } = await again.beginTransfer({ session_id: session, endgrate_type: "crm-contact" });
  assert.equal(await again.transfer(other).cancel(), true);
});

test("a plan is what applying does, also after a restart", { skip }, async (t) => {
  const served = new Served(t).start();
  const client = await served.client(t);
  const { session_id: session } = await client.initiateSession(definition);
  await client.push(session, "crm-contact", people(200));
  const changed = people(600).map((one, n) => (n < 50 ? { ...one, data: { first_name: "changed" } } : one));
  const plan = await client.plan(session, "crm-contact", changed, { limit: 100 });
  const actions = (await collect(plan)).map(({ action }) => action);
  assert.deepEqual(actions, [...Array(50).fill("update"), ...Array(150).fill("unchanged"), ...Array(400).fill("create")]);
  await served.kill();
  served.start();
  const found = await (await served.client(t)).planned(plan.id);
  assert.deepEqual((await collect(found)).map(({ index }) => index), [...Array(600).keys()]);
  const transfer = await found.apply();
  const { updated, unchanged, created } = (await transfer.state()).summary;
  assert.deepEqual([updated, unchanged, created], [50, 150, 400]);
  assert.deepEqual([(await plan.apply()).id, (await plan.apply()).duplicate], [transfer.id, true]);
});

test("what failed is retried, cancelled and resolved", { skip }, async (t) => {
  const client = await ways.socket(t);
  const { session_id: session } = await client.initiateSession(definition);
  const refused = await client.push(session, "crm-contact", [...people(1), { internal_id: "bad", data: { first_name: "B", emial: "b@example.com" } }]);
  await client.updateSession({ session_id: session, unknown_properties: "warn" });
  const retry = await refused.retry();
  assert.deepEqual((await collect(retry.data())).map(({ internal_id: id, outcome }) => [id, outcome]), [["bad", "created"]]);
  assert.deepEqual((await collect(refused.errors())).map(({ resolved }) => resolved), [true]);

  const slow = { ...definition, name: "slow", account: "slow", settings: { latency_ms: 100 } };
  const { session_id: slowly } = await client.initiateSession(slow);
  const cancelled = await client.push(slowly, "crm-contact", people(5_000), { wait: false });
  assert.equal(await cancelled.cancel(), true);
  const { summary } = await cancelled.wait({ timeout: 20_000 });
  assert.ok(summary.unsent > 0);
  await client.updateSession({ session_id: slowly, settings: {} });
  assert.equal((await (await cancelled.retry()).state()).summary.created, summary.unsent);

  const settings = { class: "blind", faults: [{ fault: "lose_answer", operation: "write", times: 1 }] };
  const { session_id: blind } = await client.initiateSession({ ...definition, name: "blind", account: "blind", settings });
  const uncertain = await client.push(blind, "crm-contact", people(1));
  assert.deepEqual((await collect(uncertain.data())).map(({ outcome }) => outcome), ["uncertain"]);
  const answer = await uncertain.resolve("written", { internalId: "p0", id: "101" });
  assert.deepEqual(answer, { resolved: 1, remaining: 0, retry: undefined });
  assert.deepEqual((await collect(client.identities(blind))).map(({ id }) => id), ["101"]);
});

test("identities are brought along and read back", { skip }, async (t) => {
  const client = await ways.socket(t);
  const { session_id: session } = await client.initiateSession(definition);
  const identities = new Map(Array.from({ length: 12_000 }, (_, n) => [`c${n}`, `${n + 1}`]));
  const about = { session_id: session, endgrate_type: "crm-company" };
  assert.equal((await client.importIdentities({ ...about, identities })).imported, 12_000);
  const rows = await collect(client.identities(session, { endgrateType: "crm-company", limit: 5_000 }));
  assert.deepEqual(new Map(rows.map(({ internal_id: own, id }) => [own, id])).size, 12_000);
  assert.ok(rows.every(({ internal_id: own, id }) => identities.get(own) === id));
  await assert.rejects(client.importIdentities({ ...about, identities: [["c0", "2"]] }), { name: "invalid_params" });
});

test("a named consumer goes on after its last ack in another client", { skip }, async (t) => {
  const served = new Served(t).start();
  const client = await served.client(t);
  const { session_id: session } = await client.initiateSession(definition);
  await client.push(session, "crm-contact", published);
  const from = { consumer: "mirror" };
  const first = client.subscribe({ sessionId: session, from });
  const { value } = await first.next();
  await first.ack();
  await first.close();
  const other = await served.client(t);
  const [next] = await collect(other.subscribe({ sessionId: session, from }), 1);
  assert.notEqual(next.cursor, value.cursor);
  assert.deepEqual([value.type, next.type], ["data", "completed"]);
});

test("a record that does not fit fails alone, with its index", { skip }, async (t) => {
  const client = await ways.socket(t);
  const { session_id: session } = await client.initiateSession(definition);
  const transfer = await client.push(session, "crm-contact", [
    { internal_id: "good", data: { first_name: "Ada" } },
    { internal_id: "bad", data: { first_name: 7 } },
  ]);
  const rows = await collect(transfer.data());
  assert.deepEqual(rows.map(({ id }) => id === null), [false, true]);
  const [error, ...more] = await collect(transfer.errors());
  assert.deepEqual([error.index, error.internal_id, error.error_type, more.length], [1, "bad", "transfer_data", 0]);
});

test("errors have the code and the name of the table", { skip }, async (t) => {
  const client = await ways.socket(t);
  const nobody = "0123456789abcdef01234567";
  for (const [call, name] of [
    [() => client.getTransfer({ transfer_id: nobody }), "transfer_not_found"],
    [() => client.getConfiguration({ session_id: nobody }), "session_not_found"],
    [() => client.call("noSuchMethod"), "method_not_found"],
    [() => client.getData({ transfer_id: 7 }), "invalid_params"],
    [() => client.subscribe({ from: { cursor: "nonsense" } }).ready, "cursor_invalid"],
  ]) {
    await assert.rejects(call(), { name, code: ErrorCode[name] });
  }
  assert.equal((await client.health()).live, true);
});

test("a payload over 48 KiB arrives whole, inline or through its ref", { skip }, async (t) => {
  const served = new Served(t).start();
  for (const maxLineBytes of [65_536, 1_000_000]) {
    const client = await served.client(t, { maxLineBytes });
    const { session_id: session } = await client.initiateSession({ ...definition, passthrough_fields: true });
    const events = client.subscribe({ sessionId: session, types: ["data"] });
    const name = "東京 ".repeat(8_000);
    await client.push(session, "crm-contact", [{ internal_id: `long${maxLineBytes}`, data: { first_name: name } }]);
    const [event] = await collect(events, 1);
    assert.equal(event.data.transfer_data.length, 1);
    assert.ok(JSON.stringify(event.data).includes(name.trim().slice(0, 1_000)));
    assert.equal(event.data.session_id, session);
    await client.close();
  }
});

test("a SIGTERM announces itself, and the next gateway is found", { skip }, async (t) => {
  const served = new Served(t).start();
  const client = await served.client(t);
  const closing = once(client, "closing");
  await served.kill("SIGTERM");
  const [{ deadline_ms: deadline }] = await closing;
  assert.ok(deadline > 0);
  served.start();
  await client.ping();
});

test("closing a spawned gateway lets it finish what it accepted", { skip }, async (t) => {
  const store = path.join(folder(t), "store.db");
  const client = await Client.spawn({ binary, store });
  const { session_id: session } = await client.initiateSession(definition);
  const { id } = await client.push(session, "crm-contact", published, { wait: false });
  await client.close();
  const next = await Client.spawn({ binary, store });
  assert.equal((await next.getTransfer({ transfer_id: id })).state, "completed");
  await next.close();
});

test("the examples of the README run against the gateway", { skip }, async (t) => {
  const served = new Served(t).start();
  await (await served.client(t)).close();
  for (const { title, code } of examples()) {
    const { status, stdout, stderr } = await run(code, served.socket);
    assert.equal(stderr, "", title);
    assert.match(stdout, expected[title], title);
    assert.equal(status, 0, title);
  }
});
