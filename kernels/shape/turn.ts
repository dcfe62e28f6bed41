// Axes read from behind, and axes turned round: the elements of an axis in another order.
import type { Attrs, Pass } from "../../engine/declare/pass.ts";
import { anyType, type Dtype, type Sizes } from "../../engine/declare/signature.ts";
import { op } from "../../engine/record/op.ts";
import type { Tensor } from "../../engine/record/tensor.ts";
import { takes } from "../../engine/takes.ts";
import { around, type Axes, axesOf, axisOf } from "../lib/axes.ts";
import { rowsPass } from "./by-rows.ts";
import text from "./turn.wgsl";

/** Rows read from behind, or from `shift` on, in numbers of a flat row. */
const turned = (
  x: string,
  y: string,
  inner: (dims: Sizes) => number,
  shift: (dims: Sizes, attrs: Attrs) => number,
): Pass =>
  rowsPass(`${x}_NAM -> ${y}_NAM`, {
    text,
    of: ({ N, A, M }) => ({ count: N, row: A * M, unit: M }),
    uniforms: (dims, attrs, step) => ({ inner: inner(dims) / step, shift: shift(dims, attrs) / step }),
    rename: { x, y },
  });

const backwards = (x: string, y: string): Pass =>
  turned(
    x,
    y,
    ({ M }) => M,
    () => 0,
  );

const flipped = op({
  name: "flip",
  about: "y[n, a, m] = x[n, A − 1 − a, m]",
  sig: "x_NAM -> y_NAM",
  storage: anyType,
  forward: [backwards("x", "y")],
  backward: [backwards("dy", "dx")],
  ref({ x }, { A, M }) {
    const place = (i: number) => i + (A - 1 - 2 * (Math.floor(i / M) % A)) * M;
    return { y: x.map((_, i) => x[place(i)]) };
  },
  flops: () => 0,
  bench: [{ N: 16 * 3 * 224, A: 224, M: 1 }],
});

/** A shift as 0 to A − 1. */
const within = (shift: number, { A }: Sizes): number => ((shift % A) + A) % A;

const onwards = (x: string, y: string, sign: 1 | -1): Pass =>
  turned(
    x,
    y,
    () => 0,
    (dims, { shift }) => within(sign * Number(shift), dims) * dims.M,
  );

const rolled = op({
  name: "roll",
  about: "y[n, a + shift, m] = x[n, a, m], round the axis",
  sig: "x_NAM -> y_NAM",
  storage: anyType,
  attrs: { shift: 1 },
  takes: { shift: "whole" },
  forward: [onwards("x", "y", -1)],
  backward: [onwards("dy", "dx", 1)],
  ref({ x }, { A, M }, { shift }) {
    const y = new Float64Array(x.length);
    for (let i = 0; i < x.length; i++) {
      const a = Math.floor(i / M) % A;
      y[i + (within(a + shift, { A }) - a) * M] = x[i];
    }
    return { y };
  },
  flops: () => 0,
  bench: [{ N: 128, A: 51, M: 768 }],
  test: { attrs: [{}, { shift: 0 }, { shift: -3 }, { shift: 100 }] },
});

/** x with the elements of an axis, or of several, in reverse order (PyTorch's flip). */
export function flip<D extends Dtype>(x: Tensor<D>, axis: Axes): Tensor<D> {
  takes("flip(x: tensor, axis: whole | whole[])", arguments);
  return axesOf(x, axis, "flip")
    .filter((at) => x.shape[at] > 1)
    .reduce((y, at) => flipped(y.reshape(around(x.shape, at))).reshape(x.shape), x);
}

/** x with the elements of an axis moved on by `shift`, those that leave it coming in at its other end (PyTorch's roll); without an axis, of x as one row. */
export function roll<D extends Dtype>(x: Tensor<D>, shift: number, axis?: number): Tensor<D> {
  takes("roll(x: tensor, shift: whole, axis?: whole)", arguments);
  const rows = axis === undefined ? [1, x.numel, 1] : around(x.shape, axisOf(x, axis, "roll"));
  return rolled(x.reshape(rows), { shift }).reshape(x.shape);
}
