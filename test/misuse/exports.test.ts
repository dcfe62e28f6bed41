// Every function and class that the package exports, called with what belongs nowhere: each answer is one sentence of ours,
// nothing escapes, and the GPU still computes afterwards. The list is that of the packages' exports.
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import * as bench from "../../bench/index.ts";
import * as data from "../../data/index.ts";
import * as engine from "../../engine/index.ts";
import { compute, persistent, Scope, tensor } from "../../engine/index.ts";
import * as evaluation from "../../eval/index.ts";
import * as kernels from "../../kernels/index.ts";
import { square } from "../../kernels/index.ts";
import * as model from "../../model/index.ts";
import * as train from "../../train/index.ts";
import { sharedGpu } from "../kernels/derive.ts";
import { answerTo, everywhere, somewhere } from "./answers.ts";

const modules: Record<string, object> = { engine, kernels, model, data, train, eval: evaluation, bench };

await sharedGpu();
process.chdir(mkdtempSync(join(tmpdir(), "emotionclip-misuse-"))); // names of files are among the texts

const escaped: unknown[] = [];
process.on("unhandledRejection", (error) => escaped.push(error));

type Any = (...args: unknown[]) => unknown;

const isClass = (value: unknown) => /^class\b/.test(String(value));

/** What would open one device after another, and classes that are opened, not made (their constructors are private). */
const skipped = new Set([
  "engine.openGpu",
  "engine.findAdapter",
  "model.SafetensorsFile",
  "data.TrainingSet",
  "eval.FeatureCache",
]);
const opened: [string, Any][] = [
  ["SafetensorsFile.open", (...args) => (model.SafetensorsFile.open as Any)(...args)],
  ["TrainingSet.open", (...args) => (data.TrainingSet.open as Any)(...args)],
  ["FeatureCache.open", (...args) => (evaluation.FeatureCache.open as Any)(...args)],
];
/** Without arguments, given more where it stands for a function that has them; or for whatever was thrown, which may be anything. */
const takesNothing = (name: string, f: Any) =>
  (isClass(f) && f.length === 0) || ["data.nobody", "engine.firstCause"].includes(name);
const isError = (value: unknown) => (value as { prototype?: unknown }).prototype instanceof Error;

const functions = Object.entries(modules).flatMap(([layer, exported]) =>
  Object.entries(exported)
    .filter(([name, value]) => typeof value === "function" && !isError(value) && !skipped.has(`${layer}.${name}`))
    .map(([name, value]) => [`${layer}.${name}`, value as Any] as const),
);

/** One value in every position, with fewer and more arguments than the function has. */
function* calls(f: Any, value: unknown): Generator<unknown[]> {
  for (let count = 1; count <= Math.max(f.length, 1) + 1; count++) yield new Array(count).fill(value);
}

const called = (f: Any, args: unknown[]) => () => {
  using _scope = new Scope();
  return isClass(f) ? Reflect.construct(f, args) : f(...args);
};

for (const [name, f] of [...functions, ...opened])
  test(`${name} answers what belongs nowhere with one sentence`, async () => {
    const faults: string[] = [];
    const note = (what: string, args: unknown[], fault: string) =>
      faults.push(`${name} with ${args.length} times ${what}: ${fault.split("\n")[0]}`);
    const belongsNowhere = everywhere(persistent([1, 2]));
    for (const [what, value] of Object.entries({ ...somewhere, ...belongsNowhere }))
      for (const args of calls(f, value)) {
        const answer = await answerTo(called(f, args));
        if (answer.kind === "wrong") note(what, args, answer.what);
        if (answer.kind === "accepted" && !takesNothing(name, f) && what in belongsNowhere)
          note(what, args, "accepted");
      }
    assert.equal(faults.slice(0, 5), []);
  });

test("nothing escaped, and the GPU computes", async () => {
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(escaped, []);
  assert.equal(await compute(() => square(tensor([3, 4]))), new Float32Array([9, 16]));
});

test.run();
