// Tensors joined along an axis, and an axis cut into all its pieces: more than four parts in a tree of fours, so that nothing moves more
// often than there are levels.
import type { Dtype } from "../../engine/declare/signature.ts";
import { ShapeError } from "../../engine/errors.ts";
import type { Tensor } from "../../engine/record/tensor.ts";
import { takes } from "../../engine/takes.ts";
import { around, axisOf } from "../lib/axes.ts";
import { joinParts, most, splitParts } from "./parts.ts";
import { newAxis } from "./views.ts";

/** Neighbours in groups, so that the groups are at most four. */
function grouped<V>(all: readonly V[]): V[][] {
  let size = most;
  while (size * most < all.length) size *= most;
  return Array.from({ length: Math.ceil(all.length / size) }, (_, i) => all.slice(i * size, (i + 1) * size));
}

/** Tensors [N, A, M] of one N and M as one. */
function joined<D extends Dtype>(all: readonly Tensor<D>[]): Tensor<D> {
  if (all.length === 1) return all[0];
  return all.length <= most ? joinParts(all) : joined(grouped(all).map(joined));
}

/** x_NCM in pieces of these sizes, whose sum is C. */
function pieces<D extends Dtype>(x: Tensor<D>, of: readonly number[]): Tensor<D>[] {
  if (of.length === 1) return [x];
  if (of.length <= most) return splitParts(x, of);
  const groups = grouped(of);
  const wholes = pieces(
    x,
    groups.map((group) => group.reduce((a, b) => a + b)),
  );
  return wholes.flatMap((whole, i) => pieces(whole, groups[i]));
}

function checkTypes(tensors: readonly Tensor<Dtype>[], what: string): void {
  for (const { dtype } of tensors)
    if (dtype !== tensors[0].dtype)
      throw new ShapeError(
        `${what}: ${tensors[0].dtype} and ${dtype} do not join; cast(x, "${tensors[0].dtype}") converts`,
      );
}

/** Tensors joined along an axis, in their order; their types and other axes agree. */
export function concat<D extends Dtype>(tensors: readonly Tensor<D>[], axis = 0): Tensor<D> {
  takes("concat(tensors: tensor[], axis?: whole)", arguments);
  if (tensors.length === 0) throw new ShapeError("concat: no tensors; expected one at least");
  const [first] = tensors;
  const at = axisOf(first, axis, "concat");
  for (const other of tensors)
    if (other.shape.length !== first.shape.length || other.shape.some((size, i) => i !== at && size !== first.shape[i]))
      throw new ShapeError(`concat: [${first.shape}] and [${other.shape}] differ beside axis ${at}`);
  checkTypes(tensors, "concat");
  if (tensors.length === 1) return first;
  const size = tensors.reduce((sum, { shape }) => sum + shape[at], 0);
  return joined(tensors.map((each) => each.reshape(around(each.shape, at)))).reshape(first.shape.with(at, size));
}

/**
 * Tensors of one shape as one with a new axis, by default the first (PyTorch's stack): `axis` is its place in the result, a negative
 * one counted from the result's end.
 */
export function stack<D extends Dtype>(tensors: readonly Tensor<D>[], axis = 0): Tensor<D> {
  takes("stack(tensors: tensor[], axis?: whole)", arguments);
  if (tensors.length === 0) throw new ShapeError("stack: no tensors; expected one at least");
  for (const { shape } of tensors)
    if (`${shape}` !== `${tensors[0].shape}`)
      throw new ShapeError(`stack: [${tensors[0].shape}] and [${shape}] differ; expected tensors of one shape`);
  checkTypes(tensors, "stack");
  const at = newAxis(tensors[0], axis, "stack");
  return concat(
    tensors.map((each) => each.reshape(each.shape.toSpliced(at, 0, 1))),
    at,
  );
}

/**
 * x in pieces along an axis (PyTorch's split): of one size each, where the last is what remains, or of the sizes given, whose sum is the
 * axis.
 */
export function split<D extends Dtype>(x: Tensor<D>, sizes: number | readonly number[], axis = 0): Tensor<D>[] {
  takes("split(x: tensor, sizes: size | size[], axis?: whole)", arguments);
  const at = axisOf(x, axis, "split");
  const whole = x.shape[at];
  const all = typeof sizes === "number" ? evenly(whole, sizes) : sizes;
  if (all.reduce((a, b) => a + b, 0) !== whole)
    throw new ShapeError(
      `split: pieces of ${all.join(", ") || "no size"} have ${all.reduce((a, b) => a + b, 0)} in all, but axis ${at} of [${x.shape}] has ${whole}`,
    );
  const cut = pieces(x.reshape(around(x.shape, at)), all);
  return cut.map((piece, i) => piece.reshape(x.shape.with(at, all[i])));
}

/** x in `count` pieces of one size along an axis; where it does not divide, the last is smaller, and there may be fewer (PyTorch's chunk). */
export function chunk<D extends Dtype>(x: Tensor<D>, count: number, axis = 0): Tensor<D>[] {
  takes("chunk(x: tensor, count: size, axis?: whole)", arguments);
  return split(x, Math.ceil(x.shape[axisOf(x, axis, "chunk")] / count), axis);
}

const evenly = (whole: number, size: number): number[] =>
  Array.from({ length: Math.ceil(whole / size) }, (_, i) => Math.min(size, whole - i * size));
