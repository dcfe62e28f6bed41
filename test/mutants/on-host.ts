// Puts one fault after the other into the sources of the host side, builds the test file that has to notice, and runs it.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Plugin } from "esbuild";
import { bundleTests, type TestFile } from "../run/bundle.ts";
import { type Ended, runInChild } from "../run/in-child.ts";
import { type HostMutation, hostMutations } from "./host-list.ts";
import type { Verdict } from "./verdict.ts";

/** A test that does not end with a fault in it has noticed (ms). */
const PATIENCE = 3 * 60_000;

/** Faults of the files whose path has one of the words in it, or all. */
export const hostMutationsOf = (words: readonly string[]): HostMutation[] =>
  hostMutations.filter(({ file }) => words.length === 0 || words.some((word) => file.includes(word)));

/** The faulty text of a file. A text that is gone, or stands there twice, is refused, so that no fault is lost silently. */
export function faultyText({ file, find, replace }: HostMutation): string {
  const parts = readFileSync(file, "utf8").split(find);
  if (parts.length !== 2)
    throw new Error(
      `${file} has "${find}" ${parts.length - 1} times, expected once: bring test/mutants/host-list.ts up to date`,
    );
  return parts.join(replace);
}

/** Every test file as it is, then with each fault. */
export async function* hostVerdicts(root: string, list: readonly HostMutation[]): AsyncGenerator<Verdict> {
  for (const test of new Set(list.map(({ test }) => test))) {
    const { good, why } = await run(root, test);
    yield { good, cells: [test, "none", good ? "passes all its tests" : why] };
  }
  for (const mutation of list) {
    const { good, why } = await run(root, mutation.test, mutation);
    const verdict = good ? "SURVIVES: the tests need a better case" : `${mutation.test}: ${why}`;
    yield { good: !good, cells: [mutation.file, mutation.why, verdict] };
  }
}

async function run(root: string, test: string, mutation?: HostMutation): Promise<{ good: boolean; why: string }> {
  const { files, broken } = await bundleTests(root, [test], mutation ? [faultIn(root, mutation)] : []);
  if (broken.length > 0) throw new Error(`${test} cannot be built with "${mutation?.why}":\n${broken[0].why}`);
  return verdictOf(
    await runInChild(root, pathOf(files, test), { untilFailure: true, silent: true, patience: PATIENCE }),
  );
}

const pathOf = (files: readonly TestFile[], test: string) => files.find(({ name }) => name === test)!.path;

function verdictOf({ counts, end }: Ended): { good: boolean; why: string } {
  if (!counts) return { good: false, why: end };
  return { good: counts.failed === 0, why: `${counts.failed} failed` };
}

/** Gives esbuild the faulty text in place of the file. */
const faultIn = (root: string, mutation: HostMutation): Plugin => ({
  name: "fault",
  setup({ onLoad }) {
    const contents = faultyText(mutation);
    const path = join(root, mutation.file);
    onLoad({ filter: /\.ts$/ }, (args) => (args.path === path ? { contents, loader: "ts" } : undefined));
  },
});
