// Pixels as tensors of the open scope. Bytes go to the device as they are, four to a word, and become floats there by a table, with
// the bits that the host would have made; floats go as they are.
import { type Colours, normalised, normalisedForClip } from "../data/pixels/image.ts";
import { cellsOf, pairOf, type Side } from "../data/pixels/side.ts";
import type { AnyPixels } from "../data/pixels/view.ts";
import { placeholder, ShapeError, type Tensor, tensor } from "../engine/index.ts";
import { takes } from "../engine/takes.ts";
import { fromBytes } from "../kernels/index.ts";

/** Frames as a tower takes them, and where the subject is in each. */
export interface FrameTensors {
  readonly frames_N3SS: Tensor;
  readonly mask_NSS: Tensor;
}

/** What the bytes of each channel mean, [C, 256]: colours are normalised, those of a mask are numbers. */
const tables = {
  frames: { imagenet: normalised, clip: normalisedForClip },
  mask: Float32Array.from({ length: 256 }, (_, value) => value),
};
type Kind = keyof typeof tables;

/** Channels of a kind of pixels. */
const channelsOf = (kind: Kind): number => (kind === "mask" ? 1 : 3);

/** The same of B clips of T frames. */
export interface PixelsOfClips {
  readonly frames_BT3SS: Tensor;
  readonly mask_BTSS: Tensor;
}

/** Frames that these pixels are. Errors: ShapeError where they are no whole number of them, or frames and masks are not as many. */
export function countFrames({ frames, mask }: AnyPixels, side: Side): number {
  const N = mask.length / cellsOf(side);
  if (Number.isInteger(N) && N >= 1 && frames.length === 3 * mask.length) return N;
  const size = pairOf(side).join(", ");
  throw new ShapeError(
    `${frames.length} numbers of frames and ${mask.length} of masks; the model takes [T, 3, ${size}], in bytes [T, ${size}, 3], ` +
      `and masks [T, ${size}]`,
  );
}

/**
 * Pixels as tensors of the open scope, for a model that takes frames of this side (`model.takes.side`): frames `from` …
 * `from + count − 1`, by default all from there on. Bytes become the floats that `normaliseInto` makes, bit for bit; with `colours` "clip" by CLIP's own mean and deviation. Errors: ShapeError
 * where frames and masks do not fit each other or the side.
 */
export function pixelTensors(
  pixels: AnyPixels,
  side: Side,
  from = 0,
  count?: number,
  colours: Colours = "imagenet",
): FrameTensors {
  takes(
    "pixelTensors(pixels: { frames: Uint8Array | Float32Array, mask: Uint8Array | Float32Array, ... }, " +
      'side: size | size[], from?: natural, count?: size, colours?: "imagenet" | "clip")',
    arguments,
  );
  const all = countFrames(pixels, side);
  const N = count ?? all - from;
  if (N < 1 || from + N > all) throw new ShapeError(`frames ${from} to ${from + N - 1} of ${all}`);
  const made = (kind: Kind): Tensor => {
    const [C, width] = [channelsOf(kind), channelsOf(kind) * cellsOf(side)];
    const data = pixels[kind].subarray(from * width, (from + N) * width);
    if (data instanceof Float32Array) return tensor(data, [N, C, ...pairOf(side)]);
    return floats(kind, side, tensor(inWords(data, N), [N, wordsOf(kind, side)]), colours);
  };
  return { frames_N3SS: made("frames"), mask_NSS: made("mask").reshape([N, ...pairOf(side)]) };
}

/** In a plan: the same for bytes that are never there. */
export function pixelPlaceholders(N: number, side: Side): FrameTensors {
  const made = (kind: Kind) => floats(kind, side, placeholder([N, wordsOf(kind, side)], "u32"));
  return { frames_N3SS: made("frames"), mask_NSS: made("mask").reshape([N, ...pairOf(side)]) };
}

/** Frames as clips of T frames each. */
export function asClips({ frames_N3SS, mask_NSS }: FrameTensors, T: number): PixelsOfClips {
  const [N, , ...size] = frames_N3SS.shape;
  return {
    frames_BT3SS: frames_N3SS.reshape([N / T, T, 3, ...size]),
    mask_BTSS: mask_NSS.reshape([N / T, T, ...size]),
  };
}

function floats(kind: Kind, side: Side, words_NW: Tensor<"u32">, colours: Colours = "imagenet"): Tensor {
  const C = channelsOf(kind);
  const y_NCP = fromBytes(words_NW, tensor(kind === "mask" ? tables.mask : tables.frames[colours], [C, 256]), {
    pixels: cellsOf(side),
  });
  return y_NCP.reshape([words_NW.shape[0], C, ...pairOf(side)]);
}

const wordsOf = (kind: Kind, side: Side): number => Math.ceil((channelsOf(kind) * cellsOf(side)) / 4);

/** N rows of bytes as rows of whole words: on the same memory where that is possible, padded where a row ends within a word. */
function inWords(bytes: Uint8Array, N: number): Uint32Array {
  const width = bytes.length / N;
  if (width % 4 === 0 && bytes.byteOffset % 4 === 0)
    return new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  const row = 4 * Math.ceil(width / 4);
  const padded = new Uint8Array(N * row);
  for (let n = 0; n < N; n++) padded.set(bytes.subarray(n * width, (n + 1) * width), n * row);
  return new Uint32Array(padded.buffer);
}
