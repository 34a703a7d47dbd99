// Parts, plans, what failed, lists and identities.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Client, PushgateError, Transfer } from "../src/index.js";
import { parts } from "../src/records.js";
import { collect, failure, FakeGateway, SILENCE } from "./fake-gateway.js";
import { Desk } from "./fake-desk.js";

async function connected(t, methods, options) {
  const desk = new Desk();
  const gateway = await FakeGateway.start(t, { ...desk.methods(), ...methods });
  desk.gateway = gateway;
  const client = await Client.connect({ socket: gateway.path, ...options });
  t.after(() => client.close({ timeout: 100 }));
  return { gateway, client, desk };
}

/** The answer to the first call of `method` is lost, after it was done. */
function losing(gateway, method) {
  const real = gateway.methods[method];
  let times = 0;
  gateway.methods[method] = (params, connection, request) => {
    const result = real(params, connection, request);
    times += 1;
    if (times > 1) return result;
    connection.socket.destroy();
    return SILENCE;
  };
}

function* people(count) {
  for (let n = 0; n < count; n += 1) yield { internal_id: `p${n}`, data: { n } };
}

const ids = (rows) => rows.map(({ internal_id: id }) => id);
const named = (count) => ids([...people(count)]);
const paramsOf = (gateway, method) => gateway.calls(method).map(({ params }) => params);

test("the options of a push go out by their names on the wire", async (t) => {
  const { gateway, client } = await connected(t);
  const options = {
    freshness: "ledger", maxAge: 60, match: ["email"], onDeleted: "skip", unknownProperties: "warn", skipNull: true,
    disableUpsert: true,
  };
  await client.push("s1", "crm-contact", people(1), { ...options, sampleData: true });
  await client.pushParts("s1", "crm-contact", people(1), options);
  await client.plan("s1", "crm-contact", people(1), options);
  for (const method of ["pushTransfer", "beginTransfer", "planTransfer"]) {
    const [{ freshness, max_age, match, on_deleted, unknown_properties, skip_null, disable_upsert }] = paramsOf(gateway, method);
    assert.deepEqual(
      [freshness, max_age, match, on_deleted, unknown_properties, skip_null, disable_upsert],
      ["ledger", 60, ["email"], "skip", "warn", true, true],
    );
  }
  assert.equal(paramsOf(gateway, "pushTransfer")[0].sample_data, true);
});

test("webhooks of a push go out as they are, and the secret that was made for them is told", async (t) => {
  const { gateway, client } = await connected(t);
  const dataWebhook = { endpoint: "https://example.com/a", metadata: { camelCase: 1, snake_case: 2 } };
  const options = { dataWebhook, completedWebhook: null, webhookConcurrency: true };
  for (const name of ["pushTransfer", "beginTransfer"]) {
    const answered = gateway.methods[name];
    gateway.methods[name] = (params) => ({ ...answered(params), webhook_secret: "whsec_once" });
  }
  const whole = await client.push("s1", "crm-contact", people(1), options);
  const inParts = await client.pushParts("s1", "crm-contact", people(1), options);
  assert.deepEqual([whole.webhookSecret, inParts.webhookSecret], ["whsec_once", "whsec_once"]);
  for (const method of ["pushTransfer", "beginTransfer"]) {
    const [{ data_webhook, completed_webhook, webhook_concurrency }] = paramsOf(gateway, method);
    assert.deepEqual([data_webhook, completed_webhook, webhook_concurrency], [dataWebhook, null, true]);
  }
});

test("one transfer is pushed in parts and read back, and the source is read no further than its part", async (t) => {
  const { gateway, client } = await connected(t);
  let read = 0;
  const ahead = [];
  const { appendTransfer } = gateway.methods;
  gateway.methods.appendTransfer = (params) => {
    ahead.push(read - 10 * params.seq);
    return appendTransfer(params);
  };
  async function* source() {
    for (const one of people(25)) {
      read += 1;
      yield one;
    }
  }
  const transfer = await client.pushParts("s1", "crm-contact", source(), { partRecords: 10 });
  assert.deepEqual(ids(await collect(transfer.data())), named(25));
  const sent = paramsOf(gateway, "appendTransfer").map(({ seq, transfer_data: records }) => [seq, records.length]);
  assert.deepEqual(sent, [[0, 10], [1, 10], [2, 5]]);
  assert.deepEqual(paramsOf(gateway, "commitTransfer"), [{ transfer_id: transfer.id, parts: 3 }]);
  assert.ok(Math.max(...ahead) <= 11);
  assert.deepEqual([transfer.sessionId, transfer.duplicate], ["s1", false]);
  assert.deepEqual(await collect((await client.pushParts("s1", "crm-contact", [])).data()), []);
});

test("a part is shorter where its line would be too long, and a record that is too long alone is refused", async (t) => {
  const { gateway, client } = await connected(t, { hello: () => ({ limits: { inbound_line: 400 } }) });
  await client.pushParts("s1", "crm-contact", Array(6).fill({ data: { t: "x".repeat(90) } }));
  assert.deepEqual(paramsOf(gateway, "appendTransfer").map(({ transfer_data: records }) => records.length), [2, 2, 2]);
  await assert.rejects(client.pushParts("s1", "crm-contact", [{ data: { t: "x".repeat(400) } }]), (error) => {
    assert.deepEqual([error.name, typeof error.openTransfer], ["request_too_large", "string"]);
    return true;
  });
});

test("memory stays at one part", async (t) => {
  const { gateway, client } = await connected(t, {
    appendTransfer: () => ({ success: true }),
    commitTransfer: () => ({ transfer_id: "t1", completed: true }),
  });
  gateway.received = { push() {}, filter: () => [] };
  function* source() {
    for (let n = 0; n < 40_000; n += 1) {
      yield { data: { t: "x".repeat(1_000) + n } };
      if (n % 5_000 === 0) most = Math.max(most, process.memoryUsage().rss);
    }
  }
  let most = 0;
  const before = process.memoryUsage().rss;
  await client.pushParts("s1", "crm-contact", source());
  assert.ok(most - before < 160e6, `40 MB went through, ${Math.round((most - before) / 1e6)} MB more were in use`);
});

test("what was lost on the way is sent again under the same key and number, and counts once", async (t) => {
  const { gateway, client, desk } = await connected(t);
  for (const method of ["beginTransfer", "appendTransfer", "commitTransfer"]) losing(gateway, method);
  const seen = [];
  const onProgress = ({ finished, total }) => seen.push([finished, total]);
  const transfer = await client.pushParts("s1", "crm-contact", people(25), { partRecords: 10, onProgress });
  assert.deepEqual(paramsOf(gateway, "appendTransfer").map(({ seq }) => seq), [0, 0, 1, 2]);
  const keys = paramsOf(gateway, "beginTransfer").map(({ idempotency_key: key }) => key);
  assert.deepEqual([keys.length, new Set(keys).size, keys[0]], [2, 1, transfer.idempotencyKey]);
  assert.equal(desk.transfers.size, 1);
  assert.deepEqual(ids(await collect(transfer.data())), named(25));
});

test("the answer and the progress are asked for at the commit", async (t) => {
  const { gateway, client } = await connected(t);
  const seen = [];
  const onProgress = ({ finished, total }) => seen.push([finished, total]);
  await client.pushParts("s1", "crm-contact", people(4), { onProgress, synchronous: true });
  const [[begin], [commit]] = ["beginTransfer", "commitTransfer"].map((method) => paramsOf(gateway, method));
  assert.deepEqual([begin.synchronous, begin.progress_token], [undefined, undefined]);
  assert.deepEqual([commit.synchronous, commit.progress_token], [true, begin.idempotency_key]);
  assert.deepEqual(seen, [[4, 4]]);
});

test("another process goes on under the same key; other records under it are a conflict", async (t) => {
  const { gateway, client } = await connected(t);
  const { appendTransfer } = gateway.methods;
  gateway.methods.appendTransfer = (params) => {
    if (params.seq === 2) throw failure(1008, "storage_full", { retryable: true });
    return appendTransfer(params);
  };
  const options = { partRecords: 10, idempotencyKey: "k" };
  let open;
  await assert.rejects(client.pushParts("s1", "crm-contact", people(25), options), (error) => {
    open = error.openTransfer;
    return error.name === "storage_full";
  });
  assert.deepEqual((await collect(client.transfers({ state: "open" }))).map(({ transfer_id: id }) => id), [open]);
  gateway.methods.appendTransfer = appendTransfer;
  const transfer = await client.pushParts("s1", "crm-contact", people(25), options);
  assert.deepEqual([transfer.id, (await collect(transfer.data())).length], [open, 25]);
  const third = await client.pushParts("s1", "crm-contact", people(25), options);
  assert.deepEqual([third.id, third.duplicate], [open, true]);
  await assert.rejects(client.pushParts("s1", "crm-contact", people(24), options), { name: "part_conflict" });
});

test("a commit that fails leaves a transfer that can be cancelled", async (t) => {
  const commitTransfer = () => {
    throw failure(1008, "storage_full", { retryable: true });
  };
  const { client, desk } = await connected(t, { commitTransfer });
  let open;
  await assert.rejects(client.pushParts("s1", "crm-contact", people(2)), (error) => {
    open = error.openTransfer;
    return error instanceof PushgateError;
  });
  const transfer = client.transfer(open);
  assert.equal((await transfer.state()).state, "open");
  assert.equal(await transfer.cancel(), true);
  assert.equal(desk.transfers.size, 0);
});

test("a source that fails, or a caller who gives up, leaves nothing behind unless somebody has the key", async (t) => {
  const { gateway, client, desk } = await connected(t);
  const aborter = new AbortController();
  function* failing() {
    yield { data: {} };
    throw new Error("the disk is gone");
  }
  function* givenUp() {
    yield { data: {} };
    aborter.abort(new Error("enough"));
    yield { data: {} };
  }
  const push = (source, options) => client.pushParts("s1", "crm-contact", source, { partRecords: 1, ...options });
  await assert.rejects(push(failing()), { message: "the disk is gone" });
  await assert.rejects(push(givenUp(), { signal: aborter.signal }), { message: "enough" });
  await assert.rejects(push([{ data: { n: NaN } }]), /NaN at "\/transfer_data\/0\/data\/n"/);
  await assert.rejects(push([undefined]), /undefined at "\/transfer_data\/0"/);
  assert.equal(desk.transfers.size, 0);
  await assert.rejects(push(failing(), { idempotencyKey: "mine" }), (error) => desk.transfers.has(error.openTransfer));
  gateway.methods.cancelTransfer = () => {
    throw failure(1306, "transfer_not_found");
  };
  await assert.rejects(push(failing()), { message: "the disk is gone" });
  const begun = gateway.calls("beginTransfer").length;
  for (const wrong of [undefined, "text", {}, 7]) await assert.rejects(push(wrong), TypeError);
  await assert.rejects(push([], { partRecords: 0 }), RangeError);
  assert.equal(gateway.calls("beginTransfer").length, begun);
});

test("parts are cut by number and by bytes, and none at all is one", async () => {
  const cut = async (items, most, bytes) => (await collect(parts(items, "x", most, bytes))).map(({ text }) => JSON.parse(text));
  assert.deepEqual(await cut([1, 2, 3, 4, 5], 2), [[1, 2], [3, 4], [5]]);
  assert.deepEqual(await cut([1, 2], 2), [[1, 2]]);
  assert.deepEqual(await cut([], 2), [[]]);
  assert.deepEqual(await cut(["éé", "éé", "éé"], 9, 22), [["éé", "éé"], ["éé"]]);
  assert.deepEqual(await cut(["éé", "éé"], 9, 20), [["éé"], ["éé"]], "it is bytes that are counted, not characters");
});

test("a plan is read over its pages and applied once", async (t) => {
  const { gateway, client, desk } = await connected(t);
  await client.push("s1", "crm-contact", people(3));
  desk.pageCut = 4;
  const plan = await client.plan("s1", "crm-contact", people(10));
  const rows = await collect(plan);
  assert.deepEqual(rows.map(({ index }) => index), [...Array(10).keys()]);
  assert.deepEqual(rows.map(({ action }) => action), [...Array(3).fill("update"), ...Array(7).fill("create")]);
  assert.deepEqual([plan.summary.create, plan.calls, plan.seconds, plan.count], [7, 2, 0.012, 10]);
  assert.match(plan.expiresAt, /^2025-/);
  assert.deepEqual(await collect(plan.records()), rows);
  assert.deepEqual(paramsOf(gateway, "planTransfer").map(({ offset }) => offset), [undefined, 4, 8, 4, 8]);
  const other = await client.planned(plan.id, { limit: 3 });
  assert.deepEqual(await collect(other), rows);
  const seen = [];
  const transfer = await plan.apply({ onProgress: ({ finished }) => seen.push(finished) });
  assert.deepEqual([ids(await collect(transfer.data())), seen], [named(10), [10]]);
  const again = await plan.apply({ wait: false });
  assert.deepEqual([again.id, again.duplicate], [transfer.id, true]);
  const applied = paramsOf(gateway, "pushTransfer").slice(1);
  assert.deepEqual(Object.keys(applied[0]).sort(), ["idempotency_key", "plan_id", "progress_token"]);
  assert.equal(new Set(applied.map(({ idempotency_key: key }) => key)).size, 1);
  await assert.rejects(client.planned("nothing"), { name: "plan_not_found" });
});

test("an application and a retry whose answers are lost are made once", async (t) => {
  const { gateway, client, desk } = await connected(t);
  const plan = await client.plan("s1", "crm-contact", [{ internal_id: "bad", data: { email: "not an address" } }]);
  losing(gateway, "pushTransfer");
  const transfer = await plan.apply();
  losing(gateway, "retryTransfer");
  const retry = await transfer.retry();
  assert.deepEqual([transfer.duplicate, retry.duplicate], [true, true]);
  assert.deepEqual([...desk.transfers.keys()], [transfer.id, retry.id]);
  assert.deepEqual(["pushTransfer", "retryTransfer"].map((method) => gateway.calls(method).length), [2, 2]);
});

test("a plan has time to be made", async (t) => {
  const { gateway, client } = await connected(t, {}, { callTimeout: 20 });
  const { planTransfer } = gateway.methods;
  gateway.methods.planTransfer = async (params) => {
    await new Promise((resolve) => setTimeout(resolve, 60));
    return planTransfer(params);
  };
  const plan = await client.plan("s1", "crm-contact", people(1));
  await assert.rejects(client.planned(plan.id), { name: "deadline_exceeded" });
  await assert.rejects(client.plan("s1", "crm-contact", people(1), { timeout: 10 }), { name: "deadline_exceeded" });
});

test("what was refused is retried in a new transfer", async (t) => {
  const { gateway, client, desk } = await connected(t);
  const bad = { internal_id: "bad", data: { email: "not an address" } };
  const transfer = await client.push("s1", "crm-contact", [...people(1), bad]);
  bad.data.email = "a@example.com";
  desk.correct(transfer.id, 1, bad);
  const seen = [];
  const retry = await transfer.retry({ onProgress: ({ finished, total }) => seen.push([finished, total]) });
  assert.ok(retry instanceof Transfer);
  assert.deepEqual([ids(await collect(retry.data())), seen], [["bad"], [[1, 1]]]);
  assert.deepEqual([retry.sessionId, retry.endgrateType], ["s1", "crm-contact"]);
  assert.deepEqual((await collect(transfer.errors())).map(({ resolved }) => resolved), [true]);
  const asked = paramsOf(gateway, "retryTransfer");
  assert.deepEqual(asked.map(({ transfer_id: id }) => id), [transfer.id]);
  assert.deepEqual(Object.keys(asked[0]).sort(), ["idempotency_key", "progress_token", "transfer_id"]);
  assert.equal((await retry.state()).retry_of, transfer.id);
  await transfer.retry({ outcomes: ["unsent"], idempotencyKey: "r" });
  assert.deepEqual(paramsOf(gateway, "retryTransfer").at(-1), { transfer_id: transfer.id, outcomes: ["unsent"], idempotency_key: "r" });
});

test("a transfer is cancelled, and what was not sent is sent after all", async (t) => {
  const { client, desk } = await connected(t);
  desk.hold = true;
  const transfer = await client.push("s1", "crm-contact", people(2), { wait: false });
  await assert.rejects(transfer.retry(), { name: "transfer_not_completed" });
  assert.equal(await transfer.cancel(), true);
  await transfer.wait();
  assert.deepEqual((await collect(transfer.data())).map(({ outcome }) => outcome), ["unsent", "unsent"]);
  desk.hold = false;
  const rest = await transfer.retry();
  assert.deepEqual((await collect(rest.data())).map(({ outcome }) => outcome), ["created", "created"]);
  assert.equal(await rest.cancel(), false);
});

test("uncertain records are resolved, and a resolution is never repeated", async (t) => {
  const { gateway, client, desk } = await connected(t);
  desk.uncertain = [0, 1, 2];
  const transfer = await client.push("s1", "crm-contact", people(4));
  const one = await transfer.resolve("written", { internalId: "p1", id: "777" });
  assert.deepEqual(one, { resolved: 1, remaining: 2, retry: undefined });
  assert.equal((await collect(transfer.data()))[1].id, "777");
  assert.equal((await transfer.resolve("not_written", { index: 0 })).remaining, 1);
  desk.uncertain = [];
  const { retry, ...rest } = await transfer.resolve("push_again");
  assert.deepEqual(rest, { resolved: 1, remaining: 0 });
  await retry.wait();
  assert.deepEqual(ids(await collect(retry.data())), ["p2"]);
  await assert.rejects(transfer.resolve("not_written", { index: 3 }), { name: "record_not_found" });
  losing(gateway, "resolveRecord");
  const before = gateway.calls("resolveRecord").length;
  await assert.rejects(transfer.resolve("push_again"), { name: "connection_lost", outcome: "unknown" });
  assert.equal(gateway.calls("resolveRecord").length, before + 1);
});

test("a transfer of another process is waited for, running or completed", async (t) => {
  const { gateway, client, desk } = await connected(t);
  desk.hold = true;
  const { id } = await client.push("s1", "crm-contact", people(1), { wait: false });
  const waiting = client.transfer(id).wait();
  setTimeout(() => desk.finish(id), 20);
  assert.equal((await waiting).state, "completed");
  assert.equal((await client.transfer(id).wait()).state, "completed");
  assert.ok(paramsOf(gateway, "subscribe").every(({ from }) => from === "latest"));
});

test("calls of webhooks are walked over page by page", async (t) => {
  const { gateway, client, desk } = await connected(t);
  const completedWebhook = { endpoint: "https://example.com/a" };
  const told = [];
  for (let n = 0; n < 5; n += 1) told.push((await client.push("s1", "crm-contact", people(n), { completedWebhook })).id);
  await client.push("s1", "crm-contact", people(1));
  desk.pageCut = 2;
  const transfers = async (options) => (await collect(client.webhookDeliveries(options))).map(({ transfer_id: id }) => id);
  assert.deepEqual(await transfers({ sessionId: "s1" }), [...told].reverse());
  assert.deepEqual(paramsOf(gateway, "listWebhookDeliveries").map(({ after }) => after), [undefined, "2", "4"]);
  assert.deepEqual(await transfers({ transferId: told[0] }), [told[0]]);
  assert.deepEqual(await transfers({ state: "failed" }), []);
});

test("lists are walked over page by page, and survive a lost connection", async (t) => {
  const { gateway, client, desk } = await connected(t);
  const pushed = [];
  for (let n = 0; n < 5; n += 1) pushed.push((await client.push("s1", "crm-contact", people(n))).id);
  const company = (await client.push("s2", "crm-company", people(1))).id;
  desk.pageCut = 2;
  losing(gateway, "listTransfers");
  const transfers = async (options) => (await collect(client.transfers(options))).map(({ transfer_id: id }) => id);
  assert.deepEqual(await transfers(), [company, ...[...pushed].reverse()]);
  assert.deepEqual(await transfers({ endgrateType: "crm-company", sessionId: "s2", state: "completed" }), [company]);
  assert.deepEqual(await transfers({ state: "running" }), []);
  assert.deepEqual((await collect(client.sessions({ limit: 1 }))).map(({ session_id: id }) => id), ["s1", "s2"]);
  const identities = await collect(client.identities("s1", { endgrateType: "crm-contact" }));
  assert.deepEqual(ids(identities), named(4));
  const after = paramsOf(gateway, "exportIdentities").map((params) => params.after);
  assert.deepEqual([after[0], after.length, new Set(after).size], [undefined, 2, 2]);
  gateway.methods.exportIdentities = () => ({ identities: [], next: "k" });
  await assert.rejects(collect(client.identities("s1")), /the same page again/);
});

test("identities are imported in bounded calls, and the answers added up", async (t) => {
  const { gateway, client } = await connected(t);
  function* source() {
    for (let n = 0; n < 25_000; n += 1) yield [`c${n}`, `${n}`];
  }
  const about = { session_id: "s1", endgrate_type: "crm-contact" };
  losing(gateway, "importIdentities");
  const done = await client.importIdentities({ ...about, identities: source() });
  // The answer to the first call was lost: by the second time its pairs are known.
  assert.deepEqual([done.success, done.imported, done.unchanged], [true, 15_000, 10_000]);
  const sizes = paramsOf(gateway, "importIdentities").map(({ identities }) => identities.length);
  assert.deepEqual(sizes, [10_000, 10_000, 10_000, 5_000]);
  assert.deepEqual(paramsOf(gateway, "importIdentities")[0].identities[0], { internal_id: "c0", id: "0" });
  assert.equal((await client.importIdentities({ ...about, identities: new Map([["c1", "1"]]) })).unchanged, 1);
  const identities = [{ internal_id: "c1", id: "9" }, { internal_id: "new", id: "10" }];
  await assert.rejects(client.importIdentities({ ...about, identities }), { name: "invalid_params" });
  const kept = await client.importIdentities({ ...about, identities, on_conflict: "keep" });
  assert.deepEqual(kept, {
    success: true, imported: 1, unchanged: 0, conflicts: [{ internal_id: "c1", id: "9", known_id: "1" }], conflicts_total: 1,
  });
  assert.equal((await client.importIdentities({ ...about, identities: [] })).imported, 0);
  for (const wrong of [undefined, "text", 7]) {
    await assert.rejects(client.importIdentities({ ...about, identities: wrong }), TypeError);
  }
});
