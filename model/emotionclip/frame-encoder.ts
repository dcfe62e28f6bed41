// The subject-aware frame encoder: a ViT that is told where the subject is (Sec. 3.3: prompting, "SAP", or masking of
// attention, "SAAM"), or is not told.
import type { Side } from "../../data/pixels/side.ts";
import type { Tensor } from "../../engine/index.ts";
import { takes } from "../../engine/takes.ts";
import { appendToken, cast, cover, expandTo, prompt } from "../../kernels/index.ts";
import { everyToken } from "../clip/attention.ts";
import { keepingAll } from "../clip/block.ts";
import { FrameTower } from "../clip/vit.ts";
import { SubjectBlock } from "./subject-block.ts";
import { type ModelConfig, saamOf } from "./config.ts";
import { gridOf } from "../clip/config.ts";
import type { Passed, SubjectTower } from "../family.ts";
import type { Init } from "../params.ts";

/**
 * The frame tower (Sec. 3.3 of the paper): patches, subject token, blocks, one vector of width E per frame. Its fields carry the
 * checkpoint's names, so `named(encoder)` is its state dict.
 */
export class FrameEncoder extends FrameTower implements SubjectTower {
  /** The subject token of SAAM; with SAP it is made from the mask. */
  declare readonly hmn_embedding?: Tensor;
  declare readonly config: ModelConfig;

  constructor(config: ModelConfig, init: Init) {
    takes("new FrameEncoder(config: object, init: { normal: function, ... }, ...)", arguments);
    const { width, heads, mlp } = config.vision;
    const saam = saamOf(config);
    super(config, init, {
      own: (std) => (config.subject === "saam" ? { hmn_embedding: init.normal([width], std) } : {}),
      block: (layer, starts) =>
        saam && layer < saam.layers
          ? new SubjectBlock(saam, width, heads, mlp, config.activation, init, starts)
          : undefined,
    });
    this.config = config;
  }

  /** The share of each patch that shows the subject: mask_NSS (0..1) -> cover_NP; undefined for subject "none". */
  cover(mask_NSS: Tensor): Tensor | undefined {
    const { subject, vision } = this.config;
    return subject === "none" ? undefined : cover(mask_NSS, { patch: vision.patch });
  }

  /** Tokens with their positions: [cls, patches, hmn], without hmn where there is no cover; of the type of the weight. frames_N3SS -> x_NMD. */
  embed(frames_N3SS: Tensor, cover_NP: Tensor | undefined): Tensor {
    const { positional_embedding, hmn_embedding } = this;
    const z_NLD = this.patches(frames_N3SS);
    if (!cover_NP) return z_NLD;
    const hmn_ND = hmn_embedding
      ? expandTo(hmn_embedding, [z_NLD.shape[0], z_NLD.shape[2]]) // learnt; SAAM's blocks show it the subject
      : prompt(cover_NP, positional_embedding, { indicator: this.config.sapIndicator ?? false }); // z_hmn = Σ_i a_i e_i
    return appendToken(z_NLD, cast(hmn_ND, z_NLD.dtype));
  }

  /** Tokens before the blocks, normalised. frames_N3SS, mask_NSS -> x_NMD. */
  tokens(frames_N3SS: Tensor, mask_NSS: Tensor): Tensor {
    return this.ln_pre.forward(this.embed(frames_N3SS, this.cover(mask_NSS)));
  }

  /** One vector per frame: frames_N3SS, mask_NSS (0..1) -> y_NE, not normalised. */
  forward(frames_N3SS: Tensor, mask_NSS: Tensor, through = keepingAll): Tensor {
    let last!: Tensor;
    for (const { output } of this.blocks(frames_N3SS, mask_NSS, through)) last = output;
    return this.readOut(last);
  }

  get told(): string {
    return this.config.subject;
  }

  get layers(): number {
    return this.config.vision.layers;
  }

  get grid(): Side {
    return gridOf(this.config.vision);
  }

  get patch(): number {
    return this.config.vision.patch;
  }

  /** The blocks in turn: what goes in, how it attends, what comes out. */
  *blocks(frames_N3SS: Tensor, mask_NSS: Tensor, through = keepingAll): Generator<Passed> {
    const cover_NP = this.cover(mask_NSS);
    let x_NMD = this.ln_pre.forward(this.embed(frames_N3SS, cover_NP));
    for (const block of this.transformer.resblocks) {
      const input = x_NMD;
      const moved = block instanceof SubjectBlock && cover_NP !== undefined;
      const mix = moved ? block.towards(cover_NP) : everyToken;
      x_NMD = through(() => block.forward(input, mix));
      yield { block, input, mix, output: x_NMD, moved };
    }
  }
}
