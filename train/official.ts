// The training state of an official checkpoint: what it takes to go on where the published code stopped. Its scheduler is
// restored too; the official resume looks for it under a misspelt key and starts over.
import { basename } from "node:path";
import { CheckpointError, FormatError } from "../engine/errors.ts";
import { arrived } from "../engine/index.ts";
import { takes } from "../engine/takes.ts";
import { keptContent } from "../model/checkpoint/content-json.ts";
import { at } from "../data/formats/content.ts";
import { readParameters, readTensor, Transfer } from "../model/checkpoint/load.ts";
import { planLoad } from "../model/checkpoint/plan.ts";
import type { Group } from "../model/params.ts";
import { named } from "../model/params.ts";
import { type Content, TensorRef, type WeightFile } from "../data/formats/weights.ts";
import type { Learner } from "./learner.ts";
import type { OfficialSchedule } from "./schedule.ts";

/** A parameter group of the optimiser as the checkpoint has it. */
export interface OfficialGroup {
  readonly name: string;
  /** Rate before the schedule. */
  readonly base: number;
  /** Rate when it was written. */
  readonly lr: number;
  readonly decay: number;
}

/** Names in the file of a parameter's moments. */
export interface StoredMoments {
  readonly exp_avg: string;
  readonly exp_avg_sq: string;
}

/** What an official checkpoint says of the training that wrote it. */
export interface OfficialTraining {
  /** The epoch to go on with: one after the stored one. */
  readonly epoch: number;
  /** Updates of the optimiser so far: the next one is number updates + 1. */
  readonly updates: number;
  /** Iterations so far, those that the loss scaler skipped included: the next rate is learningRate(base, iterations, …). */
  readonly iterations: number;
  /** Its parameter groups, in the order of `groupsOf`. */
  readonly groups: readonly OfficialGroup[];
  readonly beta1: number;
  readonly beta2: number;
  readonly eps: number;
  /** How its rates went, and go on. */
  readonly schedule: OfficialSchedule;
  /** What the scaler of fp16 losses multiplied them by; precision amp goes on with it, f32 needs none. */
  readonly scale: number | undefined;
  /** By parameter; one that never had a gradient has none, and starts at zero. */
  readonly moments: ReadonlyMap<string, StoredMoments>;
}

/** Reads the training state that lies beside `model`; `groups` are those of the same model (groupsOf). */
export async function readOfficialTraining(file: WeightFile, groups: readonly Group[]): Promise<OfficialTraining> {
  takes(
    "readOfficialTraining(file: { path: text, tensors: map, ... }, groups: { name: text, members: any[], " +
      "... }[], ...)",
    arguments,
  );
  const read = new Reader(file);
  const stored = read.list("optimizer", "param_groups").filter((group) => listAt(group, "params").length > 0);
  const parameters = groups.flatMap(({ members }) => members.map(([name]) => name));
  const counts = stored.map((group) => listAt(group, "params").length);
  if (`${counts}` !== `${groups.map(({ members }) => members.length)}`)
    read.fail(
      `optimizer: groups of ${counts} parameters; this model has ${groups.map(({ members }) => members.length)}`,
    );
  const shapes = new Map(groups.flatMap(({ members }) => members.map(([name, { shape }]) => [name, shape])));

  const steps = new Set<number>();
  const moments = new Map<string, StoredMoments>();
  for (const [i, index] of stored.flatMap((group) => listAt(group, "params")).entries()) {
    const state = at(read.content, "optimizer", "state", index as number);
    if (state === undefined) continue;
    const found = { exp_avg: read.tensor(state, "exp_avg"), exp_avg_sq: read.tensor(state, "exp_avg_sq") };
    for (const name of Object.values(found)) {
      const shape = file.tensors.get(name)!.shape;
      if (`${shape}` !== `${shapes.get(parameters[i])}`)
        read.fail(`${name} is [${shape}], but ${parameters[i]} is [${shapes.get(parameters[i])}]`);
    }
    steps.add(await read.step(at(state, "step")));
    moments.set(parameters[i], found);
  }
  if (steps.size > 1)
    read.fail(`optimizer: parameters at different steps (${[...steps].slice(0, 4)}); one is expected`);

  const [beta1, beta2] = listAt(stored[0], "betas").map(Number);
  return {
    epoch: read.number("epoch") + 1,
    updates: [...steps][0] ?? 0,
    iterations: read.number("lr_scheduler", "last_iter"),
    groups: stored.map((group, i) => ({
      name: groups[i].name,
      base: read.numberIn(group, "initial_lr"),
      lr: read.numberIn(group, "lr"),
      decay: read.numberIn(group, "weight_decay"),
    })),
    beta1,
    beta2,
    eps: read.numberIn(stored[0], "eps"),
    schedule: scheduleOf(read),
    scale: at(read.content, "grad_scaler", "scale") === undefined ? undefined : read.number("grad_scaler", "scale"),
    moments,
  };
}

/** The scheduler as a function of the iteration (schedule.ts). */
function scheduleOf(read: Reader): OfficialSchedule {
  const flag = (name: string) => at(read.content, "lr_scheduler", name) === true;
  const number = (...name: string[]) => read.number("lr_scheduler", ...name);
  const cosine = {
    length: number("wrapped_scheduler", "T_max"),
    floor: number("wrapped_scheduler", "eta_min"),
    epochIterations: number("epoch_len"),
    cosineBy: flag("by_epoch") ? "epoch" : "iteration",
    warmup: number("warmup_t"),
    warmupBy: flag("warmup_by_epoch") ? "epoch" : "iteration",
  } as const;
  const mode = at(read.content, "lr_scheduler", "warmup_mode");
  if (mode === "fix") return { ...cosine, mode, from: number("warmup_init_lr") };
  if (mode === "auto" || mode === "factor") return { ...cosine, mode, factor: number("warmup_init_factor") };
  return read.fail("lr_scheduler: warmup_mode is not auto, factor or fix");
}

/** Entries of a checkpoint by their path, each checked. */
class Reader {
  readonly content: Content;

  constructor(readonly file: WeightFile) {
    this.content = keptContent(file.content, basename(file.path));
  }

  fail(what: string): never {
    throw new FormatError(`${basename(this.file.path)}: ${what}`);
  }

  list(...path: string[]): readonly Content[] {
    const found = at(this.content, ...path);
    return Array.isArray(found) && found.length
      ? found
      : this.fail(`no ${path.join(".")}: no training state of the official code`);
  }

  number(...path: string[]): number {
    return this.checked(at(this.content, ...path), path.join("."));
  }

  numberIn(dict: Content, name: string): number {
    return this.checked(at(dict, name), `optimizer.param_groups: ${name}`);
  }

  tensor(dict: Content, name: string): string {
    const found = at(dict, name);
    return found instanceof TensorRef && this.file.tensors.has(found.name)
      ? found.name
      : this.fail(`optimizer.state: ${name} is no tensor`);
  }

  /** A number, or a tensor of one number in newer versions of PyTorch. */
  async step(value: Content | undefined): Promise<number> {
    if (!(value instanceof TensorRef)) return this.checked(value, "optimizer.state: step");
    const shape = this.file.tensors.get(value.name)?.shape;
    if (shape?.length !== 0) this.fail(`${value.name} is [${shape ?? "missing"}]; one number is expected`);
    return this.checked((await this.file.floats(value.name))[0], value.name);
  }

  private checked(value: Content | undefined, name: string): number {
    return typeof value === "number" && Number.isFinite(value) && value >= 0
      ? value
      : this.fail(`${name} is missing or no number of at least 0`);
  }
}

function listAt(dict: Content | undefined, name: string): readonly Content[] {
  const found = dict === undefined ? undefined : at(dict, name);
  return Array.isArray(found) ? found : [];
}

/**
 * Puts parameters and moments of an official checkpoint into a learner, and tells where its training stands. The learner's
 * configuration must be that of the checkpoint (describe).
 */
export async function resumeOfficial(learner: Learner, file: WeightFile): Promise<OfficialTraining> {
  takes("resumeOfficial(learner: { places: function, ... }, file: { path: text, tensors: map, ... }, ...)", arguments);
  const training = await readOfficialTraining(file, learner.groups);
  const plan = await planLoad(file, { config: learner.model.config });
  if (plan.report.fresh.length)
    throw new CheckpointError(
      `${basename(file.path)}: ${plan.report.fresh.length} parameters missing; a resume needs all`,
    );
  await readParameters(plan, new Map(named(learner.model)));
  const transfer = new Transfer();
  for (const [name, shard, i] of learner.places()) {
    const stored = training.moments.get(name);
    if (!stored) continue;
    for (const [k, kind] of (["exp_avg", "exp_avg_sq"] as const).entries())
      await readTensor(file, stored[kind], shard.part(shard.moments[k], i), transfer);
  }
  if (training.scale !== undefined) learner.scaleLoss(training.scale);
  await arrived();
  return training;
}
