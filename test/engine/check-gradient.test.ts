// checkGradient and numericalSlope: right gradients pass, wrong ones are found and named, kinks are told apart, and what float32
// cannot tell is said.
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  ceilDiv,
  checkGradient,
  detach,
  GradientError,
  numericalSlope,
  op,
  parameter,
  pass,
  type Tensor,
  tensor,
} from "../../engine/index.ts";
import {
  abs,
  add,
  attention,
  crossEntropy,
  div,
  dropout,
  exp,
  gelu,
  layernorm,
  linear,
  log,
  matmul,
  mean,
  mul,
  relu,
  softmax,
  sqrt,
  square,
  sub,
  sum,
  tanh,
} from "../../kernels/index.ts";
import { slopeOf } from "../../engine/device/slope.ts";
import { gaussian, sharedGpu, uniform } from "../kernels/derive.ts";
import { refusal } from "../kit/refusal.ts";

await sharedGpu();

const drawn = (seed: number, shape: readonly number[], size = 1, centre = 0) => {
  const random = uniform(seed);
  const count = shape.reduce((a, b) => a * b, 1);
  return { data: Float32Array.from({ length: count }, () => centre + size * gaussian(random)), shape };
};

/** y = x² with a gradient that is right but at the places where `wrong` holds: there it is `factor` times as large. */
const squareWith = (name: string, wrong: string, factor: number) =>
  op({
    name,
    about: "y = x², with a wrong gradient",
    sig: "x_N:f32 -> y_N:f32",
    forward: [pass("x_N:f32 -> y_N:f32", kernel("x", "y", "x[i] * x[i]"), ({ N }, { WG }) => ceilDiv(N, WG))],
    backward: [
      pass(
        "dy_N:f32 x_N:f32 -> dx_N:f32",
        kernel("dy x", "dx", `select(2.0, ${2 * factor}, ${wrong}) * x[i] * dy[i]`),
        ({ N }, { WG }) => ceilDiv(N, WG),
      ),
    ],
    ref: ({ x }) => ({ y: x.map((v) => v * v) }),
    flops: ({ N }) => N,
    bench: [{ N: 1024 }],
  });

const kernel = (reads: string, write: string, value: string) => `
struct Dims { N: u32 }
${[...reads.split(" "), write]
  .map(
    (name, i) =>
      `@group(0) @binding(${i}) var<storage, ${name === write ? "read_write" : "read"}> ${name}: array<f32>;`,
  )
  .join("\n")}
var<immediate> dim: Dims;
override WG: u32 = 64;
@compute @workgroup_size(WG) fn main(@builtin(global_invocation_id) id: vec3u) {
  let i = id.x;
  if (i < dim.N) { ${write}[i] = ${value}; }
}`;

const twice = squareWith("squareTwice", "true", 2);
const tail = squareWith("squareTail", "i == dim.N - 1", 0);
const slightly = squareWith("squareSlightly", "true", 1.01);

test("right gradients pass: compositions of ops, several inputs, any shape, integers passed on", async () => {
  const ids = Uint32Array.of(1, 0, 2);
  const cases: [string, Parameters<typeof checkGradient>[0], Parameters<typeof checkGradient>[1]][] = [
    ["a layer", (x, w, b) => gelu(linear(x, w, b)), [drawn(1, [5, 7]), drawn(2, [3, 7]), drawn(3, [3])]],
    ["a loss", (x, y) => crossEntropy(x, y), [drawn(4, [3, 4]), ids]],
    ["attention", (qkv) => attention(qkv, { heads: 2 }), [drawn(5, [2, 5, 24])]],
    ["layernorm", (x, g, b) => tanh(layernorm(x, g, b)), [drawn(6, [4, 8]), drawn(7, [8]), drawn(8, [8])]],
    ["a quotient", (a, b) => div(a, b), [drawn(9, [40]), drawn(10, [40], 0.2, 2)]],
    ["domains with an end", (x) => add(log(x), sqrt(x)), [[0.3, 1, 2.5, 0.05]]],
    ["large numbers", (x) => mean(square(x)), [drawn(11, [3, 30], 1e4)]],
    ["small numbers", (x) => exp(x), [drawn(12, [30], 1e-4)]],
    ["dropout with a seed", (x) => dropout(x, { p: 0.5, seed: 3 }), [drawn(13, [50])]],
    ["what depends on no input", (x, y) => add(mul(x, 0), y), [drawn(14, [6]), drawn(15, [6])]],
  ];
  for (const [name, f, inputs] of cases) {
    const { inputs: found } = await checkGradient(f, inputs);
    for (const { largest } of found) assert.ok(largest.difference < 1e-3, `${name}: ${JSON.stringify(largest)}`);
  }
});

test("a parameter is taken as an input by its values", async () => {
  const [w, x] = [parameter([0.5, -0.5], [1, 2]), parameter([1, 2, 3, 4], [2, 2])];
  const { inputs } = await checkGradient((x, w) => square(linear(x, w)), [x, w]);
  assert.equal(
    inputs.map(({ input, shape, kinks }) => [input, shape, kinks]),
    [
      [0, [2, 2], []],
      [1, [1, 2], []],
    ],
  );
});

test("a gradient that is twice as large, or 1% too large, is found and named with both slopes", async () => {
  const x = { data: [3, -1, 2, 5], shape: [2, 2] };
  const error = (await refusal(checkGradient((x) => sum(twice(x)), [x]))) as GradientError;
  assert.instance(error, GradientError);
  assert.match(
    error.message,
    /wrong gradient at element \[0, 0\] of inputs\[0\], shape \[2,2\]: the tape gives 12, the slope of f is 6 ±/,
  );
  const { gradient, slope } = error.found as { gradient: number; slope: number };
  assert.ok(Math.abs(gradient / slope - 2) < 1e-3, `${gradient}, ${slope}`);
  await refusal(
    checkGradient((x) => slightly(x), [drawn(1, [1000])]),
    "1% too large",
  );
});

test("one wrong element of many is found, wherever the inputs are", () =>
  fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 300 }),
      fc.integer({ min: 1, max: 1e6 }),
      fc.constantFrom(1e-3, 1, 1e3),
      async (n, seed, size) => {
        const x = { data: drawn(seed, [n], size, 2 * size).data, shape: [n] };
        const error = await refusal(
          checkGradient((x) => tail(x), [x]),
          `a wrong tail of ${n}`,
        );
        assert.match(error.message, new RegExp(`wrong gradient at element \\[${n - 1}\\] of`));
      },
    ),
    { seed: 2022, numRuns: 8 },
  ));

test("a part of f without gradient is found", async () => {
  const f = (x: Tensor) => mul(x, detach(x)); // the tape sees half of it
  assert.match((await refusal(checkGradient(f, [drawn(3, [8])]))).message, /wrong gradient/);
});

test("a kink at the inputs is told apart: between its sides any slope is right, beyond them none", async () => {
  const { inputs } = await checkGradient((x) => relu(x), [[0, 1, -1, 0]]);
  assert.equal(inputs[0].kinks, [0, 3]);
  await checkGradient((x) => abs(x), [[0, 3]]); // 0 is the mean of its sides
  const beyond = (x: Tensor) => sum(add(abs(x), mul(sub(x, detach(x)), 3))); // 3 more on the tape than in values
  assert.match(
    (await refusal(checkGradient(beyond, [[0, 1]]))).message,
    /element \[0\] .*the tape gives 3, .*f has a kink there, with the slopes -1 and 1 on its sides/,
  );
});

test("kinks near the inputs are no fault: relu of a thousand numbers", async () => {
  const { inputs } = await checkGradient((x) => relu(x), [drawn(21, [1000])]);
  assert.ok(inputs[0].kinks.length < 20, `${inputs[0].kinks}`);
  await checkGradient((x, w) => sum(square(relu(matmul(x, w)))), [drawn(22, [8, 16]), drawn(23, [16, 32])]);
});

test("a network of kinks: right ones pass, and one wrong element of its weights is found", async () => {
  const inputs = (seed: number) => [drawn(seed, [16, 8]), drawn(seed + 1, [32, 8], 0.5), drawn(seed + 2, [5, 32], 0.3)];
  const classes = Uint32Array.from({ length: 16 }, (_, i) => i % 5);
  const loss = (x: Tensor, w: Tensor, v: Tensor, y: Tensor<"u32">) => crossEntropy(linear(relu(linear(x, w)), v), y);
  for (const seed of [100, 200, 300]) {
    const found = (await checkGradient(loss, [...inputs(seed), classes])).inputs;
    for (const { shape, unknown } of found) assert.ok(unknown.length <= (shape[0] * shape[1]) / 20, `${unknown}`);
  }
  const one = Float32Array.from({ length: 256 }, (_, i) => Number(i === 77));
  const bent = (w: Tensor) => sub(w, mul(sub(w, detach(w)), tensor(one, [32, 8]))); // no gradient at that element
  const error = await refusal(checkGradient((x, w, v, y) => loss(x, bent(w), v, y), [...inputs(100), classes]));
  assert.match(error.message, /wrong gradient at element \[9, 5\] of inputs\[1\], shape \[32,8\]: the tape gives 0,/);
});

test("what float32 cannot tell is said, and not passed over", async () => {
  const error = await refusal(checkGradient((x) => add(sum(square(x)), 1e7), [drawn(31, [4])]));
  assert.match(error.message, /slopes of \d+ of 4 elements of inputs\[0\] are not known well enough/);
});

test("slopes that are 0 in truth are right within rounding, beside an input that has some", async () => {
  const f = (x: Tensor, b: Tensor) => layernorm(add(x, b), parameter([1, 2, 3, 4, 5]), parameter([0, 0, 0, 0, 0]));
  await checkGradient(f, [drawn(41, [3, 5]), drawn(42, [3, 1])]);
  // also where a driver gives equal sums throughout: a slope may hide in their rounding
  const alone = await refusal(checkGradient((x) => sum(softmax(x)), [drawn(43, [3, 5])]));
  assert.match(alone.message, /not known well enough/);
});

test("numericalSlope is the slope along a direction, with its error, and both sides of a kink", async () => {
  const x = drawn(51, [6]);
  const v = [1, -2, 0, 0, 0.5, 3];
  const { slope, error } = await numericalSlope((x) => sum(exp(x)), [x], [v]);
  const want = v.reduce((sum, value, i) => sum + value * Math.exp(x.data[i]), 0);
  assert.ok(
    Math.abs(slope - want) <= 1e-4 * Math.abs(want) && error < 1e-3 * Math.abs(want),
    `${slope} ± ${error}, expected ${want}`,
  );
  const { left, right } = await numericalSlope((x) => abs(x), [[0]], [[2]]);
  assert.ok(Math.abs(left.value + 2) < 1e-4 && Math.abs(right.value - 2) < 1e-4);
  const weighted = await numericalSlope((x) => square(x), [[1, 2]], [[1, 1]], { upstream: [1, 10] });
  assert.ok(Math.abs(weighted.slope - 42) < 1e-2);
});

test("quotients are extrapolated: of a smooth function in float64 from ten halved steps to ten digits", () => {
  const values = (f: (x: number) => number) =>
    Array.from({ length: 10 }, (_, k) => 2 ** -(k + 2)).map((h) => ({ h, minus: f(-h), plus: f(h) }));
  for (const [f, want] of [
    [Math.exp, 1],
    [(x: number) => Math.sin(1 + x), Math.cos(1)],
    [(x: number) => 1 / (1 + x), -1],
  ] as const) {
    const { slope, error, left, right } = slopeOf(values(f), f(0), 2 ** -53);
    assert.ok(Math.abs(slope - want) < 1e-10 && error < 1e-8, `${slope} ± ${error}, expected ${want}`);
    for (const side of [left, right]) assert.ok(Math.abs(side.value - want) < 1e-8, `${side.value}, expected ${want}`);
  }
});

test("mistakes are refused in a sentence", async () => {
  const refused = async (work: Promise<unknown>, message: RegExp) =>
    assert.match((await refusal(work)).message, message);
  await refused(
    checkGradient((x) => x, []),
    /no input is f32/,
  );
  await refused(
    checkGradient((x) => x, [Uint32Array.of(1)]),
    /no input is f32/,
  );
  await refused(
    checkGradient((x) => mul(x, tensor([Number.NaN])), [[-1]]), // a logarithm below 0 is a number on some drivers
    /f is NaN at the inputs/,
  );
  await refused(checkGradient((() => 3) as never, [[1]]), /what f returns is 3; expected a tensor/);
  let calls = 0;
  await refused(
    checkGradient((x) => add(x, calls++), [[1]]),
    /f gave .* for the same inputs; whatever it draws must have a seed/,
  );
  await refused(
    numericalSlope((x) => x, [[1, 2]], [[1]]),
    /direction\[0\] has 1 numbers for shape \[2\]/,
  );
  await refused(
    numericalSlope((x) => x, [[1, 2]], [[0, 0]]),
    /no element other than 0/,
  );
  await refused(
    numericalSlope((x) => x, [[1, 2]], []),
    /0 directions for 1 inputs/,
  );
  await refused(
    numericalSlope((x) => x, [[1, 2]], [[1, 1]], { upstream: [1] }),
    /upstream has 1 numbers, f returns 2/,
  );
});

test.run();
