import assert from "node:assert/strict";
import { test } from "node:test";

import { Client, ConnectionLost } from "../src/index.js";
import { collect, failure, FakeGateway, SILENCE, until } from "./fake-gateway.js";

async function connected(t, methods, options) {
  const gateway = await FakeGateway.start(t, methods);
  const client = await Client.connect({ socket: gateway.path, ...options });
  t.after(() => client.close({ timeout: 100 }));
  return { gateway, client };
}

const cursors = (events) => events.map(({ cursor }) => cursor);

/** A subscribe that answers with `result` and then runs `then(connection, params)`. */
const subscribeWith = (result, then) => (params, connection) => ({
  reply: { subscription: params.subscription, cursor: "c0", oldest: "c1", latest: "c9", gap: null, ...result },
  then: () => then?.(connection, params),
});

test("events come in order, with cursor, time, type and data", async (t) => {
  const { gateway, client } = await connected(t);
  gateway.publish("data", { n: 1 });
  const events = client.subscribe({ from: "earliest" });
  assert.equal((await events.ready).latest, "c1");
  assert.equal(await events.caughtUp, "c1");
  gateway.publish("completed", { n: 2 });
  const time = "2025-01-01T00:00:00.000Z";
  assert.deepEqual(await collect(events, 2), [
    { cursor: "c1", time, type: "data", data: { n: 1 } },
    { cursor: "c2", time, type: "completed", data: { n: 2 } },
  ]);
});

test("the options go out under the wire's names, the default is from now on", async (t) => {
  const { gateway, client } = await connected(t);
  await client.subscribe({
    sessionId: "s", transferId: "t", types: ["data"], from: { consumer: "me" }, onGap: "error", ack: "explicit",
    window: 8, heartbeatMs: 500, subscription: "mine",
  }).ready;
  await client.subscribe().ready;
  const [full, plain] = gateway.calls("subscribe").map(({ params }) => params);
  assert.deepEqual(full, {
    session_id: "s", transfer_id: "t", types: ["data"], from: { consumer: "me" }, on_gap: "error", ack: "explicit",
    window: 8, heartbeat_ms: 500, subscription: "mine",
  });
  assert.deepEqual([plain.from, plain.heartbeat_ms, plain.session_id], ["latest", 30_000, undefined]);
});

test("subscribe leaves before any later call", async (t) => {
  const { gateway, client } = await connected(t);
  client.subscribe();
  await client.ping();
  assert.deepEqual(gateway.received.map(({ method }) => method), ["hello", "subscribe", "ping"]);
});

test("leaving the loop unsubscribes, and the connection goes on", async (t) => {
  const { gateway, client } = await connected(t);
  gateway.publish("data", 1);
  const events = client.subscribe({ from: "earliest" });
  for await (const event of events) if (event.data === 1) break;
  const { params } = gateway.calls("unsubscribe")[0];
  assert.equal(params.subscription, gateway.calls("subscribe")[0].params.subscription);
  assert.deepEqual(await events.next(), { value: undefined, done: true });
  assert.deepEqual(await client.call("echo", { a: 1 }), { a: 1 });
});

test("closing ends a loop that waits", async (t) => {
  const { client } = await connected(t);
  const events = client.subscribe();
  const waiting = events.next();
  await events.ready;
  await events.close();
  assert.deepEqual(await waiting, { value: undefined, done: true });
  const others = client.subscribe();
  const ended = others.next();
  await client.close();
  assert.equal((await ended).done, true, "closing the client ends its subscriptions");
});

test("after a restart it goes on after the last event, without a loss and without a repeat", async (t) => {
  const { gateway, client } = await connected(t);
  const events = client.subscribe({ from: "earliest" });
  for (let n = 1; n <= 5; n += 1) gateway.publish("data", n);
  const seen = await Promise.all([1, 2, 3].map(async () => (await events.next()).value.data));
  for (let round = 0; round < 3; round += 1) {
    await gateway.crash();
    gateway.publish("data", gateway.log.length + 1);
    await gateway.listen();
    gateway.publish("data", gateway.log.length + 1);
    while (seen.length < gateway.log.length) seen.push((await events.next()).value.data);
  }
  assert.deepEqual(seen, Array.from({ length: 11 }, (_, n) => n + 1));
  const again = gateway.calls("subscribe").at(-1).params;
  assert.equal(typeof again.from.cursor, "string");
  assert.notEqual(again.subscription, gateway.calls("subscribe")[0].params.subscription);
  await events.close();
});

test("`latest` means the time of the first subscribe, also if the connection is lost before the first event", async (t) => {
  const { gateway, client } = await connected(t);
  gateway.publish("data", "before");
  const events = client.subscribe();
  await events.ready;
  await gateway.crash();
  gateway.publish("data", "while away");
  await gateway.listen();
  assert.equal((await events.next()).value.data, "while away");
  assert.deepEqual(gateway.calls("subscribe").at(-1).params.from, { cursor: "c1" });
});

test("a repeat is dropped by its cursor, progress is not in the log and never dropped", async (t) => {
  const subscribe = subscribeWith({}, (connection, { subscription }) => {
    for (const [type, cursor, data] of [
      ["data", "a", 1], ["data", "b", 2], ["data", "a", 1], ["progress", "b", 3], ["progress", "b", 4], ["data", "c", 5],
    ]) {
      connection.notify("event", { subscription, cursor, time: "", type, data });
    }
  });
  const { client } = await connected(t, { subscribe });
  const events = await collect(client.subscribe(), 5);
  assert.deepEqual(events.map(({ data }) => data), [1, 2, 3, 4, 5]);
});

test("the cursor of progress is no place to resume from, that of a heartbeat is", async (t) => {
  const { gateway, client } = await connected(t);
  gateway.publish("data", 1);
  const events = client.subscribe({ from: "earliest" });
  await events.next();
  const [connection] = gateway.connections;
  const subscription = gateway.calls("subscribe")[0].params.subscription;
  connection.notify("event", { subscription, cursor: "far", time: "", type: "progress", data: 7 });
  assert.equal((await events.next()).value.data, 7);
  await gateway.crash();
  await gateway.listen();
  await until(() => gateway.calls("subscribe").length === 2);
  assert.deepEqual(gateway.calls("subscribe")[1].params.from, { cursor: "c1" });
  await until(() => gateway.connections.size === 1);
  const [next] = gateway.connections;
  await events.caughtUp;
  next.notify("subscription.heartbeat", { subscription: gateway.calls("subscribe")[1].params.subscription, cursor: "h9" });
  await client.ping();
  await gateway.crash();
  await gateway.listen();
  await until(() => gateway.calls("subscribe").length === 3);
  assert.deepEqual(gateway.calls("subscribe")[2].params.from, { cursor: "h9" });
  await events.close();
});

test("a gap is an event of its own, before what follows it, and told once", async (t) => {
  const gap = { from_cursor: "x", resumed_at: "c5", lost_at_most: 4 };
  const subscribe = subscribeWith({ gap }, (connection, { subscription }) => {
    connection.notify("event", { subscription, cursor: "c5", time: "t", type: "data", data: 5 });
  });
  const { gateway, client } = await connected(t, { subscribe });
  const events = client.subscribe({ from: { cursor: "x" } });
  const [first, second] = [await events.next(), await events.next()];
  assert.deepEqual(first.value, { cursor: "c5", time: undefined, type: "gap", data: gap });
  assert.equal(second.value.data, 5);
  await gateway.crash();
  await gateway.listen();
  await until(() => gateway.calls("subscribe").length === 2);
  assert.deepEqual(gateway.calls("subscribe")[1].params.from, { cursor: "c5" });
  await client.ping();
  const nothing = await Promise.race([events.next(), new Promise((resolve) => setTimeout(resolve, 30, "nothing"))]);
  assert.equal(nothing, "nothing");
  await events.close();
});

test("a named consumer comes back as itself; what it has seen and not acknowledged is not handed out twice", async (t) => {
  let acknowledged = 0;
  const { gateway, client } = await connected(t, {
    subscribe: (params, connection) => ({
      reply: { subscription: params.subscription, cursor: "c0", oldest: "c1", latest: "c9", gap: null },
      then() {
        for (const event of connection.gateway.log.slice(acknowledged)) {
          connection.notify("event", { subscription: params.subscription, ...event });
        }
      },
    }),
    ack: ({ cursor }) => {
      acknowledged = Number(cursor.slice(1));
      return {};
    },
  });
  for (let n = 1; n <= 4; n += 1) gateway.publish("data", n);
  const events = client.subscribe({ from: { consumer: "mirror" } });
  const first = (await events.next()).value;
  await events.next();
  await events.ack(first);
  assert.equal(acknowledged, 1);
  await gateway.crash();
  gateway.publish("data", 5);
  await gateway.listen();
  const rest = [await events.next(), await events.next(), await events.next()];
  assert.deepEqual(rest.map(({ value }) => value.data), [3, 4, 5]);
  assert.deepEqual(gateway.calls("subscribe").at(-1).params.from, { consumer: "mirror" });
  await events.ack();
  assert.equal(acknowledged, 5, "without an argument: everything handed out");
  const ack = gateway.calls("ack").at(-1).params;
  assert.equal(ack.subscription, gateway.calls("subscribe").at(-1).params.subscription);
});

test("an ack waits for a lost connection to come back, and fails once the subscription is over", async (t) => {
  const { gateway, client } = await connected(t);
  const events = client.subscribe({ from: "earliest" });
  await events.ack();
  assert.equal(gateway.calls("ack").length, 0, "there is nothing to acknowledge yet");
  gateway.publish("data", 1);
  const { value } = await events.next();
  await gateway.crash();
  await until(() => gateway.connections.size === 0);
  const ack = events.ack(value);
  await gateway.listen();
  await ack;
  assert.equal(gateway.calls("ack").at(-1).params.cursor, "c1");
  await events.close();
  await assert.rejects(events.ack("c1"), ConnectionLost);
});

test("an ack that the dying gateway swallows is repeated, a refused one is the caller's", async (t) => {
  let times = 0;
  const ack = (params, connection) => {
    times += 1;
    if (times === 1) throw failure(1001, "shutting_down", { retryable: true });
    if (times === 2) {
      connection.socket.destroy();
      return SILENCE;
    }
    if (times === 4) throw failure(1104, "cursor_invalid");
    return {};
  };
  const { client, gateway } = await connected(t, { ack });
  const events = client.subscribe();
  await events.ready;
  gateway.publish("data", 1);
  await events.next();
  await events.ack();
  assert.equal(times, 3);
  await assert.rejects(events.ack("nonsense"), { name: "cursor_invalid" });
  await events.close();
});

test("a refused subscribe ends the iteration with the error", async (t) => {
  const subscribe = () => {
    throw failure(1106, "consumer_busy", { retryable: true });
  };
  const { client } = await connected(t, { subscribe });
  const events = client.subscribe({ from: { consumer: "c" } });
  await assert.rejects(events.ready, { name: "consumer_busy" });
  await assert.rejects(events.next(), { name: "consumer_busy", code: 1106 });
  assert.equal((await events.next()).done, true);
});

test("coming back, a consumer waits for its old connection to be noticed as gone", async (t) => {
  let busy = 0;
  const { gateway, client } = await connected(t, {
    subscribe(params, connection) {
      if (gateway.hellos === 2 && (busy += 1) < 4) throw failure(1106, "consumer_busy", { retryable: true });
      return subscribeWith({}, () => connection.subscriptions.set(params.subscription, () => true))(params, connection);
    },
  });
  const events = client.subscribe({ from: { consumer: "c" } });
  await events.ready;
  await gateway.crash();
  await gateway.listen();
  await until(() => busy === 4);
  await client.ping();
  gateway.publish("data", "here again");
  assert.equal((await events.next()).value.data, "here again");
  await events.close();
});

test("a consumer that stays busy is given up after reconnectFor", async (t) => {
  const { gateway, client } = await connected(
    t,
    {
      subscribe(params, connection) {
        if (gateway.hellos > 1) throw failure(1106, "consumer_busy", { retryable: true });
        return subscribeWith({})(params, connection);
      },
    },
    { reconnectFor: 150 },
  );
  const events = client.subscribe({ from: { consumer: "c" } });
  await events.ready;
  await gateway.crash();
  await gateway.listen();
  await assert.rejects(events.next(), { name: "consumer_busy" });
});

test("a gateway that stays away ends the iteration, after what had arrived", async (t) => {
  const { gateway, client } = await connected(t, {}, { reconnectFor: 50 });
  gateway.publish("data", 1);
  const events = client.subscribe({ from: "earliest" });
  await events.caughtUp;
  await gateway.crash();
  await new Promise((resolve) => setTimeout(resolve, 120));
  assert.equal((await events.next()).value.data, 1);
  await assert.rejects(events.next(), (error) => error instanceof ConnectionLost && /No gateway at/.test(error.message));
  assert.equal((await events.next()).done, true);
});

test("a subscription that the gateway ends while it closes or because it stalled is made anew", async (t) => {
  for (const reason of ["gateway_closing", "stalled"]) {
    const { gateway, client } = await connected(t);
    gateway.publish("data", 1);
    const events = client.subscribe({ from: "earliest" });
    await events.next();
    const [connection] = gateway.connections;
    const [[subscription]] = connection.subscriptions;
    connection.subscriptions.clear();
    connection.notify("subscription.closed", { subscription, reason, cursor: "c1" });
    gateway.publish("data", 2);
    assert.equal((await events.next()).value.data, 2);
    assert.deepEqual(gateway.calls("subscribe").at(-1).params.from, { cursor: "c1" });
    await client.close();
  }
});

test("a deleted session ends the iteration with session_not_found", async (t) => {
  const { gateway, client } = await connected(t);
  const events = client.subscribe({ sessionId: "s" });
  await events.caughtUp;
  const [connection] = gateway.connections;
  const [{ params }] = gateway.calls("subscribe");
  connection.notify("subscription.closed", { ...params, reason: "session_deleted", cursor: "c1" });
  await assert.rejects(events.next(), { name: "session_not_found", code: 1301 });
});

test("a slow reader keeps a bounded queue, loses nothing, and does not hold up other calls", async (t) => {
  const { gateway, client } = await connected(t);
  for (let n = 1; n <= 1000; n += 1) gateway.publish("data", n);
  const events = client.subscribe({ from: "earliest", buffer: 16 });
  await events.ready;
  await client.ping();
  await until(() => gateway.calls("unsubscribe").length === 1);
  assert.equal(gateway.calls("unsubscribe").length, 1, "a full queue gives the subscription up");
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(gateway.calls("subscribe").length, 1, "and it is not made anew before there is room");
  const all = await collect(events, 1000);
  assert.deepEqual(cursors(all), cursors(gateway.log));
  assert.ok(gateway.calls("subscribe").length > 2);
});

test("an ack while the queue is full opens the subscription again", async (t) => {
  const { gateway, client } = await connected(t);
  for (let n = 1; n <= 20; n += 1) gateway.publish("data", n);
  const events = client.subscribe({ from: "earliest", buffer: 8 });
  const { value } = await events.next();
  await until(() => gateway.calls("unsubscribe").length === 1);
  await events.ack(value);
  assert.equal(gateway.calls("ack").length, 1);
  assert.deepEqual(cursors(await collect(events, 19)), cursors(gateway.log.slice(1)));
});

test("rows too large for a line are fetched and become the payload they stand for", async (t) => {
  const rows = Array.from({ length: 10 }, (_, n) => ({ id: String(n), data: {}, associations: {} }));
  let lost = false;
  const { gateway, client } = await connected(t, {
    getData({ offset, limit, partial }, connection) {
      assert.equal(partial, true);
      if (!lost) {
        lost = true;
        connection.socket.destroy();
        return SILENCE;
      }
      const page = rows.slice(offset, offset + Math.min(limit, 3));
      const next = offset + page.length < rows.length ? { offset: offset + page.length, link: "" } : undefined;
      return { success: true, meta: { count: rows.length, next }, transfer_data: page, transfer_errors: true };
    },
    getTransfer: () => ({ session_id: "s1", endgrate_type: "crm-contact", state: "running" }),
  });
  const ref = (offset, limit) => ({ method: "getData", params: { transfer_id: "t1", offset, limit, partial: true } });
  gateway.publish("data", undefined, { ref: ref(2, 5) });
  gateway.publish("data", undefined, { ref: ref(7, 3) });
  const [first, second] = await collect(client.subscribe({ from: "earliest" }), 2);
  assert.deepEqual(first.data, {
    success: true, transfer_id: "t1", session_id: "s1", endgrate: { endgrate_type: "crm-contact" },
    completed: false, transfer_data: rows.slice(2, 7), transfer_errors: true,
  });
  assert.deepEqual([first.cursor, first.ref], ["c1", undefined]);
  assert.deepEqual(second.data.transfer_data, rows.slice(7));
  assert.equal(second.data.completed, true);
});

test("a gateway that fell silent is asked, and left if it does not answer", async (t) => {
  let deaf = false;
  const { gateway, client } = await connected(t, { ping: () => (deaf ? SILENCE : {}) });
  const events = client.subscribe({ from: "earliest", heartbeatMs: 20 });
  await until(() => gateway.calls("ping").length >= 2);
  assert.equal(gateway.hellos, 1, "an answered ping is a sign of life");
  deaf = true;
  await until(() => gateway.hellos === 2);
  deaf = false;
  gateway.publish("data", 1);
  assert.equal((await events.next()).value.data, 1);
  await events.close();
});
