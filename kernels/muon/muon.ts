// Muon (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon): the step of a matrix is its momentum with all
// singular values brought near 1. The two ends are kernels; the middle is matrix products.
import { pass } from "../../engine/declare/pass.ts";
import { ShapeError } from "../../engine/errors.ts";
import { op } from "../../engine/record/op.ts";
import type { Tensor } from "../../engine/record/tensor.ts";
import { takes } from "../../engine/takes.ts";
import { drawFactor, finiteFactor } from "../adamw/corrections.ts";
import { add, div } from "../broadcast.ts";
import { gradNorm } from "../grad-norm/grad-norm.ts";
import { flatGrid } from "../lib/flat.ts";
import flat from "../lib/flat.wgsl";
import numbers from "../lib/numbers.wgsl";
import { matmul, matmulNT, matmulTN } from "../matmul/matmul.ts";
import { scale } from "../pointwise.ts";
import momentText from "./moment.wgsl";
import stepText from "./step.wgsl";

const momentSig = "g_N m_N:f32 factor:f32 -> m_N:f32 u_N:f32";
const muonMoment = op({
  name: "muonMoment",
  about: "m ← βm + (1 − β)g in place, u = m or, after Nesterov, βm + (1 − β)g",
  sig: momentSig,
  attrs: { beta: 0.95, nesterov: true as boolean },
  takes: { beta: "rate" },
  forward: [
    pass(momentSig, [flat, momentText], ({ N }, consts) => flatGrid(N, consts), {
      uniforms: (_, { beta, nesterov }) => ({ rest: 1 - Number(beta), nesterov: Number(nesterov) }),
    }),
  ],
  ref({ g, m, factor }: Record<string, Float64Array>, { N }, { beta, nesterov }) {
    const next = { m: m.slice(), u: m.slice() };
    if (factor[0] <= 0) return next;
    for (let i = 0; i < N; i++) {
      const grad = factor[0] * g[i];
      next.m[i] = beta * m[i] + (1 - beta) * grad;
      next.u[i] = nesterov ? beta * next.m[i] + (1 - beta) * grad : next.m[i];
    }
    return next;
  },
  flops: ({ N }) => 7 * N,
  bench: [{ N: 1 << 24 }],
  test: { finite: finiteFactor, draw: { factor: drawFactor }, attrs: [{}, { beta: 0.5, nesterov: false }] },
});

const stepSig = "p_N:f32 o_N:f32 factor:f32 -> p_N:f32";
const muonStep = op({
  name: "muonStep",
  about: "p ← p(1 − lr·decay) − lr · scale · o in place",
  sig: stepSig,
  attrs: { lr: 0.02, scale: 1, decay: 0, least: -Infinity, most: Infinity },
  takes: { lr: "amount", scale: "amount", decay: "amount" },
  forward: [
    pass(stepSig, [flat, numbers, stepText], ({ N }, consts) => flatGrid(N, consts), {
      uniforms: (_, attrs) => {
        const { lr, scale, decay } = attrs as Record<string, number>;
        return { keep: 1 - lr * decay, size: lr * scale };
      },
    }),
  ],
  ref({ p, o, factor }: Record<string, Float64Array>, _, { lr, scale, decay, least, most }) {
    if (factor[0] <= 0) return { p };
    return { p: p.map((v, i) => Math.min(Math.max(v * (1 - lr * decay) - lr * scale * o[i], least), most)) };
  },
  flops: ({ N }) => 3 * N,
  bench: [{ N: 1 << 24 }],
  test: {
    finite: finiteFactor,
    draw: { factor: drawFactor },
    attrs: [{}, { lr: 0.5, scale: 2, decay: 0.5 }, { lr: 0.5, least: 0, most: 0.5 }],
  },
});

/** The quintic whose slope at 0 is as large as it may be, so that small singular values grow fast (Jordan et al. 2024). */
const [a, b, c] = [3.4445, -4.775, 2.0315];

/** What `newtonSchulz` is told. */
export interface NewtonSchulzOptions {
  /** Number of steps; 5 unless given. */
  readonly steps?: number;
  /** Added to the norm that x is divided by; 1e-7 unless given. */
  readonly eps?: number;
}

/**
 * x [rows, columns] -> about U Vᵀ of its singular value decomposition U S Vᵀ: after five steps of X ← aX + (bA + cA²)X with A = X Xᵀ,
 * from x over its Frobenius norm, singular values lie between some 0.7 and 1.2, small ones below. Errors: ShapeError unless x has two axes.
 */
export function newtonSchulz(x: Tensor, options: NewtonSchulzOptions = {}): Tensor {
  takes("newtonSchulz(x: tensor, options?: { steps?: few, eps?: amount }, ...)", arguments);
  const { steps = 5, eps = 1e-7 } = options;
  if (x.shape.length !== 2) throw new ShapeError(`newtonSchulz: x has shape [${x.shape}]; expected [rows, columns]`);
  const [rows, columns] = x.shape;
  let y = div(x, add(gradNorm([x]).norm, eps));
  for (let i = 0; i < steps; i++) y = rows > columns ? tall(y) : wide(y);
  return y;
}

/** bA + cA², of a symmetric A. */
const inner = (A: Tensor): Tensor => add(scale(A, { factor: b }), scale(matmul(A, A), { factor: c }));

const wide = (X: Tensor): Tensor => add(scale(X, { factor: a }), matmul(inner(matmulNT(X, X)), X));

/** The same of Xᵀ, without transposing: A is square over the shorter axis. */
const tall = (X: Tensor): Tensor => add(scale(X, { factor: a }), matmul(X, inner(matmulTN(X, X))));

/** What `muon` is told beside its tensors. */
export interface MuonAttrs {
  readonly lr: number;
  readonly beta?: number;
  readonly nesterov?: boolean;
  readonly decay?: number;
  /** Factor on the orthogonal step; 1 unless given. */
  readonly scale?: number;
  readonly least?: number;
  readonly most?: number;
  readonly steps?: number;
  readonly eps?: number;
}

/**
 * One update of a matrix in place: p [rows, columns], its gradient g, its momentum m (zero at first), and the factor on the gradient
 * (see clipFactor; 0 skips the update): p ← p(1 − lr·decay) − lr · scale · newtonSchulz(momentum). Errors: ShapeError unless p has two axes.
 */
export function muon(p: Tensor, g: Tensor, m: Tensor, factor: Tensor, attrs: MuonAttrs): void {
  takes(
    "muon(p: tensor, g: tensor, m: tensor, factor: tensor, attrs: { lr: amount, beta?: rate, nesterov?: flag, decay?: amount, " +
      "scale?: amount, least?: real, most?: real, steps?: few, eps?: amount })",
    arguments,
  );
  if (p.shape.length !== 2) throw new ShapeError(`muon: p has shape [${p.shape}]; expected [rows, columns]`);
  const { lr, beta = 0.95, nesterov = true, decay = 0, least = -Infinity, most = Infinity, steps, eps } = attrs;
  const u = muonMoment(g, m, factor, { beta, nesterov }) as unknown as Tensor;
  const o = newtonSchulz(u.reshape(p.shape), { steps, eps });
  muonStep(p, o, factor, { lr, scale: attrs.scale ?? 1, decay, least, most });
}
