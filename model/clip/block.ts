// CLIP's pre-norm transformer block, of the frame and text towers.
import type { Tensor } from "../../engine/index.ts";
import { takes } from "../../engine/takes.ts";
import { linear } from "../../kernels/index.ts";
import type { Init } from "../params.ts";
import { Attention, type AttentionInit, type Mix } from "./attention.ts";
import { LayerNorm } from "./layer-norm.ts";
import type { Linear } from "./linear.ts";

/** How a tower's matrices start (Sec. "initial values" of the official code). */
export interface BlockInit extends AttentionInit {
  readonly fc: (shape: number[]) => Tensor;
  readonly projection: (shape: number[]) => Tensor;
}

/** What a tower records each of its blocks through: nothing, or `recompute`, which keeps the block's input alone. */
export type Through = (block: () => Tensor) => Tensor;

/** All that a block computes is kept for its gradient. */
export const keepingAll: Through = (block) => block();

/** x += MHA(ln_1(x)); x += c_proj(act(c_fc(ln_2(x)))). Who sees whom is the caller's to say. */
export class Block {
  readonly attn: Attention;
  readonly ln_1: LayerNorm;
  readonly mlp: { c_fc: Linear; c_proj: Linear };
  readonly ln_2: LayerNorm;

  constructor(
    width: number,
    heads: number,
    hidden: number,
    readonly activation: "gelu" | "quickGelu",
    init: Init,
    starts: BlockInit,
  ) {
    takes(
      'new Block(width: size, heads: size, hidden: size, activation: "gelu" | "quickGelu", ' +
        "init: { normal: function, ... }, starts: { fc: function, ... }, ...)",
      arguments,
    );
    this.attn = new Attention(width, heads, init, starts);
    this.ln_1 = new LayerNorm(width, init);
    this.mlp = {
      c_fc: { weight: starts.fc([hidden, width]), bias: init.uniform([hidden], width ** -0.5) },
      c_proj: { weight: starts.projection([width, hidden]), bias: init.uniform([width], hidden ** -0.5) },
    };
    this.ln_2 = new LayerNorm(width, init);
  }

  /** x_BLD -> y_BLD; `mix` is the attention between the projections. */
  forward(x_BLD: Tensor, mix: Mix): Tensor {
    const { c_fc, c_proj } = this.mlp;
    const y_BLD = this.attn.forward(this.ln_1.forward(x_BLD), mix, x_BLD);
    const h_BLM = linear(this.ln_2.forward(y_BLD), c_fc.weight, c_fc.bias, { activation: this.activation });
    return linear(h_BLM, c_proj.weight, c_proj.bias, {}, y_BLD);
  }
}
