// gpu.js: JavaScript functions turned into kernels; plain JavaScript in mode "cpu", WGSL on our Dawn in mode "webgpu".
// It reads its kernels from their source text, so they are function expressions of plain arithmetic.
import type { Gpu } from "../../engine/gpu.ts";
import { type Baseline, type Contestant, type Problem, withNavigator } from "./problem.ts";

/** What we use of the package's own types, which demand the DOM. */
interface Kernel {
  (...inputs: unknown[]): unknown;
  setOutput(shape: number[]): Kernel;
  setLoopMaxIterations(most: number): Kernel;
  destroy(): void;
}
interface GpuJs {
  createKernel(body: (this: Thread, ...inputs: never[]) => number, settings: object): Kernel;
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

const softmax = function (this: Thread, x: Rows): number {
  let top = x[this.thread.y][0];
  for (let d = 1; d < this.constants.D; d++) top = Math.max(top, x[this.thread.y][d]);
  let sum = 0;
  for (let d = 0; d < this.constants.D; d++) sum += Math.exp(x[this.thread.y][d] - top);
  return Math.exp(x[this.thread.y][this.thread.x] - top) / sum;
};

const layernorm = function (this: Thread, x: Rows, gain: number[], bias: number[]): number {
  let mean = 0;
  for (let d = 0; d < this.constants.D; d++) mean += x[this.thread.y][d] / this.constants.D;
  let variance = 0;
  for (let d = 0; d < this.constants.D; d++) {
    const off = x[this.thread.y][d] - mean;
    variance += (off * off) / this.constants.D;
  }
  const scale = 1 / Math.sqrt(variance + 0.00001);
  return gain[this.thread.x] * (x[this.thread.y][this.thread.x] - mean) * scale + bias[this.thread.x];
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

const bodies = { matmul, softmax, layernorm, gelu } as unknown as Record<
  Problem["op"],
  (this: Thread, ...inputs: never[]) => number
>;

/** Rows and columns of the result, and the inputs as matrices [columns, rows] or vectors. */
function shapeOf({ op, dims, inputs }: Problem): { rows: number; columns: number; shapes: [Float32Array, number[]][] } {
  const { N = 1, K = 1, M = 1, D = 1 } = dims;
  if (op === "matmul")
    return {
      rows: N,
      columns: M,
      shapes: [
        [inputs.x, [K, N]],
        [inputs.w, [M, K]],
      ],
    };
  if (op === "gelu") return { rows: N / 768, columns: 768, shapes: [[inputs.x, [768, N / 768]]] };
  const vectors = op === "layernorm" ? [inputs.gain, inputs.bias] : [];
  return {
    rows: N,
    columns: D,
    shapes: [[inputs.x, [D, N]], ...vectors.map((v): [Float32Array, number[]] => [v, [D]])],
  };
}

async function contestant(problem: Problem, mode: string): Promise<Contestant> {
  const { default: loaded, ...named } = (await import("gpu.js")) as unknown as { default?: Package } & Package;
  const { GPU, input } = loaded ?? named;
  const gpu = new GPU({ mode });
  const { rows, columns, shapes } = shapeOf(problem);
  const kernel = gpu
    .createKernel(bodies[problem.op], { constants: problem.dims })
    .setOutput([columns, rows])
    .setLoopMaxIterations(10_000);
  const args = shapes.map(([data, shape]) => (shape.length === 1 ? data : input(data, shape)));
  let last: Float32Array[] = [];
  return {
    name: `gpu.js ${mode}`,
    async run(reps) {
      for (let i = 0; i < reps; i++) last = (await kernel(...args)) as Float32Array[];
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
