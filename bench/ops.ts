// The derived rows: every op at its declared sizes, forward and backward, with other engines beside it where they have
// the same operation.
import type { Gpu } from "../engine/device/gpu.ts";
import type { Op } from "../engine/declare/op.ts";
import type { Roofline } from "../engine/device/roofline.ts";
import type { Baseline, Contestant, Problem } from "./baselines/problem.ts";
import { type Case, casesOf, drawInputs, caseName, Prepared } from "./case.ts";
import { check, difference } from "./check.ts";
import { type Arm, interleave, ratioOf } from "./measure.ts";
import { clockOf } from "./roofline.ts";
import { failedRow, type BenchRow, rowOf } from "./row.ts";

/** What a run of the benchmark has at hand. */
export interface Bench {
  readonly gpu: Gpu;
  readonly roof: Roofline;
  readonly rounds: number;
  /** Whether a row is wanted, by its suite and case. */
  wanted(suite: string, name: string): boolean;
  readonly baselines: readonly Baseline[];
  row(row: BenchRow): void;
}

/** The name of our engine in the tables. */
export const ours = "emotionclip";

/** Rows for every case of every op that is wanted. */
export async function benchOps(bench: Bench, ops: readonly Op[]): Promise<void> {
  for (const op of ops)
    for (const made of casesOf(op)) {
      const names = { forward: `${caseName(made)} forward`, backward: `${caseName(made)} backward` };
      const wanted = { forward: bench.wanted("ops", names.forward), backward: bench.wanted("ops", names.backward) };
      if (wanted.forward || (wanted.backward && op.differentiable.size)) await benchCase(bench, made, names, wanted);
    }
}

type Both<V> = { forward: V; backward: V };

async function benchCase(bench: Bench, made: Case, names: Both<string>, wanted: Both<boolean>): Promise<void> {
  const { gpu, rounds, roof, row } = bench;
  const adapter = gpu.facts.adapter;
  const verdict = await check(made, gpu);
  const inputs = drawInputs(made);
  const prepared = new Prepared(gpu, made, inputs);
  const others = wanted.forward ? await contestants(bench, made, inputs, prepared, names.forward) : [];
  try {
    const own: (Arm & { direction: keyof Both<0> })[] = [];
    if (wanted.forward) own.push({ ...prepared.forwardArm, direction: "forward" });
    if (wanted.backward && prepared.backward) own.push({ ...prepared.backwardArm, direction: "backward" });
    const timings = await interleave([...own, ...others.map(({ contestant }) => contestant)], rounds);
    for (const [i, { direction }] of own.entries()) {
      const correct = verdict[direction];
      const note = [verdict.at && `checked at ${verdict.at}`, ...(correct ? [] : verdict.faults)]
        .filter(Boolean)
        .join("; ");
      const what = { suite: "ops", case: names[direction], engine: ours, adapter, correct, note };
      row(rowOf(what, timings[i], prepared[direction]!, clockOf(gpu), roof));
    }
    for (const [k, { engine, correct, note }] of others.entries()) {
      const timing = timings[own.length + k];
      const ratio = ratioOf(timing, timings[0], clockOf(gpu));
      row(
        rowOf(
          { suite: "ops", case: names.forward, engine, adapter, correct, ratio, note },
          timing,
          prepared.forward,
          clockOf(gpu),
          roof,
        ),
      );
    }
  } finally {
    for (const { contestant } of others) contestant.free();
    prepared.free();
  }
}

/** Ops that other engines have as one call. */
const shared: readonly string[] = ["matmul", "softmax", "layernorm", "gelu"] satisfies Problem["op"][];

/** An engine that needs longer than this for one run is not timed. */
const mostSeconds = 15;

interface Entrant {
  engine: string;
  contestant: Contestant;
  correct: boolean;
  note: string;
}

/** The other engines at this case, each run once and compared with our output; those that fail get a row that says why. */
async function contestants(
  { gpu, baselines, row }: Bench,
  made: Case,
  inputs: Record<string, Float32Array>,
  prepared: Prepared,
  name: string,
): Promise<Entrant[]> {
  if (!shared.includes(made.op.name)) return [];
  const { y } = await prepared.outputs();
  const problem: Problem = { op: made.op.name as Problem["op"], dims: made.dims, inputs };
  const found: Entrant[] = [];
  for (const baseline of baselines) {
    const { engine, note } = baseline;
    try {
      const contestant = await baseline.prepare(problem, gpu);
      const start = performance.now();
      await contestant.run(1);
      const seconds = (performance.now() - start) / 1000;
      if (seconds > mostSeconds) {
        contestant.free();
        throw new Error(`one run took ${seconds.toFixed(0)} s`);
      }
      const fault = difference(await contestant.output(), y, 1e-4, "y"); // other orders of summation, other erf
      found.push({ engine, contestant, correct: fault === undefined, note: [fault, note].filter(Boolean).join("; ") });
    } catch (error) {
      row(failedRow({ suite: "ops", case: name, engine, adapter: gpu.facts.adapter }, (error as Error).message));
    }
  }
  return found;
}
