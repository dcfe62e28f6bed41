// What a file is that was given as a list of texts and is none: by its first bytes, its text, or the end of its name.
import { extname } from "node:path";

/** A kind, and what a person does with it. */
export interface Other {
  readonly kind: string;
  readonly advice: string;
}

const asLines = "write the texts into a .txt file, one a line";
const spoken = "write what is said into a .txt file, one text a line, without numbers and times";
const unpack = "unpack it and give a .txt file of one text a line";
const film = "for features of what it shows: emotionclip encode video";

const bytes = (text: string) => [...text].map((char) => char.charCodeAt(0));

/** First bytes (at an offset) of what is no text at all. */
const magic: readonly (readonly [first: readonly number[], at: number, kind: string, advice: string])[] = [
  [bytes("PK\x03\x04"), 0, "a zip archive (also .docx, .xlsx, .npz, .pt)", unpack],
  [[0x1f, 0x8b], 0, "gzip", unpack],
  [bytes("BZh"), 0, "bzip2", unpack],
  [[0xfd, 0x37, 0x7a, 0x58, 0x5a, 0], 0, "xz", unpack],
  [[0x28, 0xb5, 0x2f, 0xfd], 0, "zstd", unpack],
  [bytes("7z\xbc\xaf\x27\x1c"), 0, "a 7z archive", unpack],
  [bytes("Rar!"), 0, "a rar archive", unpack],
  [bytes("ustar"), 257, "a tar archive", unpack],
  [bytes("ftyp"), 4, "a video (MP4) or a picture of that family", film],
  [[0x1a, 0x45, 0xdf, 0xa3], 0, "a video (Matroska, WebM)", film],
  [bytes("AVI "), 8, "a video (AVI)", film],
  [bytes("OggS"), 0, "Ogg sound or video", film],
  [[0, 0, 1, 0xba], 0, "a video (MPEG)", film],
  [bytes("FLV"), 0, "a video (FLV)", film],
  [bytes("WAVE"), 8, "sound (WAV)", spoken],
  [bytes("ID3"), 0, "sound (MP3)", spoken],
  [bytes("fLaC"), 0, "sound (FLAC)", spoken],
  [bytes("\x89PNG"), 0, "a picture (PNG)", "encode images takes it"],
  [[0xff, 0xd8, 0xff], 0, "a picture (JPEG)", "encode images takes it"],
  [bytes("WEBP"), 8, "a picture (WebP)", "encode images takes it"],
  [bytes("GIF8"), 0, "a picture (GIF)", "encode video takes it"],
  [bytes("%PDF"), 0, "PDF", asLines],
  [bytes("{\\rtf"), 0, "RTF", "save it as plain text"],
  [[0xd0, 0xcf, 0x11, 0xe0], 0, "a document of an old Office", "save it as plain text"],
  [bytes("\x89HDF"), 0, "HDF5", asLines],
  [bytes("\x93NUMPY"), 0, "an array (.npy)", asLines],
  [bytes("\x7fELF"), 0, "a program", asLines],
];

/** These are letters; of others, text may begin with the same bytes. */
const plainKinds = new Set(["PDF", "RTF"]);

/** Whether the beginning has no character that text does not have. */
const isPlain = (head: Uint8Array) => !head.subarray(0, 4096).some((byte) => byte < 9 || (byte > 13 && byte < 32));

const utf8 = (kind: string): Other => ({ kind, advice: "save it as UTF-8" });

/** What bytes are that hold no lines of UTF-8; undefined where they may. */
export function otherThanText(head: Uint8Array): Other | undefined {
  const is = (first: readonly number[], at: number) => first.every((byte, i) => head[at + i] === byte);
  if (is([0xff, 0xfe, 0, 0], 0) || is([0, 0, 0xfe, 0xff], 0)) return utf8("UTF-32");
  if (is([0xff, 0xfe], 0) || is([0xfe, 0xff], 0)) return utf8("UTF-16");
  const known = isPlain(head) ? magic.filter(([, , kind]) => plainKinds.has(kind)) : magic;
  const found = known.find(([first, at]) => is(first, at));
  if (found) return { kind: found[2], advice: found[3] };
  const nul = head.indexOf(0);
  if (nul < 0) return undefined;
  return isWide(head)
    ? utf8("UTF-16 without a byte order mark")
    : { kind: `binary: byte ${nul} is NUL`, advice: asLines };
}

/** Every second byte of Latin letters in UTF-16 is 0. */
function isWide(head: Uint8Array): boolean {
  const some = head.subarray(0, 512);
  const zeros = [0, 1].map((side) => some.filter((byte, i) => i % 2 === side && byte === 0).length);
  return Math.max(...zeros) > 0.4 * (some.length / 2) && Math.min(...zeros) === 0 && some.length > 3;
}

/** What lines of text are that list no texts: subtitles, records, pages. */
export function otherThanLines(text: string, name: string): Other | undefined {
  const start = text.slice(0, 4096).trimStart();
  if (/^WEBVTT\b/.test(start)) return { kind: "subtitles (WebVTT)", advice: spoken };
  if (/^(\d+\s*\r?\n\s*)?\d{1,2}:\d{2}:\d{2}[,.]\d{1,3}\s*-->/.test(start))
    return { kind: "subtitles (SubRip)", advice: spoken };
  if (/^\[Script Info\]/i.test(start)) return { kind: "subtitles (Advanced SubStation)", advice: spoken };
  if (/^\{\d+\}\{\d+\}/.test(start) || /^\d{1,2}:\d{2}:\d{2}\.\d{3},\d{1,2}:\d{2}/.test(start))
    return { kind: "subtitles", advice: spoken };
  if (/^(<\?xml|<!doctype|<html)/i.test(start)) return { kind: "a page or XML", advice: asLines };
  return isJson(text) ? { kind: "JSON", advice: asLines } : byEnding[extname(name).toLowerCase()];
}

/** One document, or a document a line. */
function isJson(text: string): boolean {
  if (!/^\s*[[{]/.test(text)) return false;
  return parses(text) || parses(/[^\r\n]+/.exec(text)![0]);
}

function parses(text: string): boolean {
  try {
    return Object.keys(JSON.parse(text) ?? {}).length > 0; // a template may be {} alone
  } catch {
    return false;
  }
}

/** Files whose text may look like a list, but is called something else. */
const byEnding: Readonly<Record<string, Other>> = {
  ...Object.fromEntries(
    [".srt", ".vtt", ".ass", ".ssa", ".sub", ".sbv"].map((end) => [end, { kind: "subtitles", advice: spoken }]),
  ),
  ...Object.fromEntries(
    [".json", ".jsonl", ".ndjson"].map((end) => [end, { kind: "JSON by its name", advice: asLines }]),
  ),
  ...Object.fromEntries(
    [".csv", ".tsv"].map((end) => [
      end,
      { kind: "a table", advice: "write its column of texts into a .txt file, one text a line" },
    ]),
  ),
  ...Object.fromEntries([".xml", ".html", ".htm"].map((end) => [end, { kind: "a page or XML", advice: asLines }])),
};

/** Whether a word is the name of a file, and so no text, although there is none of that name. */
export const looksLikeFile = (word: string): boolean =>
  /^\S+\.(txt|srt|vtt|ass|ssa|sub|sbv|jsonl?|ndjson|csv|tsv|xml|html?|docx?|pdf|rtf|zip|gz|tar|mp4|mkv|webm|avi|mov|npy|safetensors|pt)$/i.test(
    word,
  );
