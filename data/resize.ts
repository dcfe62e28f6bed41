// Resize as PIL does it: integer arithmetic on 8-bit samples, so that a picture has the same bytes here and in the
// official Python code. Pure functions on RGB bytes; decoding is in image.ts.

/** A picture: interleaved 8-bit RGB, rows from the top; `data` holds width * height * 3 bytes. */
export type Image = { readonly data: Uint8Array; readonly width: number; readonly height: number };

export type Size = { readonly width: number; readonly height: number };

/** A rectangle of pixels with its top left corner at column x, row y. */
export type Rect = Size & { readonly x: number; readonly y: number };

const FRACTION_BITS = 22;
const HALF = 1 << (FRACTION_BITS - 1);
const CUBIC_A = -0.5;
const CUBIC_SUPPORT = 2;

/** The taps of one axis: output o is the sum of weights[o * width + k] * input[first[o] + k] over k < count[o]. */
type Taps = {
  readonly first: Int32Array;
  readonly count: Int32Array;
  readonly weights: Int32Array;
  readonly width: number;
};

/** The size with short side `short` and the long side rounded down (torchvision's rule). */
export function shortSideSize({ width, height }: Size, short: number): Size {
  if (width <= height) return { width: short, height: Math.floor((short * height) / width) };
  return { width: Math.floor((short * width) / height), height: short };
}

/** Offset of a centred crop: half of what is left over, halves to the even integer (116 for 455 and 224). */
export function centreOffset(size: number, crop: number): number {
  const half = (size - crop) / 2;
  const down = Math.floor(half);
  return half - down === 0.5 ? down + (down % 2) : Math.round(half);
}

/** The whole picture at another size: PIL's antialiased bicubic filter (a = -0.5), byte for byte. */
export function resize(image: Image, size: Size): Image {
  return resizeCrop(image, size, { x: 0, y: 0, ...size });
}

/**
 * The part `crop` of the picture resized to `size`, without computing the rest of it. Horizontal pass, rounding to
 * 8 bits, vertical pass; a pass whose size does not change only copies.
 */
export function resizeCrop(image: Image, size: Size, crop: Rect): Image {
  const down = size.height === image.height ? undefined : taps(image.height, size.height);
  const top = down ? down.first[crop.y] : crop.y;
  const last = crop.y + crop.height - 1;
  const bottom = down ? down.first[last] + down.count[last] : crop.y + crop.height;

  const rows = { x: crop.x, y: top, width: crop.width, height: bottom - top };
  const wide =
    size.width === image.width ? copyRect(image, rows) : horizontal(image, rows, taps(image.width, size.width));
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
function horizontal(image: Image, rect: Rect, { first, count, weights, width: step }: Taps): Uint8Array {
  const src = image.data;
  const out = new Uint8Array(rect.width * rect.height * 3);
  let o = 0;
  for (let y = 0; y < rect.height; y++) {
    const row = (rect.y + y) * image.width * 3;
    for (let x = rect.x; x < rect.x + rect.width; x++) {
      let i = row + first[x] * 3;
      const end = x * step + count[x];
      let r = HALF;
      let g = HALF;
      let b = HALF;
      for (let k = x * step; k < end; k++, i += 3) {
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
  return out;
}

/** Rows crop.y … of the output from `src`, whose row 0 is row `top` of the picture; all rows are crop.width wide. */
function vertical(src: Uint8Array, crop: Rect, top: number, { first, count, weights, width: step }: Taps): Uint8Array {
  const stride = crop.width * 3;
  const out = new Uint8Array(stride * crop.height);
  for (let y = 0; y < crop.height; y++) {
    const at = crop.y + y;
    const from = (first[at] - top) * stride;
    const begin = at * step;
    const end = begin + count[at];
    const to = y * stride;
    for (let x = 0; x < stride; x++) {
      let sum = HALF;
      for (let k = begin, i = from + x; k < end; k++, i += stride) sum = (sum + Math.imul(weights[k], src[i])) | 0;
      out[to + x] = clamp(sum >> FRACTION_BITS);
    }
  }
  return out;
}

function clamp(v: number): number {
  return v < 0 ? 0 : v > 255 ? 255 : v;
}

const known = new Map<string, Taps>();
const KNOWN_LIMIT = 256;

/** Taps from `input` to `output` samples, remembered: a data set has few sizes. */
function taps(input: number, output: number): Taps {
  const key = `${input} ${output}`;
  const found = known.get(key);
  if (found) return found;
  if (known.size >= KNOWN_LIMIT) known.clear();
  const made = makeTaps(input, output);
  known.set(key, made);
  return made;
}

function makeTaps(input: number, output: number): Taps {
  const scale = input / output;
  const stretch = Math.max(scale, 1); // the filter widens when shrinking: antialiasing
  const support = CUBIC_SUPPORT * stretch;
  const width = Math.ceil(support) * 2 + 1;
  const first = new Int32Array(output);
  const count = new Int32Array(output);
  const weights = new Int32Array(output * width);
  for (let o = 0; o < output; o++) {
    const centre = (o + 0.5) * scale;
    const from = Math.max(Math.trunc(centre - support + 0.5), 0);
    const n = Math.min(Math.trunc(centre + support + 0.5), input) - from;
    const exact = Array.from({ length: n }, (_, k) => cubic((k + from - centre + 0.5) / stretch));
    const sum = exact.reduce((s, w) => s + w, 0);
    first[o] = from;
    count[o] = n;
    exact.forEach((w, k) => {
      weights[o * width + k] = roundAway((w / sum) * 2 ** FRACTION_BITS);
    });
  }
  return { first, count, weights, width };
}

/** Keys' cubic convolution kernel. */
function cubic(at: number): number {
  const x = Math.abs(at);
  const a = CUBIC_A;
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}

function roundAway(v: number): number {
  return Math.trunc(v < 0 ? v - 0.5 : v + 0.5);
}
