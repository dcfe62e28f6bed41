// Lists of face clips: a line a clip, in the forms in which that field hands them around. Nothing here looks at the disk but for the list.
import { basename } from "node:path";
import { FormatError } from "../../engine/errors.ts";
import { quoted } from "../formats/json.ts";
import { readRegular } from "../formats/regular.ts";

/** A clip as a list has it. */
export interface FaceLine {
  /** Where its frames lie, as the list says: often a path on somebody else's server. */
  readonly path: string;
  /** Class words, of which a compound emotion has several; or a class number. */
  readonly label: number | readonly string[];
  /** Frames that the list counts. */
  readonly frames?: number;
  /** What is said of the clip. */
  readonly caption?: string;
  /** "train.txt: line 3", for messages. */
  readonly place: string;
}

/** A list, and in which form it was. */
export interface FaceList {
  readonly clips: readonly FaceLine[];
  readonly form: string;
  readonly notes: readonly string[];
}

/** Largest list, and longest line, in bytes. */
const most = { list: 32 * 2 ** 20, line: 65_536 } as const;

/**
 * Reads a list. Lines are `path frames label` or `path label` (spaces or tabs), `path<tab>label<tab>Chinese<tab>English` (captions),
 * or a CSV with columns name and class. Bytes are UTF-8, else GBK. Errors: FormatError that names the line.
 */
export async function readFaceLines(path: string): Promise<FaceList> {
  const file = basename(path);
  const { text, notes } = decoded(await readRegular(path, most.list, file), file);
  const lines = text.split(/\r?\n/).map((line, i) => ({ line, place: `${file}: line ${i + 1}` }));
  const filled = lines.filter(({ line }) => line.trim() !== "");
  if (filled.length === 0) throw new FormatError(`${file}: has no lines`);
  for (const { line, place } of filled)
    if (line.length > most.line)
      throw new FormatError(`${place} has ${line.length} characters, allowed are ${most.line}`);
  const form = formOf(filled[0].line);
  const rows = form.hasHeader ? filled.slice(1) : filled;
  if (rows.length === 0) throw new FormatError(`${file}: has a header and no clips`);
  return { clips: rows.map(({ line, place }) => form.read(line, place)), form: form.name, notes };
}

function decoded(bytes: Uint8Array, file: string): { text: string; notes: string[] } {
  const as = (encoding: string) => new TextDecoder(encoding, { fatal: true }).decode(bytes);
  try {
    return { text: as("utf-8"), notes: [] };
  } catch {
    try {
      return { text: as("gbk"), notes: [`${file}: is no UTF-8; read as GBK`] };
    } catch {
      throw new FormatError(`${file}: is neither UTF-8 nor GBK`);
    }
  }
}

interface Form {
  readonly name: string;
  readonly hasHeader: boolean;
  read(line: string, place: string): FaceLine;
}

/** The form of a list by its first line. */
function formOf(first: string): Form {
  if (/^\s*"?name"?\s*,\s*"?class"?\s*$/i.test(first)) return ownCsv;
  if (first.split("\t").length >= 4) return captioned;
  return spaced;
}

const ownCsv: Form = {
  name: "name,class",
  hasHeader: true,
  read(line, place) {
    const cells = line.split(",").map((cell) => cell.trim().replace(/^"(.*)"$/, "$1"));
    if (cells.length !== 2 || cells.includes(""))
      throw new FormatError(`${place} is ${quoted(line.slice(0, 80))}, expected name,class`);
    return { path: cells[0], label: wordsOf(cells[1]), place };
  },
};

const captioned: Form = {
  name: "path, label, Chinese, English between tabs",
  hasHeader: false,
  read(line, place) {
    const [path, label, , english] = line.split("\t").map((cell) => cell.trim());
    if (!path || !label || english === undefined)
      throw new FormatError(
        `${place} is ${quoted(line.slice(0, 80))}, expected path, label, Chinese and English between tabs`,
      );
    const caption = english === "" || english === "-" ? undefined : english;
    return { path, label: labelOf(label), place, ...(caption !== undefined && { caption }) };
  },
};

const spaced: Form = {
  name: "path [frames] label between blanks",
  hasHeader: false,
  read(line, place) {
    const cells = line.trim().split(/[\t ]+/);
    if (cells.length !== 2 && cells.length !== 3)
      throw new FormatError(
        `${place} is ${quoted(line.slice(0, 80))}, expected path, frames and label, or path and label`,
      );
    const [path] = cells;
    const label = labelOf(cells.at(-1)!);
    if (cells.length === 2) return { path, label, place };
    if (!/^\d{1,7}$/.test(cells[1]))
      throw new FormatError(`${place}: frames are ${quoted(cells[1].slice(0, 40))}, expected a whole number`);
    return { path, frames: Number(cells[1]), label, place };
  },
};

const labelOf = (text: string): FaceLine["label"] => (/^\d{1,4}$/.test(text) ? Number(text) : wordsOf(text));

/** `anger_disgust` is two. */
const wordsOf = (text: string): readonly string[] => text.toLowerCase().split("_");
