// Whom a clip is about: everybody, as in the published training, or one person a shot.
import type { Box } from "../data/pixels/boxes.ts";
import type { Size } from "../data/pixels/resize.ts";
import { UsageError } from "../engine/errors.ts";
import { quoted } from "../data/formats/json.ts";
import { clipLimits } from "../data/shards/clip.ts";
import type { Looks } from "./frames.ts";
import { boxArea } from "./seen.ts";
import type { Tracked, TrackedBox } from "./tracks.ts";

/** Who is the subject. */
export type SubjectChoice = "all" | "largest" | "central" | "longest" | { readonly track: number };

/** The choice in the words of a flag. */
export function subjectChoice(text: string): SubjectChoice {
  const named = (["all", "largest", "central", "longest"] as const).find((each) => each === text);
  const [, track] = /^track:(\d{1,9})$/.exec(text) ?? [];
  if (named === undefined && track === undefined)
    throw new UsageError(`--subject ${quoted(text)}: known are all, largest, central, longest and track:N`);
  return named ?? { track: Number(track) };
}

/** The subject's boxes at each look of a clip. */
export function subjectOf(
  choice: SubjectChoice,
  tracked: Tracked,
  { first, last }: Looks,
  size: Size,
  isCut: (from: number, to: number) => boolean,
): Box[][] {
  const looks = Array.from({ length: last - first + 1 }, (_, k) => tracked.get(first + k) ?? []);
  const shots = shotsOf(looks, (k) => isCut(first + k - 1, first + k));
  return shots.flatMap((shot) => {
    const track = typeof choice === "object" ? choice.track : choice === "all" ? undefined : best(choice, shot, size);
    const isChosen = (each: TrackedBox) => choice === "all" || each.track === track;
    return shot.map((boxes) => mostSure(boxes.filter(isChosen)).map(({ box }) => box));
  });
}

/** As many as shards hold. */
const mostSure = (boxes: readonly TrackedBox[]): readonly TrackedBox[] =>
  boxes.length <= clipLimits.boxes
    ? boxes
    : [...boxes].sort((a, b) => b.confidence - a.confidence).slice(0, clipLimits.boxes);

type Look = readonly TrackedBox[];

function shotsOf(looks: readonly Look[], isFirst: (k: number) => boolean): Look[][] {
  const shots: Look[][] = [];
  for (const [k, look] of looks.entries()) {
    if (k === 0 || isFirst(k)) shots.push([]);
    shots.at(-1)!.push(look);
  }
  return shots;
}

/** How much a box speaks for its track, by choice: all of a track's boxes in the shot are summed up. */
const votes: Record<"largest" | "central" | "longest", (box: Box, size: Size) => number> = {
  largest: boxArea,
  central: ([x1, y1, x2, y2], { width, height }) =>
    Math.max(0, 1 - Math.hypot((x1 + x2) / width - 1, (y1 + y2) / height - 1) / Math.SQRT2),
  longest: () => 1,
};

/** The track with the most votes; of equal ones the larger, then the one that began first. */
function best(choice: keyof typeof votes, shot: readonly Look[], size: Size): number | undefined {
  const sums = new Map<number, [votes: number, area: number]>();
  for (const { track, box } of shot.flat()) {
    const [all, area] = sums.get(track) ?? [0, 0];
    sums.set(track, [all + votes[choice](box, size), area + boxArea(box)]);
  }
  const ranked = [...sums].sort(([a, [va, aa]], [b, [vb, ab]]) => vb - va || ab - aa || a - b);
  return ranked[0]?.[0];
}
