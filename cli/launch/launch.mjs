#!/usr/bin/env node
// What the npm scripts start. Plain Node without packages: sets up what is missing (packages, dist, adapter), then starts the
// real process with the environment that its GPU driver needs, which must be there before a process begins.
import { spawn } from "node:child_process";
import { readFileSync, rmSync, statSync } from "node:fs";
import { availableParallelism, constants } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { adapterNames, chooseAdapter, forgetAdapters } from "./adapter.mjs";
import { bundle, programs } from "./bundle.mjs";
import { install } from "./install.mjs";

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const say = (line) => process.stderr.write(`${line}\n`);
process.stderr.on("error", () => {}); // nobody reads; go on

/** Threads for decoding pictures and reading files: Node's 4, or one for each core. It is fixed when a process begins. */
const poolSize = String(Math.max(4, availableParallelism()));

/** Commands that work on files alone, and so start without looking for an adapter. */
const WITHOUT_GPU = new Set([
  "api",
  "compare",
  "convert",
  "data",
  "help",
  "inspect",
  "ops",
  "runs",
  "shards",
  "stage-clip",
  "version",
]);

async function main() {
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major < 20 || (major === 20 && minor < 9))
    throw usage(`Node ${process.versions.node} is too old; 20.9 or later is needed`);
  const { command, rest, wanted } = parse(process.argv.slice(2));
  const program = command !== undefined && Object.hasOwn(programs, command) && command !== "cli" ? command : "cli";
  const isCommandLine = program === "cli" || program === "example";
  await install(root, say);
  const isHelp =
    command === undefined || worksOnFiles(command, rest) || rest.some((word) => word === "--help" || word === "-h");
  const [entry, adapter] = await Promise.all([build(program), isHelp ? undefined : findAdapter(command, wanted)]);
  if (adapter?.notice && isFirst()) say(adapter.notice);
  const env = { UV_THREADPOOL_SIZE: poolSize, ...process.env, ...adapter?.env };
  if (adapter) env.EMOTIONCLIP_ADAPTER = adapter.name;
  if (command === "doctor") env.EMOTIONCLIP_ADAPTERS = (await adapterNames(root)).join("\n");
  const code = await run(entry, isCommandLine && command !== undefined ? [command, ...rest] : rest, env);
  if (code === 4) forgetAdapters(root);
  process.exit(code);
}

/** Of several ranks of one job, the first says what all would say. */
function isFirst() {
  const { OMPI_COMM_WORLD_RANK, PMI_RANK, SLURM_PROCID } = process.env;
  return Number(OMPI_COMM_WORLD_RANK ?? PMI_RANK ?? SLURM_PROCID ?? 0) === 0;
}

/** `eval` needs no model where the features are given, `tables` only for Table 2, `ingest` for a classifier, `example` to run one. */
function worksOnFiles(command, rest) {
  if (command === "eval") return rest.some((word) => /^--features(=|$)/.test(word));
  if (command === "ingest") return !namesFolder("--sentiment", rest);
  if (command === "tables") return !rest.some((word) => /^--checkpoint(=|$)/.test(word));
  if (command === "example") return rest.includes("--print") || rest.every((word) => word.startsWith("-"));
  return WITHOUT_GPU.has(command);
}

/** Whether the value of a flag is a folder. */
function namesFolder(flag, rest) {
  const at = rest.findIndex((word) => word === flag || word.startsWith(`${flag}=`));
  if (at < 0) return false;
  const value = rest[at] === flag ? rest[at + 1] : rest[at].slice(flag.length + 1);
  return value !== undefined && statSync(value, { throwIfNoEntry: false })?.isDirectory() === true;
}

/** The tests start the command line too, with and without examples; if it cannot be built, they say so where they need it. */
async function build(program) {
  for (const [other, entry] of [
    ["cli", "cli.js"],
    ["example", "example-cli.js"],
  ]) {
    if (program === other || (other === "example" && program !== "test")) continue;
    await bundle(root, other).catch((error) => {
      rmSync(join(root, "dist", entry), { force: true });
      say(error.message);
    });
  }
  return bundle(root, program);
}

/** doctor tells what is wrong, so it also starts without an adapter. */
async function findAdapter(command, wanted) {
  try {
    return await chooseAdapter(root, wanted, say);
  } catch (error) {
    if (command !== "doctor" || wanted || error.exitCode !== 4) throw error;
    say(error.message);
    return undefined;
  }
}

/** `--adapter NAME`, before a lone `--`, is for us; EMOTIONCLIP_ADAPTER says the same. Everything else passes. */
function parse(words) {
  const rest = [];
  let wanted = process.env.EMOTIONCLIP_ADAPTER || undefined;
  const end = words.includes("--") ? words.indexOf("--") : words.length;
  for (let i = 0; i < words.length; i++) {
    if (i < end && words[i] === "--adapter") {
      wanted = words[++i];
      if (i >= end || !wanted || wanted.startsWith("-")) throw usage(noName);
    } else if (i < end && words[i].startsWith("--adapter=")) {
      wanted = words[i].slice("--adapter=".length);
      if (!wanted) throw usage(noName);
    } else rest.push(words[i]);
  }
  const command = rest[0]?.startsWith("-") ? undefined : rest.shift();
  return { command, rest, wanted };
}

const noName = "--adapter needs a part of a device's name (emotionclip doctor lists them)";

const usage = (message) => Object.assign(new Error(message), { exitCode: 2 });

/** Runs the real process on our own terminal; its exit code, 128 + n after a signal. */
function run(entry, args, env) {
  return new Promise((resolve, reject) => {
    // The channel carries nothing: that it breaks tells the child that we are gone, however we went.
    const stdio = ["inherit", "inherit", "inherit", ...inherited()];
    const child = spawn(process.execPath, ["--enable-source-maps", entry, ...args], { env, stdio });
    watchNpm(() => child.kill("SIGTERM"));
    // A terminal sends Ctrl-C to both of us; the child takes what comes within a moment as one signal.
    const signals = process.platform === "win32" ? ["SIGTERM"] : ["SIGINT", "SIGTERM", "SIGHUP", "SIGUSR2"];
    for (const signal of signals) process.on(signal, () => child.kill(signal));
    if (process.platform === "win32") process.on("SIGINT", () => {});
    child.on("error", reject);
    child.on("exit", (code, signal) => resolve(code ?? 128 + (constants.signals[signal] ?? 0)));
  });
}

/** Our channel, and what MPICH's mpirun talks to a rank through, which has to have the same number. */
function inherited() {
  const number = Number(process.env.PMI_FD);
  if (!Number.isSafeInteger(number) || number < 3 || number > 1000) return ["ipc"];
  const before = Array.from({ length: number - 3 }, () => "ignore");
  return before.length > 0 ? ["ipc", ...before.slice(1), number] : [number, "ipc"];
}

/** npm ends its scripts with itself, unless it is killed: then we become somebody else's child. Elsewhere that is nobody's death. */
function watchNpm(gone) {
  if (process.env.npm_lifecycle_event === undefined || process.platform === "win32") return;
  const born = ancestors();
  const timer = setInterval(() => {
    if (ancestors() === born) return;
    clearInterval(timer);
    say("emotionclip: npm is gone; stopping");
    gone();
  }, 500);
  timer.unref();
}

/** Our parent, and where the system tells it the parent's: npm starts a shell, which not everywhere gives way to its command. */
function ancestors() {
  const parent = process.ppid;
  try {
    return `${parent} ${/^PPid:\s*(\d+)/m.exec(readFileSync(`/proc/${parent}/status`, "utf8"))[1]}`;
  } catch {
    return `${parent}`;
  }
}

main().catch((error) => {
  const ours = error instanceof TypeError || error instanceof ReferenceError || error instanceof RangeError;
  say(`emotionclip: ${ours ? error.stack : error.message}`);
  process.exit(error.exitCode ?? 1);
});
