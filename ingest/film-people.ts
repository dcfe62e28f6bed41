// The people of one film's sentences: seen in pieces that are each on record, told apart over time, and of each clip its subject.
import type { SubjectBoxes } from "../data/footage/boxes.ts";
import { framesShown } from "../data/footage/shown.ts";
import type { Video } from "../data/footage/video.ts";
import { type Box, scaleBox } from "../data/pixels/boxes.ts";
import type { Size } from "../data/pixels/resize.ts";
import { Stopped, type StopRequest } from "../data/threads/long-work.ts";
import { type Looks, shotsAt } from "./frames.ts";
import type { Records } from "./records.ts";
import type { PeopleReport } from "./report.ts";
import type { PeopleSource, SeenBox, Sight } from "./seen.ts";
import { type SubjectChoice, subjectOf } from "./subject.ts";
import { type Tracked, tracksOf } from "./tracks.ts";

/** Looks of one record: what a killed run may lose. */
const PIECE = 400;

/** Sees the people of all looks; pieces that are on record are not seen again. */
export async function seeFilm(
  source: PeopleSource,
  looks: readonly number[],
  records: Records,
  stop: StopRequest,
  at: (done: number) => void,
): Promise<Sight> {
  const seen = new Map<number, readonly SeenBox[]>();
  let unknown = 0;
  for (let from = 0; from < looks.length; from += PIECE) {
    if (stop.requested !== undefined) throw new Stopped();
    const some = looks.slice(from, from + PIECE);
    const found = await records.keep(`people-${from / PIECE}`, [source.stamp, some], async () => {
      const sight = await source.see(some, (done) => at(from + done));
      return { ...sight, seen: [...sight.seen] };
    });
    for (const [look, boxes] of found.seen) seen.set(look, boxes);
    unknown += found.unknown;
    at(from + some.length);
  }
  return { seen, unknown };
}

/** A film's people, told apart. */
export class FilmPeople {
  readonly report: PeopleReport;
  private readonly tracked: Tracked;
  private readonly isCut: (from: number, to: number) => boolean;

  /** Boxes of at most `least` confidence count as nobody. */
  constructor(
    source: string,
    { seen, unknown }: Sight,
    cuts: readonly number[],
    private readonly fps: number,
    least: number,
  ) {
    const shotOf = shotsAt(cuts, fps);
    this.isCut = (from, to) => shotOf(from) !== shotOf(to);
    const sure = new Map(Array.from(seen, ([look, all]) => [look, all.filter(({ confidence }) => confidence > least)]));
    this.tracked = tracksOf(sure, this.isCut);
    const boxes: number[] = [];
    for (const { length } of this.tracked.values()) boxes[length] = (boxes[length] ?? 0) + 1;
    const tracks = new Set([...this.tracked.values()].flatMap((found) => found.map(({ track }) => track))).size;
    const all = [...sure.values()].flat();
    const told = all.filter(({ track }) => track !== undefined).length;
    this.report = {
      ...{ source, boxes: Array.from(boxes, (n) => n ?? 0), tracks, unknown },
      ...(told > 0 && told < all.length && { renumbered: told }),
    };
  }

  /** Where each track is, by look. */
  tracks(): Map<number, Map<number, Box>> {
    const tracks = new Map<number, Map<number, Box>>();
    for (const [look, boxes] of this.tracked)
      for (const { track, box } of boxes) tracks.set(track, (tracks.get(track) ?? new Map()).set(look, box));
    return tracks;
  }

  /** What a person should know of who was told apart, and how. */
  notes(looks: number): string[] {
    const { source, unknown, renumbered } = this.report;
    return [
      ...(renumbered === undefined
        ? []
        : [
            `${source}: ${renumbered} boxes say whose they are and others do not: all are told apart by how they overlap`,
          ]),
      ...(unknown > 0 ? [`${source}: tells nothing of ${unknown} of ${looks} frames: nobody is seen there`] : []),
    ];
  }

  /** The subject's boxes in a clip, look by look. */
  subject(choice: SubjectChoice, looks: Looks, size: Size): Box[][] {
    return subjectOf(choice, this.tracked, looks, size, this.isCut);
  }

  /** The same as what is asked of frames by their numbers in the film, and as plain values. */
  async inFrames(
    boxes: readonly (readonly Box[])[],
    { first }: Looks,
    open: () => Promise<Video>,
  ): Promise<FrameBoxes> {
    const { seconds = [] } = await open();
    const shown = framesShown(seconds, first / this.fps, this.fps, boxes.length);
    const known = new Map<number, readonly Box[]>();
    for (const [k, frame] of shown.entries()) if (!known.has(frame)) known.set(frame, boxes[k]);
    return {
      values: [...known],
      of: ({ index }, original, resized) => (known.get(index) ?? []).map((box) => scaleBox(box, original, resized)),
    };
  }
}

export interface FrameBoxes {
  readonly values: readonly (readonly [frame: number, boxes: readonly Box[]])[];
  readonly of: SubjectBoxes;
}

/** The share of a clip's looks that show its subject. */
export const shareSeen = (boxes: readonly (readonly Box[])[]): number =>
  boxes.filter(({ length }) => length > 0).length / boxes.length;
