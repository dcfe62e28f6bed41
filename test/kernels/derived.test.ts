// What the derived tests find: an op that is right passes, and each way to be wrong is told by the test that exists for it.
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { pass, passOf, type Variant } from "../../engine/declare/pass.ts";
import { op } from "../../engine/record/op.ts";
import { ops } from "../../kernels/index.ts";
import { casesOf, drawInputs, drawUpstream, type Op, runOp, sharedGpu } from "./derive.ts";
import { mutations } from "../mutants/list.ts";
import { testsOf } from "./op-tests.ts";

const gpu = await sharedGpu();

/** y = a · b over flat arrays; `body` is what one invocation does with vec4 number i of the (N + 3) / 4. */
const flat = (reads: readonly string[], writes: string, body: string): string => `
struct Dims { N: u32 }
${[...reads, writes].map((name, i) => `@group(0) @binding(${i}) var<storage, ${i < reads.length ? "read" : "read_write"}> ${name}: array<vec4<T>>;`).join("\n")}
var<immediate> dim: Dims;
override WG: u32 = 64;
@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let i = id.x;
  if (i < (dim.N + 3) / 4) { ${body} }
}`;

const grid = ({ N }: Record<string, number>, { WG }: Readonly<Record<string, number>>) => Math.ceil(N / 4 / WG);

let made = 0;
/** A product of two vectors and its gradient from kernels that may be wrong. */
function product(forward: string, db = "db[i] = dy[i] * a[i];"): Op {
  made++;
  return op({
    name: `product${made}`,
    about: "y = a · b",
    sig: "a_N b_N -> y_N",
    forward: [pass("a_N b_N -> y_N", flat(["a", "b"], "y", forward), grid)],
    backward: [
      pass("dy_N b_N -> da_N", flat(["dy", "b"], "da", "da[i] = dy[i] * b[i];"), grid),
      pass("dy_N a_N -> db_N", flat(["dy", "a"], "db", db), grid),
    ],
    ref: ({ a, b }) => ({ y: a.map((v, i) => v * b[i]) }),
    flops: ({ N }) => N,
    bench: [{ N: 1 }],
  });
}

/** The sentences of the derived tests that fail. */
async function failing(made: Op): Promise<string[]> {
  const failed: string[] = [];
  for (const { name, run } of testsOf(made, gpu))
    await run().catch((error: Error) => failed.push(`${name.slice(made.name.length + 2)}: ${error.message}`));
  return failed;
}

async function fails(made: Op, sentence: RegExp): Promise<void> {
  const found = await failing(made);
  assert.ok(
    found.some((text) => sentence.test(text)),
    `expected a failure like ${sentence}, found ${found.length ? found : "none"}`,
  );
}

test("an op that is right passes (control)", async () =>
  assert.equal(await failing(product("y[i] = a[i] * b[i];")), []));

test("a write behind the end is found", () =>
  fails(product("y[i] = a[i] * b[i]; y[i + 1] = vec4<T>(3);"), /writes nothing else: .*wrote \d+ bytes behind/s));

test("a write behind the end that copies another margin is found", () =>
  fails(product("y[i] = a[i] * b[i]; y[i + 2] = a[i + 2];"), /wrote \d+ bytes behind/));

test("an element that is not written is found", () =>
  fails(product("if (i != 2) { y[i] = a[i] * b[i]; }"), /the kernel computes its reference.*y\[8\]/s));

test("adding to what was there is found", () =>
  fails(product("y[i] += a[i] * b[i];"), /the kernel computes its reference/));

test("a gradient that is dropped is found", () =>
  fails(product("y[i] = a[i] * b[i];", "db[i] = vec4<T>();"), /slope of the reference.*⟨db, v⟩/s));

test("a gradient that is not written everywhere is found, though an earlier run left the right numbers", () =>
  fails(product("y[i] = a[i] * b[i];", "if (i != 2) { db[i] = dy[i] * a[i]; }"), /⟨db, v⟩/));

test("a gradient that writes behind its end is found", () =>
  fails(product("y[i] = a[i] * b[i];", "db[i] = dy[i] * a[i]; db[i + 1] = vec4<T>(1);"), /wrote \d+ bytes behind/));

test("a sum over the padding of a vec4 is found", () =>
  fails(
    op({
      name: "paddedSum",
      about: "y = Σ x",
      sig: "x_N -> y",
      forward: [
        pass(
          "x_N -> y",
          flat(
            ["x"],
            "y",
            "var s = vec4f(); for (var j = 0u; j < (dim.N + 3) / 4; j++) { s += vec4f(x[j]); } if (i == 0) { y[0] = vec4<T>(T(s.x + s.y + s.z + s.w)); }",
          ),
          () => 1,
        ),
      ],
      ref: ({ x }) => ({ y: [x.reduce((sum, v) => sum + v, 0)] }),
      flops: ({ N }) => N,
      bench: [{ N: 1 }],
      test: { sizes: { N: [4, 5, 7, 8] } },
    }),
    /the kernel computes its reference/,
  ));

test("an alternative that nothing picks is tested as well", () => {
  const variant = (body: string): Variant => ({ source: flat(["x"], "y", body), grid: grid as Variant["grid"] });
  return fails(
    op({
      name: "alternatives",
      about: "y = x²",
      sig: "x_N -> y_N",
      forward: [
        passOf("x_N -> y_N", { right: variant("y[i] = x[i] * x[i];"), wrong: variant("y[i] = x[i];") }, () => "right"),
      ],
      ref: ({ x }) => ({ y: x.map((v) => v * v) }),
      flops: ({ N }) => N,
      bench: [{ N: 1 }],
    }),
    /^wrong computes the reference/,
  );
});

test("a pass that only unwanted gradients need is not launched", async () => {
  const matmul = ops.find(({ name }) => name === "batchedMatmul")!;
  const [c] = fc.sample(casesOf(matmul, 1000), { numRuns: 1, seed: 1 });
  const launches = async (wanted: readonly string[]) => {
    await runOp(matmul, c, drawInputs(matmul, c), { upstream: drawUpstream(matmul, c), wanted });
    return gpu.last.launches;
  };
  assert.equal([await launches(["a", "b"]), await launches(["a"]), await launches(["b"])], [3, 2, 2]);
});

test("every fault of npm run mutants still has its op and its text", () => {
  assert.ok(mutations.length >= 100);
  for (const { op, file, find } of mutations) {
    assert.ok(
      ops.some(({ name }) => name === op),
      `there is no op ${op}`,
    );
    if (file.endsWith(".wgsl")) assert.ok(readFileSync(file, "utf8").includes(find), `${file} does not have "${find}"`);
  }
});

test.run();
