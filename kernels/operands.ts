// What two-argument ops may meet: numbers beside tensors, tensors of one type, shapes that broadcast.
import type { Dtype } from "../engine/declare/signature.ts";
import { tensor } from "../engine/device/params.ts";
import { ShapeError } from "../engine/errors.ts";
import { isWholeType } from "../engine/declare/signature.ts";
import type { Tensor } from "../engine/record/tensor.ts";

/** Whether a tensor has fractions. */
export const isFloat = (x: Tensor<Dtype>): boolean => !isWholeType(x.dtype);

const ranges = { u32: [0, 2 ** 32 - 1], i32: [-(2 ** 31), 2 ** 31 - 1] } as const;

/** Refuses tensors of several types: none is converted by itself, for each way loses something. */
export function ofOneType(what: string, named: Readonly<Record<string, Tensor<Dtype>>>): void {
  const [[first, { dtype }], ...rest] = Object.entries(named);
  const other = rest.find(([, each]) => each.dtype !== dtype);
  if (!other) return;
  const [name, found] = other;
  const [from, to] = !isFloat(found) || dtype === "f32" ? [name, dtype] : [first, found.dtype];
  throw new ShapeError(
    `${what}: ${first} is ${dtype} and ${name} is ${found.dtype}; expected one type: cast(${from}, "${to}") converts`,
  );
}

/**
 * A number as a tensor that broadcasts to every shape, of the type of what it meets; a tensor as it is. Where `wraps`, a negative
 * number beside u32 is its two's complement. Errors: ShapeError for a number that the type does not hold.
 */
export function operand<D extends Dtype>(
  what: string,
  x: Tensor<D> | number,
  beside: Tensor<D> | number,
  wraps = false,
): Tensor<D> {
  if (typeof x !== "number") return x;
  const dtype: Dtype = typeof beside === "number" ? "f32" : beside.dtype;
  if (isWholeType(dtype)) checkHeld(what, x, dtype, wraps);
  return tensor([x], [], dtype) as Tensor<Dtype> as Tensor<D>;
}

function checkHeld(what: string, x: number, dtype: "u32" | "i32", wraps: boolean): void {
  const [lowest, most] = ranges[dtype];
  const least = wraps ? -(2 ** 31) : lowest;
  if (Number.isInteger(x) && x >= least && x <= most) return;
  const numeric: Dtype = Number.isInteger(x) && dtype === "u32" && x < 0 ? "i32" : "f32";
  throw new ShapeError(
    `${what}: ${x} meets a tensor of ${dtype}, which holds whole numbers from ${lowest} to ${most}; ` +
      `cast(x, "${numeric}") makes it one that can`,
  );
}
