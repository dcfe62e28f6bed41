// A number as the bits of one element: kernels that fill get it whole, whatever the type (f16 as the f32 of the same value).
import { type Dtype, isWholeType } from "./signature.ts";
import { ShapeError } from "../errors.ts";
import { fromHalf, toHalf } from "../half.ts";

/** A negative number as u32 is its two's complement (-100, the class that losses ignore). */
const ranges = { u32: [-(2 ** 31), 2 ** 32 - 1], i32: [-(2 ** 31), 2 ** 31 - 1] } as const;

const holds = (dtype: "u32" | "i32", value: number): boolean =>
  Number.isInteger(value) && value >= ranges[dtype][0] && value <= ranges[dtype][1];

/** Errors: ShapeError, which begins with `what(i)`, for the first number that an element of the type cannot hold. */
export function checkHeld(what: (i: number) => string, values: ArrayLike<number>, dtype: Dtype): void {
  if (!isWholeType(dtype)) return;
  for (let i = 0; i < values.length; i++)
    if (!holds(dtype, values[i]))
      throw new ShapeError(
        `${what(i)} is ${values[i]}; ${dtype} holds whole numbers from ${ranges[dtype][0]} to ${ranges[dtype][1]}`,
      );
}

const view = new DataView(new ArrayBuffer(4));

/** The 32 bits for `bitcast<Num>` in a kernel. */
export function bitsOf(value: number, dtype: Dtype): number {
  if (isWholeType(dtype)) return value >>> 0;
  view.setFloat32(0, dtype === "f16" ? fromHalf(toHalf(value)) : value);
  return view.getUint32(0);
}
