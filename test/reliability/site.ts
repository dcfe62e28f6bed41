// A folder in which tiny trainings run as a user runs them, in processes of their own, and what they leave there.
import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { performance } from "node:perf_hooks";
import { checkpointName, checkpointSteps, digest, readManifest } from "../../model/checkpoint/folder.ts";

const program = resolve("dist", "cli.js");
const root = mkdtempSync(join(tmpdir(), "emotionclip-reliability-"));
process.on("exit", () => rmSync(root, { recursive: true, force: true }));

export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
  readonly seconds: number;
  /** Most bytes it had in memory, where the system tells. */
  readonly peak: number;
}

export interface Launch {
  readonly folder?: string;
  readonly flags?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  /** Flags of Node. */
  readonly node?: readonly string[];
  /** A module that runs before the program: its text. */
  readonly hook?: string;
  /** Seconds after which it is killed: its code is then null; 300. */
  readonly patience?: number;
  /** Words before `node`, such as strace with its flags. */
  readonly under?: readonly string[];
  /** Sees the process as it runs. */
  readonly meanwhile?: (child: ChildProcess) => unknown;
}

let folders = 0;

/** A new folder to run in. */
export function site(name = "site"): string {
  const folder = join(root, `${name}-${++folders}`);
  mkdirSync(folder, { recursive: true });
  return folder;
}

export const runFolder = (folder: string): string => join(folder, "runs", "tiny");

/** `emotionclip train --preset tiny --name tiny` in a folder, to its end. */
export const train = (launch: Launch = {}): Promise<Ended> =>
  emotionclip(["train", "--preset", "tiny", "--name", "tiny", ...(launch.flags ?? [])], launch);

export async function emotionclip(words: readonly string[], launch: Launch): Promise<Ended> {
  const { folder = site(), env, node = [], hook, under = [], patience = 300, meanwhile } = launch;
  const began = performance.now();
  const preload = hook === undefined ? [] : ["--import", `data:text/javascript,${encodeURIComponent(hook)}`];
  const [first, ...rest] = [...under, process.execPath, ...node, ...preload, program, ...words];
  const child = spawn(first, rest, {
    cwd: folder,
    env: { ...process.env, EMOTIONCLIP_ROOT: resolve("."), ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let [out, err, peak] = ["", "", 0];
  child.stdout.on("data", (text) => (out += text));
  child.stderr.on("data", (text) => (err += text));
  const closed = new Promise<number | null>((done) => child.on("close", (code) => done(code)));
  const late = setTimeout(() => child.kill("SIGKILL"), patience * 1000);
  const watch = setInterval(() => (peak = Math.max(peak, highest(child.pid))), 100);
  void meanwhile?.(child);
  const code = await closed;
  clearTimeout(late);
  clearInterval(watch);
  return { code, out, err, peak, seconds: (performance.now() - began) / 1000 };
}

function highest(pid: number | undefined): number {
  try {
    return 1024 * Number(/VmHWM:\s*(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0);
  } catch {
    return 0; // it has ended, or this is another system
  }
}

/** Lines of a run's log so far. */
export function logged(folder: string): number {
  const path = join(runFolder(folder), "metrics.jsonl");
  return existsSync(path) ? readFileSync(path, "utf8").split("\n").length - 1 : 0;
}

/** Resolves once something is so, or the process has ended. */
export async function until(child: ChildProcess, isSo: () => boolean, every = 2): Promise<boolean> {
  while (child.exitCode === null && child.signalCode === null) {
    if (isSo()) return true;
    await new Promise((later) => setTimeout(later, every));
  }
  return false;
}

/** The fields of a log's line that a clock or the machine makes. */
const measuredFields = /,"(clipsPerSecond|tflops|waiting|gpuBytes|rss)":[\d.e+-]+/g;

/** All that must not depend on what happened on the way, as one text: digest, log, model and names of files. */
export async function stateOf(folder: string): Promise<string> {
  const run = runFolder(folder);
  const [newest] = await checkpointSteps(run);
  const bits = newest === undefined ? "no checkpoint" : digest(await readManifest(join(run, checkpointName(newest))));
  const log = readFileSync(join(run, "metrics.jsonl"), "utf8").replace(measuredFields, "");
  const model = createHash("sha256")
    .update(readFileSync(join(run, "checkpoint.safetensors")))
    .digest("hex");
  return [bits, model, readdirSync(run).sort().join(" "), log].join("\n");
}

const wholes = new Map<string, Promise<string>>();

/** The state of a run with these flags that nothing happened to. */
export function undisturbed(flags: readonly string[] = []): Promise<string> {
  const key = flags.join(" ");
  if (!wholes.has(key)) wholes.set(key, whole(flags));
  return wholes.get(key)!;
}

async function whole(flags: readonly string[]): Promise<string> {
  const folder = site("whole");
  const ended = await train({ folder, flags });
  if (ended.code !== 0) throw new Error(`an undisturbed run ended with ${ended.code}\n${ended.err}`);
  return stateOf(folder);
}

/** What is wrong with a run that was to end like an undisturbed one; undefined where nothing is. */
export const difference = async (folder: string, ended: Ended, flags: readonly string[] = []) =>
  ended.code === 0 ? differenceTo(await undisturbed(flags), folder) : `exit code ${ended.code}: ${lastLines(ended)}`;

/** What is wrong with a finished run that was to have this state. */
export async function differenceTo(wanted: string, folder: string): Promise<string | undefined> {
  const found = await stateOf(folder);
  if (found === wanted) return undefined;
  const [mine, theirs] = [found.split("\n"), wanted.split("\n")];
  const at = theirs.findIndex((line, i) => line !== mine[i]);
  return `${["other bits", "another model", "other files"][at] ?? `log differs at line ${at - 2}`}: ${mine[at]?.slice(0, 120)}`;
}

export const lastLines = ({ err }: Ended): string => err.trim().split("\n").slice(-3).join(" / ").slice(0, 300);

/** Runs with these flags again, to the end, and compares. */
export async function finished(folder: string, flags: readonly string[] = []): Promise<string | undefined> {
  return difference(folder, await train({ folder, flags }), flags);
}
