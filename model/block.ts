// Transformer blocks: CLIP's pre-norm block (frame and text towers) and PyTorch's post-norm encoder layer (head).
import type { Tensor } from "../engine/index.ts";
import { add, attention, dropout, layernorm, linear } from "../kernels/index.ts";
import type { Init } from "./params.ts";

export class LayerNorm {
  readonly weight: Tensor;
  readonly bias: Tensor;

  constructor(width: number, init: Init, gain = 1) {
    this.weight = init.constant([width], gain);
    this.bias = init.constant([width], 0);
  }

  /** x_ND -> y_ND, eps 1e-5. */
  forward(x_ND: Tensor): Tensor {
    return layernorm(x_ND, this.weight, this.bias);
  }
}

export interface Linear {
  readonly weight: Tensor;
  readonly bias: Tensor;
}

/** How a tower's matrices start (Sec. "initial values" of the official code). */
export interface BlockInit {
  readonly inProjection: (shape: number[]) => Tensor;
  readonly outProjection: (shape: number[]) => Tensor;
  readonly fc: (shape: number[]) => Tensor;
  readonly projection: (shape: number[]) => Tensor;
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
    starts: Pick<BlockInit, "inProjection" | "outProjection">,
  ) {
    this.in_proj_weight = starts.inProjection([3 * width, width]);
    this.in_proj_bias = init.constant([3 * width], 0);
    this.out_proj = { weight: starts.outProjection([width, width]), bias: init.constant([width], 0) };
  }

  /** Queries, keys and values side by side: x_BLD -> qkv_BLC, C = 3 D. */
  project(x_BLD: Tensor): Tensor {
    return linear(x_BLD, this.in_proj_weight, this.in_proj_bias);
  }

  /** residual + out_proj(attention(x)). */
  forward(x_BLD: Tensor, residual_BLD: Tensor, causal: boolean): Tensor {
    const y_BLD = attention(this.project(x_BLD), { heads: this.heads, causal });
    return linear(y_BLD, this.out_proj.weight, this.out_proj.bias, {}, residual_BLD);
  }
}

/** x += MHA(ln_1(x)); x += c_proj(act(c_fc(ln_2(x)))). */
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
    readonly causal: boolean,
    init: Init,
    starts: BlockInit,
  ) {
    this.attn = new Attention(width, heads, init, starts);
    this.ln_1 = new LayerNorm(width, init);
    this.mlp = {
      c_fc: { weight: starts.fc([hidden, width]), bias: init.uniform([hidden], width ** -0.5) },
      c_proj: { weight: starts.projection([width, hidden]), bias: init.uniform([width], hidden ** -0.5) },
    };
    this.ln_2 = new LayerNorm(width, init);
  }

  forward(x_BLD: Tensor): Tensor {
    const { c_fc, c_proj } = this.mlp;
    const y_BLD = this.attn.forward(this.ln_1.forward(x_BLD), x_BLD, this.causal);
    const h_BLM = linear(this.ln_2.forward(y_BLD), c_fc.weight, c_fc.bias, { activation: this.activation });
    return linear(h_BLM, c_proj.weight, c_proj.bias, {}, y_BLD);
  }
}

/** Dropout of one training step: each site draws from a stream of its own; rows count globally, over all devices. */
export class Dropout {
  #site = 0;

  constructor(
    readonly p: number,
    readonly seed: number,
    readonly firstRow: number,
  ) {}

  apply(x: Tensor): Tensor {
    const stream = this.#site++;
    return this.p > 0 ? dropout(x, { p: this.p, seed: this.seed, stream, firstRow: this.firstRow }) : x;
  }
}

/** x = norm1(x + drop(MHA(x))); x = norm2(x + drop(linear2(drop(gelu(linear1(x)))))). */
export class PostNormLayer {
  readonly self_attn: Attention;
  readonly linear1: Linear;
  readonly linear2: Linear;
  readonly norm1: LayerNorm;
  readonly norm2: LayerNorm;

  constructor(width: number, heads: number, hidden: number, init: Init) {
    const fan = (shape: number[]) => init.uniform(shape, shape[1] ** -0.5);
    const inProjection = (shape: number[]) => init.uniform(shape, Math.sqrt(6 / (4 * width)));
    this.self_attn = new Attention(width, heads, init, { inProjection, outProjection: fan });
    this.linear1 = { weight: fan([hidden, width]), bias: init.uniform([hidden], width ** -0.5) };
    this.linear2 = { weight: fan([width, hidden]), bias: init.uniform([width], hidden ** -0.5) };
    this.norm1 = new LayerNorm(width, init);
    this.norm2 = new LayerNorm(width, init);
  }

  forward(x_BTE: Tensor, drop: Dropout | undefined): Tensor {
    const dropped = (x: Tensor) => drop?.apply(x) ?? x;
    const { self_attn, linear1, linear2 } = this;
    const a_BTE = attention(self_attn.project(x_BTE), { heads: self_attn.heads, causal: false });
    const o_BTE = dropped(linear(a_BTE, self_attn.out_proj.weight, self_attn.out_proj.bias));
    const y_BTE = this.norm1.forward(add(x_BTE, o_BTE));
    const h_BTF = dropped(linear(y_BTE, linear1.weight, linear1.bias, { activation: "gelu" }));
    const z_BTE = dropped(linear(h_BTF, linear2.weight, linear2.bias));
    return this.norm2.forward(add(y_BTE, z_BTE));
  }
}
