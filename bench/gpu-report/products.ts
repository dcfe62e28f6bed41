// Every matrix product of the model's step, in each tile that the device runs: rate, share of what the device can do, and which tile
// the engine takes.
import type { ModelConfig } from "../../model/emotionclip/config.ts";
import { pairOf } from "../../data/pixels/side.ts";
import type { StructureName } from "../../kernels/matmul/structures.ts";
import { interleave, secondsOf } from "../measure.ts";
import { type ProductTask, type ProductType, structureChosen, structuresOf } from "../products.ts";
import { clockOf } from "../roofline.ts";
import { sizeText } from "../../train/step-plan.ts";
import type { Gpu } from "../../engine/device/gpu.ts";
import type { PartRun, ReportPart } from "./part.ts";
import { RightProduct } from "./right-product.ts";

/** A linear layer: rows, inputs, outputs, and how many of it a step has. */
interface Layer {
  readonly name: string;
  readonly rows: number;
  readonly inputs: number;
  readonly outputs: number;
  readonly count: number;
}

/** The linear layers of a step of so many clips, those with most work first. */
export function linearLayers({ vision, text, head, embed }: ModelConfig, clips: number): Layer[] {
  const [height, width] = pairOf(vision.image).map((side) => Math.floor(side / vision.patch));
  const frames = clips * head.frames;
  const patches = height * width;
  const tower = (name: string, rows: number, width: number, hidden: number, count: number): Layer[] => [
    { name: `${name}: q, k, v`, rows, inputs: width, outputs: 3 * width, count },
    { name: `${name}: attention out`, rows, inputs: width, outputs: width, count },
    { name: `${name}: MLP in`, rows, inputs: width, outputs: hidden, count },
    { name: `${name}: MLP out`, rows, inputs: hidden, outputs: width, count },
  ];
  const all: Layer[] = [
    ...tower("frames", frames * (patches + 2), vision.width, vision.mlp, vision.layers),
    ...tower("texts", clips * text.context, text.width, 4 * text.width, text.layers),
    ...(head.kind === "transformer" ? tower("time", frames, embed, head.feedForward, head.layers) : []),
    { name: "patches", rows: frames * patches, inputs: 3 * vision.patch ** 2, outputs: vision.width, count: 1 },
    { name: "frame features", rows: frames, inputs: vision.width, outputs: embed, count: 1 },
    { name: "text features", rows: clips, inputs: text.width, outputs: embed, count: 1 },
  ];
  const work = ({ rows, inputs, outputs, count }: Layer) => rows * inputs * outputs * count;
  return all.sort((a, b) => work(b) - work(a));
}

/** Forward, gradient of the input and of the weights. */
const tasksOf = ({ rows, inputs, outputs }: Layer): readonly (readonly [what: string, task: ProductTask])[] => [
  ["forward", { form: "NT", M: rows, N: outputs, K: inputs }],
  ["to the input", { form: "NN", M: rows, N: inputs, K: outputs }],
  ["to the weights", { form: "TN", M: outputs, N: inputs, K: rows }],
];

/** A tile's rate over that of what it runs on: matrix units, or arithmetic in f32, in which all sums are. */
function shareOf(name: StructureName, rate: number, { known }: PartRun): number | null {
  const { ceilings } = known;
  const most = name.startsWith("mx") ? ceilings?.matrices : ceilings?.f32;
  return most ? rate / most : null;
}

/** A tile that is slower than the best by more than this at a small batch is not tried at a larger one. */
const hopeless = 2;

/** Tiles to race by layer and direction: those that a smaller batch has left. */
type Candidates = Map<string, readonly StructureName[]>;

async function race(
  part: PartRun,
  work: RightProduct,
  name: string,
  layer: Layer,
  candidates: Candidates,
  left: string[],
) {
  const { gpu, T } = work;
  const { sizes, tell } = part;
  for (const [what, task] of tasksOf(layer)) {
    if (part.late()) {
      tell({ skipped: `${name}, ${what}` });
      continue;
    }
    const chosen = structureChosen(task, gpu.facts, T);
    const all = structuresOf(task, gpu.facts, T).filter(
      (tile) => tile === chosen || (sizes.tiles?.includes(tile) ?? true),
    );
    const key = `${T} ${layer.name} ${what}`;
    const names = all.filter((tile) => tile === chosen || (candidates.get(key)?.includes(tile) ?? true));
    const timings = await interleave(
      names.map((tile) => work.arm(task, tile)),
      Math.min(2, sizes.rounds),
      sizes.sampleMs / 2,
    );
    const seconds = timings.map((timing) => secondsOf(timing, clockOf(gpu)));
    const own = seconds[names.indexOf(chosen)];
    const best = Math.min(...seconds);
    candidates.set(
      key,
      names.filter((_, i) => seconds[i] <= hopeless * best),
    );
    left.push(...all.filter((tile) => !names.includes(tile)).map((tile) => `${tile} of ${name}, ${what}`));
    for (const [i, tile] of names.entries()) {
      const fault = await work.faultOf(task, tile);
      const rate = (2 * task.M * task.N * task.K) / seconds[i];
      const cells = {
        tile,
        size: `${task.M}x${task.N}x${task.K} ${task.form}`,
        gflops: rate / 1e9,
        share: shareOf(tile, rate, part),
        against: own / seconds[i],
        taken: tile === chosen ? "taken" : "",
        count: layer.count,
      };
      tell({ row: { name: `${name}, ${what}`, right: fault === undefined, note: fault, cells } });
    }
  }
}

/** One layer at a batch. */
interface LayerAt {
  readonly layer: Layer;
  readonly clips: number;
}

/** Elements of a, b and c that hold each of these. */
function largestOf(layers: readonly LayerAt[]): [a: number, b: number, c: number] {
  const all = layers.flatMap(({ layer }) => tasksOf(layer)).map(([, { M, N, K }]) => [M * K, K * N, M * N]);
  return [0, 1, 2].map((i) => Math.max(0, ...all.map((sizes) => sizes[i]))) as [number, number, number];
}

/** Whether a layer's operands fit the device's bindings, and all of them a quarter of its memory; says what does not. */
function fits({ tell }: PartRun, { store }: Gpu, T: ProductType, { layer, clips }: LayerAt): boolean {
  const bytes = largestOf([{ layer, clips }]).map((elements) => elements * (T === "f16" ? 2 : 4));
  const [most, all] = [Math.max(...bytes), bytes[0] + bytes[1] + bytes[2]];
  const why =
    most > store.maxBinding
      ? `${sizeText(most)} are more than a binding holds`
      : all > store.budget / 4
        ? `${sizeText(all)} are more than a quarter of the memory`
        : "";
  if (why) tell({ skipped: `${T}, ${clips} clips, ${layer.name}: ${why}` });
  return !why;
}

/** Layers that fit, those with most work first, each at the smaller batches before the larger ones. */
function layersAt(part: PartRun, gpu: Gpu, T: ProductType): LayerAt[] {
  const { config, clips, layers } = part.sizes;
  const lists = clips
    .toReversed()
    .map((count) => linearLayers(config, count).map((layer) => ({ layer, clips: count })));
  const order = lists[0].map(({ layer }) => layer.name).slice(0, layers);
  const all = order.flatMap((name) => lists.flatMap((list) => list.filter(({ layer }) => layer.name === name)));
  return all.filter((each) => fits(part, gpu, T, each));
}

/** The part. */
export const productsPart: ReportPart = {
  name: "products",
  title: "Matrix products of the model, tile by tile",
  about:
    "Each linear layer of a step, forward and both gradients, in every tile that the device runs; sampled against f64. The share is of the f32 arithmetic that registers reach, for tiles of matrices (mx) of the matrix units; x taken: how many times as fast as the tile that the engine takes.",
  seconds: 60,
  columns: [
    { key: "size", title: "M x N x K", as: "text" },
    { key: "tile", title: "tile", as: "text" },
    { key: "count", title: "in a step", as: "whole" },
    { key: "gflops", title: "GFLOP/s" },
    { key: "against", title: "x taken" },
    { key: "taken", title: "", as: "text" },
    { key: "share", title: "share", as: "share" },
  ],
  async run(part) {
    const gpu = await part.gpu();
    if (!gpu.facts.f16) part.tell({ skipped: "f16: no half precision here" });
    const types = gpu.facts.f16 ? (["f32", "f16"] as const) : (["f32"] as const);
    const lists = types.flatMap((T) => {
      const layers = layersAt(part, gpu, T);
      return layers.length > 0 ? [{ T, layers, work: new RightProduct(gpu, T, ...largestOf(layers)) }] : [];
    });
    const candidates: Candidates = new Map();
    const left: string[] = [];
    const most = Math.max(0, ...lists.map(({ layers }) => layers.length));
    for (let i = 0; i < most; i++)
      for (const { T, layers, work } of lists.filter((each) => i < each.layers.length)) {
        const { layer, clips } = layers[i];
        await race(part, work, `${T}, ${clips} clips, ${layer.name}`, layer, candidates, left);
      }
    if (left.length > 0)
      part.tell({ skipped: `less than half as fast as another tile at a smaller batch: ${left.join("; ")}` });
  },
};
