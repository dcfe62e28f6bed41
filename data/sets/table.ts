// Tables as rows of typed cells. A cell that is not what it should be is named by file, row and column.
import { type CsvError, parse } from "csv-parse/sync";
import { realpathSync } from "node:fs";
import { basename, dirname } from "node:path";
import { FormatError, nearest } from "../../engine/errors.ts";
import { quoted } from "../formats/json.ts";
import { refuse } from "../formats/regular.ts";
import { readText } from "./files.ts";

/** Longest line and longest record of a table, in characters; a real one has some hundreds. */
const RECORD = 2 ** 20;
const LARGEST = 3.4028234663852886e38;
const REAL = /^[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?$/;

/** How the cells of a table are found. */
export interface TableForm {
  /** `csv`: quoted, commas; `tabs`: lines cut at tabs; `spaces`: lines cut at runs of blanks. */
  readonly form: "csv" | "tabs" | "spaces";
  /** Names of the columns where the file has no header: exactly these. */
  readonly columns?: readonly string[];
  /** Columns that a header must have; others may stand beside them. */
  readonly needed?: readonly string[];
  /** Leading lines that are no rows. */
  readonly skip?: number;
  /** Names in a header in small letters, whatever case they have and whatever blanks around them. */
  readonly caseless?: boolean;
}

/** Calls `each` with every row of the table `name` below `root`; blank lines are no rows. */
export function readTable(root: string, name: string, form: TableForm, each: (row: TableRow) => void): void {
  readTableText(readText(root, name), basename(name), form, each);
}

/** The same of a text that is read already; `file` is what messages call it. */
export function readTableText(text: string, file: string, form: TableForm, each: (row: TableRow) => void): void {
  for (let start = 0; start < text.length; ) {
    const end = text.indexOf("\n", start);
    const length = (end < 0 ? text.length : end) - start;
    if (length > RECORD) throw new FormatError(`${file}: a line of ${length} characters, allowed are ${RECORD}`);
    start += length + 1;
  }
  const nul = text.indexOf("\0"); // the package passes over one behind a closing quote
  if (nul >= 0) throw new FormatError(`${file}: line ${text.slice(0, nul).split("\n").length} has a NUL`);
  const table = new Table(file, form, each);
  if (form.form === "csv") readCsv(text, file, table);
  else readLines(text, form.form === "tabs" ? "\t" : /[ \t]+/, table);
  if (table.rows === 0 && form.form !== "spaces") throw new FormatError(`${file}: has no rows`);
}

/** A user's own table with its header, wherever it lies; a column without a name, or twice there, is refused. */
export function readOwnTable(path: string): { names: readonly string[]; rows: readonly TableRow[] } {
  const rows: TableRow[] = [];
  const file = basename(path);
  const whole = realPath(path, file);
  readTable(dirname(whole), basename(whole), { form: "csv" }, (row) => rows.push(row));
  const { names } = rows[0];
  const twice = names.find((name, i) => names.indexOf(name) < i);
  if (twice !== undefined) throw new FormatError(`${file}: the header has the column ${quoted(twice)} twice`);
  if (names.includes("")) throw new FormatError(`${file}: the header has a column without a name`);
  return { names, rows };
}

/** Tables are read below a folder; a user's own may be a link to elsewhere. */
function realPath(path: string, file: string): string {
  try {
    return realpathSync(path);
  } catch (error) {
    return refuse(file, error as NodeJS.ErrnoException);
  }
}

function readLines(text: string, separator: string | RegExp, table: Table): void {
  text.split(/\r?\n/).forEach((line, i) => {
    if (line.trim() !== "")
      table.take(separator === "\t" ? line.split(separator) : line.trim().split(separator), i + 1);
  });
}

function readCsv(text: string, file: string, table: Table): void {
  try {
    parse(text, {
      record_delimiter: ["\r\n", "\n"],
      relax_column_count: true, // counted here, so that the message names the row
      skip_empty_lines: true,
      max_record_size: RECORD,
      on_record: (cells: string[], { lines }) => {
        table.take(cells, lines);
        return null; // nothing is kept
      },
    });
  } catch (error) {
    if (error instanceof FormatError) throw error;
    const { code, lines } = error as CsvError & { lines?: number };
    if (typeof code !== "string" || !/^[A-Z_]+$/.test(code)) throw error;
    throw new FormatError(
      `${file}: row ${table.rows + 1}${lines ? ` (line ${lines})` : ""} is not valid CSV: ${csvFault(code)}`,
    );
  }
}

/** The package's codes in words; its own messages quote the file unescaped. */
function csvFault(code: string): string {
  if (code === "CSV_MAX_RECORD_SIZE") return `more than ${RECORD} characters`;
  if (code === "CSV_QUOTE_NOT_CLOSED") return "a quote without an end";
  if (code.endsWith("INVALID_OPENING_QUOTE")) return "a quote inside a cell that does not begin with one";
  if (code === "CSV_INVALID_CLOSING_QUOTE") return "text after a closing quote";
  return code.toLowerCase().replaceAll("_", " ");
}

/** Takes the records of a table in turn: header first, where there is one. */
class Table {
  rows = 0;
  private records = 0;
  private columns: ReadonlyMap<string, number> | undefined;
  private width = 0;
  private names: readonly string[] = [];

  constructor(
    private readonly file: string,
    private readonly form: TableForm,
    private readonly each: (row: TableRow) => void,
  ) {
    if (form.columns) this.name(form.columns);
  }

  take(cells: readonly string[], line: number): void {
    if (this.records++ < (this.form.skip ?? 0)) return;
    if (!this.columns) {
      this.header(this.form.caseless ? cells.map((cell) => cell.trim().toLowerCase()) : cells);
      return;
    }
    const place = `row ${++this.rows} (line ${line})`;
    if (cells.length !== this.width)
      throw new FormatError(`${this.file}: ${place} has ${cells.length} cells, expected ${this.width}`);
    this.each(new TableRow(this.file, place, cells, this.columns, this.names));
  }

  private header(cells: readonly string[]): void {
    for (const name of this.form.needed ?? []) {
      const count = cells.filter((cell) => cell === name).length;
      if (count > 1) throw new FormatError(`${this.file}: the header has column ${quoted(name)} ${count} times`);
      if (count === 1) continue;
      const near = nearest(
        name,
        cells.slice(0, 100).map((cell) => cell.slice(0, 100)),
      );
      const hint = near === undefined ? "" : `, but ${quoted(near)}`;
      throw new FormatError(`${this.file}: the header (row 0) has no column ${quoted(name)}${hint}`);
    }
    this.name(cells);
  }

  private name(names: readonly string[]): void {
    this.names = names;
    this.columns = new Map(names.map((name, i) => [name, i]));
    this.width = names.length;
  }
}

/** One row. Every reader refuses a cell that is empty or of another kind. */
export class TableRow {
  constructor(
    private readonly file: string,
    /** `row 3 (line 4)`: rows count from 1 without the header. */
    readonly place: string,
    private readonly cells: readonly string[],
    private readonly columns: ReadonlyMap<string, number>,
    /** The header as it stands, which may name a column twice. */
    readonly names: readonly string[],
  ) {}

  text(column: string): string {
    const cell = this.cell(column);
    return cell === "" ? this.refuse(column, "text") : cell;
  }

  /** Undefined where the column is not there or the cell is empty. */
  maybe(column: string): string | undefined {
    return this.columns.has(column) ? this.cell(column) || undefined : undefined;
  }

  /** Digits only; a table that went through a library with missing values may have `.0` behind them. */
  whole(column: string, min = 0, max = Number.MAX_SAFE_INTEGER): number {
    const cell = this.cell(column);
    const value = /^\d{1,15}(\.0)?$/.test(cell) ? Number(cell) : Number.NaN;
    return value >= min && value <= max ? value : this.refuse(column, `a whole number from ${min} to ${max}`);
  }

  /** By default anything that a 32-bit float can hold. */
  real(column: string, min = -LARGEST, max = LARGEST): number {
    const value = realOf(this.cell(column));
    if (value >= min && value <= max) return value;
    return this.refuse(column, max === LARGEST ? "a number" : `a number from ${min} to ${max}`);
  }

  /** The place of the cell's text in a list of names. */
  oneOf(column: string, names: readonly string[]): number {
    const at = names.indexOf(this.cell(column));
    return at < 0 ? this.refuse(column, `one of ${names.join(", ")}`) : at;
  }

  /** `[22, 10.5, 90, 100]`, of exactly `length` numbers. */
  reals(column: string, length: number): number[] {
    const cell = this.cell(column);
    const values = /^\[[^[\]]{0,1000}\]$/.test(cell)
      ? cell
          .slice(1, -1)
          .split(",")
          .map((part) => realOf(part.trim()))
      : [];
    if (values.length === length && values.every(Number.isFinite)) return values;
    return this.refuse(column, `a list of ${length} numbers in brackets`);
  }

  /** Refuses the cell for a reason of the caller's. */
  refuse(column: string, allowed: string): never {
    const cell = this.cell(column);
    const found = cell === "" ? "is empty" : `is ${quoted(cell)}`;
    throw new FormatError(`${this.file}: ${this.place}, column ${quoted(column)} ${found}, expected ${allowed}`);
  }

  /** Refuses the row as a whole. */
  fail(why: string): never {
    throw new FormatError(`${this.file}: ${this.place} ${why}`);
  }

  private cell(column: string): string {
    return this.cells[this.columns.get(column)!];
  }
}

/** NaN for anything but a plain finite number: Number("") is 0, and Number("0x3") is 3. */
function realOf(text: string): number {
  const value = text.length <= 400 && REAL.test(text) ? Number(text) : Number.NaN;
  return Number.isFinite(value) ? value : Number.NaN;
}
