// Axes made longer by a constant.
import { bitsOf, checkHeld } from "../../engine/declare/bits.ts";
import { anyType, type Dtype } from "../../engine/declare/signature.ts";
import { ShapeError } from "../../engine/errors.ts";
import { op } from "../../engine/record/op.ts";
import type { Tensor } from "../../engine/record/tensor.ts";
import { takes } from "../../engine/takes.ts";
import { around } from "../lib/axes.ts";
import { windowPass } from "./window.ts";

const padded = op({
  name: "pad",
  about: "y[n, before + a, m] = x[n, a, m], value elsewhere",
  sig: "x_NAM -> y_NCM",
  storage: anyType,
  attrs: { before: 1, after: 1, value: 0, dtype: "f32" as Dtype },
  takes: { before: "place", after: "place", value: "float", dtype: '"f32" | "f16" | "u32" | "i32"' },
  derive({ A }, { before, after, value, dtype }) {
    checkHeld(() => "pad: value", [value], dtype);
    return { C: before + A + after };
  },
  forward: [
    windowPass(
      { x: "x", y: "y" },
      ["A", "C", "M"],
      (_, { before }) => -before,
      ({ value, dtype }) => bitsOf(Number(value), dtype as Dtype),
    ),
  ],
  backward: [windowPass({ x: "dy", y: "dx" }, ["C", "A", "M"], (_, { before }) => Number(before))],
  ref({ x }, { N, A, C, M }, { before, value }) {
    const y = new Float64Array(N * C * M).fill(value);
    for (let n = 0; n < N; n++) y.set(x.subarray(n * A * M, (n + 1) * A * M), (n * C + before) * M);
    return { y };
  },
  flops: () => 0,
  bench: [{ N: 16 * 3, A: 224, M: 224, attrs: { before: 16, after: 16 } }],
  test: {
    sizes: { A: [1, 2, 5, 8] },
    attrs: [{}, { before: 0, after: 3, value: 7 }, { before: 2, after: 0, value: -1.5 }, { before: 5, value: 2.5 }],
  },
});

/**
 * x with `value` before and behind: widths has a pair [before, after] for every axis, in the order of the axes, as NumPy's pad (PyTorch's
 * begins with the last axis: `F.pad(x, [l, r, t, b])` is `pad(x, [.., [t, b], [l, r]])`). The gradient is dy without what was added.
 */
export function pad<D extends Dtype>(
  x: Tensor<D>,
  widths: readonly (readonly number[])[],
  options: { value?: number } = {},
): Tensor<D> {
  takes("pad(x: tensor, widths: place[][], options?: { value?: float })", arguments);
  if (widths.length !== x.shape.length || widths.some((pair) => pair.length !== 2))
    throw new ShapeError(
      `pad: widths are ${JSON.stringify(widths)}; expected a pair [before, after] for each of the ${x.shape.length} axes of [${x.shape}]`,
    );
  const { value = 0 } = options;
  return widths.reduce((y, [before, after], axis) => {
    if (before + after === 0) return y;
    const shape = y.shape.with(axis, before + y.shape[axis] + after);
    return padded(y.reshape(around(y.shape, axis)), { before, after, value, dtype: x.dtype }).reshape(shape);
  }, x);
}
