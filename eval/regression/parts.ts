// What is fitted on what: rows in turn held out by subject, by groups of subjects, by folds or splits of a file.
import { quoted } from "../../data/formats/json.ts";
import { Random } from "../../data/philox.ts";
import { FormatError, UsageError } from "../../engine/errors.ts";
import { rowsBySplit } from "../features/column-split.ts";

/** How rows are held out. */
export const heldOutBy = ["subject", "groups", "fold", "split"] as const;
export type HeldOutBy = (typeof heldOutBy)[number];

/** Rows that are held out, by number, and those that are fitted on then. */
export interface HeldOut {
  readonly name: string;
  readonly fit: readonly number[];
  readonly held: readonly number[];
}

/** What is known of each row. */
export interface RowsTold {
  readonly file: string;
  readonly subject?: readonly string[];
  readonly fold?: readonly string[];
  readonly split?: readonly string[];
}

/** How rows are held out where nobody says: as the file has columns for it. */
export function usualParts({ file, subject, fold, split }: RowsTold): HeldOutBy {
  if (fold) return "fold";
  if (split) return "split";
  if (subject) return "subject";
  throw new FormatError(
    `${file}: has none of the columns subject, fold and split; one of them says on whom a model is tested that was fitted on others`,
  );
}

/**
 * The parts of some rows. Errors: FormatError for a column that is not there, for a single subject, fold or split, and for a subject on
 * both sides of a fold or split; UsageError for more groups than subjects.
 */
export function heldOutParts(
  told: RowsTold,
  by: HeldOutBy,
  { groups, seed }: { groups: number; seed: number },
): HeldOut[] {
  if (by === "split") return splitParts(told);
  const of = by === "groups" ? grouped(wordsOf(told, "subject"), groups, seed) : wordsOf(told, by);
  const names = [...new Set(of)].sort(naturalOrder);
  if (names.length < 2)
    throw new FormatError(
      `${told.file}: all ${of.length} rows are of the ${by} ${quoted(names[0])}; one is held out in turn, so there must be two or more`,
    );
  const parts = names.map((name) => partOf(of, name));
  return by === "fold" ? apart(told, parts) : parts;
}

/** Rows by what they have in common, each in the order given. */
export function rowsBy<T>(rows: readonly number[], of: (row: number) => T): Map<T, number[]> {
  const found = new Map<T, number[]>();
  for (const row of rows) {
    const key = of(row);
    const known = found.get(key);
    if (known) known.push(row);
    else found.set(key, [row]);
  }
  return found;
}

const naturalOrder = (a: string, b: string) => Number(a) - Number(b) || (a < b ? -1 : 1);

function wordsOf(told: RowsTold, column: "subject" | "fold" | "split"): readonly string[] {
  const of = told[column];
  if (!of) throw new FormatError(`${told.file}: has no column ${column}`);
  return of;
}

function partOf(of: readonly string[], name: string): HeldOut {
  const numbers = Array.from(of.keys());
  return { name, fit: numbers.filter((i) => of[i] !== name), held: numbers.filter((i) => of[i] === name) };
}

/** Subjects shuffled by the seed and dealt out: each is whole in one group. */
function grouped(subjects: readonly string[], groups: number, seed: number): string[] {
  const rest = [...new Set(subjects)].sort();
  if (groups > rest.length)
    throw new UsageError(`--groups: ${groups} groups of ${rest.length} subjects; a group needs one`);
  const random = new Random(seed, "subjects");
  const group = new Map<string, string>();
  for (let i = 0; rest.length > 0; i++)
    group.set(rest.splice(random.below(rest.length), 1)[0], String(1 + (i % groups)));
  return subjects.map((subject) => group.get(subject)!);
}

function splitParts(told: RowsTold): HeldOut[] {
  const [[, fit], ...others] = rowsBySplit(wordsOf(told, "split"), told.file, "models");
  return apart(
    told,
    others.map(([name, held]) => ({ name, fit, held })),
  );
}

/** Parts none of whose subjects is on both sides. */
function apart({ file, subject }: RowsTold, parts: readonly HeldOut[]): HeldOut[] {
  for (const { name, fit, held } of parts) {
    const known = new Set(fit.map((i) => subject?.[i]));
    const both = held.find((i) => subject && known.has(subject[i]));
    if (both !== undefined)
      throw new FormatError(
        `${file}: subject ${quoted(subject![both])} is both in ${quoted(name)} and in what is fitted on then, so the test is not of ` +
          "strangers; mend the column, or call it subject:skip",
      );
  }
  return [...parts];
}
