// `emotionclip gpu-report`: everything about one GPU in at most six minutes, as JSON and as a page.
import { spawn } from "node:child_process";
import { join } from "node:path";
import { Command, Option } from "commander";
import { reportParts, runPart } from "../../bench/gpu-report/parts.ts";
import type { KnownSoFar, Told } from "../../bench/gpu-report/part.ts";
import { type Ending, faultsOf, runReport, type StartPart } from "../../bench/gpu-report/run.ts";
import { commit } from "../../bench/results.ts";
import { makeFolder, replaceFile } from "../../data/formats/disk.ts";
import { GpuError, UsageError } from "../../engine/errors.ts";
import type { Context } from "../gpu.ts";
import { gpuReportPage } from "../pages/gpu-report-page.ts";
import { print, warn } from "../terminal/streams.ts";

interface Flags {
  readonly tiny?: boolean;
  readonly out: string;
  readonly minutes: string;
  readonly python: string;
  readonly part?: string;
  readonly known?: string;
  readonly seconds?: string;
}

/** The longest that a report may take. */
const mostMinutes = 6;

export function command({ gpu }: Context): Command {
  return new Command()
    .option("--out <folder>", "where report.json and report.html are written", "gpu-report")
    .option("--tiny", "every part at sizes that a rasteriser does in seconds: to try the report, not to measure")
    .option("--minutes <n>", `at most; what no time is left for is left out, the last parts first`, `${mostMinutes}`)
    .option("--python <program>", "the interpreter that has PyTorch with CUDA", "python3")
    .addOption(new Option("--part <name>", "run one part in this process").hideHelp())
    .addOption(new Option("--known <json>", "what earlier parts found").hideHelp())
    .addOption(new Option("--seconds <n>", "for that part").hideHelp())
    .action((flags: Flags) => (flags.part === undefined ? report(flags, gpu) : part(flags, gpu)));
}

/** One part in this process, which a report has started: lines of JSON on stdout. */
async function part({ part: name = "", known = "", seconds }: Flags, gpu: Context["gpu"]): Promise<void> {
  const tell = (told: Told) => print(JSON.stringify(told));
  await runPart(name, JSON.parse(known) as KnownSoFar, Number(seconds), gpu, tell);
}

async function report({ tiny = false, out, minutes, python }: Flags, gpu: Context["gpu"]): Promise<void> {
  const seconds = 60 * Number(minutes);
  if (!/^\d+(\.\d+)?$/.test(minutes) || seconds <= 0 || Number(minutes) > mostMinutes)
    throw new UsageError(`--minutes: "${minutes}" is not a number of minutes up to ${mostMinutes}`);
  const { adapter, memory, deadline } = gpu();
  const takeBack = await makeFolder(out);
  const found = await runReport(reportParts(gpu), {
    tiny,
    seconds,
    memory,
    python,
    commit: commit(),
    start: starting(adapter, deadline),
    say: (line) => warn([line]),
  });
  if ("refused" in found) {
    await takeBack();
    throw new GpuError(found.refused);
  }
  const [json, html] = ["report.json", "report.html"].map((name) => join(out, name));
  await replaceFile(json, `${JSON.stringify(found, undefined, 1)}\n`);
  await replaceFile(html, gpuReportPage(found));
  print(`${found.adapter}: ${json} and ${html}, ${found.seconds.toFixed(0)} s`);
  const faults = faultsOf(found);
  if (faults.length === 0) return;
  warn(faults.map((line) => `fault: ${line}`));
  process.exitCode = 1;
}

/** This program once more, for one part. */
function starting(adapter: string | undefined, deadline: number | undefined): StartPart {
  return (name, known, seconds, most, hear) => {
    const words = ["gpu-report", "--part", name, "--known", JSON.stringify(known), "--seconds", `${seconds}`];
    if (adapter) words.push("--adapter", adapter);
    if (deadline) words.push("--gpu-deadline", `${deadline}`);
    const child = spawn(process.execPath, [...process.execArgv, process.argv[1], ...words], {
      stdio: ["ignore", "pipe", "pipe", "ipc"], // that the channel breaks tells the child that we are gone
    });
    return new Promise<Ending>((resolve) => {
      let [rest, errors, isCut] = ["", "", false];
      const timer = setTimeout(() => {
        isCut = true;
        child.kill("SIGKILL");
      }, 1000 * most);
      child.stdout!.on("data", (text) => {
        const lines = (rest + text).split("\n");
        rest = lines.pop()!;
        for (const line of lines.map(toldIn)) if (line) hear(line);
      });
      child.stderr!.on("data", (text) => (errors = `${errors}${text}`.slice(-8000)));
      child.on("error", ({ message }) => resolve({ error: message }));
      child.on("close", (code, signal) => {
        clearTimeout(timer);
        if (isCut) resolve({ isCut });
        else if (code === 0) resolve({});
        else resolve({ error: `its process ended with ${signal ?? `exit code ${code}`}${said(errors)}` });
      });
    });
  };
}

/** A line that a part told; others come from drivers. */
function toldIn(line: string): Told | undefined {
  try {
    const told: unknown = JSON.parse(line);
    return typeof told === "object" && told ? (told as Told) : undefined;
  } catch {
    return undefined;
  }
}

/** What a process said of its error: the line that begins with it, or the last one. */
function said(errors: string): string {
  const lines = errors.split("\n").filter((line) => line.trim() !== "" && !/^Warning: /.test(line));
  const from = lines.findIndex((line) => /^(\S*error:|This is a bug)/.test(line));
  const told = from >= 0 ? lines.slice(from, from + 3) : lines.slice(-1);
  return told.length > 0 ? `: ${told.join(" ").slice(0, 500)}` : "";
}
