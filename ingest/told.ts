// What a film tells before a picture of it is looked at: its facts, its sentences, and which of them may become clips.
import type { Video } from "../data/footage/video.ts";
import { labels } from "../data/sets/labels.ts";
import { isDuplicate } from "../data/official/build-index.ts";
import { FormatError } from "../engine/errors.ts";
import { checkCues, type CueFaults } from "./cues.ts";
import type { FilmFile } from "./films.ts";
import { type FilterOptions, textFault } from "./filters.ts";
import { type Looks, looksOf } from "./frames.ts";
import { type FilmFacts, probeFilm } from "./probe.ts";
import type { Records } from "./records.ts";
import { groupSentences, type SpokenSentence } from "./sentences.ts";
import { findSubtitles, type SubtitleOptions } from "./subtitles.ts";

export interface ToldOptions extends SubtitleOptions, FilterOptions {
  readonly fps: number;
  /** Seconds of silence that end a sentence. */
  readonly pause: number;
}

/** A sentence that may become a clip. */
export interface Candidate extends SpokenSentence {
  /** Its number among the film's sentences, from 1. */
  readonly number: number;
  readonly looks: Looks;
}

/** What is known of a film's words. */
export interface ToldFilm {
  readonly film: FilmFile;
  readonly facts: FilmFacts;
  readonly notes: readonly string[];
  /** Where its words are from. */
  readonly words: string;
  readonly faults: CueFaults;
  readonly sentences: number;
  readonly dropped: Readonly<Record<string, number>>;
  readonly candidates: readonly Candidate[];
}

const duplicates = new Set(labels.bold_duplicate_youtube_ids);

/** Reads a film's words. Errors: FormatError where there are no pictures or no words. */
export async function toldFilm(
  film: FilmFile,
  open: () => Promise<Video>,
  records: Records,
  options: ToldOptions,
): Promise<ToldFilm> {
  refuseDuplicate(film);
  const facts = await records.keep("probe", film.stamp, async () => probeFilm(film.path, film.name, await open()));
  const source = await findSubtitles(film, facts, options);
  const said = await records.keep("words", [source.stamp, facts.seconds, facts.delay, options.pause], async () => {
    const { cues, faults } = checkCues(await source.read(), facts.seconds, source.name, facts.delay);
    return { faults, ...groupSentences(cues, options.pause) };
  });
  if (said.words === 0) throw new FormatError(`${source.name}: has no word`);
  return {
    ...{ film, facts, words: source.name, faults: said.faults },
    notes: [...facts.notes, ...notesOn(said, source.others)],
    ...sorted(said.sentences, facts.seconds, options),
  };
}

/** BoLD, on which models are measured, shows some films of the paper's set; they are called as there. */
function refuseDuplicate({ name }: FilmFile): void {
  const stem = name.replace(/^.*[\\/]/, "").replace(/\.\w+$/, "");
  if (isDuplicate(stem, duplicates))
    throw new FormatError(`${name}: BoLD has clips of this film, so that it must not be trained on`);
}

const notesOn = (
  { noises, isPunctuated }: { noises: number; isPunctuated: boolean },
  others: readonly string[],
): string[] => [
  ...(isPunctuated ? [] : ["its words have no punctuation: every cue counts as a sentence"]),
  ...(noises > 0 ? [`${noises} lines with "[" describe noises: left out`] : []),
  ...(others.length > 0 ? [`has other subtitles too, which are not read: ${others.join(", ")}`] : []),
];

function sorted(sentences: readonly SpokenSentence[], seconds: number, options: ToldOptions) {
  const dropped: Record<string, number> = {};
  const candidates: Candidate[] = [];
  for (const [i, sentence] of sentences.entries()) {
    const looks = looksOf(sentence, options.fps, seconds);
    const fault = textFault(sentence, looks, options);
    if (fault) dropped[fault] = (dropped[fault] ?? 0) + 1;
    else candidates.push({ ...sentence, number: i + 1, looks });
  }
  return { sentences: sentences.length, dropped, candidates };
}
