// Work one item ahead: the order of things, and who hears of errors and stops.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { untilStopped } from "../../data/threads/long-work.ts";
import { piped, readAhead } from "../../data/threads/piped.ts";
import { failure } from "../kit/refusal.ts";

async function* numbers(count: number, log: string[] = []): AsyncGenerator<number> {
  try {
    for (let i = 1; i <= count; i++) {
      log.push(`read ${i}`);
      yield i;
    }
  } finally {
    log.push("closed");
  }
}

async function all<T>(items: AsyncIterable<T>, log: string[] = []): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) {
    log.push(`got ${item}`);
    found.push(item);
  }
  return found;
}

const begun = (log: string[]) => async (i: number) => {
  log.push(`begun ${i}`);
  return i;
};

test("work on an item begins before the result of the one before is given out", async () => {
  const log: string[] = [];
  assert.equal(await all(piped([1, 2, 3], begun(log)), log), [1, 2, 3]);
  assert.equal(log, ["begun 1", "begun 2", "got 1", "begun 3", "got 2", "got 3"]);
  assert.equal(await all(piped([], begun(log))), []);
});

test("after a lone item nothing is under way when its result comes", async () => {
  const log: string[] = [];
  await all(
    piped([1, 2, 3, 4], begun(log), (i) => i === 2),
    log,
  );
  assert.equal(log, ["begun 1", "begun 2", "got 1", "got 2", "begun 3", "begun 4", "got 3", "got 4"]);
});

test("a fault of the work comes in its turn, and the items are closed", async () => {
  const log: string[] = [];
  const work = async (i: number) => {
    if (i === 2) throw new Error("two");
    return i;
  };
  assert.is((await failure(all(piped(numbers(5, log), work), log))).message, "two");
  assert.equal(log, ["read 1", "read 2", "got 1", "read 3", "closed"]);
});

test("who reads ahead asks for an item while the one before is worked on, and closes the items when it stops", async () => {
  const log: string[] = [];
  for await (const i of readAhead(numbers(9, log))) {
    log.push(`got ${i}`);
    if (i === 2) break;
  }
  assert.equal(log, ["read 1", "read 2", "got 1", "read 3", "got 2", "closed"]);
  assert.equal(await all(readAhead(numbers(3))), [1, 2, 3]);
});

test("the item at hand when a stop is asked for is the last, and its result is still given out", async () => {
  const stop: { requested: number | undefined } = { requested: undefined };
  const work = async (i: number) => {
    if (i === 3) stop.requested = 130;
    return i;
  };
  assert.equal(await all(piped(untilStopped(numbers(9), stop), work)), [1, 2, 3]);
});

test.run();
