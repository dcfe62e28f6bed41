// Work whose results are wanted in order, some of it under way at the same time.

/**
 * Results of `work` in the order of the items, `ahead` of them under way, also while the consumer is busy with one; an
 * error comes in its turn. Items are taken as they are needed, so there may be endlessly many. When nothing more is wanted
 * `close` is called, which may cut short what is under way, and that is waited for.
 */
export async function* inOrder<T, R>(
  items: Iterable<T>,
  ahead: number,
  work: (item: T) => Promise<R>,
  close: () => unknown = () => {},
): AsyncGenerator<R> {
  const source = items[Symbol.iterator]();
  const begun: Promise<R>[] = [];
  const begin = () => {
    while (begun.length < ahead) {
      const { done, value } = source.next();
      if (done) return;
      const result = work(value);
      result.catch(() => {}); // awaited in its turn; until then a failure is not "unhandled"
      begun.push(result);
    }
  };
  try {
    for (begin(); begun.length > 0; ) {
      const result = await begun.shift()!;
      begin();
      yield result;
    }
  } finally {
    await close();
    await Promise.allSettled(begun);
  }
}

/** The whole numbers from `from` to `until` − 1. */
export function* range(from: number, until: number): Generator<number> {
  for (let i = from; i < until; i++) yield i;
}

/** `work` of each distinct item, all begun at once and ended, so that whoever takes them in order meets the first fault first. */
export async function onceEach<T, R>(items: Iterable<T>, work: (item: T) => Promise<R>): Promise<Map<T, Promise<R>>> {
  const results = new Map<T, Promise<R>>();
  for (const item of items) if (!results.has(item)) results.set(item, work(item));
  await Promise.allSettled(results.values());
  return results;
}
