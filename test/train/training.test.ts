// Training as a whole, on the real model at toy sizes: what is constant, what repeats bit for bit, what stops it.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { AnyPixels } from "../../data/pixels/view.ts";
import { watchDisk } from "../../data/formats/disk.ts";
import { DiskError } from "../../engine/errors.ts";
import { HealthError } from "../../engine/index.ts";
import { SafetensorsFile } from "../../data/formats/safetensors.ts";
import { checkpointName, digest, newestCheckpoint } from "../../model/checkpoint/folder.ts";
import { named } from "../../model/params.ts";
import { type LoopOptions, trainLoop, Watch } from "../../train/loop.ts";
import { learningRate, stepSchedule } from "../../train/schedule.ts";
import { Progress } from "../../cli/terminal/progress.ts";
import { RunFolder } from "../../train/runs/run-folder.ts";
import type { Settings } from "../../train/settings.ts";
import { Trainer } from "../../train/trainer.ts";
import { sharedGpu } from "../kernels/derive.ts";
import { failure } from "../kit/refusal.ts";
import { settings, syntheticBatch, tiny, tokenizer } from "./synthetic.ts";
import { inTemporary } from "../kit/temporary.ts";

const gpu = await sharedGpu();

/** The bits of a number, so that NaN and -0 compare too. */
const bitsOf = (data: ArrayLike<number>) => new Uint32Array(Float32Array.from(data).buffer);

async function parametersOf({ model }: Trainer): Promise<Record<string, Uint32Array>> {
  const found: Record<string, Uint32Array> = {};
  for (const [name, t] of named(model)) found[name] = bitsOf(await t.data());
  return found;
}

async function lossesOf(count: number): Promise<number[]> {
  const trainer = new Trainer(tiny, tokenizer, settings);
  const losses: number[] = [];
  for (let step = 1; step <= count; step++)
    losses.push((await trainer.update(step, syntheticBatch(step), settings.lr)).loss);
  return losses;
}

test("after the second step no buffer, bind group, pipeline or plan is made, and live bytes are constant", async () => {
  const trainer = new Trainer(tiny, tokenizer, settings);
  for (let step = 1; step <= 2; step++) await trainer.update(step, syntheticBatch(step), settings.lr);
  const before = { ...gpu.counters, ...gpu.store.live };
  for (let step = 3; step <= 8; step++) await trainer.update(step, syntheticBatch(step), settings.lr / step);
  assert.equal({ ...gpu.counters, ...gpu.store.live }, before);
});

test("the next step may be recorded before the numbers of the last one were read", async () => {
  const trainer = new Trainer(tiny, tokenizer, settings);
  await trainer.update(1, syntheticBatch(1), settings.lr);
  const overlapping = [2, 3, 4].map((step) => trainer.update(step, syntheticBatch(step), settings.lr));
  const losses = (await Promise.all(overlapping)).map(({ loss }) => loss);
  assert.equal(losses, (await lossesOf(4)).slice(1));
});

test("the same seed gives the same bits of loss, another seed does not", async () => {
  const [a, b] = [await lossesOf(4), await lossesOf(4)];
  assert.equal(bitsOf(a), bitsOf(b));
  const other = new Trainer(tiny, tokenizer, { ...settings, seed: 1 });
  const { loss } = await other.update(1, syntheticBatch(1), settings.lr);
  assert.is.not(loss, a[0]);
});

test("dropout draws anew at every step, and at rate 0 not at all", async () => {
  const losses = async (dropout: number) => {
    const trainer = new Trainer(tiny, tokenizer, { ...settings, dropout });
    const found: number[] = [];
    for (const step of [1, 2, 1]) found.push((await trainer.update(step, syntheticBatch(1), 0)).loss);
    return found;
  };
  const [first, second, again] = await losses(0.5);
  assert.is(again, first);
  assert.is.not(second, first);
  assert.is(new Set(await losses(0)).size, 1);
});

test("a batch seen again and again is learnt by heart", async () => {
  const trainer = new Trainer(tiny, tokenizer, { ...settings, dropout: 0 });
  const batch = syntheticBatch(1);
  let [first, last] = [0, 0];
  for (let step = 1; step <= 40; step++) {
    const { loss, norm, bad } = await trainer.update(step, batch, 1e-2);
    if (step === 1) first = loss;
    last = loss;
    assert.ok(norm > 0 && bad === 0, `step ${step}: norm ${norm}, ${bad} bad elements`);
  }
  assert.ok(last < first / 4, `the loss went from ${first} to ${last}`);
});

test("a step with a NaN in its frames changes nothing; the next one goes on", async () => {
  const trainer = new Trainer(tiny, tokenizer, settings);
  await trainer.update(1, syntheticBatch(1), settings.lr);
  const before = await parametersOf(trainer);
  const poisoned = await trainer.update(2, poison(syntheticBatch(2)), settings.lr);
  assert.ok(poisoned.bad > 0);
  assert.equal(await parametersOf(trainer), before);
  const sound = await trainer.update(3, syntheticBatch(3), settings.lr);
  assert.is(sound.bad, 0);
  assert.ok(Number.isFinite(sound.loss));
  assert.not.equal(await parametersOf(trainer), before);
});

/** The same batch in floats, one of which is no number. */
function poison<B extends AnyPixels>({ frames, ...batch }: B) {
  const floats = Float32Array.from(frames);
  floats[frames.length >> 1] = Number.NaN;
  return { ...batch, frames: floats };
}

// ---- the loop, with its run folder ----

/** Trains in `folder` as a command would; steps in `bad` get a NaN, and a stop is asked for after step `until`. */
async function train(
  folder: string,
  given: Settings,
  {
    bad = [],
    until = given.steps,
    made = () => {},
    opened = () => {},
    ...more
  }: Partial<
    { bad: number[]; until: number; made: (trainer: Trainer) => void; opened: (run: RunFolder) => void } & Pick<
      LoopOptions,
      "evaluate" | "debugNan"
    >
  > = {},
) {
  const trainer = new Trainer(tiny, tokenizer, given);
  made(trainer);
  const run = await RunFolder.open(folder, { ...given });
  opened(run);
  let step = 0;
  const loader = {
    stepsPerEpoch: 100,
    async *batches(from = 0, to = 0) {
      for (step = from + 1; step <= to; step++)
        yield bad.includes(step) ? poison(syntheticBatch(step)) : syntheticBatch(step);
    },
  };
  const stop = {
    get requested() {
      return step >= until && until < given.steps ? 130 : undefined;
    },
  };
  let said = "";
  const stream = {
    write: (text: string) => {
      said += text;
    },
  };
  const progress = new Progress({ phases: [["train", 1]], stream });
  try {
    return { ...(await trainLoop({ trainer, loader, run, gpu, progress, stop, ...more })), trainer, said };
  } finally {
    await run.close();
  }
}

interface Logged {
  step: number;
  loss: number | null;
  lr: number;
  skipped?: number;
  probes?: Record<string, number>;
}

const logOf = (folder: string): Logged[] =>
  readFileSync(join(folder, "metrics.jsonl"), "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));

test("the model is measured every k steps, into the line of the step, and training does not notice", () =>
  inTemporary(async (folder) => {
    const given = { ...settings, steps: 7, checkpointEvery: 3, evalEvery: 2 };
    let count = 0;
    const evaluate = async (): Promise<[string, number][]> => [["mAP", ++count / 10]];
    const measured = await train(join(folder, "measured"), given, { evaluate });
    const probes = logOf(join(folder, "measured")).map((line) => line.probes?.mAP);
    assert.equal(probes, [undefined, 0.1, undefined, 0.2, undefined, 0.3, undefined]);
    const plain = await train(join(folder, "plain"), { ...given, evalEvery: 0 }, { evaluate });
    assert.equal(await parametersOf(measured.trainer), await parametersOf(plain.trainer));
    assert.is(count, 3);
    // Stopped after step 5, whose checkpoint is there: the lines of before stay, and step 6 is measured once.
    await train(join(folder, "parts"), given, { evaluate, until: 5 });
    await train(join(folder, "parts"), given, { evaluate });
    const lines = logOf(join(folder, "parts"));
    assert.equal(
      lines.map(({ step, probes }) => [step, probes?.mAP]),
      [
        [1, undefined],
        [2, 0.4],
        [3, undefined],
        [4, 0.5],
        [5, undefined],
        [6, 0.6],
        [7, undefined],
      ],
    );
  }));

test("what is measured and what is saved at a step is the model of that step", () =>
  inTemporary(async (folder) => {
    const given = { ...settings, steps: 5, checkpointEvery: 3, evalEvery: 2, dropout: 0 };
    const schedule = stepSchedule(given.steps, given.warmup, given.lrEnd);
    const states: Record<string, Uint32Array>[] = [];
    const one = new Trainer(tiny, tokenizer, given);
    for (let step = 1; step <= given.steps; step++) {
      await one.update(step, syntheticBatch(step), learningRate(given.lr, step - 1, schedule));
      states[step] = await parametersOf(one);
    }
    const seen: Record<string, Uint32Array>[] = [];
    let model: Trainer | undefined;
    const evaluate = async (): Promise<[string, number][]> => {
      seen.push(await parametersOf(model!));
      return [["mAP", 0]];
    };
    await train(folder, given, { evaluate, made: (trainer) => (model = trainer) });
    assert.equal(seen, [states[2], states[4]]);
    const saved = await SafetensorsFile.open(join(folder, checkpointName(3), "model.safetensors"));
    for (const [name, want] of Object.entries(states[3])) {
      const bytes = await saved.read(name);
      assert.equal(new Uint32Array(bytes.slice().buffer), want, name);
    }
    await saved.close();
  }));

test("a run that is stopped and resumed ends with the bits of one that was not", () =>
  inTemporary(async (folder) => {
    const given = { ...settings, steps: 7, checkpointEvery: 3 };
    const whole = await train(join(folder, "whole"), given);
    const stopped = await train(join(folder, "parts"), given, { until: 4 });
    assert.is(stopped.steps, 4);
    const resumed = await train(join(folder, "parts"), given);
    assert.is(resumed.steps, 7);
    assert.equal(await parametersOf(resumed.trainer), await parametersOf(whole.trainer));
    const [a, b] = ["whole", "parts"].map((name) => logOf(join(folder, name)).map(({ step, loss }) => [step, loss]));
    assert.equal(a, b);
    assert.is(a.length, 7);
    const schedule = stepSchedule(given.steps, given.warmup, given.lrEnd);
    for (const { step, lr } of logOf(join(folder, "parts"))) assert.is(lr, learningRate(given.lr, step - 1, schedule));
  }));

/** Lets a save end only when the step behind it is logged. Tells, as they come, the steps whose saves held training up for good. */
function slowSaves(run: RunFolder, last: number): number[] {
  const held: number[] = [];
  const logged = new Map<number, () => void>();
  const { save, append } = run;
  run.append = async (line) => {
    await append.call(run, line);
    logged.get(line.step)?.();
  };
  run.save = async (at) => {
    const next = new Promise<void>((resolve) => logged.set(at.step + 1, resolve));
    const manifest = await save.call(run, at);
    const stalled = sleep(30_000, undefined, { ref: false }).then(() => held.push(at.step));
    if (at.step < last) await Promise.race([next, stalled]);
    return manifest;
  };
  return held;
}

test("training goes on while a checkpoint is on its way to the disk, and its end waits for the last one", () =>
  inTemporary(async (folder) => {
    const given = { ...settings, steps: 7, checkpointEvery: 3 };
    const whole = await train(join(folder, "whole"), given);
    let held: number[] = [];
    const slow = await train(join(folder, "slow"), given, { opened: (run) => (held = slowSaves(run, 7)) });
    assert.equal(held, []);
    assert.equal(await parametersOf(slow.trainer), await parametersOf(whole.trainer));
    const bits = async (name: string) => {
      const found = await newestCheckpoint(join(folder, name), (line) => assert.unreachable(line));
      await found?.close();
      return digest(found!.manifest);
    };
    assert.is(await bits("slow"), await bits("whole"));
  }));

test("a checkpoint that the disk refuses ends training at the next step", () =>
  inTemporary(async (folder) => {
    const given = { ...settings, steps: 40, checkpointEvery: 3 };
    const restore = watchDisk(({ op, path }) => {
      if (op === "sync" && path.includes("ckpt-00000003"))
        throw Object.assign(new Error("EIO: made up"), { code: "EIO" });
      return undefined;
    });
    const caught = await failure(train(folder, given)).finally(restore);
    assert.instance(caught, DiskError);
    assert.match(caught.message, /ckpt-00000003.*cannot flush/);
    assert.ok(logOf(folder).length < 12, `${logOf(folder).length} steps`);
    assert.not.ok(existsSync(join(folder, "lock")));
    assert.equal(
      readdirSync(folder).filter((name) => name.includes("tmp")),
      [],
    );
  }));

test("two bad steps in a row are skipped, counted and logged with their clips; a good one starts the count anew", () =>
  inTemporary(async (folder) => {
    const { steps, skipped: told, said } = await train(folder, settings, { bad: [2, 3, 5, 6] });
    assert.is(steps, settings.steps);
    assert.equal(told, [2, 3, 5, 6]);
    for (const step of told) {
      const lines = said.split("\n").filter((line) => line.includes(`step ${step} skipped`));
      assert.is(lines.length, 1, said);
      assert.match(lines[0], /skipped: \d+ gradient elements are not finite, the loss is NaN; clips \S+, \S+/);
    }
    const skipped = logOf(folder).filter((line) => line.skipped !== undefined);
    assert.equal(
      skipped.map(({ step }) => step),
      [2, 3, 5, 6],
    );
  }));

test("steps skipped before a stop count after it, and stand in the checkpoint", () =>
  inTemporary(async (folder) => {
    const given = { ...settings, steps: 8, checkpointEvery: 2 };
    await train(folder, given, { bad: [2], until: 4 });
    await train(folder, given, { bad: [6] });
    const run = await RunFolder.open(folder, { ...given });
    const found = await run.resume();
    await found?.close();
    await run.close();
    assert.equal({ ...(found?.manifest.state as object) }, { skipped: [2, 6] });
  }));

if (gpu.facts.f16)
  test("in half precision, steps at which the scale backed off before a stop are none of those in a row after it", () =>
    inTemporary(async (folder) => {
      const given: Settings = { ...settings, steps: 8, checkpointEvery: 2, precision: "amp" };
      await train(folder, given, { bad: [1, 2, 3, 4], until: 4 });
      await train(folder, given, { bad: [6] });
      const run = await RunFolder.open(folder, { ...given });
      const found = await run.resume();
      await found?.close();
      await run.close();
      const skipped = [1, 2, 3, 4, 6];
      assert.equal({ ...(found?.manifest.state as object) }, { skipped, backedOff: skipped });
    }));

test("a checkpoint takes the room that the space check asks for", () =>
  inTemporary(async (folder) => {
    const { trainer } = await train(folder, { ...settings, steps: 2 });
    const run = await RunFolder.open(folder, { ...settings, steps: 2 });
    const found = (await run.resume())!;
    const bytes = [found.model, found.optimizer!].flatMap((file) =>
      [...file.tensors.values()].map(({ shape }) => 4 * shape.reduce((a, b) => a * b, 1)),
    );
    assert.is(
      bytes.reduce((a, b) => a + b, 0),
      trainer.checkpointBytes,
    );
    await found.close();
    await run.close();
  }));

const report = { step: 1, loss: 1, norm: 1, bad: 0, logitScale: 2 };
const unsound: [string, Partial<typeof report>][] = [
  ["gradients are not finite though the loss is", { bad: 3 }],
  ["the loss is not a number though the gradients are finite", { loss: Number.NaN }],
];
for (const [what, change] of unsound)
  test(`a step counts as unsound where ${what}`, () => {
    const watch = new Watch();
    assert.is(watch.note(report, []), undefined);
    assert.type(watch.note({ ...report, step: 2, ...change }, []), "string");
    assert.equal(watch.skipped, [2]);
  });

test("ten skipped steps of a thousand end training, though no three come in a row", () => {
  const watch = new Watch();
  for (let step = 1; step <= 18; step++) watch.note({ ...report, step, bad: step % 2 }, []);
  assert.is(watch.skipped.length, 9);
  assert.throws(() => watch.note({ ...report, step: 19, bad: 1 }, []), /1 steps in a row and 10 of the last thousand/);
  const later = new Watch([...watch.skipped.slice(0, 9)]);
  assert.type(later.note({ ...report, step: 1_001, bad: 1 }, []), "string");
});

test("a step whose norm overflows is skipped by the device and told as skipped; a loss alone is told for what it is", () => {
  assert.is(new Watch().note(report, []), undefined);
  assert.match(
    new Watch().note({ ...report, norm: Infinity }, [])!,
    /^skipped: the norm of the gradients is Infinity, the loss is 1$/,
  );
  assert.match(
    new Watch().note({ ...report, loss: Infinity }, [])!,
    /^made although the loss is Infinity: all gradients are finite$/,
  );
  const resumed = new Watch([1]);
  resumed.note({ ...report, step: 4, bad: 3, loss: Number.NaN }, []);
  assert.equal(resumed.skipped, [1, 4]);
});

test("steps in a row count on over a resume", () => {
  assert.throws(() => new Watch([2, 4, 5]).note({ ...report, step: 6, bad: 1 }, []), /3 steps in a row/);
  assert.type(new Watch([3, 4]).note({ ...report, step: 6, bad: 1 }, []), "string");
});

test("to debug, the first bad step ends training, and the log and the message say where it began", () =>
  inTemporary(async (folder) => {
    const given = { ...settings, steps: 4 };
    await train(join(folder, "plain"), given);
    const caught = await train(join(folder, "debugged"), given, { bad: [3], debugNan: true }).then(
      () => undefined,
      (error: unknown) => error as HealthError,
    );
    assert.instance(caught, HealthError);
    assert.is(caught!.exitCode, 5);
    assert.match(caught!.message, /stopped at step 3 \(--debug-nan\): it was skipped: \d+ gradient elements/);
    assert.match(caught!.message, /first tensor that is not finite is the frames of the batch\n.*forward pass of/);
    assert.match(caught!.message, /of the clip (clip-3-\d)\n[\s\S]*clips of this step: clip-3-0/);
    const [plain, debugged] = ["plain", "debugged"].map((name) => logOf(join(folder, name)));
    assert.equal(
      debugged.map(({ step, loss }) => [step, loss]),
      [...plain.slice(0, 2).map(({ step, loss }) => [step, loss]), [3, null]],
    );
    const { notFinite } = debugged[2] as unknown as { notFinite: { isInput: boolean; nans: number } };
    assert.equal([notFinite.isInput, notFinite.nans], [true, 1]);
  }));

test("the third bad step in a row ends training with exit code 5", () =>
  inTemporary(async (folder) => {
    const caught = await train(folder, settings, { bad: [3, 4, 5] }).then(
      () => undefined,
      (error: unknown) => error,
    );
    assert.instance(caught, HealthError);
    assert.is((caught as HealthError).exitCode, 5);
    assert.match((caught as HealthError).message, /stopped at step 5: .*3 steps in a row/s);
  }));

test.run();
