// Contrastive losses: the sentiment-guided one (Eq. 5-7), and the plain one.
import { add, cast, eq, exp, eye, klWeights, logits, scale, snce, sub, zeros } from "../kernels/index.ts";
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
 * Mean over both directions of SNCE. Rows of v and t have unit length; s holds sentiment logits. With `texts_B` pairs of equal numbers
 * are not each other's negatives: captions that several clips of a batch have.
 * v_BE, t_BE, s_BQ, logitScale (0-d), texts_B:u32 -> loss (0-d).
 */
export function sentimentContrast(
  v_BE: Tensor,
  t_BE: Tensor,
  s_BQ: Tensor,
  logitScale: Tensor,
  settings: LossSettings,
  texts_B?: Tensor<"u32">,
): Tensor {
  takes(
    "sentimentContrast(v: tensor, t: tensor, s: tensor, logitScale: tensor, settings: { beta: amount, " +
      'form: "code" | "paper", ... }, texts?: tensor, ...)',
    arguments,
  );
  const { beta, form } = settings;
  const w_BB = klWeights(s_BQ, { beta, form }); // Eq. 6, 0 where i = j
  return weighted(v_BE, t_BE, logitScale, texts_B ? add(w_BB, removedOf(texts_B)) : w_BB);
}

/**
 * InfoNCE, mean over both directions: ½ [CE(l, 0 … B−1) + CE(lᵀ, 0 … B−1)] of l = exp(logitScale) v tᵀ. Rows of v and t have unit
 * length. With `texts_B` pairs of equal numbers are not each other's negatives, as in `sentimentContrast`.
 * v_BE, t_BE, logitScale (0-d), texts_B:u32 -> loss (0-d).
 */
export function contrast(v_BE: Tensor, t_BE: Tensor, logitScale: Tensor, texts_B?: Tensor<"u32">): Tensor {
  takes("contrast(v: tensor, t: tensor, logitScale: tensor, texts?: tensor)", arguments);
  const [B] = v_BE.shape;
  return weighted(v_BE, t_BE, logitScale, texts_B ? removedOf(texts_B) : zeros([B, B]));
}

/** The loss whose negatives are lowered by w_BB: Eq. 5 and 7 of l = v·t / τ. */
const weighted = (v_BE: Tensor, t_BE: Tensor, logitScale: Tensor, w_BB: Tensor): Tensor =>
  snce(logits(v_BE, t_BE, exp(logitScale)), w_BB);

/** What removes a negative when it is subtracted from its logit, as in klWeights. */
const REMOVES = 1e6;

/** REMOVES where two different texts have equal numbers, else 0: n_B -> w_BB. */
function removedOf(n_B: Tensor<"u32">): Tensor {
  const [B] = n_B.shape;
  const same_BB = cast(eq(n_B.reshape([B, 1]), n_B.reshape([1, B])), "f32");
  return scale(sub(same_BB, eye(B)), { factor: REMOVES });
}
