// What Adam and AdamW share: numbers of a step that come from the host in f64, and how their tests draw.
import type { Attrs } from "../../engine/declare/pass.ts";
import type { Draw } from "../../engine/declare/op.ts";

/** 1 − β of both moments, and what makes up for moments that started at 0. */
export function corrections(attrs: Attrs): Record<"rest1" | "rest2" | "size" | "root", number> {
  const { step, lr, beta1, beta2 } = attrs as Record<string, number>;
  return {
    rest1: 1 - beta1,
    rest2: 1 - beta2,
    size: lr / (1 - beta1 ** step),
    root: 1 / Math.sqrt(1 - beta2 ** step),
  };
}

/** A factor of 0 skips the step: one draw in six. */
export const drawFactor: Draw = (random) => [Math.max(0, 1.2 * random() - 0.2)];

/** Why the factor is the one input that must be finite. */
export const finiteFactor = () => ({ factor: "clipFactor gives 0 where a gradient is not finite" });
