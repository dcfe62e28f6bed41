// A batch of any model from a seed alone: no files, no data set. What a step costs does not depend on the values.
import { pairOf } from "../data/pixels/side.ts";
import { type Dtype, free, persistent, type Tensor, tensor } from "../engine/index.ts";
import type { ModelConfig } from "../model/emotionclip/config.ts";
import { endPositions } from "../model/clip/text-encoder.ts";
import type { ClipTensors, StepInputs } from "../train/learner.ts";
import { uniform } from "../engine/device/draws.ts";
import { gaussians } from "./draw.ts";

/** Clips as pixels, texts as tokens. */
export interface NoiseClips {
  readonly video: Extract<ClipTensors["video"], { readonly mask_BTSS: unknown }>;
  readonly text: Extract<ClipTensors["text"], { readonly ends_B: unknown }>;
}

/** The batch on the host, row-major: frames_BT3SS, mask_BTSS, tokens_BW, sentiments_B7. */
export interface NoiseArrays {
  readonly frames: Float32Array;
  readonly mask: Float32Array;
  readonly tokens: Uint32Array;
  readonly sentiments: Float32Array;
}

/** The batch, and the numbers that it is made of. */
export interface Noise extends StepInputs {
  readonly arrays: NoiseArrays;
  /** Its tensors are those of the open scope, or made by `make`. */
  clips(from: number, count: number, make?: typeof tensor): NoiseClips;
}

/** A batch whose tensors are on the device already, for parts of `micro` clips (0: all at once), until `free`. */
export function residentBatch(drawn: Noise, B: number, micro: number): Noise & { free(): void } {
  const made: Tensor<Dtype>[] = [];
  const kept = ((...given: Parameters<typeof persistent>) => {
    made.push(persistent(...given));
    return made.at(-1);
  }) as typeof tensor;
  const parts = new Map<string, NoiseClips>();
  const count = micro || B;
  for (let from = 0; from < B; from += count) {
    const size = Math.min(count, B - from);
    parts.set(`${from} ${size}`, drawn.clips(from, size, kept));
  }
  const s_B7 = kept(drawn.arrays.sentiments, [B, 7]);
  return {
    ...drawn,
    clips: (from, size) => parts.get(`${from} ${size}`) ?? drawn.clips(from, size),
    sentiment: () => s_B7,
    free: () => free(...made),
  };
}

/** Frames of noise, a box in each, texts of random words, sentiments: from the seed alone. */
export function noise({ head, vision, text }: ModelConfig, B: number, seed: number): Noise {
  const { frames: T } = head;
  const [height, width] = pairOf(vision.image);
  const pixels = height * width;
  const { context: W, vocabulary: V } = text;
  const random = uniform(seed);
  const whole = (most: number) => Math.floor(most * random());
  const frames = gaussians(B * T * 3 * pixels, seed + 1);
  const mask = new Float32Array(B * T * pixels);
  for (let n = 0; n < B * T; n++) {
    const [left, top, side] = [whole(width / 2), whole(height / 2), 1 + whole(Math.min(height, width) / 2)];
    for (let y = top; y < top + side; y++) {
      const start = (n * height + y) * width + left;
      mask.fill(1, start, start + side);
    }
  }
  const tokens = new Uint32Array(B * W);
  for (let b = 0; b < B; b++) {
    const length = Math.min(W - 1, 8 + whole(W / 2));
    tokens[b * W] = V - 2;
    for (let w = 1; w < length; w++) tokens[b * W + w] = 1 + whole(V - 3);
    tokens[b * W + length] = V - 1; // the end token has the largest id
  }
  const sentiment = gaussians(7 * B, seed + 2).map((x) => 3 * x);
  const rows = <A extends Float32Array | Uint32Array>(all: A, width: number, from: number, count: number) =>
    all.subarray(from * width, (from + count) * width) as A;
  return {
    arrays: { frames, mask, tokens, sentiments: sentiment },
    clips: (from, count, make = tensor) => ({
      video: {
        frames_BT3SS: make(rows(frames, T * 3 * pixels, from, count), [count, T, 3, height, width]),
        mask_BTSS: make(rows(mask, T * pixels, from, count), [count, T, height, width]),
      },
      text: {
        tokens_BW: make(rows(tokens, W, from, count), [count, W], "u32"),
        ends_B: make(endPositions(rows(tokens, W, from, count), W), [count], "u32"),
      },
    }),
    sentiment: () => tensor(sentiment, [B, 7]),
  };
}
