// Minimises ½Σ‖w_k‖² + C·Σ_i loss(z_i), z_ik = w_k·x_i + b_k, to its optimum: L-BFGS whose first guess of the inverse
// Hessian is the exact one for constant class probabilities, with a line search on the slope. All columns of all problems
// share the two passes over X that an iteration costs. Features are centred inside, which takes the intercept out of the
// Hessian; the intercept is not penalised. What L-BFGS cannot bring to the optimum (features of very different size, classes
// that are separable and hardly penalised) is finished with Newton steps, in newton.ts.

import { HealthError } from "../../engine/errors.ts";
import {
  addScaled,
  cholesky,
  dot,
  projectBack,
  gram,
  project,
  type Rows,
  solveCholesky,
  symmetricEigen,
} from "./linear-algebra.ts";
import { newtonDirection } from "./newton.ts";

/** The data term of one problem over its own columns. */
export interface Loss {
  /** Columns of z this problem owns: one for a label of one-vs-rest, all classes for softmax. */
  readonly columns: number;
  /** Σ_i loss; writes r[k][i] = ∂loss/∂z_ik. */
  evaluate(z: readonly Float64Array[], r: readonly Float64Array[]): number;
  /** The mean over i of ∂²loss/∂z_ij∂z_ik, [columns, columns]. */
  curvature(z: readonly Float64Array[]): Float64Array;
  /** h[i] = ∂²loss/∂z_ij∂z_ik for every row i. */
  second(z: readonly Float64Array[], j: number, k: number, h: Float64Array): void;
}

/** Weights [columns][d] and intercepts of one problem, in the centred features. */
export interface Start {
  readonly weights: readonly Float64Array[];
  readonly intercepts: ArrayLike<number>;
}

/** The optimum of one problem: `gradient` is the largest absolute entry of the objective's gradient there. */
export interface Optimum {
  readonly weights: Float64Array[];
  readonly intercepts: Float64Array;
  readonly objective: number;
  readonly gradient: number;
  readonly iterations: number;
}

/** How far to go: `gradient` is the largest absolute entry allowed. The objective is in units of C times a log-likelihood. */
export interface SearchLimits {
  readonly gradient: number;
  readonly iterations: number;
}

const MEMORY = 12;
/** A gradient at which no weight is further than that from the optimum, for the Hessian is ≥ 1. */
const ENOUGH = 1e-6;
/** Newton steps are tried where a problem has at most this many unknowns: the Hessian then takes up to 128 MB. */
const NEWTON_SIZE = 4096;
const NEWTON_STEPS = 200;

/** Solves all problems over the same rows `x` (centred) together; the sum over i in `Loss` is weighted by `C`. It yields between steps. */
export function* minimise(
  x: Rows,
  mean: Float64Array,
  C: number,
  losses: readonly Loss[],
  starts: readonly Start[],
  limits: SearchLimits = { gradient: 1e-8, iterations: 300 },
): Generator<void, Optimum[]> {
  const problems = losses.map((loss, i) => new Problem(x, mean, C, loss, starts[i]));
  project(x, columns(problems, "weights"), columns(problems, "z"));
  for (const p of problems) p.begin();
  const inverse = factors(x, C);
  for (const p of problems) p.precondition = preconditioner(inverse, x, C, p.loss.curvature(p.z));
  let active = problems;
  projectBack(x, columns(active, "r"), columns(active, "weightGradient"));
  for (const p of active) p.finishGradient();
  for (let step = 0; ; step++) {
    active = active.filter((p) => !p.stalled && p.norm > limits.gradient);
    if (active.length === 0) break;
    if (step === limits.iterations) break;
    yield;
    for (const p of active) p.chooseDirection();
    project(x, columns(active, "directionWeights"), columns(active, "dz"));
    for (const p of active) p.search();
    projectBack(x, columns(active, "r"), columns(active, "weightGradient"));
    for (const p of active) p.finishGradient();
  }
  for (const p of problems) if (p.norm > Math.max(ENOUGH, limits.gradient)) yield* p.polish();
  const sick = problems.find((p) => !p.isSolved(limits));
  if (sick) throw notConverged(sick, sick.iterations);
  return problems.map((p) => p.optimum());
}

function notConverged(p: Problem, steps: number): HealthError {
  return new HealthError(
    `logistic probe: the gradient is still ${p.norm.toExponential(2)} after ${steps} iterations; scale the features or lower C`,
  );
}

type ColumnField = "weights" | "z" | "dz" | "r" | "weightGradient" | "directionWeights";
const columns = (problems: readonly Problem[], field: ColumnField) => problems.flatMap((p) => p[field]);

/** One problem's point, gradient and history. Vectors hold, per column, d weights and then the intercept. */
class Problem {
  readonly theta: Float64Array;
  readonly gradient: Float64Array;
  readonly direction: Float64Array;
  readonly weights: Float64Array[];
  readonly weightGradient: Float64Array[];
  readonly directionWeights: Float64Array[];
  readonly z: Float64Array[];
  readonly dz: Float64Array[];
  readonly r: Float64Array[];
  /** A gradient this small is rounding: what C Σ r x loses in f64. */
  readonly noise: number;
  precondition: (g: Float64Array) => void = () => {};
  norm = Number.POSITIVE_INFINITY;
  /** Length of the last Newton step in the norm of the Hessian; no weight is further from the optimum, for the Hessian is ≥ 1. */
  distance = Number.POSITIVE_INFINITY;
  stalled = false;
  iterations = 0;
  private value = 0;
  private readonly trial: Float64Array[];
  private readonly before: Float64Array;
  private readonly stepTaken: Float64Array;
  private readonly history: { s: Float64Array; y: Float64Array; rho: number }[] = [];

  constructor(
    private readonly x: Rows,
    private readonly mean: Float64Array,
    private readonly C: number,
    readonly loss: Loss,
    start: Start,
  ) {
    const size = loss.columns * (x.d + 1);
    const split = (vector: Float64Array) =>
      Array.from({ length: loss.columns }, (_, k) => vector.subarray(k * (x.d + 1), k * (x.d + 1) + x.d));
    const perRow = () => Array.from({ length: loss.columns }, () => new Float64Array(x.padded));
    this.theta = new Float64Array(size);
    this.gradient = new Float64Array(size);
    this.direction = new Float64Array(size);
    this.before = new Float64Array(size);
    this.stepTaken = new Float64Array(size);
    this.weights = split(this.theta);
    this.weightGradient = split(this.gradient);
    this.directionWeights = split(this.direction);
    [this.z, this.dz, this.r, this.trial] = [perRow(), perRow(), perRow(), perRow()];
    for (let k = 0; k < loss.columns; k++) {
      this.weights[k].set(start.weights[k]);
      this.theta[this.intercept(k)] = start.intercepts[k];
    }
    let largest = 1;
    for (const v of x.data) largest = Math.max(largest, Math.abs(v));
    for (const v of mean) largest = Math.max(largest, Math.abs(v));
    this.noise = 1e-14 * C * x.n * largest;
  }

  private intercept(k: number): number {
    return k * (this.x.d + 1) + this.x.d;
  }

  /** After z = X w: adds the intercepts and evaluates the loss. */
  begin(): void {
    this.shift(this.z, this.theta);
    this.value = this.C * this.loss.evaluate(this.z, this.r) + this.penalty();
  }

  private shift(z: readonly Float64Array[], vector: Float64Array): void {
    for (let k = 0; k < z.length; k++) {
      const b = vector[this.intercept(k)];
      for (let i = 0; i < this.x.n; i++) z[k][i] += b;
    }
  }

  private penalty(): number {
    return this.weights.reduce((sum, w) => sum + dot(w, w) / 2, 0);
  }

  /** After Xᵀr: scales by C, adds the penalty and the intercepts, updates norm and history. */
  finishGradient(): void {
    this.norm = 0;
    for (let k = 0; k < this.loss.columns; k++) {
      const [w, g] = [this.weights[k], this.weightGradient[k]];
      let total = 0;
      for (let i = 0; i < this.x.n; i++) total += this.r[k][i];
      const slope = this.C * total;
      this.gradient[this.intercept(k)] = slope;
      this.norm = Math.max(this.norm, Math.abs(slope));
      for (let j = 0; j < g.length; j++) {
        g[j] = w[j] + this.C * g[j];
        this.norm = Math.max(this.norm, Math.abs(g[j] + this.mean[j] * slope));
      }
    }
    if (this.iterations > 0) this.remember();
    this.before.set(this.gradient);
  }

  private remember(): void {
    const y = Float64Array.from(this.gradient, (g, j) => g - this.before[j]);
    const sy = dot(this.stepTaken, y);
    if (!(sy > 0)) return;
    this.history.push({ s: Float64Array.from(this.stepTaken), y, rho: 1 / sy });
    if (this.history.length > MEMORY) this.history.shift();
  }

  /** The two-loop recursion of L-BFGS (Nocedal & Wright, algorithm 7.4) around the preconditioner. */
  chooseDirection(): void {
    const p = this.direction;
    for (let j = 0; j < p.length; j++) p[j] = -this.gradient[j];
    const alpha = new Float64Array(this.history.length);
    for (let h = this.history.length - 1; h >= 0; h--) {
      const { s, y, rho } = this.history[h];
      alpha[h] = rho * dot(s, p);
      addScaled(p, -alpha[h], y);
    }
    this.precondition(p);
    for (let h = 0; h < this.history.length; h++) {
      const { s, y, rho } = this.history[h];
      addScaled(p, alpha[h] - rho * dot(y, p), s);
    }
  }

  /**
   * Finds t with a slope at most a tenth of the first one along the direction. The objective is convex, so its slope only
   * grows: a bracket on the sign, and inside it false position (Illinois) with halving in between, find the zero. z, r, theta move to the point found;
   * false where there is none.
   */
  search(): boolean {
    this.shift(this.dz, this.direction);
    const [penaltySlope, penaltyCurvature] = this.penaltyAlong();
    const slope0 = this.C * this.slope(this.r) + penaltySlope;
    const value0 = this.value;
    if (!(slope0 < 0)) {
      this.stall();
      return false;
    }
    let [low, high] = [
      { t: 0, slope: slope0 },
      { t: Number.POSITIVE_INFINITY, slope: 0 },
    ];
    let t = 1;
    for (let attempt = 0; attempt < 60; attempt++) {
      this.moveTrial(t);
      const value =
        this.C * this.loss.evaluate(this.trial, this.r) +
        this.penalty() +
        t * penaltySlope +
        (t * t * penaltyCurvature) / 2;
      const slope = this.C * this.slope(this.r) + penaltySlope + t * penaltyCurvature;
      const enough = Math.abs(slope) <= 0.1 * -slope0 && value <= value0 + 1e-12 * Math.abs(value0);
      if (enough) {
        this.accept(t, value);
        return true;
      }
      if (slope < 0) {
        if (low.t > 0 && high.t < Number.POSITIVE_INFINITY) high.slope /= 2;
        low = { t, slope };
      } else {
        if (high.t < Number.POSITIVE_INFINITY) low.slope /= 2;
        high = { t, slope };
      }
      if (high.t === Number.POSITIVE_INFINITY) t *= 3;
      else if (attempt % 4 === 3) t = (low.t + high.t) / 2;
      else t = low.t + ((high.t - low.t) * -low.slope) / (high.slope - low.slope);
    }
    this.stall();
    return false;
  }

  private penaltyAlong(): [slope: number, curvature: number] {
    let [slope, curvature] = [0, 0];
    for (let k = 0; k < this.weights.length; k++) {
      slope += dot(this.weights[k], this.directionWeights[k]);
      curvature += dot(this.directionWeights[k], this.directionWeights[k]);
    }
    return [slope, curvature];
  }

  private slope(r: readonly Float64Array[]): number {
    return r.reduce((sum, column, k) => sum + dot(column, this.dz[k]), 0);
  }

  private moveTrial(t: number): void {
    for (let k = 0; k < this.z.length; k++)
      for (let i = 0; i < this.x.n; i++) this.trial[k][i] = this.z[k][i] + t * this.dz[k][i];
  }

  private accept(t: number, value: number): void {
    for (let k = 0; k < this.z.length; k++) this.z[k].set(this.trial[k]);
    for (let j = 0; j < this.theta.length; j++) this.stepTaken[j] = t * this.direction[j];
    addScaled(this.theta, 1, this.stepTaken);
    this.value = value;
    this.iterations++;
  }

  /** No way down that rounding lets us see: stay. The caller judges whether the gradient is small enough. */
  private stall(): void {
    this.stalled = true;
    this.loss.evaluate(this.z, this.r);
    this.stepTaken.fill(0);
  }

  isSolved({ gradient }: SearchLimits): boolean {
    if (this.norm <= Math.max(ENOUGH, gradient, this.noise)) return true;
    const length = Math.sqrt(2 * this.penalty());
    return this.distance <= 1e-6 * Math.max(1, length) && this.distance ** 2 <= 1e-9 * this.value;
  }

  /** Newton steps with the whole Hessian, until they no longer get shorter. */
  *polish(): Generator<void, void> {
    const { x, C, loss, z, direction } = this;
    if (this.theta.length > NEWTON_SIZE) return;
    for (let step = 0; step < NEWTON_STEPS; step++) {
      yield;
      const square = newtonDirection(x, C, loss, z, this.gradient, direction);
      const near = square <= 1e-12 * this.value;
      if (!Number.isFinite(square) || (near && Math.sqrt(square) >= this.distance / 2)) return;
      this.distance = Math.sqrt(square);
      project(x, this.directionWeights, this.dz);
      if (near) this.takeWhole();
      else if (!this.search()) return;
      projectBack(x, this.r, this.weightGradient);
      this.finishGradient();
    }
  }

  /** The step of length one: so near the optimum the objective no longer tells a good one from a bad one. */
  private takeWhole(): void {
    this.shift(this.dz, this.direction);
    this.moveTrial(1);
    const data = this.C * this.loss.evaluate(this.trial, this.r);
    this.accept(1, 0);
    this.value = data + this.penalty();
  }

  optimum(): Optimum {
    return {
      weights: this.weights.map((w) => Float64Array.from(w)),
      intercepts: Float64Array.from(this.weights, (w, k) => this.theta[this.intercept(k)] - dot(w, this.mean)),
      objective: this.value,
      gradient: this.norm,
      iterations: this.iterations,
    };
  }
}

/** Cholesky factors of I + C·s·XᵀX for s rounded to a power of two: labels of like frequency share one. */
function factors(x: Rows, C: number): (s: number) => Float64Array {
  const xx = gram(x);
  const known = new Map<number, Float64Array>();
  return (s) => {
    const power = s > 2 ** -60 ? Math.round(Math.log2(s)) : Number.NEGATIVE_INFINITY;
    if (!known.has(power)) known.set(power, cholesky(xx, x.d, 1, C * 2 ** power));
    return known.get(power)!;
  };
}

/**
 * Solves M v = g in place for M = (the Hessian if every sample had the mean curvature S): with S = UΛUᵀ the problem falls
 * apart into one system I + CλXᵀX per eigenvalue, and an intercept with curvature Cλn. λ = 0 is the direction in which all
 * intercepts of a softmax move together; there is nothing to gain there.
 */
function preconditioner(
  factor: (s: number) => Float64Array,
  x: Rows,
  C: number,
  S: Float64Array,
): (g: Float64Array) => void {
  const K = Math.round(Math.sqrt(S.length));
  const { values, vectors } = symmetricEigen(S, K);
  const stride = x.d + 1;
  const rotated = Array.from({ length: K }, () => new Float64Array(stride));
  return (g) => {
    for (let j = 0; j < K; j++) {
      const v = rotated[j].fill(0);
      for (let k = 0; k < K; k++) addScaled(v, vectors[k * K + j], g.subarray(k * stride, (k + 1) * stride));
      solveCholesky(factor(values[j]), x.d, v.subarray(0, x.d));
      v[x.d] = values[j] > 1e-12 ? v[x.d] / (C * values[j] * x.n) : 0;
    }
    for (let k = 0; k < K; k++) {
      const out = g.subarray(k * stride, (k + 1) * stride).fill(0);
      for (let j = 0; j < K; j++) addScaled(out, vectors[k * K + j], rotated[j]);
    }
  };
}
