// The parts of the report on a GPU, the most important first: when its time runs out, those at the end are left out. And one part as
// it runs in its process.
import { type GpuOptions, openGpu } from "../../engine/device/open.ts";
import type { Gpu } from "../../engine/device/gpu.ts";
import { UsageError } from "../../engine/errors.ts";
import { vitB32 } from "../../model/emotionclip/presets.ts";
import { adapterPart } from "./adapter.ts";
import { busPart } from "./bus.ts";
import { ceilingsPart } from "./ceilings.ts";
import { correctnessPart, kernelsPart } from "./kernels.ts";
import { type KnownSoFar, reportSizes, type ReportPart, type Told } from "./part.ts";
import { productsPart } from "./products.ts";
import { pytorchPart } from "./pytorch.ts";
import { halfPart, matricesPart } from "./smoke.ts";
import { stepsPart } from "./steps.ts";

/** All parts in their order. */
export const reportParts = (options: () => GpuOptions): readonly ReportPart[] => [
  adapterPart(options),
  halfPart,
  matricesPart,
  ceilingsPart,
  busPart,
  stepsPart("f32"),
  stepsPart("amp"),
  pytorchPart,
  productsPart,
  correctnessPart,
  kernelsPart,
];

/** Runs one part in this process; what it finds is told as it comes. Errors: those of the part; UsageError for a name that is none. */
export async function runPart(
  name: string,
  known: KnownSoFar,
  seconds: number,
  options: () => GpuOptions,
  tell: (told: Told) => void,
): Promise<void> {
  const part = reportParts(options).find((each) => each.name === name);
  if (!part) throw new UsageError(`gpu-report: there is no part "${name}"`);
  const ends = performance.now() + 1000 * seconds;
  const left = () => (ends - performance.now()) / 1000;
  let opened: Promise<Gpu> | undefined;
  const open = (further: readonly string[] = []) => {
    const given = options();
    return openGpu({
      ...given,
      memory: given.memory ?? known.memory,
      without: [...known.without, ...further],
    });
  };
  await part.run({
    known,
    sizes: reportSizes(known.tiny, vitB32),
    gpu: (further) => (opened ??= open(further)),
    left,
    late: () => left() <= 0,
    tell,
  });
}
