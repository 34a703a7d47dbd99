// Records on their way out: where they come from, how options are spelled, and how a long list is cut into lines.

import { encodeAt, Encoded } from "./encoding.js";
import { MAX_REQUEST_BYTES } from "./protocol.js";

/** Of a line, so much at most is for records; the rest is room for the other params. */
const SHARE = 0.75;

/** `disableUpsert` here is `disable_upsert` on the wire; names that are the wire's already stay. */
export function onTheWire(options) {
  const entries = Object.entries(options).filter(([, value]) => value !== undefined);
  return Object.fromEntries(
    entries.map(([name, value]) => [name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`), value]),
  );
}

/** Throws TypeError for what cannot be walked over. */
export function checkIterable(records, what = "The records") {
  const iterable = typeof records === "object" && records !== null;
  if (!iterable || !(Symbol.iterator in records || Symbol.asyncIterator in records)) {
    throw new TypeError(`${what} must be an array, an iterable or an async iterable of objects.`);
  }
}

export async function collected(records) {
  if (Array.isArray(records)) return records;
  checkIterable(records);
  const all = [];
  for await (const record of records) all.push(record);
  return all;
}

/**
 * Yields the items in parts of at most `most` that fit a line of `lineBytes`, as JSON text of a list; always at least
 * one part, since none at all is a list too. The source is read no further than one item beyond a part.
 */
export async function* parts(items, member, most, lineBytes = MAX_REQUEST_BYTES) {
  const limit = Math.floor(lineBytes * SHARE);
  let texts = [];
  let bytes = 2;
  let index = 0;
  for await (const item of items) {
    const text = encodeAt(item, "", [member, index], 0);
    if (text === undefined) throw new TypeError(`Cannot send undefined at "/${member}/${index}".`);
    const size = Buffer.byteLength(text) + 1;
    if (texts.length > 0 && (texts.length >= most || bytes + size > limit)) {
      yield listOf(texts);
      [texts, bytes] = [[], 2];
    }
    texts.push(text);
    bytes += size;
    index += 1;
  }
  if (texts.length > 0 || index === 0) yield listOf(texts);
}

function listOf(texts) {
  return new Encoded(`[${texts.join(",")}]`);
}
