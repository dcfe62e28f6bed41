// The columns of a list of clips. A name that is none of them is refused: it may be one that is spelt wrong.
import { FormatError, nearest } from "../../engine/errors.ts";
import { quoted } from "../formats/json.ts";
import type { TableRow } from "../sets/table.ts";
import { clipLimits, type Labels, logitsOf, SENTIMENTS, UNSAID_SENTIMENT } from "../shards/clip.ts";
import { Unfit } from "./account.ts";

const logits = SENTIMENTS.map((name) => `sentiment_${name}`);
const feelings = ["valence", "arousal", "dominance"] as const;
const known = ["path", "start", "end", "caption", "split", "boxes", "sentiment", ...logits, ...feelings];

/** What the columns of a list say of each row. */
export interface Columns {
  /** Names of the label categories: the classes of `name:class` columns, and the names of `name:flag` ones. */
  readonly categories: readonly string[];
  categoriesOf(row: TableRow): number[];
  /** Valence, arousal and dominance of a row; none where all three cells are empty. */
  vadOf(row: TableRow): Labels["vad"];
  /** How the sentiment is given. */
  readonly sentiment: "names" | "logits" | "missing";
  sentimentOf(row: TableRow): number[];
}

/** Checks the header, and finds what it holds. Errors: FormatError for a column that is unknown or missing. */
export function listColumns(file: string, names: readonly string[], rows: readonly TableRow[]): Columns {
  checkNames(file, names);
  const labels = names.flatMap((name) => labelIn(file, name, rows) ?? []);
  const categories = labels.flatMap(({ of }) => of);
  const twice = categories.find((name, i) => categories.indexOf(name) < i);
  if (twice !== undefined) throw new FormatError(`${file}: two labels are called ${quoted(twice)}`);
  const sentiment = sentimentIn(file, names);
  checkFeelings(file, names);
  return {
    vadOf: (row) => (names.includes(feelings[0]) ? vadIn(row) : undefined),
    categories,
    categoriesOf: (row) => labels.flatMap((label) => label.hot(row)),
    sentiment,
    sentimentOf: sentimentReaders[sentiment],
  };
}

function checkNames(file: string, names: readonly string[]): void {
  const strange = names.find((name) => !known.includes(name) && !/^.+:(class|flag|skip)$/.test(name));
  if (strange !== undefined) {
    const near = nearest(strange, known);
    const hint = near ? `did you mean ${near}?` : `known are ${known.join(", ")}.`;
    throw new FormatError(
      `${file}: unknown column ${quoted(strange)}; ${hint} A label is called name:class or name:flag, a column to pass over name:skip`,
    );
  }
  for (const name of ["path", "caption"])
    if (!names.includes(name)) throw new FormatError(`${file}: the header has no column ${quoted(name)}`);
}

interface Label {
  /** Its categories. */
  readonly of: readonly string[];
  hot(row: TableRow): number[];
}

function labelIn(file: string, column: string, rows: readonly TableRow[]): Label | undefined {
  const [, name, kind] = /^(.+):(class|flag)$/.exec(column) ?? [];
  if (kind === "flag") return { of: [name], hot: (row) => [row.oneOf(column, ["0", "1"])] };
  if (kind !== "class") return undefined;
  const of = [...new Set(rows.flatMap((row) => row.maybe(column) ?? []))].sort();
  if (of.length > 1000)
    throw new FormatError(`${file}: column ${quoted(column)} has ${of.length} classes, allowed are 1000`);
  return { of, hot: (row) => of.map((each) => Number(each === row.text(column))) };
}

function checkFeelings(file: string, names: readonly string[]): void {
  const lacking = feelings.filter((name) => !names.includes(name));
  if (lacking.length > 0 && lacking.length < feelings.length)
    throw new FormatError(
      `${file}: has ${3 - lacking.length} of ${feelings.join(", ")}; missing: ${lacking.join(", ")}`,
    );
}

function vadIn(row: TableRow): Labels["vad"] {
  if (feelings.every((name) => row.maybe(name) === undefined)) return undefined;
  const [valence, arousal, dominance] = feelings.map((name) => row.real(name, -clipLimits.value, clipLimits.value));
  return [valence, arousal, dominance];
}

function sentimentIn(file: string, names: readonly string[]): Columns["sentiment"] {
  const there = logits.filter((name) => names.includes(name));
  const isNamed = names.includes("sentiment");
  if (there.length === 0) return isNamed ? "names" : "missing";
  if (isNamed)
    throw new FormatError(`${file}: has the column "sentiment" and ${quoted(there[0])}; one of both says it`);
  const lacking = logits.filter((name) => !there.includes(name));
  if (lacking.length > 0)
    throw new FormatError(`${file}: has ${there.length} of the 7 columns of logits; missing: ${lacking.join(", ")}`);
  return "logits";
}

const sentimentReaders: Record<Columns["sentiment"], (row: TableRow) => number[]> = {
  names: (row) => logitsOf(row.oneOf("sentiment", SENTIMENTS)),
  logits: (row) => logits.map((name) => row.real(name, -1e4, 1e4)),
  missing: () => [...UNSAID_SENTIMENT],
};

/** What a cell says, or the fault of this kind that it is. */
export function cell<T>(kind: string, faults: Unfit[], read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    faults.push(new Unfit(kind, error.message));
    return undefined;
  }
}
