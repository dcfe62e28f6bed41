// Boxes of single frames -> tracks: who is who over time, by how much boxes of near frames overlap, and never over a cut.
import type { Box } from "../data/pixels/boxes.ts";
import { overlap, type Seen, type SeenBox } from "./seen.ts";

/** The least overlap of two boxes of a person, and the looks for which one may be hidden. */
const LEAST = 0.3;
const HIDDEN = 4;

/** A box with its track. */
export interface TrackedBox extends SeenBox {
  readonly track: number;
}

export type Tracked = ReadonlyMap<number, readonly TrackedBox[]>;

/** A track that may go on. */
interface Open {
  readonly track: number;
  box: Box;
  look: number;
}

/**
 * Numbers tracks from 1, in the order in which they begin. Pairs that overlap most are joined first. Where the source told who is
 * who of every box, its numbers stay. `isCut(a, b)` says whether a cut lies between two looks.
 */
export function tracksOf(seen: Seen, isCut: (from: number, to: number) => boolean): Tracked {
  const all = [...seen].sort(([a], [b]) => a - b);
  if (all.every(([, boxes]) => boxes.every(({ track }) => track !== undefined))) return seen as Tracked;
  const tracked = new Map<number, TrackedBox[]>();
  let open: Open[] = [];
  let count = 0;
  for (const [look, boxes] of all) {
    open = open.filter((track) => look - track.look <= HIDDEN && !isCut(track.look, look));
    const joined = pairs(open, boxes);
    tracked.set(
      look,
      boxes.map((seen, i) => {
        const found = joined.get(i) ?? { track: ++count, box: seen.box, look };
        if (!joined.has(i)) open.push(found);
        found.box = seen.box;
        found.look = look;
        return { ...seen, track: found.track };
      }),
    );
  }
  return tracked;
}

/** Number of a box -> the track that it goes on with. */
function pairs(open: readonly Open[], boxes: readonly SeenBox[]): Map<number, Open> {
  const near = open.flatMap((track) => boxes.map(({ box }, i) => ({ track, i, common: overlap(track.box, box) })));
  const joined = new Map<number, Open>();
  const taken = new Set<Open>();
  for (const { track, i, common } of near.sort((a, b) => b.common - a.common)) {
    if (common < LEAST || taken.has(track) || joined.has(i)) continue;
    taken.add(track);
    joined.set(i, track);
  }
  return joined;
}
