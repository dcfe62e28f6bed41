// What `checkOp` says of races: those that a device whose lanes go in step does not show, and where it could not look.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { ceilDiv, KernelError, op, pass } from "../../engine/index.ts";
import { checkOp, ClaimError, testsOf } from "../index.ts";
import { type Op, sharedGpu } from "./derive.ts";
import { openTestGpu } from "../kit/gpu.ts";
import { interpret } from "./interpret.ts";
import { noRace } from "./race-claim.ts";
import { chain, inputsOf } from "./race-test.ts";

const gpu = await sharedGpu();

let made = 0;
/** An op x_N -> y_N by a kernel for one workgroup of 8 lanes per 8 elements. */
function shared(body: string, { head = "", ref = (x: Float64Array): ArrayLike<number> => x, lanes = 8 } = {}): Op {
  const text = `
struct Dims { N: u32 }
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
var<immediate> dim: Dims;
${head}
@compute @workgroup_size(${lanes})
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(local_invocation_index) lane: u32) {
${body}
}`;
  return op({
    name: `shared${++made}`,
    about: "y of x through shared memory",
    sig: "x_N:f32 -> y_N:f32",
    forward: [pass("x_N:f32 -> y_N:f32", text, ({ N }) => ceilDiv(N, lanes))],
    ref: ({ x }) => ({ y: ref(x) }),
    flops: ({ N }) => N,
    bench: [{ N: 64 }],
    test: { sizes: { N: [8, 16, 24] } },
  });
}

const tile = "var<workgroup> tile: array<f32, 8>;";
/** Each eight elements the other way round. */
const turned = (x: Float64Array) => x.map((_, i) => x[i - (i % 8) + 7 - (i % 8)]);
/** Each element is the first of its eight. */
const led = (x: Float64Array) => x.map((_, i) => x[i - (i % 8)]);

const right: Record<string, Op> = {
  "through a tile": shared("  tile[lane] = x[id.x];\n  workgroupBarrier();\n  y[id.x] = tile[7 - lane];", {
    head: tile,
    ref: turned,
  }),
  "through a scalar": shared("  if (lane == 0) { lead = x[id.x]; }\n  workgroupBarrier();\n  y[id.x] = lead;", {
    head: "var<workgroup> lead: f32;",
    ref: led,
  }),
  "through a uniform load": shared(
    "  if (lane == 0) { lead = x[id.x]; }\n  let v = workgroupUniformLoad(&lead);\n  y[id.x] = v;",
    { head: "var<workgroup> lead: f32;", ref: led },
  ),
  "with a sum by halves": shared(
    `  tile[lane] = x[id.x];
  workgroupBarrier();
  for (var step = 4u; step > 0u; step /= 2u) {
    if (lane < step) { tile[lane] += tile[lane + step]; }
    workgroupBarrier();
  }
  y[id.x] = tile[0];`,
    {
      head: tile,
      ref: (x) => x.map((_, i) => x.slice(i - (i % 8), i - (i % 8) + 8).reduce((a, b) => a + b)),
    },
  ),
  "with atomics": shared(
    "  atomicAdd(&count, 1u);\n  workgroupBarrier();\n  y[id.x] = x[id.x] * f32(atomicLoad(&count)) / 8.0;",
    { head: "var<workgroup> count: atomic<u32>;" },
  ),
  "through storage": shared(
    "  y[id.x] = x[id.x];\n  storageBarrier();\n  let v = y[id.x ^ 1];\n  storageBarrier();\n  y[id.x] = v;",
    {
      ref: (x) => x.map((_, i) => x[i ^ 1]),
    },
  ),
  "with a while loop": shared(
    "  var s = 0.0; var i = 0u;\n  while (i < 4u) { s += x[id.x]; i++; }\n  y[id.x] = s / 4.0;",
  ),
  "with a loop, a break and a switch": shared(
    `  var s = 0.0;
  var i = 0u;
  loop {
    if (i == 4u) { break; }
    switch (i) { case 0u, 1u: { s += x[id.x]; } default: { s += 2.0 * x[id.x]; } }
    i++;
  }
  y[id.x] = s / 6.0;`,
  ),
};

for (const [name, made] of Object.entries(right))
  test(`right ${name}: passes, and was tested`, async () => {
    const { races } = await checkOp(made, gpu, { claim: noRace });
    assert.equal(races.leftOut, []);
    assert.ok(races.tested >= 1);
  });

const wrong: [name: string, op: Op, sentence: RegExp][] = [
  [
    "no barrier before another lane's element is read",
    shared("  tile[lane] = x[id.x];\n  y[id.x] = tile[7 - lane];", { head: tile, ref: turned }),
    /race on tile, word \d: lane \d (reads|writes) it \(.*tile\[.*\) and lane \d (reads|writes) it \(.*tile.*\), with no barrier between/,
  ],
  [
    "no barrier, within a subgroup, where lanes in step give the right values",
    shared("  tile[lane] = x[id.x];\n  y[id.x] = tile[lane ^ 1];", {
      head: tile,
      ref: (x) => x.map((_, i) => x[i ^ 1]),
    }),
    /race on tile, word \d: lane \d .* and lane \d /,
  ],
  [
    "no barrier between a scalar's writer and its readers",
    shared("  if (lane == 0) { lead = x[id.x]; }\n  y[id.x] = lead;", { head: "var<workgroup> lead: f32;", ref: led }),
    /race on lead, word 0: lane 0 writes it .* and lane \d reads it/,
  ],
  [
    "no barrier in a sum by halves",
    shared(
      `  tile[lane] = x[id.x];
  workgroupBarrier();
  for (var step = 4u; step > 0u; step /= 2u) {
    if (lane < step) { tile[lane] += tile[lane + step]; }
  }
  workgroupBarrier();
  y[id.x] = tile[0];`,
      { head: tile },
    ),
    /race on tile, word \d: lane \d .* and lane \d /,
  ],
  [
    "all lanes write one element of storage",
    shared("  y[0] = x[0];\n  y[id.x] = x[id.x];"),
    /race on y, element 0: (workgroup 0 )?lane \d writes it .* and (workgroup \d )?lane \d writes it/,
  ],
  [
    "another lane's element of storage is read",
    shared("  y[id.x] = x[id.x];\n  let v = y[id.x ^ 1];\n  y[id.x] = v;"),
    /race on y, element \d+: lane \d (reads|writes) it .* and lane \d (reads|writes) it/,
  ],
  [
    "another workgroup's element of storage is read behind a barrier of this one",
    shared(
      "  y[id.x] = x[id.x];\n  storageBarrier();\n  let v = y[(id.x + 8) % dim.N];\n  if (v == 3.5) { y[id.x] = v; }",
    ),
    /race on y, element \d+: workgroup 0 lane \d reads it .* and workgroup 1 lane \d writes it .*, and workgroups run in no order/,
  ],
  [
    "atomic and plain accesses of one word",
    shared(
      "  atomicAdd(&count, 1u);\n  if (lane == 3) { atomicStore(&count, 0u); }\n  tile[0] = x[id.x];\n  y[id.x] = x[id.x];",
      {
        head: `var<workgroup> count: atomic<u32>;\n${tile}`,
      },
    ),
    /race on tile, word 0: lane 0 writes it .* and lane 1 writes it/,
  ],
];

for (const [name, made, sentence] of wrong)
  test(`${name}: fails as a race, with the variable and the lanes`, async () => {
    const error = await checkOp(made, gpu).then(
      () => undefined,
      (thrown) => thrown,
    );
    assert.instance(error, ClaimError);
    assert.is(error.claim, noRace);
    assert.match(error.message, sentence);
  });

const some = shared("  if (lane < 3) { workgroupBarrier(); }\n  y[id.x] = x[id.x];");

test("a barrier that only some lanes reach: the compiler refuses it", async () => {
  const error = await checkOp(some, await openTestGpu()).catch((thrown) => thrown);
  assert.instance(error, KernelError);
  assert.match(error.message, /forward:9:19 'workgroupBarrier' must only be called from uniform control flow/);
});

test("a barrier that only some lanes reach: the interpreter names it and two lanes", () => {
  const c = { sizes: { N: 8 }, attrs: {}, seed: 1 };
  const [launch] = chain(some, c, undefined);
  const [fault] = interpret(launch, inputsOf(some, c), 8);
  assert.is(fault.kind, "barrier");
  assert.match(fault.text, /barrier in line 9 \(.*workgroupBarrier.*\): lane 0 waits there, lane 3 has ended/);
});

test("what could not be tested is said in the result, and once on stderr", async () => {
  const helper = shared("  tile[lane] = x[id.x];\n  meet();\n  y[id.x] = tile[7 - lane];", {
    head: `${tile}\nfn meet() {\n  workgroupBarrier();\n}`,
    ref: turned,
  });
  const { error } = console;
  const said: string[] = [];
  console.error = (line) => void said.push(line);
  try {
    for (let i = 0; i < 2; i++) {
      const { races, passed } = await checkOp(helper, gpu);
      assert.equal(races, {
        tested: 0,
        leftOut: [{ kernel: `${helper.name} forward`, reason: "they have a barrier inside a function" }],
      });
      assert.ok(passed.length > 1);
    }
  } finally {
    console.error = error;
  }
  assert.is(said.length, 1);
  assert.match(said[0], /1 of 1 kernel texts not tested for races\n.*forward: they have a barrier inside a function/);
});

test("sizes that are all large end nothing", async () => {
  const large = op({
    name: "large",
    about: "y = x",
    sig: "x_N:f32 -> y_N:f32",
    forward: [
      pass(
        "x_N:f32 -> y_N:f32",
        `struct Dims { N: u32 }
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
var<immediate> dim: Dims;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) { if (id.x < dim.N) { y[id.x] = x[id.x]; } }`,
        ({ N }) => ceilDiv(N, 64),
      ),
    ],
    ref: ({ x }) => ({ y: x }),
    flops: ({ N }) => N,
    bench: [{ N: 64 }],
    test: { sizes: { N: [5000, 6000] } },
  });
  assert.ok((await checkOp(large, gpu, { runs: 1 })).passed.length > 2);
});

test("the claim is one of the derived tests", () => {
  assert.is(testsOf(right["through a tile"], gpu)[0].claim, noRace);
});

test.run();
