// EmoCLIP: CLIP on every frame of a face clip, a temporal module over the frames, and text, into one space.
import type { Tensor } from "../../engine/index.ts";
import { takes } from "../../engine/takes.ts";
import { attentionRow, normalize } from "../../kernels/index.ts";
import type { Through } from "../clip/block.ts";
import { TextEncoder, textRows } from "../clip/text-encoder.ts";
import { Vit } from "../clip/vit.ts";
import type { Dropping } from "../dropout.ts";
import type { FrameReader, Takes, VideoText } from "../family.ts";
import type { Init } from "../params.ts";
import { checkEmoClip, type EmoClipConfig } from "./config.ts";
import { TemporalModule } from "./temporal.ts";

/** exp(logit_scale) starts at 100, where CLIP's training ended. */
const logitScaleStart = Math.log(100);

/** CLIP as OpenAI's archives have it: with a logit scale of its own, which nothing here reads. */
class Backbone extends TextEncoder {
  readonly visual: Vit;
  readonly logit_scale: Tensor;

  constructor({ text, embed, activation, ...rest }: EmoClipConfig, init: Init) {
    super(text, embed, activation, init);
    this.visual = new Vit({ text, embed, activation, ...rest }, init);
    this.logit_scale = init.constant([], logitScaleStart);
  }
}

/**
 * EmoCLIP (Foteinopoulou & Patras, FG 2024): CLIP's frame tower, whose features enter the temporal module as they are, and CLIP's text
 * tower. Its fields are its state dict (`named`).
 */
export class EmoClip implements VideoText<EmoClipConfig> {
  readonly logit_scale: Tensor;
  readonly backbone: Backbone;
  readonly temporal: TemporalModule;
  readonly subjectTower = undefined;

  constructor(
    readonly config: EmoClipConfig,
    init: Init,
  ) {
    takes("new EmoClip(config: object, init: { normal: function, ... }, ...)", arguments);
    const { embed, temporal } = checkEmoClip(config);
    this.logit_scale = init.constant([], logitScaleStart);
    this.backbone = new Backbone(config, init);
    this.temporal = new TemporalModule({ width: embed, ...temporal }, init);
  }

  /** What it is given; it is not told of a subject. */
  get takes(): Takes {
    const { temporal, vision, text } = this.config;
    const { context, vocabulary } = text;
    return {
      frames: temporal.frames,
      side: vision.image,
      whole: true,
      colours: "clip",
      context,
      vocabulary,
      subject: false,
    };
  }

  /** The class token of the temporal module before the frames. */
  get frameReader(): FrameReader {
    const { heads, layers } = this.config.temporal;
    const rows = (f_BTE: Tensor) =>
      Array.from(this.temporal.passed(f_BTE), ({ qkv }) => attentionRow(qkv, { heads, row: 0 }));
    return { told: "class token", layers, heads, rows };
  }

  get embed(): number {
    return this.config.embed;
  }

  /** frames_BT3SS -> f_BTE: what the frame tower makes of each frame, not normalised; a mask changes nothing. */
  encodeFrames(frames_BT3SS: Tensor, _mask_BTSS?: Tensor, through?: Through): Tensor {
    const [B, T, , height, width] = frames_BT3SS.shape;
    const f_NE = this.backbone.visual.forward(frames_BT3SS.reshape([B * T, 3, height, width]), through);
    return f_NE.reshape([B, T, this.embed]);
  }

  /** f_BTE -> v_BE of unit length: the temporal module. There is no dropout. */
  joinFrames(f_BTE: Tensor): Tensor {
    return normalize(this.temporal.forward(f_BTE));
  }

  /** frames_BT3SS -> v_BE of unit length; a mask changes nothing, and there is no dropout. */
  encodeVideo(frames_BT3SS: Tensor, mask_BTSS?: Tensor, _drop?: Dropping, through?: Through): Tensor {
    return this.joinFrames(this.encodeFrames(frames_BT3SS, mask_BTSS, through));
  }

  /** frames_N3SS -> v_NE of unit length: single images, as CLIP alone sees them. */
  encodeImage(frames_N3SS: Tensor): Tensor {
    return normalize(this.backbone.visual.forward(frames_N3SS));
  }

  textRows(ids_BW: Uint32Array): { tokens_BW: Uint32Array; ends_B: Uint32Array } {
    return textRows(ids_BW, this.config.text);
  }

  /** tokens_BW:u32, ends_B:u32 -> t_BE of unit length. */
  encodeText(tokens_BW: Tensor<"u32">, ends_B: Tensor<"u32">, through?: Through): Tensor {
    return normalize(this.backbone.forward(tokens_BW, ends_B, through));
  }
}
