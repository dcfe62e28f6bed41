// The people of a film as a file of boxes has them, told apart over time: each of the longest tracks is a subject.
import type { Command } from "commander";
import type { SubjectBoxes } from "../data/footage/boxes.ts";
import { isFolder, shownName } from "../data/footage/files.ts";
import { type Box, scaleBox } from "../data/pixels/boxes.ts";
import { UsageError } from "../engine/errors.ts";
import { findCuts } from "../ingest/cuts.ts";
import { filmAt } from "../ingest/films.ts";
import { FilmPeople } from "../ingest/film-people.ts";
import { usualLooks } from "../ingest/frames.ts";
import { peopleIn } from "../ingest/people.ts";
import { probeFilm } from "../ingest/probe.ts";
import { filmTime, type OpenedFilm } from "./film.ts";
import type { FilmSubject } from "./film-classes.ts";
import { real, whole } from "./flags.ts";
import type { InputFlags } from "./inputs.ts";

export interface TrackFlags extends Pick<InputFlags, "boxes" | "boxRule"> {
  readonly people?: string;
  readonly tracks: number;
  readonly boxesFps?: number;
}

export const withTracks = (command: Command): Command =>
  command
    .option(
      "--people <file>",
      "boxes of all people of a video: a detector's .json, COCO, or .csv or .txt of MOTChallenge; each of the longest tracks gets curves of its own",
    )
    .option("--tracks <n>", "how many of the people's tracks", (text) => whole("tracks", text, 1, 100), 4)
    .option(
      "--boxes-fps <n>",
      "frames a second that numbers in a file of people count, where it is not the film's",
      (text) => real("boxes-fps", text, 0.01, 1000),
    );

const LOOKS = usualLooks.fps;

/** The longest tracks from the first to the last window, by their beginning, and what a person should know of the others. */
export async function trackSubjects(
  path: string,
  { reel, seconds, windows }: OpenedFilm,
  { people, tracks: most, boxRule, boxesFps }: TrackFlags & { readonly people: string },
): Promise<{ readonly subjects: readonly FilmSubject[]; readonly notes: readonly string[] }> {
  if ((await isFolder(path)) || !reel.seconds) throw new UsageError("--people: tells of the frames of a video file");
  const file = await filmAt(path);
  const facts = await probeFilm(path, file.name, reel);
  const source = await peopleIn(people, facts, async () => reel, { fps: LOOKS, boxRule, boxesFps });
  const [first, last] = [windows[0].start, windows.at(-1)!.end].map((time) => Math.floor(time * LOOKS));
  const looks = Array.from({ length: last - first + 1 }, (_, k) => first + k).filter((k) => k < facts.seconds * LOOKS);
  const cuts = await findCuts(file, facts.stream, usualLooks.scene);
  const sight = await source.see(looks, () => {});
  const seen = new FilmPeople(source.name, sight, await cuts.read(), LOOKS, usualLooks.minConfidence);
  const tracks = seen.tracks();
  if (tracks.size === 0) throw new UsageError(`--people: ${shownName(people)} shows nobody in these windows`);
  const longest = [...tracks].sort(([a, x], [b, y]) => y.size - x.size || a - b).slice(0, most);
  const subjects = longest
    .sort(([, x], [, y]) => beginning(x) - beginning(y))
    .map(([track, places]) => ({
      name: `track ${track} from ${filmTime(beginning(places) / LOOKS)}`,
      boxes: boxesOf(places, seconds),
      isTrack: true,
    }));
  const notes = [
    ...(tracks.size > most
      ? [`people: ${tracks.size} tracks in ${source.name}, the ${most} longest have curves (--tracks)`]
      : []),
    ...seen.notes(looks.length),
  ];
  return { subjects, notes };
}

const beginning = (places: ReadonlyMap<number, Box>): number => Math.min(...places.keys());

/** Where a track is in a frame: where the look at its time shows it. */
const boxesOf =
  (places: ReadonlyMap<number, Box>, seconds: readonly number[]): SubjectBoxes =>
  ({ index }, original, resized) => {
    const box = places.get(Math.floor(seconds[index] * LOOKS + 1e-6));
    return box ? [scaleBox(box, original, resized)] : [];
  };
