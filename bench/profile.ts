// emotionclip profile: any of our commands under the profiler, or a kernel file of one's own.
import { writeFileSync } from "node:fs";
import { Command } from "commander";
import { causeOf } from "../data/formats/cause.ts";
import { DiskError, UsageError } from "../engine/errors.ts";
import { type GpuOptions, openGpu } from "../engine/device/open.ts";
import { ideal, type Roofline } from "../engine/device/roofline.ts";
import { Profiler, type ProfileRow } from "../engine/device/timing.ts";
import { traceOf } from "../engine/device/trace.ts";
import { launchCount, type KernelFlags, prepareKernelFile } from "./kernel-file.ts";
import { interleave, secondsOf } from "./measure.ts";
import { submitRaw } from "./raw.ts";
import { clockOf, copyOf, measureRoofline } from "./roofline.ts";
import { amount, table } from "./table.ts";

/** The command as the table of cli/cli.ts takes it. */
export function command(context: Context): Command {
  return new Command()
    .argument("[command...]", "a command of ours with its flags, after --")
    .option("--json", "one JSON object on stdout; what the command prints goes to stderr")
    .option("--trace <file>", "also write a trace for chrome://tracing or Perfetto")
    .option("--kernel <file>", "profile this WGSL file instead of a command")
    .option("--sizes <list>", "sizes and numbers of the kernel: N=1024,D=768,eps=1e-5")
    .option("--shape <name=product>", "size of a binding without a // [N, D] behind it: x=N*D (repeatable)", gather, [])
    .option(
      "--grid <counts>",
      "workgroups, divisions round up: N/WG or N,D/4 (default: an invocation per element of the first output)",
    )
    .option("--constants <list>", "overrides of the kernel: WG=128")
    .option("--flops <product>", "flops of one launch, for GFLOP/s: 2*N*D")
    .option("--rounds <n>", "samples of the kernel", "9")
    .action((words: string[], flags: Flags) => profile(words, flags, context));
}

/** What the command line hands it: how the GPU is opened, and how another command is run. */
interface Context {
  gpu(): GpuOptions;
  run(words: readonly string[], gpu: GpuOptions): Promise<void>;
}

const gather = (value: string, before: string[]): string[] => [...before, value];

interface Flags extends KernelFlags {
  json?: boolean;
  trace?: string;
  kernel?: string;
  flops?: string;
  rounds: string;
}

async function profile(words: string[], flags: Flags, context: Context): Promise<void> {
  if (flags.kernel !== undefined && words.length)
    throw new UsageError(`profile: either --kernel or a command, not both; found "${words.join(" ")}"`);
  if (flags.kernel !== undefined) return profileKernel(flags.kernel, flags, context.gpu());
  if (words.length === 0)
    throw new UsageError("profile: which command? write emotionclip profile -- start --steps 5, or --kernel my.wgsl");
  if (words[0] === "profile") throw new UsageError("profile: it cannot profile itself");
  return profileCommand(words, flags, context);
}

/** What `--json` prints: the rows with a number per column of the table. */
export interface ProfileReport {
  readonly adapter: string;
  readonly roofline: Roofline;
  /** Launches, and ms: all of them on the GPU, the wall clock from the first one's record to the last's end. */
  readonly launches: number;
  readonly gpuMs: number;
  readonly wallMs: number;
  readonly rows: readonly ProfileRow[];
  /** Main-thread ms by kind: recording, planning, encoding. */
  readonly main: Readonly<Record<string, number>>;
}

/** Adds up what a profiler collected. */
export async function reportOf(profiler: Profiler, adapter: string, roofline: Roofline): Promise<ProfileReport> {
  await profiler.collect();
  const rows = profiler.rows(roofline);
  const spans = profiler.spans();
  const main: Record<string, number> = {};
  for (const { name, ms, track } of spans) if (track === "main") main[name] = (main[name] ?? 0) + ms;
  const ends = spans.map(({ start, ms }) => start + ms).reduce((a, b) => Math.max(a, b), 0);
  return {
    adapter,
    roofline,
    launches: rows.reduce((sum, { calls }) => sum + calls, 0),
    gpuMs: rows.reduce((sum, { seconds }) => sum + seconds * 1000, 0),
    wallMs: spans.length ? ends - spans[0].start : 0,
    rows,
    main,
  };
}

async function profileCommand(words: readonly string[], { json, trace }: Flags, { gpu, run }: Context): Promise<void> {
  const options = gpu();
  const roofline = await measuredAlone(options);
  const found: Profiler[] = [];
  const giveBack = json ? sendToStderr() : () => {};
  try {
    await run(words, { ...options, profile: (profiler) => found.push(profiler) });
  } finally {
    giveBack();
    if (found.length === 0) console.error(`profile: "${words.join(" ")}" opened no GPU; there is nothing to show`);
    for (const profiler of found) {
      const report = await reportOf(profiler, profiler.adapter, roofline);
      console.log(json ? JSON.stringify(report) : profilePage(report));
      if (trace) writeTrace(trace, profiler);
    }
  }
}

/** The roofline on a device of its own: the command opens the one it wants. */
async function measuredAlone(options: GpuOptions): Promise<Roofline> {
  const gpu = await openGpu(options);
  try {
    new Profiler(gpu); // refuses an adapter without timestamps before anything long begins
    return await measureRoofline(gpu);
  } finally {
    gpu.close();
  }
}

function sendToStderr(): () => void {
  const write = process.stdout.write;
  process.stdout.write = process.stderr.write.bind(process.stderr) as typeof write;
  return () => {
    process.stdout.write = write;
  };
}

function writeTrace(path: string, profiler: Profiler): void {
  try {
    writeFileSync(path, JSON.stringify(traceOf(profiler.spans(), profiler.adapter)));
  } catch (error) {
    throw new DiskError(`${path}: cannot be written: ${causeOf(error)}`, { cause: error });
  }
  console.error(`trace in ${path}: open it in https://ui.perfetto.dev or chrome://tracing`);
  if (profiler.dropped) console.error(`  the last ${profiler.dropped} spans are not in it`);
}

const percent = (share: number) => `${(100 * share).toFixed(share < 0.0995 ? 1 : 0)} %`;

/** The report as a table that a person reads and a script can cut. */
export function profilePage(report: ProfileReport): string {
  const { adapter, roofline, rows, gpuMs, wallMs, launches, main } = report;
  const lines = rows.map((row) => [
    (row.seconds * 1000).toFixed(2),
    percent((row.seconds * 1000) / gpuMs),
    String(row.calls),
    ((row.seconds * 1e6) / row.calls).toFixed(1),
    amount(row.flops / row.seconds / 1e9),
    amount(row.bytes / row.seconds / 1e9),
    row.bound,
    percent(row.share),
    row.kernels.length ? `${row.label}  [${row.kernels.join(", ")}]` : row.label,
  ]);
  const head = ["ms", "of all", "calls", "us/call", "GFLOP/s", "GB/s", "bound by", "roofline", "op and pass"];
  const threads = Object.entries(main).map(([name, ms]) => `${name} ${ms.toFixed(1)} ms`);
  return [
    adapter,
    `roofline: ${describe(roofline)}`,
    "",
    table([head, ...lines], 8),
    "",
    `GPU: ${launches} launches, ${gpuMs.toFixed(1)} ms of ${wallMs.toFixed(1)} ms`,
    `main thread: ${threads.join(", ") || "nothing"}`,
  ].join("\n");
}

const describe = ({ bytesPerSecond, flopsPerSecond, launch }: Roofline): string =>
  `${amount(bytesPerSecond / 1e9)} GB/s copied, ${amount(flopsPerSecond / 1e9)} GFLOP/s, ${(launch * 1e6).toFixed(1)} us a launch`;

async function profileKernel(path: string, flags: Flags, options: GpuOptions): Promise<void> {
  const rounds = Number(flags.rounds);
  if (!Number.isInteger(rounds) || rounds < 1)
    throw new UsageError(`--rounds: "${flags.rounds}" is not a whole number from 1 on`);
  const gpu = await openGpu(options);
  try {
    const file = prepareKernelFile(gpu, path, flags);
    const flops = flags.flops === undefined ? 0 : launchCount(flags.flops, file.names, "--flops");
    await gpu.idle(); // mistakes in the text are reported here
    const roof = await measureRoofline(gpu);
    const copyBytes = Math.max(16, Math.ceil(file.bytes / 2 / 16) * 16);
    const arms = [file.launch, copyOf(gpu, copyBytes)].map((launch) => ({
      name: "",
      run(reps: number) {
        submitRaw(gpu, [launch], reps);
        return gpu.idle();
      },
    }));
    const [own, copied] = await interleave(arms, rounds);
    const seconds = secondsOf(own, clockOf(gpu));
    const best = ideal({ bytes: file.bytes, flops, calls: 1 }, roof);
    const result = {
      kernel: file.label,
      adapter: gpu.facts.adapter,
      grid: file.launch.grid,
      shapes: Object.fromEntries(file.shapes.map(({ name, elements, type }) => [name, `${elements} ${type}`])),
      median_ms: own.median,
      min_ms: own.min,
      cpu_ms: own.cpu,
      gflops: flops / seconds / 1e9,
      gbps: file.bytes / seconds / 1e9,
      bound: best.bound,
      share: best.seconds / seconds,
      copies: seconds / secondsOf(copied, clockOf(gpu)),
      roofline: roof,
    };
    console.log(flags.json ? JSON.stringify(result) : kernelPage(result, flops > 0));
  } finally {
    gpu.close();
  }
}

interface KernelResult {
  kernel: string;
  adapter: string;
  grid: readonly number[];
  shapes: Record<string, string>;
  median_ms: number;
  min_ms: number;
  cpu_ms: number;
  gflops: number;
  gbps: number;
  bound: string;
  share: number;
  copies: number;
  roofline: Roofline;
}

function kernelPage(result: KernelResult, hasFlops: boolean): string {
  const row = (label: string, value: string) => `  ${label.padEnd(12)}${value}`;
  const times = `median ${result.median_ms.toFixed(4)} ms, best ${result.min_ms.toFixed(4)} ms, CPU ${result.cpu_ms.toFixed(4)} ms`;
  const rates = [`${amount(result.gbps)} GB/s`, ...(hasFlops ? [`${amount(result.gflops)} GFLOP/s`] : [])];
  return [
    `${result.kernel} on ${result.adapter}`,
    row(
      "buffers",
      Object.entries(result.shapes)
        .map(([name, shape]) => `${name}: ${shape}`)
        .join(", "),
    ),
    row("workgroups", result.grid.join(" x ")),
    row("time", times),
    row("rate", rates.join(", ")),
    row("roofline", `${percent(result.share)}, bound by ${result.bound} (${describe(result.roofline)})`),
    row("copy", `${result.copies.toFixed(2)} times a vec4 copy of the same bytes`),
  ].join("\n");
}
