// Which row of a file belongs to which frame of which clip: all frames that some draw may choose, clip after clip.
import type { View } from "../pixels/view.ts";
import type { ClipSet } from "../shards/batch.ts";
import { type ClipPlace, framesOfAnyDraw } from "../showing.ts";
import type { KeptRows } from "./kept-rows.ts";

/** Some frames of one clip. */
export interface FramePiece {
  readonly index: number;
  readonly place: ClipPlace;
  /** Counted from 0 within the clip. */
  readonly numbers: readonly number[];
}

/** The frames of a set, numbered through. */
export class FrameNumbers {
  /** Where the frames of each clip begin, and behind them all their number. */
  readonly #begins: Float64Array;

  constructor(
    private readonly set: ClipSet,
    private readonly view: View,
  ) {
    this.#begins = new Float64Array(set.samples + 1);
    for (let i = 0; i < set.samples; i++)
      this.#begins[i + 1] = this.#begins[i] + framesOfAnyDraw(set.placeOf(i), view).length;
  }

  /** All frames. */
  get count(): number {
    return this.#begins[this.set.samples];
  }

  /** Of a frame of a clip. `numbers` are those that some draw may choose. */
  of(index: number, numbers: Int32Array, frame: number): number {
    return this.#begins[index] + numbers.indexOf(frame);
  }

  /** Those that some draw may choose of a clip. */
  numbersOf(index: number): Int32Array {
    return framesOfAnyDraw(this.set.placeOf(index), this.view);
  }

  /** The clip of a frame. */
  clipOf(frame: number): number {
    let [low, high] = [0, this.set.samples];
    while (low + 1 < high) {
      const middle = (low + high) >> 1;
      if (this.#begins[middle] <= frame) low = middle;
      else high = middle;
    }
    return low;
  }

  /** Frames `from` … `until − 1`, clip by clip. */
  *pieces(from: number, until: number): Generator<FramePiece> {
    for (let at = from; at < until; ) {
      const index = this.clipOf(at);
      const begin = this.#begins[index];
      const end = Math.min(until, this.#begins[index + 1]);
      yield {
        index,
        place: this.set.placeOf(index),
        numbers: [...this.numbersOf(index).subarray(at - begin, end - begin)],
      };
      at = end;
    }
  }
}

/** The kept rows of a set's frames. */
export class FrameRows {
  constructor(
    private readonly numbers: FrameNumbers,
    private readonly rows: KeptRows,
    /** Numbers of a row. */
    readonly width: number,
  ) {}

  get folder(): string {
    return this.rows.folder;
  }

  /** Puts the rows of these frames of a clip into `out`; false, and not all of them, where one could not be read when it was kept. */
  readInto(index: number, frames: Int32Array, out: Float32Array): boolean {
    const numbers = this.numbers.numbersOf(index);
    for (const [slot, frame] of frames.entries()) {
      const item = this.numbers.of(index, numbers, frame);
      if (this.rows.isBad(item)) return false;
      this.rows.readInto(item, out, slot);
    }
    return true;
  }
}
