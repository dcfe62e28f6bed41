// CLIP's frame tower: a vision transformer that is read out at its class token.
import type { Tensor } from "../../engine/index.ts";
import { takes } from "../../engine/takes.ts";
import { cast, first, matmul, patchEmbed } from "../../kernels/index.ts";
import type { Init } from "../params.ts";
import { everyToken } from "./attention.ts";
import { Block, type BlockInit, keepingAll } from "./block.ts";
import { patchesOf, type TowersConfig } from "./config.ts";
import { LayerNorm } from "./layer-norm.ts";

/** What a kin of the tower has of its own. */
export interface TowerParts {
  /** Parameters that stand behind `proj` among the names, and are drawn there. */
  own?(std: number): object;
  /** Another block than CLIP's; undefined for those that are not. */
  block?(layer: number, starts: BlockInit): Block | undefined;
}

/** The parameters of a frame tower. Its fields carry the checkpoint's names, so `named(tower)` is its state dict. */
export class FrameTower {
  // `declare`: the order of names is that in which the constructor gives them values
  declare readonly class_embedding: Tensor;
  declare readonly positional_embedding: Tensor;
  declare readonly proj: Tensor;
  declare readonly conv1: { weight: Tensor };
  declare readonly ln_pre: LayerNorm;
  declare readonly transformer: { resblocks: Block[] };
  declare readonly ln_post: LayerNorm;

  constructor(config: TowersConfig, init: Init, parts: TowerParts = {}) {
    takes("new FrameTower(config: object, init: { normal: function, ... }, parts?: object, ...)", arguments);
    const { embed, activation, vision } = config;
    const { width, layers, patch, heads, mlp, initial } = vision;
    const std = width ** -0.5;
    const fan = (shape: number[]) => init.uniform(shape, shape[1] ** -0.5);
    const starts: BlockInit = {
      inProjection: (shape: number[]) => init.uniform(shape, Math.sqrt(6 / (4 * width))),
      outProjection: fan,
      fc: fan,
      projection: fan,
    };
    this.class_embedding = init.normal([width], std);
    this.positional_embedding = init.normal([patchesOf(vision) + 1, width], initial?.position ?? std);
    this.proj = init.normal([width, embed], std);
    Object.assign(this, parts.own?.(std));
    this.conv1 = { weight: init.uniform([width, 3, patch, patch], initial?.patch ?? (3 * patch * patch) ** -0.5) };
    this.ln_pre = new LayerNorm(width, init);
    const block = (layer: number) =>
      parts.block?.(layer, starts) ?? new Block(width, heads, mlp, activation, init, starts);
    this.transformer = { resblocks: Array.from({ length: layers }, (_, layer) => block(layer)) };
    this.ln_post = new LayerNorm(width, init);
  }

  /** Patches behind the class token, with their positions; of the type of the weight. frames_N3SS -> z_NLD. */
  protected patches(frames_N3SS: Tensor): Tensor {
    const { conv1, class_embedding, positional_embedding } = this;
    return patchEmbed(cast(frames_N3SS, conv1.weight.dtype), conv1.weight, class_embedding, positional_embedding);
  }

  /** Read out at the class token. x_NLD -> y_NE, not normalised. */
  protected readOut(x_NLD: Tensor): Tensor {
    return matmul(this.ln_post.forward(first(x_NLD)), this.proj);
  }
}

/** CLIP's frame tower: one vector of width E per frame. */
export class Vit extends FrameTower {
  /** frames_N3SS -> y_NE, not normalised. */
  forward(frames_N3SS: Tensor, through = keepingAll): Tensor {
    let x_NLD = this.ln_pre.forward(this.patches(frames_N3SS));
    for (const block of this.transformer.resblocks) {
      const input = x_NLD;
      x_NLD = through(() => block.forward(input, everyToken));
    }
    return this.readOut(x_NLD);
  }
}
