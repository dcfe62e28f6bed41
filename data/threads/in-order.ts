// Work whose results are wanted in order, some of it under way at the same time.

/** Results of `work` in the order of the items, at most `ahead` under way; an error comes in its turn. */
export async function* inOrder<T, R>(
  items: readonly T[],
  ahead: number,
  work: (item: T) => Promise<R>,
): AsyncGenerator<R> {
  const begun: Promise<R>[] = [];
  for (let at = 0; at < items.length; at++) {
    for (let next = at + begun.length; next < Math.min(at + ahead, items.length); next++) {
      const result = work(items[next]);
      result.catch(() => {}); // awaited in its turn
      begun.push(result);
    }
    yield await begun.shift()!;
  }
}
