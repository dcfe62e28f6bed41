// Where a film's words come from: a file beside it, or a stream inside. One source is read, and the others are named.
import { createHash } from "node:crypto";
import { basename } from "node:path";
import { input, outputOf } from "../data/footage/ffmpeg.ts";
import { readUserFile } from "../data/footage/files.ts";
import { quoted } from "../data/formats/json.ts";
import { FormatError } from "../engine/errors.ts";
import { readCaptions } from "./captions.ts";
import type { CueFile } from "./cues.ts";
import type { FilmFile } from "./films.ts";
import type { FilmFacts, SubtitleStream } from "./probe.ts";
import { readTranscript } from "./transcripts.ts";

/** How subtitles are chosen and read. */
export interface SubtitleOptions {
  /** As in `talk.en.srt`, or as a stream's language. */
  readonly language?: string;
  /** Of files that are not UTF-8, as in windows-1252. */
  readonly encoding?: string;
}

/** A chosen source. */
export interface SubtitleSource {
  /** As messages call it. */
  readonly name: string;
  /** Changes with its content. */
  readonly stamp: string;
  /** What else there was. */
  readonly others: readonly string[];
  read(): Promise<CueFile>;
}

const BYTES = 64 * 2 ** 20;
/** Kinds of files, the ones with times of words first. What other files beside a film are called is not theirs. */
const KINDS = [".json", ".vtt", ".srt"] as const;
const NOT_WORDS = /\.(boxes|coco|sentiment|report)\.json$/i;
/** Streams that are text; others are pictures. */
const TEXT = ["subrip", "srt", "ass", "ssa", "mov_text", "webvtt", "text"];

/** Chooses the words of a film. Errors: FormatError where there are none. */
export async function findSubtitles(
  film: FilmFile,
  facts: Pick<FilmFacts, "subtitles">,
  options: SubtitleOptions,
): Promise<SubtitleSource> {
  const found = await chooseSubtitles(film, facts, options);
  if (found) return found;
  throw new FormatError(`${film.name}: has no subtitles${instead(film, facts.subtitles, options.language)}`);
}

/** The same; undefined where there are none. */
export async function chooseSubtitles(
  film: FilmFile,
  { subtitles }: Pick<FilmFacts, "subtitles">,
  options: SubtitleOptions,
): Promise<SubtitleSource | undefined> {
  const { language } = options;
  const files = filesOf(film);
  const spoken = language === undefined ? files : files.filter((path) => isIn(path, language));
  if (spoken.length > 0) return subtitleFile(spoken[0], options, files);
  const texts = subtitles.filter(({ codec }) => TEXT.includes(codec));
  const streams = language === undefined ? texts : texts.filter((stream) => stream.language === language);
  return streams.length > 0 ? fromStream(film, streams[0], texts) : undefined;
}

const filesOf = ({ beside }: FilmFile): string[] =>
  KINDS.flatMap((kind) => beside.filter((path) => isKind(path, kind)));

const isKind = (path: string, kind: string): boolean => path.toLowerCase().endsWith(kind) && !NOT_WORDS.test(path);

/** `talk.en.srt` is in en. */
const isIn = (path: string, language: string): boolean =>
  basename(path).toLowerCase().split(".").slice(1, -1).includes(language.toLowerCase());

/** What there is instead, and what to do. */
function instead(film: FilmFile, streams: readonly SubtitleStream[], language: string | undefined): string {
  const pictures = streams.filter(({ codec }) => !TEXT.includes(codec)).map(({ codec }) => codec);
  const other = language !== undefined && (filesOf(film).length > 0 || streams.length > 0);
  const stem = basename(film.name).replace(/\.\w+$/, "");
  return [
    ...(other ? [` in the language ${quoted(language)}`] : []),
    ...(pictures.length > 0 ? [`; its streams are pictures of text (${pictures.join(", ")})`] : []),
    `: put ${quoted(`${stem}.srt`)}, .vtt or the .json of WhisperX or whisper.cpp beside it`,
  ].join("");
}

/** One file of words; `all` are those there were. Errors: FormatError for one that cannot be read. */
export async function subtitleFile(
  path: string,
  { encoding }: SubtitleOptions,
  all: readonly string[] = [],
): Promise<SubtitleSource> {
  const { bytes, name } = await readUserFile(path, BYTES);
  const type = path.toLowerCase().endsWith(".vtt") ? "vtt" : "srt";
  return {
    name,
    stamp: `${createHash("sha256").update(bytes).digest("hex")} ${encoding ?? ""}`,
    others: all.filter((other) => other !== path).map((other) => basename(other)),
    read: async () =>
      path.toLowerCase().endsWith(".json")
        ? readTranscript(bytes, name)
        : readCaptions(decoded(bytes, name, encoding), type, name),
  };
}

/** UTF-8, UTF-16 where its mark says so, or what the user says. A wrong guess would be silent, so none is made. */
function decoded(bytes: Uint8Array, name: string, encoding: string | undefined): string {
  const mark =
    bytes[0] === 0xff && bytes[1] === 0xfe
      ? "utf-16le"
      : bytes[0] === 0xfe && bytes[1] === 0xff
        ? "utf-16be"
        : undefined;
  const label = mark ?? encoding ?? "utf-8";
  if (label === "utf-8" && bytes.subarray(0, 1000).includes(0))
    throw new FormatError(
      `${name}: has bytes of 0, as UTF-16 without its mark has; if it is that, --encoding utf-16le or utf-16be says so`,
    );
  try {
    return new TextDecoder(label, { fatal: true }).decode(bytes);
  } catch {
    throw new FormatError(
      `${name}: is not valid ${label}; say how it is encoded, as in --encoding windows-1252, or save it as UTF-8`,
    );
  }
}

async function fromStream(
  film: FilmFile,
  stream: SubtitleStream,
  all: readonly SubtitleStream[],
): Promise<SubtitleSource> {
  const shown = ({ index, codec, language }: SubtitleStream) =>
    `stream ${index} (${codec}${language && `, ${language}`})`;
  const name = `${film.name}: ${shown(stream)}`;
  return {
    name,
    stamp: `${film.stamp} ${stream.index}`,
    others: all.filter(({ index }) => index !== stream.index).map(shown),
    read: async () => readCaptions(await textOf(film.path, stream, name), "srt", name),
  };
}

async function textOf(path: string, { index }: SubtitleStream, name: string): Promise<string> {
  const args = ["-nostdin", ...input(path, "cut"), "-map", `0:${index}`, "-f", "srt", "pipe:1"];
  const chunks: Uint8Array[] = [];
  for await (const chunk of outputOf({ program: "ffmpeg", args, name, care: "cut", limit: BYTES })) chunks.push(chunk);
  return decoded(Buffer.concat(chunks), name, undefined);
}
