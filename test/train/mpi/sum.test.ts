// Arrays added up over ranks, here all in one process: every rank has the same sum, added in the order of the ranks, whatever the lengths.
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type Exchange, sumOver } from "../../../train/mpi/sum.ts";
import { wires } from "../../../train/mpi/wire.ts";

/** Ranks of one process: a call is done once all have made it. */
function ranks(size: number): Exchange[] {
  const calls: { own: Uint8Array; into: Uint8Array; done: () => void }[][] = [];
  const made = new Array<number>(size).fill(0);
  const meet = (rank: number, own: Uint8Array, into: Uint8Array, deliver: (call: (typeof calls)[number]) => void) =>
    new Promise<void>((done) => {
      const call = (calls[made[rank]++] ??= []);
      call[rank] = { own, into, done };
      if (Array.from(call).filter(Boolean).length < size) return;
      deliver(call);
      for (const { done } of call) done();
    });
  return Array.from({ length: size }, (_, rank) => ({
    rank,
    size,
    swap: (send, received, bytes) =>
      meet(rank, send, received, (call) => {
        for (const [to, { into }] of call.entries())
          for (const [from, { own }] of call.entries())
            into.set(own.subarray(to * bytes, (to + 1) * bytes), from * bytes);
      }),
    share: (own, all, bytes) =>
      meet(rank, own, all, (call) => {
        for (const { into } of call)
          for (const [from, { own }] of call.entries()) into.set(own.subarray(0, bytes), from * bytes);
      }),
  }));
}

async function* each<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items;
}

/** What every rank is left with. */
const summed = (of: readonly (readonly Float32Array[])[]): Promise<Float32Array[][]> =>
  Promise.all(
    ranks(of.length).map(async (exchange, rank) => {
      const sums: Float32Array[] = [];
      for await (const sum of sumOver(exchange, wires.f32, each(of[rank].map((values) => values.slice()))))
        sums.push(sum);
      return sums;
    }),
  );

test("every rank has the sum of all, added in float32 in the order of the ranks, also of arrays shorter than there are ranks", () =>
  fc.assert(
    fc.asyncProperty(
      fc
        .integer({ min: 1, max: 5 })
        .chain((size) =>
          fc
            .array(fc.integer({ min: 1, max: 70 }), { minLength: 1, maxLength: 4 })
            .chain((lengths) =>
              fc.tuple(
                ...Array.from({ length: size }, () =>
                  fc.tuple(
                    ...lengths.map((length) =>
                      fc.float32Array({ minLength: length, maxLength: length, noNaN: true, min: -1e6, max: 1e6 }),
                    ),
                  ),
                ),
              ),
            ),
        ),
      async (of) => {
        const want = of[0].map((first, k) =>
          of.slice(1).reduce((sum, arrays) => sum.map((value, i) => value + arrays[k][i]), first.slice()),
        );
        for (const sums of await summed(of)) assert.equal(sums, want);
      },
    ),
    { numRuns: 60 },
  ));

test("an array of many turns", async () => {
  const values = (rank: number) => Float32Array.from({ length: 50_001 }, (_, i) => (i % 97) * (rank + 1));
  for (const [sum] of await summed([[values(0)], [values(1)], [values(2)]]))
    assert.equal(
      sum,
      Float32Array.from({ length: 50_001 }, (_, i) => (i % 97) * 6),
    );
});

test.run();
