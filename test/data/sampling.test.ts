// Which clips and which frames a step sees: every order and every choice of frames equally likely, drawn anew in every epoch.
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Random } from "../../data/philox.ts";
import { epochLength, epochOf, linspaceFrames, randomFrames } from "../../data/sampling.ts";
import { chooseFrames } from "../../data/shards/frames.ts";

/** The order of one source in an epoch. */
const epochOrder = (seed: number, epoch: number, samples: number, together?: number) =>
  epochOf(seed, epoch, [{ samples, factor: 1 }], together).indices;

/** How often each outcome came of `draws`; they must be `kinds`, each within five standard deviations of its share. */
function evenly(draws: number, kinds: number, outcome: (i: number) => string): void {
  const counts = new Map<string, number>();
  for (let i = 0; i < draws; i++) counts.set(outcome(i), (counts.get(outcome(i)) ?? 0) + 1);
  assert.is(counts.size, kinds);
  const [share, room] = [draws / kinds, 5 * Math.sqrt((draws / kinds) * (1 - 1 / kinds))];
  for (const [name, count] of counts) assert.ok(Math.abs(count - share) < room, `${name}: ${count}, expected ${share}`);
}

test("every order of the samples is equally likely over the epochs", () =>
  evenly(6000, 24, (epoch) => epochOrder(2022, epoch, 4).join()));

test("every choice of distinct frames is equally likely", () => {
  const random = new Random(2022, "test");
  const drawn = Array.from({ length: 6000 }, () => randomFrames(random, 5, 2).join());
  evenly(6000, 10, (i) => drawn[i]);
});

test("a sample shows other frames in other epochs, and the same again in the same", () => {
  const view = { frames: 4, side: 8, resize: 8, sampling: "random", crop: "random" } as const;
  const shown = (epoch: number, index = 7) => chooseFrames(view, { seed: 1, epoch, index }, 64).join();
  const epochs = Array.from({ length: 20 }, (_, epoch) => shown(epoch));
  assert.is(new Set(epochs).size, 20); // of 635,376 choices
  assert.equal(
    epochs,
    epochs.map((_, epoch) => shown(epoch)),
  );
  assert.is.not(shown(0, 8), epochs[0]);
});

test("an epoch is a permutation in which neighbours stay together", () =>
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1, max: 5 }), fc.nat(9), (n, together, epoch) => {
      const order = [...epochOrder(3, epoch, n, together)];
      assert.equal(
        [...order].sort((a, b) => a - b),
        order.map((_, i) => i),
      );
      for (const [at, i] of order.entries()) if (i % together > 0) assert.is(order[at - 1], i - 1);
    }),
    { numRuns: 200, seed: 1 },
  ));

const sources = fc.array(
  fc.record({ samples: fc.integer({ min: 1, max: 20 }), factor: fc.integer({ min: 1, max: 40 }).map((n) => n / 8) }),
  { minLength: 1, maxLength: 4 },
);

/** How often each sample of each source is in some numbers. */
function timesOf(shares: readonly { samples: number }[], indices: Iterable<number>): number[][] {
  const all = shares.map(({ samples }) => new Array<number>(samples).fill(0));
  for (const index of indices) {
    let [at, source] = [index, 0];
    while (at >= shares[source].samples) at -= shares[source++].samples;
    all[source][at]++;
  }
  return all;
}

test("an epoch of several sources shows each by its factor, and over the epochs no sample twice more than another", () =>
  fc.assert(
    fc.property(sources, fc.nat(1000), (shares, seed) => {
      const epochs = Array.from({ length: 5 }, (_, epoch) => epochOf(seed, epoch, shares).indices);
      const sum = (times: readonly number[]) => times.reduce((total, n) => total + n, 0);
      for (const [k, { samples, factor }] of shares.entries()) {
        const each = epochs.map((indices) => sum(timesOf(shares, indices)[k]));
        assert.ok(
          each.every((n) => n === Math.max(1, Math.round(factor * samples))),
          `${each}`,
        );
        const times = timesOf(
          shares,
          epochs.flatMap((indices) => [...indices]),
        )[k];
        assert.ok(Math.max(...times) - Math.min(...times) <= 1, `${times}`);
      }
      for (const indices of epochs) assert.is(indices.length, epochLength(shares));
    }),
    { numRuns: 300, seed: 1 },
  ));

test("with factors of 1 an epoch of several sources is a permutation of them all, and no group is of two sources", () =>
  fc.assert(
    fc.property(sources, fc.integer({ min: 1, max: 4 }), (shares, together) => {
      const plain = shares.map(({ samples }) => ({ samples, factor: 1 }));
      const { indices, showings } = epochOf(5, 3, plain, together);
      assert.equal(
        [...indices].sort((a, b) => a - b),
        [...indices.keys()],
      );
      assert.ok(showings.every((showing) => showing === 3));
      let first = 0;
      for (const { samples } of shares) {
        for (let i = 0; i < samples; i++)
          if (i % together > 0) assert.is(indices.indexOf(first + i), indices.indexOf(first + i - 1) + 1);
        first += samples;
      }
    }),
    { numRuns: 200, seed: 1 },
  ));

test("a sample that is shown again has a draw of its own, and an epoch is never shorter than is told", () =>
  fc.assert(
    fc.property(sources, fc.integer({ min: 1, max: 4 }), fc.nat(1000), (shares, together, seed) => {
      const draws = Array.from({ length: 4 }, (_, epoch) => epochOf(seed, epoch, shares, together)).flatMap(
        ({ indices, showings }) => {
          assert.ok(indices.length >= epochLength(shares, together));
          return Array.from(indices, (index, slot) => `${index} ${showings[slot]}`);
        },
      );
      assert.is(new Set(draws).size, draws.length);
      assert.equal(epochOf(seed, 2, shares, together), epochOf(seed, 2, shares, together));
    }),
    { numRuns: 300, seed: 1 },
  ));

test("evenly spaced frames are numpy's linspace cut to whole numbers", () => {
  assert.equal([...linspaceFrames(0, 9, 4)], [0, 3, 6, 9]);
  assert.equal([...linspaceFrames(0, 10, 4)], [0, 3, 6, 10]);
  assert.equal([...linspaceFrames(0, 1, 4)], [0, 0, 0, 1]);
  assert.equal([...linspaceFrames(5, 9, 1)], [5]);
});

test.run();
