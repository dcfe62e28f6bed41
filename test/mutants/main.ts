// npm run mutants: puts one fault after the other into the kernels and into the host side, and asks the tests whether they notice.
// `npm run mutants -- softmax train/` takes the faults of this op and of the files whose path has this in it.
import { rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { nearest, UsageError } from "../../engine/errors.ts";
import { testFolder } from "../run/bundle.ts";
import { hostMutations } from "./host-list.ts";
import { kernelMutationsOf, kernelVerdicts } from "./in-kernels.ts";
import { mutations } from "./list.ts";
import { hostMutationsOf, hostVerdicts } from "./on-host.ts";
import type { Verdict } from "./verdict.ts";

/** dist/mutants.js lies one below the project's folder. */
const root = dirname(dirname(fileURLToPath(import.meta.url)));

const counts = { passed: 0, failed: 0 };

function line({ good, cells }: Verdict): void {
  counts[good ? "passed" : "failed"]++;
  const widths = [36, 46, 62];
  console.log([good ? "ok  " : "FAIL", ...cells.map((cell, i) => cell.padEnd(widths[i]))].join(" ").trimEnd());
}

/** What to try: every word is the name of an op, or a part of a path. */
function chosen(words: readonly string[]) {
  const { tried: kernels, left } = kernelMutationsOf(words);
  const host = hostMutationsOf(words);
  const ops = [...new Set(mutations.map(({ op }) => op))];
  const files = [...new Set([...mutations, ...hostMutations].map(({ file }) => file))];
  const lost = words.find((word) => {
    const { tried, left } = kernelMutationsOf([word]);
    return tried.length + left + hostMutationsOf([word]).length === 0;
  });
  if (lost !== undefined) {
    const near = nearest(lost, [...ops, ...files]);
    throw new UsageError(
      `no fault of "${lost}"${near ? ` (did you mean ${near}?)` : ""}; a word is one of ${ops.length} ops, as softmax, or a part of a path, as train/ or kernels/matmul`,
    );
  }
  return { kernels, host, left };
}

async function main(): Promise<void> {
  const started = performance.now();
  const { kernels, host, left } = chosen(process.argv.slice(2));
  console.log(
    `${kernels.length} faults in kernels, ${host.length} on the host side\n     where, fault, caught by the test, after so many cases`,
  );
  if (left > 0) console.log(`     ${left} more are of kernels for matrix units, which this adapter has none of`);
  for await (const verdict of hostVerdicts(root, host)) line(verdict);
  for await (const verdict of kernelVerdicts(kernels)) line(verdict);
  rmSync(join(root, testFolder), { recursive: true, force: true });
  console.log(
    `\n${((performance.now() - started) / 1000).toFixed(0)} s on ${process.env.EMOTIONCLIP_ADAPTER ?? "Dawn's choice"}`,
  );
  console.log(`${counts.passed} passed, ${counts.failed} failed`);
}

await main().catch((error) => {
  console.error(error instanceof UsageError ? `Usage: ${error.message}` : error);
  process.exit(error instanceof UsageError ? error.exitCode : 1);
});
process.exit(counts.failed ? 1 : 0);
