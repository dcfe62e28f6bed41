// Scores of clips in a CSV file: a row a clip, a column a score. An empty cell is a score that nobody gave.
import { basename } from "node:path";
import { quoted } from "../../data/formats/json.ts";
import { readOwnTable, type TableRow } from "../../data/sets/table.ts";
import { FormatError } from "../../engine/errors.ts";
import type { ToldRows } from "../features/rows.ts";
import { column, type Matrix, matrix } from "../matrix.ts";
import { listed } from "../probes/not-defined.ts";

/** Columns of these names are no scores. */
const reserved = ["path", "id", "subject", "fold", "split"] as const;
type Reserved = (typeof reserved)[number];

/** A table of scores. What says where a row belongs is there where the file has such a column. */
export interface ScoreFile extends ToldRows {
  readonly told: Readonly<Partial<Record<Reserved, readonly string[]>>>;
  readonly names: readonly string[];
  /** [rows, scores]; NaN where a cell is empty. */
  readonly scores: Matrix;
  readonly notes: readonly string[];
}

/**
 * Reads it. Columns path, id, subject, fold and split say what a row is of; `name:skip` is passed over; all others are scores. A score
 * that is the same wherever it is given is left out, and said. Errors: FormatError for a cell that is no number, or no score at all.
 */
export function readScores(path: string): ScoreFile {
  const file = basename(path);
  const { names, rows } = readOwnTable(path);
  const asked = names.filter((name) => !reserved.includes(name as Reserved) && !name.endsWith(":skip"));
  const all = asked.map((name) => ({ name, values: rows.map((row) => scoreIn(row, name)) }));
  const varies = all.filter(({ values }) => new Set(values.filter((value) => !Number.isNaN(value))).size > 1);
  if (varies.length === 0)
    throw new FormatError(
      `${file}: ${all.length === 0 ? `has no column of scores beside ${listed(names)}` : `no score varies: ${listed(asked)}`}`,
    );
  const scores = matrix(
    rows.length,
    varies.length,
    Float64Array.from(rows.flatMap((_, n) => varies.map(({ values }) => values[n]))),
  );
  const told = Object.fromEntries(
    reserved.filter((name) => names.includes(name)).map((name) => [name, rows.map((row) => row.text(name))]),
  ) as ScoreFile["told"];
  const ids = told.id ?? told.path;
  return {
    file,
    rows: rows.length,
    ...(ids && { ids }),
    told,
    names: varies.map(({ name }) => name),
    scores,
    notes: notesOn(all, varies, scores),
  };
}

const scoreIn = (row: TableRow, name: string): number => (row.maybe(name) === undefined ? Number.NaN : row.real(name));

interface Score {
  readonly name: string;
  readonly values: readonly number[];
}

function notesOn(all: readonly Score[], varies: readonly Score[], scores: Matrix): string[] {
  const still = all.filter((score) => !varies.includes(score)).map(({ name }) => quoted(name));
  const gaps = varies.flatMap(({ name }, q) => {
    const empty = column(scores, q).filter(Number.isNaN).length;
    return empty > 0 ? [`${name} ${empty}`] : [];
  });
  return [
    `scores: ${varies.map(({ name }) => name).join(", ")}`,
    ...(still.length > 0 ? [`left out, for they are the same wherever they are given: ${still.join(", ")}`] : []),
    ...(gaps.length > 0 ? [`missing, of ${scores.shape[0]} rows: ${gaps.join(", ")}`] : []),
  ];
}
