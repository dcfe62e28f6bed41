// What sentiment does to the logits of one batch (Table 2 and Figure 4 of the paper): each negative is lowered by β over the KL
// divergence of the two texts' sentiments, so that texts of like sentiment leave the denominator.

import { ShapeError } from "../../engine/errors.ts";
import { takes } from "../../engine/takes.ts";
import { klWeights } from "../../kernels/index.ts";
import { removedShare } from "../../train/vanishing.ts";
import { extent, type Matrix } from "../matrix.ts";

/** A batch as the loss sees it, on the host. */
export interface LogitBatch {
  /** v_i·t_j / τ, [B, B]. */
  readonly logits: Matrix;
  /** [B, 7]. */
  readonly sentiment: Matrix;
  /** [B] the captions. */
  readonly texts: readonly string[];
}

/** One text against the video of the row that is shown. */
export interface ReweightedText {
  readonly text: string;
  readonly role: "positive" | "false negative" | "true negative";
  /** KL divergence of the sentiments in nats; 0 for the positive pair. */
  readonly kl: number;
  readonly before: number;
  readonly after: number;
}

/** What Eq. 6 does to one batch: a row of it text by text, and the share of negatives that no longer count. */
export interface Reweighting {
  readonly beta: number;
  readonly form: "code" | "paper";
  readonly batch: number;
  /** The row that is shown: the video of this sample. */
  readonly row: number;
  readonly texts: readonly ReweightedText[];
  /** Share of all negatives lowered by more than 10: they no longer count. */
  readonly removed: number;
  /** The first rows and columns of the batch, for a picture: logits, and what they are lowered by. */
  readonly corner: {
    readonly logits: readonly (readonly number[])[];
    readonly weights: readonly (readonly number[])[];
  };
}

const CORNER = 16;
const TINY = 1e-6;

/**
 * The reweighting of one row: its positive pair, the two other texts whose sentiments are nearest, and of the rest the two that
 * score highest. Texts that say the same as the positive one are passed over.
 */
export function reweight(
  batch: LogitBatch,
  settings: { readonly beta: number; readonly form: "code" | "paper" },
  row = 0,
): Reweighting {
  takes(
    "reweight(batch: { logits: matrix, sentiment: matrix, texts: text[], ... }, " +
      'settings: { beta: amount, form: "code" | "paper", ... }, row?: natural, ...)',
    arguments,
  );
  const { logits, sentiment, texts } = batch;
  const { beta, form } = settings;
  const [B, width] = extent(logits, "reweighting: logits");
  const [n, Q] = extent(sentiment, "reweighting: sentiment");
  if (width !== B || n !== B || texts.length !== B)
    throw new ShapeError(`reweighting: ${B} x ${width} logits, ${n} sentiments, ${texts.length} texts; all must agree`);
  if (!(row >= 0 && row < B)) throw new ShapeError(`reweighting: row ${row} of a batch of ${B}`);
  const s = Float64Array.from(sentiment.data);
  const weightsAt = (b: number) => klWeights.ref({ s }, { B, Q }, { beta: b, form }).w;
  // at a tiny β the limit of 10⁶ on weights is far away: what comes back is the divergence itself
  const [w, inverse] = [weightsAt(beta), weightsAt(TINY)];
  const at = (i: number, j: number) => logits.data[i * B + j];
  const order = [...texts.keys()].filter((j) => texts.indexOf(texts[j]) === j && texts[j] !== texts[row]);
  const byKl = [...order].sort((a, b) => inverse[row * B + b] - inverse[row * B + a]);
  const near = byKl.slice(0, 2);
  const far = byKl.slice(Math.max(2, byKl.length >> 1)).sort((a, b) => at(row, b) - at(row, a));
  const shown = (j: number, role: ReweightedText["role"]): ReweightedText => {
    const kl = j === row ? 0 : TINY / inverse[row * B + j];
    return { text: texts[j], role, kl, before: at(row, j), after: at(row, j) - w[row * B + j] };
  };
  const side = Math.min(B, CORNER);
  const corner = (data: ArrayLike<number>) =>
    Array.from({ length: side }, (_, i) => Array.from({ length: side }, (_, j) => data[i * B + j]));
  return {
    beta,
    form,
    batch: B,
    row,
    texts: [
      shown(row, "positive"),
      ...near.map((j) => shown(j, "false negative")),
      ...far.slice(0, 2).map((j) => shown(j, "true negative")),
    ],
    removed: removedShare(w, B),
    corner: { logits: corner(logits.data), weights: corner(w) },
  };
}
