// What came of films, for the page, the JSON and the eyes of whoever trains on it.
import type { ShardEntry, ShardIndex } from "../data/shards/index-file.ts";
import type { CueFaults } from "./cues.ts";
import type { FilmSide } from "./splits.ts";

/** What came of a film. */
export interface FilmReport {
  readonly film: string;
  /** Where its words are from. */
  readonly words: string;
  readonly seconds: number;
  readonly notes: readonly string[];
  /** CueFaults of its cues. */
  readonly faults: CueFaults;
  readonly sentences: number;
  readonly kept: number;
  /** Sentences that are no clips, by reason. */
  readonly dropped: Readonly<Record<string, number>>;
  /** The first of those that could not be made. */
  readonly unfit: readonly string[];
  readonly cuts: number;
  /** Seconds of each clip. */
  readonly durations: readonly number[];
  readonly shards: readonly ShardEntry[];
  readonly people?: PeopleReport;
}

/** Who was seen in the frames of a film's sentences. */
export interface PeopleReport {
  readonly source: string;
  /** Frames with no, one, two, … boxes. */
  readonly boxes: readonly number[];
  readonly tracks: number;
  /** Frames of which the source tells nothing. */
  readonly unknown: number;
  /** Boxes whose numbers of people, told by the source, are not used, since others have none. */
  readonly renumbered?: number;
}

/** What came of a folder. */
export interface Ingested {
  readonly films: readonly FilmReport[];
  readonly leftOut: readonly { readonly film: string; readonly why: string }[];
  /** Files that belong to no film. */
  readonly passedOver: number;
  readonly splits: readonly ShardIndex[];
  readonly sides?: ReadonlyMap<string, FilmSide>;
  /** Where the sentiment is from. */
  readonly sentiment: string;
}

/** Sums of the films. */
export function totalsOf(films: readonly FilmReport[]) {
  const dropped: Record<string, number> = {};
  for (const film of films)
    for (const [reason, n] of Object.entries(film.dropped)) dropped[reason] = (dropped[reason] ?? 0) + n;
  const sum = (of: (film: FilmReport) => number) => films.reduce((all, film) => all + of(film), 0);
  return { seconds: sum((f) => f.seconds), sentences: sum((f) => f.sentences), kept: sum((f) => f.kept), dropped };
}
