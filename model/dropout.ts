// Dropout while training: what is dropped depends on the seed, the place and the clip, never on how a batch is divided.
import { type Tensor, tensor } from "../engine/index.ts";
import { takes } from "../engine/takes.ts";
import { dropout, expandTo } from "../kernels/index.ts";

/** Where the temporal head drops values: after products and on maps of attention. */
export interface Dropping {
  /** x with some values dropped and the others scaled up. */
  apply(x: Tensor): Tensor;
  /** What to multiply a map of this shape by, 0 or 1/(1 − p); undefined where nothing is dropped. */
  keep(shape_BHLL: readonly number[]): Tensor | undefined;
}

/**
 * Dropout of one training step: each site draws from a stream of its own. A clip has a number among all clips of the run,
 * so that its masks do not depend on how a batch is divided, and differ from step to step.
 */
export class Dropout implements Dropping {
  #site = 0;

  /** `firstClip` is the number of the clip in row 0 of every tensor. */
  constructor(
    readonly p: number,
    readonly seed: number,
    readonly firstClip: number,
  ) {
    takes("new Dropout(p: rate, seed: seed, firstClip: natural, ...)", arguments);
  }

  apply(x: Tensor): Tensor {
    const stream = this.#site++;
    if (this.p === 0) return x;
    const rows = x.numel / x.shape[0] / x.shape[x.shape.length - 1]; // of one clip
    const firstRow = (this.firstClip * rows) % 2 ** 32;
    return dropout(x, { p: this.p, seed: this.seed, stream, firstRow });
  }

  keep(shape: readonly number[]): Tensor | undefined {
    return this.p === 0 ? void this.#site++ : this.apply(expandTo(tensor([1]), shape));
  }
}
