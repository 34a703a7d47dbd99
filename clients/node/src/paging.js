// Walking over the pages of a list: the gateway may cut any page shorter than asked, and says in the answer where to go
// on. Each page is a read, so it is repeated when the connection is lost in between.

/**
 * Yields the items of all pages of a list that is counted through (`limit`, `offset`, `meta.next`). `most` ends it after
 * so many; `seePage` is shown each page as it came; `first` is a page that was read already.
 */
export async function* itemsOfPages(inside, method, member, params, { signal, most = Infinity, seePage, first } = {}) {
  let { offset = 0 } = params;
  let known = first;
  for (let left = most; left > 0; ) {
    const limit = Number.isFinite(left) ? Math.min(left, params.limit ?? left) : params.limit;
    const page = known ?? (await inside.repeat(method, { ...params, offset, limit }, { signal }));
    known = undefined;
    seePage?.(page);
    const items = page[member].slice(0, left);
    left -= items.length;
    yield* items;
    const next = page.meta?.next?.offset;
    if (next === undefined) return;
    if (!(next > offset)) throw new Error(`${method} answered with a next page at ${next} after the one at ${offset}.`);
    offset = next;
  }
}

/** Yields the items of all pages of a list in the order of its keys (`limit`, `after`, `next`). */
export async function* itemsByKey(inside, method, member, params, { signal } = {}) {
  for (let { after } = params; ; ) {
    const page = await inside.repeat(method, { ...params, after }, { signal });
    yield* page[member];
    if (page.next === undefined) return;
    if (page.next === after) throw new Error(`${method} answered with the same page again.`);
    after = page.next;
  }
}
