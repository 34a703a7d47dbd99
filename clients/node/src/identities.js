// Bringing along which provider record each internal id is: any number of pairs, in bounded calls.

import { checkIterable, parts } from "./records.js";

/** Pairs in one call; the gateway takes ten times as many. */
const PAIRS = 10_000;

/** See `Client.importIdentities`. */
export async function importIdentities(inside, { identities, ...params }, options) {
  checkIterable(identities, "The identities");
  const all = { success: true, imported: 0, unchanged: 0, conflicts: [], conflicts_total: 0 };
  for await (const part of parts(items(identities), "identities", PAIRS, inside.lineBytes())) {
    const answer = await inside.repeat("importIdentities", { ...params, identities: part }, options);
    all.imported += answer.imported;
    all.unchanged += answer.unchanged;
    all.conflicts.push(...answer.conflicts);
    all.conflicts_total += answer.conflicts_total;
  }
  return all;
}

async function* items(identities) {
  for await (const pair of identities) {
    yield Array.isArray(pair) ? { internal_id: pair[0], id: pair[1] } : pair;
  }
}
