// A gateway for the tests: a server on a Unix socket with a durable event log, and a script to misbehave by. It speaks
// the wire of the protocol on its own terms (it shares no code with the client).

import { mkdtempSync, rmSync } from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";

export class FakeGateway {
  /** Every request and notification received, in order. */
  received = [];
  /** Method name -> function (params, connection, request) -> result, or throws {code, message, data}, or SILENCE. */
  methods = {};
  log = [];
  connections = new Set();
  hellos = 0;

  constructor(socketPath) {
    this.directory = mkdtempSync(path.join(os.tmpdir(), "pushgate-"));
    this.path = socketPath?.(this.directory) ?? path.join(this.directory, "pushgate.sock");
  }

  static async start(test, methods = {}, socketPath) {
    const gateway = new FakeGateway(socketPath);
    Object.assign(gateway.methods, methods);
    test.after(() => gateway.remove());
    await gateway.listen();
    return gateway;
  }

  listen() {
    this.server = net.createServer({ allowHalfOpen: true }, (socket) => this.#accept(socket));
    return new Promise((resolve) => this.server.listen(this.path, resolve));
  }

  /** As kill -9: the socket stays dead until `listen`, the log stays. */
  async crash() {
    const closed = new Promise((resolve) => this.server.close(resolve));
    for (const { socket } of this.connections) socket.destroy();
    await closed;
  }

  async remove() {
    await this.crash();
    rmSync(this.directory, { recursive: true, force: true });
  }

  calls(method) {
    return this.received.filter((message) => message.method === method);
  }

  /** Appends to the log and serves it to the live subscriptions. */
  publish(type, data, extra = {}) {
    const event = { cursor: `c${this.log.length + 1}`, time: "2025-01-01T00:00:00.000Z", type, data, ...extra };
    this.log.push(event);
    for (const connection of this.connections) connection.serve(event);
    return event.cursor;
  }

  #accept(socket) {
    const connection = new FakeConnection(this, socket);
    this.connections.add(connection);
    socket.on("close", () => this.connections.delete(connection));
    socket.on("error", () => {});
  }
}

export const SILENCE = Symbol("no answer");

class FakeConnection {
  subscriptions = new Map();
  open = 0;
  hasEnded = false;
  #rest = "";

  constructor(gateway, socket) {
    this.gateway = gateway;
    this.socket = socket;
    socket.setEncoding("utf8");
    socket.on("data", (text) => {
      const lines = (this.#rest + text).split("\n");
      this.#rest = lines.pop();
      for (const line of lines) this.#handle(JSON.parse(line));
    });
    socket.on("end", () => {
      this.hasEnded = true;
      this.#endWhenAnswered();
    });
  }

  send(message) {
    if (message.id !== undefined && message.id !== null) this.open -= 1;
    if (!this.socket.destroyed) this.socket.write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`);
  }

  notify(method, params) {
    this.send({ method, params });
  }

  serve({ ...event }) {
    for (const [subscription, wants] of this.subscriptions) {
      if (wants(event)) this.notify("event", { subscription, ...event });
    }
  }

  async #handle(request) {
    this.gateway.received.push(request);
    if (request.id === undefined) return;
    this.open += 1;
    await this.#answer(request);
    this.#endWhenAnswered();
  }

  /** End of input: what was read is answered first. A call that a script keeps silent about keeps it open. */
  #endWhenAnswered() {
    if (this.hasEnded && this.open === 0) this.socket.end();
  }

  async #answer(request) {
    const { id, method, params } = request;
    const act = this.gateway.methods[method] ?? builtIn[method];
    try {
      if (act === undefined) throw failure(-32601, "method_not_found");
      let result = act(params, this, request);
      if (result instanceof Promise) result = await result;
      if (result === SILENCE) return;
      const { reply, then } = result?.then instanceof Function && result.reply !== undefined ? result : { reply: result };
      this.send({ id, result: reply });
      then?.();
    } catch (error) {
      if (error.code === undefined || error instanceof Error) throw error;
      this.send({ id, error });
    }
  }
}

export function failure(code, name, { message = name, retryable = false, ...data } = {}) {
  return { code, message, data: { name, retryable, ...data } };
}

const builtIn = {
  hello(params, connection) {
    connection.gateway.hellos += 1;
    return { server: { name: "fake", version: "0" }, protocol: [1], features: [], limits: {}, instance: "i" };
  },
  ping: () => ({}),
  echo: (params) => params,

  /** Events after `from`; the reply goes first, then the backlog, then `caughtUp`, then what is published. */
  subscribe(params, connection) {
    const { log } = connection.gateway;
    const { from, subscription, types } = params;
    const start = typeof from === "object" ? log.findIndex(({ cursor }) => cursor === from.cursor) + 1 : 0;
    const wants = ({ type }) => types === undefined || types.includes(type);
    const backlog = from === "latest" ? [] : log.slice(start);
    const latest = log.at(-1)?.cursor ?? "c0";
    const cursor = from === "latest" ? latest : (from.cursor ?? "c0");
    return {
      reply: { subscription, cursor, oldest: "c1", latest, gap: null, instance: "i" },
      then() {
        for (const event of backlog) if (wants(event)) connection.notify("event", { subscription, ...event });
        connection.notify("subscription.caughtUp", { subscription, cursor: latest });
        connection.subscriptions.set(subscription, wants);
      },
    };
  },
  unsubscribe({ subscription }, connection) {
    connection.subscriptions.delete(subscription);
    return { success: true };
  },
  ack: () => ({ success: true }),

  pushTransfer: () => ({ success: true, transfer_id: "t1", statistics: "getStatistics?transfer_id=t1", event_cursor: "c0" }),
  getTransfer: ({ transfer_id: id }) => ({ success: true, transfer_id: id, state: "completed", summary: { created: 1 } }),
};

/** Waits until `condition()` holds; the assertion that follows says what did not. */
export async function until(condition, milliseconds = 3_000) {
  const deadline = Date.now() + milliseconds;
  while (!condition() && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 2));
}

export async function collect(iterable, count) {
  const items = [];
  for await (const item of iterable) {
    items.push(item);
    if (items.length === count) break;
  }
  return items;
}
