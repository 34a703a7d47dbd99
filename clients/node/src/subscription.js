// Events as an async iterator that outlives its connection.
//
// Theory of operation. The gateway keeps a durable log; a subscription is a place in it. What arrives waits in a queue
// for `next()`. When the connection is lost, a new subscription (with a new id, so that stragglers of the old one
// cannot be mistaken) starts after the last event that arrived, or, for a named consumer, after its last `ack`; what
// was queued or handed out already and comes again is dropped by its cursor. Cursors are opaque: they are compared for
// equality only.
//
// A consumer slower than the gateway must not fill the memory, and must not stop the connection either (its own calls,
// such as fetching a large payload, go the same way). So a full queue gives the subscription up, and it is made anew
// from the last queued cursor once the queue is half empty: nothing is lost, since the log is on the gateway's disk.

import { ConnectionLost, ErrorCode, isObject, isWorthRepeating, PushgateError } from "./errors.js";
import { encode } from "./encoding.js";
import { itemsOfPages } from "./paging.js";
import { after, backoff, sleep } from "./waiting.js";

const BUFFER = 1_024;
const HEARTBEAT_MS = 30_000;
const PING_TIMEOUT = 10_000;
const UNSUBSCRIBE_TIMEOUT = 5_000;
/** So many cursors are remembered to recognise repeats. */
const REMEMBERED = 10_000;

const asyncDispose = Symbol.asyncDispose ?? Symbol.for("Symbol.asyncDispose");
let subscriptionCount = 0;

export class Subscription {
  #inside;
  #params;
  #buffer;
  #heartbeatMs;
  #name;
  #generation = 0;

  // opening -> open -> (paused | opening) ... -> done
  #state = "opening";
  #id;
  #connection;
  #ended = new AbortController();
  #opened = deferred();
  #everOpen = false;
  #failures = 0;
  #troubleSince;
  #silence;

  #queue = [];
  #seen = new Set();
  #lastCursor;
  #handed;
  #failure;
  #wake = () => {};
  #turn = Promise.resolve();

  /** Resolves with the gateway's first answer to `subscribe`; rejects if it refuses. */
  ready;
  /** Resolves, with a cursor, when everything that was in the log at the start has arrived. */
  caughtUp;
  #ready = deferred();
  #caughtUp = deferred();

  constructor(inside, { subscription, from = "latest", buffer = BUFFER, heartbeatMs = HEARTBEAT_MS, ...options } = {}) {
    this.#inside = inside;
    this.#buffer = Math.max(1, buffer);
    this.#heartbeatMs = heartbeatMs;
    this.#name = subscription ?? `node-${process.pid}-${(subscriptionCount += 1)}`;
    this.#params = {
      session_id: options.sessionId,
      transfer_id: options.transferId,
      types: options.types,
      from,
      on_gap: options.onGap,
      ack: options.ack,
      window: options.window,
      heartbeat_ms: heartbeatMs,
    };
    encode(this.#params);
    this.ready = this.#ready.promise;
    this.caughtUp = this.#caughtUp.promise;
    inside.subscriptions.add(this);
    this.#establish();
  }

  [Symbol.asyncIterator]() {
    return this;
  }

  /** The next event. Rejects once with what ended the subscription, if it was not `close()`. */
  next() {
    const result = this.#turn.then(() => this.#advance());
    this.#turn = result.catch(() => {});
    return result;
  }

  /** Called by `for await` when its loop is left early. */
  async return(value) {
    await this.close();
    return { value, done: true };
  }

  /**
   * Tells the gateway that everything up to `event` (by default the last one handed out) is done with: the place
   * where a named consumer goes on. Waits for a lost connection to come back.
   */
  async ack(event) {
    const cursor = typeof event === "string" ? event : (event?.cursor ?? this.#handed);
    if (cursor === undefined) return;
    for (;;) {
      if (this.#state === "paused") this.#establish();
      await this.#opened.promise;
      if (this.#state === "done") throw this.#failure ?? new ConnectionLost("The subscription is closed.");
      const id = this.#id;
      try {
        const text = encode({ subscription: id, cursor });
        await this.#connection.call("ack", text, { timeout: this.#inside.callTimeout() });
        return;
      } catch (error) {
        // A subscription that is being made anew is waited for; any other error is the caller's.
        const isStale = this.#id !== id || this.#state !== "open";
        if (!isStale && !(error instanceof ConnectionLost) && error.code !== ErrorCode.shutting_down) throw error;
        if (!isStale) await this.#pause(error.retryAfterMs);
      }
    }
  }

  /** Ends the iteration; what is still queued is dropped. Never rejects. */
  async close() {
    if (this.#state === "done") return;
    const wasThere = this.#state !== "paused" && this.#connection?.isOpen;
    const [connection, id] = [this.#connection, this.#id];
    this.#queue = [];
    this.#finish();
    if (!wasThere) return;
    const text = encode({ subscription: id });
    await connection.call("unsubscribe", text, { timeout: UNSUBSCRIBE_TIMEOUT }).catch(() => {});
  }

  [asyncDispose]() {
    return this.close();
  }

  async #advance() {
    for (;;) {
      const event = this.#queue.shift();
      if (event !== undefined) {
        if (this.#state === "paused" && this.#queue.length <= this.#buffer / 2) this.#establish();
        const value = event.ref === undefined ? event : await this.#fetched(event);
        if (event.type !== "gap" && event.cursor !== undefined) this.#handed = event.cursor;
        return { value, done: false };
      }
      if (this.#state === "done") {
        const failure = this.#failure;
        this.#failure = undefined;
        if (failure !== undefined) throw failure;
        return { value: undefined, done: true };
      }
      await new Promise((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Rows too large for a line are named by their place in `getData`; here they become the payload they stand for. */
  async #fetched({ ref, ...event }) {
    const { transfer_id: transfer, offset, limit } = ref.params;
    const signal = this.#ended.signal;
    const params = { transfer_id: transfer, offset, limit, partial: true };
    const rows = [];
    let last;
    const seePage = (page) => {
      last = page;
    };
    const page = { signal, most: limit, seePage };
    for await (const row of itemsOfPages(this.#inside, "getData", "transfer_data", params, page)) rows.push(row);
    const { session_id: session, endgrate_type: type } = await this.#inside.repeat(
      "getTransfer",
      { transfer_id: transfer },
      { signal },
    );
    const data = {
      success: true,
      transfer_id: transfer,
      session_id: session,
      endgrate: { endgrate_type: type },
      completed: offset + rows.length >= last.meta.count,
      transfer_data: rows,
      transfer_errors: last.transfer_errors,
    };
    return { ...event, data };
  }

  // Opening, and opening again

  async #establish() {
    this.#leave("opening");
    while (this.#state === "opening") {
      try {
        // Without a pause when there is a connection: the caller's next call must be behind this one.
        await this.#open(this.#inside.current() ?? (await this.#inside.connected(this.#ended.signal)));
        return;
      } catch (error) {
        if (this.#state !== "opening") return;
        if (this.#inside.isFinal(error) || !this.#mayChange(error)) {
          this.#finish(error);
          return;
        }
        await this.#pause(error.retryAfterMs);
        this.#troubleSince ??= performance.now();
        if (performance.now() - this.#troubleSince > this.#inside.reconnectFor()) {
          this.#finish(error);
          return;
        }
      }
    }
  }

  async #open(connection) {
    if (this.#state !== "opening") return;
    const id = this.#generation === 0 ? this.#name : `${this.#name.slice(0, 48)}.${this.#generation}`;
    this.#generation += 1;
    this.#id = id;
    this.#connection = connection;
    connection.route(id, {
      deliver: (method, params) => this.#deliver(method, params),
      lost: () => {
        if (this.#id === id && this.#state === "open") this.#establish();
      },
    });
    try {
      const text = encode({ ...this.#params, subscription: id, from: this.#place() });
      const timeout = this.#inside.callTimeout();
      await connection.call("subscribe", text, { timeout, onResult: (result) => this.#begin(result) });
    } catch (error) {
      connection.unroute(id);
      throw error;
    }
  }

  /** Out of the state `open`: who wants to `ack` waits for the next one. */
  #leave(state) {
    this.#state = state;
    clearTimeout(this.#silence);
    if (!this.#opened.isSettled) return;
    this.#opened = deferred();
  }

  #place() {
    const { from } = this.#params;
    if (this.#lastCursor === undefined || from.consumer !== undefined) return from;
    return { cursor: this.#lastCursor };
  }

  #mayChange(error) {
    if (!(error instanceof PushgateError)) return false;
    if (isWorthRepeating(error)) return true;
    // The gateway may not have noticed yet that our old connection is gone. At the first time it is somebody else's.
    return this.#everOpen && error.code === ErrorCode.consumer_busy;
  }

  #pause(milliseconds = backoff(this.#failures)) {
    this.#failures += 1;
    return sleep(milliseconds, this.#ended.signal).catch(() => {});
  }

  #begin(result) {
    if (this.#state !== "opening") return;
    this.#state = "open";
    this.#everOpen = true;
    this.#troubleSince = undefined;
    this.#listen();
    if (isObject(result?.gap)) this.#report(result.gap, result);
    // Without a single event yet, "latest" must not move to the time of the reconnect.
    if (this.#lastCursor === undefined && this.#params.from === "latest") this.#lastCursor = result?.cursor;
    this.#opened.isSettled = true;
    this.#opened.resolve();
    this.#ready.resolve(result);
  }

  #report(gap, { cursor }) {
    const key = `gap:${JSON.stringify(gap)}`;
    if (this.#seen.has(key)) return;
    this.#seen.add(key);
    this.#enqueue({ cursor: gap.resumed_at ?? cursor, time: undefined, type: "gap", data: gap });
  }

  // While open

  #deliver(method, params) {
    if (this.#state !== "open" || params.subscription !== this.#id) return;
    this.#failures = 0;
    this.#listen();
    switch (method) {
      case "event":
        return this.#take(params);
      case "subscription.caughtUp":
        this.#lastCursor = params.cursor ?? this.#lastCursor;
        return this.#caughtUp.resolve(params.cursor);
      case "subscription.heartbeat":
        this.#lastCursor = params.cursor ?? this.#lastCursor;
        return undefined;
      case "subscription.closed":
        return this.#closedByGateway(params.reason);
      default:
        return undefined;
    }
  }

  #take({ subscription, ...event }) {
    // `progress` is not in the log: its cursor, if it has one, is not a place to resume from.
    if (event.type !== "progress" && typeof event.cursor === "string") {
      const key = `${event.type}:${event.cursor}`;
      if (this.#seen.has(key)) return;
      this.#seen.add(key);
      if (this.#seen.size > REMEMBERED) this.#seen.delete(this.#seen.values().next().value);
      this.#lastCursor = event.cursor;
    }
    this.#enqueue(event);
    if (this.#queue.length >= this.#buffer) this.#giveUp();
  }

  #enqueue(event) {
    this.#queue.push(event);
    this.#wake();
  }

  #giveUp() {
    this.#leave("paused");
    this.#connection.unroute(this.#id);
    const text = encode({ subscription: this.#id });
    this.#connection.call("unsubscribe", text, { timeout: UNSUBSCRIBE_TIMEOUT }).catch(() => {});
  }

  async #closedByGateway(reason) {
    this.#connection.unroute(this.#id);
    if (reason === "session_deleted") {
      return this.#finish(new PushgateError(ErrorCode.session_not_found, "The session was deleted."));
    }
    // It was too slow, or the gateway ends; asking again, once it is back, goes on from the last cursor.
    this.#leave("opening");
    await this.#pause();
    return this.#state === "opening" ? this.#establish() : undefined;
  }

  /** Three heartbeats without a word: ask, and drop the connection if even that is not answered. */
  #listen() {
    clearTimeout(this.#silence);
    if (!(this.#heartbeatMs > 0)) return;
    const connection = this.#connection;
    this.#silence = after(this.#heartbeatMs * 3, () => {
      connection.call("ping", "{}", { timeout: Math.min(PING_TIMEOUT, this.#heartbeatMs) }).then(
        () => this.#state === "open" && this.#connection === connection && this.#listen(),
        (error) => connection.destroy(error),
      );
    });
    this.#silence?.unref();
  }

  #finish(failure) {
    this.#state = "done";
    this.#failure = failure;
    clearTimeout(this.#silence);
    this.#connection?.unroute(this.#id);
    this.#inside.subscriptions.delete(this);
    const reason = failure ?? new ConnectionLost("The subscription is closed.", { outcome: "not_started" });
    this.#ready.reject(reason);
    this.#caughtUp.reject(reason);
    this.#opened.resolve();
    this.#ended.abort(reason);
    this.#wake();
  }
}

/** A promise to be settled from outside, which nobody has to listen to. */
function deferred() {
  const made = {};
  made.promise = new Promise((resolve, reject) => Object.assign(made, { resolve, reject }));
  made.promise.catch(() => {});
  return made;
}
