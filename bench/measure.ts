// Timing: arms of one comparison take turns, so that what disturbs the machine disturbs all of them alike.
import { availableParallelism } from "node:os";

/** One contestant. `run` does the work `reps` times and resolves when it is finished, on the device too. */
export interface Arm {
  readonly name: string;
  run(reps: number): Promise<void>;
}

/** Milliseconds per repetition. On CPU rasterisers `cpu`, the whole process's CPU time, is the steady figure. */
export interface Timing {
  readonly median: number;
  readonly min: number;
  readonly cpu: number;
  readonly minCpu: number;
  /** Wall and CPU ms of each round. */
  readonly samples: readonly { readonly wall: number; readonly cpu: number }[];
}

/** Whose time decides: the device's wall clock, or on CPU rasterisers the CPU time, spread over the cores. */
export type Clock = "wall" | "cpu";

/** Seconds of one repetition by that clock: `best` of the samples, or the median. */
export function secondsOf({ median, min, cpu, minCpu }: Timing, clock: Clock, best = false): number {
  return (clock === "cpu" ? (best ? minCpu : cpu) / availableParallelism() : best ? min : median) / 1000;
}

export const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
};

async function sample({ run }: Arm, reps: number): Promise<{ wall: number; cpu: number }> {
  const cpu = process.cpuUsage();
  const start = performance.now();
  await run(reps);
  const wall = performance.now() - start;
  const { user, system } = process.cpuUsage(cpu);
  return { wall: wall / reps, cpu: (user + system) / 1000 / reps };
}

/** Longer single runs than this (ms) are sampled twice at most. */
const slow = 1000;

/** Repetitions that fill a sample, found by growing so that the first, cold run decides nothing. */
async function planOf(arm: Arm, rounds: number, sampleMs: number): Promise<{ reps: number; rounds: number }> {
  await arm.run(1); // compiles
  for (let reps = 1; ; reps *= 4) {
    const { wall } = await sample(arm, reps);
    if (wall * reps <= sampleMs / 4 && reps < 4096) continue;
    return { reps: clamp(Math.round(sampleMs / wall), 1, 4096), rounds: wall > slow ? Math.min(rounds, 2) : rounds };
  }
}

const clamp = (value: number, least: number, most: number) => Math.max(least, Math.min(most, value));

/** Time of `a` over that of `b`: the median over the rounds in which they took turns. */
export function ratioOf(a: Timing, b: Timing, clock: Clock): number {
  const rounds = Math.min(a.samples.length, b.samples.length);
  return median(Array.from({ length: rounds }, (_, i) => a.samples[i][clock] / b.samples[i][clock]));
}

/** Warms every arm up, then lets them take turns for `rounds` rounds of samples of about `sampleMs`. */
export async function interleave(arms: readonly Arm[], rounds: number, sampleMs = 30): Promise<Timing[]> {
  const plans: { reps: number; rounds: number }[] = [];
  for (const arm of arms) plans.push(await planOf(arm, rounds, sampleMs));
  const samples = arms.map((): { wall: number; cpu: number }[] => []);
  for (let round = 0; round < rounds; round++)
    for (const [i, arm] of arms.entries())
      if (round < plans[i].rounds) samples[i].push(await sample(arm, plans[i].reps));
  return samples.map((each) => ({
    median: median(each.map(({ wall }) => wall)),
    min: Math.min(...each.map(({ wall }) => wall)),
    cpu: median(each.map(({ cpu }) => cpu)),
    minCpu: Math.min(...each.map(({ cpu }) => cpu)),
    samples: each,
  }));
}
