// The temporal head: frame features of a clip -> one vector (Sec. 3.2; transformer, mean or depth-wise convolution).
import { ShapeError, type Tensor } from "../../engine/index.ts";
import { takes } from "../../engine/takes.ts";
import { add, conv1d, mean } from "../../kernels/index.ts";
import type { Dropping } from "../dropout.ts";
import { keepingAll, type Through } from "../clip/block.ts";
import { LayerNorm } from "../clip/layer-norm.ts";
import { PostNormLayer } from "../clip/post-norm-layer.ts";
import type { HeadConfig } from "./config.ts";
import type { Init } from "../params.ts";

/** What makes one vector of a clip's frame features. */
export interface TemporalHead {
  /** x_BTE -> y_BE. */
  forward(x_BTE: Tensor, drop?: Dropping, through?: Through): Tensor;
}

/** mean over T of (Encoder(x + positions) + x): the residual adds the frame features without the positions. */
export class TemporalTransformer implements TemporalHead {
  readonly fusion_layer: { layers: PostNormLayer[]; norm: LayerNorm };
  readonly frame_position_embedding: { weight: Tensor };

  constructor(config: HeadConfig, embed: number, init: Init) {
    takes(
      "new TemporalTransformer(config: { frames: size, layers: size, heads: size, feedForward: size, " +
        "... }, embed: size, init: { normal: function, ... }, ...)",
      arguments,
    );
    const { layers, heads, feedForward, frames, initial } = config;
    this.fusion_layer = {
      layers: init.copies(layers, () => new PostNormLayer(embed, heads, feedForward, init)),
      norm: new LayerNorm(embed, init, initial?.gain),
    };
    this.frame_position_embedding = { weight: init.normal([frames, embed], initial?.position ?? 1) };
  }

  forward(x_BTE: Tensor, drop?: Dropping, through = keepingAll): Tensor {
    const { weight } = this.frame_position_embedding;
    if (x_BTE.shape[1] !== weight.shape[0])
      throw new ShapeError(
        `TemporalTransformer: clips of ${x_BTE.shape[1]} frames, the model takes ${weight.shape[0]}`,
      );
    let y_BTE = add(x_BTE, weight);
    for (const layer of this.fusion_layer.layers) {
      const input = y_BTE;
      y_BTE = through(() => layer.forward(input, drop));
    }
    return mean(add(this.fusion_layer.norm.forward(y_BTE), x_BTE), 1);
  }
}

/** mean over T. No parameters. */
export class TemporalMean implements TemporalHead {
  forward(x_BTE: Tensor): Tensor {
    return mean(x_BTE, 1);
  }
}

/** Depth-wise convolution over time, kernel 3, no padding, then the mean. */
export class TemporalConv implements TemporalHead {
  readonly fusion_layer: { weight: Tensor };

  constructor(embed: number, init: Init) {
    takes("new TemporalConv(embed: size, init: { uniform: function, ... }, ...)", arguments);
    this.fusion_layer = { weight: init.uniform([embed, 1, 3], 3 ** -0.5) };
  }

  forward(x_BTE: Tensor): Tensor {
    return mean(conv1d(x_BTE, this.fusion_layer.weight), 1);
  }
}
