// Which structure wins for which class of products on a device: the logic of `emotionclip tune`. Measuring is the
// caller's; this file knows what to measure, and what to make of it.
import type { DeviceFacts } from "../../engine/declare/facts.ts";
import { type ProductForm, type StructureName, structures } from "./structures.ts";
import { chooseStructure, classOf, type Extent } from "./table.ts";

/** One product to measure: the first of its class among the model's. */
export interface TuneTask extends Extent {
  readonly form: ProductForm;
  readonly key: string;
}

/** Time of one contestant in ms; undefined where its result was not that of the others. */
export type Times = ReadonlyMap<StructureName, number | undefined>;

/** Rows (tokens of a batch) and width of the transformers that tuning is for. */
const transformers: readonly (readonly [rows: number, width: number])[] = [
  [1536, 64], // text tower of the small model: 64 clips
  [4608, 64], // its frame encoder: 64 clips x 4 frames x 18 tokens
  [408, 768], // ViT-B/32: one clip of 8 frames
  [6528, 768], // 16 clips
  [1232, 512], // CLIP's text tower: 16 captions
];

/** Heads of width K in sequences of L tokens: the products inside attention. */
const attentions = [
  { batch: [256, 4], L: 18, K: 16 },
  { batch: [8, 12], L: 52, K: 64 },
  { batch: [128, 12], L: 52, K: 64 },
  { batch: [16, 8], L: 77, K: 64 },
] as const;

/** The products of the models' linear layers and attention, forward and backward, one for each class. */
export function tasks(most: number): TuneTask[] {
  const all: [ProductForm, Extent][] = [];
  const layer = (rows: number, inputs: number, outputs: number) => {
    all.push(["NT", { M: rows, N: outputs, K: inputs }]);
    all.push(["NN", { M: rows, N: inputs, K: outputs }]);
    all.push(["TN", { M: outputs, N: inputs, K: rows }]);
  };
  for (const [rows, width] of transformers)
    for (const [inputs, outputs] of [
      [1, 3],
      [1, 1],
      [1, 4],
      [4, 1],
    ])
      layer(rows, inputs * width, outputs * width);
  for (const { batch, L, K } of attentions) {
    all.push(["NT", { M: L, N: L, K, batch }]);
    all.push(["NN", { M: L, N: K, K: L, batch }]);
    all.push(["TN", { M: L, N: K, K: L, batch }]);
  }
  const byClass = new Map<string, TuneTask>();
  for (const [form, extent] of all) {
    const { M, N, K, batch } = extent;
    const key = classOf(form, extent);
    if (M * N * K * (batch ? batch[0] * (batch[1] ?? 1) : 1) <= most && !byClass.has(key))
      byClass.set(key, { form, key, ...extent });
  }
  return [...byClass.values()];
}

/** Structures that may win: on CPU rasterisers those of subgroups, on GPUs all that fit. The prior choice comes first. */
export function candidates(task: TuneTask, device: DeviceFacts): StructureName[] {
  const prior = chooseStructure(task.form, task, { ...device, tuned: new Map() });
  const fits = (name: StructureName) => {
    const structure = structures[name];
    if (structure.mode === "mx") return false; // of halves alone, and chosen by size
    return structure.mode === "sg" || (!device.software && structure.TX * structure.TY <= device.workgroupSize);
  };
  const others = (Object.keys(structures) as StructureName[]).filter((name) => name !== prior && fits(name));
  return [prior, ...others];
}

/** The quickest that was right; the first (the prior choice) unless another is at least 3 % better, or it was wrong. */
export function winner(times: Times): StructureName {
  const right = [...times].filter((entry): entry is [StructureName, number] => entry[1] !== undefined);
  if (right.length === 0) throw new Error("tune: no structure gave a right result");
  const [first, prior] = right[0];
  const [best, time] = right.reduce((a, b) => (b[1] < a[1] ? b : a));
  return time < 0.97 * prior ? best : first;
}
