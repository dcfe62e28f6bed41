// Encoded pictures -> RGB bytes -> the model's input. sharp only decodes here: its resize is not PIL's, which is in
// resize.ts.
import { FormatError } from "../../engine/errors.ts";
import { takes } from "../../engine/takes.ts";
import { codec } from "./codec.ts";
import { expectedPicture, pictureKind } from "./kinds.ts";
import { type Image, type Rect, resizeCrop, type Size } from "./resize.ts";

/** ImageNet's mean and standard deviation per channel, for values in 0..1 (not CLIP's). */
export const MEAN = [0.485, 0.456, 0.406] as const;
/** ImageNet's standard deviation per channel, for values in 0..1 (not CLIP's). */
export const STD = [0.229, 0.224, 0.225] as const;

/** CLIP's own mean and standard deviation per channel. */
export const CLIP_MEAN = [0.48145466, 0.4578275, 0.40821073] as const;
/** CLIP's own standard deviation per channel. */
export const CLIP_STD = [0.26862954, 0.26130258, 0.27577711] as const;

/** By whose mean and deviation colours are normalised. */
export type Colours = "imagenet" | "clip";

/** Pictures of more pixels are refused before they are decoded. */
export const MAX_PIXELS = 2 ** 26;

/**
 * JPEG, PNG, WebP or TIFF bytes -> RGB; JPEG and PNG byte-identical to PIL's `convert("RGB")`: colour profiles and EXIF
 * rotation are ignored, alpha is dropped, grey becomes RGB, of several pages or pictures the first counts. Only grey of 16
 * bits differs: its upper byte is kept, where PIL makes all above 255 white. Anything damaged, truncated or of another kind
 * is a FormatError that begins with `name`.
 */
export async function decodeImage(bytes: Uint8Array, name: string): Promise<Image> {
  takes("decodeImage(bytes: Uint8Array, name: text, ...)", arguments);
  const refuse = (why: string) => new FormatError(`${name}: ${why}`);
  const kind = pictureKind(bytes);
  if (!kind) throw refuse(expectedPicture(bytes));
  if (kind === "JPEG" && jpegComponents(bytes) === 4) throw refuse("a CMYK JPEG; allowed are grey and RGB");
  if (kind === "TIFF" && (await isCmyk(bytes))) throw refuse("a CMYK TIFF; allowed are grey and RGB");
  try {
    const { data, info } = await codec()(bytes, { ignoreIcc: true, failOn: "warning", limitInputPixels: MAX_PIXELS })
      .toColourspace("srgb")
      .removeAlpha()
      .raw()
      .toBuffer({ resolveWithObject: true });
    if (info.channels !== 3) throw new Error(`decodes to ${info.channels} channels, expected 3`);
    return { data, width: info.width, height: info.height };
  } catch (error) {
    throw refuse(`does not decode: ${firstLine(error)}`);
  }
}

/**
 * The model's input for one frame: the picture resized to `size`, the square `crop` of it, scaled to 0..1, minus mean,
 * over standard deviation; three planes of crop.width * crop.height floats are written to out[at …].
 */
export function frameInto(out: Float32Array, at: number, image: Image, size: Size, crop: Rect): void {
  takes(
    "frameInto(out: Float32Array, at: place, image: { data: Uint8Array, width: size, height: size, " +
      "... }, size: extent, crop: { x: whole, y: whole, width: size, height: size, ... }, ...)",
    arguments,
  );
  normaliseInto(out, at, resizeCrop(image, size, crop));
}

/** RGB bytes -> three normalised float planes at out[at …]. */
export function normaliseInto(out: Float32Array, at: number, image: Image): void {
  takes(
    "normaliseInto(out: Float32Array, at: place, image: { data: Uint8Array, width: size, height: size, ... }, ...)",
    arguments,
  );
  const { data, width, height } = image;
  const n = width * height;
  for (let i = 0, j = 0; i < n; i++, j += 3) {
    out[at + i] = normalised[data[j]];
    out[at + n + i] = normalised[256 + data[j + 1]];
    out[at + 2 * n + i] = normalised[512 + data[j + 2]];
  }
}

/** [3, 256]: the float of each byte by channel, rounded to float32 after each operation as torchvision does. */
const normalisedBy = (mean: readonly number[], std: readonly number[]): Float32Array =>
  Float32Array.from({ length: 3 * 256 }, (_, i) => {
    const c = i >> 8;
    const centred = Math.fround(Math.fround((i & 255) / 255) - Math.fround(mean[c]));
    return centred / Math.fround(std[c]);
  });

/** By ImageNet's mean and deviation. */
export const normalised = normalisedBy(MEAN, STD);

/** By CLIP's. */
export const normalisedForClip = normalisedBy(CLIP_MEAN, CLIP_STD);

/** Whether a TIFF says so; one without a readable header says nothing, and does not decode either. */
async function isCmyk(bytes: Uint8Array): Promise<boolean> {
  const said = await codec()(bytes, { limitInputPixels: MAX_PIXELS })
    .metadata()
    .catch(() => undefined);
  return said?.space === "cmyk";
}

/** Number of colour components in a JPEG's frame header, or 0 when no header is found. */
function jpegComponents(bytes: Uint8Array): number {
  let at = 2;
  while (at + 9 < bytes.length && bytes[at] === 0xff) {
    const marker = bytes[at + 1];
    if (marker === 0xff) {
      at++; // fill byte
      continue;
    }
    const isFrame = marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
    if (isFrame) return bytes[at + 9];
    at += 2 + (bytes[at + 2] << 8) + bytes[at + 3];
  }
  return 0;
}

function firstLine(error: unknown): string {
  return String(error instanceof Error ? error.message : error)
    .split("\n")[0]
    .slice(0, 200);
}

/** Width and height as the header of a picture tells them; whether the rest decodes, `decodeImage` finds out. */
export async function sizeOfPicture(bytes: Uint8Array, name: string): Promise<Size> {
  if (!pictureKind(bytes)) throw new FormatError(`${name}: ${expectedPicture(bytes)}`);
  try {
    const { width, height } = await codec()(bytes, { limitInputPixels: MAX_PIXELS }).metadata();
    return { width, height };
  } catch (error) {
    throw new FormatError(`${name}: has no readable header: ${firstLine(error)}`);
  }
}
