// EmotionCLIP: frames with a subject, and text, into one space (figure 2 of the paper).
import type { Tensor } from "../../engine/index.ts";
import { takes } from "../../engine/takes.ts";
import { cast, normalize } from "../../kernels/index.ts";
import type { Dropping } from "../dropout.ts";
import { checkConfig, type ModelConfig } from "./config.ts";
import { FrameEncoder } from "./frame-encoder.ts";
import type { Through } from "../clip/block.ts";
import type { Init } from "../params.ts";
import { TemporalConv, type TemporalHead, TemporalMean, TemporalTransformer } from "./temporal-encoder.ts";
import { TextEncoder, textRows } from "../clip/text-encoder.ts";
import type { SubjectTower, Takes, VideoText } from "../family.ts";

/** exp(logit_scale) starts at 1/0.07, as in CLIP. */
export const logitScaleStart = Math.log(1 / 0.07);

/** Rows of unit length, in f32 whatever the towers computed in. */
const unit = (x_NE: Tensor): Tensor => normalize(cast(x_NE, "f32"));

/** CLIP: the text tower's fields stand beside `visual`, as in its checkpoints. */
class Backbone extends TextEncoder {
  readonly visual: FrameEncoder;

  constructor(config: ModelConfig, init: Init) {
    super(config.text, config.embed, config.activation, init);
    this.visual = new FrameEncoder(config, init);
  }
}

/**
 * EmotionCLIP (Zhang et al., CVPR 2023, figure 2): a frame encoder that is told of the subject, a temporal head, and a text
 * encoder into one space of width E. Its fields are its state dict (`named`).
 */
export class EmotionClip implements VideoText<ModelConfig> {
  readonly logit_scale: Tensor;
  readonly backbone: Backbone;
  readonly visual_head: TemporalHead;

  constructor(
    readonly config: ModelConfig,
    init: Init,
  ) {
    takes("new EmotionClip(config: object, init: { normal: function, ... }, ...)", arguments);
    const { embed, head } = checkConfig(config);
    this.logit_scale = init.constant([], logitScaleStart);
    this.backbone = new Backbone(config, init);
    if (head.kind === "transformer") this.visual_head = new TemporalTransformer(head, embed, init);
    else this.visual_head = head.kind === "mean" ? new TemporalMean() : new TemporalConv(embed, init);
  }

  /** What it is given: frames, side, context, vocabulary, and whether it is told of the subject. */
  get takes(): Takes {
    const { head, vision, text, subject } = this.config;
    const { context, vocabulary } = text;
    return { frames: head.frames, side: vision.image, context, vocabulary, subject: subject !== "none" };
  }

  get subjectTower(): SubjectTower | undefined {
    const { subject } = this.config;
    return subject === "none" ? undefined : this.backbone.visual;
  }

  get embed(): number {
    return this.config.embed;
  }

  /** frames_BT3SS, mask_BTSS -> f_BTE: what the frame tower makes of each frame, not normalised. */
  encodeFrames(frames_BT3SS: Tensor, mask_BTSS: Tensor, through?: Through): Tensor {
    const [B, T, , height, width] = frames_BT3SS.shape;
    const frames_N3SS = frames_BT3SS.reshape([B * T, 3, height, width]);
    const f_NE = this.backbone.visual.forward(frames_N3SS, mask_BTSS.reshape([B * T, height, width]), through);
    return f_NE.reshape([B, T, this.config.embed]);
  }

  /** f_BTE -> v_BE of unit length: the temporal head. */
  joinFrames(f_BTE: Tensor, drop?: Dropping, through?: Through): Tensor {
    return unit(this.visual_head.forward(f_BTE, drop, through));
  }

  /** frames_BT3SS, mask_BTSS -> v_BE of unit length. */
  encodeVideo(frames_BT3SS: Tensor, mask_BTSS: Tensor, drop?: Dropping, through?: Through): Tensor {
    return this.joinFrames(this.encodeFrames(frames_BT3SS, mask_BTSS, through), drop, through);
  }

  /** frames_N3SS, mask_NSS -> v_NE of unit length: single images, without the temporal head. */
  encodeImage(frames_N3SS: Tensor, mask_NSS: Tensor): Tensor {
    return unit(this.backbone.visual.forward(frames_N3SS, mask_NSS));
  }

  textRows(ids_BW: Uint32Array): { tokens_BW: Uint32Array; ends_B: Uint32Array } {
    return textRows(ids_BW, this.config.text);
  }

  /** tokens_BW:u32, ends_B:u32 -> t_BE of unit length. */
  encodeText(tokens_BW: Tensor<"u32">, ends_B: Tensor<"u32">, through?: Through): Tensor {
    return unit(this.backbone.forward(tokens_BW, ends_B, through));
  }
}
