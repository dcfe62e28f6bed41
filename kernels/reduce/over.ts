// Reductions over any axes, brought to the one case that ops know: x[N, A, M] -> y[N, M].
import type { Tensor } from "../../engine/record/tensor.ts";
import { type Axes, around, axesOf } from "../lib/axes.ts";
import { permute } from "../shape/shape.ts";

/** x_NAM -> y_NM */
type Over = (x_NAM: Tensor) => Tensor;

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
function overRun(over: Over, x: Tensor, [from, to]: Run): Tensor {
  const ones = x.shape.map((size, i) => (from <= i && i <= to ? 1 : size));
  return over(x.reshape(around(x.shape, from, to))).reshape(ones);
}

/** Over axes that lie apart: they are moved to the end, so that each result is rounded once. */
function overMoved(over: Over, x: Tensor, axes: readonly number[]): Tensor {
  const kept = [...x.shape.keys()].filter((axis) => !axes.includes(axis));
  const moved = permute(x, [...kept, ...axes]);
  return over(moved.reshape([...around(moved.shape, kept.length, moved.shape.length - 1)]));
}

/**
 * `over` applied to the axes of x that are meant: all without `axis`. Side by side they are one launch. Where it
 * rounds nothing (a maximum, whole numbers), axes that lie apart are reduced one after another, the last first; otherwise they are
 * moved together.
 */
export function reduceOver(
  over: Over,
  x: Tensor,
  axis: Axes | undefined,
  keepdim: boolean,
  what: string,
  isExact = false,
): Tensor {
  const axes = axesOf(x, axis, what);
  const runs = runsOf(x.shape, axes);
  const y =
    runs.length === 0
      ? over(x.reshape([1, 1, 1]))
      : runs.length === 1 || isExact
        ? runs.reduceRight((rest, run) => overRun(over, rest, run), x)
        : overMoved(over, x, axes);
  return y.reshape(x.shape.flatMap((size, i) => (!axes.includes(i) ? size : keepdim ? 1 : [])));
}
