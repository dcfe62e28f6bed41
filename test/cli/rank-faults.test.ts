// A job of two ranks that meets one fault after another: each time all of it ends soon, says which rank and why, and the same command goes
// on from the last checkpoint; in the end it has the bits of a job that met none.
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { coverLaunchers, type Launcher, launchers } from "../kit/ranks.ts";
import { hungDevice, lostDevice } from "../reliability/hooks.ts";
import { runProgram } from "../run/program.ts";

const CLI = resolve("dist", "cli.js");
const root = mkdtempSync(join(tmpdir(), "emotionclip-rank-faults-"));
process.on("exit", () => rmSync(root, { recursive: true, force: true }));

/** Seconds from a fault to the end of the whole job, at most. */
const SOON = 15;

const stepsOf = (name: string): number => {
  const path = join(root, "runs", name, "metrics.jsonl");
  return existsSync(path) ? readFileSync(path, "utf8").split("\n").length - 1 : 0;
};

/** What a job met: a module that fails under one of its ranks, or what is done to it while it runs. */
interface Fault {
  readonly under?: { readonly rank: number; readonly hook: string };
  readonly flags?: readonly string[];
  /** Does it, once a step has been logged; returns the moment. */
  readonly strike?: (job: number) => void;
}

interface End {
  readonly code: number | null;
  readonly said: string;
  /** From the strike to the end of the job. */
  readonly seconds: number;
}

/** Imports a module in one rank alone. */
const onlyIn = ({ rank, hook }: NonNullable<Fault["under"]>): string => `
  const { OMPI_COMM_WORLD_RANK, PMI_RANK } = process.env;
  if ((OMPI_COMM_WORLD_RANK ?? PMI_RANK) === "${rank}") await import("data:text/javascript,${encodeURIComponent(hook)}");`;

/** Nothing more can be written into a checkpoint. */
const fullDisk = `
  import fs from "node:fs";
  import { syncBuiltinESMExports } from "node:module";
  const { open } = fs.promises;
  fs.promises.open = async (path, ...rest) => {
    const handle = await open(path, ...rest);
    if (/ckpt-\\d+\\.tmp-/.test(path))
      handle.write = async () => { throw Object.assign(new Error("ENOSPC: made up"), { code: "ENOSPC", syscall: "write", path }); };
    return handle;
  };
  syncBuiltinESMExports();`;

/** Runs the tiny preset on two ranks under a fault. A job that does not end within a minute after it is ended here (code null). */
async function meets({ command, flags }: Launcher, name: string, { under, strike, ...fault }: Fault): Promise<End> {
  const words = ["train", "--preset", "tiny", "--name", name, ...(fault.flags ?? [])];
  const child = spawn(command, [...flags, "-n", "2", process.execPath, CLI, ...words], {
    cwd: root,
    stdio: ["ignore", "pipe", "pipe"],
    timeout: 120_000,
    env: {
      ...process.env,
      EMOTIONCLIP_ROOT: process.cwd(),
      ...(under && { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(onlyIn(under))}` }),
    },
  });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (text) => (said += text));
  const ended = new Promise<number | null>((done) => child.on("close", done));
  let struck = Number.NaN;
  if (strike) {
    const want = stepsOf(name) + 3;
    for (let tries = 0; stepsOf(name) < want && tries < 3000; tries++) await sleep(20);
    strike(child.pid!);
    struck = performance.now();
  }
  const code = await ended;
  return { code, said, seconds: (performance.now() - struck) / 1000 };
}

/** The process of a rank below that of a launcher. */
function pidOf(launcher: number, rank: number): number {
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    const environment = readIfThere(`/proc/${pid}/environ`).split("\0");
    const isRank = [`OMPI_COMM_WORLD_RANK=${rank}`, `PMI_RANK=${rank}`].some((each) => environment.includes(each));
    if (isRank && isBelow(Number(pid), launcher)) return Number(pid);
  }
  throw new Error(`no process of rank ${rank} below ${launcher}`);
}

function isBelow(pid: number, ancestor: number): boolean {
  for (
    let at = pid;
    at > 1;
    at = Number(
      readIfThere(`/proc/${at}/stat`)
        .replace(/^.*\) \S /, "")
        .split(" ")[0],
    )
  )
    if (at === ancestor) return true;
  return false;
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}

const digest = async (name: string) => {
  const { code, stdout, stderr } = await runProgram(CLI, ["inspect", "--digest", join("runs", name)], { cwd: root });
  assert.is(code, 0, stderr);
  return stdout.trim();
};

const faults = suite("faults of ranks");
coverLaunchers(faults);

/** Which rank failed is known in the same way whoever carries the words: the second family meets only what its launcher ends. */
for (const [i, launcher] of (process.platform === "linux" ? launchers : []).entries())
  faults(`${launcher.family}: each ends the whole job, and the run goes on to the same bits`, async () => {
    const name = `struck-${i}`;
    const meet = async (fault: Fault, code: number | "any", text: RegExp) => {
      const end = await meets(launcher, name, fault);
      if (code === "any") assert.ok(end.code !== 0 && end.code !== null, `${end.code} ${end.said}`);
      else assert.is(end.code, code, end.said);
      assert.match(end.said, text);
      if (fault.strike) assert.ok(end.seconds < SOON, `the job ended after ${end.seconds} s`);
      assert.ok(stepsOf(name) < 20, "it was done before the fault");
    };
    const killed = (job: number) => process.kill(pidOf(job, 1), "SIGKILL");
    await meet({ strike: killed }, "any", /rank 1 .* signal 9|EXIT CODE: 9/);
    const frozen = (job: number) => process.kill(pidOf(job, 1), "SIGSTOP");
    await meet({ strike: frozen }, 4, /\[rank 0\] error: rank 1 has given no sign of life for 1\d s/);
    if (i === 0) {
      const lost = lostDevice({ at: 30, when: "after" });
      await meet({ under: { rank: 1, hook: lost } }, 4, /\[rank 1\] error: the GPU was lost/);
      const full = /\[rank 0\] error: .*ckpt-.*: the disk is full \(ENOSPC\)/;
      await meet({ under: { rank: 0, hook: fullDisk } }, 6, full);
      const hung = { under: { rank: 1, hook: hungDevice(20) }, flags: ["--gpu-deadline", "4"] };
      await meet(hung, 4, /\[rank 1\] error: .*(progress|deadline|seconds)/);
      assert.is((await meets(launcher, "sound", {})).code, 0);
    }
    assert.is((await meets(launcher, name, {})).code, 0);
    assert.is(await digest(name), await digest("sound"));
  });

faults.run();
