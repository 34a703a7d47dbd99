import assert from "node:assert/strict";
import { test } from "node:test";

import { Client, ConnectionLost, mintIdempotencyKey } from "../src/index.js";
import { collect, failure, FakeGateway, SILENCE, until } from "./fake-gateway.js";

async function connected(t, methods, options) {
  const gateway = await FakeGateway.start(t, methods);
  const client = await Client.connect({ socket: gateway.path, ...options });
  t.after(() => client.close({ timeout: 100 }));
  return { gateway, client };
}

const accepted = { success: true, transfer_id: "t1", statistics: "", event_cursor: "c0" };
const soon = (act) => setTimeout(act, 10);

test("keys sort by the time they were made and are all different", () => {
  const keys = Array.from({ length: 10_000 }, () => mintIdempotencyKey());
  assert.deepEqual(keys, [...keys].sort());
  assert.equal(new Set(keys).size, keys.length);
  assert.match(keys[0], /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  const later = mintIdempotencyKey(Date.now() + 60_000);
  assert.ok(mintIdempotencyKey() > later, "also when the clock is set back");
});

test("push sends the records with a minted key and waits for the completed event", async (t) => {
  const { gateway, client } = await connected(t, {
    pushTransfer: () => {
      soon(() => gateway.publish("completed", { completed: true }));
      return accepted;
    },
  });
  const transfer = await client.push("s1", "crm-contact", [{ internal_id: "a", data: { email: "a@b.c" } }], {
    disableUpsert: true,
    bypass_rate_limit: true,
  });
  assert.equal(gateway.log.length, 1, "it did wait");
  const { idempotency_key: key, ...params } = gateway.calls("pushTransfer")[0].params;
  assert.deepEqual(params, {
    session_id: "s1", endgrate_type: "crm-contact", transfer_data: [{ internal_id: "a", data: { email: "a@b.c" } }],
    disable_upsert: true, bypass_rate_limit: true,
  });
  assert.match(key, /^[0-9a-f]{8}-[0-9a-f]{4}-7/);
  assert.equal(key, transfer.idempotencyKey);
  assert.deepEqual([transfer.id, transfer.duplicate, transfer.eventCursor], ["t1", false, "c0"]);
  const { params: listened } = gateway.calls("subscribe")[0];
  assert.deepEqual([listened.transfer_id, listened.types, listened.from], ["t1", ["completed"], { cursor: "c0" }]);
  assert.deepEqual((await transfer.wait()).summary, { created: 1 });
  assert.equal(gateway.calls("subscribe").length, 1, "a completed transfer is not listened to again");
});

test("wait: false answers at once, the transfer can be waited for later", async (t) => {
  const { gateway, client } = await connected(t);
  const transfer = await client.push("s1", "crm-contact", [], { wait: false });
  assert.equal(gateway.calls("subscribe").length, 0);
  const waiting = transfer.wait();
  gateway.publish("completed", {});
  assert.equal((await waiting).state, "completed");
});

test("a synchronous push that is completed needs no events", async (t) => {
  const { gateway, client } = await connected(t, { pushTransfer: () => ({ ...accepted, completed: true }) });
  await client.push("s1", "crm-contact", [], { synchronous: true });
  assert.equal(gateway.calls("pushTransfer")[0].params.synchronous, true);
  assert.equal(gateway.calls("subscribe").length, 0);
});

test("a push whose answer was lost is repeated under the same key, to the byte", async (t) => {
  let times = 0;
  const { gateway, client } = await connected(t, {
    pushTransfer(params, connection) {
      times += 1;
      if (times === 1) {
        connection.socket.destroy();
        return SILENCE;
      }
      if (times === 2) throw failure(1001, "shutting_down", { retryable: true });
      if (times === 3) throw failure(1002, "overloaded", { retryable: true, retry_after_ms: 5 });
      return { ...accepted, duplicate: true };
    },
  });
  const records = [{ internal_id: "1", data: { n: 1 } }];
  const transfer = await client.push("s1", "crm-contact", records, { wait: false });
  const bodies = gateway.calls("pushTransfer").map(({ params }) => JSON.stringify(params));
  assert.equal(bodies.length, 4);
  assert.equal(new Set(bodies).size, 1);
  assert.equal(transfer.duplicate, true);
});

test("a plain pushTransfer is never repeated by the client", async (t) => {
  const { gateway, client } = await connected(t, {
    pushTransfer(params, connection) {
      connection.socket.destroy();
      return SILENCE;
    },
  });
  await assert.rejects(client.pushTransfer({ session_id: "s" }), (error) => error.outcome === "unknown");
  await client.ping();
  assert.equal(gateway.calls("pushTransfer").length, 1);
});

test("a push is not repeated beyond its time, nor after a refusal", async (t) => {
  const { gateway, client } = await connected(t, {
    pushTransfer({ idempotency_key: key }) {
      if (key === "k") throw failure(1201, "idempotency_conflict");
      throw failure(1002, "overloaded", { retryable: true, retry_after_ms: 250 });
    },
  });
  await assert.rejects(client.push("s", "t", [], { idempotencyKey: "k" }), { name: "idempotency_conflict" });
  assert.equal(gateway.calls("pushTransfer").length, 1);
  await assert.rejects(client.push("s", "t", [], { timeout: 600 }), { name: "overloaded" });
  assert.ok(gateway.calls("pushTransfer").length <= 4);
});

test("waiting survives a crash between the acceptance and the completion", async (t) => {
  const { gateway, client } = await connected(t);
  const transfer = await client.push("s1", "crm-contact", [], { wait: false });
  const waiting = transfer.wait();
  await until(() => gateway.calls("subscribe").length === 1);
  await gateway.crash();
  gateway.publish("completed", {});
  await gateway.listen();
  assert.equal((await waiting).state, "completed");
});

test("if the completed event is gone from the log, the transfer itself is asked", async (t) => {
  const gap = { from_cursor: "c0", resumed_at: "c7", lost_at_most: 7 };
  const withGap = ({ subscription }) => ({ subscription, cursor: "c7", oldest: "c7", latest: "c7", gap });
  const { client, gateway } = await connected(t, { subscribe: withGap });
  const transfer = await client.push("s1", "crm-contact", []);
  assert.equal((await transfer.state()).state, "completed");

  for (const [code, name] of [[1104, "cursor_invalid"], [1105, "cursor_expired"]]) {
    const froms = [];
    gateway.methods.subscribe = (params) => {
      froms.push(params.from);
      if (froms.length === 1) throw failure(code, name);
      return { subscription: params.subscription, cursor: "c9", oldest: "c7", latest: "c9", gap: null };
    };
    await client.push("s1", "crm-contact", []);
    assert.deepEqual(froms, [{ cursor: "c0" }, "latest"]);
  }
});

test("a gap does not end the waiting for a transfer that still runs", async (t) => {
  const gap = { from_cursor: "c0", resumed_at: "c7", lost_at_most: 7 };
  let state = "running";
  const { gateway, client } = await connected(t, {
    subscribe: ({ subscription }, connection) => ({
      reply: { subscription, cursor: "c7", oldest: "c7", latest: "c7", gap },
      then: () => connection.subscriptions.set(subscription, () => true),
    }),
    getTransfer: () => ({ state }),
  });
  const transfer = await client.push("s1", "crm-contact", [], { wait: false });
  let done = false;
  const waiting = transfer.wait().then(() => {
    done = true;
  });
  await until(() => gateway.calls("getTransfer").length === 1);
  await client.ping();
  assert.equal(done, false);
  state = "completed";
  gateway.publish("completed", {});
  await waiting;
});

test("a wait that takes too long, is aborted or loses its client says so, and hands over the transfer", async (t) => {
  const { gateway, client } = await connected(t);
  await assert.rejects(client.push("s1", "crm-contact", [], { timeout: 60 }), (error) => {
    assert.deepEqual([error.name, error.transfer.id], ["deadline_exceeded", "t1"]);
    return true;
  });
  const aborter = new AbortController();
  const pushing = client.push("s1", "crm-contact", [], { signal: aborter.signal });
  await until(() => gateway.calls("subscribe").length === 2);
  aborter.abort();
  await assert.rejects(pushing, { name: "AbortError" });
  await until(() => gateway.calls("unsubscribe").length === 2);
  assert.equal(gateway.calls("unsubscribe").length, 2, "and nobody listens any more");
  const transfer = await client.push("s1", "crm-contact", [], { wait: false });
  const waiting = assert.rejects(transfer.wait(), (error) => {
    assert.ok(error instanceof ConnectionLost);
    assert.match(error.message, /closed before transfer t1 completed; the transfer goes on/);
    return true;
  });
  await until(() => gateway.calls("subscribe").length === 3);
  await client.close();
  await waiting;
});

test("progress comes by token and by events, each state once and never backwards", async (t) => {
  const seen = [];
  const { gateway, client } = await connected(t, {
    pushTransfer({ progress_token: token }, connection) {
      const report = (finished) => ({ transfer_id: "t1", finished, total: 3 });
      soon(async () => {
        connection.notify("$/progress", { token, value: report(1) });
        gateway.publish("progress", report(1));
        gateway.publish("progress", report(2));
        await until(() => seen.length === 2);
        connection.notify("$/progress", { token, value: report(1) });
        connection.notify("$/progress", { token, value: report(3) });
        gateway.publish("completed", {});
      });
      return accepted;
    },
  });
  await client.push("s1", "crm-contact", [{}, {}, {}], { onProgress: ({ finished, total }) => seen.push([finished, total]) });
  assert.deepEqual(seen, [[1, 3], [2, 3], [3, 3]]);
  assert.deepEqual(gateway.calls("subscribe")[0].params.types, ["completed", "progress"]);
});

test("progress of a push that nobody waits for comes by its token; wait can listen too", async (t) => {
  const { gateway, client } = await connected(t);
  const seen = [];
  const transfer = await client.push("s1", "crm-contact", [{}], { wait: false, onProgress: ({ finished }) => seen.push(finished) });
  const [connection] = gateway.connections;
  const token = gateway.calls("pushTransfer")[0].params.progress_token;
  connection.notify("$/progress", { token, value: { finished: 1, total: 2 } });
  await client.ping();
  assert.deepEqual(seen, [1]);
  const waited = [];
  const waiting = transfer.wait({ onProgress: ({ finished }) => waited.push(finished) });
  await until(() => gateway.calls("subscribe").length === 1);
  gateway.publish("progress", { finished: 2, total: 2 });
  gateway.publish("completed", {});
  await waiting;
  assert.deepEqual([seen, waited], [[1, 2], [2]]);
});

test("records may come from any iterable, also an asynchronous one; anything else is refused", async (t) => {
  const { gateway, client } = await connected(t, { pushTransfer: () => ({ ...accepted, completed: true }) });
  async function* later() {
    yield { internal_id: "1" };
    yield { internal_id: "2" };
  }
  await client.push("s", "t", later());
  await client.push("s", "t", new Set([{ internal_id: "1" }, { internal_id: "2" }]));
  for (const { params } of gateway.calls("pushTransfer")) {
    assert.deepEqual(params.transfer_data, [{ internal_id: "1" }, { internal_id: "2" }]);
  }
  for (const wrong of [undefined, null, "text", {}, 7]) await assert.rejects(client.push("s", "t", wrong), TypeError);
  await assert.rejects(client.push("s", "t", [{ data: { n: NaN } }]), /\/transfer_data\/0\/data\/n/);
  assert.equal(gateway.calls("pushTransfer").length, 2);
});

test("data and errors walk over all pages, whatever their size, and survive a lost connection", async (t) => {
  const rows = Array.from({ length: 7 }, (_, n) => ({ id: String(n), data: {}, associations: {} }));
  let times = 0;
  const pages = (member) => ({ offset = 0, limit = 250 }, connection) => {
    times += 1;
    if (times === 2) {
      connection.socket.destroy();
      return SILENCE;
    }
    const page = rows.slice(offset, offset + Math.min(limit, 3));
    const next = offset + page.length < rows.length ? { offset: offset + page.length, link: "" } : undefined;
    return { success: true, meta: { count: rows.length, next }, [member]: page };
  };
  const { gateway, client } = await connected(t, {
    pushTransfer: () => ({ ...accepted, completed: true }),
    getData: pages("transfer_data"),
    getErrors: pages("errors"),
    getStatistics: (params) => ({ params }),
  });
  const transfer = await client.push("s", "crm-contact", []);
  assert.deepEqual(await collect(transfer.data()), rows);
  assert.deepEqual(await collect(transfer.data({ limit: 2, offset: 1, endgrateType: "crm-company", partial: true })), rows.slice(1));
  assert.deepEqual(gateway.calls("getData").at(-1).params, {
    transfer_id: "t1", endgrate_type: "crm-company", partial: true, limit: 2, offset: 5,
  });
  assert.deepEqual(await collect(transfer.errors({ limit: 5 })), rows);
  assert.deepEqual(await transfer.statistics(), { params: { transfer_id: "t1" } });
});

test("a page that points back to itself is an error, not an endless loop", async (t) => {
  const { client } = await connected(t, {
    getData: () => ({ meta: { count: 9, next: { offset: 0 } }, transfer_data: [] }),
  });
  const transfer = await client.push("s", "crm-contact", [], { wait: false });
  await assert.rejects(collect(transfer.data()), /next page at 0 after the one at 0/);
});

test("more transfers than a connection may have subscriptions are waited for at once", async (t) => {
  let most = 0;
  let count = 0;
  const { gateway, client } = await connected(t, {
    pushTransfer: () => ({ ...accepted, transfer_id: `t${(count += 1)}` }),
    subscribe({ subscription, transfer_id: id }, connection) {
      const { subscriptions } = connection;
      if (subscriptions.size >= 40) throw failure(1103, "too_many_subscriptions");
      subscriptions.set(subscription, ({ data }) => data.transfer_id === id);
      most = Math.max(most, subscriptions.size);
      setTimeout(() => gateway.publish("completed", { transfer_id: id }), 2);
      return { subscription, cursor: "c0", oldest: "c1", latest: "c1", gap: null };
    },
  });
  const own = Array.from({ length: 10 }, () => client.subscribe({ types: ["data"] }));
  await Promise.all(own.map(({ ready }) => ready));
  const transfers = await Promise.all(Array.from({ length: 200 }, () => client.push("s", "crm-contact", [])));
  assert.equal(new Set(transfers.map(({ id }) => id)).size, 200);
  assert.ok(gateway.calls("subscribe").length > 210, "some were refused and came again");
  assert.equal(most, 40);
});

test("who gives up waiting in the queue gives up the place", async (t) => {
  const { gateway, client } = await connected(t);
  const waiting = await Promise.all(Array.from({ length: 33 }, () => client.push("s", "crm-contact", [], { wait: false })));
  const last = waiting.pop();
  const others = waiting.map((transfer) => transfer.wait());
  await assert.rejects(last.wait({ timeout: 20 }), { name: "deadline_exceeded" });
  assert.equal(gateway.calls("subscribe").length, 32);
  const again = last.wait();
  gateway.publish("completed", {});
  await Promise.all([...others, again]);
  assert.equal(gateway.calls("subscribe").length, 33);
});
