// CLIP's text transformer: causal, read out at the end token.
import type { Tensor } from "../../engine/index.ts";
import { takes } from "../../engine/takes.ts";
import { add, embedding, matmul, rowGather } from "../../kernels/index.ts";
import { Block, keepingAll } from "./block.ts";
import { LayerNorm } from "./layer-norm.ts";
import { upToItself } from "./attention.ts";
import type { TextConfig } from "./config.ts";
import type { Init } from "../params.ts";

/** Position of the first largest id of each row: the end token, or the start token where a text was cut. */
export function endPositions(tokens_BW: Uint32Array, context: number): Uint32Array {
  takes("endPositions(tokens: Uint32Array, context: size, ...)", arguments);
  const ends = new Uint32Array(tokens_BW.length / context);
  for (let b = 0; b < ends.length; b++) {
    const row = tokens_BW.subarray(b * context, (b + 1) * context);
    let best = 0;
    for (let w = 1; w < context; w++) if (row[w] > row[best]) best = w;
    ends[b] = best;
  }
  return ends;
}

/**
 * Rows of ids and where each is read out. A text that was cut at the context's length has lost its end token, the largest
 * id: the published model then reads the start token (`compat`); `last` puts the end token into the last slot.
 */
export function textRows(tokens_BW: Uint32Array, text: TextConfig): { tokens_BW: Uint32Array; ends_B: Uint32Array } {
  takes("textRows(tokens: Uint32Array, text: { context: size, ... }, ...)", arguments);
  const { context, vocabulary, endToken = "compat" } = text;
  if (endToken === "compat") return { tokens_BW, ends_B: endPositions(tokens_BW, context) };
  const rows = tokens_BW.slice();
  const end = vocabulary - 1;
  for (let at = 0; at < rows.length; at += context)
    if (!rows.subarray(at, at + context).includes(end)) rows[at + context - 1] = end;
  return { tokens_BW: rows, ends_B: endPositions(rows, context) };
}

/**
 * CLIP's text tower: tokens and positions, causal blocks, the end token through ln_final and the projection. Its fields carry
 * the checkpoint's names.
 */
export class TextEncoder {
  readonly positional_embedding: Tensor;
  readonly text_projection: Tensor;
  readonly transformer: { resblocks: Block[] };
  readonly token_embedding: { weight: Tensor };
  readonly ln_final: LayerNorm;

  constructor(config: TextConfig, embed: number, activation: "gelu" | "quickGelu", init: Init) {
    takes(
      "new TextEncoder(config: { context: size, vocabulary: size, width: size, layers: natural, " +
        'heads: size, ... }, embed: size, activation: "gelu" | "quickGelu", init: { normal: function, ... }, ...)',
      arguments,
    );
    const { context, vocabulary, width, layers, heads } = config;
    this.positional_embedding = init.normal([context, width], 0.01);
    this.text_projection = init.normal([width, embed], width ** -0.5);
    const narrow = width ** -0.5 * (2 * layers) ** -0.5;
    const starts = {
      inProjection: (shape: number[]) => init.normal(shape, width ** -0.5),
      outProjection: (shape: number[]) => init.normal(shape, narrow),
      fc: (shape: number[]) => init.normal(shape, (2 * width) ** -0.5),
      projection: (shape: number[]) => init.normal(shape, narrow),
    };
    const block = () => new Block(width, heads, 4 * width, activation, init, starts);
    this.transformer = { resblocks: Array.from({ length: layers }, block) };
    this.token_embedding = { weight: init.normal([vocabulary, width], 0.02) };
    this.ln_final = new LayerNorm(width, init);
  }

  /** tokens_BW:u32, ends_B:u32 (see endPositions) -> y_BE, not normalised. */
  forward(tokens_BW: Tensor<"u32">, ends_B: Tensor<"u32">, through = keepingAll): Tensor {
    let x_BWD = add(embedding(this.token_embedding.weight, tokens_BW), this.positional_embedding);
    for (const block of this.transformer.resblocks) {
      const input = x_BWD;
      x_BWD = through(() => block.forward(input, upToItself));
    }
    const end_BD = rowGather(this.ln_final.forward(x_BWD), ends_B);
    return matmul(end_BD, this.text_projection);
  }
}
