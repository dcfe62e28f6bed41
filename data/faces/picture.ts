// A face crop as EmoCLIP's official code shows it to CLIP: normalised, resized by torch's bicubic filter without antialiasing, cropped in
// the middle. Other than `resize` (PIL's filter on bytes) it works on floats and does not clip them.
import { takes } from "../../engine/takes.ts";
import { CLIP_MEAN, CLIP_STD } from "../pixels/image.ts";
import { centred, type Image, shortSideSize } from "../pixels/resize.ts";

/** Four weights and the first place of each output along one axis. */
interface Filter {
  readonly first: Int32Array;
  readonly weights: Float64Array;
}

/** Keys' cubic with a = −0.75, as torch has it. */
const A = -0.75;

const near = (x: number): number => ((A + 2) * x - (A + 3)) * x * x + 1;
const far = (x: number): number => ((A * x - 5 * A) * x + 8 * A) * x - 4 * A;

/** Outputs `offset` … of an axis of `from` places resized to `to`; centres of pixels lie at halves. */
function filterOf(from: number, to: number, offset: number, count: number): Filter {
  const first = new Int32Array(count);
  const weights = new Float64Array(4 * count);
  for (let i = 0; i < count; i++) {
    const at = ((offset + i + 0.5) * from) / to - 0.5;
    const t = at - Math.floor(at);
    first[i] = Math.floor(at) - 1;
    weights.set([far(t + 1), near(t), near(1 - t), far(2 - t)], 4 * i);
  }
  return { first, weights };
}

const inside = (at: number, size: number): number => Math.min(Math.max(at, 0), size - 1);

/**
 * The picture normalised with CLIP's mean and deviation, its short side resized to `side` (the long side rounded down), its middle cut
 * out: [3, side, side].
 */
export function facePicture(image: Image, side: number): Float32Array {
  takes("facePicture(image: { data: Uint8Array, width: size, height: size, ... }, side: size, ...)", arguments);
  const size = shortSideSize(image, side);
  const { x, y } = centred(size, side);
  const across = filterOf(image.width, size.width, x, side);
  const down = filterOf(image.height, size.height, y, side);
  const rows = rowsAcross(image, across, side);
  const out = new Float32Array(3 * side * side);
  for (let c = 0; c < 3; c++)
    for (let i = 0; i < side; i++)
      for (let j = 0; j < side; j++) {
        let sum = 0;
        for (let k = 0; k < 4; k++)
          sum += down.weights[4 * i + k] * rows[(inside(down.first[i] + k, image.height) * side + j) * 3 + c];
        out[(c * side + i) * side + j] = sum;
      }
  return out;
}

/** Every row of the picture filtered to the columns that are seen, normalised: [height, side, 3]. */
function rowsAcross({ data, width, height }: Image, { first, weights }: Filter, side: number): Float32Array {
  const rows = new Float32Array(height * side * 3);
  for (let r = 0; r < height; r++)
    for (let j = 0; j < side; j++)
      for (let c = 0; c < 3; c++) {
        let sum = 0;
        for (let k = 0; k < 4; k++) sum += weights[4 * j + k] * data[(r * width + inside(first[j] + k, width)) * 3 + c];
        rows[(r * side + j) * 3 + c] = (sum / 255 - CLIP_MEAN[c]) / CLIP_STD[c];
      }
  return rows;
}
