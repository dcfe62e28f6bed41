// Run folders under faults. A toy training stands in for the model: its state after step n depends on every step before.
import { existsSync, readdirSync } from "node:fs";
import { mkdir, mkdtemp, open, readdir, readFile, rm, stat, truncate, unlink, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { BusyError, DiskError, FormatError, HealthError, UsageError } from "../../engine/errors.ts";
import type { Json } from "../../data/formats/json.ts";
import type { SafetensorsEntry } from "../../data/formats/safetensors.ts";
import {
  checkpointName,
  checkpointSteps,
  digest,
  loadCheckpoint,
  newestCheckpoint,
  pruneCheckpoints,
  readManifest,
} from "../../model/checkpoint/folder.ts";
import { checkSpace, type DiskCall, replaceFile, type DiskWatch, watchDisk } from "../../data/formats/disk.ts";
import { RunFolder } from "../../train/runs/run-folder.ts";
import { refusal } from "../kit/refusal.ts";

const memory = "/dev/shm"; // fsync costs nothing there; without it the tests only take longer
const root = await mkdtemp(join(existsSync(memory) ? memory : tmpdir(), "emotionclip-"));

test.after(() => rm(root, { recursive: true, force: true }));
let folders = 0;
const fresh = () => join(root, `run-${++folders}`);

const settings = { seed: 7, lr: { gains: 5e-5, rest: 1e-8 }, batch: 64 };
const LAST = 6;

const entry = (name: string, values: Float32Array): SafetensorsEntry => ({
  name,
  dtype: "F32",
  shape: [values.length],
  bytes: () => new Uint8Array(values.buffer),
});

/** Adds the step to the state in a way that does not commute, so that a lost or repeated step shows. */
function update(state: Float32Array, step: number): void {
  for (let i = 0; i < state.length; i++) state[i] = Math.fround(state[i] * 1.25 + Math.sin(step * 7 + i));
}

/** Opens, resumes, trains to the last step with a checkpoint every second one, and finishes. */
async function job(path: string, notice: (line: string) => void = () => {}, best: 2 | null = null): Promise<void> {
  const run = await RunFolder.open(path, settings, { notice });
  try {
    const weights = new Float32Array(40).fill(1);
    const moments = new Float32Array(40);
    const from = await run.resume();
    let step = from?.manifest.step ?? 0;
    if (from) {
      weights.set(await from.model.floats("visual.proj"));
      moments.set(await from.optimizer.floats("visual.proj.exp_avg"));
      await from.close();
    }
    while (step++ < LAST) {
      update(weights, step);
      update(moments, step + 1);
      await run.append({ step, loss: weights[0] });
      if (step % 2 === 0) await save(run, step, weights, moments, best);
    }
    await run.finish([entry("visual.proj", weights)]);
  } finally {
    await run.close();
  }
}

function save(
  run: RunFolder,
  step: number,
  weights: Float32Array,
  moments: Float32Array,
  best: 2 | null = null,
  read?: () => void,
) {
  return run.save({
    read,
    step,
    epoch: 0,
    position: step * 64,
    seed: 7,
    rng: { dropout: step },
    best: best && step >= best ? { step: best, name: "mAP", value: 0.5 } : null,
    state: { skipped: 0 },
    adapter: "test",
    subgroupSize: 4,
    commit: "0000000",
    tensors: { model: [entry("visual.proj", weights)], optimizer: [entry("visual.proj.exp_avg", moments)] },
  });
}

/** All that must not depend on interruptions. */
async function outcome(path: string) {
  const names = (await readdir(path)).sort();
  const newest = await newestCheckpoint(path, (line) => assert.unreachable(line));
  await newest?.close();
  return {
    names,
    log: await readFile(join(path, "metrics.jsonl"), "utf8"),
    model: (await readFile(join(path, "checkpoint.safetensors"))).toString("base64"),
    digest: newest && digest(newest.manifest),
  };
}

async function watched(hook: DiskWatch, run: () => Promise<void>): Promise<unknown> {
  const restore = watchDisk(hook);
  try {
    await run();
    return undefined;
  } catch (error) {
    return error;
  } finally {
    restore();
  }
}

const systemError = (code: string) => Object.assign(new Error(`${code}: made up`), { code, syscall: "write" });
class Killed extends Error {}

/** A killed process leaves its lock; this one lives on, so the lock is given to a process that is dead. */
async function orphan(path: string): Promise<void> {
  const lock = join(path, "lock");
  if (!existsSync(lock)) return;
  const text = await readFile(lock, "utf8");
  await writeFile(lock, text.replace(/"started":"\d*"/, '"started":"1"'));
}

const straight = fresh();
await job(straight);
const wanted = await outcome(straight);

test("a run leaves config, log, model and its two newest checkpoints, and nothing else", () => {
  assert.equal(wanted.names, [
    "checkpoint.safetensors",
    "ckpt-00000004",
    "ckpt-00000006",
    "config.json",
    "metrics.jsonl",
  ]);
  assert.equal(wanted.log.trim().split("\n").length, LAST);
});

/** Runs the job with call n faulty, for n = 1, 2, … until it meets no fault; each time a second run must set it right. */
async function faultLoop(
  fault: (n: number) => DiskWatch,
  check: (error: unknown, n: number, path: string) => void,
): Promise<number> {
  for (let n = 1; ; n++) {
    const path = fresh();
    const error = await watched(fault(n), () => job(path));
    if (error === undefined) {
      assert.equal(await outcome(path), wanted);
      return n - 1;
    }
    check(error, n, path);
    await orphan(path);
    await job(path);
    assert.equal(await outcome(path), wanted, `after a fault in call ${n}`);
    await rm(path, { recursive: true });
  }
}

test("a run stopped at any call on the disk resumes to the same bits, log and files", async () => {
  const stopAt = (n: number) => {
    let calls = 0;
    return () => {
      if (++calls >= n) throw new Killed();
      return undefined;
    };
  };
  const calls = await faultLoop(stopAt, (error) => assert.instance(error, Killed));
  assert.ok(calls > 80, `${calls} calls`); // three checkpoints of three files alone make sixty
});

test("a call that fails is reported with path and cause, and the next run repairs it", async () => {
  const codeOf = (n: number) => ["EIO", "ENOSPC", "EACCES"][n % 3];
  const failAt = (n: number) => {
    let calls = 0;
    return () => {
      if (++calls === n) throw systemError(codeOf(n));
      return undefined;
    };
  };
  await faultLoop(failAt, (error, n, path) => {
    assert.instance(error, DiskError, `call ${n}: ${error}`);
    const { message, exitCode } = error as DiskError;
    assert.is(exitCode, 6);
    assert.ok(message.startsWith(root), "names the path");
    assert.ok(message.includes("lock: cannot remove") || !existsSync(join(path, "lock")), "the lock is given back");
    assert.match(message, new RegExp(`: cannot .*\\(${codeOf(n)}\\)$`));
  });
});

test("a write that is cut in the middle and then killed is never loaded", async () => {
  const tearAt = (n: number) => {
    let writes = 0;
    return (call: DiskCall) => {
      if (call.op === "write") writes++;
      if (writes > n) throw new Killed();
      return call.op === "write" && writes === n ? 3 : undefined;
    };
  };
  const writes = await faultLoop(tearAt, (error) => assert.instance(error, Killed));
  assert.ok(writes > 20, `${writes} writes`);
});

test("short writes are continued until all bytes are there", async () => {
  const path = fresh();
  const error = await watched(
    ({ op }) => (op === "write" ? 7 : undefined),
    () => job(path),
  );
  assert.is(error, undefined);
  assert.equal(await outcome(path), wanted);
});

test("no name appears before its bytes are flushed, and nothing is deleted before the new checkpoint is durable", async () => {
  const calls: DiskCall[] = [];
  const path = fresh();
  await watched(
    (call) => void calls.push(call),
    () => job(path),
  );
  const renames = calls.flatMap((call, i) => (call.op === "rename" ? [i] : []));
  assert.is(renames.length, 5); // config, three checkpoints, the model
  for (const at of renames) {
    const { path: from, to } = calls[at];
    const inside = (call: DiskCall) => call.path === from || call.path.startsWith(`${from}/`);
    const flushed = new Map<string, number>();
    for (const [i, call] of calls.slice(0, at).entries())
      if (inside(call) && call.op === "sync") flushed.set(call.path, i);
    for (const [i, call] of calls.slice(0, at).entries()) {
      if (inside(call) && call.op === "write") assert.ok(flushed.get(call.path)! > i, `${call.path} renamed unflushed`);
    }
    if (basename(to!).startsWith("ckpt-")) {
      assert.ok(flushed.has(from), `${from}: its names are not flushed`);
      const ofLog = calls.slice(0, at).filter((call) => call.path.endsWith("metrics.jsonl"));
      assert.is(ofLog.at(-1)!.op, "sync", "the log is behind the checkpoint");
    }
    const after = calls.slice(at + 1);
    const durable = after.findIndex((call) => call.op === "sync" && call.path === dirname(to!));
    assert.ok(durable >= 0, `${dirname(to!)} is not flushed after the rename`);
    for (const call of after.slice(0, durable)) assert.is(call.op, "open", `${call.op} before the commit is durable`);
  }
});

test("the tensors of a checkpoint may change before any byte of it is flushed, and the log may grow", async () => {
  const path = fresh();
  const run = await RunFolder.open(path, settings);
  await run.resume();
  const ones = new Float32Array(4000).fill(1);
  const before: string[] = [];
  const calls: string[] = [];
  let appended: Promise<void> | undefined;
  const restore = watchDisk(({ op, path: at }) => void calls.push(`${op} ${basename(at)}`));
  await save(run, 1, ones, ones, null, () => {
    before.push(...calls);
    ones.fill(7);
    appended = run.append({ step: 2, loss: 1 });
  }).finally(restore);
  await appended;
  await run.close();
  assert.is(before.filter((call) => /^write (model|optimizer)/.test(call)).length, 4, before.join(", "));
  assert.equal(
    before.filter((call) => call.startsWith("sync")),
    [],
  );
  const saved = await loadCheckpoint(join(path, checkpointName(1)));
  assert.equal(await saved.model.floats("visual.proj"), new Float32Array(4000).fill(1));
  await saved.close();
});

test("checkpoints newer than the one just committed are not this run's to count or remove", async () => {
  const path = fresh();
  await job(path, undefined, 2);
  await pruneCheckpoints(path, 4, undefined);
  assert.equal(await checkpointSteps(path), [6, 4, 2]);
  await pruneCheckpoints(path, 6, undefined);
  assert.equal(await checkpointSteps(path), [6, 4]);
});

test("the best checkpoint stays when it is neither of the two newest", async () => {
  const path = fresh();
  await job(path, undefined, 2);
  assert.equal(await checkpointSteps(path), [6, 4, 2]);
});

// Seeded damages: each is one that a failing disk or a hasty person makes.
const damages: [string, (file: string, random: number) => Promise<void>][] = [
  ["a flipped bit", flipBit],
  ["a cut file", async (file, random) => truncate(file, Math.floor((await stat(file)).size * random))],
  ["a file of zeros", async (file) => writeFile(file, new Uint8Array((await stat(file)).size))],
  ["an appended byte", (file) => writeFile(file, "\0", { flag: "a" })],
  ["a missing file", (file) => unlink(file)],
];

async function flipBit(file: string, random: number): Promise<void> {
  const bytes = await readFile(file);
  bytes[Math.floor(random * bytes.length)] ^= 1 << (Math.floor(random * 8191) % 8);
  await writeFile(file, bytes);
}

const files = ["manifest.json", "model.safetensors", "optimizer.safetensors"];
for (const [what, damage] of damages) {
  test(`${what} in the newest checkpoint is noticed, told once, and the one before is used`, async () => {
    for (let seed = 0; seed < (damage === flipBit ? 30 : 3); seed++) {
      const path = fresh();
      await job(path);
      const newest = join(path, checkpointName(LAST));
      await damage(join(newest, files[seed % 3]), (seed * 0.6180339887) % 1);

      const error = await refusal(loadCheckpoint(newest));
      assert.instance(error, FormatError);
      assert.match(error.message, new RegExp(`^ckpt-00000006/${files[seed % 3]}: `));

      const notices: string[] = [];
      await job(path, (line) => notices.push(line));
      assert.is(notices.length, 1, notices.join("\n"));
      assert.match(notices[0], /^warning: ckpt-00000006\/.*falling back/);
      assert.equal(await outcome(path), wanted, `seed ${seed}`);
      await rm(path, { recursive: true });
    }
  });
}

test("a run with no intact checkpoint left is refused, not begun anew", async () => {
  const path = fresh();
  await job(path);
  for (const step of await checkpointSteps(path)) await unlink(join(path, checkpointName(step), "model.safetensors"));
  const error = await refusal(job(path));
  assert.instance(error, FormatError);
  assert.match(error.message, /none of its 2 checkpoints is intact; start in another folder/);
  for (const step of [4, 6])
    assert.ok(error.message.includes(`${checkpointName(step)}/model.safetensors: no such file`), error.message);
  assert.not.ok(existsSync(join(path, "lock")));
});

test("a checkpoint of another format version is refused, even when an older one would do", async () => {
  const path = fresh();
  await job(path);
  const folder = join(path, checkpointName(LAST));
  const { createHash } = await import("node:crypto");
  const { self: _, ...manifest } = JSON.parse(await readFile(join(folder, "manifest.json"), "utf8"));
  manifest.format = 2;
  const self = createHash("sha256").update(JSON.stringify(manifest)).digest("hex");
  await writeFile(join(folder, "manifest.json"), `${JSON.stringify({ ...manifest, self }, null, 2)}\n`);
  const error = await refusal(job(path));
  assert.match(error.message, /format version 2; this program knows 1/);
});

test("a manifest says what a resumed run needs", async () => {
  const { created, files: written, ...rest } = await readManifest(join(straight, checkpointName(LAST)));
  assert.match(created, /^\d{4}-/);
  assert.equal(Object.keys(written), ["model.safetensors", "optimizer.safetensors"]);
  assert.is(rest.config.length, 64);
  assert.equal([rest.step, rest.position, rest.rng, rest.best], [6, 384, { dropout: 6 }, null]);
});

test("a parameter that is not finite is not saved, and the checkpoint before stays", async () => {
  const path = fresh();
  const run = await RunFolder.open(path, settings);
  await run.resume();
  const fine = new Float32Array(40).fill(3e38);
  await save(run, 1, fine, fine);
  for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
    const error = await refusal(save(run, 2, fine.slice().fill(bad, 5, 6), fine));
    assert.instance(error, HealthError);
    assert.match(error.message, /"visual.proj" is not finite at element 5/);
  }
  await run.close();
  assert.equal((await readdir(path)).sort(), ["ckpt-00000001", "config.json", "metrics.jsonl"]);
});

test("saving the same step twice leaves the first as it is", async () => {
  const path = fresh();
  const run = await RunFolder.open(path, settings);
  await run.resume();
  const ones = new Float32Array(4).fill(1);
  const first = await save(run, 1, ones, ones);
  const again = await save(run, 1, ones, ones);
  assert.is(again.created, first.created);
  await run.close();
});

test("the log is cut back to the checkpoint, torn last line included", async () => {
  const path = fresh();
  await job(path);
  const log = join(path, "metrics.jsonl");
  await writeFile(log, '{"step":7,"loss":1,"note":"später"}\n{"step":8,"lo', { flag: "a" });
  await job(path);
  assert.is(await readFile(log, "utf8"), wanted.log);
});

test("other settings are refused by name, and accepted when overridden", async () => {
  const path = fresh();
  await (await RunFolder.open(path, settings)).close();
  const before = await readFile(join(path, "config.json"), "utf8");
  const other: { [key: string]: Json } = { ...settings, batch: 32, lr: { ...settings.lr, rest: 1e-7 } };
  const refused = async (override: string[]) => refusal(RunFolder.open(path, other, { override }));

  const error = await refused([]);
  assert.instance(error, UsageError);
  assert.match(error.message, /lr\.rest 1e-8 -> 1e-7, batch 64 -> 32; .*--override lr\.rest,batch/);
  assert.match((await refused(["batch"])).message, /lr\.rest/);
  assert.match((await refused(["bacth"])).message, /unknown setting "bacth"; did you mean batch\?/);
  assert.is(await readFile(join(path, "config.json"), "utf8"), before);

  await (await RunFolder.open(path, other, { override: ["batch", "lr"] })).close();
  assert.equal(JSON.parse(await readFile(join(path, "config.json"), "utf8")), other);
});

test("overrides that need moments which the checkpoints lack are refused before anything is written", async () => {
  const path = fresh();
  const recipe = { ...settings, optimizer: "adamw", lockImage: true, unlockText: false, lockLayers: 2 };
  const open = async (others: object) => {
    const override = ["optimizer", "lockImage", "unlockText", "lockLayers"];
    await (await RunFolder.open(path, { ...recipe, ...others }, { override })).close();
  };
  await open({});
  await open({ optimizer: "sgd" }); // without a checkpoint it is as good as new
  await open({});
  const run = await RunFolder.open(path, recipe);
  await run.resume();
  await save(run, 2, new Float32Array(40), new Float32Array(40), null);
  await run.close();
  const files = () => Promise.all(["config.json", "overrides.jsonl"].map((name) => readFile(join(path, name), "utf8")));
  const before = await files();
  for (const [changed, told] of [
    [{ optimizer: "sgd" }, 'optimizer "adamw" -> "sgd"'],
    [{ lockImage: false }, "lockImage true -> false"],
    [{ unlockText: true }, "unlockText false -> true"],
    [{ lockLayers: 1 }, "lockLayers 2 -> 1"],
  ] as const) {
    const error = await refusal(open(changed));
    assert.instance(error, UsageError);
    assert.ok(error.message.startsWith(`${path}: ${told}: its checkpoints have no moments for that`), error.message);
    assert.match(
      (await refusal(RunFolder.check(path, { ...recipe, ...changed }, 1000, { override: Object.keys(changed) })))
        .message,
      /no moments for that/,
    );
    assert.equal(await files(), before);
  }
  await open({});
  await open({ optimizer: "adam", lockLayers: 3 });
});

test("what was overridden stands in the log at the first step it holds for, also after a kill", async () => {
  const path = fresh();
  await job(path);
  const other = { ...settings, batch: 32 };
  const linesOf = async () => (await readFile(join(path, "metrics.jsonl"), "utf8")).trim().split("\n");
  for (let attempt = 0; attempt < 2; attempt++) {
    const run = await RunFolder.open(path, other, { override: ["batch"] });
    await (await run.resume())?.close();
    for (const step of [7, 8]) await run.append({ step, loss: 1 });
    await run.close(); // without a checkpoint, as if killed
    const told = (await linesOf()).map((line) => JSON.parse(line)).filter(({ overridden }) => overridden);
    assert.equal(told, [{ step: 7, loss: 1, overridden: ["batch 64 -> 32"] }]);
  }
  assert.is((await readFile(join(path, "overrides.jsonl"), "utf8")).trim(), '{"after":6,"changes":["batch 64 -> 32"]}');
});

test("a check refuses what opening would refuse, and leaves nothing behind", async () => {
  const path = join(fresh(), "deep");
  await RunFolder.check(path, settings, 1000);
  assert.not.ok(existsSync(dirname(path)));
  assert.match(
    (await refusal(RunFolder.check(path, settings, 2 ** 60))).message,
    /needs .* MB, but only .* MB are free/,
  );
  assert.not.ok(existsSync(dirname(path)));
  await (await RunFolder.open(path, settings)).close();
  await RunFolder.check(path, settings, 1000);
  const other = { ...settings, batch: 1 };
  assert.match((await refusal(RunFolder.check(path, other, 1000))).message, /batch 64 -> 1; .*--override batch/);
  await RunFolder.check(path, other, 1000, { override: ["batch"] });
  assert.equal(await readdir(path), ["config.json"]);
  assert.is(JSON.parse(await readFile(join(path, "config.json"), "utf8")).batch, 64);
  const run = await RunFolder.open(path, settings);
  assert.instance(await refusal(RunFolder.check(path, settings, 1000)), BusyError);
  await run.close();
});

test("other clips are refused, and a run of before that did not record them goes on", async () => {
  const path = fresh();
  await (await RunFolder.open(path, settings)).close();
  await (await RunFolder.open(path, { ...settings, clips: "a" })).close();
  const recorded = fresh();
  await (await RunFolder.open(recorded, { ...settings, clips: "a" })).close();
  const error = await refusal(RunFolder.open(recorded, { ...settings, clips: "b" }));
  assert.match(error.message, /clips "a" -> "b"; use another folder, or --override clips/);
});

test("a folder of something else is refused and left alone; an empty one is accepted", async () => {
  const path = fresh();
  await mkdir(path);
  await (await RunFolder.open(path, settings)).close();
  const mine = fresh();
  await mkdir(mine);
  await writeFile(join(mine, "thesis.txt"), "years");
  const error = await refusal(RunFolder.open(mine, settings));
  assert.instance(error, UsageError);
  assert.equal(await readdir(mine), ["thesis.txt"]);
});

test("a path that is a file is a DiskError", async () => {
  const path = fresh();
  await writeFile(path, "");
  for (const taken of [path, join(path, "run")]) {
    const error = await refusal(RunFolder.open(taken, settings));
    assert.instance(error, DiskError);
    assert.is(error.exitCode, 6);
  }
});

test("a second process is refused with the pid and host of the first", async () => {
  const path = fresh();
  const run = await RunFolder.open(path, settings);
  const error = await refusal(RunFolder.open(path, settings));
  assert.instance(error, BusyError);
  assert.is(error.exitCode, 7);
  assert.ok(error.message.includes(`process ${process.pid} on ${hostname()}`), error.message);
  await run.close();
  await (await RunFolder.open(path, settings)).close();
});

test("what a process that was killed behind its last file left in a finished run is removed, unless it lives", async () => {
  const path = fresh();
  const run = await RunFolder.open(path, settings);
  const own = JSON.parse(await readFile(join(path, "lock"), "utf8"));
  const page = join(path, "report.html.tmp-123-4");
  await writeFile(page, "");
  await RunFolder.tidy(path);
  assert.ok(existsSync(page), "the run is held");
  await run.close();
  await writeFile(join(path, "lock"), JSON.stringify({ ...own, pid: 2 ** 30 }));
  await RunFolder.tidy(path);
  assert.equal(await readdir(path), ["config.json"]);
});

test("a lock is taken over with one line of notice when its owner is dead, and only then", async () => {
  const path = fresh();
  const run = await RunFolder.open(path, settings);
  const own = JSON.parse(await readFile(join(path, "lock"), "utf8"));
  await run.close();
  const linux = process.platform === "linux";
  const locks: [string, object | string, boolean][] = [
    ["a live process", own, false],
    ["another host, whose processes we cannot see", { ...own, host: "elsewhere", pid: 2 ** 30 }, false],
    ["a pid that is gone", { ...own, pid: 2 ** 30 }, true],
    ["a lock that was never finished", "", true],
    ["a reused pid", { ...own, started: "1" }, linux],
    ["an earlier boot", { ...own, boot: "earlier" }, true],
  ];
  for (const [what, lock, taken] of locks) {
    await writeFile(join(path, "lock"), typeof lock === "string" ? lock : JSON.stringify(lock));
    const notices: string[] = [];
    const opened = await RunFolder.open(path, settings, { notice: (line) => notices.push(line) }).catch((e) => e);
    if (!taken) assert.instance(opened, BusyError, what);
    else {
      assert.instance(opened, RunFolder, `${what}: ${opened}`);
      assert.is(notices.length, 1, what);
      await opened.close();
    }
  }
});

test("leftovers of a killed writer are removed by the lock's owner and by nobody else", async () => {
  const path = fresh();
  const run = await RunFolder.open(path, settings);
  const leftover = join(path, "ckpt-00000009.tmp-123-4");
  await mkdir(leftover);
  await refusal(RunFolder.open(path, settings));
  assert.ok(existsSync(leftover));
  await run.close();
  await (await RunFolder.open(path, settings)).close();
  assert.not.ok(existsSync(leftover));
});

test("a disk without room for the checkpoints still to come is refused with both numbers", async () => {
  const asked = async (path: string, what: RegExp) => {
    const run = await RunFolder.open(path, settings);
    await run.checkSpace(1000);
    const error = await refusal(run.checkSpace(1e18));
    assert.instance(error, DiskError);
    assert.match(error.message, what);
    assert.match(error.message, /, but only [\d,]+ MB are free/);
    await checkSpace(path, 0, "nothing");
    await run.close();
  };
  const path = fresh();
  await asked(path, /room for 3 checkpoints needs 3,000,000,000,000 MB/);
  await job(path); // two are there: a resume adds the one being written
  await asked(path, /room for a checkpoint needs 1,000,000,000,000 MB/);
  await unlink(join(path, checkpointName(LAST), "manifest.json")); // damaged: goes after the next commit
  await asked(path, /room for a checkpoint needs 1,000,000,000,000 MB/);
});

test("at most three checkpoints lie in a run folder at once", async () => {
  const path = fresh();
  let most = 0;
  await watched(
    () => {
      const names = existsSync(path) ? readdirSync(path) : [];
      most = Math.max(most, names.filter((name) => name.startsWith("ckpt-")).length);
      return undefined;
    },
    () => job(path),
  );
  assert.is(most, 3);
});

/** A log of `lines` lines behind a checkpoint at its end, damaged by `damage`, as a resume leaves it. */
async function resumedLog(lines: number, damage: (log: string[]) => void) {
  const path = fresh();
  const notices: string[] = [];
  const run = await RunFolder.open(path, settings);
  await run.resume();
  for (let step = 1; step <= lines; step++) await run.append({ step, loss: 1 / step });
  const ones = new Float32Array(4).fill(1);
  await save(run, lines, ones, ones);
  await run.append({ step: lines + 1, loss: 0 });
  await run.close();
  const file = join(path, "metrics.jsonl");
  const log = (await readFile(file, "utf8")).split("\n").slice(0, -1);
  damage(log);
  await writeFile(file, `${log.join("\n")}\n`, "latin1");
  const again = await RunFolder.open(path, settings, { notice: (line) => notices.push(line) });
  await (await again.resume())?.close();
  await again.close();
  return { kept: (await readFile(file, "latin1")).split("\n").slice(0, -1), want: log.slice(0, lines), notices };
}

test("damaged lines of the log cost no other line, and are told once", async () => {
  const damages: [string, (log: string[]) => void, RegExp][] = [
    ["a byte of a number", (log) => (log[4] = log[4].replace(":0", ":\0")), /line 5 cannot be read/],
    ["a byte that is no UTF-8", (log) => (log[4] = log[4].replace("loss", "lo\xffs")), /line 5 cannot be read/],
    ["a step too large", (log) => (log[4] = log[4].replace(":5", ":500")), /line 5 cannot be read/],
    ["the last line before the checkpoint", (log) => (log[99] = "{"), /line 100 cannot be read/],
    ["several", (log) => void log.fill("?", 40, 43), /3 lines, the first line 41, cannot be read/],
  ];
  for (const [what, damage, told] of damages) {
    const { kept, want, notices } = await resumedLog(100, damage);
    assert.equal(kept, want, what);
    assert.is(notices.length, 1, what);
    assert.match(notices[0], /^warning: metrics\.jsonl: /, what);
    assert.match(notices[0], told, what);
  }
  assert.equal((await resumedLog(100, () => {})).notices, []);
});

test("a replaced file is whole: a failure leaves the old one and no leftover", async () => {
  const path = join(root, "index.json");
  await replaceFile(path, "old");
  const error = await watched(
    ({ op }) => {
      if (op === "sync") throw systemError("ENOSPC");
      return undefined;
    },
    async () => void (await replaceFile(path, "new")),
  );
  assert.match((error as Error).message, /the disk is full \(ENOSPC\)/);
  assert.is(await readFile(path, "utf8"), "old");
  assert.equal(
    (await readdir(root)).filter((name) => name.startsWith("index")),
    ["index.json"],
  );
});

test("a large tensor goes through in pieces and comes back the same", async () => {
  const path = fresh();
  const run = await RunFolder.open(path, settings);
  await run.resume();
  const large = Float32Array.from({ length: 5 * 2 ** 20 }, (_, i) => i); // 20 MB: three pieces of 8 MB
  const written = await run.finish([entry("large", large)]);
  const handle = await open(join(path, "checkpoint.safetensors"));
  assert.is((await handle.stat()).size, written.bytes);
  await handle.close();
  await run.close();
});

test.run();
