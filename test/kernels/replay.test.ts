// A failing case of `checkOp` can be had again from outside: by the last line of its message, by seed and path, by its sizes.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { ceilDiv, op, pass, UsageError } from "../../engine/index.ts";
import { type Checked, checkOp, ClaimError, type CheckOptions, testsOf } from "../index.ts";
import { type Op, sharedGpu } from "./derive.ts";

const gpu = await sharedGpu();

let made = 0;
/** y = power · Σ x² over the last axis, by a kernel whose loop and result are given. */
function energy(loop: string, result = "dim.power * sum"): Op {
  const text = `
struct Dims { N: u32, D: u32, power: f32 }
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
var<immediate> dim: Dims;
override WG: u32 = 64;
@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= dim.N) { return; }
  var sum = 0.0;
  for (var d = 0u; d < dim.D; d++) { ${loop} }
  y[id.x] = ${result};
}`;
  return op({
    name: `energy${++made}`,
    about: "y = power · Σ x²",
    sig: "x_ND:f32 -> y_N:f32",
    attrs: { power: 1 },
    forward: [pass("x_ND:f32 -> y_N:f32", text, ({ N }, { WG }) => ceilDiv(N, WG))],
    ref: ({ x }, { N, D }, { power }) => ({
      y: Float64Array.from(
        { length: N },
        (_, n) => power * x.subarray(n * D, n * D + D).reduce((s, v) => s + v * v, 0),
      ),
    }),
    flops: ({ N, D }) => 2 * N * D,
    bench: [{ N: 64, D: 64 }],
  });
}

const right = "let v = x[id.x * dim.D + d]; sum += v * v;";
const skipsThird = "let v = x[id.x * dim.D + d]; if (d != 2) { sum += v * v; }";
const computes = "the kernel computes its reference, and writes nothing else";

async function failure(run: Promise<unknown>): Promise<ClaimError> {
  const error = await run.then(
    () => undefined,
    (thrown) => thrown,
  );
  assert.instance(error, ClaimError);
  return error as ClaimError;
}

/** Runs the last line of a failure, with the op under its name. */
async function evaluated({ message }: ClaimError, named: string, as: Op): Promise<unknown> {
  const program = `export default (checkOp, ${named}, gpu) => ${message.split("\n").at(-1)};`;
  const { default: run } = await import(`data:text/javascript,${encodeURIComponent(program)}`);
  return run(checkOp, as, gpu);
}

test("the last line of a failure fails again, with the same claim at the same case", async () => {
  const wrong = energy(skipsThird);
  const first = await failure(checkOp(wrong, gpu));
  assert.is(first.claim, computes);
  const { N, D } = first.case!;
  assert.ok(N === 1 && (D as number) >= 3 && (D as number) <= 5, first.message);
  assert.match(first.message, `${wrong.name}: "${computes}" fails at { N: 1, D: ${D}, attrs: { power: 1 } }`);
  assert.match(first.message, /y\[0\]: got .* expected/);
  assert.match(first.message, /checkOp\(energy\d+, gpu, \{ seed: 2022, path: "[\d:]+", claim: ".*" \}\)$/);
  const again = await failure(evaluated(first, wrong.name, wrong));
  assert.equal([again.claim, again.case, again.repeat.seed], [first.claim, first.case, 2022]);
  assert.is(again.message.split("\n").at(-1), first.message.split("\n").at(-1));
});

test("after mending, the same line passes", async () => {
  const wrong = energy(skipsThird);
  const first = await failure(checkOp(wrong, gpu));
  const { passed } = (await evaluated(first, wrong.name, energy(right))) as Checked;
  assert.equal(passed, [`energy${made}: ${computes}`]);
});

test("a failure at one element that is no number is repeated as well", async () => {
  const wrong = energy(right, "min(dim.power * sum, 1e30)"); // no number stays infinite
  const claim = "NaN and infinities reach the outputs as in the reference";
  const first = await failure(checkOp(wrong, gpu));
  assert.is(first.claim, claim);
  const again = await failure(evaluated(first, wrong.name, wrong));
  assert.equal([again.claim, again.case], [claim, first.case]);
  const cased = await failure(checkOp(wrong, gpu, { case: { N: 2, D: 2 }, claim }));
  assert.is(cased.claim, claim);
  assert.is((await failure(evaluated(cased, wrong.name, wrong))).message, cased.message);
});

test("a case is made smaller until no smaller size of the lists fails", async () => {
  for (const seed of [1, 2, 3]) {
    const { case: found } = await failure(checkOp(energy(skipsThird), gpu, { claim: computes, seed }));
    assert.equal([found?.N, found?.D], [1, 3]);
  }
});

test("a case given is run, and no other", async () => {
  const wrong = energy(skipsThird);
  await checkOp(wrong, gpu, { case: { N: 4, D: 2 } });
  const found = await failure(checkOp(wrong, gpu, { case: { N: 4, D: 5, attrs: { power: 2 } }, seed: 7 }));
  assert.match(found.message, "fails at { N: 4, D: 5, attrs: { power: 2 } }, data of seed 7 (the case given)");
  assert.equal(found.repeat, { case: { N: 4, D: 5, attrs: { power: 2 } }, seed: 7, claim: computes });
  assert.is((await failure(evaluated(found, wrong.name, wrong))).message, found.message);
});

test("runs is the number of cases of each claim", async () => {
  const scarce = energy("let v = x[id.x * dim.D + d]; if (dim.N != 132u || dim.D != 5u) { sum += v * v; }");
  const tried = async (runs: number) => (await failure(checkOp(scarce, gpu, { runs, claim: computes }))).message;
  await checkOp(scarce, gpu, { runs: 1, claim: computes });
  assert.match(await tried(2000), / of 2000 cases of seed 2022/);
});

test("another seed draws other cases", async () => {
  const wrong = energy(skipsThird);
  const found = await failure(checkOp(wrong, gpu, { seed: 5 }));
  assert.match(found.message, / cases of seed 5, /);
  assert.is(found.repeat.seed, 5);
});

test("a claim alone is tested alone, and its names are those of the tests", async () => {
  const fine = energy(right);
  const names = testsOf(fine, gpu).map(({ claim }) => claim);
  assert.ok(names.includes(computes));
  for (const claim of names)
    assert.equal((await checkOp(fine, gpu, { claim, runs: 1 })).passed, [`${fine.name}: ${claim}`]);
});

test("passed hears each name, as an option or in place of the options", async () => {
  const fine = energy(right);
  const heard: string[][] = [[], []];
  const { passed } = await checkOp(fine, gpu, { runs: 1, passed: (name) => heard[0].push(name) });
  await checkOp(fine, gpu, (name) => heard[1].push(name));
  assert.equal(heard, [passed, passed]);
});

test("options that are none are refused in words", async () => {
  const fine = energy(right);
  const name = fine.name;
  const wrong: [options: unknown, sentence: RegExp][] = [
    [{ sed: 1 }, /there is no option sed; did you mean seed\? ?/],
    [{ seed: 1.5 }, /seed is 1.5; expected a whole number/],
    [{ seed: "7" }, /seed is 7; expected a whole number/],
    [{ runs: 0 }, /runs is 0; expected a whole number from 1 on/],
    [{ path: "1:2" }, /path belongs to one claim/],
    [{ path: "one", claim: computes }, /path is "one"; expected numbers/],
    [{ path: "1", claim: computes, case: { N: 1, D: 1 } }, /path and case are two ways/],
    [{ claim: "all is well" }, /there is no claim "all is well"; of this op there are\n {2}no two inv/],
    [{ case: 3 }, /case is 3; expected sizes like \{ N: 2, D: 2 \}/],
    [{ case: { N: 1 } }, /case has no D; write it like \{ N: 2, D: 2 \}/],
    [{ case: { N: 1, D: 0 } }, /case: D is 0; sizes are whole, from 1 on/],
    [{ case: { N: 1, D: 1, K: 1 } }, /case has K; the inputs have the axes N, D/],
    [{ case: { N: 1, D: 1, attrs: { powr: 1 } } }, /case.attrs has powr; did you mean power\?/],
    [{ case: { N: 1, D: 1, attrs: { power: "2" } } }, /case.attrs.power is string; expected number/],
    [null, /options are an object/],
    [7, /options are an object/],
  ];
  for (const [options, sentence] of wrong) {
    const error = await checkOp(fine, gpu, options as CheckOptions).catch((thrown: Error) => thrown);
    assert.instance(error, UsageError, JSON.stringify(options));
    assert.match((error as Error).message, sentence);
    assert.match((error as Error).message, `checkOp(${name}): `);
  }
});

test.run();
