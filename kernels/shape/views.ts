// The same elements under other axes: views, which cost nothing.
import type { Dtype } from "../../engine/declare/signature.ts";
import { ShapeError } from "../../engine/errors.ts";
import type { Tensor } from "../../engine/record/tensor.ts";
import { takes } from "../../engine/takes.ts";
import { type Axes, axesOf } from "../lib/axes.ts";

/** The place of an axis that x is to get; negative ones count from the result's end. */
export function newAxis(x: Tensor<Dtype>, axis: number, what: string): number {
  const rank = x.shape.length + 1;
  const at = axis < 0 ? axis + rank : axis;
  if (at < 0 || at >= rank) throw new ShapeError(`${what}: [${x.shape}] with one more axis has no axis ${axis}`);
  return at;
}

/** x with an axis of length 1 more, at this place of the result: -1 is behind all others. Free. */
export function unsqueeze<D extends Dtype>(x: Tensor<D>, axis: number): Tensor<D> {
  takes("unsqueeze(x: tensor, axis: whole)", arguments);
  return x.reshape(x.shape.toSpliced(newAxis(x, axis, "unsqueeze"), 0, 1));
}

/**
 * x without an axis of length 1, or several, or without all that have length 1. Free. Errors: ShapeError where one of them is longer (as in
 * NumPy; PyTorch leaves it).
 */
export function squeeze<D extends Dtype>(x: Tensor<D>, axis?: Axes): Tensor<D> {
  takes("squeeze(x: tensor, axis?: whole | whole[])", arguments);
  if (axis === undefined) return x.reshape(x.shape.filter((size) => size !== 1));
  const gone = axesOf(x, axis, "squeeze");
  for (const at of gone)
    if (x.shape[at] !== 1)
      throw new ShapeError(
        `squeeze: axis ${at} of [${x.shape}] has length ${x.shape[at]}; only axes of length 1 can go`,
      );
  return x.reshape(x.shape.filter((_, i) => !gone.includes(i)));
}
