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
  const films: FilmFile[] = [];
  for (const name of found) {
    const path = join(folder, name);
    const { size, mtimeMs } = await stat(path).catch((error) => refuse(name, error));
    const beside = names.filter((other) => belongs(other, name)).map((other) => join(folder, other));
    films.push({ name, path, key: keys.of(name), stamp: stampOf(size, mtimeMs), beside });
  }
  const taken = new Set([...found, ...names.filter((name) => stems.has(stemOf(name)) || SOUND.test(name))]);
  const isBeside = (name: string) => found.some((film) => belongs(name, film));
  return { films, passedOver: names.filter((name) => !taken.has(name) && !isBeside(name)).length };
}

/** One film, and what lies beside it. */
export async function filmAt(path: string): Promise<FilmFile> {
  const [folder, name] = [dirname(path), basename(path)];
  const { size, mtimeMs } = await stat(path).catch((error) => refuse(name, error));
  const names = (await readdir(folder).catch((error) => refuse(basename(folder), error))).sort(naturally);
  const beside = names.filter((other) => belongs(other, name)).map((other) => join(folder, other));
  return { name, path, key: new Keys().of(name), stamp: stampOf(size, mtimeMs), beside };
}

const stampOf = (size: number, modified: number): string => `${size} ${modified}`;

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

/** Whether a file's name is the film's, with or without its extension, and something after a dot or a hyphen. */
function belongs(name: string, film: string): boolean {
  if (name === film || FILM.test(name) || SOUND.test(name) || dirname(name) !== dirname(film)) return false;
  const stem = stemOf(film);
  return name.startsWith(stem) && /^[.-]/.test(name.slice(stem.length));
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
