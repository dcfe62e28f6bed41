// Reductions over any axes, brought to the one case that ops know: x[N, A, M] -> y[N, M].
import type { Dtype } from "../../engine/declare/signature.ts";
import type { Tensor } from "../../engine/record/tensor.ts";
import { type Axes, around, axesOf } from "../lib/axes.ts";
import { permute } from "../shape/shape.ts";

/** x_NAM -> y_NM: of elements of one type, the same or another. */
export type Over<D extends Dtype, R extends Dtype> = (x_NAM: Tensor<D>) => Tensor<R>;

/** First and last of axes that lie side by side; what stands between two of them may have length 1. */
type Run = [from: number, to: number];

/** Axes of length 1 make no run of their own beside others. */
function runsOf(shape: readonly number[], axes: readonly number[]): Run[] {
  const runs: Run[] = [];
  const long = axes.filter((axis) => shape[axis] > 1);
  for (const axis of long.length > 0 ? long : axes.slice(0, 1)) {
    const last = runs.at(-1);
    if (last && shape.slice(last[1] + 1, axis).every((size) => size === 1)) last[1] = axis;
    else runs.push([axis, axis]);
  }
  return runs;
}

/** Over one run of axes, which stay with length 1. */
function overRun<D extends Dtype, R extends Dtype>(over: Over<D, R>, x: Tensor<D>, [from, to]: Run): Tensor<R> {
  const ones = x.shape.map((size, i) => (from <= i && i <= to ? 1 : size));
  return over(x.reshape(around(x.shape, from, to))).reshape(ones);
}

/** Over several runs one after another, which all but the first leave as they are: of one type. */
const overRuns = <D extends Dtype, R extends Dtype>(over: Over<D, R>, x: Tensor<D>, runs: readonly Run[]): Tensor<R> =>
  runs.reduceRight<Tensor<Dtype>>((rest, run) => overRun(over, rest as Tensor<D>, run), x) as Tensor<R>;

/** Over axes that lie apart: they are moved to the end, so that each result is rounded once. */
function overMoved<D extends Dtype, R extends Dtype>(
  over: Over<D, R>,
  x: Tensor<D>,
  axes: readonly number[],
): Tensor<R> {
  const kept = [...x.shape.keys()].filter((axis) => !axes.includes(axis));
  const moved = permute(x as Tensor<Dtype> as Tensor, [...kept, ...axes]) as Tensor<Dtype> as Tensor<D>;
  return over(moved.reshape([...around(moved.shape, kept.length, moved.shape.length - 1)]));
}

/**
 * `over` applied to the axes of x that are meant: all without `axis`. Side by side they are one launch. Where it
 * rounds nothing (a maximum, whole numbers), axes that lie apart are reduced one after another, the last first; otherwise they are
 * moved together.
 */
export function reduceOver<D extends Dtype, R extends Dtype>(
  over: Over<D, R>,
  x: Tensor<D>,
  axis: Axes | undefined,
  keepdim: boolean,
  what: string,
  isExact = false,
): Tensor<R> {
  const axes = axesOf(x, axis, what);
  const runs = runsOf(x.shape, axes);
  const y =
    runs.length === 0
      ? over(x.reshape([1, 1, 1]))
      : runs.length === 1 || isExact
        ? overRuns(over, x, runs)
        : overMoved(over, x, axes);
  return y.reshape(x.shape.flatMap((size, i) => (!axes.includes(i) ? size : keepdim ? 1 : [])));
}
