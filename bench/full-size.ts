// emotionclip full-size (npm run full-size): the published model with seeded random weights, one forward pass and one
// training step, beside the 512³ matmul of the same run. Not part of npm test: a step is 469 GFLOP.
import { Command } from "commander";
import { UsageError } from "../engine/errors.ts";
import { type GpuOptions, openGpu } from "../engine/index.ts";
import { preset } from "../model/emotionclip/presets.ts";
import { sizeText } from "../train/step-plan.ts";
import { type FullSize, fullSize, leastRatio, matmulFlops, publishedBatch, type Timed } from "./full-step.ts";
import { writeResults } from "./results.ts";
import { amount, table } from "./table.ts";

/** The command as the table of cli/cli.ts takes it. */
export function command({ gpu }: { gpu(): GpuOptions }): Command {
  return new Command()
    .option("--model <name>", "a published one", "ViT-B-32")
    .option("--batch-size <n>", "clips of the training step (default: 2 in software, the published 128 on a GPU)")
    .option("--micro <n>", "clips encoded at a time; 0: all (default: all, or as many as fit)")
    .option("--rounds <n>", "rounds in which forward, step and matmul take turns", "2")
    .option("--json", "one JSON object instead of text")
    .option("--write", "also write it to bench/results/<date>-<adapter>-full-size.json")
    .action((flags: Flags) => run(flags, gpu()));
}

interface Flags {
  model: string;
  batchSize?: string;
  micro?: string;
  rounds: string;
  json?: boolean;
  write?: boolean;
}

async function run({ model, batchSize, micro, rounds, json, write }: Flags, options: GpuOptions): Promise<void> {
  const config = preset(model);
  const given = {
    model,
    batch: wholeOf("--batch-size", batchSize, 2),
    micro: wholeOf("--micro", micro, 0),
    rounds: wholeOf("--rounds", rounds, 1)!,
  };
  const gpu = await openGpu(options);
  try {
    const result = await fullSize(gpu, config, { ...given, batch: given.batch ?? (gpu.facts.software ? 2 : 128) });
    console.log(json ? JSON.stringify(result) : fullSizePage(result));
    if (write) writeResults(gpu, "full-size", result);
    const faults = result.checks.filter(({ holds }) => !holds);
    for (const { claim, found } of faults) console.error(`wrong: ${claim}: ${found}`);
    if (!result.reached) console.error(`missed: ${amount(result.ratio)} of the 512³ matmul, at least ${leastRatio}`);
    if (faults.length) process.exitCode = 1;
  } finally {
    gpu.close();
  }
}

function wholeOf(flag: string, text: string | undefined, least: number): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < least || value > 65536)
    throw new UsageError(`${flag}: "${text}" is not a whole number from ${least} to 65536`);
  return value;
}

/** The result as a table that a person reads and a script can cut. */
export function fullSizePage(result: FullSize): string {
  const { forward, step, memory, predicted, checks, clips, frames, micro, clock } = result;
  const seconds = (s: number) => `${s.toFixed(s < 10 ? 3 : 1)} s`;
  const work = (name: string, { gflop, gigabytes, ...time }: Timed) => [
    name,
    `${gflop.toFixed(1)} GFLOP`,
    `${gigabytes.toFixed(1)} GB`,
    seconds(time.wallSeconds),
    seconds(time.cpuSeconds),
    amount(time.gflopsPerSecond),
    amount(gigabytes / time.seconds),
  ];
  const head = ["", "work", "traffic", "wall", "CPU", "GFLOP/s", "GB/s"];
  const rows = [
    head,
    work(`forward, 1 clip x ${frames} frames, 1 text`, forward),
    work(`training step, ${clips} clips x ${frames} frames${micro ? `, ${micro} at a time` : ""}`, step),
    ["matmul 512³", `${(matmulFlops / 1e9).toFixed(3)} GFLOP`, "", "", "", amount(result.matmulGflopsPerSecond), ""],
  ];
  const verdict = result.reached ? "reached" : "MISSED";
  return [
    `${result.model}, ${result.values.toLocaleString("en")} random values, on ${result.adapter}`,
    "",
    table(rows, 0),
    "",
    `rates by ${clock === "cpu" ? "CPU time over all cores" : "the wall clock"}; work is what the launches of the plan declare, ` +
      `${step.products.toFixed(1)} % of it matrix products`,
    `step / matmul    ${amount(result.ratio)}, at least ${leastRatio}: ${verdict} (by the wall clock ${amount(result.wallRatio)})`,
    `memory           planned ${sizeText(memory.planned)}, held ${sizeText(memory.held)}; process ${sizeText(memory.process)} at most`,
    `batch of ${publishedBatch}     ${sizeText(predicted.atOnce)} at once, ${sizeText(predicted.inParts)} in parts of ${predicted.micro}`,
    "",
    ...checks.map(({ claim, found, holds }) => `${holds ? "yes  " : "WRONG"}  ${claim}: ${found}`),
  ].join("\n");
}
