// PyTorch's post-norm encoder layer, of the temporal head.
import type { Tensor } from "../../engine/index.ts";
import { takes } from "../../engine/takes.ts";
import { add, attentionKept, linear } from "../../kernels/index.ts";
import type { Dropping } from "../dropout.ts";
import type { Init } from "../params.ts";
import { Attention, everyToken, type Mix } from "./attention.ts";
import { LayerNorm } from "./layer-norm.ts";
import type { Linear } from "./linear.ts";

/** x = norm1(x + drop(MHA(x))); x = norm2(x + drop(linear2(drop(gelu(linear1(x)))))); MHA drops on its map too. */
export class PostNormLayer {
  readonly self_attn: Attention;
  readonly linear1: Linear;
  readonly linear2: Linear;
  readonly norm1: LayerNorm;
  readonly norm2: LayerNorm;

  constructor(width: number, heads: number, hidden: number, init: Init) {
    takes("new PostNormLayer(width: size, heads: size, hidden: size, init: { normal: function, ... }, ...)", arguments);
    const fan = (shape: number[]) => init.uniform(shape, shape[1] ** -0.5);
    const inProjection = (shape: number[]) => init.uniform(shape, Math.sqrt(6 / (4 * width)));
    this.self_attn = new Attention(width, heads, init, { inProjection, outProjection: fan });
    this.linear1 = { weight: fan([hidden, width]), bias: init.uniform([hidden], width ** -0.5) };
    this.linear2 = { weight: fan([width, hidden]), bias: init.uniform([width], hidden ** -0.5) };
    this.norm1 = new LayerNorm(width, init);
    this.norm2 = new LayerNorm(width, init);
  }

  /** x_BTE -> y_BTE, every frame attending to every frame; `drop` while training. */
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
