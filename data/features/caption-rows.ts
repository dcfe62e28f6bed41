// What the clips of a set say, each text once, and the kept row of each.
import { setImmediate as breath } from "node:timers/promises";
import { FormatError } from "../../engine/errors.ts";
import type { View } from "../pixels/view.ts";
import type { ClipSet } from "../shards/batch.ts";
import { Shower } from "../showing.ts";
import type { KeptRows } from "./kept-rows.ts";

/** Clips after which other work gets a turn. */
const TURN = 500;

/** The different texts that a set's clips may say, in their order; a clip that cannot be read says nothing. */
export async function captionsOf(set: ClipSet, view: View): Promise<string[]> {
  const shower = new Shower(view);
  const captions = new Set<string>();
  try {
    for (let i = 0; i < set.samples; i++) {
      if (i % TURN === TURN - 1) await breath();
      try {
        for (const text of shower.texts(set.placeOf(i))) captions.add(text);
      } catch (error) {
        if (!(error instanceof FormatError)) throw error; // it is told when it is shown
      }
    }
  } finally {
    shower.close();
  }
  return [...captions];
}

/** The kept rows of captions. */
export class CaptionRows {
  readonly #items: ReadonlyMap<string, number>;

  constructor(
    captions: readonly string[],
    private readonly rows: KeptRows,
    readonly width: number,
  ) {
    this.#items = new Map(captions.map((caption, i) => [caption, i]));
  }

  /** [captions, width]; undefined where one of them has no row: its clip could not be read when they were made. */
  of(captions: readonly string[]): Float32Array<ArrayBuffer> | undefined {
    const out = new Float32Array(captions.length * this.width);
    for (const [slot, caption] of captions.entries()) {
      const item = this.#items.get(caption);
      if (item === undefined) return undefined;
      this.rows.readInto(item, out, slot);
    }
    return out;
  }
}
