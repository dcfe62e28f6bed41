// Pictures as they lie in memory, a byte per channel -> planes of floats, by a table that the host has made: the same bits as if the
// host had looked every byte up, for a quarter of the traffic.
import { ShapeError } from "../../engine/errors.ts";
import { passOf } from "../../engine/declare/pass.ts";
import type { Sizes } from "../../engine/declare/signature.ts";
import { op } from "../../engine/record/op.ts";
import { planeGrid } from "../lib/flat.ts";
import flat from "../lib/flat.wgsl";
import any from "./from-bytes.wgsl";
import vec4 from "./from-bytes4.wgsl";
import rgb from "./from-bytes-rgb.wgsl";

/** Values of a byte. */
const VALUES = 256;

/** Words of a picture of P pixels with C channels. */
const wordsOf = (C: number, P: number): number => Math.ceil((C * P) / 4);

function pixelsIn({ W, C, V }: Sizes, { pixels }: { pixels: number }): { P: number } {
  if (V !== VALUES) throw new ShapeError(`fromBytes: table_CV has ${V} columns; a byte has ${VALUES} values`);
  const words = wordsOf(C, pixels);
  if (W !== words)
    throw new ShapeError(
      `fromBytes: words_NW has ${W} words a picture; ${pixels} pixels of ${C} channels are ${words} words of 4 bytes`,
    );
  return { P: pixels };
}

const inVec4s = ({ P }: Sizes): boolean => P % 4 === 0;

/**
 * words_NW:u32 table_CV -> y_NCP with V = 256: y[n, c, p] = table[c, byte c of pixel p of picture n]. A picture of `pixels` pixels is
 * its bytes, pixel after pixel with the channels side by side, in W = ⌈C · pixels / 4⌉ words, lowest byte first. No gradient.
 */
export const fromBytes = op({
  name: "fromBytes",
  about: "y[n, c, p] = table[c, byte c of pixel p of picture n]: bytes of pictures as planes of floats",
  sig: "words_NW:u32 table_CV:f32 -> y_NCP:f32",
  attrs: { pixels: 1 },
  takes: { pixels: "size" },
  derive: pixelsIn,
  forward: [
    passOf(
      "words_NW:u32 table_CV:f32 -> y_NCP:f32",
      {
        any: { source: [flat, any], grid: ({ N, P }, consts) => planeGrid(P, N, consts) },
        vec4: {
          source: [flat, vec4],
          grid: ({ N, P }, consts) => planeGrid(P / 4, N, consts),
          available: (_, dims) => inVec4s(dims),
        },
        rgb: {
          source: [flat, rgb],
          grid: ({ N, P }, consts) => planeGrid(P / 4, N, consts),
          available: (_, dims) => inVec4s(dims) && dims.C === 3,
        },
      },
      (dims) => (inVec4s(dims) ? (dims.C === 3 ? "rgb" : "vec4") : "any"),
    ),
  ],
  ref({ words, table }, { N, W, C, V, P }) {
    const y: number[] = [];
    for (let n = 0; n < N; n++)
      for (let c = 0; c < C; c++)
        for (let p = 0; p < P; p++) {
          const at = p * C + c;
          const byte = Math.floor(words[n * W + Math.floor(at / 4)] / 256 ** (at % 4)) % 256;
          y.push(table[c * V + byte]);
        }
    return { y };
  },
  flops: () => 0,
  bench: [{ N: 128, W: (3 * 224 * 224) / 4, C: 3, V: VALUES, attrs: { pixels: 224 * 224 } }],
  test: {
    sizes: { N: [1, 2, 3, 5], W: [1, 2, 3, 6, 9, 259, 777], C: [1, 2, 3, 4], V: [VALUES] },
    attrs: [{ pixels: 1 }, { pixels: 3 }, { pixels: 4 }, { pixels: 12 }, { pixels: 1036 }],
    where: ({ W, C }, { pixels }) => W === wordsOf(C, pixels),
    draw: { words: (random, _, n) => Array.from({ length: n }, () => Math.floor(random() * 2 ** 32)) },
    tolerance: 0, // what stands in the table
  },
});
