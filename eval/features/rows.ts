// Features of somebody's own as `emotionclip encode` writes them, and how their rows find the rows of a table that says more of them.
import { existsSync, readFileSync } from "node:fs";
import { basename } from "node:path";
import { parseJson, quoted } from "../../data/formats/json.ts";
import { readNpyFile } from "../../data/formats/npy.ts";
import { SafetensorsFile } from "../../data/formats/safetensors.ts";
import { FormatError, UsageError } from "../../engine/errors.ts";
import type { Matrix } from "../matrix.ts";
import { listed } from "../probes/not-defined.ts";
import { checkFeatures } from "./file.ts";

/** Features, and what each row is of, where the file says so. */
export interface FeatureRows {
  readonly file: string;
  readonly features: Matrix;
  readonly ids?: readonly string[];
}

/** Reads one file, .npy or .safetensors, as `emotionclip encode` writes them; `beside` is what holds the rest of what is said of the rows. */
export async function readFeatureRows(path: string, beside: string): Promise<FeatureRows> {
  const file = basename(path);
  if (path.includes(",")) throw new UsageError(`--features: one file with ${beside}, received ${quoted(path)}`);
  if (path.endsWith(".safetensors")) return readTensors(path, file);
  const [array, ...rest] = readNpyFile(path);
  if (rest.length > 0)
    throw new FormatError(`${file}: ${rest.length + 1} arrays; features alone are expected, ${beside} has the rest`);
  const told = `${path}.json`;
  const ids = existsSync(told) ? idsIn(readFileSync(told), basename(told)) : undefined;
  return { file, features: checkFeatures(array, file, "features"), ...(ids && { ids }) };
}

async function readTensors(path: string, file: string): Promise<FeatureRows> {
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

/** What is said of rows in a table: a row each, with ids where it has them. */
export interface ToldRows {
  readonly file: string;
  readonly rows: number;
  readonly ids?: readonly string[];
}

/** A row of features with its row of labels. */
export interface Match {
  readonly feature: number;
  readonly label: number;
}

/** By ids where both files have them, else by order. */
export function matchRows({ file, features, ids }: FeatureRows, table: ToldRows): Match[] {
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

/** How rows were matched, and how many of either file are left out. */
export function matchNotes({ file, features, ids }: FeatureRows, table: ToldRows, matched: readonly Match[]): string[] {
  const [without, unused] = [features.shape[0] - matched.length, table.rows - matched.length];
  const order = ids && !table.ids ? `${table.file} has no column id` : `${file} tells no ids`;
  return [
    ids && table.ids ? "rows are matched by id" : `rows are matched by their order: ${order}`,
    ...(without > 0 ? [`${without} rows of ${file} have no labels and are left out`] : []),
    ...(unused > 0 ? [`${unused} rows of ${table.file} have no features and are left out`] : []),
  ];
}
