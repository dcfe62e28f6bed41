// `emotionclip train` under mpirun: the bits of one process that takes its batch in as many parts, whatever the family; stopped, killed and gone on with.
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { coverLaunchers, type Launcher, launchers, runRanks } from "../kit/ranks.ts";
import { runProgram } from "../run/program.ts";

const CLI = resolve("dist", "cli.js");
const LAUNCH = resolve("cli", "launch", "launch.mjs");
const root = mkdtempSync(join(tmpdir(), "emotionclip-ranks-"));
process.on("exit", () => rmSync(root, { recursive: true, force: true }));

const tiny = (name: string, ...more: string[]) => ["train", "--preset", "tiny", "--name", name, ...more];

async function alone(...words: string[]) {
  const outcome = await runProgram(CLI, words, { cwd: root });
  assert.is(outcome.code, 0, outcome.stderr);
  return outcome;
}

async function together(launcher: Launcher, ranks: number, ...words: string[]) {
  const outcome = await runRanks(launcher, ranks, CLI, words, { cwd: root });
  assert.is(outcome.code, 0, outcome.stderr);
  return outcome;
}

const digest = async (name: string) => (await alone("inspect", "--digest", join("runs", name))).stdout.trim();
const stepsOf = (name: string): { step: number; loss: number; norm: number }[] => {
  const path = join(root, "runs", name, "metrics.jsonl");
  const lines = existsSync(path) ? readFileSync(path, "utf8").split("\n") : [];
  return lines.slice(0, -1).map((line) => JSON.parse(line));
};

/** Losses of two runs of the same batches agree to what another order of summation leaves, grown over 20 steps. */
function assertNear(name: string, other: string): void {
  const [found, want] = [stepsOf(name), stepsOf(other)];
  assert.equal(
    found.map(({ step }) => step),
    want.map(({ step }) => step),
  );
  const worst = Math.max(...found.map(({ loss }, i) => Math.abs(loss - want[i].loss)));
  assert.ok(worst < 1e-4, `losses differ by ${worst}`);
}

const runs = suite("training over ranks");
coverLaunchers(runs);

if (launchers.length > 0) {
  const [first] = launchers;

  runs("two ranks leave the bits of one process in two parts, and write the same files", async () => {
    await alone(...tiny("whole"));
    await alone(...tiny("halves", "--micro", "4"));
    const { stdout, stderr } = await together(first, 2, ...tiny("two"));
    assert.is(await digest("two"), await digest("halves"));
    assert.match(stdout, new RegExp(`2 ranks over ${first.family} .*, 8 clips a step in all`));
    assert.is(stdout.match(/20 updates of/g)?.length, 1, "rank 0 alone tells");
    assert.not(stderr.includes("[rank"), stderr);
    assertNear("two", "whole");
    const results = JSON.parse(readFileSync(join(root, "runs", "two", "results.json"), "utf8"));
    assert.is(results.ranks.count, 2);
  });

  runs("parts of a rank's clips, mixed precision, frozen towers and averages are those of one process", async () => {
    await together(first, 2, ...tiny("parts", "--micro", "2"));
    assertNear("parts", "whole");
    const more = ["--precision", "amp", "--model-ema-decay", "0.9", "--lock-image"];
    await alone(...tiny("amp-halves", "--micro", "4", ...more));
    await together(first, 2, ...tiny("amp-two", ...more));
    assert.is(await digest("amp-two"), await digest("amp-halves"));
  });

  runs("a rank alone under mpirun is a process of its own", async () => {
    const { stdout } = await together(first, 1, ...tiny("one"));
    assert.not(stdout.includes("ranks over"), stdout);
    assert.is(await digest("one"), await digest("whole"));
  });

  runs("four and three ranks have the losses of one process; the order of their clips is the same", async () => {
    await alone(...tiny("quarters", "--micro", "2"));
    await together(first, 4, ...tiny("four"));
    assert.is(await digest("four"), await digest("quarters"));
    await together(first, 3, ...tiny("three"));
    assertNear("three", "whole");
  });

  runs(
    "a job that is killed goes on with as many ranks to the same bits, and with others in the same order",
    async () => {
      await killedAt(first, 9, "killed");
      const before = stepsOf("killed").length;
      assert.ok(before >= 9 && before < 20, `${before} steps`);
      await together(first, 2, ...tiny("killed"));
      assert.is(await digest("killed"), await digest("halves"));
      await killedAt(first, 9, "moved");
      await together(first, 3, ...tiny("moved"));
      assertNear("moved", "whole");
    },
  );

  runs("a rank that is asked to stop stops all at one step, with a checkpoint that is gone on with", async () => {
    const child = spawn(first.command, [...first.flags, "-n", "2", process.execPath, CLI, ...tiny("stopped")], {
      cwd: root,
    });
    await reached("stopped", 5);
    child.kill("SIGUSR2");
    await new Promise((done) => child.on("close", done));
    const { length } = stepsOf("stopped");
    assert.ok(length >= 5 && length < 20, `${length} steps`);
    await together(first, 2, ...tiny("stopped"));
    assert.is(await digest("stopped"), await digest("halves"));
  });

  runs("what several ranks cannot do is refused in a sentence", async () => {
    for (const [words, text] of [
      [tiny("x", "--batch-size", "2"), "--batch-size: 2 clips for 3 ranks"],
      [tiny("x", "--debug-nan"), "--debug-nan is for a single process"],
      [["start", "--name", "x"], "start runs in a process of its own"],
    ] as const) {
      const { code, stderr } = await runRanks(first, 3, CLI, words, { cwd: root });
      assert.is(code, 2, stderr);
      assert.match(stderr, text);
    }
    assert.not(existsSync(join(root, "runs", "x")));
  });
}

for (const launcher of launchers.slice(1))
  runs(`${launcher.family}, through the launcher of a clone: the same bits`, async () => {
    const { code, stderr } = await runRanks(launcher, 2, LAUNCH, tiny("other"), { cwd: root });
    assert.is(code, 0, stderr);
    assert.is(await digest("other"), await digest("halves"));
  });

runs("processes of torchrun, and --mpi without a launcher, are refused", async () => {
  const env = { RANK: "0", WORLD_SIZE: "2", LOCAL_RANK: "0" };
  const torch = await runProgram(CLI, tiny("y"), { cwd: root, env });
  assert.is(torch.code, 2);
  assert.match(torch.stderr, /torchrun started 2 processes[\s\S]*mpirun -n 2/);
  const lone = await runProgram(CLI, tiny("y", "--mpi", "libmpi.so"), { cwd: root });
  assert.is(lone.code, 2);
  assert.match(lone.stderr, "--mpi goes with several ranks");
});

/** Resolves when a run has logged so many steps. */
async function reached(name: string, steps: number): Promise<void> {
  for (let tries = 0; stepsOf(name).length < steps; tries++) {
    assert.ok(tries < 6000, `${name} did not come to step ${steps}`);
    await sleep(20);
  }
}

/** Runs the tiny preset on two ranks and kills one of them when a step is reached; the launcher ends the rest. */
async function killedAt({ command, flags }: Launcher, step: number, name: string): Promise<void> {
  const child = spawn(command, [...flags, "-n", "2", process.execPath, CLI, ...tiny(name)], { cwd: root });
  await reached(name, step);
  const { pid } = JSON.parse(readFileSync(join(root, "runs", name, "lock"), "utf8")) as { pid: number };
  process.kill(pid, "SIGKILL");
  await new Promise((done) => child.on("close", done));
}

runs.run();
