// npm test: types, format and lint, then every test file. One line each, and the totals at the end.
import { rmSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import pc from "picocolors";
import { nearest, UsageError } from "../../engine/errors.ts";
import { outliveReaders } from "../../cli/terminal/streams.ts";
import { bundleTests, findTests, sweepTests, type TestFile, testFolder } from "./bundle.ts";
import type { Counts } from "./child.ts";
import { runInChild } from "./in-child.ts";
import { runStep, steps } from "./steps.ts";

/** dist/test-run.js lies one below the project's folder. */
const root = dirname(dirname(fileURLToPath(import.meta.url)));

const total = { passed: 0, failed: 0, skipped: 0 };

function line(name: string, good: boolean, ms: number, note: string): void {
  const mark = good ? pc.green("ok  ") : pc.red("FAIL");
  console.log(`${mark} ${name.padEnd(28)} ${note.padEnd(26)} ${(ms / 1000).toFixed(1).padStart(6)} s`);
}

const indent = (text: string) => text.replace(/^(?=.)/gm, "    ");

async function runSteps(): Promise<void> {
  for (const step of steps) {
    const started = performance.now();
    const { passed, output } = await runStep(step, root);
    total[passed ? "passed" : "failed"]++;
    line(step.name, passed, performance.now() - started, "");
    if (!passed) console.log(indent(output.slice(0, 20_000)));
  }
}

/** A quarter of all the time, so it begins first. */
const LONGEST = "kernels/ops.test.ts";

/** Two at a time, where there are two cores: most files keep one thread busy. */
async function runTests(files: readonly TestFile[]): Promise<void> {
  const left = files.toSorted((a, b) => Number(b.name === LONGEST) - Number(a.name === LONGEST));
  const lane = async () => {
    for (let file = left.shift(); file; file = left.shift()) await runTest(file);
  };
  await Promise.all(Array.from({ length: Math.min(2, availableParallelism()) }, lane));
}

/** Runs one file on a device of its own: tests register ops, break devices and take signals, which must not reach the next file. */
async function runTest({ name, path }: TestFile): Promise<void> {
  const started = performance.now();
  const { counts, end } = await runInChild(root, path);
  count(name, counts ?? lost(`  ${end}\n`), performance.now() - started);
}

/** A file that could not be counted is one failure. */
const lost = (failures: string): Counts => ({ passed: 0, failed: 1, skipped: 0, failures });

function count(name: string, { passed, failed, skipped, failures }: Counts, ms: number): void {
  total.passed += passed;
  total.failed += failed;
  total.skipped += skipped;
  const note = [`${passed} passed`, failed && `${failed} failed`, skipped && `${skipped} skipped`];
  line(name, failed === 0, ms, note.filter(Boolean).join(", "));
  if (failures) console.log(failures);
}

/** Which files: those whose name has one of the words in it; with `--only kernels` those that run kernels. Throws UsageError. */
function selection(): { names: string[]; words: string[]; onlyKernels: boolean } {
  const {
    values,
    positionals: words,
    tokens,
  } = parseArgs({
    allowPositionals: true,
    strict: false,
    tokens: true,
    options: { only: { type: "string" } },
  });
  for (const token of tokens)
    if (token.kind === "option" && token.name !== "only") {
      const near = nearest(token.rawName, ["--only", "--adapter"]);
      throw new UsageError(
        `unknown flag ${token.rawName}${near ? ` (did you mean ${near}?)` : ""}; npm test -- [name …] [--only kernels] [--adapter NAME]`,
      );
    }
  if (values.only !== undefined && values.only !== "kernels")
    throw new UsageError(`unknown --only ${values.only}; known: kernels (the test files that run kernels)`);
  const all = findTests(root);
  const names = all.filter((name) => words.length === 0 || words.some((text) => name.includes(text)));
  if (names.length === 0)
    throw new UsageError(`no test file has ${words.join(" or ")} in its name; there are ${all.join(", ")}`);
  return { names, words, onlyKernels: values.only === "kernels" };
}

async function main(): Promise<number> {
  const started = performance.now();
  const { names, words, onlyKernels } = selection();
  const adapter = process.env.EMOTIONCLIP_ADAPTER ?? "Dawn's choice";
  console.log(`adapter: ${adapter}`);
  if (words.length === 0 && !onlyKernels) await runSteps();
  sweepTests(root);
  const { files, broken } = await bundleTests(root, names);
  for (const { name, why } of broken) count(name, lost(why), 0);
  await runTests(files.filter(({ touchesKernels }) => !onlyKernels || touchesKernels));
  rmSync(join(root, testFolder), { recursive: true, force: true });
  if (total.passed + total.failed === 0)
    throw new UsageError("none of these files runs kernels, so nothing was tested");
  const skipped = total.skipped ? `${total.skipped} skipped, ` : "";
  console.log(`\n${skipped}${((performance.now() - started) / 1000).toFixed(0)} s on ${adapter}`);
  console.log(`${total.passed} passed, ${total.failed} failed`);
  return total.failed ? 1 : 0;
}

outliveReaders();
process.exitCode = await main().catch((error) => {
  if (!(error instanceof UsageError)) throw error;
  console.error(`Usage: ${error.message}`);
  return error.exitCode;
});
