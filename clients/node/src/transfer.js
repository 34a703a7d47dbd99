// A push and what became of it.

import { randomBytes } from "node:crypto";

import { ConnectionLost, deadlineExceeded, ErrorCode } from "./errors.js";
import { itemsOfPages } from "./paging.js";
import { collected, onTheWire } from "./records.js";
import { Subscription } from "./subscription.js";
import { backoff, sleep, within } from "./waiting.js";

let lastMillisecond = 0;
let countInMillisecond = 0;

/**
 * A key that sorts by the time it was made (UUID version 7, RFC 9562 section 5.7: 48 bits of milliseconds, 12 bits of
 * counter, the rest random). In order keys make an index grow at its end, random ones make it rewrite itself.
 */
export function mintIdempotencyKey(now = Date.now()) {
  if (now > lastMillisecond) {
    lastMillisecond = now;
    countInMillisecond = 0;
  } else if (countInMillisecond === 0xfff) {
    lastMillisecond += 1;
    countInMillisecond = 0;
  } else {
    countInMillisecond += 1;
  }
  const bytes = randomBytes(16);
  bytes.writeUIntBE(lastMillisecond, 0, 6);
  bytes.writeUInt16BE(0x7000 | countInMillisecond, 6);
  bytes[8] = 0x80 | (bytes[8] & 0x3f);
  const hex = bytes.toString("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

/** See `Client.push`. */
export async function push(inside, sessionId, endgrateType, records, options = {}) {
  const { wait, onProgress, signal, timeout, ...more } = options;
  const params = {
    session_id: sessionId,
    endgrate_type: endgrateType,
    idempotency_key: mintIdempotencyKey(),
    ...onTheWire(more),
  };
  return accepted(inside, params, { wait, onProgress, signal, timeout }, async (patience) => {
    const all = { ...params, transfer_data: await collected(records) };
    return inside.repeat("pushTransfer", all, patience());
  });
}

/**
 * The transfer that `send` makes, and unless `wait` is false its end. `send` is given a function that says, for each of
 * its calls, how much patience is left; `params` gets a progress token if somebody wants to hear. `origin` is the session
 * and the type where they are not among the params.
 */
export async function accepted(inside, params, { wait = true, onProgress, signal, timeout }, send, origin = {}) {
  const started = performance.now();
  const left = () => (timeout === undefined ? undefined : Math.max(0, timeout - (performance.now() - started)));
  const progress = new ProgressReports(onProgress);
  if (onProgress !== undefined) {
    params.progress_token ??= params.idempotency_key;
    inside.progress.set(params.progress_token, (value) => progress.report(value));
  }
  const forget = () => inside.progress.delete(params.progress_token);
  progress.onFinished = forget;
  let transfer;
  try {
    const result = await send(() => ({ signal, timeout: left() }));
    transfer = new Transfer(inside, { ...params, ...origin }, result, progress);
  } catch (error) {
    forget();
    throw error;
  }
  if (!wait) return transfer;
  try {
    await transfer.wait({ signal, timeout: left() });
  } catch (error) {
    // The records are accepted and go on; who wants to know more needs the transfer.
    if (Object.isExtensible(error)) error.transfer = transfer;
    throw error;
  } finally {
    forget();
  }
  return transfer;
}

/** An accepted push. Everything here can be asked again at any later time by its `id`. */
export class Transfer {
  #inside;
  #progress;
  #completed;

  constructor(inside, params, result, progress = new ProgressReports()) {
    this.#inside = inside;
    this.#progress = progress;
    this.#completed = result.completed === true;
    this.id = result.transfer_id;
    this.sessionId = params.session_id;
    this.endgrateType = params.endgrate_type;
    this.idempotencyKey = params.idempotency_key;
    this.duplicate = result.duplicate === true;
    this.eventCursor = result.event_cursor;
    this.warnings = result.warnings ?? [];
    this.webhookSecret = result.webhook_secret;
  }

  /**
   * Resolves with what `getTransfer` says once nothing more will happen, errors or not. It listens to the transfer's
   * events and does not poll. Rejects with `deadline_exceeded` after `timeout` ms; the transfer itself goes on.
   */
  async wait({ timeout, signal, onProgress } = {}) {
    signal?.throwIfAborted();
    const started = performance.now();
    const remove = onProgress === undefined ? () => {} : this.#progress.add(onProgress);
    try {
      if (!this.#completed) {
        await this.#completion({
          signal,
          milliseconds: timeout,
          late: () => deadlineExceeded(`Transfer ${this.id}`, timeout, "unknown"),
        });
      }
      const left = timeout === undefined ? undefined : Math.max(1, timeout - (performance.now() - started));
      return await this.#state({ signal, timeout: left });
    } finally {
      remove();
    }
  }

  /** What `getTransfer` says now. */
  state(options) {
    return this.#state(options);
  }

  /** The returned records in the order pushed, page by page: `{id, internal_id?, data, associations, …}`. */
  data({ endgrateType, partial, limit, offset, signal } = {}) {
    const params = { transfer_id: this.id, endgrate_type: endgrateType, partial, limit, offset };
    return itemsOfPages(this.#inside, "getData", "transfer_data", params, { signal });
  }

  /** The entries of the error log of this transfer. */
  errors({ limit, offset, signal } = {}) {
    return itemsOfPages(this.#inside, "getErrors", "errors", { transfer_id: this.id, limit, offset }, { signal });
  }

  /** What `getStatistics` says now. */
  statistics(options) {
    return this.#inside.repeat("getStatistics", { transfer_id: this.id }, options);
  }

  /**
   * Nothing more is sent; what is on its way ends as it ends, and the transfer completes. False if it had completed
   * before. One whose parts were still arriving is gone.
   */
  async cancel(options) {
    return (await this.#inside.repeat("cancelTransfer", { transfer_id: this.id }, options)).cancelled;
  }

  /** A new transfer of the records of which something failed; `outcomes` are `refused` and `unsent` if not given. */
  async retry({ wait, onProgress, signal, timeout, ...more } = {}) {
    const params = { idempotency_key: mintIdempotencyKey(), ...onTheWire(more) };
    const send = (patience) => this.#inside.repeat("retryTransfer", { ...params, transfer_id: this.id }, patience());
    return accepted(this.#inside, params, { wait, onProgress, signal, timeout }, send, this.#origin);
  }

  /**
   * Says what became of a record whose outcome is `uncertain`, or without `index` and `internalId` of all: `written`
   * (with its provider `id`), `not_written` or `push_again`. Not repeated when the connection is lost.
   */
  async resolve(resolution, { index, internalId, id, ...options } = {}) {
    const params = { transfer_id: this.id, resolution, index, internal_id: internalId, id };
    const { resolved, remaining, retry } = await this.#inside.call("resolveRecord", params, options);
    const again = () => new Transfer(this.#inside, this.#origin, { transfer_id: retry });
    return { resolved, remaining, retry: retry === undefined ? undefined : again() };
  }

  get #origin() {
    return { session_id: this.sessionId, endgrate_type: this.endgrateType };
  }

  #state(options) {
    return this.#inside.repeat("getTransfer", { transfer_id: this.id }, options);
  }

  /**
   * Any number of transfers may be waited for at once, the gateway's ceiling of subscriptions is not theirs to fill.
   */
  async #completion({ signal, milliseconds, late }) {
    const over = new AbortController();
    const stop = () => over.abort(new ConnectionLost("The client is closed.", { outcome: "not_started" }));
    this.#inside.closed.addEventListener("abort", stop, { once: true });
    if (this.#inside.closed.aborted) stop();
    const completed = this.#inside.waits.hold(() => this.#listened(over.signal), over.signal);
    try {
      await within(completed, { signal, milliseconds, late });
      this.#completed = true;
    } finally {
      this.#inside.closed.removeEventListener("abort", stop);
      over.abort(new ConnectionLost("Nobody waits any more.", { outcome: "not_started" }));
      completed.catch(() => {});
    }
  }

  async #listened(over) {
    // Without its cursor nobody knows how far back the events of the transfer lie: look once, then listen.
    let from = this.eventCursor === undefined ? "latest" : { cursor: this.eventCursor };
    for (let attempt = 0; ; attempt += 1) {
      try {
        return await this.#listen(from, over);
      } catch (error) {
        // The caller's own subscriptions have taken all places: one of them may end.
        if (error.code === ErrorCode.too_many_subscriptions) await sleep(backoff(attempt), over);
        // The log is not the one that the cursor came from, or no longer reaches back: listen from now on and look.
        else if (error.code === ErrorCode.cursor_invalid || error.code === ErrorCode.cursor_expired) from = "latest";
        else throw error;
      }
    }
  }

  async #listen(from, over) {
    over.throwIfAborted();
    const types = this.#progress.isWanted ? ["completed", "progress"] : ["completed"];
    const subscription = new Subscription(this.#inside, { transferId: this.id, types, from });
    const stop = () => subscription.close();
    over.addEventListener("abort", stop, { once: true });
    try {
      await this.#untilCompleted(subscription, from === "latest");
    } finally {
      over.removeEventListener("abort", stop);
      subscription.close();
    }
  }

  async #untilCompleted(subscription, lookFirst) {
    if (lookFirst) {
      await subscription.ready;
      if (await this.#isCompleted()) return;
    }
    for await (const event of subscription) {
      if (event.type === "completed") return;
      if (event.type === "progress") this.#progress.report(event.data);
      // The event that is waited for may be among those that are gone.
      if (event.type === "gap" && (await this.#isCompleted())) return;
    }
    throw new ConnectionLost(`The client was closed before transfer ${this.id} completed; the transfer goes on.`);
  }

  async #isCompleted() {
    return (await this.#state()).state === "completed";
  }
}

/** Reports come by two ways (the push's token, and the events) and must not be heard twice or backwards. */
class ProgressReports {
  onFinished = () => {};
  #listeners = new Set();
  #finished = -1;

  constructor(listener) {
    if (listener !== undefined) this.#listeners.add(listener);
  }

  get isWanted() {
    return this.#listeners.size > 0;
  }

  add(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  report(value) {
    if (!(value?.finished > this.#finished)) return;
    this.#finished = value.finished;
    for (const listener of this.#listeners) listener(value);
    if (value.finished >= value.total) this.onFinished();
  }
}
