// The whole training step at the model's batches, in one precision: time, checks, and where it goes.
import { type FullSize, fullSize } from "../full-step.ts";
import { sizeText } from "../../train/step-plan.ts";
import type { Precision } from "../../train/precision.ts";
import { nvidia } from "./adapter.ts";
import type { Ceilings, PartRun, ReportPart } from "./part.ts";

/** Steps that a measurement with its checks comes to. */
const steps = 10;

/** Rows of the profile that are told one by one. */
const mostRows = 24;

/** Without measured ceilings no share is told. */
const unknown: Ceilings = { bytesPerSecond: Infinity, f32: Infinity, f16: null, matrices: null, launch: 0 };

async function step(part: PartRun, precision: Precision, clips: number): Promise<number> {
  const { known, sizes, tell } = part;
  const gpu = await part.gpu();
  const { f32, bytesPerSecond, launch } = known.ceilings ?? unknown;
  const hasTimes = gpu.device.features.has("timestamp-query");
  const roof = { bytesPerSecond, flopsPerSecond: f32, launch };
  const result = await fullSize(gpu, sizes.config, {
    model: "",
    batch: clips,
    rounds: Math.min(2, sizes.rounds),
    sampleMs: sizes.rounds > 1 ? 500 : 1,
    precision,
    resident: true,
    profile: hasTimes ? roof : undefined,
  });
  gpu.planner.forget();
  const name = `${precision}, ${clips} clips x ${result.frames} frames`;
  const seconds = result.step.seconds;
  const clock = (await nvidia())?.["clock, MHz"];
  tellStep(part, name, result, known.ceilings, clock === undefined ? [] : [`${clock} MHz right after it`]);
  if (!hasTimes) tell({ skipped: `${name}, op by op: the adapter has no timestamps` });
  tellProfile(part, name, result);
  return seconds;
}

function tellStep(
  { tell, known }: PartRun,
  name: string,
  result: FullSize,
  ceilings: Ceilings | undefined,
  more: readonly string[],
): void {
  const { step, checks, micro, clips, memory, lossScale } = result;
  const isChecked = (claim: string) => !known.tiny || !/near ln/.test(claim); // a few channels are alike by chance
  const faults = checks
    .filter(({ holds, claim }) => !holds && isChecked(claim))
    .map(({ claim, found }) => `${claim}: ${found}`);
  const facts = [
    `loss ${result.loss.toFixed(5)}`,
    micro ? `${micro} clips at a time` : "all clips at once",
    `${sizeText(memory.held)} held`,
    ...more,
    ...(lossScale === undefined ? [] : [`scale of the loss ${lossScale}`]),
  ];
  const cells = {
    ms: 1000 * step.seconds,
    clips: clips / step.seconds,
    gflops: step.gflopsPerSecond,
    share: ceilings ? (1e9 * step.gflopsPerSecond) / ceilings.f32 : null,
    calls: null,
    of: null,
  };
  tell({ row: { name, right: faults.length === 0, note: faults[0] ?? facts.join(", "), cells } });
}

function tellProfile({ tell, known }: PartRun, name: string, { profile = [] }: FullSize): void {
  const all = profile.reduce((sum, { seconds }) => sum + seconds, 0);
  if (all === 0) return;
  const cellsOf = (seconds: number, flops: number, calls: number, share: number | null) => ({
    ms: 1000 * seconds,
    clips: null,
    gflops: flops / seconds / 1e9,
    share,
    calls,
    of: seconds / all,
  });
  for (const { label, kernels, seconds, flops, calls, share } of profile.slice(0, mostRows)) {
    const cells = cellsOf(seconds, flops, calls, known.ceilings ? share : null);
    tell({ row: { name: `${name}: ${label}`, right: null, note: kernels.join(", ") || undefined, cells } });
  }
  const rest = profile.slice(mostRows);
  const sum = (of: (row: (typeof rest)[number]) => number) => rest.reduce((total, row) => total + of(row), 0);
  if (rest.length > 0) {
    const cells = cellsOf(
      sum((row) => row.seconds),
      sum((row) => row.flops),
      sum((row) => row.calls),
      null,
    );
    tell({ row: { name: `${name}: ${rest.length} others`, right: null, cells } });
  }
}

/** The part of one precision. */
export const stepsPart = (precision: Precision): ReportPart => ({
  name: `step-${precision}`,
  title: precision === "f32" ? "Training step, f32" : "Training step, mixed precision",
  about:
    "Forward, backward and AdamW of the whole model with random weights; the batch lies on the device. Checked: features, gradients, the loss against f64, the same bits twice, memory against the plan. Below, one further step op by op (timestamps around each launch).",
  seconds: 50,
  columns: [
    { key: "ms", title: "ms" },
    { key: "of", title: "of the step", as: "share" },
    { key: "calls", title: "launches", as: "whole" },
    { key: "clips", title: "clips/s" },
    { key: "gflops", title: "GFLOP/s" },
    { key: "share", title: precision === "f32" ? "of the ceiling" : "of the f32 ceiling", as: "share" },
  ],
  async run(part) {
    const gpu = await part.gpu();
    if (precision === "amp" && !gpu.facts.f16) return part.tell({ skipped: "amp: no half precision here" });
    const found: Record<string, number> = { ...part.known.steps };
    let perClip = 0;
    for (const clips of part.sizes.clips.toReversed()) {
      const expected = steps * perClip * clips;
      if (expected > part.left()) {
        const left = Math.max(0, part.left()).toFixed(0);
        part.tell({ skipped: `${precision}, ${clips} clips: about ${expected.toFixed(0)} s, and ${left} s are left` });
        continue;
      }
      const seconds = await step(part, precision, clips);
      found[`${precision} ${clips}`] = seconds;
      perClip = seconds / clips;
      part.tell({ learned: { steps: found } });
    }
  },
});
