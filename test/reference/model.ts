// The whole model in float64 from its specification, with every intermediate under the name that golden files have for it.
import { pairOf } from "../../data/pixels/side.ts";
import type { ModelConfig } from "../../model/emotionclip/config.ts";
import {
  add,
  append,
  crossEntropy,
  exp,
  gelu,
  layerNorm,
  linear,
  mean,
  mul,
  Node,
  normalize,
  products,
  quickGelu,
  sigmoid,
  softmax,
  take,
  times,
  transpose,
} from "./autograd.ts";

/** Parameters by their official names. */
export type Parameters = ReadonlyMap<string, Node>;

export interface Inputs {
  /** [B, T, 3, S, S] */
  readonly video: ArrayLike<number>;
  /** [B, T, S, S] */
  readonly mask: ArrayLike<number>;
  /** [B, W] */
  readonly text: ArrayLike<number>;
}

type Pair = readonly [height: number, width: number];

/** Which keys a query may see; rows count over sequences and heads. */
type Allowed = (row: number, column: number) => boolean;
/** From scores [N·heads, L, L] to the map that weighs values. */
type Mix = (scores: Node) => Node;

export const constant = (shape: readonly number[], data: ArrayLike<number>): Node =>
  new Node(shape, Float64Array.from(data));

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
const repeated = (row: Node, count: number): Node =>
  take(row, new Array(count).fill(0), row.data.length, [count, 1, row.data.length]);

export class Reference {
  /** Every intermediate of the last `forward`. */
  readonly seen = new Map<string, Node>();

  constructor(
    readonly config: ModelConfig,
    readonly parameters: Parameters,
  ) {}

  forward(inputs: Inputs): Map<string, Node> {
    this.seen.clear();
    const { embed, head, text } = this.config;
    const B = inputs.text.length / text.context;
    const frames = this.frames(inputs.video, inputs.mask);
    const v = this.#record("video_features", normalize(this.head(frames.reshape(B, head.frames, embed))));
    const t = this.#record("text_features", normalize(this.text(inputs.text)));
    const scale = this.#record("logit_scale_exp", exp(this.#of("logit_scale")));
    this.#record("logits", mul(linear(v, t), scale.reshape(1)));
    return this.seen;
  }

  #of(name: string): Node {
    const found = this.parameters.get(name);
    if (!found) throw new Error(`no parameter ${name}`);
    return found;
  }

  #record(name: string, node: Node): Node {
    this.seen.set(name, node);
    return node;
  }

  /** Frame features [N, E]. */
  frames(video: ArrayLike<number>, mask: ArrayLike<number>): Node {
    const { vision, subject } = this.config;
    const { patch: R, width: D, heads } = vision;
    const size = pairOf(vision.image);
    const P = Math.floor(size[0] / R) * Math.floor(size[1] / R);
    const N = mask.length / size[0] / size[1];
    const p = (name: string) => this.#of(`backbone.visual.${name}`);
    const kernel = p("conv1.weight").reshape(D, 3 * R * R);
    const patches = this.#record("patch_embed", linear(constant([N, P, 3 * R * R], pixels(video, N, size, R)), kernel));
    const positions = p("positional_embedding");
    const z = add(append(repeated(p("class_embedding"), N), patches), positions);
    const cover = coverage(mask, N, size, R);
    let x = z;
    if (subject === "sap") {
      const table = transpose(
        take(
          positions,
          range(P).map((i) => i + 1),
          D,
          [P, D],
        ),
      );
      const hmn = this.#record("sap_token", linear(constant([N, P], cover), table));
      x = append(z, hmn.reshape(N, 1, D));
    } else if (subject === "saam") x = append(z, repeated(p("hmn_embedding"), N));
    this.#record("tokens_in", x);
    x = this.#record("ln_pre", layerNorm(x, p("ln_pre.weight"), p("ln_pre.bias")));
    const L = x.shape[1];
    for (let layer = 0; layer < vision.layers; layer++) {
      const name = `backbone.visual.transformer.resblocks.${layer}`;
      const moves = subject === "saam" && layer < (this.config.saam?.layers ?? vision.layers);
      const mix: Mix = moves ? this.#shift(`${name}.saam_logit`, cover, L) : (scores) => softmax(scores);
      x = this.#record(`visual_block${layer}`, this.#block(name, x, heads, mix));
    }
    const first = take(
      x,
      range(N).map((n) => n * L),
      D,
      [N, D],
    );
    const y = this.#record("ln_post", layerNorm(first, p("ln_post.weight"), p("ln_post.bias")));
    return this.#record("frame_features", linear(y, transpose(p("proj"))));
  }

  /** W = S∘(1 − A) + rowsum(S∘A)·U, with U among the tokens that may see each other. */
  #shift(logit: string, cover: ArrayLike<number>, L: number): Mix {
    const { heads } = this.config.vision;
    const P = L - 2;
    const threshold = this.config.saam?.threshold ?? 0;
    const allowed: Allowed = (row, j) => {
      const [n, i] = [Math.floor(row / L / heads), row % L];
      const shows = (token: number) => cover[n * P + token - 1] > threshold;
      if (i === L - 1) return j === L - 1 || (j > 0 && shows(j));
      return j < L - 1 || i === 0 || shows(i);
    };
    return (scores) => {
      const [G] = scores.shape;
      const share = sigmoid(this.#of(logit));
      const spread = (of: Node) =>
        take(
          of,
          range(G * L * L).map((i) => Math.floor(i / L / L) % heads),
          1,
          scores.shape,
        );
      const [S, U] = [softmax(scores), softmax(scores, allowed)];
      const moved = mul(S, spread(share));
      const ones = constant(scores.shape, new Float64Array(G * L * L).fill(1));
      return add(add(S, times(moved, -1)), mul(products(moved, ones), U)); // every column of the product is the row's sum
    };
  }

  /** x + MHA(ln_1(x)), then + c_proj(act(c_fc(ln_2(x)))). */
  #block(name: string, x: Node, heads: number, mix: Mix): Node {
    const p = (rest: string) => this.#of(`${name}.${rest}`);
    const activation = this.config.activation === "gelu" ? gelu : quickGelu;
    const y = add(x, this.#attention(`${name}.attn`, layerNorm(x, p("ln_1.weight"), p("ln_1.bias")), heads, mix));
    const h = activation(
      linear(layerNorm(y, p("ln_2.weight"), p("ln_2.bias")), p("mlp.c_fc.weight"), p("mlp.c_fc.bias")),
    );
    return add(y, linear(h, p("mlp.c_proj.weight"), p("mlp.c_proj.bias")));
  }

  #attention(name: string, x: Node, heads: number, mix: Mix): Node {
    const p = (rest: string) => this.#of(`${name}.${rest}`);
    const [N, L, D] = x.shape;
    const K = D / heads;
    const qkv = linear(x, p("in_proj_weight"), p("in_proj_bias"));
    const places = (part: number) =>
      range(N * heads * L).map((i) => {
        const [n, h, l] = [Math.floor(i / L / heads), Math.floor(i / L) % heads, i % L];
        return (n * L + l) * 3 * heads + part * heads + h;
      });
    const [q, k, v] = [0, 1, 2].map((part) => take(qkv, places(part), K, [N * heads, L, K]));
    const y = products(mix(times(products(q, k), K ** -0.5)), transpose(v));
    const merged = range(N * L * heads).map((i) => {
      const [n, l, h] = [Math.floor(i / heads / L), Math.floor(i / heads) % L, i % heads];
      return (n * heads + h) * L + l;
    });
    return linear(take(y, merged, K, [N, L, D]), p("out_proj.weight"), p("out_proj.bias"));
  }

  /** Clip features [B, E] of frame features [B, T, E]. */
  head(x: Node): Node {
    const { kind, layers, heads } = this.config.head;
    const p = (rest: string) => this.#of(`visual_head.${rest}`);
    if (kind === "mean") return this.#record("video_features_raw", mean(x));
    if (kind === "conv1d") return this.#record("video_features_raw", convolution(x, p("fusion_layer.weight")));
    let y = add(x, p("frame_position_embedding.weight"));
    for (let layer = 0; layer < layers; layer++) {
      const name = `fusion_layer.layers.${layer}`;
      const of = (rest: string) => p(`${name}.${rest}`);
      const a = add(
        y,
        this.#attention(`visual_head.${name}.self_attn`, y, heads, (scores) => softmax(scores)),
      );
      const b = layerNorm(a, of("norm1.weight"), of("norm1.bias"));
      const h = linear(
        gelu(linear(b, of("linear1.weight"), of("linear1.bias"))),
        of("linear2.weight"),
        of("linear2.bias"),
      );
      y = this.#record(`head_layer${layer}`, layerNorm(add(b, h), of("norm2.weight"), of("norm2.bias")));
    }
    y = this.#record("head_encoder", layerNorm(y, p("fusion_layer.norm.weight"), p("fusion_layer.norm.bias")));
    return this.#record("video_features_raw", mean(add(y, x)));
  }

  /** Text features [B, E] of ids [B, W]. */
  text(ids: ArrayLike<number>): Node {
    const { context: W, width: D, heads, layers } = this.config.text;
    const B = ids.length / W;
    const p = (rest: string) => this.#of(`backbone.${rest}`);
    let x = add(take(p("token_embedding.weight"), Array.from(ids), D, [B, W, D]), p("positional_embedding"));
    this.#record("text_in", x);
    const causal: Mix = (scores) => softmax(scores, (row, column) => column <= row % W);
    for (let layer = 0; layer < layers; layer++)
      x = this.#record(`text_block${layer}`, this.#block(`backbone.transformer.resblocks.${layer}`, x, heads, causal));
    x = this.#record("ln_final", layerNorm(x, p("ln_final.weight"), p("ln_final.bias")));
    const ends = take(
      x,
      endsOf(ids, W).map((end, b) => b * W + end),
      D,
      [B, D],
    );
    return this.#record("text_features_raw", linear(ends, transpose(p("text_projection"))));
  }
}

/** The first place of the largest id of each row. */
export function endsOf(ids: ArrayLike<number>, W: number): number[] {
  return range(ids.length / W).map((b) => {
    const row = Array.from(ids).slice(b * W, (b + 1) * W);
    return row.indexOf(Math.max(...row));
  });
}

/** Each patch as a row, channel by channel; what is left of a frame at the bottom and right belongs to none. */
function pixels(video: ArrayLike<number>, N: number, [height, width]: Pair, R: number): Float64Array {
  const [high, wide] = [Math.floor(height / R), Math.floor(width / R)];
  return Float64Array.from({ length: N * high * wide * 3 * R * R }, (_, i) => {
    const [column, row, channel] = [i % R, Math.floor(i / R) % R, Math.floor(i / R / R) % 3];
    const [patch, n] = [Math.floor(i / R / R / 3) % (high * wide), Math.floor(i / R / R / 3 / high / wide)];
    const [y, x] = [Math.floor(patch / wide) * R + row, (patch % wide) * R + column];
    return video[((n * 3 + channel) * height + y) * width + x];
  });
}

/** Mean of the mask over each patch. */
function coverage(mask: ArrayLike<number>, N: number, [height, width]: Pair, R: number): Float64Array {
  const [high, wide] = [Math.floor(height / R), Math.floor(width / R)];
  const cover = new Float64Array(N * high * wide);
  for (let n = 0; n < N; n++)
    for (let y = 0; y < high * R; y++)
      for (let x = 0; x < wide * R; x++)
        cover[(n * high + Math.floor(y / R)) * wide + Math.floor(x / R)] +=
          mask[(n * height + y) * width + x] / (R * R);
  return cover;
}

/** Mean over time of out[t] = Σ_k w[k]·x[t + k], each channel on its own. */
function convolution(x: Node, w: Node): Node {
  const [B, T, E] = x.shape;
  const rows = (k: number) => range(B * (T - 2)).map((i) => Math.floor(i / (T - 2)) * T + (i % (T - 2)) + k);
  const term = (k: number) =>
    mul(
      take(x, rows(k), E, [B, T - 2, E]),
      take(
        w,
        range(E).map((e) => e * 3 + k),
        1,
        [E],
      ),
    );
  return mean(add(add(term(0), term(1)), term(2)));
}

export type Form = "code" | "paper";

/** KL(s_i‖s_j) of sentiment logits [B, Q]. */
export function divergence(sentiment: ArrayLike<number>, B: number): Float64Array {
  const Q = sentiment.length / B;
  const lp = range(B).map((b) => {
    const row = Array.from(sentiment).slice(b * Q, (b + 1) * Q);
    const top = Math.max(...row);
    const total = Math.log(row.reduce((sum, v) => sum + Math.exp(v - top), 0));
    return row.map((v) => v - top - total);
  });
  return Float64Array.from({ length: B * B }, (_, i) => {
    const [a, b] = [lp[Math.floor(i / B)], lp[i % B]];
    return a.reduce((sum, v, q) => sum + Math.exp(v) * (v - b[q]), 0);
  });
}

/** What the logits are lowered by. */
export function weights(sentiment: ArrayLike<number>, B: number, beta: number, form: Form): Float64Array {
  const kl = divergence(sentiment, B);
  return kl.map((_, at) => {
    const [i, j] = [Math.floor(at / B), at % B];
    const k = Math.abs(form === "code" ? kl[j * B + i] : kl[at]);
    return i === j || beta === 0 ? 0 : Math.min(beta / Math.max(k, beta / 1e6), 1e6);
  });
}

/** Loss and the losses of both directions, from logits [B, B]. */
export function contrast(logits: Node, lowering: ArrayLike<number>) {
  const w = constant(
    logits.shape,
    Array.from(lowering, (v) => -v),
  );
  const video_to_text = crossEntropy(add(logits, w));
  const text_to_video = crossEntropy(add(transpose(logits), w));
  return { loss: times(add(video_to_text, text_to_video), 0.5), video_to_text, text_to_video };
}
