// The property of compositions: a program is right, or refused for a reason; few are refused.
import fc from "fast-check";
import { openTestGpu } from "../kit/gpu.ts";
import { interpret, type Outcome, Parameters } from "./interpret.ts";
import { print, programs } from "./program.ts";

export interface Counts {
  programs: number;
  compared: number;
  refused: number;
}

export interface Repeat {
  readonly seed: number;
  readonly path?: string;
}

/** Runs random programs; throws with the smallest that fails and the command that repeats it. */
export async function checkCompositions(runs: number, { seed, path }: Repeat): Promise<Counts> {
  const gpu = await openTestGpu();
  const lanes = [new Parameters(), new Parameters()];
  const counts: Counts = { programs: 0, compared: 0, refused: 0 };
  const property = fc.asyncProperty(programs, async (list) => {
    const results = await Promise.allSettled(list.map((each, i) => interpret(each, lanes[i], list.length > 1)));
    await gpu.idle();
    for (const result of results) {
      if (result.status === "rejected") throw result.reason;
      note(counts, result.value);
    }
  });
  const details = await fc.check(property, { numRuns: runs, seed, path });
  if (!details.failed) return counts;
  const [smallest] = details.counterexample!;
  const why = (details.errorInstance as Error | undefined)?.stack;
  throw new Error(
    `after ${details.numRuns} programs: ${why}\n${smallest.map((each) => print([each])).join("\n  and at once\n")}\n` +
      `  npm run compositions -- --runs 1 --seed ${details.seed} --path ${details.counterexamplePath}`,
  );
}

function note(counts: Counts, { compared, refused }: Outcome): void {
  counts.programs++;
  counts.compared += compared;
  counts.refused += Number(refused);
}
