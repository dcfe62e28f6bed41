// A batch of clips as typed arrays, and how one is made: every slot filled with its sample, which hands elsewhere show. Where that is
// bad, training puts a substitute there, and a measurement leaves it out.
import { FormatError, HealthError } from "../../engine/errors.ts";
import { type BadSample, orSubstitute } from "../bad-samples.ts";
import { Gathered } from "../pixels/gathered.ts";
import type { ShownPixels, View } from "../pixels/view.ts";
import type { RandomDraw, Share } from "../sampling.ts";
import type { ClipPlace, ClipWords, SeenClip, Showing } from "../showing.ts";
import { inOrder } from "../threads/in-order.ts";
import { SENTIMENTS } from "./clip.ts";

/** Clips by number: what a loader makes batches of. */
export interface ClipSet {
  readonly samples: number;
  /** Names of the label categories; empty where clips carry none. */
  readonly categories: readonly string[];
  /** Its sources, in order, and how often an epoch shows each; one, once, where it does not say. */
  readonly shares?: readonly Share[];
  nameOf(i: number): string;
  placeOf(i: number): ClipPlace;
}

/**
 * B clips of T frames of S x S pixels, in bytes unless the view asks for floats. The arrays belong to the consumer: the loader never
 * touches them again.
 */
export interface ClipBatch extends ShownPixels {
  /** Clips, B. */
  readonly count: number;
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

/** What is known of the clips of a batch besides their pixels. */
export type BatchWords = Pick<ClipBatch, "keys" | "replaced" | "captions" | "sentiment">;

/** Which clips a batch shows, and by which draws. */
export interface BatchPlan {
  readonly step: number;
  readonly epoch: number;
  readonly seed: number;
  /** The samples that should fill the slots, and the numbers of their showings, which their draws have for an epoch. */
  readonly indices: Int32Array;
  readonly showings: Int32Array;
  /** It is a part of a batch: that all of it is bad is for those to judge who see the rest. */
  readonly isPart?: boolean;
}

export interface BatchSource {
  readonly set: ClipSet;
  readonly view: View;
  /** What is done about a bad sample: end the work, show another in its place, or show one clip less. */
  readonly onBad: "stop" | "replace" | "leave out";
  /** Shows a clip. Errors: FormatError for a bad one. */
  readonly show: (showing: Showing) => Promise<SeenClip>;
}

/** A batch, and the bad samples that were met. */
export interface Made {
  readonly batch: ClipBatch;
  readonly bad: readonly BadSample[];
}

/** What fills one slot of a batch: what was shown of a sample, or nothing; and what could not be. */
interface Slot<T> {
  readonly filled?: { readonly index: number; readonly shown: T };
  readonly bad: readonly BadSample[];
}

/** What is done about samples that cannot be read, of how many. */
type SlotRule = Pick<BatchSource, "onBad"> & Pick<ClipSet, "samples">;

/** Makes the batch of a plan, all its clips asked for at once; in one whose bad samples are left out there may be no clip at all. */
export async function makeBatch(source: BatchSource, plan: BatchPlan): Promise<Made> {
  const { set, view, onBad, show } = source;
  const { step, epoch, indices } = plan;
  const pixels = new Gathered(indices.length, view);
  const slots = await fillSlots(plan, { onBad, samples: set.samples }, async (draw, slot) => {
    const { frames, mask, ...words } = await show({ place: set.placeOf(draw.index), draw });
    pixels.put(slot, { frames, mask });
    return words;
  });
  return { batch: { step, epoch, ...clipsOf(pixels, slots, source) }, bad: slots.flatMap(({ bad }) => bad) };
}

/** Fills the slots of a plan, all at once. Errors: HealthError where each is bad, or no substitute is found; FormatError where a bad one ends the work. */
export async function fillSlots<T>(
  { seed, step, indices, showings, isPart = false }: BatchPlan,
  rule: SlotRule,
  show: (draw: RandomDraw, slot: number) => Promise<T>,
): Promise<Slot<T>[]> {
  const fill = (slot: number) =>
    fillSlot({ seed, epoch: showings[slot], index: indices[slot] }, rule, (draw) => show(draw, slot));
  const slots: Slot<T>[] = [];
  for await (const slot of inOrder(indices.keys(), indices.length, fill)) slots.push(slot);
  if (rule.onBad === "replace" && !isPart && slots.every(({ bad }) => bad.length > 0))
    throw new HealthError(`step ${step}: all ${slots.length} samples of the batch are bad; ${slots[0].bad[0].reason}`);
  return slots;
}

/** Shows a sample, or does what is to be done where it is bad. */
async function fillSlot<T>(
  draw: RandomDraw,
  { samples, onBad }: SlotRule,
  show: (draw: RandomDraw) => Promise<T>,
): Promise<Slot<T>> {
  const bad: BadSample[] = [];
  const fill = async (drawn: RandomDraw) => ({ filled: { index: drawn.index, shown: await show(drawn) }, bad });
  if (onBad === "replace") return orSubstitute(draw, samples, fill, (found) => bad.push(found));
  return fill(draw).catch((error: unknown) => {
    if (onBad === "stop" || !(error instanceof FormatError)) throw error;
    return { bad: [{ index: draw.index, reason: error.message }] };
  });
}

function clipsOf(pixels: Gathered, slots: readonly Slot<ClipWords>[], { set }: BatchSource) {
  const shown = slots.flatMap(({ filled, bad }, slot) => (filled ? [{ ...filled, slot, bad }] : []));
  const infos = shown.map(({ shown: words }) => words);
  const categories = set.categories.length;
  return {
    count: shown.length,
    ...pixels.only(shown.map(({ slot }) => slot)),
    captions: infos.map(({ caption }) => caption),
    sentiment: rows(infos, SENTIMENTS.length, ({ sentiment }) => sentiment),
    categories: Uint8Array.from(infos.flatMap(({ labels }) => (categories > 0 && labels ? labels.categories : []))),
    vad: rows(infos, categories > 0 ? 3 : 0, ({ labels }) => labels?.vad ?? noValues),
    keys: shown.map(({ index }) => set.nameOf(index)),
    indices: Int32Array.from(shown, ({ index }) => index),
    replaced: shown.flatMap(({ bad }) => (bad.length > 0 ? [set.nameOf(bad[0].index)] : [])),
  };
}

const noValues = [Number.NaN, Number.NaN, Number.NaN];

function rows(infos: readonly ClipWords[], width: number, of: (info: ClipWords) => readonly number[]) {
  const out = new Float32Array(infos.length * width);
  for (let i = 0; width > 0 && i < infos.length; i++) out.set(of(infos[i]), i * width);
  return out;
}
