// What a push would do.

import { itemsOfPages } from "./paging.js";
import { collected, onTheWire } from "./records.js";
import { accepted, mintIdempotencyKey } from "./transfer.js";

const PAGE = 250;

/** See `Client.plan`. */
export async function plan(inside, sessionId, endgrateType, records, { signal, timeout, limit = PAGE, ...more } = {}) {
  const params = {
    session_id: sessionId,
    endgrate_type: endgrateType,
    ...onTheWire(more),
    limit,
    transfer_data: await collected(records),
  };
  return new Plan(inside, await inside.repeat("planTransfer", params, { signal, timeout }), limit);
}

/** See `Client.planned`. */
export async function planned(inside, planId, { signal, timeout, limit = PAGE } = {}) {
  return new Plan(inside, await inside.repeat("planTransfer", { plan_id: planId, limit }, { signal, timeout }), limit);
}

/** Iterating gives the planned records in their order; nothing was written at the provider. */
export class Plan {
  #inside;
  #first;
  #limit;
  #key = mintIdempotencyKey();

  constructor(inside, first, limit) {
    this.#inside = inside;
    this.#first = first;
    this.#limit = limit;
    this.id = first.plan_id;
    this.expiresAt = first.expires_at;
    this.summary = first.summary;
    this.calls = first.calls;
    this.seconds = first.seconds;
    this.count = first.meta.count;
  }

  [Symbol.asyncIterator]() {
    return this.records();
  }

  /** The planned records; the first page came with the plan, the others are read as they are asked for. */
  records({ signal } = {}) {
    const params = { plan_id: this.id, limit: this.#limit };
    return itemsOfPages(this.#inside, "planTransfer", "records", params, { signal, first: this.#first });
  }

  /**
   * Pushes what was planned. A record that has changed at the provider since is refused, the others go on. Applied
   * twice, a plan gives the same transfer.
   */
  async apply({ wait, onProgress, signal, timeout, ...more } = {}) {
    const params = { plan_id: this.id, idempotency_key: this.#key, ...onTheWire(more) };
    return accepted(this.#inside, params, { wait, onProgress, signal, timeout }, (patience) =>
      this.#inside.repeat("pushTransfer", params, patience()),
    );
  }
}
