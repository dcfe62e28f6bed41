// Axes as wrappers around ops speak of them. The ops know [N, A, M]; every rank is brought there by reshaping.
import { ShapeError } from "../../engine/errors.ts";
import type { Dtype } from "../../engine/declare/signature.ts";
import type { Tensor } from "../../engine/record/tensor.ts";

/** One axis, or several; negative ones count from the end. */
export type Axes = number | readonly number[];

/** `axis` counted from the front, negative ones from the end. */
export function axisOf(x: Tensor<Dtype>, axis: number, what: string): number {
  const rank = x.shape.length;
  const at = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(at) || at < 0 || at >= rank) throw new ShapeError(`${what}: [${x.shape}] has no axis ${axis}`);
  return at;
}

/** The axes that are meant, in ascending order: all of them where none is given. */
export function axesOf(x: Tensor<Dtype>, axes: Axes | undefined, what: string): number[] {
  if (axes === undefined) return [...x.shape.keys()];
  const all = typeof axes === "number" ? [axes] : axes;
  if (all.length === 0)
    throw new ShapeError(`${what}: axis is []; expected one axis or more, or undefined for all of [${x.shape}]`);
  const found = all.map((axis) => axisOf(x, axis, what));
  const twice = found.findIndex((axis, i) => found.indexOf(axis) < i);
  if (twice >= 0)
    throw new ShapeError(
      `${what}: axis is [${all}], which names axis ${found[twice]} of [${x.shape}] twice; expected once`,
    );
  return found.sort((a, b) => a - b);
}

const numel = (sizes: readonly number[]): number => sizes.reduce((product, size) => product * size, 1);

/** [N, A, M]: the product of the axes before `axis`, of it and those up to `last`, and of those after. */
export function around(shape: readonly number[], axis: number, last = axis): [number, number, number] {
  return [numel(shape.slice(0, axis)), numel(shape.slice(axis, last + 1)), numel(shape.slice(last + 1))];
}
