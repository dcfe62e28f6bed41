// npm run mutants: puts one fault after the other into the kernels and asks the derived tests whether they notice.
// `npm run mutants -- softmax conv1d` takes the faults of these ops only.
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { UsageError } from "../../engine/errors.ts";
import { joinSource } from "../../engine/declare/kernel-text.ts";
import type { Op } from "../../engine/declare/op.ts";
import type { Variant } from "../../engine/declare/pass.ts";
import { ops } from "../../kernels/index.ts";
import { sharedGpu } from "../kernels/derive.ts";
import { type OpTest, testsOf } from "../kernels/op-tests.ts";
import { raceTest } from "../kernels/race-test.ts";
import { type Mutation, mutations } from "./list.ts";

/** A failing property need not be shrunk: that it fails is all we want to know. */
fc.configureGlobal({ endOnFailure: true });

const gpu = await sharedGpu();
const counts = { passed: 0, failed: 0 };

interface Failure {
  readonly test: string;
  readonly why: string;
}

/** The first derived test of an op that fails as its kernels are now. */
async function firstFailure(op: Op): Promise<Failure | undefined> {
  const tests: OpTest[] = [...testsOf(op, gpu), { name: `${op.name}: no race`, run: async () => raceTest(op, true) }];
  for (const { name, run } of tests) {
    gpu.planner.forget(); // plans hold the kernels of before
    try {
      await run();
    } catch (error) {
      return { test: name.slice(op.name.length + 2), why: (error as Error).message };
    }
  }
  return undefined;
}

/** The same while the kernels carry a fault, and whether any of them has a place for it. */
async function withFault({ find, replace }: Mutation, op: Op): Promise<{ applied: boolean; failure?: Failure }> {
  let applied = false;
  const before = new Map<Variant, Variant["source"]>();
  for (const { forward, backward } of op.ways.values())
    for (const { pass } of [...forward, ...backward])
      for (const variant of pass.variants.values()) before.set(variant, variant.source);
  for (const [variant, source] of before) {
    const faulty: Variant["source"] = (context) => {
      const text = joinSource(source, context);
      applied ||= text.includes(find);
      return text.replace(find, () => replace);
    };
    Object.assign(variant, { source: faulty });
  }
  const failure = await firstFailure(op);
  for (const [variant, source] of before) Object.assign(variant, { source });
  await gpu.idle(); // a text that the compiler refuses ends the device: such a mutation proves nothing
  return { applied, failure };
}

function line(good: boolean, cells: readonly string[]): void {
  counts[good ? "passed" : "failed"]++;
  const widths = [22, 46, 62];
  console.log([good ? "ok  " : "FAIL", ...cells.map((cell, i) => cell.padEnd(widths[i]))].join(" ").trimEnd());
}

const opOf = (name: string): Op => {
  const op = ops.find((each) => each.name === name);
  if (!op) throw new UsageError(`there is no op ${name}`);
  return op;
};

/** Faults of the ops named on the command line, or all. Texts that have changed are refused, so that none is lost silently. */
function chosen(names: readonly string[]): Mutation[] {
  for (const { file, find } of mutations)
    if (file.endsWith(".wgsl") && !readFileSync(file, "utf8").includes(find))
      throw new Error(`${file} does not have "${find}" any more: bring test/mutants/list.ts up to date`);
  const found = mutations.filter(({ op }) => names.length === 0 || names.includes(op));
  const without = names.find((name) => found.every(({ op }) => op !== name));
  if (without)
    throw new UsageError(
      `no mutation of ${without}; there are some of ${[...new Set(mutations.map(({ op }) => op))].join(", ")}`,
    );
  return found;
}

async function main(): Promise<void> {
  const started = performance.now();
  const list = chosen(process.argv.slice(2));
  console.log(
    `${list.length} mutations on ${gpu.facts.adapter}\n     op, fault, caught by the test, after so many cases`,
  );
  for (const name of new Set(list.map(({ op }) => op))) {
    const failure = await firstFailure(opOf(name));
    line(!failure, [name, "none", failure ? `${failure.test}: ${failure.why}` : "passes all its tests"]);
  }
  for (const mutation of list) {
    const { applied, failure } = await withFault(mutation, opOf(mutation.op));
    const cases = /after (\d+) tests?/.exec(failure?.why ?? "")?.[1] ?? "1";
    const verdict = applied
      ? (failure?.test ?? "SURVIVES: the derived tests need a better case")
      : "no kernel has this text";
    line(applied && failure !== undefined, [mutation.op, mutation.why, verdict, failure ? cases : ""]);
  }
  console.log(`\n${((performance.now() - started) / 1000).toFixed(0)} s on ${gpu.facts.adapter}`);
  console.log(`${counts.passed} passed, ${counts.failed} failed`);
}

await main().catch((error) => {
  console.error(error instanceof UsageError ? `Usage: ${error.message}` : error);
  process.exit(error instanceof UsageError ? error.exitCode : 1);
});
process.exit(counts.failed ? 1 : 0);
