// Contrastive losses: the sentiment-guided one (Eq. 5-7), and the plain one.
import { cast, eq, exp, eye, klWeights, logits, scale, snce, sub, zeros } from "../kernels/index.ts";
import type { Tensor } from "../engine/index.ts";
import { takes } from "../engine/takes.ts";

/** What Eq. 6 leaves to choose. */
export interface LossSettings {
  /** β of Eq. 6; 0 is InfoNCE. */
  readonly beta: number;
  /** `paper`: KL(s_i‖s_j) as Eq. 6 writes it; `code`: KL(s_j‖s_i), which the official code computes (default there). */
  readonly form: "code" | "paper";
}

/**
 * Mean over both directions of SNCE. Rows of v and t have unit length; s holds sentiment logits.
 * v_BE, t_BE, s_BQ, logitScale (0-d) -> loss (0-d).
 */
export function sentimentContrast(
  v_BE: Tensor,
  t_BE: Tensor,
  s_BQ: Tensor,
  logitScale: Tensor,
  settings: LossSettings,
): Tensor {
  takes(
    "sentimentContrast(v: tensor, t: tensor, s: tensor, logitScale: tensor, settings: { beta: amount, " +
      'form: "code" | "paper", ... }, ...)',
    arguments,
  );
  const { beta, form } = settings;
  const w_BB = klWeights(s_BQ, { beta, form }); // Eq. 6, 0 where i = j
  const l_BB = logits(v_BE, t_BE, exp(logitScale)); // v_i·t_j / τ
  return snce(l_BB, w_BB); // Eq. 5 and 7
}

/**
 * InfoNCE, mean over both directions: ½ [CE(l, 0 … B−1) + CE(lᵀ, 0 … B−1)] of l = exp(logitScale) v tᵀ. Rows of v and t have unit
 * length. With `texts_B` pairs of equal numbers are not each other's negatives: captions that several clips of a batch have.
 * v_BE, t_BE, logitScale (0-d), texts_B:u32 -> loss (0-d).
 */
export function contrast(v_BE: Tensor, t_BE: Tensor, logitScale: Tensor, texts_B?: Tensor<"u32">): Tensor {
  takes("contrast(v: tensor, t: tensor, logitScale: tensor, texts?: tensor)", arguments);
  const [B] = v_BE.shape;
  const removed_BB = texts_B ? scale(sub(sameOf(texts_B), eye(B)), { factor: REMOVES }) : zeros([B, B]);
  return snce(logits(v_BE, t_BE, exp(logitScale)), removed_BB);
}

/** What removes a negative when it is subtracted from its logit, as in klWeights. */
const REMOVES = 1e6;

/** 1 where two of the numbers are equal, else 0: n_B -> same_BB. */
const sameOf = (n_B: Tensor<"u32">): Tensor => {
  const [B] = n_B.shape;
  return cast(eq(n_B.reshape([B, 1]), n_B.reshape([1, B])), "f32");
};
