// RoBERTa with a head that classifies a text (Liu et al. 2019), for inference: DistilRoBERTa is the same with half the layers.
import type { Tensor } from "../../engine/index.ts";
import { takes } from "../../engine/takes.ts";
import { add, embedding, linear, slice, tanh } from "../../kernels/index.ts";
import { LayerNorm } from "../clip/layer-norm.ts";
import type { Linear } from "../clip/linear.ts";
import { PostNormLayer } from "../clip/post-norm-layer.ts";
import type { Init } from "../params.ts";
import { firstPosition, type RobertaConfig } from "./config.ts";

/** Tokens -> logits of classes. Its layers are PyTorch's post-norm encoder layers. */
export class RobertaClassifier {
  readonly embeddings: { word: Tensor; position: Tensor; kind: Tensor; norm: LayerNorm };
  readonly layers: PostNormLayer[];
  readonly classifier: { dense: Linear; out_proj: Linear };

  constructor(
    readonly config: RobertaConfig,
    init: Init,
  ) {
    takes("new RobertaClassifier(config: { width: size, ... }, init: { normal: function, ... }, ...)", arguments);
    const { vocabulary, positions, width, heads, hidden, labels } = config;
    const table = (rows: number) => init.normal([rows, width], 0.02);
    const dense = (outputs: number) => ({ weight: table(outputs), bias: init.constant([outputs], 0) });
    this.embeddings = {
      word: table(vocabulary),
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

  /** tokens_BL:u32 of texts that are L tokens long -> logits_BC. There is no padding: no token would have to be kept from others. */
  forward(tokens_BL: Tensor<"u32">): Tensor {
    const { word, position, kind, norm } = this.embeddings;
    const [, L] = tokens_BL.shape;
    const place_LD = add(slice(position, firstPosition, firstPosition + L), kind.reshape([kind.numel]));
    let x_BLD = norm.forward(add(embedding(word, tokens_BL), place_LD));
    for (const layer of this.layers) x_BLD = layer.forward(x_BLD, undefined);
    const start_BD = slice(x_BLD, 0, 1, 1).reshape([tokens_BL.shape[0], this.config.width]);
    const { dense, out_proj } = this.classifier;
    return linear(tanh(linear(start_BD, dense.weight, dense.bias)), out_proj.weight, out_proj.bias);
  }
}
