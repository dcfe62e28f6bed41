// Self-attention, and who may see whom in it.
import type { Tensor } from "../../engine/index.ts";
import { takes } from "../../engine/takes.ts";
import { attention, linear } from "../../kernels/index.ts";
import type { Init } from "../params.ts";
import type { Linear } from "./linear.ts";

/** What happens between the two projections of self-attention: packed queries, keys, values qkv_BLC -> y_BLD. */
export type Mix = (qkv_BLC: Tensor, heads: number) => Tensor;

/** Every token sees every token. */
export const everyToken: Mix = (qkv_BLC, heads) => attention(qkv_BLC, { heads });

/** Every token sees itself and the tokens before it. */
export const upToItself: Mix = (qkv_BLC, heads) => attention(qkv_BLC, { heads, causal: true });

/** How the matrices of self-attention start. */
export interface AttentionInit {
  readonly inProjection: (shape: number[]) => Tensor;
  readonly outProjection: (shape: number[]) => Tensor;
}

/** Self-attention with PyTorch's packed parameters. */
export class Attention {
  readonly in_proj_weight: Tensor;
  readonly in_proj_bias: Tensor;
  readonly out_proj: Linear;

  constructor(
    width: number,
    readonly heads: number,
    init: Init,
    starts: AttentionInit,
  ) {
    takes(
      "new Attention(width: size, heads: size, init: { normal: function, ... }, " +
        "starts: { inProjection: function, outProjection: function, ... }, ...)",
      arguments,
    );
    this.in_proj_weight = starts.inProjection([3 * width, width]);
    this.in_proj_bias = init.constant([3 * width], 0);
    this.out_proj = { weight: starts.outProjection([width, width]), bias: init.constant([width], 0) };
  }

  /** Queries, keys and values side by side: x_BLD -> qkv_BLC, C = 3 D. */
  project(x_BLD: Tensor): Tensor {
    return linear(x_BLD, this.in_proj_weight, this.in_proj_bias);
  }

  /** out_proj(mix(q, k, v)), plus the residual where one is given. */
  forward(x_BLD: Tensor, mix: Mix, residual_BLD?: Tensor): Tensor {
    const { weight, bias } = this.out_proj;
    return linear(mix(this.project(x_BLD), this.heads), weight, bias, {}, residual_BLD);
  }
}
