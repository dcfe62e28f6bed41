// `emotionclip plan`: what a training step will take, before anything is allocated.
import { Command } from "commander";
import { words } from "../../data/stage/index.ts";
import { type DeviceFacts, type GpuOptions, openGpu } from "../../engine/index.ts";
import { families, type Known, modelNamed } from "../../model/families.ts";
import { whole } from "../flags.ts";
import { settingsOf, withSettings } from "../settings.ts";
import type { Settings } from "../../train/settings.ts";
import {
  fittingMicro,
  type DeviceLimits,
  planStep,
  refusalOf,
  sizeText as size,
  type StepPlan,
} from "../../train/step-plan.ts";
import { printResult } from "../terminal/streams.ts";
import type { Context } from "../gpu.ts";
import { type ChosenStep, fitStep } from "../memory.ts";

/** A published model by its name, or a small one of this program with the words of the embedded data set. */
function wholeOf(name: string): Known {
  const { family, config, sized } = modelNamed(name);
  return { family, config: sized?.(words.length + extraTokens) ?? config };
}

const modelNames = families.flatMap(({ small = {}, presets }) => [...Object.keys(small), ...presets]);

/** Padding, unknown, start and end. */
const extraTokens = 4;

export function command({ gpu }: Context): Command {
  const made = new Command().option("--model <name>", modelNames.join(", "), "stage");
  return withSettings(made, ["batch", "micro", "gradCheckpointing", "precision"])
    .option(
      "--memory <size>",
      "choose what of --micro and --grad-checkpointing makes the step fit so much, such as 8GB",
    )
    .option("--frames <n>", "frames per clip (default: the model's)")
    .option("--json", "one JSON object instead of text")
    .action((flags: Flags) => plan(flags, gpu()));
}

interface Flags extends Record<string, unknown> {
  model: string;
  memory?: string;
  frames?: string;
  json?: boolean;
}

async function plan({ model, frames, memory, json, ...flags }: Flags, options: GpuOptions): Promise<void> {
  const { family, config: named } = wholeOf(model);
  const config = frames === undefined ? named : family.framed(named, whole("frames", frames, 1, 1024));
  const given = settingsOf(flags, { dropout: dropoutOf(config) });
  const gpu = await openGpu(options);
  const { facts } = gpu;
  const { budget, maxBinding } = gpu.store;
  const fixed = new Set(Object.keys(flags));
  const choice = memory === undefined ? undefined : fitStep({ config, settings: given, fixed, family }, memory, gpu);
  const settings = choice
    ? { ...given, micro: choice.micro, gradCheckpointing: choice.gradCheckpointing, precision: choice.precision }
    : given;
  const step = planStep(config, settings, facts, undefined, family);
  const limits = { budget, maxBinding };
  const refusal = refusalOf(config, settings, facts, limits, family);
  const fits = refusal ? largestBatch({ family, config }, settings, facts, limits) : settings.batch;
  const parts = refusal ? fittingMicro(config, settings, facts, limits, family) : settings.micro;
  const result = { model, adapter: facts.adapter, ...step, budget, maxBinding, refusal, fits, parts, choice };
  printResult(json, result, page);
  gpu.close();
}

/** Of a head that has any. */
const dropoutOf = (config: { readonly head?: { readonly dropout: number } }): number => config.head?.dropout ?? 0;

/** The largest batch below that of the settings which fits, by bisection; 0 if none does. */
function largestBatch({ family, config }: Known, settings: Settings, facts: DeviceFacts, limits: DeviceLimits): number {
  let [good, bad] = [1, settings.batch]; // a contrastive loss needs two clips
  while (bad - good > 1) {
    const batch = (good + bad) >> 1;
    if (refusalOf(config, { ...settings, batch }, facts, limits, family) === undefined) good = batch;
    else bad = batch;
  }
  return good > 1 ? good : 0;
}

interface Result extends StepPlan, DeviceLimits {
  readonly model: string;
  readonly adapter: string;
  readonly refusal: string | undefined;
  readonly fits: number;
  /** Clips to encode at a time so that this batch fits; undefined where nothing helps. */
  readonly parts: number | undefined;
  readonly choice: ChosenStep | undefined;
}

function page({ model, adapter, clips, frames, values, memory, peak, launches, flops, ...rest }: Result): string {
  const { budget, maxBinding, refusal, fits, parts, choice } = rest;
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
    ...(choice ? [choice.why] : []),
    ...(refusal
      ? [
          `does not fit: ${refusal}`,
          fits ? `a batch of ${fits} would` : "no smaller batch would",
          ...(parts
            ? [`this batch would, ${parts} clips encoded at a time (--micro ${parts}; a third more work)`]
            : []),
        ]
      : ["fits"]),
  ].join("\n");
}
