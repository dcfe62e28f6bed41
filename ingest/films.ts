// The films of a folder, and the files beside them that belong to each by name.
import { createHash } from "node:crypto";
import { readdir, stat } from "node:fs/promises";
import { basename, dirname, extname, join } from "node:path";
import { FormatError } from "../engine/errors.ts";
import { naturally } from "../data/footage/files.ts";
import { quoted } from "../data/formats/json.ts";
import { refuse } from "../data/formats/regular.ts";

/** What is taken for a film, or for sound that somebody may have meant as one. */
const FILM = /\.(mp4|m4v|mov|mkv|webm|avi|ts|m2ts|mts|mpe?g|flv|ogv|wmv|asf|3gp)$/i;
const SOUND = /\.(wav|mp3|m4a|aac|flac|ogg|opus|wma)$/i;
/** Films of one call. */
const MOST = 100_000;

/** A film and what lies beside it. */
export interface FilmFile {
  /** Its path below the folder. */
  readonly name: string;
  readonly path: string;
  /** Begins the keys of its clips: letters, digits and some signs. */
  readonly key: string;
  /** Its size and time, which stand for its content. */
  readonly stamp: string;
  /** Why it cannot be a film, as a link to nowhere. */
  readonly fault?: string;
  /** Paths of files whose names begin with the film's: `talk.srt`, `talk.en.vtt`, `talk.mp4.json`. */
  readonly beside: readonly string[];
}

/** What a folder holds. */
export interface FilmFolder {
  readonly films: readonly FilmFile[];
  /** Files that belong to no film. */
  readonly passedOver: number;
}

/** Finds the films below a folder, in natural order. */
export async function filmsIn(folder: string): Promise<FilmFolder> {
  const names = (await filesBelow(folder)).sort(naturally);
  const stems = new Set(names.filter((name) => FILM.test(name)).map(stemOf));
  const isFilm = (name: string) => FILM.test(name) || (SOUND.test(name) && !stems.has(stemOf(name)));
  const found = names.filter(isFilm);
  if (found.length === 0)
    throw new FormatError(
      `${quoted(folder).slice(1, -1)}: no film among ${names.length} files; films end in .mp4, .mkv, .mov, .webm, .avi and the like`,
    );
  if (found.length > MOST) throw new FormatError(`${folder}: ${found.length} films, allowed are ${MOST}`);
  const keys = new Keys();
  const beginning = byBeginning(names);
  const besideOf = (name: string) => beginning.get(stemOf(name)) ?? [];
  const films: FilmFile[] = [];
  for (const name of found) {
    const path = join(folder, name);
    const beside = besideOf(name).map((other) => join(folder, other));
    films.push({ name, path, key: keys.of(name), beside, ...(await stampOf(path, name)) });
  }
  const taken = new Set([...found, ...found.flatMap(besideOf)]);
  const isOfFilm = (name: string) => taken.has(name) || (SOUND.test(name) && stems.has(stemOf(name)));
  return { films, passedOver: names.filter((name) => !isOfFilm(name)).length };
}

/** One film, and what lies beside it. */
export async function filmAt(path: string): Promise<FilmFile> {
  const [folder, name] = [dirname(path), basename(path)];
  const { stamp, fault } = await stampOf(path, name);
  if (fault !== undefined) throw new FormatError(fault);
  const names = (await readdir(folder).catch((error) => refuse(basename(folder), error))).sort(naturally);
  const beside = (byBeginning(names).get(stemOf(name)) ?? []).map((other) => join(folder, other));
  return { name, path, key: new Keys().of(name), stamp, beside };
}

/** What stands for a film's content; a pipe or a device would never end. */
async function stampOf(path: string, name: string): Promise<{ stamp: string; fault?: string }> {
  try {
    const found = await stat(path).catch((error) => refuse(quoted(name).slice(1, -1), error));
    const stamp = `${found.size} ${found.mtimeMs}`;
    return found.isFile() ? { stamp } : { stamp, fault: `${quoted(name).slice(1, -1)}: not a regular file` };
  } catch (error) {
    if (error instanceof FormatError) return { stamp: "", fault: error.message };
    throw error;
  }
}

/** All files below a folder; hidden ones and links to folders are none. */
async function filesBelow(folder: string, below = ""): Promise<string[]> {
  const entries = await readdir(join(folder, below), { withFileTypes: true }).catch((error) =>
    refuse(basename(folder), error),
  );
  const found: string[] = [];
  for (const entry of entries) {
    if (entry.name.startsWith(".")) continue;
    const name = join(below, entry.name);
    if (entry.isDirectory()) found.push(...(await filesBelow(folder, name)));
    else found.push(name);
  }
  return found;
}

const stemOf = (name: string): string => name.slice(0, name.length - extname(name).length);

/** Files that are no films, by what their paths begin with, up to each dot or hyphen of their names. */
function byBeginning(names: readonly string[]): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const name of names) {
    if (FILM.test(name) || SOUND.test(name)) continue;
    for (let at = name.length - basename(name).length; at < name.length; at++) {
      if (name[at] !== "." && name[at] !== "-") continue;
      const beginning = name.slice(0, at);
      const same = found.get(beginning);
      if (same) same.push(name);
      else found.set(beginning, [name]);
    }
  }
  return found;
}

/** Keys of films, each once. */
class Keys {
  private readonly given = new Set<string>();

  of(name: string): string {
    const plain = name.slice(-100).replace(/[^\w/@+,-]/g, "+");
    const mark = createHash("sha256").update(name).digest("hex").slice(0, 8);
    const key = this.given.has(plain.toLowerCase()) ? `${plain}-${mark}` : plain;
    this.given.add(key.toLowerCase());
    return key.replace(/^\/+/, "");
  }
}
