// Batches of the official training set as it lies: the same order and the same choices of frames and crops for (seed, epoch,
// index), as for shards. Decoded on this thread, a few clips at a time.
import { type BadSampleRule, orSubstitute, Tally } from "../data/bad-samples.ts";
import type { TrainingSample, TrainingSet } from "../data/official/training-set.ts";
import { columnsOf, rowsOf } from "../data/pixels/side.ts";
import { epochOrder, type RandomDraw } from "../data/sampling.ts";
import type { ClipBatch } from "../data/shards/batch.ts";
import { inOrder, range } from "../data/threads/in-order.ts";
import { HealthError } from "../engine/errors.ts";

export interface OfficialBatchOptions extends BadSampleRule {
  readonly batch: number;
  readonly seed: number;
  readonly together: number;
}

/** Clips that are decoded at once. */
const IN_FLIGHT = 4;

/** A sample in its slot, and the numbers of those that could not be shown there. */
interface Filled {
  readonly sample: TrainingSample;
  readonly bad: readonly number[];
}

export class OfficialBatches {
  readonly stepsPerEpoch: number;
  readonly #tally: Tally;
  #order: { epoch: number; indices: Int32Array } = { epoch: -1, indices: new Int32Array(0) };

  constructor(
    readonly set: TrainingSet,
    readonly options: OfficialBatchOptions,
  ) {
    this.stepsPerEpoch = Math.floor(set.entries.length / options.batch);
    this.#tally = new Tally(set.entries.length, options);
  }

  /** The batches of global steps `from` … `until − 1`, across epochs; one is made ahead. */
  async *batches(from = 0, until = Number.POSITIVE_INFINITY): AsyncGenerator<ClipBatch> {
    yield* inOrder(range(from, until), 1, (step) => this.#make(step));
  }

  async close(): Promise<void> {}

  async #make(step: number): Promise<ClipBatch> {
    const { batch, seed } = this.options;
    const epoch = Math.floor(step / this.stepsPerEpoch);
    const at = (step - epoch * this.stepsPerEpoch) * batch;
    const indices = this.#orderOf(epoch).slice(at, at + batch);
    const filled: Filled[] = [];
    const fill = (slot: number) => this.#fill({ seed, epoch, index: indices[slot] });
    for await (const each of inOrder(indices.keys(), IN_FLIGHT, fill)) filled.push(each);
    if (filled.every(({ bad }) => bad.length > 0))
      throw new HealthError(`step ${step}: all ${filled.length} samples of the batch are bad`);
    return { step, epoch, ...this.#joined(filled) };
  }

  async #fill(draw: RandomDraw): Promise<Filled> {
    const bad: number[] = [];
    const { entries } = this.set;
    const sample = await orSubstitute(
      draw,
      entries.length,
      (shown) => this.set.show(shown.index, this.set.choose(shown)),
      (found) => {
        bad.push(found.index);
        this.#tally.add(found);
      },
    );
    return { sample, bad };
  }

  #joined(filled: readonly Filled[]): Omit<ClipBatch, "step" | "epoch"> {
    const samples = filled.map(({ sample }) => sample);
    const { frames: T, side } = this.set.view;
    const pixels = T * rowsOf(side) * columnsOf(side);
    const put = <A extends Uint8Array | Float32Array>(all: A, of: (sample: TrainingSample) => ArrayLike<number>) => {
      for (const [i, sample] of samples.entries()) all.set(of(sample), (i * all.length) / samples.length);
      return all;
    };
    return {
      count: samples.length,
      frames: put(new Uint8Array(samples.length * 3 * pixels), ({ frames }) => frames),
      mask: put(new Uint8Array(samples.length * pixels), ({ mask }) => mask),
      captions: samples.map(({ text }) => text),
      sentiment: put(new Float32Array(samples.length * 7), ({ sentiment }) => sentiment),
      categories: new Uint8Array(0),
      vad: new Float32Array(0),
      keys: samples.map(({ index }) => this.set.nameOf(index)),
      indices: Int32Array.from(samples, ({ index }) => index),
      replaced: filled.flatMap(({ bad }) => bad.slice(0, 1).map((index) => this.set.nameOf(index))),
    };
  }

  #orderOf(epoch: number): Int32Array {
    const { seed, together } = this.options;
    if (this.#order.epoch !== epoch)
      this.#order = { epoch, indices: epochOrder(seed, epoch, this.set.entries.length, together) };
    return this.#order.indices;
  }
}
