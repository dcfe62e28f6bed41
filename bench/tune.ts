// emotionclip tune: races the structures of the matrix product on this adapter, and keeps the winners in the user's
// cache folder. Never needed to run: without the file the prior choices of kernels/matmul/table.ts hold.
import { dirname } from "node:path";
import { Command } from "commander";
import { type Gpu, type GpuOptions, HealthError, openGpu, tunedPath, Value } from "../engine/index.ts";
import type { Storage } from "../engine/record/value.ts";
import type { StructureName } from "../kernels/matmul/structures.ts";
import { candidates, type TuneTask, tasks, winner } from "../kernels/matmul/tune.ts";
import { makeFolder, replaceFile } from "../data/formats/disk.ts";
import { gaussians } from "./draw.ts";
import { type Arm, interleave, secondsOf } from "./measure.ts";
import { productLaunch } from "./products.ts";
import { bufferOf, type RawLaunch, submitRaw } from "./raw.ts";
import { clockOf } from "./roofline.ts";

/** The command as the table of cli/cli.ts takes it. */
export function command({ gpu }: { gpu(): GpuOptions }): Command {
  return new Command()
    .option("--filter <text>", 'only classes with this in their name, e.g. "matmul|NT"')
    .option("--rounds <n>", "samples of each structure", "7")
    .option("--dry-run", "measure and print, write nothing")
    .action((flags: Flags) => tune(flags, gpu()));
}

interface Flags {
  filter?: string;
  rounds: string;
  dryRun?: boolean;
}

/** What the file at tunedPath(adapter) holds; engine/host/node.ts reads `choices`. */
export interface TunedFile {
  readonly version: 1;
  readonly adapter: string;
  /** Class of products -> name of the structure. */
  readonly choices: Record<string, StructureName>;
  /** The measurements behind them, ms; null where a result was wrong. */
  readonly times: Record<string, Record<string, number | null>>;
}

async function tune({ filter = "", rounds, dryRun }: Flags, options: GpuOptions): Promise<void> {
  const gpu = await openGpu(options);
  const { adapter, software } = gpu.facts;
  const list = tasks(software ? 2 ** 30 : 2 ** 36).filter(({ key }) => key.includes(filter));
  const file: TunedFile = { version: 1, adapter, choices: {}, times: {} };
  console.log(`tuning ${list.length} classes of products on ${adapter}`);
  for (const [i, task] of list.entries()) {
    process.stderr.write(`${i + 1}/${list.length} ${task.key}\r`);
    const times = await race(gpu, task, Number(rounds));
    file.choices[task.key] = winner(times);
    file.times[task.key] = Object.fromEntries([...times].map(([name, ms]) => [name, ms ?? null]));
    console.log(lineOf(task, times, file.choices[task.key]));
  }
  if (dryRun) return gpu.close();
  const path = tunedPath(adapter);
  await makeFolder(dirname(path));
  await replaceFile(path, `${JSON.stringify(file, null, 1)}\n`);
  console.log(`written to ${path}`);
  gpu.close();
}

function lineOf(
  { key, M, N, K, batch }: TuneTask,
  times: ReadonlyMap<string, number | undefined>,
  best: string,
): string {
  const all = [...times].map(([name, ms]) => `${name} ${ms === undefined ? "wrong" : ms.toPrecision(3)}`);
  const size = `${batch ? `${batch.join("x")} of ` : ""}${M}x${N}x${K}`;
  return `${key.padEnd(28)} ${size.padEnd(22)} ${best.padEnd(6)} ms: ${all.join("  ")}`;
}

/** All candidates take turns on the same operands; one whose result differs from the first's has no time. */
async function race(gpu: Gpu, task: TuneTask, rounds: number): Promise<Map<StructureName, number | undefined>> {
  const names = candidates(task, gpu.facts);
  const { M, N, K, batch = [1, 1] } = task;
  const many = batch[0] * (batch[1] ?? 1);
  const operands = { a: bufferOf(gpu, gaussians(many * M * K, 1)), b: bufferOf(gpu, gaussians(many * K * N, 2)) };
  const outputs = names.map(() => gpu.store.allocate(4 * many * M * N, "other"));
  const arms = names.map((name, i) => armOf(gpu, productLaunch(gpu, task, name, { ...operands, c: outputs[i] }), name));
  const timings = await interleave(arms, rounds);
  const right = await agreeing(gpu, outputs, many * M * N, K);
  for (const storage of [...Object.values(operands), ...outputs]) gpu.store.free(storage, "other");
  const clock = clockOf(gpu);
  return new Map(names.map((name, i) => [name, right[i] ? 1000 * secondsOf(timings[i], clock) : undefined]));
}

function armOf(gpu: Gpu, launch: RawLaunch, name: string): Arm {
  return {
    name,
    run(reps) {
      submitRaw(gpu, [launch], reps);
      return gpu.idle();
    },
  };
}

/** Which outputs are the first one, up to the rounding of sums of K products of numbers around 1. */
async function agreeing(gpu: Gpu, outputs: readonly Storage[], numel: number, K: number): Promise<boolean[]> {
  const [first, ...others] = await Promise.all(outputs.map((output) => gpu.read(new Value(numel, "f32"), output)));
  if (!first.every(Number.isFinite)) throw new HealthError("tune: the reference product is not finite");
  const allowed = 1e-5 * Math.sqrt(K) * 8;
  return [true, ...others.map((other) => other.every((v, i) => Math.abs(v - first[i]) <= allowed))];
}
