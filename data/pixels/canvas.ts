// Pictures -> the model's input: resized, cropped, with the subject's mask. All sources of frames draw here.
import { FormatError } from "../../engine/errors.ts";
import type { Random } from "../philox.ts";
import type { Box } from "./boxes.ts";
import { maskInto, maskThroughInto } from "./mask.ts";
import { centred, coveringSize, type Image, type Rect, resizeCrop, type Size } from "./resize.ts";
import { cellsOf, rowsOf, type Side, sizeOf, columnsOf } from "./side.ts";
import type { Pixels, Square } from "./view.ts";

/** Where the subject of a frame is: boxes in pixels of the picture that they are drawn on. */
export interface SubjectMask {
  /**
   * Which picture that is: the resized one, or the original, whose mask is resized with it ("full size first": BoLD and
   * LIRIS-ACCEDE).
   */
  readonly at: "resized" | "full size";
  readonly boxes: (original: Size, drawn: Size) => readonly Box[];
}

/** The place of the square in a resized picture. */
export type Crop = (size: Size, side: Side) => Rect;

/** A crop anywhere in the picture: two draws each, row first, whatever the size, so that later ones do not depend on it. */
export function anywhere(random: Random): Crop {
  return ({ width, height }, side) => {
    const y = random.below(height - rowsOf(side) + 1);
    const x = random.below(width - columnsOf(side) + 1);
    return { x, y, ...sizeOf(side) };
  };
}

/** Pixels of a picture after its resize, and of one whose mask is drawn at full size: a thin strip grows large. */
const MOST_PIXELS = 2 ** 24;

/** The arrays of some frames, filled one after another. */
export class Canvas {
  /** [frames, S, S, 3]: RGB. */
  readonly frames: Uint8Array<ArrayBuffer>;
  /** [frames, S, S], 1 where the subject is, else 0. */
  readonly mask: Uint8Array<ArrayBuffer>;
  /** Pixels of a frame. */
  readonly #pixels: number;

  constructor(
    frames: number,
    readonly square: Square,
  ) {
    this.#pixels = cellsOf(square.side);
    this.frames = new Uint8Array(frames * 3 * this.#pixels);
    this.mask = new Uint8Array(frames * this.#pixels);
  }

  /** Draws frame `slot`; `name` begins the message of a refusal. */
  draw(slot: number, image: Image, subject: SubjectMask, name: string, crop: Crop = centred): void {
    const { side, resize } = this.square;
    const size = coveringSize(image, resize);
    if (area(size) > MOST_PIXELS)
      throw new FormatError(`${name}: is ${image.width}x${image.height}, too long and thin to be resized`);
    const at = crop(size, side);
    this.frames.set(resizeCrop(image, size, at).data, slot * 3 * this.#pixels);
    this.#drawMask(slot, image, size, at, subject, name);
  }

  /** Makes frame `slot` the same as the frame `from`. */
  repeat(from: number, slot: number): void {
    const n = this.#pixels;
    this.frames.copyWithin(slot * 3 * n, from * 3 * n, (from + 1) * 3 * n);
    this.mask.copyWithin(slot * n, from * n, (from + 1) * n);
  }

  /** The arrays alone, which can be sent to another thread. */
  get pixels(): Pixels {
    const { frames, mask } = this;
    return { frames, mask };
  }

  /** Frame `slot` as a picture. */
  picture(slot: number): Image {
    return pictureOf(this.frames, slot, this.square.side);
  }

  /** Whether the subject is somewhere in frame `slot`. */
  shows(slot: number): boolean {
    return this.mask.subarray(slot * this.#pixels, (slot + 1) * this.#pixels).includes(1);
  }

  #drawMask(slot: number, image: Image, size: Size, crop: Rect, { at, boxes }: SubjectMask, name: string): void {
    const offset = slot * this.#pixels;
    const drawn = boxes(image, at === "resized" ? size : image);
    if (at === "resized") maskInto(this.mask, offset, drawn, crop);
    else if (area(image) <= MOST_PIXELS) maskThroughInto(this.mask, offset, drawn, image, size, crop);
    else throw new FormatError(`${name}: is ${image.width}x${image.height}, allowed are ${MOST_PIXELS} pixels`);
  }
}

/** Frame `t` of [T, S, S, 3] as a picture, on the same bytes. */
export function pictureOf(frames: Uint8Array, t: number, side: Side): Image {
  const bytes = 3 * cellsOf(side);
  return { data: frames.subarray(t * bytes, (t + 1) * bytes), ...sizeOf(side) };
}

const area = ({ width, height }: Size) => width * height;
