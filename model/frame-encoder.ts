// The subject-aware frame encoder: a ViT that is told where the subject is (Sec. 3.3, "SAP").
import type { Tensor } from "../engine/index.ts";
import { appendToken, attentionRow, cover, first, matmul, mean, patchEmbed, prompt, slice } from "../kernels/index.ts";
import { Block, LayerNorm } from "./block.ts";
import { gridOf, type Subject, type VisionConfig } from "./config.ts";
import type { Init } from "./params.ts";

/** Its fields carry the checkpoint's names, so `named(encoder)` is its state dict. */
export class FrameEncoder {
  readonly class_embedding: Tensor;
  readonly positional_embedding: Tensor;
  readonly proj: Tensor;
  readonly conv1: { weight: Tensor };
  readonly ln_pre: LayerNorm;
  readonly transformer: { resblocks: Block[] };
  readonly ln_post: LayerNorm;

  constructor(
    readonly config: VisionConfig,
    embed: number,
    activation: "gelu" | "quickGelu",
    readonly subject: Subject,
    init: Init,
  ) {
    const { width, layers, patch, heads, mlp, initial } = config;
    const std = width ** -0.5;
    const fan = (shape: number[]) => init.uniform(shape, shape[1] ** -0.5);
    const starts = {
      inProjection: (shape: number[]) => init.uniform(shape, Math.sqrt(6 / (4 * width))),
      outProjection: fan,
      fc: fan,
      projection: fan,
    };
    this.class_embedding = init.normal([width], std);
    this.positional_embedding = init.normal([gridOf(config) ** 2 + 1, width], initial?.position ?? std);
    this.proj = init.normal([width, embed], std);
    this.conv1 = { weight: init.uniform([width, 3, patch, patch], initial?.patch ?? (3 * patch * patch) ** -0.5) };
    this.ln_pre = new LayerNorm(width, init);
    const block = () => new Block(width, heads, mlp, activation, false, init, starts);
    this.transformer = { resblocks: Array.from({ length: layers }, block) };
    this.ln_post = new LayerNorm(width, init);
  }

  /** Tokens before the blocks: [cls, patches, hmn], normalised. frames_N3SS, mask_NSS -> x_NMD. */
  tokens(frames_N3SS: Tensor, mask_NSS: Tensor): Tensor {
    const z_NLD = patchEmbed(frames_N3SS, this.conv1.weight, this.class_embedding, this.positional_embedding);
    if (this.subject === "none") return this.ln_pre.forward(z_NLD);
    const cover_NP = cover(mask_NSS, { patch: this.config.patch }); // the share of each patch that shows the subject
    const hmn_ND = prompt(cover_NP, this.positional_embedding); // z_hmn = Σ_i a_i e_i
    return this.ln_pre.forward(appendToken(z_NLD, hmn_ND));
  }

  /** One vector per frame: frames_N3SS, mask_NSS (0..1) -> y_NE, not normalised. */
  forward(frames_N3SS: Tensor, mask_NSS: Tensor): Tensor {
    let x_NMD = this.tokens(frames_N3SS, mask_NSS);
    for (const block of this.transformer.resblocks) x_NMD = block.forward(x_NMD);
    return matmul(this.ln_post.forward(first(x_NMD)), this.proj); // read out at z_cls
  }

  /** What the subject token attends to in each block, mean over heads, patches only: weights_NP per block. SAP only. */
  subjectAttention(frames_N3SS: Tensor, mask_NSS: Tensor): Tensor[] {
    let x_NMD = this.tokens(frames_N3SS, mask_NSS);
    return this.transformer.resblocks.map((block) => {
      const { heads } = block.attn;
      const L = x_NMD.shape[1];
      const p_NHL = attentionRow(block.attn.project(block.ln_1.forward(x_NMD)), { heads, row: L - 1 });
      x_NMD = block.forward(x_NMD);
      return slice(mean(p_NHL, 1), 1, L - 1, 1);
    });
  }
}
