// Products beyond what is derived from their declarations: every structure of the inner tile, bits, choices, refusals.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { LimitError, Scope, ShapeError, Tape, type Tensor, tensor } from "../../engine/index.ts";
import type { DeviceFacts } from "../../engine/declare/facts.ts";
import { later } from "../../engine/record/compute.ts";
import { linear, matmul, matmulNT, matmulTN } from "../../kernels/index.ts";
import { structures } from "../../kernels/matmul/structures.ts";
import { partsOfSum, splitCount } from "../../kernels/matmul/split.ts";
import { chooseStructure, classOf } from "../../kernels/matmul/table.ts";
import { product } from "../../kernels/matmul/tile.ts";
import { candidates, tasks, winner } from "../../kernels/matmul/tune.ts";
import { gaussian, uniform } from "./derive.ts";
import { openTestGpu } from "../kit/gpu.ts";

const gpu = await openTestGpu();
const forms = { NN: matmul, NT: matmulNT, TN: matmulTN };
type Form = keyof typeof forms;
const names = Object.entries(structures).flatMap(([name, { mode }]) => (mode === "mx" ? [] : [name]));

function drawn(numel: number, seed: number): Float32Array {
  const random = uniform(seed);
  return Float32Array.from({ length: numel }, () => gaussian(random));
}

/** Whether this driver makes one rounding of a product and its addition, as GPUs do: then 2^-24 is left here, else 0. */
async function isFused(): Promise<boolean> {
  const x = 1 + 2 ** -12;
  const [left] = await device("NN", Float32Array.of(1, x), Float32Array.of(-(1 + 2 ** -11), x), [1, 1, 2]);
  return left === 2 ** -24;
}

/** A product that is rounded, and added. */
const apart = (product: number, sum: number): number => Math.fround(sum + Math.fround(product));

/** A product that is added before anything is rounded: products of f32 are exact in f64, and their sums are rounded to odd there. */
function together(product: number, sum: number): number {
  const rounded = product + sum;
  const share = rounded - product;
  const lost = product - (rounded - share) + (sum - share); // 2Sum (Knuth)
  if (lost === 0) return Math.fround(rounded);
  const bits = new BigInt64Array(Float64Array.of(rounded).buffer);
  if (bits[0] % 2n === 0n) bits[0] += lost > 0 === rounded > 0 ? 1n : -1n;
  return Math.fround(new Float64Array(bits.buffer)[0]);
}

/** The product in f32, adding over k in order, with the sum of |a||b| of every element. */
function host(form: Form, a: Float32Array, b: Float32Array, [M, N, K]: readonly number[]) {
  const y = new Float32Array(M * N);
  const size = new Float64Array(M * N);
  for (let i = 0; i < M; i++)
    for (let j = 0; j < N; j++) {
      let sum = 0;
      for (let k = 0; k < K; k++) {
        const term = a[form === "TN" ? k * M + i : i * K + k] * b[form === "NT" ? j * K + k : k * N + j];
        sum = added(term, sum);
        size[i * N + j] += Math.abs(term);
      }
      y[i * N + j] = sum;
    }
  return { y, size };
}

async function device(form: Form, a: Float32Array, b: Float32Array, [M, N, K]: readonly number[]) {
  using scope = new Scope();
  void scope;
  const x = tensor(a, form === "TN" ? [K, M] : [M, K]);
  return await forms[form](x, tensor(b, form === "NT" ? [N, K] : [K, N])).data();
}

/** CPU rasterisers add in order, some in one rounding with the product: there the bits are the host's; GPUs are held to the error bound. */
async function agrees(form: Form, sizes: readonly number[], what: string): Promise<void> {
  const [M, N, K] = sizes;
  const [a, b] = [drawn(M * K, 1), drawn(K * N, 2)];
  const { y, size } = host(form, a, b, sizes);
  const got = await device(form, a, b, sizes);
  const wrong = y.findIndex((v, i) =>
    gpu.facts.software ? got[i] !== v : !(Math.abs(got[i] - v) <= 2 * K * 2 ** -24 * size[i]),
  );
  assert.is(wrong, -1, `${what} [${sizes}]: y[${wrong}] is ${got[wrong]}, the host has ${y[wrong]}`);
}

const added = (await isFused()) ? together : apart;

const quads = [97, 132, 84];
const ragged = [98, 131, 87];
for (const name of names)
  test(`${name} adds over k in order, as a host loop in f32 does`, async () => {
    gpu.forced.add(name);
    try {
      for (const form of name.startsWith("wg") ? (["NN"] as const) : (["NN", "NT", "TN"] as const))
        await agrees(form, quads, `${name} ${form}`);
      if (name === "sg16" || name === "wg64") await agrees("NT", ragged, `${name} NT`);
    } finally {
      gpu.forced.delete(name);
    }
  });

test("more rows than one grid dimension has tiles are folded into another", async () => {
  const rows = 8 * 65535 + 11; // of the 8-row tiles that so little work gets
  using scope = new Scope();
  void scope;
  const y = await matmul(tensor(drawn(rows, 1), [rows, 1]), tensor(new Float32Array([2]), [1, 1])).data();
  const wrong = drawn(rows, 1).findIndex((v, i) => y[i] !== 2 * v);
  assert.is(wrong, -1);
});

test("a batch beyond 65535 products is a LimitError, one of 65535 is not", () => {
  const shape = ({ N }: Record<string, number>) => {
    const whole = { ld: 1, strideN: 1 };
    return { M: 1, N: 1, K: 1, a: whole, b: whole, c: whole, batch: [N] as const };
  };
  const { variants } = product({ form: "NN", sig: "a_N b_N -> c_N", a: "a", b: "b", c: "c", shape });
  const grid = (N: number) => variants.get("sg8")!.grid({ N }, { SG: 8 }, {});
  assert.equal(grid(65535), [1, 1, 65535]);
  assert.throws(
    () => grid(65536),
    (error: unknown) => error instanceof LimitError && /65536 products/.test(error.message),
  );
});

test("rows may have any number of leading axes, and batches of matrices follow them", () => {
  using scope = new Scope();
  void scope;
  const x = tensor(drawn(2 * 3 * 5 * 4, 1), [2, 3, 5, 4]);
  assert.equal(matmul(x, tensor(drawn(24, 2), [4, 6])).shape, [2, 3, 5, 6]);
  assert.equal(matmulNT(x, x).shape, [2, 3, 5, 5]);
  assert.equal(matmulTN(x, x).shape, [2, 3, 4, 4]);
  assert.throws(
    () => matmul(x, tensor(drawn(48, 2), [2, 4, 6])), // 2 does not meet 3
    (error: unknown) => error instanceof ShapeError && /matmul: \[2,3,5,4\] and \[2,4,6\]/.test(error.message),
  );
});

test("a linear layer without bias, or with activation and residual, is the composition of its parts", async () => {
  const [x64, w64, b64, r64] = [drawn(35, 1), drawn(28, 2), drawn(4, 3), drawn(20, 4)];
  const outputs = async (f: (x: Tensor, w: Tensor, b: Tensor, r: Tensor) => Tensor[]) => {
    const reads: Promise<ArrayLike<number>>[] = [];
    {
      using tape = new Tape();
      void tape;
      const [x, w, b, r] = [tensor(x64, [5, 7]), tensor(w64, [4, 7]), tensor(b64, [4]), tensor(r64, [5, 4])];
      for (const y of f(x, w, b, r)) reads.push(later(y));
    }
    return Promise.all(reads);
  };
  const [bare, zero, both, after] = await outputs((x, w, b, r) => [
    linear(x, w, undefined, { activation: "quickGelu" }, r),
    linear(x, w, tensor(new Float32Array(4), [4]), { activation: "quickGelu" }, r),
    linear(x, w, b, {}, r),
    linear(x, w, b),
  ]);
  for (const [i, v] of Array.from(bare).entries()) assert.ok(Math.abs(v - zero[i]) <= 1e-6);
  for (const [i, v] of Array.from(both).entries()) assert.ok(Math.abs(v - after[i] - r64[i]) <= 1e-6);
});

const facts = (software: boolean, tuned: [string, string][] = []): DeviceFacts => ({
  adapter: "",
  software,
  subgroup: software ? 8 : 32,
  f16: false,
  workgroupBytes: 16384,
  workgroupSize: 256,
  tuned: new Map(tuned),
});

test("a tuned choice wins over the prior one, unless the structure is unknown", () => {
  const extent = { M: 512, N: 512, K: 512 };
  const key = classOf("NT", extent);
  const prior = chooseStructure("NT", extent, facts(true));
  assert.is(chooseStructure("NT", extent, facts(true, [[key, "wg128"]])), "wg128");
  assert.is(chooseStructure("NT", extent, facts(true, [[key, "wg1"]])), prior);
  assert.is(chooseStructure("NN", extent, facts(true, [[key, "wg128"]])), prior);
});

test("rasterisers take subgroup tiles, GPUs workgroup tiles that grow with the result", () => {
  assert.is(chooseStructure("NN", { M: 64, N: 64, K: 64 }, facts(true)), "sg8");
  assert.is(chooseStructure("NN", { M: 408, N: 2304, K: 768 }, facts(true)).slice(0, 2), "sg");
  assert.is(chooseStructure("NN", { M: 64, N: 64, K: 64 }, facts(false)), "wg32");
  assert.is(chooseStructure("NN", { M: 65536, N: 3072, K: 768 }, facts(false)), "wg128");
});

test("a tuned class tells sizes that vec4 loads can read from others, and batches from single products", () => {
  const key = (N: number, batch?: [number]) => classOf("NN", { M: 52, N, K: 64, batch });
  assert.is(key(52), key(60));
  assert.is.not(key(52), key(51));
  assert.is.not(key(52), key(52, [96]));
});

test("tuning keeps the prior choice unless another is right and at least 3 % quicker", () => {
  assert.is(
    winner(
      new Map([
        ["sg16", 1],
        ["sg8", 0.98],
        ["sg32", 2],
      ]),
    ),
    "sg16",
  );
  assert.is(
    winner(
      new Map([
        ["sg16", 1],
        ["sg8", 0.96],
        ["sg32", 2],
      ]),
    ),
    "sg8",
  );
  assert.is(
    winner(
      new Map([
        ["sg16", 1],
        ["sg8", undefined],
        ["sg32", 2],
      ]),
    ),
    "sg16",
  );
  assert.is(
    winner(
      new Map([
        ["sg16", undefined],
        ["sg8", 3],
        ["sg32", 2],
      ]),
    ),
    "sg32",
  );
});

test("tuning measures one product of each class, the prior choice first, workgroup tiles only where they may win", () => {
  const small = tasks(2 ** 24);
  const large = tasks(2 ** 36);
  assert.is(new Set(large.map(({ key }) => key)).size, large.length);
  assert.ok(small.length < large.length && small.every(({ M, N, K }) => M * N * K <= 2 ** 24));
  for (const task of large) {
    assert.is(candidates(task, facts(false))[0], chooseStructure(task.form, task, facts(false)));
    assert.is(candidates(task, facts(false)).length, names.length);
    assert.ok(candidates(task, facts(true)).every((name) => name.startsWith("sg")));
  }
});

test("long sums with small results are cut into parts, others are not", () => {
  assert.is(partsOfSum(127, 64, 64), 1);
  assert.is(partsOfSum(6528, 64, 64), 51);
  assert.is(partsOfSum(6528, 3072, 768), 1);
  assert.is(splitCount(facts(false), 51, 64, 64), "split");
  assert.is(splitCount(facts(true), 51, 64, 64), "direct");
  assert.is(splitCount(facts(false), 1, 64, 64), "direct");
});

test.run();
