// The pixels of some clips one after another: a batch on its way, in bytes as pictures have them or in floats as somebody has drawn them.
import { UsageError } from "../../engine/errors.ts";
import { cellsOf } from "./side.ts";
import type { Pixels, ShownPixels, View } from "./view.ts";

/** Bytes of the arrays of so many frames: of a pixel three numbers, and one byte of its mask. */
export const gatheredBytes = (frames: number, { side, numbers }: Pick<View, "side" | "numbers">): number =>
  (numbers === "floats" ? 13 : 4) * frames * cellsOf(side);

/** Places for clips, filled in any order. */
export class Gathered {
  readonly #frames: ShownPixels["frames"];
  readonly #mask: Uint8Array<ArrayBuffer>;
  /** Pixels of a clip. */
  readonly #pixels: number;

  constructor(clips: number, { frames, side, numbers }: Pick<View, "frames" | "side" | "numbers">) {
    this.#pixels = frames * cellsOf(side);
    this.#frames = new (numbers === "floats" ? Float32Array : Uint8Array)(3 * clips * this.#pixels);
    this.#mask = new Uint8Array(clips * this.#pixels);
  }

  /** Copies a clip to its place. */
  put(place: number, { frames, mask }: ShownPixels): void {
    this.#frames.set(frames, 3 * place * this.#pixels);
    this.#mask.set(mask, place * this.#pixels);
  }

  /** The clips of these places, ascending; all of them are not copied. */
  only(places: readonly number[]): ShownPixels {
    const [frames, mask, n] = [this.#frames, this.#mask, this.#pixels];
    if (places.length * n === mask.length) return { frames, mask };
    const some = { frames: frames.slice(0, 3 * places.length * n), mask: mask.slice(0, places.length * n) };
    for (const [to, from] of places.entries()) {
      some.frames.set(frames.subarray(3 * from * n, 3 * (from + 1) * n), 3 * to * n);
      some.mask.set(mask.subarray(from * n, (from + 1) * n), to * n);
    }
    return some;
  }
}

/** The same pixels where they are bytes. Errors: UsageError for floats, which are no pictures. */
export function inBytes({ frames, mask }: ShownPixels): Pixels {
  if (frames instanceof Float32Array) throw new UsageError("these frames are normalised floats, not pictures in bytes");
  return { frames, mask };
}
