// emotionclip bench (npm run bench): what every op costs, beside the roofline and other engines.
import { Command } from "commander";
import { UsageError } from "../engine/errors.ts";
import { type GpuOptions, openGpu } from "../engine/device/open.ts";
import { ops } from "../kernels/index.ts";
import { baselinesOn } from "./baselines/index.ts";
import { benchBars } from "./bars.ts";
import { type Bench, benchOps } from "./ops.ts";
import { benchImages } from "./images.ts";
import { benchProbes } from "./probes.ts";
import { benchRecording } from "./recording.ts";
import { writeResults } from "./results.ts";
import { measureRoofline } from "./roofline.ts";
import { heading, type BenchRow, textOf } from "./row.ts";
import { amount } from "./table.ts";

/** The command as the table of cli/cli.ts takes it. */
export function command({ gpu }: { gpu(): GpuOptions }): Command {
  return new Command()
    .option(
      "--filter <text>",
      "only rows whose suite, case or engine contains this (suites: ops, bars, recording, images, probes)",
    )
    .option("--json", "one JSON object per row on stdout")
    .option("--rounds <n>", "samples of each arm; they take turns", "7")
    .option("--no-others", "without other engines")
    .option("--write", "also write the rows to bench/results/<date>-<adapter>.json")
    .action((flags: Flags) => bench(flags, gpu()));
}

interface Flags {
  filter?: string;
  json?: boolean;
  rounds: string;
  others: boolean;
  write?: boolean;
}

async function bench({ filter = "", json, rounds, others, write }: Flags, options: GpuOptions): Promise<void> {
  const count = Number(rounds);
  if (!Number.isInteger(count) || count < 1)
    throw new UsageError(`--rounds: "${rounds}" is not a whole number from 1 on`);
  const gpu = await openGpu(options);
  const rows: BenchRow[] = [];
  const roof = await measureRoofline(gpu);
  const { bytesPerSecond, flopsPerSecond, launch } = roof;
  console.error(gpu.facts.adapter);
  console.error(
    `roofline: ${amount(bytesPerSecond / 1e9)} GB/s copied, ${amount(flopsPerSecond / 1e9)} GFLOP/s, ${(launch * 1e6).toFixed(1)} us a launch`,
  );
  if (!json) console.log(heading());
  const words = filter.toLowerCase();
  const all: Bench = {
    gpu,
    roof,
    rounds: count,
    wanted: (suite, name) => `${suite} ${name}`.toLowerCase().includes(words),
    baselines: others ? baselinesOn(options) : [],
    row(row) {
      rows.push(row);
      console.log(json ? JSON.stringify(row) : textOf(row));
    },
  };
  await benchOps(all, ops);
  const missed = [
    ...(await benchBars(all, ops)),
    ...(await benchRecording(all)),
    ...(await benchImages(all)),
    ...benchProbes(all),
  ];
  if (rows.length === 0) throw new UsageError(`--filter: no row contains "${filter}"`);
  if (write) writeResults(gpu, "", { rows });
  gpu.close();
  for (const bar of missed) console.error(`missed: ${bar}`);
  const wrong = rows.filter(({ correct }) => correct === false);
  if (wrong.length) {
    console.error(`${wrong.length} of ${rows.length} rows are wrong`);
    process.exitCode = 1;
  }
}
