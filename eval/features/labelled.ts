// Features of somebody's own with labels of their own: rows of both matched, split, and what probes make of each column.
import { existsSync, readFileSync } from "node:fs";
import { basename } from "node:path";
import { parseJson, quoted } from "../../data/formats/json.ts";
import { readNpyFile } from "../../data/formats/npy.ts";
import { SafetensorsFile } from "../../data/formats/safetensors.ts";
import { Random } from "../../data/philox.ts";
import { FormatError, UsageError } from "../../engine/errors.ts";
import { type Matrix, matrix, takeRows } from "../matrix.ts";
import { listed } from "../probes/not-defined.ts";
import { labelsTask, labelTask, type Protocol, type Task, valuesTask } from "../probes/protocol.ts";
import { takeTargets } from "../probes/benchmark-targets.ts";
import type { SplitFeatures, Targets } from "../probes/outcome.ts";
import { checkFeatures } from "./file.ts";
import { type LabelColumn, type LabelFile, readLabels } from "./labels-file.ts";

/** What is scored together: a split has one kind of class, so each column of classes is a part of its own. */
export interface Part {
  readonly protocol: Protocol;
  readonly splits: readonly SplitFeatures[];
}

export interface Labelled {
  /** All tasks, as they are printed. */
  readonly protocol: Protocol;
  readonly parts: readonly Part[];
  readonly source: string;
  readonly notes: readonly string[];
}

/** Features as `emotionclip encode` writes them, and a CSV file of labels; without a column `split` one is drawn by the seed. */
export async function readLabelled(features: string, labels: string, seed: number): Promise<Labelled> {
  const rows = await readRows(features);
  const table = readLabels(labels);
  const matched = matchRows(rows, table);
  const { splits, note } = splitsOf(table, matched, seed);
  const [fit, ...on] = splits.keys();
  const tasks = tasksOf(table.columns);
  const parts = tasks.map(({ task, targets }): Part => {
    const some = [...splits].map(([name, picked]): SplitFeatures => {
      const own = picked.map((i) => matched[i]);
      const x = takeRows(
        rows.features,
        own.map(({ feature }) => feature),
      );
      return {
        name,
        features: x,
        targets: takeTargets(
          targets,
          own.map(({ label }) => label),
        ),
      };
    });
    return { protocol: { input: "video", fit, on, tasks: [task] }, splits: some };
  });
  return {
    protocol: { input: "video", fit, on, tasks: tasks.map(({ task }) => task) },
    parts,
    source: `features from ${rows.file}, labels from ${table.file}`,
    notes: [...table.notes, ...leftOut(rows, table, matched), note],
  };
}

/** Features, and what each row is of, where the file says so. */
interface Rows {
  readonly file: string;
  readonly features: Matrix;
  readonly ids?: readonly string[];
}

async function readRows(path: string): Promise<Rows> {
  const file = basename(path);
  if (path.includes(",")) throw new UsageError(`--features: one file with --labels, received ${quoted(path)}`);
  if (path.endsWith(".safetensors")) return readTensors(path, file);
  const [array, ...rest] = readNpyFile(path);
  if (rest.length > 0)
    throw new FormatError(`${file}: ${rest.length + 1} arrays; features alone are expected, --labels has the rest`);
  const beside = `${path}.json`;
  const ids = existsSync(beside) ? idsIn(readFileSync(beside), basename(beside)) : undefined;
  return { file, features: checkFeatures(array, file, "features"), ...(ids && { ids }) };
}

async function readTensors(path: string, file: string): Promise<Rows> {
  const opened = await SafetensorsFile.open(path);
  try {
    const info = opened.tensors.get("features");
    if (!info)
      throw new FormatError(
        `${file}: has no tensor "features", as emotionclip encode writes it, but ${listed([...opened.tensors.keys()].map((name) => quoted(name)))}`,
      );
    const features = checkFeatures({ shape: info.shape, data: await opened.floats("features") }, file, "features");
    const stored = opened.metadata.get("ids");
    const ids = stored === undefined ? undefined : listIn(parseJson(new TextEncoder().encode(stored), file));
    return { file, features, ...(ids && { ids }) };
  } finally {
    await opened.close();
  }
}

/** The ids of a file beside the features; one of something else has none. */
function idsIn(bytes: Uint8Array, name: string): readonly string[] | undefined {
  const json = parseJson(bytes, name);
  return json !== null && typeof json === "object" && !Array.isArray(json) ? listIn(json.ids) : undefined;
}

const listIn = (value: unknown): readonly string[] | undefined =>
  Array.isArray(value) && value.every((id) => typeof id === "string") ? value : undefined;

/** A row of features with its row of labels. */
interface Match {
  readonly feature: number;
  readonly label: number;
}

/** By ids where both files have them, else by order. */
function matchRows({ file, features, ids }: Rows, table: LabelFile): Match[] {
  const [n] = features.shape;
  if (ids && ids.length !== n)
    throw new FormatError(`${file}: ${n} rows of features, but ${ids.length} ids; write both anew with encode`);
  if (ids && table.ids) return matchIds(ids, table.ids, table.file, file);
  if (n !== table.rows)
    throw new FormatError(
      `${table.file}: ${table.rows} rows of labels for ${n} rows of ${file}; a row for each, in the same order, or a column id`,
    );
  return Array.from({ length: n }, (_, i) => ({ feature: i, label: i }));
}

function matchIds(ids: readonly string[], named: readonly string[], labels: string, features: string): Match[] {
  refuseTwice(named, labels);
  refuseTwice(ids, features);
  const places = new Map(named.map((id, i) => [id, i]));
  const found = ids.flatMap((id, i) => (places.has(id) ? [{ feature: i, label: places.get(id)! }] : []));
  if (found.length > 0) return found;
  throw new FormatError(
    `${labels}: no id is one of ${features}: there ${quoted(ids[0])}, here ${quoted(named[0])}; they must be written alike`,
  );
}

function refuseTwice(ids: readonly string[], file: string): void {
  const seen = new Set<string>();
  for (const id of ids) {
    if (seen.has(id)) throw new FormatError(`${file}: the id ${quoted(id)} twice`);
    seen.add(id);
  }
}

function leftOut({ file, features, ids }: Rows, table: LabelFile, matched: readonly Match[]): string[] {
  const [without, unused] = [features.shape[0] - matched.length, table.rows - matched.length];
  const order = ids && !table.ids ? `${table.file} has no column id` : `${file} tells no ids`;
  return [
    ids && table.ids ? "rows are matched by id" : `rows are matched by their order: ${order}`,
    ...(without > 0 ? [`${without} rows of ${file} have no labels and are left out`] : []),
    ...(unused > 0 ? [`${unused} rows of ${table.file} have no features and are left out`] : []),
  ];
}

/** Share of the rows that a drawn split holds out. */
const heldOut = 0.2;

/** Numbers of matched rows by split, train first. */
function splitsOf(table: LabelFile, matched: readonly Match[], seed: number) {
  const n = matched.length;
  if (table.splits) {
    const of = matched.map(({ label }) => table.splits![label]);
    const others = [...new Set(of)].filter((name) => name !== "train").sort();
    if (others.length === 0 || !of.includes("train"))
      throw new FormatError(
        `${table.file}: column "split" has ${listed([...new Set(of)].map((name) => quoted(name)))}; probes are fitted on "train" and read on another one`,
      );
    const splits = ["train", ...others].map((name) => [name, rowsWhere(of, name)] as const);
    return { splits: new Map(splits), note: `splits by column split: ${["train", ...others].join(", ")}` };
  }
  if (n < 2) throw new FormatError(`${table.file}: ${n} row; probes need some to be fitted on and some to be read on`);
  const count = Math.max(1, Math.round(heldOut * n));
  const random = new Random(seed, "labels");
  const rest = Array.from({ length: n }, (_, i) => i);
  const test = Array.from({ length: count }, () => rest.splice(random.below(rest.length), 1)[0]).sort((a, b) => a - b);
  const note = `no column split: ${count} of ${n} rows, drawn by --seed ${seed}, are the split test`;
  return { splits: new Map([["train", rest] as const, ["test", test] as const]), note };
}

const rowsWhere = (list: readonly string[], name: string) => list.flatMap((each, i) => (each === name ? [i] : []));

/** Flags are probed together, numbers together, classes column by column. */
function tasksOf(columns: readonly LabelColumn[]): { task: Task; targets: Targets }[] {
  const of = (kind: LabelColumn["kind"]) => columns.filter((column) => column.kind === kind);
  const [flags, numbers] = [of("flag"), of("number")];
  const names = (list: readonly LabelColumn[]) => list.map(({ name }) => name);
  return [
    ...(flags.length > 0 ? [{ task: labelsTask("flags", names(flags)), targets: { labels: sideBySide(flags) } }] : []),
    ...(numbers.length > 0
      ? [{ task: valuesTask("numbers", names(numbers)), targets: { values: sideBySide(numbers) } }]
      : []),
    ...of("class").map(({ name, of: classes, values }) => ({
      task: labelTask(name, classes),
      targets: { label: values },
    })),
  ];
}

function sideBySide(columns: readonly LabelColumn[]): Matrix {
  const [n, C] = [columns[0].values.length, columns.length];
  return matrix(
    n,
    C,
    Float64Array.from({ length: n * C }, (_, i) => columns[i % C].values[Math.floor(i / C)]),
  );
}
