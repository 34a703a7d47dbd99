// The wire without the wire: bytes go in and messages come out, requests go in and bytes come out. No socket, no timer,
// no promise, so that every rule can be tested at every split of the input.
//
// Theory of operation. One JSON value a line, ended by LF. A byte is looked at once: chunks wait in a list until one
// brings an LF, then the line is decoded as a whole (a character may be cut between two chunks, a line cannot). Replies
// may come in any order and are matched by id. A request that its caller gave up stays in the table until its reply
// arrives: it still occupies one of the calls that the gateway allows a connection to have in flight.

import { encode } from "./encoding.js";
import { ErrorCode, isObject, PushgateError } from "./errors.js";

/**
 * Largest line the gateway takes unless it says otherwise, in bytes without the LF. Longer is refused before it is
 * sent.
 */
export const MAX_REQUEST_BYTES = 16 * 1024 * 1024;
/** Largest line this side takes. The gateway stays under 1,000,000 bytes unless it was told otherwise. */
export const MAX_REPLY_BYTES = 64 * 1024 * 1024;

const LF = 10;
const utf8 = new TextEncoder();

export class Conversation {
  maxRequestBytes = MAX_REQUEST_BYTES;
  #nextId = 1;
  #pending = new Map();
  #chunks = [];
  #chunkBytes = 0;
  #maxReplyBytes;
  #decoder = new TextDecoder("utf-8", { fatal: true });

  constructor({ maxReplyBytes = MAX_REPLY_BYTES } = {}) {
    this.#maxReplyBytes = maxReplyBytes;
  }

  /** Number of requests that have no reply yet. */
  get inFlight() {
    return this.#pending.size;
  }

  /** The ids of the requests that have no reply yet, oldest first. */
  get pendingIds() {
    return [...this.#pending.keys()];
  }

  /**
   * The bytes of one request, and the id its reply will carry. `params` may be given as JSON text (`paramsText`), so
   * that a repeated request is the same to the byte. Throws PushgateError `request_too_large`.
   */
  request(method, params, { paramsText = encode(params ?? {}) } = {}) {
    const id = this.#nextId;
    const bytes = line(`{"jsonrpc":"2.0","id":${id},"method":${JSON.stringify(method)},"params":${paramsText}}`);
    const max = this.maxRequestBytes;
    if (bytes.length - 1 > max) {
      throw new PushgateError(
        ErrorCode.request_too_large,
        `The request has ${bytes.length - 1} bytes, a line may have ${max}: send fewer records at once.`,
        { details: { bytes: bytes.length - 1, max_bytes: max } },
      );
    }
    this.#nextId += 1;
    this.#pending.set(id, method);
    return { id, bytes };
  }

  /** The bytes of one notification; nothing is ever answered to it. */
  notification(method, params) {
    return line(`{"jsonrpc":"2.0","method":${JSON.stringify(method)},"params":${encode(params ?? {})}}`);
  }

  /**
   * Takes what was read and gives the messages that it completed, in order:
   *   {kind: "result", id, method, result}      a reply to a request of ours
   *   {kind: "error", id, method, error}        the same, with a PushgateError
   *   {kind: "unaddressed", error}              an error with the id null: the gateway could not read one of our lines
   *   {kind: "notification", method, params}
   *   {kind: "malformed", reason}               a line that is none of these; what follows it is read as usual
   */
  receive(chunk) {
    const messages = [];
    let start = 0;
    for (let end = chunk.indexOf(LF); end !== -1; end = chunk.indexOf(LF, start)) {
      this.#keep(chunk.subarray(start, end));
      start = end + 1;
      this.#finishLine(messages);
    }
    if (start < chunk.length) {
      // Copied, since a reader may reuse the buffer of a chunk after this call.
      this.#keep(chunk.slice(start));
    }
    return messages;
  }

  #keep(bytes) {
    this.#chunkBytes += bytes.length;
    // Of a line that is over the ceiling only the length is kept.
    if (this.#chunkBytes > this.#maxReplyBytes) this.#chunks = [];
    else if (bytes.length > 0) this.#chunks.push(bytes);
  }

  #finishLine(messages) {
    const [chunks, count] = [this.#chunks, this.#chunkBytes];
    this.#chunks = [];
    this.#chunkBytes = 0;
    if (count > this.#maxReplyBytes) {
      messages.push({ kind: "malformed", reason: `a line of ${count} bytes, the ceiling is ${this.#maxReplyBytes}` });
      return;
    }
    let value;
    try {
      const text = this.#decoder.decode(chunks.length === 1 ? chunks[0] : join(chunks, count));
      if (text.trim() === "") return;
      value = JSON.parse(text);
    } catch {
      // Neither the line nor the parser's message (it quotes the line) may reach a log: they hold record contents.
      messages.push({ kind: "malformed", reason: `a line of ${count} bytes that is not JSON in UTF-8` });
      return;
    }
    for (const item of Array.isArray(value) ? value : [value]) messages.push(this.#read(item));
  }

  #read(value) {
    if (!isObject(value)) return { kind: "malformed", reason: "a JSON value that is not an object" };
    if (typeof value.method === "string" && !("id" in value)) {
      return { kind: "notification", method: value.method, params: isObject(value.params) ? value.params : {} };
    }
    const isError = "error" in value;
    if (isError && (value.id === null || value.id === undefined)) {
      return { kind: "unaddressed", error: PushgateError.fromWire(value.error) };
    }
    if (!isError && !("result" in value)) return { kind: "malformed", reason: "neither a reply nor a notification" };
    const method = this.#pending.get(value.id);
    if (method === undefined) return { kind: "malformed", reason: "a reply to a request that nobody made" };
    this.#pending.delete(value.id);
    return isError
      ? { kind: "error", id: value.id, method, error: PushgateError.fromWire(value.error) }
      : { kind: "result", id: value.id, method, result: value.result };
  }
}

function line(text) {
  return utf8.encode(`${text}\n`);
}

function join(chunks, count) {
  const whole = new Uint8Array(count);
  let offset = 0;
  for (const chunk of chunks) {
    whole.set(chunk, offset);
    offset += chunk.length;
  }
  return whole;
}
