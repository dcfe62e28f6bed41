// A batch of clips as typed arrays, and how one is made: every slot filled with its sample, or with a substitute when
// the sample is bad. The same function runs on the main thread and in workers.
import { FormatError, HealthError } from "../../engine/errors.ts";
import { type CheckedInfo, SENTIMENTS } from "./clip.ts";
import { sampleInto, type View } from "./frames.ts";
import { Random } from "../philox.ts";
import type { Sample, ShardReader } from "./shards.ts";

/** B clips of T frames of S x S pixels. The arrays belong to the consumer: the loader never touches them again. */
export type ClipBatch = {
  /** Global step, and the epoch it lies in. */
  readonly step: number;
  readonly epoch: number;
  /** [B, T, 3, S, S], normalised. */
  readonly frames: Float32Array<ArrayBuffer>;
  /** [B, T, S, S], 1 where the subject is. */
  readonly mask: Float32Array<ArrayBuffer>;
  readonly captions: string[];
  /** [B, 7] logits. */
  readonly sentiment: Float32Array<ArrayBuffer>;
  /** [B, C], 0 or 1; C is 0 for clips without labels. */
  readonly categories: Uint8Array<ArrayBuffer>;
  /** [B, 3] valence, arousal, dominance; empty for clips without labels. */
  readonly vad: Float32Array<ArrayBuffer>;
  readonly keys: string[];
  /** [B] numbers of the samples shown; that of the substitute where a sample was bad. */
  readonly indices: Int32Array<ArrayBuffer>;
};

/** A sample that could not be read. */
export type BadSample = { readonly index: number; readonly reason: string };

/** Everything needed to make one batch; plain data, so that it can be sent to a worker. */
export type BatchPlan = {
  readonly step: number;
  readonly epoch: number;
  readonly seed: number;
  /** The samples that should fill the slots. */
  readonly indices: Int32Array;
};

export type BatchSource = {
  readonly items: readonly Sample[];
  readonly categories: number;
  readonly view: View;
  readonly onBadSample: "stop" | "skip";
};

/** Substitutes tried for one bad sample before giving up. */
const TRIES = 20;
/** Samples decoded at once on a thread: enough to keep the decoder's pool busy, few enough to bound memory. */
const IN_FLIGHT = 2;

/** A batch, and the bad samples that were met. */
export type Made = { readonly batch: ClipBatch; readonly bad: readonly BadSample[] };

/** Makes the batch of a plan. */
export async function makeBatch(
  { items, categories, view, onBadSample }: BatchSource,
  plan: BatchPlan,
  reader: ShardReader,
): Promise<Made> {
  const B = plan.indices.length;
  const pixels = view.frames * view.side * view.side;
  const frames = new Float32Array(B * 3 * pixels);
  const mask = new Float32Array(B * pixels);
  const indices = plan.indices.slice() as Int32Array<ArrayBuffer>;
  const infos = new Array<CheckedInfo>(B);
  const bad: BadSample[][] = Array.from({ length: B }, () => []);

  const fill = async (slot: number): Promise<void> => {
    const substitutes = new Random(plan.seed, `substitutes ${plan.epoch}`, plan.indices[slot]);
    for (let attempt = 0; ; attempt++) {
      const index = attempt === 0 ? plan.indices[slot] : substitutes.below(items.length);
      const draw = { seed: plan.seed, epoch: plan.epoch, index };
      try {
        infos[slot] = await sampleInto({ frames, mask }, slot, items[index], view, draw, categories, reader);
        indices[slot] = index;
        return;
      } catch (error) {
        if (onBadSample === "stop" || !(error instanceof FormatError)) throw error;
        bad[slot].push({ index, reason: error.message });
        if (attempt === TRIES) throw new HealthError(`${error.message}; ${TRIES} substitutes for it are bad too`);
      }
    }
  };
  await inParallel(B, IN_FLIGHT, fill);

  const allBad = bad.every((list) => list.length > 0);
  if (allBad) throw new HealthError(`step ${plan.step}: all ${B} samples of the batch are bad; ${bad[0][0].reason}`);
  const batch: ClipBatch = {
    step: plan.step,
    epoch: plan.epoch,
    frames,
    mask,
    captions: infos.map(({ caption }) => caption),
    sentiment: rows(infos, SENTIMENTS.length, ({ sentiment }) => sentiment),
    categories: Uint8Array.from(infos.flatMap(({ labels }) => labels?.categories ?? [])),
    vad: rows(infos, categories > 0 ? 3 : 0, ({ labels }) => labels?.vad ?? []),
    keys: Array.from(indices, (index) => items[index].key),
    indices,
  };
  return { batch, bad: bad.flat() };
}

function rows(infos: CheckedInfo[], width: number, of: (info: CheckedInfo) => readonly number[]) {
  const out = new Float32Array(infos.length * width);
  for (let i = 0; width > 0 && i < infos.length; i++) out.set(of(infos[i]), i * width);
  return out;
}

/** Runs work(0) … work(n − 1), at most `width` at a time; after a failure no more is started. */
async function inParallel(n: number, width: number, work: (i: number) => Promise<void>): Promise<void> {
  let next = 0;
  const lane = async () => {
    while (next < n) await work(next++);
  };
  const stop = (error: unknown) => {
    next = n;
    throw error;
  };
  await Promise.all(Array.from({ length: width }, () => lane().catch(stop)));
}
