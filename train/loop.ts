// The training loop: batches in, updates out, health watched, checkpoints written, stopped and resumed at any step.
import { execFileSync } from "node:child_process";
import { HealthError } from "../engine/errors.ts";
import type { Gpu } from "../engine/index.ts";
import type { Loader } from "../data/shards/loader.ts";
import type { Row } from "../eval/probes/probe-table.ts";
import type { Progress } from "../cli/terminal/progress.ts";
import type { RunFolder } from "./runs/run-folder.ts";
import { learningRate, stepSchedule } from "./schedule.ts";
import type { StopRequest } from "../cli/terminal/stop.ts";
import type { StepReport, Trainer } from "./trainer.ts";

/** Consecutive steps, or steps of the last thousand, that may be skipped for numbers that are not finite. */
export const patience = { inARow: 3, inAThousand: 10 } as const;

/** Steps that were skipped; part of the checkpoint, so that a resumed run counts on. */
export class Watch {
  #inARow = 0;

  constructor(readonly skipped: number[] = []) {}

  /** Notes one step; too many bad ones are a HealthError. */
  note({ step, loss, bad }: StepReport, samples: readonly string[]): boolean {
    if (bad === 0 && Number.isFinite(loss)) {
      this.#inARow = 0;
      return true;
    }
    this.#inARow++;
    this.skipped.push(step);
    const recent = this.skipped.filter((other) => other > step - 1000).length;
    if (this.#inARow < patience.inARow && recent < patience.inAThousand) return false;
    throw new HealthError(
      `training stopped at step ${step}: the loss is ${loss}, ${bad} gradient elements are not finite; ` +
        `${this.#inARow} steps in a row and ${recent} of the last thousand were skipped\n` +
        `  clips of this step: ${samples.slice(0, 4).join(", ")}${samples.length > 4 ? ", …" : ""}\n` +
        "  nothing was changed by these steps; a lower --lr or a look at those clips may help",
    );
  }
}

/** Where batches come from: those of global steps `from` … `until − 1`. */
type Batches = Pick<Loader, "batches" | "stepsPerEpoch">;

export interface LoopOptions {
  readonly trainer: Trainer;
  readonly loader: Batches;
  readonly run: RunFolder;
  readonly gpu: Gpu;
  readonly progress: Progress;
  readonly stop: StopRequest;
  /** Measures the model as it stands, every `evalEvery` steps: figures of merit as fractions, into the step's log line. */
  readonly evaluate?: () => Promise<Row[]>;
}

/** Trains from the run's newest checkpoint to the last step, or until a stop is requested. Returns the steps done. */
export async function trainLoop(options: LoopOptions): Promise<number> {
  const { trainer, loader, run, gpu, progress, stop, evaluate } = options;
  const { settings } = trainer;
  const schedule = stepSchedule(settings.steps, settings.warmup, settings.lrEnd);
  const { from, watch } = await resume(trainer, run);
  progress.start("train", settings.steps, from);
  const save = (step: number) => checkpoint(step, trainer, loader, run, gpu, watch);
  let step = from;
  let last: { report: Promise<StepReport>; keys: string[]; lr: number } | undefined;
  let settledAt = performance.now();
  const settle = async (measure?: LoopOptions["evaluate"]) => {
    if (!last) return;
    const { keys, lr } = last;
    const report = await last.report;
    last = undefined;
    const now = performance.now();
    const clipsPerSecond = settings.batch / ((now - settledAt) / 1000);
    const kept = watch.note(report, keys);
    const probes = await measure?.();
    settledAt = probes ? performance.now() : now;
    const { loss, norm, bad, logitScale } = report;
    await run.append({
      step: report.step,
      loss,
      lr,
      norm,
      logitScale,
      clipsPerSecond: round(clipsPerSecond),
      ...(kept ? {} : { skipped: bad, clips: keys }),
      ...(probes && { probes: Object.fromEntries(probes) }),
    });
    if (probes) progress.say(`step ${report.step}: ${probes.map(asPercent).join("  ")}`);
    progress.at(report.step, `loss ${loss.toFixed(3)}  ${clipsPerSecond.toFixed(0)} clips/s`);
  };
  for await (const batch of loader.batches(from, settings.steps)) {
    const lr = learningRate(settings.lr, step, schedule);
    const report = trainer.update(++step, batch, lr);
    report.catch(() => {}); // awaited in settle
    const current = { report, keys: batch.keys, lr };
    await settle();
    last = current;
    if (stop.requested !== undefined) break;
    if (step === settings.steps) continue;
    if (evaluate && settings.evalEvery > 0 && step % settings.evalEvery === 0) await settle(evaluate);
    if (step % settings.checkpointEvery === 0) {
      await settle();
      await save(step);
    }
  }
  await settle();
  if (step > from) await save(step);
  return step;
}

/** Two decimals of a percent, as the official evaluator shows them; the log has all digits. */
const asPercent = ([name, value]: Row) => `${name} ${(100 * value).toFixed(2)}`;

const round = (x: number) => Math.round(x * 10) / 10;

async function resume(trainer: Trainer, run: RunFolder): Promise<{ from: number; watch: Watch }> {
  const found = await run.resume();
  if (!found) return { from: 0, watch: new Watch() };
  try {
    await trainer.load(found.model, found.optimizer);
    const { skipped = [] } = (found.manifest.state ?? {}) as { skipped?: number[] };
    return { from: found.manifest.step, watch: new Watch(skipped) };
  } finally {
    await found.close();
  }
}

async function checkpoint(
  step: number,
  trainer: Trainer,
  loader: Batches,
  run: RunFolder,
  gpu: Gpu,
  watch: Watch,
): Promise<void> {
  const { settings } = trainer;
  await run.save({
    step,
    epoch: Math.floor(step / loader.stepsPerEpoch),
    position: (step % loader.stepsPerEpoch) * settings.batch,
    seed: settings.seed,
    rng: { step },
    best: null,
    state: { skipped: watch.skipped },
    adapter: gpu.facts.adapter,
    subgroupSize: gpu.facts.subgroup,
    commit: commitOf(),
    tensors: { model: trainer.modelEntries(), optimizer: trainer.optimizerEntries() },
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
