// Walking over the pages of `getData` and `getErrors`: the gateway may cut any page shorter than asked, and says with
// `meta.next` where to go on. Each page is a read, so it is repeated when the connection is lost in between.

/** Yields the items of all pages. `most` ends it after so many; `seePage` is shown each page as it came. */
export async function* itemsOfPages(inside, method, member, params, { signal, most = Infinity, seePage } = {}) {
  let { offset = 0 } = params;
  for (let left = most; left > 0; ) {
    const limit = Number.isFinite(left) ? Math.min(left, params.limit ?? left) : params.limit;
    const page = await inside.repeat(method, { ...params, offset, limit }, { signal });
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
