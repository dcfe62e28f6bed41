// Weights and inputs that are drawn and not stored, so that a proof at full size is a few hundred kilobytes. The rule is made of whole
// numbers, products and square roots, which are the same bits in every language; docs/PARITY.md has it in words.
import type { ModelConfig } from "../../model/index.ts";
import type { GoldenTensor } from "./tensor-file.ts";

/** `drawn` of a config.json. */
export interface Drawn {
  readonly seed: number;
  readonly clips: number;
}

/** A bijection of 32-bit numbers that leaves no pattern (lowbias32, C. Wellons 2018). */
function mix(x: number): number {
  let h = x ^ (x >>> 16);
  h = Math.imul(h, 0x7feb352d);
  h = Math.imul(h ^ (h >>> 15), 0x846ca68b);
  return (h ^ (h >>> 16)) >>> 0;
}

/** FNV-1a of a name. */
function hashed(name: string): number {
  let h = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(name)) h = Math.imul(h ^ byte, 0x01000193);
  return h;
}

/** Number i of a stream, between -1 and 1, from 24 bits. */
function stream(name: string, seed: number): (i: number) => number {
  const key = mix(hashed(name) ^ seed);
  return (i) => ((mix(Math.imul(i, 0x9e3779b1) + key) >>> 8) + (0.5 - 2 ** 23)) / 2 ** 23;
}

/** Numbers of a stream, each multiplied by `spread` and moved to `centre`, in float32. */
function draw(name: string, seed: number, count: number, spread: number, centre = 0): Float32Array {
  const at = stream(name, seed);
  const values = new Float32Array(count);
  for (let i = 0; i < count; i++) values[i] = centre + spread * at(i);
  return values;
}

const product = (sizes: readonly number[]): number => sizes.reduce((n, size) => n * size, 1);

/** One parameter: gains near 1, biases near 0, matrices that keep the size of what they multiply, the logit scale where CLIP begins. */
export function drawnWeight(name: string, shape: readonly number[], { seed }: Drawn): Float32Array {
  if (name === "logit_scale") return Float32Array.of(2.659260036932778);
  const spread = shape.length > 1 ? Math.sqrt(3 / product(shape.slice(1))) : 0.35;
  return draw(name, seed, product(shape), spread, /(ln_\w+|norm\d?)\.weight$/.test(name) ? 1 : 0);
}

const f32 = (shape: number[], data: Float32Array): GoldenTensor => ({ dtype: "F32", shape, data });

/** What inputs.safetensors would hold, by name. */
export function drawnInputs({ vision, text, head }: ModelConfig, drawn: Drawn): ReadonlyMap<string, GoldenTensor> {
  const { seed, clips: B } = drawn;
  const [T, S] = [head.frames, Number(vision.image)]; // squares
  return new Map([
    ["video", f32([B, T, 3, S, S], draw("video", seed, B * T * 3 * S * S, Math.sqrt(3)))],
    ["video_mask", f32([B, T, S, S], masks(B * T, S, seed))],
    ["text", { dtype: "I32", shape: [B, text.context], data: texts(B, text.context, text.vocabulary, seed) }],
    ["sentiment", f32([B, 7], draw("sentiment", seed, B * 7, 3))],
  ]);
}

/** In turn empty, full, a box, soft. */
function masks(N: number, S: number, seed: number): Float32Array {
  const all = draw("video_mask", seed, N * S * S, 0.5, 0.5);
  for (let i = 0; i < all.length; i++) {
    const [n, y, x] = [Math.floor(i / S / S), Math.floor(i / S) % S, i % S];
    if (n % 4 < 2) all[i] = n % 4;
    else if (n % 4 === 2) all[i] = Number(3 * y > S && 3 * x < 2 * S);
  }
  return all;
}

/** Rows in turn short, full, and cut so that the end token is lost; the two largest ids are start and end. */
function texts(rows: number, context: number, vocabulary: number, seed: number): Int32Array {
  const at = stream("text", seed);
  const ids = Int32Array.from(
    { length: rows * context },
    (_, i) => 1 + Math.floor(((at(i) + 1) / 2) * (vocabulary - 3)),
  );
  const all = new Int32Array(rows * context);
  for (let row = 0; row < rows; row++) {
    const words = ids.subarray(row * context, row * context + [5, context - 2, context][row % 3]);
    all.set([vocabulary - 2, ...words, vocabulary - 1].slice(0, context), row * context);
  }
  return all;
}
