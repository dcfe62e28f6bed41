// Normalisation over the channels, with a gain and a bias.
import type { Tensor } from "../../engine/index.ts";
import { takes } from "../../engine/takes.ts";
import { layernorm } from "../../kernels/index.ts";
import type { Init } from "../params.ts";

/** Normalisation over the last axis with a gain and a bias (PyTorch's LayerNorm): y = weight · (x − μ)/√(σ² + 1e-5) + bias. */
export class LayerNorm {
  readonly weight: Tensor;
  readonly bias: Tensor;

  constructor(width: number, init: Init, gain = 1) {
    takes("new LayerNorm(width: size, init: { constant: function, ... }, gain?: number, ...)", arguments);
    this.weight = init.constant([width], gain);
    this.bias = init.constant([width], 0);
  }

  /** x_ND -> y_ND, eps 1e-5. */
  forward(x_ND: Tensor): Tensor {
    return layernorm(x_ND, this.weight, this.bias);
  }
}
