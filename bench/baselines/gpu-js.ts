// gpu.js: JavaScript functions turned into kernels; plain JavaScript in mode "cpu", WGSL on our Dawn in mode "webgpu".
// It reads its kernels from their source text, so they are function expressions of plain arithmetic.
import type { Gpu } from "../../engine/device/gpu.ts";
import { type Baseline, type Contestant, type Problem, withNavigator } from "./problem.ts";

/** What we use of the package's own types, which demand the DOM. */
interface Kernel {
  (...inputs: unknown[]): unknown;
  setOutput(shape: number[]): Kernel;
  setLoopMaxIterations(most: number): Kernel;
  destroy(): void;
}
interface GpuJs {
  createKernel(body: Body, settings: object): Kernel;
  destroy(): Promise<void>;
}
interface Thread {
  thread: { x: number; y: number };
  constants: Record<string, number>;
}
interface Package {
  GPU: new (settings: { mode: string }) => GpuJs;
  input(data: Float32Array, shape: number[]): unknown;
}

type Rows = number[][];

const matmul = function (this: Thread, x: Rows, w: Rows): number {
  let sum = 0;
  for (let k = 0; k < this.constants.K; k++) sum += x[this.thread.y][k] * w[k][this.thread.x];
  return sum;
};

const logSum = function (this: Thread, x: Rows): number {
  let top = x[this.thread.x][0];
  for (let d = 1; d < this.constants.D; d++) top = Math.max(top, x[this.thread.x][d]);
  let sum = 0;
  for (let d = 0; d < this.constants.D; d++) sum += Math.exp(x[this.thread.x][d] - top);
  return top + Math.log(sum);
};

const softmax = function (this: Thread, x: Rows, logSums: number[]): number {
  return Math.exp(x[this.thread.y][this.thread.x] - logSums[this.thread.y]);
};

const mean = function (this: Thread, x: Rows): number {
  let sum = 0;
  for (let d = 0; d < this.constants.D; d++) sum += x[this.thread.x][d];
  return sum / this.constants.D;
};

const inverseSpread = function (this: Thread, x: Rows, means: number[]): number {
  let sum = 0;
  for (let d = 0; d < this.constants.D; d++) {
    const off = x[this.thread.x][d] - means[this.thread.x];
    sum += off * off;
  }
  return 1 / Math.sqrt(sum / this.constants.D + 0.00001);
};

const normed = function (
  this: Thread,
  x: Rows,
  means: number[],
  spread: number[],
  gain: number[],
  bias: number[],
): number {
  const y = this.thread.y;
  return gain[this.thread.x] * (x[y][this.thread.x] - means[y]) * spread[y] + bias[this.thread.x];
};

const gelu = function (this: Thread, x: Rows): number {
  const v = x[this.thread.y][this.thread.x];
  const a = Math.abs(v) * Math.SQRT1_2;
  const t = 1 / (1 + 0.3275911 * a);
  const poly = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  const erf = 1 - poly * Math.exp(-a * a);
  let both = 1 - erf;
  if (v > 0) both = 1 + erf;
  return 0.5 * v * both;
};

type Body = (this: Thread, ...inputs: never[]) => number;
type Make = (body: Body, output: number[]) => Kernel;

/** The problem as one call, its kernels made by `make`; rows and columns of the result. */
function workOf(
  { op, dims, inputs }: Problem,
  make: Make,
  input: Package["input"],
): { work: () => Promise<Float32Array[]>; rows: number; columns: number } {
  const { N = 1, K = 1, M = 1, D = 1 } = dims;
  const call = async (kernel: Kernel, ...args: unknown[]) => (await kernel(...args)) as Float32Array[];
  if (op === "matmul") {
    const kernel = make(matmul, [M, N]);
    const [x, w] = [input(inputs.x, [K, N]), input(inputs.w, [M, K])];
    return { work: () => call(kernel, x, w), rows: N, columns: M };
  }
  if (op === "gelu") {
    const kernel = make(gelu, [768, N / 768]);
    const x = input(inputs.x, [768, N / 768]);
    return { work: () => call(kernel, x), rows: N / 768, columns: 768 };
  }
  const x = input(inputs.x, [D, N]);
  if (op === "softmax") {
    const [sums, result] = [make(logSum, [N]), make(softmax, [D, N])];
    return { work: async () => call(result, x, await call(sums, x)), rows: N, columns: D };
  }
  const [means, spreads, result] = [make(mean, [N]), make(inverseSpread, [N]), make(normed, [D, N])];
  const work = async () => {
    const centre = await call(means, x);
    return call(result, x, centre, await call(spreads, x, centre), inputs.gain, inputs.bias);
  };
  return { work, rows: N, columns: D };
}

async function contestant(problem: Problem, mode: string): Promise<Contestant> {
  const { default: loaded, ...named } = (await import("gpu.js")) as unknown as { default?: Package } & Package;
  const { GPU, input } = loaded ?? named;
  const gpu = new GPU({ mode });
  const make: Make = (body, output) =>
    gpu.createKernel(body, { constants: problem.dims }).setOutput(output).setLoopMaxIterations(10_000);
  const { work, rows, columns } = workOf(problem, make, input);
  let last: Float32Array[] = [];
  return {
    name: `gpu.js ${mode}`,
    async run(reps) {
      for (let i = 0; i < reps; i++) last = await work();
    },
    async output() {
      const flat = new Float32Array(rows * columns);
      for (const [y, row] of last.entries()) flat.set(row, y * columns);
      return flat;
    },
    free: () => void gpu.destroy(),
  };
}

/** gpu.js as plain JavaScript. */
export const gpuJsCpu: Baseline = {
  engine: "gpu.js cpu",
  prepare: (problem) => contestant(problem, "cpu"),
};

/** gpu.js on the Dawn instance that we opened; every call uploads its inputs and reads its result back. */
export const gpuJsWebgpu: Baseline = {
  engine: "gpu.js webgpu",
  async prepare(problem, _gpu: Gpu) {
    const instance = (globalThis as { emotionclipInstances?: object[] }).emotionclipInstances?.at(-1);
    if (!instance) throw new Error("no Dawn instance is open");
    withNavigator(instance);
    return contestant(problem, "webgpu");
  },
};
