// A batch of clips as typed arrays, and how one is made: every slot filled with its sample. Where that is bad, training puts a
// substitute there, and a measurement leaves it out. The same function runs on the main thread and in workers.
import { FormatError, HealthError } from "../../engine/errors.ts";
import { type BadSample, orSubstitute } from "../bad-samples.ts";
import { Canvas } from "../pixels/canvas.ts";
import type { Shown, View } from "../pixels/view.ts";
import type { RandomDraw } from "../sampling.ts";
import { inOrder } from "../threads/in-order.ts";
import { type CheckedInfo, SENTIMENTS } from "./clip.ts";
import { drawSample } from "./frames.ts";
import type { Sample, ShardReader } from "./shards.ts";

/** B clips of T frames of S x S pixels. The arrays belong to the consumer: the loader never touches them again. */
export interface ClipBatch extends Shown {
  /** Global step, and the epoch it lies in. */
  readonly step: number;
  readonly epoch: number;
  /** [B] what is said in the clips. */
  readonly captions: string[];
  /** [B, 7] logits. */
  readonly sentiment: Float32Array<ArrayBuffer>;
  /** [B, C], 0 or 1; C is 0 for clips without labels. */
  readonly categories: Uint8Array<ArrayBuffer>;
  /** [B, 3] valence, arousal, dominance; NaN for a clip that has none, empty for clips without labels. */
  readonly vad: Float32Array<ArrayBuffer>;
  /** [B] names of the clips in their data set. */
  readonly keys: string[];
  /** [B] numbers of the samples shown; that of the substitute where a sample was bad. */
  readonly indices: Int32Array<ArrayBuffer>;
  /** Keys of the samples that others stand in for. */
  readonly replaced?: readonly string[];
}

/** Everything needed to make one batch; plain data, so that it can be sent to a worker. */
export interface BatchPlan {
  readonly step: number;
  readonly epoch: number;
  readonly seed: number;
  /** The samples that should fill the slots. */
  readonly indices: Int32Array;
}

export interface BatchSource {
  readonly items: readonly Sample[];
  readonly categories: number;
  readonly view: View;
  /** What is done about a bad sample: end the work, show another in its place, or show one clip less. */
  readonly onBad: "stop" | "replace" | "leave out";
}

/** Samples decoded at once on a thread: enough to keep the decoder's pool busy, few enough to bound memory. */
const IN_FLIGHT = 2;

/** A batch, and the bad samples that were met. */
export interface Made {
  readonly batch: ClipBatch;
  readonly bad: readonly BadSample[];
}

/** What fills one slot of a batch: a sample, or nothing; and what could not. */
interface Slot {
  readonly filled?: { readonly index: number; readonly info: CheckedInfo };
  readonly bad: readonly BadSample[];
}

/** Makes the batch of a plan; in one whose bad samples are left out there may be no clip at all. */
export async function makeBatch(source: BatchSource, plan: BatchPlan, reader: ShardReader): Promise<Made> {
  const { seed, epoch, step, indices } = plan;
  const canvas = new Canvas(indices.length * source.view.frames, source.view);
  const fill = (slot: number) => fillSlot(canvas, slot, source, { seed, epoch, index: indices[slot] }, reader);
  const slots: Slot[] = [];
  for await (const slot of inOrder(indices.keys(), IN_FLIGHT, fill)) slots.push(slot);

  if (source.onBad === "replace" && slots.every(({ bad }) => bad.length > 0))
    throw new HealthError(`step ${step}: all ${slots.length} samples of the batch are bad; ${slots[0].bad[0].reason}`);
  return { batch: { step, epoch, ...clipsOf(canvas, slots, source) }, bad: slots.flatMap(({ bad }) => bad) };
}

/** Draws a sample into its slot of the canvas, or what is to be done where it is bad. */
async function fillSlot(
  canvas: Canvas,
  slot: number,
  { items, categories, view, onBad }: BatchSource,
  draw: RandomDraw,
  reader: ShardReader,
): Promise<Slot> {
  const bad: BadSample[] = [];
  const show = async ({ index, ...rest }: RandomDraw) => {
    const shown = { ...rest, index };
    const info = await drawSample(canvas, slot * view.frames, items[index], view, shown, { reader, categories });
    return { filled: { index, info }, bad };
  };
  if (onBad === "replace") return orSubstitute(draw, items.length, show, (found) => bad.push(found));
  return show(draw).catch((error: unknown) => {
    if (onBad === "stop" || !(error instanceof FormatError)) throw error;
    return { bad: [{ index: draw.index, reason: error.message }] };
  });
}

function clipsOf(canvas: Canvas, slots: readonly Slot[], { items, categories, view }: BatchSource) {
  const shown = slots.flatMap(({ filled, bad }, slot) => (filled ? [{ ...filled, slot, bad }] : []));
  const infos = shown.map(({ info }) => info);
  return {
    count: shown.length,
    ...canvas.only(
      shown.map(({ slot }) => slot),
      view.frames,
    ),
    captions: infos.map(({ caption }) => caption),
    sentiment: rows(infos, SENTIMENTS.length, ({ sentiment }) => sentiment),
    categories: Uint8Array.from(infos.flatMap(({ labels }) => labels?.categories ?? [])),
    vad: rows(infos, categories > 0 ? 3 : 0, ({ labels }) => labels?.vad ?? noValues),
    keys: shown.map(({ index }) => items[index].key),
    indices: Int32Array.from(shown, ({ index }) => index),
    replaced: shown.flatMap(({ bad }) => (bad.length > 0 ? [items[bad[0].index].key] : [])),
  };
}

const noValues = [Number.NaN, Number.NaN, Number.NaN];

function rows(infos: readonly CheckedInfo[], width: number, of: (info: CheckedInfo) => readonly number[]) {
  const out = new Float32Array(infos.length * width);
  for (let i = 0; width > 0 && i < infos.length; i++) out.set(of(infos[i]), i * width);
  return out;
}
