// `emotionclip plan`: what a training step will take, before anything is allocated.
import { Command } from "commander";
import { words } from "../data/stage/index.ts";
import { LimitError, nearest, UsageError } from "../engine/errors.ts";
import { type DeviceFacts, openGpu } from "../engine/index.ts";
import { type ModelConfig, stageModel, vitB32 } from "../model/config.ts";
import { checkSettings, defaults, readFlag, type Settings } from "./settings.ts";
import { planStep, type StepPlan } from "./step-plan.ts";

const models: Record<string, () => ModelConfig> = {
  stage: () => stageModel(words.length + 4), // the tokenizer adds padding, unknown, start and end
  "vit-b-32": () => vitB32,
};

/** The command as the table of train/cli.ts takes it. */
export function command(): Command {
  return new Command()
    .option("--model <name>", `one of ${Object.keys(models).join(", ")}`, "stage")
    .option("--batch <n>", "clips per update", String(defaults.batch))
    .option("--frames <n>", "frames per clip (default: the model's)")
    .option("--json", "one JSON object instead of text")
    .action(plan);
}

interface Flags {
  model: string;
  batch: string;
  frames?: string;
  json?: boolean;
}

async function plan({ model, batch, frames, json }: Flags): Promise<void> {
  if (!Object.hasOwn(models, model)) {
    const near = nearest(model, Object.keys(models));
    throw new UsageError(
      `--model: unknown "${model}"${near ? ` (did you mean ${near}?)` : ""}; known: ${Object.keys(models).join(", ")}`,
    );
  }
  const given = models[model]();
  const config = frames === undefined ? given : { ...given, head: { ...given.head, frames: framesOf(frames) } };
  const settings = checkSettings({ batch: readFlag("batch", batch), dropout: config.head.dropout });
  const gpu = await openGpu();
  const { facts } = gpu;
  const { budget, maxBinding } = gpu.memory;
  const step = planStep(config, settings, facts);
  const refusal = refusalOf(config, settings, facts, { budget, maxBinding });
  const fits = refusal ? largestBatch(config, settings, facts, { budget, maxBinding }) : settings.batch;
  const result = { model, adapter: facts.adapter, ...step, budget, maxBinding, refusal, fits };
  process.stdout.write(`${json ? JSON.stringify(result) : page(result)}\n`);
  gpu.close();
}

function framesOf(text: string): number {
  const frames = Number(text);
  if (!Number.isInteger(frames) || frames < 1 || frames > 1024)
    throw new UsageError(`--frames: "${text}" is not a whole number from 1 to 1024`);
  return frames;
}

interface Limits {
  readonly budget: number;
  readonly maxBinding: number;
}

/** Why this step cannot run on the adapter, in one line; undefined where it can. */
function refusalOf(config: ModelConfig, settings: Settings, facts: DeviceFacts, limits: Limits): string | undefined {
  try {
    const { peak } = planStep(config, settings, facts, limits.maxBinding);
    return peak > limits.budget ? `${size(peak)} are more than the budget of ${size(limits.budget)}` : undefined;
  } catch (error) {
    if (error instanceof LimitError) return error.message.split("\n")[0];
    throw error;
  }
}

/** The largest batch below that of the settings which fits, by bisection; 0 if none does. */
function largestBatch(config: ModelConfig, settings: Settings, facts: DeviceFacts, limits: Limits): number {
  let [good, bad] = [0, settings.batch];
  while (bad - good > 1) {
    const batch = (good + bad) >> 1;
    if (refusalOf(config, { ...settings, batch }, facts, limits) === undefined) good = batch;
    else bad = batch;
  }
  return good;
}

const size = (bytes: number): string =>
  bytes >= 2 ** 30 ? `${(bytes / 2 ** 30).toFixed(2)} GiB` : `${(bytes / 2 ** 20).toFixed(1)} MiB`;

interface Result extends StepPlan, Limits {
  readonly model: string;
  readonly adapter: string;
  readonly refusal: string | undefined;
  readonly fits: number;
}

function page({ model, adapter, clips, frames, values, memory, peak, launches, flops, ...rest }: Result): string {
  const { budget, maxBinding, refusal, fits } = rest;
  const row = (label: string, value: string, note = "") =>
    `  ${label.padEnd(18)}${value.padStart(14)}   ${note}`.trimEnd();
  return [
    `one training step of ${model}, ${clips} clips of ${frames} frames, on ${adapter}`,
    row("parameters", size(memory.parameters), `${values.toLocaleString("en")} values`),
    row("gradients", size(memory.gradients)),
    row("optimizer state", size(memory.optimizer), "two moments of AdamW"),
    row("activations", size(memory.activations), "kept by forward for backward"),
    row("workspace", size(memory.workspace), "intermediates and uploads, shared over the step"),
    row("peak", size(peak), `budget ${size(budget)}, largest binding ${size(maxBinding)}`),
    row("launches", launches.toLocaleString("en")),
    row("work", flops < 1e12 ? `${(flops / 1e9).toFixed(2)} GFLOP` : `${(flops / 1e12).toFixed(2)} TFLOP`),
    refusal ? `does not fit: ${refusal}\na batch of ${fits} would${fits ? "" : " not fit either"}` : "fits",
  ].join("\n");
}
