// Products of halves on matrix units: every tile against f64 where a driver executes them, and its text for the sizes that GPUs have.
import { create, globals } from "webgpu";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { DeviceFacts, MatrixSize } from "../../engine/declare/facts.ts";
import { explain } from "../../engine/device/pipeline.ts";
import { compute, tensor } from "../../engine/index.ts";
import { cast, matmul, matmulNT, matmulTN, ops } from "../../kernels/index.ts";
import { runsTile, matrixChoice, matrixFor } from "../../kernels/matmul/matrices.ts";
import { type MatrixStructure, structures } from "../../kernels/matmul/structures.ts";
import { madeUp, textsOf } from "../kit/texts.ts";
import { gaussian, halved, uniform } from "./derive.ts";
import { openTestGpu } from "../kit/gpu.ts";

const { mx32, mx64, mx128 } = structures;
const tiles: readonly (readonly [string, MatrixStructure])[] = Object.entries({ mx32, mx64, mx128 });

/** As drivers offer them: lavapipe and Apple, NVIDIA, Intel. */
const sizes: readonly MatrixSize[] = [
  { m: 8, n: 8, k: 8 },
  { m: 16, n: 16, k: 16 },
  { m: 16, n: 8, k: 16 },
  { m: 8, n: 16, k: 16 },
];

const gpuOf = (matrices: readonly MatrixSize[], subgroup = 32): DeviceFacts => ({
  ...madeUp(subgroup, false, true),
  workgroupBytes: 49152,
  matrices,
});

const gpu = await openTestGpu();
const forms = { NN: matmul, NT: matmulNT, TN: matmulTN };
type Form = keyof typeof forms;
const hasMatrices = (gpu.facts.matrices ?? []).length > 0;

const drawn = (numel: number, seed: number): Float32Array => {
  const random = uniform(seed);
  return Float32Array.from({ length: numel }, () => halved(gaussian(random)));
};

/** [M, N] in f64, and the sum of |a||b| of every element. */
function host(form: Form, a: Float32Array, b: Float32Array, [M, N, K]: readonly number[]) {
  const [y, size] = [new Float64Array(M * N), new Float64Array(M * N)];
  for (let i = 0; i < M; i++)
    for (let j = 0; j < N; j++)
      for (let k = 0; k < K; k++) {
        const term = a[form === "TN" ? k * M + i : i * K + k] * b[form === "NT" ? j * K + k : k * N + j];
        y[i * N + j] += term;
        size[i * N + j] += Math.abs(term);
      }
  return { y, size };
}

/** Products of more than one tile that end within a tile and within a step, in vec4s, in loads, and number by number. */
const extents = [
  [132, 136, 68],
  [140, 130, 68],
  [131, 67, 37],
];

for (const [name] of tiles)
  for (const form of Object.keys(forms) as Form[])
    (hasMatrices ? test : test.skip)(`${name} ${form}: products of halves are summed in f32`, async () => {
      gpu.forced.add(name);
      try {
        for (const [M, N, K] of extents) {
          const [a, b] = [drawn(M * K, 1), drawn(K * N, 2)];
          const [got] = await compute(() => {
            const [x, w] = [tensor(a, form === "TN" ? [K, M] : [M, K]), tensor(b, form === "NT" ? [N, K] : [K, N])];
            return [cast(forms[form](cast(x, "f16"), cast(w, "f16")), "f32")];
          });
          const { y, size } = host(form, a, b, [M, N, K]);
          const wrong = y.findIndex(
            (v, i) => !(Math.abs(got[i] - v) <= 2 ** -11 * Math.abs(v) + 2 ** -24 + K * 2 ** -23 * size[i]),
          );
          assert.is(wrong, -1, `[${M}, ${N}, ${K}]: y[${wrong}] is ${got[wrong]}, expected ${y[wrong]}`);
        }
      } finally {
        gpu.forced.delete(name);
      }
    });

test("every tile compiles for the sizes that devices have", async () => {
  Object.assign(globalThis, globals);
  const instance = create(["backend=null", "enable-dawn-features=allow_unsafe_apis"]);
  (globalThis as { nullInstance?: GPU }).nullInstance = instance;
  const adapter = (await instance.requestAdapter())!;
  const requiredFeatures = [
    "subgroups",
    "subgroup-size-control",
    "shader-f16",
    "chromium-experimental-subgroup-matrix",
  ] as GPUFeatureName[];
  const device = await adapter.requestDevice({ requiredFeatures });
  let compiled = 0;
  for (const op of ops.filter(({ name }) => /^(matmul|linear)/.test(name)))
    for (const matrix of sizes)
      for (const { label, text } of textsOf(op, gpuOf([matrix]), "f16", true).filter(({ label }) =>
        / mx\d+$/.test(label),
      )) {
        device.pushErrorScope("validation"); // of the text: the null backend has less workgroup memory than a pipeline takes
        const module = device.createShaderModule({ code: text.code });
        const error = await device.popErrorScope();
        if (error) assert.unreachable(await explain(module, text.code, label, error.message));
        compiled++;
      }
  assert.ok(compiled > 100, `${compiled} texts`);
});

test("a device runs the tiles that its matrices fill, and that it has memory and threads for", () => {
  const names = (device: DeviceFacts) =>
    tiles.flatMap(([name, structure]) => (runsTile(structure, device) ? [name] : []));
  for (const matrix of sizes) assert.equal(names(gpuOf([matrix])), ["mx32", "mx64", "mx128"]);
  assert.equal(names({ ...gpuOf(sizes), workgroupBytes: 32768 }), ["mx32", "mx64"]);
  assert.equal(names(gpuOf([])), []);
  assert.equal(names({ ...gpuOf(sizes), matrices: undefined }), []);
  assert.equal(names(gpuOf([{ m: 24, n: 8, k: 16 }])), []);
  assert.equal(names(gpuOf(sizes, 64)), ["mx32", "mx64"]);
  assert.equal(matrixFor(structures.mx64, gpuOf(sizes)), { m: 16, n: 16, k: 16 });
});

test("matrices are chosen for large, deep products of halves on GPUs alone", () => {
  const device = gpuOf(sizes);
  assert.is(matrixChoice({ M: 6528, N: 3072, K: 768 }, device), "mx128");
  assert.is(matrixChoice({ M: 768, N: 768, K: 6528 }, device), "mx32");
  assert.is(matrixChoice({ M: 1232, N: 2048, K: 512 }, device), "mx64");
  assert.is(matrixChoice({ M: 408, N: 768, K: 768 }, device), undefined);
  assert.is(matrixChoice({ M: 65536, N: 3072, K: 64 }, device), undefined);
  assert.is(matrixChoice({ M: 6528, N: 3072, K: 768 }, { ...device, software: true }), undefined);
  assert.is(matrixChoice({ M: 6528, N: 3072, K: 768 }, gpuOf([])), undefined);
});

test.run();
