// Values into JSON text. `JSON.stringify` is not used for what a caller hands in, because it changes data silently:
// NaN, Infinity and an invalid Date become `null` (and `null` clears a field at the provider), a Map becomes `{}`, a
// BigInt throws without saying where. Here each of them is an error that names the place, and a BigInt is a number.

/** The gateway refuses deeper values; it also ends a circular one. */
export const MAX_DEPTH = 128;

const loneSurrogate = /\p{Surrogate}/u;

/** What is JSON text already. */
export class Encoded {
  constructor(text) {
    this.text = text;
  }
}

/**
 * JSON text of `value`. Members that are `undefined` are left out (absent: the provider's field is not touched).
 * Throws TypeError with the JSON Pointer of the first value that has no faithful JSON form.
 */
export function encode(value) {
  const text = encodeAt(value, "", [], 0);
  if (text === undefined) throw new TypeError("There is no JSON for undefined.");
  return text;
}

/** As `encode`, for a value that stands at `path`; undefined for what is left out. */
export function encodeAt(given, key, path, depth) {
  let value = given;
  if (value instanceof Encoded) return value.text;
  if (value instanceof Date) {
    if (Number.isNaN(value.getTime())) throw unfit("an invalid Date", path);
    return JSON.stringify(value);
  }
  if (isForeign(value)) throw unfit(`a ${value.constructor.name} (make it an object, an array or a string)`, path);
  if (typeof value === "object" && value !== null && typeof value.toJSON === "function") value = value.toJSON(key);
  switch (typeof value) {
    case "string":
      if (loneSurrogate.test(value)) throw unfit("a string with half of a surrogate pair", path);
      return JSON.stringify(value);
    case "number":
      if (!Number.isFinite(value)) throw unfit(String(value), path);
      return String(value);
    case "bigint":
      return value.toString();
    case "boolean":
      return value ? "true" : "false";
    case "undefined":
      return undefined;
    case "object":
      return value === null ? "null" : encodeContainer(value, path, depth);
    default:
      throw unfit(`a ${typeof value}`, path);
  }
}

function encodeContainer(value, path, depth) {
  if (depth >= MAX_DEPTH) throw unfit(`a value deeper than ${MAX_DEPTH} levels (or one that contains itself)`, path);
  if (Array.isArray(value)) {
    const items = [];
    for (let index = 0; index < value.length; index += 1) {
      path.push(index);
      const text = encodeAt(value[index], String(index), path, depth + 1);
      if (text === undefined) throw unfit("undefined (a hole) in an array", path);
      items.push(text);
      path.pop();
    }
    return `[${items.join(",")}]`;
  }
  if (value instanceof Number || value instanceof String || value instanceof Boolean) {
    return encodeAt(value.valueOf(), "", path, depth);
  }
  const members = [];
  for (const key of Object.keys(value)) {
    path.push(key);
    if (loneSurrogate.test(key)) throw unfit("a name with half of a surrogate pair", path);
    const text = encodeAt(value[key], key, path, depth + 1);
    if (text !== undefined) members.push(`${JSON.stringify(key)}:${text}`);
    path.pop();
  }
  return `{${members.join(",")}}`;
}

/** What would go out as `{}` or, a Buffer, as an object of Node's own. */
function isForeign(value) {
  return value instanceof Map || value instanceof Set || ArrayBuffer.isView(value) || value instanceof ArrayBuffer;
}

function unfit(what, path) {
  const pointer = path.map((step) => `/${String(step).replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
  return new TypeError(`Cannot send ${what} at "${pointer.length > 200 ? `${pointer.slice(0, 200)}…` : pointer}".`);
}
