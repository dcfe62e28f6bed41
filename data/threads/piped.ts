// Two hands at one stream: while a result is on its way, the work on the next item has begun.

/** Things in order, at hand or still being read. */
export type Stream<T> = Iterable<T> | AsyncIterable<T>;

/**
 * Results of `work` in the order of the items. Work on an item begins before the result of the one before it is awaited; after an
 * item that `isLone` says yes to, its result comes first, so that the consumer then has nothing under way. An error of the work
 * comes in its turn.
 */
export async function* piped<T, R>(
  items: Stream<T>,
  work: (item: T) => Promise<R>,
  isLone: (item: T) => boolean = () => false,
): AsyncGenerator<R> {
  let last: Promise<R> | undefined;
  for await (const item of items) {
    const result = work(item);
    result.catch(() => {}); // awaited in its turn
    if (last) yield await last;
    last = result;
    if (!isLone(item)) continue;
    last = undefined;
    yield await result;
  }
  if (last) yield await last;
}

/** The same items, each asked for while the consumer still works on the one before. */
export async function* readAhead<T>(items: AsyncIterable<T>): AsyncGenerator<T> {
  const source = items[Symbol.asyncIterator]();
  try {
    for (let next = source.next(); ; ) {
      const { value, done } = await next;
      if (done) return;
      next = source.next();
      next.catch(() => {}); // awaited in its turn
      yield value;
    }
  } finally {
    await source.return?.();
  }
}
