// Losses of predictions against targets of the same shape, element by element, and what becomes of their terms. Losses against class
// numbers are in cross-entropy/.
import { ShapeError } from "../../engine/errors.ts";
import { op } from "../../engine/record/op.ts";
import type { Tensor } from "../../engine/record/tensor.ts";
import { takes } from "../../engine/takes.ts";
import { sub } from "../broadcast.ts";
import { abs } from "../functions.ts";
import numbers from "../lib/numbers.wgsl";
import { flatPass, scale, square, unary } from "../pointwise.ts";
import binary from "./binary.wgsl";
import { reduceTerms, type Reduction } from "./reduction.ts";

const reductions = 'reduction?: "mean" | "sum" | "none"';

/** Shapes that broadcast would be summed over places nobody meant. */
function sameShape(loss: string, a: Tensor, b: Tensor): void {
  if (`${a.shape}` !== `${b.shape}`)
    throw new ShapeError(
      `${loss}: the prediction is [${a.shape}] and the target [${b.shape}]; expected the same shape\n` +
        "  expandTo(target, prediction.shape) where it is meant to broadcast",
    );
}

/** The mean (or sum, or each) of (prediction − target)² (PyTorch's F.mse_loss). */
export function mseLoss(prediction: Tensor, target: Tensor, options: { readonly reduction?: Reduction } = {}): Tensor {
  takes(`mseLoss(prediction: tensor, target: tensor, options?: { ${reductions} })`, arguments);
  sameShape("mseLoss", prediction, target);
  return reduceTerms(square(sub(prediction, target)), options.reduction);
}

/** The mean (or sum, or each) of |prediction − target| (PyTorch's F.l1_loss). */
export function l1Loss(prediction: Tensor, target: Tensor, options: { readonly reduction?: Reduction } = {}): Tensor {
  takes(`l1Loss(prediction: tensor, target: tensor, options?: { ${reductions} })`, arguments);
  sameShape("l1Loss", prediction, target);
  return reduceTerms(abs(sub(prediction, target)), options.reduction);
}

const huber = unary({
  name: "huber",
  about: "y = x²/2 where |x| ≤ delta, else delta · (|x| − delta/2) (Huber 1964)",
  attrs: { delta: 1 },
  lib: [numbers],
  f: "nan_or4(x, min(abs(x), vec4f(dim.delta)) * (abs(x) - 0.5 * min(abs(x), vec4f(dim.delta))))",
  df: "nan_or4(x, clamp(x, vec4f(-dim.delta), vec4f(dim.delta)))",
  ref: (x, { delta }) => Math.min(Math.abs(x), delta) * (Math.abs(x) - 0.5 * Math.min(Math.abs(x), delta)),
  flops: 6,
  settings: [{}, { delta: 0.3 }],
});

/** Squares up to `delta` (1 by default), straight lines beyond, of prediction − target (PyTorch's F.huber_loss). */
export function huberLoss(
  prediction: Tensor,
  target: Tensor,
  options: { readonly delta?: number; readonly reduction?: Reduction } = {},
): Tensor {
  takes(`huberLoss(prediction: tensor, target: tensor, options?: { delta?: positive, ${reductions} })`, arguments);
  sameShape("huberLoss", prediction, target);
  return reduceTerms(huber(sub(prediction, target), { delta: options.delta }), options.reduction);
}

/** huberLoss of delta `beta`, divided by it: slopes of ±1 beyond (PyTorch's F.smooth_l1_loss); with a beta of 0, l1Loss. */
export function smoothL1Loss(
  prediction: Tensor,
  target: Tensor,
  options: { readonly beta?: number; readonly reduction?: Reduction } = {},
): Tensor {
  takes(`smoothL1Loss(prediction: tensor, target: tensor, options?: { beta?: amount, ${reductions} })`, arguments);
  sameShape("smoothL1Loss", prediction, target);
  const { beta = 1, reduction } = options;
  const off = sub(prediction, target);
  return reduceTerms(beta === 0 ? abs(off) : scale(huber(off, { delta: beta }), { factor: 1 / beta }), reduction);
}

/** Terms in one launch, and the gradients of both sides in another. */
function binaryTerms(row: {
  name: string;
  about: string;
  f: string;
  dx: string;
  dt: string;
  ref: (x: number, t: number) => number;
  draw?: (random: () => number) => number;
}) {
  const { name, about, f, dx, dt, ref, draw } = row;
  const lib = [numbers, binary];
  const drawAll =
    draw && ((random: () => number, _: unknown, n: number) => Array.from({ length: n }, () => draw(random)));
  return op({
    name,
    about,
    sig: "x_N t_N -> y_N",
    forward: [flatPass({ about, lib, reads: ["x", "t"], writes: { y: f } })],
    backward: [
      flatPass({
        about: `dx, dt of ${name}`,
        lib,
        reads: ["dy", "x", "t"],
        writes: { dx: `dy * (${dx})`, dt: `dy * (${dt})` },
      }),
    ],
    ref: ({ x, t }) => ({ y: x.map((v, i) => ref(v, t[i])) }),
    flops: ({ N }) => 30 * N,
    bench: [{ N: 2 ** 20 }],
    test: { draw: drawAll && { x: drawAll } },
  });
}

const up64 = (x: number) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
const sigmoid4 = (x: string) => `(1 / (1 + exp(-clamp(${x}, vec4f(-80), vec4f(80)))))`;

const logitTerms = binaryTerms({
  name: "bceWithLogits",
  about: "y = −t · ln σ(x) − (1 − t) · ln σ(−x)",
  f: "t * log_up4(-x) + (1 - t) * log_up4(x)",
  dx: `nan_or4(x, (1 - t) * ${sigmoid4("x")} - t * ${sigmoid4("-x")})`,
  dt: "-x",
  ref: (x, t) => t * up64(-x) + (1 - t) * up64(x),
});

const shareTerms = binaryTerms({
  name: "bce",
  about: "y = −t · ln x − (1 − t) · ln(1 − x), logarithms of at least −100",
  f: "-(t * log_share4(x) + (1 - t) * log_rest4(x))",
  dx: "nan_or4(log_share4(x), (x - t) / max(x * (1 - x), vec4f(1e-12)))",
  dt: "log_rest4(x) - log_share4(x)",
  ref: (x, t) => -(t * Math.max(Math.log(x), -100) + (1 - t) * Math.max(Math.log1p(-x), -100)),
  draw: (random) => 0.02 + 0.96 * random(),
});

/**
 * Binary cross-entropy of logits against targets from 0 to 1 (PyTorch's F.binary_cross_entropy_with_logits): each element a question
 * of its own, as for several labels. Right for logits of any size.
 */
export function bceWithLogits(
  logits: Tensor,
  targets: Tensor,
  options: { readonly reduction?: Reduction } = {},
): Tensor {
  takes(`bceWithLogits(logits: tensor, targets: tensor, options?: { ${reductions} })`, arguments);
  sameShape("bceWithLogits", logits, targets);
  return reduceTerms(logitTerms(logits, targets), options.reduction);
}

/**
 * Binary cross-entropy of probabilities against targets from 0 to 1 (PyTorch's F.binary_cross_entropy, logarithms of at least −100
 * as there). What is no probability gives NaN. Of logits, `bceWithLogits` is the more exact.
 */
export function bce(probabilities: Tensor, targets: Tensor, options: { readonly reduction?: Reduction } = {}): Tensor {
  takes(`bce(probabilities: tensor, targets: tensor, options?: { ${reductions} })`, arguments);
  sameShape("bce", probabilities, targets);
  return reduceTerms(shareTerms(probabilities, targets), options.reduction);
}
