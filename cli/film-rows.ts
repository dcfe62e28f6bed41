// Rows of films for `encode`: of each window that slides over one, or of each of its frames, film after film.
import type { SubjectBoxes } from "../data/footage/boxes.ts";
import type { FilmWindow } from "../data/footage/windows.ts";
import type { StopRequest } from "../data/threads/long-work.ts";
import { UsageError } from "../engine/errors.ts";
import { framesOf, frameRows, windowRows } from "../eval/features/windows.ts";
import { joinRows, type Matrix } from "../eval/matrix.ts";
import type { Takes, VideoText } from "../model/family.ts";
import type { FilmFlags, OpenedFilm } from "./film.ts";
import { watchedFrames } from "./watched-frames.ts";

/** What a row is of. */
export const rowKinds = ["window", "frame"] as const;
export type RowKind = (typeof rowKinds)[number];

/** How films become rows. */
export interface FilmRowFlags extends FilmFlags {
  readonly rows: RowKind;
  readonly batchSize: number;
}

/** The rows of a film. */
export interface FilmRows {
  /** Seconds from the first frame; of a frame, when it is shown and when the next one would be. */
  readonly times: readonly (readonly [start: number, end: number])[];
  /** Of unit length. */
  readonly features: Matrix;
  /** Rows none of whose frames shows the subject; null where nobody is marked. */
  readonly unseen: number | null;
  /** Rows of fewer frames than the model takes. */
  readonly short: number;
}

/** Errors: UsageError for flags that do not go together. */
export function checkRows({ rows, window, stride }: FilmRowFlags): void {
  if (rows === "frame" && window !== undefined)
    throw new UsageError(
      "--window: with --rows frame a row is a single frame; --stride takes one every so many seconds",
    );
  if (rows === "window" && stride !== undefined && window === undefined)
    throw new UsageError("--stride: from one window to the next, and --window was not given");
}

/** Windows with fewer frames than the model takes, some of which count twice or more. */
export const shortWindows = (windows: readonly FilmWindow[], { frames }: Takes): number =>
  windows.filter((window) => new Set(window.frames).size < frames).length;

/** A film's rows; `at` hears which share of its frames is done. Errors: Stopped, and FormatError for a frame that cannot be decoded. */
export async function filmRows(
  model: VideoText,
  film: OpenedFilm,
  subject: SubjectBoxes | undefined,
  { rows, batchSize }: FilmRowFlags,
  stop: StopRequest,
  at: (share: number) => void,
): Promise<FilmRows> {
  const { windows } = film;
  const all = framesOf(windows).length;
  const onFrame = (_: unknown, done: number) => at(done / all);
  const { frames, seen } = watchedFrames(model, film, { subject, stop, onFrame });
  const features: Float32Array[] = [];
  if (rows === "frame")
    for await (const { feature } of frameRows(model, frames, batchSize, "alone")) features.push(feature);
  else
    for await (const { feature } of windowRows(model, windows, frameRows(model, frames, batchSize), batchSize))
      features.push(feature);
  return {
    times: windows.map(({ start, end }) => [start, end]),
    features: joinRows(features, features.length, model.embed),
    unseen: subject ? windows.filter(({ frames }) => !frames.some((index) => seen.has(index))).length : null,
    short: rows === "frame" ? 0 : shortWindows(windows, model.takes),
  };
}
