// Puts one fault after the other into the kernels and asks the derived tests whether they notice.
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { joinSource } from "../../engine/declare/kernel-text.ts";
import type { Op } from "../../engine/declare/op.ts";
import type { Variant } from "../../engine/declare/pass.ts";
import { ops } from "../../kernels/index.ts";
import { sharedGpu } from "../kernels/derive.ts";
import { testsOf } from "../kernels/op-tests.ts";
import { noRace } from "../kernels/race-claim.ts";
import { raceTest } from "../kernels/race-test.ts";
import { type Mutation, mutations } from "./list.ts";
import type { Verdict } from "./verdict.ts";

/** A failing property need not be shrunk: that it fails is all we want to know. */
fc.configureGlobal({ endOnFailure: true });

const gpu = await sharedGpu();

interface Failure {
  readonly test: string;
  readonly why: string;
}

/** The first derived test of an op that fails as its kernels are now. */
async function firstFailure(op: Op): Promise<Failure | undefined> {
  const derived = testsOf(op, gpu).filter(({ claim }) => claim !== noRace); // raceTest goes further
  for (const { claim, run } of [...derived, { claim: "no race", run: async () => raceTest(op, true) }]) {
    gpu.planner.forget(); // plans hold the kernels of before
    try {
      await run();
    } catch (error) {
      return { test: claim, why: (error as Error).message };
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

const opOf = (name: string): Op => {
  const op = ops.find((each) => each.name === name);
  if (!op) throw new Error(`test/mutants/list.ts names the op ${name}, which does not exist`);
  return op;
};

/** Texts that have changed are refused, so that no fault is lost silently. */
function checkTexts(list: readonly Mutation[]): void {
  for (const { file, find } of list)
    if (file.endsWith(".wgsl") && !readFileSync(file, "utf8").includes(find))
      throw new Error(`${file} does not have "${find}" any more: bring test/mutants/list.ts up to date`);
}

/** Kernels for matrix units, which few adapters have. */
const needsMatrices = ({ file }: Mutation): boolean => file.endsWith("tiles/matrix.ts");

/** Faults of the ops named, of files whose path has a word with a slash in it, or all; and how many more there are that this adapter runs no kernels of. */
export function kernelMutationsOf(names: readonly string[]): { tried: Mutation[]; left: number } {
  const isMeant = ({ op, file }: Mutation) =>
    names.length === 0 || names.some((name) => name === op || (name.includes("/") && file.includes(name)));
  const all = mutations.filter(isMeant);
  const tried = gpu.facts.matrices?.length ? all : all.filter((mutation) => !needsMatrices(mutation));
  return { tried, left: all.length - tried.length };
}

/** Every op as it is, then with each fault. */
export async function* kernelVerdicts(list: readonly Mutation[]): AsyncGenerator<Verdict> {
  checkTexts(list);
  for (const name of new Set(list.map(({ op }) => op))) {
    const failure = await firstFailure(opOf(name));
    yield {
      good: !failure,
      cells: [name, "none", failure ? `${failure.test}: ${failure.why}` : "passes all its tests"],
    };
  }
  for (const mutation of list) {
    const { applied, failure } = await withFault(mutation, opOf(mutation.op));
    const cases = /after (\d+) tests?/.exec(failure?.why ?? "")?.[1] ?? "1";
    const verdict = applied
      ? (failure?.test ?? "SURVIVES: the derived tests need a better case")
      : "no kernel has this text";
    const good = applied && failure !== undefined;
    yield { good, cells: [mutation.op, mutation.why, verdict, ...(failure ? [cases] : [])] };
  }
}
