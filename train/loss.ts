// The sentiment-guided contrastive loss (Eq. 5-7).
import { exp, klWeights, logits, snce } from "../kernels/index.ts";
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
