// `emotionclip encode` with rows of windows or frames: all into one file, or a .npy for each film, which a later call goes on with.
import { createHash } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { basename, extname, join, resolve } from "node:path";
import { orMissing } from "../data/formats/cause.ts";
import { makeFolder, replaceFile } from "../data/formats/disk.ts";
import { refuse } from "../data/formats/regular.ts";
import { npyBytes } from "../data/formats/npy.ts";
import { parseJson } from "../data/formats/json.ts";
import type { SubjectBoxes } from "../data/footage/boxes.ts";
import { isFolder, picturesIn, shownName } from "../data/footage/files.ts";
import { type Meter, Stopped, type StopRequest } from "../data/threads/long-work.ts";
import { FormatError, HealthError } from "../engine/errors.ts";
import { joinRows, type Matrix } from "../eval/matrix.ts";
import type { VideoText } from "../model/family.ts";
import { openFilm } from "./film.ts";
import { checkKind } from "./inputs.ts";
import { type FilmRowFlags, type FilmRows, filmRows } from "./film-rows.ts";

/** Films and how they are encoded. */
export interface FilmWork {
  readonly kind: "video" | "frames";
  readonly paths: readonly string[];
  /** Of each film; none where nobody is marked. */
  readonly subjects: readonly SubjectBoxes[];
  readonly flags: FilmRowFlags;
  /** What rows depend on beside the film: the checkpoint and the flags. */
  readonly stamp: string;
}

/** A film's rows as JSON has them. */
export interface FilmEntry extends Omit<FilmRows, "features"> {
  /** The name of its file, where it has one. */
  readonly file?: string;
  readonly input: string;
}

const entryOf = (input: string, { times, unseen, short }: FilmRows): FilmEntry => ({ input, times, unseen, short });

/** The rows of film `i`, which is opened for them. */
async function rowsOf(
  model: VideoText,
  work: FilmWork,
  i: number,
  progress: Meter,
  stop: StopRequest,
): Promise<FilmRows> {
  const { paths, subjects, flags } = work;
  const film = await openFilm(paths[i], flags, flags.rows === "frame" ? "single" : model.takes.frames);
  return filmRows(model, film, subjects[i], flags, stop, (share) => progress.at(i + share));
}

/** What films came to. */
export interface EncodedFilms {
  readonly films: readonly FilmEntry[];
  /** All rows, where they go into one file. */
  readonly features?: Matrix;
  /** Films that cannot be read, and why. */
  readonly bad: readonly { readonly input: string; readonly reason: string }[];
  /** Of the films, those that an earlier call had encoded. */
  readonly kept: number;
}

/** All rows, film after film. Errors: Stopped, and those of a film, which end the work. */
export async function encodeFilms(
  model: VideoText,
  work: FilmWork,
  progress: Meter,
  stop: StopRequest,
): Promise<EncodedFilms> {
  const { paths } = work;
  progress.start("encode", paths.length);
  const parts: Float32Array[] = [];
  const films: FilmEntry[] = [];
  for (const [i, path] of paths.entries()) {
    const rows = await rowsOf(model, work, i, progress, stop);
    parts.push(rows.features.data as Float32Array);
    films.push(entryOf(path, rows));
  }
  const count = films.reduce((sum, { times }) => sum + times.length, 0);
  return { films, features: joinRows(parts, count, model.embed), bad: [], kept: 0 };
}

/** Where films' own files go, and which share of the films may be unreadable. */
interface Apart {
  readonly folder: string;
  readonly maxBad: number;
}

/**
 * A .npy for each film in a folder, with its rows' times beside it. What an earlier call with the same checkpoint, flags and film has
 * written is kept. Errors: Stopped, and HealthError where too many of the films cannot be read.
 */
export async function encodeFilmsApart(
  model: VideoText,
  work: FilmWork,
  { folder, maxBad }: Apart,
  progress: Meter,
  stop: StopRequest,
): Promise<EncodedFilms> {
  const { kind, paths, stamp } = work;
  await makeFolder(folder);
  progress.start("encode", paths.length);
  const names = new Names();
  const films: FilmEntry[] = [];
  const bad: { input: string; reason: string }[] = [];
  let kept = 0;
  const make = async (i: number, file: string, of: string): Promise<FilmEntry> => {
    await checkKind(kind, paths[i]);
    const rows = await rowsOf(model, work, i, progress, stop);
    const entry = { file, ...entryOf(paths[i], rows) };
    const { sha256 } = await replaceFile(join(folder, file), npyBytes([rows.features]));
    await replaceFile(join(folder, `${file}.json`), `${JSON.stringify({ ...entry, of, sha256 }, undefined, 1)}\n`);
    return entry;
  };
  for (const [i, path] of paths.entries()) {
    if (stop.requested !== undefined) throw new Stopped();
    const file = names.of(path);
    try {
      const of = sumOf(JSON.stringify([stamp, await stampOf(path)]));
      const known = await recall(folder, file, of);
      if (known) kept++;
      films.push(known ?? (await make(i, file, of)));
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      bad.push({ input: path, reason: error.message });
      progress.say(error.message);
      if (bad.length <= maxBad * paths.length) continue;
      throw new HealthError(
        `${bad.length} of ${paths.length} films cannot be read, allowed are ${100 * maxBad} % (--max-bad); the last: ${error.message}`,
      );
    }
  }
  return { films, bad, kept };
}

const sumOf = (text: string | Uint8Array): string => createHash("sha256").update(text).digest("hex");

/** What stands for a film's content: its place, size and time; of a folder that of all its pictures. */
async function stampOf(path: string): Promise<string> {
  const paths = (await isFolder(path)) ? await picturesIn(path) : [path];
  const facts = await Promise.all(paths.map((each) => stat(each).catch((error) => refuse(shownName(each), error))));
  return sumOf(JSON.stringify([resolve(path), facts.map(({ size, mtimeMs }) => [size, mtimeMs])]));
}

/** What stands for files that flags name: their sizes and times. */
export async function stampOfFiles(paths: readonly string[]): Promise<unknown> {
  const facts = await Promise.all(paths.map((path) => stat(path).catch(() => undefined)));
  return facts.map((fact, i) => [paths[i], fact?.size, fact?.mtimeMs]);
}

/** What an earlier call has written of the same; its file is written before its JSON. */
async function recall(folder: string, file: string, of: string): Promise<FilmEntry | undefined> {
  const path = join(folder, `${file}.json`);
  const bytes = await readFile(path).catch(orMissing(path));
  if (!bytes) return undefined;
  try {
    const {
      of: had,
      sha256,
      ...entry
    } = parseJson(bytes, path) as unknown as FilmEntry & Record<"of" | "sha256", string>;
    if (had !== of) return undefined;
    return sumOf(await readFile(join(folder, file))) === sha256 ? entry : undefined;
  } catch {
    return undefined; // cut off, or not ours: made anew
  }
}

/** Names of the files of films, each once: `talk.npy`, and where there are several talks, more. */
class Names {
  readonly #given = new Set<string>();

  of(path: string): string {
    const name = shownName(path);
    const stem = name.slice(0, name.length - extname(name).length) || name;
    const mark = sumOf(resolve(path)).slice(0, 8);
    const file = `${this.#given.has(stem.toLowerCase()) ? `${stem}-${mark}` : stem}.npy`;
    this.#given.add(stem.toLowerCase());
    return basename(file);
  }
}
