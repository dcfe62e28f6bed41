// JSON of programs that hear what is said -> cues: WhisperX, whisper.cpp (-oj, -ojf), and lists of lines as YouTube's are kept.
import { Fields } from "../data/formats/fields.ts";
import { isObject, type Json, parseJson } from "../data/formats/json.ts";
import { FormatError } from "../engine/errors.ts";
import { type Cue, type CueFile, type CueWord, MOST_CUES } from "./cues.ts";

/** Where a time may lie, in seconds: a week. */
const LATEST = 604_800;
const BYTES = 64 * 2 ** 20;

/** The cues of a transcript, told apart by its fields. Errors: FormatError for anything else. */
export function readTranscript(bytes: Uint8Array, name: string): CueFile {
  const top = parseJson(bytes, name, BYTES);
  const [kind, list] = listIn(top, name);
  if (list.length > MOST_CUES)
    throw new FormatError(`${name}: has ${list.length} ${kind}, allowed are ${MOST_CUES}; is it of one film?`);
  const cues: Cue[] = [];
  const unread: string[] = [];
  for (const [i, value] of list.entries()) {
    const read = readers[kind](new Fields(value, name, `${kind}[${i}]`));
    const isTimed = read.end > read.start;
    if (isTimed) cues.push(read);
    else unread.push(`${name}: ${kind}[${i}] runs backwards or lasts no time`);
  }
  if (list.length === 0) throw new FormatError(`${name}: has no ${kind}`);
  return { cues, unread };
}

type Kind = "segments" | "transcription" | "lines";

function listIn(top: Json, name: string): [Kind, readonly Json[]] {
  if (Array.isArray(top)) return ["lines", top];
  for (const kind of ["segments", "transcription"] as const)
    if (isObject(top) && Array.isArray(top[kind])) return [kind, top[kind]];
  const has = isObject(top) ? Object.keys(top).slice(0, 8).join(", ") : "no object";
  throw new FormatError(
    `${name}: is no transcript: expected "segments" (WhisperX), "transcription" (whisper.cpp) or a list of lines, received ${has}`,
  );
}

const seconds = (fields: Fields, key: string) => fields.real(key, 0, LATEST);
const linesOf = (fields: Fields, key = "text") =>
  fields
    .text(key, { max: 2 ** 16 })
    .split("\n")
    .map((line) => line.trim());

const readers: Record<Kind, (fields: Fields) => Cue> = {
  segments: (fields) => ({
    ...{ start: seconds(fields, "start"), end: seconds(fields, "end"), lines: linesOf(fields) },
    ...(fields.has("words") && { words: wordsIn(fields) }),
    ...(typeof fields.get("speaker") === "string" && { speaker: fields.text("speaker") }),
  }),
  transcription: (fields) => {
    const offsets = new Fields(fields.get("offsets"), fields.name, `${fields.path}.offsets`);
    const at = (key: string) => offsets.real(key, 0, 1000 * LATEST) / 1000; // they are in ms
    return { start: at("from"), end: at("to"), lines: linesOf(fields) };
  },
  lines: (fields) => {
    const start = seconds(fields, "start");
    return { start, end: start + seconds(fields, "duration"), lines: linesOf(fields) };
  },
};

/** Words that could not be aligned have no times: then those of the segment are shared. */
function wordsIn(fields: Fields): CueWord[] | undefined {
  const all = fields.list("words", 0, 10_000).map((value, i) => {
    const word = new Fields(value, fields.name, `${fields.path}.words[${i}]`);
    if (!word.has("start") || !word.has("end")) return undefined;
    return { word: word.text("word").trim(), start: seconds(word, "start"), end: seconds(word, "end") };
  });
  return all.some((word) => word === undefined) ? undefined : (all as CueWord[]);
}
