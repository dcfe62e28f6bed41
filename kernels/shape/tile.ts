// Tensors repeated along their axes.
import type { Dtype } from "../../engine/declare/signature.ts";
import { ShapeError } from "../../engine/errors.ts";
import type { Tensor } from "../../engine/record/tensor.ts";
import { takes } from "../../engine/takes.ts";
import { expandTo } from "../reduce/reduce.ts";

/**
 * x repeated whole, so many times along each axis (NumPy's and PyTorch's tile; `x.repeat` of PyTorch): tile([1, 2], [3]) is 1, 2, 1, 2, 1, 2. More
 * numbers than axes make new axes in front.
 */
export function tile<D extends Dtype>(x: Tensor<D>, times: readonly number[]): Tensor<D> {
  takes("tile(x: tensor, times: size[])", arguments);
  if (times.length < x.shape.length)
    throw new ShapeError(
      `tile: times are [${times}]; expected a number for each of the ${x.shape.length} axes of [${x.shape}]`,
    );
  const shape = [...new Array<number>(times.length - x.shape.length).fill(1), ...x.shape];
  const apart = shape.flatMap((size) => [1, size]);
  const full = shape.flatMap((size, i) => [times[i], size]);
  return expandTo(x.reshape(apart), full).reshape(shape.map((size, i) => times[i] * size));
}
