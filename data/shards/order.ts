// In which order clips are shown: a function of (seed, epoch, position) alone.
import { type Epoch, epochLength, epochOf, sharesOf } from "../sampling.ts";
import type { BatchPlan, ClipSet } from "./batch.ts";

/** What decides an order. */
export interface OrderOptions {
  /** Clips in a batch, B. */
  readonly batch: number;
  /** Decides order, crops and frames: the same seed gives the same batches. */
  readonly seed: number;
  /** `shuffled` every epoch, the incomplete last batch dropped (training); `stored`, all samples (evaluation). */
  readonly order: "shuffled" | "stored";
  /** Neighbours of the data set that are shuffled as one, as turns of a dialogue: hard negatives of one another; 1. */
  readonly together?: number;
}

/** The clips of each step. */
export class Order {
  /** Samples that an epoch shows, and the batches that they make. */
  readonly shown: number;
  readonly stepsPerEpoch: number;
  #epoch: Epoch & { readonly number: number } = { number: -1, indices: new Int32Array(0), showings: new Int32Array(0) };

  constructor(
    private readonly set: ClipSet,
    private readonly options: OrderOptions,
  ) {
    const { order, batch, together } = options;
    this.shown = order === "shuffled" ? epochLength(sharesOf(set), together) : set.samples;
    this.stepsPerEpoch = order === "shuffled" ? Math.floor(this.shown / batch) : Math.ceil(this.shown / batch);
  }

  /** The samples of a global step, before any substitution. */
  plan(step: number): BatchPlan {
    const { batch, seed } = this.options;
    const epoch = Math.floor(step / this.stepsPerEpoch);
    const at = (step - epoch * this.stepsPerEpoch) * batch;
    const { indices, showings } = this.#of(epoch);
    return { step, epoch, seed, indices: indices.slice(at, at + batch), showings: showings.slice(at, at + batch) };
  }

  #of(epoch: number): Epoch {
    if (this.#epoch.number !== epoch) this.#epoch = { number: epoch, ...this.#made(epoch) };
    return this.#epoch;
  }

  #made(epoch: number): Epoch {
    const { seed, order, together } = this.options;
    if (order === "shuffled") return epochOf(seed, epoch, sharesOf(this.set), together);
    const indices = Int32Array.from({ length: this.set.samples }, (_, i) => i);
    return { indices, showings: new Int32Array(indices.length).fill(epoch) };
  }
}
