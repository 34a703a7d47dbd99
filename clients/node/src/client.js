// The client: a gateway that stays reachable although connections come and go.
//
// Theory of operation. At most one connection is open. When it is lost, calls in flight fail with ConnectionLost, since
// nobody knows what became of them; only calls that are harmless to repeat (reads, and a push under its idempotency
// key) are repeated by the client itself. The next connection is made when somebody needs one: a call, or a
// subscription, which needs one always. Attempts go on for `reconnectFor` milliseconds, then everybody who waits is
// told.

import { setMaxListeners } from "node:events";
import { readFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";

import { Connection } from "./connection.js";
import { encode } from "./encoding.js";
import { ConnectionLost, deadlineExceeded, ErrorCode, isWorthRepeating, PushgateError } from "./errors.js";
import { importIdentities } from "./identities.js";
import { Methods } from "./methods.js";
import { itemsByKey, itemsOfPages } from "./paging.js";
import { pushParts } from "./parts.js";
import { plan, planned } from "./plan.js";
import { MAX_REQUEST_BYTES } from "./protocol.js";
import { Subscription } from "./subscription.js";
import { push, Transfer } from "./transfer.js";
import { connectSocket, spawnGateway } from "./transport.js";
import { backoff, sleep, Slots, within } from "./waiting.js";

const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));

const CONNECT_TIMEOUT = 10_000;
const CALL_TIMEOUT = 60_000;
/** `synchronous` pushes are answered after at most 300 s; the margin is for the way. */
const SYNCHRONOUS_TIMEOUT = 310_000;
const RECONNECT_FOR = 60_000;
/** Of the 64 subscriptions that a connection may have, so many at most are for waiting for transfers. */
const TRANSFER_WAITS = 32;
/** Lines of any length are read here, so large payloads may come in the event itself. In bytes. */
const MAX_LINE_BYTES = 1_000_000;

/** Set on the error that ends the attempts to reconnect: who sees it must not try again. */
const final = Symbol("no further attempt");

const asyncDispose = Symbol.asyncDispose ?? Symbol.for("Symbol.asyncDispose");

/** $PUSHGATE_SOCKET, else pushgate.sock in $XDG_RUNTIME_DIR, else ~/.local/state/pushgate/pushgate.sock. */
export function defaultSocketPath(environment = process.env) {
  if (environment.PUSHGATE_SOCKET) return environment.PUSHGATE_SOCKET;
  if (environment.XDG_RUNTIME_DIR) return path.join(environment.XDG_RUNTIME_DIR, "pushgate.sock");
  return path.join(os.homedir(), ".local", "state", "pushgate", "pushgate.sock");
}

export class Client extends Methods {
  #openChannel;
  #options;
  #connection;
  #connecting;
  #closing;
  #closed = new AbortController();
  #subscriptions = new Set();
  #progress = new Map();
  #hello;

  /** Use `Client.connect` or `Client.spawn`. */
  constructor(openChannel, options) {
    super();
    // Any number of transfers may be waited for at once, each of them ends with the client.
    setMaxListeners(0, this.#closed.signal);
    this.#openChannel = openChannel;
    this.#options = {
      timeout: CONNECT_TIMEOUT,
      callTimeout: CALL_TIMEOUT,
      reconnectFor: RECONNECT_FOR,
      maxLineBytes: MAX_LINE_BYTES,
      ...Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)),
    };
  }

  /** Connects to a gateway that listens. Rejects with ConnectionLost if there is none. */
  static async connect({ socket = defaultSocketPath(), signal, ...options } = {}) {
    const client = new Client((each) => connectSocket(socket, { signal: each }), options);
    await client.#first(signal);
    return client;
  }

  /**
   * Starts `pushgate stdio --wait` as a child, unless a gateway listens on the default socket already. With a `store`
   * the default socket is not tried: the gateway behind it may have another store, and a gateway that holds this one
   * is found by the child itself.
   */
  static async spawn({
    binary = process.env.PUSHGATE_BINARY || "pushgate",
    store,
    args = [],
    socket = store === undefined ? defaultSocketPath() : false,
    log,
    signal,
    ...options
  } = {}) {
    const argv = ["stdio", "--wait", ...(store === undefined ? [] : ["--store", store]), ...args];
    const client = new Client(async (each) => {
      if (socket !== false) {
        try {
          return await connectSocket(socket, { signal: each });
        } catch (error) {
          if (!(error instanceof ConnectionLost)) throw error;
        }
      }
      return spawnGateway(binary, argv, { signal: each, log });
    }, options);
    await client.#first(signal);
    return client;
  }

  /** What the gateway answered to `hello`: its version, features and limits. */
  get gateway() {
    return this.#hello;
  }

  get closed() {
    return this.#closed.signal.aborted;
  }

  /**
   * Any method by its wire name. Rejects with PushgateError (the gateway's answer), ConnectionLost, the reason of
   * `signal`, or `deadline_exceeded` after `timeout` milliseconds (60 s unless the client was made with another).
   */
  call(method, params = {}, options = {}) {
    return this.#call(method, params, options);
  }

  hello(params, options) {
    return this.#call("hello", { client: identity(), ...params }, options);
  }

  /** Pushes records and, unless `wait` is false, waits until nothing more will happen to them. */
  push(sessionId, endgrateType, records, options) {
    return push(this.#inside, sessionId, endgrateType, records, options);
  }

  /**
   * As `push`, but the records travel in parts of `partRecords`: one transfer of any size, of which one part is in
   * memory at a time. It begins when all are there. Made again under the same `idempotencyKey` it goes on where it was.
   */
  pushParts(sessionId, endgrateType, records, options) {
    return pushParts(this.#inside, sessionId, endgrateType, records, options);
  }

  /** What a push would do, record by record; nothing is written at the provider. `apply()` of the plan does it. */
  plan(sessionId, endgrateType, records, options) {
    return plan(this.#inside, sessionId, endgrateType, records, options);
  }

  /** A plan that was made earlier, perhaps by another process. */
  planned(planId, options) {
    return planned(this.#inside, planId, options);
  }

  /** A transfer of an earlier push, by its id. */
  transfer(transferId) {
    return new Transfer(this.#inside, {}, { transfer_id: transferId });
  }

  /** Transfers, newest first, page by page. */
  transfers({ sessionId, endgrateType, state, limit, signal } = {}) {
    const params = { session_id: sessionId, endgrate_type: endgrateType, state, limit };
    return itemsOfPages(this.#inside, "listTransfers", "transfers", params, { signal });
  }

  /** Calls of webhooks, newest first, page by page. */
  webhookDeliveries({ sessionId, transferId, state, limit, signal } = {}) {
    const params = { session_id: sessionId, transfer_id: transferId, state, limit };
    return itemsByKey(this.#inside, "listWebhookDeliveries", "deliveries", params, { signal });
  }

  /** All sessions, page by page. */
  sessions({ limit, signal } = {}) {
    return itemsOfPages(this.#inside, "listSessions", "sessions", { limit }, { signal });
  }

  /** Which provider record each internal id is, in the order of the ids, page by page. */
  identities(sessionId, { endgrateType, limit, signal } = {}) {
    const params = { session_id: sessionId, endgrate_type: endgrateType, limit };
    return itemsByKey(this.#inside, "exportIdentities", "identities", params, { signal });
  }

  /**
   * `importIdentities` with any number of pairs, from any iterable: they go in calls of 10,000, and the answers are
   * added up. A pair is `{internal_id, id}` or `[internalId, id]`. Repeated when the connection is lost.
   */
  importIdentities(params, options) {
    return importIdentities(this.#inside, params, options);
  }

  /** An async iterator over events. The request leaves at once: what is pushed after this call is seen by it. */
  subscribe(options) {
    return new Subscription(this.#inside, options);
  }

  /**
   * Ends the subscriptions, lets the calls in flight be answered, and closes. A spawned gateway first finishes what it
   * accepted. `timeout` in milliseconds ends the patience (5 s on a socket, none for a child). Never rejects.
   */
  close({ timeout } = {}) {
    this.#closing ??= this.#close(timeout);
    return this.#closing;
  }

  [asyncDispose]() {
    return this.close();
  }

  // What subscriptions and transfers may use beyond the public methods.
  #inside = Object.freeze({
    call: (method, params, options) => this.#call(method, params, options),
    repeat: (method, params, options) => this.#call(method, params, { ...options, repeat: true }),
    current: () => this.#live,
    connected: (signal) => this.#connected({ signal }),
    isFinal: (error) => this.closed || error[final] === true,
    subscriptions: this.#subscriptions,
    progress: this.#progress,
    waits: new Slots(TRANSFER_WAITS),
    lineBytes: () => this.#hello?.limits?.inbound_line ?? MAX_REQUEST_BYTES,
    callTimeout: () => this.#options.callTimeout,
    reconnectFor: () => this.#options.reconnectFor,
    closed: this.#closed.signal,
  });

  get #live() {
    return this.#connection?.isOpen ? this.#connection : undefined;
  }

  async #first(signal) {
    this.#adopt(await this.#open(signal));
  }

  async #call(method, params = {}, { signal, timeout, onResult, repeat = false } = {}) {
    signal?.throwIfAborted();
    const paramsText = encode(params);
    const patience = timeout ?? this.#patience(method, params);
    const deadline = performance.now() + patience;
    for (let attempt = 0; ; attempt += 1) {
      try {
        const connection = this.#live ?? (await this.#connected({ signal, deadline, patience, method }));
        const left = deadline - performance.now();
        return await connection.call(method, paramsText, { signal, timeout: left, onResult });
      } catch (error) {
        if (!repeat || error[final] || this.closed || !isWorthRepeating(error)) throw error;
        const pause = error.retryAfterMs ?? backoff(attempt);
        if (performance.now() + pause > deadline) throw error;
        await sleep(pause, signal, this.#closed.signal);
      }
    }
  }

  #patience(method, params) {
    const own = this.#options.callTimeout;
    // A plan that is made, not only read, asks the provider for every record.
    const plans = method === "planTransfer" && params.plan_id === undefined;
    if (params.synchronous === true || plans) return Math.max(own, SYNCHRONOUS_TIMEOUT);
    if (method === "getEvents" && params.wait_ms > 0) return own + params.wait_ms;
    return own;
  }

  async #connected({ signal, deadline = Infinity, patience, method }) {
    if (this.#live !== undefined) return this.#live;
    if (this.closed) throw this.#closed.signal.reason;
    this.#connecting ??= this.#reconnect().finally(() => {
      this.#connecting = undefined;
    });
    return within(this.#connecting, {
      signal,
      milliseconds: deadline - performance.now(),
      late: () => deadlineExceeded(`Waiting for a connection (${method})`, patience, "not_started"),
    });
  }

  async #reconnect() {
    const giveUp = performance.now() + this.#options.reconnectFor;
    for (let attempt = 0; ; attempt += 1) {
      let pause;
      try {
        if (this.#options.reconnectFor <= 0) {
          throw new ConnectionLost("The connection was lost and reconnecting is off.", { outcome: "not_started" });
        }
        return this.#adopt(await this.#open(this.#closed.signal));
      } catch (error) {
        if (this.closed) throw this.#closed.signal.reason;
        pause = error.retryAfterMs ?? backoff(attempt);
        const mayChange = error instanceof PushgateError && (error instanceof ConnectionLost || error.retryable);
        if (!mayChange || performance.now() + pause > giveUp) {
          error[final] = true;
          throw error;
        }
      }
      await sleep(pause, this.#closed.signal);
    }
  }

  async #open(signal) {
    const { timeout, token, maxLineBytes } = this.#options;
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(deadlineExceeded("Connecting", timeout, "not_started")), timeout);
    const onAbort = () => late.abort(signal.reason);
    signal?.addEventListener("abort", onAbort, { once: true });
    if (signal?.aborted) onAbort();
    let connection;
    try {
      connection = new Connection(await this.#openChannel(late.signal));
      const params = { client: identity(), protocol: 1, token, max_line_bytes: maxLineBytes };
      this.#hello = await connection.call("hello", encode(params), { signal: late.signal });
      connection.obey(this.#hello?.limits);
      return connection;
    } catch (error) {
      // `hello` is a courtesy: a peer that does not know it speaks the rest all the same.
      if (connection?.isOpen && error.code === ErrorCode.method_not_found) return connection;
      connection?.destroy(error);
      throw error;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
    }
  }

  #adopt(connection) {
    if (this.closed) {
      connection.destroy(this.#closed.signal.reason);
      throw this.#closed.signal.reason;
    }
    if (!connection.isOpen) {
      throw new ConnectionLost("The gateway closed the connection at once.", { outcome: "not_started" });
    }
    this.#connection = connection;
    connection.onNotification = (method, params) => this.#notified(method, params);
    connection.onClose = (error) => {
      if (this.#connection === connection) this.#connection = undefined;
      if (!this.closed) this.emit("lost", error);
    };
    this.emit("connected", this.#hello);
    return connection;
  }

  #notified(method, params) {
    if (method === "$/progress") this.#progress.get(params.token)?.(params.value);
    else if (method === "gateway.closing") this.emit("closing", params);
    // Stragglers of a subscription that was given up are of no interest to anybody.
    else if (params.subscription === undefined) this.emit("notification", method, params);
  }

  async #close(timeout) {
    const connection = this.#connection;
    for (const subscription of [...this.#subscriptions]) subscription.close();
    this.#closed.abort(new ConnectionLost("The client is closed.", { outcome: "not_started" }));
    this.#connection = undefined;
    await connection?.end(timeout);
  }
}

function identity() {
  return { name: "pushgate-node", version };
}
