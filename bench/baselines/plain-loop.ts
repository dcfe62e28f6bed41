// Plain TypeScript loops over Float32Array, as one would write them first. One thread, no GPU.
import type { Baseline, Contestant, Problem } from "./problem.ts";

/** c[N, M] = a[N, K] b[K, M], the loop order that walks rows. */
function matmul(a: Float32Array, b: Float32Array, c: Float32Array, N: number, K: number, M: number): void {
  c.fill(0);
  for (let n = 0; n < N; n++)
    for (let k = 0; k < K; k++) {
      const factor = a[n * K + k];
      for (let m = 0; m < M; m++) c[n * M + m] += factor * b[k * M + m];
    }
}

function softmax(x: Float32Array, y: Float32Array, D: number): void {
  for (let start = 0; start < x.length; start += D) {
    let top = Number.NEGATIVE_INFINITY;
    for (let d = 0; d < D; d++) top = Math.max(top, x[start + d]);
    let sum = 0;
    for (let d = 0; d < D; d++) sum += y[start + d] = Math.exp(x[start + d] - top);
    for (let d = 0; d < D; d++) y[start + d] /= sum;
  }
}

function layernorm({ x, gain, bias }: Problem["inputs"], y: Float32Array, D: number): void {
  for (let start = 0; start < x.length; start += D) {
    let mean = 0;
    for (let d = 0; d < D; d++) mean += x[start + d] / D;
    let variance = 0;
    for (let d = 0; d < D; d++) variance += (x[start + d] - mean) ** 2 / D;
    const scale = 1 / Math.sqrt(variance + 1e-5);
    for (let d = 0; d < D; d++) y[start + d] = gain[d] * (x[start + d] - mean) * scale + bias[d];
  }
}

/** Abramowitz & Stegun 7.1.26, |error| <= 1.5e-7: JavaScript has no erf. */
function erf(x: number): number {
  const t = 1 / (1 + 0.3275911 * Math.abs(x));
  const poly = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  return Math.sign(x) * (1 - poly * Math.exp(-x * x));
}

function gelu(x: Float32Array, y: Float32Array): void {
  for (let i = 0; i < x.length; i++) y[i] = 0.5 * x[i] * (1 + erf(x[i] * Math.SQRT1_2));
}

function workOf({ op, dims, inputs }: Problem): { y: Float32Array; work: () => void } {
  const { N = 1, K = 1, M = 1, D = 1 } = dims;
  const y = new Float32Array(op === "matmul" ? N * M : inputs.x.length);
  const work = {
    matmul: () => matmul(inputs.x, inputs.w, y, N, K, M),
    softmax: () => softmax(inputs.x, y, D),
    layernorm: () => layernorm(inputs, y, D),
    gelu: () => gelu(inputs.x, y),
  };
  return { y, work: work[op] };
}

export const plainLoop: Baseline = {
  engine: "plain loop",
  async prepare(problem: Problem): Promise<Contestant> {
    const { y, work } = workOf(problem);
    return {
      name: "plain loop",
      async run(reps) {
        for (let i = 0; i < reps; i++) work();
      },
      output: async () => y,
      free() {},
    };
  },
};
