// The training loop: batches in, updates out, health watched, checkpoints written, stopped and resumed at any step.
import { execFileSync } from "node:child_process";
import { HealthError, UsageError } from "../engine/errors.ts";
import type { Gpu } from "../engine/index.ts";
import type { BatchWords, ClipBatch } from "../data/shards/batch.ts";
import { type Meter, type StopRequest, untilStopped } from "../data/threads/long-work.ts";
import { piped } from "../data/threads/piped.ts";
import { changesOf, type Platform, versions } from "./runs/platform.ts";
import type { Manifest } from "../model/checkpoint/folder.ts";
import { notFiniteText } from "./first-not-finite.ts";
import type { LogLine, RunFolder } from "./runs/run-folder.ts";
import type { PerGroup } from "./optimizers/optimizer.ts";
import { ownSpan } from "./peers.ts";
import { leastScale } from "./precision.ts";
import { type Rates, recipeRates } from "./rates.ts";
import { Saving } from "./saving.ts";
import type { Settings } from "./settings.ts";
import { type Pace, paceText, StepMeter } from "./step-meter.ts";
import { planStep } from "./step-plan.ts";
import type { StepReport, Trainer, TrainingBatch } from "./trainer.ts";
import { whyIdle } from "./vanishing.ts";

/** Consecutive steps, or steps of the last thousand, that may be skipped for numbers that are not finite. */
export const patience = { inARow: 3, inAThousand: 10 } as const;

/** Steps that were skipped; part of the checkpoint, so that a resumed run counts on. */
export class Watch {
  /** @param backedOff those that a smaller scale of the loss mends: no sign of bad health */
  constructor(
    readonly skipped: number[] = [],
    readonly backedOff: number[] = [],
  ) {}

  /** Notes one step; undefined if it is sound, else what became of it. Too many such steps are a HealthError. */
  note(report: StepReport, samples: readonly string[]): string | undefined {
    const { step } = report;
    const fault = faultOf(report);
    if (fault === undefined) return undefined;
    this.skipped.push(step);
    if (isBackingOff(report)) {
      this.backedOff.push(step);
      return fault;
    }
    const ill = this.skipped.filter((other) => !this.backedOff.includes(other));
    const inARow = ill.reduceRight((n, other) => (other === step - n ? n + 1 : n), 0);
    const recent = report.lossScale === undefined ? ill.filter((other) => other > step - 1000).length : 0;
    if (inARow < patience.inARow && recent < patience.inAThousand) return fault;
    throw new HealthError(
      `training stopped at step ${step}: it was ${fault}; ` +
        `${inARow} steps in a row and ${recent} of the last thousand were skipped\n` +
        `  clips of this step: ${some(samples)}\n` +
        "  nothing was changed by these steps; a lower --lr or a look at those clips may help",
    );
  }
}

/** Whether a step was skipped because its loss was scaled too much: that mends itself. Errors: HealthError where no scale is small enough. */
function isBackingOff({ step, bad, norm, loss, lossScale }: StepReport): boolean {
  if (lossScale === undefined || (bad === 0 && Number.isFinite(norm))) return false;
  if (lossScale >= leastScale) return true;
  throw new HealthError(
    `training stopped at step ${step}: gradients are not finite at any scale of the loss, which is now ${lossScale}; the loss is ${loss}
` +
      "  nothing was changed by the skipped steps; something in the model is beyond half precision or not finite in f32 either: " +
      "--precision f32 tells",
  );
}

/** What became of a step with numbers that are not finite. The device decides, by the gradients and their norm alone. */
function faultOf(report: StepReport): string | undefined {
  const fault = notFinite(report);
  return fault && report.lossScale !== undefined ? `${fault}; the loss scale is now ${report.lossScale}` : fault;
}

function notFinite({ loss, norm, bad }: StepReport): string | undefined {
  if (bad > 0) return `skipped: ${bad} gradient elements are not finite, the loss is ${loss}`;
  if (!Number.isFinite(norm)) return `skipped: the norm of the gradients is ${norm}, the loss is ${loss}`;
  return Number.isFinite(loss) ? undefined : `made although the loss is ${loss}: all gradients are finite`;
}

/** What the loop reads of a batch. */
type LoopBatch = TrainingBatch & Pick<ClipBatch, "keys" | "replaced">;

/** Where batches come from: those of global steps `from` … `until − 1`. */
export interface Batches {
  readonly stepsPerEpoch: number;
  batches(from: number, until: number): AsyncIterable<LoopBatch>;
}

/** A figure of merit by name, as a fraction; NaN where it is not defined, and then the reason. */
type Figure = readonly [name: string, value: number, note?: string];

/** The steps that are done, and which of them (resumed ones too) were skipped for numbers that are not finite. */
export interface Done {
  readonly steps: number;
  readonly skipped: readonly number[];
  /** Where a run went on elsewhere than it was: what may make its bits others than those of an uninterrupted run. */
  readonly moves: readonly Move[];
  /** Times that the GPU was lost and the run gone on with on a new one, those before a resume too. */
  readonly restarts: readonly Restart[];
  /** Measured at the last step, and the checkpoint whose figure of those that decide is the highest. */
  readonly figures: readonly Figure[];
  readonly best: Best | null;
}

/** A GPU that was lost: what it said, and when, for people. */
export interface Restart {
  readonly reason: string;
  readonly date: string;
}

export interface LoopOptions {
  readonly trainer: Trainer;
  readonly loader: Batches;
  readonly run: Pick<RunFolder, "resume" | "append" | "save">;
  readonly gpu: Gpu;
  readonly progress: Meter;
  readonly stop: StopRequest;
  /** Restarts of this process before. */
  readonly restarts?: readonly Restart[];
  /** Rates of an update by the number of those before it; those of the settings unless given. */
  readonly rates?: Rates;
  /** What is to be done once the model has its weights, before its first step; false where a stop was requested meanwhile. */
  readonly ready?: () => Promise<boolean>;
  /** Updates that the model has behind it when the run begins, and batches that were before the run's first update. */
  readonly begun?: { readonly updates: number; readonly batches: number };
  /** Measures the model as it stands, every `evalEvery` steps, into the step's log line; undefined when it was stopped. */
  readonly evaluate?: () => Promise<readonly Figure[] | undefined>;
  /** A step with numbers that are not finite is repeated to find the first of them, and ends the run; the device then waits for each. */
  readonly debugNan?: boolean;
  /** The last step is measured like the others; else the caller measures the trained model. */
  readonly evaluatesEnd?: boolean;
  /** Hears each line of the log, once it is written. */
  readonly logged?: (line: LogLine) => void;
  /** Flops a second of a matrix product: what the pace of a step is a share of. */
  readonly matmulRate?: number;
}

/** A change of adapter or versions at the resume after a step. */
export interface Move {
  readonly step: number;
  readonly changes: readonly string[];
}

/** Trains from the run's newest checkpoint to the last step, or until a stop is requested. Nothing is being written when it ends. */
export async function trainLoop(options: LoopOptions): Promise<Done> {
  const saving = new Saving();
  try {
    const done = await trainSteps(options, saving);
    await saving.done();
    return done;
  } catch (error) {
    await saving.done().catch(() => {}); // it may be this one
    throw error;
  }
}

async function trainSteps(options: LoopOptions, saving: Saving): Promise<Done> {
  const { trainer, progress, stop } = options;
  const { settings } = trainer;
  const resumed = await resumedTogether(options);
  const { from, watch, moves, restarts, unmeasured } = resumed;
  let { best } = resumed;
  if (options.ready && from < settings.steps && !(await options.ready()))
    return { steps: from, skipped: watch.skipped, moves, restarts, figures: [], best };
  progress.start("train", settings.steps, from);
  const late = unmeasured && (await measured(unmeasured, options));
  if (late) best = better(best, from, late, settings.best);
  let [done, saved] = [from, from];
  let figures = late ?? [];
  const outcome = (): Done => ({ steps: done, skipped: watch.skipped, moves, restarts, figures, best });
  if (unmeasured && !late) return outcome();
  let isIdleSaid = false;
  const save = async (line?: LogLine) => {
    const state = {
      skipped: watch.skipped,
      ...(watch.backedOff.length && { backedOff: watch.backedOff }),
      ...(moves.length && { moves }),
      ...(restarts.length && { restarts }),
      ...(line && { unmeasured: line }),
    };
    if (done > saved) await saving.begin((read) => checkpoint(done, options, state, best, read));
    saved = done;
  };
  for await (const finished of steps(from, options)) {
    saving.check();
    done = finished.report.step;
    const { report, whole, batch } = finished;
    if (whole && faultOf(report) && !isBackingOff(report)) await explain(finished, whole, options);
    const fault = watch.note(report, batch.keys);
    if (fault) progress.say(`step ${done} ${fault}; clips ${some(batch.keys)}`);
    const line = lineOf(finished, fault === undefined);
    const found = await measured(line, options);
    figures = found ?? [];
    if (!found) {
      await save(line);
      return outcome();
    }
    best = better(best, done, found, settings.best);
    progress.at(done, `loss ${report.loss.toFixed(3)}  ${paceText(finished.pace)}`);
    const goesOn = done < settings.steps && stop.requested === undefined;
    if (!fault && !isIdleSaid && report.norm === 0) isIdleSaid = sayIdle(progress, finished, settings);
    if (goesOn && (isDue(done, settings.checkpointEvery) || best?.step === done)) await save();
  }
  await save();
  return outcome();
}

/** The checkpoint whose model has the highest figure so far. */
type Best = NonNullable<Manifest["best"]>;

/** The best after the figures of a step. Errors: UsageError where the figure that decides is not one of them. */
function better(best: Best | null, step: number, found: readonly Figure[], name?: string | null): Best | null {
  if (!name || found.length === 0) return best;
  const [, value] = found.find(([figure]) => figure === name) ?? [];
  if (value === undefined)
    throw new UsageError(`--best: "${name}" is not measured; measured are ${found.map(([each]) => each).join(", ")}`);
  return value > (best?.value ?? Number.NEGATIVE_INFINITY) ? { step, name, value } : best;
}

/** Logs a step, with the model's figures where they are due. Undefined when a stop was requested before they were known: then nothing is. */
async function measured(line: LogLine, options: LoopOptions): Promise<readonly Figure[] | undefined> {
  const { progress, stop, evaluate } = options;
  if (!evaluate || !isMeasured(line.step, options)) {
    await log(line, options);
    return [];
  }
  const found = stop.requested === undefined ? await evaluate() : undefined;
  if (!found) return undefined;
  const probes = Object.fromEntries(found.map(([name, value]) => [name, value]));
  await log({ ...line, probes, ...undefinedOf(found) }, options);
  // Shown are two decimals of a percent, as by the official evaluator; the log has all digits.
  const percents = found.map(
    ([name, value]) => `${name} ${Number.isNaN(value) ? "not defined" : (100 * value).toFixed(2)}`,
  );
  progress.say(`step ${line.step}: ${percents.join("  ")}`);
  return found;
}

/** The last step is due as well, whatever its number, or is the caller's. */
const isMeasured = (step: number, { trainer: { settings }, evaluatesEnd }: LoopOptions): boolean =>
  step === settings.steps ? (evaluatesEnd ?? false) && settings.evalEvery > 0 : isDue(step, settings.evalEvery);

async function log(line: LogLine, { run, logged }: LoopOptions): Promise<void> {
  await run.append(line);
  logged?.(line);
}

const some = (clips: readonly string[]): string => `${clips.slice(0, 4).join(", ")}${clips.length > 4 ? ", …" : ""}`;

/** An update whose numbers have been read back. */
interface Finished {
  readonly report: StepReport;
  readonly lr: PerGroup;
  readonly batch: BatchWords;
  /** With its pixels, where it may have to be repeated. */
  readonly whole?: LoopBatch;
  readonly pace: Pace;
}

/**
 * The updates after step `from`, in order, each while the device already has the next one. At a step where the model is measured
 * or saved the next one waits, so that the model is the one of that step.
 */
async function* steps(from: number, options: LoopOptions): AsyncGenerator<Finished> {
  const { trainer, loader, stop, rates = ratesOf(options), debugNan } = options;
  const { settings } = trainer;
  let begun = from;
  const update = async (batch: LoopBatch) => {
    const lr = rates(begun);
    const { keys, replaced, captions, sentiment } = batch; // without its pixels
    const report = await trainer.update(++begun, batch, lr);
    const words = report.clips ?? { keys, replaced, captions, sentiment };
    return { report, lr, batch: words, ...(debugNan && { whole: batch }) };
  };
  const isShared = trainer.company !== undefined; // a step tells all ranks whether another follows
  const isPause = () =>
    isShared || debugNan || isDue(begun, settings.evalEvery) || isDue(begun, settings.checkpointEvery);
  const shift = shiftOf(options);
  const meter = meterOf(options);
  const batches = untilStopped(meter.timed(loader.batches(from + shift, settings.steps + shift)), stop);
  for await (const step of piped(batches, update, isPause)) {
    yield { ...step, pace: meter.lap(step.report.meeting) };
    if (isDue(step.report.step, settings.evalEvery)) meter.restart(); // measuring is no training
  }
}

/** Finds the first tensor of a step that is not finite, logs the step with it, and ends the run. */
async function explain(finished: Finished, whole: LoopBatch, options: LoopOptions): Promise<never> {
  const { report, batch } = finished;
  const found = await options.trainer.firstNotFinite(report.step, whole);
  await log({ ...lineOf(finished, false), notFinite: JSON.parse(JSON.stringify(found ?? null)) }, options);
  throw new HealthError(
    `training stopped at step ${report.step} (--debug-nan): it was ${faultOf(report)}\n` +
      `  ${found ? notFiniteText(found) : notFoundAgain}\n  clips of this step: ${some(batch.keys)}`,
  );
}

const notFoundAgain =
  "repeated, every tensor of its forward and backward pass was finite: either the step was made and has changed the parameters, or " +
  "the device does not compute the same twice";

function meterOf({ trainer: { model, settings, family, company }, gpu, matmulRate }: LoopOptions): StepMeter {
  const own = company && ownSpan(settings.batch, company.peers).count;
  const micro = own && settings.micro >= own ? 0 : settings.micro; // one part is encoded once
  const { flops } = planStep(model.config, { ...settings, micro }, gpu.facts, gpu.maxBinding, family);
  return new StepMeter(flops / (company?.peers.size ?? 1), settings.batch, () => gpu.store.total, matmulRate);
}

const ratesOf = ({ trainer: { groups, settings }, loader }: LoopOptions): Rates =>
  recipeRates(settings, groups, loader.stepsPerEpoch);

/** How much further in the data a run is than its updates say. */
const shiftOf = ({ begun }: LoopOptions) => (begun ? begun.batches - begun.updates : 0);

/** Whether something that happens every so many steps happens at this one; 0 is never. */
const isDue = (step: number, every: number) => every > 0 && step % every === 0;

function lineOf({ report, lr, batch: { keys, replaced = [] }, pace }: Finished, isSound: boolean): LogLine {
  const { step, loss, norm, bad, logitScale, lossScale } = report;
  return {
    step,
    loss,
    ...(typeof lr === "number" ? { lr } : { lr: Math.max(...Object.values(lr)), rates: { ...lr } }),
    norm,
    logitScale,
    ...(lossScale !== undefined && { lossScale }),
    ...pace,
    ...(!isSound && { skipped: bad, clips: [...keys] }),
    ...(replaced.length > 0 && { replaced: [...replaced] }),
  };
}

/** Why figures of a line are null. */
function undefinedOf(probes: readonly Figure[]): { notDefined?: Record<string, string> } {
  const lacking = probes.filter(([, value]) => Number.isNaN(value));
  return lacking.length > 0
    ? { notDefined: Object.fromEntries(lacking.map(([name, , note = ""]) => [name, note])) }
    : {};
}

/** What a checkpoint holds of the loop. */
interface LoopState {
  readonly skipped: number[];
  /** Those of them at which the scale of the loss backed off. */
  readonly backedOff?: number[];
  readonly moves?: readonly Move[];
  readonly restarts?: readonly Restart[];
  /** The line of its step, where a stop came before the figures that belong to it. */
  readonly unmeasured?: LogLine;
}

/** Once a run: a step that changes nothing but by weight decay. */
function sayIdle(progress: Meter, { report, batch }: Finished, settings: Settings): true {
  const why = whyIdle(batch, settings);
  progress.say(
    `warning: step ${report.step} has loss ${report.loss} and no gradient: nothing is learnt from it; ${why}`,
  );
  return true;
}

interface Resumed {
  readonly from: number;
  readonly watch: Watch;
  readonly moves: readonly Move[];
  readonly restarts: readonly Restart[];
  readonly unmeasured?: LogLine;
  readonly best: Best | null;
}

/** Every rank goes on from where rank 0 stands, with its bits. */
async function resumedTogether(options: LoopOptions): Promise<Resumed> {
  const { trainer } = options;
  const { company } = trainer;
  if (!company) return resume(options);
  const { watch, ...told } = await company.ofFirst(async () => {
    const { watch, ...rest } = await resume(options);
    return { ...rest, watch: [watch.skipped, watch.backedOff] as const };
  });
  await trainer.share(company);
  return { ...told, watch: new Watch(...watch.map((steps) => [...steps])) };
}

async function resume({ trainer, run, gpu, progress, begun, restarts: ours = [] }: LoopOptions): Promise<Resumed> {
  const found = await run.resume();
  if (!found) {
    trainer.average?.begin();
    return { from: begun?.updates ?? 0, watch: new Watch(), moves: [], restarts: ours, best: null };
  }
  try {
    for (const remark of await trainer.load(found.model, found.optimizer)) progress.say(`warning: ${remark}`);
    const { step, state } = found.manifest;
    const { skipped = [], backedOff, moves = [], restarts = [], unmeasured } = (state ?? {}) as Partial<LoopState>;
    const changes = changesOf(found.manifest, platformOf(gpu));
    if (changes.length)
      progress.say(
        `warning: the run goes on elsewhere than it was at step ${step}: ${changes.join(", ")}; its results may differ in their last digits`,
      );
    const all = changes.length ? [...moves, { step, changes }] : moves;
    const before = restarts.filter(({ date }) => ours.every((other) => other.date !== date));
    const { best } = found.manifest;
    const watch = new Watch(skipped, backedOff);
    return { from: step, watch, moves: all, restarts: [...before, ...ours], unmeasured, best };
  } finally {
    await found.close();
  }
}

const platformOf = ({ facts }: Gpu): Platform => ({
  adapter: facts.adapter,
  subgroupSize: facts.subgroup,
  versions: versions(),
});

async function checkpoint(
  step: number,
  options: LoopOptions,
  state: LoopState,
  best: Best | null,
  read: () => void,
): Promise<void> {
  const { trainer, loader, run, gpu } = options;
  const { settings } = trainer;
  const batches = step + shiftOf(options);
  await run.save({
    step,
    epoch: Math.floor(batches / loader.stepsPerEpoch),
    position: (batches % loader.stepsPerEpoch) * settings.batch,
    seed: settings.seed,
    rng: { step },
    best,
    state: JSON.parse(JSON.stringify(state)),
    ...platformOf(gpu),
    commit: commitOf(),
    tensors: { model: trainer.modelEntries(), optimizer: trainer.optimizerEntries() },
    read,
  });
}

let commit: string | undefined;
/** The commit this program was built from, or "unknown" outside a clone. */
export function commitOf(): string {
  try {
    commit ??= execFileSync("git", ["rev-parse", "--short", "HEAD"], { stdio: ["ignore", "pipe", "ignore"] })
      .toString()
      .trim();
  } catch {
    commit = "unknown";
  }
  return commit;
}
