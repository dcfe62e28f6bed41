// RoBERTa with a head that classifies a text (Liu et al. 2019), for inference: DistilRoBERTa is the same with half the layers.
import { type Tensor, tensor, UsageError } from "../../engine/index.ts";
import { takes } from "../../engine/takes.ts";
import { add, linear, slice, tanh } from "../../kernels/index.ts";
import { LayerNorm } from "../clip/layer-norm.ts";
import type { Linear } from "../clip/linear.ts";
import { PostNormLayer } from "../clip/post-norm-layer.ts";
import type { Init } from "../params.ts";
import { firstPosition, type RobertaConfig } from "./config.ts";

/**
 * Tokens -> logits of classes. Its layers are PyTorch's post-norm encoder layers. The table of words stays on the host, which hands over
 * the rows that a batch has: RoBERTa's 50,265 rows of 768 are more than many devices bind at once.
 */
export class RobertaClassifier {
  readonly embeddings: { position: Tensor; kind: Tensor; norm: LayerNorm };
  readonly layers: PostNormLayer[];
  readonly classifier: { dense: Linear; out_proj: Linear };

  constructor(
    readonly config: RobertaConfig,
    /** Embeddings of the vocabulary, [V, D]. */
    readonly words: Float32Array,
    init: Init,
  ) {
    takes(
      "new RobertaClassifier(config: { width: size, ... }, words: Float32Array, init: { normal: function, ... }, ...)",
      arguments,
    );
    const { positions, width, heads, hidden, labels } = config;
    const table = (rows: number) => init.normal([rows, width], 0.02);
    const dense = (outputs: number) => ({ weight: table(outputs), bias: init.constant([outputs], 0) });
    this.embeddings = {
      position: table(positions),
      kind: table(1),
      norm: new LayerNorm(width, init),
    };
    this.layers = Array.from({ length: config.layers }, () => new PostNormLayer(width, heads, hidden, init));
    this.classifier = { dense: dense(width), out_proj: dense(labels.length) };
  }

  /** Most tokens of a text, start and end among them. */
  get context(): number {
    return this.config.positions - firstPosition;
  }

  /**
   * Rows of L ids each -> logits_BC. There is no padding, from which other tokens would have to be kept. Errors: UsageError for rows of
   * several lengths, for none, and for an id beyond the vocabulary.
   */
  forward(rows: readonly (readonly number[])[]): Tensor {
    const { position, kind, norm } = this.embeddings;
    const [B, L, D] = [rows.length, rows[0]?.length ?? 0, this.config.width];
    const place_LD = add(slice(position, firstPosition, firstPosition + L), kind.reshape([kind.numel]));
    let x_BLD = norm.forward(add(tensor(this.#wordsOf(rows, L), [B, L, D]), place_LD));
    for (const layer of this.layers) x_BLD = layer.forward(x_BLD, undefined);
    const start_BD = slice(x_BLD, 0, 1, 1).reshape([B, D]);
    const { dense, out_proj } = this.classifier;
    return linear(tanh(linear(start_BD, dense.weight, dense.bias)), out_proj.weight, out_proj.bias);
  }

  #wordsOf(rows: readonly (readonly number[])[], L: number): Float32Array {
    const { width, vocabulary } = this.config;
    if (L === 0 || rows.some(({ length }) => length !== L))
      throw new UsageError(
        `rows of ${rows.map(({ length }) => length).slice(0, 8)} tokens, expected one length, from 1`,
      );
    const out = new Float32Array(rows.length * L * width);
    for (const [i, id] of rows.flat().entries()) {
      if (!(id >= 0 && id < vocabulary)) throw new UsageError(`token ${id}, expected 0 to ${vocabulary - 1}`);
      out.set(this.words.subarray(id * width, (id + 1) * width), i * width);
    }
    return out;
  }
}
