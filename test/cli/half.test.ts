// Half precision is tried in a process of its own, which may crash, hang or compute nonsense: the training then is one of f32.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { inPrecision, precisionOn, type Trial } from "../../cli/half.ts";
import type { PreparedTraining } from "../../cli/training-plan.ts";
import { sharedGpu } from "../kernels/derive.ts";
import { inTemporary } from "../kit/temporary.ts";

const place = (adapter: string, f16 = true) => ({ facts: { ...facts, adapter, f16 } });
const { facts } = await sharedGpu();
const nvidia = "nvidia | ampere | NVIDIA A100-SXM4-40GB";

/** The precision that a trial with this text ends in, and what is said. */
async function after(text: string, seconds = 20): Promise<{ precision: string; said: string[] }> {
  const said: string[] = [];
  let precision = "";
  await inTemporary(async (folder) => {
    const script = join(folder, "trial.mjs");
    writeFileSync(script, text);
    precision = await precisionOn(place(nvidia), "amp", (line) => said.push(line), { script, seconds });
  });
  return { precision, said };
}

test("a trial that computes right lets mixed precision be, and gets the adapter's name", async () => {
  const text = 'console.log(JSON.stringify({ wrong: process.argv[3] === "NVIDIA A100-SXM4-40GB" ? 0 : 9 }));';
  assert.equal(await after(text), { precision: "amp", said: [] });
});

for (const [what, text, why, seconds] of [
  ["crashes", "process.abort();", "a trial ended with SIGABRT"],
  ["ends with an error", "process.exit(3);", "a trial ended with exit code 3"],
  ["hangs", "setInterval(() => {}, 1000);", "a trial had no answer after 0.2 s", 0.2],
  ["computes wrong numbers", "console.log(JSON.stringify({ wrong: 12 }));", "a trial computed 12 wrong numbers"],
  ["gets no device", 'console.log(JSON.stringify({ error: "no feature" }));', "no feature"],
  ["says nothing", "", "a trial gave no answer"],
  ["says something else", 'console.log("Warning");', "a trial gave no answer"],
] as const)
  test(`where a trial ${what}, the run is f32, and one sentence says why`, async () => {
    const said = `warning: --precision amp: ${nvidia} fails at half precision: ${why}; this run is f32, which takes more memory`;
    assert.equal(await after(text, seconds), { precision: "f32", said: [said] });
  });

test("an adapter without half precision is not tried", async () => {
  const said: string[] = [];
  const trial: Trial = { script: "no such file", seconds: 1 };
  assert.is(await precisionOn(place("SwiftShader", false), "amp", (line) => said.push(line), trial), "f32");
  assert.equal(said, [
    "warning: --precision amp: SwiftShader has no half precision (shader-f16); this run is f32, which takes more memory",
  ]);
});

test("f32 is tried nowhere, and amp only where half precision is hidden", async () => {
  const silent = () => assert.unreachable();
  assert.is(await precisionOn(place(nvidia), "f32", silent), "f32");
  assert.is(await precisionOn(place("llvmpipe"), "amp", silent), "amp");
});

test("a recipe says what precision it came to, and why", async () => {
  const asked = { recipe: { precision: "amp" }, from: { precision: "--precision" }, remarks: ["a"] };
  const heard: string[] = [];
  const { recipe, from, remarks } = await inPrecision(
    place("SwiftShader", false),
    asked as unknown as PreparedTraining,
    (line) => heard.push(line),
  );
  assert.is(recipe.precision, "f32");
  assert.is(from.precision, "the adapter has no half precision");
  assert.equal(remarks, ["a", ...heard]);
  assert.is(heard.length, 1);
});

test.run();
