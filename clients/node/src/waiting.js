// Waiting that ends when it is told to.

/** Longer delays would fire at once. About 24.8 days: as good as never. */
const LONGEST_TIMER = 2 ** 31 - 1;

/** A timer for `act`, or undefined if `milliseconds` is longer than a timer can wait. */
export function after(milliseconds, act) {
  return milliseconds <= LONGEST_TIMER ? setTimeout(act, Math.max(0, milliseconds)) : undefined;
}

/** Resolves after `milliseconds`; rejects with the signal's reason as soon as one of `signals` is aborted. */
export function sleep(milliseconds, ...signals) {
  return new Promise((resolve, reject) => {
    const given = signals.filter((signal) => signal !== undefined);
    const done = (settle, value) => {
      clearTimeout(timer);
      for (const signal of given) signal.removeEventListener("abort", onAbort);
      settle(value);
    };
    const onAbort = () => done(reject, given.find((signal) => signal.aborted).reason);
    const timer = after(milliseconds, () => done(resolve));
    for (const signal of given) signal.addEventListener("abort", onAbort, { once: true });
    if (given.some((signal) => signal.aborted)) onAbort();
  });
}

/**
 * The result of `promise`, unless `signal` is aborted or `milliseconds` pass first; then the signal's reason or what
 * `late()` gives. The promise itself goes on: others may wait for it too.
 */
export function within(promise, { signal, milliseconds = Infinity, late }) {
  if (signal === undefined && !Number.isFinite(milliseconds)) return promise;
  return new Promise((resolve, reject) => {
    const onAbort = () => settle(reject, signal.reason);
    const timer = after(milliseconds, () => settle(reject, late()));
    const settle = (act, value) => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
      act(value);
    };
    signal?.addEventListener("abort", onAbort, { once: true });
    if (signal?.aborted) onAbort();
    promise.then(
      (value) => settle(resolve, value),
      (error) => settle(reject, error),
    );
  });
}

/**
 * 20 ms, doubled with each attempt up to 2 s, each time between half of it and all: a herd must not come back at once.
 */
export function backoff(attempt) {
  return Math.min(2_000, 20 * 2 ** Math.min(attempt, 10)) * (0.5 + Math.random() / 2);
}

/** So many may be inside at a time; further ones come in as others leave, in their order. */
export class Slots {
  #free;
  #queue = [];

  constructor(count) {
    this.#free = count;
  }

  /** Runs `act` inside. A `signal` aborted in the queue gives up the place. */
  async hold(act, signal) {
    if (this.#free > 0) this.#free -= 1;
    else await this.#turn(signal);
    try {
      return await act();
    } finally {
      const next = this.#queue.shift();
      if (next === undefined) this.#free += 1;
      else next();
    }
  }

  #turn(signal) {
    return new Promise((resolve, reject) => {
      const enter = () => {
        signal.removeEventListener("abort", onAbort);
        resolve();
      };
      const onAbort = () => {
        this.#queue = this.#queue.filter((other) => other !== enter);
        reject(signal.reason);
      };
      this.#queue.push(enter);
      signal.addEventListener("abort", onAbort, { once: true });
    });
  }
}
