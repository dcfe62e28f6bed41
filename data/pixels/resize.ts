// Resize as PIL does it: integer arithmetic on 8-bit samples, so that a picture has the same bytes here and in the
// official Python code. Pure functions on RGB bytes; decoding is in image.ts.
//
// The passes for six taps keep their weights in registers; from 640x360 to 224x224 they take 1.6 ms where one loop for
// any number of taps takes 2.7 ms.
import { type Side, sizeOf } from "./side.ts";
import { FRACTION_BITS, type Taps, tapsFor, USUAL } from "./taps.ts";
import { takes } from "../../engine/takes.ts";

/** A picture: interleaved 8-bit RGB, rows from the top; `data` holds width * height * 3 bytes. */
export interface Image {
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
}

/** Width and height in pixels. */
export interface Size {
  readonly width: number;
  readonly height: number;
}

/** A rectangle of pixels with its top left corner at column x, row y. */
export interface Rect extends Size {
  readonly x: number;
  readonly y: number;
}

const HALF = 1 << (FRACTION_BITS - 1);

/** The size with short side `short` and the long side rounded down (torchvision's rule). */
export function shortSideSize(size: Size, short: number): Size {
  takes("shortSideSize(size: extent, short: size, ...)", arguments);
  const { width, height } = size;
  if (width <= height) return { width: short, height: Math.floor((short * height) / width) };
  return { width: Math.floor((short * width) / height), height: short };
}

/** The size in which a picture is seen whole or cut: its short side `target`, or just covering a rectangle, in proportion. */
export function coveringSize(picture: Size, target: Side): Size {
  if (typeof target === "number") return shortSideSize(picture, target);
  const [height, width] = target;
  const ratio = Math.min(picture.height / height, picture.width / width);
  return {
    height: Math.max(height, Math.round(picture.height / ratio)),
    width: Math.max(width, Math.round(picture.width / ratio)),
  };
}

/** Offset of a centred crop: half of what is left over, halves to the even integer (116 for 455 and 224). */
export function centreOffset(size: number, crop: number): number {
  takes("centreOffset(size: size, crop: size, ...)", arguments);
  const half = (size - crop) / 2;
  const down = Math.floor(half);
  return half - down === 0.5 ? down + (down % 2) : Math.round(half);
}

/** The square, or rectangle, of `side` pixels in the middle of a picture of this size. */
export function centred({ width, height }: Size, side: Side): Rect {
  const crop = sizeOf(side);
  return { x: centreOffset(width, crop.width), y: centreOffset(height, crop.height), ...crop };
}

/** The whole picture at another size: PIL's antialiased bicubic filter (a = -0.5), byte for byte. */
export function resize(image: Image, size: Size): Image {
  takes("resize(image: { data: Uint8Array, width: size, height: size, ... }, size: extent, ...)", arguments);
  return resizeCrop(image, size, { x: 0, y: 0, ...size });
}

/**
 * The part `crop` of the picture resized to `size`, without computing the rest of it. Horizontal pass, rounding to
 * 8 bits, vertical pass; a pass whose size does not change only copies.
 */
export function resizeCrop(image: Image, size: Size, crop: Rect): Image {
  takes(
    "resizeCrop(image: { data: Uint8Array, width: size, height: size, ... }, size: extent, " +
      "crop: { x: whole, y: whole, width: size, height: size, ... }, ...)",
    arguments,
  );
  const down = size.height === image.height ? undefined : tapsFor(image.height, size.height, crop.y, crop.height);
  const top = down ? down.first[crop.y - down.from] : crop.y;
  const last = crop.y + crop.height - 1;
  const bottom = down ? down.first[last - down.from] + down.width : crop.y + crop.height;

  const rows = { x: crop.x, y: top, width: crop.width, height: bottom - top };
  const wide =
    size.width === image.width
      ? copyRect(image, rows)
      : horizontal(image, rows, tapsFor(image.width, size.width, crop.x, crop.width));
  if (!down) return { data: wide, width: crop.width, height: crop.height };
  return { data: vertical(wide, crop, top, down), width: crop.width, height: crop.height };
}

function copyRect(image: Image, { x, y, width, height }: Rect): Uint8Array {
  const out = new Uint8Array(width * height * 3);
  for (let r = 0; r < height; r++) {
    const from = ((y + r) * image.width + x) * 3;
    out.set(image.data.subarray(from, from + width * 3), r * width * 3);
  }
  return out;
}

/** Rows rect.y … of the picture, filtered to the columns rect.x … of the output. */
function horizontal(image: Image, rect: Rect, taps: Taps): Uint8Array {
  const out = new Uint8Array(rect.width * rect.height * 3);
  if (taps.width === USUAL) horizontal6(image, rect, taps, out);
  else horizontalAny(image, rect, taps, out);
  return out;
}

/** Rows at a time: enough to be worth loading the weights of a column, few enough to stay in the cache. */
const ROWS = 8;

function horizontal6({ data: src, width }: Image, rect: Rect, { from, first, weights }: Taps, out: Uint8Array): void {
  const stride = width * 3;
  const step = rect.width * 3;
  for (let top = 0; top < rect.height; top += ROWS) {
    const bottom = Math.min(top + ROWS, rect.height);
    for (let x = 0; x < rect.width; x++) {
      const at = rect.x + x - from;
      const a = weights[at * 6];
      const b = weights[at * 6 + 1];
      const c = weights[at * 6 + 2];
      const d = weights[at * 6 + 3];
      const e = weights[at * 6 + 4];
      const f = weights[at * 6 + 5];
      let i = (rect.y + top) * stride + first[at] * 3;
      let o = top * step + x * 3;
      // a loop over the three channels would cost a fifth
      for (let y = top; y < bottom; y++, i += stride, o += step) {
        const r0 = Math.imul(a, src[i]) + Math.imul(b, src[i + 3]) + Math.imul(c, src[i + 6]);
        const g0 = Math.imul(a, src[i + 1]) + Math.imul(b, src[i + 4]) + Math.imul(c, src[i + 7]);
        const b0 = Math.imul(a, src[i + 2]) + Math.imul(b, src[i + 5]) + Math.imul(c, src[i + 8]);
        const r1 = Math.imul(d, src[i + 9]) + Math.imul(e, src[i + 12]) + Math.imul(f, src[i + 15]);
        const g1 = Math.imul(d, src[i + 10]) + Math.imul(e, src[i + 13]) + Math.imul(f, src[i + 16]);
        const b1 = Math.imul(d, src[i + 11]) + Math.imul(e, src[i + 14]) + Math.imul(f, src[i + 17]);
        out[o] = clamp((HALF + r0 + r1) >> FRACTION_BITS);
        out[o + 1] = clamp((HALF + g0 + g1) >> FRACTION_BITS);
        out[o + 2] = clamp((HALF + b0 + b1) >> FRACTION_BITS);
      }
    }
  }
}

function horizontalAny(image: Image, rect: Rect, { from, first, weights, width }: Taps, out: Uint8Array): void {
  const src = image.data;
  let o = 0;
  for (let y = 0; y < rect.height; y++) {
    const row = (rect.y + y) * image.width * 3;
    for (let x = rect.x - from; x < rect.x - from + rect.width; x++) {
      let i = row + first[x] * 3;
      const end = x * width + width;
      let r = HALF;
      let g = HALF;
      let b = HALF;
      for (let k = x * width; k < end; k++, i += 3) {
        const w = weights[k];
        r = (r + Math.imul(w, src[i])) | 0;
        g = (g + Math.imul(w, src[i + 1])) | 0;
        b = (b + Math.imul(w, src[i + 2])) | 0;
      }
      out[o] = clamp(r >> FRACTION_BITS);
      out[o + 1] = clamp(g >> FRACTION_BITS);
      out[o + 2] = clamp(b >> FRACTION_BITS);
      o += 3;
    }
  }
}

/** Rows crop.y … of the output from `src`, whose row 0 is row `top` of the picture; all rows are crop.width wide. */
function vertical(src: Uint8Array, crop: Rect, top: number, taps: Taps): Uint8Array {
  const stride = crop.width * 3;
  const out = new Uint8Array(stride * crop.height);
  const pass = taps.width === USUAL ? vertical6 : verticalAny;
  for (let y = 0; y < crop.height; y++) {
    const at = crop.y + y - taps.from;
    pass(src, (taps.first[at] - top) * stride, stride, taps, at, out, y * stride);
  }
  return out;
}

/** One row of the output, at out[to …], from the rows at src[start …] and those below it. */
type RowPass = (
  src: Uint8Array,
  start: number,
  stride: number,
  taps: Taps,
  at: number,
  out: Uint8Array,
  to: number,
) => void;

const vertical6: RowPass = (src, start, stride, { weights }, at, out, to) => {
  const a = weights[at * 6];
  const b = weights[at * 6 + 1];
  const c = weights[at * 6 + 2];
  const d = weights[at * 6 + 3];
  const e = weights[at * 6 + 4];
  const f = weights[at * 6 + 5];
  for (let x = 0, p = start; x < stride; x++, p++) {
    const upper = Math.imul(a, src[p]) + Math.imul(b, src[p + stride]) + Math.imul(c, src[p + 2 * stride]);
    const lower =
      Math.imul(d, src[p + 3 * stride]) + Math.imul(e, src[p + 4 * stride]) + Math.imul(f, src[p + 5 * stride]);
    out[to + x] = clamp((HALF + upper + lower) >> FRACTION_BITS);
  }
};

const verticalAny: RowPass = (src, start, stride, { weights, width }, at, out, to) => {
  const begin = at * width;
  const end = begin + width;
  for (let x = 0; x < stride; x++) {
    let sum = HALF;
    for (let k = begin, i = start + x; k < end; k++, i += stride) sum = (sum + Math.imul(weights[k], src[i])) | 0;
    out[to + x] = clamp(sum >> FRACTION_BITS);
  }
};

function clamp(v: number): number {
  return v < 0 ? 0 : v > 255 ? 255 : v;
}
