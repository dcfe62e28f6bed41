// The kernels of a step that are no bare products: how long at the model's sizes, and whether they are right there.
import type { Gpu } from "../../engine/device/gpu.ts";
import type { Op } from "../../engine/declare/op.ts";
import { pairOf } from "../../data/pixels/side.ts";
import { ops } from "../../kernels/index.ts";
import type { ModelConfig } from "../../model/emotionclip/config.ts";
import { type Case, caseName, casesOf, drawInputs, picksOf, Prepared } from "../case.ts";
import { check } from "../check.ts";
import { interleave } from "../measure.ts";
import { clockOf } from "../roofline.ts";
import { rowOf } from "../row.ts";
import { checkSampled } from "../sampled-check.ts";
import type { PartRun, ReportPart } from "./part.ts";

/** An op at a size of the model, and the axis along which it can be sampled. */
interface Sized {
  readonly op: string;
  readonly axis: string;
  readonly sizes: Readonly<Record<string, number>>;
  readonly attrs?: Readonly<Record<string, number | string | boolean>>;
  /** It has inputs of type T. */
  readonly halves: boolean;
}

function sizedOf({ vision, text, head, embed }: ModelConfig, clips: number, values: number): Sized[] {
  const [height, width] = pairOf(vision.image).map((side) => Math.floor(side / vision.patch));
  const frames = clips * head.frames;
  const L = height * width + 2;
  const [N, D] = [frames * L, vision.width];
  return [
    { op: "attention", axis: "B", sizes: { B: frames, L, C: 3 * D }, attrs: { heads: vision.heads }, halves: true },
    {
      op: "attention",
      axis: "B",
      sizes: { B: clips, L: text.context, C: 3 * text.width },
      attrs: { heads: text.heads, causal: true },
      halves: true,
    },
    { op: "layernorm", axis: "N", sizes: { N, D }, halves: true },
    { op: "adamw", axis: "N", sizes: { N: values }, halves: false },
    {
      op: "attention",
      axis: "B",
      sizes: { B: clips, L: head.frames, C: 3 * embed },
      attrs: { heads: head.kind === "transformer" ? head.heads : 1 },
      halves: true,
    },
    {
      op: "linearActivation",
      axis: "N",
      sizes: { N, K: D, M: vision.mlp },
      attrs: { activation: "gelu" },
      halves: true,
    },
    { op: "linearResidual", axis: "N", sizes: { N, K: vision.mlp, M: D }, halves: true },
    { op: "linear", axis: "N", sizes: { N, K: D, M: 3 * D }, halves: true },
    { op: "normalize", axis: "N", sizes: { N: frames, D: embed }, halves: true },
    { op: "embedding", axis: "N", sizes: { N: clips * text.context, V: text.vocabulary, D: text.width }, halves: true },
  ];
}

function caseOf({ op: name, sizes, attrs: given }: Sized, T: "f32" | "f16"): Case {
  const op = ops.find((each) => each.name === name)!;
  const attrs = { ...op.attrs, ...given };
  return { op, attrs, dims: { ...sizes, ...op.derive?.(sizes, attrs) }, T };
}

const types = ["f32", "f16"] as const;

/** A case by the name that its rows have. */
interface SizedCase {
  readonly name: string;
  readonly made: Case;
  readonly sized: Sized;
}

/** All cases of some clips, in both types where there are two; what cannot be is said. */
function casesFor({ sizes, tell }: PartRun, gpu: Gpu, clips: number): SizedCase[] {
  if (!gpu.facts.f16) tell({ skipped: `f16, ${clips} clips: no half precision here` });
  return types
    .filter((T) => T === "f32" || gpu.facts.f16)
    .flatMap((T) =>
      sizedOf(sizes.config, clips, sizes.values)
        .filter(({ halves }) => halves || T === "f32")
        .map((sized) => {
          const made = caseOf(sized, T);
          return { name: `${T}, ${clips} clips, ${caseName(made)}`, made, sized };
        }),
    );
}

/** So that all ops have their turn: a tenth of a second each. */
const affordable = { flops: 5e6, elements: 2 ** 18 };

/** Places of an axis that are compared. */
const places = 6;

/** The part that times them. */
export const kernelsPart: ReportPart = {
  name: "kernels",
  title: "Attention, layer norm, AdamW and others",
  about:
    "At the model's sizes, forward and backward apart. Outputs and gradients of each case are compared with f64 at some sequences or rows, here or in the part on correctness.",
  seconds: 30,
  columns: [
    { key: "way", title: "kernels", as: "text" },
    { key: "ms", title: "ms" },
    { key: "gflops", title: "GFLOP/s" },
    { key: "gbps", title: "GB/s" },
    { key: "share", title: "of the roofline", as: "share" },
  ],
  async run(part) {
    const gpu = await part.gpu();
    const [fewest, ...more] = part.sizes.clips.toReversed();
    const cases = casesFor(part, gpu, fewest);
    for (const clips of more) cases.push(...casesFor(part, gpu, clips).filter(({ made }) => isTimedLarge(made)));
    for (const each of cases) {
      if (part.late()) part.tell({ skipped: each.name });
      else await time(part, gpu, each);
    }
  },
};

/** At large batches products have a part of their own, and halves of so many inputs take seconds to make. */
const isTimedLarge = ({ op, T }: Case): boolean => T === "f32" && ["attention", "layernorm"].includes(op.name);

async function time({ sizes, known, tell }: PartRun, gpu: Gpu, { name, made, sized }: SizedCase): Promise<void> {
  const { ceilings, faults = {} } = known;
  const fault = faults[name] ?? (await checkSampled(made, sized.axis, gpu, places)).at(0) ?? "";
  const prepared = new Prepared(gpu, made, drawInputs(made));
  try {
    const arms = [{ ...prepared.forwardArm, amounts: prepared.forward, direction: "forward" }];
    if (prepared.backward) arms.push({ ...prepared.backwardArm, amounts: prepared.backward, direction: "backward" });
    const timings = await interleave(arms, sizes.rounds, sizes.sampleMs);
    const roof = ceilings && { ...ceilings, flopsPerSecond: ceilings.f32 };
    for (const [i, { amounts, direction }] of arms.entries()) {
      const what = { suite: "gpu", case: name, engine: "", adapter: "", correct: null };
      const { gflops, gbps, share, median_ms } = rowOf(what, timings[i], amounts, clockOf(gpu), roof);
      const cells = { way: picksOf(made, gpu), ms: median_ms, gflops, gbps, share: share ?? null };
      tell({ row: { name: `${name}, ${direction}`, right: fault === "", note: fault || undefined, cells } });
    }
  } finally {
    prepared.free();
  }
}

/** The part that compares them, and all others at their declared sizes. */
export const correctnessPart: ReportPart = {
  name: "correctness",
  title: "Correctness at the sizes of a GPU",
  about:
    "First the kernels of a step at the model's whole sizes: outputs and gradients of sampled sequences and rows against f64. Then every op at its declared sizes, with those kernels that the device takes there, at the largest size that f64 can afford.",
  seconds: 60,
  columns: [{ key: "way", title: "kernels", as: "text" }],
  async run(part) {
    const gpu = await part.gpu();
    const { sizes, late, tell } = part;
    const clips = sizes.clips.at(-1)!;
    const tellOf = (name: string, made: Case, faults: readonly string[], at?: string) => {
      const note = faults[0] ?? (at && `at ${at}`);
      tell({ row: { name, right: faults.length === 0, note, cells: { way: picksOf(made, gpu) } } });
    };
    const found: Record<string, string> = {};
    for (const { name, made, sized } of casesFor(part, gpu, clips)) {
      if (late()) {
        tell({ skipped: name });
        continue;
      }
      const faults = await checkSampled(made, sized.axis, gpu, places);
      tellOf(name, made, faults);
      found[name] = faults[0] ?? "";
      tell({ learned: { faults: found } });
    }
    let left = 0;
    for (const made of everyCase(sizes.ops)) {
      if (late()) {
        left++;
        continue;
      }
      const { faults, at } = await check(made, gpu, affordable);
      tellOf(caseName(made), made, faults, at);
    }
    if (left > 0) tell({ skipped: `${left} of the cases that ops declare` });
  },
};

/** The declared cases of all ops, the first of each before the second of any. */
function everyCase(wanted: readonly string[] | undefined): Case[] {
  const lists = ops.filter((op: Op) => wanted?.includes(op.name) ?? true).map(casesOf);
  const most = Math.max(...lists.map((list) => list.length));
  return Array.from({ length: most }, (_, i) => lists.flatMap((list) => list[i] ?? [])).flat();
}
