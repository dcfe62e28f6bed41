// One training step of a small EmotionCLIP, forward and gradient: the same code in Node and in a page.
import { allocateGroup, later, Tape, tensor } from "../../../engine/index.ts";
import { EmotionClip } from "../../../model/emotionclip/emotionclip.ts";
import { Init, named } from "../../../model/params.ts";
import { sentimentContrast } from "../../../train/loss.ts";

/** What a step computes, on the host. */
export interface Step {
  readonly loss: number;
  /** Of all parameters, side by side. */
  readonly gradients: readonly number[];
}

const [B, T, S, W] = [4, 2, 16, 6];

const config = {
  embed: 16,
  vision: { image: S, patch: 8, width: 16, layers: 1, heads: 2, mlp: 32 },
  text: { context: W, vocabulary: 12, width: 16, layers: 1, heads: 2 },
  head: { kind: "transformer", frames: T, layers: 1, heads: 2, feedForward: 32, dropout: 0 },
  activation: "gelu",
  subject: "sap",
} as const;

/** Numbers between -1 and 1 that follow from their place. */
const waves = (n: number): Float32Array => Float32Array.from({ length: n }, (_, i) => Math.sin(1 + 3 * i));

/** Runs on the GPU that is open. */
export async function step(): Promise<Step> {
  const init = new Init(2022);
  const model = new EmotionClip(config, init);
  const [shard] = allocateGroup(
    [...named(model)].map(([, t]) => t),
    0,
  );
  init.fill();
  const loss = forwardAndBack(model);
  const found = { loss: (await loss)[0], gradients: Array.from(await shard.gradients.data()) };
  shard.free();
  return found;
}

function forwardAndBack(model: EmotionClip) {
  using tape = new Tape();
  const v_BE = model.encodeVideo(
    tensor(waves(B * T * 3 * S * S), [B, T, 3, S, S]),
    tensor(waves(B * T * S * S).map(Math.round), [B, T, S, S]),
  );
  const tokens = Array.from({ length: B * W }, (_, i) => (5 * i) % 12);
  const t_BE = model.encodeText(tensor(tokens, [B, W], "u32"), tensor(new Array(B).fill(W - 1), [B], "u32"));
  const s_BQ = tensor(waves(B * 7), [B, 7]);
  const loss = sentimentContrast(v_BE, t_BE, s_BQ, model.logit_scale, { beta: 0.01, form: "code" });
  tape.gradients(loss);
  return later(loss);
}
