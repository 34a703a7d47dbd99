// One connection from its first byte to its last: a channel, a conversation, and who waits for what. It never
// reconnects; the client makes a new one. A connection that has said something unintelligible is dropped, because the
// reply that somebody waits for may have been in it: better an error now than a call that never ends.

import { ConnectionLost, deadlineExceeded, isObject } from "./errors.js";
import { Conversation } from "./protocol.js";
import { after } from "./waiting.js";

/** Calls that the gateway allows a connection to have in flight, unless it says otherwise; more wait in their order. */
export const MAX_IN_FLIGHT = 256;

export class Connection {
  /** Called once with the reason, after everything that waited was told. */
  onClose = () => {};
  /** Called with (method, params) for a notification that belongs to no subscription. */
  onNotification = () => {};

  #channel;
  #conversation;
  #calls = new Map();
  #waiting = [];
  #routes = new Map();
  #lost;
  #ending = false;
  #hasEnded = false;
  #maxInFlight = MAX_IN_FLIGHT;

  constructor(channel, conversation = new Conversation()) {
    this.#channel = channel;
    this.#conversation = conversation;
    channel.onBytes = (bytes) => this.#receive(bytes);
    channel.onClose = (error) => this.#close(error);
  }

  get isOpen() {
    return this.#lost === undefined && !this.#ending;
  }

  /**
   * Sends a request. `onResult` is called with the result before any later line of the gateway is read.
   * `timeout` is in milliseconds. An abort and a timeout send `$/cancelRequest`.
   */
  call(method, paramsText, { signal, timeout = Infinity, onResult } = {}) {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      if (!this.isOpen) {
        const message = this.#lost?.message ?? "The connection is being closed.";
        throw new ConnectionLost(message, { outcome: "not_started" });
      }
      const call = { method, paramsText, onResult, id: undefined, settle: undefined };
      const onAbort = () => this.#abandon(call, signal.reason);
      const timer = after(timeout, () => {
        const outcome = call.id === undefined ? "not_started" : "unknown";
        this.#abandon(call, deadlineExceeded(method, Math.round(timeout), outcome));
      });
      call.settle = (error, result) => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", onAbort);
        call.settle = () => {};
        if (error === undefined) resolve(result);
        else reject(error);
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      if (this.#conversation.inFlight >= this.#maxInFlight) this.#waiting.push(call);
      else this.#send(call);
    });
  }

  /** Takes over the ceilings that the gateway names in its answer to `hello`. */
  obey(limits) {
    const { in_flight_calls: calls, inbound_line: bytes } = isObject(limits) ? limits : {};
    if (calls > 0) this.#maxInFlight = calls;
    if (bytes > 0) this.#conversation.maxRequestBytes = bytes;
  }

  notify(method, params) {
    if (this.#lost !== undefined || this.#hasEnded) return;
    this.#channel.write(this.#conversation.notification(method, params));
  }

  /**
   * Notifications that carry this subscription id go to `handler.deliver(method, params)`; a loss to `handler.lost`.
   */
  route(subscription, handler) {
    this.#routes.set(subscription, handler);
  }

  unroute(subscription) {
    this.#routes.delete(subscription);
  }

  /** No more input from us; the gateway answers what it has read, then closes. Resolves when it has. */
  end(timeout = this.#channel.defaultCloseTimeout) {
    this.#ending = true;
    return new Promise((resolve) => {
      if (this.#lost !== undefined) return resolve();
      const timer = after(timeout, () => this.#channel.destroy());
      const { onClose } = this;
      this.onClose = (error) => {
        clearTimeout(timer);
        onClose(error);
        resolve();
      };
      this.#endWhenAllIsSent();
    });
  }

  /** Drops the connection at once, for `reason`. */
  destroy(reason) {
    if (this.#lost !== undefined) return;
    this.#close(new ConnectionLost(reason.message, { cause: reason }));
    this.#channel.destroy();
  }

  #endWhenAllIsSent() {
    if (!this.#ending || this.#hasEnded || this.#waiting.length > 0) return;
    this.#hasEnded = true;
    this.#channel.end();
  }

  #send(call) {
    let request;
    try {
      request = this.#conversation.request(call.method, undefined, { paramsText: call.paramsText });
    } catch (error) {
      call.settle(error);
      return;
    }
    call.id = request.id;
    this.#calls.set(request.id, call);
    this.#channel.write(request.bytes);
  }

  #abandon(call, reason) {
    if (call.id === undefined) this.#waiting = this.#waiting.filter((other) => other !== call);
    else this.notify("$/cancelRequest", { id: call.id });
    call.settle(reason);
  }

  #receive(bytes) {
    for (const message of this.#conversation.receive(bytes)) {
      if (this.#lost !== undefined) return;
      this.#dispatch(message);
    }
    while (this.#waiting.length > 0 && this.#conversation.inFlight < this.#maxInFlight) {
      this.#send(this.#waiting.shift());
    }
    this.#endWhenAllIsSent();
  }

  #dispatch(message) {
    switch (message.kind) {
      case "result":
      case "error": {
        const call = this.#calls.get(message.id);
        this.#calls.delete(message.id);
        if (message.kind === "error") return call.settle(message.error);
        call.onResult?.(message.result);
        return call.settle(undefined, message.result);
      }
      case "notification": {
        const handler = this.#routes.get(message.params.subscription);
        if (handler !== undefined) return handler.deliver(message.method, message.params);
        return this.onNotification(message.method, message.params);
      }
      case "unaddressed":
        return this.#refuse(message.error);
      default:
        return this.destroy(new Error(`The gateway sent ${message.reason}.`));
    }
  }

  /**
   * An error without an id is about a line of ours. With one call in flight it is clear whose, else nobody can tell.
   */
  #refuse(error) {
    const [only, ...others] = this.#conversation.pendingIds;
    if (only !== undefined && others.length === 0) this.#calls.get(only).settle(error);
    this.destroy(error);
  }

  #close(error) {
    if (this.#lost !== undefined) return;
    this.#lost = error;
    const [calls, waiting, routes] = [[...this.#calls.values()], this.#waiting, [...this.#routes.values()]];
    this.#calls.clear();
    this.#waiting = [];
    this.#routes.clear();
    for (const call of calls) call.settle(new ConnectionLost(error.message, { cause: error.cause }));
    for (const call of waiting) {
      call.settle(new ConnectionLost(error.message, { outcome: "not_started", cause: error.cause }));
    }
    for (const handler of routes) handler.lost(error);
    this.onClose(error);
  }
}
