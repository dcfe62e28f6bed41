// Which films are held out. A film's side depends on its name alone, so that another one beside it changes nothing, and all clips
// of a film stand on one side.
import { createHash } from "node:crypto";
import { nearest, UsageError } from "../engine/errors.ts";
import { quoted } from "../data/formats/json.ts";

export type FilmSide = "train" | "test";

/** How films are divided: named ones, or a share of them. */
export interface SplitOptions {
  readonly test?: readonly string[];
  readonly heldOut: number;
}

/**
 * The side of each film. By share: those whose name's hash is below it; where that leaves a side empty, the film nearest to it.
 * Errors: UsageError for a name that is no film.
 */
export function sidesOf(films: readonly string[], { test, heldOut }: SplitOptions): Map<string, FilmSide> {
  const isTest = test ? named(films, test) : drawn(films, heldOut);
  return new Map(films.map((film) => [film, isTest(film) ? "test" : "train"]));
}

function named(films: readonly string[], test: readonly string[]): (film: string) => boolean {
  const stem = (name: string) => name.replace(/\.\w+$/, "");
  for (const name of test) {
    if (films.some((film) => film === name || stem(film) === name)) continue;
    const near = nearest(name, films);
    throw new UsageError(
      `--test ${quoted(name)}: no film of that name has clips${near ? `; did you mean ${near}?` : ""}`,
    );
  }
  return (film) => test.includes(film) || test.includes(stem(film));
}

function drawn(films: readonly string[], share: number): (film: string) => boolean {
  if (share === 0 || films.length < 2) return () => false;
  const places = new Map(films.map((film) => [film, placeOf(film)]));
  const order = [...films].sort((a, b) => places.get(a)! - places.get(b)!);
  const below = order.filter((film) => places.get(film)! < share).length;
  const test = new Set(order.slice(0, Math.min(films.length - 1, Math.max(1, below))));
  return (film) => test.has(film);
}

/** From 0 to 1, the same for a name everywhere. */
const placeOf = (film: string): number => createHash("sha256").update(film).digest().readUInt32BE() / 2 ** 32;
