// EmoCLIP's temporal module: a class token before the frames of a clip, learned positions, pre-norm layers (emoclip Sec. "temporal
// module" of the official code). The nesting of fields is that of the official names.
import { ShapeError, type Tensor } from "../../engine/index.ts";
import { takes } from "../../engine/takes.ts";
import { add, attention, concat, expandTo, first, linear, matmulNT, slice } from "../../kernels/index.ts";
import { LayerNorm } from "../clip/layer-norm.ts";
import type { Linear } from "../clip/linear.ts";
import type { Init } from "../params.ts";

/** The five free numbers of the module, and the rows of its table of positions. */
export interface TemporalSizes {
  readonly width: number;
  readonly layers: number;
  readonly heads: number;
  readonly headWidth: number;
  readonly hidden: number;
  readonly positions: number;
}

/** Attention whose heads may be of any width: no bias before it, and no projection behind it where one head is the whole width. */
interface FreeAttention {
  readonly norm: LayerNorm;
  readonly fn: { readonly to_qkv: { readonly weight: Tensor }; readonly to_out?: readonly [Linear] };
}

interface FeedForward {
  readonly norm: LayerNorm;
  readonly fn: { readonly net: { readonly 0: Linear; readonly 3: Linear } };
}

type Layer = readonly [{ readonly fn: FreeAttention }, { readonly fn: FeedForward }];

/** One layer on its way: what goes in, after attention, and what comes out. */
export interface PassedLayer {
  readonly input: Tensor;
  /** Packed queries, keys and values, qkv_BNC. */
  readonly qkv: Tensor;
  readonly attended: Tensor;
  readonly output: Tensor;
}

/** The temporal module. Its fields carry the official names below `temporal.`. */
export class TemporalModule {
  readonly cls_token: Tensor;
  readonly pos_embedding: Tensor;
  readonly temporal_transformer: { readonly layers: readonly Layer[] };

  constructor(
    readonly sizes: TemporalSizes,
    init: Init,
  ) {
    takes(
      "new TemporalModule(sizes: { width: size, layers: natural, heads: size, headWidth: size, hidden: size, positions: size, ... }, " +
        "init: { normal: function, ... }, ...)",
      arguments,
    );
    const { width, layers, positions } = sizes;
    this.cls_token = init.normal([1, 1, width], 1);
    this.pos_embedding = init.normal([1, positions, width], 1);
    this.temporal_transformer = { layers: Array.from({ length: layers }, () => layerOf(sizes, init)) };
  }

  /** x_BTD -> X_BND, N = T + 1: class token and frames with their positions. Errors: ShapeError for more frames than positions. */
  tokens(x_BTD: Tensor): Tensor {
    const [B, T, D] = x_BTD.shape;
    const { positions } = this.sizes;
    if (T >= positions)
      throw new ShapeError(`TemporalModule: clips of ${T} frames, the model has positions for ${positions - 1}`);
    const cls_B1D = expandTo(this.cls_token, [B, 1, D]);
    const positions_ND = slice(this.pos_embedding, 0, T + 1, 1).reshape([T + 1, D]);
    return add(concat([cls_B1D, x_BTD], 1), positions_ND);
  }

  /** The layers in turn. */
  *passed(x_BTD: Tensor): Generator<PassedLayer> {
    let input = this.tokens(x_BTD);
    for (const [{ fn: attend }, { fn: feed }] of this.temporal_transformer.layers) {
      const qkv = matmulNT(attend.norm.forward(input), attend.fn.to_qkv.weight);
      const mixed = attention(qkv, { heads: this.sizes.heads });
      const out = attend.fn.to_out?.[0];
      const attended = out ? linear(mixed, out.weight, out.bias, {}, input) : add(input, mixed);
      const { 0: up, 3: down } = feed.fn.net;
      const hidden = linear(feed.norm.forward(attended), up.weight, up.bias, { activation: "geluTanh" });
      const output = linear(hidden, down.weight, down.bias, {}, attended);
      yield { input, qkv, attended, output };
      input = output;
    }
  }

  /** All tokens behind the last layer. x_BTD -> X_BND. */
  all(x_BTD: Tensor): Tensor {
    let last: Tensor | undefined;
    for (const { output } of this.passed(x_BTD)) last = output;
    return last ?? this.tokens(x_BTD);
  }

  /** The class token behind the last layer. x_BTD -> y_BD, not normalised. */
  forward(x_BTD: Tensor): Tensor {
    return first(this.all(x_BTD));
  }
}

/** Draws of one layer as PyTorch's modules start: uniform in ±1/√fan-in, weights and biases alike. */
function layerOf({ width, heads, headWidth, hidden }: TemporalSizes, init: Init): Layer {
  const inner = heads * headWidth;
  const uniform = (shape: number[], fan: number) => init.uniform(shape, fan ** -0.5);
  const dense = (to: number, from: number): Linear => ({
    weight: uniform([to, from], from),
    bias: uniform([to], from),
  });
  const attend: FreeAttention = {
    norm: new LayerNorm(width, init),
    fn: {
      to_qkv: { weight: uniform([3 * inner, width], width) },
      ...(heads === 1 && headWidth === width ? {} : { to_out: [dense(width, inner)] }),
    },
  };
  const feed: FeedForward = {
    norm: new LayerNorm(width, init),
    fn: { net: { 0: dense(hidden, width), 3: dense(width, hidden) } },
  };
  return [{ fn: attend }, { fn: feed }];
}
