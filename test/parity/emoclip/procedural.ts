// Weights, pictures and texts that both sides make themselves, from integer hashes: the official size would be too large to keep.

const encoder = new TextEncoder();

/** 32 bits mixed. */
export function hash32(x: number): number {
  let h = x >>> 0;
  h = Math.imul(h ^ (h >>> 16), 0x7feb352d) >>> 0;
  h = Math.imul(h ^ (h >>> 15), 0x846ca68b) >>> 0;
  return (h ^ (h >>> 16)) >>> 0;
}

/** 32-bit FNV-1a over UTF-8. */
export function fnv1a(text: string): number {
  let h = 0x811c9dc5;
  for (const byte of encoder.encode(text)) h = Math.imul(h ^ byte, 0x01000193) >>> 0;
  return h;
}

/** `count` numbers in [−1, 1) under a name. */
export function uniform(name: string, count: number, seed: number): Float32Array {
  const base = hash32(fnv1a(`${seed}:${name}`));
  const out = new Float32Array(count);
  for (let i = 0; i < count; i++) out[i] = (hash32(i ^ base) >>> 8) * 2 ** -23 - 1;
  return out;
}

/** The values of a parameter by its official name. */
export function procedural(name: string, shape: readonly number[], seed: number): Float32Array {
  const count = shape.reduce((product, size) => product * size, 1);
  if (name.endsWith("logit_scale")) return Float32Array.of(Math.log(100));
  const u = uniform(name, count, seed);
  if (/\.ln_|\.norm\./.test(name) && name.endsWith("weight")) {
    const tenth = Math.fround(0.1);
    return u.map((v) => Math.fround(1 + Math.fround(tenth * v)));
  }
  const factor = Math.fround(factorOf(name, shape));
  return u.map((v) => Math.fround(factor * v));
}

function factorOf(name: string, shape: readonly number[]): number {
  if (/bias/.test(name)) return 0.02;
  if (/temporal\.(cls_token|pos_embedding)/.test(name)) return Math.sqrt(3);
  if (/class_embedding|positional_embedding|token_embedding\.weight/.test(name)) return 0.05;
  if (/(\.|^)proj$|text_projection/.test(name)) return Math.sqrt(3 / shape[0]);
  return Math.sqrt(3 / shape.slice(1).reduce((product, size) => product * size, 1));
}

/** Clips [B, T, 3, S, S]: coarse patches and fine grain. */
export function proceduralVideo([B, T, side, patch]: readonly number[], seed: number): Float32Array {
  const cells = side / patch;
  const fine = uniform("video.fine", B * T * 3 * side * side, seed);
  const coarse = uniform("video.coarse", B * T * 3 * cells * cells, seed);
  const out = new Float32Array(fine.length);
  for (let plane = 0, at = 0; plane < B * T * 3; plane++)
    for (let y = 0; y < side; y++)
      for (let x = 0; x < side; x++, at++) {
        const cell = (plane * cells + Math.floor(y / patch)) * cells + Math.floor(x / patch);
        out[at] = Math.fround(Math.fround(1.5 * coarse[cell]) + Math.fround(0.5 * fine[at]));
      }
  return out;
}

/** Rows of ids [K, context]: start, some words, end, padding. */
export function proceduralTokens(rows: number, context: number, vocabulary: number, seed: number): Uint32Array {
  const out = new Uint32Array(rows * context);
  for (let r = 0; r < rows; r++) {
    const base = hash32(fnv1a(`${seed}:text.${r}`));
    const at = (j: number) => hash32(j ^ base);
    const length = (at(0) % (context - 3)) + 1;
    const words = Array.from({ length }, (_, j) => (at(j + 1) % (vocabulary - 3)) + 1);
    out.set([vocabulary - 2, ...words, vocabulary - 1], r * context);
  }
  return out;
}
