// The table of positions for another image size, against the official function.
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type Grid, resizePositions } from "../../model/clip/positions.ts";
import { agree, fixture } from "../kit/golden.ts";

const file = "ops/pos_resize.safetensors";
const of = fixture(file);
const cases: [string, Grid, Grid][] = [
  ["4x4_to_7x7", [4, 4], [7, 7]],
  ["7x7_to_4x4", [7, 7], [4, 4]],
  ["4x4_to_3x5", [4, 4], [3, 5]],
];

for (const [name, from, to] of cases)
  test(`${name} is what the official function gives`, () =>
    agree(file, {
      [`out.${name}`]: Promise.resolve(resizePositions(of(`in.${name}`).data as Float32Array, from, to)),
    }));

test("the same grid gives the same bits, and the class token's row is never touched", () => {
  const side = fc.integer({ min: 1, max: 9 });
  fc.assert(
    fc.property(side, side, side, side, fc.integer({ min: 1, max: 5 }), (h, w, y, x, D) => {
      const table = Float32Array.from({ length: (1 + h * w) * D }, (_, i) => Math.sin(7 * i));
      assert.equal(resizePositions(table, [h, w], [h, w]), table);
      const resized = resizePositions(table, [h, w], [y, x]);
      assert.is(resized.length, (1 + y * x) * D);
      assert.equal(resized.subarray(0, D), table.subarray(0, D));
    }),
  );
});

test("a table that is the same everywhere stays so: the weights of each output add up to one", () => {
  for (const value of resizePositions(new Float32Array(1 + 49).fill(3), [7, 7], [16, 5]))
    assert.ok(Math.abs(value - 3) < 1e-6, `${value}`); // rounding to float32
});

test.run();
