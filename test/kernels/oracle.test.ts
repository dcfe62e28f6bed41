// A second opinion: gpu.js in CPU mode computes products, softmax and layer normalisation, from formulas written here alone
// and with an interpreter that knows nothing of ours. It works in doubles.
import fc from "fast-check";
import * as gpuJs from "gpu.js";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { compute, type Tensor, tensor } from "../../engine/index.ts";
import { layernorm, matmul, matmulNT, matmulTN, softmax } from "../../kernels/index.ts";
import { gaussian, near, uniform } from "./derive.ts";
import { openTestGpu } from "../kit/gpu.ts";

/** What we use of the package's own types, which demand the DOM. */
interface Package {
  GPU: new (settings: { mode: string }) => { createKernel(body: Body, settings: object): Kernel };
  input(data: Float32Array, widthAndHeight: readonly number[]): unknown;
}
type Rows = number[][];
type Kernel = (...inputs: unknown[]) => Float32Array[];
/** One element of the output, at [thread.y, thread.x]. gpu.js reads the text of a function expression. */
type Body = (this: { thread: { x: number; y: number }; constants: { K: number } }, ...inputs: Rows[]) => number;

const { GPU, input } = gpuJs as unknown as Package;
const host = new GPU({ mode: "cpu" });
await openTestGpu();

const bodies: Record<string, Body> = {
  matmul: function (a, b) {
    let sum = 0;
    for (let k = 0; k < this.constants.K; k++) sum += a[this.thread.y][k] * b[k][this.thread.x];
    return sum;
  },
  matmulNT: function (a, b) {
    let sum = 0;
    for (let k = 0; k < this.constants.K; k++) sum += a[this.thread.y][k] * b[this.thread.x][k];
    return sum;
  },
  matmulTN: function (a, b) {
    let sum = 0;
    for (let k = 0; k < this.constants.K; k++) sum += a[k][this.thread.y] * b[k][this.thread.x];
    return sum;
  },
  softmax: function (x) {
    let sum = 0;
    for (let k = 0; k < this.constants.K; k++) sum += Math.exp(x[this.thread.y][k] - x[this.thread.y][this.thread.x]);
    return 1 / sum;
  },
  layernorm: function (x, gain, bias) {
    let mean = 0;
    for (let k = 0; k < this.constants.K; k++) mean += x[this.thread.y][k] / this.constants.K;
    let variance = 0;
    for (let k = 0; k < this.constants.K; k++) variance += (x[this.thread.y][k] - mean) ** 2 / this.constants.K;
    const unit = (x[this.thread.y][this.thread.x] - mean) / Math.sqrt(variance + 0.00001);
    return unit * gain[0][this.thread.x] + bias[0][this.thread.x];
  },
};

/** The body's numbers for [rows, columns] outputs; a kernel of gpu.js is for one shape. */
function second(name: string, rows: number, columns: number, K: number, inputs: readonly Tensor2[]): number[] {
  const settings = { output: [columns, rows], constants: { K }, loopMaxIterations: 1000 };
  const kernel = host.createKernel(bodies[name], settings);
  return kernel(...inputs.map(({ data, shape: [height, width] }) => input(data, [width, height]))).flatMap((row) => [
    ...row,
  ]);
}

/** A matrix on the host. */
interface Tensor2 {
  readonly data: Float32Array;
  readonly shape: readonly [rows: number, columns: number];
}

function drawn(shape: readonly [number, number], seed: number): Tensor2 {
  const random = uniform(seed);
  return { data: Float32Array.from({ length: shape[0] * shape[1] }, () => gaussian(random)), shape };
}

const onDevice = ({ data, shape }: Tensor2): Tensor => tensor(data, shape);
const sizes = fc.record({
  M: fc.integer({ min: 1, max: 40 }),
  N: fc.integer({ min: 1, max: 70 }),
  K: fc.integer({ min: 1, max: 50 }),
  seed: fc.integer({ min: 1, max: 2 ** 30 }),
});

/** Runs a property at cases drawn from SEED. */
const check = <C>(cases: fc.Arbitrary<C>, property: (c: C) => Promise<void>, numRuns: number): Promise<void> =>
  fc.assert(fc.asyncProperty(cases, property), {
    numRuns,
    seed: Number(process.env.SEED ?? 2022),
    includeErrorInReport: true,
  });

/** Sums of up to 70 products of about 1, rounded to 24 bits. */
const tolerance = 1e-5;

const products = { matmul, matmulNT, matmulTN };
for (const [name, product] of Object.entries(products))
  test(`${name} computes what gpu.js computes`, () =>
    check(
      sizes,
      async ({ M, N, K, seed }) => {
        const a = drawn(name === "matmulTN" ? [K, M] : [M, K], seed);
        const b = drawn(name === "matmulNT" ? [N, K] : [K, N], seed + 1);
        const got = await compute(() => product(onDevice(a), onDevice(b)));
        near(got, second(name, M, N, K, [a, b]), tolerance, name);
      },
      12,
    ));

test("softmax computes what gpu.js computes", () =>
  check(
    sizes,
    async ({ M, N, seed }) => {
      const x = drawn([M, N], seed);
      near(await compute(() => softmax(onDevice(x))), second("softmax", M, N, N, [x]), tolerance, "softmax");
    },
    12,
  ));

test("layernorm computes what gpu.js computes", () =>
  check(
    sizes,
    async ({ M, N, seed }) => {
      const [x, gain, bias] = [drawn([M, N], seed), drawn([1, N], seed + 1), drawn([1, N], seed + 2)];
      const got = await compute(() => layernorm(onDevice(x), tensor(gain.data, [N]), tensor(bias.data, [N])));
      near(got, second("layernorm", M, N, N, [x, gain, bias]), tolerance, "layernorm");
    },
    12,
  ));

test("gpu.js tells one formula from another (control)", () => {
  const matrices = [drawn([3, 4], 1), drawn([4, 4], 2)];
  const [nn, nt, again] = ["matmul", "matmulNT", "matmul"].map((name) => second(name, 3, 4, 4, matrices));
  assert.ok(nn.some((value, i) => Math.abs(value - nt[i]) > 1));
  near(nn, again, 0, "matmul");
});

test.run();
