// Labels of somebody's own in a CSV file: a row for each sample, a column for each class, flag or number. What a column is follows
// from its cells, or from its name (`mood:class`), and is said with every result.
import { basename } from "node:path";
import { quoted } from "../../data/formats/json.ts";
import { readOwnTable, type TableRow } from "../../data/sets/table.ts";
import { FormatError } from "../../engine/errors.ts";
import { listed } from "../probes/not-defined.ts";

/** One class of several by name; yes or no; a number. */
export const columnKinds = ["class", "flag", "number", "skip"] as const;
type Kind = (typeof columnKinds)[number];

/** A column with a value for each row: the number of its class, 0 or 1, or the number itself. */
export interface LabelColumn {
  readonly name: string;
  readonly kind: Exclude<Kind, "skip">;
  /** Names of the classes, in order. */
  readonly of: readonly string[];
  readonly values: readonly number[];
}

export interface LabelFile {
  readonly file: string;
  readonly rows: number;
  readonly ids?: readonly string[];
  readonly splits?: readonly string[];
  readonly columns: readonly LabelColumn[];
  /** What each column was taken for. */
  readonly notes: readonly string[];
}

/** Columns of these names are no labels. */
const reserved = ["id", "split"];

/** Reads a table with a header; `id` and `split` are optional, all others are labels. Empty cells are refused. */
export function readLabels(path: string): LabelFile {
  const file = basename(path);
  const { names, rows } = readOwnTable(path);
  const cells = (name: string) => rows.map((row) => row.text(name));
  const columns = names
    .filter((name) => !reserved.includes(name))
    .map((name) => columnOf(name, rows, file))
    .filter((column) => column !== undefined);
  if (columns.length === 0)
    throw new FormatError(
      `${file}: has no column of labels beside ${listed(names)}; columns are separated by commas, and the first line names them`,
    );
  return {
    file,
    rows: rows.length,
    ...(names.includes("id") && { ids: cells("id") }),
    ...(names.includes("split") && { splits: cells("split") }),
    columns,
    notes: columns.map(said),
  };
}

/** Undefined for a column that is to be skipped. */
function columnOf(header: string, rows: readonly TableRow[], file: string): LabelColumn | undefined {
  const [, name, asked] = /^(.*):(class|flag|number|skip)$/.exec(header) ?? [header, header, undefined];
  const kind = (asked as Kind | undefined) ?? kindOf(rows.map((row) => row.text(header)));
  if (kind === "skip") return undefined;
  if (kind === "number") return { name, kind, of: [], values: rows.map((row) => row.real(header)) };
  if (kind === "flag") return { name, kind, of: [], values: rows.map((row) => row.oneOf(header, ["0", "1"])) };
  const texts = rows.map((row) => row.text(header));
  const of = [...new Set(texts)].sort();
  if (asked === undefined && of.length > 2 && 2 * of.length > rows.length)
    throw new FormatError(
      `${file}: column ${quoted(header)} has ${of.length} different texts in ${rows.length} rows, too many for classes; call it ${quoted(`${header}:skip`)} if it is no label, or ${quoted(`${header}:class`)} if it is`,
    );
  return { name, kind, of, values: texts.map((text) => of.indexOf(text)) };
}

const NUMBER = /^[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?$/;

function kindOf(cells: readonly string[]): Kind {
  if (cells.every((cell) => cell === "0" || cell === "1")) return "flag";
  return cells.every((cell) => NUMBER.test(cell)) ? "number" : "class";
}

const said = ({ name, kind, of }: LabelColumn): string => {
  if (kind === "class") return `column ${name}: one class of ${of.length} (${listed(of)})`;
  if (kind === "flag") return `column ${name}: yes or no (0 and 1)`;
  return `column ${name}: numbers; where they number classes, call the column ${name}:class`;
};
