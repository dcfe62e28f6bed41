// What is said in a film, beside what is seen: subtitles that a user names, or that lie beside the film or inside of it.
import type { Command } from "commander";
import { isFolder } from "../data/footage/files.ts";
import type { Reel } from "../data/footage/reel.ts";
import { lengthOf } from "../data/footage/windows.ts";
import { UsageError } from "../engine/errors.ts";
import { checkCues } from "../ingest/cues.ts";
import { filmAt } from "../ingest/films.ts";
import { probeFilm } from "../ingest/probe.ts";
import { chooseSubtitles, subtitleFile, type SubtitleSource } from "../ingest/subtitles.ts";
import type { OpenedFilm } from "./film.ts";

export interface WordFlags {
  readonly subtitles?: string;
  readonly language?: string;
  readonly encoding?: string;
}

export const withWords = (command: Command): Command =>
  withSubtitleChoice(
    command.option(
      "--subtitles <file>",
      ".srt, .vtt, or .json of WhisperX or whisper.cpp; none for none (default: those beside the film or inside of it)",
    ),
  );

/** The flags that choose among a film's subtitles. */
export const withSubtitleChoice = (command: Command): Command =>
  command
    .option("--language <code>", "which subtitles, as in talk.en.srt or a stream's language")
    .option("--encoding <name>", "of subtitles that are not UTF-8, as in windows-1252", encodingOf);

function encodingOf(text: string): string {
  try {
    return new TextDecoder(text).encoding;
  } catch {
    throw new UsageError(
      `--encoding: "${text.slice(0, 40)}" is no encoding; as in windows-1252, iso-8859-2, shift_jis`,
    );
  }
}

/** A line of a film, in seconds. */
export interface Spoken {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** All lines, where they are from, and what had to be mended or left out. */
export interface FilmWords {
  readonly source: string;
  readonly lines: readonly Spoken[];
  readonly notes: readonly string[];
}

/** What is said in a film; undefined where there are no subtitles. Errors: FormatError for some that cannot be read. */
export async function filmWords(path: string, film: OpenedFilm, flags: WordFlags): Promise<FilmWords | undefined> {
  const found = await sourceOf(path, film.reel, flags);
  if (!found) return undefined;
  const { source, delay } = found;
  const { cues, faults } = checkCues(await source.read(), lengthOf(film.seconds), source.name, delay);
  const lines = cues.map(({ start, end, lines, speaker }) => ({
    start,
    end,
    text: `${speaker === undefined ? "" : `${speaker}: `}${lines.join(" ")}`,
  }));
  const notes = Object.entries(faults).map(
    ([kind, { count, first }]) => `subtitles: ${kind} ${count} times (${first})`,
  );
  const unread = source.others.length > 0 ? [`subtitles of ${source.name}; not read: ${source.others.join(", ")}`] : [];
  return { source: source.name, lines, notes: [...unread, ...notes] };
}

/** The words, and how much later than they are timed from the first picture comes, in seconds. */
async function sourceOf(
  path: string,
  reel: Reel,
  flags: WordFlags,
): Promise<{ source: SubtitleSource; delay: number } | undefined> {
  const { subtitles, language, encoding } = flags;
  if (subtitles !== undefined && language !== undefined) throw new UsageError("--language: --subtitles names the file");
  if (subtitles === "none") return undefined;
  const film = (await isFolder(path)) || !reel.seconds ? undefined : await filmAt(path);
  const facts = film && (await probeFilm(path, film.name, reel));
  const source =
    subtitles !== undefined
      ? await subtitleFile(subtitles, { encoding })
      : film && (await chooseSubtitles(film, facts!, { language, encoding }));
  return source && { source, delay: facts?.delay ?? 0 };
}
