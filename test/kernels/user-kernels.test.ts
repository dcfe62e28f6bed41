// Kernels as others write them: sizes in uniform buffers are filled as immediates are, and what a pass cannot have is said in a sentence.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { completeText } from "../../engine/declare/kernel-text.ts";
import { ceilDiv, compute, KernelError, op, pass, tensor } from "../../engine/index.ts";
import { sharedGpu } from "./derive.ts";

await sharedGpu();

const bindings = `@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;`;
const main = (count: string, factor: string) => `@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) { if (id.x < ${count}) { y[id.x] = ${factor} * x[id.x]; } }`;

const ported: Record<string, string> = {
  "a uniform struct": `struct Params { factor: f32, N: u32 }\n${bindings}
@group(0) @binding(2) var<uniform> params: Params;\n${main("params.N", "params.factor")}`,
  "a uniform before the buffers, its attributes turned round": `struct Params { N: u32, factor: f32 }
@binding(5) @group(0) var<uniform> params: Params;\n${bindings}\n${main("params.N", "params.factor")}`,
  "a uniform scalar": `@group(0) @binding(2) var<uniform> factor: f32;\n${bindings}\n${main("arrayLength(&y)", "factor")}`,
  "immediates in a struct of another name": `struct Sizes { N: u32, factor: f32 }\n${bindings}
var<immediate> sizes: Sizes;\n${main("sizes.N", "sizes.factor")}`,
  "directives of its own and comments": `/* enable nothing;\n @group(1) */\ndiagnostic(off, derivative_uniformity);\nstruct Dims { N: u32, factor: f32 }
${bindings}\nvar<immediate> dim: Dims;\n${main("dim.N", "dim.factor")}`,
};

let made = 0;
const scaled = (text: string) =>
  op({
    name: `scaled${++made}`,
    about: "y = factor · x",
    sig: "x_N:f32 -> y_N:f32",
    attrs: { factor: 3 },
    forward: [pass("x_N:f32 -> y_N:f32", text, ({ N }) => ceilDiv(N, 64))],
    ref: ({ x }, _, { factor }) => ({ y: x.map((v) => factor * v) }),
    flops: ({ N }) => N,
    bench: [{ N: 64 }],
  });

for (const [name, text] of Object.entries(ported))
  test(`${name}: runs as it is`, async () => {
    const times = scaled(text);
    assert.equal([...(await compute(() => times(tensor([1, 2, 4]))))], [3, 6, 12]);
    assert.equal([...(await compute(() => times(tensor([1, 2, 4]), { factor: 0.5 })))], [0.5, 1, 2]);
  });

const options = { T: "f32", subgroup: 4, sizeControl: false } as const;
const whole = `${bindings}\n${main("3u", "2.0")}`;

const refused: [name: string, text: string, sentence: RegExp][] = [
  [
    "a vector in the sizes",
    `struct P { N: vec3u }\n@group(0) @binding(2) var<uniform> p: P;\n${whole}`,
    /^k:1: P has "N: vec3u"; sizes and attributes arrive in one struct of u32, i32 and f32/,
  ],
  [
    "an array in the sizes",
    `@group(0) @binding(2) var<uniform> p: Q;\n${whole}`,
    /^k:1: p is Q; sizes and attributes arrive/,
  ],
  [
    "two uniforms",
    `struct P { N: u32 }\n@group(0) @binding(2) var<uniform> p: P;\n@group(0) @binding(3) var<uniform> q: P;\n${whole}`,
    /^k:3: a second variable for sizes, q/,
  ],
  [
    "17 sizes",
    `struct P { ${Array.from({ length: 17 }, (_, i) => `a${i}: u32`).join(", ")} }\nvar<immediate> p: P;\n${whole}`,
    /^k:1: P has 17 fields; immediates hold 16/,
  ],
  [
    "another group",
    `${whole}\n@group(1) @binding(0) var<storage, read> z: array<f32>;`,
    /^k:5: @group\(1\) is bindings of another group/,
  ],
  ["a texture", `@group(0) @binding(2) var t: texture_2d<f32>;\n${whole}`, /^k:1: .*texture.* a pass has tensors/],
  ["a sampler", `${whole}\n@group(0) @binding(2) var s: sampler;`, /^k:5: .*sampler.* a pass has tensors/],
  ["no entry point", bindings, /^k: no entry point; a kernel has @compute/],
  [
    "an entry point of another name",
    whole.replace("fn main", "fn run"),
    /^k:3: the entry point is run; a kernel has @compute fn main/,
  ],
  [
    "two entry points",
    `${whole}\n${main("1u", "1.0").replace("main", "second")}`,
    /^k:5: a second entry point, second/,
  ],
  [
    "an override without a default",
    `override WG: u32;\n${whole}`,
    /^k:1: override WG: u32; is an override without a default/,
  ],
];

for (const [name, text, sentence] of refused)
  test(`${name}: a sentence with the line`, () => {
    assert.throws(
      () => completeText(text, options, "k"),
      (error: unknown) => error instanceof KernelError && sentence.test(error.message),
    );
  });

test("bindings and signature that do not fit: a sentence", async () => {
  const fails = async (text: string, sentence: RegExp) => {
    const times = scaled(text);
    const error = await compute(() => times(tensor([1]))).catch((thrown) => thrown);
    assert.instance(error, KernelError);
    assert.match(error.message, sentence);
  };
  await fails(whole.replaceAll(/\bx\b(?=:|\[)/g, "input"), /the kernel binds input, the pass has x, y/);
  await fails(
    whole.replace("storage, read>", "storage, read_write>"),
    /x is read_write in the kernel, an input of the pass/,
  );
  await fails(whole.replace(/.*y: array.*/, "var<private> y: array<f32, 3>;"), /the kernel does not bind y/);
  const unknown = `struct P { M: u32 }\n@group(0) @binding(2) var<uniform> p: P;\n${whole}`;
  await fails(unknown, /M in the struct of sizes is no axis, attribute or uniform of the pass/);
});

test.run();
