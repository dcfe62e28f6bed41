// Transformer blocks: CLIP's pre-norm block (frame and text towers), the same with subject-aware attention, and PyTorch's
// post-norm encoder layer (head).
import { type Tensor, tensor } from "../../engine/index.ts";
import { add, attention, attentionKept, dropout, expandTo, layernorm, linear, saam } from "../../kernels/index.ts";
import type { SaamConfig } from "../emotionclip/config.ts";
import type { Init } from "../params.ts";

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

/** What happens between the two projections of self-attention: packed queries, keys, values qkv_BLC -> y_BLD. */
export type Mix = (qkv_BLC: Tensor, heads: number) => Tensor;

/** Every token sees every token. */
export const everyToken: Mix = (qkv_BLC, heads) => attention(qkv_BLC, { heads });

/** Every token sees itself and the tokens before it. */
export const upToItself: Mix = (qkv_BLC, heads) => attention(qkv_BLC, { heads, causal: true });

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

  /** out_proj(mix(q, k, v)), plus the residual where one is given. */
  forward(x_BLD: Tensor, mix: Mix, residual_BLD?: Tensor): Tensor {
    const { weight, bias } = this.out_proj;
    return linear(mix(this.project(x_BLD), this.heads), weight, bias, {}, residual_BLD);
  }
}

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
    this.attn = new Attention(width, heads, init, starts);
    this.ln_1 = new LayerNorm(width, init);
    this.mlp = {
      c_fc: { weight: starts.fc([hidden, width]), bias: init.uniform([hidden], width ** -0.5) },
      c_proj: { weight: starts.projection([width, hidden]), bias: init.uniform([width], hidden ** -0.5) },
    };
    this.ln_2 = new LayerNorm(width, init);
  }

  forward(x_BLD: Tensor, mix: Mix): Tensor {
    const { c_fc, c_proj } = this.mlp;
    const y_BLD = this.attn.forward(this.ln_1.forward(x_BLD), mix, x_BLD);
    const h_BLM = linear(this.ln_2.forward(y_BLD), c_fc.weight, c_fc.bias, { activation: this.activation });
    return linear(h_BLM, c_proj.weight, c_proj.bias, {}, y_BLD);
  }
}

/** A block that learns how much of its attention moves to the subject: A = sigmoid(saam_logit), at first ½ (Eq. 2–4). */
export class SubjectBlock extends Block {
  readonly saam_logit: Tensor;

  constructor(
    readonly saam: SaamConfig,
    ...[width, heads, hidden, activation, init, starts]: ConstructorParameters<typeof Block>
  ) {
    super(width, heads, hidden, activation, init, starts);
    this.saam_logit = init.constant(saam.logit ?? [heads], 0);
  }

  /** Its attention in frames whose patches show the subject this much: cover_NP; tokens are [cls, patches, hmn]. */
  towards(cover_NP: Tensor): Mix {
    const { mode, threshold } = this.saam;
    return (qkv_BLC, heads) => saam(qkv_BLC, this.saam_logit, cover_NP, { heads, mode, threshold });
  }
}

/** Where the temporal head drops values: after products and on maps of attention. */
export interface Dropping {
  /** x with some values dropped and the others scaled up. */
  apply(x: Tensor): Tensor;
  /** What to multiply a map of this shape by, 0 or 1/(1 − p); undefined where nothing is dropped. */
  keep(shape_BHLL: readonly number[]): Tensor | undefined;
}

/**
 * Dropout of one training step: each site draws from a stream of its own. A clip has a number among all clips of the run,
 * so that its masks do not depend on how a batch is divided, and differ from step to step.
 */
export class Dropout implements Dropping {
  #site = 0;

  /** `firstClip` is the number of the clip in row 0 of every tensor. */
  constructor(
    readonly p: number,
    readonly seed: number,
    readonly firstClip: number,
  ) {}

  apply(x: Tensor): Tensor {
    const stream = this.#site++;
    if (this.p === 0) return x;
    const rows = x.numel / x.shape[0] / x.shape[x.shape.length - 1]; // of one clip
    const firstRow = (this.firstClip * rows) % 2 ** 32;
    return dropout(x, { p: this.p, seed: this.seed, stream, firstRow });
  }

  keep(shape: readonly number[]): Tensor | undefined {
    return this.p === 0 ? void this.#site++ : this.apply(expandTo(tensor([1]), shape));
  }
}

/** x = norm1(x + drop(MHA(x))); x = norm2(x + drop(linear2(drop(gelu(linear1(x)))))); MHA drops on its map too. */
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

  forward(x_BTE: Tensor, drop: Dropping | undefined): Tensor {
    const dropped = (x: Tensor) => drop?.apply(x) ?? x;
    const mix: Mix = (qkv_BTC, heads) => {
      const [B, T] = qkv_BTC.shape;
      const keep_BHTT = drop?.keep([B, heads, T, T]);
      return keep_BHTT ? attentionKept(qkv_BTC, keep_BHTT) : everyToken(qkv_BTC, heads);
    };
    const { self_attn, linear1, linear2 } = this;
    const y_BTE = this.norm1.forward(add(x_BTE, dropped(self_attn.forward(x_BTE, mix))));
    const h_BTF = dropped(linear(y_BTE, linear1.weight, linear1.bias, { activation: "gelu" }));
    const z_BTE = dropped(linear(h_BTF, linear2.weight, linear2.bias));
    return this.norm2.forward(add(y_BTE, z_BTE));
  }
}
