// `emotionclip train --dry-run`: what there is to train on, and what a step will take, before anything is allocated or written.
import { UsageError } from "../engine/errors.ts";
import { type GpuOptions, openGpu } from "../engine/index.ts";
import { type KeptPlan, planKept } from "../train/kept-plan.ts";
import { fittingMicro, planStep, refusalOf, sizeText, type StepPlan } from "../train/step-plan.ts";
import { trainingPlace } from "./data-folder.ts";
import { matmulRate } from "./matmul-rate.ts";
import { type ChosenStep, onDevice } from "./memory.ts";
import { clock } from "./terminal/progress.ts";
import { printResult, warn } from "./terminal/streams.ts";
import { type ClipSource, shareLines } from "./train-source.ts";
import { type draftRecipe, extentOf, prepare } from "./training-plan.ts";

/** What a training would be. Times are predictions: all arithmetic at the rate of one matrix product, which a step does not quite reach. */
interface Forecast {
  readonly adapter: string;
  readonly model: string;
  readonly data: Pick<ClipSource, "folder" | "kind" | "found" | "perEpoch"> & { readonly trained: number };
  readonly sources: ClipSource["shares"];
  /** What of the clips lies in the host's memory at most. */
  readonly loader: ClipSource["held"];
  readonly remarks: readonly string[];
  readonly steps: number;
  readonly stepsPerEpoch: number;
  readonly plan: StepPlan;
  readonly frozen: number;
  readonly budget: number;
  readonly refusal?: string;
  readonly micro?: number;
  /** What is made once and kept, where `--cache-features` asks for it; the time is a prediction like the others. */
  readonly features?: readonly (KeptPlan & { readonly seconds: number })[];
  /** What `--memory` chose. */
  readonly choice?: ChosenStep;
  /** Of a matrix product, in GFLOP/s. */
  readonly rate: number;
  readonly predicted: { readonly stepSeconds: number; readonly epochSeconds: number; readonly runSeconds: number };
}

export async function dryRun(
  drafted: Awaited<ReturnType<typeof draftRecipe>>,
  options: GpuOptions,
  json: boolean | undefined,
): Promise<void> {
  const { draft } = drafted;
  const { folder, missing } = trainingPlace(drafted.recipe.trainData);
  if (missing > 0)
    throw new UsageError(
      `--dry-run: ${missing} clips of the embedded set ${drafted.recipe.trainData} are not made yet; a run makes them`,
    );
  const say = (line: string) => warn([line]);
  const ready = await prepare(drafted, folder, say);
  const gpu = await openGpu(options);
  try {
    const { prepared, choice } = await onDevice(gpu, ready, say);
    const { source, text, recipe } = prepared;
    const { steps, stepsPerEpoch, begun } = extentOf(prepared);
    const { budget, maxBinding } = gpu.store;
    const limits = { budget, maxBinding };
    const settings = { ...recipe, steps };
    const refusal = refusalOf(text.config, settings, gpu.facts, limits, draft.family);
    const micro =
      refusal === undefined ? undefined : fittingMicro(text.config, settings, gpu.facts, limits, draft.family);
    const plan = planStep(text.config, settings, gpu.facts, undefined, draft.family);
    const rate = await matmulRate(gpu);
    const stepSeconds = plan.flops / rate;
    const kept = recipe.cacheFeatures ? await planKept(draft.family, text.config, source, gpu.facts) : undefined;
    const forecast: Forecast = {
      adapter: gpu.facts.adapter,
      model: recipe.model,
      data: {
        ...{ folder: source.folder, kind: source.kind, found: source.found },
        ...{ trained: source.samples, perEpoch: source.perEpoch },
      },
      sources: source.shares,
      loader: source.held,
      remarks: prepared.remarks,
      steps: steps - begun.updates,
      stepsPerEpoch,
      plan,
      frozen: plan.frozen,
      budget,
      refusal,
      micro,
      choice,
      ...(kept && { features: kept.map((each) => ({ ...each, seconds: each.flops / rate })) }),
      rate: rate / 1e9,
      predicted: {
        stepSeconds,
        epochSeconds: stepSeconds * stepsPerEpoch,
        runSeconds: stepSeconds * (steps - begun.updates),
      },
    };
    printResult(json, forecast, page);
  } finally {
    gpu.close();
  }
}

function page({
  adapter,
  model,
  data,
  steps,
  stepsPerEpoch,
  plan,
  budget,
  rate,
  predicted,
  ...rest
}: Forecast): string {
  const row = (label: string, value: string) => `  ${label.padEnd(12)}${value}`;
  const { memory, peak, values, flops, launches } = plan;
  return [
    `${model} on ${adapter}`,
    row("data", `${data.trained} of ${data.found} clips, ${data.kind}, in ${data.folder}`),
    ...shareLines(rest.sources).map((line) => row("", line)),
    row("length", `${steps} steps, ${stepsPerEpoch} to an epoch`),
    row(
      "trains",
      `${values.toLocaleString("en")} parameters${rest.frozen > 0 ? `, ${rest.frozen.toLocaleString("en")} stay as they are` : ""}`,
    ),
    row(
      "memory",
      `${sizeText(peak)} of ${sizeText(budget)}: parameters ${sizeText(memory.parameters)}, gradients ${sizeText(memory.gradients)},`,
    ),
    row(
      "",
      `moments ${sizeText(memory.optimizer)}, activations ${sizeText(memory.activations)}, workspace ${sizeText(memory.workspace)}`,
    ),
    ...(rest.choice ? [row("", rest.choice.why)] : []),
    row("loader", heldText(rest.loader)),
    ...(rest.refusal
      ? [row("", `does not fit: ${rest.refusal}${rest.micro ? `; --micro ${rest.micro} does` : ""}`)]
      : []),
    ...(rest.features ?? []).map((each) => row("features", keptText(each))),
    ...(rest.features ? [row("", "rows are read from the file, those of one batch at a time")] : []),
    row("work", `${flopsText(flops)} a step in ${launches.toLocaleString("en")} launches`),
    row(
      "prediction",
      `${seconds(predicted.stepSeconds)} a step, ${clock(predicted.epochSeconds)} an epoch, ${clock(predicted.runSeconds)} in all,`,
    ),
    row("", `if all of it runs at the ${rate.toFixed(0)} GFLOP/s that a matrix product has here; nothing was trained`),
    "",
  ].join("\n");
}

/** What a loader holds, in a line. */
const heldText = ({ threads, batches, batchBytes, clips, clipBytes, bytes }: ClipSource["held"]): string =>
  `${sizeText(bytes)} of the host at most: ${batches} batches of ${sizeText(batchBytes)}, ${clips} clips of ${sizeText(clipBytes)} ` +
  `on ${threads === 0 ? "the main thread" : `${threads} thread${threads > 1 ? "s" : ""}`}, and the pictures that these are drawn from`;

/** What is kept of a tower, in a line. */
const keptText = ({ tower, items, bytes, flops, seconds: time }: NonNullable<Forecast["features"]>[number]) =>
  `of ${items.toLocaleString("en")} ${tower === "image" ? "frames" : "captions"}, made once: ${sizeText(bytes)} on the disk, ` +
  `${flopsText(flops)}, ${clock(time)}; what is kept already counts as well`;

const flopsText = (flops: number) =>
  flops < 1e12 ? `${(flops / 1e9).toFixed(2)} GFLOP` : `${(flops / 1e12).toFixed(2)} TFLOP`;

const seconds = (value: number) => (value < 1 ? `${(1000 * value).toFixed(0)} ms` : `${value.toFixed(1)} s`);
