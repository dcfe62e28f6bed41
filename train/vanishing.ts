// Settings and data with which a run ends well and has learnt nothing: a contrastive loss needs pairs that differ.
import { klWeights } from "../kernels/index.ts";
import type { Survey } from "../data/shards/survey.ts";
import type { LossSettings } from "./loss.ts";
import type { Settings } from "./settings.ts";

/** Sentiment classes, Q. */
const Q = 7;
/** A logit lowered by this much has e⁻¹⁰ of its weight left. */
const GONE = 10;
/** Texts whose pairs are looked at. */
const LOOKED_AT = 256;
/** Share of removed negatives from which on it is said. */
const NEARLY_ALL = 0.95;

/** Share of the negatives among B texts that weights w_BB take out of the loss. */
export function removedShare(w: ArrayLike<number>, B: number): number {
  let removed = 0;
  for (let i = 0; i < B; i++) for (let j = 0; j < B; j++) if (i !== j && w[i * B + j] > GONE) removed++;
  return B > 1 ? removed / (B * (B - 1)) : 0;
}

/** The same for sentiment logits [N, 7], of at most 256 texts spread over them. */
export function removedBySentiment(sentiment: Float32Array, { beta, form }: LossSettings): number {
  const N = sentiment.length / Q;
  const B = Math.min(N, LOOKED_AT);
  const s = new Float64Array(B * Q);
  for (let b = 0; b < B; b++) {
    const at = Math.floor((b * N) / B);
    s.set(sentiment.subarray(at * Q, (at + 1) * Q), b * Q);
  }
  return removedShare(klWeights.ref({ s }, { B, Q }, { beta, form }).w, B);
}

/** Whether all rows [N, 7] are the same distribution: logits that differ by a constant are. */
export function isOneSentiment(sentiment: Float32Array): boolean {
  for (let at = Q; at < sentiment.length; at += Q)
    for (let q = 1; q < Q; q++) if (sentiment[at + q] - sentiment[at] !== sentiment[q] - sentiment[0]) return false;
  return true;
}

type Facts = Omit<Survey, "bad">;

/** What is to be said before training on these clips; empty where nothing is. */
export function vanishing(clips: Facts, settings: Pick<Settings, "beta" | "form" | "subject">): string[] {
  const N = clips.captions.length;
  if (N < 2) return [];
  const found: string[] = [];
  const sentiment = sentimentWarning(clips.sentiment, settings);
  if (sentiment) found.push(sentiment);
  if (clips.captions.every((caption) => caption === clips.captions[0]))
    found.push(`all ${N} clips have the same caption: no text tells a clip from another, and no pair can be learnt`);
  if (clips.picturesAreEqual)
    found.push(
      `all ${N} clips begin with the same picture: if the rest is the same too, no video tells one from another`,
    );
  if (clips.labelsAreEqual) found.push(`all ${N} clips have the same labels: a probe has nothing to tell apart`);
  if (clips.boxed === 0 && settings.subject !== "none")
    found.push(
      `no clip has a box: --subject ${settings.subject} is told nothing; --subject none is the model without it`,
    );
  return found;
}

/** SNCE takes texts of like sentiment out of the negatives; without any of them the loss is 0 and has no slope. */
function sentimentWarning(sentiment: Float32Array, settings: LossSettings): string | undefined {
  const { beta } = settings;
  if (beta === 0) return undefined;
  if (isOneSentiment(sentiment))
    return (
      `the sentiment logits of all ${sentiment.length / Q} clips are the same: with --beta ${beta} SNCE removes every ` +
      `negative, loss and gradient are 0, and nothing is learnt; --beta 0 (InfoNCE) keeps them`
    );
  const share = removedBySentiment(sentiment, settings);
  if (share < NEARLY_ALL) return undefined;
  const percent = `${(100 * share).toFixed(share > 0.9995 ? 0 : 1)} %`;
  return `with --beta ${beta} SNCE removes ${percent} of the negatives, and little or nothing is learnt; a smaller --beta keeps more, --beta 0 (InfoNCE) all`;
}

/** What a batch is known by when it gives no gradient. */
export interface IdleBatch {
  readonly captions: readonly string[];
  /** [B, 7] */
  readonly sentiment: Float32Array;
}

/** Why a batch may have given no gradient. */
export function whyIdle({ captions, sentiment }: IdleBatch, { beta, form }: LossSettings): string {
  if (beta > 0 && isOneSentiment(sentiment))
    return "its sentiment logits are all the same, so SNCE removes every negative";
  if (captions.every((caption) => caption === captions[0])) return "its captions are all the same";
  const share = beta > 0 ? removedBySentiment(sentiment, { beta, form }) : 0;
  return share > 0
    ? `SNCE removes ${(100 * share).toFixed(0)} % of its negatives (--beta ${beta})`
    : "the cause is not known";
}
