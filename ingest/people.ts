// Where a film's people come from: a file of boxes beside it, or a detector that the user has. Frames of files are brought to looks.
import { createHash } from "node:crypto";
import { readUserFile } from "../data/footage/files.ts";
import { framesShown } from "../data/footage/shown.ts";
import type { Video } from "../data/footage/video.ts";
import type { BoxRule } from "../data/pixels/boxes.ts";
import { FormatError } from "../engine/errors.ts";
import { type BoxFile, isBoxFile, readBoxFile } from "./box-files.ts";
import type { FilmFile } from "./films.ts";
import type { FilmFacts } from "./probe.ts";
import { boxWithin, type PeopleSource, type Seen, type SeenBox, type Sight } from "./seen.ts";

/** How files of boxes are read. */
export interface BoxFileOptions {
  readonly fps: number;
  readonly boxRule: BoxRule | "pixels";
  /** Frames a second that numbers in files count; else those of the film, or `fps` of names like 00000018.jpg. */
  readonly boxesFps?: number;
}

const BYTES = 2 ** 28;

/** The people of a file beside the film; undefined where there is none. */
export async function peopleBeside(
  film: FilmFile,
  facts: FilmFacts,
  open: () => Promise<Video>,
  options: BoxFileOptions,
): Promise<PeopleSource | undefined> {
  const [path, other] = film.beside.filter(isBoxFile);
  if (path === undefined) return undefined;
  if (other !== undefined) throw new FormatError(`${film.name}: has two files of boxes: ${path}, ${other}; remove one`);
  return peopleIn(path, facts, open, options);
}

/** The people of a file of boxes. */
export async function peopleIn(
  path: string,
  facts: FilmFacts,
  open: () => Promise<Pick<Video, "seconds">>,
  options: BoxFileOptions,
): Promise<PeopleSource> {
  const { bytes, name } = await readUserFile(path, BYTES);
  const { fps, boxRule, boxesFps } = options;
  const stamp = createHash("sha256")
    .update(bytes)
    .update(JSON.stringify([boxRule, boxesFps, fps]))
    .digest("hex");
  let read: BoxFile | undefined;
  const see = async (looks: readonly number[]): Promise<Sight> => {
    const file = (read ??= readBoxFile(bytes, name, facts, boxRule));
    const frames = await framesOf(file, name, facts, open, looks, options);
    const within = (boxes: readonly SeenBox[], frame: number) =>
      boxes.map((seen) => ({ ...seen, box: boxWithin(seen.box, facts, `${name}: frame ${frame}`) }));
    const seen: Seen = new Map(looks.map((look, i) => [look, within(file.frames.get(frames[i]) ?? [], frames[i])]));
    return { seen, unknown: file.listsAll ? frames.filter((frame) => !file.frames.has(frame)).length : 0 };
  };
  return { name, stamp, see };
}

/** The number, as the file counts, of the frame that each look shows. */
async function framesOf(
  { frames, counted }: BoxFile,
  name: string,
  facts: FilmFacts,
  open: () => Promise<Pick<Video, "seconds">>,
  looks: readonly number[],
  { fps, boxesFps }: BoxFileOptions,
): Promise<number[]> {
  const rate = boxesFps ?? (counted === "extracted" ? fps : undefined);
  const count = rate === undefined ? facts.frames : Math.ceil(facts.seconds * rate);
  const last = [...frames.keys()].reduce((most, frame) => Math.max(most, frame), 0);
  if (last > count + (rate ?? 1))
    throw new FormatError(
      `${name}: has boxes of frame ${last}, but there are ${count} frames${rate === undefined ? "" : ` at ${rate} a second`}; --boxes-fps says how many a second it counts`,
    );
  if (rate !== undefined) return looks.map((look) => Math.floor((look / fps) * rate + 1e-6));
  const { seconds = [] } = await open();
  const shown = framesShown(seconds, 0, fps, (looks.at(-1) ?? -1) + 1);
  return looks.map((look) => shown[look]);
}
