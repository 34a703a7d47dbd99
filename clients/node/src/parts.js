// A push whose records travel in parts: one transfer of any size, of which one part is in memory at a time.

import { PushgateError } from "./errors.js";
import { checkIterable, onTheWire, parts } from "./records.js";
import { accepted, mintIdempotencyKey } from "./transfer.js";

/** Records in one part, unless its line is full before. */
const PART_RECORDS = 1_000;

/** See `Client.pushParts`. */
export async function pushParts(inside, sessionId, endgrateType, records, options = {}) {
  const { wait, onProgress, signal, timeout, partRecords = PART_RECORDS, ...more } = options;
  checkIterable(records);
  if (!(partRecords >= 1)) throw new RangeError("A part has at least one record: partRecords is 1 or more.");
  const params = {
    session_id: sessionId,
    endgrate_type: endgrateType,
    idempotency_key: mintIdempotencyKey(),
    ...onTheWire(more),
  };
  const isResumable = more.idempotencyKey !== undefined || more.idempotency_key !== undefined;
  return accepted(inside, params, { wait, onProgress, signal, timeout }, (patience) =>
    sendInParts(inside, params, records, { partRecords, isResumable, patience }),
  );
}

async function sendInParts(inside, params, records, { partRecords, isResumable, patience }) {
  const { synchronous, progress_token: token, ...begin } = params;
  let id;
  let secret;
  try {
    ({ transfer_id: id, webhook_secret: secret } = await inside.repeat("beginTransfer", begin, patience()));
    let seq = 0;
    for await (const part of parts(records, "transfer_data", partRecords, inside.lineBytes())) {
      // Sent again after a lost connection, the same part under the same number is taken once.
      await inside.repeat("appendTransfer", { transfer_id: id, seq, transfer_data: part }, patience());
      seq += 1;
    }
    const commit = { transfer_id: id, parts: seq, synchronous, progress_token: token };
    return { ...(await inside.repeat("commitTransfer", commit, patience())), webhook_secret: secret };
  } catch (error) {
    if (id !== undefined) await leave(inside, id, error, isResumable);
    throw error;
  }
}

/**
 * What the gateway or the connection did not let through can be gone on with, and is named. If it was the source that
 * failed, or the caller who gave up, nobody goes on unless somebody has the key.
 */
async function leave(inside, id, error, isResumable) {
  if (error instanceof PushgateError || isResumable) {
    if (Object.isExtensible(error)) error.openTransfer = id;
    return;
  }
  await inside.call("cancelTransfer", { transfer_id: id }).catch(() => {});
}
