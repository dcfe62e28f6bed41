// Lists of face clips: a line a clip, in the forms in which that field hands them around. Nothing here looks at the disk but for the list.
import { basename } from "node:path";
import { FormatError } from "../../engine/errors.ts";
import { quoted } from "../formats/json.ts";
import { readRegular } from "../formats/regular.ts";
import { readTableText, type TableRow } from "../sets/table.ts";

/** A clip as a list has it. */
export interface FaceLine {
  /** Where its frames lie, as the list says: often a path on somebody else's server. */
  readonly path: string;
  /** A class in words, in small letters (a compound emotion joins several by _), or its number. */
  readonly label: number | string;
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
 * or a CSV file with the columns name and class, and perhaps caption. Bytes are UTF-8, else GBK. Errors: FormatError that names the line.
 */
export async function readFaceLines(path: string): Promise<FaceList> {
  const file = basename(path);
  const { text, notes } = decoded(await readRegular(path, most.list, file), file);
  const lines = text.split(/\r?\n/).map((line, i) => ({ line, place: `${file}: line ${i + 1}` }));
  const filled = lines.filter(({ line }) => line.trim() !== "");
  if (filled.length === 0) throw new FormatError(`${file}: has no lines`);
  if (isHeader(filled[0].line)) {
    const table = tableOf(text, file);
    return { ...table, notes: [...notes, ...table.notes] };
  }
  for (const { line, place } of filled)
    if (line.length > most.line)
      throw new FormatError(`${place} has ${line.length} characters, allowed are ${most.line}`);
  const form = filled[0].line.split("\t").length >= 4 ? captioned : spaced;
  return { clips: filled.map(({ line, place }) => form.read(line, place)), form: form.name, notes };
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

const columns = ["name", "class", "caption"];

/** Whether the first line of a list names columns. */
function isHeader(line: string): boolean {
  const cells = line.split(",").map((cell) =>
    cell
      .trim()
      .replace(/^"(.*)"$/, "$1")
      .toLowerCase(),
  );
  return cells.length > 1 && cells.some((cell) => columns.slice(0, 2).includes(cell));
}

function tableOf(text: string, file: string): FaceList {
  const clips: FaceLine[] = [];
  let names: readonly string[] = [];
  readTableText(text, file, { form: "csv", needed: columns.slice(0, 2), caseless: true }, (row) => {
    names = row.names;
    clips.push(clipIn(row, file));
  });
  const twice = columns.find((name) => names.indexOf(name) !== names.lastIndexOf(name));
  if (twice !== undefined) throw new FormatError(`${file}: the header has the column ${quoted(twice)} twice`);
  const passedOver = names.filter((name) => !columns.includes(name));
  const notes =
    passedOver.length > 0 ? [`${file}: columns that are passed over: ${passedOver.map(quoted).join(", ")}`] : [];
  return { clips, form: `a table of ${columns.filter((name) => names.includes(name)).join(", ")}`, notes };
}

function clipIn(row: TableRow, file: string): FaceLine {
  const [path, label] = ["name", "class"].map((column) => row.text(column).trim() || row.refuse(column, "text"));
  const caption = said(row.maybe("caption"));
  return { path, label: label.toLowerCase(), place: `${file}: ${row.place}`, ...(caption && { caption }) };
}

/** Where nothing is said of a clip, MAFW's lists have "-". */
function said(text: string | undefined): string | undefined {
  const caption = text?.trim();
  return caption === "" || caption === "-" ? undefined : caption;
}

interface Form {
  readonly name: string;
  read(line: string, place: string): FaceLine;
}

const captioned: Form = {
  name: "path, label, Chinese, English between tabs",
  read(line, place) {
    const [path, label, , english] = line.split("\t").map((cell) => cell.trim());
    if (!path || !label || english === undefined)
      throw new FormatError(
        `${place} is ${quoted(line.slice(0, 80))}, expected path, label, Chinese and English between tabs`,
      );
    const caption = said(english);
    return { path, label: labelOf(label), place, ...(caption && { caption }) };
  },
};

const spaced: Form = {
  name: "path [frames] label between blanks",
  read(line, place) {
    const cells = line.trim().split(/[\t ]+/);
    if (cells.length !== 2 && cells.length !== 3)
      throw new FormatError(
        `${place} is ${quoted(line.slice(0, 80))}, expected path, frames and label, or path and label; ` +
          "or a CSV file whose first line names the columns name and class",
      );
    const [path] = cells;
    const label = labelOf(cells.at(-1)!);
    if (cells.length === 2) return { path, label, place };
    if (!/^\d{1,7}$/.test(cells[1]) || Number(cells[1]) === 0)
      throw new FormatError(`${place}: frames are ${quoted(cells[1].slice(0, 40))}, expected a whole number from 1`);
    return { path, frames: Number(cells[1]), label, place };
  },
};

const labelOf = (text: string): FaceLine["label"] => (/^\d{1,4}$/.test(text) ? Number(text) : text.toLowerCase());
