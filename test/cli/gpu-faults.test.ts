// A GPU that fails under a command, and a process that is stopped: what its user sees.
import { spawn } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { stripVTControlCharacters } from "node:util";
import { build } from "esbuild";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { GpuError } from "../../engine/errors.ts";
import { report } from "../../cli/cli.ts";
import { settings } from "../../cli/launch/bundle.mjs";
import { gpuOptions } from "../../cli/gpu.ts";
import { runProgram } from "../run/program.ts";

const CLI = join("dist", "cli.js");

/** Loses the device of the process at its n-th submit. */
const losing = (n: number) => `
  import { pathToFileURL } from "node:url";
  const { globals } = await import(pathToFileURL("node_modules/webgpu/index.js"));
  let [device, submits] = [undefined, 0];
  const { requestDevice } = globals.GPUAdapter.prototype;
  globals.GPUAdapter.prototype.requestDevice = async function (...given) {
    return (device = await requestDevice.apply(this, given));
  };
  const { submit } = globals.GPUQueue.prototype;
  globals.GPUQueue.prototype.submit = function (...given) {
    if (++submits === ${n}) device.destroy();
    return submit.apply(this, given);
  };`;

async function underFault(hook: string, args: string[]) {
  const before = process.env.NODE_OPTIONS;
  process.env.NODE_OPTIONS = `--import=data:text/javascript,${encodeURIComponent(hook)}`;
  try {
    return await runProgram(CLI, args);
  } finally {
    if (before === undefined) delete process.env.NODE_OPTIONS;
    else process.env.NODE_OPTIONS = before;
  }
}

for (const n of [1, 2, 5])
  test(`a GPU lost at submit ${n} of a command is exit code 4 with a sentence, and no stack`, async () => {
    const { code, stderr } = await underFault(losing(n), ["bench", "--filter", "recording", "--rounds", "2"]);
    assert.is(code, 4, stderr);
    assert.match(stderr, /^error: the GPU was lost \(destroyed\): /m);
    assert.match(stderr, /launches \d+ to \d+ of \d+|kernel |data on its way|nothing to do/);
    assert.not.match(stderr, /This is a bug|^\s+at /m);
  });

test("an error that the end of a scope suppressed is the one that is told", () => {
  const cause = new GpuError("the GPU was lost");
  const hidden = Object.assign(new Error("An error was suppressed during disposal"), {
    name: "SuppressedError",
    error: new Error("later"),
    suppressed: cause,
  });
  const { text, code } = report(Object.assign(new Error(""), { name: "SuppressedError", suppressed: hidden }));
  assert.is(stripVTControlCharacters(text), "error: the GPU was lost");
  assert.is(code, 4);
});

test("the deadline is a flag and a variable, and only seconds will do", () => {
  assert.is(gpuOptions({ gpuDeadline: "2.5" }).deadline, 2.5);
  assert.is(gpuOptions({}, { deadline: 7 }).deadline, 7);
  for (const text of ["0", "-1", "soon", "1e3"])
    assert.throws(() => gpuOptions({ gpuDeadline: text }), /--gpu-deadline: ".*" is not a number of seconds/);
});

/** Waits for the device all the time, under a deadline of four seconds. */
const waiting = `
  import { accumulate, compute, fill, openGpu } from "./engine/index.ts";
  const gpu = await openGpu({ adapter: process.env.EMOTIONCLIP_ADAPTER, deadline: 4 });
  const work = () => compute(() => {
    let x = fill({ n: 2 ** 20, value: 1 });
    for (let i = 0; i < 100; i++) x = accumulate(x, x);
    return x;
  });
  await work();
  console.log("at work");
  let ended = false;
  process.stdin.on("data", () => (ended = true));
  while (!ended) await work();
  console.log("done");
  process.exit(0);`;

/** A file beside our packages, which a program outside would not find. */
async function beside(body: (path: string) => Promise<void>): Promise<void> {
  const path = join("dist", `waiting-${process.pid}.mjs`);
  try {
    await body(path);
  } finally {
    rmSync(path, { force: true });
  }
}

if (process.platform !== "win32")
  test("a process that is stopped for longer than the deadline goes on", () =>
    beside(async (outfile) => {
      const stdin = { contents: waiting, resolveDir: ".", loader: "ts" as const };
      await build({ ...settings, splitting: false, sourcemap: false, stdin, outfile });
      const child = spawn(process.execPath, [outfile], { stdio: ["pipe", "pipe", "pipe"] });
      let [out, err] = ["", ""];
      child.stderr.on("data", (text) => (err += text));
      const begun = new Promise((resolve) => child.stdout.on("data", (text) => resolve((out += text))));
      const ended = new Promise<number | null>((resolve) => child.on("close", resolve));
      await Promise.race([begun, ended]);
      for (let k = 0; k < 2; k++) {
        child.kill("SIGSTOP");
        await sleep(6000);
        child.kill("SIGCONT");
        await sleep(1500);
      }
      child.stdin.end("stop");
      assert.is(await ended, 0, err);
      assert.match(out, /done/);
    }));

test.run();
