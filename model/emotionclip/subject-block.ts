// CLIP's block with subject-aware attention (Sec. 3.3 of the paper: SAAM).
import type { Tensor } from "../../engine/index.ts";
import { takes } from "../../engine/takes.ts";
import { saam } from "../../kernels/index.ts";
import type { Mix } from "../clip/attention.ts";
import { Block } from "../clip/block.ts";
import type { SaamConfig } from "./config.ts";

/** A block that learns how much of its attention moves to the subject: A = sigmoid(saam_logit), at first ½ (Eq. 2–4). */
export class SubjectBlock extends Block {
  readonly saam_logit: Tensor;

  constructor(
    readonly saam: SaamConfig,
    ...[width, heads, hidden, activation, init, starts]: ConstructorParameters<typeof Block>
  ) {
    takes(
      'new SubjectBlock(saam: { mode: "shift" | "two_hop" | "hadamard", threshold: number, ... }, width: size, heads: size, ' +
        'hidden: size, activation: "gelu" | "quickGelu", init: { constant: function, ... }, starts: object, ...)',
      arguments,
    );
    super(width, heads, hidden, activation, init, starts);
    this.saam_logit = init.constant(saam.logit ?? [heads], 0);
  }

  /** Its attention in frames whose patches show the subject this much: cover_NP; tokens are [cls, patches, hmn]. */
  towards(cover_NP: Tensor): Mix {
    const { mode, threshold } = this.saam;
    return (qkv_BLC, heads) => saam(qkv_BLC, this.saam_logit, cover_NP, { heads, mode, threshold });
  }
}
