// What a model says of a film's windows in classes, of everybody or of one person after another, with a few pictures of the film.
import type { SubjectBoxes } from "../data/footage/boxes.ts";
import type { ReelFrame } from "../data/footage/reel-frames.ts";
import type { FilmWindow } from "../data/footage/windows.ts";
import { encodeJpeg } from "../data/pixels/jpeg.ts";
import type { Meter, StopRequest } from "../data/threads/long-work.ts";
import { framesOf, frameRows, windowRows } from "../eval/features/windows.ts";
import { type Matrix, matrix } from "../eval/matrix.ts";
import { probabilities, zeroShotLogits } from "../eval/zero-shot/zero-shot.ts";
import type { VideoText } from "../model/family.ts";
import type { OpenedFilm } from "./film.ts";
import { shortWindows } from "./film-rows.ts";
import { watchedFrames } from "./watched-frames.ts";

/** Somebody in a film. */
export interface FilmSubject {
  /** As tables call them. */
  readonly name: string;
  /** Where they are; without it the model is told of nobody. */
  readonly boxes?: SubjectBoxes;
  /** Windows without them are left out. */
  readonly isTrack?: boolean;
}

/** What a window comes to, in seconds from the first frame. */
export interface SeenWindow {
  readonly start: number;
  readonly end: number;
  /** Of the classes in their order; they add up to 1. */
  readonly probabilities: readonly number[];
  /** Of its frames, those that show the subject; null where nobody is marked. */
  readonly seen: number | null;
}

/** A film as it concerns one person. */
export interface SubjectWindows {
  readonly subject: string;
  readonly windows: readonly SeenWindow[];
  /** Windows that do not show the subject: left out of a track's, and among the others' taken as if nobody were marked. */
  readonly unseen: number | null;
}

/** A picture of the film. */
export interface Thumbnail {
  readonly seconds: number;
  readonly jpeg: Uint8Array;
}

/** How a film is looked at. */
export interface FilmLook {
  /** Rows of one class each, of unit length times the temperature. */
  readonly classifier: Matrix;
  /** Frames, and windows, that are computed at once. */
  readonly batch: number;
}

/** What was seen. */
export interface FilmClasses {
  readonly subjects: readonly SubjectWindows[];
  /** Tracks that no frame of a window shows. */
  readonly hidden: readonly string[];
  readonly thumbnails: readonly Thumbnail[];
  /** Frames that some window shows. */
  readonly frames: number;
  /** Windows with fewer frames than the model takes. */
  readonly short: number;
}

/** Small pictures over a film. */
const THUMBNAILS = 12;

/** Looks at the film once for each subject. Errors: Stopped, and what reading frames may end with. */
export async function filmClasses(
  model: VideoText,
  film: OpenedFilm,
  subjects: readonly FilmSubject[],
  look: FilmLook,
  progress: Meter,
  stop: StopRequest,
): Promise<FilmClasses> {
  const frames = framesOf(film.windows).length;
  const pictures = new Pictures(film.windows);
  progress.start("film", frames * subjects.length);
  const found: SubjectWindows[] = [];
  for (const [i, subject] of subjects.entries()) {
    const at = (done: number) => progress.at(i * frames + done);
    found.push(await oneSubject(model, film, subject, look, pictures, at, stop));
  }
  const isShown = ({ windows }: SubjectWindows) => windows.length > 0;
  const hidden = found.filter((each) => !isShown(each)).map(({ subject }) => subject);
  return {
    subjects: found.filter(isShown),
    hidden,
    thumbnails: pictures.taken,
    frames,
    short: shortWindows(film.windows, model.takes),
  };
}

async function oneSubject(
  model: VideoText,
  film: OpenedFilm,
  { name, boxes, isTrack = false }: FilmSubject,
  { classifier, batch }: FilmLook,
  pictures: Pictures,
  at: (done: number) => void,
  stop: StopRequest,
): Promise<SubjectWindows> {
  const onFrame = async (frame: ReelFrame, done: number) => {
    await pictures.see(frame);
    at(done);
  };
  const { frames: watched, seen } = watchedFrames(model, film, { subject: boxes, stop, onFrame });
  const rows: SeenWindow[] = [];
  for await (const { window, feature } of windowRows(model, film.windows, frameRows(model, watched, batch), batch)) {
    const [C, E] = classifier.shape;
    const { data } = probabilities(zeroShotLogits(matrix(1, E, feature), classifier));
    const { start, end, frames } = window;
    const count = boxes ? frames.filter((index) => seen.has(index)).length : null;
    rows.push({ start, end, probabilities: Array.from(data.subarray(0, C)), seen: count });
  }
  const unseen = boxes ? rows.filter((row) => row.seen === 0).length : null;
  return { subject: name, windows: isTrack ? rows.filter((row) => row.seen !== 0) : rows, unseen };
}

/** Takes pictures of the middles of some windows, evenly over the film. */
class Pictures {
  readonly taken: Thumbnail[] = [];
  private readonly wanted: Map<number, number>;

  constructor(windows: readonly FilmWindow[]) {
    const count = Math.min(THUMBNAILS, windows.length);
    const places = Array.from({ length: count }, (_, i) => Math.floor(((i + 0.5) * windows.length) / count));
    this.wanted = new Map(
      places.map((at) => {
        const { frames, start, end } = windows[at];
        return [frames[frames.length >> 1], (start + end) / 2];
      }),
    );
  }

  /** Each picture is taken once, whoever is looked at. */
  async see({ index, picture }: ReelFrame): Promise<void> {
    const seconds = this.wanted.get(index);
    if (seconds === undefined) return;
    this.wanted.delete(index);
    this.taken.push({ seconds, jpeg: await encodeJpeg(picture, 80) });
  }
}
