import assert from "node:assert/strict";
import { test } from "node:test";

import { encode } from "../src/encoding.js";
import { ErrorCode, PushgateError } from "../src/errors.js";
import { Conversation, MAX_REQUEST_BYTES } from "../src/protocol.js";

const utf8 = (text) => new TextEncoder().encode(text);
const text = (bytes) => new TextDecoder().decode(bytes);

function conversationWith(requests) {
  const conversation = new Conversation();
  for (const method of requests) conversation.request(method, {});
  return conversation;
}

test("a request is one line with an id of its own, a notification one without", () => {
  const conversation = new Conversation();
  const first = conversation.request("ping");
  const second = conversation.request("getData", { transfer_id: "t\n1" });
  assert.equal(text(first.bytes), '{"jsonrpc":"2.0","id":1,"method":"ping","params":{}}\n');
  assert.equal(text(second.bytes), '{"jsonrpc":"2.0","id":2,"method":"getData","params":{"transfer_id":"t\\n1"}}\n');
  const notification = text(conversation.notification("$/cancelRequest", { id: 1 }));
  assert.equal(notification, '{"jsonrpc":"2.0","method":"$/cancelRequest","params":{"id":1}}\n');
  assert.equal(conversation.inFlight, 2);
});

test("the same messages come out whichever way the bytes are split", () => {
  const stream = utf8(
    [
      '{"jsonrpc":"2.0","id":2,"result":{"name":"Zoë 😀 東京"}}',
      "",
      '{"jsonrpc":"2.0","method":"event","params":{"subscription":"s","data":"\\u2028"}}\r',
      "not json",
      '{"jsonrpc":"2.0","id":1,"error":{"code":1301,"message":"Invalid or expired session.","data":{"name":"session_not_found","retryable":false}}}',
      '[{"jsonrpc":"2.0","id":3,"result":null},{"jsonrpc":"2.0","method":"x"}]',
      "",
    ].join("\n"),
  );
  const read = (...chunks) => {
    const conversation = conversationWith(["a", "b", "c"]);
    return chunks.flatMap((chunk) => conversation.receive(chunk));
  };
  const whole = read(stream);
  assert.deepEqual(
    whole.map(({ kind, method }) => [kind, method]),
    [
      ["result", "b"],
      ["notification", "event"],
      ["malformed", undefined],
      ["error", "a"],
      ["result", "c"],
      ["notification", "x"],
    ],
  );
  assert.equal(whole[0].result.name, "Zoë 😀 東京");
  assert.equal(whole[3].error.name, "session_not_found");
  for (let cut = 0; cut <= stream.length; cut += 1) {
    assert.deepEqual(read(stream.subarray(0, cut), stream.subarray(cut)), whole, `split at byte ${cut}`);
  }
  assert.deepEqual(read(...[...stream].map((byte) => Uint8Array.of(byte))), whole, "one byte at a time");
});

test("a chunk's buffer may be reused after it was taken", () => {
  const conversation = conversationWith(["a"]);
  const buffer = utf8('{"jsonrpc":"2.0","id":1,');
  conversation.receive(buffer);
  buffer.fill(120);
  assert.deepEqual(conversation.receive(utf8('"result":7}\n')), [{ kind: "result", id: 1, method: "a", result: 7 }]);
});

test("what is no reply of ours is called malformed and does not disturb what follows", () => {
  for (const line of [
    "17",
    "null",
    '{"jsonrpc":"2.0"}',
    '{"jsonrpc":"2.0","id":9,"result":1}',
    '{"jsonrpc":"2.0","id":"1","result":1}',
    '{"jsonrpc":"2.0","id":9,"error":{"code":1}}',
    '{"a":1',
  ]) {
    const conversation = conversationWith(["a"]);
    const [bad, good] = conversation.receive(utf8(`${line}\n{"jsonrpc":"2.0","id":1,"result":1}\n`));
    assert.equal(bad.kind, "malformed", line);
    assert.equal(good.kind, "result", line);
  }
  const [bad] = new Conversation().receive(Uint8Array.of(34, 0xff, 34, 10));
  assert.equal(bad.kind, "malformed", "invalid UTF-8");
});

test("a line over the ceiling is not kept, and the next one is read", () => {
  const conversation = new Conversation({ maxReplyBytes: 64 });
  conversation.request("a", {});
  assert.deepEqual(conversation.receive(utf8("x".repeat(60))), []);
  assert.deepEqual(conversation.receive(utf8("x".repeat(60))), []);
  const [bad, good] = conversation.receive(utf8('x\n{"jsonrpc":"2.0","id":1,"result":1}\n'));
  assert.match(bad.reason, /121 bytes, the ceiling is 64/);
  assert.equal(good.result, 1);
});

test("an error without an id is told apart", () => {
  const [message] = new Conversation().receive(
    utf8('{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"m","data":{"name":"parse_error"}}}\n'),
  );
  assert.equal(message.kind, "unaddressed");
  assert.equal(message.error.code, ErrorCode.parse_error);
});

test("a request over 16 MiB is refused before it is sent", () => {
  const conversation = new Conversation();
  assert.throws(
    () => conversation.request("pushTransfer", { transfer_data: "x".repeat(MAX_REQUEST_BYTES) }),
    (error) => error.name === "request_too_large" && error.code === 1006 && error.details.max_bytes === 16777216,
  );
  assert.equal(conversation.inFlight, 0);
});

test("an error carries everything that the wire says, and survives one that says little", () => {
  const full = PushgateError.fromWire({
    code: 1002,
    message: "Too much.",
    data: { name: "overloaded", retryable: true, retry_after_ms: 250, request_id: "r1", details: { queue: 9 } },
  });
  const { code, name, message, retryable, retryAfterMs, requestId, details } = full;
  assert.deepEqual(
    { code, name, message, retryable, retryAfterMs, requestId, details },
    { code: 1002, name: "overloaded", message: "Too much.", retryable: true, retryAfterMs: 250, requestId: "r1", details: { queue: 9 } },
  );
  assert.ok(full instanceof Error);
  assert.equal(PushgateError.fromWire({ code: 1306, message: "m" }).name, "transfer_not_found");
  assert.equal(PushgateError.fromWire({ code: 4242, message: "m" }).name, "error");
  assert.equal(PushgateError.fromWire({ code: 4242, message: "m", data: { name: "brand_new" } }).name, "brand_new");
  for (const odd of [undefined, null, "x", { code: "1" }]) assert.equal(PushgateError.fromWire(odd).code, -32603);
  assert.ok(Object.isFrozen(ErrorCode));
});

test("values go out as they are, and BigInt as a number", () => {
  const value = { s: 'é"\\\n\u2028', n: -1.5e-7, b: [true, false, null], u: undefined, o: {}, d: new Date(0) };
  assert.equal(encode(value), JSON.stringify(value));
  assert.equal(encode({ id: 9007199254740993n }), '{"id":9007199254740993}');
  assert.equal(encode({ x: new Number(3), y: { toJSON: () => "z" } }), '{"x":3,"y":"z"}');
});

test("a value that JSON would change silently is refused with its place", () => {
  const cycle = {};
  cycle.self = cycle;
  for (const [value, message] of [
    [{ transfer_data: [{ data: { age: NaN } }] }, /NaN at "\/transfer_data\/0\/data\/age"/],
    [{ "a/b": { "c~d": Infinity } }, /Infinity at "\/a~1b\/c~0d"/],
    [[new Date("no date")], /invalid Date at "\/0"/],
    [{ m: new Map() }, /a Map .* at "\/m"/],
    [{ m: new Set() }, /a Set/],
    [{ m: Buffer.from("x") }, /a Buffer .* at "\/m"/],
    [{ f() {} }, /a function at "\/f"/],
    [{ s: "\ud800" }, /surrogate pair at "\/s"/],
    [{ "\udc00": 1 }, /surrogate/],
    [[1, undefined], /hole/],
    [cycle, /deeper than 128 levels/],
    [undefined, /no JSON for undefined/],
  ]) {
    assert.throws(() => encode(value), (error) => error instanceof TypeError && message.test(error.message), String(message));
  }
});
