// Every flag that a message, a help text, a comment or a document names is one that the command it speaks of has.
import { existsSync, readFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { commands, loaded, runCommand } from "../../cli/cli.ts";
import { gpuOptions } from "../../cli/gpu.ts";
import { flagsOf, foreignFlags } from "../../cli/names.ts";
import { sources, walk } from "../run/sources.ts";

const context = { gpu: () => gpuOptions({}), run: runCommand };
const always = ["--help", "--version", "--adapter", "--gpu-memory"];

/** Flags by command; the programs that are no subcommands have the few that their usage says. */
const flags = new Map<string, readonly string[]>([
  ["test", ["--only"]],
  ["package-proof", ["--node", "--keep"]],
  ["mutants", ["--filter", "--json"]],
  ["golden", ["--filter", "--json", "--weights"]],
  ["compositions", ["--runs", "--seed", "--path"]],
  ["reliability", ["--kills", "--stride", "--from", "--damages", "--only", "--json"]],
  ["soak", ["--minutes", "--steps", "--json"]],
]);
for (const entry of commands) flags.set(entry.name, flagsOf(await loaded(entry, context)));
const every = new Set([...always, ...[...flags.values()].flat()]);

/** Flags of other programs, where our files start or name those. */
const others: Readonly<Record<string, readonly string[]>> = {
  "bench/gpu-report/adapter.ts": ["--query-gpu", "--format"], // of nvidia-smi
  "cli/commands/gpu-report.ts": ["--part", "--known", "--seconds"], // what it starts: itself, for one part
  "cli/launch/install.mjs": [
    "--include",
    "--prefer-offline",
    "--no-audit",
    "--no-fund",
    "--loglevel",
    "--ignore-scripts",
    "--fetch-retry-mintimeout",
    "--fetch-retry-maxtimeout",
  ],
  "cli/launch/launch.mjs": ["--enable-source-maps"],
  "cli/launch/build.mjs": ["--outDir"],
  "cli/names.ts": ["--batch", "--clip", "--decay", "--weight-decay"], // names of before
  "test/kernels/race-claim.ts": ["--save-dev"],
  "test/package/checks.ts": ["--noEmit", "--strict", "--target", "--module", "--lib", "--types", "--ignoreConfig"],
  "test/package/main.ts": ["--pack-destination", "--save-dev"],
  "test/package/user.ts": ["--no-audit", "--no-fund", "--prefer-offline", "--loglevel"],
  "train/mpi/launcher.ts": ["--bind-to"], // of mpirun
  // of mpirun, srun, sbatch, docker
  "docs/guide/parallel.md": [
    ...["--bind-to", "--allow-run-as-root", "--oversubscribe", "--host", "--mca"],
    ...["--ntasks", "--gpus-per-task", "--cpus-per-task", "--signal", "--gpus"],
  ],
  "test/kit/ranks.ts": ["--allow-run-as-root", "--oversubscribe", "--bind-to"],
  "test/run/main.ts": ["--enable-source-maps"],
  "test/run/program.ts": ["--enable-source-maps"],
  "test/run/in-child.ts": ["--enable-source-maps"],
  // what they start: train, inspect, Node
  "test/reliability/device.ts": ["--restarts", "--gpu-deadline"],
  "test/reliability/disk.ts": ["--steps", "--digest"],
  "test/reliability/kills.ts": ["--digest"],
  "test/reliability/features.ts": ["--lock-image", "--lock-text", "--cache-features", "--steps"],
  "test/reliability/pairs.ts": ["--lr", "--override"],
  "test/reliability/process.ts": ["--gpu-deadline"],
  "test/reliability/site.ts": ["--preset", "--name", "--import"],
  "test/reliability/soak.ts": ["--steps", "--warmup", "--checkpoint-every"],
  "test/reliability/main.ts": ["--minutes", "--steps"], // of soak
  "test/reliability/same-bits.ts": [
    "--workers",
    "--train-data",
    "--steps",
    "--override",
    "--max-old-space-size",
    "--expose-gc",
    "--disable-proto",
    "--frozen-intrinsics",
    "--disallow-code-generation-from-strings",
    "--permission",
    "--experimental-permission",
    "--allow-addons",
    "--allow-fs-read",
    "--allow-fs-write",
  ],
  "test/run/steps.ts": ["--noEmit", "--error-on-warnings", "--colors"],
  "bench/results.ts": ["--short"],
  "train/loop.ts": ["--short"],
  "ingest/onnx-detector.ts": ["--no-save", "--ignore-scripts"], // of npm
  "bench/baselines/onnxruntime.ts": ["--no-save", "--ignore-scripts"], // of npm
  "docs/guide/own-videos.md": ["--no-save", "--ignore-scripts"],
  "CONTRIBUTING.md": ["--write"],
  "README.md": ["--depth"],
  "docs/TRAINING.md": ["--logdir"], // of tensorboard
};

/** A command that is named right before a flag, in one line: `emotionclip tune --filter`, `npm start -- --steps`, `start --data`. */
const named = /(?:emotionclip\s+|npm (?:run )?|`)([a-z][a-z-]*)(?![\w-])[^`\n]*?$/;
const inner = /\s--\s+([a-z][a-z-]*)\s[^`\n]*$/;

/** The command that `before`, the text of a line up to a flag, speaks of; undefined where it names none. */
function commandIn(before: string): string | undefined {
  const last = Math.max(before.lastIndexOf("emotionclip "), before.lastIndexOf("npm "), before.lastIndexOf("`"));
  const word = named.exec(before.slice(Math.max(0, last)))?.[1];
  if (word === "profile") return inner.exec(before)?.[1] ?? word;
  return word !== undefined && flags.has(word) ? word : undefined;
}

/** The command whose file this is: its messages speak of its own flags. */
function commandOfFile(path: string): string | undefined {
  const word = /^(?:cli\/commands|bench|test)\/([a-z-]+)(?:\.ts|\/)/.exec(path)?.[1] ?? "";
  const name =
    { main: "bench", "kernel-file": "profile", "full-step": "full-size", parity: "golden", run: "test" }[word] ?? word;
  return flags.has(name) ? name : undefined;
}

interface Advice {
  readonly file: string;
  readonly flag: string;
  readonly command: string | undefined;
}

/** All `--words` of a text that are flags: no property of a style sheet, no decrement. */
function adviceIn(file: string, text: string): Advice[] {
  const styles = new Set(
    [...text.matchAll(/(?:var\(|colour\("|[\s"'{;])(--[\w-]+)(?=[:)"])/g)].map(([, name]) => name),
  );
  const found = [...text.matchAll(/(?<![\w$.\\-])--[a-z][\w-]*(?![\w-]|\s*[=!<>]==?|\.)/g)];
  return found.flatMap(({ 0: flag, index }) => {
    if (file.startsWith("cli/pages/") && styles.has(flag)) return [];
    const before = text.slice(text.lastIndexOf("\n", index) + 1, index);
    return [{ file, flag, command: commandIn(before) ?? commandOfFile(file) }];
  });
}

/** What is wrong with an advice, or undefined. */
function fault({ file, flag, command }: Advice): string | undefined {
  if (others[file]?.includes(flag)) return undefined;
  const known = command === undefined ? every : new Set([...always, ...flags.get(command)!]);
  if (file === "bench/profile.ts" && flags.get("profile")!.includes(flag)) return undefined; // behind the command it profiles
  return known.has(flag) ? undefined : `${file}: ${command ?? "no command"} has no ${flag}`;
}

const documents = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "bench/RESULTS.md", ...walk("docs")].filter(
  (path) => existsSync(path) && /\.(md|ts|wgsl)$/.test(path),
);
const code = sources().filter((path) => !path.endsWith(".test.ts") && !path.startsWith("test/project/browser"));
const advices = [...new Set([...documents, ...code])].flatMap((path) => adviceIn(path, readFileSync(path, "utf8")));

test("every flag that a text names is one of the command it speaks of", () => {
  assert.equal([...new Set(advices.flatMap((advice) => fault(advice) ?? []))], []);
  assert.ok(advices.length > 200, `${advices.length} found`);
});

test("flags in checks of values are those of a command", () => {
  const inCli = code.filter((path) => path.startsWith("cli/"));
  const calls = inCli.flatMap((path) => [
    ...readFileSync(path, "utf8").matchAll(/\b(?:whole|real|share|count)\("([\w-]+)", /g),
  ]);
  assert.ok(calls.length > 5);
  for (const [call, name] of calls) assert.ok(every.has(`--${name}`), call);
});

test("answers to the flags of other programs name flags of ours", () => {
  for (const { answer } of foreignFlags)
    for (const [flag] of answer.matchAll(/--[a-z][\w-]*/g)) assert.ok(every.has(flag), answer);
});

test("an advice is found with its command", () => {
  const of = (text: string) => adviceIn("x.ts", text).map(({ flag, command }) => `${command}${flag}`);
  assert.equal(of("run `start --data x`, or --json"), ["start--data", "undefined--json"]);
  assert.equal(of("emotionclip profile -- start --steps 5, or --kernel"), ["start--steps", "start--kernel"]);
  assert.equal(of("npm start -- --lr 1 and emotionclip tune --rounds 2"), ["start--lr", "tune--rounds"]);
  assert.equal(of("if (--depth === 0) i--;"), []);
  assert.is(fault({ file: "x.ts", flag: "--no-such", command: undefined }), "x.ts: no command has no --no-such");
  assert.is(fault({ file: "x.ts", flag: "--lr", command: "plan" }), "x.ts: plan has no --lr");
});

test.run();
